//! How large is the core on a microcontroller? Builds `firmware/size` with each set of features, and prints what each adds.

use crate::{
    firmware::{build, ready},
    run::{Project, must},
};
use anyhow::{Context as _, Result, bail};
use std::{path::Path, process::Command};

/// What is measured: a name, and the features it is built with.
const ROWS: [(&str, &[&str]); 6] = [
    ("MQTT session alone", &["session"]),
    ("device on a plain broker", &["plain"]),
    ("device on Tencent IoT Hub", &["tencent"]),
    ("device on Azure IoT", &["azure"]),
    ("device on Azure IoT over a modem", &["modem"]),
    ("plain, Tencent and Azure together", &["plain", "tencent", "azure"]),
];

/// Prints the table. Sizes are those over the floor: the board's start, the allocator, a vector and the panic.
pub(crate) fn run(project: &Project) -> Result<bool> {
    let compiler = match ready(project)? {
        Ok(compiler) => compiler,
        Err(why) => bail!("{why}"),
    };
    let floor = of(&build(project, &compiler, "size", &[])?)?;
    let mut rows = Vec::new();
    for (name, features) in ROWS {
        let size = of(&build(project, &compiler, "size", features)?)?;
        rows.push((name, size.0.saturating_sub(floor.0), size.1.saturating_sub(floor.1)));
    }
    println!(
        "\n| {:<36} | {:>11} | {:>11} |\n|{:-<38}|{:->13}|{:->13}|",
        "linked", "flash", "static RAM", "", ":", ":"
    );
    for (name, flash, ram) in rows {
        println!("| {name:<36} | {:>11} | {:>11} |", format!("{flash} B"), format!("{ram} B"));
    }
    println!("\nThe floor is {} B of flash and {} B of static RAM.", floor.0, floor.1);
    Ok(true)
}

/// Bytes of flash and of RAM that an image takes.
fn of(image: &Path) -> Result<(u64, u64)> {
    let mut command = Command::new("arm-none-eabi-size");
    let output = command.arg(image).output().context("arm-none-eabi-size")?;
    if !output.status.success() {
        must(&mut command)?;
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let numbers: Vec<u64> =
        text.lines().nth(1).unwrap_or_default().split_whitespace().map_while(|word| word.parse().ok()).collect();
    match numbers.as_slice() {
        [text, data, bss, ..] => Ok((text + data, data + bss)),
        _ => bail!("arm-none-eabi-size says nothing of {}: {text}", image.display()),
    }
}

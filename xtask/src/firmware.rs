//! Does it run on a microcontroller? Builds the examples, starts the local cloud and the emulator, and holds what the
//! board says and what the cloud heard against the story.

mod stage;
mod story;

use crate::{
    nostd::Compiler,
    report::Outcome,
    run::{Project, find, must},
};
use anyhow::{Context as _, Result};
use std::{
    fs,
    path::{Path, PathBuf},
};
use story::STORIES;

/// The board's processor.
pub(crate) const TARGET: &str = "thumbv7em-none-eabihf";
/// Programs that run and link firmware.
const TOOLS: [&str; 2] = ["qemu-system-arm", "arm-none-eabi-ld"];

/// Plays every story.
pub(crate) fn run(project: &Project) -> Result<Outcome> {
    let compiler = match ready(project)? {
        Ok(compiler) => compiler,
        Err(why) => return project.skip(why, Outcome::Skipped),
    };
    must(project.cargo().args(["build", "--quiet", "--workspace", "--all-features", "--bin", "skytether"]))?;
    let mut told = Vec::new();
    for story in &STORIES {
        let image = build(project, &compiler, story.binary, story.features)?;
        println!("--- {}", story.name);
        stage::play(project, story, &image).with_context(|| story.name.to_owned())?;
        told.push(story.name);
    }
    Ok(Outcome::Passed(told.join(", ")))
}

/// A compiler, once the tools are there; or the reason why they are not.
pub(crate) fn ready(project: &Project) -> Result<Result<Compiler, String>> {
    let missing = || TOOLS.iter().filter(|tool| find(tool).is_none()).copied().collect::<Vec<_>>();
    if !missing().is_empty() {
        // Its own words say why it could not be installed; the second look decides.
        if let Err(error) = must(&mut project.program(project.root().join("ci/install-qemu"))) {
            println!("{error:#}");
        }
    }
    let missing = missing();
    if !missing.is_empty() {
        return Ok(Err(format!("not installed: {}", missing.join(", "))));
    }
    let why = || format!("no compiler for {TARGET}: as root on Debian, ci/install-thumb-std");
    Ok(Compiler::for_target(project, TARGET)?.ok_or_else(why))
}

/// Builds one binary of the firmware's workspace, and keeps it under a name that says with which features.
pub(crate) fn build(project: &Project, compiler: &Compiler, binary: &str, features: &[&str]) -> Result<PathBuf> {
    let target = project.target_dir().join("firmware");
    let mut cargo = compiler.cargo(project);
    // The folder's own settings name the linker.
    cargo.current_dir(project.root().join("firmware"));
    cargo.args(["build", "--quiet", "--locked", "--release", "--package", package(binary), "--bin", binary]);
    cargo.args(["--target", TARGET]).arg("--target-dir").arg(&target);
    if !features.is_empty() {
        cargo.args(["--features", &features.join(",")]);
    }
    must(&mut cargo)?;
    let built = target.join(TARGET).join("release").join(binary);
    let kept = target.join([&[binary], features].concat().join("-"));
    fs::copy(&built, &kept).with_context(|| format!("cannot copy {}", built.display()))?;
    Ok(kept)
}

fn package(binary: &str) -> &'static str {
    if binary == "size" { "skytether-firmware-size" } else { "skytether-firmware" }
}

/// A file's text.
fn text(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

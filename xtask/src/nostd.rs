//! Does the core build where there is no operating system? Finds a compiler for each target, and builds with it.

use crate::{
    report::Outcome,
    run::{Project, answer, find, must},
};
use anyhow::Result;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// A microcontroller with a floating point unit, one without, and one without atomic read-modify-write.
const TARGETS: [&str; 3] = ["thumbv7em-none-eabihf", "thumbv7m-none-eabi", "riscv32imc-unknown-none-elf"];

/// The feature sets that are built: nothing, what a user gets, everything.
const FEATURES: [&[&str]; 3] = [&["--no-default-features"], &[], &["--all-features"]];

/// Builds the core for `targets`, or for the usual ones if none is named.
pub(crate) fn build(project: &Project, targets: &[String]) -> Result<Outcome> {
    let targets: Vec<&str> =
        if targets.is_empty() { TARGETS.to_vec() } else { targets.iter().map(String::as_str).collect() };
    let mut compilers = Vec::new();
    for &target in &targets {
        match Compiler::for_target(project, target)? {
            Some(compiler) => compilers.push((target, compiler)),
            None => {
                return project.skip(
                    format!("no compiler for {target}: try `rustup target add {target}`, or as root on Debian ci/install-thumb-std"),
                    Outcome::Skipped,
                );
            }
        }
    }
    for (target, compiler) in &compilers {
        for features in FEATURES {
            let mut cargo = compiler.cargo(project);
            cargo.args(["build", "--quiet", "--package", "skytether-core", "--target", target]).args(features);
            must(cargo.arg("--target-dir").arg(project.target_dir().join("nostd")))?;
        }
    }
    Ok(Outcome::Passed(format!("skytether-core for {}", targets.join(", "))))
}

/// A compiler that has `core` and `alloc` for a target.
pub(crate) enum Compiler {
    /// The one that built us.
    Ours,
    /// The distribution's, with the libraries that `ci/install-thumb-std` built.
    Debian,
}

impl Compiler {
    /// The first that there is, after an attempt to install one.
    pub(crate) fn for_target(project: &Project, target: &str) -> Result<Option<Self>> {
        if has_core("rustc", target) {
            return Ok(Some(Self::Ours));
        }
        if !has_core("/usr/bin/rustc", target) {
            let root = answer(Command::new("id").arg("-u")).as_deref() == Some("0");
            if !root || find("apt-get").is_none() {
                return Ok(None);
            }
            must(project.program(project.root().join("ci/install-thumb-std")).arg(target))?;
        }
        Ok(has_core("/usr/bin/rustc", target).then_some(Self::Debian))
    }

    pub(crate) fn cargo(&self, project: &Project) -> Command {
        match self {
            Self::Ours => project.cargo(),
            Self::Debian => {
                let mut cargo = project.program("/usr/bin/cargo");
                // What a toolchain manager left in the environment belongs to another compiler.
                for name in ["RUSTUP_TOOLCHAIN", "RUSTC", "RUSTC_WRAPPER", "RUSTFLAGS", "CARGO", "LD_LIBRARY_PATH"] {
                    cargo.env_remove(name);
                }
                cargo.env("PATH", "/usr/bin:/bin");
                cargo
            }
        }
    }
}

/// Whether the compiler's own folder holds `core` for the target.
fn has_core(rustc: &str, target: &str) -> bool {
    let Some(sysroot) = answer(Command::new(rustc).args(["--print", "sysroot"])) else { return false };
    let libraries: PathBuf = Path::new(&sysroot).join("lib/rustlib").join(target).join("lib");
    let Ok(entries) = fs::read_dir(libraries) else { return false };
    entries.filter_map(Result::ok).any(|entry| entry.file_name().to_string_lossy().starts_with("libcore-"))
}

//! What does `cargo xtask …` do? Reads the command line and runs the stages that it asks for.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "a command-line tool talks on stdout")]
#![allow(clippy::std_instead_of_core, clippy::std_instead_of_alloc, reason = "a program of the host")]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")
)]

mod bench;
mod firmware;
mod fuzz;
mod layers;
mod nostd;
mod peers;
mod report;
mod rules;
mod run;
mod size;
mod source;
mod stages;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use run::Project;
use stages::Stage;
use std::{path::Path, process::ExitCode};

/// The project's own commands.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check everything: house rules, format, lints, docs, `no_std` builds, conformance, all tests, the vendor's SDK.
    ///
    /// What is missing on a Debian machine (mosquitto, Python, a compiler for microcontrollers) is installed where that
    /// is possible; where it is not, the stage says what it skipped. With CI=true a missing tool is an error.
    Test {
        /// Run only this stage; may be given several times.
        #[arg(long, value_enum)]
        only: Vec<Stage>,
        /// Leave this stage out; may be given several times.
        #[arg(long, value_enum)]
        skip: Vec<Stage>,
    },
    /// Do what continuous integration does: `test` as with CI=true, and the licence and advisory check.
    Ci,
    /// Build the core for microcontrollers, with every combination of features that matters.
    Nostd {
        /// Target triples [default: the ones that CI builds].
        targets: Vec<String>,
    },
    /// Run all fuzz targets in turn and print a table; what they find is named with its file.
    ///
    /// Needs a nightly toolchain; cargo-fuzz is installed where it is missing. The seeds run without either, in `test`.
    Fuzz {
        /// How long each target runs.
        #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
        seconds: u32,
        /// Run only this target.
        target: Option<String>,
    },
    /// Run the firmware examples in an emulator, against the local cloud.
    ///
    /// Installs the emulator, a linker and a compiler for Cortex-M where that is possible.
    Firmware,
    /// Measure the flash that the core takes on a Cortex-M4F, alone and with each cloud, and print the table.
    Size,
    /// Measure codec, session and whole clients beside their peers, and print the tables.
    ///
    /// Builds several hundred crates the first time. Instruction counts need valgrind, some rows mosquitto or a Python
    /// with paho-mqtt (named by `BENCH_PYTHON`); what is missing is left out.
    Bench {
        /// Fewer rounds: a first look, not figures to quote.
        #[arg(long)]
        quick: bool,
    },
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every stage passed.
fn run(arguments: &Arguments) -> Result<bool> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask has no parent folder")?;
    let asked = std::env::var("CI").is_ok_and(|value| value == "true" || value == "1");
    match &arguments.command {
        Command::Test { only, skip } => {
            let mut chosen: Vec<Stage> = if only.is_empty() { Stage::TEST.to_vec() } else { only.clone() };
            chosen.retain(|stage| !skip.contains(stage));
            Ok(report::run_all(&Project::new(root, asked), &chosen))
        }
        Command::Ci => Ok(report::run_all(&Project::new(root, true), &Stage::CI)),
        Command::Nostd { targets } => {
            let outcome = nostd::build(&Project::new(root, true), targets)?;
            println!("{outcome}");
            Ok(true)
        }
        Command::Size => size::run(&Project::new(root, true)),
        Command::Firmware => {
            let outcome = firmware::run(&Project::new(root, true))?;
            println!("{outcome}");
            Ok(true)
        }
        Command::Bench { quick } => bench::run(&Project::new(root, asked), *quick),
        Command::Fuzz { seconds, target } => fuzz::run(&Project::new(root, asked), *seconds, target.as_deref()),
    }
}

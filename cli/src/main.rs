//! The command-line tool of skytether: `skytether --help` says what it does.
#![forbid(unsafe_code)]
#![allow(clippy::std_instead_of_core, reason = "a program of the host")]

use clap::Parser as _;
use skytether::{args::Arguments, run};
use std::process::ExitCode;

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("skytether: {failure}");
            ExitCode::from(failure.code())
        }
    }
}

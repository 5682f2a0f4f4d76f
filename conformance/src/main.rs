//! Runs vector and transcript files, prints what fails and why, and last `N passed, M failed`.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "a command-line tool talks on stdout")]

use clap::Parser;
use skytether_conformance::{Kinds, run};
use std::{fs, path::PathBuf, process::ExitCode};

/// Runs vector and transcript files against skytether.
///
/// Each file says its format: "mqtt-client-transcripts/1" (cases for an MQTT client, each run with its input whole, byte
/// by byte and in random pieces, and its output taken whole and byte by byte) or "skytether-vectors/1" (pairs of input
/// and output).
///
/// Prints the id of each case that fails, with the reason, and last "N passed, M failed". What is not offered yet counts
/// as failed. The exit code is 0 if nothing failed, 1 if something did, 2 if the command line cannot be understood.
#[derive(Parser)]
#[command(
    name = "skytether-conformance",
    max_term_width = 100,
    after_help = "Examples:\n  \
        skytether-conformance --kind 3.1.1 conformance/vectors/mqtt-client-transcripts.json\n  \
        skytether-conformance --kind rule --kind payload:door conformance/vectors/tencent.json"
)]
struct Arguments {
    /// Run only cases of this kind; may be given several times.
    ///
    /// In transcript files: the protocol (3.1.1, 5) or the name of a table, such as varint or utf8. In vector files: the
    /// kind (rule, topics, …), or for the kinds "payload" and "parse" also payload:BUILDER and parse:EVENT.
    #[arg(long = "kind", value_name = "K")]
    kinds: Vec<String>,
    /// Print the cases that pass, too.
    #[arg(short, long)]
    verbose: bool,
    /// The files.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let kinds = Kinds::new(arguments.kinds);
    let (mut passed, mut failed) = (0_usize, 0_usize);
    let mut seen = Vec::new();
    for file in &arguments.files {
        let name = file.display();
        let verdicts = fs::read_to_string(file).map_err(|error| error.to_string()).and_then(|text| run(&text, &kinds));
        let verdicts = match verdicts {
            Ok(verdicts) => verdicts,
            Err(why) => {
                println!("FAILED {name}: {why}");
                failed += 1;
                continue;
            }
        };
        for verdict in verdicts {
            match verdict.outcome {
                Ok(()) => {
                    passed += 1;
                    if arguments.verbose {
                        println!("passed {} ({})", verdict.id, verdict.kind);
                    }
                }
                Err(why) => {
                    failed += 1;
                    println!("FAILED {} ({}): {why}", verdict.id, verdict.kind);
                }
            }
            seen.push(verdict.kind);
        }
    }
    let seen: Vec<&str> = seen.iter().map(String::as_str).collect();
    for kind in kinds.unused(&seen) {
        failed += 1;
        println!("FAILED --kind {kind}: no case of this kind in the files given");
    }
    println!("{passed} passed, {failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

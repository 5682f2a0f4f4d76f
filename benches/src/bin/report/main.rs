//! What does one run of everything say, as one text with tables? `report [--quick]`, called by `cargo xtask bench`.
//!
//! It expects the other programs of this crate beside itself.
#![forbid(unsafe_code)]
#![allow(clippy::disallowed_methods, reason = "clocks are what this is about")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a benchmark whose work fails must stop"
)]

mod ends;
mod machine;
mod rows;

use std::{
    io,
    path::PathBuf,
    process::{Command, Stdio},
};

/// What is wanted of a row: at most this share of the named peer.
struct Goal {
    group: &'static str,
    peer: &'static str,
    bar: f64,
    aim: f64,
}

const GOALS: [Goal; 11] = [
    Goal { group: "decode PUBLISH QoS 1, 256 B", peer: "mqttrs", bar: 0.6, aim: 0.4 },
    Goal { group: "decode PUBLISH QoS 1, 256 B", peer: "mqttbytes", bar: 0.21, aim: 0.21 },
    Goal { group: "decode PUBACK", peer: "mqttrs", bar: 0.33, aim: 0.17 },
    Goal { group: "decode mixed stream, 1460 B chunks", peer: "mqttrs", bar: 0.8, aim: 0.65 },
    Goal { group: "encode PUBLISH QoS 1, 256 B", peer: "mqttrs", bar: 0.42, aim: 0.35 },
    Goal { group: "session in, QoS 1, 256 B", peer: "rumqttc MqttState", bar: 0.23, aim: 0.12 },
    Goal { group: "session out, QoS 1, 256 B", peer: "rumqttc MqttState", bar: 0.2, aim: 0.12 },
    Goal { group: "null broker, publish QoS 0", peer: "rumqttc", bar: 0.5, aim: 0.2 },
    Goal { group: "null broker, publish QoS 1", peer: "rumqttc", bar: 0.5, aim: 0.2 },
    Goal { group: "null broker, receive QoS 0", peer: "rumqttc", bar: 1.0, aim: 0.5 },
    Goal { group: "null broker, receive QoS 1", peer: "rumqttc", bar: 0.5, aim: 0.2 },
];

/// Ours beside a peer: the share of the peer's cost that ours is.
struct Ratio {
    group: String,
    peer: String,
    share: f64,
}

fn main() -> io::Result<()> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    println!("{}\n", machine::describe());
    let mut ratios = rows::report(quick)?;
    ratios.extend(ends::report(quick)?);
    goals(&ratios);
    println!("\nLoad at the end: {}", machine::load());
    Ok(())
}

/// The figures to reach, and how far they are reached.
fn goals(ratios: &[Ratio]) {
    println!("\n## Figures to reach\n\n| work | beside | bar | aim | now | |\n|---|---|---:|---:|---:|---|");
    for goal in GOALS {
        let found = ratios.iter().find(|ratio| ratio.group == goal.group && ratio.peer == goal.peer);
        let Some(Ratio { share, .. }) = found else { continue };
        let verdict = match *share {
            share if share <= goal.aim => "aim reached",
            share if share <= goal.bar => "bar reached",
            _ => "**not reached**",
        };
        println!("| {} | {} | ≤ {} × | ≤ {} × | {share:.2} × | {verdict} |", goal.group, goal.peer, goal.bar, goal.aim);
    }
}

/// A program of this crate.
fn beside(program: &str) -> PathBuf {
    std::env::current_exe().unwrap().with_file_name(program)
}

/// What a program prints; its errors are shown. `None` where it cannot be started or fails.
fn output(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

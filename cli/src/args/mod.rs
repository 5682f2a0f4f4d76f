//! What can be asked for on the command line, and how is it explained?
#![allow(clippy::exhaustive_enums, clippy::exhaustive_structs, reason = "the command line, matched where it is obeyed")]

pub mod demo;
pub mod look;
pub mod sim;
pub mod talk;
pub mod target;

use clap::{ArgAction, Parser, Subcommand};
use clap_complete::Shell;
use core::time::Duration;

/// Connects devices to IoT clouds, and simulates the clouds.
#[derive(Parser, Clone, Debug)]
#[command(name = "skytether", bin_name = "skytether", version, max_term_width = 100)]
#[command(subcommand_required = true, arg_required_else_help = true)]
#[command(after_help = "\
Examples:
  skytether demo home               a door and an air conditioner talk through a simulated cloud
  skytether demo home -v            the same, with a line for each MQTT packet
  skytether sim                     a cloud on this machine, with profiles to connect by, until Ctrl-C
  skytether check --profile skytether-sim/door_tls.json
  skytether help demo home          everything about it

In a checkout, `cargo run -- demo home` does the same as `skytether demo home`.")]
pub struct Arguments {
    /// Shows more: -v each MQTT packet of the devices, -vv the cloud's side as well.
    #[arg(short, long, action = ArgAction::Count, global = true)]
    pub verbose: u8,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the tool can do.
#[derive(Subcommand, Clone, Debug)]
pub enum Command {
    /// Tells a story with real devices, real sockets and a simulated cloud.
    #[command(subcommand, subcommand_required = true, arg_required_else_help = true)]
    #[command(after_help = demo::HELP)]
    Demo(demo::Demo),
    /// Runs a cloud on this machine, until Ctrl-C: all transports, profiles for its devices, faults on request.
    #[command(after_help = sim::help())]
    Sim(sim::SimArguments),
    /// Runs a device: events as JSON lines on stdout, commands as JSON lines on stdin.
    #[command(after_help = talk::run_help())]
    Run(Box<talk::RunArguments>),
    /// Publishes a message, and waits until it has arrived.
    #[command(after_help = talk::publish_help())]
    Pub(Box<talk::PublishArguments>),
    /// Subscribes, and writes what comes.
    #[command(after_help = talk::subscribe_help())]
    Sub(Box<talk::SubscribeArguments>),
    /// Prints with what any other MQTT client connects as a device.
    #[command(after_help = look::credentials_help())]
    Credentials(Box<look::CredentialsArguments>),
    /// Connects step by step, and says which step fails: DNS, TCP, TLS, WebSocket, CONNACK.
    #[command(after_help = look::check_help())]
    Check(Box<look::CheckArguments>),
    /// Prints a script that lets a shell complete this tool's commands and options.
    #[command(after_help = "\
Examples:
  source <(skytether completions bash)
  skytether completions zsh > ~/.zfunc/_skytether
  skytether completions fish > ~/.config/fish/completions/skytether.fish")]
    Completions {
        /// For which shell.
        shell: Shell,
    },
}

/// A time in seconds, with or without a fraction.
fn seconds(text: &str) -> Result<Duration, &'static str> {
    let seconds: f64 = text.parse().map_err(|_| "write a number of seconds, such as 10 or 0.5")?;
    Duration::try_from_secs_f64(seconds).map_err(|_| "write a number of seconds from 0 on")
}

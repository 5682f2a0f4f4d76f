//! What can be asked for on the command line, and how is it explained?
#![allow(clippy::exhaustive_enums, clippy::exhaustive_structs, reason = "the command line, matched where it is obeyed")]

use crate::{
    demo::{home::Home, observer::Observe, pace::Speed},
    exit::CODES,
};
use clap::{ArgAction, Args, Parser, Subcommand};

/// Connects devices to IoT clouds, and simulates the clouds.
#[derive(Parser, Clone, Debug)]
#[command(name = "skytether", bin_name = "skytether", version, max_term_width = 100)]
#[command(subcommand_required = true, arg_required_else_help = true)]
#[command(after_help = "\
Examples:
  skytether demo home               a door and an air conditioner talk through a simulated cloud
  skytether demo home -v            the same, with a line for each MQTT packet
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
    #[command(after_help = "\
Examples:
  skytether demo home               somebody comes home, and the air conditioner turns on

A demo needs no account, no network and no configuration: the cloud runs inside, on the loopback interface.")]
    Demo(Demo),
}

/// The stories.
#[derive(Subcommand, Clone, Copy, Debug)]
pub enum Demo {
    /// Comes home and leaves again: a door, an air conditioner, and a rule between them.
    ///
    /// Starts a simulated Tencent Cloud IoT Hub with two products, a device in each, and a rule. The air conditioner
    /// (`AirConditioner1`) connects, subscribes to its topic `control` and tells the room's temperature once a second. The
    /// door (`door1`) connects twice, once for coming home and once for leaving, and publishes to its topic `event`.
    /// The rule carries the door's messages to the air conditioner, which turns on and off.
    #[command(after_help = home_help())]
    Home(HomeArguments),
}

/// The options of `demo home`.
#[derive(Args, Clone, Copy, Debug)]
pub struct HomeArguments {
    /// How many times faster than it happened the story is told, 0.1 to 1000; 1 is real time (25 s).
    #[arg(long, value_name = "N", default_value = "5")]
    pub speed: Speed,
    /// Sends what the vendor's Python SDK puts on the wire: the door's JSON once more as a JSON string, 68 and 69
    /// bytes. The rule is then one that passes the bytes on unchanged (`SELECT *`).
    #[arg(long)]
    pub python_wire: bool,
    /// The port of the simulated cloud on 127.0.0.1; 0 takes a free one.
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub port: u16,
    /// Offers a copy of each message to other programs, on a port of its own that needs no credentials.
    #[arg(long)]
    pub observe: bool,
    /// The port of `--observe` (which it implies) on 127.0.0.1; 0 takes a free one.
    #[arg(long, value_name = "PORT")]
    pub observe_port: Option<u16>,
    /// Begins when somebody has subscribed at the port of `--observe` (which it implies); gives up after a minute.
    #[arg(long)]
    pub wait_for_observer: bool,
}

impl From<&HomeArguments> for Home {
    fn from(arguments: &HomeArguments) -> Self {
        let observed = arguments.observe || arguments.observe_port.is_some() || arguments.wait_for_observer;
        let port = arguments.observe_port.unwrap_or(0);
        Self {
            speed: arguments.speed,
            python_wire: arguments.python_wire,
            port: arguments.port,
            observe: observed.then_some(Observe { port, wait: arguments.wait_for_observer }),
        }
    }
}

fn home_help() -> String {
    format!(
        "\
Examples:
  skytether demo home                     the story, in about 5 seconds
  skytether demo home --speed 1 -v        in real time, with each packet
  skytether demo home --python-wire -v    with the very bytes of the vendor's Python SDK
  skytether demo home -vv                 with the cloud's view too

Looking on with another MQTT client:
  skytether demo home --observe-port 1884 --wait-for-observer
  mosquitto_sub -h 127.0.0.1 -p 1884 -t '#' -v -C 4        (in a second terminal)
The cloud itself lets in none but its devices, whose secrets are made anew for each run.

{CODES}"
    )
}

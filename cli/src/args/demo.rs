//! With which options does a user ask for a story, whole or in parts?

use super::target::{ProfileArgument, Way};
use crate::{
    demo::{
        central::{Link, Standing, Told},
        home::Home,
        observer::Observe,
        pace::Speed,
    },
    exit::CODES,
};
use clap::{Args, Subcommand, ValueEnum};
use skytether_core::portable::profile::Transport;
use skytether_simulator::home::Action;
use std::path::PathBuf;

/// What `demo --help` says at its end.
pub(super) const HELP: &str = "\
Examples:
  skytether demo home               somebody comes home, and the air conditioner turns on
  skytether demo central            a board on Azure IoT Central, over MQTT or a modem
  skytether demo time               a device asks its cloud for the time

These three need no account, no network and no configuration: the cloud runs inside, on the loopback interface.";

/// The stories.
#[derive(Subcommand, Clone, Debug)]
pub enum Demo {
    /// Comes home and leaves again: a door, an air conditioner, and a rule between them.
    ///
    /// Starts a simulated Tencent Cloud IoT Hub with two products, a device in each, and a rule. The air conditioner
    /// (`AirConditioner1`) connects, subscribes to its topic `control` and tells the room's temperature once a second. The
    /// door (`door1`) connects twice, once for coming home and once for leaving, and publishes to its topic `event`.
    /// The rule carries the door's messages to the air conditioner, which turns on and off.
    #[command(after_help = home_help())]
    Home(HomeArguments),
    /// A board on Azure IoT Central: is provisioned, tells temperatures, obeys the portal, restarts.
    ///
    /// Starts a simulated Azure IoT: the provisioning service, a hub, and IoT Central's view of the device. The board
    /// (`sn0123FE0CF960432D01`, known by its certificate) registers, goes to the hub that it is assigned, reads its twin
    /// and tells of itself, then the temperature. The portal writes `telemetryInterval` and an LED, which are pending until
    /// the board acknowledges them, and calls `reboot` with `PT5S`: the board answers, restarts (the device, never
    /// this machine) and comes back to the hub that it remembers.
    #[command(after_help = central_help())]
    Central(CentralArguments),
    /// Asks the cloud for the time: subscribes, asks, hears the answer, unsubscribes.
    ///
    /// Without --profile it asks a simulated Tencent Cloud IoT Hub that it starts inside.
    #[command(after_help = time_help())]
    Time(TimeArguments),
    /// One half of the home: a door that connects, tells that somebody comes or leaves, and ends.
    #[command(after_help = door_help())]
    Door(DoorArguments),
    /// The other half: an air conditioner that obeys, and tells the room's temperature until Ctrl-C.
    #[command(after_help = aircond_help())]
    Aircond(AircondArguments),
}

/// The options of `demo home`.
#[derive(Args, Clone, Copy, Debug)]
pub struct HomeArguments {
    /// How packets travel: tcp, tls, ws (WebSocket) or wss.
    #[arg(long, value_name = "NAME", default_value = "tcp")]
    pub transport: Transport,
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

/// How the board of `demo central` reaches its cloud.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum CentralLink {
    /// Our own MQTT over TLS.
    Mqtt,
    /// A simulated AnyCloud modem: AT commands on a pseudo-terminal.
    At,
}

/// The options of `demo central`.
#[derive(Args, Clone, Copy, Debug)]
pub struct CentralArguments {
    /// How the board reaches its cloud.
    #[arg(long, value_name = "NAME", default_value = "mqtt")]
    pub link: CentralLink,
    /// How the board finds its modem (with `--link at`).
    #[arg(long, value_name = "STATE", default_value = "fresh")]
    pub modem: Standing,
    /// Runs no board: waits for one that another program runs, such as a microcontroller in an emulator, at the TCP port
    /// of the modem (with `--link at`).
    #[arg(long)]
    pub elsewhere: bool,
    /// How many times faster than it happens the story is told, 0.1 to 1000; 1 is real time (about a minute).
    #[arg(long, value_name = "N", default_value = "5")]
    pub speed: Speed,
    /// The port of the simulated cloud on 127.0.0.1; 0 takes a free one.
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub port: u16,
}

impl From<&CentralArguments> for Told {
    fn from(arguments: &CentralArguments) -> Self {
        let link = match arguments.link {
            CentralLink::Mqtt => Link::Mqtt,
            CentralLink::At if arguments.elsewhere => Link::Elsewhere(arguments.modem),
            CentralLink::At => Link::At(arguments.modem),
        };
        Self { link, speed: arguments.speed, port: arguments.port }
    }
}

/// The options of `demo time`.
#[derive(Args, Clone, Debug)]
pub struct TimeArguments {
    /// The device whose cloud is asked: a profile, or the vendor's own `device_info.json`. Without it, a cloud is
    /// simulated.
    #[arg(long, value_name = "FILE")]
    pub profile: Option<PathBuf>,
    /// The way there; to a simulated cloud, only --transport and --port count.
    #[command(flatten)]
    pub way: Way,
}

/// What a door can tell.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
#[value(rename_all = "snake_case")]
pub enum DoorAction {
    /// Somebody comes: the air conditioner turns on.
    ComeHome,
    /// Everybody leaves: it turns off.
    LeaveHome,
}

impl From<DoorAction> for Action {
    fn from(action: DoorAction) -> Self {
        match action {
            DoorAction::ComeHome => Self::ComeHome,
            DoorAction::LeaveHome => Self::LeaveHome,
        }
    }
}

/// The options of `demo door`.
#[derive(Args, Clone, Debug)]
pub struct DoorArguments {
    /// What it tells.
    pub action: DoorAction,
    /// The device that it speaks of.
    #[arg(long, value_name = "NAME", default_value = "AirConditioner1")]
    pub target: String,
    /// Sends what the vendor's Python SDK puts on the wire: the JSON once more as a JSON string.
    #[arg(long)]
    pub python_wire: bool,
    /// Which device it is.
    #[command(flatten)]
    pub device: ProfileArgument,
}

/// The options of `demo aircond`.
#[derive(Args, Clone, Debug)]
pub struct AircondArguments {
    /// Ends after so many temperatures.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub ticks: Option<u32>,
    /// How many times faster than real time it lives, 0.1 to 1000.
    #[arg(long, value_name = "N", default_value = "1")]
    pub speed: Speed,
    /// Which device it is.
    #[command(flatten)]
    pub device: ProfileArgument,
}

impl From<&HomeArguments> for Home {
    fn from(arguments: &HomeArguments) -> Self {
        let observed = arguments.observe || arguments.observe_port.is_some() || arguments.wait_for_observer;
        let port = arguments.observe_port.unwrap_or(0);
        Self {
            transport: arguments.transport,
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
  skytether demo home --transport wss     the same by WebSocket on TLS
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

fn central_help() -> String {
    format!(
        "\
Examples:
  skytether demo central                                the story, in about 20 seconds
  skytether demo central --link at -v                   over a modem, with each AT line
  skytether demo central --link at --modem connected    a modem that still holds a connection of before
  skytether demo central -vv                            with each packet, and the cloud's view

{CODES}"
    )
}

fn time_help() -> String {
    format!(
        "\
Examples:
  skytether demo time --transport wss -v                        each packet, by WebSocket on TLS
  skytether demo time --profile device_info.json --ca ca.pem    the real cloud's time

{CODES}"
    )
}

fn door_help() -> String {
    format!(
        "\
Examples, beside a running `skytether sim` and `skytether demo aircond`:
  skytether demo door come_home --profile skytether-sim/door_tls.json
  skytether demo door leave_home --profile skytether-sim/door_device_info.json --transport tcp --host 127.0.0.1 --port …

With the vendor's own file alone, the real cloud is meant:
  skytether demo door come_home --profile door_device_info.json --ca tencent-ca.pem

{CODES}"
    )
}

fn aircond_help() -> String {
    format!(
        "\
Examples:
  skytether demo aircond --profile skytether-sim/aircond_tls.json      beside a running `skytether sim`
  skytether demo aircond --profile aircond_device_info.json --ca tencent-ca.pem      on the real cloud

{CODES}"
    )
}

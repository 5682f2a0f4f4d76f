//! With which options does a user start a cloud of their own?

use crate::exit::CODES;
use clap::Args;
use core::net::IpAddr;
use skytether_simulator::broker::fault::Fault;
use std::path::PathBuf;

/// The options of `sim`.
#[derive(Args, Clone, Debug)]
pub struct SimArguments {
    /// The folder for the clouds' files: the CA, and for each device a `device_info.json` and a profile for each
    /// transport; those of the local Azure begin with `azure_`. Files of these names are replaced; secrets and certificates are made anew at each start.
    #[arg(long, value_name = "DIR", default_value = "skytether-sim")]
    pub dir: PathBuf,
    /// The address to listen on.
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    pub listen: IpAddr,
    /// The port for TCP; 0 takes a free one.
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub port: u16,
    /// The port for TLS; 0 takes a free one.
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub tls_port: u16,
    /// The port for WebSocket; 0 takes a free one.
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub ws_port: u16,
    /// The port for WebSocket on TLS; 0 takes a free one.
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub wss_port: u16,
    /// The port of the local Azure for TLS; 0 takes a free one.
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub azure_port: u16,
    /// The port of the local Azure for HTTPS: uploads and downloads; 0 takes a free one.
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub azure_https_port: u16,
    /// Products, devices and rules as JSON, instead of the demo's home.
    #[arg(long, value_name = "FILE")]
    pub account: Option<PathBuf>,
    /// Misbehaves from the start: refuse=5, delay=200ms, drop-every=5s, throttle=5, … (below); may be repeated.
    #[arg(long, value_name = "ORDER")]
    pub misbehave: Vec<Fault>,
}

/// What `sim --help` says at its end.
pub(super) fn help() -> String {
    format!(
        "\
Orders to misbehave, by --misbehave or as lines on stdin:
  refuse=5, refuse=5x3, refuse=off     refuses every CONNECT, or the next three, with this code
  delay=200ms, delay=off               sends everything so much later
  drop, drop=CLIENT-ID                 closes connections now, without a word
  drop-every=5s, drop-every=off        closes all connections again and again
  drop-after=10, drop-after=off        closes each connection at its tenth packet
  throttle=5, throttle=5,late=2s, throttle=off
                                       beyond five messages a second: loses them, or acknowledges them late
  take-over, take-over=CLIENT-ID       lets a ghost connect under the client's id
  silence[=CLIENT-ID], speak[=CLIENT-ID]   hears and says nothing, as a dead line does; or again
  revoke=CLIENT-ID, restore=CLIENT-ID  takes the client's credentials for wrong ones; or for right ones again
  corrupt, corrupt=CLIENT-ID           sends a packet that is none
  behave                               ends all of that
Other lines on stdin:
  send TOPIC TEXT                      publishes from the local Tencent IoT Hub, at QoS 1
  write DEVICE {{\"name\": value}}        writes desired properties at the local Azure; null removes one
  call DEVICE METHOD [JSON]            calls a direct method there, and tells the answer
  message DEVICE TEXT                  sends a message there
  twin DEVICE                          shows the twin
  clients                              lists who is connected
  help, quit
On a terminal single keys do the most common of these; ? lists them.

-v shows each packet. Ctrl-C ends it.

Examples:
  skytether sim --port 1883 --tls-port 8883
  skytether sim --misbehave drop-every=10s --misbehave delay=300ms
  skytether demo aircond --profile skytether-sim/aircond_tls.json        (in a second terminal)
  skytether demo door come_home --profile skytether-sim/door_wss.json    (in a third)
  skytether run --stay --profile skytether-sim/azure_curiosity-key_tls.json

{CODES}"
    )
}

//! The workbench of the story over a modem: a simulated `AnyCloud` module, its serial line, and the Wi-Fi around it.

use super::{
    cloud::{Central, DEVICE, HUB},
    device::Way,
};
use crate::{demo::central::cloud, exit::Failure, log::Log};
use clap::ValueEnum;
use core::fmt::Display;
use skytether_core::{
    at::{self, Security, Wifi},
    azure::endpoint::PROVISIONING,
    secret::Secret,
};
use skytether_simulator::modem::{
    self as simulated, Network,
    bridge::{Bridge, Config, Keys, Wanted},
};
use skytether_tokio::Serial;

/// The Wi-Fi network, and its passphrase.
const NETWORK: (&str, &str) = ("your_SSID", "your_PASSPHRASE");
/// Where the modem asks for the time.
const NTP: &str = "pool.ntp.org";

/// How the board finds its modem.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug, Default)]
#[allow(clippy::exhaustive_enums, reason = "the command line builds it")]
pub enum Standing {
    /// Switched on just now.
    #[default]
    Fresh,
    /// It has joined its Wi-Fi already.
    Joined,
    /// It has joined, and still holds an MQTT connection of before.
    Connected,
}

/// The serial line for a board of ours: a pseudo-terminal, where there are such.
pub(super) fn here() -> Wanted {
    if cfg!(unix) { Wanted::Pty } else { port() }
}

/// The serial line for a board that someone else runs: a TCP port.
pub(super) fn port() -> Wanted {
    Config::default().serial
}

/// The modem, and where its serial line is.
pub(super) struct Bench {
    bridge: Bridge,
}

impl Bench {
    /// Switches the modem on.
    pub(super) async fn start(
        central: &Central,
        standing: Standing,
        serial: Wanted,
        log: &Log,
    ) -> Result<Self, Failure> {
        let broken = |why: &dyn Display| Failure::Start(format!("the simulated modem cannot start: {why}"));
        let (ssid, passphrase) = NETWORK;
        let modem = simulated::Config {
            device_id: DEVICE.to_owned(),
            networks: vec![Network::protected(ssid, passphrase)],
            standing: match standing {
                Standing::Fresh => simulated::Standing::Off,
                Standing::Joined => simulated::Standing::Joined,
                Standing::Connected => simulated::Standing::Connected {
                    host: PROVISIONING.to_owned(),
                    port: 8883,
                    tls: true,
                    client_id: DEVICE.to_owned(),
                    user_name: format!("{}/registrations/{DEVICE}/api-version=2019-03-31", cloud::SCOPE),
                },
            },
            ..simulated::Config::default()
        };
        let device = central.device();
        let config = Config {
            modem,
            serial,
            hosts: vec![(PROVISIONING.to_owned(), central.addr()), (HUB.to_owned(), central.addr())],
            keys: Some(Keys {
                roots: central.authority(),
                certificate: Some(device.certificate().to_owned()),
                key: Secret::new(device.private_key()),
            }),
            ..Config::default()
        };
        let bridge = Bridge::start(config).await.map_err(|error| broken(&error))?;
        let state = match standing {
            Standing::Fresh => "switched on just now",
            Standing::Joined => "in its Wi-Fi already",
            Standing::Connected => "in its Wi-Fi already, with an MQTT connection of before",
        };
        log.say(format_args!("A simulated AnyCloud modem is at {}, {state}.", bridge.port()));
        Ok(Self { bridge })
    }

    /// How the board uses it.
    pub(super) fn way(&self) -> Way {
        let (ssid, passphrase) = NETWORK;
        let wifi = Wifi { ssid: ssid.to_owned(), security: Security::Wpa2, passphrase: Secret::new(passphrase) };
        let options = at::Options { wifi: Some(wifi), ntp: Some(NTP.to_owned()), ..at::Options::default() };
        Way::At(Box::new(options), Serial::at(&self.bridge.port().to_string()))
    }

    /// Switches it off.
    pub(super) async fn stop(self) {
        self.bridge.stop().await;
    }
}

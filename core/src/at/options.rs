//! What a user decides about a modem: its dialect, its network, its certificates, and how long it may take for what.

use crate::{
    queue::{Qos0Offline, QueuePolicy, Rate},
    secret::Secret,
};
use alloc::string::String;
use core::time::Duration;

/// What a user decides about a modem.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[allow(clippy::exhaustive_structs, reason = "a user writes `Options { wifi: …, ..Options::default() }`")]
pub struct Options {
    /// The family of the module.
    pub dialect: Dialect,
    /// The network to join; `None` where the module is on one, or goes onto one by itself.
    pub wifi: Option<Wifi>,
    /// The time server that the module is to ask (`pool.ntp.org`), at most 128 bytes: TLS needs the time. With one, the
    /// module is asked for the time before it connects, which is told as
    /// [`Notice::Wall`](crate::link::Notice::Wall).
    pub ntp: Option<String>,
    /// Keys and certificates.
    pub tls: Tls,
    /// Time limits.
    pub timers: Timers,
    /// What a full queue does.
    pub queue: QueuePolicy,
    /// What QoS 0 does without a connection.
    pub qos0_offline: Qos0Offline,
    /// How fast application messages may leave; `None`: as fast as the module takes them.
    pub rate: Option<Rate>,
}

/// Which family of modules answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[allow(clippy::exhaustive_enums, reason = "the families that exist; a new one changes every table")]
pub enum Dialect {
    /// Found out by asking the module for its model. Until it has answered, AnyCloud's bounds, the narrower ones, hold.
    #[default]
    Auto,
    /// PIC32MZW1 and WFI32E: a command line of at most 510 bytes, messages with lengths, one kind of acknowledgement.
    AnyCloud,
    /// RNWF02 and RNWF11: long lines, escaped strings, packet ids, granted QoS.
    Rnwf,
}

impl Dialect {
    /// Longest command line that the module takes, in bytes before its end: AnyCloud's buffer of 512, and what RNWF
    /// modules, which document no bound, are taken to hold.
    pub fn line(self) -> usize {
        match self {
            Self::Auto | Self::AnyCloud => 510,
            Self::Rnwf => 4094,
        }
    }
}

/// How a Wi-Fi network is protected (`AT+WSTAC=2`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum Security {
    /// Not at all; the passphrase is not used.
    Open,
    /// WPA and WPA2, personal.
    Mixed,
    /// WPA2, personal.
    #[default]
    Wpa2,
    /// WPA2 and WPA3, personal.
    Transition,
    /// WPA3, personal.
    Wpa3,
}

impl Security {
    /// The number that both dialects have for it.
    pub(super) fn code(self) -> i64 {
        match self {
            Self::Open => 0,
            Self::Mixed => 2,
            Self::Wpa2 => 3,
            Self::Transition => 4,
            Self::Wpa3 => 5,
        }
    }
}

/// The Wi-Fi network to join where the module is on none.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[allow(clippy::exhaustive_structs, reason = "a user writes `Wifi { ssid: …, ..Wifi::default() }`")]
pub struct Wifi {
    /// Its name, 1 to 32 bytes.
    pub ssid: String,
    /// Its protection.
    pub security: Security,
    /// Its passphrase, at most 128 bytes; never printed, wiped once sent.
    pub passphrase: Secret,
}

/// Which of the module's keys and certificates serve MQTT. An AnyCloud module has no choice to make: it trusts its
/// built-in roots and the last one loaded, and shows the certificate of its secure element.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "a user writes `Tls { ca: …, ..Tls::default() }`")]
pub struct Tls {
    /// The TLS configuration to use, 1 to 4 (AnyCloud: any number above 0 is TLS). Default 1.
    pub conf: u8,
    /// Name of the root certificate on an RNWF module; `None` leaves what is set there.
    pub ca: Option<String>,
    /// Name of the device's certificate on an RNWF module; `None` leaves what is set there. An endpoint that names one
    /// ([`TlsIdentity::Named`](crate::link::TlsIdentity::Named)) comes first.
    pub certificate: Option<String>,
    /// Name of its private key; `None`: the certificate's.
    pub key: Option<String>,
}

impl Default for Tls {
    fn default() -> Self {
        Self { conf: 1, ca: None, certificate: None, key: None }
    }
}

/// How long the modem may take for what.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "a user writes `Timers { join: …, ..Timers::default() }`")]
pub struct Timers {
    /// From a command to its final result. Default 2 s. After three in a row the line is brought in order again.
    pub answer: Duration,
    /// From the request to join to the address. Default 20 s.
    pub join: Duration,
    /// How long to wait, once on the network, for the module to know the time. Default 10 s; then it connects without.
    pub time: Duration,
    /// From the request to connect to its outcome. Default 60 s.
    pub connect: Duration,
    /// From a subscription to its acknowledgement. Default 10 s.
    pub subscribe: Duration,
    /// From a message of QoS 1 or 2 to its acknowledgement. Default 10 s; then the connection is taken for dead.
    pub publish: Duration,
    /// From the farewell to the end of the connection. Default 5 s.
    pub disconnect: Duration,
    /// How long the line has to be silent to be in order again. Default 100 ms.
    pub quiet: Duration,
    /// How long the module takes to start. Default 3 s.
    pub boot: Duration,
    /// A connected module that has said nothing for so long is asked whether it is. Default 60 s.
    pub check: Duration,
    /// Pause between a final result and the next command. Default none.
    pub pacing: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            answer: Duration::from_secs(2),
            join: Duration::from_secs(20),
            time: Duration::from_secs(10),
            connect: Duration::from_mins(1),
            subscribe: Duration::from_secs(10),
            publish: Duration::from_secs(10),
            disconnect: Duration::from_secs(5),
            quiet: Duration::from_millis(100),
            boot: Duration::from_secs(3),
            check: Duration::from_mins(1),
            pacing: Duration::ZERO,
        }
    }
}

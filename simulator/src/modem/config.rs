//! What a modem is made with: its dialect, the networks around it, what it holds, how long things take, and its quirks.

use core::time::Duration;
use skytether_core::secret::Secret;

/// Which firmware speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[allow(clippy::exhaustive_enums, reason = "there are two dialects")]
pub enum Dialect {
    /// The PIC32MZW1 with the `AnyCloud` firmware.
    #[default]
    AnyCloud,
    /// RNWF02 and RNWF11.
    Rnwf,
}

/// What a modem is made with.
#[derive(Clone, Debug)]
#[allow(clippy::exhaustive_structs, reason = "a user writes `Config { networks, ..Config::default() }`")]
pub struct Config {
    /// The dialect.
    pub dialect: Dialect,
    /// The common name of its certificate, and the client id while none is set. Default `sn0123FE0CF960432D01`.
    pub device_id: String,
    /// The Wi-Fi networks within reach. Default: one open network `lab`.
    pub networks: Vec<Network>,
    /// What `AT+READCERT` shows.
    pub certificates: Certificates,
    /// How `AT+WSTA` answers, which firmware and manual disagree about.
    pub station: StationForm,
    /// Where the published firmware does worse than its manual.
    pub quirks: Quirks,
    /// How long things take.
    pub times: Times,
    /// What it did before the host came.
    pub standing: Standing,
    /// The chance of its faults.
    pub seed: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            dialect: Dialect::default(),
            device_id: "sn0123FE0CF960432D01".to_owned(),
            networks: vec![Network::open("lab")],
            certificates: Certificates::default(),
            station: StationForm::default(),
            quirks: Quirks::default(),
            times: Times::default(),
            standing: Standing::Off,
            seed: 0,
        }
    }
}

/// A Wi-Fi network within reach.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "a user writes `Network { channel: 11, ..Network::open(\"lab\") }`")]
pub struct Network {
    /// Its name, at most 32 bytes.
    pub ssid: String,
    /// Its passphrase; `None`: it is open.
    pub passphrase: Option<Secret>,
    /// The address of its access point, as printed.
    pub bssid: String,
    /// Its channel.
    pub channel: u8,
    /// How strong it is, in dBm.
    pub rssi: i32,
    /// The address that it gives.
    pub address: String,
}

impl Network {
    /// An open network of this name.
    pub fn open(ssid: impl Into<String>) -> Self {
        Self {
            ssid: ssid.into(),
            passphrase: None,
            bssid: "02:00:00:00:00:01".to_owned(),
            channel: 11,
            rssi: -50,
            address: "192.0.2.7".to_owned(),
        }
    }

    /// A network with this passphrase: WPA2 or better.
    pub fn protected(ssid: impl Into<String>, passphrase: impl Into<Vec<u8>>) -> Self {
        Self { passphrase: Some(Secret::new(passphrase)), ..Self::open(ssid) }
    }
}

/// The certificates that it shows, each as DER; an empty one is not there.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[allow(clippy::exhaustive_structs, reason = "a user writes it down")]
pub struct Certificates {
    /// The device's.
    pub device: Vec<u8>,
    /// The root that it trusts.
    pub root: Vec<u8>,
    /// The one that signed the device's.
    pub signer: Vec<u8>,
}

/// The answer of `AT+WSTA` and the events of the station. Only `AnyCloud` has a choice.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[allow(clippy::exhaustive_enums, reason = "three forms are known")]
pub enum StationForm {
    /// As the firmware prints: `+WSTA:1,"lab",-50,3`, events without association id.
    #[default]
    Firmware,
    /// As the manual says: `+WSTA:1,1,"lab",-50,3`, events with the id.
    Manual,
    /// As the vendor's own transcript shows: `+WSTA:1`.
    Short,
}

/// What the firmware does and its manual does not say.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[allow(clippy::exhaustive_structs, clippy::struct_excessive_bools, reason = "independent choices of a user")]
pub struct Quirks {
    /// `AnyCloud`: the password is stored and never sent, and a message whose printed form is over 1,500 bytes is cut
    /// off there. Default false: the password is sent, messages are whole.
    pub faithful: bool,
    /// `+MQTTPUBACC` also for QoS 0.
    pub published_at_qos_0: bool,
    /// A connection that fails below MQTT is not told at all.
    pub silent_failures: bool,
    /// After a loss it connects again by itself, so much later, and says only `+MQTTCONN:1`.
    pub reconnects: Option<Duration>,
    /// RNWF: no `+MQTTPUB` line before the `OK` of a publish, as in older firmware.
    pub no_publish_line: bool,
}

/// How long things take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "a user writes `Times { boot, ..Times::default() }`")]
pub struct Times {
    /// From power or reset to the banner. Default 1 s.
    pub boot: Duration,
    /// From a command to its final result; what comes in meanwhile waits. Default none.
    pub command: Duration,
    /// From `AT+WSTA=1` to the link, or to its failure. Default 1.5 s.
    pub join: Duration,
    /// From the link to the address. Default 300 ms.
    pub address: Duration,
    /// From the address to the time. Default 200 ms.
    pub sntp: Duration,
    /// RNWF: from one `+TIME` to the next. Default 10 minutes.
    pub time_again: Duration,
    /// How long name look-up, TCP and TLS may take. Default 5 s.
    pub network: Duration,
    /// How long an answer of the broker may take. Default 1 s, as in the firmware.
    pub answer: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            boot: Duration::from_secs(1),
            command: Duration::ZERO,
            join: Duration::from_millis(1500),
            address: Duration::from_millis(300),
            sntp: Duration::from_millis(200),
            time_again: Duration::from_mins(10),
            network: Duration::from_secs(5),
            answer: Duration::from_secs(1),
        }
    }
}

/// What it did before the host came. It holds until the first reset.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[allow(clippy::exhaustive_enums, reason = "a modem is off, joined or connected")]
pub enum Standing {
    /// It is switched on now.
    #[default]
    Off,
    /// It is in the first of its networks, and knows the time.
    Joined,
    /// Moreover it connects to a broker at once.
    Connected {
        /// Host.
        host: String,
        /// Port.
        port: u16,
        /// Whether by TLS.
        tls: bool,
        /// Client id.
        client_id: String,
        /// User name.
        user_name: String,
    },
}

//! What happens in each run of the firmware: who says what, and what the other side does about it.

/// One run of one binary.
pub(crate) struct Story {
    /// Its name in the report.
    pub(crate) name: &'static str,
    /// Binary of the firmware's package, and the features it is built with.
    pub(crate) binary: &'static str,
    pub(crate) features: &'static [&'static str],
    /// The scheme by which the cloud names the address that the board connects to.
    pub(crate) scheme: &'static str,
    /// When the board says a line that begins so, the cloud is told so; each once, in this order.
    pub(crate) turns: &'static [(&'static str, &'static str)],
    /// Pieces of lines that the cloud must have told by the end, and how often at least.
    pub(crate) heard: &'static [(&'static str, usize)],
}

/// Telemetry and a command, an end that nobody announced, and both again.
const TURNS: [(&str, &str); 3] = [
    ("telemetry Ok(Published)", "send AIRCPRD7B2/AirConditioner1/control {\"action\":\"turn_on\"}"),
    ("command 1 {\"action\":\"turn_on\"}", "drop"),
    ("telemetry Ok(Published)", "send AIRCPRD7B2/AirConditioner1/control {\"action\":\"turn_off\"}"),
];

const HEARD: [(&str, usize); 3] =
    [("<- PUBLISH d0 q1 r0", 2), ("closed by the broker: told to drop", 1), ("<- DISCONNECT", 1)];

/// All of them.
pub(crate) const STORIES: [Story; 2] = [
    Story { name: "Ethernet", binary: "telemetry", features: &[], scheme: "tcp", turns: &TURNS, heard: &HEARD },
    Story {
        name: "Ethernet, TLS 1.2",
        binary: "telemetry",
        features: &["tls"],
        scheme: "tls",
        turns: &TURNS,
        heard: &HEARD,
    },
];

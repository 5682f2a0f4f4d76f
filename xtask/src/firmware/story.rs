//! What happens in each run of the firmware: who says what, and what the other side does about it.

/// One run of one binary.
pub(crate) struct Story {
    /// Its name in the report.
    pub(crate) name: &'static str,
    /// Binary of the firmware's package, and the features it is built with.
    pub(crate) binary: &'static str,
    pub(crate) features: &'static [&'static str],
    /// The other side.
    pub(crate) cloud: Cloud,
    /// When the board says a line that begins so, the cloud is told so; each once, in this order.
    pub(crate) turns: &'static [(&'static str, &'static str)],
    /// Pieces of lines that the cloud must have told by the end, and how often at least.
    pub(crate) heard: &'static [(&'static str, usize)],
}

/// What the board talks to.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Cloud {
    /// `skytether sim`, over the network, at its address of this scheme; the story ends with the board.
    Home(&'static str),
    /// `skytether demo central`, over the modem on the UART; the story ends with the demo.
    Central,
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
pub(crate) const STORIES: [Story; 3] = [
    Story {
        name: "Ethernet",
        binary: "telemetry",
        features: &[],
        cloud: Cloud::Home("tcp"),
        turns: &TURNS,
        heard: &HEARD,
    },
    Story {
        name: "Ethernet, TLS 1.2",
        binary: "telemetry",
        features: &["tls"],
        cloud: Cloud::Home("tls"),
        turns: &TURNS,
        heard: &HEARD,
    },
    Story {
        name: "Azure IoT Central over a modem",
        binary: "central",
        features: &["central"],
        cloud: Cloud::Central,
        turns: &[],
        heard: &[
            ("telemetryInterval: pending", 1),
            ("telemetryInterval: accepted, 5", 1),
            ("led_user: accepted, 1", 1),
            ("reboot is answered: 200", 1),
            ("by the assignment that it remembered", 1),
        ],
    },
];

//! What do the door and the air conditioner of the demo do? Their payloads, and the room's temperature.
//!
//! The door tells the air conditioner that someone comes or leaves; the room cools while the air conditioner is on and
//! warms while it is off. All of it is pure: who runs it says when a second has passed.
//!
//! ```
//! use skytether_simulator::home::{Action, AirConditioner, command_action, door_payload};
//!
//! let mut air = AirConditioner::default();
//! assert_eq!(air.tick(), "[air is close] temperature 25");
//! let payload = door_payload(Action::ComeHome, "AirConditioner1", true);
//! if let Some(action) = command_action(&payload) {
//!     air.command(action);
//! }
//! assert_eq!(air.tick(), "[air is open] temperature 25");
//! ```

use serde_json::Value;
use skytether_core::link::QoS;

/// What the door tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "the door knows two")]
pub enum Action {
    /// Someone came home: the air conditioner opens.
    ComeHome,
    /// Everyone has left: it closes.
    LeaveHome,
}

impl Action {
    /// As it stands in payloads: `come_home` or `leave_home`.
    pub fn name(self) -> &'static str {
        match self {
            Self::ComeHome => "come_home",
            Self::LeaveHome => "leave_home",
        }
    }

    /// The action of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::ComeHome, Self::LeaveHome].into_iter().find(|action| action.name() == name)
    }
}

/// The air conditioner, and the room it stands in.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct AirConditioner {
    temperature: f64,
    open: bool,
}

impl Default for AirConditioner {
    /// Closed, at 25 °C.
    fn default() -> Self {
        Self::new(25.0)
    }
}

impl AirConditioner {
    /// Closed, in a room of so many °C.
    pub fn new(temperature: f64) -> Self {
        Self { temperature, open: false }
    }

    /// Takes a command; it shows at the next tick.
    pub fn command(&mut self, action: Action) {
        self.open = action == Action::ComeHome;
    }

    /// One second: keeps the temperature between −10 and 40 °C, says it, then lets it move by half a degree.
    ///
    /// The line is `[air is open] temperature N` or `[air is close] temperature N`, N without its fraction.
    pub fn tick(&mut self) -> String {
        self.temperature = self.temperature.clamp(COLDEST, WARMEST);
        let state = if self.open { "open" } else { "close" };
        // The sum turns a negative zero, as -0.5 leaves it, into a plain one.
        let line = format!("[air is {state}] temperature {}", self.temperature.trunc() + 0.0);
        self.temperature += if self.open { -STEP } else { STEP };
        line
    }

    /// Whether it is on.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// The room's temperature in °C, as the next tick will find it.
    pub fn temperature(&self) -> f64 {
        self.temperature
    }
}

/// What the door publishes: `{"action": "come_home", "targetDevice": "AirConditioner1"}`, spaces included.
///
/// With `python_wire` it is that text once more as a JSON string, as the vendor's Python SDK sends it (68 and 69 bytes
/// for the demo's own names).
pub fn door_payload(action: Action, target: &str, python_wire: bool) -> Vec<u8> {
    let object = format!(r#"{{"action": {}, "targetDevice": {}}}"#, quoted(action.name()), quoted(target));
    let wire = if python_wire { quoted(&object) } else { object };
    wire.into_bytes()
}

/// The action in a payload that the air conditioner gets, a JSON object or a JSON string that holds one; `None` where
/// there is no action that it knows. The target is not looked at: the cloud has chosen it.
pub fn command_action(payload: &[u8]) -> Option<Action> {
    let mut value: Value = serde_json::from_slice(payload).ok()?;
    if let Some(inner) = value.as_str() {
        value = serde_json::from_str(inner).ok()?;
    }
    Action::from_name(value.get("action")?.as_str()?)
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// The quality of service at which the door publishes and the air conditioner subscribes.
pub const QOS: QoS = QoS::AtLeastOnce;

const COLDEST: f64 = -10.0;
const WARMEST: f64 = 40.0;
const STEP: f64 = 0.5;

#[cfg(test)]
mod tests {
    use super::{Action, AirConditioner, command_action, door_payload};

    /// The lines of `ticks` seconds; each action comes before the tick of its number.
    fn lines(start: f64, ticks: usize, actions: &[(usize, Action)]) -> Vec<String> {
        let mut air = AirConditioner::new(start);
        (0..ticks)
            .map(|tick| {
                for (_, action) in actions.iter().filter(|(before, _)| *before == tick) {
                    air.command(*action);
                }
                air.tick()
            })
            .collect()
    }

    #[test]
    fn the_24_lines_of_the_document_come_out() {
        let seen = lines(25.0, 24, &[(6, Action::ComeHome), (17, Action::LeaveHome)]);
        let close = |n| format!("[air is close] temperature {n}");
        let open = |n| format!("[air is open] temperature {n}");
        let mut expected: Vec<String> = [25, 25, 26, 26, 27, 27].map(close).to_vec();
        expected.extend([28, 27, 27, 26, 26, 25, 25, 24, 24, 23, 23].map(open));
        expected.extend([22, 23, 23, 24, 24, 25, 25].map(close));
        assert_eq!(seen, expected);
    }

    #[test]
    fn the_temperature_stays_between_its_bounds() {
        assert_eq!(lines(39.0, 6, &[]).last().unwrap(), "[air is close] temperature 40");
        assert_eq!(lines(-9.0, 6, &[(0, Action::ComeHome)]).last().unwrap(), "[air is open] temperature -10");
        assert_eq!(lines(100.0, 1, &[]), ["[air is close] temperature 40"]);
    }

    #[test]
    fn the_fraction_is_dropped_towards_zero() {
        let seen = lines(1.0, 5, &[(0, Action::ComeHome)]);
        let numbers: Vec<&str> = seen.iter().map(|line| line.rsplit(' ').next().unwrap()).collect();
        assert_eq!(numbers, ["1", "0", "0", "0", "-1"]);
    }

    #[test]
    fn the_door_sends_as_many_bytes_as_the_document_says() {
        let len = |action, python_wire| door_payload(action, "AirConditioner1", python_wire).len();
        assert_eq!((len(Action::ComeHome, true), len(Action::LeaveHome, true)), (68, 69));
        assert_eq!((len(Action::ComeHome, false), len(Action::LeaveHome, false)), (58, 59));
    }

    #[test]
    fn both_forms_of_the_payload_are_understood() {
        for action in [Action::ComeHome, Action::LeaveHome] {
            for python_wire in [false, true] {
                assert_eq!(command_action(&door_payload(action, "A \"quoted\" name", python_wire)), Some(action));
            }
        }
        assert_eq!(command_action(br#"{"action":"leave_home"}"#), Some(Action::LeaveHome));
    }

    #[test]
    fn what_is_no_command_changes_nothing() {
        for payload in [&b""[..], b"null", b"{}", br#"{"action":3}"#, br#"{"action":"sing"}"#, br#""text""#, b"\xff"] {
            assert_eq!(command_action(payload), None);
        }
    }
}

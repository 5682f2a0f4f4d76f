//! What does the board do, and when?

use crate::led::LEDS;
use alloc::{
    collections::VecDeque,
    format,
    string::{String, ToString as _},
    vec::Vec,
};
use core::{ops::RangeInclusive, time::Duration};
use serde_json::{Map, Value, json};
use skytether_core::{
    azure::{duration::IsoDuration, pnp::Ack},
    time::Instant,
};

/// The model that the board announces.
pub const MODEL: &str = "dtmi:com:Microchip:WBZ451_Curiosity;1";

/// Between two temperatures, until the cloud says otherwise.
pub const INTERVAL: Duration = Duration::from_secs(10);

/// What `telemetryInterval` may be, in seconds.
pub const INTERVALS: RangeInclusive<u64> = 1..=86_400;

/// Between two properties that the board tells of itself at the start.
const HELLO: Duration = Duration::from_secs(1);

/// Quarters of a degree: 15.0, and 25.0, after which it begins again at the former.
const COLDEST: u32 = 60;
const WARMEST: u32 = 100;
/// 20.0, a temperature before the first one that is told.
const AT_FIRST: u32 = 80;

/// Things that may wait to be done. The cloud's changes come one at a time, so that more are never there.
const WAITING: usize = 32;

/// Something that the host has to do for the board.
#[derive(Clone, PartialEq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "a host does each")]
pub enum Do {
    /// Send telemetry.
    Tell(Value),
    /// Report properties.
    Report(Value),
    /// Acknowledge writable properties, in one patch.
    Acknowledge(Vec<Ack>),
    /// Show a text that the cloud sent, where a board has a display.
    Show(String),
    /// Restart the device after this time: close it, and begin it anew. Never the host.
    Restart(Duration),
}

/// The application of one board, from its start to its restart.
#[derive(Clone, Debug)]
pub struct Board {
    model: &'static str,
    address: Option<String>,
    interval: Duration,
    leds: [u64; LEDS.len()],
    /// The lights whose value the cloud has acknowledged: telling of them as well would take the acknowledgement back.
    acknowledged: [bool; LEDS.len()],
    quarters: u32,
    /// The number of the next property of the start that is to be told; `None` before the desired properties are known.
    hello: Option<usize>,
    /// When the next of them is, or the next temperature.
    at: Option<Instant>,
    /// Whether the temperatures have begun.
    begun: bool,
    waiting: VecDeque<Do>,
}

impl Board {
    /// A board that announces `model` and has `address` on its network, where that is known.
    pub fn new(model: &'static str, address: Option<&str>) -> Self {
        Self {
            model,
            address: address.map(String::from),
            interval: INTERVAL,
            leds: LEDS.map(|led| led.first),
            acknowledged: [false; LEDS.len()],
            quarters: AT_FIRST,
            hello: None,
            at: None,
            begun: false,
            waiting: VecDeque::new(),
        }
    }

    /// The model that it announces.
    pub fn model(&self) -> &'static str {
        self.model
    }

    /// The time between two temperatures.
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// The device is connected. The first time, the board waits for its desired properties; after a break it goes on.
    pub fn start(&mut self, now: Instant) {
        if self.begun {
            self.at = Some(now.after(self.interval));
        }
    }

    /// The desired properties `desired` came, all or some, as `version`. Each writable property among them is judged and
    /// acknowledged. The first ones make the board tell of itself.
    pub fn desired(&mut self, now: Instant, version: u64, desired: &Map<String, Value>) {
        let acks: Vec<_> = desired.iter().filter_map(|(name, value)| self.set(now, version, name, value)).collect();
        if self.hello.is_none() {
            // All that waited for us are answered at once; afterwards each change has its own patch.
            if !acks.is_empty() {
                self.push(Do::Acknowledge(acks));
            }
            self.hello = Some(0);
            self.at = Some(now);
            return;
        }
        for ack in acks {
            self.push(Do::Acknowledge(alloc::vec![ack]));
        }
    }

    /// The command `name` came; the status and payload to answer it with.
    pub fn call(&mut self, name: &str, payload: Option<&Value>) -> (i32, Value) {
        match name {
            "reboot" => match delay(payload) {
                Some(delay) => {
                    self.push(Do::Restart(delay));
                    (200, json!({"status": "Success", "delay": delay.as_secs()}))
                }
                None => (400, json!({"status": "Invalid delay"})),
            },
            "sendMsg" => {
                let text = payload.map(|payload| payload.get("sendMsgString").unwrap_or(payload));
                self.push(Do::Show(text.map_or_else(String::new, plain)));
                (200, json!({"status": "Success"}))
            }
            _ => (404, json!({"status": "Unknown command"})),
        }
    }

    /// The next thing to be done by now.
    pub fn next(&mut self, now: Instant) -> Option<Do> {
        if let Some(first) = self.waiting.pop_front() {
            return Some(first);
        }
        if self.at.is_none_or(|at| at > now) {
            return None;
        }
        let told = self.hello?;
        let Some((number, property)) = self.own(told).next() else {
            self.begun = true;
            self.at = Some(now.after(self.interval));
            return Some(Do::Tell(self.warm()));
        };
        let last = self.own(number + 1).next().is_none();
        self.hello = Some(number + 1);
        self.at = Some(now.after(if last { self.interval } else { HELLO }));
        Some(Do::Report(property))
    }

    /// When [`Board::next`] has something though nothing came.
    pub fn deadline(&self) -> Option<Instant> {
        if self.waiting.is_empty() { self.at } else { Some(Instant::ZERO) }
    }

    /// The next temperature.
    fn warm(&mut self) -> Value {
        self.quarters += 1;
        if self.quarters > WARMEST {
            self.quarters = COLDEST;
        }
        json!({"temperature": f64::from(self.quarters) / 4.0})
    }

    /// What the board tells of itself at the start, each with its number, from number `from` on.
    fn own(&self, from: usize) -> impl Iterator<Item = (usize, Value)> {
        let address = self.address.iter().map(|address| (0, json!({"ipAddress": address})));
        let lights = LEDS.iter().zip(&self.leds).zip(&self.acknowledged).zip(1..);
        let lights = lights.filter(|((_, acknowledged), _)| !**acknowledged);
        let lights = lights.map(|(((led, value), _), number)| (number, json!({led.name: value})));
        address.chain(lights).filter(move |(number, _)| *number >= from)
    }

    /// Sets a writable property; what to acknowledge, or `None` for one that is not the board's.
    fn set(&mut self, now: Instant, version: u64, name: &str, value: &Value) -> Option<Ack> {
        if name == "telemetryInterval" {
            let Some(seconds) = value.as_u64().filter(|seconds| INTERVALS.contains(seconds)) else {
                let range = format!("telemetryInterval is {} to {} seconds", INTERVALS.start(), INTERVALS.end());
                return Some(Ack::refused(name, version, self.interval.as_secs()).with(range));
            };
            self.interval = Duration::from_secs(seconds);
            if self.begun {
                // It counts from now, not from the temperature before.
                self.at = Some(now.after(self.interval));
            }
            return Some(Ack::applied(name, version, seconds).with(format!("telemetryInterval set to: {seconds}")));
        }
        let lights = LEDS.iter().zip(self.leds.iter_mut().zip(&mut self.acknowledged));
        let (led, (set, acknowledged)) = lights.into_iter().find(|(led, _)| led.name == name)?;
        *acknowledged = true;
        Some(match value.as_u64().filter(|value| led.values.contains(value)) {
            Some(value) => {
                *set = value;
                Ack::applied(name, version, value).with(format!("{name} set to: {value}"))
            }
            None => Ack::refused(name, version, *set).with(format!("{name} is one of {:?}", led.values)),
        })
    }

    fn push(&mut self, what: Do) {
        if self.waiting.len() < WAITING {
            self.waiting.push_back(what);
        }
    }
}

/// `{"delay": "PT5S"}`, or the duration alone.
fn delay(payload: Option<&Value>) -> Option<Duration> {
    let payload = payload?;
    let text = payload.get("delay").unwrap_or(payload).as_str()?;
    text.parse::<IsoDuration>().ok()?.to_duration().ok()
}

/// A text without its quotes, anything else as JSON.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), String::from)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests fail by panicking")]

    use super::*;

    fn object(value: &Value) -> &Map<String, Value> {
        value.as_object().unwrap()
    }

    /// What the board does up to and including `until`, each with its time.
    fn run(board: &mut Board, until: u64) -> Vec<(u64, Do)> {
        let mut done = Vec::new();
        let mut now = Instant::ZERO;
        while let Some(at) = board.deadline().filter(|at| at.0 <= until) {
            now = now.max(at);
            while let Some(what) = board.next(now) {
                done.push((now.0, what));
            }
        }
        done
    }

    #[test]
    fn it_tells_of_itself_once_a_second_and_then_the_temperature() {
        let mut board = Board::new(MODEL, Some("10.0.0.156"));
        board.start(Instant(0));
        assert_eq!(board.deadline(), None);
        board.desired(Instant(0), 101, &Map::new());
        let told = run(&mut board, 24_000);
        let report = |at, value| (at, Do::Report(value));
        let tell = |at, value: f64| (at, Do::Tell(json!({"temperature": value})));
        let expected = [
            report(0, json!({"ipAddress": "10.0.0.156"})),
            report(1000, json!({"rgb_led_blue": 1})),
            report(2000, json!({"rgb_led_green": 2})),
            report(3000, json!({"rgb_led_red": 1})),
            report(4000, json!({"led_user": 3})),
            tell(14_000, 20.25),
            tell(24_000, 20.5),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn an_unknown_address_is_left_out_and_the_warmest_is_followed_by_the_coldest() {
        let mut board = Board::new(MODEL, None);
        board.desired(Instant(0), 1, object(&json!({"telemetryInterval": 1})));
        let told = run(&mut board, 40_000);
        assert!(matches!(&told[0].1, Do::Acknowledge(acks) if acks.len() == 1));
        assert_eq!(told[1], (0, Do::Report(json!({"rgb_led_blue": 1}))));
        let warm: Vec<_> = told
            .iter()
            .filter_map(|(_, what)| if let Do::Tell(value) = what { value["temperature"].as_f64() } else { None })
            .collect();
        assert_eq!(warm[18..22], [24.75, 25.0, 15.0, 15.25]);
    }

    #[test]
    fn what_was_written_meanwhile_is_taken_over_and_acknowledged_in_one_patch() {
        let mut board = Board::new(MODEL, None);
        let desired = json!({"telemetryInterval": 5, "led_user": 2, "somebody_elses": 1});
        board.desired(Instant(0), 105, object(&desired));
        let Some(Do::Acknowledge(acks)) = board.next(Instant(0)) else { panic!() };
        let mut names: Vec<_> = acks.iter().map(|ack| (ack.name.as_str(), ack.ac, ack.av)).collect();
        names.sort_unstable();
        assert_eq!(names, [("led_user", 200, 105), ("telemetryInterval", 200, 105)]);
        assert_eq!(board.interval(), Duration::from_secs(5));
        // What was acknowledged is not told of as well: that would leave it pending for ever.
        let told = run(&mut board, 4_000);
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(!told.iter().any(|(_, what)| *what == Do::Report(json!({"led_user": 2}))), "{told:?}");
    }

    #[test]
    fn a_new_interval_counts_from_now_and_each_change_has_its_own_patch() {
        let mut board = Board::new(MODEL, None);
        board.desired(Instant(0), 1, &Map::new());
        run(&mut board, 13_000);
        board.desired(Instant(15_000), 2, object(&json!({"telemetryInterval": 5, "rgb_led_red": 100})));
        let told = run(&mut board, 20_000);
        assert!(
            matches!(&told[..], [(_, Do::Acknowledge(a)), (_, Do::Acknowledge(b)), (20_000, Do::Tell(_))]
            if a.len() == 1 && b.len() == 1),
            "{told:?}"
        );
    }

    #[test]
    fn values_outside_their_range_are_refused_with_the_old_value() {
        for (wrong, old) in [
            (json!({"telemetryInterval": 0}), 10),
            (json!({"telemetryInterval": -5}), 10),
            (json!({"telemetryInterval": "5"}), 10),
            (json!({"telemetryInterval": 86_401}), 10),
            (json!({"led_user": 4}), 3),
            (json!({"rgb_led_green": 7}), 2),
            (json!({"rgb_led_blue": null}), 1),
        ] {
            let mut board = Board::new(MODEL, None);
            board.desired(Instant(0), 9, object(&wrong));
            let Some(Do::Acknowledge(acks)) = board.next(Instant(0)) else { panic!("{wrong}") };
            assert_eq!((acks[0].ac, acks[0].av, &acks[0].value), (400, 9, &json!(old)), "{wrong}");
        }
    }

    #[test]
    fn commands_are_answered_at_once() {
        let mut board = Board::new(MODEL, None);
        let mut call = |name: &str, payload: Value| board.call(name, Some(&payload));
        assert_eq!(call("reboot", json!({"delay": "PT1M"})), (200, json!({"status": "Success", "delay": 60})));
        assert_eq!(call("reboot", json!("PT5S")), (200, json!({"status": "Success", "delay": 5})));
        for wrong in [json!({"delay": 5}), json!({"delay": "5"}), json!({"delay": "-PT5S"}), json!({}), json!(null)] {
            assert_eq!(call("reboot", wrong), (400, json!({"status": "Invalid delay"})));
        }
        assert_eq!(call("sendMsg", json!({"sendMsgString": "hello"})), (200, json!({"status": "Success"})));
        assert_eq!(call("explode", json!(null)).0, 404);
        let done: Vec<_> = core::iter::from_fn(|| board.next(Instant(0))).collect();
        let expected =
            [Do::Restart(Duration::from_mins(1)), Do::Restart(Duration::from_secs(5)), Do::Show("hello".into())];
        assert_eq!(done, expected);
        assert_eq!(board.call("reboot", None).0, 400);
    }

    #[test]
    fn a_flood_of_changes_takes_no_memory() {
        let mut board = Board::new(MODEL, None);
        for version in 0..10_000 {
            board.desired(Instant(0), version, object(&json!({"led_user": 1})));
        }
        assert!(core::iter::from_fn(|| board.next(Instant(0))).count() <= WAITING + 1);
    }
}

//! How the platform tells the time: request, answer and the arithmetic between (§7).
//!
//! ```
//! use skytether_core::tencent::time::{REQUEST, ServerTimes};
//!
//! assert_eq!(REQUEST.len(), 37);
//! let answer = br#"{"ntptime1":1626419622610,"ntptime2":1626419622610,"time":1626419622,"type":"get"}"#;
//! let times = ServerTimes::parse(answer)?.expect("an answer to a time request");
//! let (send, recv) = (1_626_419_622_397, 1_626_419_622_627);
//! assert_eq!(times.accurate_ms(send, recv), Some(1_626_419_622_725));
//! assert_eq!(times.offset_ms(send, recv), Some(98));
//! assert_eq!(times.round_trip_ms(send, recv), Some(230));
//! # Ok::<(), skytether_core::tencent::time::TimeError>(())
//! ```

use crate::{
    io::{Instant, UnixMillis},
    json,
};
use alloc::string::String;
use core::{fmt, time::Duration};
use serde_json::{Map, Value};

pub use crate::json::JsonError;

/// The request, byte for byte as the Python SDK writes it: QoS 0 to `$sys/operation/{p}`.
pub const REQUEST: &[u8] = br#"{"type": "get", "resource": ["time"]}"#;

/// Longest round trip whose answer is believed.
pub const MAX_ROUND_TRIP: Duration = Duration::from_mins(1);

/// The earliest time that is believed: the day on which the platform's CA came into being, 2017-11-27.
pub const EARLIEST: UnixMillis = UnixMillis(1_511_740_800_000);

/// The latest time that is believed: the year 2200 begins.
pub const LATEST: UnixMillis = UnixMillis(7_258_118_400_000);

/// How far the platform's own times may exceed ours: both are cut to whole milliseconds.
const GRAIN_MS: i64 = 1;

/// Why an answer is not believed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum TimeError {
    /// It is no JSON that we take.
    Json(JsonError),
    /// It is JSON, but no object.
    NotAnObject,
    /// A field is absent or no whole number of 64 bits without sign.
    Field(&'static str),
    /// The platform says that it sent the answer before it received the request.
    NegativeDelay,
    /// The platform says that it took longer than the whole exchange.
    TooQuick,
    /// The exchange took 60 s or more.
    TooSlow,
    /// The time is before 2017-11-27 or after 2199.
    OutOfRange,
}

impl fmt::Display for TimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(error) => write!(f, "the answer cannot be read: {error}"),
            Self::NotAnObject => f.write_str("the answer is no JSON object"),
            Self::Field(name) => write!(f, "`{name}` of the answer is missing or no whole number"),
            Self::NegativeDelay => f.write_str("the answer was sent before its request was received"),
            Self::TooQuick => f.write_str("the answer took longer to make than to come back"),
            Self::TooSlow => f.write_str("the answer took too long to be of use"),
            Self::OutOfRange => f.write_str("the answer's time cannot be true"),
        }
    }
}

impl core::error::Error for TimeError {}

/// The platform's side of one exchange, in milliseconds since 1970.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "two time stamps; tests and simulators build it")]
pub struct ServerTimes {
    /// `ntptime1`: when the request was received.
    pub received: u64,
    /// `ntptime2`: when the answer was sent.
    pub sent: u64,
}

impl ServerTimes {
    /// Reads an answer: `{"type":"get","time":s,"ntptime1":ms,"ntptime2":ms}`. `time` · 1000 stands in for either
    /// that is absent. `None`: `type` is not `get`, so this answers something else on the same topic.
    ///
    /// # Errors
    /// [`TimeError`] where it is no JSON object with these numbers.
    pub fn parse(answer: &[u8]) -> Result<Option<Self>, TimeError> {
        let Value::Object(members) = json::parse(answer).map_err(TimeError::Json)? else {
            return Err(TimeError::NotAnObject);
        };
        if members.get("type").and_then(Value::as_str) != Some("get") {
            return Ok(None);
        }
        let received = stamp(&members, "ntptime1")?;
        let sent = stamp(&members, "ntptime2")?;
        Ok(Some(Self { received, sent }))
    }

    /// The accurate time at `recv`: (ntptime1 + ntptime2 + recv − send) / 2. `send` and `recv` are of one clock, which
    /// may be monotonic. `None` where the result does not fit.
    pub fn accurate_ms(&self, send: u64, recv: u64) -> Option<u64> {
        let sum = i128::from(self.received) + i128::from(self.sent) + i128::from(recv) - i128::from(send);
        u64::try_from(sum / 2).ok()
    }

    /// What to add to the clock that `send` and `recv` were read from: accurate − recv. `None` where it does not fit.
    pub fn offset_ms(&self, send: u64, recv: u64) -> Option<i64> {
        i64::try_from(i128::from(self.accurate_ms(send, recv)?) - i128::from(recv)).ok()
    }

    /// The time spent on the way: recv − send − (ntptime2 − ntptime1); the accurate time is wrong by half of it at
    /// most. Negative where the platform's times cannot be true. `None` where it does not fit.
    pub fn round_trip_ms(&self, send: u64, recv: u64) -> Option<i64> {
        let whole = i128::from(recv) - i128::from(send);
        i64::try_from(whole - (i128::from(self.sent) - i128::from(self.received))).ok()
    }

    /// Judges an exchange (R-56) and works out the time at `recv`. `wall` is what the device's own clock says then.
    ///
    /// # Errors
    /// [`TimeError`] where the answer cannot be true.
    pub fn judge(&self, send: Instant, recv: Instant, wall: Option<UnixMillis>) -> Result<Time, TimeError> {
        if self.received > self.sent {
            return Err(TimeError::NegativeDelay);
        }
        if recv.since(send) >= MAX_ROUND_TRIP {
            return Err(TimeError::TooSlow);
        }
        let on_the_way = self.round_trip_ms(send.0, recv.0).ok_or(TimeError::OutOfRange)?;
        if on_the_way < -GRAIN_MS {
            return Err(TimeError::TooQuick);
        }
        let now = self.accurate_ms(send.0, recv.0).map(UnixMillis).ok_or(TimeError::OutOfRange)?;
        if now < EARLIEST || now > LATEST {
            return Err(TimeError::OutOfRange);
        }
        let offset_ms = wall.and_then(|wall| i64::try_from(i128::from(now.0) - i128::from(wall.0)).ok());
        Ok(Time { now, offset_ms, round_trip: Duration::from_millis(u64::try_from(on_the_way).unwrap_or(0)) })
    }
}

/// The time, as the platform tells it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Time {
    /// The wall time at the moment the answer came in. A driver that wants the device to use it hands it back as
    /// [`crate::io::Input::Wall`].
    pub now: UnixMillis,
    /// Milliseconds to add to the device's own wall clock; `None` where it has none.
    pub offset_ms: Option<i64>,
    /// Time spent on the way; `now` is wrong by half of it at most. After a second request only if this answers that
    /// one: an answer to the first that comes so late cannot be told apart, and then `now` lags by its delay.
    pub round_trip: Duration,
}

fn stamp(members: &Map<String, Value>, name: &'static str) -> Result<u64, TimeError> {
    match members.get(name) {
        Some(value) => value.as_u64().ok_or(TimeError::Field(name)),
        None => members
            .get("time")
            .and_then(Value::as_u64)
            .and_then(|seconds| seconds.checked_mul(1000))
            .ok_or(TimeError::Field("time")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use proptest::prelude::*;

    const ANSWER: &[u8] = br#"{"ntptime1":1700000000050,"ntptime2":1700000000070,"time":1700000000,"type":"get"}"#;

    fn times(received: u64, sent: u64) -> ServerTimes {
        ServerTimes { received, sent }
    }

    #[test]
    fn an_answer_of_82_bytes_is_read() {
        assert_eq!(ANSWER.len(), 82);
        assert_eq!(ServerTimes::parse(ANSWER), Ok(Some(times(1_700_000_000_050, 1_700_000_000_070))));
    }

    #[test]
    fn a_monotonic_clock_is_enough_for_the_accurate_time() {
        let times = ServerTimes::parse(ANSWER).unwrap().unwrap();
        assert_eq!(times.accurate_ms(5000, 5120), Some(1_700_000_000_120));
        assert_eq!(times.offset_ms(5000, 5120), Some(1_699_999_995_000));
        assert_eq!(times.round_trip_ms(5000, 5120), Some(100));
    }

    #[test]
    fn a_clock_ahead_of_the_platform_gets_a_negative_offset() {
        let times = times(1_700_000_000_050, 1_700_000_000_050);
        assert_eq!(times.offset_ms(1_700_000_100_000, 1_700_000_100_100), Some(-100_000));
        let wall = Some(UnixMillis(1_700_000_100_100));
        let time = times.judge(Instant(10), Instant(110), wall).unwrap();
        assert_eq!(time.now, UnixMillis(1_700_000_000_100));
        assert_eq!(time.offset_ms, Some(-100_000));
        assert_eq!(time.round_trip, Duration::from_millis(100));
        assert_eq!(times.judge(Instant(10), Instant(110), None).unwrap().offset_ms, None);
    }

    #[test]
    fn seconds_stand_in_for_absent_milliseconds() {
        let parsed = ServerTimes::parse(br#"{"type":"get","time":1700000000}"#);
        assert_eq!(parsed, Ok(Some(times(1_700_000_000_000, 1_700_000_000_000))));
        let parsed = ServerTimes::parse(br#"{"type":"get","time":1700000000,"ntptime2":1700000000009}"#);
        assert_eq!(parsed, Ok(Some(times(1_700_000_000_000, 1_700_000_000_009))));
    }

    #[test]
    fn an_answer_to_something_else_is_not_ours() {
        for text in [&br#"{"type":"ssh","time":1}"#[..], b"{}", br#"{"type":7}"#] {
            assert_eq!(ServerTimes::parse(text), Ok(None));
        }
    }

    #[test]
    fn r_121_a_mistyped_answer_is_refused_by_field() {
        for (text, field) in [
            (r#"{"type":"get"}"#, "time"),
            (r#"{"type":"get","time":"1700000000"}"#, "time"),
            (r#"{"type":"get","time":18446744073709551615}"#, "time"),
            (r#"{"type":"get","time":1,"ntptime1":-1,"ntptime2":1}"#, "ntptime1"),
            (r#"{"type":"get","time":1,"ntptime1":1,"ntptime2":1.5}"#, "ntptime2"),
            (r#"{"type":"get","time":1,"ntptime1":null,"ntptime2":1}"#, "ntptime1"),
        ] {
            assert_eq!(ServerTimes::parse(text.as_bytes()), Err(TimeError::Field(field)), "{text}");
        }
        assert_eq!(ServerTimes::parse(b"[]"), Err(TimeError::NotAnObject));
        assert!(matches!(ServerTimes::parse(b"{"), Err(TimeError::Json(JsonError::Syntax { .. }))));
    }

    #[test]
    fn r_56_an_answer_that_cannot_be_true_is_refused() {
        let good = 1_700_000_000_000;
        for (times, recv, wrong) in [
            (times(good + 1, good), 100, TimeError::NegativeDelay),
            (times(good, good + 102), 100, TimeError::TooQuick),
            (times(good, good), 60_000, TimeError::TooSlow),
            (times(EARLIEST.0 - 51, EARLIEST.0 - 51), 100, TimeError::OutOfRange),
            (times(LATEST.0, LATEST.0), 100, TimeError::OutOfRange),
            (times(u64::MAX, u64::MAX), 100, TimeError::OutOfRange),
        ] {
            assert_eq!(times.judge(Instant(0), Instant(recv), None), Err(wrong), "{times:?}");
        }
        assert!(times(good, good + 101).judge(Instant(0), Instant(100), None).is_ok(), "both clocks are cut to ms");
        assert!(times(good, good).judge(Instant(0), Instant(59_999), None).is_ok());
        assert!(times(EARLIEST.0, EARLIEST.0).judge(Instant(0), Instant(0), None).is_ok());
    }

    proptest! {
        #[test]
        fn r_1_no_answer_makes_the_reader_or_the_judge_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..100),
            numbers in any::<(u64, u64, u64, u64, u64)>(),
        ) {
            let _ = ServerTimes::parse(&bytes);
            let (received, sent, send, recv, wall) = numbers;
            let text = format!(r#"{{"type":"get","ntptime1":{received},"ntptime2":{sent}}}"#);
            let parsed = ServerTimes::parse(text.as_bytes()).unwrap().unwrap();
            prop_assert_eq!(parsed, times(received, sent));
            let _ = parsed.judge(Instant(send), Instant(recv), Some(UnixMillis(wall)));
            let _ = parsed.offset_ms(send, recv);
        }
    }
}

//! In which ways can the cloud be told to misbehave, and how is that written?
//!
//! Each [`Fault`] is one order, and one word of text, with its figures behind `=`:
//!
//! | text | the cloud |
//! |---|---|
//! | `refuse=5`, `refuse=5x3`, `refuse=off` | refuses every CONNECT, or the next three, with this return code |
//! | `delay=200ms`, `delay=off` | sends everything so much later |
//! | `drop`, `drop=CLIENT` | closes connections now, without a word |
//! | `drop-every=5s`, `drop-every=off` | closes all connections again and again |
//! | `drop-after=10`, `drop-after=off` | closes each connection at its tenth packet, before it is answered |
//! | `throttle=5`, `throttle=5,late=2s`, `throttle=off` | beyond five QoS 1 and 2 messages a second of one client: loses them without an acknowledgement; or takes them and acknowledges late |
//! | `take-over`, `take-over=CLIENT` | lets a ghost connect under the client's id |
//! | `silence`, `silence=CLIENT`, `speak`, `speak=CLIENT` | hears and says nothing, as a dead line does; or again |
//! | `revoke=CLIENT`, `restore=CLIENT` | closes the connection, and takes the client's credentials for wrong ones (code 4) |
//! | `corrupt`, `corrupt=CLIENT` | sends a packet that is none |
//! | `behave` | ends all of that |
//!
//! ```
//! use skytether_simulator::broker::fault::Fault;
//!
//! let fault: Fault = "throttle=5,late=2s".parse()?;
//! assert_eq!(fault.to_string(), "throttle=5,late=2s");
//! # Ok::<(), skytether_simulator::broker::fault::FaultError>(())
//! ```

use core::{fmt, num::NonZeroU32, str::FromStr, time::Duration};
use serde::{Deserialize, Serialize};
use skytether_core::io::Refusal;

/// One order to misbehave. As JSON it is its text.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[allow(clippy::exhaustive_enums, reason = "a broker's owner has to know which it carries out itself")]
pub enum Fault {
    /// Refuses CONNECTs by a return code: the next so many, or all.
    Refuse(Refusal, Option<NonZeroU32>),
    /// Refuses no more.
    Admit,
    /// Everything sent is later by this; zero ends it. 60 s at most.
    Delay(Duration),
    /// Closes connections without a word.
    Drop(Whom),
    /// Closes all connections, again and again, at this distance (10 ms to an hour). `None`: no more.
    DropEvery(Option<Duration>),
    /// Closes each connection at its packet of this number, CONNECT counted; it is heard, but not answered. `None`: no
    /// more.
    DropAfter(Option<NonZeroU32>),
    /// Holds back acknowledgements. `None`: no more.
    Throttle(Option<Throttle>),
    /// A ghost connects under the client id, which throws the client out; it stays until the client is back, and takes
    /// what is sent to it.
    TakeOver(Whom),
    /// Hears and says nothing. `Everyone`: on new connections too; `Client`: on the one it has.
    Silence(Whom),
    /// Hears and speaks again; where something was missed in the silence, the connection is closed.
    Speak(Whom),
    /// The credentials of this client are wrong from now on.
    Revoke(String),
    /// They are right again.
    Restore(String),
    /// Sends two bytes that begin no packet (type 15).
    Corrupt(Whom),
    /// Ends all that lasts, revoked credentials and ghosts too.
    Behave,
}

/// Whose connections.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "there is no third")]
pub enum Whom {
    /// Everyone's.
    Everyone,
    /// That of the client with this client id.
    Client(String),
}

/// When an acknowledgement is held back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "orders are built by hand")]
pub struct Throttle {
    /// Messages of one client in any one second that are acknowledged at once.
    pub per_second: u32,
    /// By how much the acknowledgement of one more is later (an hour at most); `None`: it never comes, and the message
    /// is lost.
    pub late: Option<Duration>,
}

/// Longest delay of everything.
const DELAY: Duration = Duration::from_mins(1);

/// Longest pause, wherever one is named.
const PAUSE: Duration = Duration::from_hours(1);

/// Shortest distance of drops.
const DISTANCE: Duration = Duration::from_millis(10);

/// Why a text is no order. `Display` says what to write.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum FaultError {
    /// It begins with none of the words.
    Unknown(String),
    /// What follows the word does not fit it.
    Argument {
        /// The word.
        fault: &'static str,
        /// What to write behind it.
        fix: &'static str,
    },
}

impl fmt::Display for FaultError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(word) => write!(
                f,
                "{word:?} is no misbehaviour: write refuse, delay, drop, drop-every, drop-after, throttle, take-over, \
                 silence, speak, revoke, restore, corrupt or behave"
            ),
            Self::Argument { fault, fix } => write!(f, "{fault}: write {fix}"),
        }
    }
}

impl core::error::Error for FaultError {}

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let (word, argument) = match text.split_once('=') {
            Some((word, argument)) => (word, Some(argument)),
            None => (text, None),
        };
        let whom = || match argument {
            None => Some(Whom::Everyone),
            Some("") => None,
            Some(client) => Some(Whom::Client(client.to_owned())),
        };
        let client = || argument.filter(|client| !client.is_empty()).map(str::to_owned);
        let off = argument == Some("off");
        let (fault, fix, order) = match word {
            "refuse" => ("refuse", "refuse=5, refuse=5x3 (codes 1 to 5) or refuse=off", refuse(argument)),
            "delay" => {
                let delay = if off { Some(Duration::ZERO) } else { argument.and_then(|text| pause(text, DELAY)) };
                ("delay", "delay=200ms or delay=1s (60s at most), or delay=off", delay.map(Self::Delay))
            }
            "drop" => ("drop", "drop or drop=CLIENT-ID", whom().map(Self::Drop)),
            "drop-every" => {
                let distance = argument.and_then(|text| pause(text, PAUSE)).filter(|distance| *distance >= DISTANCE);
                let order = (off || distance.is_some()).then_some(Self::DropEvery(distance));
                ("drop-every", "drop-every=5s (10ms to 3600s) or drop-every=off", order)
            }
            "drop-after" => {
                let count = argument.and_then(|text| text.parse().ok());
                let order = (off || count.is_some()).then_some(Self::DropAfter(count));
                ("drop-after", "drop-after=10 or drop-after=off", order)
            }
            "throttle" => {
                let throttle = argument.and_then(throttle);
                let order = (off || throttle.is_some()).then_some(Self::Throttle(throttle));
                ("throttle", "throttle=5, throttle=5,late=2s or throttle=off", order)
            }
            "take-over" => ("take-over", "take-over or take-over=CLIENT-ID", whom().map(Self::TakeOver)),
            "silence" => ("silence", "silence or silence=CLIENT-ID", whom().map(Self::Silence)),
            "speak" => ("speak", "speak or speak=CLIENT-ID", whom().map(Self::Speak)),
            "revoke" => ("revoke", "revoke=CLIENT-ID", client().map(Self::Revoke)),
            "restore" => ("restore", "restore=CLIENT-ID", client().map(Self::Restore)),
            "corrupt" => ("corrupt", "corrupt or corrupt=CLIENT-ID", whom().map(Self::Corrupt)),
            "behave" => ("behave", "behave", argument.is_none().then_some(Self::Behave)),
            _ => return Err(FaultError::Unknown(word.to_owned())),
        };
        order.ok_or(FaultError::Argument { fault, fix })
    }
}

fn refuse(argument: Option<&str>) -> Option<Fault> {
    let text = argument?;
    if text == "off" {
        return Some(Fault::Admit);
    }
    let (code, times) = match text.split_once('x') {
        Some((code, times)) => (code, Some(times.parse().ok()?)),
        None => (text, None),
    };
    Some(Fault::Refuse(Refusal::from_code(code.parse().ok()?)?, times))
}

fn throttle(text: &str) -> Option<Throttle> {
    let (rate, late) = match text.split_once(",late=") {
        Some((rate, late)) => (rate, Some(pause(late, PAUSE)?)),
        None => (text, None),
    };
    Some(Throttle { per_second: rate.parse().ok()?, late })
}

/// `200ms` or `5s`, at most `longest`.
fn pause(text: &str, longest: Duration) -> Option<Duration> {
    let pause = match text.strip_suffix("ms") {
        Some(number) => Duration::from_millis(number.parse().ok()?),
        None => Duration::from_secs(text.strip_suffix('s')?.parse().ok()?),
    };
    (pause <= longest).then_some(pause)
}

impl fmt::Display for Fault {
    /// The text that parses to it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |f: &mut fmt::Formatter<'_>, word, whom: &Whom| match whom {
            Whom::Everyone => f.write_str(word),
            Whom::Client(client) => write!(f, "{word}={client}"),
        };
        match self {
            Self::Refuse(refusal, None) => write!(f, "refuse={}", refusal.code()),
            Self::Refuse(refusal, Some(times)) => write!(f, "refuse={}x{times}", refusal.code()),
            Self::Admit => f.write_str("refuse=off"),
            Self::Delay(delay) if delay.is_zero() => f.write_str("delay=off"),
            Self::Delay(delay) => write!(f, "delay={}", Pause(*delay)),
            Self::Drop(whom) => of(f, "drop", whom),
            Self::DropEvery(None) => f.write_str("drop-every=off"),
            Self::DropEvery(Some(distance)) => write!(f, "drop-every={}", Pause(*distance)),
            Self::DropAfter(None) => f.write_str("drop-after=off"),
            Self::DropAfter(Some(count)) => write!(f, "drop-after={count}"),
            Self::Throttle(None) => f.write_str("throttle=off"),
            Self::Throttle(Some(Throttle { per_second, late: None })) => write!(f, "throttle={per_second}"),
            Self::Throttle(Some(Throttle { per_second, late: Some(late) })) => {
                write!(f, "throttle={per_second},late={}", Pause(*late))
            }
            Self::TakeOver(whom) => of(f, "take-over", whom),
            Self::Silence(whom) => of(f, "silence", whom),
            Self::Speak(whom) => of(f, "speak", whom),
            Self::Revoke(client) => write!(f, "revoke={client}"),
            Self::Restore(client) => write!(f, "restore={client}"),
            Self::Corrupt(whom) => of(f, "corrupt", whom),
            Self::Behave => f.write_str("behave"),
        }
    }
}

/// Whole seconds as such, everything else in milliseconds.
struct Pause(Duration);

impl fmt::Display for Pause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.subsec_millis() == 0 {
            write!(f, "{}s", self.0.as_secs())
        } else {
            write!(f, "{}ms", self.0.as_millis())
        }
    }
}

impl TryFrom<String> for Fault {
    type Error = FaultError;

    fn try_from(text: String) -> Result<Self, FaultError> {
        text.parse()
    }
}

impl From<Fault> for String {
    fn from(fault: Fault) -> Self {
        fault.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_order_reads_back_as_it_is_written() {
        for text in [
            "refuse=1",
            "refuse=5x3",
            "refuse=off",
            "delay=200ms",
            "delay=60s",
            "delay=off",
            "drop",
            "drop=a=b",
            "drop-every=5s",
            "drop-every=10ms",
            "drop-every=off",
            "drop-after=10",
            "drop-after=off",
            "throttle=0",
            "throttle=5,late=1500ms",
            "throttle=off",
            "take-over",
            "take-over=a",
            "silence",
            "silence=off",
            "speak",
            "speak=a",
            "revoke=a",
            "restore=a",
            "corrupt",
            "corrupt=a",
            "behave",
        ] {
            let fault: Fault = text.parse().unwrap();
            assert_eq!(fault.to_string(), text);
            let json = serde_json::to_string(&fault).unwrap();
            assert_eq!(serde_json::from_str::<Fault>(&json).unwrap(), fault, "{json}");
        }
        assert_eq!("delay=1000ms".parse(), Ok(Fault::Delay(Duration::from_secs(1))));
    }

    #[test]
    fn a_text_that_is_no_order_is_told_what_to_write() {
        for (text, told) in [
            ("", "\"\" is no misbehaviour: write refuse"),
            ("Drop", "\"Drop\" is no misbehaviour"),
            ("refuse", "refuse: write refuse=5"),
            ("refuse=0", "refuse: write"),
            ("refuse=6", "refuse: write"),
            ("refuse=5x0", "refuse: write"),
            ("refuse=5x", "refuse: write"),
            ("delay", "delay: write"),
            ("delay=5", "delay: write"),
            ("delay=-5s", "delay: write"),
            ("delay=61s", "delay: write"),
            ("delay=60001ms", "delay: write"),
            ("drop=", "drop: write"),
            ("drop-every=0s", "drop-every: write"),
            ("drop-every=9ms", "drop-every: write"),
            ("drop-every=3601s", "drop-every: write"),
            ("drop-after=0", "drop-after: write"),
            ("throttle=x", "throttle: write"),
            ("throttle=5,late", "throttle: write"),
            ("throttle=5,late=99999999999999999999s", "throttle: write"),
            ("revoke", "revoke: write revoke=CLIENT-ID"),
            ("restore=", "restore: write"),
            ("behave=now", "behave: write behave"),
        ] {
            let error = text.parse::<Fault>().unwrap_err().to_string();
            assert!(error.starts_with(told), "{text}: {error}");
        }
    }
}

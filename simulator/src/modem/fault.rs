//! How a modem is told to misbehave: orders that say what, how often and how long.

use core::{fmt, str::FromStr, time::Duration};

/// One order to misbehave. What chance there is in it comes from [`Config::seed`](super::Config::seed).
///
/// As text it is one word, with its figure behind `=`: `garbage=20`, `reset`, `silence=5s`, `no-wifi=30s`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "tests build it, the modem matches it")]
pub enum Fault {
    /// `garbage=N`: says so many bytes of chance now, line ends among them.
    Garbage(u16),
    /// `garble=N`: each of the next so many bytes that it says is another one.
    Garble(u16),
    /// `lose=N`: the next so many bytes that it says do not arrive.
    Lose(u16),
    /// `twice=N`: says each of the next so many records twice.
    Twice(u16),
    /// `deaf=N`: does not hear the next so many command lines.
    Deaf(u16),
    /// `silence=TIME`: neither hears nor says anything for so long; what it does goes on.
    Silence(Duration),
    /// `interleave=N`: keeps the next so many events back until a command runs, and says them before its result. An
    /// event that no command follows in half a second is said then.
    Interleave(u16),
    /// `length=N`: announces a wrong length with each of the next so many messages (`AnyCloud`).
    Length(u16),
    /// `reset`: loses its power for a moment.
    Reset,
    /// `no-wifi=TIME`: its access point is gone for so long.
    NoWifi(Duration),
    /// `no-mqtt`: its connection to the broker breaks.
    NoMqtt,
    /// `behave`: ends all of that.
    Behave,
}

/// Longest time of an order.
const LONGEST: Duration = Duration::from_hours(1);

/// Why a text is no order. `Display` says what to write.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "it says one thing")]
pub struct FaultError(String);

impl fmt::Display for FaultError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is no misbehaviour of a modem: write garbage=N, garble=N, lose=N, twice=N, deaf=N, interleave=N or \
             length=N with N up to 65535, silence=TIME or no-wifi=TIME with a TIME like 500ms or 30s up to an hour, \
             reset, no-mqtt or behave",
            self.0
        )
    }
}

impl core::error::Error for FaultError {}

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        read(text).ok_or_else(|| FaultError(text.to_owned()))
    }
}

fn read(text: &str) -> Option<Fault> {
    let (word, figure) = text.split_once('=').unwrap_or((text, ""));
    let count = || figure.parse::<u16>().ok();
    Some(match word {
        "garbage" => Fault::Garbage(count()?),
        "garble" => Fault::Garble(count()?),
        "lose" => Fault::Lose(count()?),
        "twice" => Fault::Twice(count()?),
        "deaf" => Fault::Deaf(count()?),
        "silence" => Fault::Silence(time(figure)?),
        "interleave" => Fault::Interleave(count()?),
        "length" => Fault::Length(count()?),
        "reset" if text == word => Fault::Reset,
        "no-wifi" => Fault::NoWifi(time(figure)?),
        "no-mqtt" if text == word => Fault::NoMqtt,
        "behave" if text == word => Fault::Behave,
        _ => return None,
    })
}

fn time(text: &str) -> Option<Duration> {
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 1),
        None => (text.strip_suffix('s')?, 1000),
    };
    let time = Duration::from_millis(number.parse::<u64>().ok()?.checked_mul(unit)?);
    (time <= LONGEST).then_some(time)
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Garbage(count) => write!(f, "garbage={count}"),
            Self::Garble(count) => write!(f, "garble={count}"),
            Self::Lose(count) => write!(f, "lose={count}"),
            Self::Twice(count) => write!(f, "twice={count}"),
            Self::Deaf(count) => write!(f, "deaf={count}"),
            Self::Silence(time) => write!(f, "silence={}ms", time.as_millis()),
            Self::Interleave(count) => write!(f, "interleave={count}"),
            Self::Length(count) => write!(f, "length={count}"),
            Self::Reset => f.write_str("reset"),
            Self::NoWifi(time) => write!(f, "no-wifi={}ms", time.as_millis()),
            Self::NoMqtt => f.write_str("no-mqtt"),
            Self::Behave => f.write_str("behave"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_read_as_it_is_written() {
        let second = Duration::from_secs(1);
        let orders = [
            Fault::Garbage(1),
            Fault::Garble(2),
            Fault::Lose(3),
            Fault::Twice(4),
            Fault::Deaf(5),
            Fault::Silence(second),
            Fault::Interleave(6),
            Fault::Length(7),
            Fault::Reset,
            Fault::NoWifi(second * 30),
            Fault::NoMqtt,
            Fault::Behave,
        ];
        for order in orders {
            assert_eq!(order.to_string().parse(), Ok(order));
        }
        assert_eq!("silence=2s".parse(), Ok(Fault::Silence(second * 2)));
        for bad in ["", "reset=1", "garbage", "garbage=x", "silence=5", "silence=2h", "no-wifi=3601s", "lose=70000"] {
            assert!(bad.parse::<Fault>().is_err(), "{bad}");
        }
    }
}

//! What may a user tell the cloud while it runs, as lines or as single keys?

use super::portal;
use crate::lines::Line;
use skytether_simulator::broker::fault::{Fault, FaultError};
use std::collections::BTreeSet;

/// An order, or what is wrong with what was typed.
pub type Said = Result<Order, String>;

/// What to do.
#[derive(Clone, PartialEq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "whoever obeys has to know all")]
pub enum Order {
    /// Something that the local Azure's portal does.
    Portal(portal::Order),
    /// Misbehave, or behave again.
    Misbehave(Fault),
    /// Publish this text to this topic from the cloud's side.
    Send(String, String),
    /// List who is connected.
    Clients,
    /// Tell the user this.
    Say(&'static str),
    /// End.
    Quit,
}

/// What can be typed as lines.
pub const LINES: &str = "\
refuse=5 (x3, off) · delay=200ms (off) · drop · drop-every=5s (off) · drop-after=10 (off)
throttle=5 (,late=2s, off) · take-over · silence, speak · revoke=ID, restore=ID · corrupt · behave
drop, take-over, silence, speak and corrupt take =CLIENT-ID for one client alone
send TOPIC TEXT (at Tencent) · clients · help · quit
at Azure: write DEVICE {\"name\": value} · call DEVICE METHOD [JSON] · message DEVICE TEXT · twin DEVICE";

/// The order of a line; `None` for an empty one.
pub fn of_line(line: Line) -> Option<Said> {
    let bytes = match line {
        Line::Bytes(bytes) => bytes,
        Line::TooLong => return Some(Err("the line is too long".to_owned())),
        Line::Broken(why) => return Some(Err(format!("stdin cannot be read: {why}"))),
    };
    of_text(String::from_utf8_lossy(&bytes).trim())
}

/// The order of a text; `None` for an empty one.
pub fn of_text(text: &str) -> Option<Said> {
    Some(match text {
        "" => return None,
        "clients" => Ok(Order::Clients),
        "help" | "?" => Ok(Order::Say(LINES)),
        "quit" => Ok(Order::Quit),
        _ => match (portal::Order::of_text(text), text.strip_prefix("send ")) {
            (Some(order), _) => order.map(Order::Portal),
            (None, Some(rest)) => send(rest.trim_start()),
            (None, None) => text.parse().map(Order::Misbehave).map_err(|error| {
                let more = if matches!(error, FaultError::Unknown(_)) { "; or send, clients, help, quit" } else { "" };
                format!("{error}{more}")
            }),
        },
    })
}

fn send(rest: &str) -> Said {
    match rest.split_once(' ') {
        Some((topic, text)) => Ok(Order::Send(topic.to_owned(), text.to_owned())),
        None => Err("send: write send TOPIC TEXT".to_owned()),
    }
}

/// Which of the keys that switch something are on.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Switches {
    on: BTreeSet<u8>,
}

/// What can be typed as keys.
pub const KEYS: &str = "\
r  refuse every CONNECT (5), on and off      d  delay everything by 1 s, on and off
x  drop all connections                      e  drop all connections every 10 s, on and off
t  throttle to 1 message a second, on and off    o  take over every client
s  silence, on and off                       b  behave: all off
c  list who is connected                     :  any order as a line, such as :revoke=CLIENT-ID
?  this list                                 q  quit";

impl Switches {
    /// The order of a key; `None` for one that means nothing.
    pub fn press(&mut self, key: u8) -> Option<Said> {
        let mut switch = |start, end| {
            let on = !self.on.remove(&key) && self.on.insert(key);
            of_text(if on { start } else { end })
        };
        match key {
            b'r' => switch("refuse=5", "refuse=off"),
            b'd' => switch("delay=1s", "delay=off"),
            b't' => switch("throttle=1", "throttle=off"),
            b's' => switch("silence", "speak"),
            b'e' => switch("drop-every=10s", "drop-every=off"),
            b'x' => of_text("drop"),
            b'o' => of_text("take-over"),
            b'c' => of_text("clients"),
            b'q' => of_text("quit"),
            b'?' | b'h' => Some(Ok(Order::Say(KEYS))),
            b'b' => {
                *self = Self::default();
                of_text("behave")
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_orders_or_say_what_to_write() {
        assert_eq!(of_text("clients"), Some(Ok(Order::Clients)));
        assert_eq!(of_text("send a/b hello world"), Some(Ok(Order::Send("a/b".into(), "hello world".into()))));
        assert_eq!(of_text("send a/b"), Some(Err("send: write send TOPIC TEXT".into())));
        assert_eq!(of_text("refuse=5"), Some(Ok(Order::Misbehave("refuse=5".parse().unwrap()))));
        assert!(of_text("dance").unwrap().unwrap_err().ends_with("or send, clients, help, quit"));
        assert!(of_text("refuse=9").unwrap().unwrap_err().starts_with("refuse: write"));
        assert_eq!(of_line(Line::Bytes(b"  \t".to_vec())), None);
    }

    #[test]
    fn every_key_of_the_list_does_something_and_switches_go_both_ways() {
        let mut switches = Switches::default();
        for key in KEYS.lines().flat_map(|line| line.split("  ")).filter(|word| word.trim().len() == 1) {
            let key = key.trim().as_bytes()[0];
            // `:` begins a line, which is not a switch's business.
            assert_eq!(switches.press(key).is_some(), key != b':', "{key}");
        }
        let fault = |text: &str| Some(Ok(Order::Misbehave(text.parse().unwrap())));
        let mut switches = Switches::default();
        assert_eq!(switches.press(b'r'), fault("refuse=5"));
        assert_eq!(switches.press(b'r'), fault("refuse=off"));
        assert_eq!(switches.press(b's'), fault("silence"));
        assert_eq!(switches.press(b'b'), fault("behave"));
        assert_eq!(switches.press(b's'), fault("silence"), "behave has switched it off");
        assert_eq!(switches.press(b'z'), None);
    }
}

//! How does the tool talk? Lines with a time stamp and who speaks, at three levels.

use core::fmt::{self, Display, Write as _};
use jiff::Zoned;
use std::{
    io::Write,
    sync::{Arc, Mutex, PoisonError},
};

/// How much is shown.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
#[allow(clippy::exhaustive_enums, reason = "the levels of -v")]
pub enum Verbosity {
    /// What devices do and say.
    #[default]
    Story,
    /// Each packet that they send and receive too.
    Packets,
    /// What the cloud sees too.
    Cloud,
}

impl Verbosity {
    /// The level of so many `-v`.
    pub fn from_count(count: u8) -> Self {
        match count {
            0 => Self::Story,
            1 => Self::Packets,
            _ => Self::Cloud,
        }
    }
}

/// Where lines go. Clones write to the same place, each line whole.
///
/// What cannot be written (a reader that has gone away) is left out; the story goes on.
#[derive(Clone)]
pub struct Log {
    out: Arc<Mutex<dyn Write + Send>>,
    verbosity: Verbosity,
}

impl Log {
    /// Writes to `out`.
    pub fn new(out: impl Write + Send + 'static, verbosity: Verbosity) -> Self {
        Self { out: Arc::new(Mutex::new(out)), verbosity }
    }

    /// Whether lines of this level are shown.
    pub fn shows(&self, level: Verbosity) -> bool {
        self.verbosity >= level
    }

    /// A line of the narrator: without time and name.
    pub fn say(&self, text: impl Display) {
        self.write(&format!("{}\n", OneLine(&text)));
    }

    /// `2026-07-21 14:59:54.619 door1           publish …`; local time.
    pub fn line(&self, who: &str, text: impl Display) {
        let time = Zoned::now();
        self.write(&format!("{} {who:<15} {}\n", time.strftime("%Y-%m-%d %H:%M:%S%.3f"), OneLine(&text)));
    }

    fn write(&self, line: &str) {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("verbosity", &self.verbosity).finish_non_exhaustive()
    }
}

/// A text whose control characters are escaped: what a peer sent can neither begin a line nor steer a terminal.
struct OneLine<'t, T>(&'t T);

impl<T: Display> Display for OneLine<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{}", self.0)
    }
}

struct Escaping<'f, 'b>(&'f mut fmt::Formatter<'b>);

impl fmt::Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|c| {
            if c.is_control() { write!(self.0, "{}", c.escape_default()) } else { self.0.write_char(c) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_peer_sent_stays_on_one_line() {
        assert_eq!(OneLine(&"a\nb\x1b[2Jü\"").to_string(), "a\\nb\\u{1b}[2Jü\"");
    }

    #[test]
    fn levels_include_those_below() {
        let log = |count| Log::new(std::io::sink(), Verbosity::from_count(count));
        assert!(!log(0).shows(Verbosity::Packets));
        assert!(log(1).shows(Verbosity::Packets) && !log(1).shows(Verbosity::Cloud));
        assert!(log(7).shows(Verbosity::Cloud));
    }
}

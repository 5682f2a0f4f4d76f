//! What is written down of a run, so that two runs can be compared and a failed one can be read.

use core::fmt::Write as _;
use skytether_core::time::Instant;
use std::collections::VecDeque;

/// How much is written down.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[allow(clippy::exhaustive_enums, reason = "tests choose one")]
pub enum Keep {
    /// Nothing: for long lives.
    Nothing,
    /// The last lines.
    #[default]
    Tail,
    /// Everything.
    Whole,
}

/// The lines of a run, each with its moment.
#[derive(Clone, Debug, Default)]
pub struct Diary {
    keep: Keep,
    lines: VecDeque<String>,
}

/// Lines of a [`Keep::Tail`].
const TAIL: usize = 400;

impl Diary {
    /// An empty one.
    pub fn new(keep: Keep) -> Self {
        Self { keep, lines: VecDeque::new() }
    }

    /// Writes a line down; `line` is not called where nothing is kept.
    pub(crate) fn note(&mut self, at: Instant, line: impl FnOnce() -> String) {
        if self.keep == Keep::Nothing {
            return;
        }
        if self.keep == Keep::Tail && self.lines.len() >= TAIL {
            self.lines.pop_front();
        }
        self.lines.push_back(format!("{:>9} {}", at.0, line()));
    }

    /// All that was kept, a line each.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for line in &self.lines {
            text.push_str(line);
            text.push('\n');
        }
        text
    }
}

/// Bytes as hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

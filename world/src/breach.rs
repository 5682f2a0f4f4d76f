//! What is told when something that must always hold does not.

use core::fmt;
use skytether_core::time::Instant;

/// A rule that was broken.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "a record that tests print")]
pub struct Breach {
    /// When.
    pub at: Instant,
    /// By which device; `None`: by none in particular.
    pub device: Option<usize>,
    /// The requirement (`R-9`).
    pub rule: &'static str,
    /// What was seen.
    pub what: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} broken at {} ms", self.rule, self.at.0)?;
        if let Some(device) = self.device {
            write!(f, " by device {device}")?;
        }
        write!(f, ": {}", self.what)
    }
}

impl core::error::Error for Breach {}

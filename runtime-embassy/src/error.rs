//! Why did a command not succeed?

use core::fmt;
use skytether_core::io::{Failure, Rejected};

/// Why a command did not succeed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SendError {
    /// The device did not take it; nothing was sent. `Full` comes only where waiting could not help.
    Rejected(Rejected),
    /// The device took it, and it ended without success.
    Failed(Failure),
    /// The device is closing or is not driven any more.
    Gone,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(why) => write!(f, "not accepted: {why}"),
            Self::Failed(why) => write!(f, "failed: {why}"),
            Self::Gone => f.write_str("the device is closed"),
        }
    }
}

impl core::error::Error for SendError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Rejected(why) => Some(why),
            Self::Failed(why) => Some(why),
            Self::Gone => None,
        }
    }
}

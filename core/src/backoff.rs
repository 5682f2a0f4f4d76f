//! How long to wait before the next dial: a pure function of the attempt and of jitter.

use core::time::Duration;

/// The shape of the waits between dials.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Backoff {
    /// Base.
    pub base: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { base: Duration::from_secs(1) }
    }
}

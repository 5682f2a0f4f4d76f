//! What time is it for the machine, and how long until its deadline.

use core::time::Duration;
use skytether_core::time::Instant;

/// Longest sleep: a deadline beyond it costs one needless tick.
const LONGEST: Duration = Duration::from_hours(24);
/// Shortest sleep: a machine that is due and has nothing to say is not asked in a loop without a pause.
const SHORTEST: Duration = Duration::from_millis(1);

/// Milliseconds since it was made.
pub(crate) struct Clock(std::time::Instant);

impl Clock {
    pub(crate) fn new() -> Self {
        Self(real())
    }

    pub(crate) fn now(&self) -> Instant {
        Instant(u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// How long to sleep until `at`, or a little where that is past.
    pub(crate) fn until(&self, at: Instant) -> Duration {
        at.since(self.now()).clamp(SHORTEST, LONGEST)
    }
}

/// The operating system's monotonic time.
#[allow(clippy::disallowed_methods, reason = "the runtime is where time comes from")]
pub(crate) fn real() -> std::time::Instant {
    std::time::Instant::now()
}

//! What time it is: the machine's monotonic time, and its next deadline as an alarm.

use crate::platform::Timer;
use core::{
    task::{Context, Poll},
    time::Duration,
};
use skytether_core::time::Instant;

/// Longest sleep: a deadline beyond it costs one needless wake-up.
const LONGEST: Duration = Duration::from_hours(24);
/// Shortest sleep: a machine that is due and has nothing to say is not asked in a loop without a pause.
const SHORTEST: Duration = Duration::from_millis(1);

/// Milliseconds since it was made, by the runtime's clock, and the one alarm of a driver.
pub(crate) struct Clock<T> {
    timer: T,
}

impl<T: Timer> Clock<T> {
    pub(crate) fn new() -> Self {
        Self { timer: T::start() }
    }

    pub(crate) fn now(&self) -> Instant {
        Instant(u64::try_from(self.timer.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// Ready at `at`, or a little later where that is past.
    pub(crate) fn poll_until(&mut self, cx: &mut Context<'_>, at: Instant) -> Poll<()> {
        let now = self.now();
        let wait = at.since(now).clamp(SHORTEST, LONGEST);
        self.timer.poll_at(cx, Duration::from_millis(now.0).saturating_add(wait))
    }
}

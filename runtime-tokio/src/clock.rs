//! What time it is: the machine's monotonic time, and its next deadline as a timer.

use core::{
    future::Future as _,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use skytether_core::time::Instant;
use tokio::time::{Sleep, sleep};

/// Longest sleep: a deadline beyond it costs one needless wake-up.
const LONGEST: Duration = Duration::from_hours(24);
/// Shortest sleep: a machine that is due and has nothing to say is not asked in a loop without a pause.
const SHORTEST: Duration = Duration::from_millis(1);

/// Milliseconds since it was made, by tokio's clock, and the one timer of a driver.
pub(crate) struct Clock {
    start: tokio::time::Instant,
    sleep: Pin<Box<Sleep>>,
}

impl Clock {
    pub(crate) fn new() -> Self {
        #[allow(clippy::disallowed_methods, reason = "the runtime is where the core's monotonic time comes from")]
        let start = tokio::time::Instant::now();
        Self { start, sleep: Box::pin(sleep(LONGEST)) }
    }

    pub(crate) fn now(&self) -> Instant {
        Instant(u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// Ready at `at`, or a little later where that is past.
    pub(crate) fn poll_until(&mut self, cx: &mut Context<'_>, at: Instant) -> Poll<()> {
        let now = self.now();
        let wait = at.since(now).clamp(SHORTEST, LONGEST);
        let wake = self.start.checked_add(Duration::from_millis(now.0).saturating_add(wait));
        if let Some(wake) = wake.filter(|wake| self.sleep.deadline() != *wake) {
            self.sleep.as_mut().reset(wake);
        }
        self.sleep.as_mut().poll(cx)
    }
}

//! When is progress worth telling? After 5 %, or after 3 s.

use crate::io::Instant;
use core::time::Duration;

const EVERY: Duration = Duration::from_secs(3);
/// 5 %.
const PARTS: u64 = 20;

/// What was told last.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Meter {
    at: Instant,
    done: u64,
}

impl Meter {
    /// From here on.
    pub(super) fn new(now: Instant, done: u64) -> Self {
        Self { at: now, done }
    }

    /// Whether `done` of `total` bytes are to be told now; notes that they are.
    pub(super) fn is_due(&mut self, now: Instant, done: u64, total: Option<u64>) -> bool {
        let more = done.saturating_sub(self.done);
        let far = total.is_some_and(|total| more.saturating_mul(PARTS) >= total);
        let due = more > 0 && (far || now.since(self.at) >= EVERY);
        if due {
            *self = Self::new(now, done);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r_109_progress_is_told_after_5_percent_or_3_s_and_not_before() {
        let mut meter = Meter::new(Instant(0), 0);
        assert!(!meter.is_due(Instant(0), 49, Some(1000)));
        assert!(meter.is_due(Instant(0), 50, Some(1000)));
        assert!(!meter.is_due(Instant(2999), 99, Some(1000)));
        assert!(meter.is_due(Instant(3000), 99, Some(1000)));
        assert!(!meter.is_due(Instant(9000), 99, Some(1000)), "nothing new");
        assert!(!meter.is_due(Instant(5999), u64::MAX, None));
        assert!(meter.is_due(Instant(6000), u64::MAX, None));
    }

    #[test]
    fn r_109_a_fast_download_tells_20_times_at_most() {
        let mut meter = Meter::default();
        let told = (0..=100_000).filter(|done| meter.is_due(Instant(1), *done, Some(100_000))).count();
        assert_eq!(told, 20);
    }
}

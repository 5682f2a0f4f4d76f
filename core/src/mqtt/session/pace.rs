//! How fast application messages may leave: a token bucket that halves when the cloud throttles.

use super::options::Rate;
use crate::time::{Instant, millis};
use core::time::Duration;

/// The rate that a throttled session without a configured rate is taken to have had, in messages a second.
const ASSUMED: u32 = 100;
/// How long without a throttle signal until the rate is raised by a quarter.
const RECOVERY: Duration = Duration::from_secs(10);
/// Parts that a token is counted in: at one message a second, a millisecond brings one part.
const PARTS: u64 = 1000;

/// A token bucket over virtual time, in integers.
#[derive(Debug)]
pub(super) struct Pace {
    configured: Option<Rate>,
    /// The rate in force; `None` while nothing holds back.
    rate: Option<Rate>,
    parts: u64,
    filled: Instant,
    raised: Instant,
}

impl Pace {
    pub(super) fn new(configured: Option<Rate>) -> Self {
        let configured = configured.map(|rate| Rate { per_second: rate.per_second.max(1), burst: rate.burst.max(1) });
        Self {
            configured,
            rate: configured,
            parts: configured.map_or(0, |rate| u64::from(rate.burst) * PARTS),
            filled: Instant::ZERO,
            raised: Instant::ZERO,
        }
    }

    /// Takes the token of one message, if there is one.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        if self.rate.is_none() {
            return true;
        }
        self.fill(now);
        if self.rate.is_none() {
            return true;
        }
        let Some(left) = self.parts.checked_sub(PARTS) else { return false };
        self.parts = left;
        true
    }

    /// When the next token is there, seen from the last call of `take`.
    pub(super) fn next(&self) -> Option<Instant> {
        let rate = self.rate?;
        let missing = PARTS.saturating_sub(self.parts);
        Some(Instant(self.filled.0.saturating_add(missing.div_ceil(u64::from(rate.per_second)))))
    }

    /// Halves the rate.
    pub(super) fn slow_down(&mut self, now: Instant) {
        self.fill(now);
        let from = self.rate.unwrap_or(Rate { per_second: ASSUMED, burst: 1 });
        self.parts = if self.rate.is_some() { self.parts.min(PARTS) } else { PARTS };
        self.rate = Some(Rate { per_second: (from.per_second / 2).max(1), burst: from.burst });
        self.filled = now;
        self.raised = now;
    }

    fn fill(&mut self, now: Instant) {
        let Some(rate) = self.rate else { return };
        let passed = millis(now.since(self.filled));
        let full = u64::from(rate.burst) * PARTS;
        self.parts = self.parts.saturating_add(passed.saturating_mul(u64::from(rate.per_second))).min(full);
        self.filled = now.max(self.filled);
        self.recover(now);
    }

    fn recover(&mut self, now: Instant) {
        while let Some(rate) = self.rate.filter(|rate| Some(*rate) != self.configured) {
            if now.since(self.raised) < RECOVERY {
                return;
            }
            self.raised = self.raised.after(RECOVERY);
            let goal = self.configured.map_or(ASSUMED, |configured| configured.per_second);
            let raised = rate.per_second + (rate.per_second / 4).max(1);
            self.rate = if raised >= goal { self.configured } else { Some(Rate { per_second: raised, ..rate }) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(pace: &mut Pace, from: u64, to: u64) -> u32 {
        (from..to).map(|at| u32::from(pace.take(Instant(at)))).sum()
    }

    #[test]
    fn r_74_a_burst_then_the_rate() {
        let mut pace = Pace::new(Some(Rate { per_second: 10, burst: 5 }));
        assert_eq!((0..20).filter(|_| pace.take(Instant(0))).count(), 5);
        assert_eq!(pace.next(), Some(Instant(100)));
        assert_eq!(sent(&mut pace, 1, 1001), 10);
    }

    #[test]
    fn r_74_a_throttle_signal_halves_the_rate_and_it_recovers_slowly() {
        let mut pace = Pace::new(Some(Rate { per_second: 40, burst: 1 }));
        assert_eq!(sent(&mut pace, 0, 1000), 40);
        pace.slow_down(Instant(1000));
        assert_eq!(sent(&mut pace, 1000, 2000), 20);
        assert_eq!(sent(&mut pace, 12_000, 13_000), 25);
        assert_eq!(sent(&mut pace, 100_000, 101_000), 40);
    }

    #[test]
    fn r_74_without_a_rate_nothing_holds_back_until_the_cloud_throttles() {
        let mut pace = Pace::new(None);
        assert_eq!((0..1000).filter(|_| pace.take(Instant(0))).count(), 1000);
        pace.slow_down(Instant(0));
        assert_eq!(sent(&mut pace, 0, 1000), 50);
        assert_eq!((0..500).filter(|_| pace.take(Instant(600_000))).count(), 500);
    }
}

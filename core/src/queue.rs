//! What a link does with messages that wait: when the queue is full, while there is no connection, and how fast they may
//! leave.

use crate::time::{Instant, millis};
use core::time::Duration;

/// What happens to a new message when the queue is full.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[allow(clippy::exhaustive_enums, reason = "the three policies that exist")]
pub enum QueuePolicy {
    /// The new message is refused as `Full`.
    #[default]
    RejectNew,
    /// The oldest message that has not been sent yet fails as `Dropped`.
    DropOldest,
    /// As `DropOldest`, but QoS 0 messages go first.
    DropOldestQos0First,
}

/// What happens to a QoS 0 message while there is no connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[allow(clippy::exhaustive_enums, reason = "the two policies that exist")]
pub enum Qos0Offline {
    /// It waits like any other.
    #[default]
    Queue,
    /// It is refused as `Offline`.
    Refuse,
}

/// How fast application messages may leave: a token bucket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "built by users and cloud profiles")]
pub struct Rate {
    /// Messages a second in the long run; at least 1.
    pub per_second: u32,
    /// Messages that may leave at once after a pause; at least 1.
    pub burst: u32,
}

/// The rate that a throttled link without a configured rate is taken to have had, in messages a second.
const ASSUMED: u32 = 100;
/// How long without a throttle signal until the rate is raised by a quarter.
const RECOVERY: Duration = Duration::from_secs(10);
/// Parts that a token is counted in: at one message a second, a millisecond brings one part.
const PARTS: u64 = 1000;

/// How fast application messages may leave: a token bucket over virtual time, in integers, that halves when the cloud
/// throttles.
#[derive(Debug)]
pub(crate) struct Pace {
    configured: Option<Rate>,
    /// The rate in force; `None` while nothing holds back.
    rate: Option<Rate>,
    parts: u64,
    filled: Instant,
    raised: Instant,
}

impl Pace {
    pub(crate) fn new(configured: Option<Rate>) -> Self {
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
    pub(crate) fn take(&mut self, now: Instant) -> bool {
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
    pub(crate) fn next(&self) -> Option<Instant> {
        let rate = self.rate?;
        let missing = PARTS.saturating_sub(self.parts);
        Some(Instant(self.filled.0.saturating_add(missing.div_ceil(u64::from(rate.per_second)))))
    }

    /// Halves the rate.
    pub(crate) fn slow_down(&mut self, now: Instant) {
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

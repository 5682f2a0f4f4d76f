//! When may bytes leave that are sent late on purpose? Each as much after it was ready as was ordered, in order.

use core::time::Duration;
use std::collections::VecDeque;
use tokio::time::Instant as Clock;

/// The delay line of one connection. It holds no bytes, only how far one may send at which moment: at most one mark for
/// each packet that waits in the broker, which bounds those.
#[derive(Debug, Default)]
pub(super) struct Lag {
    /// Bytes that have left, since the connection began.
    left: u64,
    /// Bytes that were ready when it was last looked at.
    ready: u64,
    /// Bytes that may leave.
    free: u64,
    /// How many may leave from which moment on.
    marks: VecDeque<(Clock, u64)>,
}

impl Lag {
    /// So many bytes wait now. If some of them are new, and late: when they may leave.
    pub(super) fn notice(&mut self, waiting: usize, now: Clock, delay: Duration) -> Option<Clock> {
        let ready = self.left.saturating_add(u64::try_from(waiting).unwrap_or(u64::MAX));
        if ready <= self.ready {
            return None;
        }
        self.ready = ready;
        let after = self.marks.back().map(|(at, _)| *at);
        if delay.is_zero() && after.is_none() {
            self.free = ready;
            return None;
        }
        let at = (now + delay).max(after.unwrap_or(now));
        self.marks.push_back((at, ready));
        Some(at)
    }

    /// How many of the bytes that wait may leave now.
    pub(super) fn allowed(&mut self, waiting: usize, now: Clock) -> usize {
        while let Some((_, upto)) = self.marks.pop_front_if(|(at, _)| *at <= now) {
            self.free = upto;
        }
        usize::try_from(self.free.saturating_sub(self.left)).unwrap_or(usize::MAX).min(waiting)
    }

    /// So many bytes have left.
    pub(super) fn leave(&mut self, len: usize) {
        self.left = self.left.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
    }

    /// When the last of the bytes that wait may leave, if they are late.
    pub(super) fn last(&self) -> Option<Clock> {
        self.marks.back().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_leave_in_order_each_as_late_as_ordered_when_it_was_ready() {
        let start = Clock::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut lag = Lag::default();
        assert_eq!(lag.notice(4, at(0), Duration::ZERO), None);
        assert_eq!(lag.allowed(4, at(0)), 4);
        lag.leave(4);
        let delay = Duration::from_millis(100);
        assert_eq!(lag.notice(2, at(10), delay), Some(at(110)));
        assert_eq!(lag.notice(2, at(20), delay), None, "nothing new");
        assert_eq!(lag.notice(5, at(50), delay), Some(at(150)));
        assert_eq!(lag.notice(6, at(60), Duration::ZERO), Some(at(150)), "never before what is older");
        for (now, allowed) in [(60, 0), (109, 0), (110, 2), (149, 2), (150, 6)] {
            assert_eq!(lag.allowed(6, at(now)), allowed, "{now}");
        }
        lag.leave(6);
        assert_eq!(lag.notice(1, at(160), Duration::ZERO), None);
        assert_eq!(lag.allowed(1, at(160)), 1);
    }

    #[test]
    fn what_was_thrown_away_holds_nothing_up() {
        let start = Clock::now();
        let mut lag = Lag::default();
        assert!(lag.notice(10, start, Duration::from_secs(1)).is_some());
        assert_eq!(lag.notice(0, start, Duration::from_secs(1)), None);
        assert_eq!(lag.allowed(0, start + Duration::from_secs(1)), 0);
    }
}

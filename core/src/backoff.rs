//! How long to wait before the next dial: a pure function of the class of failure, the attempt and a random number.

use crate::{
    io::{Cause, Refusal},
    time::millis,
};
use core::time::Duration;

/// How a cloud wants to be dialled again after a failure. The counters are kept by the device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "a cloud writes `Backoff { connect_gap: …, ..Backoff::default() }`")]
pub struct Backoff {
    /// The waits after failures that pass by themselves. Default [`Shape::FULL_JITTER`].
    pub shape: Shape,
    /// The shortest first wait after a failure that does not pass by itself (see [`Class::Permanent`]). Default 60 s.
    pub long_start: Duration,
    /// The longest wait after such failures. Default 1 h.
    pub long_cap: Duration,
    /// The platform's minimum between two dials, which even a redial respects. Default 0.
    pub connect_gap: Duration,
    /// The same once a dial was refused with 4 or 5, until one succeeds. Default 0.
    pub gap_after_refusal: Duration,
    /// A connection that lived this long sets the attempts back to 0; being accepted is not enough. Default 30 s.
    pub stable_after: Duration,
    /// A connection lost sooner than this has had a short life; three in a row look like another client with the same
    /// id. Default 20 s.
    pub short_life: Duration,
}

/// The shape of the waits after failures that pass by themselves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "a cloud chooses one; none is ever handed out")]
pub enum Shape {
    /// Evenly random between `floor` and `min(cap, base × 2^attempt)`: a fleet that lost its power together comes back
    /// spread out, at the first attempt too.
    FullJitter {
        /// The most that the first wait can be.
        base: Duration,
        /// The most that any wait can be.
        cap: Duration,
        /// The least that any wait can be.
        floor: Duration,
    },
    /// First evenly random between `first_min` and `first_max`; then that range doubled at each attempt, cut off at
    /// `cap`, and moved by up to `percent` % up or down.
    Doubling {
        /// The least that the first wait can be.
        first_min: Duration,
        /// The most that the first wait can be.
        first_max: Duration,
        /// Where doubling ends, before the jitter.
        cap: Duration,
        /// Jitter of the waits after the first, in percent of the wait, at most 100.
        percent: u8,
    },
    /// `min(cap, base × 2^attempt)`, and then up to `spread` more.
    Spread {
        /// The least that the first wait can be.
        base: Duration,
        /// Where doubling ends.
        cap: Duration,
        /// What is added, evenly random.
        spread: Duration,
    },
}

impl Shape {
    /// Full jitter: base 1 s, cap 120 s, floor 250 ms.
    pub const FULL_JITTER: Self = Self::FullJitter {
        base: Duration::from_secs(1),
        cap: Duration::from_mins(2),
        floor: Duration::from_millis(250),
    };

    /// Doubling: first 1 to 2 s, cap 60 s, ±20 %.
    pub const DOUBLING: Self = Self::Doubling {
        first_min: Duration::from_secs(1),
        first_max: Duration::from_secs(2),
        cap: Duration::from_mins(1),
        percent: 20,
    };

    /// Doubling from 1 s to 100 s, and up to 5 s more.
    pub const SPREAD: Self =
        Self::Spread { base: Duration::from_secs(1), cap: Duration::from_secs(100), spread: Duration::from_secs(5) };
}

/// Whether a failure is likely to pass by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "there is no third answer")]
pub enum Class {
    /// It passes: [`Backoff::shape`] says how long to wait.
    Transient,
    /// It takes a person or new credentials: the waits lie between half and the whole of
    /// `min(long_cap, 2 × long_start × 2^attempt)`, so from `long_start` up to `long_cap`.
    Permanent,
}

impl Class {
    /// The class of a cause: refusals 1, 2, 4 and 5, a failed TLS handshake and a pipe that the driver
    /// does not offer are permanent, all else is transient.
    pub fn of(cause: Cause) -> Self {
        match cause {
            Cause::Refused(Refusal::ServerUnavailable | Refusal::Unspecified)
            | Cause::Lost
            | Cause::Resolve
            | Cause::Unreachable
            | Cause::OpenTimeout
            | Cause::ConnAckTimeout
            | Cause::PingTimeout
            | Cause::AckTimeout
            | Cause::Malformed(_)
            | Cause::Protocol(_)
            | Cause::TooLarge { .. }
            | Cause::Truncated
            | Cause::Upgrade(_)
            | Cause::WebSocket(_)
            | Cause::Http(_)
            | Cause::Serial(_)
            | Cause::Modem(_)
            | Cause::Asked => Self::Transient,
            Cause::Refused(
                Refusal::ProtocolVersion
                | Refusal::IdentifierRejected
                | Refusal::BadCredentials
                | Refusal::NotAuthorized,
            )
            | Cause::Tls(_)
            | Cause::Unsupported(_)
            | Cause::Storage(_) => Self::Permanent,
        }
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            shape: Shape::FULL_JITTER,
            long_start: Duration::from_mins(1),
            long_cap: Duration::from_hours(1),
            connect_gap: Duration::ZERO,
            gap_after_refusal: Duration::ZERO,
            stable_after: Duration::from_secs(30),
            short_life: Duration::from_secs(20),
        }
    }
}

impl Backoff {
    /// The wait after failure number `attempt` (from 0) of its class, with an evenly random number of 64 bits.
    /// Saturates for any attempt; whole milliseconds.
    pub fn delay(&self, class: Class, attempt: u32, random: u64) -> Duration {
        let wait = match (class, self.shape) {
            (Class::Permanent, _) => {
                let top = doubled(millis(self.long_start).saturating_mul(2), attempt).min(millis(self.long_cap));
                between(top / 2, top, random)
            }
            (Class::Transient, Shape::FullJitter { base, cap, floor }) => {
                let (top, floor) = (doubled(millis(base), attempt).min(millis(cap)), millis(floor));
                between(floor, top.max(floor), random)
            }
            (Class::Transient, Shape::Spread { base, cap, spread }) => {
                let least = doubled(millis(base), attempt).min(millis(cap));
                between(least, least.saturating_add(millis(spread)), random)
            }
            (Class::Transient, Shape::Doubling { first_min, first_max, cap, percent }) => {
                let first = between(millis(first_min), millis(first_max).max(millis(first_min)), random);
                let wait = doubled(first, attempt).min(millis(cap));
                let play = if attempt == 0 { 0 } else { wait.saturating_mul(u64::from(percent.min(100))) / 100 };
                // The first draw used the upper bits; turned round, the lower ones are as good as a second number.
                between(wait - play, wait.saturating_add(play), random.rotate_left(32))
            }
        };
        Duration::from_millis(wait)
    }
}

/// `base × 2^attempt`, saturating.
fn doubled(base: u64, attempt: u32) -> u64 {
    1_u64.checked_shl(attempt).map_or(u64::MAX, |factor| base.saturating_mul(factor))
}

/// An even choice of `low ..= high`.
fn between(low: u64, high: u64, random: u64) -> u64 {
    let span = u128::from(high.saturating_sub(low)) + 1;
    let offset = (u128::from(random) * span) >> 64;
    low.saturating_add(u64::try_from(offset).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::TlsFault;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    const TENCENT: Backoff = Backoff {
        shape: Shape::DOUBLING,
        long_start: Duration::from_mins(1),
        long_cap: Duration::from_hours(1),
        connect_gap: Duration::ZERO,
        gap_after_refusal: Duration::from_secs(5),
        stable_after: Duration::from_secs(30),
        short_life: Duration::from_secs(10),
    };

    fn range(backoff: &Backoff, class: Class, attempt: u32) -> (u64, u64) {
        let low = backoff.delay(class, attempt, 0);
        let high = backoff.delay(class, attempt, u64::MAX);
        (millis(low), millis(high))
    }

    #[test]
    fn r_40_full_jitter_grows_from_the_base_to_the_cap_and_never_falls_below_the_floor() {
        let ranges: Vec<_> = (0..9).map(|n| range(&Backoff::default(), Class::Transient, n)).collect();
        let tops = [1000, 2000, 4000, 8000, 16_000, 32_000, 64_000, 120_000, 120_000];
        assert_eq!(ranges, tops.map(|top| (250, top)));
    }

    #[test]
    fn r_40_the_attempt_saturates() {
        assert_eq!(range(&Backoff::default(), Class::Transient, u32::MAX), (250, 120_000));
        assert_eq!(range(&Backoff::default(), Class::Permanent, u32::MAX), (1_800_000, 3_600_000));
    }

    #[test]
    fn r_24_permanent_failures_wait_from_a_minute_to_an_hour() {
        let ranges: Vec<_> = (0..7).map(|n| range(&Backoff::default(), Class::Permanent, n)).collect();
        let tops = [120_000, 240_000, 480_000, 960_000, 1_920_000, 3_600_000, 3_600_000];
        assert_eq!(ranges, tops.map(|top| (top / 2, top)));
    }

    #[test]
    fn doubling_starts_with_one_to_two_seconds_and_stays_within_a_fifth_of_its_cap() {
        assert_eq!(range(&TENCENT, Class::Transient, 0), (1000, 2000));
        for (attempt, low, high) in [(1, 1600, 4800), (2, 3200, 9600), (5, 25_600, 72_000), (6, 48_000, 72_000)] {
            for random in (0..=u64::MAX).step_by(usize::MAX / 4097) {
                let wait = millis(TENCENT.delay(Class::Transient, attempt, random));
                assert!((low..=high).contains(&wait), "attempt {attempt}: {wait}");
            }
        }
    }

    #[test]
    fn spread_doubles_from_a_second_and_adds_up_to_5_s() {
        let backoff = Backoff { shape: Shape::SPREAD, ..Backoff::default() };
        for (attempt, least) in [(0, 1000), (1, 2000), (6, 64_000), (7, 100_000), (u32::MAX, 100_000)] {
            assert_eq!(range(&backoff, Class::Transient, attempt), (least, least + 5000));
        }
    }

    #[test]
    fn r_24_r_25_r_29_only_what_needs_a_person_is_permanent() {
        for refusal in [1, 2, 4, 5].map(|code| Refusal::from_code(code).unwrap()) {
            assert_eq!(Class::of(Cause::Refused(refusal)), Class::Permanent);
        }
        assert_eq!(Class::of(Cause::Tls(TlsFault::Expired)), Class::Permanent);
        for cause in [Cause::Refused(Refusal::ServerUnavailable), Cause::Resolve, Cause::Unreachable, Cause::Lost] {
            assert_eq!(Class::of(cause), Class::Transient);
        }
    }

    proptest! {
        #[test]
        fn r_40_no_wait_leaves_its_bounds(attempt: u32, random: u64) {
            let backoff = Backoff::default();
            let transient = backoff.delay(Class::Transient, attempt, random);
            prop_assert!(transient >= Duration::from_millis(250) && transient <= Duration::from_mins(2));
            let permanent = backoff.delay(Class::Permanent, attempt, random);
            prop_assert!(permanent >= Duration::from_mins(1) && permanent <= Duration::from_hours(1));
            let doubling = TENCENT.delay(Class::Transient, attempt, random);
            prop_assert!(doubling >= Duration::from_secs(1) && doubling <= Duration::from_secs(72));
        }
    }
}

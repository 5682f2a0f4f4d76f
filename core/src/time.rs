//! What time is to the core: a monotonic instant that the driver tells, and a wall time that may be unknown.

use core::time::Duration;

/// Milliseconds since the driver started; never wall time.
///
/// The driver reads its own monotonic clock and hands the value in with every call. Arithmetic saturates: a clock
/// that leaps cannot make the core overflow.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[allow(clippy::exhaustive_structs, reason = "a plain number with a unit; drivers build it")]
pub struct Instant(pub u64);

impl Instant {
    /// The moment at which the driver started.
    pub const ZERO: Self = Self(0);

    /// The instant `wait` later; saturates at the end of time.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(millis(wait)))
    }

    /// How long ago `earlier` was; zero where it lies ahead.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// Wall time: milliseconds since 1970-01-01T00:00:00Z, as an RTC, SNTP or a cloud's time service tells it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[allow(clippy::exhaustive_structs, reason = "a plain number with a unit; drivers build it")]
pub struct UnixMillis(pub u64);

impl UnixMillis {
    /// Whole seconds since the epoch, as signatures carry them.
    pub fn seconds(self) -> u64 {
        self.0 / 1000
    }

    /// The wall time `later` after this one; saturates.
    #[must_use]
    pub fn after(self, later: Duration) -> Self {
        Self(self.0.saturating_add(millis(later)))
    }
}

/// When a machine wants to be called again though nothing has come in, and why.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "drivers and tests read and build it")]
pub struct Deadline {
    /// The moment; a driver that wakes later loses nothing but time.
    pub at: Instant,
    /// The timer that asks, for power debugging and for tests ("ping", "back-off", …).
    pub why: &'static str,
}

impl Deadline {
    /// The earlier of two deadlines that may be absent.
    pub fn earlier(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        match (one, other) {
            (Some(a), Some(b)) => Some(if b.at < a.at { b } else { a }),
            (a, b) => a.or(b),
        }
    }
}

/// Whole milliseconds of a duration; saturates.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

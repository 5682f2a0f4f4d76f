//! The wall time, where somebody knows it: a clock chip, SNTP, a modem.

use core::{cell::RefCell, fmt, task::Poll};
use embassy_sync::{
    blocking_mutex::{Mutex, raw::CriticalSectionRawMutex},
    waitqueue::WakerRegistration,
};
use embassy_time::{Duration, Instant};
use skytether_core::time::UnixMillis;

/// The wall time of this device; usually a `static`. Unknown until it is told, and from then on carried on by
/// embassy's clock. The driver and TLS look at the same one.
pub struct Wall {
    state: Mutex<CriticalSectionRawMutex, RefCell<State>>,
}

struct State {
    /// When it was told, and what.
    told: Option<(Instant, UnixMillis)>,
    /// How often it was told.
    count: u32,
    driver: WakerRegistration,
}

impl Wall {
    /// Unknown as yet.
    pub const fn new() -> Self {
        let state = State { told: None, count: 0, driver: WakerRegistration::new() };
        Self { state: Mutex::new(RefCell::new(state)) }
    }

    /// Says what time it is now. The device hears of it at once.
    pub fn tell(&self, now: UnixMillis) {
        self.state.lock(|state| {
            let mut state = state.borrow_mut();
            state.told = Some((Instant::now(), now));
            state.count = state.count.wrapping_add(1);
            state.driver.wake();
        });
    }

    /// What time it is, where it is known.
    pub fn now(&self) -> Option<UnixMillis> {
        self.state.lock(|state| state.borrow().now())
    }

    /// Ready with the time where it was told since `seen`, which it brings up to date.
    pub(crate) fn poll_told(&self, waker: &core::task::Waker, seen: &mut u32) -> Poll<UnixMillis> {
        self.state.lock(|state| {
            let mut state = state.borrow_mut();
            state.driver.register(waker);
            if state.count == *seen {
                return Poll::Pending;
            }
            *seen = state.count;
            state.now().map_or(Poll::Pending, Poll::Ready)
        })
    }
}

impl State {
    fn now(&self) -> Option<UnixMillis> {
        let (at, told) = self.told?;
        let since = Instant::now().checked_duration_since(at).unwrap_or(Duration::MIN);
        Some(UnixMillis(told.0.saturating_add(since.as_millis())))
    }
}

impl Default for Wall {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Wall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Wall").field(&self.now()).finish()
    }
}

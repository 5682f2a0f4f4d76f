//! How do events reach the application? By a queue that never drops one, and that tells the driver when to stop reading.

use crate::{bell::Bell, clock};
use core::{fmt, time::Duration};
use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

/// Events beyond the capacity that may wait before the driver stands still altogether: time alone brings some while
/// nothing is read (a connection goes down, is dialled, goes down again).
const SPARE: usize = 64;

/// What the device tells the application, in order, nothing left out.
///
/// As an iterator it waits for the next event, and ends once the device is closed and every event was taken.
///
/// Holds [`Options::events`](crate::Options::events) events, and a few more that time alone brings. While it is full the
/// driver reads nothing more from the network than fits its buffers, so that the peer waits instead of our memory growing;
/// timers, writes and the outcomes of commands go on. Dropping it discards all events from then on; the device goes on
/// working.
pub struct Events<E> {
    queue: Arc<Queue<E>>,
}

/// The time given to a wait is over. What was waited for goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "there is nothing more to say of it")]
pub struct Elapsed;

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing came in the time given")
    }
}

impl core::error::Error for Elapsed {}

impl<E> Events<E> {
    /// The next event, waited for at most so long; `None` once the device is closed and every event was taken.
    ///
    /// # Errors
    /// [`Elapsed`] when none came in time.
    pub fn next_timeout(&mut self, longest: Duration) -> Result<Option<E>, Elapsed> {
        let until = clock::real().checked_add(longest);
        let mut state = self.queue.lock();
        loop {
            if let Some(event) = self.queue.take(&mut state) {
                return Ok(Some(event));
            }
            if state.driver_gone {
                return Ok(None);
            }
            let Some(until) = until else {
                state = self.queue.arrived.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = until.saturating_duration_since(clock::real());
            if left.is_zero() {
                return Err(Elapsed);
            }
            state = self.queue.arrived.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The next event if one is there already.
    pub fn try_next(&mut self) -> Option<E> {
        self.queue.take(&mut self.queue.lock())
    }
}

impl<E> Iterator for Events<E> {
    type Item = E;

    fn next(&mut self) -> Option<E> {
        // So long that it never ends early.
        self.next_timeout(Duration::MAX).unwrap_or(None)
    }
}

impl<E> Drop for Events<E> {
    fn drop(&mut self) {
        let events = {
            let mut state = self.queue.lock();
            state.reader_gone = true;
            core::mem::take(&mut state.waiting)
        };
        drop(events);
        self.queue.bell.ring();
    }
}

impl<E> fmt::Debug for Events<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("waiting", &self.queue.lock().waiting.len()).finish()
    }
}

/// The driver's end of the queue.
pub(crate) struct Outlet<E> {
    queue: Arc<Queue<E>>,
}

impl<E> Outlet<E> {
    /// Adds an event; never fails, since the caller has asked for room before it took in what made the event.
    pub(crate) fn push(&self, event: E) {
        let mut state = self.queue.lock();
        if state.reader_gone {
            // The user's `drop` must not run under the lock.
            drop(state);
            return;
        }
        state.waiting.push_back(event);
        drop(state);
        self.queue.arrived.notify_one();
    }

    /// Whether bytes may be taken in, which may make events.
    pub(crate) fn has_room(&self) -> bool {
        self.queue.lock().waiting.len() < self.queue.capacity
    }

    /// Whether the spare places are used up too.
    pub(crate) fn is_overfull(&self) -> bool {
        self.queue.lock().waiting.len() >= self.queue.capacity.saturating_add(SPARE)
    }
}

impl<E> Drop for Outlet<E> {
    fn drop(&mut self) {
        self.queue.lock().driver_gone = true;
        self.queue.arrived.notify_all();
    }
}

/// Both ends of a queue that holds `capacity` events, and rings when there is room again.
pub(crate) fn queue<E>(capacity: usize, bell: Bell) -> (Outlet<E>, Events<E>) {
    let state = State { waiting: VecDeque::new(), reader_gone: false, driver_gone: false };
    let queue = Arc::new(Queue { state: Mutex::new(state), arrived: Condvar::new(), capacity: capacity.max(1), bell });
    (Outlet { queue: Arc::clone(&queue) }, Events { queue })
}

struct Queue<E> {
    state: Mutex<State<E>>,
    arrived: Condvar,
    capacity: usize,
    bell: Bell,
}

impl<E> Queue<E> {
    /// Nothing of the user's runs under this lock, so that a poisoned one is still whole.
    fn lock(&self) -> MutexGuard<'_, State<E>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, state: &mut State<E>) -> Option<E> {
        let event = state.waiting.pop_front()?;
        let left = state.waiting.len();
        // Where the driver may begin to read again, or to move at all.
        if left == self.capacity.saturating_sub(1) || left == self.capacity.saturating_add(SPARE).saturating_sub(1) {
            self.bell.ring();
        }
        Some(event)
    }
}

struct State<E> {
    waiting: VecDeque<E>,
    reader_gone: bool,
    driver_gone: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(5);

    #[test]
    fn events_come_out_in_order_and_end_with_the_driver() {
        let (outlet, mut events) = queue(2, Bell::default());
        assert_eq!(events.next_timeout(SOON), Err(Elapsed));
        outlet.push(1);
        assert!(outlet.has_room());
        outlet.push(2);
        assert!(!outlet.has_room());
        assert!(!outlet.is_overfull());
        drop(outlet);
        assert_eq!(events.next(), Some(1));
        assert_eq!(events.try_next(), Some(2));
        assert_eq!(events.next(), None);
        assert_eq!(events.next_timeout(SOON), Ok(None));
    }

    #[test]
    fn a_queue_that_no_one_reads_takes_its_spare_and_then_says_so() {
        let (outlet, mut events) = queue(1, Bell::default());
        for n in 0..=SPARE {
            assert!(!outlet.is_overfull(), "event {n}");
            outlet.push(n);
        }
        assert!(outlet.is_overfull());
        assert_eq!(events.try_next(), Some(0));
        assert!(!outlet.is_overfull());
    }

    #[test]
    fn without_a_reader_there_is_always_room() {
        let (outlet, events) = queue(1, Bell::default());
        outlet.push(1);
        drop(events);
        assert!(outlet.has_room());
        outlet.push(2);
        assert!(outlet.has_room());
    }
}

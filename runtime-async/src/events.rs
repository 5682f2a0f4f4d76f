//! How events reach the application: a queue that never drops one, and that tells the driver when to stop reading.

use core::{
    fmt,
    pin::Pin,
    task::{Context, Poll, Waker},
};
use futures_core::Stream;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Events beyond the capacity that may wait before the driver stands still altogether: time alone brings some while
/// nothing is read (a connection goes down, is dialled, goes down again).
const SPARE: usize = 64;

/// What the device tells the application, in order, nothing left out.
///
/// Holds [`Options::events`](skytether_std::options::Options::events) events, and a few more that time alone brings. While it is full the
/// driver reads nothing more from the network than fits its buffer, so that the peer waits instead of our memory growing;
/// timers, writes and the outcomes of commands go on. Dropping it discards all events from then on; the device goes on
/// working.
pub struct Events<E> {
    queue: Arc<Queue<E>>,
}

impl<E> Events<E> {
    /// The next event; `None` once the device is closed and every event was taken.
    ///
    /// Cancel safe: a dropped call takes nothing.
    pub async fn next(&mut self) -> Option<E> {
        core::future::poll_fn(|cx| self.poll_event(cx)).await
    }

    /// The next event if one is there already.
    pub fn try_next(&mut self) -> Option<E> {
        self.queue.lock().take()
    }

    fn poll_event(&self, cx: &Context<'_>) -> Poll<Option<E>> {
        let mut state = self.queue.lock();
        if let Some(event) = state.take() {
            return Poll::Ready(Some(event));
        }
        if state.driver_gone {
            return Poll::Ready(None);
        }
        state.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl<E> Stream for Events<E> {
    type Item = E;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<E>> {
        self.poll_event(cx)
    }
}

impl<E> Drop for Events<E> {
    fn drop(&mut self) {
        let (events, driver) = {
            let mut state = self.queue.lock();
            state.reader_gone = true;
            (core::mem::take(&mut state.waiting), state.driver.take())
        };
        drop(events);
        wake(driver);
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
    /// Events of this turn, not in the queue yet: its lock is taken once for all of them.
    fresh: VecDeque<E>,
    /// Free places that the queue had for certain, when it was last looked at, those of `fresh` taken off.
    free: usize,
}

impl<E> Outlet<E> {
    /// Adds an event; never fails, since the caller has asked for room before it took in what made the event. It is
    /// shown by [`Outlet::flush`].
    pub(crate) fn push(&mut self, event: E) {
        self.fresh.push_back(event);
        self.free = self.free.saturating_sub(1);
    }

    /// Shows the events of this turn to the application.
    pub(crate) fn flush(&mut self) {
        if self.fresh.is_empty() {
            return;
        }
        let reader = {
            let mut state = self.queue.lock();
            if state.reader_gone {
                None
            } else {
                if state.waiting.is_empty() {
                    core::mem::swap(&mut state.waiting, &mut self.fresh);
                } else {
                    state.waiting.append(&mut self.fresh);
                }
                state.reader.take()
            }
        };
        self.fresh.clear();
        wake(reader);
    }

    /// Whether bytes may be taken in, which may make events.
    pub(crate) fn has_room(&mut self) -> bool {
        // Places only become more behind our back.
        if self.free == 0 {
            let state = self.queue.lock();
            self.free = state.capacity.saturating_sub(state.waiting.len() + self.fresh.len());
        }
        self.free > 0
    }

    /// Whether the spare places are used up too. Registers the task for the moment when there is room again.
    pub(crate) fn poll_overfull(&self, cx: &Context<'_>) -> bool {
        let mut state = self.queue.lock();
        let waiting = state.waiting.len() + self.fresh.len();
        if waiting >= state.capacity {
            state.driver = Some(cx.waker().clone());
        }
        waiting >= state.capacity.saturating_add(SPARE)
    }
}

impl<E> Drop for Outlet<E> {
    fn drop(&mut self) {
        self.flush();
        let reader = {
            let mut state = self.queue.lock();
            state.driver_gone = true;
            state.reader.take()
        };
        wake(reader);
    }
}

/// Both ends of a queue that holds `capacity` events.
pub(crate) fn queue<E>(capacity: usize) -> (Outlet<E>, Events<E>) {
    let state = State {
        waiting: VecDeque::new(),
        capacity: capacity.max(1),
        reader: None,
        driver: None,
        reader_gone: false,
        driver_gone: false,
    };
    let queue = Arc::new(Queue { state: Mutex::new(state) });
    (Outlet { queue: Arc::clone(&queue), fresh: VecDeque::new(), free: 0 }, Events { queue })
}

struct Queue<E> {
    state: Mutex<State<E>>,
}

impl<E> Queue<E> {
    /// Nothing of the user's runs under this lock, so that a poisoned one is still whole.
    fn lock(&self) -> MutexGuard<'_, State<E>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct State<E> {
    waiting: VecDeque<E>,
    capacity: usize,
    reader: Option<Waker>,
    driver: Option<Waker>,
    reader_gone: bool,
    driver_gone: bool,
}

impl<E> State<E> {
    fn take(&mut self) -> Option<E> {
        let event = self.waiting.pop_front()?;
        if self.waiting.len() < self.capacity {
            // Waking under the lock is safe: a waker only schedules the task.
            wake(self.driver.take());
        }
        Some(event)
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_out_in_order_and_end_with_the_driver() {
        let (mut outlet, mut events) = queue(2);
        let cx = Context::from_waker(Waker::noop());
        assert!(events.poll_event(&cx).is_pending());
        outlet.push(1);
        assert!(outlet.has_room());
        outlet.push(2);
        assert!(!outlet.has_room());
        assert!(events.poll_event(&cx).is_pending());
        outlet.flush();
        assert!(!outlet.poll_overfull(&cx));
        drop(outlet);
        assert_eq!(events.poll_event(&cx), Poll::Ready(Some(1)));
        assert_eq!(events.try_next(), Some(2));
        assert_eq!(events.poll_event(&cx), Poll::Ready(None));
    }

    #[test]
    fn a_queue_that_no_one_reads_takes_its_spare_and_then_says_so() {
        let (mut outlet, mut events) = queue(1);
        let cx = Context::from_waker(Waker::noop());
        for n in 0..=SPARE {
            assert!(!outlet.poll_overfull(&cx), "event {n}");
            outlet.push(n);
        }
        assert!(outlet.poll_overfull(&cx));
        outlet.flush();
        assert!(outlet.poll_overfull(&cx));
        assert_eq!(events.try_next(), Some(0));
        assert!(!outlet.poll_overfull(&cx));
    }

    #[test]
    fn without_a_reader_there_is_always_room() {
        let (mut outlet, events) = queue(1);
        outlet.push(1);
        drop(events);
        for n in 2..5 {
            outlet.flush();
            assert!(outlet.has_room());
            outlet.push(n);
        }
    }
}

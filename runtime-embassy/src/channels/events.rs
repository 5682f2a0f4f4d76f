//! Events that wait for the application: never one dropped, and the driver knows when to stop reading.

use alloc::collections::VecDeque;
use core::task::{Poll, Waker};
use embassy_sync::waitqueue::WakerRegistration;
use heapless::Deque;

/// Events beyond the capacity that may wait before the driver stands still altogether: time alone brings some while
/// nothing is read (a connection goes down, is dialled, goes down again).
pub(crate) const SPARE: usize = 16;

/// A queue of `N` events, and a few more on the heap.
pub(super) struct Waiting<E, const N: usize> {
    queue: Deque<E, N>,
    spare: VecDeque<E>,
    reader: WakerRegistration,
    /// No driver will bring more.
    ended: bool,
}

impl<E, const N: usize> Waiting<E, N> {
    pub(super) const fn new() -> Self {
        Self { queue: Deque::new(), spare: VecDeque::new(), reader: WakerRegistration::new(), ended: false }
    }

    pub(super) fn begin(&mut self) {
        self.ended = false;
    }

    pub(super) fn end(&mut self) {
        self.ended = true;
        self.reader.wake();
    }

    pub(super) fn push(&mut self, event: E) {
        let left = if self.spare.is_empty() { self.queue.push_back(event).err() } else { Some(event) };
        self.spare.extend(left);
        self.reader.wake();
    }

    pub(super) fn has_room(&self) -> bool {
        !self.queue.is_full()
    }

    pub(super) fn is_overfull(&self) -> bool {
        self.spare.len() >= SPARE
    }

    /// The next event, and whether the driver may have waited for its place.
    pub(super) fn poll_next(&mut self, waker: &Waker) -> (Poll<Option<E>>, bool) {
        let was_full = self.queue.is_full();
        let Some(event) = self.queue.pop_front() else {
            if self.ended {
                return (Poll::Ready(None), false);
            }
            self.reader.register(waker);
            return (Poll::Pending, false);
        };
        if let Some(spare) = self.spare.pop_front() {
            // A place was made just now; were there none, the event would wait on.
            self.spare.extend(self.queue.push_back(spare).err());
        }
        if self.spare.is_empty() && self.spare.capacity() > 0 {
            self.spare = VecDeque::new();
        }
        (Poll::Ready(Some(event)), was_full)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(waiting: &mut Waiting<usize, 2>) -> Option<usize> {
        match waiting.poll_next(Waker::noop()).0 {
            Poll::Ready(event) => event,
            Poll::Pending => panic!("an event waits"),
        }
    }

    #[test]
    fn events_come_out_in_order_past_the_capacity_and_end_with_the_driver() {
        let mut waiting: Waiting<usize, 2> = Waiting::new();
        for n in 0..2 + SPARE {
            assert!(!waiting.is_overfull(), "event {n}");
            assert_eq!(waiting.has_room(), n < 2);
            waiting.push(n);
        }
        assert!(waiting.is_overfull());
        for n in 0..10 {
            assert_eq!(next(&mut waiting), Some(n));
        }
        assert!(!waiting.is_overfull());
        waiting.push(18);
        waiting.end();
        for n in 10..19 {
            assert_eq!(next(&mut waiting), Some(n));
        }
        assert_eq!(next(&mut waiting), None);
    }

    #[test]
    fn the_driver_is_told_of_a_place_where_there_was_none() {
        let mut waiting: Waiting<usize, 2> = Waiting::new();
        waiting.push(1);
        assert!(!waiting.poll_next(Waker::noop()).1);
        waiting.push(2);
        waiting.push(3);
        assert!(waiting.poll_next(Waker::noop()).1);
        assert!(waiting.has_room());
    }
}

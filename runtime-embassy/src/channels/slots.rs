//! Commands under way, each in a place of its own from the moment it is handed in until its outcome was taken.

use crate::error::SendError;
use core::task::{Poll, Waker};
use embassy_sync::waitqueue::{MultiWakerRegistration, WakerRegistration};
use skytether_core::io::Tag;

/// Tasks that are woken in turn when a place is free; more are woken all at once.
const CALLERS: usize = 4;

/// How far a command has come.
pub(crate) enum Stage<C, A> {
    /// There is none.
    Free,
    /// It waits for the driver; the lowest number came first.
    Waiting { order: u32, command: C },
    /// The driver is offering it to the machine.
    Offered { order: u32, wanted: bool },
    /// The machine has it.
    Accepted { tag: Tag, wanted: bool },
    /// It has ended, and its caller has not heard yet.
    Ended(Result<A, SendError>),
}

struct Slot<C, A> {
    stage: Stage<C, A>,
    caller: WakerRegistration,
}

/// `N` places.
pub(super) struct Slots<C, A, const N: usize> {
    all: [Slot<C, A>; N],
    next: u32,
    callers: MultiWakerRegistration<CALLERS>,
}

impl<C, A, const N: usize> Slots<C, A, N> {
    pub(super) const fn new() -> Self {
        let all = [const { Slot { stage: Stage::Free, caller: WakerRegistration::new() } }; N];
        Self { all, next: 0, callers: MultiWakerRegistration::new() }
    }

    pub(super) fn place(&mut self, command: &mut Option<C>) -> Option<usize> {
        let free = |slot: &Slot<C, A>| matches!(slot.stage, Stage::Free);
        let index = self.all.iter().position(free)?;
        let slot = self.all.get_mut(index)?;
        slot.stage = Stage::Waiting { order: self.next, command: command.take()? };
        self.next = self.next.wrapping_add(1);
        Some(index)
    }

    pub(super) fn wait_for_place(&mut self, waker: &Waker) {
        self.callers.register(waker);
    }

    pub(super) fn poll_taken(&mut self, index: usize, waker: &Waker) -> Poll<Result<(), SendError>> {
        let Some(slot) = self.all.get_mut(index) else {
            return Poll::Ready(Err(SendError::Gone));
        };
        match &slot.stage {
            Stage::Accepted { .. } | Stage::Ended(Ok(_) | Err(SendError::Failed(_))) => Poll::Ready(Ok(())),
            Stage::Ended(Err(why)) => Poll::Ready(Err(*why)),
            Stage::Free => Poll::Ready(Err(SendError::Gone)),
            Stage::Waiting { .. } | Stage::Offered { .. } => {
                slot.caller.register(waker);
                Poll::Pending
            }
        }
    }

    pub(super) fn poll_outcome(&mut self, index: usize, waker: &Waker) -> Poll<Result<A, SendError>> {
        let Some(slot) = self.all.get_mut(index) else {
            return Poll::Ready(Err(SendError::Gone));
        };
        match core::mem::replace(&mut slot.stage, Stage::Free) {
            Stage::Ended(outcome) => {
                self.callers.wake();
                Poll::Ready(outcome)
            }
            Stage::Free => Poll::Ready(Err(SendError::Gone)),
            stage @ (Stage::Waiting { .. } | Stage::Offered { .. } | Stage::Accepted { .. }) => {
                slot.stage = stage;
                slot.caller.register(waker);
                Poll::Pending
            }
        }
    }

    /// What was in the place, where it is emptied.
    pub(super) fn leave(&mut self, index: usize) -> Option<Stage<C, A>> {
        let slot = self.all.get_mut(index)?;
        match &mut slot.stage {
            Stage::Offered { wanted, .. } | Stage::Accepted { wanted, .. } => {
                *wanted = false;
                None
            }
            Stage::Free | Stage::Waiting { .. } | Stage::Ended(_) => {
                self.callers.wake();
                Some(core::mem::replace(&mut slot.stage, Stage::Free))
            }
        }
    }

    pub(super) fn has_accepted(&self) -> bool {
        self.all.iter().any(|slot| matches!(slot.stage, Stage::Accepted { .. }))
    }

    pub(super) fn take(&mut self) -> Option<(usize, C)> {
        let base = self.next;
        let age = |slot: &Slot<C, A>| match &slot.stage {
            Stage::Waiting { order, .. } => Some(base.wrapping_sub(*order)),
            Stage::Free | Stage::Offered { .. } | Stage::Accepted { .. } | Stage::Ended(_) => None,
        };
        let ages = self.all.iter().enumerate().filter_map(|(index, slot)| Some((age(slot)?, index)));
        let (_, index) = ages.max()?;
        let slot = self.all.get_mut(index)?;
        match core::mem::replace(&mut slot.stage, Stage::Free) {
            Stage::Waiting { order, command } => {
                slot.stage = Stage::Offered { order, wanted: true };
                Some((index, command))
            }
            other @ (Stage::Free | Stage::Offered { .. } | Stage::Accepted { .. } | Stage::Ended(_)) => {
                slot.stage = other;
                None
            }
        }
    }

    /// The command, where its caller is gone.
    pub(super) fn put_back(&mut self, index: usize, command: C) -> Option<C> {
        let slot = self.all.get_mut(index)?;
        let Stage::Offered { order, wanted } = slot.stage else {
            return Some(command);
        };
        if wanted {
            slot.stage = Stage::Waiting { order, command };
            return None;
        }
        slot.stage = Stage::Free;
        self.callers.wake();
        Some(command)
    }

    pub(super) fn accept(&mut self, index: usize, tag: Tag) {
        if let Some(slot) = self.all.get_mut(index)
            && let Stage::Offered { wanted, .. } = slot.stage
        {
            slot.stage = Stage::Accepted { tag, wanted };
            slot.caller.wake();
        }
    }

    pub(super) fn reject(&mut self, index: usize, why: SendError) {
        self.finish(index, Err(why));
    }

    pub(super) fn done(&mut self, tag: Tag, outcome: Result<A, SendError>) {
        let is_its = |slot: &Slot<C, A>| matches!(slot.stage, Stage::Accepted { tag: its, .. } if its == tag);
        if let Some(index) = self.all.iter().position(is_its) {
            self.finish(index, outcome);
        }
    }

    /// Refuses one command that was not taken; gives it out, so that it is dropped elsewhere.
    pub(super) fn refuse(&mut self) -> Option<C> {
        self.callers.wake();
        let (index, command) = self.take()?;
        self.finish(index, Err(SendError::Gone));
        Some(command)
    }

    /// No outcome will come any more.
    pub(super) fn abandon(&mut self) {
        for index in 0..N {
            self.finish(index, Err(SendError::Gone));
        }
    }

    fn finish(&mut self, index: usize, outcome: Result<A, SendError>) {
        let Some(slot) = self.all.get_mut(index) else { return };
        match slot.stage {
            Stage::Offered { wanted: true, .. } | Stage::Accepted { wanted: true, .. } => {
                slot.stage = Stage::Ended(outcome);
                slot.caller.wake();
            }
            Stage::Offered { .. } | Stage::Accepted { .. } => {
                slot.stage = Stage::Free;
                self.callers.wake();
            }
            Stage::Free | Stage::Waiting { .. } | Stage::Ended(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use skytether_core::io::Failure;

    fn slots() -> Slots<u8, u8, 2> {
        Slots::new()
    }

    #[test]
    fn commands_are_taken_in_the_order_in_which_they_came_even_past_a_wrap() {
        let mut slots = slots();
        slots.next = u32::MAX;
        assert_eq!(slots.place(&mut Some(1)), Some(0));
        assert_eq!(slots.place(&mut Some(2)), Some(1));
        let mut third = Some(3);
        assert_eq!(slots.place(&mut third), None);
        assert_eq!(third, Some(3), "it stays with its caller");
        assert_eq!(slots.take(), Some((0, 1)));
        assert_eq!(slots.put_back(0, 1), None);
        assert_eq!(slots.take(), Some((0, 1)), "put back, it is still the first");
        assert_eq!(slots.take(), Some((1, 2)));
        assert_eq!(slots.take(), None);
    }

    #[test]
    fn each_outcome_reaches_its_own_caller() {
        let mut slots = slots();
        for command in [7, 8] {
            slots.place(&mut Some(command));
            let (index, _) = slots.take().unwrap();
            slots.accept(index, Tag(u32::from(command)));
        }
        slots.done(Tag(8), Ok(80));
        slots.done(Tag(7), Err(SendError::Failed(Failure::Lost)));
        slots.done(Tag(9), Ok(90));
        assert_eq!(slots.poll_outcome(0, Waker::noop()), Poll::Ready(Err(SendError::Failed(Failure::Lost))));
        assert_eq!(slots.poll_outcome(1, Waker::noop()), Poll::Ready(Ok(80)));
        assert_eq!(slots.poll_outcome(1, Waker::noop()), Poll::Ready(Err(SendError::Gone)));
    }

    #[test]
    fn r_140_a_caller_that_leaves_takes_back_what_was_not_taken_and_keeps_no_place() {
        let mut slots = slots();
        slots.place(&mut Some(1));
        assert!(matches!(slots.leave(0), Some(Stage::Waiting { command: 1, .. })));
        slots.place(&mut Some(2));
        slots.take();
        slots.accept(0, Tag(2));
        assert!(slots.leave(0).is_none());
        assert!(slots.has_accepted(), "what was taken runs on");
        slots.done(Tag(2), Ok(0));
        assert_eq!(slots.place(&mut Some(3)), Some(0));
        slots.take();
        assert!(slots.leave(0).is_none());
        assert_eq!(slots.put_back(0, 3), Some(3));
        assert_eq!(slots.place(&mut Some(4)), Some(0));
    }
}

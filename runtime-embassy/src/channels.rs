//! What the application and the driver share: places for commands under way, waiting events, and what was asked beside.

mod events;
mod slots;

use crate::{error::SendError, events::Events, handle::Handle};
use core::{
    cell::RefCell,
    fmt,
    task::{Context, Poll, Waker},
};
use embassy_sync::{
    blocking_mutex::{Mutex, raw::RawMutex},
    waitqueue::WakerRegistration,
};
use events::Waiting;
use skytether_core::io::{Failure, Machine, Tag};
use slots::Slots;
pub(crate) use slots::Stage;

/// What one device's driver and its application share; usually a `static`.
///
/// `X` guards it: `CriticalSectionRawMutex` where handles live on several executors or cores, `NoopRawMutex` where all
/// is on one. `COMMANDS` is how many commands may be under way at once, from [`Handle::submit`] until their outcome was
/// taken; further ones wait. `EVENTS` is how many events may wait before nothing more is read from the network; time
/// alone may add 16, kept on the heap.
pub struct Channels<X: RawMutex, M: Machine, const COMMANDS: usize, const EVENTS: usize> {
    state: Mutex<X, RefCell<State<M, COMMANDS, EVENTS>>>,
}

struct State<M: Machine, const COMMANDS: usize, const EVENTS: usize> {
    slots: Slots<M::Command, M::Answer, COMMANDS>,
    events: Waiting<M::Event, EVENTS>,
    asked: Asked,
    /// No commands are taken: there is no driver yet, or the device is closing.
    closed: bool,
    driver: WakerRegistration,
}

/// What was asked beside the commands since the driver looked last: at most one of each, so that it cannot grow.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Asked {
    pub(crate) close: bool,
    pub(crate) reconnect: bool,
}

impl<X: RawMutex, M: Machine, const COMMANDS: usize, const EVENTS: usize> Channels<X, M, COMMANDS, EVENTS> {
    /// Empty ones. Commands wait until a driver runs.
    pub const fn new() -> Self {
        let state = State {
            slots: Slots::new(),
            events: Waiting::new(),
            asked: Asked { close: false, reconnect: false },
            closed: false,
            driver: WakerRegistration::new(),
        };
        Self { state: Mutex::new(RefCell::new(state)) }
    }

    /// A way to send commands. Any number may be made.
    pub fn handle(&self) -> Handle<'_, X, M, COMMANDS, EVENTS> {
        Handle::new(self)
    }

    /// The way to hear events. Two at once would share them out.
    pub fn events(&self) -> Events<'_, X, M, COMMANDS, EVENTS> {
        Events::new(self)
    }

    fn with<T>(&self, work: impl FnOnce(&mut State<M, COMMANDS, EVENTS>) -> T) -> T {
        self.state.lock(|state| work(&mut state.borrow_mut()))
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.with(|state| state.closed)
    }

    pub(crate) fn ask(&self, ask: impl FnOnce(&mut Asked)) {
        self.with(|state| {
            ask(&mut state.asked);
            state.driver.wake();
        });
    }

    /// Finds a place for a command and leaves it there; the number of the place.
    pub(crate) fn poll_place(
        &self,
        cx: &Context<'_>,
        command: &mut Option<M::Command>,
    ) -> Poll<Result<usize, SendError>> {
        self.with(|state| {
            if state.closed {
                return Poll::Ready(Err(SendError::Gone));
            }
            let Some(index) = state.slots.place(command) else {
                state.slots.wait_for_place(cx.waker());
                return Poll::Pending;
            };
            state.driver.wake();
            Poll::Ready(Ok(index))
        })
    }

    /// Ready when the command of a place was taken, or not taken.
    pub(crate) fn poll_taken(&self, cx: &Context<'_>, index: usize) -> Poll<Result<(), SendError>> {
        self.with(|state| state.slots.poll_taken(index, cx.waker()))
    }

    /// Ready with the outcome of the command of a place, which it empties.
    pub(crate) fn poll_outcome(&self, cx: &Context<'_>, index: usize) -> Poll<Result<M::Answer, SendError>> {
        self.with(|state| state.slots.poll_outcome(index, cx.waker()))
    }

    /// The caller of a place is gone: a command that was not taken is taken back.
    pub(crate) fn leave(&self, index: usize) {
        // Dropped outside the lock: it is the application's.
        let _taken_back: Option<Stage<M::Command, M::Answer>> = self.with(|state| state.slots.leave(index));
    }

    pub(crate) fn poll_event(&self, cx: &Context<'_>) -> Poll<Option<M::Event>> {
        self.with(|state| {
            let (polled, freed) = state.events.poll_next(cx.waker());
            if freed {
                state.driver.wake();
            }
            polled
        })
    }
}

/// The driver's side.
impl<X: RawMutex, M: Machine, const COMMANDS: usize, const EVENTS: usize> Channels<X, M, COMMANDS, EVENTS> {
    /// A driver begins.
    pub(crate) fn begin(&self) {
        self.with(|state| {
            state.closed = false;
            state.events.begin();
        });
    }

    /// Takes no more commands; those that were not taken hear that the device is gone.
    pub(crate) fn close(&self) {
        loop {
            let refused = self.with(|state| {
                state.closed = true;
                state.slots.refuse()
            });
            if refused.is_none() {
                return;
            }
        }
    }

    /// The driver is gone: every outcome is told, and the events end.
    pub(crate) fn end(&self) {
        self.close();
        self.with(|state| {
            state.slots.abandon();
            state.events.end();
        });
    }

    /// What was asked since the last call; registers the driver for whatever comes next.
    pub(crate) fn poll_asked(&self, waker: &Waker) -> Asked {
        self.with(|state| {
            state.driver.register(waker);
            core::mem::take(&mut state.asked)
        })
    }

    /// The oldest command that waits.
    pub(crate) fn take(&self) -> Option<(usize, M::Command)> {
        self.with(|state| state.slots.take())
    }

    /// Whether the machine has commands under way.
    pub(crate) fn has_accepted(&self) -> bool {
        self.with(|state| state.slots.has_accepted())
    }

    /// Puts a command back in its old place, ahead of those that came later.
    pub(crate) fn put_back(&self, index: usize, command: M::Command) {
        let _unwanted: Option<M::Command> = self.with(|state| state.slots.put_back(index, command));
    }

    pub(crate) fn accept(&self, index: usize, tag: Tag) {
        self.with(|state| state.slots.accept(index, tag));
    }

    pub(crate) fn reject(&self, index: usize, why: SendError) {
        self.with(|state| state.slots.reject(index, why));
    }

    pub(crate) fn done(&self, tag: Tag, outcome: Result<M::Answer, Failure>) {
        self.with(|state| state.slots.done(tag, outcome.map_err(SendError::Failed)));
    }

    /// Adds an event; never fails, since the driver has asked for room before it took in what made the event.
    pub(crate) fn push(&self, event: M::Event) {
        self.with(|state| state.events.push(event));
    }

    /// Whether bytes may be taken in, which may make events.
    pub(crate) fn has_room(&self) -> bool {
        self.with(|state| state.events.has_room())
    }

    /// Whether the spare places for events are used up too.
    pub(crate) fn is_overfull(&self) -> bool {
        self.with(|state| state.events.is_overfull())
    }
}

impl<X: RawMutex, M: Machine, const COMMANDS: usize, const EVENTS: usize> Default for Channels<X, M, COMMANDS, EVENTS> {
    fn default() -> Self {
        Self::new()
    }
}

impl<X: RawMutex, M: Machine, const COMMANDS: usize, const EVENTS: usize> fmt::Debug
    for Channels<X, M, COMMANDS, EVENTS>
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channels").field("closed", &self.is_closed()).finish_non_exhaustive()
    }
}

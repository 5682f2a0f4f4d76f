//! The machine, and what its parts of the driver share while none of them waits: inputs in, actions out.

use crate::{channels::Channels, error::SendError, jobs::Job, log, wall::Wall};
use alloc::{boxed::Box, collections::VecDeque};
use core::{cell::RefCell, future::poll_fn, task::Poll};
use embassy_sync::blocking_mutex::raw::RawMutex;
use embassy_time::Duration;
use skytether_core::io::{Action, Cause, Exchange, ExchangeId, Input, Instant, Machine, Pipe, Rejected, Step};

/// One driver's machine behind a cell: its parts run on one task and borrow it between their waits only.
pub(crate) struct Desk<'a, X: RawMutex, M: Machine, const C: usize, const E: usize> {
    engine: RefCell<Engine<'a, X, M, C, E>>,
}

impl<'a, X: RawMutex, M: Machine, const C: usize, const E: usize> Desk<'a, X, M, C, E> {
    pub(crate) fn new(machine: M, channels: &'a Channels<X, M, C, E>, wall: &'a Wall) -> Self {
        Self { engine: RefCell::new(Engine::new(machine, channels, wall)) }
    }

    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut Engine<'a, X, M, C, E>) -> T) -> T {
        work(&mut self.engine.borrow_mut())
    }

    /// Waits until there is something. No waker is kept: as long as anything changes, all parts are asked again.
    pub(crate) async fn until<T>(&self, mut look: impl FnMut(&mut Engine<'a, X, M, C, E>) -> Option<T>) -> T {
        poll_fn(|_| self.with(&mut look).map_or(Poll::Pending, Poll::Ready)).await
    }
}

/// What became of the oldest command that waited.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Offer {
    /// The machine has taken it, or refused it for good.
    Taken,
    /// There was none. One that comes later wakes the driver.
    Nothing,
    /// The machine has no room; only something that happens to it makes some.
    NoRoom,
}

/// What there is only one of.
#[allow(clippy::struct_excessive_bools, reason = "each is about another part")]
pub(crate) struct Engine<'a, X: RawMutex, M: Machine, const C: usize, const E: usize> {
    pub(crate) machine: M,
    pub(crate) channels: &'a Channels<X, M, C, E>,
    wall: &'a Wall,
    start: embassy_time::Instant,
    /// Answers to actions, given once the input at hand is used up.
    inbox: VecDeque<Input<'static>>,
    /// The number of the pipe that is wanted or open; its end makes it the next one.
    generation: u32,
    wanted: Option<Pipe>,
    /// The pipe that the line is at was open.
    pub(crate) was_open: bool,
    /// A pipe is being opened, is open or says good-bye.
    pub(crate) line_busy: bool,
    /// Bytes were read of which the machine has seen none.
    pub(crate) unseen: bool,
    /// The machine is at its deadline: it is shown one event's worth of those bytes though there is no room.
    pub(crate) show: bool,
    pub(crate) jobs: VecDeque<Job>,
    pub(crate) exchanges: VecDeque<(ExchangeId, Box<Exchange>)>,
    /// The exchange that is being made.
    pub(crate) exchanging: Option<ExchangeId>,
    /// Jobs are being done.
    pub(crate) working: bool,
    /// Whether anything has happened since the parts were last asked.
    pub(crate) changed: bool,
    /// How much has happened to the machine: what it refused before may fit now.
    pub(crate) moves: u32,
    pub(crate) closing: bool,
}

impl<'a, X: RawMutex, M: Machine, const C: usize, const E: usize> Engine<'a, X, M, C, E> {
    fn new(machine: M, channels: &'a Channels<X, M, C, E>, wall: &'a Wall) -> Self {
        Self {
            machine,
            channels,
            wall,
            start: embassy_time::Instant::now(),
            inbox: VecDeque::new(),
            generation: 0,
            wanted: None,
            was_open: false,
            line_busy: false,
            unseen: false,
            show: false,
            jobs: VecDeque::new(),
            exchanges: VecDeque::new(),
            exchanging: None,
            working: false,
            changed: true,
            moves: 0,
            closing: false,
        }
    }

    /// The machine's clock starts now.
    pub(crate) fn begin(&mut self) {
        self.start = embassy_time::Instant::now();
    }

    pub(crate) fn now(&self) -> Instant {
        Instant(self.start.elapsed().as_millis())
    }

    /// When embassy's clock shows `at`; a day from now at most.
    pub(crate) fn wake_at(&self, at: Instant) -> embassy_time::Instant {
        let wait = at.since(self.now()).as_millis();
        let longest = Duration::from_secs(24 * 60 * 60);
        let wait = u64::try_from(wait).map_or(longest, |wait| Duration::from_millis(wait.min(longest.as_millis())));
        embassy_time::Instant::now().checked_add(wait).unwrap_or(embassy_time::Instant::MAX)
    }

    /// Gives the machine an input and carries out all that follows.
    pub(crate) fn feed(&mut self, input: Input<'_>) {
        // Even where it says nothing, it may have bytes for the pipe now, or another deadline.
        self.changed = true;
        self.drain(input);
        self.answer();
    }

    /// Gives the machine the answers to its actions.
    fn answer(&mut self) {
        while let Some(answer) = self.inbox.pop_front() {
            self.drain(answer);
        }
    }

    fn drain(&mut self, mut input: Input<'_>) {
        loop {
            let step = self.machine.step(self.now(), &mut input);
            if !self.carry(step, &mut input) {
                return;
            }
        }
    }

    /// Does what a step says; false for `Idle`.
    fn carry(&mut self, step: Step<M::Event, M::Answer>, input: &mut Input<'_>) -> bool {
        match step {
            Step::Idle => return false,
            Step::Again => {}
            Step::Act(action) => self.act(action, input),
            Step::Event(event) => self.channels.push(event),
            Step::Done(tag, outcome) => self.channels.done(tag, outcome),
        }
        self.moved();
        true
    }

    fn moved(&mut self) {
        self.changed = true;
        self.moves = self.moves.wrapping_add(1);
    }

    fn act(&mut self, action: Action, input: &mut Input<'_>) {
        match action {
            Action::Open(pipe) => {
                // No news of an older pipe may be taken for news of this one.
                self.inbox.retain(|answer| !is_end(answer));
                if is_of_pipe(input) || is_end(input) {
                    *input = Input::Tick;
                }
                self.let_go();
                self.wanted = Some(pipe);
            }
            Action::Close => {
                if is_of_pipe(input) {
                    *input = Input::Tick;
                }
                // Where its end is being told already, that is the answer.
                if !is_end(input) && !self.inbox.iter().any(is_end) {
                    self.let_go();
                    self.inbox.push_back(Input::Closed(Cause::Asked));
                }
            }
            Action::Exchange(id, exchange) => self.exchanges.push_back((id, exchange)),
            Action::Cancel(id) => {
                self.exchanges.retain(|(waiting, _)| *waiting != id);
                if self.exchanging == Some(id) {
                    self.exchanging = None;
                }
            }
            Action::Load(key) => self.jobs.push_back(Job::Load(key)),
            Action::Store(key, value) => self.jobs.push_back(Job::Store(key, value.into())),
            Action::Delete(key) => self.jobs.push_back(Job::Delete(key)),
            Action::Write(slot, at, bytes) => self.jobs.push_back(Job::Write(slot, at, bytes)),
            // Where it is not known, it is told as soon as it is.
            Action::AskWall => self.inbox.extend(self.wall.now().map(Input::Wall)),
        }
    }

    /// Ends the pipe, whatever its state.
    fn let_go(&mut self) {
        self.generation = self.generation.wrapping_add(1);
        self.wanted = None;
        self.unseen = false;
    }

    /// The pipe that is to be opened next, and its number.
    pub(crate) fn take_wanted(&mut self) -> Option<(Pipe, u32)> {
        let pipe = self.wanted.take()?;
        (self.line_busy, self.was_open) = (true, false);
        Some((pipe, self.generation))
    }

    /// Whether the pipe of this number is still wanted.
    pub(crate) fn is_current(&self, generation: u32) -> bool {
        self.generation == generation
    }

    /// A pipe is open.
    pub(crate) fn opened(&mut self, generation: u32) {
        if self.is_current(generation) {
            log::debug!("the connection is open");
            self.was_open = true;
            self.feed(Input::Opened);
        }
    }

    /// A pipe has ended, or could not be opened.
    pub(crate) fn ended(&mut self, generation: u32, cause: Cause) {
        if self.is_current(generation) {
            log::problem!("the connection ended: {}", cause);
            self.let_go();
            self.feed(Input::Closed(cause));
        }
    }

    /// Moves bytes that wait for the pipe into `buffer`; their number, 0 where the pipe is not wanted any more.
    pub(crate) fn take_transmit(&mut self, generation: u32, buffer: &mut [u8]) -> Option<usize> {
        if !self.is_current(generation) {
            return Some(0);
        }
        let bytes = self.machine.transmit();
        let len = bytes.len().min(buffer.len());
        if len == 0 {
            return None;
        }
        for (place, byte) in buffer.iter_mut().zip(bytes) {
            *place = *byte;
        }
        self.feed(Input::Sent(len));
        self.moved();
        Some(len)
    }

    /// Gives the machine bytes that were read, for as long as it and the application have room for what they make; how
    /// many are left, or `None` where there is no room for any.
    pub(crate) fn take_bytes(&mut self, generation: u32, mut bytes: &[u8]) -> Option<usize> {
        let before = bytes.len();
        let show = core::mem::take(&mut self.show);
        let mut stepped = false;
        while self.is_current(generation) && !bytes.is_empty() && self.machine.wants_bytes() {
            if !(self.channels.has_room() || (show && !stepped)) {
                break;
            }
            stepped = true;
            if self.step_bytes(&mut bytes) {
                break;
            }
        }
        if !self.is_current(generation) {
            return Some(0);
        }
        if !stepped {
            return None;
        }
        // The machine may have more to say of what it has taken.
        self.feed(Input::Tick);
        (bytes.len() != before).then_some(if self.is_current(generation) { bytes.len() } else { 0 })
    }

    /// Gives the machine one step with bytes that were read; true if it was idle.
    fn step_bytes(&mut self, bytes: &mut &[u8]) -> bool {
        self.unseen = false;
        let mut input = Input::Bytes(bytes);
        let step = self.machine.step(self.now(), &mut input);
        *bytes = if let Input::Bytes(rest) = input { rest } else { &[] };
        !self.carry(step, &mut Input::Tick)
    }

    /// Offers the machine the oldest command that waits.
    pub(crate) fn offer(&mut self) -> Offer {
        if !self.machine.wants_command() {
            return Offer::NoRoom;
        }
        let Some((index, command)) = self.channels.take() else {
            return Offer::Nothing;
        };
        match self.machine.command(self.now(), &command) {
            Ok(tag) => self.channels.accept(index, tag),
            // While others are under way, the end of one makes room; with none, waiting could not help.
            Err(Rejected::Full) if self.channels.has_accepted() => {
                self.channels.put_back(index, command);
                return Offer::NoRoom;
            }
            Err(why) => self.channels.reject(index, SendError::Rejected(why)),
        }
        Offer::Taken
    }

    /// Begins the end: those who asked before come first, and whom there is no room for hears that the device is gone.
    pub(crate) fn close(&mut self) {
        if self.closing {
            return;
        }
        self.closing = true;
        while self.offer() == Offer::Taken {}
        self.channels.close();
        self.machine.close(self.now());
        self.moved();
        self.feed(Input::Tick);
    }

    /// Dials at once.
    pub(crate) fn reconnect_now(&mut self) {
        self.machine.reconnect_now(self.now());
        self.moved();
        self.feed(Input::Tick);
    }

    /// Whether there is room for events that time alone brings. The end is not held up by an application that is behind.
    pub(crate) fn may_go_on(&self) -> Option<()> {
        (self.closing || !self.channels.is_overfull()).then_some(())
    }

    /// Whether nothing is left to do.
    pub(crate) fn is_over(&self) -> bool {
        self.machine.is_closed() && !self.line_busy && !self.working && self.jobs.is_empty()
    }
}

/// Whether an input speaks of the pipe that was open until now, its end excepted.
fn is_of_pipe(input: &Input<'_>) -> bool {
    matches!(input, Input::Opened | Input::Bytes(_) | Input::Sent(_))
}

/// Whether an input tells the end of the pipe.
fn is_end(input: &Input<'_>) -> bool {
    matches!(input, Input::Closed(_))
}

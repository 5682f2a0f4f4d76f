//! How is a machine driven by a thread? By the rule of `skytether_core::io` and nothing else.
//!
//! One thread owns the machine. In each turn it looks at every source once, without waiting; when a turn has moved
//! nothing it sleeps until the bell rings or the machine's deadline comes. Whatever may block (name look-up, reading,
//! writing, the store) does so in a thread of its own and rings.

use crate::{
    bell::Bell,
    clock::Clock,
    duplex::Sizes,
    events::{Events, Outlet, queue},
    exchange::Exchanges,
    handle::{Asked, Control, Handle, Request, Requests, SendError, handle},
    jobs::Jobs,
    line::Line,
    pipe::Connector,
};
use core::time::Duration;
use skytether_core::io::{Action, Cause, Failure, Input, Machine, Rejected, Step, Tag};
use skytether_std::{
    clock::wall,
    http::News,
    inputs::{is_end, is_of_pipe},
    job::{Finished, Job},
    options::Options,
};
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, mpsc::SyncSender},
};

/// Commands taken in one turn before the bytes they made are written.
const BATCH: usize = 64;

/// Buffers of which a machine is shown something at its deadline, at most: enough for the longest packet.
const AT_DEADLINE: usize = 32;

/// A machine, and the world as threads offer it.
pub(crate) struct Driver<M: Machine, K: Connector> {
    machine: M,
    clock: Clock,
    bell: Bell,
    line: Line<K>,
    jobs: Jobs,
    exchanges: Exchanges,
    /// Answers to actions, given once the input at hand is used up.
    inbox: VecDeque<Input<'static>>,
    outlet: Outlet<M::Event>,
    control: Arc<Control>,
    closing: bool,
    requests: Requests<M::Command, M::Answer>,
    /// A command that found no room.
    waiting: Option<Request<M::Command, M::Answer>>,
    /// Whether anything has happened since that could have made room.
    retry: bool,
    outcomes: HashMap<Tag, SyncSender<Result<M::Answer, SendError>>>,
    steps: usize,
    steps_per_turn: usize,
}

impl<M: Machine, K: Connector> Driver<M, K> {
    #[allow(clippy::type_complexity, reason = "as `spawn`")]
    pub(crate) fn new(
        machine: M,
        connector: K,
        mut options: Options,
    ) -> (Handle<M::Command, M::Answer>, Events<M::Event>, Self) {
        let bell = Bell::default();
        let (handle, requests, control) = handle(options.commands, &bell);
        let (outlet, events) = queue(options.events, bell.clone());
        let driver = Self {
            machine,
            clock: Clock::new(),
            line: Line::new(connector, Sizes::of(&options), options.tap.take(), &bell),
            exchanges: Exchanges::new(&options, bell.clone()),
            jobs: Jobs::new(options.store, bell.clone()),
            bell,
            inbox: VecDeque::new(),
            outlet,
            control,
            closing: false,
            requests,
            waiting: None,
            retry: false,
            outcomes: HashMap::new(),
            steps: 0,
            steps_per_turn: options.steps_per_turn.max(1),
        };
        (handle, events, driver)
    }

    /// Drives the machine until it is closed; dropping the driver ends its threads.
    pub(crate) fn run(mut self) {
        self.feed(Input::Tick);
        while !self.machine.is_closed() {
            self.steps = 0;
            if !self.turn() {
                self.bell.wait(self.patience());
            }
        }
    }

    /// Looks at every source once. True if anything has happened: then another turn must follow before the thread may
    /// sleep.
    fn turn(&mut self) -> bool {
        let mut moved = self.heed();
        if self.stands_still() {
            return moved;
        }
        moved |= self.open();
        moved |= self.finish_jobs();
        moved |= self.exchange();
        moved |= self.read();
        moved |= self.tick();
        self.retry |= moved;
        moved |= self.take_commands();
        let wrote = self.write();
        self.retry |= wrote;
        moved | wrote
    }

    /// How long nothing will happen unless the bell rings.
    fn patience(&self) -> Option<Duration> {
        if self.stands_still() {
            return None;
        }
        let deadline = self.machine.deadline().map(|deadline| self.clock.until(deadline.at));
        deadline.into_iter().chain(self.exchanges.patience()).min()
    }

    /// The application has left so many events that not even time may bring one more.
    fn stands_still(&self) -> bool {
        !self.closing && self.outlet.is_overfull()
    }

    /// Gives the machine an input and carries out all that follows; true if anything did.
    fn feed(&mut self, input: Input<'_>) -> bool {
        self.drain(input) | self.answer()
    }

    /// Gives the machine the answers to its actions.
    fn answer(&mut self) -> bool {
        let mut moved = false;
        while let Some(answer) = self.inbox.pop_front() {
            self.drain(answer);
            moved = true;
        }
        moved
    }

    fn drain(&mut self, mut input: Input<'_>) -> bool {
        let mut moved = false;
        loop {
            let step = self.machine.step(self.clock.now(), &mut input);
            if !self.carry(step, &mut input) {
                return moved;
            }
            moved = true;
        }
    }

    /// Gives the machine the bytes that were read, for as long as it and the application have room for what they make.
    fn feed_bytes(&mut self) -> bool {
        let mut moved = false;
        while !self.line.unread().is_empty() && self.may_take_bytes() {
            if self.steps >= self.steps_per_turn {
                moved = true;
                break;
            }
            let before = self.line.unread().len();
            let idle = self.step_bytes();
            moved |= !idle || self.line.unread().len() != before;
            if idle {
                return self.answer() | moved;
            }
        }
        if moved {
            // The machine may have more to say of what it has taken.
            self.drain(Input::Tick);
        }
        self.answer() | moved
    }

    /// Gives the machine one step with the bytes that were read; true if it was idle.
    fn step_bytes(&mut self) -> bool {
        let mut input = Input::Bytes(self.line.unread());
        let step = self.machine.step(self.clock.now(), &mut input);
        let left = if let Input::Bytes(rest) = input { rest.len() } else { 0 };
        self.line.keep(left);
        !self.carry(step, &mut Input::Tick)
    }

    /// Does what a step says; false for `Idle`.
    fn carry(&mut self, step: Step<M::Event, M::Answer>, input: &mut Input<'_>) -> bool {
        self.steps = self.steps.saturating_add(1);
        match step {
            Step::Idle => return false,
            Step::Again => {}
            Step::Act(action) => self.act(action, input),
            Step::Event(event) => self.outlet.push(event),
            Step::Done(tag, outcome) => self.done(tag, outcome),
        }
        true
    }

    fn act(&mut self, action: Action, input: &mut Input<'_>) {
        match action {
            Action::Open(pipe) => {
                // No news of an older pipe may be taken for news of this one.
                self.inbox.retain(|answer| !is_end(answer));
                if is_of_pipe(input) || is_end(input) {
                    *input = Input::Tick;
                }
                self.line.open(&pipe);
            }
            Action::Close => {
                if is_of_pipe(input) {
                    *input = Input::Tick;
                }
                // Where its end is being told already, that is the answer.
                if !is_end(input) && !self.inbox.iter().any(is_end) {
                    self.line.end(Cause::Asked);
                    self.inbox.push_back(Input::Closed(Cause::Asked));
                }
            }
            Action::Exchange(id, exchange) => self.exchanges.begin(id, *exchange),
            Action::Cancel(id) => self.exchanges.cancel(id),
            storage @ (Action::Load(_) | Action::Store(..) | Action::Delete(_) | Action::Write(..)) => {
                if let Some(job) = Job::of(storage) {
                    self.jobs.push(job);
                }
            }
            Action::AskWall => self.inbox.extend(wall().map(Input::Wall)),
        }
    }

    fn done(&mut self, tag: Tag, outcome: Result<M::Answer, Failure>) {
        if let Some(caller) = self.outcomes.remove(&tag) {
            // A caller that has gone away does not want it.
            let _ = caller.send(outcome.map_err(SendError::Failed));
        }
    }

    /// Heeds what was asked beside the commands.
    fn heed(&mut self) -> bool {
        let asked = self.control.take();
        if let Some(wall) = asked.wall {
            self.feed(Input::Wall(wall));
        }
        if asked.reconnect {
            self.machine.reconnect_now(self.clock.now());
            self.feed(Input::Tick);
        }
        if asked.close && !self.closing {
            self.requests.close();
            // Those who asked before come first; whom there is no room for hears that the device is gone.
            self.retry = true;
            while self.take_commands() {}
            self.closing = true;
            self.waiting = None;
            while self.requests.take().is_some() {}
            self.machine.close(self.clock.now());
            self.feed(Input::Tick);
        }
        asked != Asked::default()
    }

    fn open(&mut self) -> bool {
        match self.line.opened() {
            None => return false,
            Some(Ok(())) => {
                self.feed(Input::Opened);
            }
            Some(Err(cause)) => self.end(cause),
        }
        true
    }

    fn finish_jobs(&mut self) -> bool {
        let Some(finished) = self.jobs.take_finished() else {
            return false;
        };
        let wanted = match &finished {
            Finished::Kept(id, kept) => self.exchanges.kept(*id, kept.is_err()),
            Finished::Loaded(..) | Finished::Stored(..) | Finished::Written(..) => true,
        };
        if wanted {
            self.feed(finished.input());
        }
        true
    }

    /// Tells one thing of one exchange: what follows from it comes before the next.
    fn exchange(&mut self) -> bool {
        match self.exchanges.news() {
            None => return false,
            Some((id, News::Told(told))) => drop(self.feed(told.input(id))),
            Some((_, News::Keep(job))) => self.jobs.push(job),
        }
        true
    }

    fn read(&mut self) -> bool {
        let in_the_way = !self.line.unread().is_empty() && !self.outlet.has_room();
        if self.line.is_broken() && (in_the_way || !self.machine.wants_bytes()) {
            // Why it broke may stand in bytes that there is no room for; that it broke needs none.
            self.end(Cause::Lost);
            return true;
        }
        if !self.machine.wants_bytes() {
            return false;
        }
        if !self.line.unread().is_empty() {
            return self.feed_bytes();
        }
        // One buffer is read even while the application is behind: then it is known whether the peer is alive.
        match self.line.read() {
            None => return false,
            Some(Ok(())) => {
                self.feed_bytes();
            }
            Some(Err(cause)) => self.end(cause),
        }
        true
    }

    fn write(&mut self) -> bool {
        let Some(len) = self.line.write(self.machine.transmit()) else {
            return false;
        };
        self.feed(Input::Sent(len));
        true
    }

    fn tick(&mut self) -> bool {
        let now = self.clock.now();
        if self.machine.deadline().is_none_or(|deadline| deadline.at > now) {
            return false;
        }
        // Where the application is behind, a machine that has never seen the bytes that wait would take the peer for dead.
        // So it sees them, and takes one event's worth; if that was all, some of those behind.
        for _ in 0..AT_DEADLINE {
            if !self.line.is_unseen() || !self.machine.wants_bytes() {
                break;
            }
            self.step_bytes();
            if !self.line.unread().is_empty() || self.line.read() != Some(Ok(())) {
                break;
            }
        }
        self.feed(Input::Tick)
    }

    fn take_commands(&mut self) -> bool {
        let mut moved = false;
        for _ in 0..BATCH {
            if self.closing || !self.machine.wants_command() || (self.waiting.is_some() && !self.retry) {
                break;
            }
            let Some(request) = self.waiting.take().or_else(|| self.requests.take()) else {
                break;
            };
            self.offer(request);
            moved = true;
        }
        if moved {
            self.feed(Input::Tick);
        }
        moved
    }

    fn offer(&mut self, request: Request<M::Command, M::Answer>) {
        match self.machine.command(self.clock.now(), &request.command) {
            Ok(tag) => {
                self.outcomes.insert(tag, request.done);
                if let Some(accepted) = request.accepted {
                    let _ = accepted.send(());
                }
            }
            // While others are under way, the end of one makes room; with none, waiting could not help.
            Err(Rejected::Full) if !self.outcomes.is_empty() => {
                self.waiting = Some(request);
                self.retry = false;
            }
            Err(why) => {
                let _ = request.done.send(Err(SendError::Rejected(why)));
            }
        }
    }

    fn end(&mut self, cause: Cause) {
        self.line.end(cause);
        self.feed(Input::Closed(cause));
    }

    fn may_take_bytes(&self) -> bool {
        self.machine.wants_bytes() && self.outlet.has_room()
    }
}

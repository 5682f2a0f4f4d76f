//! How a machine is driven: the rule of `skytether_core::io` and nothing else.
//!
//! One task owns everything and looks at every source in each turn, by polling: no future that has done a part of its
//! work is ever dropped for another one, so nothing can be lost between two of them. Reading and writing go on side by
//! side; a turn is one read, everything that follows from it, a batch of commands, and one write.

mod reading;

use crate::{
    clock::Clock,
    connector::Connector,
    events::{Events, Outlet, queue},
    exchange::Exchanges,
    handle::{Asked, Control, Handle, Reply as Caller, Request, Requests, SendError, handle},
    jobs::Jobs,
    line::Line,
    platform::Platform,
    tags::Tags,
};
use core::{
    future::poll_fn,
    task::{Context, Poll},
};
use skytether_core::io::{Action, Cause, Failure, Input, Instant, Machine, Rejected, Step, Tag};
use skytether_std::{
    clock::wall,
    http::News,
    inputs::{is_end, is_of_pipe},
    job::{Finished, Job},
    options::Options,
};
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

/// Commands taken in one turn before the bytes they made are written.
const BATCH: usize = 128;

/// A machine, and the world as a runtime offers it.
pub(crate) struct Driver<M: Machine, K: Connector, P: Platform> {
    machine: M,
    connector: K,
    clock: Clock<P::Timer>,
    line: Line<K::Stream, P::Timer>,
    jobs: Jobs<P>,
    exchanges: Exchanges<P>,
    /// Answers to actions, given once the input at hand is used up.
    inbox: VecDeque<Input<'static>>,
    outlet: Outlet<M::Event>,
    control: Arc<Control>,
    closing: bool,
    requests: Requests<M::Command, M::Answer>,
    /// Commands that left the channel and were not offered yet, or found no room; the next one is the last.
    taken: Vec<Request<M::Command, M::Answer>>,
    /// The last offer found no room.
    full: bool,
    /// Whether anything has happened since that could have made room.
    retry: bool,
    outcomes: HashMap<Tag, Caller<M::Answer>, Tags>,
    steps: usize,
    steps_per_turn: usize,
    /// When this turn began. A turn is short, and a clock is slow.
    now: Instant,
}

impl<M: Machine, K: Connector, P: Platform> Driver<M, K, P> {
    #[allow(clippy::type_complexity, reason = "as `drive`")]
    pub(crate) fn new(
        machine: M,
        connector: K,
        options: Options,
    ) -> (Handle<M::Command, M::Answer>, Events<M::Event>, Self) {
        let (handle, requests, control) = handle(options.commands);
        let (outlet, events) = queue(options.events);
        let exchanges = Exchanges::new(&options);
        let driver = Self {
            machine,
            connector,
            clock: Clock::new(),
            line: Line::new(options.read_buffer, options.tap),
            jobs: Jobs::new(options.store),
            exchanges,
            inbox: VecDeque::new(),
            outlet,
            control,
            closing: false,
            requests,
            taken: Vec::new(),
            full: false,
            retry: false,
            outcomes: HashMap::default(),
            steps: 0,
            steps_per_turn: options.steps_per_turn.max(1),
            now: Instant::ZERO,
        };
        (handle, events, driver)
    }

    /// Drives the machine until it is closed.
    pub(crate) async fn run(mut self) {
        self.feed(Input::Tick);
        while !self.machine.is_closed() {
            poll_fn(|cx| if self.turn(cx) { Poll::Ready(()) } else { Poll::Pending }).await;
            if self.steps >= self.steps_per_turn {
                self.steps = 0;
                P::yield_now().await;
            }
        }
        self.requests.close();
        while !self.jobs.is_idle() {
            poll_fn(|cx| self.jobs.poll_finished(cx)).await;
        }
        self.line.farewells().await;
    }

    /// Looks at every source once. True if anything has happened: then another turn must follow before the task may
    /// sleep, since only a turn in which nothing happens has registered for everything.
    fn turn(&mut self, cx: &mut Context<'_>) -> bool {
        self.now = self.clock.now();
        let moved = self.look(cx);
        self.outlet.flush();
        moved
    }

    fn look(&mut self, cx: &mut Context<'_>) -> bool {
        let mut moved = self.heed(cx);
        self.line.poll_farewells(cx);
        if self.outlet.poll_overfull(cx) && !self.closing {
            return moved;
        }
        moved |= self.open(cx);
        moved |= self.finish_jobs(cx);
        moved |= self.exchange(cx);
        moved |= self.read(cx);
        moved |= self.tick(cx);
        self.retry |= moved;
        moved |= self.take_commands(cx);
        let wrote = self.write(cx);
        self.retry |= wrote;
        moved | wrote
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
            let step = self.machine.step(self.now, &mut input);
            if !self.carry(step, &mut input) {
                return moved;
            }
            moved = true;
        }
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
                self.line.open(&pipe, self.connector.open(&pipe));
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
        if let Some(reply) = self.outcomes.remove(&tag) {
            reply.tell(outcome.map_err(SendError::Failed));
        }
    }

    /// Heeds what was asked beside the commands.
    fn heed(&mut self, cx: &mut Context<'_>) -> bool {
        let asked = self.control.poll_asked(cx);
        if let Some(wall) = asked.wall {
            self.feed(Input::Wall(wall));
        }
        if asked.reconnect {
            self.machine.reconnect_now(self.now);
            self.feed(Input::Tick);
        }
        if asked.close && !self.closing {
            self.requests.close();
            // Those who asked before come first; whom there is no room for hears that the device is gone.
            self.retry = true;
            while self.take_commands(cx) {}
            self.closing = true;
            self.taken.clear();
            while self.requests.try_recv().is_ok() {}
            self.machine.close(self.now);
            self.feed(Input::Tick);
        }
        asked != Asked::default()
    }

    fn open(&mut self, cx: &mut Context<'_>) -> bool {
        match self.line.poll_opened(cx) {
            Poll::Pending => return false,
            Poll::Ready(Ok(())) => {
                self.feed(Input::Opened);
            }
            Poll::Ready(Err(cause)) => self.end(cause),
        }
        true
    }

    fn finish_jobs(&mut self, cx: &mut Context<'_>) -> bool {
        let Poll::Ready(finished) = self.jobs.poll_finished(cx) else {
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
    fn exchange(&mut self, cx: &mut Context<'_>) -> bool {
        let Poll::Ready((id, news)) = self.exchanges.poll_news(cx) else {
            return false;
        };
        match news {
            News::Told(told) => {
                self.feed(told.input(id));
            }
            News::Keep(job) => self.jobs.push(job),
        }
        true
    }

    fn write(&mut self, cx: &mut Context<'_>) -> bool {
        match self.line.poll_write(cx, self.machine.transmit()) {
            Poll::Pending => return false,
            Poll::Ready(Ok(len)) => {
                self.feed(Input::Sent(len));
            }
            Poll::Ready(Err(cause)) => {
                // What the peer said before it went may be why it went.
                self.read(cx);
                if self.line.is_open() {
                    self.end(cause);
                }
            }
        }
        true
    }

    fn tick(&mut self, cx: &mut Context<'_>) -> bool {
        if self.machine.deadline().is_some_and(|deadline| deadline.at <= self.now) {
            self.show_unseen(cx);
            if self.feed(Input::Tick) {
                return true;
            }
        }
        let Some(deadline) = self.machine.deadline() else {
            return false;
        };
        if self.clock.poll_until(cx, deadline.at).is_pending() {
            return false;
        }
        self.feed(Input::Tick);
        true
    }

    fn take_commands(&mut self, cx: &mut Context<'_>) -> bool {
        let mut moved = false;
        for _ in 0..BATCH {
            if self.closing || !self.machine.wants_command() || (self.full && !self.retry) {
                break;
            }
            if self.taken.is_empty() {
                if moved || self.requests.poll_recv_many(cx, &mut self.taken, BATCH).is_pending() {
                    break;
                }
                self.taken.reverse();
            }
            let Some(request) = self.taken.pop() else { break };
            self.offer(request);
            moved = true;
        }
        if moved {
            self.feed(Input::Tick);
        }
        moved
    }

    fn offer(&mut self, request: Request<M::Command, M::Answer>) {
        self.full = false;
        match self.machine.command(self.now, &request.command) {
            Ok(tag) => {
                self.outcomes.insert(tag, request.reply.accept());
            }
            // While others are under way, the end of one makes room; with none, waiting could not help.
            Err(Rejected::Full) if !self.outcomes.is_empty() => {
                self.taken.push(request);
                self.full = true;
                self.retry = false;
            }
            Err(why) => request.reply.tell(Err(SendError::Rejected(why))),
        }
    }

    fn end(&mut self, cause: Cause) {
        self.line.end(cause);
        self.feed(Input::Closed(cause));
    }
}

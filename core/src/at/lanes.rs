//! Which messages wait, in which lane, and which one goes next?
//!
//! A message is written as its command line when it is accepted, and stays at the front of its lane while the modem has
//! it, until its outcome is known.

use crate::{
    io::{Failure, Instant, Rejected, Tag},
    limits::Limits,
    link::{Lane, Publish, QoS},
    queue::{Pace, QueuePolicy, Rate},
};
use alloc::{collections::VecDeque, vec::Vec};

/// A message that waits or is with the modem.
#[derive(Debug)]
pub(super) struct Held {
    tag: Tag,
    line: Vec<u8>,
    qos: QoS,
    expires: Option<Instant>,
    /// The modem has refused it once, for its own state rather than for the message's sake.
    tried: bool,
}

/// One lane.
#[derive(Debug, Default)]
struct Queue {
    /// The oldest first.
    held: VecDeque<Held>,
    bytes: usize,
    /// The first one is with the modem.
    busy: bool,
}

/// All lanes, and the outcomes that have not been told.
#[derive(Debug)]
pub(super) struct Lanes {
    setup: Queue,
    reply: Queue,
    app: Queue,
    pace: Pace,
    /// Bounded by the messages held: each is told once.
    told: VecDeque<(Tag, Result<(), Failure>)>,
}

/// Which lanes are open.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Open {
    /// Set-up and replies.
    pub(super) urgent: bool,
    pub(super) app: bool,
}

impl Queue {
    /// Messages that are not with the modem.
    fn waiting(&self) -> usize {
        self.held.len() - usize::from(self.busy)
    }

    fn remove(&mut self, at: usize) -> Option<Held> {
        let held = self.held.remove(at)?;
        self.bytes -= held.line.len();
        if at == 0 {
            self.busy = false;
        }
        Some(held)
    }

    /// The oldest that may be dropped, after `skip` others; with `only_qos0`, of those.
    fn droppable(&self, only_qos0: bool, skip: usize) -> Option<(usize, usize)> {
        let waiting = self.held.iter().enumerate().skip(usize::from(self.busy));
        let mut of_kind = waiting.filter(|(_, held)| !only_qos0 || held.qos == QoS::AtMostOnce);
        of_kind.nth(skip).map(|(at, held)| (at, held.line.len()))
    }
}

/// What a lane may hold besides the message that is with the modem.
#[derive(Clone, Copy, Debug)]
struct Room {
    messages: usize,
    bytes: usize,
}

impl Room {
    fn of(lane: Lane, limits: &Limits) -> Self {
        match lane {
            Lane::App => Self { messages: limits.queued, bytes: limits.queued_bytes },
            Lane::Setup | Lane::Reply => Self { messages: limits.reserve, bytes: limits.reserve_bytes },
        }
    }

    /// Whether a line of `len` bytes fits, once so many messages and bytes are gone.
    fn has(self, queue: &Queue, len: usize, gone: (usize, usize)) -> bool {
        queue.waiting() - gone.0 < self.messages && (queue.bytes - gone.1).saturating_add(len) <= self.bytes
    }

    /// How many messages, of QoS 0 only or of any, have to be dropped for `len` more bytes.
    fn make(self, queue: &Queue, policy: QueuePolicy, len: usize) -> Option<(bool, usize)> {
        let passes: &[bool] = match policy {
            QueuePolicy::RejectNew => &[],
            QueuePolicy::DropOldest => &[false],
            QueuePolicy::DropOldestQos0First => &[true, false],
        };
        passes.iter().find_map(|only_qos0| {
            let mut gone = (0, 0);
            while !self.has(queue, len, gone) {
                let (_, size) = queue.droppable(*only_qos0, gone.0)?;
                gone = (gone.0 + 1, gone.1 + size);
            }
            Some((*only_qos0, gone.0))
        })
    }
}

impl Lanes {
    pub(super) fn new(rate: Option<Rate>) -> Self {
        Self {
            setup: Queue::default(),
            reply: Queue::default(),
            app: Queue::default(),
            pace: Pace::new(rate),
            told: VecDeque::new(),
        }
    }

    fn of(&mut self, lane: Lane) -> &mut Queue {
        match lane {
            Lane::Setup => &mut self.setup,
            Lane::Reply => &mut self.reply,
            Lane::App => &mut self.app,
        }
    }

    fn all(&mut self) -> [&mut Queue; 3] {
        [&mut self.setup, &mut self.reply, &mut self.app]
    }

    /// Accepts a message, written as `line`, or changes nothing.
    pub(super) fn push(
        &mut self,
        now: Instant,
        message: &Publish<'_>,
        line: Vec<u8>,
        policy: QueuePolicy,
        limits: &Limits,
    ) -> Result<(), Rejected> {
        let room = Room::of(message.lane, limits);
        if line.len() > room.bytes {
            return Err(Rejected::Invalid("the message is over the limit of the queue"));
        }
        let policy = if message.lane == Lane::App { policy } else { QueuePolicy::RejectNew };
        let queue = self.of(message.lane);
        if !room.has(queue, line.len(), (0, 0)) {
            let (only_qos0, count) = room.make(queue, policy, line.len()).ok_or(Rejected::Full)?;
            for _ in 0..count {
                let queue = self.of(message.lane);
                let dropped = queue.droppable(only_qos0, 0).and_then(|(at, _)| queue.remove(at));
                self.told.extend(dropped.map(|held| (held.tag, Err(Failure::Dropped))));
            }
        }
        let expires = message.ttl.map(|ttl| now.after(ttl));
        let queue = self.of(message.lane);
        queue.bytes += line.len();
        queue.held.push_back(Held { tag: message.tag, line, qos: message.qos, expires, tried: false });
        Ok(())
    }

    /// Whether one more application message fits, if it is not too long.
    pub(super) fn has_room(&self, limits: &Limits) -> bool {
        Room::of(Lane::App, limits).has(&self.app, 0, (0, 0))
    }

    /// Takes up the next message that may go: the line, and where it comes from.
    pub(super) fn take_up(&mut self, now: Instant, open: Open) -> Option<(Lane, Vec<u8>, QoS)> {
        self.expire(now);
        let urgent = [Lane::Setup, Lane::Reply].into_iter().filter(|_| open.urgent);
        for lane in urgent.chain(open.app.then_some(Lane::App)) {
            if self.of(lane).held.is_empty() {
                continue;
            }
            if lane == Lane::App && !self.pace.take(now) {
                return None;
            }
            let queue = self.of(lane);
            let held = queue.held.front()?;
            queue.busy = true;
            return Some((lane, held.line.clone(), held.qos));
        }
        None
    }

    /// The message that the modem had from this lane has ended so.
    pub(super) fn end(&mut self, lane: Lane, outcome: Result<(), Failure>) {
        let queue = self.of(lane);
        if queue.busy
            && let Some(held) = queue.remove(0)
        {
            self.told.push_back((held.tag, outcome));
        }
    }

    /// The modem refused the message of this lane for its own state. Whether it may have it once more.
    pub(super) fn may_try_again(&mut self, lane: Lane) -> bool {
        let Some(held) = self.of(lane).held.front_mut() else { return false };
        held.qos != QoS::AtMostOnce && !core::mem::replace(&mut held.tried, true)
    }

    /// Whether the server acknowledges the first message of this lane.
    pub(super) fn is_acknowledged(&mut self, lane: Lane) -> bool {
        self.of(lane).held.front().is_some_and(|held| held.qos != QoS::AtMostOnce)
    }

    /// The connection is gone: so is everything that lives with it. What the modem had of the application's goes back to
    /// the front, unless nobody would have acknowledged it.
    pub(super) fn disconnected(&mut self) {
        for lane in [Lane::Setup, Lane::Reply] {
            let queue = core::mem::take(self.of(lane));
            self.told.extend(queue.held.into_iter().map(|held| (held.tag, Err(Failure::Lost))));
        }
        if !self.is_acknowledged(Lane::App) {
            self.end(Lane::App, Err(Failure::Lost));
        }
        self.app.busy = false;
    }

    /// Everything fails.
    pub(super) fn fail_all(&mut self, why: Failure) {
        for lane in [Lane::Setup, Lane::Reply, Lane::App] {
            let queue = core::mem::take(self.of(lane));
            self.told.extend(queue.held.into_iter().map(|held| (held.tag, Err(why))));
        }
    }

    /// The next outcome that has not been told.
    pub(super) fn tell(&mut self) -> Option<(Tag, Result<(), Failure>)> {
        self.told.pop_front()
    }

    pub(super) fn has_news(&self) -> bool {
        !self.told.is_empty()
    }

    /// Ends what has expired.
    pub(super) fn expire(&mut self, now: Instant) {
        let mut told = core::mem::take(&mut self.told);
        for queue in self.all() {
            let expired = |held: &Held| held.expires.is_some_and(|at| at <= now);
            while let Some(at) = queue.held.iter().skip(usize::from(queue.busy)).position(expired) {
                let held = queue.remove(at + usize::from(queue.busy));
                told.extend(held.map(|held| (held.tag, Err(Failure::Expired))));
            }
        }
        self.told = told;
    }

    /// When the next message expires.
    pub(super) fn expiry(&self) -> Option<Instant> {
        let queues = [&self.setup, &self.reply, &self.app].into_iter();
        queues.flat_map(|queue| queue.held.iter().skip(usize::from(queue.busy))).filter_map(|held| held.expires).min()
    }

    /// Messages of set-up and replies, and of the application.
    pub(super) fn live(&self) -> (usize, usize) {
        (self.setup.held.len() + self.reply.held.len(), self.app.held.len())
    }

    /// Bytes of all messages held, as their command lines.
    pub(super) fn buffered(&self) -> usize {
        self.setup.bytes + self.reply.bytes + self.app.bytes
    }

    /// When the rate lets the next application message go.
    pub(super) fn paced(&self) -> Option<Instant> {
        if self.app.waiting() == 0 { None } else { self.pace.next() }
    }

    /// Halves the rate.
    pub(super) fn slow_down(&mut self, now: Instant) {
        self.pace.slow_down(now);
    }
}

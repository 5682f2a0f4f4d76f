//! The MQTT client session: a byte pipe on one side, the words of a [link](crate::link::Link) on the other.
//!
//! Call order: `dial` with the endpoint and the content of CONNECT, `opened` when the pipe is open, then `read` with what
//! comes in and `transmit` with what has to go out, until [`Notice::Down`]. After
//! [`Notice::Up`] the owner calls `ready` to let application messages flow. The session outlives its
//! connections: messages that are not finished go on with the next one (MQTT 4.1, 4.4).
//!
//! ```text
//! Idle ──dial──▶ Dialled ──opened──▶ Connecting ──CONNACK 0──▶ Up ──hang_up──▶ Leaving ──DISCONNECT──▶ Over ──closed──▶ Idle
//! ```
//!
//! It never resends on a timer within a connection (4.4.0-1), and sends nothing before CONNACK.

mod ids;
mod inbound;
mod incoming;
mod keepalive;
mod lanes;
mod options;
mod outbox;
mod persist;
mod requests;
mod seat;

pub use options::{OnSessionLost, Options};

use crate::{
    io::{Cause, Failure, Instant, Rejected, Tag},
    link::{Abilities, Connect, Lane, Note, Notice, QoS},
    mqtt::codec,
};
use alloc::{boxed::Box, collections::VecDeque, vec::Vec};
use core::fmt;
use ids::Ids;
use inbound::Inbound;
use keepalive::{Alive, KeepAlive};
use lanes::{Lanes, Open};
use persist::Keeper;
use requests::Requests;
use zeroize::{Zeroize as _, Zeroizing};

/// Where a connection stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// None.
    Idle,
    /// Asked for; the pipe is not open.
    Dialled,
    /// The pipe is open since then; CONNACK has not come.
    Connecting(Instant),
    /// CONNACK 0 came.
    Up,
    /// Being ended in order; until `drain`, messages may still finish.
    Leaving { drain: Option<Instant>, farewell: bool },
    /// Down, as was told; the pipe has to be closed.
    Over,
}

/// A sans-IO MQTT client. It implements [`Link`](crate::link::Link); what is wider than that is here.
#[allow(clippy::struct_excessive_bools, reason = "independent facts about one connection, each asked on its own")]
pub struct Session {
    options: Options,
    phase: Phase,
    now: Instant,
    connect: Connect,
    /// CONNECT as encoded; wiped when it is replaced.
    hello: Zeroizing<Vec<u8>>,
    /// Packets that go ahead of all messages: CONNECT, acknowledgements, requests, PINGREQ, DISCONNECT.
    control: Vec<u8>,
    control_sent: usize,
    ready: bool,
    finished: bool,
    wants_close: bool,
    /// A packet straddles two reads; its front is in the owner's scratch.
    staging: bool,
    /// The owner holds bytes that have come in and not been read yet.
    unread: bool,
    lanes: Lanes,
    ids: Ids,
    inbound: Inbound,
    requests: Requests,
    keepalive: KeepAlive,
    keeper: Keeper,
    latest: Option<u16>,
    /// Notices that one event brought at once: bounded by the filters of one request, the requests, and one `Down`.
    pending: VecDeque<Notice<'static>>,
}

impl Session {
    /// A session with nothing in it.
    pub fn new(options: Options) -> Self {
        Self {
            phase: Phase::Idle,
            now: Instant::ZERO,
            connect: Connect::default(),
            hello: Zeroizing::default(),
            control: Vec::new(),
            control_sent: 0,
            ready: false,
            finished: false,
            wants_close: false,
            staging: false,
            unread: false,
            lanes: Lanes::new(&options),
            ids: Ids::new(options.next_packet_id),
            inbound: Inbound::default(),
            requests: Requests::default(),
            keepalive: KeepAlive::default(),
            keeper: Keeper::default(),
            latest: None,
            pending: VecDeque::new(),
            options,
        }
    }

    /// Asks for several filters in one SUBSCRIBE; one [`Notice::Granted`] a filter comes back, in order.
    ///
    /// # Errors
    /// `Invalid` names the rule that a filter breaks, or an empty list; `Full` where too many are open or remembered;
    /// `Offline` on `Lane::Setup` without a connection, or while closing.
    pub fn subscribe_many(
        &mut self,
        now: Instant,
        tag: Tag,
        lane: Lane,
        filters: &[(&str, QoS)],
    ) -> Result<(), Rejected> {
        self.tell_time(now);
        requests::check(filters.iter().map(|(filter, _)| *filter))?;
        let limits = &self.options.limits;
        let size: usize = filters.iter().map(|(filter, _)| filter.len() + 3).sum();
        if size + 7 > limits.packet_out {
            return Err(Rejected::Invalid("the request is over the limit of a packet"));
        }
        if self.is_leaving() || (lane == Lane::Setup && self.phase != Phase::Up) {
            return Err(Rejected::Offline);
        }
        if self.requests.open() >= limits.requests || self.requests.filters() + filters.len() > limits.subscriptions {
            return Err(Rejected::Full);
        }
        let filters = filters.iter().map(|(filter, qos)| (Box::from(*filter), *qos)).collect();
        self.requests.subscribe(tag, lane, filters);
        self.ask();
        Ok(())
    }

    /// Drops several filters in one UNSUBSCRIBE.
    ///
    /// # Errors
    /// As [`Session::subscribe_many`].
    pub fn unsubscribe_many(&mut self, now: Instant, tag: Tag, filters: &[&str]) -> Result<(), Rejected> {
        self.tell_time(now);
        requests::check(filters.iter().copied())?;
        let size: usize = filters.iter().map(|filter| filter.len() + 2).sum();
        if size + 7 > self.options.limits.packet_out {
            return Err(Rejected::Invalid("the request is over the limit of a packet"));
        }
        if self.is_leaving() {
            return Err(Rejected::Offline);
        }
        if self.requests.open() >= self.options.limits.requests {
            return Err(Rejected::Full);
        }
        self.requests.forget(|held| filters.contains(&held));
        let filters = filters.iter().map(|filter| Box::from(*filter)).collect();
        self.requests.removals.push(requests::Removal { tag, id: None, filters, asked: Instant::ZERO });
        self.ask();
        Ok(())
    }

    /// The packet id of the message that the last `read` gave; `None` at QoS 0.
    pub fn latest_id(&self) -> Option<u16> {
        self.latest
    }

    /// With [`Options::manual_ack`]: the message with this packet id has been dealt with. Its PUBACK or PUBREC leaves
    /// once those of all earlier messages have (MQTT 4.6).
    ///
    /// # Errors
    /// `Invalid` where no message with this id waits.
    pub fn acknowledge(&mut self, now: Instant, id: u16) -> Result<(), Rejected> {
        self.tell_time(now);
        let id = codec::PacketId::new(id).ok_or(Rejected::Invalid("0 is no packet id [2.3.1-1]"))?;
        self.inbound.confirm(id)?;
        self.answer_confirmed();
        Ok(())
    }

    /// Gives the next packet the id `next`, or the nearest free one above it; 0 is taken as 1. The way to the wrap of
    /// the ids without 65,535 messages.
    pub fn number_from(&mut self, next: u16) {
        self.ids.restart(next);
    }

    /// Bytes held in the session's buffers now.
    pub fn buffered(&self) -> usize {
        self.lanes.buffered() + self.control.len()
    }

    fn tell_time(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    fn is_leaving(&self) -> bool {
        self.finished || matches!(self.phase, Phase::Leaving { .. })
    }

    /// Whether packets may be put on the wire.
    fn may_send(&self) -> bool {
        matches!(self.phase, Phase::Up | Phase::Leaving { farewell: false, .. })
    }

    fn send(&mut self, packet: &[u8]) {
        if self.may_send() {
            self.control.extend_from_slice(packet);
        }
    }

    /// Writes the requests that are due and whose lane is open.
    fn ask(&mut self) {
        if self.phase != Phase::Up {
            return;
        }
        let Self { requests, lanes, ids, control, now, ready, .. } = self;
        for at in 0..requests.subscriptions.len() {
            let used = || lanes.ids().chain(requests.ids());
            let due = |subscription: &requests::Subscription| {
                subscription.due && subscription.id.is_none() && (*ready || subscription.lane == Lane::Setup)
            };
            if !requests.subscriptions.get(at).is_some_and(due) {
                continue;
            }
            let Some(id) = ids.take(used) else { return };
            let Some(subscription) = requests.subscriptions.get_mut(at) else { return };
            let filters: Vec<_> = subscription.filters.iter().map(|(filter, qos)| (&**filter, *qos)).collect();
            if codec::subscribe_append(control, id, &filters).is_ok() {
                (subscription.id, subscription.due, subscription.asked) = (Some(id.get()), false, *now);
            }
        }
        if !*ready {
            return;
        }
        for at in 0..requests.removals.len() {
            if requests.removals.get(at).is_none_or(|removal| removal.id.is_some()) {
                continue;
            }
            let Some(id) = ids.take(|| lanes.ids().chain(requests.ids())) else { return };
            let Some(removal) = requests.removals.get_mut(at) else { return };
            let filters: Vec<_> = removal.filters.iter().map(|filter| &**filter).collect();
            if codec::unsubscribe_append(control, id, &filters).is_ok() {
                (removal.id, removal.asked) = (Some(id.get()), *now);
            }
        }
    }

    /// Which lanes messages may leave by now.
    fn lanes_open(&self) -> Open {
        let up = self.phase == Phase::Up;
        let draining = matches!(self.phase, Phase::Leaving { drain: Some(until), farewell: false } if self.now < until);
        Open { setup: up || draining, app: self.ready && (up || draining) }
    }

    /// Lets messages go that may go now.
    #[inline]
    fn release(&mut self) {
        if self.lanes.has_waiting() {
            self.release_waiting();
        }
    }

    fn release_waiting(&mut self) {
        let open = self.lanes_open();
        if !open.setup {
            return;
        }
        let epoch = if self.options.persist { self.keeper.epoch() } else { 0 };
        let window = self.options.limits.inflight;
        let Self { lanes, ids, requests, now, .. } = self;
        if lanes.release(*now, open, window, epoch, ids, requests) && self.options.persist {
            self.keeper.change();
        }
    }

    /// Sends what the application has confirmed, in order.
    fn answer_confirmed(&mut self) {
        while self.may_send() {
            let Some((kind, id)) = self.inbound.answer() else { return };
            self.answer(kind, id);
        }
    }

    /// Answers a message; an answer of QoS 2 waits until the session is stored.
    fn answer(&mut self, kind: codec::AckKind, id: codec::PacketId) {
        let packet = codec::ack(kind, id);
        if self.options.persist && kind != codec::AckKind::PubAck {
            let epoch = self.keeper.change();
            self.keeper.hold(epoch, packet);
        } else {
            self.send(&packet);
        }
    }

    /// The peer broke a rule, or time ran out: the connection is over. Nothing more is sent, so that the will is
    /// published (3.14.4-3).
    fn fail(&mut self, cause: Cause) -> Notice<'static> {
        self.drop_connection();
        self.phase = Phase::Over;
        self.wants_close = true;
        Notice::Down(cause)
    }

    /// Forgets what belongs to the connection alone.
    fn drop_connection(&mut self) {
        self.control.zeroize();
        self.control_sent = 0;
        self.staging = false;
        self.unread = false;
        self.ready = false;
        self.lanes.disconnected();
        self.inbound.disconnected();
        self.keeper.disconnected();
        for tag in self.requests.disconnected() {
            self.pending.push_back(Notice::Failed(tag, Failure::Lost));
        }
    }

    /// Goes on with an orderly end, if there is one, as far as it can be gone now.
    #[inline]
    fn leave(&mut self) {
        if let Phase::Leaving { drain, farewell } = self.phase {
            self.leave_on(drain, farewell);
        }
    }

    fn leave_on(&mut self, drain: Option<Instant>, farewell: bool) {
        if farewell {
            if self.control_sent == self.control.len() {
                let down = self.fail(Cause::Asked);
                self.pending.push_back(down);
            }
            return;
        }
        let draining = drain.is_some_and(|until| self.now < until) && self.lanes.live() > 0;
        if !draining && self.lanes.is_drained() {
            self.control.extend_from_slice(&codec::DISCONNECT);
            self.phase = Phase::Leaving { drain, farewell: true };
        }
    }

    /// What time brought: one notice, or none.
    fn clock(&mut self) -> Option<Notice<'static>> {
        let now = self.now;
        if let Phase::Connecting(since) = self.phase
            && now >= since.after(self.options.connack_timeout)
        {
            return Some(self.fail(Cause::ConnAckTimeout));
        }
        if self.may_send() {
            if self.unread {
                self.keepalive.behind(now);
            }
            match self.keepalive.check(now) {
                Alive::Yes => {}
                Alive::Ask => self.send(&codec::PINGREQ),
                Alive::No => return Some(self.fail(Cause::PingTimeout)),
            }
            if let Some(tag) = self.lanes.late(now, self.options.ack_late) {
                // A late PUBACK is how clouds throttle (R-74).
                self.lanes.slow_down(now);
                return Some(Notice::Note(Note::AckLate(tag)));
            }
            let oldest = self.lanes.oldest_sent(true);
            if let (Some(limit), Some(sent)) = (self.options.ack_timeout, oldest)
                && now >= sent.after(limit)
            {
                return Some(self.fail(Cause::AckTimeout));
            }
            if let Some(tag) = self.overdue_request() {
                return Some(Notice::Failed(tag, Failure::TimedOut));
            }
        }
        self.lanes.expire(now);
        self.release();
        self.leave();
        if let Some(notice) = self.pending.pop_front() {
            return Some(notice);
        }
        let (tag, outcome) = self.lanes.tell()?;
        Some(match outcome {
            Ok(()) => Notice::Delivered(tag),
            Err(why) => Notice::Failed(tag, why),
        })
    }

    /// Forgets the first request whose answer did not come in time.
    fn overdue_request(&mut self) -> Option<Tag> {
        let overdue = |asked: Instant| self.now >= asked.after(self.options.request_timeout);
        let Requests { subscriptions, removals } = &mut self.requests;
        let late = |s: &requests::Subscription| s.id.is_some() && s.tag.is_some() && overdue(s.asked);
        if let Some(at) = subscriptions.iter().position(late) {
            return subscriptions.remove(at).tag;
        }
        let at = removals.iter().position(|removal| removal.id.is_some() && overdue(removal.asked))?;
        Some(removals.remove(at).tag)
    }
}

impl fmt::Debug for Session {
    /// Where it stands and what it holds; never the bytes that wait for the pipe, since CONNECT carries the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("phase", &self.phase)
            .field("now", &self.now)
            .field("connect", &self.connect)
            .field("ready", &self.ready)
            .field("finished", &self.finished)
            .field("control", &self.control.len().saturating_sub(self.control_sent))
            .field("messages", &self.lanes.live())
            .field("buffered", &self.buffered())
            .field("inbound", &self.inbound)
            .field("requests", &self.requests)
            .field("keepalive", &self.keepalive)
            .finish_non_exhaustive()
    }
}

/// Joins the pieces of a topic or filter.
fn joined(pieces: &[&str]) -> alloc::string::String {
    pieces.concat()
}

/// What this session offers any cloud.
fn abilities(options: &Options) -> Abilities {
    Abilities {
        qos: QoS::ExactlyOnce,
        packet: options.limits.packet_out,
        topic: u16::MAX.into(),
        client_id: u16::MAX.into(),
        user_name: u16::MAX.into(),
        password: u16::MAX.into(),
        subscriptions: options.limits.subscriptions,
        will: true,
    }
}

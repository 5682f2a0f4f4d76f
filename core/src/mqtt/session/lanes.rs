//! What may leave when: the three lanes, their window, their rate, and which buffer the pipe is served from.

use super::{
    ids::Ids,
    options::Options,
    outbox::{MAX_BYTES, Outbox, State},
    requests::Requests,
};
use crate::{
    io::{Failure, Rejected, Tag},
    link::{Lane, Publish, QoS},
    mqtt::codec::{Delivery, Outgoing, PacketId},
    queue::{Pace, QueuePolicy},
    time::Instant,
};

/// Which lanes are open.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Open {
    pub(super) setup: bool,
    pub(super) app: bool,
}

/// The outgoing messages of a session.
#[derive(Debug)]
pub(super) struct Lanes {
    setup: Outbox,
    reply: Outbox,
    app: Outbox,
    pace: Pace,
}

impl Lanes {
    pub(super) fn new(options: &Options) -> Self {
        let pace = Pace::new(options.rate);
        Self { setup: Outbox::new(), reply: Outbox::new(), app: Outbox::new(), pace }
    }

    pub(super) fn of(&mut self, lane: Lane) -> &mut Outbox {
        match lane {
            Lane::Setup => &mut self.setup,
            Lane::Reply => &mut self.reply,
            Lane::App => &mut self.app,
        }
    }

    /// The application's lane.
    pub(super) fn app(&self) -> &Outbox {
        &self.app
    }

    /// All lanes, the most urgent first.
    fn all(&self) -> [&Outbox; 3] {
        [&self.setup, &self.reply, &self.app]
    }

    fn all_mut(&mut self) -> [&mut Outbox; 3] {
        [&mut self.setup, &mut self.reply, &mut self.app]
    }

    /// Accepts a message, or changes nothing.
    pub(super) fn push(&mut self, now: Instant, message: &Publish<'_>, options: &Options) -> Result<(), Rejected> {
        // Any id will do to measure with: the real one is written when the message is released.
        let delivery = match (message.qos, PacketId::new(1)) {
            (QoS::AtLeastOnce, Some(id)) => Delivery::AtLeastOnce(id),
            (QoS::ExactlyOnce, Some(id)) => Delivery::ExactlyOnce(id),
            (_, _) => Delivery::AtMostOnce,
        };
        let Publish { tag, lane, topic, payload, retain, ttl, .. } = *message;
        let outgoing = Outgoing { topic, payload, delivery, dup: false, retain };
        let measured = outgoing.measure()?;
        let limits = &options.limits;
        if measured.len > limits.packet_out {
            return Err(Rejected::Invalid("the message is over the limit of a packet"));
        }
        let room = Room::of(lane, options);
        if measured.len > room.bytes {
            return Err(Rejected::Invalid("the message is over the limit of the queue"));
        }
        let outbox = self.of(lane);
        if !room.has(outbox, measured.len, (0, 0)) {
            let policy = if lane == Lane::App { options.queue } else { QueuePolicy::RejectNew };
            room.make(outbox, policy, measured.len)?;
        }
        outbox.push(tag, &outgoing, measured, ttl.map(|ttl| now.after(ttl)));
        Ok(())
    }

    /// Whether one more application message fits, if it is not too long.
    pub(super) fn has_room(&self, options: &Options) -> bool {
        Room::of(Lane::App, options).has(&self.app, 0, (0, 0))
    }

    /// Lets go what window, rate and lane allow; tells whether a packet id was taken on the application's lane. `epoch`
    /// is what has to be stored before a QoS 1 or 2 message leaves.
    pub(super) fn release(
        &mut self,
        now: Instant,
        open: Open,
        window: u16,
        epoch: u32,
        ids: &mut Ids,
        requests: &Requests,
    ) -> bool {
        if open.setup && self.setup.queued() + self.reply.queued() > 0 {
            self.release_urgent(now, window, ids, requests);
        }
        open.app && self.app.queued() > 0 && self.release_from(Lane::App, now, window, epoch, ids, requests)
    }

    /// The same for the lanes of set-up and replies, which are empty mostly.
    #[inline(never)]
    fn release_urgent(&mut self, now: Instant, window: u16, ids: &mut Ids, requests: &Requests) {
        self.release_from(Lane::Setup, now, window, 0, ids, requests);
        self.release_from(Lane::Reply, now, window, 0, ids, requests);
    }

    /// The same for one lane; tells whether a packet id was taken.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "every publish comes here with the same lane")]
    fn release_from(
        &mut self,
        lane: Lane,
        now: Instant,
        window: u16,
        epoch: u32,
        ids: &mut Ids,
        requests: &Requests,
    ) -> bool {
        let mut taken = false;
        loop {
            let outbox = self.of(lane);
            let Some(waiting) = outbox.waiting() else { return taken };
            let acknowledged = waiting.qos != QoS::AtMostOnce;
            if waiting.is_expired(now) {
                outbox.expire(now);
                continue;
            }
            if acknowledged && outbox.in_flight() >= window {
                return taken;
            }
            if lane == Lane::App && !self.pace.take(now) {
                return taken;
            }
            let id = if acknowledged {
                let Some(id) = ids.take(|| self.ids().chain(requests.ids())) else { return taken };
                taken = true;
                Some(id)
            } else {
                None
            };
            self.of(lane).release(id, epoch);
        }
    }

    /// Whether a message is not released.
    pub(super) fn has_waiting(&self) -> bool {
        self.app.queued() > 0 || self.reply.queued() > 0 || self.setup.queued() > 0
    }

    /// Packet ids in use.
    pub(super) fn ids(&self) -> impl Iterator<Item = u16> + '_ {
        self.setup.ids().chain(self.reply.ids()).chain(self.app.ids())
    }

    /// The lane that the pipe is served from, and whether only the packet under way may be finished.
    fn source(&self, urgent: bool) -> Option<(usize, bool)> {
        if let Some(at) = self.all().iter().position(|outbox| outbox.in_packet()) {
            let more_urgent = self.all().iter().take(at).any(|outbox| !outbox.is_drained());
            return Some((at, urgent || more_urgent));
        }
        if urgent {
            return None;
        }
        self.all().iter().position(|outbox| !outbox.is_drained()).map(|at| (at, false))
    }

    /// The bytes to hand over next; `urgent`: control packets wait, so only a packet under way may go before them.
    pub(super) fn transmit(&self, urgent: bool) -> &[u8] {
        let Some((at, cut)) = self.source(urgent) else { return &[] };
        self.all().get(at).map_or(&[], |outbox| outbox.transmit(cut))
    }

    /// Bytes of [`Lanes::transmit`] were handed over; the rest is returned where none of them were ours.
    pub(super) fn sent(&mut self, now: Instant, len: usize, urgent: bool) -> bool {
        let Some((at, _)) = self.source(urgent) else { return false };
        let [setup, reply, app] = self.all_mut();
        [setup, reply, app].into_iter().nth(at).is_some_and(|outbox| {
            outbox.sent(now, len);
            true
        })
    }

    /// Whether everything released has been handed over.
    pub(super) fn is_drained(&self) -> bool {
        self.all().iter().all(|outbox| outbox.is_drained())
    }

    /// Messages that are not over, in all lanes.
    pub(super) fn live(&self) -> usize {
        self.all().iter().map(|outbox| outbox.live()).sum()
    }

    /// Bytes that the lanes' buffers hold.
    pub(super) fn buffered(&self) -> usize {
        self.all().iter().map(|outbox| outbox.buffered()).sum()
    }

    /// Takes an acknowledgement in whichever lane waits for it.
    pub(super) fn acknowledge(&mut self, id: PacketId, from: State, to: State) -> Option<Tag> {
        let id = id.get();
        let app = self.app.acknowledge(id, from, to);
        app.or_else(|| self.reply.acknowledge(id, from, to)).or_else(|| self.setup.acknowledge(id, from, to))
    }

    /// Whether a message holds this id.
    pub(super) fn holds(&mut self, id: PacketId) -> bool {
        self.all_mut().into_iter().any(|outbox| outbox.holder(id.get()).is_some())
    }

    /// The connection is gone. Set-up traffic and answers that had not begun to leave are lost with it.
    pub(super) fn disconnected(&mut self) {
        for outbox in self.all_mut() {
            outbox.disconnected();
        }
        self.setup.fail_all(Failure::Lost);
        self.reply.fail(Failure::Lost, |packet| packet.state == State::Queued);
    }

    /// The server kept the session: what is unacknowledged goes out again; `pubrel` is called for what waits for PUBCOMP.
    pub(super) fn resume(&mut self, now: Instant, mut pubrel: impl FnMut(u16)) {
        self.reply.resume(now, &mut pubrel);
        self.app.resume(now, &mut pubrel);
    }

    /// The server lost the session.
    pub(super) fn forget_session(&mut self, republish: bool) {
        self.reply.forget_session(false);
        self.app.forget_session(republish);
    }

    /// Everything fails.
    pub(super) fn fail_all(&mut self, why: Failure) {
        for outbox in self.all_mut() {
            outbox.fail_all(why);
        }
    }

    /// The next outcome that has not been told.
    pub(super) fn tell(&mut self) -> Option<(Tag, Result<(), Failure>)> {
        self.all_mut().into_iter().find_map(Outbox::tell)
    }

    /// Whether an outcome waits to be told.
    pub(super) fn has_news(&self) -> bool {
        self.all().iter().any(|outbox| outbox.has_news())
    }

    /// Ends what has expired.
    pub(super) fn expire(&mut self, now: Instant) {
        for outbox in self.all_mut() {
            if outbox.soonest().is_some_and(|soonest| soonest <= now) {
                outbox.expire(now);
            }
        }
    }

    /// When the next message expires.
    pub(super) fn expiry(&self) -> Option<Instant> {
        self.all().iter().filter_map(|outbox| outbox.soonest()).min()
    }

    /// When the rate lets the next application message go, if it is the rate that holds it.
    pub(super) fn paced(&self, window: u16) -> Option<Instant> {
        let waiting = self.app.waiting()?;
        let held_by_window = waiting.qos != QoS::AtMostOnce && self.app.in_flight() >= window;
        if held_by_window { None } else { self.pace.next() }
    }

    /// Halves the rate.
    pub(super) fn slow_down(&mut self, now: Instant) {
        self.pace.slow_down(now);
    }

    /// The message that became late by now, marked as noted.
    pub(super) fn late(&mut self, now: Instant, after: core::time::Duration) -> Option<Tag> {
        self.all_mut().into_iter().find_map(|outbox| {
            let packet = outbox.oldest(false).filter(|packet| packet.sent.after(after) <= now)?;
            packet.late = true;
            Some(packet.tag)
        })
    }

    /// When the oldest unacknowledged message was sent; only those not noted as late, unless asked.
    pub(super) fn oldest_sent(&self, with_late: bool) -> Option<Instant> {
        self.all().iter().filter_map(|outbox| outbox.oldest_sent(with_late)).min()
    }
}

/// What a lane may hold.
#[derive(Clone, Copy, Debug)]
struct Room {
    /// Messages that are not released.
    queued: usize,
    /// Messages in all.
    held: usize,
    /// Bytes in all.
    bytes: usize,
}

impl Room {
    fn of(lane: Lane, options: &Options) -> Self {
        let limits = &options.limits;
        let (queued, bytes) = match lane {
            Lane::App => (limits.queued, limits.queued_bytes),
            Lane::Setup | Lane::Reply => (limits.reserve, limits.reserve_bytes),
        };
        Self { queued, held: queued.saturating_add(limits.inflight.into()), bytes: bytes.min(MAX_BYTES) }
    }

    /// Whether a message of `len` bytes fits, once so many messages and bytes are gone.
    fn has(&self, outbox: &Outbox, len: usize, gone: (usize, usize)) -> bool {
        outbox.queued() - gone.0 < self.queued
            && outbox.live() - gone.0 < self.held
            && (outbox.live_bytes() - gone.1).saturating_add(len) <= self.bytes
    }

    /// Drops older messages by policy so that `len` more bytes fit; checks first that it will be enough.
    fn make(&self, outbox: &mut Outbox, policy: QueuePolicy, len: usize) -> Result<(), Rejected> {
        let passes: &[bool] = match policy {
            QueuePolicy::RejectNew => &[],
            QueuePolicy::DropOldest => &[false],
            QueuePolicy::DropOldestQos0First => &[true, false],
        };
        for only_qos0 in passes {
            let mut gone = (0, 0);
            while !self.has(outbox, len, gone) {
                let Some((_, size)) = outbox.droppable(*only_qos0, gone.0) else { break };
                gone = (gone.0 + 1, gone.1 + size);
            }
            if self.has(outbox, len, gone) {
                for _ in 0..gone.0 {
                    if let Some((at, _)) = outbox.droppable(*only_qos0, 0) {
                        outbox.drop_at(at);
                    }
                }
                return Ok(());
            }
        }
        Err(Rejected::Full)
    }
}

//! How the session fills the seat of a link.

use super::{Phase, Session, abilities, joined, outbox::State, persist};
use crate::{
    io::{Action, Cause, Deadline, Failure, Instant, Key, Pipe, Rejected, StoreFailed, Tag},
    link::{Abilities, Connect, Endpoint, Lane, Link, Note, Notice, Publish, QoS},
    mqtt::codec::{self, Packet},
};
use alloc::vec::Vec;
use core::time::Duration;
use zeroize::{Zeroize as _, Zeroizing};

impl Link for Session {
    fn abilities(&self) -> Abilities {
        abilities(&self.options)
    }

    fn dial(&mut self, now: Instant, to: &Endpoint, connect: Connect) -> Result<Pipe, Rejected> {
        self.tell_time(now);
        let mut hello = Zeroizing::new(Vec::new());
        codec::connect_append(&mut hello, &connect)?;
        if self.phase != Phase::Idle {
            self.drop_connection();
        }
        (self.hello, self.connect) = (hello, connect);
        self.finished = false;
        self.wants_close = false;
        self.phase = Phase::Dialled;
        Ok(Pipe::Net(to.clone()))
    }

    fn opened(&mut self, now: Instant) {
        self.tell_time(now);
        if self.phase != Phase::Dialled {
            return;
        }
        self.phase = Phase::Connecting(self.now);
        self.greet();
    }

    fn closed(&mut self, now: Instant, cause: Cause) {
        self.tell_time(now);
        match self.phase {
            Phase::Idle => return,
            Phase::Over => {}
            Phase::Leaving { .. } => {
                self.drop_connection();
                self.pending.push_back(Notice::Down(Cause::Asked));
            }
            Phase::Dialled | Phase::Connecting(_) | Phase::Up => {
                self.drop_connection();
                self.pending.push_back(Notice::Down(cause));
            }
        }
        self.phase = Phase::Idle;
        self.wants_close = false;
    }

    fn ready(&mut self) {
        if self.phase == Phase::Up {
            self.ready = true;
            self.ask();
            self.release();
        }
    }

    fn subscribe(&mut self, now: Instant, tag: Tag, lane: Lane, filter: &[&str], qos: QoS) -> Result<(), Rejected> {
        self.subscribe_many(now, tag, lane, &[(&joined(filter), qos)])
    }

    fn unsubscribe(&mut self, now: Instant, tag: Tag, filter: &[&str]) -> Result<(), Rejected> {
        self.unsubscribe_many(now, tag, &[&joined(filter)])
    }

    fn publish(&mut self, now: Instant, publish: Publish<'_>) -> Result<(), Rejected> {
        self.tell_time(now);
        let offline = match publish.lane {
            Lane::Setup => self.phase != Phase::Up,
            Lane::Reply => self.phase != Phase::Up || self.finished,
            Lane::App => {
                self.finished
                    || (publish.qos == QoS::AtMostOnce
                        && !self.ready
                        && self.options.qos0_offline == crate::queue::Qos0Offline::Refuse)
            }
        };
        if offline {
            return Err(Rejected::Offline);
        }
        if self.options.persist && publish.lane != Lane::App && publish.qos == QoS::ExactlyOnce {
            // These lanes are not stored: after a restart the packet id would be given to another message, which the
            // server would take for this one (4.3.3).
            return Err(Rejected::Invalid("with a stored session, QoS 2 is for the application's lane"));
        }
        self.lanes.push(self.now, &publish, &self.options)?;
        if self.options.persist && publish.qos != QoS::AtMostOnce && publish.lane == Lane::App {
            self.keeper.change();
        }
        self.release();
        Ok(())
    }

    fn slow_down(&mut self, now: Instant) {
        self.tell_time(now);
        self.lanes.slow_down(self.now);
    }

    fn hang_up(&mut self, now: Instant, drain: Option<Duration>) {
        self.tell_time(now);
        match self.phase {
            Phase::Up => {
                let drain = drain.map(|time| self.now.after(time));
                self.phase = Phase::Leaving { drain, farewell: false };
                self.leave();
            }
            Phase::Dialled | Phase::Connecting(_) => {
                let down = self.fail(Cause::Asked);
                self.pending.push_back(down);
            }
            Phase::Idle | Phase::Leaving { .. } | Phase::Over => {}
        }
    }

    fn finish(&mut self) {
        if self.finished {
            return;
        }
        self.finished = true;
        self.drop_connection();
        if !matches!(self.phase, Phase::Idle | Phase::Over) {
            let down = self.fail(Cause::Asked);
            self.pending.push_back(down);
        }
        self.lanes.fail_all(Failure::Closed);
        let subscriptions = self.requests.subscriptions.drain(..).filter_map(|subscription| subscription.tag);
        let removals = self.requests.removals.drain(..).map(|removal| removal.tag);
        self.pending.extend(subscriptions.chain(removals).map(|tag| Notice::Failed(tag, Failure::Closed)));
    }

    fn read<'b>(&mut self, now: Instant, bytes: &'b [u8], scratch: &'b mut Vec<u8>) -> (usize, Option<Notice<'b>>) {
        self.tell_time(now);
        if let Some(notice) = self.pending.pop_front() {
            return (0, Some(notice));
        }
        if bytes.is_empty() {
            return (0, self.clock());
        }
        let listening = self.may_send() || matches!(self.phase, Phase::Connecting(_));
        if !listening {
            return (bytes.len(), None);
        }
        if self.unread {
            // Until now the answer to a probe may have been among them: the wait for it begins anew.
            self.keepalive.behind(self.now);
        }
        let (used, notice) = self.cut(bytes, scratch);
        self.unread = used < bytes.len() && self.may_send();
        (used, notice)
    }

    fn want(&mut self) -> Option<Action> {
        if core::mem::take(&mut self.wants_close) {
            return Some(Action::Close);
        }
        if !self.options.persist || self.phase == Phase::Idle || self.finished {
            return None;
        }
        if !self.keeper.asked {
            self.keeper.asked = true;
            return Some(Action::Load(Key::Session));
        }
        self.keeper.begin().then(|| {
            let record = persist::seal(self.owner(), self.ids.next(), &self.inbound, self.lanes.app());
            Action::Store(Key::Session, record)
        })
    }

    fn stored(&mut self, now: Instant, key: &Key, done: Result<(), StoreFailed>) {
        self.tell_time(now);
        if *key != Key::Session {
            return;
        }
        let Some(epoch) = self.keeper.done(done.is_ok()) else { return };
        if done.is_ok() {
            while let Some(packet) = self.keeper.freed() {
                self.send(&packet);
            }
            self.lanes.of(Lane::App).stored(epoch);
        } else {
            self.lanes.of(Lane::App).not_stored(epoch);
            self.pending.push_back(Notice::Note(Note::Storage));
        }
        self.leave();
    }

    fn loaded(&mut self, now: Instant, key: &Key, value: Result<Option<&[u8]>, StoreFailed>) {
        self.tell_time(now);
        if *key != Key::Session || self.keeper.loaded {
            return;
        }
        self.keeper.loaded = true;
        match value {
            Ok(Some(record)) => self.restore(record),
            Ok(None) => {}
            Err(StoreFailed) => self.keeper.spoilt = Some("the store could not be read"),
        }
        self.greet();
    }

    fn room(&self) -> bool {
        self.lanes.has_room(&self.options) && !self.finished
    }

    fn wants_bytes(&self) -> bool {
        self.control.len() - self.control_sent <= self.options.limits.control
    }

    fn transmit(&self) -> &[u8] {
        if matches!(self.phase, Phase::Idle | Phase::Dialled | Phase::Over) {
            return &[];
        }
        let control = self.control.get(self.control_sent..).unwrap_or_default();
        let lanes = self.lanes.transmit(!control.is_empty());
        // A packet under way goes on; then control packets go first.
        if lanes.is_empty() { control } else { lanes }
    }

    fn sent(&mut self, now: Instant, len: usize) {
        self.tell_time(now);
        if len == 0 || matches!(self.phase, Phase::Idle | Phase::Dialled | Phase::Over) {
            return;
        }
        self.keepalive.sent(self.now);
        let urgent = self.control_sent < self.control.len();
        if !self.lanes.sent(self.now, len, urgent) {
            self.control_sent = (self.control_sent + len).min(self.control.len());
        }
        if self.control_sent == self.control.len() && self.control_sent > 0 {
            if matches!(self.phase, Phase::Connecting(_)) {
                self.control.zeroize();
            }
            self.control.clear();
            self.control_sent = 0;
        }
        self.leave();
    }

    fn deadline(&self) -> Option<Deadline> {
        if !self.pending.is_empty() || self.lanes.has_news() {
            return Some(Deadline { at: self.now, why: "news" });
        }
        let mut deadline = self.lanes.expiry().map(|at| Deadline { at, why: "expiry" });
        let mut also = |at: Option<Instant>, why| {
            deadline = Deadline::earlier(deadline, at.map(|at| Deadline { at, why }));
        };
        if let Phase::Connecting(since) = self.phase {
            also(Some(since.after(self.options.connack_timeout)), "CONNACK");
        }
        if self.may_send() {
            let ping = self.keepalive.deadline();
            also(ping.map(|ping| ping.at), ping.map_or("PINGREQ", |ping| ping.why));
            also(self.lanes.oldest_sent(false).map(|sent| sent.after(self.options.ack_late)), "late PUBACK");
            if let (Some(limit), Some(sent)) = (self.options.ack_timeout, self.lanes.oldest_sent(true)) {
                also(Some(sent.after(limit)), "PUBACK");
            }
            let asked = self.requests.subscriptions.iter().filter(|s| s.id.is_some() && s.tag.is_some());
            let asked = asked.map(|subscription| subscription.asked);
            let removed = self.requests.removals.iter().filter(|r| r.id.is_some()).map(|removal| removal.asked);
            also(asked.chain(removed).min().map(|asked| asked.after(self.options.request_timeout)), "SUBACK");
            if let Phase::Leaving { drain, .. } = self.phase {
                also(drain.filter(|until| *until > self.now), "drain");
            }
            if self.lanes_open().app {
                also(self.lanes.paced(self.options.limits.inflight), "rate");
            }
        }
        deadline
    }
}

impl Session {
    /// Writes CONNECT, once the pipe is open and what is stored is known.
    fn greet(&mut self) {
        let waiting = self.options.persist && !self.keeper.loaded;
        if waiting || !matches!(self.phase, Phase::Connecting(_)) || !self.control.is_empty() {
            return;
        }
        if let Some(why) = self.keeper.spoilt {
            let down = self.fail(Cause::Storage(why));
            self.pending.push_back(down);
            return;
        }
        self.control.extend_from_slice(&self.hello);
        self.keepalive = super::KeepAlive::start(self.now, self.connect.keep_alive, self.options.ping_timeout);
    }

    /// Cuts one packet and takes it in.
    #[inline]
    fn cut<'b>(&mut self, bytes: &'b [u8], scratch: &'b mut Vec<u8>) -> (usize, Option<Notice<'b>>) {
        if self.staging {
            return self.complete(bytes, scratch);
        }
        if self.may_send()
            && let Some(id) = codec::front_puback(bytes)
        {
            return (4, Some(self.puback(id)));
        }
        match codec::take(bytes, self.options.limits.packet_in) {
            Ok(Some((packet, used))) => (used, self.judge(&packet)),
            Ok(None) => {
                self.staging = true;
                scratch.clear();
                scratch.extend_from_slice(bytes);
                (bytes.len(), None)
            }
            Err(error) => (bytes.len(), Some(self.fail(error.into()))),
        }
    }

    /// The same for a packet whose front came with an earlier read.
    #[inline(never)]
    fn complete<'b>(&mut self, bytes: &'b [u8], scratch: &'b mut Vec<u8>) -> (usize, Option<Notice<'b>>) {
        let max = self.options.limits.packet_in;
        let mut used = 0;
        loop {
            // Take what completes the packet and no more: the next one is read from where it lies.
            let need = match codec::frame_len(scratch, max) {
                Ok(Some(len)) => len,
                Ok(None) => scratch.len() + 1,
                Err(error) => return (bytes.len(), Some(self.fail(error.into()))),
            };
            let rest = bytes.get(used..).unwrap_or_default();
            let missing = need.saturating_sub(scratch.len());
            if missing > 0 {
                if rest.is_empty() {
                    return (used, None);
                }
                let part = rest.get(..missing.min(rest.len())).unwrap_or_default();
                scratch.extend_from_slice(part);
                used += part.len();
                continue;
            }
            self.staging = false;
            return match codec::decode(scratch, max) {
                Ok(Some((packet, _))) => (used, self.judge(&packet)),
                // Not reached: the frame is whole.
                Ok(None) => (used, None),
                Err(error) => (bytes.len(), Some(self.fail(error.into()))),
            };
        }
    }

    #[inline]
    fn judge<'b>(&mut self, packet: &Packet<'b>) -> Option<Notice<'b>> {
        match self.packet(packet) {
            Ok(notice) => notice,
            Err(cause) => Some(self.fail(cause)),
        }
    }

    /// Whom the stored session belongs to.
    fn owner(&self) -> &str {
        self.connect.session.as_ref().unwrap_or(&self.connect.client_id)
    }

    /// Goes on with the session of an earlier life.
    fn restore(&mut self, record: &[u8]) {
        let opened = match persist::open(record, self.owner()) {
            Ok(opened) => opened,
            Err(why) => {
                self.keeper.spoilt = Some(why);
                return;
            }
        };
        for id in opened.received {
            self.inbound.restore(id);
        }
        let app = self.lanes.of(Lane::App);
        // Messages in flight stand before those that are queued, whatever order the record has them in.
        let (queued, in_flight): (Vec<_>, Vec<_>) =
            opened.messages.into_iter().partition(|kept| kept.state == State::Queued);
        for (index, kept) in in_flight.into_iter().chain(queued).enumerate() {
            app.restore(index, kept.bytes, kept.id_at, kept.id, kept.state, kept.qos);
        }
        self.ids.restart(opened.next_id);
    }
}

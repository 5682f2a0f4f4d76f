//! Where outgoing messages of one lane live from acceptance to their end: encoded once, sent and resent from the same bytes.
//!
//! Packets stand in the order of acceptance, their bytes in one buffer:
//!
//! ```text
//! packets   [ sent, waiting for acks … | released, being sent … | queued … ]
//!             0                    next^                   limit^
//! bytes       run = the contiguous bytes from the cursor to the last released packet
//! ```
//!
//! A packet is *released* when window, rate and lane let it go: only then it takes a packet id.

mod packet;
mod space;

pub(super) use packet::{MAX_BYTES, Packet, State};

use crate::{
    io::{Failure, Tag},
    link::QoS,
    mqtt::codec::{Measured, Outgoing, PacketId},
    time::Instant,
};
use alloc::{collections::VecDeque, vec::Vec};
use packet::{NEVER, offset};

/// The messages of one lane.
#[derive(Debug)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    packets: VecDeque<Packet>,
    next: usize,
    limit: usize,
    /// Bytes of `packets[next]` already handed over.
    taken: usize,
    /// The bytes to hand over, cursor and end, and the index after the last packet among them.
    run: (usize, usize),
    run_to: usize,
    /// Packets of later epochs are held back until they are stored.
    stored: u32,
    live_bytes: usize,
    /// Messages that are not released.
    queued: usize,
    in_flight: u16,
    /// QoS 0 messages that are released and not wholly handed over.
    leaving: usize,
    /// Packets whose outcome has not been told, and the index before which there is none.
    untold: usize,
    tell_from: usize,
    /// When the first message that is not released expires.
    soonest: Instant,
}

impl Outbox {
    /// A lane with nothing in it.
    pub(super) fn new() -> Self {
        Self {
            bytes: Vec::new(),
            packets: VecDeque::new(),
            next: 0,
            limit: 0,
            taken: 0,
            run: (0, 0),
            run_to: 0,
            stored: 0,
            live_bytes: 0,
            queued: 0,
            in_flight: 0,
            leaving: 0,
            untold: 0,
            tell_from: 0,
            soonest: NEVER,
        }
    }

    /// Appends a message. The caller has made room.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "it has one caller, and hands on what that has just found")]
    pub(super) fn push(&mut self, tag: Tag, message: &Outgoing<'_>, measured: Measured, expires: Option<Instant>) {
        self.make_space(measured.len);
        let at = self.bytes.len();
        message.append(measured, &mut self.bytes);
        let packet = Packet {
            tag,
            id: 0,
            state: State::Queued,
            outcome: Ok(()),
            qos: message.delivery.qos(),
            due: false,
            begun: false,
            late: false,
            at: offset(at),
            len: offset(measured.len),
            id_at: offset(measured.id_at),
            sent: Instant::ZERO,
            expires: expires.unwrap_or(NEVER),
            epoch: 0,
        };
        self.queued += 1;
        self.live_bytes += measured.len;
        self.soonest = self.soonest.min(packet.expires);
        self.packets.push_back(packet);
    }

    /// Puts a message of an earlier life at `index`, encoded as it was stored; bytes stay in the order of packets.
    pub(super) fn restore(&mut self, index: usize, encoded: &[u8], id_at: usize, id: u16, state: State, qos: QoS) {
        let at = self.packets.get(index).map_or(self.bytes.len(), Packet::at);
        self.bytes.splice(at..at, encoded.iter().copied());
        for later in self.packets.iter_mut().skip(index) {
            later.at = later.at.saturating_add(offset(encoded.len()));
        }
        let packet = Packet {
            tag: Tag(0),
            id,
            state,
            outcome: Ok(()),
            qos,
            due: false,
            begun: state != State::Queued,
            late: false,
            at: offset(at),
            len: offset(encoded.len()),
            id_at: offset(id_at),
            sent: Instant::ZERO,
            expires: NEVER,
            epoch: 0,
        };
        self.live_bytes += packet.len();
        if packet.in_flight() {
            self.in_flight += 1;
            self.next = index + 1;
            self.limit = index + 1;
        } else {
            self.queued += 1;
        }
        self.packets.insert(index.min(self.packets.len()), packet);
    }

    /// Messages held.
    pub(super) fn live(&self) -> usize {
        self.queued + self.leaving + usize::from(self.in_flight)
    }

    /// Messages that are not released.
    pub(super) fn queued(&self) -> usize {
        self.queued
    }

    /// Bytes of all messages that are held.
    pub(super) fn live_bytes(&self) -> usize {
        self.live_bytes
    }

    /// Bytes of the buffer, the parts that are free but not yet reused included.
    pub(super) fn buffered(&self) -> usize {
        self.bytes.len()
    }

    /// Messages that hold a packet id.
    pub(super) fn in_flight(&self) -> u16 {
        self.in_flight
    }

    /// The packet ids in use.
    pub(super) fn ids(&self) -> impl Iterator<Item = u16> + '_ {
        self.packets.iter().take(self.limit).filter(|packet| packet.in_flight()).map(|packet| packet.id)
    }

    /// Every message that is not over, oldest first, with its encoded bytes (none once PUBREC has come).
    pub(super) fn held(&self) -> impl Iterator<Item = (&Packet, &[u8])> + '_ {
        self.packets.iter().filter(|packet| !packet.over()).map(|packet| {
            let bytes =
                if packet.keeps_bytes() { self.bytes.get(packet.at()..packet.at() + packet.len()) } else { None };
            (packet, bytes.unwrap_or_default())
        })
    }

    /// The oldest message that is not released.
    #[inline]
    pub(super) fn waiting(&self) -> Option<&Packet> {
        if self.queued == 0 {
            return None;
        }
        if let Some(packet) = self.packets.get(self.limit).filter(|packet| packet.state == State::Queued) {
            return Some(packet);
        }
        self.packets.range(self.limit.min(self.packets.len())..).find(|packet| packet.state == State::Queued)
    }

    /// Releases the oldest message that is not released: at QoS 1 and 2 with a packet id, which is written into it. It
    /// leaves once `epoch` is stored.
    #[inline]
    pub(super) fn release(&mut self, id: Option<PacketId>, epoch: u32) {
        let packet = loop {
            match self.packets.get_mut(self.limit) {
                Some(packet) if packet.state == State::Queued => break packet,
                Some(_) => self.limit += 1,
                None => return,
            }
        };
        if let Some(id) = id {
            let at = packet.at() + packet.id_offset();
            let bytes = self.bytes.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<2>());
            let Some(bytes) = bytes else { return };
            *bytes = id.get().to_be_bytes();
            packet.id = id.get();
            packet.state = if packet.qos == QoS::AtLeastOnce { State::PubAck } else { State::PubRec };
            packet.epoch = epoch;
            self.in_flight += 1;
        } else {
            packet.state = State::Leaving;
            self.leaving += 1;
        }
        packet.due = true;
        self.queued -= 1;
        if self.run.0 < self.run.1
            && self.run_to == self.limit
            && self.run.1 == packet.at()
            && packet.epoch <= self.stored
        {
            // It goes on where the bytes to hand over end, as most do: nothing to look for.
            self.run.1 += packet.len();
            self.run_to += 1;
            self.limit += 1;
        } else {
            self.limit += 1;
            self.more_run();
        }
    }

    /// State changes up to `epoch` are stored; `u32::MAX` where nothing is.
    pub(super) fn stored(&mut self, epoch: u32) {
        self.stored = epoch;
        self.more_run();
    }

    /// Ends the messages whose state change `epoch` could not be stored.
    pub(super) fn not_stored(&mut self, epoch: u32) {
        let stored = self.stored;
        for packet in &mut self.packets {
            if packet.due && !packet.begun && packet.epoch > stored && packet.epoch <= epoch {
                packet.due = false;
            }
        }
        self.fail(Failure::Storage, |packet| !packet.begun && packet.epoch > stored && packet.epoch <= epoch);
        // What was released behind them and need not be stored waits for them no longer.
        self.more_run();
    }

    /// The bytes to hand over; with `cut`, only those of a packet that is already on its way.
    pub(super) fn transmit(&self, cut: bool) -> &[u8] {
        let (from, mut to) = self.run;
        if cut {
            let rest = self.packets.get(self.next).map_or(0, |packet| packet.len().saturating_sub(self.taken));
            to = if self.taken == 0 { from } else { to.min(from + rest) };
        }
        self.bytes.get(from..to).unwrap_or_default()
    }

    /// Whether a packet is on its way in part.
    pub(super) fn in_packet(&self) -> bool {
        self.taken > 0
    }

    /// Whether everything released has been handed over.
    pub(super) fn is_drained(&self) -> bool {
        self.run.0 == self.run.1
    }

    /// Bytes were handed over.
    pub(super) fn sent(&mut self, now: Instant, mut len: usize) {
        len = len.min(self.run.1 - self.run.0);
        while len > 0 {
            let Some(packet) = self.packets.get_mut(self.next) else { return };
            let step = len.min(packet.len() - self.taken);
            packet.begun = true;
            self.taken += step;
            self.run.0 += step;
            len -= step;
            if self.taken < packet.len() {
                return;
            }
            self.taken = 0;
            packet.due = false;
            packet.sent = now;
            if packet.state == State::Leaving {
                packet.end(Ok(()));
                self.leaving -= 1;
                let len = packet.len();
                self.ended(self.next, len);
            }
            self.next += 1;
        }
        if self.run.0 == self.run.1 {
            self.find_run();
        }
    }

    /// Takes an acknowledgement: `from` is the state it answers, `to` what follows. False where nothing waits for it,
    /// or where the packet has not even been sent whole on this connection.
    pub(super) fn acknowledge(&mut self, id: u16, from: State, to: State) -> Option<Tag> {
        // Servers acknowledge in order: mostly it is the oldest.
        let packet = match self.packets.front_mut() {
            Some(oldest) if oldest.id == id && oldest.in_flight() => oldest,
            Some(_) => {
                let at = self.find(id)?;
                self.packets.get_mut(at)?
            }
            None => return None,
        };
        if packet.state != from || packet.due {
            return None;
        }
        let tag = packet.tag;
        packet.state = to;
        if packet.over() {
            self.in_flight -= 1;
            self.live_bytes -= packet.len();
            self.pop_front();
        }
        Some(tag)
    }

    /// The message that holds `id`, to mark it.
    pub(super) fn holder(&mut self, id: u16) -> Option<&mut Packet> {
        let at = self.find(id)?;
        self.packets.get_mut(at)
    }

    /// The oldest message that waits for an acknowledgement and was not yet noted as late.
    pub(super) fn oldest(&mut self, with_late: bool) -> Option<&mut Packet> {
        let limit = self.limit;
        self.packets
            .iter_mut()
            .take(limit)
            .find(|packet| packet.in_flight() && !packet.due && packet.begun && (with_late || !packet.late))
    }

    /// When that one was sent.
    pub(super) fn oldest_sent(&self, with_late: bool) -> Option<Instant> {
        self.packets
            .iter()
            .take(self.limit)
            .find(|packet| packet.in_flight() && !packet.due && packet.begun && (with_late || !packet.late))
            .map(|packet| packet.sent)
    }

    /// The connection is gone: nothing is on its way any more. What had not begun to leave is queued again; a QoS 0
    /// message cut in the middle is lost.
    pub(super) fn disconnected(&mut self) {
        self.taken = 0;
        for at in self.next..self.limit {
            let Some(packet) = self.packets.get_mut(at) else { break };
            if !packet.due {
                continue;
            }
            packet.due = false;
            self.leaving -= usize::from(packet.state == State::Leaving);
            if !packet.begun {
                self.in_flight -= u16::from(packet.in_flight());
                self.queued += 1;
                packet.state = State::Queued;
                packet.id = 0;
            } else if packet.state == State::Leaving {
                packet.end(Err(Failure::Lost));
                let len = packet.len();
                self.ended(at, len);
            }
        }
        self.rewind();
    }

    /// The server kept the session: unacknowledged messages go out again, as repeats where they had begun, and
    /// `pubrel` is called for each that waits for PUBCOMP. All in their order.
    pub(super) fn resume(&mut self, now: Instant, mut pubrel: impl FnMut(u16)) {
        for at in 0..self.limit {
            let Some(packet) = self.packets.get_mut(at) else { break };
            match packet.state {
                State::PubComp => {
                    // The wait for PUBCOMP begins anew with this PUBREL, else an old one ends every connection at once.
                    packet.sent = now;
                    packet.late = false;
                    pubrel(packet.id);
                }
                State::PubAck | State::PubRec => {
                    packet.due = true;
                    packet.late = false;
                    if let Some(first) = self.bytes.get_mut(packet.at()) {
                        *first |= 0x08;
                    }
                }
                State::Queued | State::Leaving | State::Over | State::Gone => {}
            }
        }
        self.next = 0;
        self.find_run();
    }

    /// The server lost the session: what was in flight is queued again as new, or fails.
    pub(super) fn forget_session(&mut self, republish: bool) {
        for at in 0..self.limit {
            let Some(packet) = self.packets.get_mut(at) else { break };
            if !packet.in_flight() {
                continue;
            }
            self.in_flight -= 1;
            if republish && packet.state != State::PubComp {
                self.queued += 1;
                packet.state = State::Queued;
                packet.begun = false;
                packet.late = false;
                packet.id = 0;
                if let Some(first) = self.bytes.get_mut(packet.at()) {
                    *first &= !0x08;
                }
            } else {
                packet.end(Err(Failure::Lost));
                let len = packet.len();
                self.ended(at, len);
            }
        }
        self.rewind();
    }

    /// Every message ends so.
    pub(super) fn fail_all(&mut self, why: Failure) {
        self.fail(why, |_| true);
        self.find_soonest();
    }

    /// Every message that `which` names ends so. Only for messages that are not on their way.
    pub(super) fn fail(&mut self, why: Failure, which: impl Fn(&Packet) -> bool) {
        for at in 0..self.packets.len() {
            let Some(packet) = self.packets.get_mut(at) else { break };
            if packet.over() || packet.due || !which(packet) {
                continue;
            }
            if packet.in_flight() {
                self.in_flight -= 1;
            } else {
                self.queued -= 1;
            }
            packet.end(Err(why));
            let len = packet.len();
            self.ended(at, len);
        }
    }

    /// When the first message that is not released expires.
    pub(super) fn soonest(&self) -> Option<Instant> {
        (self.soonest != NEVER).then_some(self.soonest)
    }

    /// Ends the messages that are not released and have outlived their time.
    pub(super) fn expire(&mut self, now: Instant) {
        self.fail(Failure::Expired, |packet| packet.state == State::Queued && packet.is_expired(now));
        self.find_soonest();
    }

    fn find_soonest(&mut self) {
        let queued = self.packets.iter().filter(|packet| packet.state == State::Queued);
        self.soonest = queued.map(|packet| packet.expires).min().unwrap_or(NEVER);
    }

    /// The oldest message that may be dropped for a newer one: one that is not released, of QoS 0 if asked.
    pub(super) fn droppable(&self, only_qos0: bool, skip: usize) -> Option<(usize, usize)> {
        self.packets
            .iter()
            .enumerate()
            .filter(|(_, packet)| packet.state == State::Queued && (!only_qos0 || packet.qos == QoS::AtMostOnce))
            .nth(skip)
            .map(|(at, packet)| (at, packet.len()))
    }

    /// Drops that message.
    pub(super) fn drop_at(&mut self, at: usize) {
        if let Some(packet) = self.packets.get_mut(at) {
            packet.end(Err(Failure::Dropped));
            self.queued -= 1;
            let len = packet.len();
            self.ended(at, len);
        }
    }

    /// The next outcome that has not been told.
    pub(super) fn tell(&mut self) -> Option<(Tag, Result<(), Failure>)> {
        if self.untold == 0 {
            return None;
        }
        for at in self.tell_from..self.packets.len() {
            let packet = self.packets.get_mut(at)?;
            if packet.state == State::Over {
                packet.state = State::Gone;
                let (tag, outcome) = (packet.tag, packet.outcome);
                self.untold -= 1;
                self.tell_from = at + 1;
                self.pop_front();
                return Some((tag, outcome));
            }
        }
        None
    }

    /// Whether an outcome waits to be told.
    pub(super) fn has_news(&self) -> bool {
        self.untold > 0
    }

    fn ended(&mut self, at: usize, len: usize) {
        self.live_bytes -= len;
        self.untold += 1;
        self.tell_from = self.tell_from.min(at);
    }

    fn find(&self, id: u16) -> Option<usize> {
        self.packets.iter().take(self.limit).position(|packet| packet.id == id && packet.in_flight())
    }

    /// Nothing is due: everything in flight lies before the first message that is queued.
    fn rewind(&mut self) {
        self.limit = self.packets.iter().position(|packet| packet.state == State::Queued).unwrap_or(self.packets.len());
        self.next = self.limit;
        self.run = (0, 0);
        self.run_to = self.limit;
        // What is queued again may expire again.
        self.find_soonest();
    }

    /// Sets the run to the first packets that are due and lie side by side.
    fn find_run(&mut self) {
        while self.next < self.limit && self.packets.get(self.next).is_some_and(|packet| !packet.due) {
            self.next += 1;
        }
        self.run = (0, 0);
        self.run_to = self.next;
        self.extend_run();
    }

    #[inline(never)]
    fn more_run(&mut self) {
        if self.run.0 == self.run.1 {
            self.find_run();
        } else {
            self.extend_run();
        }
    }

    fn extend_run(&mut self) {
        while self.run_to < self.limit {
            let Some(packet) = self.packets.get(self.run_to) else { return };
            let beside = self.run.1 == 0 || self.run.1 == packet.at();
            if !packet.due || !beside || packet.epoch > self.stored {
                return;
            }
            if self.run.1 == 0 {
                self.run.0 = packet.at();
            }
            self.run.1 = packet.at() + packet.len();
            self.run_to += 1;
        }
    }

    fn pop_front(&mut self) {
        while self.packets.front().is_some_and(|packet| packet.state == State::Gone && !packet.due) {
            self.packets.pop_front();
            self.next = self.next.saturating_sub(1);
            self.limit = self.limit.saturating_sub(1);
            self.run_to = self.run_to.saturating_sub(1);
            self.tell_from = self.tell_from.saturating_sub(1);
        }
        if self.packets.is_empty() {
            self.bytes.clear();
            self.run = (0, 0);
        }
    }
}

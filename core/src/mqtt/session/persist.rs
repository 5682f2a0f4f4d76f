//! How a session is kept over a restart: one record that is written whole, versioned, checked, and bound to its client.
//!
//! ```text
//! "SKYT" version:u8 length:u32 crc32:u32 | client id:str next id:u16 n:u16 ids:u16*n m:u32 messages
//! message = state:u8 qos:u8 id:u16 id offset:u32 length:u32 bytes        (numbers big endian, str = u16 length + bytes)
//! ```
//!
//! Changes that the peer must not hear of before they are stored (a QoS 2 id taken, a message about to leave) carry the
//! *epoch* in which they were made; one write stores all of an epoch, so writes group by themselves when the store is
//! slow.

use super::{
    inbound::Inbound,
    outbox::{Outbox, State},
};
use crate::{
    link::QoS,
    mqtt::codec::{self, Outgoing, Packet, PacketId},
};
use alloc::{collections::VecDeque, vec::Vec};

const MAGIC: &[u8; 4] = b"SKYT";
const VERSION: u8 = 1;

/// Which changes are stored, being stored, waiting.
#[derive(Debug, Default)]
pub(super) struct Keeper {
    /// The store has been asked for the record.
    pub(super) asked: bool,
    /// The record, or its absence, is known.
    pub(super) loaded: bool,
    /// Why the record cannot be used; it is left untouched.
    pub(super) spoilt: Option<&'static str>,
    dirty: bool,
    epoch: u32,
    storing: Option<u32>,
    stored: u32,
    /// The epoch of the latest change.
    changed: u32,
    held: VecDeque<(u32, [u8; 4])>,
}

impl Keeper {
    /// The epoch that a change made now belongs to.
    pub(super) fn epoch(&self) -> u32 {
        self.epoch.max(1)
    }

    /// Notes a change, and tells its epoch.
    pub(super) fn change(&mut self) -> u32 {
        self.dirty = true;
        self.changed = self.epoch();
        self.changed
    }

    /// Whether there are changes that are not stored, be it that their write failed.
    pub(super) fn is_behind(&self) -> bool {
        self.changed > self.stored
    }

    /// Holds a control packet back until `epoch` is stored.
    pub(super) fn hold(&mut self, epoch: u32, packet: [u8; 4]) {
        self.held.push_back((epoch, packet));
    }

    /// The next control packet whose epoch is stored.
    pub(super) fn freed(&mut self) -> Option<[u8; 4]> {
        if self.held.front()?.0 > self.stored {
            return None;
        }
        self.held.pop_front().map(|(_, packet)| packet)
    }

    /// The connection is gone, and with it the use of what was held back.
    pub(super) fn disconnected(&mut self) {
        self.held.clear();
    }

    /// Whether a write has to begin; begins it.
    pub(super) fn begin(&mut self) -> bool {
        if !self.dirty || self.storing.is_some() || !self.loaded || self.spoilt.is_some() {
            return false;
        }
        self.dirty = false;
        self.storing = Some(self.epoch.max(1));
        self.epoch = self.epoch.max(1).saturating_add(1);
        true
    }

    /// The write that was begun is done. Returns the epoch it was to store.
    pub(super) fn done(&mut self, safe: bool) -> Option<u32> {
        let epoch = self.storing.take()?;
        if safe {
            self.stored = epoch;
        } else {
            self.held.retain(|(held, _)| *held > epoch);
        }
        Some(epoch)
    }
}

/// Writes the record.
pub(super) fn seal(client_id: &str, next_id: u16, inbound: &Inbound, app: &Outbox) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend_from_slice(&u16::try_from(client_id.len()).unwrap_or(u16::MAX).to_be_bytes());
    body.extend_from_slice(client_id.as_bytes());
    body.extend_from_slice(&next_id.to_be_bytes());
    body.extend_from_slice(&u16::try_from(inbound.received().len()).unwrap_or(u16::MAX).to_be_bytes());
    for id in inbound.received() {
        body.extend_from_slice(&id.get().to_be_bytes());
    }
    let count_at = body.len();
    body.extend_from_slice(&[0; 4]);
    let mut count = 0u32;
    for (packet, bytes) in app.held().filter(|(packet, _)| packet.qos != QoS::AtMostOnce) {
        let state = match packet.state {
            State::PubAck => 1,
            State::PubRec => 2,
            State::PubComp => 3,
            State::Queued | State::Leaving | State::Over | State::Gone => 0,
        };
        body.extend_from_slice(&[state, packet.qos.level()]);
        body.extend_from_slice(&packet.id.to_be_bytes());
        body.extend_from_slice(&u32::try_from(packet.id_offset()).unwrap_or(0).to_be_bytes());
        body.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(0).to_be_bytes());
        body.extend_from_slice(bytes);
        count += 1;
    }
    if let Some(slot) = body.get_mut(count_at..count_at + 4) {
        slot.copy_from_slice(&count.to_be_bytes());
    }
    let mut record = Vec::with_capacity(body.len() + 13);
    record.extend_from_slice(MAGIC);
    record.push(VERSION);
    record.extend_from_slice(&u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes());
    record.extend_from_slice(&crate::checksum::crc32(&body).to_be_bytes());
    record.extend_from_slice(&body);
    record
}

/// What a record says.
#[derive(Debug)]
pub(super) struct Opened<'a> {
    pub(super) next_id: u16,
    pub(super) received: Vec<PacketId>,
    pub(super) messages: Vec<Kept<'a>>,
}

/// A message in a record.
#[derive(Debug)]
pub(super) struct Kept<'a> {
    pub(super) state: State,
    pub(super) qos: QoS,
    pub(super) id: u16,
    pub(super) id_at: usize,
    pub(super) bytes: &'a [u8],
}

/// Reads a record.
pub(super) fn open<'a>(record: &'a [u8], client_id: &str) -> Result<Opened<'a>, &'static str> {
    let body = unwrap(record)?;
    let mut read = Reader(body);
    let damaged = "the record is damaged";
    let name_len = read.u16().ok_or(damaged)?;
    let name = read.take(name_len.into()).ok_or(damaged)?;
    if name != client_id.as_bytes() {
        return Err("the record belongs to another client id");
    }
    let next_id = read.u16().ok_or(damaged)?;
    let mut received = Vec::new();
    for _ in 0..read.u16().ok_or(damaged)? {
        received.push(read.u16().and_then(PacketId::new).ok_or(damaged)?);
    }
    let mut messages = Vec::new();
    for _ in 0..read.u32().ok_or(damaged)? {
        let message = message(&mut read).ok_or(damaged)?;
        let taken = |other: &Kept<'_>| message.id != 0 && other.id == message.id;
        if messages.iter().any(taken) {
            return Err(damaged);
        }
        messages.push(message);
    }
    if !read.0.is_empty() {
        return Err(damaged);
    }
    Ok(Opened { next_id, received, messages })
}

fn unwrap(record: &[u8]) -> Result<&[u8], &'static str> {
    let mut read = Reader(record);
    if read.take(4) != Some(MAGIC) {
        return Err("the record is no session of ours");
    }
    match read.u8() {
        Some(VERSION) => {}
        Some(_) => return Err("the record is of another version"),
        None => return Err("the record is cut off"),
    }
    let (len, crc) = (read.u32(), read.u32());
    if len.and_then(|len| usize::try_from(len).ok()) != Some(read.0.len()) {
        return Err("the record is cut off");
    }
    if crc != Some(crate::checksum::crc32(read.0)) {
        return Err("the record is damaged");
    }
    Ok(read.0)
}

fn message<'a>(read: &mut Reader<'a>) -> Option<Kept<'a>> {
    let state = match read.u8()? {
        0 => State::Queued,
        1 => State::PubAck,
        2 => State::PubRec,
        3 => State::PubComp,
        _ => return None,
    };
    let qos = QoS::from_level(read.u8()?)?;
    let id = read.u16()?;
    let id_at = usize::try_from(read.u32()?).ok()?;
    let len = usize::try_from(read.u32()?).ok()?;
    let bytes = read.take(len)?;
    let sound = match state {
        State::PubComp => qos == QoS::ExactlyOnce && id != 0 && bytes.is_empty(),
        State::PubAck => qos == QoS::AtLeastOnce && id != 0 && is_publish(bytes, qos, id, id_at),
        State::PubRec => qos == QoS::ExactlyOnce && id != 0 && is_publish(bytes, qos, id, id_at),
        State::Queued | State::Leaving | State::Over | State::Gone => {
            id == 0 && qos != QoS::AtMostOnce && is_publish(bytes, qos, 0, id_at)
        }
    };
    sound.then_some(Kept { state, qos, id, id_at, bytes })
}

/// Whether `bytes` are one PUBLISH at this quality of service, and its packet id stands at `id_at` and is `id`; 0 for
/// one that is written when it leaves. A checksum proves no more than that the record is as somebody wrote it, and what
/// is in it goes out as it is.
fn is_publish(bytes: &[u8], qos: QoS, id: u16, id_at: usize) -> bool {
    let mut copy = bytes.to_vec();
    if id == 0 {
        let Some(place) = copy.get_mut(id_at..).and_then(|rest| rest.first_chunk_mut::<2>()) else { return false };
        *place = [0, 1];
    }
    let Ok(Some((Packet::Publish(publish), used))) = codec::decode(&copy, usize::MAX) else { return false };
    let codec::Publish { topic, payload, delivery, dup, retain } = publish;
    let measured = Outgoing { topic: &[topic], payload, delivery, dup, retain }.measure();
    used == bytes.len()
        && delivery.qos() == qos
        && delivery.id().map(PacketId::get) == Some(id.max(1))
        && measured.is_ok_and(|measured| measured.id_at == id_at && measured.len == used)
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2)?.first_chunk().map(|bytes| u16::from_be_bytes(*bytes))
    }

    fn u32(&mut self) -> Option<u32> {
        self.take(4)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
    }
}

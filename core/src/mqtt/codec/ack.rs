//! What do the packets look like that are nothing but a packet id (MQTT 3.1.1, 3.4 to 3.7, 3.11)?

use super::Error;
use core::num::NonZeroU16;

pub(super) const LENGTH: Error = Error::Malformed("an acknowledgement is not two bytes long (3.4.1)");
pub(super) const ID_ZERO: Error = Error::Malformed("packet id is 0 (2.3.1-1)");

/// The number that ties an acknowledgement to what it acknowledges; never 0 (2.3.1-1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PacketId(NonZeroU16);

impl PacketId {
    /// The id with this number; `None` for 0.
    #[inline]
    pub const fn new(id: u16) -> Option<Self> {
        match NonZeroU16::new(id) {
            Some(id) => Some(Self(id)),
            None => None,
        }
    }

    /// Its number, 1 to 65,535.
    #[inline]
    pub const fn get(self) -> u16 {
        self.0.get()
    }

    /// As on the wire.
    #[inline]
    pub(super) const fn to_bytes(self) -> [u8; 2] {
        self.get().to_be_bytes()
    }

    #[inline]
    pub(super) fn from_bytes(high: u8, low: u8) -> Result<Self, Error> {
        Self::new(u16::from_be_bytes([high, low])).ok_or(ID_ZERO)
    }
}

impl core::fmt::Display for PacketId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.fmt(f)
    }
}

/// Which packet that is nothing but a packet id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "the standard names five")]
pub enum AckKind {
    /// A QoS 1 message is taken over.
    PubAck,
    /// A QoS 2 message is taken over.
    PubRec,
    /// The sender has let go of a QoS 2 message.
    PubRel,
    /// The id of a QoS 2 message is free again.
    PubComp,
    /// Subscriptions have ended.
    UnsubAck,
}

/// The acknowledgement of this kind for this id, whole.
#[inline]
pub const fn ack(kind: AckKind, id: PacketId) -> [u8; 4] {
    let first = match kind {
        AckKind::PubAck => 0x40,
        AckKind::PubRec => 0x50,
        AckKind::PubRel => 0x62,
        AckKind::PubComp => 0x70,
        AckKind::UnsubAck => 0xb0,
    };
    let [high, low] = id.to_bytes();
    [first, 2, high, low]
}

/// The packet id of a PUBACK that `bytes` begin with, 4 bytes long: what a busy client reads most, without the detour
/// over all that a packet may be. `None` says nothing but that [`super::decode`] has to look.
#[inline]
pub(crate) fn front_puback(bytes: &[u8]) -> Option<PacketId> {
    match *bytes {
        [0x40, 2, high, low, ..] => PacketId::new(u16::from_be_bytes([high, low])),
        _ => None,
    }
}

#[inline]
pub(super) fn decode(body: &[u8]) -> Result<PacketId, Error> {
    let [high, low] = body else { return Err(LENGTH) };
    PacketId::from_bytes(*high, *low)
}

//! What does a message look like on the wire (MQTT 3.1.1, 3.3)?

use super::{
    EncodeError, Error,
    ack::PacketId,
    field::{self, Length},
};
use crate::{link::QoS, mqtt::topic};
use alloc::vec::Vec;

/// How a message is delivered: its quality of service, and the packet id that goes with QoS 1 and 2 alone (2.3.1-5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "the standard names three")]
pub enum Delivery {
    /// QoS 0.
    AtMostOnce,
    /// QoS 1.
    AtLeastOnce(PacketId),
    /// QoS 2.
    ExactlyOnce(PacketId),
}

impl Delivery {
    /// Delivery at this quality of service; QoS 0 has no use for the id.
    #[inline]
    pub const fn new(qos: QoS, id: PacketId) -> Self {
        match qos {
            QoS::AtMostOnce => Self::AtMostOnce,
            QoS::AtLeastOnce => Self::AtLeastOnce(id),
            QoS::ExactlyOnce => Self::ExactlyOnce(id),
        }
    }

    /// Quality of service.
    #[inline]
    pub const fn qos(self) -> QoS {
        match self {
            Self::AtMostOnce => QoS::AtMostOnce,
            Self::AtLeastOnce(_) => QoS::AtLeastOnce,
            Self::ExactlyOnce(_) => QoS::ExactlyOnce,
        }
    }

    /// Packet id, if there is one.
    #[inline]
    pub const fn id(self) -> Option<PacketId> {
        match self {
            Self::AtMostOnce => None,
            Self::AtLeastOnce(id) | Self::ExactlyOnce(id) => Some(id),
        }
    }
}

/// A message that came in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "the fields of the packet, as the standard has them")]
pub struct Publish<'a> {
    /// Topic name, valid by 4.7.
    pub topic: &'a str,
    /// Payload; may be empty.
    pub payload: &'a [u8],
    /// Quality of service and packet id.
    pub delivery: Delivery,
    /// Whether it was sent before; never with QoS 0 (3.3.1-2).
    pub dup: bool,
    /// To a server: keep it. To a client: it was kept (3.3.1-8).
    pub retain: bool,
}

/// A message to send.
///
/// ```
/// use skytether_core::mqtt::codec::{Delivery, Outgoing};
///
/// let payload = b"21.5";
/// let message = Outgoing { topic: &["home", "/temp"], payload, delivery: Delivery::AtMostOnce, dup: false, retain: false };
/// let measured = message.measure()?;
/// let mut out = Vec::new();
/// message.append(measured, &mut out);
/// assert_eq!(out, b"\x30\x0f\0\x09home/temp21.5");
/// # Ok::<(), skytether_core::mqtt::codec::EncodeError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "the fields of the packet, as the standard has them")]
pub struct Outgoing<'a> {
    /// Topic name in pieces, written one after the other.
    pub topic: &'a [&'a str],
    /// Payload; may be empty.
    pub payload: &'a [u8],
    /// Quality of service and packet id.
    pub delivery: Delivery,
    /// Whether it was sent before. Written as false with QoS 0 (3.3.1-2).
    pub dup: bool,
    /// To a server: keep it. To a client: it was kept.
    pub retain: bool,
}

/// What [`Outgoing::measure`] found: the message is valid, and this long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Measured {
    /// Length of the whole packet, in bytes.
    pub len: usize,
    /// Where in the packet its packet id is; with QoS 0, where the payload begins. Two bytes, big endian.
    pub id_at: usize,
    remaining: usize,
    topic_len: u16,
}

impl Outgoing<'_> {
    /// Checks the message and computes its length, once for all that follows.
    ///
    /// # Errors
    /// [`EncodeError::TopicInvalid`] by 4.7, [`EncodeError::TooLong`] over 268,435,455 bytes (2.2.3).
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "out of line, it costs as much again in moving results")]
    pub fn measure(&self) -> Result<Measured, EncodeError> {
        let topic_len = topic::check_pieces(self.topic).map_err(|why| match why {
            topic::TOO_LONG => EncodeError::TooLong(why),
            _ => EncodeError::TopicInvalid(why),
        })?;
        let id_len = if self.delivery.id().is_some() { 2 } else { 0 };
        let body_before_payload = 2 + usize::from(topic_len) + id_len;
        let remaining = body_before_payload.saturating_add(self.payload.len());
        let header = field::header_len(remaining)?;
        Ok(Measured { len: header + remaining, id_at: header + 2 + usize::from(topic_len), remaining, topic_len })
    }

    /// Appends the packet. `measured` is what [`Outgoing::measure`] said of this very message.
    #[inline]
    pub fn append(&self, measured: Measured, out: &mut Vec<u8>) {
        out.reserve(measured.len);
        self.put(measured, &mut |bytes| {
            out.extend_from_slice(bytes);
            Some(())
        });
    }

    /// Writes the packet to the front of `out` and gives its length; `None` if it does not fit, `out` is then
    /// unchanged. `measured` is what [`Outgoing::measure`] said of this very message.
    #[inline]
    pub fn write(&self, measured: Measured, out: &mut [u8]) -> Option<usize> {
        let mut room = out.get_mut(..measured.len)?;
        self.put(measured, &mut |bytes| {
            let (here, rest) = core::mem::take(&mut room).split_at_mut_checked(bytes.len())?;
            here.copy_from_slice(bytes);
            room = rest;
            Some(())
        })?;
        room.is_empty().then_some(measured.len)
    }

    /// Gives the packet to `sink`, piece by piece.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "out of line, it costs as much again in moving arguments")]
    fn put(&self, measured: Measured, sink: &mut impl FnMut(&[u8]) -> Option<()>) -> Option<()> {
        let first = 0x30 | self.flags();
        let [high, low] = measured.topic_len.to_be_bytes();
        match Length::of(measured.remaining) {
            Length::One([a]) => sink(&[first, a, high, low]),
            Length::Two([a, b]) => sink(&[first, a, b, high, low]),
            Length::Three([a, b, c]) => sink(&[first, a, b, c, high, low]),
            Length::Four([a, b, c, d]) => sink(&[first, a, b, c, d, high, low]),
        }?;
        for piece in self.topic {
            sink(piece.as_bytes())?;
        }
        if let Some(id) = self.delivery.id() {
            sink(&id.to_bytes())?;
        }
        sink(self.payload)
    }

    #[inline]
    fn flags(&self) -> u8 {
        let dup = self.dup && self.delivery != Delivery::AtMostOnce;
        u8::from(dup) << 3 | self.delivery.qos().level() << 1 | u8::from(self.retain)
    }
}

/// Reads the body behind a first byte whose flags were found valid.
#[inline(always)]
#[allow(clippy::inline_always, reason = "out of line, it costs as much again in moving results")]
pub(super) fn decode(first: u8, body: &[u8]) -> Result<Publish<'_>, Error> {
    let Some((topic, rest)) = field::split(body) else {
        return Err(Error::Malformed("PUBLISH topic reaches beyond the packet (3.3.2-1)"));
    };
    let topic = field::topic_name(topic)?;
    let (delivery, payload) = match first & 0x06 {
        0 => (Delivery::AtMostOnce, rest),
        qos => {
            let [high, low, payload @ ..] = rest else {
                return Err(Error::Malformed("PUBLISH has no room for its packet id (2.3.1-1)"));
            };
            let id = PacketId::from_bytes(*high, *low)?;
            (if qos == 2 { Delivery::AtLeastOnce(id) } else { Delivery::ExactlyOnce(id) }, payload)
        }
    };
    Ok(Publish { topic, payload, delivery, dup: first & 0x08 != 0, retain: first & 0x01 != 0 })
}

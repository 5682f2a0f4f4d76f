//! How do bytes become packets and packets bytes? The codec of MQTT 3.1.1, both directions of every packet.
//!
//! [`decode`] takes one packet from the front of a buffer and says how long it was; what it gives borrows the buffer.
//! Nothing that breaks a rule of the standard gets through, and nothing on the way allocates. Whether a packet has its
//! place on a connection is the judgement of the session or broker.
//!
//! ```
//! use skytether_core::mqtt::codec::{Delivery, Packet, decode};
//!
//! let bytes = [0x30, 5, 0, 3, b'a', b'/', b'b', 0xc0, 0];
//! let Ok(Some((Packet::Publish(publish), 7))) = decode(&bytes, 1024) else { panic!() };
//! assert_eq!((publish.topic, publish.payload, publish.delivery), ("a/b", &[][..], Delivery::AtMostOnce));
//! assert_eq!(decode(&bytes[7..], 1024), Ok(Some((Packet::PingReq, 2))));
//! assert_eq!(decode(&bytes[..6], 1024), Ok(None));
//! ```
//!
//! MQTT 3.1 (`MQIsdp`, level 3) differs in CONNECT alone, and is read and written too.

mod ack;
mod connect;
mod field;
mod frame;
mod publish;
mod simple;
mod subscribe;
mod unsubscribe;

pub(crate) use ack::front_puback;
pub use ack::{AckKind, PacketId, ack};
pub use connect::{ConnAck, Connect, WillRef, connect_append};
pub use frame::frame_len;
pub use publish::{Delivery, Measured, Outgoing, Publish};
pub use simple::{DISCONNECT, PINGREQ, PINGRESP};
pub use subscribe::{SubAck, Subscribe, suback_append, subscribe_append};
pub use unsubscribe::{Unsubscribe, unsubscribe_append};

use crate::io::{Cause, Refusal, Rejected};
use core::fmt;
use frame::Kind;

/// Why bytes are no packet. The text names the rule of MQTT 3.1.1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Error {
    /// The bytes cannot be read by the rules.
    Malformed(&'static str),
    /// The bytes can be read, and say what the protocol forbids.
    Protocol(&'static str),
    /// The packet is longer than the limit given; known as soon as its length field is complete.
    TooLarge {
        /// Bytes announced, fixed header included.
        len: usize,
        /// Bytes accepted at most.
        max: usize,
    },
    /// A CONNECT that a server answers with this CONNACK code before it closes: a level it does not speak (3.1.2-2) or
    /// a client id that cannot be (3.1.3-8, 3.1.3-9).
    Refused(Refusal, &'static str),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Cause::from(*self).fmt(f)
    }
}

impl core::error::Error for Error {}

impl From<Error> for Cause {
    fn from(error: Error) -> Self {
        match error {
            Error::Malformed(why) => Self::Malformed(why),
            Error::Protocol(why) | Error::Refused(_, why) => Self::Protocol(why),
            Error::TooLarge { len, max } => Self::TooLarge { len, max },
        }
    }
}

/// Why something cannot be written as a packet. The text names the rule of MQTT 3.1.1. Nothing has been written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum EncodeError {
    /// A topic name breaks 4.7.
    TopicInvalid(&'static str),
    /// A topic filter breaks 4.7.
    FilterInvalid(&'static str),
    /// A field or the packet is longer than the protocol can say.
    TooLong(&'static str),
    /// The fields do not go together.
    Invalid(&'static str),
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TopicInvalid(why) | Self::FilterInvalid(why) | Self::TooLong(why) | Self::Invalid(why) => {
                f.write_str(why)
            }
        }
    }
}

impl core::error::Error for EncodeError {}

impl From<EncodeError> for Rejected {
    fn from(error: EncodeError) -> Self {
        match error {
            EncodeError::TopicInvalid(why)
            | EncodeError::FilterInvalid(why)
            | EncodeError::TooLong(why)
            | EncodeError::Invalid(why) => Self::Invalid(why),
        }
    }
}

/// Any packet of MQTT 3.1.1, borrowed from the bytes it was decoded from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "the standard names fourteen packets, and who reads them judges each")]
pub enum Packet<'a> {
    /// 1, from the client: wants to connect.
    Connect(Connect<'a>),
    /// 2, from the server: whether it may.
    ConnAck(ConnAck),
    /// 3, from both: a message.
    Publish(Publish<'a>),
    /// 4, from both: a QoS 1 message is taken over.
    PubAck(PacketId),
    /// 5, from both: a QoS 2 message is taken over.
    PubRec(PacketId),
    /// 6, from both: the sender has let go of a QoS 2 message.
    PubRel(PacketId),
    /// 7, from both: the id of a QoS 2 message is free again.
    PubComp(PacketId),
    /// 8, from the client: wants messages.
    Subscribe(Subscribe<'a>),
    /// 9, from the server: which it will get.
    SubAck(SubAck<'a>),
    /// 10, from the client: wants some no more.
    Unsubscribe(Unsubscribe<'a>),
    /// 11, from the server: they have ended.
    UnsubAck(PacketId),
    /// 12, from the client: are you there?
    PingReq,
    /// 13, from the server: yes.
    PingResp,
    /// 14, from the client: the orderly end.
    Disconnect,
}

/// Takes one packet from the front of `bytes`: the packet and its whole length, or `None` as long as it is not whole.
///
/// `max` is the longest packet accepted, fixed header included. However the bytes are cut into calls, the outcome is
/// the same: an error may show before the packet is whole, but never another error.
///
/// # Errors
/// [`Error::Malformed`], [`Error::Protocol`] and [`Error::TooLarge`] end a connection (4.8.0-1); there is no way to
/// find the next packet. [`Error::Refused`] is for servers.
#[inline]
pub fn decode(bytes: &[u8], max: usize) -> Result<Option<(Packet<'_>, usize)>, Error> {
    take(bytes, max)
}

/// [`decode`], for the one place whose time is that of a whole client.
#[inline(always)]
#[allow(clippy::inline_always, reason = "out of line, moving the result costs as much as an acknowledgement")]
pub(crate) fn take(bytes: &[u8], max: usize) -> Result<Option<(Packet<'_>, usize)>, Error> {
    let Some(frame) = frame::cut(bytes, max)? else { return Ok(None) };
    let body = frame.body;
    let packet = match frame.kind {
        Kind::Publish => Packet::Publish(publish::decode(frame.first, body)?),
        Kind::PubAck => Packet::PubAck(ack::decode(body)?),
        Kind::PubRec => Packet::PubRec(ack::decode(body)?),
        Kind::PubRel => Packet::PubRel(ack::decode(body)?),
        Kind::PubComp => Packet::PubComp(ack::decode(body)?),
        Kind::Connect => Packet::Connect(connect::decode(body)?),
        Kind::ConnAck => Packet::ConnAck(connect::decode_connack(body)?),
        Kind::Subscribe => Packet::Subscribe(subscribe::decode(body)?),
        Kind::SubAck => Packet::SubAck(subscribe::decode_suback(body)?),
        Kind::Unsubscribe => Packet::Unsubscribe(unsubscribe::decode(body)?),
        Kind::UnsubAck => Packet::UnsubAck(ack::decode(body)?),
        Kind::PingReq => simple::decode(Packet::PingReq, body)?,
        Kind::PingResp => simple::decode(Packet::PingResp, body)?,
        Kind::Disconnect => simple::decode(Packet::Disconnect, body)?,
    };
    Ok(Some((packet, frame.len)))
}

//! Where does a packet end, and what may its first byte be (MQTT 3.1.1, 2.2)?

use super::Error;

const LENGTH_ENDLESS: Error = Error::Malformed("remaining length has more than four bytes (2.2.3)");
const FLAGS: Error = Error::Malformed("reserved flags of the fixed header (2.2.2-2)");

/// What a first byte says, flags checked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Connect,
    ConnAck,
    Publish,
    PubAck,
    PubRec,
    PubRel,
    PubComp,
    Subscribe,
    SubAck,
    Unsubscribe,
    UnsubAck,
    PingReq,
    PingResp,
    Disconnect,
}

/// One packet cut from the stream, its body not looked at yet.
pub(super) struct Frame<'a> {
    pub(super) kind: Kind,
    pub(super) first: u8,
    pub(super) body: &'a [u8],
    /// Length of the whole packet.
    pub(super) len: usize,
}

impl Kind {
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "it is a look into a table")]
    fn of(first: u8) -> Result<Self, Error> {
        Ok(match first {
            0x30..=0x35 | 0x3a..=0x3d => Self::Publish,
            0x40 => Self::PubAck,
            0x50 => Self::PubRec,
            0x62 => Self::PubRel,
            0x70 => Self::PubComp,
            0x10 => Self::Connect,
            0x20 => Self::ConnAck,
            0x82 => Self::Subscribe,
            0x90 => Self::SubAck,
            0xa2 => Self::Unsubscribe,
            0xb0 => Self::UnsubAck,
            0xc0 => Self::PingReq,
            0xd0 => Self::PingResp,
            0xe0 => Self::Disconnect,
            _ => return Err(flaw(first)),
        })
    }

    /// Length of the whole packet, if it may be.
    #[inline]
    fn whole_len(self, remaining: u32, header: u32, max: usize) -> Result<usize, Error> {
        let len = usize::try_from(remaining + header).unwrap_or(usize::MAX);
        if len > max {
            return Err(Error::TooLarge { len, max });
        }
        self.check_len(remaining).map(|()| len)
    }

    /// Checks a remaining length where the kind of packet leaves no choice, so that no one waits for a body in vain.
    fn check_len(self, remaining: u32) -> Result<(), Error> {
        match self {
            Self::PubAck | Self::PubRec | Self::PubRel | Self::PubComp | Self::UnsubAck if remaining != 2 => {
                Err(super::ack::LENGTH)
            }
            Self::ConnAck if remaining != 2 => Err(super::connect::CONNACK_LENGTH),
            Self::PingReq | Self::PingResp | Self::Disconnect if remaining != 0 => Err(super::simple::LENGTH),
            Self::Connect
            | Self::ConnAck
            | Self::Publish
            | Self::PubAck
            | Self::PubRec
            | Self::PubRel
            | Self::PubComp
            | Self::Subscribe
            | Self::SubAck
            | Self::Unsubscribe
            | Self::UnsubAck
            | Self::PingReq
            | Self::PingResp
            | Self::Disconnect => Ok(()),
        }
    }
}

/// The rule that a first byte breaks.
#[cold]
fn flaw(first: u8) -> Error {
    match first >> 4 {
        0 => Error::Protocol("packet type 0 is reserved (2.2.1)"),
        15 => Error::Protocol("packet type 15 is reserved (2.2.1)"),
        3 if first & 0x06 == 0x06 => Error::Malformed("PUBLISH with QoS 3 (3.3.1-4)"),
        3 => Error::Malformed("PUBLISH with DUP and QoS 0 (3.3.1-2)"),
        _ => FLAGS,
    }
}

/// The length of the packet that `bytes` begin with, fixed header included, as soon as its length field is complete;
/// `None` before. Nothing is known of its body then.
///
/// # Errors
/// As [`super::decode`], for what the fixed header alone breaks: type, flags, length field, a packet over `max` bytes,
/// a length that this type cannot have.
#[inline]
pub fn frame_len(bytes: &[u8], max: usize) -> Result<Option<usize>, Error> {
    let (first, remaining, header) = match *bytes {
        [first, a @ ..=0x7f, ..] => (first, u32::from(a), 2),
        [first, a, b @ ..=0x7f, ..] => (first, u32::from(a & 0x7f) | u32::from(b) << 7, 3),
        _ => return long_frame_len(bytes, max),
    };
    Kind::of(first)?.whole_len(remaining, header, max).map(Some)
}

/// [`frame_len`] for what is rare: three and four length bytes, or too few.
#[inline(never)]
fn long_frame_len(bytes: &[u8], max: usize) -> Result<Option<usize>, Error> {
    let [first, rest @ ..] = bytes else { return Ok(None) };
    let kind = Kind::of(*first)?;
    let mut remaining = 0_u32;
    for (byte, (shift, header)) in rest.iter().zip([(0, 2), (7, 3), (14, 4), (21, 5)]) {
        remaining |= u32::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return kind.whole_len(remaining, header, max).map(Some);
        }
    }
    if rest.len() < 4 { Ok(None) } else { Err(LENGTH_ENDLESS) }
}

/// Cuts the packet from the front of `bytes`, if it is there as a whole.
#[inline(always)]
#[allow(clippy::inline_always, reason = "out of line, it costs as much again in moving results")]
pub(super) fn cut(bytes: &[u8], max: usize) -> Result<Option<Frame<'_>>, Error> {
    let (first, remaining, rest) = match bytes {
        [first, a @ ..=0x7f, rest @ ..] => (*first, usize::from(*a), rest),
        [first, a, b @ ..=0x7f, rest @ ..] => (*first, usize::from(*a & 0x7f) | usize::from(*b) << 7, rest),
        _ => return cut_long(bytes, max),
    };
    let len = bytes.len() - rest.len() + remaining;
    match rest.get(..remaining) {
        Some(body) if len <= max => Ok(Some(Frame { kind: Kind::of(first)?, first, body, len })),
        _ => cut_long(bytes, max),
    }
}

/// [`cut`] for everything that is rare: three and four length bytes, a packet that is not whole or too large.
#[inline(never)]
fn cut_long(bytes: &[u8], max: usize) -> Result<Option<Frame<'_>>, Error> {
    let Some(len) = frame_len(bytes, max)? else { return Ok(None) };
    let Some((first, rest)) = bytes.get(..len).and_then(<[u8]>::split_first) else { return Ok(None) };
    let length_bytes = rest.iter().take_while(|byte| **byte & 0x80 != 0).count() + 1;
    let body = rest.get(length_bytes..).unwrap_or_default();
    Ok(Some(Frame { kind: Kind::of(*first)?, first: *first, body, len }))
}

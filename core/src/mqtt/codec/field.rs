//! How are the fields inside packets read and written: lengths, strings, binary data (MQTT 3.1.1, 1.5, 2.2.3)?

use super::{EncodeError, Error};
use crate::mqtt::topic;
use alloc::vec::Vec;

/// Largest remaining length that four length bytes can say (2.2.3).
const MAX_REMAINING: usize = 268_435_455;

const TOO_LONG: EncodeError = EncodeError::TooLong("packet is over 268435455 bytes (2.2.3)");

/// Splits a field with a two-byte length off the front; `None` if it reaches beyond the end.
#[inline]
pub(super) fn split(body: &[u8]) -> Option<(&[u8], &[u8])> {
    let [high, low, rest @ ..] = body else { return None };
    rest.split_at_checked(usize::from(u16::from_be_bytes([*high, *low])))
}

/// A UTF-8 string without U+0000 (1.5.3-1, 1.5.3-2). A byte order mark stays (1.5.3-3).
#[inline]
pub(super) fn text(bytes: &[u8]) -> Result<&str, Error> {
    let text = utf8(bytes)?;
    if bytes.contains(&0) { Err(Error::Malformed("string holds U+0000 (1.5.3-2)")) } else { Ok(text) }
}

#[inline]
pub(super) fn utf8(bytes: &[u8]) -> Result<&str, Error> {
    core::str::from_utf8(bytes).map_err(|_| Error::Malformed("string is not UTF-8 (1.5.3-1)"))
}

/// A topic name, all rules checked.
#[inline]
pub(super) fn topic_name(bytes: &[u8]) -> Result<&str, Error> {
    match core::str::from_utf8(bytes) {
        Ok(name) if !bytes.is_empty() && !topic::is_special(bytes) => Ok(name),
        _ => Err(topic_flaw(bytes)),
    }
}

/// Out of line, so that where nothing is wrong no error has to be moved.
#[cold]
fn topic_flaw(bytes: &[u8]) -> Error {
    match utf8(bytes).map(topic::check_name) {
        Err(flaw) => flaw,
        Ok(Err(topic::NUL)) => Error::Malformed(topic::NUL),
        Ok(Err(why)) => Error::Protocol(why),
        Ok(Ok(())) => Error::Protocol(topic::WILDCARD),
    }
}

/// A topic filter, all rules checked.
pub(super) fn topic_filter(bytes: &[u8]) -> Result<&str, Error> {
    let filter = utf8(bytes)?;
    match topic::check_filter(filter) {
        Ok(()) => Ok(filter),
        Err(topic::NUL) => Err(Error::Malformed(topic::NUL)),
        Err(why) => Err(Error::Protocol(why)),
    }
}

/// The bytes of a remaining length, as many as they are (2.2.3).
#[derive(Clone, Copy)]
pub(super) enum Length {
    One([u8; 1]),
    Two([u8; 2]),
    Three([u8; 3]),
    Four([u8; 4]),
}

impl Length {
    /// The shortest form; what is over four bytes is cut off, and [`header_len`] has refused it before.
    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "each byte takes seven bits and leaves the rest to the next")]
    pub(super) fn of(remaining: usize) -> Self {
        let low = (remaining & 0x7f) as u8;
        let second = (remaining >> 7 & 0x7f) as u8;
        match remaining {
            0..=0x7f => Self::One([low]),
            0x80..=0x3fff => Self::Two([low | 0x80, second]),
            0x4000..=0x1f_ffff => Self::Three([low | 0x80, second | 0x80, (remaining >> 14 & 0x7f) as u8]),
            _ => Self::Four([
                low | 0x80,
                second | 0x80,
                (remaining >> 14 & 0x7f) as u8 | 0x80,
                (remaining >> 21 & 0x7f) as u8,
            ]),
        }
    }

    #[inline]
    pub(super) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::One(bytes) => bytes,
            Self::Two(bytes) => bytes,
            Self::Three(bytes) => bytes,
            Self::Four(bytes) => bytes,
        }
    }
}

/// Bytes of the fixed header of a packet whose remaining length is this.
#[inline]
pub(super) fn header_len(remaining: usize) -> Result<usize, EncodeError> {
    match remaining {
        0..=0x7f => Ok(2),
        0x80..=0x3fff => Ok(3),
        0x4000..=0x1f_ffff => Ok(4),
        0x20_0000..=MAX_REMAINING => Ok(5),
        _ => Err(TOO_LONG),
    }
}

/// Adds lengths, refusing what no packet can hold.
pub(super) fn sum(lengths: impl IntoIterator<Item = usize>) -> Result<usize, EncodeError> {
    lengths.into_iter().try_fold(0_usize, usize::checked_add).ok_or(TOO_LONG)
}

/// Begins a packet: makes room for the whole and writes the fixed header.
pub(super) fn begin(out: &mut Vec<u8>, first: u8, remaining: usize) -> Result<(), EncodeError> {
    out.reserve(header_len(remaining)?.checked_add(remaining).ok_or(TOO_LONG)?);
    out.push(first);
    out.extend_from_slice(Length::of(remaining).as_bytes());
    Ok(())
}

/// Writes a field with a two-byte length, which `len` has found to fit.
pub(super) fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend_from_slice(bytes);
}

/// Length of a field with its two-byte length, `why` if it is over 65,535 bytes (1.5.3).
pub(super) fn len(bytes: &[u8], why: &'static str) -> Result<usize, EncodeError> {
    if bytes.len() > usize::from(u16::MAX) { Err(EncodeError::TooLong(why)) } else { Ok(bytes.len() + 2) }
}

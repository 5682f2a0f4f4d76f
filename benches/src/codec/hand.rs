//! What is the least that must be done? A parser and a writer that check nothing but lengths.

use crate::packets::TOPIC;

/// The whole length of the packet in front, if its length field is there.
#[inline]
pub(crate) fn frame_len(bytes: &[u8]) -> Option<usize> {
    match *bytes {
        [_, a @ ..=0x7f, ..] => Some(2 + usize::from(a)),
        [_, a, b @ ..=0x7f, ..] => Some(3 + (usize::from(a & 0x7f) | usize::from(b) << 7)),
        _ => None,
    }
}

/// Fields of a packet: type, topic and payload where it has them, id.
pub(super) type Fields<'a> = (u8, &'a [u8], &'a [u8], u16);

/// Takes the packet in front apart.
#[inline]
pub(super) fn parse(bytes: &[u8]) -> Option<(Fields<'_>, usize)> {
    let len = frame_len(bytes)?;
    let (first, body) = match bytes.get(..len)? {
        [first, ..=0x7f, body @ ..] | [first, _, _, body @ ..] => (*first, body),
        _ => return None,
    };
    let fields = match first >> 4 {
        3 => {
            let [high, low, rest @ ..] = body else { return None };
            let (topic, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([*high, *low])))?;
            match rest {
                [high, low, payload @ ..] if first & 6 != 0 => {
                    (first, topic, payload, u16::from_be_bytes([*high, *low]))
                }
                payload => (first, topic, payload, 0),
            }
        }
        13 => (first, body, body, 0),
        _ => {
            let [high, low, rest @ ..] = body else { return None };
            (first, rest, rest, u16::from_be_bytes([*high, *low]))
        }
    };
    Some((fields, len))
}

/// Writes a PUBLISH of QoS 0 or 1.
#[inline]
pub(super) fn write(out: &mut Vec<u8>, id: Option<u16>, payload: &[u8]) {
    let remaining = 2 + TOPIC.len() + id.map_or(0, |_| 2) + payload.len();
    out.reserve(remaining + 3);
    out.push(if id.is_some() { 0x32 } else { 0x30 });
    if remaining < 128 {
        out.push(u8::try_from(remaining).unwrap());
    } else {
        let [high, low] = u16::try_from(remaining & 0x7f | 0x80 | (remaining >> 7) << 8).unwrap().to_be_bytes();
        out.extend([low, high]);
    }
    out.extend(u16::try_from(TOPIC.len()).unwrap().to_be_bytes());
    out.extend_from_slice(TOPIC.as_bytes());
    if let Some(id) = id {
        out.extend(id.to_be_bytes());
    }
    out.extend_from_slice(payload);
}

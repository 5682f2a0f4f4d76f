//! What do SUBSCRIBE and its answer look like (MQTT 3.1.1, 3.8, 3.9)?

use super::{EncodeError, Error, ack::PacketId, field};
use crate::{link::QoS, mqtt::topic};
use alloc::vec::Vec;

/// A request for messages: one or more filters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Subscribe<'a> {
    /// Packet id, which the SUBACK repeats.
    pub id: PacketId,
    list: &'a [u8],
}

impl<'a> Subscribe<'a> {
    /// The filters and the QoS asked for each, in order; at least one, all valid by 4.7.
    pub fn filters(&self) -> impl Iterator<Item = (&'a str, QoS)> + Clone + 'a {
        let mut list = self.list;
        core::iter::from_fn(move || {
            let (filter, qos, rest) = next(list).ok()?;
            list = rest;
            Some((filter, qos))
        })
    }
}

/// The answer to a SUBSCRIBE: one code for each filter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SubAck<'a> {
    /// Packet id of the SUBSCRIBE.
    pub id: PacketId,
    codes: &'a [u8],
}

impl<'a> SubAck<'a> {
    /// In the order of the filters (3.9.3-1): the QoS granted, or `None` for a refusal (0x80).
    pub fn codes(&self) -> impl ExactSizeIterator<Item = Option<QoS>> + Clone + 'a {
        self.codes.iter().map(|code| QoS::from_level(*code))
    }

    /// How many codes there are; at least one.
    #[allow(clippy::len_without_is_empty, reason = "it is never empty")]
    pub fn len(&self) -> usize {
        self.codes.len()
    }
}

/// Appends a SUBSCRIBE.
///
/// # Errors
/// Without filters (3.8.3-3), with a filter that breaks 4.7, over 268,435,455 bytes. Nothing is appended then.
pub fn subscribe_append(out: &mut Vec<u8>, id: PacketId, filters: &[(&str, QoS)]) -> Result<(), EncodeError> {
    if filters.is_empty() {
        return Err(EncodeError::Invalid("SUBSCRIBE without filters (3.8.3-3)"));
    }
    for (filter, _) in filters {
        topic::check_filter(filter).map_err(EncodeError::FilterInvalid)?;
    }
    let list = field::sum(filters.iter().map(|(filter, _)| filter.len() + 3))?;
    field::begin(out, 0x82, field::sum([2, list])?)?;
    out.extend_from_slice(&id.to_bytes());
    for (filter, qos) in filters {
        field::put(out, filter.as_bytes());
        out.push(qos.level());
    }
    Ok(())
}

/// Appends a SUBACK; `None` is a refusal (0x80).
///
/// # Errors
/// Without codes, over 268,435,455 bytes. Nothing is appended then.
pub fn suback_append(out: &mut Vec<u8>, id: PacketId, codes: &[Option<QoS>]) -> Result<(), EncodeError> {
    if codes.is_empty() {
        return Err(EncodeError::Invalid("SUBACK without codes (3.8.4-5)"));
    }
    field::begin(out, 0x90, field::sum([2, codes.len()])?)?;
    out.extend_from_slice(&id.to_bytes());
    out.extend(codes.iter().map(|code| code.map_or(0x80, QoS::level)));
    Ok(())
}

pub(super) fn decode(body: &[u8]) -> Result<Subscribe<'_>, Error> {
    let [high, low, list @ ..] = body else {
        return Err(Error::Malformed("SUBSCRIBE has no room for its packet id (3.8.2)"));
    };
    let id = PacketId::from_bytes(*high, *low)?;
    if list.is_empty() {
        return Err(Error::Protocol("SUBSCRIBE without filters (3.8.3-3)"));
    }
    let mut left = list;
    while !left.is_empty() {
        (_, _, left) = next(left)?;
    }
    Ok(Subscribe { id, list })
}

/// Takes one filter and its QoS off the list.
fn next(list: &[u8]) -> Result<(&str, QoS, &[u8]), Error> {
    let Some((filter, [qos, rest @ ..])) = field::split(list) else {
        return Err(Error::Malformed("SUBSCRIBE filter reaches beyond the packet (3.8.3)"));
    };
    let qos = QoS::from_level(*qos).ok_or(Error::Malformed("SUBSCRIBE QoS byte is over 2 (3-8.3-4)"))?;
    Ok((field::topic_filter(filter)?, qos, rest))
}

pub(super) fn decode_suback(body: &[u8]) -> Result<SubAck<'_>, Error> {
    let [high, low, codes @ ..] = body else {
        return Err(Error::Malformed("SUBACK has no room for its packet id (3.9.2)"));
    };
    let id = PacketId::from_bytes(*high, *low)?;
    if codes.is_empty() {
        return Err(Error::Malformed("SUBACK without codes (3.9.3)"));
    }
    if codes.iter().any(|code| !matches!(code, 0..=2 | 0x80)) {
        return Err(Error::Protocol("SUBACK code is reserved (3.9.3-2)"));
    }
    Ok(SubAck { id, codes })
}

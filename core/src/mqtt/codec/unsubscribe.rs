//! What does UNSUBSCRIBE look like (MQTT 3.1.1, 3.10)? Its answer is an acknowledgement like others.

use super::{EncodeError, Error, ack::PacketId, field};
use crate::mqtt::topic;
use alloc::vec::Vec;

/// A request to end subscriptions: one or more filters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unsubscribe<'a> {
    /// Packet id, which the UNSUBACK repeats.
    pub id: PacketId,
    list: &'a [u8],
}

impl<'a> Unsubscribe<'a> {
    /// The filters, in order; at least one, all valid by 4.7.
    pub fn filters(&self) -> impl Iterator<Item = &'a str> + Clone + 'a {
        let mut list = self.list;
        core::iter::from_fn(move || {
            let (filter, rest) = next(list).ok()?;
            list = rest;
            Some(filter)
        })
    }
}

/// Appends an UNSUBSCRIBE.
///
/// # Errors
/// Without filters (3.10.3-2), with a filter that breaks 4.7, over 268,435,455 bytes. Nothing is appended then.
pub fn unsubscribe_append(out: &mut Vec<u8>, id: PacketId, filters: &[&str]) -> Result<(), EncodeError> {
    if filters.is_empty() {
        return Err(EncodeError::Invalid("UNSUBSCRIBE without filters (3.10.3-2)"));
    }
    for filter in filters {
        topic::check_filter(filter).map_err(EncodeError::FilterInvalid)?;
    }
    let list = field::sum(filters.iter().map(|filter| filter.len() + 2))?;
    field::begin(out, 0xa2, field::sum([2, list])?)?;
    out.extend_from_slice(&id.to_bytes());
    for filter in filters {
        field::put(out, filter.as_bytes());
    }
    Ok(())
}

pub(super) fn decode(body: &[u8]) -> Result<Unsubscribe<'_>, Error> {
    let [high, low, list @ ..] = body else {
        return Err(Error::Malformed("UNSUBSCRIBE has no room for its packet id (3.10.2)"));
    };
    let id = PacketId::from_bytes(*high, *low)?;
    if list.is_empty() {
        return Err(Error::Protocol("UNSUBSCRIBE without filters (3.10.3-2)"));
    }
    let mut left = list;
    while !left.is_empty() {
        (_, left) = next(left)?;
    }
    Ok(Unsubscribe { id, list })
}

/// Takes one filter off the list.
fn next(list: &[u8]) -> Result<(&str, &[u8]), Error> {
    let Some((filter, rest)) = field::split(list) else {
        return Err(Error::Malformed("UNSUBSCRIBE filter reaches beyond the packet (3.10.3)"));
    };
    Ok((field::topic_filter(filter)?, rest))
}

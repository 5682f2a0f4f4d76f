//! What do the packets without a body look like (MQTT 3.1.1, 3.12 to 3.14)?

use super::{Error, Packet};

/// PINGREQ, whole.
pub const PINGREQ: [u8; 2] = [0xc0, 0];
/// PINGRESP, whole.
pub const PINGRESP: [u8; 2] = [0xd0, 0];
/// DISCONNECT, whole.
pub const DISCONNECT: [u8; 2] = [0xe0, 0];

pub(super) const LENGTH: Error = Error::Malformed("PINGREQ, PINGRESP or DISCONNECT has a body (3.12, 3.13, 3.14)");

#[inline]
pub(super) fn decode<'a>(packet: Packet<'a>, body: &[u8]) -> Result<Packet<'a>, Error> {
    if body.is_empty() { Ok(packet) } else { Err(LENGTH) }
}

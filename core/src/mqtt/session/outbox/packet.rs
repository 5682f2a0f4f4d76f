//! What is known of one outgoing message: a record that is small, since a thousand may wait.

use crate::{
    io::{Failure, Tag},
    link::QoS,
    time::Instant,
};

/// How far a message has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::mqtt::session) enum State {
    /// Not released.
    Queued,
    /// Released at QoS 0, not wholly handed to the pipe.
    Leaving,
    /// QoS 1, until PUBACK.
    PubAck,
    /// QoS 2, until PUBREC.
    PubRec,
    /// QoS 2, until PUBCOMP.
    PubComp,
    /// Over; the outcome has not been told.
    Over,
    /// Over and told; goes when it reaches the front.
    Gone,
}

/// One message.
#[derive(Debug)]
pub(in crate::mqtt::session) struct Packet {
    pub(in crate::mqtt::session) tag: Tag,
    pub(in crate::mqtt::session) id: u16,
    pub(in crate::mqtt::session) state: State,
    /// How it ended, once it is over.
    pub(super) outcome: Result<(), Failure>,
    pub(in crate::mqtt::session) qos: QoS,
    /// To be sent on this connection, and not wholly handed over yet.
    pub(super) due: bool,
    /// Some byte of it has been handed over, on whatever connection: the next time is a repeat.
    pub(super) begun: bool,
    pub(in crate::mqtt::session) late: bool,
    // Offsets of 32 bits: a thousand of these may wait, and a lane holds no more than `MAX_BYTES`.
    pub(super) at: u32,
    pub(super) len: u32,
    pub(super) id_at: u32,
    pub(in crate::mqtt::session) sent: Instant,
    /// The end of its time to live; [`NEVER`] without one.
    pub(super) expires: Instant,
    /// The state change that has to be stored before this packet may leave; 0: none.
    pub(super) epoch: u32,
}

/// When a message without a time to live expires: at the end of time, which no clock reaches.
pub(super) const NEVER: Instant = Instant(u64::MAX);

/// The most bytes that the messages of one lane may have. Their buffer holds up to three times as much in passing,
/// which an offset has to be able to say.
pub(in crate::mqtt::session) const MAX_BYTES: usize = 1 << 30;

impl Packet {
    /// Whether it counts against the window and holds a packet id.
    pub(in crate::mqtt::session) fn in_flight(&self) -> bool {
        matches!(self.state, State::PubAck | State::PubRec | State::PubComp)
    }

    /// Where its packet id stands in its bytes.
    pub(in crate::mqtt::session) fn id_offset(&self) -> usize {
        self.id_at as usize
    }

    /// Whether it has outlived its time.
    pub(in crate::mqtt::session) fn is_expired(&self, now: Instant) -> bool {
        self.expires <= now && self.expires != NEVER
    }

    pub(super) fn at(&self) -> usize {
        self.at as usize
    }

    pub(super) fn len(&self) -> usize {
        self.len as usize
    }

    /// It ends so.
    pub(super) fn end(&mut self, outcome: Result<(), Failure>) {
        self.state = State::Over;
        self.outcome = outcome;
    }

    pub(super) fn over(&self) -> bool {
        matches!(self.state, State::Over | State::Gone)
    }

    /// Whether its bytes are needed still.
    pub(super) fn keeps_bytes(&self) -> bool {
        self.due || !(self.over() || self.state == State::PubComp)
    }
}

/// An offset as a record holds it; what is over is never reached, see [`MAX_BYTES`].
pub(super) fn offset(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_no_longer_than_48_bytes() {
        assert!(size_of::<Packet>() <= 48, "{} bytes", size_of::<Packet>());
    }
}

//! What a device tells its application: the life of the connection, and what the cloud has to say.

use crate::{
    cloud::Fatal,
    io::Cause,
    link::{Endpoint, Note},
};
use core::time::Duration;

/// One thing for the application to know. Each `Dialling` is followed by at most one `Up` and by exactly one `Down`.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "applications match it whole; a new kind must be seen")]
pub enum Event<E> {
    /// A connection to this endpoint is being opened.
    Dialling(Endpoint),
    /// The peer accepted the connection.
    Up {
        /// Whether the peer still had our session.
        session_present: bool,
    },
    /// The cloud has all it needs; application traffic flows. At most once for each `Up`.
    Ready,
    /// The connection ended, or did not come about.
    Down {
        /// Why.
        cause: Cause,
        /// How long until the next dial; `None` when none follows because the device is closing.
        retry: Option<Duration>,
    },
    /// It cannot work; nothing is dialled until [`reconnect_now`](crate::io::Machine::reconnect_now).
    GaveUp(Fatal),
    /// Something worth knowing that changes no outcome.
    Note(Note),
    /// An event of the cloud.
    Cloud(E),
}

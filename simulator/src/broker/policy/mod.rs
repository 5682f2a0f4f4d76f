//! What makes a cloud of a broker: who may connect, who may say what where, and what the cloud itself answers.

mod limits;
mod open;
mod outbox;
mod peer;

pub use limits::Limits;
pub use open::Open;
pub use outbox::{Direct, Outbox, Outgoing, Target};
pub use peer::{Certificate, Peer, Transport};

use skytether_core::{
    io::{Deadline, Refusal},
    link::{Connect, Message, QoS},
    time::{Instant, UnixMillis},
};

/// The moment of a call: on the broker's own clock, and the wall time it was told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "tests of policies build it")]
pub struct At {
    /// Since the broker started.
    pub now: Instant,
    /// Wall time, as signatures and time services need it.
    pub wall: UnixMillis,
}

/// Why a client is not let in, and whether it is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "MQTT 3.1.1 knows no third way to refuse")]
pub enum Denial {
    /// CONNACK with this return code, then close (3.2.2-5). The text says why, in the trace only.
    Code(Refusal, &'static str),
    /// Close without a word; the text goes to the trace.
    Silent(&'static str),
}

/// What becomes of a PUBLISH that a client sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "policies build it; the broker matches it")]
pub enum Verdict {
    /// Acknowledged, heard by the policy, retained if it says so, and given to every subscriber.
    Accept,
    /// Acknowledged and heard by the policy, but given to no subscriber.
    AcceptSilently,
    /// Neither acknowledged nor heard, as if it had been lost; the connection stays up.
    Drop(&'static str),
    /// The connection is closed; the text goes to the trace.
    Close(&'static str),
}

/// How a QoS 1 message to a client has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "the broker knows no third way")]
pub enum Settled {
    /// The client has acknowledged it.
    Acknowledged,
    /// It was sent as often as [`Limits::deliveries`] allows.
    GivenUp,
}

/// The cloud's side of a broker. Pure: time and randomness are the caller's.
///
/// Order of calls for one client: [`authenticate`](Policy::authenticate), [`on_connected`](Policy::on_connected), any
/// number of the others, [`on_disconnected`](Policy::on_disconnected). The broker has checked the rules of MQTT before
/// it asks: topics and filters are valid, lengths are within [`Limits`].
pub trait Policy {
    /// Whom the policy takes a connected client for; lives as long as the connection.
    type Identity;

    /// The bounds of this cloud. Asked at every packet: it must be cheap.
    fn limits(&self) -> Limits {
        Limits::default()
    }

    /// Decides on a CONNECT whose form is valid. An empty client id has been replaced by one of the broker's own.
    ///
    /// # Errors
    /// [`Denial`]: the client gets its code or just a closed connection; nothing of its session or of an older
    /// connection with the same client id is touched.
    fn authenticate(&mut self, at: At, connect: &Connect, peer: &Peer) -> Result<Self::Identity, Denial>;

    /// The name under which the broker holds the session of this client, and takes one connection for another's
    /// successor. Default: its client id. A policy that is several servers in one gives each client of each server a
    /// name of its own; [`Target`] and [`Outbox::kick`] then mean that name, the owner's calls either.
    fn session(&self, identity: &Self::Identity, client_id: &str) -> String {
        let _ = identity;
        client_id.to_owned()
    }

    /// Whether the session of this client ends with its connection. Default: as the client asks for.
    fn is_clean(&self, identity: &Self::Identity, asked: bool) -> bool {
        let _ = identity;
        asked
    }

    /// The packet id of the first message that the broker sends to this client in a new session; it counts up from
    /// there. Default 1. Zero counts as 1.
    fn first_packet_id(&self, identity: &Self::Identity) -> u16 {
        let _ = identity;
        1
    }

    /// Decides on one filter of a SUBSCRIBE: the QoS granted (never more than asked for is given), or `None` for the
    /// failure code 0x80 (3.9.3-2).
    fn may_subscribe(&mut self, at: At, identity: &Self::Identity, filter: &str, qos: QoS) -> Option<QoS>;

    /// Whether an UNSUBSCRIBE for `filter` ends the subscription `held`. MQTT compares character by character
    /// (3.10.4-1); some clouds let `#` end everything below.
    fn unsubscribes(&self, identity: &Self::Identity, filter: &str, held: &str) -> bool {
        let _ = identity;
        filter == held
    }

    /// Decides on a message that the client publishes, or on its will when it is due.
    fn may_publish(&mut self, at: At, identity: &Self::Identity, message: &Message<'_>) -> Verdict;

    /// Hears a message that was accepted, once however often the client repeated it (QoS 2), and may answer. What it
    /// puts into `out` is sent after the acknowledgement and after the message itself, and is not offered to the policy
    /// again.
    fn on_publish(&mut self, at: At, identity: &Self::Identity, message: &Message<'_>, out: &mut Outbox) {
        let _ = (at, identity, message, out);
    }

    /// Hears the will of a client whose connection has ended without DISCONNECT; [`Policy::may_publish`] has let it
    /// pass. Default: as any message of that client.
    fn on_will(&mut self, at: At, identity: &Self::Identity, message: &Message<'_>, out: &mut Outbox) {
        self.on_publish(at, identity, message, out);
    }

    /// The client was accepted; `present`: it found a session again, with its subscriptions and what was unfinished.
    /// Told before [`Policy::on_connected`].
    fn on_session(&mut self, at: At, identity: &Self::Identity, present: bool) {
        let _ = (at, identity, present);
    }

    /// The client was accepted and its CONNACK is on its way.
    fn on_connected(&mut self, at: At, identity: &Self::Identity, connect: &Connect, out: &mut Outbox) {
        let _ = (at, identity, connect, out);
    }

    /// The client's subscription took effect; its SUBACK is on its way.
    fn on_subscribed(&mut self, at: At, identity: &Self::Identity, filter: &str, granted: QoS, out: &mut Outbox) {
        let _ = (at, identity, filter, granted, out);
    }

    /// The client has ended the subscription of this filter.
    fn on_unsubscribed(&mut self, at: At, identity: &Self::Identity, filter: &str) {
        let _ = (at, identity, filter);
    }

    /// A QoS 1 message to the session of this name has come to its end.
    fn on_settled(&mut self, at: At, session: &str, topic: &str, settled: Settled, out: &mut Outbox) {
        let _ = (at, session, topic, settled, out);
    }

    /// The connection of a client that was accepted has ended. `orderly`: by DISCONNECT.
    fn on_disconnected(&mut self, at: At, identity: &Self::Identity, orderly: bool, out: &mut Outbox) {
        let _ = (at, identity, orderly, out);
    }

    /// When [`Policy::on_time`] has something to do.
    fn deadline(&self) -> Option<Deadline> {
        None
    }

    /// Time has passed; called at the deadline or later, and now and then for nothing.
    fn on_time(&mut self, at: At, out: &mut Outbox) {
        let _ = (at, out);
    }
}

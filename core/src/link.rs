//! What a cloud may ask of a connection, and what it hears of it: the words that MQTT sessions and modems share.
#![allow(
    clippy::exhaustive_enums,
    clippy::exhaustive_structs,
    reason = "the seat's words are built by clouds and matched by machines; a new one must be seen by all"
)]

use crate::{
    io::{Action, Cause, Deadline, Failure, Instant, Key, Pipe, Rejected, StoreFailed, Tag, UnixMillis},
    secret::Secret,
};
use alloc::{string::String, vec::Vec};
use core::{fmt, time::Duration};

/// Quality of service of a message (MQTT 4.3).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum QoS {
    /// 0: sent once, unacknowledged.
    #[default]
    AtMostOnce,
    /// 1: acknowledged; may arrive twice.
    AtLeastOnce,
    /// 2: arrives exactly once.
    ExactlyOnce,
}

impl QoS {
    /// The level that a number names; `None` above 2.
    pub fn from_level(level: u8) -> Option<Self> {
        match level {
            0 => Some(Self::AtMostOnce),
            1 => Some(Self::AtLeastOnce),
            2 => Some(Self::ExactlyOnce),
            _ => None,
        }
    }

    /// 0, 1 or 2.
    pub fn level(self) -> u8 {
        match self {
            Self::AtMostOnce => 0,
            Self::AtLeastOnce => 1,
            Self::ExactlyOnce => 2,
        }
    }
}

/// Whom traffic belongs to, and so when it may flow and what it survives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lane {
    /// This connection only, before `ready`, ahead of all.
    Setup,
    /// Ahead of `App`, with a reserve of its own: answers to the cloud.
    Reply,
    /// Waits for `ready`, survives redials.
    App,
}

/// How a pipe is protected.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum TlsIdentity {
    /// Not at all: plain TCP.
    #[default]
    Plain,
    /// TLS; the server is verified, the client shows no certificate.
    Ca,
    /// TLS with the client certificate that the driver was given.
    Client,
    /// TLS with a certificate that the modem holds under this name.
    Named(String),
}

/// Where to connect.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Endpoint {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Protection of the pipe.
    pub tls: TlsIdentity,
    /// Path of a WebSocket; `None` for MQTT straight on the pipe.
    pub path: Option<String>,
}

impl Endpoint {
    /// A plain TCP endpoint.
    pub fn tcp(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port, tls: TlsIdentity::Plain, path: None }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match (&self.tls, &self.path) {
            (TlsIdentity::Plain, None) => "tcp",
            (TlsIdentity::Plain, Some(_)) => "ws",
            (_, None) => "tls",
            (_, Some(_)) => "wss",
        };
        let path = self.path.as_deref().unwrap_or("");
        write!(f, "{scheme}://{}:{}{path}", self.host, self.port)
    }
}

/// Version of the protocol that CONNECT names.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Version {
    /// MQTT 3.1: `MQIsdp`, level 3; a client id has 1 to 23 characters.
    V3_1,
    /// MQTT 3.1.1: `MQTT`, level 4.
    #[default]
    V3_1_1,
}

/// The message that the server publishes when the connection ends without DISCONNECT.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Will {
    /// Topic name, no wildcards.
    pub topic: String,
    /// At most 65,535 bytes.
    pub payload: Vec<u8>,
    /// Quality of service.
    pub qos: QoS,
    /// Whether the server keeps it.
    pub retain: bool,
}

/// How to introduce oneself: the content of CONNECT (MQTT 3.1).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Connect {
    /// Version of the protocol.
    pub version: Version,
    /// Client id, at most 65,535 bytes; empty only with a clean session.
    pub client_id: String,
    /// User name.
    pub user_name: Option<String>,
    /// Password; needs a user name (3.1.2-22).
    pub password: Option<Secret>,
    /// Seconds between two packets of ours at most; 0 switches the check off.
    pub keep_alive: u16,
    /// Whether both sides forget what was before (3.1.2-6).
    pub clean_session: bool,
    /// Will.
    pub will: Option<Will>,
    /// Whose stored session this connection goes on with, where a link stores one. A device that introduces itself under
    /// several client ids in turn (to a provisioning service, then to its hub) names one for all of them, so that what it
    /// has queued stays its own over a restart. Default: the client id.
    pub session: Option<String>,
}

/// A message to send.
#[derive(Clone, Copy, Debug)]
pub struct Publish<'a> {
    /// Returns in `Delivered` or `Failed`.
    pub tag: Tag,
    /// Lane.
    pub lane: Lane,
    /// The topic in pieces that are sent one after the other, so that no one has to join them.
    pub topic: &'a [&'a str],
    /// Payload.
    pub payload: &'a [u8],
    /// Quality of service.
    pub qos: QoS,
    /// Whether the server keeps it for later subscribers.
    pub retain: bool,
    /// How long it may wait in the queue; then it fails as `Expired`. `None`: for ever.
    pub ttl: Option<Duration>,
}

/// A message that came in; borrowed from the bytes it came in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Message<'b> {
    /// Topic name.
    pub topic: &'b str,
    /// Payload.
    pub payload: &'b [u8],
    /// Quality of service.
    pub qos: QoS,
    /// Whether it was stored on the server before we subscribed.
    pub retain: bool,
    /// Whether the server says that it sends it again.
    pub dup: bool,
}

/// Something worth knowing that changes no outcome.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Note {
    /// A message has waited long for its acknowledgement.
    AckLate(Tag),
    /// An acknowledgement named an id that nothing waits for; it was ignored.
    UnknownAck(u16),
    /// Connections end shortly after they begin: another client may use the same id.
    SuspectedTakeover,
    /// The same topic has broken the connection three times in a row.
    PoisonMessage,
    /// A subscription that the cloud needs was refused; it is asked again later.
    Degraded,
    /// The store failed; the session goes on without its safety.
    Storage,
    /// The wall time is not known yet; dialling waits for it.
    WaitingForTime,
    /// Something that came in was skipped, for the reason named; the connection goes on.
    Skipped(&'static str),
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AckLate(Tag(tag)) => write!(f, "message {tag} is still unacknowledged"),
            Self::UnknownAck(id) => write!(f, "an acknowledgement for unknown packet id {id} was ignored"),
            Self::SuspectedTakeover => f.write_str(
                "connections end right after they begin: is another program using the same client id or credentials?",
            ),
            Self::PoisonMessage => {
                f.write_str("the same message keeps breaking the connection: look for a retained message")
            }
            Self::Degraded => f.write_str("a subscription that the cloud needs was refused; it is tried again"),
            Self::Storage => f.write_str("the store failed; the session is not safe against a restart"),
            Self::WaitingForTime => f.write_str("waiting for the wall time, which the credentials need"),
            Self::Skipped(why) => write!(f, "skipped what came in: {why}"),
        }
    }
}

/// What a link tells its cloud.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Notice<'b> {
    /// The peer accepted the connection.
    Up {
        /// Whether the peer still had our session.
        session_present: bool,
    },
    /// A filter was granted at this QoS, or refused.
    Granted(Tag, Option<QoS>),
    /// An unsubscription is done.
    Unsubscribed(Tag),
    /// A message arrived: QoS 0 handed to the pipe, QoS 1 PUBACK, QoS 2 PUBCOMP.
    Delivered(Tag),
    /// A request or message ended without success.
    Failed(Tag, Failure),
    /// A message came in.
    Message(Message<'b>),
    /// The modem's SNTP tells the wall time.
    Wall(UnixMillis),
    /// Something worth knowing.
    Note(Note),
    /// The connection is down; told once for each that was dialled.
    Down(Cause),
}

/// What a link can do; asked, never guessed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Abilities {
    /// Highest quality of service.
    pub qos: QoS,
    /// Largest packet sent, in bytes.
    pub packet: usize,
    /// Longest topic, in bytes.
    pub topic: usize,
    /// Longest client id, in bytes.
    pub client_id: usize,
    /// Longest user name, in bytes.
    pub user_name: usize,
    /// Longest password, in bytes.
    pub password: usize,
    /// Subscriptions at once.
    pub subscriptions: usize,
    /// Whether a will can be given.
    pub will: bool,
}

/// A connection in words: what stands between a cloud and a byte pipe.
///
/// Calls that take `now` never look at a clock. None of them panics on anything the peer sent.
pub trait Link {
    /// What this link can do.
    fn abilities(&self) -> Abilities;

    /// Remembers where to connect and how, and names the pipe it needs. Follows [`Notice::Down`] of the one before.
    ///
    /// # Errors
    /// [`Rejected::Invalid`] where `connect` breaks a rule of the protocol, [`Rejected::Unsupported`] where it is over
    /// the link's abilities.
    fn dial(&mut self, now: Instant, to: &Endpoint, connect: Connect) -> Result<Pipe, Rejected>;

    /// The pipe is open.
    fn opened(&mut self, now: Instant);

    /// The pipe is gone. Where the link has told its [`Notice::Down`] before, it says nothing more.
    fn closed(&mut self, now: Instant, cause: Cause);

    /// The cloud's needed subscriptions are granted: application traffic may flow.
    fn ready(&mut self);

    /// Asks for one filter, given in pieces; ends in `Granted` or `Failed`. On `Lane::App` it is remembered and asked
    /// again whenever the server has lost it, on `Lane::Setup` it lives with this connection.
    ///
    /// # Errors
    /// `Full`, `Invalid` filter, `Offline` (`Setup` without a connection).
    fn subscribe(&mut self, now: Instant, tag: Tag, lane: Lane, filter: &[&str], qos: QoS) -> Result<(), Rejected>;

    /// Drops one filter; ends in `Unsubscribed` or `Failed`.
    ///
    /// # Errors
    /// As [`Link::subscribe`].
    fn unsubscribe(&mut self, now: Instant, tag: Tag, filter: &[&str]) -> Result<(), Rejected>;

    /// Sends a message; ends in `Delivered` or `Failed`.
    ///
    /// # Errors
    /// `Full`, `Invalid` topic, over a limit; `Offline` by policy. Nothing has changed then.
    fn publish(&mut self, now: Instant, publish: Publish<'_>) -> Result<(), Rejected>;

    /// The cloud is throttling: send half as fast, recover slowly.
    fn slow_down(&mut self, now: Instant);

    /// Ends the connection in order: what is waiting is sent, then the farewell, then `Action::Close` by [`Link::want`].
    /// With `drain`, messages in flight are first given this long to be acknowledged.
    fn hang_up(&mut self, now: Instant, drain: Option<Duration>);

    /// No dial will follow: everything still held fails as `Closed`, one by one, through [`Link::read`].
    fn finish(&mut self);

    /// Cuts one notice from the front of `bytes` and says how many bytes it used. The notice borrows `bytes` or
    /// `scratch`, never the link, so that the cloud can publish while it reads. Empty `bytes`: what time brought; call
    /// until nothing comes.
    ///
    /// `scratch` is staging that the owner lends: always the same vector, untouched between calls.
    fn read<'b>(&mut self, now: Instant, bytes: &'b [u8], scratch: &'b mut Vec<u8>) -> (usize, Option<Notice<'b>>);

    /// What the link wants of the driver: `Close`, or keeping its session.
    fn want(&mut self) -> Option<Action>;

    /// A value of the link's was stored, or not.
    fn stored(&mut self, now: Instant, key: &Key, done: Result<(), StoreFailed>);

    /// A value of the link's was looked up.
    fn loaded(&mut self, now: Instant, key: &Key, value: Result<Option<&[u8]>, StoreFailed>);

    /// Whether one more application message fits.
    fn room(&self) -> bool;

    /// Whether more bytes may be read in: there is room for their answers.
    fn wants_bytes(&self) -> bool;

    /// Bytes that wait for the pipe; never switches buffers inside a packet.
    fn transmit(&self) -> &[u8];

    /// This many of them were handed to the pipe.
    fn sent(&mut self, now: Instant, len: usize);

    /// When [`Link::read`] with no bytes has something to do.
    fn deadline(&self) -> Option<Deadline>;
}

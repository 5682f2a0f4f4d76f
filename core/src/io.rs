//! How a driver and a machine talk: one input in, one thing out. The whole contract, and nothing else.
//!
//! **The rule for drivers.** Give an input, call [`Machine::step`] until it answers [`Step::Idle`], then wait for the
//! first of: the pipe is readable (if [`Machine::wants_bytes`]), the pipe is writable (if [`Machine::transmit`] is not
//! empty; report with [`Input::Sent`]), [`Machine::deadline`], a command (if [`Machine::wants_command`]), a finished
//! exchange or store. Extra [`Input::Tick`]s are harmless, and may come in the middle of another input.
//!
//! The enums here are exhaustive on purpose: a new action must break the build of every driver.
#![allow(
    clippy::exhaustive_enums,
    clippy::exhaustive_structs,
    reason = "a new input or action must break every driver's build"
)]

use crate::link::Endpoint;
pub use crate::time::{Deadline, Instant, UnixMillis};
use alloc::{boxed::Box, string::String, vec::Vec};
use core::fmt;

/// Names one command from the moment it is accepted to its one [`Step::Done`]; unique among the commands under way.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Tag(pub u32);

/// Names one side exchange (an HTTP request) from [`Action::Exchange`] to its last [`Reply`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ExchangeId(pub u32);

/// A place that holds an image or file: written in ranges, never read back as a whole into memory.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Slot(pub u8);

/// What a stored value is about. Closed in kind, open in whose: a gateway stores for its children too.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Key {
    /// The endpoint that provisioning assigned.
    Hub,
    /// The secret of the named device.
    Secret(Box<str>),
    /// The MQTT session: messages not yet finished, ids received and not yet released.
    Session,
    /// How far a download has come.
    Ota,
}

impl fmt::Display for Key {
    /// A file-safe name as long as the owner's name is one; drivers that make file names escape the rest.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hub => f.write_str("hub"),
            Self::Secret(whose) => write!(f, "secret.{whose}"),
            Self::Session => f.write_str("session"),
            Self::Ota => f.write_str("ota"),
        }
    }
}

/// The store could not do what was asked (full, worn out, absent).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StoreFailed;

impl fmt::Display for StoreFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the store could not read or write the value")
    }
}

impl core::error::Error for StoreFailed {}

/// Why a pipe ended, or could not be opened. The first block is told by drivers, the second found by links.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Cause {
    /// The pipe broke or the peer closed it.
    Lost,
    /// The host name could not be resolved.
    Resolve,
    /// No address of the host accepted a connection (refused, no route).
    Unreachable,
    /// TLS could not be agreed on, for the reason named. Never retried without verification.
    Tls(TlsFault),
    /// The peer ended an encrypted stream without saying so (no `close_notify`): something may be missing.
    Truncated,
    /// The server did not upgrade to WebSocket; its HTTP status, or 101 where the upgrade it offered is not ours (wrong
    /// sub-protocol or accept key).
    Upgrade(u16),
    /// The peer broke the rules of WebSocket (a text frame, a masked frame, reserved bits).
    WebSocket(&'static str),
    /// The server of an exchange broke the rules of HTTP, or sent another range than was asked for.
    Http(&'static str),
    /// The serial line could not be opened; why, and what would help.
    Serial(&'static str),
    /// The driver does not offer what the action needs.
    Unsupported(&'static str),
    /// Opening the pipe took longer than the connect time limit.
    OpenTimeout,
    /// No CONNACK came within its time.
    ConnAckTimeout,
    /// No PINGRESP came within its time: the connection was half open.
    PingTimeout,
    /// A QoS 1 or 2 message stayed unacknowledged for longer than the policy allows.
    AckTimeout,
    /// The peer refused the connection.
    Refused(Refusal),
    /// The peer sent bytes that are no packet; the rule broken is named.
    Malformed(&'static str),
    /// The peer sent a packet that has no place there; the rule broken is named.
    Protocol(&'static str),
    /// The peer announced a packet, or the body of an answer, over our limit.
    TooLarge {
        /// Bytes announced, or come so far.
        len: usize,
        /// Bytes accepted at most.
        max: usize,
    },
    /// What is stored cannot be used and is left untouched, or a slot cannot be written; the reason is named.
    Storage(&'static str),
    /// The modem could not do what was asked of it, for the reason named.
    Modem(&'static str),
    /// We closed: [`Machine::close`], or a redial that the cloud asked for.
    Asked,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost => f.write_str("the connection was lost"),
            Self::Resolve => f.write_str("the host name could not be resolved"),
            Self::Unreachable => f.write_str("the host could not be reached"),
            Self::Tls(fault) => write!(f, "TLS failed: {fault}"),
            Self::Truncated => f.write_str("the encrypted connection was cut off without a farewell"),
            Self::Upgrade(101) => f.write_str("the server upgraded to another WebSocket protocol than mqtt"),
            Self::Upgrade(status) => write!(f, "the server answered the WebSocket upgrade with HTTP status {status}"),
            Self::WebSocket(why) => write!(f, "the server broke the rules of WebSocket: {why}"),
            Self::Http(why) => write!(f, "the server broke the rules of HTTP: {why}"),
            Self::Serial(why) => write!(f, "the serial line could not be opened: {why}"),
            Self::Unsupported(what) => write!(f, "this driver does not offer {what}"),
            Self::OpenTimeout => f.write_str("opening the connection took too long"),
            Self::ConnAckTimeout => f.write_str("no answer (CONNACK) to CONNECT in time"),
            Self::PingTimeout => f.write_str("no answer (PINGRESP) to PINGREQ in time"),
            Self::AckTimeout => f.write_str("a message was not acknowledged in time"),
            Self::Refused(refusal) => write!(f, "the connection was refused: {refusal}"),
            Self::Malformed(why) => write!(f, "malformed packet: {why}"),
            Self::Protocol(why) => write!(f, "protocol error: {why}"),
            Self::TooLarge { len, max } => {
                write!(f, "{len} bytes are over the limit of {max}")
            }
            Self::Storage(why) => write!(f, "the store cannot be used: {why}"),
            Self::Modem(why) => write!(f, "the modem: {why}"),
            Self::Asked => f.write_str("closed on request"),
        }
    }
}

/// What is wrong with whose certificate, or with the encryption itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum TlsFault {
    /// The server's certificate has expired, or our clock is ahead.
    Expired,
    /// The server's certificate is not valid yet, or our clock is behind.
    NotYetValid,
    /// The server's certificate is for another host name.
    WrongHost,
    /// The server's certificate was not signed by a CA that we trust.
    UnknownIssuer,
    /// The server's certificate may not be used by servers.
    WrongUsage,
    /// The server's certificate was revoked.
    Revoked,
    /// The server's certificate cannot be used for the reason named.
    BadCertificate(&'static str),
    /// The server wants a client certificate, and none was given.
    ClientCertificateRequired,
    /// The server does not accept our certificate.
    ClientCertificateRefused,
    /// No version of the protocol or cipher suite that both sides speak.
    NothingInCommon,
    /// What was given for TLS (a CA file, a certificate, a key) cannot be used, for the reason named.
    Unusable(&'static str),
    /// The peer does not speak TLS, or broke its rules.
    NotTls,
    /// The peer ended the handshake with this alert.
    Alert(u8),
}

impl fmt::Display for TlsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Expired => "the server's certificate has expired (or the clock here is ahead)",
            Self::NotYetValid => "the server's certificate is not valid yet (or the clock here is behind)",
            Self::WrongHost => "the server's certificate is for another host name",
            Self::UnknownIssuer => "the server's certificate is not signed by a CA that is trusted here",
            Self::WrongUsage => "the server's certificate may not be used by servers",
            Self::Revoked => "the server's certificate was revoked",
            Self::BadCertificate(why) => return write!(f, "the server's certificate cannot be used: {why}"),
            Self::ClientCertificateRequired => "the server wants a client certificate, and none was given",
            Self::ClientCertificateRefused => "the server does not accept our client certificate",
            Self::NothingInCommon => "no protocol version or cipher suite in common with the server",
            Self::Unusable(why) => return write!(f, "{why}"),
            Self::NotTls => "the server does not speak TLS on this port",
            Self::Alert(alert) => return write!(f, "the server ended the handshake with alert {alert}"),
        })
    }
}

/// Why a peer refuses a connection: the CONNACK return codes of MQTT 3.1.1 (3.2.2.3), and a modem's silence about them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Refusal {
    /// 1: the protocol version.
    ProtocolVersion,
    /// 2: the client id.
    IdentifierRejected,
    /// 3: the server is unavailable for now.
    ServerUnavailable,
    /// 4: the user name or password.
    BadCredentials,
    /// 5: not authorised.
    NotAuthorized,
    /// Refused or not answered; the modem does not say which, nor why.
    Unspecified,
}

impl Refusal {
    /// The refusal that a CONNACK return code names; `None` for 0 and for reserved codes.
    pub fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            1 => Self::ProtocolVersion,
            2 => Self::IdentifierRejected,
            3 => Self::ServerUnavailable,
            4 => Self::BadCredentials,
            5 => Self::NotAuthorized,
            _ => return None,
        })
    }

    /// The return code on the wire; of [`Unspecified`](Self::Unspecified) that of MQTT 5, 128.
    pub fn code(self) -> u8 {
        match self {
            Self::ProtocolVersion => 1,
            Self::IdentifierRejected => 2,
            Self::ServerUnavailable => 3,
            Self::BadCredentials => 4,
            Self::NotAuthorized => 5,
            Self::Unspecified => 128,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ProtocolVersion => "unacceptable protocol version (1)",
            Self::IdentifierRejected => "identifier rejected (2)",
            Self::ServerUnavailable => "server unavailable (3)",
            Self::BadCredentials => "bad user name or password (4)",
            Self::NotAuthorized => "not authorized (5)",
            Self::Unspecified => "refused without a reason (check host, credentials and certificate)",
        })
    }
}

/// The pipe that a machine asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Pipe {
    /// A connection over the network.
    Net(Endpoint),
    /// The serial line that the driver was given.
    Serial,
}

/// The method of a side exchange.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Method {
    /// GET
    Get,
    /// POST
    Post,
    /// PUT
    Put,
}

/// Where the body of an answer goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sink {
    /// To the machine, at most this many bytes; more fails the exchange.
    Memory(usize),
    /// Into a slot: a whole answer (200) from its start where no range was asked for, the range that was asked for (206)
    /// from its place; the driver writes it and shows the machine the same chunk. What the slot held behind that place is
    /// cut off; what it held before must be there. Another range, or the whole instead of one, fails the exchange after
    /// its head and leaves the slot as it was; the body of any other status is neither written nor shown.
    Slot(Slot),
}

/// One HTTP request that the machine asks the driver to make. The driver follows no redirect: the machine reads
/// [`Head::location`] and decides, so that the rule stands once.
#[derive(Clone, PartialEq, Eq)]
pub struct Exchange {
    /// The method.
    pub method: Method,
    /// The whole URL.
    pub url: String,
    /// Header names and values, in order.
    pub headers: Vec<(String, String)>,
    /// First byte wanted, for a resumed download; `None` asks for the whole.
    pub range: Option<u64>,
    /// Whether a server that asks for a client certificate is shown the device's. Never for a host that a redirect
    /// named.
    pub certificate: bool,
    /// The body of the request.
    pub body: Vec<u8>,
    /// Where the body of the answer goes.
    pub sink: Sink,
}

impl fmt::Debug for Exchange {
    /// Without what may hold tokens: the URL behind its host, the values of headers, the body.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, rest) = self.url.split_once("://").unwrap_or_default();
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Exchange")
            .field("method", &self.method)
            .field("url", &format_args!("{scheme}://{host}/***"))
            .field("headers", &names)
            .field("range", &self.range)
            .field("certificate", &self.certificate)
            .field("body", &format_args!("{} bytes", self.body.len()))
            .field("sink", &self.sink)
            .finish()
    }
}

/// The head of an answer: its status, and the few headers that decide what becomes of the body.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Head<'a> {
    /// The status, 100 to 599; interim answers (1xx) are not shown.
    pub status: u16,
    /// `Content-Length`: bytes that follow in this answer.
    pub length: Option<u64>,
    /// `Content-Range`: the place of the first of them in the whole.
    pub first: Option<u64>,
    /// `Content-Range`: the length of the whole.
    pub total: Option<u64>,
    /// `ETag`, as it stands there, quotes included.
    pub etag: Option<&'a str>,
    /// `Location`, as it stands there.
    pub location: Option<&'a str>,
    /// `Retry-After`, where it is a number of seconds.
    pub retry_after: Option<u32>,
}

/// What comes back of a side exchange: head, chunks, then end or failure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reply<'a> {
    /// The head of the answer.
    Head(Head<'a>),
    /// A part of its body; for [`Sink::Slot`], shown once the slot holds it safely against a power cut.
    Chunk(&'a [u8]),
    /// The body is whole.
    End,
    /// The exchange broke off.
    Failed(Cause),
}

/// What a driver tells a machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input<'a> {
    /// The pipe asked for is open.
    Opened,
    /// Bytes came in. The machine shortens the slice by what it used; an empty slice says nothing.
    Bytes(&'a [u8]),
    /// This many bytes of [`Machine::transmit`] were handed to the pipe.
    Sent(usize),
    /// The pipe ended or could not be opened.
    Closed(Cause),
    /// News of a side exchange.
    Reply(ExchangeId, Reply<'a>),
    /// A store or delete is done; only now may the machine rely on it.
    Stored(Key, Result<(), StoreFailed>),
    /// A value was looked up.
    Loaded(Key, Result<Option<&'a [u8]>, StoreFailed>),
    /// A range of a slot was written.
    Written(Slot, u64, Result<(), StoreFailed>),
    /// The wall time is this, now.
    Wall(UnixMillis),
    /// Nothing but time has passed.
    Tick,
}

/// What a machine asks of a driver.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// Open a pipe; answer [`Input::Opened`] or [`Input::Closed`]. A pipe still open is dropped first.
    Open(Pipe),
    /// Close the pipe; answer [`Input::Closed`].
    Close,
    /// Make a request; answer [`Input::Reply`].
    Exchange(ExchangeId, Box<Exchange>),
    /// Forget a request; its replies are not wanted any more. A chunk that is on its way to its slot is written before
    /// anything that is asked of the store from now on, and nothing of it after that.
    Cancel(ExchangeId),
    /// Look a value up; answer [`Input::Loaded`].
    Load(Key),
    /// Store a value, whole or not at all; answer [`Input::Stored`].
    Store(Key, Vec<u8>),
    /// Delete a value; answer [`Input::Stored`].
    Delete(Key),
    /// Write a range of a slot; answer [`Input::Written`].
    Write(Slot, u64, Vec<u8>),
    /// Tell the wall time as soon as it is known, by [`Input::Wall`].
    AskWall,
}

/// Why a command that was accepted did not succeed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Failure {
    /// No answer came in time.
    TimedOut,
    /// The connection or the session on the server was lost, and policy says not to try again.
    Lost,
    /// It waited in the queue beyond its time to live.
    Expired,
    /// It was pushed out of a full queue by a newer one.
    Dropped,
    /// The peer refused it, with this code of the protocol in use.
    Refused(u16),
    /// The store could not keep it safe.
    Storage,
    /// The device was closed first.
    Closed,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("no answer in time"),
            Self::Lost => f.write_str("lost with the connection"),
            Self::Expired => f.write_str("expired while it waited"),
            Self::Dropped => f.write_str("pushed out of a full queue"),
            Self::Refused(code) => write!(f, "refused with code {code}"),
            Self::Storage => f.write_str("the store failed"),
            Self::Closed => f.write_str("the device was closed"),
        }
    }
}

impl core::error::Error for Failure {}

/// Why a command was not accepted; nothing has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rejected {
    /// A bound of [`crate::limits::Limits`] is reached: wait for a `Done` and try again.
    Full,
    /// There is no connection, and policy says not to queue; or the device is closing.
    Offline,
    /// The command breaks the rule named.
    Invalid(&'static str),
    /// The cloud or the link does not offer what is named.
    Unsupported(&'static str),
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("the queue is full"),
            Self::Offline => f.write_str("there is no connection"),
            Self::Invalid(why) => write!(f, "invalid: {why}"),
            Self::Unsupported(what) => write!(f, "not supported: {what}"),
        }
    }
}

impl core::error::Error for Rejected {}

/// One thing that comes out of a machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step<E, A> {
    /// The input is used up and nothing waits.
    Idle,
    /// Call again with what is left of the input.
    Again,
    /// Something for the driver to do; then call again.
    Act(Action),
    /// Something for the application to know; then call again.
    Event(E),
    /// The one end of the command with this tag; then call again.
    Done(Tag, Result<A, Failure>),
}

/// A pure state machine that a driver connects to the world.
pub trait Machine {
    /// What an application asks for. Owned by the caller, handed in by reference, encoded at once.
    type Command;
    /// What an application is told. Owned: no lifetime reaches a driver.
    type Event;
    /// What a command that succeeded ends in.
    type Answer;

    /// Takes the world in and gives at most one thing out. Never fails, never panics.
    fn step(&mut self, now: Instant, input: &mut Input<'_>) -> Step<Self::Event, Self::Answer>;

    /// Accepts a command, or changes nothing.
    ///
    /// # Errors
    /// [`Rejected`] says why; the caller still has the command.
    fn command(&mut self, now: Instant, command: &Self::Command) -> Result<Tag, Rejected>;

    /// Begins an orderly end: outputs drain, the peer is told, the pipe closes, every command ends. Bounded in time.
    fn close(&mut self, now: Instant);

    /// Dials at once instead of waiting for the back-off; wakes a machine that has given up.
    fn reconnect_now(&mut self, now: Instant);

    /// When to call `step` though nothing came in.
    fn deadline(&self) -> Option<Deadline>;

    /// Bytes that wait for the pipe. Never switches buffers inside a packet.
    fn transmit(&self) -> &[u8];

    /// Whether there is room for one more command; else the driver leaves its channel alone.
    fn wants_command(&self) -> bool;

    /// Whether there is room for the answers to more bytes; else the driver leaves the pipe unread.
    fn wants_bytes(&self) -> bool;

    /// Whether the end that [`Machine::close`] began is complete: the driver may drop the machine.
    fn is_closed(&self) -> bool;
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{format, vec};

    #[test]
    fn r_10_an_exchange_prints_without_tokens() {
        let mut exchange = Exchange {
            method: Method::Put,
            url: "https://files.example/a?sig=secret".into(),
            headers: vec![("Authorization".into(), "secret".into())],
            range: None,
            certificate: false,
            body: b"secret".to_vec(),
            sink: Sink::Memory(9),
        };
        let text = format!("{exchange:?}");
        assert!(text.contains("https://files.example/***") && text.contains("Authorization"), "{text}");
        for url in ["https://files.example/secret", "https://files.example?secret", "/secret", "secret", ""] {
            exchange.url = url.into();
            assert!(!format!("{exchange:?}").contains("secret"), "{url}");
        }
        assert!(!text.contains("secret"), "{text}");
    }
}

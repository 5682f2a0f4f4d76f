//! What the broker tells its owner of what happens: packets in and out, and how connections begin and end.

use super::{
    ConnId,
    fault::Fault,
    policy::{Denial, Transport},
};
use core::fmt;
use skytether_core::{
    io::Refusal,
    link::{Connect, QoS, Version},
    time::Instant,
};
use std::collections::VecDeque;

/// Why a connection ended.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum CloseReason {
    /// The client sent DISCONNECT: the one end without a will.
    Disconnected,
    /// The pipe broke, or the client closed it without DISCONNECT.
    Lost,
    /// The client was refused, with a code or silently.
    Denied(Denial),
    /// The client sent bytes that are no packet; the rule broken is named.
    Malformed(&'static str),
    /// The client sent a packet that has no place there; the rule broken is named.
    Protocol(&'static str),
    /// The client announced a packet over the limit.
    TooLarge {
        /// Bytes announced.
        len: usize,
        /// Bytes accepted at most.
        max: usize,
    },
    /// No CONNECT came in time.
    ConnectTimeout,
    /// Nothing came for one and a half times the keep alive (3.1.2-24).
    KeepAlive,
    /// A newer connection took the client id over (3.1.4-2).
    TakenOver(ConnId),
    /// The client asks and asks and does not read the answers.
    SlowReader,
    /// Too many QoS 2 messages without PUBREL.
    TooManyUnreleased,
    /// The policy closed it, or whoever runs the broker did.
    Kicked(&'static str),
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disconnected => f.write_str("disconnected"),
            Self::Lost => f.write_str("connection lost"),
            Self::Denied(Denial::Code(refusal, why)) => write!(f, "refused: {refusal}: {why}"),
            Self::Denied(Denial::Silent(why)) => write!(f, "refused without a word: {why}"),
            Self::Malformed(why) => write!(f, "malformed packet: {why}"),
            Self::Protocol(why) => write!(f, "protocol error: {why}"),
            Self::TooLarge { len, max } => write!(f, "packet of {len} bytes is over the limit of {max}"),
            Self::ConnectTimeout => f.write_str("no CONNECT in time"),
            Self::KeepAlive => f.write_str("nothing heard for one and a half times the keep alive"),
            Self::TakenOver(by) => write!(f, "taken over by connection {by}"),
            Self::SlowReader => f.write_str("the client does not read its answers"),
            Self::TooManyUnreleased => f.write_str("too many QoS 2 messages without PUBREL"),
            Self::Kicked(why) => write!(f, "closed by the broker: {why}"),
        }
    }
}

/// Which way a packet went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "there are two ways")]
pub enum Way {
    /// From the client.
    In,
    /// To the client.
    Out,
}

/// A packet in words, without payloads and secrets.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(
    clippy::exhaustive_enums,
    clippy::exhaustive_structs,
    reason = "the packets of MQTT 3.1.1, and one that is none"
)]
pub enum Summary {
    /// CONNECT. The password prints as `***`.
    Connect(Box<Connect>),
    /// CONNACK.
    ConnAck {
        /// Whether the session was there before.
        session_present: bool,
        /// The refusal; `None` is code 0.
        refusal: Option<Refusal>,
    },
    /// PUBLISH.
    Publish {
        /// Whether it is sent again.
        dup: bool,
        /// Quality of service.
        qos: QoS,
        /// Retain flag.
        retain: bool,
        /// Packet id; none at QoS 0.
        id: Option<u16>,
        /// Topic name.
        topic: String,
        /// Payload length in bytes.
        len: usize,
    },
    /// PUBACK with its packet id.
    PubAck(u16),
    /// PUBREC with its packet id.
    PubRec(u16),
    /// PUBREL with its packet id.
    PubRel(u16),
    /// PUBCOMP with its packet id.
    PubComp(u16),
    /// SUBSCRIBE.
    Subscribe {
        /// Packet id.
        id: u16,
        /// Filters, each with the QoS asked for.
        filters: Vec<(String, QoS)>,
    },
    /// SUBACK.
    SubAck {
        /// Packet id.
        id: u16,
        /// The QoS granted for each filter; `None` is the failure code 0x80.
        granted: Vec<Option<QoS>>,
    },
    /// UNSUBSCRIBE.
    Unsubscribe {
        /// Packet id.
        id: u16,
        /// Filters.
        filters: Vec<String>,
    },
    /// UNSUBACK with its packet id.
    UnsubAck(u16),
    /// PINGREQ.
    PingReq,
    /// PINGRESP.
    PingResp,
    /// DISCONNECT.
    Disconnect,
    /// Two bytes that are no packet, sent on purpose.
    NoPacket,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(connect) => write_connect(f, connect),
            Self::ConnAck { session_present, refusal } => {
                let code = refusal.map_or(0, Refusal::code);
                write!(f, "CONNACK session present {}, code {code}", u8::from(*session_present))
            }
            Self::Publish { dup, qos, retain, id, topic, len } => {
                write!(f, "PUBLISH d{} q{} r{}", u8::from(*dup), qos.level(), u8::from(*retain))?;
                if let Some(id) = id {
                    write!(f, " id {id}")?;
                }
                write!(f, " topic {topic:?}, {len} bytes")
            }
            Self::PubAck(id) => write!(f, "PUBACK id {id}"),
            Self::PubRec(id) => write!(f, "PUBREC id {id}"),
            Self::PubRel(id) => write!(f, "PUBREL id {id}"),
            Self::PubComp(id) => write!(f, "PUBCOMP id {id}"),
            Self::Subscribe { id, filters } => {
                write!(f, "SUBSCRIBE d0 id {id}")?;
                filters.iter().try_for_each(|(filter, qos)| write!(f, " {filter:?} q{}", qos.level()))
            }
            Self::SubAck { id, granted } => {
                write!(f, "SUBACK id {id}")?;
                granted.iter().try_for_each(|granted| match granted {
                    Some(qos) => write!(f, " q{}", qos.level()),
                    None => f.write_str(" refused"),
                })
            }
            Self::Unsubscribe { id, filters } => {
                write!(f, "UNSUBSCRIBE d0 id {id}")?;
                filters.iter().try_for_each(|filter| write!(f, " {filter:?}"))
            }
            Self::UnsubAck(id) => write!(f, "UNSUBACK id {id}"),
            Self::PingReq => f.write_str("PINGREQ"),
            Self::PingResp => f.write_str("PINGRESP"),
            Self::Disconnect => f.write_str("DISCONNECT"),
            Self::NoPacket => f.write_str("two bytes that are no packet, as told"),
        }
    }
}

/// CONNECT: user name, password, will (retain, QoS, flag), clean session, keep alive, client id.
fn write_connect(f: &mut fmt::Formatter<'_>, connect: &Connect) -> fmt::Result {
    let version = match connect.version {
        Version::V3_1 => "3.1",
        Version::V3_1_1 => "3.1.1",
    };
    let (will_retain, will_qos) = connect.will.as_ref().map_or((false, QoS::AtMostOnce), |w| (w.retain, w.qos));
    write!(
        f,
        "CONNECT {version} u{} p{} wr{} wq{} wf{} c{} k{} client id {:?}",
        u8::from(connect.user_name.is_some()),
        u8::from(connect.password.is_some()),
        u8::from(will_retain),
        will_qos.level(),
        u8::from(connect.will.is_some()),
        u8::from(connect.clean_session),
        connect.keep_alive,
        connect.client_id,
    )?;
    match &connect.user_name {
        Some(name) => write!(f, " user name {name:?}"),
        None => Ok(()),
    }
}

/// What happened.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Happening {
    /// A connection was opened, from this address if it is known; by which transport, where it is not plain TCP.
    Opened(Option<String>),
    /// A packet went over it.
    Packet(Way, Summary),
    /// It ended.
    Closed(CloseReason),
    /// The broker was told to misbehave, or to behave again.
    Told(Fault),
    /// The pipe broke, for a reason worth telling; its end follows.
    Broken(String),
    /// A connection came no further than the handshake of its transport.
    TurnedAway {
        /// The address it came from, if it is known.
        address: Option<String>,
        /// The transport that it was to speak.
        transport: Transport,
        /// What was wrong.
        why: String,
    },
    /// A message for this client was dropped.
    Dropped {
        /// Topic name.
        topic: String,
        /// Why: a queue is full, a publish is not permitted…
        why: &'static str,
    },
    /// The trace was not read in time: this many of the oldest entries are gone.
    Missed(u64),
}

/// One thing that happened.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "a record that tests compare")]
pub struct Trace {
    /// When.
    pub at: Instant,
    /// On which connection; `None`: on none, such as a message for a client that is away.
    pub conn: Option<ConnId>,
    /// The client id, once it is known.
    pub client: Option<String>,
    /// What.
    pub what: Happening,
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(conn) = self.conn {
            write!(f, "[{conn}] ")?;
        }
        if let Some(client) = &self.client {
            write!(f, "{client}: ")?;
        }
        match &self.what {
            Happening::Opened(Some(address)) => write!(f, "opened from {address}"),
            Happening::Opened(None) => f.write_str("opened"),
            Happening::Packet(Way::In, packet) => write!(f, "<- {packet}"),
            Happening::Packet(Way::Out, packet) => write!(f, "-> {packet}"),
            Happening::Closed(reason) => write!(f, "closed: {reason}"),
            Happening::Told(fault) => write!(f, "told to misbehave: {fault}"),
            Happening::Broken(why) => write!(f, "the pipe broke: {why}"),
            Happening::TurnedAway { address, transport, why } => {
                let address = address.as_deref().unwrap_or("someone");
                write!(f, "{address} turned away from the {transport} port: {why}")
            }
            Happening::Dropped { topic, why } => write!(f, "message on {topic:?} dropped: {why}"),
            Happening::Missed(count) => write!(f, "{count} trace entries missed"),
        }
    }
}

/// The last traces, at most so many.
#[derive(Debug)]
pub(super) struct Journal {
    entries: VecDeque<Trace>,
    capacity: usize,
    weight: usize,
    heaviest: usize,
    missed: u64,
    last: Instant,
}

impl Journal {
    pub(super) fn new(capacity: usize, heaviest: usize) -> Self {
        Self { entries: VecDeque::new(), capacity, weight: 0, heaviest, missed: 0, last: Instant::ZERO }
    }

    /// Whether anyone wants to know: spares the making of entries.
    pub(super) fn listens(&self) -> bool {
        self.capacity > 0
    }

    pub(super) fn add(&mut self, entry: Trace) {
        self.last = entry.at;
        self.weight = self.weight.saturating_add(weigh(&entry));
        self.entries.push_back(entry);
        while self.entries.len() > self.capacity || self.weight > self.heaviest {
            if self.pop().is_none() {
                break;
            }
            self.missed = self.missed.saturating_add(1);
        }
    }

    /// The oldest entry; first of all, how many before it were lost.
    pub(super) fn take(&mut self) -> Option<Trace> {
        if self.missed > 0 {
            let what = Happening::Missed(core::mem::take(&mut self.missed));
            return Some(Trace { at: self.last, conn: None, client: None, what });
        }
        self.pop()
    }

    fn pop(&mut self) -> Option<Trace> {
        let entry = self.entries.pop_front()?;
        self.weight = self.weight.saturating_sub(weigh(&entry));
        Some(entry)
    }
}

/// Bytes that an entry takes, about.
fn weigh(entry: &Trace) -> usize {
    let text = match &entry.what {
        Happening::Packet(_, Summary::Connect(connect)) => {
            let will = connect.will.as_ref().map_or(0, |will| will.topic.len() + will.payload.len());
            let password = connect.password.as_ref().map_or(0, |password| password.expose().len());
            connect.client_id.len() + connect.user_name.as_ref().map_or(0, String::len) + password + will + 256
        }
        Happening::Packet(_, Summary::Publish { topic, .. }) | Happening::Dropped { topic, .. } => topic.len(),
        Happening::Packet(_, Summary::Subscribe { filters, .. }) => {
            filters.iter().map(|(filter, _)| filter.len() + 64).sum()
        }
        Happening::Packet(_, Summary::Unsubscribe { filters, .. }) => {
            filters.iter().map(|filter| filter.len() + 64).sum()
        }
        Happening::Packet(_, Summary::SubAck { granted, .. }) => granted.len(),
        Happening::Broken(why) | Happening::TurnedAway { why, .. } => why.len(),
        Happening::Told(fault) => fault.to_string().len(),
        Happening::Opened(_) | Happening::Packet(..) | Happening::Closed(_) | Happening::Missed(_) => 0,
    };
    let client = entry.client.as_ref().map_or(0, String::len);
    text.saturating_add(client).saturating_add(256)
}

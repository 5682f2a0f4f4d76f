//! What does a packet look like as one line of a log, and how do the bytes of a connection become such lines?
//!
//! The form is that of the vendor's Python SDK: `Sending PUBLISH (d0, q1, r0, m1), 'topic', ... (68 bytes)`. Passwords
//! and user names are never shown.

use crate::log::Log;
use core::fmt;
use skytether_core::{
    io::Refusal,
    link::QoS,
    mqtt::codec::{self, Packet},
};
use skytether_tokio::{Tap, Tapped};
use zeroize::Zeroize as _;

/// Longest packet that is put together for a log line; beyond it the rest of the connection goes without lines.
const LONGEST: usize = 1024 * 1024;

/// Which way a packet goes, seen from the device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "there are two ways")]
pub enum Way {
    /// From the device.
    Sending,
    /// To the device.
    Received,
}

/// A packet as one line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "a packet and its way, nothing else")]
pub struct Line<'p>(pub Way, pub Packet<'p>);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Way::Sending => "Sending ",
            Way::Received => "Received ",
        })?;
        match self.1 {
            Packet::Connect(connect) => write_connect(f, &connect),
            Packet::ConnAck(ack) => {
                let code = ack.refusal.map_or(0, Refusal::code);
                write!(f, "CONNACK ({}, {code})", u8::from(ack.session_present))
            }
            Packet::Publish(publish) => write!(
                f,
                "PUBLISH (d{}, q{}, r{}, m{}), '{}', ... ({} bytes)",
                u8::from(publish.dup),
                publish.delivery.qos().level(),
                u8::from(publish.retain),
                publish.delivery.id().map_or(0, codec::PacketId::get),
                publish.topic,
                publish.payload.len()
            ),
            Packet::PubAck(id) => write!(f, "PUBACK (Mid: {})", id.get()),
            Packet::PubRec(id) => write!(f, "PUBREC (Mid: {})", id.get()),
            Packet::PubRel(id) => write!(f, "PUBREL (Mid: {})", id.get()),
            Packet::PubComp(id) => write!(f, "PUBCOMP (Mid: {})", id.get()),
            Packet::Subscribe(subscribe) => {
                write!(f, "SUBSCRIBE (d0, m{}) [", subscribe.id.get())?;
                write_list(f, subscribe.filters(), |f, (filter, qos)| write!(f, "('{filter}', {})", qos.level()))
            }
            Packet::SubAck(ack) => {
                write!(f, "SUBACK (Mid: {}) [", ack.id.get())?;
                write_list(f, ack.codes(), |f, code| write!(f, "{}", code.map_or(0x80, QoS::level)))
            }
            Packet::Unsubscribe(unsubscribe) => {
                write!(f, "UNSUBSCRIBE (d0, m{}) [", unsubscribe.id.get())?;
                write_list(f, unsubscribe.filters(), |f, filter| write!(f, "'{filter}'"))
            }
            Packet::UnsubAck(id) => write!(f, "UNSUBACK (Mid: {})", id.get()),
            Packet::PingReq => f.write_str("PINGREQ"),
            Packet::PingResp => f.write_str("PINGRESP"),
            Packet::Disconnect => f.write_str("DISCONNECT"),
        }
    }
}

/// User name and password as flags; will retain, will QoS, will flag; clean session; keep alive; client id.
fn write_connect(f: &mut fmt::Formatter<'_>, connect: &codec::Connect<'_>) -> fmt::Result {
    let will = connect.will;
    write!(
        f,
        "CONNECT (u{}, p{}, wr{}, wq{}, wf{}, c{}, k{}) client_id='{}'",
        u8::from(connect.user_name.is_some()),
        u8::from(connect.password.is_some()),
        u8::from(will.is_some_and(|will| will.retain)),
        will.map_or(0, |will| will.qos.level()),
        u8::from(will.is_some()),
        u8::from(connect.clean_session),
        connect.keep_alive,
        connect.client_id
    )
}

fn write_list<T>(
    f: &mut fmt::Formatter<'_>,
    items: impl Iterator<Item = T>,
    write: impl Fn(&mut fmt::Formatter<'_>, T) -> fmt::Result,
) -> fmt::Result {
    for (index, item) in items.enumerate() {
        if index > 0 {
            f.write_str(", ")?;
        }
        write(f, item)?;
    }
    f.write_str("]")
}

/// Writes a line for each packet of one device; give [`PacketLog::tap`] to its driver.
#[derive(Debug)]
pub struct PacketLog {
    who: String,
    log: Log,
    sending: Stream,
    received: Stream,
}

impl PacketLog {
    /// For the device of this name.
    pub fn new(who: impl Into<String>, log: Log) -> Self {
        Self { who: who.into(), log, sending: Stream::default(), received: Stream::default() }
    }

    /// As what a driver shows its bytes to.
    pub fn tap(mut self) -> Tap {
        Box::new(move |tapped| self.see(tapped))
    }

    fn see(&mut self, tapped: Tapped<'_>) {
        match tapped {
            Tapped::Opening(endpoint) => {
                (self.sending, self.received) = (Stream::default(), Stream::default());
                self.log.line(&self.who, format_args!("connect_async ({}:{})", endpoint.host, endpoint.port));
            }
            Tapped::In(bytes) => {
                let (who, log) = (&self.who, &self.log);
                self.received.take(bytes, Way::Received, |line| log.line(who, line));
            }
            Tapped::Out(bytes) => {
                let (who, log) = (&self.who, &self.log);
                self.sending.take(bytes, Way::Sending, |line| log.line(who, line));
            }
            Tapped::Closed(cause) => self.log.line(&self.who, format_args!("connection closed: {cause}")),
            _ => {}
        }
    }
}

/// The bytes of one direction that are no whole packet yet.
#[derive(Default)]
struct Stream {
    waiting: Vec<u8>,
    /// The bytes are no packets, or too long ones: where the next one begins cannot be known.
    lost: bool,
}

impl Stream {
    fn take(&mut self, bytes: &[u8], way: Way, show: impl Fn(&dyn fmt::Display)) {
        if self.lost {
            return;
        }
        self.waiting.extend_from_slice(bytes);
        let mut rest = self.waiting.as_slice();
        loop {
            match codec::decode(rest, LONGEST) {
                Ok(None) => break,
                Ok(Some((packet, len))) => {
                    show(&Line(way, packet));
                    rest = rest.get(len..).unwrap_or_default();
                }
                Err(error) => {
                    show(&format_args!("{way:?} bytes that are no packet: {error}"));
                    self.lost = true;
                    rest = &[];
                    break;
                }
            }
        }
        let shown = self.waiting.len().saturating_sub(rest.len());
        // The password of a CONNECT does not stay behind.
        self.waiting.iter_mut().take(shown).for_each(|byte| byte.zeroize());
        self.waiting.drain(..shown);
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.waiting.zeroize();
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("waiting", &self.waiting.len()).field("lost", &self.lost).finish()
    }
}

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
            Tapped::Opened | _ => {}
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
        self.waiting.iter_mut().take(shown).for_each(u8::zeroize);
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

#[cfg(test)]
mod tests {
    use super::*;
    use skytether_core::{io::Cause, link, mqtt::codec::PacketId};
    use std::sync::{Arc, Mutex};

    /// Every packet, as bytes, with its line.
    fn packets() -> Vec<(Vec<u8>, &'static str)> {
        let id = PacketId::new(7).unwrap();
        let mut all = Vec::new();
        let mut add = |write: &dyn Fn(&mut Vec<u8>), line| {
            let mut bytes = Vec::new();
            write(&mut bytes);
            all.push((bytes, line));
        };
        let connect = link::Connect {
            client_id: "me".into(),
            user_name: Some("user".into()),
            password: Some(skytether_core::secret::Secret::new(*b"hunter2")),
            keep_alive: 60,
            clean_session: true,
            ..link::Connect::default()
        };
        add(
            &|out| codec::connect_append(out, &connect).unwrap(),
            "CONNECT (u1, p1, wr0, wq0, wf0, c1, k60) client_id='me'",
        );
        let will = link::Will { topic: "w".into(), payload: b"gone".to_vec(), qos: QoS::AtLeastOnce, retain: true };
        let connect = link::Connect { client_id: "me".into(), will: Some(will), ..link::Connect::default() };
        let line = format!(
            "CONNECT (u0, p0, wr1, wq1, wf1, c{}, k{}) client_id='me'",
            u8::from(connect.clean_session),
            connect.keep_alive
        );
        add(&|out| codec::connect_append(out, &connect).unwrap(), line.leak());
        add(&|out| out.extend([0x20, 2, 1, 0]), "CONNACK (1, 0)");
        add(&|out| out.extend([0x20, 2, 0, 4]), "CONNACK (0, 4)");
        add(&|out| out.extend(*b"\x30\x05\x00\x01thi"), "PUBLISH (d0, q0, r0, m0), 't', ... (2 bytes)");
        add(&|out| out.extend(*b"\x3d\x05\x00\x01t\x00\x09"), "PUBLISH (d1, q2, r1, m9), 't', ... (0 bytes)");
        for (kind, line) in [
            (codec::AckKind::PubAck, "PUBACK (Mid: 7)"),
            (codec::AckKind::PubRec, "PUBREC (Mid: 7)"),
            (codec::AckKind::PubRel, "PUBREL (Mid: 7)"),
            (codec::AckKind::PubComp, "PUBCOMP (Mid: 7)"),
            (codec::AckKind::UnsubAck, "UNSUBACK (Mid: 7)"),
        ] {
            add(&|out| out.extend(codec::ack(kind, id)), line);
        }
        let filters = [("a/#", QoS::AtLeastOnce), ("b", QoS::AtMostOnce)];
        add(&|out| codec::subscribe_append(out, id, &filters).unwrap(), "SUBSCRIBE (d0, m7) [('a/#', 1), ('b', 0)]");
        add(&|out| codec::suback_append(out, id, &[Some(QoS::AtLeastOnce), None]).unwrap(), "SUBACK (Mid: 7) [1, 128]");
        add(&|out| codec::unsubscribe_append(out, id, &["a/#"]).unwrap(), "UNSUBSCRIBE (d0, m7) ['a/#']");
        add(&|out| out.extend(codec::PINGREQ), "PINGREQ");
        add(&|out| out.extend(codec::PINGRESP), "PINGRESP");
        add(&|out| out.extend(codec::DISCONNECT), "DISCONNECT");
        all
    }

    /// The lines of bytes that come in pieces of this length.
    fn lines(bytes: &[u8], piece: usize) -> Vec<String> {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let mut stream = Stream::default();
        for piece in bytes.chunks(piece) {
            stream.take(piece, Way::Sending, |line| lines.lock().unwrap().push(line.to_string()));
        }
        assert!(stream.waiting.is_empty());
        lines.lock().unwrap().clone()
    }

    #[test]
    fn each_packet_is_one_line_however_its_bytes_are_cut() {
        let (bytes, expected): (Vec<Vec<u8>>, Vec<String>) =
            packets().into_iter().map(|(bytes, line)| (bytes, format!("Sending {line}"))).unzip();
        let bytes = bytes.concat();
        for piece in [1, 2, 3, 7, bytes.len()] {
            assert_eq!(lines(&bytes, piece), expected, "in pieces of {piece}");
        }
    }

    #[test]
    fn bytes_that_are_no_packet_are_said_once_and_end_the_lines() {
        let seen = lines(b"\xc0\x00\x00\x00\x00\xc0\x00", 1);
        assert_eq!(seen.len(), 2, "{seen:?}");
        assert!(seen[1].starts_with("Sending bytes that are no packet: "), "{seen:?}");
    }

    #[test]
    fn a_new_connection_begins_afresh() {
        let out = Arc::new(Mutex::new(Vec::new()));
        let log = Log::new(Shared(Arc::clone(&out)), crate::log::Verbosity::Packets);
        let mut packets = PacketLog::new("d", log);
        let endpoint = link::Endpoint::tcp("h", 1883);
        for _ in 0..2 {
            packets.see(Tapped::Opening(&endpoint));
            packets.see(Tapped::Out(b"\xc0\x00\x30"));
            packets.see(Tapped::In(b"\xff"));
            packets.see(Tapped::Closed(Cause::Lost));
        }
        let text = String::from_utf8(out.lock().unwrap().clone()).unwrap();
        assert_eq!(text.matches("connect_async (h:1883)").count(), 2);
        assert_eq!(text.matches("Sending PINGREQ").count(), 2);
        assert_eq!(text.matches("connection closed: the connection was lost").count(), 2);
    }

    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
}

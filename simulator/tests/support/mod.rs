//! How the tests speak with a broker: packets in by name, packets out as lines of text.
#![allow(dead_code, reason = "each test file uses a part of it")]

use skytether_core::{
    link::{self, QoS},
    mqtt::codec::{self, AckKind, Delivery, Packet, PacketId},
    secret::Secret,
    time::{Instant, UnixMillis},
};
use skytether_simulator::broker::{
    Broker, Config, ConnId,
    policy::{Open, Peer, Policy},
    trace::{CloseReason, Trace},
};

pub(crate) const NOON: UnixMillis = UnixMillis(1_700_000_000_000);

/// A broker with its pipes: everything it wants to send is taken at once unless a test says otherwise.
pub(crate) struct Bench<P: Policy = Open> {
    pub(crate) broker: Broker<P>,
    pub(crate) now: Instant,
    next: u64,
}

impl Bench {
    pub(crate) fn open_to_all() -> Self {
        Self::new(Open::anonymous(), Config::default())
    }
}

impl<P: Policy> Bench<P> {
    pub(crate) fn new(policy: P, config: Config) -> Self {
        Self { broker: Broker::new(policy, config, Instant::ZERO, NOON), now: Instant::ZERO, next: 1 }
    }

    /// Opens a pipe and says nothing on it.
    pub(crate) fn open(&mut self) -> ConnId {
        self.open_as(Peer::default())
    }

    /// The same for a client of which the transport knows something.
    pub(crate) fn open_as(&mut self, peer: Peer) -> ConnId {
        let conn = ConnId(self.next);
        self.next += 1;
        self.broker.connect(self.now, conn, peer);
        conn
    }

    /// Opens a pipe and sends a CONNECT, without looking at what comes back.
    pub(crate) fn knock(&mut self, connect: &link::Connect) -> ConnId {
        let conn = self.open();
        self.feed(conn, &connect_packet(connect));
        conn
    }

    /// Connects with a clean session.
    pub(crate) fn clean(&mut self, client_id: &str) -> ConnId {
        let conn = self.knock(&hello(client_id, true));
        assert_eq!(self.take(conn), ["CONNACK 0 code 0"]);
        conn
    }

    /// Connects without clean session; whether the session was there.
    pub(crate) fn lasting(&mut self, client_id: &str) -> (ConnId, bool) {
        let conn = self.knock(&hello(client_id, false));
        let first = self.broker.transmit(conn).get(..4).expect("CONNACK").to_vec();
        self.broker.sent(self.now, conn, 4);
        assert_eq!((first[0], first[3]), (0x20, 0));
        (conn, first[2] == 1)
    }

    /// Connects with a clean session and subscribes.
    pub(crate) fn listener(&mut self, client_id: &str, filter: &str, qos: u8) -> ConnId {
        let conn = self.clean(client_id);
        self.feed(conn, &subscribe(1, &[(filter, qos)]));
        assert_eq!(self.take(conn), [format!("SUBACK 1 [{qos}]")]);
        conn
    }

    pub(crate) fn feed(&mut self, conn: ConnId, bytes: &[u8]) {
        self.broker.receive(self.now, conn, bytes);
    }

    /// Everything that waits for this connection.
    pub(crate) fn take(&mut self, conn: ConnId) -> Vec<String> {
        let mut bytes = Vec::new();
        loop {
            let waiting = self.broker.transmit(conn).to_vec();
            if waiting.is_empty() {
                return words(&bytes);
            }
            self.broker.sent(self.now, conn, waiting.len());
            bytes.extend(waiting);
        }
    }

    pub(crate) fn ended(&self, conn: ConnId) -> Option<CloseReason> {
        self.broker.wants_close(conn).cloned()
    }

    /// The pipe breaks.
    pub(crate) fn cut(&mut self, conn: ConnId) {
        self.broker.closed(self.now, conn);
    }

    /// Lets time go on, serving each deadline at its own time.
    pub(crate) fn pass(&mut self, ms: u64) {
        let end = Instant(self.now.0 + ms);
        while let Some(deadline) = self.broker.deadline().filter(|deadline| deadline.at <= end) {
            self.now = self.now.max(deadline.at);
            self.broker.tick(self.now);
        }
        self.now = end;
    }

    pub(crate) fn traces(&mut self) -> Vec<Trace> {
        core::iter::from_fn(|| self.broker.next_trace()).collect()
    }
}

pub(crate) fn qos(level: u8) -> QoS {
    QoS::from_level(level).expect("0, 1 or 2")
}

pub(crate) fn hello(client_id: &str, clean_session: bool) -> link::Connect {
    link::Connect { client_id: client_id.to_owned(), clean_session, ..link::Connect::default() }
}

pub(crate) fn user(client_id: &str, name: &str, password: &str) -> link::Connect {
    let password = Some(Secret::new(password));
    link::Connect { user_name: Some(name.to_owned()), password, ..hello(client_id, true) }
}

pub(crate) fn with_will(client_id: &str, topic: &str, payload: &str, level: u8, retain: bool) -> link::Connect {
    let will = link::Will { topic: topic.to_owned(), payload: payload.into(), qos: qos(level), retain };
    link::Connect { will: Some(will), ..hello(client_id, true) }
}

pub(crate) fn connect_packet(connect: &link::Connect) -> Vec<u8> {
    let mut out = Vec::new();
    codec::connect_append(&mut out, connect).expect("a valid CONNECT");
    out
}

fn delivery(level: u8, id: u16) -> Delivery {
    if level == 0 { Delivery::AtMostOnce } else { Delivery::new(qos(level), packet_id(id)) }
}

pub(crate) fn packet_id(id: u16) -> PacketId {
    PacketId::new(id).expect("not zero")
}

pub(crate) fn publish(topic: &str, payload: &str, level: u8, id: u16) -> Vec<u8> {
    publish_with(topic, payload.as_bytes(), level, id, false, false)
}

pub(crate) fn retained(topic: &str, payload: &str, level: u8, id: u16) -> Vec<u8> {
    publish_with(topic, payload.as_bytes(), level, id, false, true)
}

pub(crate) fn publish_with(topic: &str, payload: &[u8], level: u8, id: u16, dup: bool, retain: bool) -> Vec<u8> {
    let packet = codec::Outgoing { topic: &[topic], payload, delivery: delivery(level, id), dup, retain };
    let mut out = Vec::new();
    packet.append(packet.measure().expect("a valid PUBLISH"), &mut out);
    out
}

pub(crate) fn subscribe(id: u16, filters: &[(&str, u8)]) -> Vec<u8> {
    let filters: Vec<_> = filters.iter().map(|(filter, level)| (*filter, qos(*level))).collect();
    let mut out = Vec::new();
    codec::subscribe_append(&mut out, packet_id(id), &filters).expect("a valid SUBSCRIBE");
    out
}

pub(crate) fn unsubscribe(id: u16, filters: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    codec::unsubscribe_append(&mut out, packet_id(id), filters).expect("a valid UNSUBSCRIBE");
    out
}

pub(crate) fn puback(id: u16) -> [u8; 4] {
    codec::ack(AckKind::PubAck, packet_id(id))
}

pub(crate) fn pubrec(id: u16) -> [u8; 4] {
    codec::ack(AckKind::PubRec, packet_id(id))
}

pub(crate) fn pubrel(id: u16) -> [u8; 4] {
    codec::ack(AckKind::PubRel, packet_id(id))
}

pub(crate) fn pubcomp(id: u16) -> [u8; 4] {
    codec::ack(AckKind::PubComp, packet_id(id))
}

/// Packets as lines: `PUBLISH q1 d0 r0 #1 a/b hello`.
pub(crate) fn words(mut bytes: &[u8]) -> Vec<String> {
    let mut lines = Vec::new();
    while !bytes.is_empty() {
        let (packet, len) = codec::decode(bytes, usize::MAX).expect("the broker sends packets").expect("whole ones");
        lines.push(line(&packet));
        bytes = &bytes[len..];
    }
    lines
}

fn line(packet: &Packet<'_>) -> String {
    match packet {
        Packet::ConnAck(ack) => {
            format!(
                "CONNACK {} code {}",
                u8::from(ack.session_present),
                ack.refusal.map_or(0, skytether_core::io::Refusal::code)
            )
        }
        Packet::Publish(publish) => {
            let id = publish.delivery.id().map_or(String::new(), |id| format!(" #{}", id.get()));
            format!(
                "PUBLISH q{} d{} r{}{id} {} {}",
                publish.delivery.qos().level(),
                u8::from(publish.dup),
                u8::from(publish.retain),
                publish.topic,
                String::from_utf8_lossy(publish.payload)
            )
        }
        Packet::PubAck(id) => format!("PUBACK {}", id.get()),
        Packet::PubRec(id) => format!("PUBREC {}", id.get()),
        Packet::PubRel(id) => format!("PUBREL {}", id.get()),
        Packet::PubComp(id) => format!("PUBCOMP {}", id.get()),
        Packet::SubAck(ack) => {
            let codes: Vec<_> =
                ack.codes().map(|code| code.map_or_else(|| "x".to_owned(), |q| q.level().to_string())).collect();
            format!("SUBACK {} [{}]", ack.id.get(), codes.join(" "))
        }
        Packet::UnsubAck(id) => format!("UNSUBACK {}", id.get()),
        Packet::PingResp => "PINGRESP".to_owned(),
        Packet::Connect(_) | Packet::Subscribe(_) | Packet::Unsubscribe(_) | Packet::PingReq | Packet::Disconnect => {
            panic!("a server does not send {packet:?}")
        }
    }
}

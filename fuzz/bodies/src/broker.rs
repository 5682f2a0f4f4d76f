//! Does the simulator's broker hold, whatever many clients send, read and leave unread?
//!
//! Bytes: a list of things to do, each a byte and what it needs: pipes are opened and closed, packets and raw bytes come
//! in in pieces, output is taken in pieces, time passes, the cloud itself sends and throws out. Every list is lived
//! twice and must come out the same. What is written on each connection is well-formed, begins with CONNACK, and is
//! bounded as long as nobody reads it; a tick leaves no deadline in the past.

use crate::{script::Script, wire};
use core::time::Duration;
use skytether_core::{
    link::{Connect, QoS, Will},
    mqtt::codec::{self, AckKind, Packet, PacketId, ack, connect_append, subscribe_append, unsubscribe_append},
    time::{Instant, UnixMillis},
};
use skytether_simulator::broker::{
    Broker, Config, ConnId,
    policy::{Limits, Open, Outgoing, Peer, Target},
};

const LIMITS: Limits = Limits {
    packet: 1024,
    qos: QoS::ExactlyOnce,
    keep_alive: 100,
    client_id_v3_1: 23,
    retain: true,
    wills: true,
    subscriptions: 5,
    inflight: 3,
    queued: 8,
    deliveries: None,
    silence: None,
    session_expiry: Some(Duration::from_secs(50)),
    replay_spacing: Some(Duration::from_millis(500)),
};
const TOPICS: [&str; 5] = ["a", "a/b", "/", "$sys/x", "w"];
const FILTERS: [&str; 6] = ["#", "a/+", "a", "$sys/#", "+", "a/#"];
const LEVELS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];
/// Connections in one story.
const CONNECTIONS: usize = 12;

fn config() -> Config {
    Config {
        transmit: 2000,
        control: 500,
        queued_bytes: 5000,
        unreleased: 4,
        sessions: 6,
        retained: 4,
        retained_bytes: 2000,
        trace: 20,
        trace_bytes: 4000,
        ..Config::default()
    }
}

pub(crate) fn run(data: &[u8]) {
    let written = live(data);
    for bytes in &written {
        let mut rest = &bytes[..];
        let mut first = true;
        while let Some((packet, used)) = codec::decode(rest, 1 << 20).expect("only packets are written") {
            let greeting = matches!(packet, Packet::ConnAck(_));
            assert_eq!(greeting, first, "CONNACK comes first, and once [3.2.0-1]: {packet:?}");
            first = false;
            rest = &rest[used..];
        }
    }
    assert_eq!(live(data), written, "the same story twice");
}

/// Lives through the list; what was written on each connection.
fn live(data: &[u8]) -> Vec<Vec<u8>> {
    let mut script = Script::new(data);
    let config = config();
    let policy = Open::anonymous().with_limits(LIMITS);
    let mut broker = Broker::new(policy, config, Instant::ZERO, UnixMillis(1_700_000_000_000));
    let mut now = Instant::ZERO;
    let mut written: Vec<Vec<u8>> = Vec::new();
    for _ in 0..400 {
        if script.is_empty() {
            break;
        }
        let kind = script.byte() % 16;
        let who = script.choice(written.len().max(1));
        let conn = ConnId(who as u64);
        match kind {
            0 if written.len() < CONNECTIONS => {
                broker.connect(now, ConnId(written.len() as u64), Peer::default());
                written.push(Vec::new());
            }
            0..=9 => {
                let bytes = packet(kind, &mut script);
                let cut = usize::from(script.byte());
                // One byte in four cuts the packet short; what is left of it comes first next time, or never.
                let end = if cut % 4 == 0 { (cut / 4).min(bytes.len()) } else { bytes.len() };
                broker.receive(now, conn, &bytes[..end]);
            }
            10 | 11 => {
                let len = script.word().into();
                let waiting = broker.transmit(conn);
                let bytes = waiting.get(..len).unwrap_or(waiting).to_vec();
                broker.sent(now, conn, bytes.len());
                if let Some(written) = written.get_mut(who) {
                    written.extend(bytes);
                }
            }
            12 => broker.closed(now, conn),
            13 => {
                now.0 = now.0.saturating_add(script.pick(&[1, 400, 1_000, 40_000, 200_000, u64::MAX / 2]));
                broker.tick(now);
                let deadline = broker.deadline();
                assert!(deadline.is_none_or(|deadline| deadline.at > now), "a tick leaves {deadline:?} due at {now:?}");
            }
            14 => drop(broker.kick(now, script.pick(&["c0", "c1", "c2", "nobody"]), "fuzz")),
            _ => {
                let (topic, qos) = (script.pick(&TOPICS), script.pick(&LEVELS));
                let payload = script.piece().to_vec();
                let target = if script.choice(2) == 0 { Target::Subscribers } else { Target::Client("c1".into()) };
                let message = Outgoing { topic: topic.into(), payload, qos, retain: false };
                broker.send(now, &target, &message).expect("a topic name");
            }
        }
        bounded(&mut broker, &config, written.len());
    }
    written
}

fn bounded(broker: &mut Broker<Open>, config: &Config, connections: usize) {
    let most = config.transmit + config.control + LIMITS.packet + 20;
    assert!(broker.clients().count() <= config.sessions, "too many sessions");
    for conn in 0..connections {
        let len = broker.transmit(ConnId(conn as u64)).len();
        assert!(len <= most, "{len} bytes wait for connection {conn}");
    }
    while let Some(conn) = broker.next_ready() {
        assert!(broker.wants_close(conn).is_some() || !broker.transmit(conn).is_empty(), "{conn} has nothing to do");
    }
}

/// A packet of a client's, sound or raw.
fn packet(kind: u8, script: &mut Script<'_>) -> Vec<u8> {
    let id = PacketId::new(1 + script.word() % 5).expect("not 0");
    let mut out = Vec::new();
    match kind {
        0 | 1 => {
            let flags = script.byte();
            let will = Will {
                topic: script.pick(&TOPICS).into(),
                payload: b"gone".to_vec(),
                qos: script.pick(&LEVELS),
                retain: flags & 4 != 0,
            };
            let connect = Connect {
                client_id: format!("c{}", script.choice(8)),
                clean_session: flags & 1 != 0,
                keep_alive: 20,
                will: (flags & 2 != 0).then_some(will),
                ..Connect::default()
            };
            connect_append(&mut out, &connect).expect("a valid CONNECT");
        }
        2 | 3 => {
            let (topic, qos, flags) = (script.pick(&TOPICS), script.pick(&LEVELS), script.byte());
            let payload = [b'x'; 1000];
            let len = usize::from(script.byte()) * 3;
            out = wire::publish(topic, &payload[..len], qos, id.get(), flags & 1 != 0);
            if flags & 2 != 0 {
                out[0] |= 1;
            }
        }
        4 => {
            let filters: Vec<_> =
                (0..=script.choice(3)).map(|_| (script.pick(&FILTERS), script.pick(&LEVELS))).collect();
            subscribe_append(&mut out, id, &filters).expect("valid filters");
        }
        5 => unsubscribe_append(&mut out, id, &[script.pick(&FILTERS)]).expect("a valid filter"),
        6 | 7 => {
            let kinds = [AckKind::PubAck, AckKind::PubRec, AckKind::PubRel, AckKind::PubComp];
            out.extend(ack(script.pick(&kinds), id));
        }
        8 => match script.choice(4) {
            0 => out.extend(codec::DISCONNECT),
            n => out.extend(codec::PINGREQ.repeat(n * 20)),
        },
        _ => out.extend_from_slice(script.piece()),
    }
    out
}

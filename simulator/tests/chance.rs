//! Whatever many clients send: no panic, bounded memory, and the same bytes for the same input.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod support;

use proptest::prelude::*;
use skytether_core::{link::Connect, mqtt::codec, time::Instant};
use skytether_simulator::broker::{
    Broker, Config, ConnId,
    policy::{Limits, Open, Peer},
};
use support::*;

const LIMITS: Limits = Limits {
    packet: 4096,
    qos: skytether_core::link::QoS::ExactlyOnce,
    keep_alive: 100,
    client_id_v3_1: 23,
    retain: true,
    wills: true,
    subscriptions: 5,
    inflight: 3,
    queued: 8,
    deliveries: None,
    silence: None,
    session_expiry: Some(core::time::Duration::from_secs(50)),
    replay_spacing: Some(core::time::Duration::from_millis(500)),
};

fn config() -> Config {
    Config {
        transmit: 2000,
        control: 500,
        queued_bytes: 5000,
        unreleased: 4,
        sessions: 6,
        retained: 4,
        ..Config::default()
    }
}

#[derive(Clone, Debug)]
enum Doing {
    Open,
    Send(u8, Vec<u8>),
    Read(u8, u16),
    Close(u8),
    Wait(u16),
}

fn topic() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["a", "a/b", "/", "$sys/x", "w"])
}

fn packet() -> impl Strategy<Value = Vec<u8>> {
    let id = 1..6_u16;
    prop_oneof![
        3 => (0..4_u8, any::<bool>(), any::<bool>(), topic()).prop_map(|(id, clean_session, willing, topic)| {
            let base = if willing { with_will("x", topic, "gone", 1, clean_session) } else { hello("x", true) };
            connect_packet(&Connect { client_id: format!("c{id}"), clean_session, keep_alive: 20, ..base })
        }),
        4 => (topic(), 0..3_u8, id.clone(), any::<bool>(), 0..300_usize).prop_map(|(topic, level, id, retain, len)| {
            publish_with(topic, &vec![b'x'; len], level, id, false, retain)
        }),
        3 => (prop::sample::select(vec!["#", "a/+", "a", "$sys/#", "+"]), 0..3_u8, id.clone())
            .prop_map(|(filter, level, id)| subscribe(id, &[(filter, level), ("a/b", 1)])),
        1 => id.clone().prop_map(|id| unsubscribe(id, &["#"])),
        2 => id.clone().prop_map(|id| puback(id).to_vec()),
        1 => id.clone().prop_map(|id| pubrec(id).to_vec()),
        1 => id.clone().prop_map(|id| pubrel(id).to_vec()),
        1 => id.prop_map(|id| pubcomp(id).to_vec()),
        1 => Just(codec::PINGREQ.repeat(40)),
        1 => Just(codec::DISCONNECT.to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..40),
    ]
}

fn doing() -> impl Strategy<Value = Doing> {
    let bytes = prop::collection::vec(packet(), 1..4).prop_map(|packets| packets.concat());
    prop_oneof![
        2 => Just(Doing::Open),
        8 => (any::<u8>(), bytes, any::<prop::sample::Index>()).prop_map(|(who, bytes, cut)| {
            let cut = if cut.index(4) == 0 { cut.index(bytes.len() + 1) } else { bytes.len() };
            Doing::Send(who, bytes[..cut].to_vec())
        }),
        4 => (any::<u8>(), 0..3000_u16).prop_map(|(who, len)| Doing::Read(who, len)),
        1 => any::<u8>().prop_map(Doing::Close),
        1 => any::<u16>().prop_map(Doing::Wait),
    ]
}

/// Runs a story; everything that was written on each connection.
fn run(story: &[Doing]) -> Vec<Vec<u8>> {
    let config = config();
    let mut broker = Broker::new(Open::anonymous().with_limits(LIMITS), config, Instant::ZERO, NOON);
    let (mut now, mut written): (Instant, Vec<Vec<u8>>) = (Instant::ZERO, Vec::new());
    let most = config.transmit + config.control + LIMITS.packet + 20;
    for doing in story {
        let pick = |who: u8| ConnId(u64::from(who) % (written.len() as u64).max(1));
        match doing {
            Doing::Open => {
                broker.connect(now, ConnId(written.len() as u64), Peer::default());
                written.push(Vec::new());
            }
            Doing::Send(who, bytes) => broker.receive(now, pick(*who), bytes),
            Doing::Read(who, len) => {
                let conn = pick(*who);
                let waiting = broker.transmit(conn);
                let bytes = waiting.get(..usize::from(*len)).unwrap_or(waiting).to_vec();
                broker.sent(now, conn, bytes.len());
                if let Some(written) = written.get_mut(usize::try_from(conn.0).unwrap()) {
                    written.extend(bytes);
                }
            }
            Doing::Close(who) => broker.closed(now, pick(*who)),
            Doing::Wait(ms) => {
                now.0 += u64::from(*ms);
                broker.tick(now);
                let deadline = broker.deadline();
                assert!(
                    deadline.is_none_or(|deadline| deadline.at > now),
                    "a tick serves all that is due: {deadline:?}"
                );
            }
        }
        assert!(broker.clients().count() <= config.sessions);
        for conn in 0..written.len() {
            assert!(broker.transmit(ConnId(conn as u64)).len() <= most);
        }
        while let Some(conn) = broker.next_ready() {
            assert!(broker.wants_close(conn).is_some() || !broker.transmit(conn).is_empty());
        }
    }
    written
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_story_keeps_the_broker_whole_and_is_told_the_same_way_twice(story in prop::collection::vec(doing(), 1..80)) {
        let written = run(&story);
        for bytes in &written {
            let mut rest = &bytes[..];
            while let Some((_, len)) = codec::decode(rest, usize::MAX).expect("only packets are written") {
                rest = &rest[len..];
            }
        }
        prop_assert_eq!(run(&story), written);
    }

    #[test]
    fn random_bytes_of_many_clients_disturb_no_good_one(
        noise in prop::collection::vec((0..6_u64, prop::collection::vec(any::<u8>(), 0..60)), 0..60)
    ) {
        let mut bench = Bench::open_to_all();
        let listener = bench.listener("l", "t", 1);
        let bad: Vec<_> = (0..6).map(|n| if n < 3 { bench.open() } else { bench.clean(&format!("bad{n}")) }).collect();
        for (who, bytes) in noise {
            bench.feed(bad[usize::try_from(who).unwrap()], &bytes);
        }
        bench.take(listener);
        let talker = bench.clean("good talker");
        bench.feed(talker, &publish("t", "still here", 1, 1));
        let lines = bench.take(listener);
        prop_assert!(lines.last().is_some_and(|line| line.ends_with("t still here")), "{lines:?}");
    }
}

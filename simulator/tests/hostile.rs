//! What bad clients can do: end their own connection, and nothing else.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod support;

use skytether_core::{link::Connect, mqtt::codec};
use skytether_simulator::broker::{
    Config, ConnId,
    policy::{Limits, Open},
    trace::CloseReason,
};
use support::*;

/// A broker with two good clients, one of which hears everything.
struct Town {
    bench: Bench,
    listener: ConnId,
    talker: ConnId,
    round: u16,
}

impl Town {
    fn new() -> Self {
        let mut bench = Bench::open_to_all();
        let listener = bench.listener("good listener", "good/#", 2);
        let talker = bench.clean("good talker");
        Self { bench, listener, talker, round: 0 }
    }

    /// A client that is let in and then sends this.
    fn attack(&mut self, bytes: &[u8]) -> (ConnId, Option<CloseReason>) {
        let conn = self.bench.clean("bad");
        self.bench.feed(conn, bytes);
        let ended = self.bench.ended(conn);
        (conn, ended)
    }

    /// The good clients go on as if nothing had happened.
    fn assert_peace(&mut self) {
        self.round += 1;
        let text = format!("round {}", self.round);
        self.bench.feed(self.talker, &publish("good/news", &text, 2, self.round));
        assert_eq!(self.bench.take(self.talker), [format!("PUBREC {}", self.round)]);
        self.bench.feed(self.talker, &pubrel(self.round));
        assert_eq!(self.bench.take(self.talker), [format!("PUBCOMP {}", self.round)]);
        assert_eq!(self.bench.take(self.listener), [format!("PUBLISH q2 d0 r0 #{} good/news {text}", self.round)]);
        self.bench.feed(self.listener, &pubrec(self.round));
        self.bench.feed(self.listener, &pubcomp(self.round));
        assert_eq!(self.bench.take(self.listener), [format!("PUBREL {}", self.round)]);
        assert_eq!((self.bench.ended(self.talker), self.bench.ended(self.listener)), (None, None));
    }
}

/// One packet of each kind that a client sends, after CONNECT.
fn families() -> Vec<Vec<u8>> {
    vec![
        publish("t/x", "payload", 0, 0),
        publish("t/x", "payload", 1, 3),
        publish_with("t/x", b"payload", 2, 3, true, true),
        puback(3).to_vec(),
        pubrec(3).to_vec(),
        pubrel(3).to_vec(),
        pubcomp(3).to_vec(),
        subscribe(3, &[("a/+", 1), ("b/#", 2)]),
        unsubscribe(3, &["a/+", "b/#"]),
        codec::PINGREQ.to_vec(),
        codec::DISCONNECT.to_vec(),
    ]
}

#[test]
fn a_packet_cut_anywhere_waits_for_its_rest_and_harms_nobody_when_it_never_comes() {
    let mut town = Town::new();
    for packet in families() {
        for cut in 0..packet.len() {
            let (conn, ended) = town.attack(&packet[..cut]);
            assert_eq!(ended, None, "{packet:02x?} cut at {cut}");
            assert!(town.bench.take(conn).is_empty());
            town.assert_peace();
            town.bench.feed(conn, &packet[cut..]);
            let expected = (packet[0] == 0xe0).then_some(CloseReason::Disconnected);
            assert_eq!(town.bench.ended(conn), expected, "{packet:02x?} whole after {cut}");
            town.bench.cut(conn);
        }
    }
}

#[test]
fn a_connect_cut_anywhere_is_no_connect() {
    let packet = connect_packet(&Connect { keep_alive: 9, ..with_will("bad", "good/will", "boo", 1, true) });
    let mut town = Town::new();
    for cut in 0..packet.len() {
        let conn = town.bench.open();
        town.bench.feed(conn, &packet[..cut]);
        assert_eq!(town.bench.ended(conn), None);
        town.bench.cut(conn);
        town.assert_peace();
    }
}

#[test]
fn reserved_bits_of_the_first_byte_close() {
    let mut town = Town::new();
    for packet in families() {
        for flags in 0..16 {
            let first = packet[0] & 0xf0 | flags;
            let is_publish = packet[0] >> 4 == 3;
            let right = if is_publish { flags & 6 != 6 && flags & 0xe != 8 } else { first == packet[0] };
            if right {
                continue;
            }
            let mut bytes = packet.clone();
            bytes[0] = first;
            let (conn, ended) = town.attack(&bytes);
            assert!(matches!(ended, Some(CloseReason::Malformed(_))), "{bytes:02x?}: {ended:?}");
            town.bench.cut(conn);
            town.assert_peace();
        }
    }
}

#[test]
fn packets_of_a_server_and_reserved_types_close() {
    let mut town = Town::new();
    for bytes in [&[0x00, 0][..], &[0xf0, 0], &[0x20, 2, 0, 0], &[0x90, 3, 0, 1, 0], &[0xb0, 2, 0, 1], &[0xd0, 0]] {
        let (conn, ended) = town.attack(bytes);
        assert!(matches!(ended, Some(CloseReason::Protocol(_))), "{bytes:02x?}: {ended:?}");
        town.bench.cut(conn);
        town.assert_peace();
    }
}

#[test]
fn overflowing_lengths_close() {
    let mut town = Town::new();
    for bytes in [
        b"\x30\xff\xff\xff\xff".as_slice(),
        b"\x30\x80\x80\x80\x80",
        b"\x30\x04\0\x05ab",
        b"\x32\x03\0\x01a",
        b"\x82\x05\0\x01\0\x09a",
        b"\x82\x05\0\x01\0\x01a",
        b"\x82\x02\0\x01",
        b"\xa2\x02\0\x01",
        b"\xa2\x05\0\x01\0\x09a",
        b"\x40\x03\0\x01\0",
        b"\xc0\x01\0",
        b"\xe0\x01\0",
    ] {
        let (conn, ended) = town.attack(bytes);
        assert!(matches!(ended, Some(CloseReason::Malformed(_) | CloseReason::Protocol(_))), "{bytes:02x?}: {ended:?}");
        town.bench.cut(conn);
        town.assert_peace();
    }
}

#[test]
fn a_packet_over_the_limit_closes_as_soon_as_its_length_is_known() {
    let policy = Open::anonymous().with_limits(Limits { packet: 100, ..Limits::default() });
    let mut bench = Bench::new(policy, Config::default());
    let conn = bench.clean("a");
    bench.feed(conn, &publish("t", &"x".repeat(95), 0, 0));
    assert_eq!(bench.ended(conn), None);
    bench.feed(conn, &publish("t", &"x".repeat(96), 0, 0)[..2]);
    assert_eq!(bench.ended(conn), Some(CloseReason::TooLarge { len: 101, max: 100 }));
    let conn = bench.open();
    bench.feed(conn, b"\x10\xff\xff\xff\x7f");
    assert_eq!(bench.ended(conn), Some(CloseReason::TooLarge { len: 268_435_460, max: 100 }));
}

#[test]
fn ids_of_zero_and_qos_3_close() {
    let mut town = Town::new();
    for bytes in [
        b"\x32\x05\0\x01a\0\0".as_slice(),
        b"\x34\x05\0\x01a\0\0",
        b"\x36\x05\0\x01a\0\x01",
        b"\x40\x02\0\0",
        b"\x50\x02\0\0",
        b"\x62\x02\0\0",
        b"\x70\x02\0\0",
        b"\x82\x06\0\0\0\x01a\0",
        b"\x82\x06\0\x01\0\x01a\x03",
        b"\x82\x06\0\x01\0\x01a\x04",
        b"\xa2\x05\0\0\0\x01a",
    ] {
        let (conn, ended) = town.attack(bytes);
        assert!(matches!(ended, Some(CloseReason::Malformed(_) | CloseReason::Protocol(_))), "{bytes:02x?}: {ended:?}");
        town.bench.cut(conn);
        town.assert_peace();
    }
}

#[test]
fn topics_and_filters_that_are_none_close() {
    let mut town = Town::new();
    for text in [&b"\xff"[..], b"\xc0\x80", b"\xed\xa0\x80", b"a\0b", b"", b"a/#", b"+", b"\xf5\x80\x80\x80"] {
        let mut bytes = vec![0x30, u8::try_from(text.len() + 2).unwrap(), 0, u8::try_from(text.len()).unwrap()];
        bytes.extend(text);
        let (conn, ended) = town.attack(&bytes);
        assert!(matches!(ended, Some(CloseReason::Malformed(_) | CloseReason::Protocol(_))), "{bytes:02x?}: {ended:?}");
        town.bench.cut(conn);
        town.assert_peace();
    }
    for text in [&b"\xff"[..], b"a\0b", b"", b"a#", b"#/a", b"a+/b", b"+a"] {
        for first in [0x82, 0xa2] {
            let tail: &[u8] = if first == 0x82 { &[0] } else { &[] };
            let len = u8::try_from(text.len() + 4 + tail.len()).unwrap();
            let mut bytes = vec![first, len, 0, 1, 0, u8::try_from(text.len()).unwrap()];
            bytes.extend(text);
            bytes.extend(tail);
            let (conn, ended) = town.attack(&bytes);
            assert!(ended.is_some(), "{bytes:02x?}");
            town.bench.cut(conn);
            town.assert_peace();
        }
    }
}

#[test]
fn nothing_behind_a_violation_is_heard() {
    let mut town = Town::new();
    let mut bytes = vec![0xd0, 0];
    bytes.extend(publish("good/news", "false", 0, 0));
    let (conn, ended) = town.attack(&bytes);
    assert!(ended.is_some());
    town.bench.feed(conn, &publish("good/news", "false", 0, 0));
    assert!(town.bench.broker.transmit(conn).is_empty());
    town.assert_peace();
}

#[test]
fn who_asks_and_does_not_read_is_given_up() {
    let mut town = Town::new();
    let conn = town.bench.clean("bad");
    let limit = Config::default().transmit + Config::default().control;
    let mut asked = 0;
    while town.bench.ended(conn).is_none() {
        town.bench.feed(conn, &codec::PINGREQ.repeat(1000));
        asked += 2000;
        assert!(town.bench.broker.transmit(conn).len() <= limit);
        assert!(asked <= limit + 2000, "it has to end");
        let filling = town.bench.broker.transmit(conn).len() > limit - Config::default().control / 2;
        assert!(!filling || !town.bench.broker.wants_bytes(conn), "the owner is told to stop reading well before");
    }
    assert_eq!(town.bench.ended(conn), Some(CloseReason::SlowReader));
    town.assert_peace();
}

#[test]
fn a_slow_reader_holds_no_more_than_its_bounds_and_gets_what_was_kept() {
    let limits = Limits { queued: 50, inflight: 10, ..Limits::default() };
    let config = Config { transmit: 1000, ..Config::default() };
    let mut bench = Bench::new(Open::anonymous().with_limits(limits), config);
    let slow = bench.listener("slow", "t", 1);
    let quick = bench.listener("quick", "t", 0);
    let talker = bench.clean("a");
    let text = "x".repeat(200);
    for n in 0..1000 {
        bench.feed(talker, &publish("t", &text, u8::from(n % 2 == 0), 1));
        assert_eq!(bench.take(quick).len(), 1);
        bench.take(talker);
        assert!(bench.broker.transmit(slow).len() < 1000 + 210);
    }
    assert_eq!(bench.ended(slow), None);
    let mut kept = 0;
    loop {
        let lines = bench.take(slow);
        if lines.is_empty() {
            break;
        }
        kept += lines.len();
        for id in lines.iter().filter_map(|line| line.split('#').nth(1)?.split(' ').next()) {
            bench.feed(slow, &puback(id.parse().unwrap()));
        }
    }
    let in_pipe = 1000 / 210 + 1;
    assert!((50..=50 + in_pipe).contains(&kept), "{kept}");
}

#[test]
fn qos_2_messages_that_are_never_released_are_bounded() {
    let config = Config { unreleased: 3, ..Config::default() };
    let mut bench = Bench::new(Open::anonymous(), config);
    let conn = bench.clean("a");
    for id in 1..=3 {
        bench.feed(conn, &publish("t", "x", 2, id));
    }
    bench.feed(conn, &publish("t", "x", 2, 2));
    assert_eq!(bench.ended(conn), None, "a repeat is none more");
    bench.feed(conn, &publish("t", "x", 2, 4));
    assert_eq!(bench.ended(conn), Some(CloseReason::TooManyUnreleased));
}

#[test]
fn a_client_that_never_acknowledges_is_kept_within_its_window() {
    let limits = Limits { queued: 20, inflight: 5, ..Limits::default() };
    let mut bench = Bench::new(Open::anonymous().with_limits(limits), Config::default());
    let conn = bench.listener("l", "t", 1);
    let talker = bench.clean("a");
    for _ in 0..100 {
        bench.feed(talker, &publish("t", "x", 1, 1));
    }
    assert_eq!(bench.take(conn).len(), 5);
    assert_eq!(bench.take(talker).len(), 100);
}

#[test]
fn calls_for_unknown_connections_do_nothing() {
    let mut bench = Bench::open_to_all();
    let nobody = ConnId(99);
    bench.feed(nobody, &codec::PINGREQ);
    bench.broker.sent(bench.now, nobody, 5);
    bench.cut(nobody);
    assert!(bench.broker.transmit(nobody).is_empty());
    assert_eq!(bench.ended(nobody), None);
    assert!(!bench.broker.wants_bytes(nobody));
    assert!(!bench.broker.kick(bench.now, "nobody", "test"));
}

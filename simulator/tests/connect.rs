//! How a client is let in, refused or thrown out at CONNECT (MQTT 3.1.1, 3.1).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod support;

use core::time::Duration;
use skytether_core::{
    io::Refusal,
    link::{Connect, Version},
    mqtt::codec,
    secret::Secret,
    time::Instant,
};
use skytether_simulator::broker::{
    Config,
    policy::{Denial, Limits, Open},
    trace::CloseReason,
};
use support::*;

#[test]
fn a_client_is_let_in() {
    let mut bench = Bench::open_to_all();
    let conn = bench.clean("a");
    assert_eq!(bench.ended(conn), None);
    assert_eq!(bench.broker.clients().collect::<Vec<_>>(), ["a"]);
    assert_eq!(bench.broker.connection_of("a"), Some(conn));
}

#[test]
fn the_first_packet_must_be_connect() {
    for first in
        [&publish("a", "x", 0, 0)[..], &subscribe(1, &[("a", 0)]), &codec::PINGREQ, &codec::DISCONNECT, &[0x20]]
    {
        let mut bench = Bench::open_to_all();
        let conn = bench.open();
        bench.feed(conn, first);
        assert!(matches!(bench.ended(conn), Some(CloseReason::Protocol(why)) if why.contains("3.1.0-1")), "{first:?}");
        assert!(bench.broker.transmit(conn).is_empty());
    }
}

#[test]
fn a_second_connect_closes() {
    let mut bench = Bench::open_to_all();
    let conn = bench.clean("a");
    bench.feed(conn, &connect_packet(&hello("a", true)));
    assert!(matches!(bench.ended(conn), Some(CloseReason::Protocol(why)) if why.contains("3.1.0-2")));
}

#[test]
fn a_pipe_without_connect_is_closed_in_time() {
    let config = Config { connect_timeout: Duration::from_secs(5), ..Config::default() };
    let mut bench = Bench::new(Open::anonymous(), config);
    let conn = bench.open();
    bench.feed(conn, &connect_packet(&hello("a", true))[..5]);
    bench.pass(4_999);
    assert_eq!(bench.ended(conn), None);
    bench.pass(1);
    assert_eq!(bench.ended(conn), Some(CloseReason::ConnectTimeout));
}

#[test]
fn an_unknown_protocol_level_is_told_code_1() {
    for packet in [
        b"\x10\x0d\0\x04MQTT\x05\x02\0\0\0\x01a".as_slice(),
        b"\x10\x0d\0\x04MQTT\x03\x02\0\0\0\x01a",
        b"\x10\x0f\0\x06MQIsdp\x04\x02\0\0\0\x01a",
    ] {
        let mut bench = Bench::open_to_all();
        let conn = bench.open();
        bench.feed(conn, packet);
        assert_eq!(bench.take(conn), ["CONNACK 0 code 1"]);
        let Some(CloseReason::Denied(Denial::Code(Refusal::ProtocolVersion, _))) = bench.ended(conn) else {
            panic!("{:?}", bench.ended(conn));
        };
    }
}

#[test]
fn an_invalid_connect_is_closed_without_connack() {
    for packet in [
        b"\x10\x0d\0\x04MQTx\x04\x02\0\0\0\x01a".as_slice(),
        b"\x10\x0d\0\x04MQTT\x04\x03\0\0\0\x01a",
        b"\x10\x0d\0\x04MQTT\x04\x02\0\0\0\x02a",
        b"\x10\x0d\0\x04MQTT\x04\x42\0\0\0\x01a",
        b"\x10\x0d\0\x04MQTT\x04\x0a\0\0\0\x01a",
        b"\x10\x0d\0\x04MQTT\x04\x1e\0\0\0\x01a",
        b"\x10\x0d\0\x04MQTT\x04\x02\0\0\0\x01\xff",
        b"\x11\x0d\0\x04MQTT\x04\x02\0\0\0\x01a",
        b"\x10\0",
    ] {
        let mut bench = Bench::open_to_all();
        let conn = bench.open();
        bench.feed(conn, packet);
        assert!(bench.broker.transmit(conn).is_empty(), "{packet:?}");
        assert!(bench.ended(conn).is_some(), "{packet:?}");
    }
}

#[test]
fn an_empty_client_id_gets_a_name_with_a_clean_session_only() {
    let mut bench = Bench::open_to_all();
    let one = bench.clean("");
    let other = bench.clean("");
    assert_eq!((bench.ended(one), bench.ended(other)), (None, None));
    assert_eq!(bench.broker.clients().count(), 2);

    let conn = bench.open();
    bench.feed(conn, b"\x10\x0c\0\x04MQTT\x04\0\0\0\0\0");
    assert_eq!(bench.take(conn), ["CONNACK 0 code 2"]);
}

#[test]
fn an_assigned_name_is_no_one_elses() {
    let mut bench = Bench::open_to_all();
    let taken = bench.clean("auto-2");
    bench.clean("");
    assert_eq!(bench.ended(taken), None);
    assert_eq!(bench.broker.clients().count(), 2);
}

#[test]
fn mqtt_3_1_is_spoken_and_its_client_ids_are_1_to_23_characters_unless_the_policy_allows_more() {
    let longest = "ä".repeat(23);
    let mut bench = Bench::open_to_all();
    let connect = |client_id: &str| {
        let mut packet = vec![0x10, u8::try_from(14 + client_id.len()).unwrap()];
        packet.extend(b"\0\x06MQIsdp\x03\x02\0\0\0");
        packet.push(u8::try_from(client_id.len()).unwrap());
        packet.extend(client_id.as_bytes());
        packet
    };
    for (id, answer) in [("a", 0), (longest.as_str(), 0), ("abcdefghijklmnopqrstuvwx", 2), ("", 2)] {
        let conn = bench.open();
        bench.feed(conn, &connect(id));
        assert_eq!(bench.take(conn), [format!("CONNACK 0 code {answer}")], "{id}");
    }
    let policy = Open::anonymous().with_limits(Limits { client_id_v3_1: 64, ..Limits::default() });
    let mut bench = Bench::new(policy, Config::default());
    let conn = bench.open();
    bench.feed(conn, &connect("AIRCPRD7B2AirConditioner1"));
    assert_eq!(bench.take(conn), ["CONNACK 0 code 0"]);
}

#[test]
fn users_need_their_password() {
    let policy = Open::anonymous().with_user("u", Secret::new("p"));
    let mut bench = Bench::new(policy, Config::default());
    for (connect, answer) in [
        (user("a", "u", "p"), 0),
        (user("a", "u", "wrong"), 4),
        (user("a", "v", "p"), 4),
        (hello("a", true), 4),
        (Connect { password: None, ..user("a", "u", "") }, 4),
    ] {
        let conn = bench.knock(&connect);
        assert_eq!(bench.take(conn), [format!("CONNACK 0 code {answer}")]);
        assert_eq!(bench.ended(conn).is_some(), answer != 0);
    }
}

#[test]
fn a_refused_client_disturbs_neither_session_nor_older_connection() {
    let policy = Open::anonymous().with_user("u", Secret::new("p"));
    let mut bench = Bench::new(policy, Config::default());
    let first = bench.knock(&user("a", "u", "p"));
    bench.take(first);
    let second = bench.knock(&user("a", "u", "guess"));
    assert_eq!(bench.take(second), ["CONNACK 0 code 4"]);
    assert_eq!(bench.ended(first), None);
    assert_eq!(bench.broker.connection_of("a"), Some(first));
}

#[test]
fn packets_behind_a_refused_connect_are_thrown_away() {
    let policy = Open::anonymous().with_user("u", Secret::new("p"));
    let mut bench = Bench::new(policy, Config::default());
    let listener = bench.knock(&user("l", "u", "p"));
    bench.feed(listener, &subscribe(1, &[("#", 0)]));
    bench.take(listener);
    let mut bytes = connect_packet(&hello("a", true));
    bytes.extend(publish("t", "x", 1, 1));
    let conn = bench.open();
    bench.feed(conn, &bytes);
    bench.feed(conn, &publish("t", "x", 1, 2));
    assert_eq!(bench.take(conn), ["CONNACK 0 code 4"]);
    assert!(bench.take(listener).is_empty());
}

#[test]
fn packets_right_behind_connect_are_served() {
    let mut bench = Bench::open_to_all();
    let mut bytes = connect_packet(&hello("a", true));
    bytes.extend(subscribe(1, &[("t", 1)]));
    bytes.extend(publish("t", "x", 1, 2));
    let conn = bench.open();
    bench.feed(conn, &bytes);
    assert_eq!(bench.take(conn), ["CONNACK 0 code 0", "SUBACK 1 [1]", "PUBACK 2", "PUBLISH q1 d0 r0 #1 t x"]);
}

#[test]
fn refusals_on_order_come_one_a_connect() {
    let mut bench = Bench::open_to_all();
    bench.broker.deny_next(Denial::Code(Refusal::ServerUnavailable, "maintenance"));
    bench.broker.deny_next(Denial::Silent("maintenance"));
    let conn = bench.knock(&hello("a", true));
    assert_eq!(bench.take(conn), ["CONNACK 0 code 3"]);
    let conn = bench.knock(&hello("a", true));
    assert!(bench.take(conn).is_empty());
    assert_eq!(bench.ended(conn), Some(CloseReason::Denied(Denial::Silent("maintenance"))));
    bench.clean("a");
}

#[test]
fn a_keep_alive_over_the_limit_is_told_code_2() {
    let policy = Open::anonymous().with_limits(Limits { keep_alive: 900, ..Limits::default() });
    let mut bench = Bench::new(policy, Config::default());
    for (keep_alive, answer) in [(900, 0), (901, 2), (0, 0)] {
        let conn = bench.knock(&Connect { keep_alive, ..hello("a", true) });
        assert_eq!(bench.take(conn), [format!("CONNACK 0 code {answer}")]);
    }
}

#[test]
fn silence_for_one_and_a_half_keep_alives_closes() {
    let mut bench = Bench::open_to_all();
    let conn = bench.knock(&Connect { keep_alive: 10, ..hello("a", true) });
    bench.take(conn);
    bench.pass(14_000);
    bench.feed(conn, &codec::PINGREQ);
    assert_eq!(bench.take(conn), ["PINGRESP"]);
    bench.pass(14_999);
    bench.feed(conn, &codec::PINGREQ[..1]);
    assert_eq!(bench.ended(conn), None);
    bench.pass(1);
    assert_eq!(bench.ended(conn), Some(CloseReason::KeepAlive), "half a packet is no sign of life");
    assert_eq!(bench.now, Instant(29_000));
}

#[test]
fn what_is_sent_to_a_client_keeps_no_silent_client_alive() {
    let mut bench = Bench::open_to_all();
    let quiet = bench.knock(&Connect { keep_alive: 10, ..hello("quiet", true) });
    bench.feed(quiet, &subscribe(1, &[("t", 0)]));
    let talker = bench.clean("talker");
    for _ in 0..15 {
        bench.take(quiet);
        bench.pass(1000);
        bench.feed(talker, &publish("t", "x", 0, 0));
    }
    assert_eq!(bench.ended(quiet), Some(CloseReason::KeepAlive));
    assert_eq!(bench.ended(talker), None, "keep alive 0 is none");
}

#[test]
fn too_many_sessions_are_told_code_3() {
    let mut bench = Bench::new(Open::anonymous(), Config { sessions: 1, ..Config::default() });
    let first = bench.clean("a");
    let second = bench.knock(&hello("b", true));
    assert_eq!(bench.take(second), ["CONNACK 0 code 3"]);
    bench.clean("a");
    assert!(matches!(bench.ended(first), Some(CloseReason::TakenOver(_))));
}

#[test]
fn a_newer_connection_takes_the_client_id_over() {
    let mut bench = Bench::open_to_all();
    let older = bench.clean("a");
    let newer = bench.clean("a");
    assert_eq!(bench.ended(older), Some(CloseReason::TakenOver(newer)));
    assert_eq!(bench.ended(newer), None);
    bench.feed(older, &publish("t", "x", 1, 1));
    assert!(bench.take(older).is_empty());
    bench.cut(older);
    assert_eq!(bench.broker.connection_of("a"), Some(newer), "the end of the older pipe is no end of the newer");
}

#[test]
fn disconnect_ends_the_connection_and_what_is_behind_it_is_not_heard() {
    let mut bench = Bench::open_to_all();
    let listener = bench.listener("l", "#", 0);
    let conn = bench.clean("a");
    let mut bytes = codec::DISCONNECT.to_vec();
    bytes.extend(publish("t", "x", 0, 0));
    bench.feed(conn, &bytes);
    assert_eq!(bench.ended(conn), Some(CloseReason::Disconnected));
    assert!(bench.take(listener).is_empty());
}

#[test]
fn version_3_1_is_passed_to_the_policy_as_such() {
    let mut bench = Bench::open_to_all();
    bench.knock(&Connect { version: Version::V3_1, ..hello("old", true) });
    let seen = bench.traces().iter().any(|trace| trace.to_string().contains("CONNECT 3.1 "));
    assert!(seen);
}

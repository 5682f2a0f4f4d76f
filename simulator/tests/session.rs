//! What outlives a connection: sessions, what waits in them, what is sent again (MQTT 3.1.2.4, 4.4).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod support;

use core::time::Duration;
use skytether_core::mqtt::codec;
use skytether_simulator::broker::{
    Config,
    policy::{Limits, Open},
};
use support::*;

fn with_limits(limits: Limits) -> Bench {
    Bench::new(Open::anonymous().with_limits(limits), Config::default())
}

/// A client without clean session that has subscribed `t` and has gone.
fn left(bench: &mut Bench, level: u8) {
    let (conn, present) = bench.lasting("l");
    assert!(!present);
    bench.feed(conn, &subscribe(1, &[("t", level)]));
    bench.feed(conn, &codec::DISCONNECT);
    bench.cut(conn);
}

#[test]
fn a_session_keeps_subscriptions_and_what_was_missed_but_not_qos_0() {
    let mut bench = Bench::open_to_all();
    left(&mut bench, 2);
    let talker = bench.clean("a");
    for (level, text) in [(0, "zero"), (1, "one"), (2, "two")] {
        bench.feed(talker, &publish("t", text, level, 5));
    }
    let (conn, present) = bench.lasting("l");
    assert!(present);
    assert_eq!(bench.take(conn), ["PUBLISH q1 d0 r0 #1 t one", "PUBLISH q2 d0 r0 #2 t two"]);
    bench.feed(talker, &publish("t", "live", 0, 0));
    assert_eq!(bench.take(conn), ["PUBLISH q0 d0 r0 t live"]);
}

#[test]
fn a_clean_session_ends_with_its_connection() {
    let mut bench = Bench::open_to_all();
    let conn = bench.listener("l", "t", 1);
    bench.cut(conn);
    let talker = bench.clean("a");
    bench.feed(talker, &publish("t", "x", 1, 1));
    let (conn, present) = bench.lasting("l");
    assert!(!present);
    assert!(bench.take(conn).is_empty());
}

#[test]
fn a_clean_session_discards_the_one_before_for_good() {
    let mut bench = Bench::open_to_all();
    left(&mut bench, 1);
    let talker = bench.clean("a");
    bench.feed(talker, &publish("t", "x", 1, 1));
    let conn = bench.clean("l");
    bench.feed(talker, &publish("t", "y", 1, 2));
    assert!(bench.take(conn).is_empty());
    bench.cut(conn);
    let (conn, present) = bench.lasting("l");
    assert!(!present);
    assert!(bench.take(conn).is_empty());
}

#[test]
fn what_was_not_acknowledged_is_sent_again_with_dup_and_the_same_id_in_order() {
    let mut bench = Bench::open_to_all();
    let (conn, _) = bench.lasting("l");
    bench.feed(conn, &subscribe(1, &[("t", 2)]));
    let talker = bench.clean("a");
    for (id, level, text) in [(1, 1, "one"), (2, 2, "two"), (3, 2, "three"), (4, 1, "four")] {
        bench.feed(talker, &publish("t", text, level, id));
    }
    bench.take(conn);
    bench.feed(conn, &pubrec(2));
    bench.feed(conn, &puback(4));
    bench.take(conn);
    bench.pass(3_600_000);
    assert!(bench.take(conn).is_empty(), "nothing is sent again while the connection lasts");
    bench.cut(conn);
    bench.feed(talker, &publish("t", "five", 1, 5));
    let (conn, present) = bench.lasting("l");
    assert!(present);
    assert_eq!(
        bench.take(conn),
        ["PUBLISH q1 d1 r0 #1 t one", "PUBREL 2", "PUBLISH q2 d1 r0 #3 t three", "PUBLISH q1 d0 r0 #5 t five",]
    );
    bench.feed(conn, &puback(1));
    bench.feed(conn, &pubcomp(2));
    bench.feed(conn, &pubrec(3));
    bench.feed(conn, &pubcomp(3));
    bench.cut(conn);
    let (conn, _) = bench.lasting("l");
    assert_eq!(bench.take(conn), ["PUBLISH q1 d1 r0 #5 t five"], "what was finished is gone");
}

#[test]
fn a_qos_2_message_begun_before_the_break_is_not_delivered_twice_after_it() {
    let mut bench = Bench::open_to_all();
    let listener = bench.listener("l", "t", 2);
    let (conn, _) = bench.lasting("a");
    bench.feed(conn, &publish("t", "x", 2, 8));
    bench.cut(conn);
    let (conn, present) = bench.lasting("a");
    assert!(present);
    bench.feed(conn, &publish_with("t", b"x", 2, 8, true, false));
    bench.feed(conn, &pubrel(8));
    assert_eq!(bench.take(conn), ["PUBREC 8", "PUBCOMP 8"]);
    assert_eq!(bench.take(listener).len(), 1);
}

#[test]
fn a_newer_connection_takes_the_session_with_what_was_in_flight() {
    let mut bench = Bench::open_to_all();
    let (older, _) = bench.lasting("l");
    bench.feed(older, &subscribe(1, &[("t", 1)]));
    let talker = bench.clean("a");
    bench.feed(talker, &publish("t", "x", 1, 1));
    let (newer, present) = bench.lasting("l");
    assert!(present);
    assert_eq!(bench.take(newer), ["PUBLISH q1 d1 r0 #1 t x"]);
    assert!(bench.take(older).is_empty());
}

#[test]
fn a_full_queue_drops_the_newest_and_says_so() {
    let mut bench = with_limits(Limits { queued: 2, ..Limits::default() });
    left(&mut bench, 1);
    let talker = bench.clean("a");
    bench.traces();
    for (id, text) in [(1, "one"), (2, "two"), (3, "three")] {
        bench.feed(talker, &publish("t", text, 1, id));
    }
    assert_eq!(bench.take(talker), ["PUBACK 1", "PUBACK 2", "PUBACK 3"]);
    let (conn, _) = bench.lasting("l");
    assert_eq!(bench.take(conn), ["PUBLISH q1 d0 r0 #1 t one", "PUBLISH q1 d0 r0 #2 t two"]);
    let dropped =
        bench.traces().iter().filter(|trace| trace.to_string().contains("dropped: too many messages")).count();
    assert_eq!(dropped, 1);
}

#[test]
fn a_queue_is_bounded_in_bytes_too() {
    let config = Config { queued_bytes: 1000, ..Config::default() };
    let mut bench = Bench::new(Open::anonymous(), config);
    left(&mut bench, 1);
    let talker = bench.clean("a");
    for id in 1..=5 {
        bench.feed(talker, &publish("t", &"x".repeat(400), 1, id));
    }
    let (conn, _) = bench.lasting("l");
    assert_eq!(bench.take(conn).len(), 2);
    bench.feed(conn, &puback(1));
    bench.feed(conn, &puback(2));
    bench.cut(conn);
    bench.feed(talker, &publish("t", &"x".repeat(2000), 1, 9));
    let (conn, _) = bench.lasting("l");
    assert_eq!(bench.take(conn).len(), 1, "one message alone may be larger");
}

#[test]
fn a_session_expires_when_nobody_returns_in_time() {
    let mut bench = with_limits(Limits { session_expiry: Some(Duration::from_mins(1)), ..Limits::default() });
    left(&mut bench, 1);
    bench.pass(59_999);
    let (conn, present) = bench.lasting("l");
    assert!(present);
    bench.pass(600_000);
    assert_eq!(bench.ended(conn), None, "a connected session does not expire");
    bench.cut(conn);
    bench.now.0 += 60_000;
    let (_, present) = bench.lasting("l");
    assert!(!present, "not even when no tick came in between");
}

#[test]
fn an_expired_session_is_forgotten_by_the_clock() {
    let limits = Limits { session_expiry: Some(Duration::from_mins(1)), ..Limits::default() };
    let mut bench = Bench::new(Open::anonymous().with_limits(limits), Config { sessions: 1, ..Config::default() });
    left(&mut bench, 1);
    let conn = bench.knock(&hello("b", true));
    assert_eq!(bench.take(conn), ["CONNACK 0 code 3"]);
    bench.pass(60_000);
    bench.clean("b");
    assert_eq!(bench.broker.deadline().map(|deadline| deadline.why), None);
}

#[test]
fn what_was_stored_goes_out_one_by_one_where_the_policy_says_so() {
    let spacing = Duration::from_millis(500);
    let mut bench = with_limits(Limits { replay_spacing: Some(spacing), ..Limits::default() });
    left(&mut bench, 1);
    let talker = bench.clean("a");
    for (id, text) in [(1, "one"), (2, "two"), (3, "three")] {
        bench.feed(talker, &publish("t", text, 1, id));
    }
    let (conn, _) = bench.lasting("l");
    bench.feed(talker, &publish("t", "live", 1, 4));
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(bench.take(conn));
        bench.pass(500);
    }
    assert_eq!(
        seen,
        [
            vec!["PUBLISH q1 d0 r0 #1 t one"],
            vec!["PUBLISH q1 d0 r0 #2 t two"],
            vec!["PUBLISH q1 d0 r0 #3 t three", "PUBLISH q1 d0 r0 #4 t live"],
            vec![]
        ]
    );
}

#[test]
fn ids_go_on_in_a_session_and_begin_anew_in_a_new_one() {
    let mut bench = Bench::new(Open::anonymous().with_first_packet_id(24), Config::default());
    left(&mut bench, 1);
    let talker = bench.clean("a");
    for expected in [24, 25] {
        bench.feed(talker, &publish("t", "x", 1, 1));
        let (conn, _) = bench.lasting("l");
        assert_eq!(bench.take(conn), [format!("PUBLISH q1 d0 r0 #{expected} t x")]);
        bench.feed(conn, &puback(expected));
        bench.cut(conn);
    }
    let conn = bench.listener("l", "t", 1);
    bench.feed(talker, &publish("t", "x", 1, 1));
    assert_eq!(bench.take(conn), ["PUBLISH q1 d0 r0 #24 t x"]);
}

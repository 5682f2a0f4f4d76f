//! Which message a topic keeps for later subscribers (MQTT 3.3.1.3).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod support;

use skytether_core::link::Connect;
use skytether_simulator::broker::{
    Config,
    policy::{Limits, Open},
};
use support::*;

#[test]
fn a_new_subscription_gets_the_retained_message_with_retain_1_and_live_ones_come_with_retain_0() {
    let mut bench = Bench::open_to_all();
    let live = bench.listener("live", "t", 1);
    let talker = bench.clean("a");
    bench.feed(talker, &retained("t", "x", 1, 1));
    assert_eq!(bench.take(live), ["PUBLISH q1 d0 r0 #1 t x"]);
    let conn = bench.clean("l");
    bench.feed(conn, &subscribe(1, &[("t", 2)]));
    assert_eq!(bench.take(conn), ["SUBACK 1 [2]", "PUBLISH q1 d0 r1 #1 t x"]);
    bench.feed(conn, &subscribe(2, &[("t", 0)]));
    assert_eq!(bench.take(conn), ["SUBACK 2 [0]", "PUBLISH q0 d0 r1 t x"], "once more for an equal filter");
}

#[test]
fn a_retained_message_is_replaced_and_deleted_by_an_empty_one() {
    let mut bench = Bench::open_to_all();
    let talker = bench.clean("a");
    for (payload, expected) in [("one", Some("one")), ("two", Some("two")), ("", None)] {
        bench.feed(talker, &retained("t", payload, 0, 0));
        let conn = bench.clean("l");
        bench.feed(conn, &subscribe(1, &[("t", 0)]));
        let lines = bench.take(conn);
        assert_eq!(lines.get(1).cloned(), expected.map(|text| format!("PUBLISH q0 d0 r1 t {text}")));
    }
    let live = bench.listener("live", "t", 0);
    bench.feed(talker, &retained("t", "", 0, 0));
    assert_eq!(bench.take(live), ["PUBLISH q0 d0 r0 t "], "the empty message is a message all the same");
}

#[test]
fn a_message_without_retain_leaves_the_retained_one_alone() {
    let mut bench = Bench::open_to_all();
    let talker = bench.clean("a");
    bench.feed(talker, &retained("t", "kept", 0, 0));
    bench.feed(talker, &publish("t", "live", 0, 0));
    bench.feed(talker, &publish("t", "", 0, 0));
    let conn = bench.clean("l");
    bench.feed(conn, &subscribe(1, &[("t", 0)]));
    assert_eq!(bench.take(conn)[1..], ["PUBLISH q0 d0 r1 t kept"]);
}

#[test]
fn wildcards_find_all_but_dollar_topics() {
    let mut bench = Bench::open_to_all();
    let talker = bench.clean("a");
    for name in ["b/2", "b/1", "c", "$sys/x"] {
        bench.feed(talker, &retained(name, "x", 0, 0));
    }
    let conn = bench.clean("l");
    bench.feed(conn, &subscribe(1, &[("#", 0)]));
    let found = bench.take(conn);
    assert_eq!(found[1..], ["PUBLISH q0 d0 r1 b/1 x", "PUBLISH q0 d0 r1 b/2 x", "PUBLISH q0 d0 r1 c x"]);
}

#[test]
fn retained_messages_outlive_their_publisher_and_are_no_part_of_its_session() {
    let mut bench = Bench::open_to_all();
    let talker = bench.clean("a");
    bench.feed(talker, &retained("t", "x", 1, 1));
    bench.cut(talker);
    bench.clean("a");
    let conn = bench.clean("l");
    bench.feed(conn, &subscribe(1, &[("t", 0)]));
    assert_eq!(bench.take(conn).len(), 2);
}

#[test]
fn a_cloud_without_retained_messages_ignores_the_flag() {
    let policy = Open::anonymous().with_limits(Limits { retain: false, ..Limits::default() });
    let mut bench = Bench::new(policy, Config::default());
    let live = bench.listener("live", "t", 0);
    let talker = bench.clean("a");
    bench.feed(talker, &retained("t", "x", 1, 1));
    assert_eq!(bench.take(talker), ["PUBACK 1"]);
    assert_eq!(bench.take(live).len(), 1);
    let conn = bench.clean("l");
    bench.feed(conn, &subscribe(1, &[("t", 0)]));
    assert_eq!(bench.take(conn).len(), 1);
}

#[test]
fn retained_messages_are_bounded_in_number_and_bytes() {
    let config = Config { retained: 3, retained_bytes: 100, ..Config::default() };
    let mut bench = Bench::new(Open::anonymous(), config);
    let talker = bench.clean("a");
    for name in ["a", "b", "c", "d"] {
        bench.feed(talker, &retained(name, "x", 0, 0));
    }
    bench.feed(talker, &retained("c", &"x".repeat(200), 0, 0));
    bench.feed(talker, &retained("a", "y", 0, 0));
    let conn = bench.clean("l");
    bench.feed(conn, &subscribe(1, &[("#", 0)]));
    let lines = bench.take(conn);
    assert_eq!(lines[1..], ["PUBLISH q0 d0 r1 a y", "PUBLISH q0 d0 r1 b x"]);
}

#[test]
fn a_replaced_or_deleted_message_gives_its_bytes_back() {
    let mut bench = Bench::new(Open::anonymous(), Config { retained_bytes: 100, ..Config::default() });
    let talker = bench.clean("a");
    for _ in 0..10 {
        bench.feed(talker, &retained("t", &"x".repeat(90), 0, 0));
    }
    bench.feed(talker, &retained("t", "", 0, 0));
    bench.feed(talker, &retained("u", &"y".repeat(90), 0, 0));
    let conn = bench.clean("l");
    bench.feed(conn, &subscribe(1, &[("#", 0)]));
    assert_eq!(bench.take(conn)[1..], [format!("PUBLISH q0 d0 r1 u {}", "y".repeat(90))]);
}

#[test]
fn a_retained_will_is_kept() {
    let mut bench = Bench::open_to_all();
    let conn = bench.knock(&Connect { keep_alive: 0, ..with_will("w", "state/w", "gone", 1, true) });
    bench.cut(conn);
    let listener = bench.clean("l");
    bench.feed(listener, &subscribe(1, &[("state/+", 1)]));
    assert_eq!(bench.take(listener)[1..], ["PUBLISH q1 d0 r1 #1 state/w gone"]);
}

//! What a broker does that was told to misbehave, and that each order ends again.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod support;

use skytether_core::{io::Refusal, mqtt::codec, time::Instant};
use skytether_simulator::broker::{
    ConnId,
    policy::Denial,
    trace::{CloseReason, Happening},
};
use support::*;

trait Order {
    fn order(&mut self, fault: &str) -> bool;
}

impl Order for Bench {
    fn order(&mut self, fault: &str) -> bool {
        let fault = fault.parse().unwrap();
        let done = self.broker.misbehave(self.now, &fault);
        let told = self.traces().into_iter().any(|trace| trace.what == Happening::Told(fault.clone()));
        assert!(told, "{fault} is not in the trace");
        done
    }
}

fn kicked(bench: &Bench, conn: ConnId) -> &'static str {
    match bench.ended(conn) {
        Some(CloseReason::Kicked(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn connects_are_refused_so_many_times_or_until_it_is_told_otherwise() {
    let mut bench = Bench::open_to_all();
    assert!(bench.order("refuse=3x2"));
    for _ in 0..2 {
        let conn = bench.knock(&hello("a", true));
        assert_eq!(bench.take(conn), ["CONNACK 0 code 3"]);
        let denied = CloseReason::Denied(Denial::Code(Refusal::ServerUnavailable, "told to refuse"));
        assert_eq!(bench.ended(conn), Some(denied));
    }
    bench.clean("a");
    bench.order("refuse=5");
    for _ in 0..5 {
        let conn = bench.knock(&hello("b", true));
        assert_eq!(bench.take(conn), ["CONNACK 0 code 5"]);
    }
    bench.order("refuse=off");
    bench.clean("b");
}

#[test]
fn a_drop_closes_all_connections_or_the_one_that_is_named() {
    let mut bench = Bench::open_to_all();
    let (a, b, c) = (bench.clean("a"), bench.clean("b"), bench.clean("c"));
    assert!(bench.order("drop=b"));
    assert_eq!((kicked(&bench, b), bench.ended(a)), ("told to drop", None));
    assert!(!bench.order("drop=b"), "it is gone");
    assert!(!bench.order("drop=nobody"));
    assert!(bench.order("drop"));
    assert_eq!((kicked(&bench, a), kicked(&bench, c)), ("told to drop", "told to drop"));
}

#[test]
fn drops_come_again_at_their_distance_until_the_end() {
    let mut bench = Bench::open_to_all();
    bench.order("drop-every=5s");
    for _ in 0..3 {
        let conn = bench.clean("a");
        bench.pass(4999);
        assert_eq!(bench.ended(conn), None);
        bench.pass(1);
        assert_eq!(kicked(&bench, conn), "told to drop");
    }
    bench.order("drop-every=off");
    let conn = bench.clean("a");
    assert_eq!(bench.broker.deadline(), None);
    bench.pass(60_000);
    assert_eq!(bench.ended(conn), None);
}

#[test]
fn a_connection_ends_at_its_nth_packet_which_is_heard_and_not_answered() {
    let mut bench = Bench::open_to_all();
    let listener = bench.listener("l", "t", 1);
    bench.order("drop-after=3");
    let conn = bench.clean("a");
    bench.feed(conn, &publish("t", "one", 1, 1));
    assert_eq!(bench.take(conn), ["PUBACK 1"]);
    bench.feed(conn, &publish("t", "two", 1, 2));
    assert_eq!(kicked(&bench, conn), "told to drop after so many packets");
    assert!(bench.take(conn).is_empty());
    assert_eq!(bench.take(listener), ["PUBLISH q1 d0 r0 #1 t one", "PUBLISH q1 d0 r0 #2 t two"]);
    bench.order("drop-after=1");
    let conn = bench.knock(&hello("b", true));
    assert!(bench.take(conn).is_empty());
    assert!(bench.ended(conn).is_some());
    bench.order("drop-after=off");
    bench.clean("b");
}

#[test]
fn beyond_the_rate_messages_are_lost_without_an_acknowledgement() {
    let mut bench = Bench::open_to_all();
    let listener = bench.listener("l", "t", 1);
    bench.order("throttle=2");
    let conn = bench.clean("a");
    for id in 1..=4 {
        bench.feed(conn, &publish("t", &id.to_string(), 1, id));
    }
    bench.feed(conn, &publish("t", "five", 2, 5));
    bench.feed(conn, &publish("t", "six", 0, 0));
    assert_eq!(bench.take(conn), ["PUBACK 1", "PUBACK 2"]);
    let heard = ["PUBLISH q1 d0 r0 #1 t 1", "PUBLISH q1 d0 r0 #2 t 2", "PUBLISH q0 d0 r0 t six"];
    assert_eq!(bench.take(listener), heard);
    let dropped = |trace: &skytether_simulator::broker::trace::Trace| {
        matches!(trace.what, Happening::Dropped { why: "told to throttle", .. })
    };
    assert_eq!(bench.traces().iter().filter(|trace| dropped(trace)).count(), 3);
    bench.pass(1000);
    bench.feed(conn, &publish_with("t", b"3", 1, 3, true, false));
    assert_eq!(bench.take(conn), ["PUBACK 3"]);
    bench.order("throttle=off");
    for id in 6..=9 {
        bench.feed(conn, &publish("t", "x", 1, id));
    }
    assert_eq!(bench.take(conn).len(), 4);
}

#[test]
fn beyond_the_rate_messages_are_taken_and_acknowledged_late() {
    let mut bench = Bench::open_to_all();
    let listener = bench.listener("l", "t", 1);
    bench.order("throttle=1,late=2s");
    let conn = bench.clean("a");
    for id in 1..=3 {
        bench.feed(conn, &publish("t", &id.to_string(), 1, id));
        bench.pass(100);
    }
    assert_eq!(bench.take(listener).len(), 3);
    assert_eq!(bench.take(conn), ["PUBACK 1"]);
    assert_eq!(bench.broker.deadline().unwrap().at, Instant(2100));
    bench.pass(1799);
    assert!(bench.take(conn).is_empty());
    bench.pass(1);
    assert_eq!(bench.take(conn), ["PUBACK 2"]);
    bench.pass(100);
    assert_eq!(bench.take(conn), ["PUBACK 3"]);
    bench.feed(conn, &publish("t", "x", 1, 4));
    bench.feed(conn, &publish("t", "x", 1, 5));
    bench.cut(conn);
    bench.pass(5000);
    assert_eq!(bench.broker.deadline(), None, "who is gone is owed nothing");
}

#[test]
fn a_ghost_throws_a_client_out_takes_its_messages_and_gives_way_when_it_is_back() {
    let mut bench = Bench::open_to_all();
    let (conn, _) = bench.lasting("a");
    bench.feed(conn, &subscribe(1, &[("t", 1)]));
    bench.take(conn);
    let other = bench.clean("b");
    assert!(bench.order("take-over=a"));
    assert!(matches!(bench.ended(conn), Some(CloseReason::TakenOver(_))));
    assert_eq!(bench.ended(other), None);
    let ghost = bench.broker.connection_of("a").unwrap();
    assert!(bench.broker.clients().eq(["a", "b"]));
    assert!(!bench.order("take-over=a"), "a ghost is not haunted");
    for id in 1..=50 {
        bench.feed(other, &publish("t", &"x".repeat(50_000), 1, id));
    }
    assert!(bench.broker.transmit(ghost).is_empty());
    while let Some(conn) = bench.broker.next_ready() {
        assert_ne!(conn, ghost, "its owner never hears of a ghost");
    }
    let (again, present) = bench.lasting("a");
    assert!(present);
    assert_eq!(bench.broker.connection_of("a"), Some(again));
    assert!(bench.take(again)[0].starts_with("PUBLISH q1 d1"), "what the ghost never acknowledged comes again");
}

#[test]
fn ghosts_go_when_it_behaves_again() {
    let mut bench = Bench::open_to_all();
    bench.clean("a");
    bench.clean("b");
    assert!(bench.order("take-over"));
    assert_eq!(bench.broker.clients().count(), 2);
    bench.order("behave");
    assert_eq!(bench.broker.clients().count(), 0);
}

#[test]
fn revoked_credentials_end_the_connection_and_are_wrong_until_they_are_restored() {
    let mut bench = Bench::open_to_all();
    let conn = bench.clean("a");
    assert!(bench.order("revoke=a"));
    assert_eq!(kicked(&bench, conn), "the credentials were revoked");
    for _ in 0..3 {
        let conn = bench.knock(&hello("a", true));
        assert_eq!(bench.take(conn), ["CONNACK 0 code 4"]);
    }
    bench.clean("b");
    bench.order("restore=a");
    bench.clean("a");
}

#[test]
fn a_corrupt_packet_is_one_that_no_decoder_takes() {
    let mut bench = Bench::open_to_all();
    let conn = bench.clean("a");
    assert!(bench.broker.misbehave(bench.now, &"corrupt=a".parse().unwrap()));
    let bytes = bench.broker.transmit(conn).to_vec();
    assert_eq!(bytes, [0xF0, 0]);
    assert!(codec::decode(&bytes, usize::MAX).is_err());
    assert!(bench.traces().iter().any(|trace| trace.to_string().contains("two bytes that are no packet")));
    assert!(!bench.order("corrupt=nobody"));
}

#[test]
fn behave_ends_everything_that_lasts() {
    let mut bench = Bench::open_to_all();
    for fault in ["refuse=5", "drop-every=5s", "drop-after=2", "throttle=0", "revoke=a"] {
        bench.order(fault);
    }
    assert!(bench.order("behave"));
    let conn = bench.clean("a");
    bench.feed(conn, &publish("t", "x", 1, 1));
    bench.feed(conn, &publish("t", "x", 1, 2));
    assert_eq!(bench.take(conn), ["PUBACK 1", "PUBACK 2"]);
    bench.pass(60_000);
    assert_eq!(bench.ended(conn), None);
}

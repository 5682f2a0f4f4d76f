//! When the message a client leaves behind is published (MQTT 3.1.2.5).
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
};
use support::*;

/// A listener, and a client with a will and a keep alive of 10 s.
fn scene(bench: &mut Bench) -> (ConnId, ConnId) {
    let listener = bench.listener("l", "will", 1);
    let conn = bench.knock(&Connect { keep_alive: 10, ..with_will("w", "will", "gone", 1, false) });
    bench.take(conn);
    (listener, conn)
}

#[test]
fn every_end_but_disconnect_publishes_the_will_once() {
    type End = fn(&mut Bench, ConnId);
    let ends: [(&str, End, bool); 6] = [
        ("lost", |bench, conn| bench.cut(conn), true),
        ("protocol error", |bench, conn| bench.feed(conn, &[0xd0, 0]), true),
        ("silence", |bench, _| bench.pass(15_000), true),
        ("take-over", |bench, _| assert_eq!(bench.clean("w").0, 3), true),
        ("kick", |bench, _| assert!(bench.broker.kick(bench.now, "w", "test")), true),
        ("disconnect", |bench, conn| bench.feed(conn, &codec::DISCONNECT), false),
    ];
    for (name, end, published) in ends {
        let mut bench = Bench::open_to_all();
        let (listener, conn) = scene(&mut bench);
        end(&mut bench, conn);
        bench.cut(conn);
        let expected: &[&str] = if published { &["PUBLISH q1 d0 r0 #1 will gone"] } else { &[] };
        assert_eq!(bench.take(listener), expected, "{name}");
    }
}

#[test]
fn a_refused_client_leaves_no_will() {
    let policy = Open::anonymous().with_limits(Limits { keep_alive: 5, ..Limits::default() });
    let mut bench = Bench::new(policy, Config::default());
    let (listener, conn) = scene(&mut bench);
    bench.cut(conn);
    assert!(bench.take(listener).is_empty());
}

#[test]
fn a_cloud_without_wills_ignores_them() {
    let policy = Open::anonymous().with_limits(Limits { wills: false, ..Limits::default() });
    let mut bench = Bench::new(policy, Config::default());
    let (listener, conn) = scene(&mut bench);
    bench.cut(conn);
    assert!(bench.take(listener).is_empty());
}

#[test]
fn a_client_that_comes_back_gets_its_own_will_if_it_has_subscribed() {
    let mut bench = Bench::open_to_all();
    let connect = Connect { clean_session: false, ..with_will("w", "will", "gone", 1, false) };
    let conn = bench.knock(&connect);
    bench.feed(conn, &subscribe(1, &[("will", 1)]));
    bench.cut(conn);
    let conn = bench.knock(&connect);
    assert_eq!(bench.take(conn), ["CONNACK 1 code 0", "PUBLISH q1 d0 r0 #1 will gone"]);
}

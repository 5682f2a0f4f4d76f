//! What the broker tells of each packet and each connection.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod support;

use skytether_core::{link::Connect, mqtt::codec, secret::Secret};
use skytether_simulator::broker::{
    Config,
    policy::Open,
    trace::{Happening, Summary, Trace, Way},
};
use support::*;

fn lines(bench: &mut Bench) -> Vec<String> {
    bench.traces().iter().map(ToString::to_string).collect()
}

#[test]
fn each_packet_shows_what_the_vendors_logs_show() {
    let mut bench = Bench::new(Open::anonymous().with_first_packet_id(24), Config::default());
    let connect = Connect { keep_alive: 60, ..user("AirConditioner1", "name;12010126", "hidden") };
    let conn = bench.knock(&connect);
    bench.feed(conn, &subscribe(1, &[("P/A/control", 1)]));
    bench.feed(conn, &publish("P/A/control", "0123456789", 1, 2));
    bench.feed(conn, &puback(24));
    bench.feed(conn, &unsubscribe(3, &["P/A/control"]));
    bench.feed(conn, &codec::PINGREQ);
    bench.feed(conn, &codec::DISCONNECT);
    let air = "[1] AirConditioner1: ";
    assert_eq!(
        lines(&mut bench),
        [
            "[1] opened".to_owned(),
            "[1] <- CONNECT 3.1.1 u1 p1 wr0 wq0 wf0 c1 k60 client id \"AirConditioner1\" user name \"name;12010126\""
                .to_owned(),
            format!("{air}-> CONNACK session present 0, code 0"),
            format!("{air}<- SUBSCRIBE d0 id 1 \"P/A/control\" q1"),
            format!("{air}-> SUBACK id 1 q1"),
            format!("{air}<- PUBLISH d0 q1 r0 id 2 topic \"P/A/control\", 10 bytes"),
            format!("{air}-> PUBACK id 2"),
            format!("{air}-> PUBLISH d0 q1 r0 id 24 topic \"P/A/control\", 10 bytes"),
            format!("{air}<- PUBACK id 24"),
            format!("{air}<- UNSUBSCRIBE d0 id 3 \"P/A/control\""),
            format!("{air}-> UNSUBACK id 3"),
            format!("{air}<- PINGREQ"),
            format!("{air}-> PINGRESP"),
            format!("{air}<- DISCONNECT"),
            format!("{air}closed: disconnected"),
        ]
    );
}

#[test]
fn every_end_is_told_once_with_its_reason() {
    let mut bench = Bench::new(Open::anonymous().with_user("u", Secret::new("p")), Config::default());
    let refused = bench.knock(&hello("a", true));
    bench.cut(refused);
    let older = bench.knock(&user("a", "u", "p"));
    let newer = bench.knock(&user("a", "u", "p"));
    bench.cut(older);
    bench.cut(newer);
    let ends: Vec<_> = lines(&mut bench).into_iter().filter(|line| line.contains("closed")).collect();
    assert_eq!(
        ends,
        [
            "[1] closed: refused: bad user name or password (4): unknown user or wrong password",
            "[2] a: closed: taken over by connection 3",
            "[3] a: closed: connection lost",
        ]
    );
}

#[test]
fn secrets_and_payloads_are_not_told() {
    let mut bench = Bench::open_to_all();
    let conn = bench.knock(&user("a", "u", "hunter2"));
    bench.feed(conn, &publish("t", "confidential", 0, 0));
    let told = format!("{:?}", bench.traces());
    assert!(!told.contains("hunter2") && !told.contains("confidential"), "{told}");
}

#[test]
fn the_trace_is_bounded_in_number_and_says_what_was_missed() {
    let mut bench = Bench::new(Open::anonymous(), Config { trace: 3, ..Config::default() });
    let conn = bench.clean("a");
    bench.feed(conn, &codec::PINGREQ.repeat(5));
    let traces = bench.traces();
    assert_eq!(traces.len(), 4);
    assert_eq!(traces[0].what, Happening::Missed(10));
    assert_eq!(traces[3].what, Happening::Packet(Way::Out, Summary::PingResp));
    assert!(bench.traces().is_empty());
}

#[test]
fn the_trace_is_bounded_in_bytes() {
    let mut bench = Bench::new(Open::anonymous(), Config { trace_bytes: 10_000, ..Config::default() });
    let conn = bench.clean("a");
    let filters: Vec<_> = (0..1000).map(|n| format!("f{n}")).collect();
    let filters: Vec<_> = filters.iter().map(|filter| (filter.as_str(), 0)).collect();
    for _ in 0..10 {
        bench.feed(conn, &subscribe(1, &filters));
    }
    let traces = bench.traces();
    assert!(traces.len() < 10, "{}", traces.len());
    assert!(matches!(traces[0].what, Happening::Missed(_)));
}

#[test]
fn without_a_reader_nothing_is_kept() {
    let mut bench = Bench::new(Open::anonymous(), Config { trace: 0, ..Config::default() });
    bench.clean("a");
    assert_eq!(bench.traces(), Vec::<Trace>::new());
}

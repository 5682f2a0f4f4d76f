//! How messages travel at each QoS, both ways, and to whom (MQTT 3.3, 4.3 to 4.7).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod support;

use skytether_core::link::QoS;
use skytether_simulator::broker::{
    Config,
    policy::{Limits, Open},
    trace::CloseReason,
};
use support::*;

fn with_limits(limits: Limits) -> Bench {
    Bench::new(Open::anonymous().with_limits(limits), Config::default())
}

#[test]
fn each_qos_is_acknowledged_in_its_way() {
    let mut bench = Bench::open_to_all();
    let conn = bench.clean("a");
    bench.feed(conn, &publish("t", "x", 0, 0));
    assert!(bench.take(conn).is_empty());
    bench.feed(conn, &publish("t", "x", 1, 7));
    assert_eq!(bench.take(conn), ["PUBACK 7"]);
    bench.feed(conn, &publish("t", "x", 2, 8));
    assert_eq!(bench.take(conn), ["PUBREC 8"]);
    bench.feed(conn, &pubrel(8));
    assert_eq!(bench.take(conn), ["PUBCOMP 8"]);
}

#[test]
fn delivery_is_at_the_lower_of_published_and_granted_qos() {
    for (published, granted) in (0..3).flat_map(|p| (0..3).map(move |g| (p, g))) {
        let mut bench = Bench::open_to_all();
        let listener = bench.listener("l", "t", granted);
        let talker = bench.clean("a");
        bench.feed(talker, &publish("t", "x", published, 5));
        let lower = published.min(granted);
        let id = if lower == 0 { "" } else { " #1" };
        assert_eq!(bench.take(listener), [format!("PUBLISH q{lower} d0 r0{id} t x")]);
    }
}

#[test]
fn a_qos_2_message_that_is_repeated_is_delivered_once_until_its_release() {
    let mut bench = Bench::open_to_all();
    let listener = bench.listener("l", "t", 0);
    let conn = bench.clean("a");
    bench.feed(conn, &publish("t", "one", 2, 8));
    bench.feed(conn, &publish_with("t", b"one", 2, 8, true, false));
    assert_eq!(bench.take(conn), ["PUBREC 8", "PUBREC 8"]);
    assert_eq!(bench.take(listener), ["PUBLISH q0 d0 r0 t one"]);
    bench.feed(conn, &pubrel(8));
    bench.feed(conn, &publish("t", "two", 2, 8));
    assert_eq!(bench.take(listener), ["PUBLISH q0 d0 r0 t two"]);
}

#[test]
fn a_qos_1_id_is_free_after_its_puback_whatever_dup_says() {
    let mut bench = Bench::open_to_all();
    let listener = bench.listener("l", "t", 0);
    let conn = bench.clean("a");
    bench.feed(conn, &publish("t", "x", 1, 8));
    bench.feed(conn, &publish_with("t", b"x", 1, 8, true, false));
    assert_eq!(bench.take(conn), ["PUBACK 8", "PUBACK 8"]);
    assert_eq!(bench.take(listener).len(), 2);
}

#[test]
fn a_qos_2_delivery_goes_through_its_four_steps() {
    let mut bench = Bench::open_to_all();
    let listener = bench.listener("l", "t", 2);
    bench.feed(listener, &publish("t", "x", 2, 9));
    assert_eq!(bench.take(listener), ["PUBREC 9", "PUBLISH q2 d0 r0 #1 t x"]);
    bench.feed(listener, &pubrec(1));
    assert_eq!(bench.take(listener), ["PUBREL 1"]);
    bench.feed(listener, &pubrec(1));
    assert_eq!(bench.take(listener), ["PUBREL 1"], "asked again, it answers again");
    bench.feed(listener, &pubcomp(1));
    assert!(bench.take(listener).is_empty());
    bench.feed(listener, &pubrel(9));
    assert_eq!(bench.take(listener), ["PUBCOMP 9"]);
}

#[test]
fn acknowledgements_that_fit_nothing_change_nothing() {
    let mut bench = with_limits(Limits { inflight: 1, ..Limits::default() });
    let listener = bench.listener("l", "t", 2);
    let talker = bench.clean("a");
    bench.feed(talker, &publish("t", "one", 1, 1));
    bench.feed(talker, &publish("t", "two", 2, 2));
    assert_eq!(bench.take(listener), ["PUBLISH q1 d0 r0 #1 t one"]);
    bench.feed(listener, &puback(9));
    bench.feed(listener, &pubcomp(1));
    bench.feed(listener, &pubrec(1));
    assert!(bench.take(listener).is_empty(), "PUBREC for a QoS 1 message");
    bench.feed(listener, &pubrec(77));
    bench.feed(listener, &pubrel(78));
    assert_eq!(
        bench.take(listener),
        ["PUBREL 77", "PUBCOMP 78"],
        "unknown ids are answered, so that the client can end"
    );
    bench.feed(listener, &puback(1));
    assert_eq!(bench.take(listener), ["PUBLISH q2 d0 r0 #2 t two"]);
    bench.feed(listener, &puback(2));
    bench.feed(listener, &pubcomp(2));
    bench.feed(talker, &publish("t", "three", 1, 3));
    assert!(bench.take(listener).is_empty(), "neither ends a QoS 2 message that waits for PUBREC");
    assert_eq!(bench.ended(listener), None);
}

#[test]
fn the_window_holds_messages_back_in_order_and_qos_0_passes_by() {
    let mut bench = with_limits(Limits { inflight: 2, ..Limits::default() });
    let listener = bench.listener("l", "t", 1);
    let talker = bench.clean("a");
    for (id, text) in [(1, "one"), (2, "two"), (3, "three"), (4, "four")] {
        bench.feed(talker, &publish("t", text, 1, id));
    }
    bench.feed(talker, &publish("t", "zero", 0, 0));
    assert_eq!(
        bench.take(listener),
        ["PUBLISH q1 d0 r0 #1 t one", "PUBLISH q1 d0 r0 #2 t two", "PUBLISH q0 d0 r0 t zero"]
    );
    bench.feed(listener, &puback(2));
    assert_eq!(bench.take(listener), ["PUBLISH q1 d0 r0 #3 t three"]);
    bench.feed(listener, &puback(1));
    assert_eq!(bench.take(listener), ["PUBLISH q1 d0 r0 #4 t four"]);
}

#[test]
fn packet_ids_go_round_and_skip_those_in_use() {
    let mut bench = Bench::new(Open::anonymous().with_first_packet_id(65_535), Config::default());
    let listener = bench.listener("l", "t", 1);
    for text in ["one", "two"] {
        bench.feed(listener, &publish("t", text, 1, 1));
    }
    assert_eq!(
        bench.take(listener),
        ["PUBACK 1", "PUBLISH q1 d0 r0 #65535 t one", "PUBACK 1", "PUBLISH q1 d0 r0 #1 t two"]
    );
    bench.feed(listener, &puback(65_535));
    for round in 2..=65_534_u16 {
        bench.feed(listener, &publish("t", "x", 1, 1));
        assert_eq!(bench.take(listener)[1], format!("PUBLISH q1 d0 r0 #{round} t x"));
        bench.feed(listener, &puback(round));
    }
    for expected in [65_535, 2] {
        bench.feed(listener, &publish("t", "x", 1, 1));
        assert_eq!(bench.take(listener)[1], format!("PUBLISH q1 d0 r0 #{expected} t x"), "1 is still in flight");
    }
}

#[test]
fn the_first_packet_id_is_the_policys() {
    let mut bench = Bench::new(Open::anonymous().with_first_packet_id(24), Config::default());
    let listener = bench.listener("l", "t", 1);
    bench.feed(listener, &publish("t", "x", 1, 1));
    bench.feed(listener, &publish("t", "y", 1, 2));
    assert_eq!(bench.take(listener), ["PUBACK 1", "PUBLISH q1 d0 r0 #24 t x", "PUBACK 2", "PUBLISH q1 d0 r0 #25 t y"]);
}

#[test]
fn wildcards_match_as_the_rules_say() {
    let mut bench = Bench::open_to_all();
    let filters = ["#", "+", "a/+", "a/#", "/+", "+/b/#", "$sys/#", "+/sys"];
    let listeners: Vec<_> =
        filters.iter().enumerate().map(|(i, filter)| bench.listener(&format!("l{i}"), filter, 0)).collect();
    let talker = bench.clean("talker");
    for (name, matching) in [
        ("a", "# + a/#"),
        ("a/b", "# a/+ a/# +/b/#"),
        ("/b", "# /+ +/b/#"),
        ("a/b/c", "# a/# +/b/#"),
        ("$sys/x", "$sys/#"),
        ("$sys", "$sys/#"),
        ("$x/sys", ""),
        ("$SYS/x", ""),
    ] {
        bench.feed(talker, &publish(name, "x", 0, 0));
        let found: Vec<_> = listeners
            .iter()
            .zip(filters)
            .filter_map(|(conn, filter)| (!bench.take(*conn).is_empty()).then_some(filter))
            .collect();
        assert_eq!(found.join(" "), matching, "{name}");
    }
}

#[test]
fn overlapping_subscriptions_deliver_once_at_the_highest_granted_qos() {
    let mut bench = Bench::open_to_all();
    let conn = bench.clean("l");
    bench.feed(conn, &subscribe(1, &[("a/b", 0), ("a/+", 2), ("a/#", 1)]));
    assert_eq!(bench.take(conn), ["SUBACK 1 [0 2 1]"]);
    let talker = bench.clean("a");
    bench.feed(talker, &publish("a/b", "x", 2, 1));
    assert_eq!(bench.take(conn), ["PUBLISH q2 d0 r0 #1 a/b x"]);
}

#[test]
fn an_equal_filter_replaces_the_subscription() {
    let mut bench = Bench::open_to_all();
    let conn = bench.listener("l", "t", 2);
    bench.feed(conn, &subscribe(2, &[("t", 0)]));
    bench.feed(conn, &publish("t", "x", 1, 1));
    assert_eq!(bench.take(conn), ["SUBACK 2 [0]", "PUBACK 1", "PUBLISH q0 d0 r0 t x"]);
}

#[test]
fn unsubscribe_ends_just_the_equal_filter_and_is_always_answered() {
    let mut bench = Bench::open_to_all();
    let conn = bench.clean("l");
    bench.feed(conn, &subscribe(1, &[("a/b", 1), ("a/+", 0)]));
    bench.feed(conn, &unsubscribe(2, &["a/b", "never/had"]));
    bench.feed(conn, &publish("a/b", "x", 1, 1));
    bench.feed(conn, &unsubscribe(3, &["a/+"]));
    bench.feed(conn, &publish("a/b", "y", 1, 2));
    assert_eq!(
        bench.take(conn),
        ["SUBACK 1 [1 0]", "UNSUBACK 2", "PUBACK 1", "PUBLISH q0 d0 r0 a/b x", "UNSUBACK 3", "PUBACK 2"]
    );
}

#[test]
fn the_highest_qos_of_the_server_is_granted_and_not_to_be_exceeded() {
    let mut bench = with_limits(Limits { qos: QoS::AtLeastOnce, ..Limits::default() });
    let conn = bench.clean("l");
    bench.feed(conn, &subscribe(1, &[("t", 2)]));
    assert_eq!(bench.take(conn), ["SUBACK 1 [1]"]);
    bench.feed(conn, &publish("t", "x", 2, 1));
    assert!(matches!(bench.ended(conn), Some(CloseReason::Protocol(_))));
}

#[test]
fn subscriptions_above_the_limit_are_refused_one_by_one() {
    let mut bench = with_limits(Limits { subscriptions: 2, ..Limits::default() });
    let conn = bench.clean("l");
    bench.feed(conn, &subscribe(1, &[("a", 0), ("b", 0), ("c", 0), ("a", 1)]));
    assert_eq!(bench.take(conn), ["SUBACK 1 [0 0 x 1]"]);
}

#[test]
fn order_is_kept_for_every_subscriber() {
    let mut bench = with_limits(Limits { inflight: 3, ..Limits::default() });
    let listener = bench.listener("l", "#", 2);
    let talker = bench.clean("a");
    for n in 0..50 {
        bench.feed(talker, &publish("t", &n.to_string(), 1 + n % 2, 100 + u16::from(n)));
        bench.feed(talker, &pubrel(100 + u16::from(n)));
    }
    let mut seen = Vec::new();
    loop {
        let lines = bench.take(listener);
        if lines.is_empty() {
            break;
        }
        for line in lines {
            let fields: Vec<_> = line.split(' ').collect();
            match fields[0] {
                "PUBLISH" => {
                    let id = fields[4][1..].parse().unwrap();
                    seen.push(fields[6].parse::<u8>().unwrap());
                    bench.feed(listener, &if fields[1] == "q1" { puback(id) } else { pubrec(id) });
                }
                _ => bench.feed(listener, &pubcomp(fields[1].parse().unwrap())),
            }
        }
    }
    assert_eq!(seen, (0..50).collect::<Vec<_>>());
}

#[test]
fn bytes_may_come_in_any_pieces() {
    let mut stream = connect_packet(&hello("a", true));
    stream.extend(subscribe(1, &[("t/#", 2)]));
    stream.extend(publish("t/1", &"long ".repeat(100), 2, 5));
    stream.extend(pubrel(5));
    stream.extend(publish("t/2", "", 1, 6));
    stream.extend(skytether_core::mqtt::codec::PINGREQ);
    let whole = {
        let mut bench = Bench::open_to_all();
        let conn = bench.open();
        bench.feed(conn, &stream);
        bench.take(conn)
    };
    assert_eq!(whole.len(), 8);
    for size in [1, 2, 3, 7, 64] {
        let mut bench = Bench::open_to_all();
        let conn = bench.open();
        for piece in stream.chunks(size) {
            bench.feed(conn, piece);
        }
        assert_eq!(bench.take(conn), whole, "pieces of {size}");
    }
}

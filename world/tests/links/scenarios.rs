//! The scenarios, each for any link.

use crate::{
    links::Kind,
    stage::{SOON, Stage, levels},
    tester::Order,
};
use core::time::Duration;
use skytether_core::{
    io::{Failure, Machine as _, Refusal},
    link::QoS,
    secret::Secret,
};
use skytether_simulator::broker::policy::Denial;
use skytether_world::{
    fault::Fault,
    pipe::{Direction, Seen},
};
use std::collections::BTreeSet;

/// The first arrival of each, in order.
fn firsts(heard: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let mut seen = BTreeSet::new();
    heard.into_iter().filter(|payload| seen.insert(payload.clone())).collect()
}

pub(crate) fn a_connection_comes_about_as_it_was_asked_for<K: Kind>(kind: &'static K) {
    let mut stage = Stage::up(kind);
    assert_eq!(stage.told("Up"), 1);
    let came = &stage.rules().came;
    assert_eq!(came.len(), 1);
    assert_eq!((&*came[0].client_id, came[0].user_name.as_deref()), ("dev-7", Some("dev-7/user?v=1")));
    assert_eq!(came[0].password.as_ref().map(Secret::expose), Some(&b"pass\"word\\"[..]));
    assert_eq!((came[0].keep_alive, came[0].clean_session), (30, true));
    stage.run(1000);
    assert_eq!(stage.topics(), ["hello"]);
}

pub(crate) fn a_refused_connection_is_told_and_made_again<K: Kind>(kind: &'static K) {
    let mut stage = Stage::with(kind, |world| {
        world.with_broker(|broker, _| broker.deny_next(Denial::Code(Refusal::ServerUnavailable, "test")));
    });
    stage.until("a refusal", |stage| stage.told("Down") == 1);
    let down = stage.events.last().unwrap();
    assert!(down.contains("Refused("), "{down}");
    assert_eq!(down.contains("ServerUnavailable"), kind.knows_reasons(), "{down}");
    assert_eq!(stage.told("Up"), 0);
    stage.until_ready();
    assert_eq!(stage.told("Dialling"), 2);
}

pub(crate) fn a_subscription_is_granted_or_refused<K: Kind>(kind: &'static K) {
    let mut stage = Stage::up(kind);
    stage.subscribe("granted/+", QoS::AtLeastOnce);
    let order = Order::Subscribe { filter: "forbidden/#".into(), qos: QoS::AtLeastOnce };
    let tag = stage.order(&order).unwrap();
    assert!(matches!(stage.end_of(tag), Err(Failure::Refused(_))));
    // What was refused is not asked again, what was granted is held.
    stage.world.publish("granted/x", b"1", QoS::AtLeastOnce);
    stage.run(1000);
    assert_eq!(stage.came_in, [("granted/x".to_owned(), b"1".to_vec())]);
    let tag = stage.order(&Order::Unsubscribe { filter: "granted/+".into() }).unwrap();
    assert_eq!(stage.end_of(tag), Ok("unsubscribed"));
    stage.world.publish("granted/x", b"2", QoS::AtLeastOnce);
    stage.run(1000);
    assert_eq!(stage.came_in.len(), 1);
}

pub(crate) fn a_message_of_each_qos_is_sent_and_told<K: Kind>(kind: &'static K) {
    let mut stage = Stage::up(kind);
    for qos in levels(stage.qos()) {
        let tag = stage.publish("up/x", &[b'0' + qos.level()], qos);
        assert_eq!(stage.end_of(tag), Ok("delivered"), "{qos:?}");
        stage.run(1000);
    }
    let sent: Vec<Vec<u8>> = levels(stage.qos()).iter().map(|qos| vec![b'0' + qos.level()]).collect();
    assert_eq!(stage.heard("up/x"), sent, "each once");
}

pub(crate) fn a_message_after_a_silence_is_sent<K: Kind>(kind: &'static K) {
    let mut stage = Stage::up(kind);
    for qos in levels(stage.qos()) {
        stage.run(10_000);
        let tag = stage.publish("up", b"x", qos);
        assert_eq!(stage.end_of(tag), Ok("delivered"), "{qos:?}");
        let order = Order::Subscribe { filter: format!("down/{}", qos.level()), qos };
        stage.run(10_000);
        let tag = stage.order(&order).unwrap();
        assert_eq!(stage.end_of(tag), Ok("granted"), "{qos:?}");
    }
    assert_eq!(stage.told("Down"), 0);
}

pub(crate) fn a_message_of_each_qos_comes_in<K: Kind>(kind: &'static K) {
    let mut stage = Stage::up(kind);
    stage.subscribe("down/#", stage.qos());
    for qos in levels(stage.qos()) {
        stage.world.publish("down/x", &[b'0' + qos.level()], qos);
        stage.run(1000);
    }
    let sent: Vec<_> = levels(stage.qos()).iter().map(|qos| ("down/x".to_owned(), vec![b'0' + qos.level()])).collect();
    assert_eq!(stage.came_in, sent, "each once");
}

/// At every distance between the two.
pub(crate) fn a_message_comes_in_while_one_is_sent<K: Kind>(kind: &'static K) {
    let mut stage = Stage::up(kind);
    stage.subscribe("down/#", QoS::AtLeastOnce);
    for delay in 0..60 {
        let text = delay.to_string();
        let tag = stage.publish("up", text.as_bytes(), QoS::AtLeastOnce);
        stage.run(delay);
        stage.world.publish("down/x", format!("{{\"n\":\"{text}\"}}").as_bytes(), QoS::AtLeastOnce);
        assert_eq!(stage.end_of(tag), Ok("delivered"));
        stage.run(300);
        assert_eq!(stage.came_in.pop(), Some(("down/x".to_owned(), format!("{{\"n\":\"{text}\"}}").into_bytes())));
    }
    assert_eq!(stage.heard("up").len(), 60);
    assert_eq!(stage.told("Down"), 0);
}

/// The connection to the broker breaks once so many bytes of it have gone, in either direction.
pub(crate) fn r_5_a_connection_that_is_lost_in_mid_publish_loses_no_message<K: Kind>(kind: &'static K) {
    for direction in [Direction::Up, Direction::Down] {
        for after in 0..30 {
            let mut stage = Stage::up(kind);
            stage.world.harm(Fault::Cut { device: 0, direction, after, seen: Seen::AT_ONCE });
            let tags: Vec<_> = (0..3)
                .map(|number| stage.publish("up", format!("message {number}").as_bytes(), QoS::AtLeastOnce))
                .collect();
            for tag in tags {
                assert_eq!(stage.end_of(tag), Ok("delivered"), "{direction:?} {after}");
            }
            let all: Vec<Vec<u8>> = (0..3).map(|number| format!("message {number}").into_bytes()).collect();
            assert_eq!(firsts(stage.heard("up")), all, "{direction:?} {after}");
        }
    }
}

pub(crate) fn r_81_queued_traffic_goes_out_in_order_after_a_redial<K: Kind>(kind: &'static K) {
    let mut stage = Stage::up(kind);
    stage.subscribe("down/#", QoS::AtLeastOnce);
    let cause = skytether_core::io::Cause::Unreachable;
    stage.world.harm(Fault::Refuse { device: 0, cause, time: Duration::from_secs(20) });
    let seen = Seen::AT_ONCE;
    stage.world.harm(Fault::Cut { device: 0, direction: Direction::Up, after: 0, seen });
    stage.until("the loss", |stage| stage.told("Down") > 0);
    let tags: Vec<_> = (0..20).map(|number| stage.publish("up", &[b'a' + number], QoS::AtLeastOnce)).collect();
    for tag in tags {
        assert_eq!(stage.end_of(tag), Ok("delivered"));
    }
    let heard: Vec<u8> = stage.heard("up").concat();
    assert_eq!(heard, b"abcdefghijklmnopqrst", "in order, each once");
    stage.world.publish("down/x", b"again", QoS::AtLeastOnce);
    stage.run(1000);
    assert_eq!(stage.came_in.len(), 1, "R-26: subscribed again");
}

pub(crate) fn a_redial_leads_to_the_next_endpoint_with_what_was_queued<K: Kind>(kind: &'static K) {
    let mut stage = Stage::up(kind);
    let tags: Vec<_> = (0..5).map(|number| stage.publish("up", &[b'a' + number], QoS::AtLeastOnce)).collect();
    stage.order(&Order::Redial).unwrap();
    let later: Vec<_> = (5..10).map(|number| stage.publish("up", &[b'a' + number], QoS::AtLeastOnce)).collect();
    for tag in tags.into_iter().chain(later) {
        assert_eq!(stage.end_of(tag), Ok("delivered"));
    }
    let heard = firsts(stage.heard("up")).concat();
    assert_eq!(heard, b"abcdefghij", "what was unacknowledged may come twice, but none is passed over");
    stage.run(2000);
    assert_eq!(stage.rules().came.len(), 2);
    assert_eq!(stage.rules().went, [true], "it said goodbye");
    let hosts: Vec<_> = stage.events.iter().filter(|event| event.starts_with("Dialling")).cloned().collect();
    assert!(hosts[0].contains("one.invalid") && hosts[1].contains("two.invalid"), "{hosts:?}");
}

/// Set-up goes before all, answers go ahead of the application, and only the application's survives the connection.
pub(crate) fn lanes_are_kept_apart<K: Kind>(kind: &'static K) {
    let mut stage = Stage::set(kind);
    stage.run(1);
    let early: Vec<_> = (0..8).map(|number| stage.publish("up", &[b'a' + number], QoS::AtLeastOnce)).collect();
    for tag in early {
        assert_eq!(stage.end_of(tag), Ok("delivered"));
    }
    assert_eq!(stage.topics()[..2], ["hello", "up"], "what was queued waited for the set-up");
    // A backlog, and a question in the midst of it.
    let backlog: Vec<_> = (0..200).map(|_| stage.publish("up", b"backlog", QoS::AtLeastOnce)).collect();
    stage.world.publish("ask/me", b"why", QoS::AtLeastOnce);
    stage.until("the answer", |stage| !stage.heard("answer").is_empty());
    assert!(stage.heard("up").len() < 180, "the answer did not wait for the backlog");
    for tag in backlog {
        assert_eq!(stage.end_of(tag), Ok("delivered"));
    }
    // A connection later: hello is said anew, nothing of the application's twice.
    let before = stage.heard("up").len();
    stage.world.harm(Fault::Cut { device: 0, direction: Direction::Down, after: 0, seen: Seen::AT_ONCE });
    stage.until("the next connection", |stage| stage.told("Ready") == 2);
    stage.run(1000);
    assert_eq!(stage.heard("hello").len(), 2);
    assert_eq!((stage.heard("up").len(), stage.heard("answer").len()), (before, 1));
}

pub(crate) fn r_31_a_farewell_lets_what_is_queued_go_first<K: Kind>(kind: &'static K) {
    let mut stage = Stage::up(kind);
    let tags: Vec<_> = (0..5).map(|number| stage.publish("up", &[b'a' + number], QoS::AtLeastOnce)).collect();
    stage.world.close(0);
    stage.until("the end", |stage| stage.world.machine(0).unwrap().is_closed());
    for tag in tags {
        assert_eq!(stage.end_of(tag), Ok("delivered"));
    }
    stage.run(1000);
    assert_eq!(stage.heard("up").concat(), b"abcde");
    assert_eq!(stage.rules().went, [true], "it said goodbye");
}

pub(crate) fn r_21_silence_is_kept_alive_and_a_dead_line_is_missed<K: Kind>(kind: &'static K) {
    let mut stage = Stage::up(kind);
    stage.run(1_800_000);
    assert_eq!((stage.told("Down"), stage.rules().came.len()), (0, 1), "half an hour of silence is no loss");
    stage.world.harm(Fault::Cut { device: 0, direction: Direction::Up, after: 0, seen: Seen::NEVER });
    stage.until("the loss", |stage| stage.told("Down") == 1);
    stage.until("the next connection", |stage| stage.told("Ready") == 2);
    stage.world.run(SOON);
}

pub(crate) fn every_byte_value_goes_both_ways<K: Kind>(kind: &'static K) {
    let mut stage = Stage::up(kind);
    stage.subscribe("down/#", QoS::AtLeastOnce);
    let mut payloads: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte]).collect();
    // Each beside others, in halves: as hex digits a line of a modem holds no more.
    payloads.push((0..=127).collect());
    payloads.push((128..=255).collect());
    payloads.push(b"\"},\"a\":[1,2],\"\\\"\\\\\r\nOK\r\n>+MQTTCONN:0\r\n".to_vec());
    payloads.push(b"\",5,\"{\"x\":\"y\"}".to_vec());
    payloads.push(b"[00]".to_vec());
    payloads.push(Vec::new());
    let tags: Vec<_> = payloads.iter().map(|payload| stage.publish("up", payload, QoS::AtLeastOnce)).collect();
    for tag in tags {
        assert_eq!(stage.end_of(tag), Ok("delivered"));
    }
    assert_eq!(stage.heard("up"), payloads);
    for payload in &payloads {
        stage.world.publish("down/x", payload, QoS::AtLeastOnce);
        stage.run(100);
    }
    stage.run(2000);
    let came: Vec<_> = stage.came_in.iter().map(|(_, payload)| payload.clone()).collect();
    assert_eq!(came, payloads);
    assert_eq!(stage.told("Down"), 0);
}

pub(crate) fn the_largest_payload_goes_both_ways_and_a_larger_one_is_refused<K: Kind>(kind: &'static K) {
    let mut stage = Stage::up(kind);
    stage.subscribe("t", QoS::AtMostOnce);
    let largest = {
        // PUBLISH at QoS 1 on `t`: topic with its length, packet id, fixed header.
        let packet = stage.abilities().packet;
        let header = if packet > 16_384 + 4 {
            4
        } else if packet > 128 + 3 {
            3
        } else {
            2
        };
        packet - header - 3 - 2
    };
    let payload = vec![b'x'; largest];
    let tag = stage.publish("t", &payload, QoS::AtLeastOnce);
    assert_eq!(stage.end_of(tag), Ok("delivered"));
    assert_eq!(stage.heard("t"), [payload]);
    // A modem's bound is that of its line: a few bytes of the packet are none of it.
    let order = Order::Publish { topic: "t".into(), payload: vec![b'x'; largest + 16], qos: QoS::AtLeastOnce };
    assert!(stage.order(&order).is_err());
    stage.run(2000);
    stage.came_in.clear();
    let payload = vec![b'y'; kind.largest_down()];
    stage.world.publish("t", &payload, QoS::AtMostOnce);
    stage.run(2000);
    assert_eq!(stage.came_in, [("t".to_owned(), payload)]);
    assert_eq!(stage.told("Down"), 0);
}

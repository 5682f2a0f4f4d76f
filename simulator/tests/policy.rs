//! What a cloud can make of the broker: whom it asks, what it hears, what it says.
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
    io::{Deadline, Refusal, Rejected},
    link::{Connect, Message, QoS},
    mqtt::codec,
    time::{Instant, UnixMillis},
};
use skytether_simulator::broker::{
    Config,
    policy::{At, Denial, Direct, Limits, Outbox, Outgoing, Peer, Policy, Settled, Target, Verdict},
    trace::CloseReason,
};
use support::*;

/// A small cloud: a device may use topics below its own name, asks `ask`, is told every second, and is written down.
#[derive(Default)]
struct Cloud {
    diary: Vec<String>,
    ring: Option<Instant>,
}

impl Policy for Cloud {
    type Identity = String;

    fn authenticate(&mut self, at: At, connect: &Connect, peer: &Peer) -> Result<String, Denial> {
        self.diary.push(format!("{} {} {}", at.wall.0, connect.client_id, peer.address.as_deref().unwrap_or("-")));
        match connect.client_id.as_str() {
            "stranger" => Err(Denial::Code(Refusal::NotAuthorized, "stranger")),
            "thief" => Err(Denial::Silent("thief")),
            name => Ok(name.to_owned()),
        }
    }

    fn first_packet_id(&self, identity: &String) -> u16 {
        if identity == "air" { 24 } else { 0 }
    }

    fn may_subscribe(&mut self, _: At, identity: &String, filter: &str, _: QoS) -> Option<QoS> {
        filter.starts_with(identity.as_str()).then_some(QoS::AtLeastOnce)
    }

    fn unsubscribes(&self, identity: &String, filter: &str, held: &str) -> bool {
        filter == held || filter == format!("{identity}/#")
    }

    fn may_publish(&mut self, _: At, identity: &String, message: &Message<'_>) -> Verdict {
        match message.topic.strip_prefix(identity.as_str()) {
            Some("/quiet") => Verdict::AcceptSilently,
            Some(_) => Verdict::Accept,
            None if message.topic.starts_with('$') => Verdict::Close("system topic"),
            None => Verdict::Drop("not its own topic"),
        }
    }

    fn on_publish(&mut self, at: At, identity: &String, message: &Message<'_>, out: &mut Outbox) {
        self.diary.push(format!("{identity} says {}", message.topic));
        let text = at.wall.0.to_string();
        match message.topic.rsplit('/').next() {
            Some("time") => out.publish(format!("{identity}/answer"), text, QoS::AtMostOnce),
            Some("whisper") => out.send(Target::Subscriber("air".into()), "air/in", text, QoS::ExactlyOnce),
            Some("push") => out.send(Target::Client("air".into()), "anything", text, QoS::AtLeastOnce),
            Some("alarm") => self.ring = Some(at.now.after(Duration::from_secs(1))),
            Some("suicide") => out.kick(identity.as_str(), "asked for it"),
            Some("nonsense") => out.publish("no/#/topic", text, QoS::AtMostOnce),
            Some(_) | None => {}
        }
    }

    fn on_connected(&mut self, _: At, identity: &String, _: &Connect, out: &mut Outbox) {
        out.publish("air/online", identity.as_str(), QoS::AtMostOnce);
    }

    fn on_subscribed(&mut self, _: At, identity: &String, filter: &str, granted: QoS, _: &mut Outbox) {
        self.diary.push(format!("{identity} hears {filter} at {}", granted.level()));
    }

    fn on_disconnected(&mut self, _: At, identity: &String, orderly: bool, out: &mut Outbox) {
        self.diary.push(format!("{identity} left, orderly {orderly}"));
        out.publish("air/offline", identity.as_str(), QoS::AtMostOnce);
    }

    fn deadline(&self) -> Option<Deadline> {
        self.ring.map(|at| Deadline { at, why: "alarm" })
    }

    fn on_time(&mut self, at: At, out: &mut Outbox) {
        if self.ring.is_some_and(|ring| ring <= at.now) {
            self.ring = None;
            out.publish("air/alarm", "ring", QoS::AtMostOnce);
        }
    }
}

fn bench() -> Bench<Cloud> {
    Bench::new(Cloud::default(), Config::default())
}

#[test]
fn authentication_sees_wall_time_client_and_peer() {
    let mut bench = bench();
    bench.now = Instant(5000);
    let conn = skytether_simulator::broker::ConnId(77);
    let peer = Peer { address: Some("10.0.0.1:99".into()), ..Peer::default() };
    bench.broker.connect(bench.now, conn, peer);
    bench.feed(conn, &connect_packet(&hello("air", true)));
    assert_eq!(bench.broker.policy().diary, ["1700000005000 air 10.0.0.1:99"]);
    bench.broker.set_wall(bench.now, UnixMillis(1));
    bench.now = Instant(5001);
    bench.clean("door");
    assert_eq!(bench.broker.policy().diary[1], "2 door -");
}

#[test]
fn refusals_are_told_or_silent() {
    let mut bench = bench();
    let conn = bench.knock(&hello("stranger", true));
    assert_eq!(bench.take(conn), ["CONNACK 0 code 5"]);
    let conn = bench.knock(&hello("thief", true));
    assert!(bench.take(conn).is_empty());
    assert_eq!(bench.ended(conn), Some(CloseReason::Denied(Denial::Silent("thief"))));
    assert_eq!(bench.broker.policy().diary.len(), 2, "who was not let in does not leave");
}

#[test]
fn filters_are_granted_or_refused_each_for_itself() {
    let mut bench = bench();
    let conn = bench.clean("air");
    bench.feed(conn, &subscribe(1, &[("air/a", 2), ("door/a", 1), ("air/b", 0)]));
    assert_eq!(bench.take(conn), ["SUBACK 1 [1 x 0]"]);
    assert_eq!(bench.broker.policy().diary[1..], ["air hears air/a at 1", "air hears air/b at 0"]);
}

#[test]
fn the_policy_says_what_an_unsubscribe_ends() {
    let mut bench = bench();
    let conn = bench.clean("air");
    bench.feed(conn, &subscribe(1, &[("air/a", 0), ("air/b", 0)]));
    bench.feed(conn, &unsubscribe(2, &["air/#"]));
    bench.feed(conn, &publish("air/a", "x", 0, 0));
    assert_eq!(bench.take(conn), ["SUBACK 1 [0 0]", "UNSUBACK 2"]);
}

#[test]
fn each_verdict_does_what_it_says() {
    let mut bench = bench();
    let conn = bench.listener("air", "air/#", 0);
    bench.feed(conn, &publish("air/a", "x", 1, 1));
    assert_eq!(bench.take(conn), ["PUBACK 1", "PUBLISH q0 d0 r0 air/a x"]);
    bench.feed(conn, &publish("air/quiet", "x", 2, 2));
    assert_eq!(bench.take(conn), ["PUBREC 2"]);
    bench.feed(conn, &publish("door/a", "x", 1, 3));
    assert!(bench.take(conn).is_empty(), "no PUBACK ever comes");
    assert_eq!(bench.ended(conn), None);
    bench.feed(conn, &publish("$sys", "x", 1, 4));
    assert_eq!(bench.ended(conn), Some(CloseReason::Kicked("system topic")));
    assert_eq!(bench.broker.policy().diary[2..4], ["air says air/a", "air says air/quiet"]);
}

#[test]
fn a_repeated_qos_2_message_is_heard_once() {
    let mut bench = bench();
    let conn = bench.clean("air");
    bench.feed(conn, &publish("air/quiet", "x", 2, 2));
    bench.feed(conn, &publish_with("air/quiet", b"x", 2, 2, true, false));
    assert_eq!(bench.broker.policy().diary.iter().filter(|line| line.contains("says")).count(), 1);
}

#[test]
fn answers_come_behind_the_acknowledgement_through_subscriptions() {
    let mut bench = bench();
    let conn = bench.clean("air");
    bench.feed(conn, &publish("air/time", "", 1, 1));
    assert_eq!(bench.take(conn), ["PUBACK 1"], "without a subscription there is no answer");
    bench.feed(conn, &subscribe(1, &[("air/answer", 1)]));
    bench.feed(conn, &publish("air/time", "", 1, 2));
    assert_eq!(bench.take(conn), ["SUBACK 1 [1]", "PUBACK 2", "PUBLISH q0 d0 r0 air/answer 1700000000000"]);
    assert_eq!(bench.broker.policy().diary.iter().filter(|line| line.contains("says")).count(), 2, "not offered again");
}

#[test]
fn a_message_can_be_for_one_client_only_with_or_without_subscription() {
    let mut bench = bench();
    let air = bench.clean("air");
    let door = bench.clean("door");
    bench.take(air);
    bench.feed(door, &publish("door/whisper", "", 0, 0));
    assert!(bench.take(air).is_empty());
    bench.feed(door, &publish("door/push", "", 0, 0));
    assert_eq!(bench.take(air), ["PUBLISH q1 d0 r0 #24 anything 1700000000000"]);
    bench.feed(air, &subscribe(1, &[("air/+", 1)]));
    bench.feed(door, &publish("door/whisper", "", 0, 0));
    assert_eq!(bench.take(air), ["SUBACK 1 [1]", "PUBLISH q1 d0 r0 #25 air/in 1700000000000"]);
    assert!(bench.take(door).is_empty());
}

#[test]
fn coming_and_going_are_heard_and_may_be_told() {
    let mut bench = bench();
    let air = bench.listener("air", "air/#", 0);
    let door = bench.clean("door");
    bench.feed(door, &codec::DISCONNECT);
    let door = bench.clean("door");
    bench.cut(door);
    let lines = bench.take(air);
    assert_eq!(
        lines.iter().map(|line| line.replace("PUBLISH q0 d0 r0 air/", "")).collect::<Vec<_>>(),
        ["online door", "offline door", "online door", "offline door"]
    );
    let left: Vec<_> = bench.broker.policy().diary.iter().filter(|line| line.contains("left")).collect();
    assert_eq!(left, ["door left, orderly true", "door left, orderly false"]);
}

#[test]
fn the_policy_has_a_clock_of_its_own() {
    let mut bench = bench();
    let air = bench.listener("air", "air/alarm", 0);
    bench.feed(air, &publish("air/x/alarm", "", 0, 0));
    assert_eq!(bench.broker.deadline(), Some(Deadline { at: Instant(1000), why: "alarm" }));
    bench.pass(999);
    assert!(bench.take(air).is_empty());
    bench.pass(1);
    assert_eq!(bench.take(air), ["PUBLISH q0 d0 r0 air/alarm ring"]);
    assert_eq!(bench.broker.deadline(), None);
}

#[test]
fn a_client_can_be_thrown_out_by_the_policy_and_by_hand() {
    let mut bench = bench();
    let air = bench.clean("air");
    bench.feed(air, &publish("air/suicide", "", 1, 1));
    assert_eq!(bench.ended(air), Some(CloseReason::Kicked("asked for it")));
    let air = bench.clean("air");
    assert!(bench.broker.kick(bench.now, "air", "by hand"));
    assert!(!bench.broker.kick(bench.now, "air", "by hand"));
    assert_eq!(bench.ended(air), Some(CloseReason::Kicked("by hand")));
}

#[test]
fn what_the_policy_says_to_no_topic_is_dropped_and_traced() {
    let mut bench = bench();
    let air = bench.listener("air", "air/#", 0);
    bench.feed(air, &publish("air/nonsense", "", 1, 1));
    assert_eq!(bench.take(air), ["PUBACK 1", "PUBLISH q0 d0 r0 air/nonsense "]);
    assert!(bench.traces().iter().any(|trace| trace.to_string().contains("\"no/#/topic\" dropped")));
}

#[test]
fn the_cloud_speaks_of_itself() {
    let mut bench = bench();
    let air = bench.listener("air", "air/#", 1);
    let message = |topic: &str, retain| Outgoing {
        topic: topic.to_owned(),
        payload: b"x".to_vec(),
        qos: QoS::ExactlyOnce,
        retain,
    };
    let now = bench.now;
    bench.broker.send(now, &Target::Subscribers, &message("air/control", true)).unwrap();
    assert_eq!(bench.take(air), ["PUBLISH q1 d0 r0 #24 air/control x"]);
    let refused = bench.broker.send(now, &Target::Subscribers, &message("air/+", false));
    assert!(matches!(refused, Err(Rejected::Invalid(_))));
    let count = bench.broker.act(now, |cloud, at, out| {
        out.push(Direct::Send(Target::Client("air".into()), message(&format!("at/{}", at.now.0), false)));
        cloud.diary.len()
    });
    assert_eq!(count, 2);
    assert_eq!(bench.take(air), ["PUBLISH q2 d0 r0 #25 at/0 x"]);
    bench.feed(air, &subscribe(2, &[("air/control", 0)]));
    assert_eq!(bench.take(air), ["SUBACK 2 [0]", "PUBLISH q0 d0 r1 air/control x"]);
}

#[test]
fn a_will_is_judged_when_it_is_due() {
    let mut bench = bench();
    let air = bench.listener("air", "air/#", 0);
    for (topic, said) in [("door/will", true), ("air/will", false), ("$sys/will", false)] {
        let door = bench.knock(&with_will("door", topic, "gone", 0, false));
        bench.cut(door);
        let heard = bench.broker.policy().diary.iter().any(|line| line == &format!("door says {topic}"));
        assert_eq!(heard, said, "{topic}");
    }
    assert!(bench.take(air).iter().all(|line| !line.contains("will")));
}

/// A policy that keeps several servers in one, and writes down what it hears of sessions.
#[derive(Default)]
struct Halls(Vec<String>);

impl Policy for Halls {
    type Identity = String;

    fn limits(&self) -> Limits {
        Limits { deliveries: Some(3), silence: Some(Duration::from_secs(100)), ..Limits::default() }
    }

    fn authenticate(&mut self, _: At, connect: &Connect, _: &Peer) -> Result<String, Denial> {
        Ok(connect.user_name.clone().unwrap_or_default())
    }

    fn session(&self, hall: &String, client_id: &str) -> String {
        format!("{hall}/{client_id}")
    }

    fn is_clean(&self, hall: &String, asked: bool) -> bool {
        asked || hall == "porch"
    }

    fn may_subscribe(&mut self, _: At, _: &String, _: &str, qos: QoS) -> Option<QoS> {
        Some(qos)
    }

    fn may_publish(&mut self, _: At, _: &String, _: &Message<'_>) -> Verdict {
        Verdict::Accept
    }

    fn on_session(&mut self, _: At, hall: &String, present: bool) {
        self.0.push(format!("session in {hall}: {present}"));
    }

    fn on_publish(&mut self, _: At, hall: &String, message: &Message<'_>, _: &mut Outbox) {
        self.0.push(format!("{hall}: {}", message.topic));
    }

    fn on_will(&mut self, _: At, hall: &String, message: &Message<'_>, _: &mut Outbox) {
        self.0.push(format!("will of {hall}: {}", message.topic));
    }

    fn on_unsubscribed(&mut self, _: At, hall: &String, filter: &str) {
        self.0.push(format!("{hall} hears no more of {filter}"));
    }

    fn on_settled(&mut self, _: At, session: &str, topic: &str, settled: Settled, _: &mut Outbox) {
        self.0.push(format!("{session}: {topic} {settled:?}"));
    }
}

fn in_hall(hall: &str, clean: bool) -> Connect {
    Connect { user_name: Some(hall.to_owned()), ..hello("c", clean) }
}

fn halls() -> Bench<Halls> {
    Bench::new(Halls::default(), Config::default())
}

#[test]
fn one_client_id_has_a_session_in_each_hall() {
    let mut bench = halls();
    let (north, south) = (bench.knock(&in_hall("north", false)), bench.knock(&in_hall("south", false)));
    assert_eq!(
        (bench.take(north), bench.take(south)),
        (vec!["CONNACK 0 code 0".into()], vec!["CONNACK 0 code 0".into()])
    );
    assert_eq!((bench.ended(north), bench.ended(south)), (None, None));
    assert_eq!(bench.broker.clients().collect::<Vec<_>>(), ["north/c", "south/c"]);
    assert_eq!(bench.broker.connection_of("south/c"), Some(south));
    assert_eq!(bench.broker.connection_of("c"), Some(north), "by client id: the first that is connected");
    assert!(bench.broker.kick(bench.now, "c", "out"));
    assert_eq!(bench.broker.connection_of("c"), Some(south), "the first that is connected still");
    let again = bench.knock(&in_hall("south", false));
    assert_eq!(bench.take(again), ["CONNACK 1 code 0"]);
    assert_eq!(bench.ended(south), Some(CloseReason::TakenOver(again)));
    assert_eq!(
        bench.broker.policy().0,
        ["session in north: false", "session in south: false", "session in south: true"]
    );
}

#[test]
fn a_hall_may_keep_no_session_whatever_the_client_asks_for() {
    let mut bench = halls();
    for _ in 0..2 {
        let conn = bench.knock(&in_hall("porch", false));
        assert_eq!(bench.take(conn), ["CONNACK 0 code 0"]);
        bench.cut(conn);
    }
}

#[test]
fn a_message_is_sent_three_times_and_then_given_up() {
    let mut bench = halls();
    let mut conn = bench.knock(&in_hall("north", false));
    bench.feed(conn, &subscribe(1, &[("t", 1)]));
    bench.take(conn);
    let other = bench.knock(&in_hall("south", true));
    bench.feed(other, &publish("t", "one", 1, 1));
    for dup in [0, 1, 1] {
        let sent = format!("PUBLISH q1 d{dup} r0 #1 t one");
        let got = bench.take(conn);
        assert!(got.contains(&sent), "{got:?}");
        bench.cut(conn);
        conn = bench.knock(&in_hall("north", false));
    }
    assert_eq!(bench.take(conn), ["CONNACK 1 code 0"]);
    bench.feed(other, &publish("t", "two", 1, 2));
    assert_eq!(bench.take(conn), ["PUBLISH q1 d0 r0 #2 t two"]);
    bench.feed(conn, &puback(2));
    let heard = &bench.broker.policy().0;
    let settled: Vec<_> = heard.iter().filter(|line| line.starts_with("north/c")).collect();
    assert_eq!(settled, ["north/c: t GivenUp", "north/c: t Acknowledged"]);
}

#[test]
fn wills_and_ended_subscriptions_are_told_apart_from_messages() {
    let mut bench = halls();
    let will = with_will("c", "gone", "", 0, false).will;
    let conn = bench.knock(&Connect { will, ..in_hall("north", true) });
    bench.feed(conn, &subscribe(1, &[("a/#", 0)]));
    bench.feed(conn, &unsubscribe(2, &["a/#", "b"]));
    bench.feed(conn, &publish("here", "", 0, 0));
    bench.cut(conn);
    let heard = ["session in north: false", "north hears no more of a/#", "north: here", "will of north: gone"];
    assert_eq!(bench.broker.policy().0, heard);
}

#[test]
fn silence_is_bounded_whatever_the_keep_alive() {
    for (keep_alive, seconds) in [(0, 100), (1000, 100), (10, 15)] {
        let mut bench = halls();
        let conn = bench.knock(&Connect { keep_alive, ..in_hall("north", true) });
        bench.pass(seconds * 1000 - 1);
        assert_eq!(bench.ended(conn), None, "{keep_alive}");
        bench.pass(1);
        assert_eq!(bench.ended(conn), Some(CloseReason::KeepAlive), "{keep_alive}");
    }
}

//! What a device does at the platform: introductions, user topics, and whom a message is for.

use crate::sky::{Said, Sky, Wire, door, publish};
use core::time::Duration;
use proptest::prelude::*;
use skytether_core::{
    cloud::Fatal,
    device,
    io::{Action, Cause, Failure, Input, Machine as _, Pipe, Refusal, Rejected},
    link::{Note, QoS},
    mqtt::codec::AckKind,
    tencent::{
        Answer, Command, Config, Event, Proof, Tencent, UserTopic,
        credentials::{ConnId, Credentials, SignMethod, UserName},
        endpoint::Transport,
    },
};

/// The parts of a user name: client id, sdkappid, connid, expiry.
fn introduction(wires: &[Wire]) -> (String, Vec<String>, Option<String>) {
    match wires {
        [Wire::Connect { client_id, user_name, password, keep_alive: 60, clean: true, will: false }] => {
            (client_id.clone(), user_name.split(';').map(String::from).collect(), password.clone())
        }
        other => panic!("one CONNECT was expected: {other:?}"),
    }
}

#[test]
fn a_key_device_introduces_itself_with_a_signed_user_name() {
    let mut sky = Sky::new(door());
    let opened = sky.said.iter().find_map(|said| match said {
        Said::Act(Action::Open(Pipe::Net(endpoint))) => Some(endpoint.to_string()),
        _ => None,
    });
    assert_eq!(opened.as_deref(), Some("tls://DOORPRD9A1.iotcloud.tencentdevices.com:8883"));
    let (client_id, name, password) = introduction(&sky.wait_for_open());
    assert_eq!(client_id, "DOORPRD9A1door1");
    assert_eq!((&*name[0], &*name[1], name[2].len(), &*name[3]), ("DOORPRD9A1door1", "12010126", 5, "2147483647"));
    let config = door();
    let Proof::Key(secret) = &config.proof else { panic!("a key device") };
    let user_name = UserName {
        product: &config.product,
        device: &config.device,
        sdk_app_id: 12_010_126,
        conn_id: ConnId::new(&name[2]).unwrap(),
        expiry: 2_147_483_647,
    };
    let expected = Credentials::new(&user_name, secret, SignMethod::HmacSha256).password.unwrap();
    assert_eq!(password.unwrap().as_bytes(), expected.expose());
}

#[test]
fn each_attempt_has_a_connid_of_its_own() {
    let mut sky = Sky::new(door());
    let (_, first, one) = introduction(&sky.wait_for_open());
    sky.give(Input::Closed(Cause::Lost));
    let (_, second, other) = introduction(&sky.wait_for_open());
    assert_ne!(first[2], second[2]);
    assert_ne!(one, other);
}

#[test]
fn a_certificate_device_shows_no_password() {
    let mut config = door();
    config.proof = Proof::Certificate;
    let (_, name, password) = introduction(&Sky::new(config).wait_for_open());
    assert_eq!((&*name[0], password), ("DOORPRD9A1door1", None));
}

#[test]
fn r_52_a_signature_with_a_lifetime_waits_for_the_wall_time_and_counts_from_each_attempt() {
    let mut config = door();
    config.lifetime = Some(Duration::from_hours(1));
    let mut sky = Sky::new(config);
    let asked = |sky: &Sky| sky.said.iter().filter(|said| **said == Said::Act(Action::AskWall)).count();
    assert_eq!(asked(&sky), 1);
    assert!(sky.said.contains(&Said::Event(device::Event::Note(Note::WaitingForTime))));
    // What is heard meanwhile does not ask again, and nothing is dialled.
    let tag = sky.command(&publish(UserTopic::own("event"), b"x", QoS::AtLeastOnce)).unwrap();
    sky.tick_at(100_000);
    assert_eq!(asked(&sky), 1);
    assert!(!sky.said.iter().any(|said| matches!(said, Said::Act(Action::Open(_)))), "{tag:?} {:?}", sky.said);
    sky.tell_wall(1_700_000_000_999);
    let (_, name, _) = introduction(&sky.wait_for_open());
    assert_eq!(name[3], "1700003600");
    sky.now = sky.now.after(Duration::from_secs(100));
    sky.give(Input::Closed(Cause::Lost));
    let lost_at = sky.now;
    let (_, name, _) = introduction(&sky.wait_for_open());
    let waited = sky.now.since(lost_at);
    let expected = 1_700_000_000_999 + 100_000 + u64::try_from(waited.as_millis()).unwrap() + 3_600_000;
    assert_eq!(name[3], (expected / 1000).to_string());
}

#[test]
fn a_configuration_that_cannot_work_is_refused_by_name() {
    type Spoil = fn(&mut Config);
    let cases: [(&str, Spoil); 4] = [
        ("900", |config| config.keep_alive = 901),
        ("second", |config| config.lifetime = Some(Duration::from_millis(999))),
        ("domain", |config| config.server.domain = Some("tcp://host".into())),
        ("certificate", |config| {
            config.proof = Proof::Certificate;
            config.server.transport = Transport::Tcp;
        }),
    ];
    for (word, spoil) in cases {
        let mut config = door();
        spoil(&mut config);
        let Err(Fatal::Invalid(why)) = Tencent::new(config) else { panic!("{word}") };
        assert!(why.contains(word), "{why}");
    }
    let mut config = door();
    config.keep_alive = 900;
    assert!(Tencent::new(config).is_ok());
}

#[test]
fn r_24_a_refused_secret_is_told_with_what_to_check_and_no_two_attempts_come_within_5_s() {
    let mut sky = Sky::new(door());
    for _ in 0..5 {
        let (_, before, _) = introduction(&sky.wait_for_open());
        sky.refuse(Refusal::BadCredentials);
        let events = sky.events();
        let [Event::Refused { refusal: Refusal::BadCredentials, check }] = &events[..] else { panic!("{events:?}") };
        assert!(check.contains("deviceSecret"));
        let refused_at = sky.now;
        let (_, after, _) = introduction(&sky.wait_for_open());
        assert!(sky.now.since(refused_at) >= Duration::from_secs(5), "{:?}", sky.now.since(refused_at));
        assert_ne!(before[2], after[2], "signed anew");
        sky.give(Input::Closed(Cause::Lost));
    }
}

#[test]
fn not_even_a_person_in_a_hurry_makes_two_attempts_within_5_s_of_a_refusal() {
    let mut sky = Sky::new(door());
    sky.wait_for_open();
    sky.refuse(Refusal::NotAuthorized);
    let refused_at = sky.now;
    sky.device.reconnect_now(sky.now);
    sky.give(Input::Tick);
    sky.wait_for_open();
    assert_eq!(sky.now.since(refused_at), Duration::from_secs(5));
}

#[test]
fn a_refused_client_id_is_told_once_and_not_tried_again_until_the_application_says_so() {
    for refusal in [Refusal::IdentifierRejected, Refusal::ProtocolVersion] {
        let mut sky = Sky::new(door());
        sky.wait_for_open();
        sky.refuse(refusal);
        let gave_up = |said: &Said| matches!(said, Said::Event(device::Event::GaveUp(Fatal::Invalid(_))));
        assert_eq!(sky.said.iter().filter(|said| gave_up(said)).count(), 1, "{:?}", sky.said);
        assert!(matches!(sky.events()[..], [Event::Refused { .. }]));
        assert_eq!(sky.device.deadline(), None);
        sky.tick_at(10_000_000);
        assert!(!sky.said.iter().any(|said| matches!(said, Said::Act(Action::Open(_)))));
        sky.device.reconnect_now(sky.now);
        sky.give(Input::Tick);
        sky.wait_for_open();
        sky.accept(false);
        assert!(sky.said.contains(&Said::Event(device::Event::Ready)));
    }
}

#[test]
fn a_busy_platform_is_no_question_of_credentials() {
    let mut sky = Sky::new(door());
    sky.wait_for_open();
    sky.refuse(Refusal::ServerUnavailable);
    assert_eq!(sky.events(), []);
}

#[test]
fn a_user_topic_goes_out_under_the_devices_own_name_and_a_qos_1_message_ends_with_its_puback() {
    let mut sky = Sky::up();
    for (topic, full) in [
        (UserTopic::own("event"), "DOORPRD9A1/door1/event"),
        (UserTopic::own("data/room/1"), "DOORPRD9A1/door1/data/room/1"),
        (UserTopic::full("DOORPRD9A1/door1/event"), "DOORPRD9A1/door1/event"),
    ] {
        let tag = sky.command(&publish(topic, b"{}", QoS::AtLeastOnce)).unwrap();
        let sent = sky.sent();
        let [Wire::Publish { topic, payload, qos: 1, id: Some(id), retain: false }] = &sent[..] else {
            panic!("{sent:?}")
        };
        assert_eq!((&**topic, &**payload), (full, &b"{}"[..]));
        assert_eq!(sky.done(), []);
        sky.ack(AckKind::PubAck, *id);
        assert_eq!(sky.done(), [(tag, Ok(Answer::Published))]);
    }
}

#[test]
fn r_75_what_the_platform_would_refuse_is_refused_before_it_is_queued() {
    let mut sky = Sky::up();
    let event = || UserTopic::own("event");
    let large: &'static [u8] = Box::leak(vec![b'x'; 16 * 1024].into_boxed_slice());
    let cases = [
        (publish(event(), large, QoS::AtLeastOnce), "16 KiB"),
        (publish(event(), b"", QoS::ExactlyOnce), "QoS 2"),
        (publish(UserTopic::own("x".repeat(240)), b"", QoS::AtMostOnce), "255"),
        (publish(UserTopic::own("/".repeat(9).replace('/', "a/") + "b"), b"", QoS::AtMostOnce), "10 slashes"),
        (publish(UserTopic::own(""), b"", QoS::AtMostOnce), "empty"),
        (publish(UserTopic::own("/event"), b"", QoS::AtMostOnce), "leading slash"),
        (publish(UserTopic::own("event/+"), b"", QoS::AtMostOnce), "wildcards"),
        (publish(UserTopic::full("DOORPRD9A1/door2/event"), b"", QoS::AtMostOnce), "another device"),
        (publish(UserTopic::full("DOORPRD9A1/door12/event"), b"", QoS::AtMostOnce), "another device"),
        (publish(UserTopic::full("event"), b"", QoS::AtMostOnce), "another device"),
        (publish(UserTopic::full("$sys/operation/DOORPRD9A1/door1"), b"", QoS::AtMostOnce), "system topics"),
        (Command::Subscribe { filter: event(), qos: QoS::ExactlyOnce }, "QoS 2"),
        (Command::Subscribe { filter: UserTopic::own("e#"), qos: QoS::AtMostOnce }, "alone"),
        (Command::Subscribe { filter: UserTopic::own("a/#/b"), qos: QoS::AtMostOnce }, "alone"),
        (Command::Subscribe { filter: UserTopic::own("a+/b"), qos: QoS::AtMostOnce }, "alone"),
        (Command::Subscribe { filter: UserTopic::own(""), qos: QoS::AtMostOnce }, "alone"),
        (Command::Subscribe { filter: UserTopic::full("+/door1/event"), qos: QoS::AtMostOnce }, "another device"),
        (Command::Unsubscribe { filter: UserTopic::full("$shadow/#") }, "system topics"),
    ];
    for (command, word) in cases {
        let rejected = sky.command(&command).unwrap_err();
        assert!(matches!(rejected, Rejected::Invalid(_) | Rejected::Unsupported(_)), "{rejected}");
        assert!(rejected.to_string().contains(word), "{rejected} should speak of {word}");
        assert_eq!((sky.sent(), sky.said.len()), (vec![], 0));
    }
}

#[test]
fn a_filter_is_granted_refused_and_dropped() {
    let mut sky = Sky::up();
    for filter in ["control", "data/+", "#", "+/a/#"] {
        let filter = UserTopic::own(filter);
        let tag = sky.command(&Command::Subscribe { filter: filter.clone(), qos: QoS::AtLeastOnce }).unwrap();
        let sent = sky.sent();
        let [Wire::Subscribe { id, filter: text, qos: 1 }] = &sent[..] else { panic!("{sent:?}") };
        assert!(text.starts_with("DOORPRD9A1/door1/"), "{text}");
        sky.suback(*id, Some(QoS::AtMostOnce));
        assert_eq!(sky.done(), [(tag, Ok(Answer::Subscribed(QoS::AtMostOnce)))]);
        let tag = sky.command(&Command::Unsubscribe { filter }).unwrap();
        let sent = sky.sent();
        let [Wire::Unsubscribe { id, .. }] = &sent[..] else { panic!("{sent:?}") };
        sky.ack(AckKind::UnsubAck, *id);
        assert_eq!(sky.done(), [(tag, Ok(Answer::Unsubscribed))]);
    }
    let tag = sky.command(&Command::Subscribe { filter: UserTopic::own("secret"), qos: QoS::AtMostOnce }).unwrap();
    let sent = sky.sent();
    let [Wire::Subscribe { id, .. }] = &sent[..] else { panic!("{sent:?}") };
    sky.suback(*id, None);
    assert_eq!(sky.done(), [(tag, Err(Failure::Refused(0x80)))]);
}

#[test]
fn r_122_a_message_is_told_apart_by_whose_topic_it_is() {
    let mut sky = Sky::up();
    for (topic, kind) in [
        ("DOORPRD9A1/door1/control", "own"),
        ("DOORPRD9A1/door1/data/a/b", "own"),
        ("DOORPRD9A1/door2/control", "foreign"),
        ("OTHERPRD01/door1/control", "foreign"),
        ("$sys/operation/result/DOORPRD9A1/door2", "foreign"),
        ("$rrpc/rxd/DOORPRD9A1/door2/1", "foreign"),
        ("$shadow/operation/result/DOORPRD9A1/door1", "unrouted"),
        ("$sys/operation/DOORPRD9A1/door1", "unrouted"),
        ("$rrpc/rxd/DOORPRD9A1/door1/1", "unrouted"),
        ("$nobody/knows", "unrouted"),
        ("short", "unrouted"),
    ] {
        sky.message(topic, b"payload");
        let events = sky.events();
        let [event] = &events[..] else { panic!("{topic}: {events:?}") };
        let (found, message) = match event {
            Event::Message(message) => ("own", message),
            Event::Foreign(message) => ("foreign", message),
            Event::Unrouted(message) => ("unrouted", message),
            other => panic!("{other:?}"),
        };
        assert_eq!((found, message.topic(), message.payload()), (kind, topic, &b"payload"[..]));
    }
}

#[test]
fn application_traffic_flows_as_soon_as_the_platform_accepts() {
    let mut sky = Sky::new(door());
    sky.command(&publish(UserTopic::own("event"), b"early", QoS::AtLeastOnce)).unwrap();
    sky.wait_for_open();
    assert_eq!(sky.sent(), []);
    sky.accept(false);
    assert!(sky.said.contains(&Said::Event(device::Event::Ready)));
    assert!(matches!(&sky.sent()[..], [Wire::Publish { payload, .. }] if payload == b"early"));
}

proptest! {
    #[test]
    fn r_1_no_message_makes_the_client_panic_or_say_two_things(
        topic in "(\\$(sys|shadow|rrpc|thing)/)?(operation/|result/|rxd/){0,2}(DOORPRD9A1/|x/)?(door1/?|y)?[a-z]{0,4}",
        payload in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..80),
            "\\{\"type\":\"get\",\"time\":[0-9]{1,20}(,\"ntptime1\":[0-9]{1,20})?\\}".prop_map(String::into_bytes),
        ],
        asking in any::<bool>(),
    ) {
        prop_assume!(!topic.is_empty());
        let mut sky = Sky::up();
        if asking {
            sky.command(&Command::SyncTime).unwrap();
            sky.sent();
        }
        sky.message(&topic, &payload);
        prop_assert!(sky.said.len() <= 1);
        prop_assert!(!sky.device.is_closed());
    }
}

//! What a device tells the cloud and is told by it: topics, properties, bounds, and messages that are not for it.

use crate::bench::{Bench, device_config, module_config};
use serde_json::json;
use skytether_core::{
    azure::{Answer, Command, Event, Telemetry, properties::System},
    io::{Cause, Machine as _, Rejected},
    link::QoS,
};

fn ready() -> Bench {
    let mut bench = Bench::in_step();
    bench.heard();
    bench
}

#[test]
fn telemetry_goes_out_with_its_properties_and_ends_with_the_hubs_acknowledgement() {
    let mut bench = ready();
    let message = Telemetry::json(&json!({"temperature": 21.5})).component("thermostat1").property("room", "7 & 8");
    let tag = bench.command(&Command::Telemetry(message)).unwrap();
    assert_eq!(
        bench.heard(),
        [(
            "devices/dev-7/messages/events/%24.ct=application%2Fjson&%24.ce=utf-8&%24.sub=thermostat1&room=7%20%26%208"
                .to_owned(),
            r#"{"temperature":21.5}"#.to_owned()
        )]
    );
    assert_eq!(bench.done(), [(tag, Ok(Answer::Sent))]);
}

#[test]
fn telemetry_goes_at_qos_1_or_0_and_2_is_refused_by_name() {
    let mut bench = ready();
    for (qos, level) in [(QoS::AtLeastOnce, 1), (QoS::AtMostOnce, 0)] {
        bench.command(&Command::Telemetry(Telemetry::bytes(&b"x"[..]).qos(qos))).unwrap();
        assert_eq!(bench.heard_with_qos(), [("devices/dev-7/messages/events/".to_owned(), level)]);
    }
    let message = Telemetry::bytes(&b"x"[..]).qos(QoS::ExactlyOnce);
    assert!(
        matches!(bench.command(&Command::Telemetry(message)), Err(Rejected::Unsupported(what)) if what.contains("QoS 2"))
    );
}

#[test]
fn telemetry_waits_for_the_connection() {
    let mut bench = ready();
    bench.lose();
    let tag = bench.command(&Command::Telemetry(Telemetry::bytes(&b"x"[..]))).unwrap();
    assert_eq!(bench.heard(), []);
    bench.come_back();
    assert_eq!(bench.done(), [(tag, Ok(Answer::Sent))]);
}

#[test]
fn r_75_telemetry_against_a_rule_is_rejected_by_name() {
    let mut bench = ready();
    let text = |len| "x".repeat(len);
    let bytes = |len: usize| Telemetry::bytes(vec![0; len]);
    let many = (0..65).fold(bytes(1), |message, at| message.property(format!("p{at}"), "v"));
    for (word, message) in [
        ("256 KiB", bytes(300 * 1024)),
        ("256 KiB", bytes(256 * 1024 - 9).property("12345", "6789a")),
        ("ids", bytes(1).system(System::MessageId, text(129))),
        ("system property", bytes(1).system(System::ContentType, "")),
        ("name", bytes(1).property("", "v")),
        ("name", bytes(1).property("$.mid", "v")),
        ("own", bytes(1).property("a", "1").property("a", "2")),
        ("own", bytes(1).property("a", "1").flag("a")),
        ("U+0000", bytes(1).property("a", "\0")),
        ("64", many),
    ] {
        let Err(Rejected::Invalid(why)) = bench.command(&Command::Telemetry(message)) else { panic!("{word}") };
        assert!(why.contains(word), "{why}: {word}");
    }
    assert_eq!(bench.heard(), []);
    assert!(bench.command(&Command::Telemetry(bytes(100_000).system(System::MessageId, text(128)))).is_ok());
}

#[test]
fn a_message_from_the_cloud_has_its_properties() {
    let mut bench = ready();
    bench.say(
        "devices/dev-7/messages/devicebound/%24.mid=m1&%24.to=%2Fdevices%2Fdev-7%2Fmessages%2Fdevicebound&\
         iothub-ack=full&flag&empty=&eq=a%3Db=c",
        b"\x00\xff",
    );
    let events = bench.events();
    let [Event::Message(message)] = &events[..] else { panic!("{events:?}") };
    assert_eq!((&*message.payload, message.message_id(), &message.input), (&b"\x00\xff"[..], Some("m1"), &None));
    for (name, value) in [("flag", None), ("empty", Some("")), ("eq", Some("a=b=c")), ("iothub-ack", Some("full"))] {
        assert_eq!(message.property(name), Some(value), "{name}");
    }
    assert_eq!(message.properties.application().count(), 4);
}

#[test]
fn a_command_that_iot_central_sent_while_the_device_was_away_is_told_as_one() {
    let mut bench = ready();
    bench.say("devices/dev-7/messages/devicebound/method-name=led*blink&%24.mid=1", r#""PT5S""#);
    let events = bench.events();
    let [Event::OfflineCommand(command)] = &events[..] else { panic!("{events:?}") };
    assert_eq!((command.component.as_deref(), &*command.name), (Some("led"), "blink"));
    assert_eq!(&*command.message.payload, br#""PT5S""#);
}

#[test]
fn r_122_a_message_for_another_device_or_with_a_broken_bag_is_told_and_not_taken() {
    let mut bench = ready();
    let long = format!("devices/dev-7/messages/devicebound/k={}", "v".repeat(1024));
    for topic in [
        "devices/dev-8/messages/devicebound/",
        "devices/dev-7/messages/devicebound/a=%2",
        "devices/dev-7/modules/mod_1/inputs/in/",
        "devices/dev-7/messages/events/",
        "$iothub/unknown/res/200/?$rid=1",
        "$dps/registrations/res/200/?$rid=1",
        "$iothub/twin/res/abc/?$rid=1",
        "something/else",
        &long,
    ] {
        bench.say(topic, "{}");
        let events = bench.events();
        assert!(matches!(&events[..], [Event::Unrouted(message)] if message.topic() == topic), "{topic}: {events:?}");
    }
}

#[test]
fn a_module_has_outputs_and_inputs() {
    let mut bench = Bench::new(module_config());
    assert!(bench.filters().iter().any(|filter| filter == "devices/dev-7/modules/mod_1/inputs/#"));
    bench.heard();
    bench.command(&Command::Telemetry(Telemetry::bytes(&b"x"[..]).output("out put"))).unwrap();
    assert_eq!(bench.heard()[0].0, "devices/dev-7/modules/mod_1/messages/events/%24.on=out%20put");
    bench.say("devices/dev-7/modules/mod_1/inputs/in%201/%24.cdid=leaf&k=v", "{}");
    let events = bench.events();
    let [Event::Message(message)] = &events[..] else { panic!("{events:?}") };
    assert_eq!((message.input.as_deref(), message.properties.system(System::FromDevice)), (Some("in 1"), Some("leaf")));
    bench.say("devices/dev-7/messages/devicebound/", "{}");
    assert!(matches!(bench.events()[..], [Event::Unrouted(_)]));
}

#[test]
fn a_payload_of_300_kb_ends_the_connection_and_the_device_comes_back() {
    let mut bench = Bench::new(device_config());
    bench.say("devices/dev-7/messages/devicebound/", vec![b'x'; 300 * 1024]);
    let downs = bench.downs();
    assert!(matches!(downs[..], [Cause::TooLarge { max: 131_072, .. }]), "{downs:?}");
    bench.come_back();
    bench.heard();
    bench.say("devices/dev-7/messages/devicebound/", "{}");
    assert!(matches!(bench.events()[..], [Event::Message(_)]));
    assert!(bench.device.wants_command());
}

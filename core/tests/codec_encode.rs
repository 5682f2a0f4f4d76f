//! What does the encoder refuse, and is what it writes as long as it said?
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

use skytether_core::{
    io::{Refusal, Rejected},
    link::{Connect, QoS, Version, Will},
    mqtt::codec::{
        ConnAck, Delivery, EncodeError, Outgoing, Packet, PacketId, connect_append, decode, suback_append,
        subscribe_append, unsubscribe_append,
    },
    secret::Secret,
};

const MARK: &[u8] = b"before";

fn id(id: u16) -> PacketId {
    PacketId::new(id).unwrap()
}

fn publish<'a>(topic: &'a [&'a str], payload: &'a [u8]) -> Outgoing<'a> {
    Outgoing { topic, payload, delivery: Delivery::AtLeastOnce(id(0x0102)), dup: false, retain: false }
}

fn connect() -> Connect {
    Connect { client_id: "id".into(), clean_session: true, ..Connect::default() }
}

fn will(topic: &str, payload: Vec<u8>) -> Connect {
    let will = Some(Will { topic: topic.into(), payload, qos: QoS::AtMostOnce, retain: false });
    Connect { will, ..connect() }
}

#[test]
fn a_packet_id_is_never_zero() {
    assert_eq!(PacketId::new(0), None);
    assert_eq!(id(65_535).get(), 65_535);
}

#[test]
fn a_topic_in_pieces_is_checked_as_a_whole() {
    let half = "a".repeat(40_000);
    for (topic, valid) in [
        (&["a"][..], true),
        (&["", "a", ""], true),
        (&["home/", "温度", "/1"], true),
        (&["$oc/devices/", "d1"], true),
        (&[], false),
        (&[""], false),
        (&["a", "+"], false),
        (&["a/#", "b"], false),
        (&["a\0"], false),
        (&[&half], true),
        (&[&half, &half[..25_535]], true),
        (&[&half, &half[..25_536]], false),
        (&[&half, &half], false),
    ] {
        assert_eq!(publish(topic, b"x").measure().is_ok(), valid, "{topic:.20?}");
    }
    assert!(matches!(publish(&["+"], b"").measure(), Err(EncodeError::TopicInvalid(_))));
    assert!(matches!(publish(&[&half, &half], b"").measure(), Err(EncodeError::TooLong(_))));
}

#[test]
fn a_publish_is_as_long_as_measured_at_every_step_of_the_length_field() {
    for remaining in [5, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152] {
        let payload = vec![0xa5; remaining - 5];
        let message = publish(&["t"], &payload);
        let measured = message.measure().unwrap();
        let mut out = MARK.to_vec();
        message.append(measured, &mut out);
        let packet = &out[MARK.len()..];
        assert_eq!(packet.len(), measured.len);
        assert_eq!(packet[measured.id_at..measured.id_at + 2], [1, 2]);
        let Packet::Publish(found) = decode(packet, usize::MAX).unwrap().unwrap().0 else { panic!() };
        assert_eq!((found.topic, found.payload.len(), found.delivery), ("t", payload.len(), message.delivery));

        let mut slice = vec![0xee; measured.len + 3];
        assert_eq!(message.write(measured, &mut slice), Some(measured.len));
        assert_eq!(&slice[..measured.len], packet);
        assert_eq!(slice[measured.len..], [0xee; 3]);
        let mut short = vec![0xee; measured.len - 1];
        assert_eq!(message.write(measured, &mut short), None);
        assert!(short.iter().all(|byte| *byte == 0xee));
    }
}

#[test]
fn a_packet_over_what_the_length_field_can_say_is_refused() {
    // Zeroed memory that no one touches.
    let payload = vec![0; 268_435_456];
    let longest = publish(&["t"], &payload[..268_435_450]);
    assert_eq!(longest.measure().unwrap().len, 268_435_460);
    assert!(matches!(publish(&["t"], &payload[..268_435_451]).measure(), Err(EncodeError::TooLong(_))));
}

#[test]
fn a_message_of_qos_0_carries_neither_id_nor_dup() {
    let message = Outgoing { delivery: Delivery::AtMostOnce, dup: true, retain: true, ..publish(&["t"], b"x") };
    let measured = message.measure().unwrap();
    let mut out = Vec::new();
    message.append(measured, &mut out);
    assert_eq!(out, b"\x31\x04\0\x01tx");
    assert_eq!(out[measured.id_at..], *b"x");
}

#[test]
fn a_refusal_is_written_without_a_session() {
    let refused = ConnAck { session_present: true, refusal: Some(Refusal::BadCredentials) };
    assert_eq!(refused.encode(), [0x20, 2, 0, 4]);
    assert_eq!(ConnAck { session_present: true, refusal: None }.encode(), [0x20, 2, 1, 0]);
}

#[test]
fn lists_that_break_a_rule_are_refused_and_nothing_is_written() {
    let long = "a".repeat(65_536);
    let mut out = MARK.to_vec();
    assert!(matches!(subscribe_append(&mut out, id(1), &[]), Err(EncodeError::Invalid(_))));
    assert!(matches!(unsubscribe_append(&mut out, id(1), &[]), Err(EncodeError::Invalid(_))));
    assert!(matches!(suback_append(&mut out, id(1), &[]), Err(EncodeError::Invalid(_))));
    for bad in ["", "a#", "#/a", "a+/b", "a\0", &long] {
        let outcome = subscribe_append(&mut out, id(1), &[("ok", QoS::AtMostOnce), (bad, QoS::AtMostOnce)]);
        assert!(matches!(outcome, Err(EncodeError::FilterInvalid(_))), "{bad:.9}");
        assert!(matches!(unsubscribe_append(&mut out, id(1), &["ok", bad]), Err(EncodeError::FilterInvalid(_))));
    }
    assert_eq!(out, MARK);
    subscribe_append(&mut out, id(1), &[(&long[1..], QoS::AtMostOnce)]).unwrap();
    assert_eq!(out.len(), MARK.len() + 4 + 2 + 2 + 65_535 + 1);
}

#[test]
fn a_connect_that_breaks_a_rule_is_refused_and_nothing_is_written() {
    let long = "a".repeat(65_536);
    let longest = || "a".repeat(65_535);
    let secret = |bytes: &str| Some(Secret::new(bytes));
    let old = |client_id: &str| Connect { version: Version::V3_1, client_id: client_id.into(), ..connect() };
    for (connect, valid) in [
        (connect(), true),
        (Connect { client_id: String::new(), ..connect() }, true),
        (Connect { client_id: String::new(), clean_session: false, ..connect() }, false),
        (Connect { client_id: longest(), user_name: Some(longest()), password: secret(&longest()), ..connect() }, true),
        (Connect { client_id: long.clone(), ..connect() }, false),
        (Connect { client_id: "a\0".into(), ..connect() }, false),
        (Connect { user_name: Some(long.clone()), ..connect() }, false),
        (Connect { user_name: Some("\0".into()), ..connect() }, false),
        (Connect { user_name: Some(String::new()), password: secret(""), ..connect() }, true),
        (Connect { user_name: Some("u".into()), password: secret(&long), ..connect() }, false),
        (Connect { user_name: Some("u".into()), password: secret("\0"), ..connect() }, true),
        (Connect { password: secret("p"), ..connect() }, false),
        (will("a/b", vec![0; 65_535]), true),
        (will("a/b", vec![0; 65_536]), false),
        (will("a/+", vec![]), false),
        (will("", vec![]), false),
        (will(&long, vec![]), false),
        (old(""), false),
        (old("温度温度温度温度温度温度温度温度温度温度温度a"), true),
        (old("aaaaaaaaaaaaaaaaaaaaaaaa"), false),
    ] {
        let mut out = MARK.to_vec();
        let outcome = connect_append(&mut out, &connect);
        assert_eq!(outcome.is_ok(), valid, "{outcome:?}");
        if valid {
            assert!(matches!(decode(&out[MARK.len()..], usize::MAX), Ok(Some((Packet::Connect(_), _)))));
        } else {
            assert_eq!(out, MARK);
        }
    }
}

#[test]
fn a_decoded_connect_does_not_print_its_password() {
    let mut out = Vec::new();
    let secret = Connect { user_name: Some("user".into()), password: Some(Secret::new("hunter2")), ..connect() };
    connect_append(&mut out, &secret).unwrap();
    let printed = format!("{:?}", decode(&out, usize::MAX));
    assert!(printed.contains("***") && printed.contains("user"), "{printed}");
    assert!(!printed.contains("hunter2") && !printed.contains("104, 117"), "{printed}");
}

#[test]
fn a_refused_packet_names_its_rule_to_the_caller() {
    assert_eq!(
        publish(&["a/#"], b"").measure().map_err(Rejected::from),
        Err(Rejected::Invalid("topic name holds a wildcard (4.7.1-1)"))
    );
}

//! Does the codec agree with the strictest other one (`mqtt5-protocol`), and which rule settles it where it does not?
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "tests fail by panicking, and look at what they name"
)]

#[path = "../../../core/tests/support/packets.rs"]
#[allow(dead_code, reason = "each test file uses its part")]
mod packets;

use mqtt5_protocol::packet::{FixedHeader, MqttPacket as _, Packet as Theirs};
use packets::{Owned, packet};
use proptest::{collection::vec, prelude::*, sample::Index};
use skytether_core::{
    link::Version,
    mqtt::codec::{Error, Packet, decode},
};

const MAX: usize = 64 * 1024;

/// One packet of MQTT 3.1.1 as they read it: what they make of it and how long it was; `None` while it is not whole.
fn read(bytes: &[u8]) -> Option<Result<(Theirs, usize), String>> {
    let mut rest = bytes;
    let header = FixedHeader::decode(&mut rest);
    // Their header decoder says malformed where bytes are missing.
    let length_bytes = bytes.iter().skip(1).take(4).take_while(|byte| **byte & 0x80 != 0).count();
    if bytes.len() < 2 || (header.is_err() && length_bytes < 4 && bytes.len() <= 1 + length_bytes) {
        return None;
    }
    let header = match header {
        Ok(header) => header,
        Err(error) => return Some(Err(error.to_string())),
    };
    let len = usize::try_from(header.remaining_length).unwrap();
    let mut body = rest.get(..len)?;
    let packet = Theirs::decode_from_body_with_version(header.packet_type, &header, &mut body, 4);
    Some(packet.map(|packet| (packet, bytes.len() - rest.len() + len)).map_err(|error| error.to_string()))
}

/// A packet as they write it.
fn write(packet: &Theirs) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let written = match packet {
        Theirs::Connect(packet) => packet.encode(&mut out),
        Theirs::ConnAck(packet) => packet.encode(&mut out),
        Theirs::Publish(packet) => packet.encode(&mut out),
        Theirs::PubAck(packet) => packet.encode(&mut out),
        Theirs::PubRec(packet) => packet.encode(&mut out),
        Theirs::PubRel(packet) => packet.encode(&mut out),
        Theirs::PubComp(packet) => packet.encode(&mut out),
        Theirs::Subscribe(packet) => packet.encode(&mut out),
        Theirs::SubAck(packet) => packet.encode(&mut out),
        Theirs::Unsubscribe(packet) => packet.encode(&mut out),
        Theirs::UnsubAck(packet) => packet.encode(&mut out),
        Theirs::PingReq => return Ok(vec![0xc0, 0]),
        Theirs::PingResp => return Ok(vec![0xd0, 0]),
        Theirs::Disconnect(_) => return Ok(vec![0xe0, 0]),
        Theirs::Auth(_) => return Err("no packet of 3.1.1".into()),
    };
    written.map(|()| out).map_err(|error| error.to_string())
}

/// Rules that they do not check, each with a test of its own below.
const SETTLED: [&str; 14] = [
    "(2.2.1)",
    "(2.3.1-1)",
    "(3.1.2-2)",
    "(3.1.3-1)",
    "(3.12, 3.13, 3.14)",
    "(3.2.2-4)",
    "(3.2.2-6)",
    "(3.4.1)",
    "(3-8.3-4)",
    "(3.9.3-2)",
    "(4.7.1-1)",
    "(4.7.1-2)",
    "(4.7.1-3)",
    "(4.7.3-1)",
];

/// MQTT 3.1 is not theirs.
fn is_theirs(packet: &Packet<'_>) -> bool {
    !matches!(packet, Packet::Connect(connect) if connect.version == Version::V3_1)
}

proptest! {
    #[test]
    fn what_we_write_they_read_the_same_and_what_they_write_we_do(packet in packet()) {
        let bytes = packet.encode();
        let (ours, used) = decode(&bytes, MAX).unwrap().unwrap();
        if !is_theirs(&ours) {
            return Ok(());
        }
        let (theirs, length) = read(&bytes).unwrap().unwrap();
        prop_assert_eq!(length, used);
        let written = write(&theirs).unwrap();
        prop_assert_eq!(&written, &bytes, "{:?}", packet);
        prop_assert_eq!(Owned::of(&decode(&written, MAX).unwrap().unwrap().0), packet);
    }

    #[test]
    fn of_mutated_bytes_we_accept_what_they_accept_save_for_rules_that_are_settled(
        packet in packet(),
        changes in vec((any::<Index>(), prop_oneof![Just(0), 0..9_u8, any::<u8>()]), 1..4),
    ) {
        let mut bytes = packet.encode();
        for (at, byte) in &changes {
            let at = at.index(bytes.len().min(40));
            *bytes.get_mut(at).unwrap() = *byte;
        }
        match (decode(&bytes, MAX), read(&bytes)) {
            (Ok(Some((ours, used))), theirs) if is_theirs(&ours) => {
                let (theirs, length) = theirs.unwrap().unwrap();
                prop_assert_eq!(length, used);
                let written = write(&theirs).unwrap();
                prop_assert_eq!(decode(&written, MAX).unwrap().unwrap().0, ours);
            }
            (Ok(None), theirs) => prop_assert!(theirs.is_none(), "we wait, they read {:?}", theirs),
            (Err(ours), Some(Ok(theirs))) => {
                let settled = SETTLED.iter().any(|rule| ours.to_string().ends_with(rule));
                prop_assert!(settled || matches!(ours, Error::TooLarge { .. }), "{} refuses {:?}", ours, theirs);
            }
            // They judge a body when it is there, we what cannot become right at once; or both refuse.
            (Ok(Some(_)) | Err(_), _) => {}
        }
    }
}

/// They accept these bytes, the standard does not: rule and wording are in the name and the error.
fn the_standard_refuses(bytes: &[u8], rule: &str) {
    let error = decode(bytes, MAX).unwrap_err().to_string();
    assert!(error.ends_with(rule), "{error}");
    assert!(matches!(read(bytes), Some(Ok(_))), "they have come round; take the case out of the list");
}

#[test]
fn packet_type_15_is_reserved_2_2_1() {
    the_standard_refuses(b"\xf0\0", "(2.2.1)");
}

#[test]
fn a_packet_id_is_not_0_2_3_1_1() {
    the_standard_refuses(b"\x90\x03\0\0\x01", "(2.3.1-1)");
    the_standard_refuses(b"\x82\x06\0\0\0\x01a\0", "(2.3.1-1)");
}

#[test]
fn a_server_of_3_1_1_does_not_go_on_with_another_protocol_level_3_1_2_2() {
    // With level 5, properties follow: the same bytes mean something else.
    the_standard_refuses(b"\x10\x0f\0\x04MQTT\x05\x02\0\x3c\0\0\x02id", "(3.1.2-2)");
}

#[test]
fn connect_ends_with_the_fields_that_its_flags_announce_3_1_3_1() {
    the_standard_refuses(b"\x10\x0f\0\x04MQTT\x04\x02\0\x3c\0\x02idz", "(3.1.3-1)");
}

#[test]
fn pings_and_disconnect_have_no_body_3_12_3_13_3_14() {
    the_standard_refuses(b"\xc0\x01\0", "(3.12, 3.13, 3.14)");
    the_standard_refuses(b"\xd0\x01\0", "(3.12, 3.13, 3.14)");
    the_standard_refuses(b"\xe0\x01\0", "(3.12, 3.13, 3.14)");
}

#[test]
fn a_connack_that_refuses_has_no_session_present_3_2_2_4() {
    the_standard_refuses(b"\x20\x02\x01\x05", "(3.2.2-4)");
}

#[test]
fn connack_codes_over_5_are_reserved_3_2_2_6() {
    the_standard_refuses(b"\x20\x02\0\x80", "(3.2.2-6)");
}

#[test]
fn an_acknowledgement_is_an_id_and_nothing_else_3_4_1() {
    the_standard_refuses(b"\x40\x03\0\x01\0", "(3.4.1)");
}

#[test]
fn the_upper_six_bits_of_a_requested_qos_are_0_3_8_3_4() {
    the_standard_refuses(b"\x82\x06\0\x01\0\x01a\x04", "(3-8.3-4)");
}

#[test]
fn suback_knows_four_codes_3_9_3_2() {
    the_standard_refuses(b"\x90\x03\0\x01\x83", "(3.9.3-2)");
}

#[test]
fn no_wildcard_in_the_topic_of_a_will_4_7_1_1() {
    the_standard_refuses(b"\x10\x13\0\x04MQTT\x04\x06\0\x3c\0\x02id\0\x01#\0\0", "(4.7.1-1)");
}

#[test]
fn the_many_level_wildcard_stands_alone_and_last_4_7_1_2() {
    the_standard_refuses(b"\x82\x07\0\x01\0\x02a#\0", "(4.7.1-2)");
    the_standard_refuses(b"\x82\x08\0\x01\0\x03#/a\0", "(4.7.1-2)");
}

#[test]
fn the_one_level_wildcard_fills_its_level_4_7_1_3() {
    the_standard_refuses(b"\x82\x07\0\x01\0\x02a+\0", "(4.7.1-3)");
    the_standard_refuses(b"\xa2\x06\0\x01\0\x02+a", "(4.7.1-3)");
}

#[test]
fn topics_and_filters_have_at_least_one_character_4_7_3_1() {
    the_standard_refuses(b"\x30\x02\0\0", "(4.7.3-1)");
    the_standard_refuses(b"\x82\x05\0\x01\0\0\0", "(4.7.3-1)");
}

#[test]
fn mqtt_3_1_is_ours_alone() {
    let connect = b"\x10\x10\0\x06MQIsdp\x03\x02\0\x3c\0\x02id";
    assert!(matches!(decode(connect, MAX), Ok(Some((Packet::Connect(_), 18)))));
    assert!(matches!(read(connect), Some(Err(_))));
}

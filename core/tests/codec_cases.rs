//! What does a strict decoder say to each of 63 packets, and with which kind of error?
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

use skytether_core::{
    io::{Cause, Refusal},
    mqtt::codec::{Error, decode, frame_len},
};

/// What a decoder answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Verdict {
    Accept,
    NeedMore,
    Malformed,
    Protocol,
    Refused(Refusal),
}
use Verdict::{Accept, Malformed, NeedMore, Protocol, Refused};

const CASES: &[(&str, &str, Verdict)] = &[
    ("valid PUBLISH QoS 0", "30060003612f6278", Accept),
    ("valid PUBLISH QoS 1", "32080003612f62000178", Accept),
    ("valid PUBLISH, 200 B payload (2-byte length)", LONG, Accept),
    ("valid PUBLISH, empty payload", "30050003612f62", Accept),
    ("partial PUBLISH", "3008000361", NeedMore),
    ("remaining length of 5 bytes [2.2.3]", "30808080800100", Malformed),
    ("remaining length, 4 continuation bytes, no more data", "30ffffffff", Malformed),
    ("packet type 0", "0000", Protocol),
    ("packet type 15 (reserved in 3.1.1)", "f000", Protocol),
    ("PUBLISH QoS 3 [3.3.1-4]", "36050001610001", Malformed),
    ("PUBLISH DUP with QoS 0 [3.3.1-2]", "380400016178", Malformed),
    ("PUBLISH topic not UTF-8 [1.5.3-1]", "3004000261ff", Malformed),
    ("PUBLISH topic with surrogate [1.5.3-1]", "30050003eda080", Malformed),
    ("PUBLISH topic with U+0000 [1.5.3-2]", "30050003610062", Malformed),
    ("PUBLISH topic with wildcard + [3.3.2-2]", "30050003612f2b", Protocol),
    ("PUBLISH topic with wildcard # [3.3.2-2]", "30050003612f23", Protocol),
    ("PUBLISH empty topic [4.7.3-1]", "3003000078", Protocol),
    ("PUBLISH packet id 0 [2.3.1-1]", "32050001610000", Malformed),
    ("PUBLISH QoS 1 without id", "3203000161", Malformed),
    ("PUBLISH topic length beyond packet", "3003000961", Malformed),
    ("PUBLISH topic length beyond packet, next packet follows", "300300036130050001616263", Malformed),
    ("PUBACK valid", "40020001", Accept),
    ("PUBACK id 0", "40020000", Malformed),
    ("PUBACK reserved flags [2.2.2-2]", "41020001", Malformed),
    ("PUBACK trailing bytes", "4003000109", Malformed),
    ("PUBACK truncated body", "400100", Malformed),
    ("PUBREL valid", "62020001", Accept),
    ("PUBREL flags 0 [3.6.1-1]", "60020001", Malformed),
    ("CONNACK valid", "20020100", Accept),
    ("CONNACK flags 0xFE [3.2.2-1]", "2002fe00", Malformed),
    ("CONNACK code 6", "20020006", Protocol),
    ("CONNACK session present with refusal [3.2.2-4]", "20020105", Protocol),
    ("CONNACK trailing bytes", "2003000000", Malformed),
    ("CONNACK reserved header flags", "2f020000", Malformed),
    ("SUBACK valid", "9003000180", Accept),
    ("SUBACK code 3 [3.9.3-2]", "9003000103", Protocol),
    ("SUBACK without codes", "90020001", Malformed),
    ("SUBACK id 0", "9003000001", Malformed),
    ("UNSUBACK trailing bytes", "b003000100", Malformed),
    ("SUBSCRIBE valid", "820800010003612f2301", Accept),
    ("SUBSCRIBE empty list [3.8.3-3]", "82020001", Protocol),
    ("SUBSCRIBE flags 0 [3.8.1-1]", "8006000100016101", Malformed),
    ("SUBSCRIBE id 0", "8206000000016101", Malformed),
    ("SUBSCRIBE QoS 3 [3-8.3-4]", "8206000100016103", Malformed),
    ("SUBSCRIBE reserved QoS bits [3-8.3-4]", "8206000100016181", Malformed),
    ("SUBSCRIBE bad filter a#", "820700010002612300", Protocol),
    ("SUBSCRIBE empty filter [4.7.3-1]", "82050001000000", Protocol),
    ("UNSUBSCRIBE empty list [3.10.3-2]", "a2020001", Protocol),
    ("UNSUBSCRIBE flags 0 [3.10.1-1]", "a0050001000161", Malformed),
    ("PINGREQ with body", "c00100", Malformed),
    ("PINGRESP with body", "d00100", Malformed),
    ("PINGRESP reserved flags", "d100", Malformed),
    ("DISCONNECT valid", "e000", Accept),
    ("DISCONNECT with body", "e00100", Malformed),
    ("CONNECT valid", "100e00044d5154540402003c00026964", Accept),
    ("CONNECT user name empty but present", "101000044d5154540482003c000269640000", Accept),
    ("CONNECT binary password", "101500044d51545404c2003c000269640001750002fffe", Accept),
    ("CONNECT reserved flag [3.1.2-3]", "100e00044d5154540403003c00026964", Malformed),
    ("CONNECT password without user [3.1.2-22]", "101100044d5154540442003c00026964000170", Protocol),
    ("CONNECT will QoS 3 [3.1.2-14]", "101400044d515454041e003c0002696400017700016d", Malformed),
    (
        "CONNECT empty id, clean session 0 [3.1.3-8]",
        "100c00044d5154540400003c0000",
        Refused(Refusal::IdentifierRejected),
    ),
    ("CONNECT trailing bytes", "101000044d5154540402003c000269647a7a", Malformed),
    (
        "CONNECT protocol level 5 on a 3.1.1 codec",
        "100e00044d5154540502003c00026964",
        Refused(Refusal::ProtocolVersion),
    ),
];

/// Rules that the others leave out.
const MORE: &[(&str, &str, Verdict)] = &[
    ("CONNECT with everything", "101a00044d51545404ee003c0002696400017700016d000175000170", Accept),
    ("CONNECT user name without password", "101100044d5154540482003c00026964000175", Accept),
    ("CONNECT will QoS without will [3.1.2-13]", "100e00044d515454040a003c00026964", Malformed),
    ("CONNECT will retain without will [3.1.2-15]", "100e00044d5154540422003c00026964", Malformed),
    ("CONNECT will topic with wildcard [4.7.1-1]", "101600044d5154540406003c000269640003772f2300016d", Protocol),
    ("CONNECT will topic empty [4.7.3-1]", "101300044d5154540406003c00026964000000016d", Protocol),
    ("CONNECT user name with U+0000 [1.5.3-2]", "101100044d5154540482003c00026964000100", Malformed),
    ("CONNECT will payload with any bytes", "101500044d5154540406003c00026964000177000200ff", Accept),
    ("CONNECT other protocol name [3.1.2-1]", "100e00044d5154530402003c00026964", Protocol),
    ("CONNECT level 3 under the name of 3.1.1", "100e00044d5154540302003c00026964", Refused(Refusal::ProtocolVersion)),
    ("CONNECT level of a bridge", "100e00044d5154548402003c00026964", Refused(Refusal::ProtocolVersion)),
    ("CONNECT of MQTT 3.1", "101000064d51497364700302003c00026964", Accept),
    (
        "CONNECT level 4 under the name of 3.1",
        "101000064d51497364700402003c00026964",
        Refused(Refusal::ProtocolVersion),
    ),
    (
        "CONNECT of MQTT 3.1, 23 characters",
        "102500064d51497364700302003c00176161616161616161616161616161616161616161616161",
        Accept,
    ),
    (
        "CONNECT of MQTT 3.1, 24 characters, which a server may take",
        "102600064d51497364700302003c0018616161616161616161616161616161616161616161616161",
        Accept,
    ),
    (
        "CONNECT of MQTT 3.1, empty id, clean session",
        "100e00064d51497364700302003c0000",
        Refused(Refusal::IdentifierRejected),
    ),
    ("CONNECT empty id, clean session", "100c00044d5154540402003c0000", Accept),
    ("CONNECT empty body", "1000", Malformed),
    ("CONNACK empty", "2000", Malformed),
    ("CONNACK code 255", "200200ff", Protocol),
    ("CONNACK code 5", "20020005", Accept),
    ("PUBLISH QoS 2, DUP, retain", "3d050001610001", Accept),
    ("PUBLISH QoS 2 packet id 0 [2.3.1-1]", "3406000161000078", Malformed),
    ("PUBLISH half an id", "320400016101", Malformed),
    ("PUBLISH empty", "3000", Malformed),
    ("PUBREC id 0", "50020000", Malformed),
    ("PUBREL id 0", "62020000", Malformed),
    ("PUBCOMP id 0", "70020000", Malformed),
    ("UNSUBACK id 0", "b0020000", Malformed),
    ("SUBACK every code", "9006000100010280", Accept),
    ("SUBACK second code reserved [3.9.3-2]", "900400010081", Protocol),
    ("SUBSCRIBE without QoS", "82050001000161", Malformed),
    ("SUBSCRIBE second filter bad [4.7.1-3]", "820b0001000161000002622b00", Protocol),
    ("SUBSCRIBE filter with U+0000 [4.7.3-2]", "820700010002610000", Malformed),
    ("SUBSCRIBE filter not UTF-8 [3.8.3-1]", "820600010001c300", Malformed),
    ("UNSUBSCRIBE valid", "a20a00010003612f2300012b", Accept),
    ("UNSUBSCRIBE id 0", "a2050000000161", Malformed),
    ("UNSUBSCRIBE bad filter [4.7.1-2]", "a20700010003232f61", Protocol),
    ("UNSUBSCRIBE half a filter", "a203000100", Malformed),
];

/// 200 bytes of payload: a remaining length of two bytes.
const LONG: &str = concat!(
    "30cd010003612f62",
    "0707070707070707070707070707070707070707070707070707070707070707070707070707070707070707070707070707",
    "0707070707070707070707070707070707070707070707070707070707070707070707070707070707070707070707070707",
    "0707070707070707070707070707070707070707070707070707070707070707070707070707070707070707070707070707",
    "0707070707070707070707070707070707070707070707070707070707070707070707070707070707070707070707070707",
);

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(hex.get(at..at + 2).unwrap(), 16).unwrap()).collect()
}

fn verdict(bytes: &[u8]) -> Verdict {
    match decode(bytes, 1024) {
        Ok(Some((_, len))) => {
            assert_eq!(frame_len(bytes, 1024), Ok(Some(len)));
            Accept
        }
        Ok(None) => NeedMore,
        Err(Error::Malformed(_)) => Malformed,
        Err(Error::Protocol(_)) => Protocol,
        Err(Error::Refused(refusal, _)) => Refused(refusal),
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn every_case_gets_its_verdict() {
    let wrong: Vec<_> = CASES
        .iter()
        .chain(MORE)
        .map(|(name, hex, expected)| (name, expected, verdict(&bytes(hex))))
        .filter(|(_, expected, found)| **expected != *found)
        .collect();
    assert!(wrong.is_empty(), "(case, expected, found): {wrong:#?}");
    assert_eq!(CASES.len(), 63);
}

#[test]
fn what_a_string_may_hold_is_what_the_standard_allows() {
    for (hex, valid) in [
        ("c3a9", true),
        ("e6b8a9", true),
        ("f09f9a97", true),
        ("efbbbf61", true),
        ("01", true),
        ("1f", true),
        ("7f", true),
        ("00", false),
        ("eda080", false),
        ("edbfbf", false),
        ("c080", false),
        ("e08080", false),
        ("f4908080", false),
        ("f888808080", false),
        ("c3", false),
        ("80", false),
    ] {
        let text = bytes(hex);
        let len = u8::try_from(text.len()).unwrap();
        let publish = [&[0x30, len + 2, 0, len], &text[..]].concat();
        assert_eq!(verdict(&publish) == Accept, valid, "topic {hex}");
        let connect = [&[0x10, len + 12], &bytes("00044d5154540402003c00")[..], &[len], &text].concat();
        assert_eq!(verdict(&connect) == Accept, valid, "client id {hex}");
    }
}

#[test]
fn a_byte_order_mark_is_kept() {
    let packet = bytes("30060004efbbbf61");
    let Ok(Some((skytether_core::mqtt::codec::Packet::Publish(publish), _))) = decode(&packet, 64) else { panic!() };
    assert_eq!(publish.topic, "\u{feff}a");
}

#[test]
fn a_cause_names_the_rule_and_its_kind() {
    let cause = |hex| Cause::from(decode(&bytes(hex), 16).unwrap_err());
    assert_eq!(cause("36050001610001"), Cause::Malformed("PUBLISH with QoS 3 (3.3.1-4)"));
    assert_eq!(cause("0000"), Cause::Protocol("packet type 0 is reserved (2.2.1)"));
    assert_eq!(
        cause("100c00044d5154540400003c0000"),
        Cause::Protocol("empty client id without clean session (3.1.3-8)")
    );
    assert_eq!(cause("30ff01"), Cause::TooLarge { len: 258, max: 16 });
}

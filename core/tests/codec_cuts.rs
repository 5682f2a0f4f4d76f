//! Does a packet that is cut, stretched or flagged wrongly ever pass for another?
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

#[path = "support/packets.rs"]
#[allow(dead_code, reason = "each test file uses its part")]
mod packets;

use packets::{Owned, samples};
use skytether_core::mqtt::codec::{Error, decode, frame_len};

const MAX: usize = 64 * 1024;

/// A packet with this first byte and body, its remaining length right.
fn framed(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let mut left = body.len();
    while left > 127 {
        bytes.push(u8::try_from(left % 128).unwrap() | 0x80);
        left /= 128;
    }
    bytes.push(u8::try_from(left).unwrap());
    bytes.extend(body);
    bytes
}

fn header_len(packet: &[u8]) -> usize {
    1 + packet[1..].iter().take_while(|byte| **byte & 0x80 != 0).count() + 1
}

fn owned(bytes: &[u8]) -> Owned {
    Owned::of(&decode(bytes, MAX).unwrap().unwrap().0)
}

#[test]
fn every_prefix_needs_more_and_what_follows_is_left_alone() {
    for packet in samples() {
        let mut bytes = packet.encode();
        let len = bytes.len();
        for cut in 0..len {
            assert_eq!(decode(&bytes[..cut], MAX), Ok(None), "{packet:?} cut at {cut}");
            let known = (cut >= header_len(&bytes)).then_some(len);
            assert_eq!(frame_len(&bytes[..cut], MAX), Ok(known), "{packet:?} cut at {cut}");
        }
        for next in [&[][..], &[0], &[0xff; 9], &[0x30, 3], &[0; 9_000]] {
            bytes.truncate(len);
            bytes.extend(next);
            let (decoded, used) = decode(&bytes, MAX).unwrap().unwrap();
            assert_eq!((Owned::of(&decoded), used), (packet.clone(), len));
            assert_eq!(frame_len(&bytes, MAX), Ok(Some(len)));
        }
    }
}

#[test]
fn a_body_that_ends_early_is_no_packet_unless_a_list_or_payload_ends_there() {
    for packet in samples() {
        let bytes = packet.encode();
        let body = &bytes[header_len(&bytes)..];
        let legal: Vec<usize> = match &packet {
            Owned::Publish { payload, .. } => (body.len() - payload.len()..body.len()).collect(),
            // The first of the two filters, and its QoS.
            Owned::Subscribe(..) => vec![2 + 2 + 5 + 1],
            Owned::Unsubscribe(..) => vec![2 + 2 + 5],
            Owned::SubAck(..) => vec![3, 4],
            Owned::Connect(_)
            | Owned::ConnAck(_)
            | Owned::Ack(..)
            | Owned::PingReq
            | Owned::PingResp
            | Owned::Disconnect => vec![],
        };
        for cut in 0..body.len() {
            let outcome = decode(&framed(bytes[0], &body[..cut]), MAX).map(|found| found.is_some());
            assert_eq!(outcome == Ok(true), legal.contains(&cut), "{packet:?} body cut at {cut}: {outcome:?}");
            assert_ne!(outcome, Ok(false));
        }
    }
}

#[test]
fn a_body_that_goes_on_is_no_packet_unless_it_is_a_payload_or_list() {
    for packet in samples() {
        let bytes = packet.encode();
        let longer = framed(bytes[0], &[&bytes[header_len(&bytes)..], &[0]].concat());
        let outcome = decode(&longer, MAX);
        if matches!(packet, Owned::Publish { .. } | Owned::SubAck(..)) {
            assert!(outcome.unwrap().is_some());
        } else {
            assert!(matches!(outcome, Err(Error::Malformed(_))), "{packet:?}: {outcome:?}");
        }
    }
}

#[test]
fn a_length_inside_that_reaches_beyond_the_packet_is_malformed_even_if_bytes_follow() {
    // The places of the two-byte lengths in the bodies.
    for (first, body, places) in [
        (0x10, &b"\0\x04MQTT\x04\xc6\0\x3c\0\x02id\0\x01w\0\x01m\0\x01u\0\x01p"[..], &[0, 10, 14, 17, 20, 23][..]),
        (0x30, b"\0\x01ax", &[0]),
        (0x34, b"\0\x01a\0\x01x", &[0]),
        (0x82, b"\0\x01\0\x01a\0\0\x01b\x02", &[2, 6]),
        (0xa2, b"\0\x01\0\x01a\0\x01b", &[2, 5]),
    ] {
        assert!(decode(&framed(first, body), MAX).unwrap().is_some());
        for &place in places {
            let beyond = u16::try_from(body.len() - place - 2 + 1).unwrap();
            for len in [beyond, beyond + 1, 0x7fff, 0x8000, 0xffff] {
                let mut body = body.to_vec();
                body[place..place + 2].copy_from_slice(&len.to_be_bytes());
                let mut stream = framed(first, &body);
                stream.resize(70_000, b'a');
                let outcome = decode(&stream, MAX);
                assert!(
                    matches!(outcome, Err(Error::Malformed(_))),
                    "{first:x} length at {place} is {len}: {outcome:?}"
                );
            }
        }
    }
}

#[test]
fn only_the_first_bytes_of_the_standard_are_taken_and_the_others_are_told_at_once() {
    let mut valid: Vec<u8> = samples().iter().map(|packet| packet.encode()[0]).collect();
    // PUBLISH: retain, DUP and QoS in all ways that go together.
    valid.extend([0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x3a, 0x3b, 0x3c, 0x3d]);
    for first in 0..=u8::MAX {
        let expected = if valid.contains(&first) {
            Ok(None)
        } else if first >> 4 == 0 || first >> 4 == 15 {
            Err("protocol")
        } else {
            Err("malformed")
        };
        for stream in [&[first][..], &[first, 0x80], &[first, 0xff, 0xff, 0xff]] {
            let kind = |error: Error| {
                assert!(matches!(error, Error::Malformed(_) | Error::Protocol(_)), "{error:?}");
                if matches!(error, Error::Protocol(_)) { "protocol" } else { "malformed" }
            };
            assert_eq!(decode(stream, MAX).map(|found| found.map(|_| ())).map_err(kind), expected, "{stream:x?}");
            assert_eq!(frame_len(stream, MAX).map(|found| found.map(|_| ())).map_err(kind), expected, "{stream:x?}");
        }
    }
    for packet in samples() {
        let mut bytes = packet.encode();
        for first in 0..=u8::MAX {
            bytes[0] = first;
            assert!(valid.contains(&first) || decode(&bytes, MAX).is_err(), "{packet:?} with {first:x}");
        }
    }
}

#[test]
fn a_fourth_length_byte_that_goes_on_is_malformed_without_waiting_for_a_fifth() {
    for stream in
        [&[0x30, 0xff, 0xff, 0xff, 0x80][..], &[0x30, 0x80, 0x80, 0x80, 0x80], &[0x30, 0xff, 0xff, 0xff, 0xff, 0x7f]]
    {
        assert!(matches!(frame_len(stream, usize::MAX), Err(Error::Malformed(_))));
        assert!(matches!(decode(stream, usize::MAX), Err(Error::Malformed(_))));
    }
    for short in 1..4 {
        assert_eq!(frame_len(&[0x30, 0xff, 0xff, 0xff][..short], usize::MAX), Ok(None));
    }
    for (length, value) in [
        (&[0x00][..], 0_usize),
        (&[0x7f], 127),
        (&[0x80, 0x01], 128),
        (&[0xff, 0x7f], 16_383),
        (&[0x80, 0x80, 0x01], 16_384),
        (&[0xff, 0xff, 0x7f], 2_097_151),
        (&[0x80, 0x80, 0x80, 0x01], 2_097_152),
        (&[0xff, 0xff, 0xff, 0x7f], 268_435_455),
    ] {
        let stream = [&[0x30], length].concat();
        assert_eq!(frame_len(&stream, usize::MAX), Ok(Some(stream.len() + value)));
        assert!(value == 0 || decode(&stream, usize::MAX) == Ok(None));
    }
}

#[test]
fn a_packet_over_the_limit_is_refused_as_soon_as_its_length_is_known_and_one_at_the_limit_is_not() {
    for packet in samples() {
        let bytes = packet.encode();
        let (len, known) = (bytes.len(), header_len(&bytes));
        let too_large = Error::TooLarge { len, max: len - 1 };
        for cut in 0..=len {
            let expected = if cut < known { Ok(None) } else { Err(too_large) };
            assert_eq!(decode(&bytes[..cut], len - 1), expected, "{packet:?} cut at {cut}");
            assert_eq!(frame_len(&bytes[..cut], len - 1), expected.map(|_| None));
        }
        assert_eq!(decode(&bytes, len).unwrap().unwrap().1, len);
    }
    assert_eq!(decode(&[0x30, 0xff, 0xff, 0xff, 0x7f], 9), Err(Error::TooLarge { len: 268_435_460, max: 9 }));
}

#[test]
fn a_remaining_length_in_a_longer_form_than_needed_is_read_like_the_short_one() {
    let long = [0x30, 0x84, 0x80, 0x00, 0, 1, b'a', b'x'];
    assert_eq!(decode(&long, MAX).unwrap().unwrap().1, long.len());
    assert_eq!(owned(&long), owned(&[0x30, 4, 0, 1, b'a', b'x']));
    assert_eq!(decode(&[0xc0, 0x80, 0x00], MAX).unwrap().unwrap().1, 3);
}

#[test]
fn a_length_that_a_kind_of_packet_cannot_have_is_told_before_its_body_comes() {
    for first in [0x20, 0x40, 0x50, 0x62, 0x70, 0xb0] {
        for len in [0, 1, 3, 100] {
            assert!(matches!(frame_len(&[first, len], MAX), Err(Error::Malformed(_))));
            assert!(matches!(decode(&[first, len], MAX), Err(Error::Malformed(_))));
        }
    }
    for first in [0xc0, 0xd0, 0xe0] {
        assert!(matches!(decode(&[first, 1], MAX), Err(Error::Malformed(_))));
    }
}

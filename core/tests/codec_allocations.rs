//! Does the codec stay off the heap, decoding anything and encoding into a buffer that has grown?
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

#[path = "support/allocations.rs"]
mod allocations;
#[path = "support/packets.rs"]
#[allow(dead_code, reason = "each test file uses its part")]
mod packets;

use allocations::{allocations, none};
use packets::{ACKS, Owned, samples};
use skytether_core::{
    link::QoS,
    mqtt::{
        codec::{
            Outgoing, Packet, ack, connect_append, decode, frame_len, suback_append, subscribe_append,
            unsubscribe_append,
        },
        topic,
    },
};

const MAX: usize = 64 * 1024;

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| Vec::<u8>::with_capacity(9)).0, 1);
    let mut grown = Vec::<u8>::with_capacity(9);
    assert!(allocations(|| grown.extend([0; 10])).0 > 0);
    assert_eq!(allocations(|| grown.len()), (0, 10));
}

#[test]
fn decoding_and_reading_a_packet_allocates_nothing() {
    for packet in samples() {
        let bytes = packet.encode();
        none(&format!("{packet:?}"), || {
            assert_eq!(frame_len(&bytes, MAX), Ok(Some(bytes.len())));
            let (decoded, _) = decode(&bytes, MAX).unwrap().unwrap();
            // The lists are read to their end, too.
            if let Packet::Subscribe(subscribe) = decoded {
                assert_eq!(subscribe.filters().count(), 2);
            } else if let Packet::Unsubscribe(unsubscribe) = decoded {
                assert_eq!(unsubscribe.filters().count(), 2);
            } else if let Packet::SubAck(suback) = decoded {
                assert_eq!((suback.codes().count(), suback.len()), (3, 3));
            }
        });
        for cut in 0..bytes.len().min(60) {
            none("a packet that is cut", || assert_eq!(decode(bytes.get(..cut).unwrap(), MAX), Ok(None)));
        }
        let mut broken = bytes.clone();
        for at in 0..broken.len().min(60) {
            let kept = *broken.get(at).unwrap();
            *broken.get_mut(at).unwrap() = 0xff;
            none("a packet that is broken", || decode(&broken, MAX).is_ok());
            *broken.get_mut(at).unwrap() = kept;
        }
    }
}

#[test]
fn appending_to_a_buffer_that_has_grown_allocates_nothing() {
    let mut out = Vec::with_capacity(MAX);
    let mut slice = vec![0; MAX];
    for packet in samples() {
        let expected = packet.encode();
        let what = format!("{packet:?}");
        out.clear();
        match &packet {
            Owned::Connect(connect) => none(&what, || connect_append(&mut out, connect)).unwrap(),
            Owned::ConnAck(connack) => none(&what, || out.extend(connack.encode())),
            Owned::Publish { topic, payload, delivery, dup, retain } => none(&what, || {
                let pieces = [topic.as_str()];
                let message = Outgoing { topic: &pieces, payload, delivery: *delivery, dup: *dup, retain: *retain };
                let measured = message.measure().unwrap();
                message.append(measured, &mut out);
                assert_eq!(message.write(measured, &mut slice), Some(expected.len()));
            }),
            Owned::Ack(kind, id) => none(&what, || out.extend(ack(*kind, *id))),
            Owned::Subscribe(id, filters) => {
                let filters: Vec<(&str, QoS)> = filters.iter().map(|(filter, qos)| (filter.as_str(), *qos)).collect();
                none(&what, || subscribe_append(&mut out, *id, &filters)).unwrap();
            }
            Owned::SubAck(id, codes) => none(&what, || suback_append(&mut out, *id, codes)).unwrap(),
            Owned::Unsubscribe(id, filters) => {
                let filters: Vec<&str> = filters.iter().map(String::as_str).collect();
                none(&what, || unsubscribe_append(&mut out, *id, &filters)).unwrap();
            }
            Owned::PingReq | Owned::PingResp | Owned::Disconnect => packet.append(&mut out),
        }
        assert_eq!(out, expected);
    }
    assert_eq!(samples().iter().filter(|packet| matches!(packet, Owned::Ack(..))).count(), ACKS.len());
}

#[test]
fn a_buffer_too_small_grows_once_a_packet() {
    // The helper collects the filters of a list in a vector of its own.
    for packet in samples() {
        let lists = matches!(packet, Owned::Subscribe(..) | Owned::Unsubscribe(..));
        let expected = if lists { 2 } else { 1 };
        assert_eq!(allocations(|| packet.encode()).0, expected, "{packet:?}");
    }
}

#[test]
fn judging_and_matching_topics_allocates_nothing() {
    none("topics", || {
        assert!(topic::matches("a/+/温度/#", "a/b/温度"));
        assert!(topic::matches("$share/group/a/#", "a/b"));
        assert!(topic::check_filter("a/b+").is_err() && topic::check_name("a/#").is_err());
    });
}

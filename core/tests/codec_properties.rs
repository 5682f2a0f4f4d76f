//! Do the codec and the topic rules hold for whatever is made up?
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

#[path = "support/packets.rs"]
#[allow(dead_code, reason = "each test file uses its part")]
mod packets;

use packets::{Owned, filter, name, packet, publish};
use proptest::{collection::vec, prelude::*, sample::Index};
use skytether_core::{
    link::Version,
    mqtt::{
        codec::{Outgoing, Packet, decode, frame_len},
        topic,
    },
};

const MAX: usize = 64 * 1024;

/// What follows the fixed header.
fn body(packet: &[u8]) -> &[u8] {
    let length_bytes = packet[1..].iter().take_while(|byte| **byte & 0x80 != 0).count() + 1;
    &packet[1 + length_bytes..]
}

/// What must hold of any bytes: prefixes never contradict the whole, and what is accepted is written back the same.
fn check_any(bytes: &[u8]) -> Result<(), TestCaseError> {
    let whole = decode(bytes, MAX);
    let len = frame_len(bytes, MAX);
    match &whole {
        Ok(None) => prop_assert!(len.is_ok()),
        Ok(Some((packet, used))) => {
            prop_assert_eq!(len, Ok(Some(*used)));
            prop_assert!(*used <= bytes.len());
            if let Packet::Connect(connect) = packet
                && connect.version == Version::V3_1
                && connect.client_id.chars().count() > 23
            {
                // Taken from clients, never written.
                return Ok(());
            }
            let shortest = Owned::of(packet).encode();
            // The length field may be longer than needed; all else is the same to the byte.
            prop_assert_eq!((bytes[0], body(&bytes[..*used])), (shortest[0], body(&shortest)));
            prop_assert_eq!(&decode(&shortest, MAX).unwrap().unwrap().0, packet);
        }
        Err(error) => prop_assert!(len.is_ok() || len == Err(*error)),
    }
    for cut in 0..bytes.len().min(200) {
        let part = decode(&bytes[..cut], MAX);
        prop_assert!(part == Ok(None) || part == whole, "cut at {}: {:?}, whole: {:?}", cut, part, whole);
    }
    Ok(())
}

proptest! {
    #[test]
    fn every_packet_comes_back_as_it_was_written(packet in packet(), next in vec(any::<u8>(), 0..9)) {
        let mut bytes = packet.encode();
        let len = bytes.len();
        bytes.extend(next);
        let (decoded, used) = decode(&bytes, MAX).unwrap().unwrap();
        prop_assert_eq!((Owned::of(&decoded), used), (packet, len));
        check_any(&bytes)?;
    }

    #[test]
    fn what_is_behind_other_packets_in_the_buffer_is_written_the_same(first in packet(), second in packet()) {
        let mut out = first.encode();
        second.append(&mut out);
        prop_assert_eq!(out, [first.encode(), second.encode()].concat());
    }

    #[test]
    fn the_pieces_of_a_topic_do_not_show(packet in publish(), at in any::<Index>()) {
        let Owned::Publish { topic, payload, delivery, dup, retain } = &packet else { panic!("{packet:?}") };
        let cuts: Vec<usize> = topic.char_indices().map(|(cut, _)| cut).collect();
        let (left, right) = topic.split_at(*at.get(&cuts));
        let pieces = [left, "", right];
        let message = Outgoing { topic: &pieces, payload, delivery: *delivery, dup: *dup, retain: *retain };
        let measured = message.measure().unwrap();
        let mut out = Vec::new();
        message.append(measured, &mut out);
        prop_assert_eq!(&out, &packet.encode());
        prop_assert_eq!(out.len(), measured.len);
        if let Some(id) = delivery.id() {
            prop_assert_eq!(&out[measured.id_at..measured.id_at + 2], &id.get().to_be_bytes());
        }
        let mut slice = vec![0; measured.len + 1];
        prop_assert_eq!(message.write(measured, &mut slice), Some(measured.len));
        prop_assert_eq!(&slice[..measured.len], &out[..]);
    }

    #[test]
    fn no_bytes_panic(bytes in vec(any::<u8>(), 0..300)) {
        check_any(&bytes)?;
    }

    #[test]
    fn no_bytes_behind_a_fitting_header_panic(first in any::<u8>(), body in vec(prop_oneof![Just(0), 0..9_u8, any::<u8>()], 0..100)) {
        check_any(&[&[first, u8::try_from(body.len()).unwrap()], &body[..]].concat())?;
    }

    #[test]
    fn no_mutated_packet_panics(packet in packet(), changes in vec((any::<Index>(), any::<u8>()), 1..5), cut in any::<Index>()) {
        let mut bytes = packet.encode();
        for (at, byte) in &changes {
            let at = at.index(bytes.len().min(40));
            bytes[at] = *byte;
        }
        check_any(&bytes)?;
        bytes.truncate(cut.index(bytes.len()));
        check_any(&bytes)?;
    }

    #[test]
    fn matching_agrees_with_an_oracle(filter in filter(), name in name()) {
        prop_assert_eq!(topic::matches(&filter, &name), oracle(&filter, &name), "{} {}", filter, name);
    }

    #[test]
    fn a_filter_made_from_a_name_matches_it(name in name(), holes in vec(any::<bool>(), 30), open in any::<Option<Index>>()) {
        let levels: Vec<&str> = name.split('/').collect();
        let hidden = name.starts_with('$');
        let mut made: Vec<&str> =
            levels.iter().zip(holes.iter().cycle()).map(|(level, hole)| if *hole { "+" } else { level }).collect();
        if let Some(open) = open {
            made.truncate(open.index(made.len() + 1));
            made.push("#");
        }
        let made = made.join("/");
        prop_assert_eq!(topic::check_filter(&made), Ok(()));
        let blind = hidden && (made.starts_with('+') || made.starts_with('#'));
        if !made.starts_with("$share/") {
            prop_assert_eq!(topic::matches(&made, &name), !blind, "{} {}", made, name);
        }
    }

    #[test]
    fn valid_names_and_filters_are_taken(name in name(), filter in filter()) {
        prop_assert_eq!(topic::check_name(&name), Ok(()));
        prop_assert_eq!(topic::check_filter(&name), Ok(()));
        prop_assert_eq!(topic::check_filter(&filter), Ok(()));
    }

    #[test]
    fn names_and_filters_are_judged_as_the_rules_read(text in "[ab/+#\u{0}ä]{0,12}") {
        let special = text.contains(['+', '#', '\0']);
        prop_assert_eq!(topic::check_name(&text).is_ok(), !text.is_empty() && !special);
        let levels: Vec<&str> = text.split('/').collect();
        let valid = !text.is_empty()
            && !text.contains('\0')
            && levels.iter().all(|level| *level == "+" || *level == "#" || !level.contains(['+', '#']))
            && levels[..levels.len() - 1].iter().all(|level| *level != "#");
        prop_assert_eq!(topic::check_filter(&text).is_ok(), valid, "{:?}", text);
    }

    #[test]
    fn no_two_texts_panic(filter in any::<String>(), name in any::<String>()) {
        topic::matches(&filter, &name);
        let _ = (topic::check_filter(&filter), topic::check_name(&name));
    }
}

/// 4.7 word by word, over lists of levels.
fn oracle(filter: &str, name: &str) -> bool {
    fn levels(filter: &[&str], name: &[&str]) -> bool {
        match (filter, name) {
            (["#"], _) | ([], []) => true,
            (["+", filter @ ..], [_, name @ ..]) => levels(filter, name),
            ([wanted, filter @ ..], [level, name @ ..]) => wanted == level && levels(filter, name),
            _ => false,
        }
    }
    let (filter, name): (Vec<_>, Vec<_>) = (filter.split('/').collect(), name.split('/').collect());
    let hidden = name[0].starts_with('$');
    !(hidden && (filter[0] == "+" || filter[0] == "#")) && levels(&filter, &name)
}

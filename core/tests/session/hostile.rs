//! Bytes that no server should send: a typed end, in whatever pieces they come, and never a panic.

use crate::rig::{CONNACK, Got, Rig, ack, publish};
use proptest::prelude::*;
use skytether_core::{io::Cause, limits::Limits, link::QoS, mqtt::session::Options};

/// One of each packet that a server sends.
fn packets() -> Vec<Vec<u8>> {
    vec![
        CONNACK.to_vec(),
        publish(QoS::AtMostOnce, false, 0, b"zero"),
        publish(QoS::AtLeastOnce, false, 7, b"one"),
        publish(QoS::ExactlyOnce, true, 8, b"two"),
        ack(0x40, 1).to_vec(),
        ack(0x50, 2).to_vec(),
        ack(0x62, 8).to_vec(),
        ack(0x70, 2).to_vec(),
        vec![0x90, 3, 0, 3, 1],
        ack(0xb0, 4).to_vec(),
        vec![0xd0, 0],
    ]
}

/// A session that waits for each kind of acknowledgement.
fn busy() -> Rig {
    let mut rig = Rig::up(Options::default(), false);
    rig.publish(1, QoS::AtLeastOnce, b"a").unwrap();
    rig.publish(2, QoS::ExactlyOnce, b"b").unwrap();
    rig.session
        .subscribe_many(
            rig.now,
            skytether_core::io::Tag(3),
            skytether_core::link::Lane::App,
            &[("f", QoS::AtLeastOnce)],
        )
        .unwrap();
    rig.session.unsubscribe_many(rig.now, skytether_core::io::Tag(4), &["g"]).unwrap();
    rig.tx();
    rig
}

fn downs(got: &[Got]) -> Vec<Cause> {
    got.iter().filter_map(|got| if let Got::Down(cause) = got { Some(*cause) } else { None }).collect()
}

#[test]
fn every_packet_cut_at_every_byte_ends_as_a_loss_and_the_session_goes_on() {
    for packet in packets().into_iter().skip(1) {
        for cut in 0..packet.len() {
            let mut rig = busy();
            rig.rx(&packet[..cut]);
            assert!(!rig.closing, "{packet:02x?} cut at {cut}");
            rig.lose();
            assert_eq!(downs(&rig.got()), [Cause::Lost]);
            rig.reconnect(true);
            rig.rx(&publish(QoS::AtMostOnce, false, 0, b"whole"));
            assert!(rig.got().contains(&Got::Message("t/x".into(), b"whole".to_vec(), QoS::AtMostOnce)));
        }
    }
}

#[test]
fn reserved_bits_and_wrong_lengths_end_the_connection_with_their_cause() {
    for packet in packets().into_iter().filter(|packet| packet[0] >> 4 != 3) {
        for bit in 0..4 {
            let mut bad = packet.clone();
            bad[0] ^= 1 << bit;
            let mut rig = busy();
            rig.rx(&bad);
            assert!(matches!(downs(&rig.got())[..], [Cause::Malformed(_)]), "{bad:02x?}");
        }
        let mut long = packet.clone();
        long[1] += 1;
        long.push(0x80);
        let mut rig = busy();
        rig.rx(&long);
        assert_eq!(downs(&rig.got()).len(), 1, "{long:02x?}");
    }
    for (bad, why) in [
        (&[0x36, 5, 0, 1, b'a', 0, 1][..], "QoS 3"),
        (&[0x38, 3, 0, 1, b'a'], "DUP at QoS 0"),
        (&[0x30, 4, 0, 9, b'a', b'b'], "topic beyond the packet"),
        (&[0x30, 4, 0, 2, b'a', 0xff], "invalid UTF-8"),
        (&[0x30, 4, 0, 2, b'a', 0], "U+0000"),
        (&[0x30, 4, 0, 2, b'a', b'#'], "wildcard"),
        (&[0x30, 2, 0, 0], "empty topic"),
        (&[0x32, 5, 0, 1, b'a', 0, 0], "packet id 0"),
        (&[0x40, 2, 0, 0], "PUBACK 0"),
        (&[0x30, 0x80, 0x80, 0x80, 0x80], "length of five bytes"),
        (&[0x90, 3, 0, 3, 3], "SUBACK code 3"),
        (&[0x00, 0], "type 0"),
        (&[0xf0, 0], "type 15"),
    ] {
        let mut rig = busy();
        rig.rx(bad);
        assert!(matches!(downs(&rig.got())[..], [Cause::Malformed(_) | Cause::Protocol(_)]), "{why}");
        assert!(rig.closing);
        rig.lose();
        assert!(downs(&rig.got()).is_empty(), "one Down a connection");
        rig.reconnect(true);
    }
}

#[test]
fn a_packet_over_the_limit_is_refused_before_its_body_comes() {
    let limits = Limits { packet_in: 1024, ..Limits::default() };
    let mut rig = Rig::up(Options { limits, ..Options::default() }, true);
    rig.rx(&[0x30, 0xfd, 0x07]);
    assert!(downs(&rig.got()).is_empty(), "exactly 1024 is fine");
    let mut rig = Rig::up(Options { limits, ..Options::default() }, true);
    rig.rx(&[0x30, 0xfe, 0x07]);
    assert_eq!(downs(&rig.got()), [Cause::TooLarge { len: 1025, max: 1024 }]);
}

/// What a conversation leads to: what was told, and what was sent.
fn outcome(stream: &[u8], cuts: &[usize]) -> (Vec<Got>, Vec<u8>, usize) {
    let mut rig = busy();
    let mut rest = stream;
    for cut in cuts {
        let (part, after) = rest.split_at((*cut).min(rest.len()));
        rig.rx(part);
        rest = after;
    }
    rig.rx(rest);
    let sent = rig.tx();
    (rig.got(), sent, rig.session.buffered())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn r_2_the_pieces_in_which_bytes_come_do_not_matter(
        picks in prop::collection::vec(0usize..11, 0..12),
        flip in prop::option::of((0usize..64, 0u8..8)),
        cuts in prop::collection::vec(0usize..9, 0..40),
    ) {
        let packets = packets();
        let mut stream: Vec<u8> = picks.iter().flat_map(|pick| packets[*pick].clone()).collect();
        if let Some((at, bit)) = flip && let Some(byte) = stream.get_mut(at) {
            *byte ^= 1 << bit;
        }
        let whole = outcome(&stream, &[]);
        prop_assert_eq!(&whole, &outcome(&stream, &cuts));
        prop_assert_eq!(&whole, &outcome(&stream, &vec![1; stream.len()]));
    }

    #[test]
    fn r_1_random_bytes_never_panic_and_end_at_most_once(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        connected in any::<bool>(),
    ) {
        let mut rig = if connected { busy() } else { Rig::new(Options::default(), true) };
        if !connected {
            rig.open();
        }
        rig.rx(&bytes);
        rig.tx();
        rig.seconds(100);
        prop_assert!(downs(&rig.got()).len() <= 1);
        rig.lose();
        rig.reconnect(false);
    }
}

//! QoS 1 and 2 in both directions, over losses.

use crate::rig::{Got, Rig, ack, publish};
use core::time::Duration;
use skytether_core::{
    io::{Cause, Failure, Tag},
    limits::Limits,
    link::{Lane, Link, Note, QoS},
    mqtt::session::{OnSessionLost, Options},
};

const Q1: QoS = QoS::AtLeastOnce;
const Q2: QoS = QoS::ExactlyOnce;

#[test]
fn r_20_resends_keep_their_order_and_pubrel_takes_the_place_of_publish() {
    let mut rig = Rig::up(Options::default(), false);
    for tag in 1..=4 {
        rig.publish(tag, if tag % 2 == 0 { Q2 } else { Q1 }, b"m").unwrap();
    }
    rig.tx();
    rig.rx(&ack(0x50, 2));
    rig.tx();
    rig.rx(&ack(0x40, 3));
    rig.lose();
    rig.reconnect(true);
    let expected = [&ack(0x62, 2)[..], &publish(Q1, true, 1, b"m"), &publish(Q2, true, 4, b"m")].concat();
    assert_eq!(rig.tx(), expected);
}

#[test]
fn r_5_what_the_server_forgot_is_sent_as_new_or_fails_by_policy() {
    for policy in [OnSessionLost::Republish, OnSessionLost::Fail] {
        let mut rig = Rig::up(Options { on_session_lost: policy, ..Options::default() }, false);
        for (tag, qos) in [(1, Q1), (2, Q2), (3, Q2)] {
            rig.publish(tag, qos, b"m").unwrap();
        }
        rig.tx();
        rig.rx(&ack(0x50, 3));
        rig.tx();
        rig.lose();
        rig.got();
        rig.reconnect(false);
        rig.settle();
        let sent = rig.tx();
        if policy == OnSessionLost::Republish {
            assert_eq!(sent, [publish(Q1, false, 4, b"m"), publish(Q2, false, 5, b"m")].concat());
            rig.rx(&ack(0x40, 4));
            rig.rx(&ack(0x50, 5));
            rig.rx(&ack(0x70, 5));
            assert!(rig.got().contains(&Got::Delivered(2)));
        } else {
            assert!(sent.is_empty());
        }
    }
}

#[test]
fn r_5_each_message_ends_once_whatever_the_policy() {
    for policy in [OnSessionLost::Republish, OnSessionLost::Fail] {
        let mut rig = Rig::up(Options { on_session_lost: policy, ..Options::default() }, false);
        rig.publish(1, Q2, b"m").unwrap();
        rig.tx();
        rig.rx(&ack(0x50, 1));
        rig.lose();
        rig.open();
        rig.tx();
        rig.rx(&crate::rig::CONNACK);
        let ends = rig.got().into_iter().filter(|got| matches!(got, Got::Delivered(1) | Got::Failed(1, _))).count();
        assert_eq!(ends, 1, "a QoS 2 message past PUBREC is not sent again");
    }
}

#[test]
fn r_7_an_id_is_free_again_only_after_its_last_acknowledgement() {
    let mut rig = Rig::up(Options { next_packet_id: 65_535, ..Options::default() }, true);
    rig.publish(1, Q2, b"a").unwrap();
    rig.publish(2, Q1, b"b").unwrap();
    assert_eq!(rig.tx(), [publish(Q2, false, 65_535, b"a"), publish(Q1, false, 1, b"b")].concat());
    rig.rx(&ack(0x50, 65_535));
    rig.tx();
    rig.rx(&ack(0x40, 1));
    rig.lose();
    rig.got();
}

#[test]
fn acknowledgements_of_the_wrong_kind_complete_nothing() {
    let mut rig = Rig::up(Options::default(), true);
    rig.publish(1, Q1, b"a").unwrap();
    rig.publish(2, Q2, b"b").unwrap();
    rig.tx();
    rig.rx(&[ack(0x50, 1), ack(0x70, 1), ack(0x40, 2), ack(0x70, 2)].concat());
    assert_eq!(rig.got(), [1, 1, 2, 2].map(|id| Got::Note(Note::UnknownAck(id))));
    assert!(rig.tx().is_empty());
    rig.rx(&[ack(0x40, 1), ack(0x50, 2), ack(0x70, 2)].concat());
    assert_eq!(rig.got(), [Got::Delivered(1), Got::Delivered(2)]);
}

#[test]
fn an_acknowledgement_before_the_message_has_left_is_not_believed() {
    let mut rig = Rig::up(Options::default(), true);
    rig.publish(1, Q1, b"abc").unwrap();
    rig.tx_some(4);
    rig.rx(&ack(0x40, 1));
    assert_eq!(rig.got(), [Got::Note(Note::UnknownAck(1))]);
    assert_eq!(rig.tx(), publish(Q1, false, 1, b"abc")[4..]);
    rig.rx(&ack(0x40, 1));
    assert_eq!(rig.got(), [Got::Delivered(1)]);
}

#[test]
fn control_packets_go_between_messages_never_inside_one() {
    let mut rig = Rig::up(Options::default(), true);
    rig.publish(1, Q1, b"first").unwrap();
    rig.publish(2, Q1, b"second").unwrap();
    let mut wire = rig.tx_some(3);
    rig.rx(&publish(Q1, false, 77, b"in"));
    wire.extend(rig.tx());
    let expected = [&publish(Q1, false, 1, b"first")[..], &ack(0x40, 77), &publish(Q1, false, 2, b"second")].concat();
    assert_eq!(wire, expected);
}

#[test]
fn r_6_a_qos_2_message_is_shown_once_over_reconnects() {
    let mut rig = Rig::up(Options::default(), false);
    rig.rx(&publish(Q2, false, 9, b"m"));
    assert_eq!(rig.tx(), ack(0x50, 9));
    rig.lose();
    rig.got();
    rig.reconnect(true);
    rig.rx(&publish(Q2, true, 9, b"m"));
    assert_eq!((rig.got(), rig.tx()), (vec![], ack(0x50, 9).to_vec()));
    rig.rx(&ack(0x62, 9));
    assert_eq!(rig.tx(), ack(0x70, 9));
    rig.rx(&publish(Q2, false, 9, b"m"));
    assert_eq!(rig.got().len(), 1, "after PUBREL the id is new again");
}

#[test]
fn r_6_with_a_new_session_the_old_ids_mean_nothing() {
    let mut rig = Rig::up(Options::default(), false);
    rig.rx(&publish(Q2, false, 9, b"old"));
    rig.lose();
    rig.reconnect(false);
    rig.got();
    rig.rx(&publish(Q2, false, 9, b"new"));
    assert_eq!(rig.got(), [Got::Message("t/x".into(), b"new".to_vec(), Q2)]);
}

#[test]
fn a_flood_of_unreleased_qos_2_messages_ends_the_connection() {
    let limits = Limits { received: 3, ..Limits::default() };
    let mut rig = Rig::up(Options { limits, ..Options::default() }, true);
    for id in 1..=4 {
        rig.rx(&publish(Q2, false, id, b"m"));
    }
    assert!(matches!(rig.got()[..], [.., Got::Down(Cause::Protocol(_))]));
}

#[test]
fn manual_acknowledgements_leave_in_order_of_arrival() {
    let mut rig = Rig::up(Options { manual_ack: true, ..Options::default() }, true);
    for (qos, id) in [(Q1, 5), (Q2, 6), (Q1, 7)] {
        rig.rx(&publish(qos, false, id, b"m"));
    }
    assert_eq!(rig.session.latest_id(), Some(7));
    assert!(rig.tx().is_empty());
    rig.session.acknowledge(rig.now, 7).unwrap();
    rig.session.acknowledge(rig.now, 6).unwrap();
    assert!(rig.tx().is_empty());
    rig.session.acknowledge(rig.now, 5).unwrap();
    assert_eq!(rig.tx(), [ack(0x40, 5), ack(0x50, 6), ack(0x40, 7)].concat());
    assert!(rig.session.acknowledge(rig.now, 5).is_err());
    assert!(rig.session.acknowledge(rig.now, 0).is_err());
}

#[test]
fn r_6_a_manual_qos_2_message_waits_for_its_word_over_a_reconnect() {
    let mut rig = Rig::up(Options { manual_ack: true, ..Options::default() }, false);
    rig.rx(&publish(Q2, false, 6, b"m"));
    rig.lose();
    rig.reconnect(true);
    rig.got();
    rig.rx(&publish(Q2, true, 6, b"m"));
    assert_eq!((rig.got(), rig.tx()), (vec![], vec![]));
    rig.session.acknowledge(rig.now, 6).unwrap();
    assert_eq!(rig.tx(), ack(0x50, 6));
}

#[test]
fn r_73_a_message_is_never_resent_on_the_same_connection_but_noted_and_then_given_a_new_one() {
    let mut rig = Rig::up(Options::default(), false);
    rig.connect.keep_alive = 0;
    rig.lose();
    rig.reconnect(true);
    rig.got();
    rig.publish(1, Q1, b"m").unwrap();
    rig.tx();
    rig.seconds(30);
    assert_eq!(rig.got(), [Got::Note(Note::AckLate(Tag(1)))]);
    rig.seconds(29);
    assert!(rig.tx().is_empty() && rig.got().is_empty());
    rig.seconds(1);
    assert_eq!(rig.got(), [Got::Down(Cause::AckTimeout)]);
    rig.lose();
    rig.reconnect(true);
    assert_eq!(rig.tx(), publish(Q1, true, 1, b"m"));

    let mut rig = Rig::up(Options { ack_timeout: None, ..Options::default() }, false);
    rig.connect.keep_alive = 0;
    rig.lose();
    rig.reconnect(true);
    rig.got();
    rig.publish(1, Q1, b"m").unwrap();
    rig.tx();
    rig.seconds(1000);
    assert_eq!(rig.got(), [Got::Note(Note::AckLate(Tag(1)))]);
}

#[test]
fn lanes_have_their_order_and_their_lives() {
    let mut rig = Rig::new(Options::default(), false);
    assert!(rig.publish_on(Lane::Setup, 1, Q1, b"s", None).is_err());
    assert!(rig.publish_on(Lane::Reply, 2, Q1, b"r", None).is_err());
    rig.publish(3, Q1, b"a").unwrap();
    // Up, but not ready: the application's lane stays shut.
    rig.open();
    rig.tx();
    let mut scratch = Vec::new();
    rig.session.read(rig.now, &crate::rig::CONNACK, &mut scratch);
    rig.publish_on(Lane::Reply, 2, Q1, b"r", None).unwrap();
    rig.publish_on(Lane::Setup, 1, Q1, b"s", None).unwrap();
    assert_eq!(rig.tx(), [publish(Q1, false, 2, b"s"), publish(Q1, false, 1, b"r")].concat());
    rig.session.ready();
    assert_eq!(rig.tx(), publish(Q1, false, 3, b"a"));
    rig.lose();
    assert_eq!(rig.got(), [Got::Down(Cause::Lost), Got::Failed(1, Failure::Lost)]);
    rig.open();
    rig.tx();
    rig.rx(&crate::rig::CONNACK);
    assert_eq!(rig.got(), [Got::Up(false), Got::Failed(2, Failure::Lost)], "an answer to a session that is gone");
    assert_eq!(rig.tx(), publish(Q1, false, 4, b"a"), "the application's message survives");
}

#[test]
fn r_76_a_message_that_outlives_its_time_in_the_queue_fails_as_expired() {
    let mut rig = Rig::new(Options::default(), true);
    rig.publish_on(Lane::App, 1, Q1, b"old", Some(Duration::from_secs(5))).unwrap();
    rig.publish_on(Lane::App, 2, Q1, b"young", Some(Duration::from_secs(50))).unwrap();
    assert_eq!(rig.session.deadline().map(|deadline| deadline.at.0), Some(5000));
    rig.seconds(10);
    assert_eq!(rig.got(), [Got::Failed(1, Failure::Expired)]);
    rig.reconnect(false);
    assert_eq!(rig.tx(), publish(Q1, false, 1, b"young"));
    rig.seconds(25);
    rig.tx();
    rig.rx(&ack(0x40, 1));
    assert_eq!(rig.got(), [Got::Delivered(2)], "what has left does not expire");
}

#[test]
fn r_73_the_wait_for_pubcomp_begins_anew_with_each_connection() {
    let mut rig = Rig::up(Options::default(), false);
    rig.publish(1, Q2, b"m").unwrap();
    rig.tx();
    rig.rx(&ack(0x50, 1));
    rig.tx();
    rig.lose();
    rig.seconds(100);
    rig.reconnect(true);
    assert_eq!(rig.tx(), ack(0x62, 1));
    rig.seconds(1);
    assert_eq!(rig.got(), [], "an old PUBREL does not end the new connection");
    rig.rx(&ack(0x70, 1));
    assert_eq!(rig.got(), [Got::Delivered(1)]);
}

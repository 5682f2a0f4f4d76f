//! Subscribing and unsubscribing.

use crate::rig::{Got, Rig, ack};
use skytether_core::{
    io::{Cause, Failure, Rejected, Tag},
    limits::Limits,
    link::{Lane, Link, Note, QoS},
    mqtt::session::Options,
};

fn subscribe(rig: &mut Rig, tag: u32, filters: &[(&str, QoS)]) -> Result<(), Rejected> {
    rig.session.subscribe_many(rig.now, Tag(tag), Lane::App, filters)
}

#[test]
fn r_82_each_filter_is_answered_by_itself() {
    let mut rig = Rig::up(Options::default(), true);
    subscribe(&mut rig, 7, &[("a", QoS::AtMostOnce), ("b", QoS::ExactlyOnce), ("c", QoS::AtLeastOnce)]).unwrap();
    rig.tx();
    rig.rx(&[0x90, 5, 0, 1, 0, 1, 0x80]);
    assert_eq!(
        rig.got(),
        [Got::Granted(7, Some(QoS::AtMostOnce)), Got::Granted(7, Some(QoS::AtLeastOnce)), Got::Granted(7, None)]
    );
    rig.lose();
    rig.reconnect(false);
    assert_eq!(rig.tx(), [0x82, 10, 0, 2, 0, 1, b'a', 0, 0, 1, b'b', 2], "the refused one is not asked again");
}

#[test]
fn r_82_a_filter_refused_when_it_is_asked_again_is_noted() {
    let mut rig = Rig::up(Options::default(), true);
    subscribe(&mut rig, 7, &[("a", QoS::AtMostOnce)]).unwrap();
    rig.tx();
    rig.rx(&[0x90, 3, 0, 1, 0]);
    rig.lose();
    rig.reconnect(false);
    rig.got();
    rig.tx();
    rig.rx(&[0x90, 3, 0, 2, 0x80]);
    assert_eq!(rig.got(), [Got::Note(Note::Degraded)]);
    assert!(!rig.closing, "not a reason to reconnect");
}

#[test]
fn a_request_without_an_answer_fails_in_time_and_a_late_answer_is_ignored() {
    let mut rig = Rig::up(Options::default(), true);
    subscribe(&mut rig, 7, &[("a", QoS::AtMostOnce)]).unwrap();
    rig.tx();
    rig.seconds(29);
    assert!(rig.got().is_empty());
    rig.seconds(1);
    assert_eq!(rig.got(), [Got::Failed(7, Failure::TimedOut)]);
    rig.rx(&[0x90, 3, 0, 1, 0]);
    assert_eq!(rig.got(), [Got::Note(Note::UnknownAck(1))]);
}

#[test]
fn a_request_cut_off_by_a_loss_is_asked_again_and_answered_once() {
    let mut rig = Rig::up(Options::default(), false);
    subscribe(&mut rig, 7, &[("a", QoS::AtMostOnce)]).unwrap();
    rig.session.unsubscribe_many(rig.now, Tag(8), &["b"]).unwrap();
    rig.tx();
    rig.lose();
    rig.reconnect(true);
    rig.got();
    assert_eq!(rig.tx(), [&[0x82, 6, 0, 3, 0, 1, b'a', 0][..], &[0xa2, 5, 0, 4, 0, 1, b'b']].concat());
    rig.rx(&[0x90, 3, 0, 3, 0]);
    rig.rx(&ack(0xb0, 4));
    assert_eq!(rig.got(), [Got::Granted(7, Some(QoS::AtMostOnce)), Got::Unsubscribed(8)]);
}

#[test]
fn an_unsubscription_of_a_session_that_is_gone_is_done() {
    let mut rig = Rig::up(Options::default(), false);
    rig.session.unsubscribe_many(rig.now, Tag(8), &["b"]).unwrap();
    rig.tx();
    rig.lose();
    rig.got();
    rig.open();
    rig.tx();
    rig.rx(&crate::rig::CONNACK);
    assert_eq!(rig.got(), [Got::Up(false), Got::Unsubscribed(8)]);
    assert!(rig.tx().is_empty());
}

#[test]
fn a_wrong_number_of_codes_is_a_protocol_error() {
    let mut rig = Rig::up(Options::default(), true);
    subscribe(&mut rig, 7, &[("a", QoS::AtMostOnce)]).unwrap();
    rig.tx();
    rig.rx(&[0x90, 4, 0, 1, 0, 0]);
    assert!(matches!(rig.got()[..], [Got::Down(Cause::Protocol(_))]));
}

#[test]
fn r_11_a_refused_request_changes_nothing() {
    let limits = Limits { requests: 1, subscriptions: 2, ..Limits::default() };
    let mut rig = Rig::up(Options { limits, ..Options::default() }, true);
    for filters in [&[][..], &[("a/#/b", QoS::AtMostOnce)], &[("a", QoS::AtMostOnce), ("+b", QoS::AtMostOnce)]] {
        assert!(matches!(subscribe(&mut rig, 1, filters), Err(Rejected::Invalid(_))));
    }
    let three = [("a", QoS::AtMostOnce), ("b", QoS::AtMostOnce), ("c", QoS::AtMostOnce)];
    assert_eq!(subscribe(&mut rig, 1, &three), Err(Rejected::Full));
    assert!(rig.tx().is_empty());
    subscribe(&mut rig, 1, &three[..1]).unwrap();
    assert_eq!(subscribe(&mut rig, 2, &three[1..2]), Err(Rejected::Full));
    assert_eq!(rig.tx(), [0x82, 6, 0, 1, 0, 1, b'a', 0]);
}

#[test]
fn a_set_up_subscription_goes_before_ready_and_ends_with_its_connection() {
    let mut rig = Rig::new(Options::default(), true);
    let early = rig.session.subscribe(rig.now, Tag(1), Lane::Setup, &["$dps"], QoS::AtLeastOnce);
    assert_eq!(early, Err(Rejected::Offline));
    rig.reconnect(false);
    rig.session.subscribe(rig.now, Tag(1), Lane::Setup, &["a", "/b"], QoS::AtLeastOnce).unwrap();
    rig.tx();
    rig.lose();
    assert_eq!(rig.got(), [Got::Failed(1, Failure::Lost), Got::Down(Cause::Lost)]);
    rig.reconnect(false);
    assert!(rig.tx().is_empty());
}

#[test]
fn a_filter_dropped_while_it_is_asked_again_keeps_its_place_in_the_answer_and_its_packet_id() {
    let mut rig = Rig::up(Options::default(), false);
    subscribe(&mut rig, 7, &[("a", QoS::AtMostOnce), ("b", QoS::AtLeastOnce)]).unwrap();
    rig.tx();
    rig.rx(&[0x90, 4, 0, 1, 0, 1]);
    rig.lose();
    rig.reconnect(false);
    assert_eq!(rig.tx(), [0x82, 10, 0, 2, 0, 1, b'a', 0, 0, 1, b'b', 1], "asked again");
    rig.session.unsubscribe_many(rig.now, Tag(8), &["a"]).unwrap();
    rig.session.number_from(2);
    subscribe(&mut rig, 9, &[("c", QoS::AtMostOnce)]).unwrap();
    let expected = [&[0xa2, 5, 0, 3, 0, 1, b'a'][..], &[0x82, 6, 0, 4, 0, 1, b'c', 0]].concat();
    assert_eq!(rig.tx(), expected, "2 is in use (R-7)");
    rig.got();
    rig.rx(&[0x90, 4, 0, 2, 0, 1]);
    assert!(rig.got().is_empty() && !rig.closing, "two codes are right: two filters were asked for");
    rig.rx(&[&ack(0xb0, 3)[..], &[0x90, 3, 0, 4, 0]].concat());
    assert_eq!(rig.got(), [Got::Unsubscribed(8), Got::Granted(9, Some(QoS::AtMostOnce))]);
    rig.lose();
    rig.reconnect(false);
    let again = [&[0x82, 6, 0, 5, 0, 1, b'b', 1][..], &[0x82, 6, 0, 6, 0, 1, b'c', 0]].concat();
    assert_eq!(rig.tx(), again, "the dropped one is not asked again");
}

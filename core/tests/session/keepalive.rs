//! Keep alive and half-open detection.

use crate::rig::{Got, PINGREQ, PINGRESP, Rig, publish};
use skytether_core::{
    io::{Cause, Instant},
    link::{Link, QoS},
    mqtt::session::Options,
};

#[test]
fn r_21_a_silent_peer_is_asked_and_then_given_up() {
    let mut rig = Rig::up(Options::default(), true);
    rig.seconds(29);
    assert!(rig.tx().is_empty());
    rig.seconds(1);
    assert_eq!(rig.tx(), PINGREQ);
    rig.seconds(9);
    assert!(rig.tx().is_empty() && !rig.closing, "one PINGREQ at a time");
    rig.seconds(1);
    assert_eq!(rig.got(), [Got::Down(Cause::PingTimeout)]);
    assert!(rig.closing);
}

#[test]
fn r_21_a_peer_that_is_silent_while_we_send_is_found_too() {
    let mut rig = Rig::up(Options::default(), true);
    for second in 0..30 {
        rig.publish(second, QoS::AtMostOnce, b"x").unwrap();
        assert_eq!(rig.tx(), publish(QoS::AtMostOnce, false, 0, b"x"));
        rig.seconds(1);
    }
    assert_eq!(rig.tx(), PINGREQ);
    rig.got();
    for second in 30..40 {
        rig.publish(second, QoS::AtMostOnce, b"x").unwrap();
        rig.tx();
        rig.got();
        rig.seconds(1);
    }
    assert_eq!(rig.got(), [Got::Down(Cause::PingTimeout)]);
}

#[test]
fn an_answered_probe_starts_the_count_anew() {
    let mut rig = Rig::up(Options::default(), true);
    for _ in 0..5 {
        rig.seconds(30);
        assert_eq!(rig.tx(), PINGREQ);
        rig.rx(&PINGRESP);
    }
    assert!(rig.got().is_empty() && !rig.closing);
}

#[test]
fn r_9_keep_alive_zero_has_no_deadline() {
    let mut rig = Rig::new(Options::default(), true);
    rig.connect.keep_alive = 0;
    rig.reconnect(false);
    assert_eq!(rig.session.deadline(), None);
    rig.seconds(1_000_000);
    assert!(rig.tx().is_empty());
}

#[test]
fn r_50_a_leap_over_every_deadline_probes_once_and_waits_from_there() {
    let mut rig = Rig::up(Options::default(), true);
    rig.now = Instant(3_600_000);
    rig.settle();
    assert_eq!(rig.tx(), PINGREQ);
    assert!(!rig.closing && rig.got().is_empty());
    rig.seconds(9);
    assert!(!rig.closing);
    rig.rx(&PINGRESP);
    rig.seconds(2);
    assert!(!rig.closing);
}

#[test]
fn r_71_bytes_that_wait_unread_keep_the_connection_alive() {
    let mut rig = Rig::up(Options::default(), true);
    let two = [publish(QoS::AtMostOnce, false, 0, b"a"), PINGRESP.to_vec()].concat();
    // The owner takes one message and leaves the rest unread for want of room.
    let mut scratch = Vec::new();
    let (used, notice) = rig.session.read(rig.now, &two, &mut scratch);
    assert!(notice.is_some() && used < two.len());
    rig.seconds(30);
    assert_eq!(rig.tx(), PINGREQ, "keep alive still runs");
    rig.seconds(60);
    assert!(!rig.closing, "the answer may be among the unread bytes");
    rig.rx(&two[used..]);
    rig.tx();
    rig.rx(&PINGRESP);
    rig.seconds(30);
    rig.tx();
    rig.seconds(10);
    assert!(rig.closing, "with nothing unread the probe counts again");
}

#[test]
fn r_71_when_unread_bytes_run_out_the_wait_for_the_answer_begins_anew() {
    let mut rig = Rig::up(Options::default(), true);
    let two = [publish(QoS::AtMostOnce, false, 0, b"a"), publish(QoS::AtMostOnce, false, 0, b"b")].concat();
    let mut scratch = Vec::new();
    let (used, _) = rig.session.read(rig.now, &two, &mut scratch);
    rig.seconds(30);
    rig.tx();
    // The owner comes back at the very moment at which the answer would be overdue.
    rig.now = rig.session.deadline().unwrap().at;
    rig.rx(&two[used..]);
    rig.seconds(9);
    assert!(!rig.closing);
    rig.seconds(1);
    assert!(rig.closing);
}

#[test]
fn r_72_a_peer_that_does_not_read_is_still_found_dead() {
    let mut rig = Rig::up(Options::default(), true);
    for tag in 0..10 {
        rig.publish(tag, QoS::AtMostOnce, &[0; 100]).unwrap();
    }
    rig.tx_some(50);
    rig.seconds(41);
    assert_eq!(rig.got().first(), Some(&Got::Down(Cause::PingTimeout)));
}

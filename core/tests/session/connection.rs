//! Connecting, being refused, losing the pipe, and ending in order.

use crate::rig::{CONNACK, CONNACK_KEPT, DISCONNECT, Got, Rig, ack, publish};
use core::time::Duration;
use skytether_core::{
    io::{Cause, Failure, Instant, Refusal, Rejected},
    link::{Lane, Link, QoS},
    mqtt::session::Options,
    secret::Secret,
};

#[test]
fn nothing_is_sent_before_connack_and_then_in_order() {
    let mut rig = Rig::new(Options::default(), true);
    rig.publish(1, QoS::AtLeastOnce, b"a").unwrap();
    rig.publish(2, QoS::AtMostOnce, b"b").unwrap();
    rig.open();
    assert_eq!(rig.tx()[0], 0x10);
    assert!(rig.tx().is_empty());
    rig.rx(&CONNACK);
    assert_eq!(
        rig.tx(),
        [publish(QoS::AtLeastOnce, false, 1, b"a"), publish(QoS::AtMostOnce, false, 0, b"b")].concat()
    );
}

#[test]
fn r_22_no_connack_closes_after_30_s_and_partial_bytes_do_not_extend_it() {
    let mut rig = Rig::new(Options::default(), true);
    rig.open();
    rig.tx();
    rig.seconds(29);
    rig.rx(&[0x20, 2]);
    assert!(!rig.closing);
    rig.seconds(1);
    assert_eq!(rig.got(), [Got::Down(Cause::ConnAckTimeout)]);
    assert!(rig.closing);
}

#[test]
fn r_24_a_refusal_is_told_with_its_code_and_closes() {
    for (code, refusal) in [
        (1, Refusal::ProtocolVersion),
        (2, Refusal::IdentifierRejected),
        (3, Refusal::ServerUnavailable),
        (4, Refusal::BadCredentials),
        (5, Refusal::NotAuthorized),
    ] {
        let mut rig = Rig::new(Options::default(), true);
        rig.open();
        rig.tx();
        rig.rx(&[0x20, 2, 0, code]);
        assert_eq!(rig.got(), [Got::Down(Cause::Refused(refusal))]);
        assert!(rig.closing && rig.tx().is_empty());
    }
}

#[test]
fn r_8_tx_is_empty_unless_connecting_or_up() {
    let mut rig = Rig::new(Options::default(), false);
    rig.publish(1, QoS::AtLeastOnce, b"a").unwrap();
    assert!(rig.session.transmit().is_empty());
    rig.reconnect(false);
    assert!(!rig.session.transmit().is_empty());
    rig.lose();
    assert!(rig.session.transmit().is_empty());
    rig.reconnect(false);
    rig.rx(&[0xd0, 1, 0]);
    assert!(rig.closing && rig.session.transmit().is_empty());
    rig.lose();
    assert_eq!(rig.got().iter().filter(|got| matches!(got, Got::Down(_))).count(), 1, "one Down a connection");
}

#[test]
fn r_26_after_a_restart_of_the_server_everything_is_asked_and_sent_again() {
    let mut rig = Rig::up(Options::default(), false);
    rig.session.subscribe_many(rig.now, skytether_core::io::Tag(9), Lane::App, &[("a/#", QoS::AtLeastOnce)]).unwrap();
    assert_eq!(rig.tx(), [0x82, 8, 0, 1, 0, 3, b'a', b'/', b'#', 1]);
    rig.rx(&[0x90, 3, 0, 1, 1]);
    rig.publish(1, QoS::AtLeastOnce, b"x").unwrap();
    assert_eq!(rig.tx(), publish(QoS::AtLeastOnce, false, 2, b"x"));
    rig.lose();
    rig.reconnect(false);
    let expected =
        [&[0x82, 8, 0, 3, 0, 3, b'a', b'/', b'#', 1][..], &publish(QoS::AtLeastOnce, false, 4, b"x")].concat();
    assert_eq!(rig.tx(), expected, "the subscription first, then the message as a new one");
    rig.rx(&ack(0x40, 4));
    assert_eq!(rig.got(), [Got::Delivered(1)]);
}

#[test]
fn r_27_a_kept_session_is_trusted_unless_asked_otherwise() {
    for always in [false, true] {
        let mut rig = Rig::up(Options { resubscribe_always: always, ..Options::default() }, false);
        rig.session.subscribe_many(rig.now, skytether_core::io::Tag(9), Lane::App, &[("a", QoS::AtMostOnce)]).unwrap();
        rig.tx();
        rig.rx(&[0x90, 3, 0, 1, 0]);
        rig.lose();
        rig.reconnect(true);
        assert_eq!(rig.tx().first() == Some(&0x82), always);
    }
}

#[test]
fn r_30_a_peer_that_speaks_something_else_is_a_protocol_failure() {
    for (said, what) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], "HTTP"),
        (&[0x15, 3, 3, 0, 2, 2, 40], "a TLS alert"),
        (&b"SSH-2.0-OpenSSH_9.2\r\n"[..], "SSH"),
    ] {
        let mut rig = Rig::new(Options::default(), true);
        rig.open();
        rig.tx();
        rig.rx(said);
        assert!(
            matches!(rig.got()[..], [Got::Down(Cause::Malformed(_) | Cause::Protocol(_) | Cause::TooLarge { .. })]),
            "{what}"
        );
        assert!(rig.closing);
    }
}

#[test]
fn r_31_an_orderly_end_sends_what_is_on_its_way_then_disconnect() {
    let mut rig = Rig::up(Options::default(), true);
    rig.publish(1, QoS::AtMostOnce, b"a").unwrap();
    rig.publish(2, QoS::AtLeastOnce, b"b").unwrap();
    rig.session.hang_up(rig.now, None);
    assert!(!rig.closing);
    let sent = rig.tx();
    assert!(sent.ends_with(&DISCONNECT), "{sent:02x?}");
    assert_eq!(sent.len(), 8 + 10 + 2);
    assert!(rig.closing);
    rig.rx(&publish(QoS::AtLeastOnce, false, 7, b"late"));
    rig.lose();
    rig.session.finish();
    rig.settle();
    assert_eq!(
        rig.got(),
        [Got::Down(Cause::Asked), Got::Delivered(1), Got::Failed(2, Failure::Closed)],
        "nothing after DISCONNECT is read"
    );
}

#[test]
fn r_31_a_drain_waits_for_acknowledgements_within_its_limit() {
    let mut rig = Rig::up(Options::default(), true);
    rig.publish(1, QoS::AtLeastOnce, b"a").unwrap();
    rig.publish(2, QoS::AtLeastOnce, b"b").unwrap();
    rig.session.hang_up(rig.now, Some(Duration::from_secs(5)));
    assert_eq!(rig.tx().len(), 20);
    rig.rx(&ack(0x40, 1));
    assert!(rig.tx().is_empty() && !rig.closing);
    rig.rx(&ack(0x40, 2));
    assert_eq!(rig.tx(), DISCONNECT);
    assert!(rig.closing);

    let mut rig = Rig::up(Options::default(), true);
    rig.publish(1, QoS::AtLeastOnce, b"a").unwrap();
    rig.session.hang_up(rig.now, Some(Duration::from_secs(5)));
    rig.tx();
    rig.seconds(4);
    assert!(rig.tx().is_empty());
    rig.seconds(1);
    assert_eq!(rig.tx(), DISCONNECT);
}

#[test]
fn hanging_up_before_connack_says_nothing() {
    let mut rig = Rig::new(Options::default(), true);
    rig.open();
    rig.session.hang_up(rig.now, None);
    assert!(rig.tx().is_empty());
    assert!(rig.closing);
    assert_eq!(rig.got(), [Got::Down(Cause::Asked)]);
}

#[test]
fn r_33_a_write_cut_in_the_middle_is_a_loss_and_the_message_goes_whole_again() {
    for taken in 1..10 {
        let mut rig = Rig::up(Options::default(), false);
        rig.publish(1, QoS::AtLeastOnce, b"abc").unwrap();
        rig.publish(2, QoS::AtMostOnce, b"d").unwrap();
        assert_eq!(rig.tx_some(taken).len(), taken);
        rig.lose();
        rig.reconnect(true);
        let expected = [publish(QoS::AtLeastOnce, true, 1, b"abc"), publish(QoS::AtMostOnce, false, 0, b"d")].concat();
        assert_eq!(rig.tx(), expected);
    }
}

#[test]
fn a_qos_0_message_cut_in_the_middle_fails_as_lost() {
    let mut rig = Rig::up(Options::default(), false);
    rig.publish(1, QoS::AtMostOnce, b"abc").unwrap();
    rig.publish(2, QoS::AtMostOnce, b"def").unwrap();
    rig.tx_some(3);
    rig.lose();
    assert_eq!(rig.got(), [Got::Down(Cause::Lost), Got::Failed(1, Failure::Lost)]);
    rig.reconnect(true);
    assert_eq!(rig.tx(), publish(QoS::AtMostOnce, false, 0, b"def"));
}

#[test]
fn r_51_time_that_goes_backwards_is_taken_as_standing_still() {
    let mut rig = Rig::new(Options::default(), true);
    rig.seconds(20);
    rig.now = Instant(5);
    rig.publish_on(Lane::App, 1, QoS::AtMostOnce, b"x", Some(Duration::from_secs(1))).unwrap();
    rig.now = Instant(20_999);
    rig.settle();
    assert!(rig.got().is_empty(), "the second is counted from 20 s, not from 5 ms");
    rig.now = Instant(21_000);
    rig.settle();
    assert_eq!(rig.got(), [Got::Failed(1, Failure::Expired)]);
    rig.now = Instant(0);
    rig.reconnect(false);
    assert!(rig.session.deadline().is_some_and(|deadline| deadline.at == Instant(51_000)));
}

#[test]
fn connack_with_session_present_on_a_clean_session_is_a_protocol_error() {
    let mut rig = Rig::new(Options::default(), true);
    rig.open();
    rig.tx();
    rig.rx(&CONNACK_KEPT);
    assert!(matches!(rig.got()[..], [Got::Down(Cause::Protocol(_))]));
}

#[test]
fn connect_that_breaks_a_rule_is_refused_before_dialling() {
    let mut rig = Rig::new(Options::default(), true);
    rig.connect.password = Some(Secret::new(*b"pw"));
    let to = skytether_core::link::Endpoint::tcp("test", 1883);
    assert!(matches!(rig.session.dial(rig.now, &to, rig.connect.clone()), Err(Rejected::Invalid(_))));
}

#[test]
fn r_10_the_password_is_not_in_the_debug_output_not_even_as_numbers() {
    let mut rig = Rig::new(Options::default(), true);
    rig.connect.user_name = Some("user".into());
    rig.connect.password = Some(Secret::new("hunter2!"));
    rig.open();
    for part in [3, 20, 100] {
        let shown = format!("{:?}", rig.session);
        let numbers = format!("{:?}", "hunter2!".as_bytes());
        assert!(!shown.contains("hunter2!"), "{shown}");
        assert!(!shown.contains(numbers.trim_matches(['[', ']'])), "{shown}");
        assert!(shown.contains("Connecting"), "{shown}");
        rig.tx_some(part);
    }
}

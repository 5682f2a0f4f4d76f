//! Window, queue, limits and rate.

use crate::rig::{DISCONNECT, Got, Rig, ack, publish};
use core::time::Duration;
use skytether_core::{
    io::{Cause, Failure, Rejected},
    limits::Limits,
    link::{Lane, Link, QoS},
    mqtt::session::Options,
    queue::{Qos0Offline, QueuePolicy, Rate},
};

const Q0: QoS = QoS::AtMostOnce;
const Q1: QoS = QoS::AtLeastOnce;

fn limited(queued: usize, queued_bytes: usize, queue: QueuePolicy) -> Options {
    Options { limits: Limits { queued, queued_bytes, ..Limits::default() }, queue, ..Options::default() }
}

#[test]
fn r_70_a_full_queue_refuses_the_new_message_and_changes_nothing() {
    let mut rig = Rig::new(limited(2, 1000, QueuePolicy::RejectNew), true);
    rig.publish(1, Q1, b"a").unwrap();
    rig.publish(2, Q0, b"b").unwrap();
    assert!(!rig.session.room());
    assert_eq!(rig.publish(3, Q1, b"c"), Err(Rejected::Full));
    rig.reconnect(false);
    assert_eq!(rig.tx(), [publish(Q1, false, 1, b"a"), publish(Q0, false, 0, b"b")].concat());
    assert_eq!(rig.got(), [Got::Delivered(2)]);
    assert!(rig.session.room(), "room again");
}

#[test]
fn r_70_bytes_count_too() {
    let mut rig = Rig::new(limited(100, 50, QueuePolicy::RejectNew), true);
    rig.publish(1, Q1, &[0; 30]).unwrap();
    assert_eq!(rig.publish(2, Q1, &[0; 30]), Err(Rejected::Full));
    assert!(matches!(rig.publish(2, Q1, &[0; 60]), Err(Rejected::Invalid(_))));
    rig.publish(2, Q1, b"").unwrap();
}

#[test]
fn r_70_drop_oldest_tells_which_one_was_dropped() {
    let mut rig = Rig::new(limited(2, 1000, QueuePolicy::DropOldest), true);
    for tag in 1..=4 {
        rig.publish(tag, Q1, &[tag as u8]).unwrap();
    }
    rig.settle();
    assert_eq!(rig.got(), [Got::Failed(1, Failure::Dropped), Got::Failed(2, Failure::Dropped)]);
    rig.reconnect(false);
    assert_eq!(rig.tx(), [publish(Q1, false, 1, &[3]), publish(Q1, false, 2, &[4])].concat());
    for tag in 5..=8 {
        rig.publish(tag, Q0, b"x").unwrap();
    }
    rig.settle();
    assert!(rig.got().is_empty(), "what is in flight or leaving is never dropped");
}

#[test]
fn r_70_drop_oldest_drops_as_many_as_it_needs_or_none() {
    let mut rig = Rig::new(limited(100, 60, QueuePolicy::DropOldest), true);
    for tag in 1..=3 {
        rig.publish(tag, Q1, &[0; 10]).unwrap();
    }
    rig.publish(4, Q1, &[0; 30]).unwrap();
    rig.settle();
    assert_eq!(rig.got(), [Got::Failed(1, Failure::Dropped), Got::Failed(2, Failure::Dropped)]);
}

#[test]
fn r_70_qos_0_is_dropped_first_where_asked() {
    let mut rig = Rig::new(limited(3, 1000, QueuePolicy::DropOldestQos0First), true);
    rig.publish(1, Q1, b"a").unwrap();
    rig.publish(2, Q0, b"b").unwrap();
    rig.publish(3, Q1, b"c").unwrap();
    rig.publish(4, Q1, b"d").unwrap();
    rig.settle();
    assert_eq!(rig.got(), [Got::Failed(2, Failure::Dropped)]);
    rig.publish(5, Q1, b"e").unwrap();
    rig.settle();
    assert_eq!(rig.got(), [Got::Failed(1, Failure::Dropped)]);
}

#[test]
fn r_70_acks_requests_and_replies_do_not_wait_behind_application_data() {
    let limits = Limits { inflight: 1, queued: 2, ..Limits::default() };
    let mut rig = Rig::up(Options { limits, ..Options::default() }, true);
    for tag in 1..=3 {
        rig.publish(tag, Q1, b"data").unwrap();
    }
    rig.tx();
    assert_eq!(rig.publish(4, Q1, b"data"), Err(Rejected::Full));
    rig.publish_on(Lane::Reply, 5, Q1, b"reply", None).unwrap();
    rig.rx(&publish(Q1, false, 50, b"in"));
    let subscription = [("a", Q0)];
    rig.session.subscribe_many(rig.now, skytether_core::io::Tag(6), Lane::App, &subscription).unwrap();
    let expected = [&ack(0x40, 50)[..], &[0x82, 6, 0, 3, 0, 1, b'a', 0], &publish(Q1, false, 2, b"reply")].concat();
    assert_eq!(rig.tx(), expected);
}

#[test]
fn qos_0_without_a_connection_waits_or_is_refused_by_policy() {
    let mut rig = Rig::new(Options { qos0_offline: Qos0Offline::Refuse, ..Options::default() }, true);
    assert_eq!(rig.publish(1, Q0, b"a"), Err(Rejected::Offline));
    rig.publish(2, Q1, b"b").unwrap();
    rig.reconnect(false);
    rig.publish(3, Q0, b"c").unwrap();
    assert_eq!(rig.tx().len(), 10 + 8);
}

#[test]
fn r_72_a_peer_that_does_not_read_leaves_messages_in_a_bounded_queue() {
    let mut rig = Rig::up(limited(50, 4096, QueuePolicy::RejectNew), true);
    let mut accepted = 0;
    for tag in 0..1000 {
        accepted += u32::from(rig.publish(tag, Q0, &[0; 100]).is_ok());
    }
    assert!(accepted > 30 && rig.session.buffered() <= 2 * 4096, "{accepted} in {}", rig.session.buffered());
    assert_eq!(rig.tx().len(), 107 * accepted as usize);
    rig.publish(2000, Q0, b"x").unwrap();
}

#[test]
fn r_4_answers_to_a_flood_are_bounded_by_not_wanting_bytes() {
    let limits = Limits { control: 64, ..Limits::default() };
    let mut rig = Rig::up(Options { limits, ..Options::default() }, true);
    let mut id = 0;
    while rig.session.wants_bytes() {
        id += 1;
        rig.rx(&publish(Q1, false, id, b"m"));
        assert!(id < 100);
    }
    assert!(id <= 17);
    assert_eq!(rig.tx().len(), usize::from(id) * 4);
    assert!(rig.session.wants_bytes());
}

#[test]
fn r_4_memory_stays_bounded_over_a_long_life_with_a_stuck_message() {
    let options = Options { ack_timeout: None, ..limited(40, 4096, QueuePolicy::RejectNew) };
    let mut rig = Rig::up(options, true);
    rig.publish(1, Q1, b"stuck").unwrap();
    rig.tx();
    for round in 0..20_000u32 {
        let qos = if round % 3 == 0 { Q1 } else { Q0 };
        rig.publish(2, qos, &[7; 60]).unwrap();
        let sent = rig.tx();
        if qos == Q1 {
            let id = u16::from_be_bytes([sent[7], sent[8]]);
            assert_ne!(id, 1, "R-7: the stuck message holds id 1");
            rig.rx(&ack(0x40, id));
        }
        rig.got();
        assert!(rig.session.buffered() <= 2 * 4096);
    }
    rig.rx(&ack(0x40, 1));
    assert_eq!(rig.got(), [Got::Delivered(1)]);
}

#[test]
fn r_74_a_rate_holds_messages_back_and_a_late_acknowledgement_halves_it() {
    let rate = Some(Rate { per_second: 10, burst: 1 });
    let limits = Limits { inflight: 100, ..Limits::default() };
    let mut rig = Rig::up(Options { rate, limits, ack_timeout: None, ..Options::default() }, true);
    rig.connect.keep_alive = 0;
    rig.lose();
    rig.reconnect(false);
    rig.got();
    for tag in 0..400 {
        rig.publish(tag, Q1, b"m").unwrap();
    }
    assert_eq!(rig.tx().len(), 10);
    let mut sent = 0;
    for _ in 0..100 {
        rig.advance(Duration::from_millis(10));
        sent += rig.tx().len() / 10;
    }
    assert_eq!(sent, 10);
    rig.session.slow_down(rig.now);
    sent = 0;
    for _ in 0..100 {
        rig.advance(Duration::from_millis(10));
        sent += rig.tx().len() / 10;
    }
    assert_eq!(sent, 5);
}

#[test]
fn r_75_what_is_over_a_limit_is_refused_before_it_is_queued() {
    let limits = Limits { packet_out: 100, ..Limits::default() };
    let mut rig = Rig::up(Options { limits, ..Options::default() }, true);
    assert!(matches!(rig.publish(1, Q1, &[0; 100]), Err(Rejected::Invalid(_))));
    rig.publish(1, Q1, &[0; 91]).unwrap();
    assert_eq!(rig.tx().len(), 100);
}

#[test]
fn r_81_order_is_kept_through_queue_window_and_reconnect() {
    let limits = Limits { inflight: 3, ..Limits::default() };
    let mut rig = Rig::new(Options { limits, ..Options::default() }, false);
    for tag in 0..30 {
        rig.publish(tag, Q1, &[tag as u8]).unwrap();
    }
    let mut first_seen = Vec::new();
    for round in 0..60 {
        rig.reconnect(round > 0);
        let sent = rig.tx();
        for packet in sent.chunks(10) {
            let payload = packet[9];
            if !first_seen.contains(&payload) {
                first_seen.push(payload);
            }
        }
        // Every other round the first one is acknowledged before the line breaks.
        if round % 2 == 0 && !sent.is_empty() {
            rig.rx(&[0x40, 2, sent[7], sent[8]]);
        }
        rig.lose();
    }
    assert_eq!(first_seen, (0..30).collect::<Vec<u8>>());
}

#[test]
fn r_70_the_window_and_the_queue_are_counted_apart() {
    let limits = Limits { inflight: 2, queued: 3, ..Limits::default() };
    let mut rig = Rig::up(Options { limits, ..Options::default() }, false);
    for tag in 1..=5 {
        rig.publish(tag, Q1, b"m").unwrap();
    }
    assert_eq!(rig.publish(6, Q1, b"m"), Err(Rejected::Full));
    rig.tx();
    rig.rx(&ack(0x40, 1));
    rig.publish(6, Q1, b"m").unwrap();
    assert_eq!(rig.publish(7, Q1, b"m"), Err(Rejected::Full));
    // What a lost session brings back to the queue may fill it over its limit, but is not lost.
    rig.tx();
    rig.lose();
    rig.reconnect(false);
    let mut sent = rig.tx();
    while !sent.is_empty() {
        for packet in sent.chunks(10) {
            rig.rx(&[0x40, 2, packet[7], packet[8]]);
        }
        sent = rig.tx();
    }
    let delivered: Vec<_> = rig.got().into_iter().filter(|got| matches!(got, Got::Delivered(_))).collect();
    assert_eq!(delivered, [2, 3, 4, 5, 6].map(Got::Delivered));
}

#[test]
fn r_76_a_message_that_a_cut_puts_back_into_the_queue_still_expires() {
    let mut rig = Rig::up(Options::default(), false);
    rig.publish_on(Lane::App, 1, Q1, b"old", Some(Duration::from_secs(10))).unwrap();
    rig.publish_on(Lane::App, 2, Q1, b"short", Some(Duration::from_secs(5))).unwrap();
    // Both are released and not one byte has left; the queue has nothing that could expire.
    rig.seconds(6);
    rig.lose();
    assert_eq!(rig.got(), [Got::Down(Cause::Lost), Got::Failed(2, Failure::Expired)]);
    rig.seconds(5);
    assert_eq!(rig.got(), [Got::Failed(1, Failure::Expired)]);
}

#[test]
fn r_9_nothing_is_left_to_expire_once_everything_has_failed() {
    let mut rig = Rig::new(Options::default(), false);
    rig.publish_on(Lane::App, 1, Q1, b"x", Some(Duration::from_secs(5))).unwrap();
    rig.session.finish();
    rig.settle();
    assert_eq!(rig.got(), [Got::Failed(1, Failure::Closed)]);
    assert_eq!(rig.session.deadline(), None);
}

#[test]
fn r_9_a_message_that_the_rate_holds_back_wakes_nobody_once_the_session_leaves() {
    let mut rig = Rig::up(Options { rate: Some(Rate { per_second: 2, burst: 1 }), ..Options::default() }, false);
    rig.publish(1, Q0, b"now").unwrap();
    rig.publish(2, Q0, b"later").unwrap();
    // The farewell waits for the first message, the second for the next connection.
    rig.session.hang_up(rig.now, None);
    rig.seconds(2);
    assert!(rig.session.deadline().is_none_or(|deadline| deadline.at > rig.now), "{:?}", rig.session.deadline());
    assert_eq!(rig.tx(), [&publish(Q0, false, 0, b"now")[..], &DISCONNECT].concat());
}

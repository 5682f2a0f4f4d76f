//! How the platform is asked for the time: the packets, their order, and the one end that each question has.

use crate::sky::{Sky, Wire, door};
use core::time::Duration;
use proptest::prelude::*;
use skytether_core::{
    io::{Cause, Failure, Input, Instant, Machine as _, Rejected, Tag, UnixMillis},
    link::QoS,
    mqtt::codec::AckKind,
    tencent::{Answer, Command, Event, time::TimeError},
};

const UP: &str = "$sys/operation/DOORPRD9A1/door1";
const DOWN: &str = "$sys/operation/result/DOORPRD9A1/door1";
const REQUEST: &[u8] = br#"{"type": "get", "resource": ["time"]}"#;
const ANSWER: &[u8] = br#"{"ntptime1":1700000000050,"ntptime2":1700000000050,"time":1700000000,"type":"get"}"#;

fn subscribe(id: u16) -> Wire {
    Wire::Subscribe { id, filter: DOWN.into(), qos: 0 }
}

fn ask() -> Wire {
    Wire::Publish { topic: UP.into(), payload: REQUEST.into(), qos: 0, id: None, retain: false }
}

fn unsubscribe(id: u16) -> Wire {
    Wire::Unsubscribe { id, filter: DOWN.into() }
}

/// A device that has asked at 1 s.
fn asking() -> (Sky, Tag) {
    let mut sky = Sky::up();
    sky.tick_at(1000);
    let tag = sky.command(&Command::SyncTime).unwrap();
    assert_eq!(sky.sent(), [subscribe(1), ask()]);
    (sky, tag)
}

#[track_caller]
fn ends_once(sky: &mut Sky, tag: Tag, failure: impl Into<Option<Failure>>) {
    let expected: Vec<_> = failure.into().map(|failure| (tag, Err(failure))).into_iter().collect();
    assert_eq!(sky.done(), expected);
    for _ in 0..100 {
        let Some(deadline) = sky.device.deadline() else { break };
        sky.tick_at(deadline.at.0.max(sky.now.0));
    }
    assert_eq!(sky.done(), []);
}

/// The order of the log in the platform's own document: the request does not wait for the SUBACK.
#[test]
fn the_exchange_of_the_platforms_log_comes_out() {
    assert_eq!((REQUEST.len(), ANSWER.len()), (37, 82));
    let (mut sky, tag) = asking();
    sky.tick_at(1100);
    sky.suback(1, Some(QoS::AtMostOnce));
    sky.tick_at(1230);
    sky.message(DOWN, ANSWER);
    let done = sky.done();
    let [(ended, Ok(Answer::Time(time)))] = &done[..] else { panic!("{done:?}") };
    assert_eq!(*ended, tag);
    assert_eq!(time.now, UnixMillis(1_700_000_000_165));
    assert_eq!((time.offset_ms, time.round_trip), (None, Duration::from_millis(230)));
    assert_eq!(sky.sent(), [unsubscribe(2)]);
    sky.ack(AckKind::UnsubAck, 2);
    assert_eq!((sky.done(), sky.events()), (vec![], vec![]));
}

#[test]
fn a_device_with_a_clock_is_told_how_far_it_is_off() {
    let (mut sky, _) = asking();
    sky.tell_wall(1_700_000_100_000);
    sky.tick_at(1100);
    sky.message(DOWN, ANSWER);
    let done = sky.done();
    let [(_, Ok(Answer::Time(time)))] = &done[..] else { panic!("{done:?}") };
    assert_eq!((time.now, time.offset_ms), (UnixMillis(1_700_000_000_100), Some(-100_000)));
}

#[test]
fn the_way_is_measured_from_when_the_request_leaves_for_the_pipe() {
    let mut sky = Sky::up();
    sky.command(&Command::SyncTime).unwrap();
    sky.tick_at(3000);
    assert_eq!(sky.sent(), [subscribe(1), ask()]);
    sky.tick_at(3100);
    sky.message(DOWN, ANSWER);
    let done = sky.done();
    let [(_, Ok(Answer::Time(time)))] = &done[..] else { panic!("{done:?}") };
    assert_eq!(time.round_trip, Duration::from_millis(100));
}

#[test]
fn an_answer_before_its_suback_counts_and_the_late_suback_is_ignored() {
    let (mut sky, tag) = asking();
    sky.message(DOWN, ANSWER);
    assert!(matches!(sky.done()[..], [(ended, Ok(_))] if ended == tag));
    sky.suback(1, None);
    assert_eq!((sky.done(), sky.events()), (vec![], vec![]));
}

#[test]
fn one_question_runs_at_a_time_and_the_next_may_follow() {
    let (mut sky, _) = asking();
    assert_eq!(sky.command(&Command::SyncTime), Err(Rejected::Full));
    assert_eq!(sky.sent(), []);
    sky.message(DOWN, ANSWER);
    assert_eq!(sky.done().len(), 1);
    let tag = sky.command(&Command::SyncTime).unwrap();
    let sent = sky.sent();
    assert!(
        matches!(&sent[..], [Wire::Unsubscribe { .. }, Wire::Subscribe { .. }, last] if *last == ask()),
        "{sent:?}"
    );
    sky.message(DOWN, ANSWER);
    assert!(matches!(sky.done()[..], [(ended, Ok(_))] if ended == tag));
}

#[test]
fn without_a_connection_the_question_is_refused() {
    let mut sky = Sky::new(door());
    assert_eq!(sky.command(&Command::SyncTime), Err(Rejected::Offline));
    sky.wait_for_open();
    assert_eq!(sky.command(&Command::SyncTime), Err(Rejected::Offline));
    sky.accept(false);
    assert_eq!(sky.sent(), []);
    assert!(sky.command(&Command::SyncTime).is_ok());
}

#[test]
fn r_79_it_asks_once_more_after_5_s_and_times_out_after_10() {
    let (mut sky, tag) = asking();
    sky.suback(1, Some(QoS::AtMostOnce));
    sky.tick_at(5999);
    assert_eq!(sky.sent(), []);
    sky.tick_at(6000);
    assert_eq!(sky.sent(), [ask()]);
    sky.tick_at(10_999);
    assert_eq!(sky.done(), []);
    sky.tick_at(11_000);
    assert_eq!(sky.sent(), [unsubscribe(2)]);
    ends_once(&mut sky, tag, Failure::TimedOut);
}

#[test]
fn a_subscription_that_was_not_granted_is_asked_again_too_and_an_answer_to_the_second_request_counts() {
    let (mut sky, tag) = asking();
    sky.tick_at(6000);
    let sent = sky.sent();
    assert!(matches!(&sent[..], [Wire::Subscribe { .. }, last] if *last == ask()), "{sent:?}");
    sky.tick_at(6050);
    sky.message(DOWN, ANSWER);
    let done = sky.done();
    let [(ended, Ok(Answer::Time(time)))] = &done[..] else { panic!("{done:?}") };
    assert_eq!((*ended, time.round_trip), (tag, Duration::from_millis(50)));
}

#[test]
fn r_79_a_late_answer_is_ignored_and_so_is_one_that_nobody_asked_for() {
    let (mut sky, tag) = asking();
    sky.tick_at(6000);
    sky.tick_at(11_000);
    assert_eq!(sky.done(), [(tag, Err(Failure::TimedOut))]);
    sky.sent();
    sky.message(DOWN, ANSWER);
    assert_eq!((sky.done(), sky.events()), (vec![], vec![]));
}

#[test]
fn r_82_a_refused_subscription_ends_the_question() {
    let (mut sky, tag) = asking();
    sky.suback(1, None);
    assert_eq!(sky.sent(), []);
    ends_once(&mut sky, tag, Failure::Refused(0x80));
}

#[test]
fn r_5_a_question_ends_with_its_connection() {
    for granted in [false, true] {
        let mut config = door();
        config.clean_session = false;
        let mut sky = Sky::new(config);
        sky.wait_for_open();
        sky.accept(false);
        let tag = sky.command(&Command::SyncTime).unwrap();
        assert_eq!(sky.sent(), [subscribe(1), ask()]);
        if granted {
            sky.suback(1, Some(QoS::AtMostOnce));
        }
        sky.give(Input::Closed(Cause::Lost));
        assert_eq!(sky.done(), [(tag, Err(Failure::Lost))]);
        // Nothing of it is left over for the next connection.
        sky.said.clear();
        sky.wait_for_open();
        sky.accept(true);
        assert_eq!(sky.sent(), []);
        ends_once(&mut sky, tag, None);
    }
}

proptest! {
    #[test]
    fn r_5_whatever_happens_each_question_ends_exactly_once(turns in proptest::collection::vec(0..8_u8, 1..60)) {
        let mut sky = Sky::up();
        let (mut open, mut ended) = (vec![], vec![]);
        for turn in turns {
            sky.tick_at(sky.now.0 + u64::from(turn) * 700);
            match turn {
                0 | 1 => open.extend(sky.command(&Command::SyncTime)),
                2 => sky.message(DOWN, ANSWER),
                3 => sky.message(DOWN, b"{}"),
                4 => sky.give(Input::Closed(Cause::Lost)),
                5 => {
                    sky.give(Input::Opened);
                    sky.accept(false);
                }
                // The device's packets, answered as they come: filters are refused every other time.
                _ => for packet in sky.sent() {
                    match packet {
                        Wire::Subscribe { id, .. } => sky.suback(id, (turn == 6).then_some(QoS::AtMostOnce)),
                        Wire::Unsubscribe { id, .. } => sky.ack(AckKind::UnsubAck, id),
                        _ => {}
                    }
                },
            }
            ended.extend(sky.done().into_iter().map(|(tag, _)| tag));
        }
        sky.device.close(sky.now);
        for _ in 0..20 {
            sky.tick_at(sky.now.0 + 1000);
        }
        ended.extend(sky.done().into_iter().map(|(tag, _)| tag));
        prop_assert!(sky.device.is_closed());
        ended.sort();
        prop_assert_eq!(open, ended);
    }
}

#[test]
fn r_5_a_question_ends_with_its_device() {
    let (mut sky, tag) = asking();
    sky.device.close(sky.now);
    sky.give(Input::Tick);
    sky.sent();
    sky.give(Input::Closed(Cause::Asked));
    let done = sky.done();
    assert!(matches!(done[..], [(ended, Err(Failure::Closed | Failure::Lost))] if ended == tag), "{done:?}");
    assert!(sky.device.is_closed());
}

#[test]
fn r_56_an_answer_that_cannot_be_true_is_told_and_a_true_one_still_counts() {
    let (mut sky, tag) = asking();
    for (answer, why) in [
        (&br#"{"type":"get","time":1}"#[..], TimeError::OutOfRange),
        (br#"{"type":"get","ntptime1":1700000000051,"ntptime2":1700000000050}"#, TimeError::NegativeDelay),
        (br#"{"type":"get","ntptime1":1700000000050,"ntptime2":1700000009050}"#, TimeError::TooQuick),
        (br#"{"type":"get"}"#, TimeError::Field("time")),
        (b"[1]", TimeError::NotAnObject),
    ] {
        sky.message(DOWN, answer);
        assert_eq!(sky.events(), [Event::TimeDisbelieved(why)]);
        assert_eq!(sky.done(), []);
    }
    sky.message(DOWN, br#"{"type":"ssh","time":1}"#);
    assert_eq!((sky.done(), sky.events()), (vec![], vec![]));
    sky.message(DOWN, ANSWER);
    assert!(matches!(sky.done()[..], [(ended, Ok(_))] if ended == tag));
}

#[test]
fn r_9_an_open_question_has_a_deadline_and_none_is_left_when_it_is_over() {
    let (mut sky, _) = asking();
    sky.suback(1, Some(QoS::AtMostOnce));
    assert_eq!(sky.device.deadline().map(|deadline| (deadline.at, deadline.why)), Some((Instant(6000), "time answer")));
    sky.message(DOWN, ANSWER);
    sky.sent();
    sky.ack(AckKind::UnsubAck, 2);
    assert_ne!(sky.device.deadline().map(|deadline| deadline.why), Some("time answer"));
}

//! How do our session and our device do the work?

use super::BATCH;
use crate::{
    Meter, Work,
    machine::{NOW, connect, connected, give, sent},
    packets::{TOPIC, payload, puback, publish},
};
use core::hint::black_box;
use skytether_core::{
    io::{Input, Machine as _, Step, Tag},
    link::{Endpoint, Lane, Link as _, Notice, Publish, QoS},
    mqtt::session::{Options, Session},
    plain::Command,
};

fn up() -> Session {
    let mut session = Session::new(Options::default());
    session.dial(NOW, &Endpoint::tcp("bench", 1883), connect()).unwrap();
    session.opened(NOW);
    session.sent(NOW, session.transmit().len());
    let mut scratch = Vec::new();
    let (_, notice) = session.read(NOW, &[0x20, 2, 0, 0], &mut scratch);
    assert_eq!(notice, Some(Notice::Up { session_present: false }));
    session.ready();
    session
}

/// The messages of one read.
pub(super) fn incoming() -> Vec<u8> {
    (1..=BATCH).flat_map(|id| publish(QoS::AtLeastOnce, 256, id)).collect()
}

/// Bytes to messages and PUBACKs.
pub(super) fn session_in() -> Work {
    let (mut session, mut scratch, bytes) = (up(), Vec::new(), incoming());
    Box::new(move |meter: &mut dyn Meter| {
        let (mut count, mut answers) = (0, 0);
        meter.measure(&mut || {
            let mut rest = black_box(&bytes[..]);
            while !rest.is_empty() {
                let (used, notice) = session.read(NOW, rest, &mut scratch);
                if let Some(Notice::Message(message)) = notice {
                    black_box(message);
                    count += 1;
                }
                rest = &rest[used..];
            }
            answers = black_box(session.transmit()).len();
            session.sent(NOW, answers);
        });
        assert_eq!((count, answers), (BATCH, usize::from(BATCH) * 4), "messages, bytes of answers");
    })
}

/// Publish, track, PUBACK.
pub(super) fn session_out() -> Work {
    let (mut session, mut scratch, data) = (up(), Vec::new(), payload(256));
    let mut next = 1_u16;
    Box::new(move |meter: &mut dyn Meter| {
        // Ids go round from 1 to 65,535; a batch never straddles the end.
        if next > 65_000 {
            session.number_from(1);
            next = 1;
        }
        let acks: Vec<u8> = (next..next + BATCH).flat_map(puback).collect();
        next += BATCH;
        let (mut count, mut len) = (0, 0);
        meter.measure(&mut || {
            for tag in 0..BATCH {
                let topic = [black_box(TOPIC)];
                let message = Publish {
                    tag: Tag(tag.into()),
                    lane: Lane::App,
                    topic: &topic,
                    payload: black_box(&data),
                    qos: QoS::AtLeastOnce,
                    retain: false,
                    ttl: None,
                };
                session.publish(NOW, message).unwrap();
            }
            len = black_box(session.transmit()).len();
            session.sent(NOW, len);
            let mut rest = black_box(&acks[..]);
            while !rest.is_empty() {
                let (used, notice) = session.read(NOW, rest, &mut scratch);
                count += u16::from(matches!(black_box(notice), Some(Notice::Delivered(_))));
                rest = &rest[used..];
            }
        });
        assert_eq!((count, len), (BATCH, publish(QoS::AtLeastOnce, 256, 1).len() * usize::from(BATCH)));
    })
}

/// The same with all that a driver deals with: owned events, answers to commands.
pub(super) fn device_in() -> Work {
    let (mut device, bytes) = (connected(), incoming());
    Box::new(move |meter: &mut dyn Meter| {
        let (mut count, mut answers) = (0, 0);
        meter.measure(&mut || {
            give(&mut device, Input::Bytes(black_box(&bytes)), |step| {
                count += u16::from(matches!(black_box(step), Step::Event(_)));
            });
            answers = sent(&mut device);
        });
        assert_eq!((count, answers), (BATCH, usize::from(BATCH) * 4), "messages, bytes of answers");
    })
}

/// As [`session_out`], from commands to their ends.
pub(super) fn device_out() -> Work {
    let mut device = connected();
    let command = Command::Publish {
        topic: TOPIC.into(),
        payload: payload(256).into(),
        qos: QoS::AtLeastOnce,
        retain: false,
        ttl: None,
    };
    let mut next = 1_u16;
    Box::new(move |meter: &mut dyn Meter| {
        let acks: Vec<u8> = (0..BATCH)
            .flat_map(|_| {
                let ack = puback(next);
                next = next.checked_add(1).unwrap_or(1);
                ack
            })
            .collect();
        let mut count = 0;
        meter.measure(&mut || {
            for _ in 0..BATCH {
                device.command(NOW, black_box(&command)).unwrap();
            }
            sent(&mut device);
            give(&mut device, Input::Bytes(black_box(&acks)), |step| {
                count += u16::from(matches!(black_box(step), Step::Done(_, Ok(_))));
            });
        });
        assert_eq!(count, BATCH, "commands that ended well");
    })
}

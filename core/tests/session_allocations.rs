//! Does a connected session stay off the heap, message after message, once its buffers have grown?
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

#[path = "support/allocations.rs"]
mod allocations;

use allocations::none;
use skytether_core::{
    io::{Instant, Tag},
    link::{Connect, Endpoint, Lane, Link, Notice, Publish, QoS},
    mqtt::session::{Options, Session},
};

const NOW: Instant = Instant(1);

fn up() -> Session {
    let mut session = Session::new(Options::default());
    let connect = Connect { client_id: "dev".into(), keep_alive: 30, clean_session: true, ..Connect::default() };
    session.dial(NOW, &Endpoint::tcp("test", 1883), connect).unwrap();
    session.opened(NOW);
    drain(&mut session);
    let mut scratch = Vec::new();
    let (_, notice) = session.read(NOW, &[0x20, 2, 0, 0], &mut scratch);
    assert_eq!(notice, Some(Notice::Up { session_present: false }));
    session.ready();
    session
}

fn drain(session: &mut Session) -> [u8; 2] {
    let mut id = [0; 2];
    loop {
        let len = session.transmit().len();
        if len == 0 {
            return id;
        }
        // Where the packet id of a QoS 1 or 2 PUBLISH to `plant/line1/temp` stands; of an acknowledgement, its id.
        let at = if len > 100 { 21 } else { 2 };
        id.copy_from_slice(session.transmit().get(at..at + 2).unwrap_or(&[0; 2]));
        session.sent(NOW, len);
    }
}

fn read(session: &mut Session, bytes: &[u8], scratch: &mut Vec<u8>) -> usize {
    let (used, notice) = session.read(NOW, bytes, scratch);
    assert!(!matches!(notice, Some(Notice::Down(_) | Notice::Note(_))), "{notice:?}");
    used
}

fn publish(session: &mut Session, qos: QoS) {
    let topic = ["plant", "/line1", "/temp"];
    let message =
        Publish { tag: Tag(7), lane: Lane::App, topic: &topic, payload: &[5; 256], qos, retain: false, ttl: None };
    session.publish(NOW, message).unwrap();
}

#[test]
fn publishing_allocates_nothing_once_the_buffers_are_warm() {
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let mut session = up();
        let mut scratch = Vec::new();
        let mut one = |session: &mut Session| {
            publish(session, qos);
            let [high, low] = drain(session);
            match qos {
                QoS::AtMostOnce => {}
                QoS::AtLeastOnce => assert_eq!(read(session, &[0x40, 2, high, low], &mut scratch), 4),
                QoS::ExactlyOnce => {
                    assert_eq!(read(session, &[0x50, 2, high, low], &mut scratch), 4);
                    assert_eq!(drain(session), [high, low]);
                    assert_eq!(read(session, &[0x70, 2, high, low], &mut scratch), 4);
                }
            }
            while session.read(NOW, &[], &mut Vec::new()).1.is_some() {}
            assert!(session.deadline().is_some());
        };
        for _ in 0..100 {
            one(&mut session);
        }
        none(&format!("{qos:?}"), || (0..1000).for_each(|_| one(&mut session)));
    }
}

#[test]
fn a_full_window_of_messages_allocates_nothing_once_warm() {
    let mut session = up();
    let mut scratch = Vec::new();
    let mut acked = 0u16;
    for _ in 0..20 {
        publish(&mut session, QoS::AtLeastOnce);
    }
    drain(&mut session);
    let mut one = |session: &mut Session| {
        publish(session, QoS::AtLeastOnce);
        acked += 1;
        let [high, low] = acked.to_be_bytes();
        assert_eq!(read(session, &[0x40, 2, high, low], &mut scratch), 4);
        drain(session);
    };
    (0..200).for_each(|_| one(&mut session));
    none("a window that is never empty", || (0..2000).for_each(|_| one(&mut session)));
}

#[test]
fn receiving_allocates_nothing_once_the_buffers_are_warm() {
    let mut session = up();
    let mut scratch = Vec::new();
    let message = |qos: u8, id: u16| {
        let mut packet = vec![0x30 | qos << 1, 0, 0, 1, b't'];
        if qos > 0 {
            packet.extend(id.to_be_bytes());
        }
        packet.extend([9; 90]);
        packet[1] = u8::try_from(packet.len() - 2).unwrap();
        packet
    };
    let stream = [message(0, 0), message(1, 3), message(2, 4), vec![0x62, 2, 0, 4]].concat();
    let mut one = |session: &mut Session, piece: usize| {
        for part in stream.chunks(piece) {
            let mut rest = part;
            while !rest.is_empty() {
                rest = &rest[read(session, rest, &mut scratch)..];
            }
        }
        drain(session);
    };
    for piece in [1, 7, 64, 1000] {
        one(&mut session, piece);
    }
    none("messages of every QoS in any pieces", || {
        for piece in [1, 7, 64, 1000] {
            (0..100).for_each(|_| one(&mut session, piece));
        }
    });
}

//! Does the session hold on any stored record, and send nothing but packets because of one?
//!
//! Bytes: a byte of options, then a record; with the lowest bit set, only the body of one, which gets a sound header and
//! checksum, so that what lies behind them is reached.

use crate::script::Script;
use skytether_core::{
    io::{Action, Cause, Instant, Key},
    limits::Limits,
    link::{Connect, Endpoint, Link, Notice, QoS},
    mqtt::{
        codec::{Packet, PacketId, decode},
        session::{OnSessionLost, Options, Session},
    },
};
use std::collections::BTreeSet;

const LIMITS: Limits =
    Limits { queued: 20, queued_bytes: 4096, inflight: 10, received: 20, packet_out: 1024, ..DEFAULT };
const DEFAULT: Limits = Limits {
    packet_in: 4096,
    packet_out: 4096,
    control: 4096,
    inflight: 20,
    queued: 100,
    queued_bytes: 4096,
    reserve: 2,
    reserve_bytes: 512,
    requests: 4,
    subscriptions: 4,
    received: 20,
};

pub(crate) fn run(data: &[u8]) {
    let mut script = Script::new(data);
    let flags = script.byte();
    let body = script.rest();
    let record = if flags & 1 == 0 { body.to_vec() } else { sealed(body) };
    let options = Options {
        limits: LIMITS,
        persist: true,
        on_session_lost: if flags & 2 == 0 { OnSessionLost::Republish } else { OnSessionLost::Fail },
        ..Options::default()
    };
    let connect = Connect { client_id: "d".into(), keep_alive: 30, ..Connect::default() };
    let (now, mut scratch) = (Instant(1), Vec::new());
    let mut session = Session::new(options);
    session.dial(now, &Endpoint::tcp("fuzz", 1), connect).expect("a valid CONNECT");
    session.opened(now);
    assert_eq!(session.want(), Some(Action::Load(Key::Session)));
    session.loaded(now, &Key::Session, Ok(Some(&record)));
    if let Some(Notice::Down(cause)) = settle(&mut session, now, &mut scratch) {
        assert!(matches!(cause, Cause::Storage(_)), "{cause:?}");
        assert!(session.transmit().is_empty(), "bytes to send after a record that cannot be used");
        return;
    }
    assert!(session.buffered() <= record.len() + 1024, "{} bytes held of {}", session.buffered(), record.len());
    let connack = [0x20, 2, u8::from(flags & 4 != 0), 0];
    let mut ids = BTreeSet::new();
    take(&mut session, now, &mut ids);
    let (used, notice) = session.read(now, &connack, &mut scratch);
    assert_eq!(used, connack.len());
    assert!(matches!(notice, Some(Notice::Up { .. })), "{notice:?}");
    session.ready();
    for _ in 0..20 {
        settle(&mut session, now, &mut scratch);
        take(&mut session, now, &mut ids);
    }
    session.finish();
    settle(&mut session, now, &mut scratch);
}

fn sealed(body: &[u8]) -> Vec<u8> {
    let mut record = b"SKYT\x01".to_vec();
    record.extend(u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes());
    record.extend(crc32fast::hash(body).to_be_bytes());
    record.extend_from_slice(body);
    record
}

/// Serves the session until it rests or is down.
fn settle(session: &mut Session, now: Instant, scratch: &mut Vec<u8>) -> Option<Notice<'static>> {
    for _ in 0..2_000 {
        let notice = session.read(now, &[], scratch).1;
        if let Some(Notice::Down(cause)) = notice {
            return Some(Notice::Down(cause));
        }
        let idle = notice.is_none();
        match session.want() {
            None if idle => return None,
            Some(Action::Store(key, _)) => session.stored(now, &key, Ok(())),
            None | Some(_) => {}
        }
    }
    panic!("it never rests (R-1)");
}

/// Takes all that waits for the pipe: packets of a client, each id once.
fn take(session: &mut Session, now: Instant, ids: &mut BTreeSet<u16>) {
    let mut sent = Vec::new();
    while !session.transmit().is_empty() {
        let bytes = session.transmit().to_vec();
        session.sent(now, bytes.len());
        sent.extend(bytes);
    }
    let mut rest = &sent[..];
    while !rest.is_empty() {
        let (packet, used) = decode(rest, 1 << 20).expect("what is sent is well-formed (R-8)").expect("and whole");
        if let Packet::Publish(publish) = packet {
            assert_ne!(publish.delivery.qos(), QoS::AtMostOnce, "QoS 0 is not stored");
            let id = publish.delivery.id().map_or(0, PacketId::get);
            assert!(ids.insert(id), "{id} twice (R-7)");
        }
        rest = &rest[used..];
    }
}

//! A session kept in the driver's store: what leaves only after a write, and what a restart goes on with.

use crate::rig::{CONNACK_KEPT, Got, Rig, ack, publish};
use skytether_core::{
    io::{Cause, Failure, Key, Rejected, StoreFailed},
    link::{Lane, Link, Note, QoS},
    mqtt::session::{Options, Session},
};

const Q1: QoS = QoS::AtLeastOnce;
const Q2: QoS = QoS::ExactlyOnce;

fn persistent() -> Options {
    Options { persist: true, ..Options::default() }
}

/// The same device after a restart: only the record is left.
fn restart(mut old: Rig) -> Rig {
    let mut rig = Rig::new(persistent(), false);
    rig.record = old.record.take();
    rig
}

#[test]
fn a_message_leaves_only_after_it_is_stored_and_goes_again_after_a_restart() {
    let mut rig = Rig::up(persistent(), false);
    rig.hold_store = true;
    rig.finish_store();
    rig.publish(1, Q1, b"a").unwrap();
    rig.settle();
    assert!(rig.tx().is_empty());
    while rig.pending_store.is_some() {
        rig.finish_store();
        rig.settle();
    }
    assert_eq!(rig.tx(), publish(Q1, false, 1, b"a"));
    let mut rig = restart(rig);
    rig.reconnect(true);
    assert_eq!(rig.tx(), publish(Q1, true, 1, b"a"));
}

#[test]
fn r_6_a_qos_2_message_is_shown_once_over_a_restart() {
    let mut rig = Rig::up(persistent(), false);
    rig.hold_store = true;
    rig.rx(&publish(Q2, false, 9, b"m"));
    assert!(rig.tx().is_empty(), "PUBREC waits for the store");
    while rig.pending_store.is_some() {
        rig.finish_store();
        rig.settle();
    }
    assert_eq!(rig.tx(), ack(0x50, 9));
    let mut rig = restart(rig);
    rig.reconnect(true);
    rig.rx(&publish(Q2, true, 9, b"m"));
    assert_eq!((rig.got(), rig.tx()), (vec![], ack(0x50, 9).to_vec()));
    rig.rx(&ack(0x62, 9));
    assert_eq!(rig.tx(), ack(0x70, 9));
    let mut rig = restart(rig);
    rig.reconnect(true);
    rig.rx(&publish(Q2, false, 9, b"new"));
    assert_eq!(rig.got().len(), 1, "the release was stored before PUBCOMP");
}

#[test]
fn a_qos_2_message_past_pubrec_goes_on_with_pubrel_after_a_restart() {
    let mut rig = Rig::up(persistent(), false);
    rig.publish(1, Q2, b"m").unwrap();
    rig.settle();
    assert_eq!(rig.tx(), publish(Q2, false, 1, b"m"));
    rig.rx(&ack(0x50, 1));
    assert_eq!(rig.tx(), ack(0x62, 1));
    let mut rig = restart(rig);
    rig.reconnect(true);
    assert_eq!(rig.tx(), ack(0x62, 1));
    rig.publish(2, Q1, b"n").unwrap();
    rig.settle();
    assert_eq!(rig.tx(), publish(Q1, false, 2, b"n"), "the old id is still in use");
}

#[test]
fn r_81_restored_messages_stand_before_new_ones() {
    let mut rig = Rig::up(persistent(), false);
    for tag in 1..=3 {
        rig.publish(tag, Q1, &[tag as u8]).unwrap();
    }
    rig.settle();
    rig.tx();
    let mut rig = restart(rig);
    rig.publish(9, Q1, &[9]).unwrap();
    rig.reconnect(true);
    let expected: Vec<u8> = [1, 2, 3].into_iter().flat_map(|id| publish(Q1, true, id, &[id as u8])).collect();
    assert_eq!(rig.tx(), [expected, publish(Q1, false, 4, &[9])].concat());
}

#[test]
fn a_failing_store_fails_the_message_and_the_connection_goes_on() {
    let mut rig = Rig::up(persistent(), false);
    rig.store = Err(StoreFailed);
    rig.publish(1, Q1, b"a").unwrap();
    rig.settle();
    assert!(rig.tx().is_empty());
    let got = rig.got();
    assert!(got.contains(&Got::Failed(1, Failure::Storage)) && got.contains(&Got::Note(Note::Storage)), "{got:?}");
    rig.rx(&publish(Q2, false, 9, b"m"));
    assert!(rig.tx().is_empty(), "a QoS 2 message that cannot be kept is not acknowledged");
    rig.store = Ok(());
    rig.publish(2, Q1, b"b").unwrap();
    rig.settle();
    assert!(rig.tx().ends_with(b"b"));
    assert!(!rig.closing);
}

#[test]
fn a_damaged_or_foreign_record_is_refused_and_left_untouched() {
    let mut rig = Rig::up(persistent(), false);
    rig.publish(1, Q1, b"payload").unwrap();
    rig.settle();
    let good = rig.record.clone().unwrap();
    let mut records: Vec<Vec<u8>> = (0..good.len()).map(|len| good[..len].to_vec()).collect();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x40;
        records.push(bad);
    }
    records.push([&good[..], &[0]].concat());
    for record in records {
        let mut rig = Rig::new(persistent(), false);
        rig.record = Some(record.clone());
        rig.open();
        assert!(matches!(rig.got()[..], [Got::Down(Cause::Storage(_))]), "{record:02x?}");
        assert!(rig.tx().is_empty() && rig.closing);
        assert_eq!(rig.record, Some(record));
    }
    let mut rig = Rig::new(persistent(), false);
    rig.record = Some(good);
    rig.connect.client_id = "another".into();
    rig.open();
    assert_eq!(rig.got(), [Got::Down(Cause::Storage("the record belongs to another client id"))]);
}

#[test]
fn an_idle_session_writes_nothing_and_each_message_few_times() {
    let mut rig = Rig::up(persistent(), false);
    let before = rig.writes;
    for _ in 0..100 {
        rig.settle();
    }
    assert_eq!(rig.writes, before);
    for tag in 0..10 {
        rig.publish(tag, Q1, b"a").unwrap();
        let sent = rig.tx();
        rig.rx(&[0x40, 2, sent[7], sent[8]]);
    }
    assert!(rig.writes - before <= 30, "{} writes for 10 messages", rig.writes - before);
}

#[test]
fn the_store_is_asked_before_connect_and_only_when_wanted() {
    let mut session = Session::new(persistent());
    let rig = Rig::new(persistent(), false);
    session.dial(rig.now, &skytether_core::link::Endpoint::tcp("test", 1883), rig.connect.clone()).unwrap();
    session.opened(rig.now);
    assert!(session.transmit().is_empty());
    assert_eq!(session.want(), Some(skytether_core::io::Action::Load(Key::Session)));
    session.loaded(rig.now, &Key::Session, Ok(None));
    assert_eq!(session.transmit().first(), Some(&0x10));
    assert_eq!(Session::new(Options::default()).want(), None);
}

/// A QoS 2 message whose PUBREC has come and is not stored, on a new connection.
fn unsaved_pubrec() -> Rig {
    let mut rig = Rig::up(persistent(), false);
    rig.publish(1, Q2, b"m").unwrap();
    rig.tx();
    rig.hold_store = true;
    rig.rx(&ack(0x50, 1));
    assert!(rig.tx().is_empty() && rig.pending_store.is_some());
    rig.lose();
    rig
}

#[test]
fn r_92_pubrel_is_never_sent_before_its_state_is_stored_on_a_new_connection_either() {
    let mut rig = unsaved_pubrec();
    rig.reconnect(true);
    assert!(rig.tx().is_empty(), "a power cut now would send the message again as one that the server has finished");
    while rig.pending_store.is_some() {
        rig.finish_store();
        rig.settle();
    }
    assert_eq!(rig.tx(), ack(0x62, 1));

    let mut rig = unsaved_pubrec();
    rig.store = Err(StoreFailed);
    rig.finish_store();
    (rig.store, rig.hold_store) = (Ok(()), false);
    let writes = rig.writes;
    rig.reconnect(true);
    assert_eq!(rig.tx(), ack(0x62, 1));
    assert!(rig.writes > writes, "a write that failed is made good before PUBREL");
}

#[test]
fn r_92_pubcomp_for_a_repeated_pubrel_waits_until_the_release_is_stored() {
    let mut rig = Rig::up(persistent(), false);
    rig.rx(&publish(Q2, false, 9, b"m"));
    assert_eq!(rig.tx(), ack(0x50, 9));
    rig.hold_store = true;
    rig.rx(&ack(0x62, 9));
    rig.lose();
    rig.reconnect(true);
    rig.rx(&ack(0x62, 9));
    assert!(rig.tx().is_empty(), "a power cut now would take the next message with this id for a repeat");
    while rig.pending_store.is_some() {
        rig.finish_store();
        rig.settle();
    }
    assert_eq!(rig.tx(), ack(0x70, 9));
}

#[test]
fn r_90_a_message_that_could_not_be_stored_holds_up_none_behind_it() {
    let mut rig = Rig::up(persistent(), false);
    rig.hold_store = true;
    rig.publish(1, Q1, b"a").unwrap();
    rig.settle();
    rig.publish(2, QoS::AtMostOnce, b"b").unwrap();
    rig.store = Err(StoreFailed);
    rig.finish_store();
    rig.settle();
    assert_eq!(rig.tx(), publish(QoS::AtMostOnce, false, 0, b"b"));
    assert!(rig.got().contains(&Got::Delivered(2)));
}

#[test]
fn r_6_a_write_that_had_begun_before_does_not_vouch_for_a_message_that_came_after() {
    let mut rig = Rig::up(persistent(), false);
    rig.hold_store = true;
    rig.publish(1, Q1, b"a").unwrap();
    rig.settle();
    rig.rx(&publish(Q2, false, 9, b"m"));
    rig.finish_store();
    rig.settle();
    let sent = rig.tx();
    assert!(!sent.ends_with(&ack(0x50, 9)), "{sent:02x?}");
    rig.finish_store();
    rig.settle();
    let sent = rig.tx();
    assert!(sent.ends_with(&ack(0x50, 9)), "{sent:02x?}");
}

/// A record with a sound checksum: client `dev`, next id 9, no ids received, these messages.
fn sealed(messages: &[Vec<u8>]) -> Vec<u8> {
    let mut body = b"\0\x03dev\0\x09\0\0".to_vec();
    body.extend(u32::try_from(messages.len()).unwrap().to_be_bytes());
    body.extend(messages.concat());
    let mut record = b"SKYT\x01".to_vec();
    record.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
    record.extend(crc32fast::hash(&body).to_be_bytes());
    record.extend(body);
    record
}

fn kept(state: u8, level: u8, id: u16, id_at: u32, bytes: &[u8]) -> Vec<u8> {
    let len = u32::try_from(bytes.len()).unwrap();
    [&[state, level][..], &id.to_be_bytes(), &id_at.to_be_bytes(), &len.to_be_bytes(), bytes].concat()
}

#[test]
fn r_91_a_record_goes_on_only_with_messages_that_may_go_out_as_they_stand() {
    let in_flight = publish(Q1, false, 5, b"21.5");
    let twice_2 = publish(QoS::ExactlyOnce, false, 5, b"21.5");
    let open = |messages: &[Vec<u8>]| {
        let mut rig = Rig::new(persistent(), false);
        rig.record = Some(sealed(messages));
        rig.open();
        rig
    };
    for messages in [
        vec![kept(0, 1, 0, 7, &publish(Q1, false, 0, b"x"))],
        vec![kept(1, 1, 5, 7, &in_flight), kept(3, 2, 6, 0, b"")],
        vec![kept(2, 2, 5, 7, &twice_2)],
    ] {
        let mut rig = open(&messages);
        assert!(rig.got().is_empty() && rig.tx()[0] == 0x10, "{messages:02x?}");
    }
    for (why, messages) in [
        ("no packet", vec![kept(1, 1, 5, 0, b"\0\x05")]),
        ("another packet", vec![kept(1, 1, 5, 2, &ack(0x40, 5))]),
        ("no id", vec![kept(1, 1, 0, 7, &publish(Q1, false, 0, b"21.5"))]),
        ("another id", vec![kept(1, 1, 6, 7, &in_flight)]),
        ("the id elsewhere", vec![kept(1, 1, 5, 9, &in_flight)]),
        ("another quality of service", vec![kept(2, 2, 5, 7, &in_flight)]),
        ("a state of another quality of service", vec![kept(2, 1, 5, 7, &in_flight)]),
        ("two packets in one", vec![kept(1, 1, 5, 7, &in_flight.repeat(2))]),
        ("one id twice", vec![kept(1, 1, 5, 7, &in_flight), kept(3, 2, 5, 0, b"")]),
        ("an offset beyond everything", vec![kept(0, 1, 0, u32::MAX, &in_flight)]),
        ("something behind the last", vec![kept(1, 1, 5, 7, &in_flight), Vec::new(), vec![0]]),
    ] {
        let mut rig = open(&messages);
        assert!(matches!(rig.got()[..], [Got::Down(Cause::Storage(_))]), "{why}");
        assert!(rig.tx().is_empty(), "{why}");
    }
}

#[test]
fn r_7_no_packet_id_of_a_qos_2_message_is_used_again_after_a_restart() {
    let mut rig = Rig::up(persistent(), false);
    for lane in [Lane::Setup, Lane::Reply] {
        assert!(matches!(rig.publish_on(lane, 1, Q2, b"x", None), Err(Rejected::Invalid(_))), "{lane:?} is not stored");
        rig.publish_on(lane, 1, Q1, b"x", None).unwrap();
    }
    rig.publish(2, Q2, b"m").unwrap();
    let sent = rig.tx();
    assert!(sent.ends_with(&publish(Q2, false, 3, b"m")), "{sent:02x?}");
    let mut rig = restart(rig);
    rig.open();
    rig.tx();
    rig.rx(&CONNACK_KEPT);
    rig.publish(3, Q2, b"new").unwrap();
    assert_eq!(rig.tx(), [publish(Q2, true, 3, b"m"), publish(Q2, false, 4, b"new")].concat());
    let mut rig = Rig::up(Options::default(), false);
    rig.publish_on(Lane::Reply, 1, Q2, b"without a store, it may be", None).unwrap();
}

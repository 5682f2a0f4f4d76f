//! What every driver must do with kept values: one list, run against each of them, with the record of a session.
#![allow(missing_docs, reason = "a scenario's name says what must hold")]
#![allow(clippy::wildcard_enum_match_arm, reason = "what a scenario does not expect fails it")]

use crate::{
    drive::{PATIENCE, Running, Runtime, until},
    server::{Server, accept_mqtt, read_packet, wait_for_end},
};
use skytether_core::{
    device::{self, Event},
    io::Cause,
    link::{Connect, Endpoint, QoS},
    mqtt::session::{self, Session},
    plain::{self, Command, Plain},
    time::Instant,
};
use skytether_std::{options::Options, store::Store};
use std::{
    fs,
    io::Write as _,
    path::Path,
    sync::mpsc::{Receiver, channel},
};

/// Makes a test of each scenario of [`stores`](crate::stores) for one runtime.
#[macro_export]
macro_rules! store_tests {
    ($runtime:ty) => {
        $crate::tests_of!(
            stores, $runtime;
            r_90_a_disk_that_is_full_fails_the_message_and_not_the_connection,
            r_91_r_92_a_message_that_was_stored_survives_a_power_cut_in_the_middle_of_the_next_write,
            r_93_r_94_r_95_a_record_that_cannot_be_used_is_refused_and_left_as_it_is,
            r_95_a_damaged_record_is_set_aside_where_the_options_say_so_and_no_other,
        );
    };
}

type Machine = device::Device<Session, Plain>;
type Device = Box<dyn Running<Machine>>;

/// A broker that acknowledges QoS 1 if it is to, and tells the first byte of each message.
fn broker(acknowledges: bool) -> (Server, Receiver<u8>) {
    let (tell, told) = channel();
    let server = Server::start(move |mut stream| {
        accept_mqtt(&mut stream)?;
        loop {
            let packet = read_packet(&mut stream)?;
            match packet[0] >> 4 {
                3 => {
                    let _ = tell.send(packet[0]);
                    let id = 4 + usize::from(packet[3]);
                    if acknowledges && packet[0] & 6 == 2 {
                        stream.write_all(&[0x40, 2, packet[id], packet[id + 1]])?;
                    }
                }
                14 => return wait_for_end(&mut stream),
                _ => {}
            }
        }
    });
    (server, told)
}

fn device<R: Runtime>(port: u16, client_id: &str, store: Store) -> Device {
    let connect = Connect { client_id: client_id.into(), keep_alive: 0, ..Connect::default() };
    let cloud = Plain::new(plain::Config { endpoint: Endpoint::tcp("127.0.0.1", port), connect });
    let session = Session::new(session::Options { persist: true, ..session::Options::default() });
    let machine = device::Device::new(session, cloud, device::Config::default(), [3; 32], Instant::ZERO);
    R::start(machine, Options { store: Some(store), ..Options::default() })
}

/// How its first connection comes out.
fn outcome(device: &mut Device) -> Result<(), Cause> {
    loop {
        match device.next(PATIENCE).expect("something in time") {
            Event::Ready => return Ok(()),
            Event::Down { cause, .. } => return Err(cause),
            _ => {}
        }
    }
}

fn message(qos: QoS) -> Command {
    Command::Publish { topic: "t".into(), payload: b"kept"[..].into(), qos, retain: false, ttl: None }
}

fn values(folder: &Path) -> Store {
    Store::directory(folder).unwrap()
}

/// The record of a session that holds one message which no one has acknowledged.
fn record<R: Runtime>(client_id: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let (broker, told) = broker(false);
    let mut device = device::<R>(broker.port, client_id, values(folder.path()));
    assert_eq!(outcome(&mut device), Ok(()));
    device.submit(message(QoS::AtLeastOnce));
    assert_eq!(told.recv_timeout(PATIENCE), Ok(0x32));
    // As if the power were cut now: what was stored before it was sent is what is left.
    let record = fs::read(folder.path().join("session")).unwrap();
    device.abandon();
    record
}

pub fn r_90_a_disk_that_is_full_fails_the_message_and_not_the_connection<R: Runtime>() {
    if !Path::new("/dev/full").exists() {
        eprintln!("no /dev/full here");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (broker, _told) = broker(true);
    let mut device = device::<R>(broker.port, "full", values(folder.path()));
    assert_eq!(outcome(&mut device), Ok(()));
    assert!(device.attempt(message(QoS::AtLeastOnce)));
    let new = folder.path().join("session.new");
    #[cfg(unix)]
    // While the acknowledgement is being stored, the name is taken.
    until("the store does not come to rest", || std::os::unix::fs::symlink("/dev/full", &new).is_ok());
    assert!(!device.attempt(message(QoS::AtLeastOnce)), "a message that is not safe was promised");
    assert!(device.attempt(message(QoS::AtMostOnce)), "the connection is gone");
    fs::remove_file(&new).unwrap();
    assert!(device.attempt(message(QoS::AtLeastOnce)), "the store is not tried again");
    assert_eq!(broker.connections(), 1);
    device.close();
}

pub fn r_91_r_92_a_message_that_was_stored_survives_a_power_cut_in_the_middle_of_the_next_write<R: Runtime>() {
    let folder = tempfile::tempdir().unwrap();
    let record = record::<R>("cut");
    fs::write(folder.path().join("session"), &record).unwrap();
    fs::write(folder.path().join("session.new"), &record[..record.len() / 2]).unwrap();
    let (broker, told) = broker(true);
    let mut device = device::<R>(broker.port, "cut", values(folder.path()));
    assert_eq!(outcome(&mut device), Ok(()));
    // The broker has no session of ours: the message is new to it.
    assert!(matches!(told.recv_timeout(PATIENCE), Ok(0x32 | 0x3a)), "the message is lost");
    device.close();
}

/// What can be wrong with a record, and what is left of it then.
fn spoilt<R: Runtime>() -> [(&'static str, Vec<u8>, bool); 4] {
    let good = record::<R>("mine");
    let mut newer = good.clone();
    newer[4] += 1;
    let mut changed = good.clone();
    let last = changed.len() - 1;
    changed[last] ^= 1;
    [
        ("of a newer version", newer, false),
        ("of another device", record::<R>("theirs"), false),
        ("changed", changed, true),
        ("cut off", good[..good.len() - 1].to_vec(), true),
    ]
}

pub fn r_93_r_94_r_95_a_record_that_cannot_be_used_is_refused_and_left_as_it_is<R: Runtime>() {
    for (name, record, _) in spoilt::<R>() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("session"), &record).unwrap();
        let (broker, _told) = broker(true);
        let mut device = device::<R>(broker.port, "mine", values(folder.path()));
        let found = outcome(&mut device);
        assert!(matches!(found, Err(Cause::Storage(_))), "{name}: {found:?}");
        device.close();
        assert_eq!(fs::read(folder.path().join("session")).unwrap(), record, "{name}");
    }
}

pub fn r_95_a_damaged_record_is_set_aside_where_the_options_say_so_and_no_other<R: Runtime>() {
    for (name, record, damaged) in spoilt::<R>() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("session"), &record).unwrap();
        let (broker, _told) = broker(true);
        let store = values(folder.path()).start_empty_on_corrupt();
        let mut device = device::<R>(broker.port, "mine", store);
        assert_eq!(outcome(&mut device).is_ok(), damaged, "{name}");
        assert!(!damaged || device.attempt(message(QoS::AtLeastOnce)), "{name}");
        device.close();
        let kept = if damaged { "session.corrupt" } else { "session" };
        assert_eq!(fs::read(folder.path().join(kept)).unwrap(), record, "{name}");
    }
}

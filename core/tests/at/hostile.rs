//! What must hold whatever the other end says: no panic, bounded memory, the same in any pieces, recovery by policy.

use crate::rig::{Got, Rig, options};
use proptest::prelude::*;
use skytether_core::{
    at::{Dialect, Options},
    io::Cause,
    limits::Limits,
    link::{Lane, Link as _, Note, QoS},
};
use std::collections::BTreeSet;

#[test]
fn a_line_of_300_kib_is_skipped_and_the_connection_goes_on() {
    let mut rig = Rig::up();
    let mut line = b"\r+MQTTPUB:1,\"t\",307200,\"".to_vec();
    line.extend(vec![b'x'; 300 * 1024]);
    line.extend(b"\"\r\n>\r+MQTTPUB:1,\"t\",1,\"y\"\r\n>");
    for piece in line.chunks(1000) {
        rig.rx(piece);
    }
    let skipped = Note::Skipped("a line of the modem over the limit for packets that come in");
    assert_eq!(rig.got(), [Got::Note(skipped), Got::Message("t".into(), b"y".to_vec(), QoS::AtMostOnce)]);
    assert!(rig.scratch_capacity() <= 2 * Limits::default().packet_in, "{}", rig.scratch_capacity());
}

#[test]
fn noise_echo_and_help_texts_change_nothing() {
    let mut rig = Rig::up();
    rig.rx(b"\x00\xff??\r\nAvailable commands:\r\n  do this\r\n#>>>\x1b[2K\r\n\r\n>");
    rig.publish(1, QoS::AtLeastOnce, b"a").unwrap();
    rig.serve();
    assert_eq!(rig.got(), [Got::Delivered(1)]);
}

#[test]
fn a_broken_record_is_told_and_skipped() {
    let mut rig = Rig::up();
    rig.rx(b"\r+MQTTPUB:5,\"a/b/c\"\r\n>");
    assert_eq!(rig.got(), [Got::Note(Note::Skipped("a line of the modem that cannot be understood"))]);
}

#[test]
fn a_module_that_only_echoes_is_given_up() {
    let mut rig = Rig::new(options());
    rig.open();
    for _ in 0..100 {
        let line = rig.tx();
        rig.rx(line.as_bytes());
        let Some(deadline) = rig.modem.deadline() else { break };
        rig.now = deadline.at;
        rig.settle();
    }
    let why = "it does not answer: check its power, the wiring and the baud rate";
    assert_eq!(rig.got(), [Got::Down(Cause::Modem(why))]);
}

#[test]
fn a_module_that_refuses_everything_is_named() {
    let mut rig = Rig::new(options());
    rig.open();
    for _ in 0..10 {
        if !rig.tx().is_empty() {
            rig.rx(b"ERROR:3,\"Unknown AT Command\"\r\n");
        }
    }
    let why = "it does not know ATE0: is it a modem of this family?";
    assert_eq!(rig.got(), [Got::Down(Cause::Modem(why))]);
}

#[test]
fn announcements_beyond_what_can_be_fetched_are_skipped() {
    let mut rig = Rig::new(Options { dialect: Dialect::Rnwf, ..options() });
    rig.module.rnwf = true;
    rig.connect();
    for id in 0..100 {
        rig.rx(format!("\r+MQTTSUBRX:0,1,0,\"a\",{id},512\r\n").as_bytes());
    }
    let skipped = Got::Note(Note::Skipped("more messages are announced than can be fetched"));
    assert_eq!(rig.got().iter().filter(|got| **got == skipped).count(), 100 - 16 - 1);
}

/// Words that a module says, and pieces of them.
const WORDS: [&[u8]; 33] = [
    b"OK\r\n",
    b"OK\r\n",
    b"OK\r\n",
    b"OK\r\n",
    b"ERROR:47,\"MQTT Error\"\r\n",
    b"ERROR:6\r\n",
    b"\r+MQTTCONN:1\r\n>",
    b"\r+MQTTCONN:1\r\n>",
    b"\r+MQTTCONN:0\r\n>",
    b"+MQTTCONNACK:0,0\r\n",
    b"\r+MQTTCONNACK:1,1\r\n",
    b"\r+MQTTSUB:0\r\n>",
    b"\r+MQTTUNSUB:1\r\n>",
    b"\r+MQTTPUBACC\r\n",
    b"\r+MQTTPUBCOMP\r\n",
    b"\r+MQTTPUBERR\r\n",
    b"+WSTA:1\r\n",
    b"+WSTA:0\r\n",
    b"\r+WSTAAIP:\"10.0.0.1\"\r\n",
    b"\r+WSTALD\r\n",
    b"\r+WSTAERR:1\r\n",
    b"\r+BOOT:\"x\"\r\n",
    b"+GMM:\"RNWF02\"\r\n",
    b"+TIME:1800000000\r\n",
    b"\r+MQTTPUB:1,\"t\",1,\"x\"\r\n>",
    b"\r+MQTTSUBRX:0,1,0,\"t\",\"x\"\r\n",
    b"\r+MQTTSUBRX:0,1,0,\"t\",3,9\r\n",
    b"+MQTTSUBRD:3,\"x\"\r\n",
    b"ATE0\r\n",
    b"+MQTTPUB:",
    b"\r\n",
    b">#",
    b"\"\xff,",
];

fn words() -> impl Strategy<Value = Vec<u8>> {
    let word = proptest::sample::select(&WORDS[..]);
    proptest::collection::vec(word, 0..8).prop_map(|words| words.concat())
}

/// One thing that happens.
#[derive(Clone, Debug)]
enum Happens {
    /// The module says this.
    Says(Vec<u8>),
    /// What waits is taken to the pipe, so much of it.
    Takes(usize),
    /// It does for a while what it is told.
    Serves,
    /// Time goes on to the next deadline.
    Deadline,
    Publish(u8),
    Subscribe(u8),
    HangUp,
    Reopen,
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        8 => words().prop_map(Happens::Says),
        8 => Just(Happens::Takes(usize::MAX)),
        1 => (1_usize..20).prop_map(Happens::Takes),
        4 => Just(Happens::Serves),
        3 => Just(Happens::Deadline),
        2 => (0_u8..9).prop_map(Happens::Publish),
        1 => (0_u8..3).prop_map(Happens::Subscribe),
        1 => Just(Happens::HangUp),
        1 => Just(Happens::Reopen),
    ]
}

/// Lives through it; all that came out.
fn live(story: &[Happens], piece: usize, dialect: Dialect) -> (Vec<Got>, String) {
    let mut rig = Rig::new(Options { dialect, ..options() });
    rig.open();
    let (mut out, mut tag) = (String::new(), 0);
    let mut open = BTreeSet::new();
    let mut all = Vec::new();
    for happens in story {
        tag += 1;
        match happens {
            Happens::Says(bytes) => bytes.chunks(piece).for_each(|piece| rig.rx(piece)),
            Happens::Takes(len) => out += &rig.tx_some(*len),
            Happens::Serves => rig.serve(),
            Happens::Deadline => {
                if let Some(deadline) = rig.modem.deadline() {
                    rig.now = deadline.at;
                    rig.settle();
                }
            }
            Happens::Publish(kind) => {
                let lane = [Lane::Setup, Lane::Reply, Lane::App];
                let qos = QoS::from_level(kind % 3).unwrap();
                if rig.publish_on(lane[usize::from(kind / 3)], tag, qos, b"\"x", None).is_ok() {
                    open.insert(tag);
                }
            }
            Happens::Subscribe(filter) => {
                if rig.subscribe(tag, Lane::App, &format!("f/{filter}")).is_ok() {
                    open.insert(tag);
                }
            }
            Happens::HangUp => rig.modem.hang_up(rig.now, None),
            Happens::Reopen => {
                rig.lose();
                rig.open();
            }
        }
        rig.settle();
        let got = rig.got();
        for got in &got {
            match got {
                Got::Granted(tag, _) | Got::Delivered(tag) | Got::Failed(tag, _) => {
                    assert!(open.remove(tag), "R-5: {tag} ends once");
                }
                Got::Up(_) | Got::Unsubscribed(_) | Got::Message(..) | Got::Wall(_) | Got::Note(_) | Got::Down(_) => {}
            }
        }
        all.extend(got);
    }
    rig.modem.finish();
    rig.settle();
    for got in rig.got() {
        if let Got::Delivered(tag) | Got::Failed(tag, _) = got {
            assert!(open.remove(&tag), "R-5: {tag} ends once");
        }
    }
    assert!(open.is_empty(), "R-5: {open:?} never ended");
    (all, out)
}

proptest! {
    #[test]
    fn r_1_r_2_r_5_whatever_is_said_in_whatever_pieces(
        story in proptest::collection::vec(happens(), 0..60),
        piece in 1_usize..9,
        rnwf: bool,
    ) {
        let dialect = if rnwf { Dialect::Rnwf } else { Dialect::Auto };
        prop_assert_eq!(live(&story, piece, dialect), live(&story, 10_000, dialect));
    }
}

//! What each input does in each state: most are out of place in most, and change nothing.

use crate::{
    bench::Bench,
    closing::walks,
    sky::{Order, Sky},
};
use skytether_core::io::{Cause, ExchangeId, Input, Key, Machine as _, Reply, Slot, StoreFailed, UnixMillis};
use std::time::Duration;

/// What comes out of `Opened`, of the bytes `U` and `M`, of `Sent(9)`, and of `Closed(Lost)`.
type Row = [&'static [&'static str]; 5];

const DIAL: &[&str] = &["Dialling tcp://sky:1883", "open"];
const LOST: &[&str] = &["Down: the connection was lost"];
const ASKED: &[&str] = &["Down: closed on request", "Dialling tcp://sky:1883", "open"];

const TABLE: [(&str, Row); 10] = [
    ("new", [DIAL, DIAL, DIAL, DIAL, DIAL]),
    ("idle", [&[], &[], &[], &[], &[]]),
    ("waiting", [&[], &[], &[], &[], &[]]),
    ("dialling", [&[], &[], &[], &[], &[]]),
    ("open not given", [&["open"], &["open"], &["open"], &["open"], &["open", "Down: the connection was lost"]]),
    ("opening", [&[], &[], &[], &[], LOST]),
    ("connecting", [&[], &["Up", "Ready"], &["cloud: message on t"], &[], LOST]),
    ("up", [&[], &[], &["cloud: message on t"], &[], LOST]),
    ("hanging up", [&[], &[], &["cloud: message on t"], &["close"], ASKED]),
    ("closing", [&[], &[], &[], &[], &["Down: malformed packet: no such packet"]]),
];

#[test]
fn an_input_of_the_pipe_does_what_its_row_says() {
    for ((name, row), (walked, walk)) in TABLE.iter().zip(walks()) {
        assert_eq!(*name, walked);
        let inputs =
            [Input::Opened, Input::Bytes(b"U"), Input::Bytes(b"M"), Input::Sent(9), Input::Closed(Cause::Lost)];
        for (input, said) in inputs.into_iter().zip(row) {
            let mut bench = walk();
            let given = format!("{input:?} in {name}");
            let said: &[&str] = if said == &["close"] { &["close"] } else { said };
            assert_eq!(bench.give(input), said, "{given}");
        }
    }
}

#[test]
fn no_input_in_any_state_keeps_a_device_from_coming_up() {
    for (name, walk) in walks() {
        for n in 0..12 {
            let mut bench = walk();
            bench.give(input(n));
            bench.give(input(n));
            bench.send();
            bench.lose();
            bench.give(Input::Loaded(Key::Hub, Ok(None)));
            if name == "idle" {
                continue;
            }
            bench.pass_until_dial();
            bench.give(Input::Opened);
            bench.send();
            assert_eq!(bench.bytes(b"U"), ["Up", "Ready"], "{name}, input {n}");
        }
    }
}

#[test]
fn r_8_nothing_waits_for_the_pipe_without_a_connection() {
    for (name, walk) in walks() {
        let mut bench = walk();
        if bench.command(Order::Publish).is_ok() {
            bench.tick();
        }
        let connected = ["connecting", "up", "hanging up"].contains(&name);
        assert_eq!(!bench.device.transmit().is_empty(), connected, "{name}");
        assert_eq!(bench.device.wants_bytes(), connected, "{name}");
    }
}

#[test]
fn a_closed_device_ignores_everything() {
    let mut bench = Bench::up(Sky { chatty: true, ..Sky::default() });
    bench.device.close(bench.now);
    bench.send();
    bench.send();
    bench.lose();
    assert!(bench.device.is_closed());
    for n in 0..12 {
        assert_eq!(bench.give(input(n)), [""; 0], "input {n}");
    }
    bench.device.reconnect_now(bench.now);
    assert_eq!(bench.pass(Duration::from_hours(1)), [""; 0]);
}

/// One of each input.
pub fn input(n: usize) -> Input<'static> {
    match n {
        0 => Input::Opened,
        1 => Input::Bytes(b"M"),
        2 => Input::Bytes(b"X?5A"),
        3 => Input::Bytes(b""),
        4 => Input::Sent(usize::MAX),
        5 => Input::Closed(Cause::Resolve),
        6 => Input::Reply(ExchangeId(9), Reply::Failed(Cause::Lost)),
        7 => Input::Stored(Key::Session, Err(StoreFailed)),
        8 => Input::Loaded(Key::Hub, Ok(Some(b"?"))),
        9 => Input::Written(Slot(3), 7, Ok(())),
        10 => Input::Wall(UnixMillis(0)),
        _ => Input::Tick,
    }
}

//! What holds over whole runs: equal runs are equal, chunks do not matter, commands end once, rejections change nothing.

use crate::{
    bench::{Bench, Got, words},
    sky::{Order, Sky},
    table::input,
    wire::{Faults, Wire},
};
use skytether_core::{
    device::{Config, Device},
    io::{Input, Instant, Machine as _, Rejected},
    plain::Plain,
    rng::Rng,
};
use std::time::Duration;

/// A life full of accidents, drawn from a number; then the end.
fn run(script: u8, seed: u8) -> Vec<(Instant, Got)> {
    let mut rng = Rng::new([script; 32]);
    let mut draw = |max: u64| usize::try_from(rng.up_to(max)).unwrap();
    let sky = Sky { chatty: true, needs: script.is_multiple_of(2), ..Sky::default() };
    let wire = Wire::with(Faults { bound: Some(5), hasty: script.is_multiple_of(3), ..Faults::default() });
    let mut bench = Bench::with(wire, sky, Config::default(), [seed; 32]);
    for _ in 0..300 {
        match draw(9) {
            0..=2 => drop(bench.give(input(draw(11)))),
            3 => drop(bench.send()),
            4 => drop(bench.bytes(b"GAM")),
            5 => drop(bench.pass(Duration::from_millis(u64::try_from(draw(40_000)).unwrap()))),
            6 => {
                let orders = [Order::Publish, Order::Hold, Order::Nonsense, Order::Redial, Order::Act];
                let _ = bench.command(orders[draw(4)]);
            }
            7 => {
                // One step, and something else before the next.
                let got = bench.once(&mut Input::Tick);
                bench.all.extend(got.map(|got| (bench.now, got)));
            }
            8 => bench.device.reconnect_now(bench.now),
            _ => bench.connect_if_possible(),
        }
    }
    bench.device.close(bench.now);
    bench.pass(Duration::from_secs(6));
    assert!(bench.device.is_closed());
    assert_eq!(bench.under_way(), 0);
    bench.all
}

#[test]
fn r_3_equal_seeds_and_inputs_give_equal_outputs() {
    for script in 0..20 {
        assert_eq!(run(script, 1), run(script, 1), "script {script}");
    }
    assert_ne!(run(1, 1), run(1, 2), "the seed decides the jitter");
}

#[test]
fn r_5_every_command_ends_exactly_once_through_any_accidents() {
    let mut done = 0;
    for script in 0..100 {
        done += run(script, 0).iter().filter(|(_, got)| matches!(got, Got::Done(..))).count();
    }
    assert!(done > 1000, "{done}");
}

#[test]
fn r_2_chunks_do_not_matter() {
    let bytes = b"UMM.NGAMWM.X";
    let whole = {
        let mut bench = started();
        bench.bytes(bytes)
    };
    for cut in 0..=bytes.len() {
        let mut bench = started();
        let mut said = bench.bytes(&bytes[..cut]);
        said.extend(bench.bytes(&bytes[cut..]));
        assert_eq!(said, whole, "cut at {cut}");
    }
    let mut bench = started();
    let said: Vec<_> = bytes.iter().flat_map(|byte| bench.bytes(&[*byte])).collect();
    assert_eq!(said, whole);
}

#[test]
fn a_tick_in_the_middle_of_bytes_changes_nothing() {
    let mut bench = started();
    let (mut bytes, mut said) = (Input::Bytes(b"UMM"), Vec::new());
    while let Some(got) = bench.once(&mut bytes) {
        said.push(words(&got));
        said.extend(bench.once(&mut Input::Tick).as_ref().map(words));
    }
    let message = "cloud: message on t";
    assert_eq!(said, ["Up", "cloud: up", "Ready", message, message]);
    assert_eq!(bytes, Input::Bytes(b""));
}

#[test]
fn r_11_a_rejected_command_changes_nothing() {
    let run = |reject: bool| {
        let wire = Wire::with(Faults { bound: Some(1), ..Faults::default() });
        let mut bench = Bench::with(wire, Sky::default(), Config::default(), [5; 32]);
        bench.connect();
        let first = bench.command(Order::Publish);
        if reject {
            assert_eq!(bench.command(Order::Nonsense), Err(Rejected::Invalid("nonsense")));
            assert_eq!(bench.command(Order::Publish), Err(Rejected::Full));
            assert!(!bench.device.wants_command());
        }
        bench.tick();
        assert_eq!(bench.device.transmit(), b"p");
        bench.send();
        bench.bytes(b"A");
        let second = bench.command(Order::Publish);
        bench.send();
        bench.lose();
        bench.pass_until_dial();
        (first, second, bench.all)
    };
    assert_eq!(run(true), run(false));
}

#[test]
fn commands_that_only_act_are_bounded_while_nobody_takes_the_actions() {
    let mut bench = Bench::up(Sky::default());
    let accepted = (0..100).take_while(|_| bench.command(Order::Act).is_ok()).count();
    assert_eq!((accepted, bench.device.wants_command()), (16, false));
    assert_eq!(bench.tick().len(), 16);
    assert!(bench.device.wants_command());
}

#[test]
fn a_device_can_move_between_threads() {
    fn moves<T: Send>() {}
    moves::<Device<Wire, Plain>>();
}

fn started() -> Bench {
    let mut bench = Bench::new(Sky { chatty: true, ..Sky::default() });
    bench.tick();
    bench.give(Input::Opened);
    bench.send();
    bench
}

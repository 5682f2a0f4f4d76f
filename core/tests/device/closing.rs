//! How a device ends: every command once, in every state, in bounded time.

use crate::{
    bench::Bench,
    sky::{CLOSED, Order, Sky},
    wire::Wire,
};
use skytether_core::{
    device::Config,
    io::{Cause, Input, Machine as _, Rejected},
};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn with_drain(drain: Duration) -> Bench {
    let config = Config { drain: Some(drain), ..Config::default() };
    let mut bench = Bench::with(Wire::default(), Sky::default(), config, [3; 32]);
    bench.connect();
    bench
}

#[test]
fn r_31_close_says_farewell_and_what_is_in_flight_ends_as_closed() {
    let mut bench = Bench::up(Sky::default());
    bench.command(Order::Publish).unwrap();
    bench.command(Order::Hold).unwrap();
    bench.send();
    bench.device.close(bench.now);
    assert_eq!(bench.tick(), [""; 0]);
    assert_eq!(bench.device.transmit(), b"D");
    assert_eq!(bench.send(), ["close"]);
    assert!(!bench.device.is_closed());
    assert_eq!(
        bench.give(Input::Closed(Cause::Lost)),
        ["Down for good: closed on request", "done: the device was closed", "done: the device was closed"]
    );
    assert!(bench.device.is_closed());
    assert_eq!(bench.device.link().log, ["hang up, drain None", "finish"]);
    assert_eq!(CLOSED.unwrap_err().to_string(), "the device was closed");
}

#[test]
fn r_31_with_a_drain_what_is_in_flight_may_still_arrive() {
    let mut bench = with_drain(2 * SECOND);
    bench.command(Order::Publish).unwrap();
    bench.send();
    bench.device.close(bench.now);
    bench.tick();
    assert_eq!(bench.device.transmit(), b"");
    assert_eq!(bench.bytes(b"A"), ["done: delivered"]);
    assert_eq!(bench.device.transmit(), b"D");
    assert_eq!(bench.send(), ["close"]);
    assert_eq!(bench.lose(), ["Down for good: closed on request"]);
    assert!(bench.device.is_closed());
}

#[test]
fn r_31_a_drain_ends_by_its_time() {
    let mut bench = with_drain(2 * SECOND);
    bench.command(Order::Publish).unwrap();
    bench.send();
    bench.device.close(bench.now);
    bench.pass(2 * SECOND);
    assert_eq!(bench.device.transmit(), b"D");
}

#[test]
fn r_145_close_ends_within_its_time_though_peer_and_driver_are_dead() {
    let mut bench = Bench::up(Sky::default());
    bench.command(Order::Publish).unwrap();
    bench.device.close(bench.now);
    assert_eq!(bench.pass(Duration::from_millis(4999)), [""; 0]);
    assert_eq!(
        bench.pass(Duration::from_millis(1)),
        ["close", "Down for good: closed on request", "done: the device was closed"]
    );
    assert!(bench.device.is_closed());
    assert_eq!(bench.lose(), [""; 0]);
}

#[test]
fn r_5_every_command_ends_once_when_a_device_is_closed_in_any_state() {
    for (name, walk) in walks() {
        let mut bench = walk();
        let given = [Order::Publish, Order::Hold, Order::Publish, Order::Nonsense].map(|order| bench.command(order));
        assert!(given[..3].iter().all(Result::is_ok), "{name}");
        assert_eq!(given[3], Err(Rejected::Invalid("nonsense")), "{name}");
        bench.device.close(bench.now);
        bench.device.close(bench.now);
        assert_eq!(bench.command(Order::Publish), Err(Rejected::Offline), "{name}");
        bench.device.reconnect_now(bench.now);
        let from = bench.now;
        bench.pass(6 * SECOND);
        assert!(bench.device.is_closed(), "{name}");
        assert_eq!(bench.under_way(), 0, "{name}");
        assert_eq!(bench.device.link().held(), 0, "{name}");
        let last = bench.all.last().map_or(from, |(at, _)| *at);
        assert!(last.since(from) <= 5 * SECOND, "{name}: bounded by close_timeout");
        bench.device.close(bench.now);
        assert_eq!(bench.tick(), [""; 0], "{name}: closed is closed");
    }
}

#[test]
fn closing_an_opening_pipe_closes_it() {
    let mut bench = Bench::new(Sky::default());
    bench.tick();
    bench.device.close(bench.now);
    assert_eq!(bench.tick(), ["close"]);
    assert_eq!(bench.give(Input::Opened), [""; 0], "too late");
    assert_eq!(bench.lose(), ["Down for good: closed on request"]);
    assert!(bench.device.is_closed());
}

#[test]
fn closing_before_open_has_gone_out_opens_nothing() {
    let mut bench = Bench::new(Sky::default());
    bench.once(&mut Input::Tick);
    bench.device.close(bench.now);
    assert_eq!(bench.tick(), ["Down for good: closed on request"]);
    assert!(bench.device.is_closed());
}

#[test]
fn a_connection_lost_while_closing_is_the_end_too() {
    let mut bench = Bench::up(Sky::default());
    bench.device.close(bench.now);
    bench.tick();
    assert_eq!(bench.lose(), ["Down for good: closed on request"]);
    assert!(bench.device.is_closed());
}

#[test]
fn a_redial_while_closing_is_too_late() {
    let mut bench = Bench::up(Sky { redials_at: Some("down"), ..Sky::default() });
    bench.device.close(bench.now);
    bench.send();
    assert_eq!(bench.send(), ["close"]);
    assert_eq!(bench.lose(), ["Down for good: closed on request"]);
    assert!(bench.device.is_closed());
}

/// A device in each state, named.
pub fn walks() -> Vec<(&'static str, Box<dyn Fn() -> Bench>)> {
    vec![
        ("new", Box::new(|| Bench::new(Sky::default()))),
        ("idle", Box::new(|| stepped(Bench::new(Sky { gives_up: true, ..Sky::default() })))),
        (
            "waiting",
            Box::new(|| {
                let mut bench = Bench::up(Sky::default());
                bench.lose();
                bench
            }),
        ),
        ("dialling", Box::new(|| stepped(Bench::new(Sky { waits: true, ..Sky::default() })))),
        (
            "open not given",
            Box::new(|| {
                let mut bench = Bench::new(Sky::default());
                bench.once(&mut Input::Tick);
                bench
            }),
        ),
        ("opening", Box::new(|| stepped(Bench::new(Sky::default())))),
        (
            "connecting",
            Box::new(|| {
                let mut bench = stepped(Bench::new(Sky::default()));
                bench.give(Input::Opened);
                bench
            }),
        ),
        ("up", Box::new(|| Bench::up(Sky::default()))),
        (
            "hanging up",
            Box::new(|| {
                let mut bench = Bench::up(Sky::default());
                bench.command(Order::Redial).unwrap();
                bench.tick();
                bench
            }),
        ),
        (
            "closing",
            Box::new(|| {
                let mut bench = Bench::up(Sky::default());
                bench.bytes(b"X");
                bench
            }),
        ),
    ]
}

fn stepped(mut bench: Bench) -> Bench {
    bench.tick();
    bench
}

//! What a device does when connections fail: the cause, the wait, and what the waits add up to.

use crate::{
    bench::{Bench, Got},
    sky::{Order, Sky},
    wire::{Faults, Wire},
};
use skytether_core::{
    backoff::{Backoff, Shape},
    device::{Config, Event},
    io::{Cause, Input, Instant, Machine as _, TlsFault},
    link::Note,
};
use std::{collections::BTreeSet, time::Duration};

const SECOND: Duration = Duration::from_secs(1);

/// Waits are then exactly what the shape allows at most.
fn fixed() -> Backoff {
    let shape = Shape::Doubling { first_min: SECOND, first_max: SECOND, cap: 64 * SECOND, percent: 0 };
    Backoff { shape, ..Backoff::default() }
}

/// Dials, and is refused with this code.
fn refused(bench: &mut Bench, code: u8) -> Duration {
    let wait = bench.pass_until_dial();
    bench.give(Input::Opened);
    bench.send();
    assert_eq!(bench.bytes(&[code]), ["close"]);
    let said = bench.lose();
    assert!(said[0].starts_with("Down: the connection was refused"), "{said:?}");
    wait
}

/// Dials, is accepted, and lives so long.
fn life(bench: &mut Bench, long: Duration) -> (Duration, Vec<String>) {
    let wait = bench.pass_until_dial();
    bench.give(Input::Opened);
    bench.send();
    bench.bytes(b"U");
    bench.pass(long);
    (wait, bench.lose())
}

#[test]
fn r_24_a_refusal_for_good_is_told_each_time_and_waits_long() {
    for code in [b'1', b'2', b'4', b'5'] {
        let mut bench = Bench::new(Sky::default());
        let waits: Vec<_> = (0..4).map(|_| refused(&mut bench, code)).collect();
        assert_eq!(waits[0], Duration::ZERO);
        for (wait, least) in waits[1..].iter().zip([60, 120, 240]) {
            assert!((least..=2 * least).contains(&wait.as_secs()), "code {code}: {waits:?}");
        }
    }
}

#[test]
fn r_24_credentials_that_worked_get_one_quick_try_before_the_long_wait() {
    let mut bench = Bench::new(Sky { backoff: fixed(), ..Sky::default() });
    life(&mut bench, 31 * SECOND);
    assert_eq!(refused(&mut bench, b'5'), SECOND);
    assert_eq!(refused(&mut bench, b'5'), 2 * SECOND, "one quick try");
    assert!(refused(&mut bench, b'5') >= 60 * SECOND);
    assert!(refused(&mut bench, b'5') >= 120 * SECOND);
    assert_eq!(bench.device.cloud().dials, 5, "credentials are made anew at each dial");
}

#[test]
fn r_25_an_unavailable_server_is_tried_again_by_the_normal_back_off() {
    let mut bench = Bench::new(Sky { backoff: fixed(), ..Sky::default() });
    let waits: Vec<_> = (0..5).map(|_| refused(&mut bench, b'3').as_secs()).collect();
    assert_eq!(waits, [0, 1, 2, 4, 8]);
}

#[test]
fn r_29_a_failed_tls_handshake_waits_long_and_a_missing_route_does_not() {
    for (cause, least) in [(Cause::Tls(TlsFault::Expired), 60), (Cause::Resolve, 1), (Cause::Unreachable, 1)] {
        let mut bench = Bench::new(Sky { backoff: fixed(), ..Sky::default() });
        bench.tick();
        bench.give(Input::Closed(cause));
        let wait = bench.pass_until_dial().as_secs();
        assert!((least..=2 * least).contains(&wait), "{cause}: {wait}");
    }
}

#[test]
fn r_26_a_broker_that_restarts_is_found_again_and_what_was_queued_goes_out() {
    let mut bench = Bench::up(Sky { backoff: fixed(), ..Sky::default() });
    bench.command(Order::Publish).unwrap();
    bench.send();
    bench.lose();
    bench.command(Order::Publish).unwrap();
    for _ in 0..3 {
        bench.pass_until_dial();
        bench.give(Input::Closed(Cause::Unreachable));
    }
    bench.connect();
    assert_eq!(bench.device.transmit(), b"pp");
    bench.send();
    assert_eq!(bench.bytes(b"AA"), ["done: delivered", "done: delivered"]);
}

#[test]
fn r_28_short_lives_do_not_reset_the_back_off() {
    let mut bench = Bench::new(Sky { backoff: fixed(), ..Sky::default() });
    let waits: Vec<_> = (0..6).map(|_| life(&mut bench, SECOND).0.as_secs()).collect();
    assert_eq!(waits, [0, 1, 2, 4, 8, 16]);
}

#[test]
fn r_28_a_takeover_is_suspected_once_after_three_short_lives_until_a_stable_one() {
    let mut bench = Bench::new(Sky { backoff: fixed(), ..Sky::default() });
    let told = |(_, said): (Duration, Vec<String>)| said.contains(&"Note SuspectedTakeover".to_owned());
    let short: Vec<_> = (0..6).map(|_| told(life(&mut bench, 19 * SECOND))).collect();
    assert_eq!(short, [false, false, true, false, false, false]);
    assert!(!told(life(&mut bench, 25 * SECOND)), "neither short nor stable");
    assert!(!(0..4).any(|_| told(life(&mut bench, SECOND))), "not stable since");
    assert!(!told(life(&mut bench, 30 * SECOND)));
    let again: Vec<_> = (0..3).map(|_| told(life(&mut bench, SECOND))).collect();
    assert_eq!(again, [false, false, true]);
}

#[test]
fn r_28_a_connection_that_we_end_is_no_short_life() {
    let mut bench = Bench::new(Sky { redials_at: Some("up"), ..Sky::default() });
    for _ in 0..5 {
        bench.connect();
        bench.send();
        bench.lose();
    }
    assert!(!bench.all.iter().any(|(_, got)| *got == Got::Event(Event::Note(Note::SuspectedTakeover))));
}

#[test]
fn r_40_thirty_seconds_of_connection_reset_the_back_off_and_less_does_not() {
    let mut bench = Bench::new(Sky { backoff: fixed(), ..Sky::default() });
    for _ in 0..4 {
        refused(&mut bench, b'3');
    }
    assert_eq!(life(&mut bench, Duration::from_millis(29_999)).0, 8 * SECOND);
    assert_eq!(life(&mut bench, Duration::from_secs(30)).0, 16 * SECOND);
    assert_eq!(refused(&mut bench, b'3'), SECOND);
}

#[test]
fn r_40_reconnect_now_skips_the_wait_but_not_the_counter() {
    let mut bench = Bench::new(Sky { backoff: fixed(), ..Sky::default() });
    for _ in 0..4 {
        refused(&mut bench, b'3');
    }
    bench.device.reconnect_now(bench.now);
    assert_eq!(refused(&mut bench, b'3'), Duration::ZERO);
    assert_eq!(refused(&mut bench, b'3'), 16 * SECOND);
}

#[test]
fn r_40_reconnect_now_while_a_connection_ends_skips_the_wait_after_it() {
    let mut bench = Bench::new(Sky::default());
    bench.pass_until_dial();
    bench.give(Input::Opened);
    assert_eq!(bench.bytes(b"4"), ["close"]);
    bench.device.reconnect_now(bench.now);
    assert_eq!(bench.lose().last().map(String::as_str), Some("open"));
}

#[test]
fn r_40_after_a_refusal_the_platforms_gap_holds_even_for_reconnect_now() {
    let backoff = Backoff { gap_after_refusal: 5 * SECOND, ..fixed() };
    let mut bench = Bench::new(Sky { backoff, ..Sky::default() });
    refused(&mut bench, b'3');
    bench.device.reconnect_now(bench.now);
    assert_eq!(refused(&mut bench, b'5'), Duration::ZERO, "no gap before the first refusal");
    bench.device.reconnect_now(bench.now);
    assert_eq!(bench.pass_until_dial(), 5 * SECOND);
}

#[test]
fn r_50_a_back_off_deadline_passed_by_a_leap_fires_once() {
    let mut bench = Bench::up(Sky::default());
    bench.lose();
    bench.leap(Duration::from_hours(24));
    assert_eq!(bench.tick(), ["Dialling tcp://sky:1883", "open"]);
    assert_eq!(bench.tick(), [""; 0]);
}

#[test]
fn r_51_a_clock_that_runs_backwards_stands_still() {
    let mut bench = Bench::new(Sky::default());
    bench.now = Instant(100_000);
    bench.tick();
    bench.now = Instant(5);
    assert_eq!(bench.device.step(bench.now, &mut Input::Tick), skytether_core::io::Step::Idle);
    assert_eq!(bench.device.deadline().map(|deadline| deadline.at), Some(Instant(130_000)));
    assert!(bench.device.command(Instant(0), &Order::Publish).is_ok());
    assert_eq!(bench.device.deadline().map(|deadline| deadline.at), Some(Instant(100_000)));
}

#[test]
fn r_34_a_thousand_devices_that_lose_their_broker_together_come_back_spread_out() {
    let mut slots = [0; 10];
    let mut moments = BTreeSet::new();
    for n in 0..1000_u32 {
        let mut seed = [0; 32];
        seed[..4].copy_from_slice(&n.to_le_bytes());
        let mut bench = Bench::with(Wire::default(), Sky::default(), Config::default(), seed);
        bench.connect();
        bench.lose();
        let first = bench.pass_until_dial().as_millis();
        assert!((250..=1000).contains(&first), "R-40: the first wait too has a floor and a base: {first}");
        moments.insert(first);
        for _ in 0..3 {
            bench.give(Input::Closed(Cause::Unreachable));
            bench.pass_until_dial();
        }
        bench.give(Input::Closed(Cause::Unreachable));
        let wait = usize::try_from(bench.pass_until_dial().as_millis()).unwrap();
        slots[(wait * 10 / 16_001).min(9)] += 1;
    }
    assert!(moments.len() > 400, "{} different first waits", moments.len());
    assert!(slots.iter().all(|count| (50..200).contains(count)), "the fifth wait fills 0 to 16 s evenly: {slots:?}");
}

#[test]
fn r_34_devices_that_get_their_power_back_together_may_spread_their_first_dial() {
    let mut moments = BTreeSet::new();
    for n in 0..200_u32 {
        let mut seed = [0; 32];
        seed[..4].copy_from_slice(&n.to_le_bytes());
        let config = Config { first_dial: Duration::from_mins(1), ..Config::default() };
        let mut bench = Bench::with(Wire::default(), Sky::default(), config, seed);
        moments.insert(bench.pass_until_dial().as_secs());
    }
    assert!(moments.len() > 45 && moments.last().is_some_and(|last| *last <= 60), "{moments:?}");
}

#[test]
fn r_20_bytes_after_the_end_of_a_connection_are_dropped_and_the_next_starts_clean() {
    let mut bench = Bench::up(Sky::default());
    bench.command(Order::Publish).unwrap();
    bench.tick();
    assert_eq!(bench.device.transmit(), b"p");
    assert_eq!(bench.lose(), ["Down: the connection was lost"]);
    assert_eq!(bench.device.transmit(), b"", "the half sent packet is dropped");
    assert_eq!(bench.bytes(b"MMM"), [""; 0]);
    bench.pass_until_dial();
    bench.give(Input::Opened);
    assert_eq!(bench.device.transmit(), b"C");
}

#[test]
fn a_peer_that_breaks_a_rule_is_hung_up_on_and_the_rest_of_its_bytes_dropped() {
    let mut bench = Bench::up(Sky::default());
    assert_eq!(bench.bytes(b"MXMM"), ["cloud: message on t", "close"]);
    assert_eq!(bench.give(Input::Closed(Cause::Asked)), ["Down: malformed packet: no such packet"]);
}

#[test]
fn a_link_that_is_down_before_its_pipe_is_closed_has_it_closed() {
    let wire = Wire::with(Faults { hasty: true, ..Faults::default() });
    let mut bench = Bench::with(wire, Sky::default(), Config::default(), [1; 32]);
    bench.connect();
    assert_eq!(bench.bytes(b"XM"), ["close"]);
    bench.device.reconnect_now(bench.now);
    assert_eq!(bench.tick(), [""; 0], "no new pipe beside the old one");
    assert_eq!(bench.lose(), ["Down: malformed packet: no such packet", "Dialling tcp://sky:1883", "open"]);
    bench.connect();
}

#[test]
fn a_link_that_forgets_to_say_down_is_spoken_for() {
    let wire = Wire::with(Faults { mute: true, ..Faults::default() });
    let mut bench = Bench::with(wire, Sky::default(), Config::default(), [1; 32]);
    bench.connect();
    assert_eq!(bench.lose(), ["Down: the connection was lost"]);
}

#[test]
fn r_9_a_cloud_whose_deadline_never_moves_costs_no_busy_loop() {
    let mut bench = Bench::new(Sky { stubborn: true, ..Sky::default() });
    assert_eq!(bench.tick(), ["Dialling tcp://sky:1883", "open"]);
    assert_eq!(bench.device.deadline().map(|deadline| deadline.at), Some(Instant(1001)));
}

#[test]
fn r_9_a_connection_with_nothing_to_time_has_no_deadline() {
    let bench = Bench::up(Sky::default());
    assert_eq!(bench.device.deadline(), None);
}

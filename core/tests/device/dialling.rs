//! When a device dials, and what it does until it is up.

use crate::{
    bench::{Bench, Got},
    sky::{Order, Sky},
    wire::{Faults, Wire},
};
use skytether_core::{
    backoff::Backoff,
    device::{Config, Event},
    io::{Action, Cause, Input, Key, Machine as _, Rejected, UnixMillis},
    link::Note,
};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn the_first_dial_is_immediate_and_the_connection_comes_up_in_order() {
    let mut bench = Bench::new(Sky::default());
    assert_eq!(bench.tick(), ["Dialling tcp://sky:1883", "open"]);
    assert_eq!(bench.device.transmit(), b"");
    assert_eq!(bench.give(Input::Opened), [""; 0]);
    assert_eq!(bench.device.transmit(), b"C");
    assert_eq!(bench.send(), [""; 0]);
    assert_eq!(bench.bytes(b"U"), ["Up", "Ready"]);
    assert_eq!(bench.bytes(b"M.M"), ["cloud: message on t", "cloud: message on t"]);
}

#[test]
fn r_83_a_device_is_ready_only_when_its_cloud_says_so() {
    let mut bench = Bench::new(Sky { needs: true, ..Sky::default() });
    bench.command(Order::Publish).unwrap();
    bench.connect();
    assert_eq!(bench.device.transmit(), b"s", "the application's message waits");
    assert!(!bench.all.contains(&(bench.now, Got::Event(Event::Ready))));
    bench.send();
    assert_eq!(bench.bytes(b"G"), ["Ready"]);
    assert_eq!(bench.device.transmit(), b"p");
}

#[test]
fn r_83_ready_is_told_once_a_connection() {
    let mut bench = Bench::up(Sky { needs: true, ..Sky::default() });
    assert_eq!(bench.bytes(b"G"), ["Ready"]);
    assert_eq!(bench.bytes(b"M"), ["cloud: message on t"]);
    bench.lose();
    bench.connect();
    assert_eq!(bench.bytes(b"G"), ["Ready"]);
}

#[test]
fn r_23_a_pipe_that_never_opens_is_given_up_after_30_seconds_and_counts_as_failed() {
    let mut bench = Bench::new(Sky::default());
    bench.tick();
    assert_eq!(bench.pass(Duration::from_millis(29_999)), [""; 0]);
    assert_eq!(bench.pass(Duration::from_millis(1)), ["close"]);
    assert_eq!(bench.give(Input::Closed(Cause::Lost)), ["Down: opening the connection took too long"]);
    assert!(bench.device.deadline().is_some_and(|deadline| deadline.why == "back-off"));
    assert!(bench.pass_until_dial() > Duration::ZERO);
}

#[test]
fn r_23_a_driver_that_never_answers_a_close_does_not_stop_the_device() {
    let mut bench = Bench::new(Sky::default());
    bench.tick();
    assert_eq!(bench.pass(30 * SECOND), ["close"]);
    assert_eq!(bench.pass(Duration::from_millis(4999)), [""; 0]);
    assert_eq!(bench.pass(Duration::from_millis(1)), ["Down: opening the connection took too long"]);
    assert_eq!(bench.lose(), [""; 0], "the late answer is ignored");
    bench.connect();
    assert_eq!(bench.device.cloud().dials, 2);
}

#[test]
fn a_pipe_that_cannot_be_opened_is_told_with_the_drivers_cause() {
    let mut bench = Bench::new(Sky::default());
    bench.tick();
    assert_eq!(bench.give(Input::Closed(Cause::Resolve)), ["Down: the host name could not be resolved"]);
}

#[test]
fn a_cloud_that_waits_is_asked_again_when_something_was_heard() {
    let mut bench = Bench::new(Sky { waits: true, ..Sky::default() });
    assert_eq!(bench.tick(), [""; 0]);
    bench.tick();
    assert_eq!((bench.device.cloud().dials, bench.device.deadline()), (1, None));
    assert_eq!(bench.give(Input::Loaded(Key::Hub, Ok(None))), ["Dialling tcp://sky:1883", "open"]);
    assert_eq!(bench.device.cloud().dials, 2);
}

#[test]
fn a_cloud_that_waits_is_asked_again_at_its_own_deadline() {
    let ticks = Some((skytether_core::time::Instant(5000), SECOND));
    let mut bench = Bench::new(Sky { waits: true, ticks, ..Sky::default() });
    bench.pass(Duration::from_millis(3999));
    assert_eq!(bench.device.cloud().dials, 1);
    bench.pass(Duration::from_millis(1));
    assert_eq!(bench.device.cloud().dials, 2);
}

#[test]
fn a_cloud_that_needs_the_time_asks_for_it_once_and_says_so() {
    let mut bench = Bench::new(Sky { needs_wall: true, ..Sky::default() });
    assert_eq!(bench.tick(), ["Note WaitingForTime", "askwall"]);
    assert_eq!(bench.tick(), [""; 0]);
    assert_eq!(bench.give(Input::Wall(UnixMillis(1_700_000_000_000))), ["Dialling tcp://sky:1883", "open"]);
}

#[test]
fn r_53_the_wall_time_goes_on_from_when_it_was_told_and_a_step_is_heard() {
    let mut bench = Bench::up(Sky { chatty: true, ..Sky::default() });
    assert_eq!(bench.give(Input::Wall(UnixMillis(5_000_000))), ["cloud: wall 5000000"]);
    bench.leap(2 * SECOND);
    bench.device.command(bench.now, &Order::Hold).unwrap();
    assert_eq!(bench.give(Input::Wall(UnixMillis(4_000_000))), ["cloud: wall 4000000"]);
    assert_eq!(bench.bytes(b"W"), ["cloud: wall 1700000000000"], "the link's own clock is heard as the driver's");
}

#[test]
fn the_wall_time_advances_with_the_monotonic_clock() {
    let ticks = Some((skytether_core::time::Instant(11_000), SECOND));
    let mut bench = Bench::new(Sky { chatty: true, waits: true, ticks, ..Sky::default() });
    bench.give(Input::Wall(UnixMillis(1_000_000)));
    assert_eq!(bench.pass(10 * SECOND), ["cloud: tick, wall Some(1010000)"]);
}

#[test]
fn a_dial_that_the_link_refuses_for_good_ends_in_one_event_until_asked() {
    for (rejected, said) in [
        (Rejected::Invalid("no id"), "GaveUp: the configuration cannot work: no id"),
        (Rejected::Unsupported("wills"), "GaveUp: the link does not offer wills"),
    ] {
        let wire = Wire::with(Faults { rejects: Some(rejected), ..Faults::default() });
        let mut bench = Bench::with(wire, Sky::default(), Config::default(), [0; 32]);
        assert_eq!(bench.tick(), [said]);
        assert_eq!(bench.pass(1000 * SECOND), [""; 0]);
        bench.device.reconnect_now(bench.now);
        assert_eq!(bench.tick(), [said]);
    }
}

#[test]
fn a_dial_that_the_link_cannot_take_yet_is_made_again_later() {
    let wire = Wire::with(Faults { rejects: Some(Rejected::Offline), ..Faults::default() });
    let mut bench = Bench::with(wire, Sky::default(), Config::default(), [0; 32]);
    assert_eq!(bench.tick(), [""; 0]);
    assert_eq!(bench.device.deadline().map(|deadline| deadline.why), Some("dial"));
    bench.pass(3600 * SECOND);
    assert!((30..200).contains(&bench.device.cloud().dials), "by the back-off: {}", bench.device.cloud().dials);
}

#[test]
fn a_cloud_that_gave_up_is_asked_again_by_reconnect_now() {
    let mut bench = Bench::new(Sky { gives_up: true, ..Sky::default() });
    assert_eq!(bench.tick(), ["GaveUp: the configuration cannot work: no name"]);
    assert_eq!(bench.pass(1000 * SECOND), [""; 0]);
    assert_eq!(bench.device.deadline(), None);
    bench.device.reconnect_now(bench.now);
    assert_eq!(bench.device.deadline().map(|deadline| deadline.at), Some(bench.now));
    assert_eq!(bench.tick(), ["GaveUp: the configuration cannot work: no name"]);
}

#[test]
fn a_redial_ends_the_connection_in_order_and_keeps_the_applications_messages() {
    let mut bench = Bench::up(Sky::default());
    bench.command(Order::Publish).unwrap();
    bench.send();
    bench.command(Order::Redial).unwrap();
    bench.tick();
    assert_eq!(bench.device.transmit(), b"D");
    assert_eq!(bench.send(), ["close"]);
    assert_eq!(
        bench.give(Input::Closed(Cause::Lost)),
        ["Down: closed on request", "Dialling tcp://sky:1883", "open"],
        "without back-off"
    );
    assert!(matches!(
        bench.all.iter().rev().nth(2),
        Some((_, Got::Event(Event::Down { cause: Cause::Asked, retry: Some(Duration::ZERO) })))
    ));
    bench.give(Input::Opened);
    bench.send();
    bench.bytes(b"U");
    assert_eq!(bench.device.transmit(), b"p");
}

#[test]
fn a_redial_respects_the_platforms_gap_between_dials() {
    let backoff = Backoff { connect_gap: 5 * SECOND, ..Backoff::default() };
    let mut bench = Bench::up(Sky { backoff, ..Sky::default() });
    bench.leap(2 * SECOND);
    bench.command(Order::Redial).unwrap();
    bench.tick();
    bench.send();
    assert_eq!(bench.lose(), ["Down: closed on request"]);
    assert_eq!(bench.pass_until_dial(), 3 * SECOND);
}

#[test]
fn a_redial_while_the_pipe_is_opened_closes_it() {
    let mut bench = Bench::new(Sky::default());
    bench.tick();
    bench.command(Order::Redial).unwrap();
    assert_eq!(bench.tick(), ["close"]);
    assert_eq!(bench.lose(), ["Down: closed on request", "Dialling tcp://sky:1883", "open"]);
}

#[test]
fn a_redial_before_open_has_gone_out_takes_it_back() {
    let mut bench = Bench::new(Sky::default());
    assert!(matches!(bench.once(&mut Input::Tick), Some(Got::Event(Event::Dialling(_)))));
    bench.command(Order::Redial).unwrap();
    assert_eq!(bench.tick(), ["Down: closed on request", "Dialling tcp://sky:1883", "open"]);
}

#[test]
fn r_32_a_cloud_that_redials_without_end_is_slowed_down_by_the_back_off() {
    let mut bench = Bench::new(Sky { redials_at: Some("up"), ..Sky::default() });
    let mut waits = Vec::new();
    for _ in 0..8 {
        waits.push(bench.pass_until_dial());
        bench.give(Input::Opened);
        bench.bytes(b"U");
        bench.send();
        bench.lose();
    }
    assert_eq!(waits[..6], [Duration::ZERO; 6]);
    assert!(waits[6..].iter().all(|wait| *wait >= Duration::from_millis(250)), "{waits:?}");
}

#[test]
fn a_note_of_the_link_is_told() {
    let mut bench = Bench::up(Sky { chatty: true, ..Sky::default() });
    assert_eq!(
        bench.bytes(b"N"),
        ["Note UnknownAck(7)", "cloud: note: an acknowledgement for unknown packet id 7 was ignored"]
    );
}

#[test]
fn reconnect_now_leaves_a_connection_alone() {
    let mut bench = Bench::up(Sky::default());
    bench.device.reconnect_now(bench.now);
    assert_eq!(bench.tick(), [""; 0]);
    let mut bench = Bench::new(Sky::default());
    bench.tick();
    bench.device.reconnect_now(bench.now);
    assert_eq!(bench.tick(), [""; 0]);
}

#[test]
fn the_session_is_the_links_and_every_other_key_the_clouds() {
    let mut bench = Bench::up(Sky { chatty: true, ..Sky::default() });
    assert_eq!(bench.give(Input::Stored(Key::Hub, Ok(()))), ["cloud: stored hub"]);
    assert_eq!(bench.give(Input::Loaded(Key::Ota, Ok(None))), ["cloud: loaded ota"]);
    assert_eq!(bench.give(Input::Stored(Key::Session, Ok(()))), [""; 0]);
    assert_eq!(bench.give(Input::Loaded(Key::Session, Ok(None))), [""; 0]);
    assert_eq!(bench.device.link().log, ["stored session", "loaded session"]);
}

#[test]
fn what_the_cloud_asks_for_comes_out_after_what_it_says() {
    let mut bench = Bench::up(Sky { acts: true, ..Sky::default() });
    let from = bench.all.len();
    assert_eq!(bench.bytes(b"M"), ["Note Degraded", "askwall", "delete(ota)"]);
    assert_eq!(bench.all[from].1, Got::Event(Event::Note(Note::Degraded)));
    assert_eq!(bench.all[from + 2].1, Got::Act(Action::Delete(Key::Ota)));
}

//! Does the driver keep its rule, whatever the pipe, the application and the clock do?
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::std_instead_of_alloc,
    clippy::std_instead_of_core,
    clippy::wildcard_enum_match_arm,
    clippy::format_push_string,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and wait for the real world"
)]

mod scripted;

use scripted::{
    PATIENCE, Peer, Plug, SOON, Script, Told, Wires, acknowledge, exchange, join, secret, start, texts, up,
};
use skytether_blocking::{Elapsed, Options, SendError, Store, Tapped};
use skytether_core::{
    io::{Action, Cause, Key, Rejected, Slot},
    time::UnixMillis,
};
use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    sync::{Arc, Mutex},
    thread::{self, sleep},
    time::{Duration, Instant},
};

#[test]
fn each_command_gets_its_own_outcome_though_they_end_in_another_order() {
    let (world, mut peer) = up(Script::new(), Options::default(), 1024);
    let first = world.handle.submit("a".into()).unwrap();
    let second = world.handle.submit("b".into()).unwrap();
    assert_eq!(first.try_take(), None);
    assert_eq!(first.wait_timeout(SOON), Err(Elapsed));
    peer.writer.write_all(b"ok 1\nok 0\n").unwrap();
    assert_eq!(second.wait(), Ok("ok 1".into()));
    assert_eq!(first.wait_timeout(PATIENCE), Ok(Ok("ok 0".into())));
    let invalid = SendError::Rejected(Rejected::Invalid("a bad command"));
    assert_eq!(world.handle.send("bad".into()), Err(invalid));
    assert_eq!(world.handle.submit("bad".into()).unwrap_err(), invalid);
    world.close();
}

#[test]
fn a_full_machine_makes_callers_wait_and_keeps_their_order() {
    let machine = Script { room: 2, ..Script::new() };
    let (world, peer) = up(machine, Options { commands: 1, ..Options::default() }, 64);
    let peer = thread::spawn(|| acknowledge(peer));
    let mut pending = Vec::new();
    for n in 0..50 {
        pending.push(world.handle.submit(n.to_string()).unwrap());
    }
    for outcome in pending {
        assert!(outcome.wait().is_ok());
    }
    world.close();
    let expected: Vec<String> = (0..50).map(|n| n.to_string()).collect();
    assert_eq!(texts(&join(peer)), expected);
}

#[test]
fn many_threads_send_at_once_and_each_hears_of_its_own_command() {
    let machine = Script { room: 3, ..Script::new() };
    let (world, peer) = up(machine, Options { commands: 2, ..Options::default() }, 100);
    let peer = thread::spawn(|| acknowledge(peer));
    thread::scope(|scope| {
        for thread in 0..20 {
            let handle = world.handle.clone();
            scope.spawn(move || {
                for n in 0..20 {
                    assert!(handle.send(format!("{thread}.{n}")).is_ok());
                }
            });
        }
    });
    world.close();
    let mut seen = texts(&join(peer));
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 400);
}

#[test]
fn what_would_never_fit_is_refused_as_full_once_nothing_else_is_under_way() {
    let (world, mut peer) = up(Script::new(), Options::default(), 1024);
    assert_eq!(world.handle.send("huge".into()), Err(SendError::Rejected(Rejected::Full)));
    let small = world.handle.submit("small".into()).unwrap();
    let handle = world.handle.clone();
    let huge = thread::spawn(move || handle.send("huge".into()));
    sleep(SOON);
    assert!(!huge.is_finished(), "it waits while the small one may make room");
    peer.writer.write_all(b"ok 0\n").unwrap();
    assert!(small.wait().is_ok());
    assert_eq!(join(huge), Err(SendError::Rejected(Rejected::Full)));
    world.close();
}

#[test]
fn a_send_that_is_given_up_loses_its_outcome_and_nothing_else() {
    // Room 1 and a queue of 1, so that sends are given up before the queue, inside it, and after acceptance.
    let machine = Script { room: 1, ..Script::new() };
    let (world, peer) = up(machine, Options { commands: 1, ..Options::default() }, 16);
    let stuck = world.handle.send_timeout("taken".into(), SOON);
    assert_eq!(stuck, Err(SendError::Elapsed), "no one answers");
    assert_eq!(world.handle.send_timeout("held".into(), SOON), Err(SendError::Elapsed), "the machine has no room");
    assert_eq!(world.handle.send_timeout("queued".into(), SOON), Err(SendError::Elapsed), "the first place is taken");
    assert_eq!(world.handle.send_timeout("outside".into(), SOON), Err(SendError::Elapsed), "the queue is full");
    let peer = thread::spawn(|| acknowledge(peer));
    assert!(world.handle.send_timeout("last".into(), PATIENCE).is_ok());
    drop(world.handle.submit("dropped".into()).unwrap());
    let log = Arc::clone(&world.log);
    world.close();
    let seen = texts(&join(peer));
    assert_eq!(seen, ["taken", "held", "queued", "last", "dropped"]);
    assert_eq!(seen, log.lock().unwrap().accepted, "the peer sees exactly what was accepted, once, in order");
}

#[test]
fn a_wait_for_an_event_that_is_given_up_loses_no_event() {
    let (mut world, mut peer) = up(Script::new(), Options { events: 3, ..Options::default() }, 32);
    let writer = thread::spawn(move || {
        for n in 0..500 {
            peer.writer.write_all(format!("line {n}\n").as_bytes()).unwrap();
            if n % 10 == 0 {
                sleep(Duration::from_millis(2));
            }
        }
        peer
    });
    let mut seen = 0;
    while seen < 500 {
        let wait = if seen % 2 == 0 { Duration::ZERO } else { Duration::from_millis(1) };
        if let Ok(event) = world.events.next_timeout(wait) {
            assert_eq!(event, Some(Told::Line(format!("line {seen}"))));
            seen += 1;
        }
    }
    drop(join(writer));
    world.close();
}

#[test]
fn r_71_a_slow_application_stops_the_reading_and_nothing_else() {
    let machine = Script { beat: Some(Duration::from_millis(50)), ..Script::new() };
    let options = Options { events: 4, read_buffer: 64, ..Options::default() };
    let (mut world, Peer { mut reader, mut writer }) = up(machine, options, 64);
    let writer = thread::spawn(move || {
        for n in 0..1000 {
            writer.write_all(format!("line {n}\n").as_bytes()).unwrap();
        }
        writer
    });
    sleep(Duration::from_millis(120));
    assert!(!writer.is_finished(), "the peer is made to wait");
    // Timers, writes and outcomes go on.
    assert_eq!(world.handle.send("!out".into()), Ok("sent".into()));
    let mut out = [0; 10];
    reader.read_exact(&mut out).unwrap();
    assert_eq!(&out, b"beat\nbeat\n");
    // And every event is still there, in order.
    let answers = thread::spawn(move || while reader.read(&mut [0; 100]).unwrap() > 0 {});
    let mut lines = 0;
    while lines < 1000 {
        match world.next() {
            Told::Line(line) => {
                assert_eq!(line, format!("line {lines}"));
                lines += 1;
            }
            Told::Beat => {}
            other => panic!("{other:?}"),
        }
    }
    drop(join(writer));
    world.close();
    join(answers);
}

#[test]
fn r_4_events_of_time_alone_are_bounded_and_not_lost() {
    let machine = Script { beat: Some(Duration::from_millis(2)), ..Script::new() };
    let (mut world, peer) = up(machine, Options { events: 4, ..Options::default() }, 1024);
    let peer = thread::spawn(|| acknowledge(peer));
    sleep(Duration::from_millis(500));
    let steps = world.log.lock().unwrap().steps;
    sleep(Duration::from_millis(100));
    assert_eq!(world.log.lock().unwrap().steps, steps, "the driver stands still, and does not turn in a loop");
    let mut beats = 0;
    // Taking one lets the next beat in; the bound is on what has gathered before.
    while beats < 4 + 64 {
        assert_eq!(world.events.try_next(), Some(Told::Beat), "after {beats}");
        beats += 1;
    }
    assert_eq!(world.next(), Told::Beat, "it goes on when there is room again");
    drop(world.events);
    world.handle.close();
    join(world.thread);
    join(peer);
}

#[test]
fn r_142_time_comes_from_the_deadline_only() {
    let machine = Script { redial: Some(Duration::from_millis(400)), ..Script::new() };
    let wires = Wires::default();
    wires.push(Plug::Fails(Cause::Unreachable));
    let mut world = start(machine, wires, Options::default());
    assert_eq!(world.next(), Told::Down(Cause::Unreachable));
    let begin = Instant::now();
    sleep(SOON);
    let before = world.log.lock().unwrap().steps;
    sleep(Duration::from_millis(250));
    assert_eq!(world.log.lock().unwrap().steps, before, "an idle machine is left alone");
    let _peer = world.wires.lay(64);
    assert_eq!(world.next(), Told::Up);
    let took = begin.elapsed();
    assert!(took > Duration::from_millis(390) && took < Duration::from_millis(600), "{took:?}");
    world.close();
}

#[test]
fn r_72_a_peer_that_does_not_read_holds_neither_timers_nor_events_nor_commands() {
    let machine = Script { beat: Some(Duration::from_millis(20)), ..Script::new() };
    let (mut world, mut peer) = up(machine, Options { write_buffer: 4, ..Options::default() }, 4);
    let stuck = world.handle.submit("never read".into()).unwrap();
    peer.writer.write_all(b"a\n").unwrap();
    let mut beats = 0;
    let mut heard = false;
    while beats < 10 || !heard {
        match world.next() {
            Told::Beat => beats += 1,
            told => {
                assert_eq!(told, Told::Line("a".into()));
                heard = true;
            }
        }
    }
    assert_eq!(stuck.try_take(), None);
    drop(peer);
    world.close();
}

#[test]
fn r_2_narrow_pipes_and_short_turns_change_nothing_of_what_passes() {
    for (size, read_buffer, write_buffer, steps_per_turn) in
        [(1, 1, 1, 1), (3, 7, 2, 2), (1000, 5, 100, 3), (7, 16384, 16384, 1024)]
    {
        let machine = Script { room: 1000, ..Script::new() };
        let options = Options { read_buffer, write_buffer, steps_per_turn, events: 2, ..Options::default() };
        let (mut world, Peer { reader, mut writer }) = up(machine, options, size);
        // Both directions at once, each more than the pipe holds: neither may wait for the other.
        let down = thread::spawn(move || {
            for n in 0..200 {
                writer.write_all(format!("down {n}\n").as_bytes()).unwrap();
            }
            writer
        });
        let up = thread::spawn(move || {
            let mut lines = BufReader::new(reader).lines();
            let seen: Vec<String> = lines.by_ref().take(200).map(Result::unwrap).collect();
            (seen, lines)
        });
        let handle = world.handle.clone();
        let sender = thread::spawn(move || {
            for n in 0..200 {
                assert_eq!(handle.send(format!("!up {n}")), Ok("sent".into()));
            }
        });
        for n in 0..200 {
            assert_eq!(world.next(), Told::Line(format!("down {n}")));
        }
        join(sender);
        let expected: Vec<String> = (0..200).map(|n| format!("{n} !up {n}")).collect();
        let (seen, lines) = join(up);
        assert_eq!(seen, expected);
        drop(join(down));
        drop(lines);
        world.close();
    }
}

#[test]
fn r_141_the_tap_sees_both_ways_and_may_panic_without_harm() {
    let seen = Arc::new(Mutex::new(String::new()));
    let log = Arc::clone(&seen);
    let tap = move |tapped: Tapped<'_>| {
        let mut log = log.lock().unwrap();
        match tapped {
            Tapped::Opening(endpoint) => *log += &format!("opening {endpoint}|"),
            Tapped::Opened => *log += "opened|",
            Tapped::In(bytes) => *log += &format!("in {}|", String::from_utf8_lossy(bytes).trim()),
            Tapped::Out(bytes) => {
                *log += &format!("out {}|", String::from_utf8_lossy(bytes).trim());
                drop(log);
                assert!(!bytes.starts_with(b"1 "), "the tap panics at the second command");
            }
            Tapped::Closed(cause) => *log += &format!("closed {cause:?}|"),
            other => panic!("{other:?}"),
        }
    };
    let options = Options { tap: Some(Box::new(tap)), ..Options::default() };
    let (world, peer) = up(Script::new(), options, 64);
    let peer = thread::spawn(|| acknowledge(peer));
    for command in ["a", "b", "c"] {
        assert!(world.handle.send(command.into()).is_ok());
    }
    world.close();
    assert_eq!(*seen.lock().unwrap(), "opening tcp://scripted:1|opened|out 0 a|in ok 0|out 1 b|");
    assert_eq!(join(peer).len(), 4);
}

#[test]
fn what_the_machine_asks_beside_the_pipe_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::directory(folder.path()).unwrap();
    let first = vec![
        exchange(),
        Action::AskWall,
        Action::Load(Key::Hub),
        Action::Store(secret("a/b"), b"one".to_vec()),
        Action::Load(secret("a/b")),
        Action::Delete(secret("a/b")),
        Action::Load(secret("a/b")),
        Action::Write(Slot(1), 5, b"x".to_vec()),
    ];
    for store in [Some(store), None] {
        let kept = store.is_some();
        let machine = Script { first: first.clone(), redial: None, ..Script::new() };
        let mut world = start(machine, Wires::default(), Options { store, ..Options::default() });
        world.handle.tell_wall(UnixMillis(77));
        let mut heard = Vec::new();
        while heard.len() < 9 {
            if let Told::Heard(text) = world.next() {
                heard.push(text);
            }
        }
        let expect = |text: &str| assert!(heard.iter().any(|heard| heard == text), "{text} is not in {heard:#?}");
        assert!(heard.iter().any(|heard| heard.starts_with("Reply(ExchangeId(3), Failed(Unsupported(")), "{heard:#?}");
        expect("Wall(UnixMillis(77))");
        assert_eq!(heard.iter().filter(|text| text.starts_with("Wall(UnixMillis(1")).count(), 1, "{heard:#?}");
        let stored: Vec<&String> =
            heard.iter().filter(|text| !text.starts_with("Wall") && !text.starts_with("Reply")).collect();
        let (good, none, some) = ("Ok(())", "Ok(None)", "Ok(Some([111, 110, 101]))");
        let expected = [
            ("Loaded(Hub", none),
            ("Stored(Secret(\"a/b\")", good),
            ("Loaded(Secret(\"a/b\")", some),
            ("Stored(Secret(\"a/b\")", good),
            ("Loaded(Secret(\"a/b\")", none),
            ("Written(Slot(1), 5", good),
        ]
        .map(|(what, outcome)| format!("{what}, {})", if kept { outcome } else { "Err(StoreFailed)" }));
        assert_eq!(stored, expected.iter().collect::<Vec<_>>());
        world.close();
    }
}

#[test]
fn reconnect_now_does_not_wait() {
    let machine = Script { redial: Some(Duration::from_hours(1)), ..Script::new() };
    let (mut world, peer) = up(machine, Options::default(), 64);
    drop(peer);
    assert_eq!(world.next(), Told::Down(Cause::Lost));
    let _peer = world.wires.lay(64);
    world.handle.reconnect_now();
    assert_eq!(world.next(), Told::Up);
    world.close();
}

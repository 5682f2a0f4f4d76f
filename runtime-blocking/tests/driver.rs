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

use scripted::{CLOSE_LIMIT, Log, Peer, Plug, Script, Told, Wires, exchange, secret};
use skytether_blocking::{Elapsed, Events, Handle, Options, SendError, Store, Tapped, spawn_with};
use skytether_core::{
    io::{Action, Cause, Failure, Key, Rejected, Slot},
    time::UnixMillis,
};
use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle, sleep},
    time::{Duration, Instant},
};

/// Longest wait for anything in these tests.
const PATIENCE: Duration = Duration::from_secs(20);
const SOON: Duration = Duration::from_millis(50);

struct World {
    handle: Handle<String, String>,
    events: Events<Told>,
    thread: JoinHandle<()>,
    log: Arc<Mutex<Log>>,
    wires: Wires,
}

fn start(machine: Script, wires: Wires, options: Options) -> World {
    let log = Arc::clone(&machine.log);
    let (handle, events, thread) = spawn_with(machine, wires.clone(), options).unwrap();
    World { handle, events, thread, log, wires }
}

/// A device on a pipe, up.
fn up(machine: Script, options: Options, size: usize) -> (World, Peer) {
    let wires = Wires::default();
    let peer = wires.lay(size);
    let mut world = start(machine, wires, options);
    assert_eq!(world.next(), Told::Up);
    (world, peer)
}

impl World {
    fn next(&mut self) -> Told {
        self.events.next_timeout(PATIENCE).expect("an event in time").expect("the device is not closed")
    }

    /// Closes it and waits for the end of all its threads.
    fn close(self) {
        self.handle.close();
        join(self.thread);
    }
}

/// Waits for a thread, but not for ever.
fn join<T>(thread: JoinHandle<T>) -> T {
    let begin = Instant::now();
    while !thread.is_finished() {
        assert!(begin.elapsed() < PATIENCE, "the thread does not end");
        sleep(Duration::from_millis(1));
    }
    thread.join().unwrap()
}

/// Waits until something is so.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < PATIENCE, "{what}");
        sleep(Duration::from_millis(1));
    }
}

/// A peer that acknowledges each command; returns what it read.
fn acknowledge(peer: Peer) -> Vec<String> {
    let Peer { reader, mut writer } = peer;
    let mut seen = Vec::new();
    for line in BufReader::new(reader).lines() {
        let line = line.unwrap();
        if let Some((tag, _)) = line.split_once(' ') {
            writer.write_all(format!("ok {tag}\n").as_bytes()).unwrap();
        }
        seen.push(line);
    }
    seen
}

fn texts(lines: &[String]) -> Vec<String> {
    lines.iter().filter_map(|line| line.split_once(' ')).map(|(_, text)| text.to_owned()).collect()
}

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
fn r_145_a_close_ends_though_the_application_takes_no_events() {
    let machine = Script { beat: Some(Duration::from_millis(1)), ..Script::new() };
    let (mut world, _peer) = up(machine, Options { events: 1, ..Options::default() }, 1024);
    sleep(Duration::from_millis(300));
    let begin = Instant::now();
    world.handle.close();
    join(world.thread);
    assert!(begin.elapsed() < CLOSE_LIMIT + Duration::from_secs(1), "{:?}", begin.elapsed());
    let last = world.events.by_ref().last();
    assert_eq!(last, Some(Told::Down(Cause::Asked)), "what the close brought was not lost");
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
fn r_143_a_zero_read_ends_the_pipe_once_and_the_next_one_is_clean() {
    let (mut world, mut peer) = up(Script::new(), Options::default(), 64);
    let mut second = world.wires.lay(64);
    peer.writer.write_all(b"whole\nhalf").unwrap();
    drop(peer);
    second.writer.write_all(b"new\n").unwrap();
    let seen: Vec<_> = (0..4).map(|_| world.next()).collect();
    let expected = [Told::Line("whole".into()), Told::Down(Cause::Lost), Told::Up, Told::Line("new".into())];
    assert_eq!(seen, expected);
    world.close();
}

#[test]
fn a_broken_writer_does_not_hide_what_the_peer_said_before() {
    let (mut world, Peer { reader, mut writer }) = up(Script::new(), Options::default(), 1024);
    writer.write_all(b"why\n").unwrap();
    drop(reader);
    let outcome = world.handle.submit("a".into());
    assert_eq!(world.next(), Told::Line("why".into()));
    assert_eq!(world.next(), Told::Down(Cause::Lost));
    drop(outcome);
    world.close();
}

#[test]
fn r_145_close_ends_within_its_limit_when_the_peer_is_dead() {
    // Its window is full, and it says nothing.
    let (world, _peer) = up(Script::new(), Options { write_buffer: 1, ..Options::default() }, 1);
    let stuck = world.handle.submit("never read".into()).unwrap();
    sleep(SOON);
    let begin = Instant::now();
    world.handle.close();
    assert_eq!(stuck.wait(), Err(SendError::Failed(Failure::Closed)));
    join(world.thread);
    let took = begin.elapsed();
    assert!(took >= CLOSE_LIMIT && took <= CLOSE_LIMIT + Duration::from_millis(800), "{took:?}");
    assert_eq!(world.handle.send("late".into()), Err(SendError::Gone));
    assert_eq!(world.handle.submit("late".into()).unwrap_err(), SendError::Gone);
    assert!(world.handle.is_closed());
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
fn a_close_takes_in_what_was_handed_in_before_it() {
    let (world, peer) = up(Script::new(), Options::default(), 1024);
    let sends: Vec<_> = (0..5).map(|n| world.handle.submit(n.to_string()).unwrap()).collect();
    world.handle.close();
    let peer = thread::spawn(|| acknowledge(peer));
    join(world.thread);
    assert_eq!(join(peer), ["0 0", "1 1", "2 2", "3 3", "4 4", "bye"]);
    drop(sends);
}

#[test]
fn close_takes_back_a_pipe_that_is_being_opened() {
    let wires = Wires::default();
    let held = Arc::new(());
    wires.push(Plug::Never(Arc::clone(&held)));
    let mut world = start(Script::new(), wires, Options::default());
    sleep(SOON);
    assert_eq!(Arc::strong_count(&held), 2);
    let begin = Instant::now();
    world.handle.close();
    assert_eq!(world.next(), Told::Down(Cause::Asked));
    join(world.thread);
    assert!(begin.elapsed() < Duration::from_millis(400), "{:?}", begin.elapsed());
    assert_eq!(Arc::strong_count(&held), 1, "the attempt is dropped");
    assert_eq!(world.log.lock().unwrap().inputs, ["Closed(Asked)"]);
}

#[test]
fn dropping_every_handle_closes_in_order() {
    let (world, peer) = up(Script::new(), Options::default(), 64);
    let clone = world.handle.clone();
    drop(world.handle);
    sleep(SOON);
    assert!(!world.thread.is_finished(), "one is left");
    drop(clone);
    assert_eq!(acknowledge(peer), ["bye"]);
    join(world.thread);
}

#[test]
fn dropping_handle_and_outcomes_midway_loses_no_accepted_command() {
    let (world, peer) = up(Script { room: 100, ..Script::new() }, Options::default(), 4);
    for n in 0..30 {
        drop(world.handle.submit(n.to_string()).unwrap());
    }
    drop(world.handle);
    let expected: Vec<String> = (0..30).map(|n| n.to_string()).collect();
    assert_eq!(texts(&acknowledge(peer)), expected);
    join(world.thread);
}

#[test]
fn dropping_the_events_does_not_stop_the_device() {
    let (world, mut peer) = up(Script::new(), Options { events: 1, ..Options::default() }, 64);
    drop(world.events);
    for n in 0..100 {
        peer.writer.write_all(format!("line {n}\n").as_bytes()).unwrap();
    }
    let peer = thread::spawn(|| acknowledge(peer));
    assert!(world.handle.send("a".into()).is_ok());
    world.handle.close();
    join(world.thread);
    assert_eq!(join(peer), ["0 a", "bye"]);
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
fn a_busy_pipe_does_not_keep_a_close_waiting() {
    let options = Options { steps_per_turn: 10, ..Options::default() };
    let (world, Peer { reader, mut writer }) = up(Script::new(), options, 100_000);
    drop(world.events);
    let flood = thread::spawn(move || while writer.write_all(&b"x\n".repeat(1000)).is_ok() {});
    let reader = thread::spawn(move || BufReader::new(reader).lines().map(Result::unwrap).collect::<Vec<_>>());
    sleep(SOON);
    let begin = Instant::now();
    world.handle.close();
    join(world.thread);
    assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
    assert_eq!(join(reader), ["bye"]);
    join(flood);
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
fn r_141_a_connector_that_panics_costs_one_attempt() {
    let wires = Wires::default();
    wires.push(Plug::Panics);
    let _peer = wires.lay(64);
    let mut world = start(Script::new(), wires, Options::default());
    assert_eq!(world.next(), Told::Down(Cause::Lost));
    assert_eq!(world.next(), Told::Up);
    world.close();
}

#[test]
fn r_141_a_machine_that_panics_lets_everyone_know() {
    let (mut world, mut peer) = up(Script::new(), Options::default(), 64);
    let pending = world.handle.submit("a".into()).unwrap();
    // The scripted machine takes text only.
    peer.writer.write_all(b"\xff\n").unwrap();
    assert_eq!(pending.wait(), Err(SendError::Gone));
    assert_eq!(world.events.next(), None);
    assert_eq!(world.handle.send("b".into()), Err(SendError::Gone));
    until("the thread ends", || world.thread.is_finished());
    assert!(world.thread.join().is_err());
    let mut rest = Vec::new();
    peer.reader.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"0 a\n", "the pipe is closed");
}

#[cfg(target_os = "linux")]
#[test]
fn no_thread_is_left_when_the_join_handle_says_so() {
    let count = |name: &str| {
        std::fs::read_dir("/proc/self/task")
            .unwrap()
            .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok())
            .filter(|comm| comm.trim() == name)
            .count()
    };
    // Other tests have such threads too, so they are counted in a process of its own.
    if std::env::var_os("SKYTETHER_THREADS").is_none() {
        let test = "no_thread_is_left_when_the_join_handle_says_so";
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        let ended = child.args([test, "--exact", "--test-threads=1"]).env("SKYTETHER_THREADS", "1").output().unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stdout));
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let store = Some(Store::directory(folder.path()).unwrap());
    let machine = Script { first: vec![Action::Load(Key::Hub)], ..Script::new() };
    let (mut world, peer) = up(machine, Options { store, ..Options::default() }, 64);
    let second = world.wires.lay(64);
    drop(peer);
    while world.next() != Told::Up {}
    for name in ["skytether", "skytether-read", "skytether-write", "skytether-open", "skytether-store"] {
        assert_eq!(count(name), 1, "{name}");
    }
    drop(second);
    world.close();
    for name in ["skytether", "skytether-read", "skytether-write", "skytether-open", "skytether-store", "skytether-bye"]
    {
        assert_eq!(count(name), 0, "{name}");
    }
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
        expect("Reply(ExchangeId(3), Failed(Unsupported(\"HTTP exchanges\")))");
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

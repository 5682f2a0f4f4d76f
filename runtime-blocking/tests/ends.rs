//! Does everything end as it should: pipes, threads, the whole device, and whoever waits for it?
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

use scripted::{CLOSE_LIMIT, Peer, Plug, SOON, Script, Told, Wires, acknowledge, join, start, texts, until, up};
use skytether_blocking::{Options, SendError, Store};
use skytether_core::io::{Action, Cause, Failure, Key};
use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    sync::Arc,
    thread::{self, sleep},
    time::{Duration, Instant},
};

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
fn nothing_of_an_old_pipe_reaches_the_machine_once_it_ended() {
    let machine = Script { beat: Some(Duration::from_millis(50)), ..Script::new() };
    let (mut world, mut peer) = up(machine, Options { events: 1, ..Options::default() }, 64);
    peer.writer.write_all(b"a\nb\nc\n").unwrap();
    sleep(Duration::from_millis(20));
    // The application has not taken `a`, so the rest waits in the driver; the beat finds that the pipe is broken.
    drop(peer);
    let mut peer = world.wires.lay(64);
    sleep(Duration::from_millis(150));
    peer.writer.write_all(b"new\n").unwrap();
    let mut seen = Vec::new();
    while seen.last() != Some(&Told::Line("new".into())) {
        seen.push(world.next());
    }
    seen.retain(|told| *told != Told::Beat);
    assert_eq!(seen, [Told::Line("a".into()), Told::Down(Cause::Lost), Told::Up, Told::Line("new".into())]);
    world.close();
}

#[test]
fn a_pipe_that_ends_while_the_machine_ends_it_ends_once() {
    let machine = Script { close_at_end: true, ..Script::new() };
    let (mut world, peer) = up(machine, Options::default(), 64);
    let _next = world.wires.lay(64);
    drop(peer);
    assert_eq!(world.next(), Told::Down(Cause::Lost));
    assert_eq!(world.next(), Told::Up);
    assert_eq!(world.log.lock().unwrap().inputs, ["Opened", "Closed(Lost)", "Opened"]);
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
    assert!(took >= CLOSE_LIMIT && took <= CLOSE_LIMIT + Duration::from_secs(2), "{took:?}");
    assert_eq!(world.handle.send("late".into()), Err(SendError::Gone));
    assert_eq!(world.handle.submit("late".into()).unwrap_err(), SendError::Gone);
    assert!(world.handle.is_closed());
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
    let wires = Wires::default();
    let (peer, second) = (wires.lay(64), wires.lay(64));
    let mut world = start(machine, wires, Options { store, ..Options::default() });
    while world.next() != Told::Up {}
    drop(peer);
    while world.next() != Told::Up {}
    for name in ["skytether", "skytether-read", "skytether-write", "skytether-open", "skytether-store"] {
        // A thread has its name a moment after it has begun, and is gone a moment after it was joined.
        until(name, || count(name) == 1);
    }
    drop(second);
    world.close();
    for name in ["skytether", "skytether-read", "skytether-write", "skytether-open", "skytether-store", "skytether-bye"]
    {
        until(name, || count(name) == 0);
    }
}

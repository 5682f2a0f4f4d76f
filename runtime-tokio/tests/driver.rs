//! Does the driver keep its rule, whatever the pipe, the application and the clock do?
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unreachable,
    clippy::std_instead_of_alloc,
    clippy::std_instead_of_core,
    clippy::wildcard_enum_match_arm,
    clippy::unchecked_time_subtraction,
    clippy::format_push_string,
    reason = "tests fail by panicking"
)]

mod scripted;

use scripted::{CLOSE_LIMIT, Log, Plug, Script, Told, Wires, exchange, secret};
use skytether_core::{
    io::{Action, Cause, Failure, Key, Rejected, Slot},
    time::UnixMillis,
};
use skytether_tokio::{Events, Handle, Options, SendError, Store, Tapped, spawn_with};
use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::{Arc, Mutex},
    task::Poll,
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream},
    task::{JoinHandle, yield_now},
    time::{Instant, sleep, timeout},
};

struct World {
    handle: Handle<String, String>,
    events: Events<Told>,
    task: JoinHandle<()>,
    log: Arc<Mutex<Log>>,
    wires: Wires,
}

fn start(machine: Script, wires: Wires, options: Options) -> World {
    let log = Arc::clone(&machine.log);
    let (handle, events, task) = spawn_with(machine, wires.clone(), options);
    World { handle, events, task, log, wires }
}

/// A device on a pipe, up.
async fn up(machine: Script, options: Options, size: usize) -> (World, DuplexStream) {
    let wires = Wires::default();
    let peer = wires.lay(size);
    let mut world = start(machine, wires, options);
    assert_eq!(world.events.next().await, Some(Told::Up));
    (world, peer)
}

/// A peer that acknowledges each command; returns what it read.
async fn acknowledge(peer: DuplexStream) -> Vec<String> {
    let (reader, mut writer) = tokio::io::split(peer);
    let mut lines = BufReader::new(reader).lines();
    let mut seen = Vec::new();
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some((tag, _)) = line.split_once(' ') {
            writer.write_all(format!("ok {tag}\n").as_bytes()).await.unwrap();
        }
        seen.push(line);
    }
    seen
}

fn texts(lines: &[String]) -> Vec<String> {
    lines.iter().filter_map(|line| line.split_once(' ')).map(|(_, text)| text.to_owned()).collect()
}

/// Fails instead of waiting for ever.
async fn soon<T>(work: impl Future<Output = T>) -> T {
    timeout(Duration::from_hours(24), work).await.expect("it comes to an end")
}

async fn settle() {
    sleep(Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn each_command_gets_its_own_outcome_though_they_end_in_another_order() {
    let (world, mut peer) = up(Script::new(), Options::default(), 1024).await;
    let first = world.handle.submit("a".into()).await.unwrap();
    let second = world.handle.submit("b".into()).await.unwrap();
    peer.write_all(b"ok 1\nok 0\n").await.unwrap();
    assert_eq!(second.await, Ok("ok 1".into()));
    assert_eq!(first.await, Ok("ok 0".into()));
    assert_eq!(world.handle.send("bad".into()).await, Err(SendError::Rejected(Rejected::Invalid("a bad command"))));
    let refused = world.handle.submit("bad".into()).await.unwrap_err();
    assert_eq!(refused, SendError::Rejected(Rejected::Invalid("a bad command")));
}

#[tokio::test(start_paused = true)]
async fn a_full_machine_makes_callers_wait_and_keeps_their_order() {
    let machine = Script { room: 2, ..Script::new() };
    let (world, peer) = up(machine, Options { commands: 1, ..Options::default() }, 64).await;
    let peer = tokio::spawn(acknowledge(peer));
    let handle = world.handle.clone();
    let mut pending = Vec::new();
    for n in 0..50 {
        pending.push(handle.submit(n.to_string()).await.unwrap());
    }
    for outcome in pending {
        assert!(outcome.await.is_ok());
    }
    world.handle.close();
    world.task.await.unwrap();
    let expected: Vec<String> = (0..50).map(|n| n.to_string()).collect();
    assert_eq!(texts(&peer.await.unwrap()), expected);
}

#[tokio::test(start_paused = true)]
async fn what_would_never_fit_is_refused_as_full_once_nothing_else_is_under_way() {
    let (world, mut peer) = up(Script::new(), Options::default(), 1024).await;
    assert_eq!(world.handle.send("huge".into()).await, Err(SendError::Rejected(Rejected::Full)));
    let small = world.handle.submit("small".into()).await.unwrap();
    let handle = world.handle.clone();
    let huge = tokio::spawn(async move { handle.send("huge".into()).await });
    sleep(Duration::from_mins(1)).await;
    assert!(!huge.is_finished(), "it waits while the small one may make room");
    peer.write_all(b"ok 0\n").await.unwrap();
    assert!(small.await.is_ok());
    assert_eq!(huge.await.unwrap(), Err(SendError::Rejected(Rejected::Full)));
}

#[tokio::test(start_paused = true)]
async fn r_140_a_send_dropped_at_any_await_loses_no_accepted_command() {
    // Room 1 and a channel of 1, so that sends are dropped before the channel, inside it, and after acceptance.
    let machine = Script { room: 1, ..Script::new() };
    let (world, peer) = up(machine, Options { commands: 1, ..Options::default() }, 16).await;
    let peer = tokio::spawn(acknowledge(peer));
    let mut whole = Vec::new();
    for n in 0..300 {
        let polls = n % 7;
        let mut done = false;
        {
            let mut send = pin!(world.handle.send(format!("c{n}")));
            for _ in 0..polls {
                if poll_fn(|cx| Poll::Ready(send.as_mut().poll(cx))).await.is_ready() {
                    done = true;
                    break;
                }
                yield_now().await;
            }
        }
        if done {
            whole.push(format!("c{n}"));
        }
    }
    assert!(!whole.is_empty() && whole.len() < 250, "the test must drop some and finish some: {}", whole.len());
    assert_eq!(world.handle.send("last".into()).await.map(|_| ()), Ok(()));
    world.handle.close();
    world.task.await.unwrap();
    let seen = texts(&peer.await.unwrap());
    assert_eq!(seen, world.log.lock().unwrap().accepted, "the peer sees exactly what was accepted, once, in order");
    assert!(whole.iter().all(|command| seen.contains(command)));
}

#[tokio::test(start_paused = true)]
async fn r_140_a_dropped_wait_for_an_event_loses_no_event() {
    let (mut world, mut peer) = up(Script::new(), Options { events: 3, ..Options::default() }, 32).await;
    let writer = tokio::spawn(async move {
        for n in 0..500 {
            peer.write_all(format!("line {n}\n").as_bytes()).await.unwrap();
            if n % 10 == 0 {
                sleep(Duration::from_millis(3)).await;
            }
        }
        peer
    });
    let mut seen = 0;
    while seen < 500 {
        let wait = if seen % 2 == 0 { Duration::ZERO } else { Duration::from_millis(1) };
        if let Ok(event) = timeout(wait, world.events.next()).await {
            assert_eq!(event, Some(Told::Line(format!("line {seen}"))));
            seen += 1;
        }
    }
    drop(writer.await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn r_71_a_slow_application_stops_the_reading_and_nothing_else() {
    let machine = Script { beat: Some(Duration::from_secs(1)), ..Script::new() };
    let options = Options { events: 4, read_buffer: 64, ..Options::default() };
    let (mut world, peer) = up(machine, options, 64).await;
    let (mut reader, mut writer) = tokio::io::split(peer);
    let writer = tokio::spawn(async move {
        for n in 0..1000 {
            writer.write_all(format!("line {n}\n").as_bytes()).await.unwrap();
        }
        writer
    });
    sleep(Duration::from_millis(2500)).await;
    assert!(!writer.is_finished(), "the peer is made to wait");
    // Timers, writes and outcomes go on.
    assert_eq!(soon(world.handle.send("!out".into())).await, Ok("sent".into()));
    let mut out = [0; 17];
    reader.read_exact(&mut out).await.unwrap();
    assert_eq!(&out, b"beat\nbeat\n0 !out\n");
    // And every event is still there, in order.
    let mut lines = 0;
    while lines < 1000 {
        match world.events.next().await.unwrap() {
            Told::Line(line) => {
                assert_eq!(line, format!("line {lines}"));
                lines += 1;
            }
            Told::Beat => {}
            other => panic!("{other:?}"),
        }
    }
    drop(writer.await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn r_4_events_of_time_alone_are_bounded_and_not_lost() {
    let machine = Script { beat: Some(Duration::from_secs(1)), ..Script::new() };
    let (mut world, _peer) = up(machine, Options { events: 4, ..Options::default() }, 1024).await;
    sleep(Duration::from_secs(10_000)).await;
    let mut beats = 0;
    while world.events.try_next() == Some(Told::Beat) {
        beats += 1;
    }
    assert_eq!(beats, 4 + 64, "the capacity and its spare");
    assert_eq!(world.events.next().await, Some(Told::Beat), "it goes on when there is room again");
}

#[tokio::test(start_paused = true)]
async fn r_145_a_close_ends_though_the_application_takes_no_events() {
    let machine = Script { beat: Some(Duration::from_secs(1)), ..Script::new() };
    let (mut world, _peer) = up(machine, Options { events: 1, ..Options::default() }, 1024).await;
    sleep(Duration::from_secs(1000)).await;
    world.handle.close();
    timeout(CLOSE_LIMIT + Duration::from_secs(1), world.task).await.unwrap().unwrap();
    let mut last = None;
    while let Some(event) = world.events.next().await {
        last = Some(event);
    }
    assert_eq!(last, Some(Told::Down(Cause::Asked)), "what the close brought was not lost");
}

#[tokio::test(start_paused = true)]
async fn r_142_time_comes_from_the_deadline_only() {
    let machine = Script { redial: Some(Duration::from_hours(2)), ..Script::new() };
    let wires = Wires::default();
    wires.push(Plug::Fails(Cause::Unreachable));
    let begin = Instant::now();
    let mut world = start(machine, wires, Options::default());
    assert_eq!(world.events.next().await, Some(Told::Down(Cause::Unreachable)));
    settle().await;
    let before = world.log.lock().unwrap().steps;
    sleep(Duration::from_secs(7000)).await;
    assert_eq!(world.log.lock().unwrap().steps, before, "an idle machine is left alone");
    let _peer = world.wires.lay(64);
    assert_eq!(world.events.next().await, Some(Told::Up));
    let late = begin.elapsed() - Duration::from_hours(2);
    assert!(late < Duration::from_millis(5), "{late:?}");
}

#[tokio::test(start_paused = true)]
async fn r_143_a_zero_read_ends_the_pipe_once_and_the_next_one_is_clean() {
    let (mut world, mut peer) = up(Script::new(), Options::default(), 64).await;
    let second = world.wires.lay(64);
    peer.write_all(b"whole\nhalf").await.unwrap();
    drop(peer);
    let mut peer = second;
    peer.write_all(b"new\n").await.unwrap();
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(world.events.next().await.unwrap());
    }
    let expected = [Told::Line("whole".into()), Told::Down(Cause::Lost), Told::Up, Told::Line("new".into())];
    assert_eq!(seen, expected);
}

#[tokio::test(start_paused = true)]
async fn r_72_a_peer_that_does_not_read_is_not_read_either() {
    let (world, peer) = up(Script::new(), Options { read_buffer: 1_000_000, ..Options::default() }, 100_000).await;
    let (reader, mut writer) = tokio::io::split(peer);
    let asking = tokio::spawn(async move {
        for _ in 0..50_000 {
            writer.write_all(b"?answer\n").await.unwrap();
        }
        writer.write_all(b"?last\n").await.unwrap();
        writer
    });
    settle().await;
    assert!(!asking.is_finished());
    let mut lines = BufReader::new(reader).lines();
    while soon(lines.next_line()).await.unwrap().unwrap() != "?last" {}
    drop(asking.await.unwrap());
    let most = world.log.lock().unwrap().most_waiting;
    assert!((4096..4200).contains(&most), "{most} bytes waited, with a bound of 4096");
}

#[tokio::test(start_paused = true)]
async fn nothing_of_an_old_pipe_reaches_the_machine_once_it_ended() {
    let machine = Script { beat: Some(Duration::from_secs(1)), ..Script::new() };
    let (mut world, mut peer) = up(machine, Options { events: 1, ..Options::default() }, 64).await;
    peer.write_all(b"a\nb\nc\n").await.unwrap();
    settle().await;
    // The application has not taken `a`, so the rest waits in the driver; the beat finds that the pipe is broken.
    drop(peer);
    let mut peer = world.wires.lay(64);
    sleep(Duration::from_millis(1500)).await;
    peer.write_all(b"new\n").await.unwrap();
    let mut seen = Vec::new();
    while seen.last() != Some(&Told::Line("new".into())) {
        seen.push(soon(world.events.next()).await.unwrap());
    }
    seen.retain(|told| *told != Told::Beat);
    assert_eq!(seen, [Told::Line("a".into()), Told::Down(Cause::Lost), Told::Up, Told::Line("new".into())]);
}

#[tokio::test(start_paused = true)]
async fn a_pipe_that_ends_while_the_machine_ends_it_ends_once() {
    let machine = Script { close_at_end: true, ..Script::new() };
    let (mut world, peer) = up(machine, Options::default(), 64).await;
    let _next = world.wires.lay(64);
    drop(peer);
    assert_eq!(soon(world.events.next()).await, Some(Told::Down(Cause::Lost)));
    assert_eq!(soon(world.events.next()).await, Some(Told::Up));
    assert_eq!(world.log.lock().unwrap().inputs, ["Opened", "Closed(Lost)", "Opened"]);
}

#[tokio::test(start_paused = true)]
async fn r_145_close_ends_within_its_limit_when_the_peer_is_dead() {
    // Its window is full, and it says nothing.
    let (world, _peer) = up(Script::new(), Options::default(), 1).await;
    let stuck = world.handle.submit("never read".into()).await.unwrap();
    settle().await;
    let begin = Instant::now();
    world.handle.close();
    assert_eq!(stuck.await, Err(SendError::Failed(Failure::Closed)));
    world.task.await.unwrap();
    let took = begin.elapsed();
    assert!(took >= CLOSE_LIMIT && took <= CLOSE_LIMIT + Duration::from_millis(600), "{took:?}");
    assert_eq!(world.handle.send("late".into()).await, Err(SendError::Gone));
    assert_eq!(world.handle.submit("late".into()).await.unwrap_err(), SendError::Gone);
    assert!(world.handle.is_closed());
}

#[tokio::test(start_paused = true)]
async fn a_close_takes_in_what_was_handed_in_before_it() {
    let (world, peer) = up(Script::new(), Options::default(), 1024).await;
    let mut sends: Vec<_> = (0..5).map(|n| Box::pin(world.handle.send(n.to_string()))).collect();
    for send in &mut sends {
        assert!(poll_fn(|cx| Poll::Ready(send.as_mut().poll(cx))).await.is_pending());
    }
    world.handle.close();
    let peer = tokio::spawn(acknowledge(peer));
    world.task.await.unwrap();
    assert_eq!(peer.await.unwrap(), ["0 0", "1 1", "2 2", "3 3", "4 4", "bye"]);
}

#[tokio::test(start_paused = true)]
async fn close_takes_back_a_pipe_that_is_being_opened() {
    let wires = Wires::default();
    let held = Arc::new(());
    wires.push(Plug::Never(Arc::clone(&held)));
    let mut world = start(Script::new(), wires, Options::default());
    settle().await;
    assert_eq!(Arc::strong_count(&held), 2);
    world.handle.close();
    assert_eq!(world.events.next().await, Some(Told::Down(Cause::Asked)));
    assert_eq!(Arc::strong_count(&held), 1, "the attempt is dropped");
    world.task.await.unwrap();
    assert_eq!(world.log.lock().unwrap().inputs, ["Closed(Asked)"]);
}

#[tokio::test(start_paused = true)]
async fn dropping_every_handle_closes_in_order() {
    let (world, peer) = up(Script::new(), Options::default(), 64).await;
    let clone = world.handle.clone();
    drop(world.handle);
    settle().await;
    assert!(!world.task.is_finished(), "one is left");
    drop(clone);
    assert_eq!(acknowledge(peer).await, ["bye"]);
    world.task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn dropping_the_events_does_not_stop_the_device() {
    let machine = Script::new();
    let (world, mut peer) = up(machine, Options { events: 1, ..Options::default() }, 64).await;
    drop(world.events);
    for n in 0..100 {
        peer.write_all(format!("line {n}\n").as_bytes()).await.unwrap();
    }
    let peer = tokio::spawn(acknowledge(peer));
    assert!(world.handle.send("a".into()).await.is_ok());
    world.handle.close();
    world.task.await.unwrap();
    assert_eq!(peer.await.unwrap(), ["0 a", "bye"]);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_is_aborted_lets_everyone_know() {
    let (mut world, _peer) = up(Script::new(), Options::default(), 64).await;
    let pending = world.handle.submit("a".into()).await.unwrap();
    world.task.abort();
    assert_eq!(pending.await, Err(SendError::Gone));
    assert_eq!(world.events.next().await, None);
    assert_eq!(world.handle.send("b".into()).await, Err(SendError::Gone));
}

#[tokio::test(start_paused = true)]
async fn r_2_narrow_pipes_and_short_turns_change_nothing_of_what_passes() {
    for (size, read_buffer, steps_per_turn) in [(1, 1, 1), (3, 7, 2), (1000, 5, 3), (7, 16384, 1024)] {
        let machine = Script { room: 1000, ..Script::new() };
        let options = Options { read_buffer, steps_per_turn, events: 2, ..Options::default() };
        let (mut world, peer) = up(machine, options, size).await;
        let (reader, mut writer) = tokio::io::split(peer);
        // Both directions at once, each more than the pipe holds: neither may wait for the other.
        let down = tokio::spawn(async move {
            for n in 0..200 {
                writer.write_all(format!("down {n}\n").as_bytes()).await.unwrap();
            }
            writer
        });
        let up = tokio::spawn(async move {
            let mut lines = BufReader::new(reader).lines();
            let mut seen = Vec::new();
            while seen.len() < 200 {
                seen.push(lines.next_line().await.unwrap().unwrap());
            }
            seen
        });
        let handle = world.handle.clone();
        let sender = tokio::spawn(async move {
            for n in 0..200 {
                assert_eq!(handle.send(format!("!up {n}")).await, Ok("sent".into()));
            }
        });
        for n in 0..200 {
            assert_eq!(soon(world.events.next()).await, Some(Told::Line(format!("down {n}"))));
        }
        soon(sender).await.unwrap();
        let expected: Vec<String> = (0..200).map(|n| format!("{n} !up {n}")).collect();
        assert_eq!(up.await.unwrap(), expected);
        drop(down.await.unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn a_busy_pipe_lets_other_tasks_have_their_turn() {
    let options = Options { steps_per_turn: 10, events: 100_000, ..Options::default() };
    let (mut world, mut peer) = up(Script::new(), options, 100_000).await;
    peer.write_all("x\n".repeat(5000).as_bytes()).await.unwrap();
    let mut turns = 0;
    let mut seen = 0;
    while seen < 5000 {
        yield_now().await;
        turns += 1;
        while world.events.try_next().is_some() {
            seen += 1;
        }
    }
    assert!(turns > 100, "{turns} turns");
}

#[tokio::test(start_paused = true)]
async fn the_tap_sees_both_ways_and_may_panic_without_harm() {
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
    let (world, peer) = up(Script::new(), options, 64).await;
    let peer = tokio::spawn(acknowledge(peer));
    for command in ["a", "b", "c"] {
        assert!(world.handle.send(command.into()).await.is_ok());
    }
    world.handle.close();
    world.task.await.unwrap();
    assert_eq!(*seen.lock().unwrap(), "opening tcp://scripted:1|opened|out 0 a|in ok 0|out 1 b|");
    assert_eq!(peer.await.unwrap().len(), 4);
}

#[tokio::test]
async fn what_the_machine_asks_beside_the_pipe_is_answered() {
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
            if let Told::Heard(text) = world.events.next().await.unwrap() {
                heard.push(text);
            }
        }
        let expect = |text: &str| assert!(heard.iter().any(|heard| heard == text), "{text} is not in {heard:#?}");
        assert!(heard.iter().any(|heard| heard.starts_with("Reply(ExchangeId(3), Failed(Unsupported(")), "{heard:#?}");
        expect("Wall(UnixMillis(77))");
        assert_eq!(heard.iter().filter(|text| text.starts_with("Wall(UnixMillis(1")).count(), 1, "{heard:#?}");
        let stored: Vec<&String> =
            heard.iter().filter(|text| !text.starts_with("Wall") && !text.starts_with("Reply")).collect();
        let expected = if kept {
            [
                "Loaded(Hub, Ok(None))",
                "Stored(Secret(\"a/b\"), Ok(()))",
                "Loaded(Secret(\"a/b\"), Ok(Some([111, 110, 101])))",
                "Stored(Secret(\"a/b\"), Ok(()))",
                "Loaded(Secret(\"a/b\"), Ok(None))",
                "Written(Slot(1), 5, Ok(()))",
            ]
        } else {
            [
                "Loaded(Hub, Err(StoreFailed))",
                "Stored(Secret(\"a/b\"), Err(StoreFailed))",
                "Loaded(Secret(\"a/b\"), Err(StoreFailed))",
                "Stored(Secret(\"a/b\"), Err(StoreFailed))",
                "Loaded(Secret(\"a/b\"), Err(StoreFailed))",
                "Written(Slot(1), 5, Err(StoreFailed))",
            ]
        };
        assert_eq!(stored, expected);
        world.handle.close();
        world.task.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn reconnect_now_does_not_wait() {
    let machine = Script { redial: Some(Duration::from_hours(1)), ..Script::new() };
    let (mut world, peer) = up(machine, Options::default(), 64).await;
    drop(peer);
    assert_eq!(world.events.next().await, Some(Told::Down(Cause::Lost)));
    let _peer = world.wires.lay(64);
    let begin = Instant::now();
    world.handle.reconnect_now();
    assert_eq!(world.events.next().await, Some(Told::Up));
    assert!(begin.elapsed() < Duration::from_millis(10));
}

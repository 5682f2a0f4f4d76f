//! Does the driver keep its rule, whatever the pipe, the application and the clock do?
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::std_instead_of_alloc,
    clippy::std_instead_of_core,
    clippy::wildcard_enum_match_arm,
    unreachable_pub,
    reason = "tests fail by panicking"
)]

#[path = "support/sim.rs"]
mod sim;
#[path = "support/wires.rs"]
mod wires;

use embassy_time::{Duration, with_timeout};
use embedded_io_adapters::tokio_1::FromTokio;
use sim::{now, settle, sim, sleep, soon, spawn};
use skytether_core::{
    io::{Action, Cause, Failure, Key, Pipe, Rejected, Slot},
    time::UnixMillis,
};
use skytether_embassy::{Connector, Conversation, SendError, Serial};
use skytether_testing::script::{CLOSE_LIMIT, Script, Told, exchange, secret};
use std::{
    collections::VecDeque,
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::Poll,
};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream};
use wires::{Plug, Sizes, Wires, World, start, start_over, up};

/// A peer that acknowledges each command; returns what it read.
async fn acknowledge(peer: DuplexStream) -> Vec<String> {
    let (reader, mut writer) = tokio::io::split(peer);
    let mut lines = BufReader::new(reader).lines();
    let mut seen = Vec::new();
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some((tag, _)) = line.split_once(' ') {
            // A device that has closed does not hear it any more.
            let _ = writer.write_all(format!("ok {tag}\n").as_bytes()).await;
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
    sim(async {
        let (world, mut peer): (World<4, 8>, _) = up(Script::new(), Sizes::default(), 1024).await;
        let first = world.handle.submit("a".into()).await.unwrap();
        let second = world.handle.submit("b".into()).await.unwrap();
        peer.write_all(b"ok 1\nok 0\n").await.unwrap();
        assert_eq!(second.await, Ok("ok 1".into()));
        assert_eq!(first.await, Ok("ok 0".into()));
        let bad = SendError::Rejected(Rejected::Invalid("a bad command"));
        assert_eq!(world.handle.send("bad".into()).await, Err(bad));
        assert_eq!(world.handle.submit("bad".into()).await.unwrap_err(), bad);
    });
}

#[test]
fn a_full_machine_makes_callers_wait_and_keeps_their_order() {
    sim(async {
        let machine = Script { room: 2, ..Script::new() };
        let (world, peer): (World<60, 8>, _) = up(machine, Sizes::default(), 64).await;
        let peer = spawn(acknowledge(peer));
        let senders: Vec<_> = (0..50)
            .map(|n| {
                let handle = world.handle;
                spawn(async move { handle.send(n.to_string()).await })
            })
            .collect();
        for sender in senders {
            assert!(soon(sender.join()).await.is_ok());
        }
        world.handle.close();
        world.task.join().await;
        let expected: Vec<String> = (0..50).map(|n| n.to_string()).collect();
        assert_eq!(texts(&peer.join().await), expected);
    });
}

#[test]
fn what_would_never_fit_is_refused_as_full_once_nothing_else_is_under_way() {
    sim(async {
        let (world, mut peer): (World<4, 8>, _) = up(Script::new(), Sizes::default(), 1024).await;
        let full = Err(SendError::Rejected(Rejected::Full));
        assert_eq!(world.handle.send("huge".into()).await, full);
        let small = world.handle.submit("small".into()).await.unwrap();
        let handle = world.handle;
        let huge = spawn(async move { handle.send("huge".into()).await });
        sleep(5000).await;
        assert!(!huge.is_finished(), "it waits while the small one may make room");
        peer.write_all(b"ok 0\n").await.unwrap();
        assert!(small.await.is_ok());
        assert_eq!(huge.join().await, full);
    });
}

#[test]
fn r_140_a_send_dropped_at_any_await_loses_no_accepted_command() {
    sim(async {
        // Room 1 and two places, so that sends are dropped before a place, in it, and after acceptance.
        let machine = Script { room: 1, ..Script::new() };
        let (world, peer): (World<2, 8>, _) = up(machine, Sizes::default(), 16).await;
        let peer = spawn(acknowledge(peer));
        let mut whole = Vec::new();
        for n in 0..300 {
            let mut done = false;
            {
                let mut send = pin!(world.handle.send(format!("c{n}")));
                for _ in 0..n % 7 {
                    if poll_fn(|cx| Poll::Ready(send.as_mut().poll(cx))).await.is_ready() {
                        done = true;
                        break;
                    }
                    embassy_futures::yield_now().await;
                }
            }
            if done {
                whole.push(format!("c{n}"));
            }
        }
        assert!(!whole.is_empty() && whole.len() < 250, "the test must drop some and finish some: {}", whole.len());
        assert_eq!(soon(world.handle.send("last".into())).await.map(|_| ()), Ok(()));
        world.handle.close();
        world.task.join().await;
        let seen = texts(&peer.join().await);
        assert_eq!(seen, world.log.lock().unwrap().accepted, "the peer sees exactly what was accepted, once, in order");
        assert!(whole.iter().all(|command| seen.contains(command)));
    });
}

#[test]
fn r_140_a_dropped_wait_for_an_event_loses_no_event() {
    sim(async {
        let (mut world, mut peer): (World<2, 3>, _) = up(Script::new(), Sizes::default(), 32).await;
        let writer = spawn(async move {
            for n in 0..500 {
                peer.write_all(format!("line {n}\n").as_bytes()).await.unwrap();
                if n % 10 == 0 {
                    sleep(3).await;
                }
            }
            peer
        });
        let mut seen = 0;
        while seen < 500 {
            let wait = if seen % 2 == 0 { Duration::MIN } else { Duration::from_millis(1) };
            if let Ok(event) = with_timeout(wait, world.events.next()).await {
                assert_eq!(event, Some(Told::Line(format!("line {seen}"))));
                seen += 1;
            }
        }
        drop(writer.join().await);
    });
}

#[test]
fn r_71_a_slow_application_stops_the_reading_and_nothing_else() {
    sim(async {
        let machine = Script { beat: Some(std::time::Duration::from_secs(1)), ..Script::new() };
        let (mut world, peer): (World<2, 4>, _) = up(machine, Sizes::default(), 64).await;
        let (mut reader, mut writer) = tokio::io::split(peer);
        let writer = spawn(async move {
            for n in 0..1000 {
                writer.write_all(format!("line {n}\n").as_bytes()).await.unwrap();
            }
            writer
        });
        sleep(2500).await;
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
        drop(writer.join().await);
    });
}

#[test]
fn r_4_events_of_time_alone_are_bounded_and_not_lost() {
    sim(async {
        let machine = Script { beat: Some(std::time::Duration::from_millis(10)), ..Script::new() };
        let (mut world, _peer): (World<2, 4>, _) = up(machine, Sizes::default(), 1024).await;
        sleep(10_000).await;
        let steps = world.log.lock().unwrap().steps;
        sleep(10_000).await;
        assert_eq!(world.log.lock().unwrap().steps, steps, "it stands still");
        for n in 0..4 + 16 {
            assert_eq!(soon(world.events.next()).await, Some(Told::Beat), "{n}");
        }
        assert_eq!(soon(world.events.next()).await, Some(Told::Beat), "it goes on when there is room again");
    });
}

#[test]
fn r_145_a_close_ends_though_the_application_takes_no_events() {
    sim(async {
        let machine = Script { beat: Some(std::time::Duration::from_millis(10)), ..Script::new() };
        let (mut world, _peer): (World<2, 1>, _) = up(machine, Sizes::default(), 1024).await;
        sleep(10_000).await;
        world.handle.close();
        let begin = now();
        world.task.join().await;
        assert!(begin.elapsed() <= Duration::from_secs(3), "{:?}", begin.elapsed());
        let mut last = None;
        while let Some(event) = world.events.next().await {
            last = Some(event);
        }
        assert_eq!(last, Some(Told::Down(Cause::Asked)), "what the close brought was not lost");
    });
}

#[test]
fn r_142_time_comes_from_the_deadline_only() {
    sim(async {
        let machine = Script { redial: Some(std::time::Duration::from_mins(2)), ..Script::new() };
        let wires = Wires::default();
        wires.push(Plug::Fails(Cause::Unreachable));
        let begin = now();
        let mut world: World<2, 8> = start(machine, &wires, Sizes::default());
        assert_eq!(world.events.next().await, Some(Told::Down(Cause::Unreachable)));
        settle().await;
        let before = world.log.lock().unwrap().steps;
        sleep(100_000).await;
        assert_eq!(world.log.lock().unwrap().steps, before, "an idle machine is left alone");
        let _peer = world.wires.lay(64);
        assert_eq!(world.events.next().await, Some(Told::Up));
        let took = begin.elapsed();
        assert!(took >= Duration::from_secs(120) && took < Duration::from_millis(120_005), "{took:?}");
    });
}

#[test]
fn r_143_a_zero_read_ends_the_pipe_once_and_the_next_one_is_clean() {
    sim(async {
        let (mut world, mut peer): (World<2, 8>, _) = up(Script::new(), Sizes::default(), 64).await;
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
    });
}

#[test]
fn r_72_a_peer_that_does_not_read_is_not_read_either() {
    sim(async {
        let sizes = Sizes { read: 100_000, write: 64 };
        let (world, peer): (World<2, 8>, _) = up(Script::new(), sizes, 50_000).await;
        let (reader, mut writer) = tokio::io::split(peer);
        let asking = spawn(async move {
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
        drop(asking.join().await);
        let most = world.log.lock().unwrap().most_waiting;
        assert!((4096..4200).contains(&most), "{most} bytes waited, with a bound of 4096");
    });
}

#[test]
fn nothing_of_an_old_pipe_reaches_the_machine_once_it_ended() {
    sim(async {
        let machine = Script { beat: Some(std::time::Duration::from_secs(1)), ..Script::new() };
        let (mut world, mut peer): (World<2, 1>, _) = up(machine, Sizes::default(), 64).await;
        peer.write_all(b"a\nb\nc\n").await.unwrap();
        settle().await;
        // The application has not taken `a`, so the rest waits in the driver; the beat finds that the pipe is broken.
        drop(peer);
        let mut peer = world.wires.lay(64);
        sleep(1500).await;
        peer.write_all(b"new\n").await.unwrap();
        let mut seen = Vec::new();
        while seen.last() != Some(&Told::Line("new".into())) {
            seen.push(soon(world.events.next()).await.unwrap());
        }
        seen.retain(|told| *told != Told::Beat);
        let down = seen.iter().position(|told| *told == Told::Down(Cause::Lost)).unwrap();
        assert_eq!(seen[0], Told::Line("a".into()));
        assert_eq!(seen[down..], [Told::Down(Cause::Lost), Told::Up, Told::Line("new".into())]);
    });
}

#[test]
fn a_pipe_that_ends_while_the_machine_ends_it_ends_once() {
    sim(async {
        let machine = Script { close_at_end: true, ..Script::new() };
        let (mut world, peer): (World<2, 8>, _) = up(machine, Sizes::default(), 64).await;
        let _next = world.wires.lay(64);
        drop(peer);
        assert_eq!(soon(world.events.next()).await, Some(Told::Down(Cause::Lost)));
        assert_eq!(soon(world.events.next()).await, Some(Told::Up));
        assert_eq!(world.log.lock().unwrap().inputs, ["Opened", "Closed(Lost)", "Opened"]);
    });
}

#[test]
fn r_145_close_ends_within_its_limit_when_the_peer_is_dead() {
    sim(async {
        // Its window is full, and it says nothing.
        let (world, _peer): (World<2, 8>, _) = up(Script::new(), Sizes { read: 8, write: 4 }, 1).await;
        let stuck = world.handle.submit("never read".into()).await.unwrap();
        settle().await;
        let begin = now();
        world.handle.close();
        assert_eq!(stuck.await, Err(SendError::Failed(Failure::Closed)));
        world.task.join().await;
        let limit = Duration::from_millis(u64::try_from(CLOSE_LIMIT.as_millis()).unwrap());
        let took = begin.elapsed();
        assert!(took >= limit && took <= limit + Duration::from_millis(600), "{took:?}");
        assert_eq!(world.handle.send("late".into()).await, Err(SendError::Gone));
        assert_eq!(world.handle.submit("late".into()).await.unwrap_err(), SendError::Gone);
        assert!(world.handle.is_closed());
    });
}

#[test]
fn a_close_takes_in_what_was_handed_in_before_it() {
    sim(async {
        let (world, peer): (World<8, 8>, _) = up(Script::new(), Sizes::default(), 1024).await;
        let mut sends: Vec<_> = (0..5).map(|n| Box::pin(world.handle.send(n.to_string()))).collect();
        for send in &mut sends {
            assert!(poll_fn(|cx| Poll::Ready(send.as_mut().poll(cx))).await.is_pending());
        }
        world.handle.close();
        let peer = spawn(acknowledge(peer));
        world.task.join().await;
        assert_eq!(peer.join().await, ["0 0", "1 1", "2 2", "3 3", "4 4", "bye"]);
    });
}

#[test]
fn close_takes_back_a_pipe_that_is_being_opened() {
    sim(async {
        let wires = Wires::default();
        let held = Arc::new(());
        wires.push(Plug::Never(Arc::clone(&held)));
        let mut world: World<2, 8> = start(Script::new(), &wires, Sizes::default());
        settle().await;
        assert_eq!(Arc::strong_count(&held), 2);
        world.handle.close();
        assert_eq!(world.events.next().await, Some(Told::Down(Cause::Asked)));
        world.task.join().await;
        assert_eq!(Arc::strong_count(&held), 1, "the attempt is dropped");
        assert_eq!(world.log.lock().unwrap().inputs, ["Closed(Asked)"]);
    });
}

#[test]
fn r_140_a_driver_that_is_dropped_lets_everyone_know() {
    sim(async {
        let (mut world, _peer): (World<2, 8>, _) = up(Script::new(), Sizes::default(), 64).await;
        let pending = world.handle.submit("a".into()).await.unwrap();
        world.task.abort();
        world.handle.reconnect_now();
        assert_eq!(pending.await, Err(SendError::Gone));
        assert_eq!(world.events.next().await, None);
        assert_eq!(world.handle.send("b".into()).await, Err(SendError::Gone));
    });
}

#[test]
fn r_2_narrow_pipes_and_buffers_change_nothing_of_what_passes() {
    for (size, read, write) in [(1, 1, 1), (3, 7, 2), (1000, 5, 3), (7, 4096, 4096)] {
        sim(async move {
            let machine = Script { room: 1000, ..Script::new() };
            let (mut world, peer): (World<2, 2>, _) = up(machine, Sizes { read, write }, size).await;
            let (reader, mut writer) = tokio::io::split(peer);
            // Both directions at once, each more than the pipe holds: neither may wait for the other.
            let down = spawn(async move {
                for n in 0..200 {
                    writer.write_all(format!("down {n}\n").as_bytes()).await.unwrap();
                }
                writer
            });
            let up = spawn(async move {
                let mut lines = BufReader::new(reader).lines();
                let mut seen = Vec::new();
                while seen.len() < 200 {
                    seen.push(lines.next_line().await.unwrap().unwrap());
                }
                seen
            });
            let handle = world.handle;
            let sender = spawn(async move {
                for n in 0..200 {
                    assert_eq!(handle.send(format!("!up {n}")).await, Ok("sent".into()));
                }
            });
            for n in 0..200 {
                assert_eq!(soon(world.events.next()).await, Some(Told::Line(format!("down {n}"))));
            }
            soon(sender.join()).await;
            let expected: Vec<String> = (0..200).map(|n| format!("{n} !up {n}")).collect();
            assert_eq!(up.join().await, expected);
            drop(down.join().await);
        });
    }
}

#[test]
fn what_the_machine_asks_beside_the_pipe_is_answered_without_a_store_too() {
    sim(async {
        let first = vec![
            exchange(),
            Action::AskWall,
            Action::Load(Key::Hub),
            Action::Store(secret("a/b"), b"one".to_vec()),
            Action::Delete(secret("a/b")),
            Action::Write(Slot(1), 5, b"x".to_vec()),
        ];
        let machine = Script { first, redial: None, ..Script::new() };
        let mut world: World<2, 16> = start(machine, &Wires::default(), Sizes::default());
        settle().await;
        world.wall.tell(UnixMillis(77));
        let mut heard = Vec::new();
        while heard.len() < 6 {
            if let Told::Heard(text) = soon(world.events.next()).await.unwrap() {
                heard.push(text);
            }
        }
        heard.sort();
        let expected = [
            "Loaded(Hub, Err(StoreFailed))",
            "Reply(ExchangeId(3), Failed(Unsupported(\"HTTP exchanges\")))",
            "Stored(Secret(\"a/b\"), Err(StoreFailed))",
            "Stored(Secret(\"a/b\"), Err(StoreFailed))",
            "Wall(UnixMillis(77))",
            "Written(Slot(1), 5, Err(StoreFailed))",
        ];
        assert_eq!(heard, expected);
    });
}

#[test]
fn the_wall_time_goes_on_once_it_was_told() {
    sim(async {
        let (world, _peer): (World<2, 16>, _) = up(Script::new(), Sizes::default(), 64).await;
        assert_eq!(world.wall.now(), None);
        world.wall.tell(UnixMillis(1_700_000_000_000));
        sleep(1500).await;
        let now = world.wall.now().unwrap();
        assert!((1_700_000_001_500..1_700_000_001_510).contains(&now.0), "{now:?}");
    });
}

#[test]
fn reconnect_now_does_not_wait() {
    sim(async {
        let machine = Script { redial: Some(std::time::Duration::from_mins(10)), ..Script::new() };
        let (mut world, peer): (World<2, 8>, _) = up(machine, Sizes::default(), 64).await;
        drop(peer);
        assert_eq!(world.events.next().await, Some(Told::Down(Cause::Lost)));
        let _peer = world.wires.lay(64);
        let begin = now();
        world.handle.reconnect_now();
        assert_eq!(world.events.next().await, Some(Told::Up));
        assert!(begin.elapsed() < Duration::from_millis(10));
    });
}

/// A UART that brings what it is given, and reports an overrun where it is told to.
struct Uart(VecDeque<Option<&'static [u8]>>);

#[derive(Debug)]
struct Overrun;

impl std::fmt::Display for Overrun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("overrun")
    }
}

impl std::error::Error for Overrun {}

impl embedded_io_async::Error for Overrun {
    fn kind(&self) -> embedded_io_async::ErrorKind {
        embedded_io_async::ErrorKind::Other
    }
}

impl embedded_io_async::ErrorType for Uart {
    type Error = Overrun;
}

impl embedded_io_async::Read for Uart {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Overrun> {
        match self.0.pop_front() {
            Some(Some(bytes)) => {
                buffer[..bytes.len()].copy_from_slice(bytes);
                Ok(bytes.len())
            }
            Some(None) => Err(Overrun),
            None => std::future::pending().await,
        }
    }
}

/// Opens the serial line, wherever the scripted machine wants to go.
struct Line<R, W>(Serial<R, W>);

impl<R: embedded_io_async::Read, W: embedded_io_async::Write> Connector for Line<R, W> {
    async fn open<T: Conversation>(&mut self, pipe: &Pipe, talk: T) -> Cause {
        assert!(matches!(pipe, Pipe::Net(_)));
        self.0.open(&Pipe::Serial, talk).await
    }
}

#[test]
fn a_uart_that_overran_ends_its_pipe_and_is_opened_again() {
    sim(async {
        let script = [Some(&b"one\nha"[..]), None, Some(b"lf\ntwo\n")];
        let (ours, _peer) = tokio::io::duplex(64);
        let line = Line(Serial::new(Uart(script.into()), FromTokio::new(ours)));
        let mut world: World<2, 8> = start_over(Script::new(), line, &Wires::default(), Sizes::default());
        let mut seen = Vec::new();
        for _ in 0..6 {
            seen.push(soon(world.events.next()).await.unwrap());
        }
        let line = |text: &str| Told::Line(text.into());
        assert_eq!(seen, [Told::Up, line("one"), Told::Down(Cause::Lost), Told::Up, line("lf"), line("two")]);
    });
}

#[test]
fn a_serial_line_opens_no_network_connection() {
    sim(async {
        let (ours, _peer) = tokio::io::duplex(64);
        let serial = Serial::new(Uart(VecDeque::new()), FromTokio::new(ours));
        let mut world: World<2, 8> = start_over(Script::new(), serial, &Wires::default(), Sizes::default());
        let Told::Down(Cause::Unsupported(why)) = soon(world.events.next()).await.unwrap() else { panic!("no end") };
        assert!(why.contains("serial"), "{why}");
    });
}

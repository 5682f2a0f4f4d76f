//! Does a batch account for every command, whatever becomes of it?
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc,
    reason = "tests fail by panicking"
)]

mod scripted;

use scripted::{Script, Told, Wires};
use skytether_core::io::{Failure, Rejected};
use skytether_tokio::{Options, SendError, spawn_with};
use std::time::Duration;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream},
    time::timeout,
};

/// Acknowledges so many commands, then only reads.
async fn acknowledge(peer: DuplexStream, mut count: usize) {
    let (reader, mut writer) = tokio::io::split(peer);
    let mut lines = BufReader::new(reader).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some((tag, _)) = line.split_once(' ')
            && count > 0
        {
            count -= 1;
            writer.write_all(format!("ok {tag}\n").as_bytes()).await.unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn successes_and_rejections_are_counted_and_the_first_failure_is_named() {
    let wires = Wires::default();
    let peer = wires.lay(64);
    let (handle, mut events, task) = spawn_with(Script::new(), wires, Options { commands: 2, ..Options::default() });
    assert_eq!(events.next().await, Some(Told::Up));
    tokio::spawn(acknowledge(peer, usize::MAX));
    let mut batch = handle.batch();
    assert_eq!(batch.settled().await.succeeded, 0, "nothing was handed in");
    for n in 0..100 {
        batch.send(if n == 40 { "bad".to_owned() } else { format!("n{n}") }).await.unwrap();
    }
    let outcomes = timeout(Duration::from_mins(1), batch.settled()).await.unwrap();
    assert_eq!((outcomes.succeeded, outcomes.failed), (99, 1));
    assert_eq!(outcomes.first_failure, Some(SendError::Rejected(Rejected::Invalid("a bad command"))));
    handle.close();
    task.await.unwrap();
    assert_eq!(batch.send("late".to_owned()).await, Err(SendError::Gone));
    assert_eq!(batch.settled().await, outcomes, "what was not handed in is not counted");
}

#[tokio::test(start_paused = true)]
async fn what_the_device_ends_without_success_is_counted_too() {
    let wires = Wires::default();
    let peer = wires.lay(1024);
    let (handle, mut events, task) = spawn_with(Script::new(), wires, Options::default());
    assert_eq!(events.next().await, Some(Told::Up));
    tokio::spawn(acknowledge(peer, 3));
    let mut batch = handle.batch();
    for n in 0..5 {
        batch.send(format!("n{n}")).await.unwrap();
    }
    handle.close();
    let outcomes = timeout(Duration::from_mins(1), batch.settled()).await.unwrap();
    assert_eq!(outcomes.succeeded + outcomes.failed, 5);
    assert!(matches!(outcomes.first_failure, Some(SendError::Failed(Failure::Closed))), "{outcomes:?}");
    task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn commands_of_a_device_that_is_thrown_away_are_counted_as_gone() {
    let wires = Wires::default();
    let _peer = wires.lay(1024);
    let (handle, mut events, task) = spawn_with(Script::new(), wires, Options::default());
    assert_eq!(events.next().await, Some(Told::Up));
    let mut batch = handle.batch();
    for n in 0..5 {
        batch.send(format!("n{n}")).await.unwrap();
    }
    task.abort();
    let outcomes = timeout(Duration::from_mins(1), batch.settled()).await.unwrap();
    assert_eq!((outcomes.succeeded, outcomes.failed), (0, 5));
    assert_eq!(outcomes.first_failure, Some(SendError::Gone));
}

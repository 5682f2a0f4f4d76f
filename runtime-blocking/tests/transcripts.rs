//! Do both drivers do the same with a recorded conversation?
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::std_instead_of_alloc,
    clippy::std_instead_of_core,
    clippy::wildcard_enum_match_arm,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and wait for the real world"
)]

use skytether_core::{
    device::Event,
    plain::{self, Answer, Command},
};
use skytether_testing::transcript::{Application, Client, cases};
use std::{fmt::Debug, thread::JoinHandle, time::Duration};
use tokio::{runtime, time::timeout};

const PATIENCE: Duration = Duration::from_secs(10);

fn words(error: impl Debug) -> String {
    format!("{error:?}")
}

struct Threads {
    handle: skytether_blocking::Handle<Command, Answer>,
    events: skytether_blocking::Events<Event<plain::Event>>,
    pending: Vec<skytether_blocking::Pending<Answer>>,
    thread: Option<JoinHandle<()>>,
}

impl Threads {
    fn start(device: Client) -> Self {
        let (handle, events, thread) =
            skytether_blocking::spawn(device, skytether_blocking::Options::default()).unwrap();
        Self { handle, events, pending: Vec::new(), thread: Some(thread) }
    }
}

impl Application for Threads {
    fn submit(&mut self, command: Command) -> Result<(), String> {
        self.pending.push(self.handle.submit(command).map_err(words)?);
        Ok(())
    }

    fn outcome(&mut self, number: usize) -> String {
        words(self.pending[number].wait_timeout(PATIENCE).expect("an outcome in time"))
    }

    fn next(&mut self) -> Option<Event<plain::Event>> {
        self.events.next_timeout(PATIENCE).expect("an event in time")
    }

    fn reconnect_now(&mut self) {
        self.handle.reconnect_now();
    }

    fn close(&mut self) {
        self.handle.close();
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking());
        }
    }
}

struct Tasks {
    outside: runtime::Runtime,
    handle: skytether_tokio::Handle<Command, Answer>,
    events: skytether_tokio::Events<Event<plain::Event>>,
    pending: Vec<Option<skytether_tokio::Pending<Answer>>>,
}

impl Tasks {
    fn start(device: Client) -> Self {
        let outside = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (handle, events, _) =
            outside.block_on(async { skytether_tokio::spawn(device, skytether_tokio::Options::default()) });
        Self { outside, handle, events, pending: Vec::new() }
    }
}

impl Application for Tasks {
    fn submit(&mut self, command: Command) -> Result<(), String> {
        self.pending.push(Some(self.outside.block_on(self.handle.submit(command)).map_err(words)?));
        Ok(())
    }

    fn outcome(&mut self, number: usize) -> String {
        let pending = self.pending[number].take().expect("an outcome is told once");
        words(self.outside.block_on(async { timeout(PATIENCE, pending).await }).expect("an outcome in time"))
    }

    fn next(&mut self) -> Option<Event<plain::Event>> {
        self.outside.block_on(async { timeout(PATIENCE, self.events.next()).await }).expect("an event in time")
    }

    fn reconnect_now(&mut self) {
        self.handle.reconnect_now();
    }

    fn close(&mut self) {
        self.handle.close();
    }
}

#[test]
fn r_146_recorded_conversations_come_out_the_same_by_both_drivers() {
    let cases = cases();
    assert!(cases.len() >= 40, "only {} cases are played", cases.len());
    for case in &cases {
        let by_threads = case.play(Threads::start);
        let by_tasks = case.play(Tasks::start);
        assert_eq!(by_threads, by_tasks, "{}", case.id);
        assert!(by_threads.len() > 3, "{}: {by_threads:?}", case.id);
    }
}

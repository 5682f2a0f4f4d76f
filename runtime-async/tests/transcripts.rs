//! Do all drivers on std do the same with a recorded conversation?
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

#[macro_use]
mod support;

use skytether_async::{
    events::Events,
    handle::{Handle, Pending},
};
use skytether_core::{
    device::Event,
    plain::{self, Answer, Command},
};
use skytether_std::options::Options;
use skytether_testing::transcript::{Application, Client, cases};
use std::{fmt::Debug, thread::JoinHandle, time::Duration};
use support::runtime::{Runtime, Task};
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
        let (handle, events, thread) = skytether_blocking::spawn(device, Options::default()).unwrap();
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
    handle: Handle<Command, Answer>,
    events: Events<Event<plain::Event>>,
    pending: Vec<Option<Pending<Answer>>>,
    task: Option<Task>,
}

impl Tasks {
    fn start(runtime: Runtime, device: Client) -> Self {
        let outside = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (handle, events, task) = outside.block_on(async { runtime.spawn(device, Options::default()) });
        Self { outside, handle, events, pending: Vec::new(), task: Some(task) }
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

impl Drop for Tasks {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(task) = self.task.take() {
            let ended = self.outside.block_on(async { timeout(PATIENCE, task).await });
            assert!(ended.is_ok() || std::thread::panicking());
        }
    }
}

#[test]
fn r_146_recorded_conversations_come_out_the_same_by_every_driver() {
    let cases = cases();
    assert!(cases.len() >= 40, "only {} cases are played", cases.len());
    // They wait more than they work: ten at a time.
    std::thread::scope(|scope| {
        for some in cases.chunks(cases.len().div_ceil(10)) {
            scope.spawn(move || {
                for case in some {
                    let by_threads = case.play(Threads::start);
                    for runtime in [Runtime::Tokio, Runtime::Smol, Runtime::AsyncStd] {
                        let by_tasks = case.play(|device| Tasks::start(runtime, device));
                        assert_eq!(by_threads, by_tasks, "{} on {runtime:?}", case.id);
                    }
                    assert!(by_threads.len() > 3, "{}: {by_threads:?}", case.id);
                }
            });
        }
    });
}

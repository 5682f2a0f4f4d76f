//! Does this driver do the same with a recorded conversation as the others?
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::std_instead_of_alloc,
    clippy::std_instead_of_core,
    clippy::wildcard_enum_match_arm,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "tests fail by panicking, and wait for the real world"
)]

#[path = "support/real.rs"]
mod real;
#[path = "support/sim.rs"]
mod sim;
#[path = "support/wires.rs"]
mod wires;

use real::{DeviceEvents, DeviceHandle, DevicePending, PATIENCE, Tcp, let_time_pass, shared, wall};
use skytether_blocking::Options;
use skytether_core::{
    device::Event,
    plain::{self, Answer, Command},
};
use skytether_embassy::{Buffers, Runner};
use skytether_testing::transcript::{Application, Client, cases};
use std::{fmt::Debug, thread::JoinHandle};
use tokio::{runtime, task::LocalSet, time::timeout};
use wires::leak;

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

struct Embassy {
    outside: runtime::Runtime,
    handle: DeviceHandle,
    events: DeviceEvents,
    pending: Vec<Option<DevicePending>>,
    thread: Option<JoinHandle<()>>,
}

impl Embassy {
    fn start(device: Client) -> Self {
        let_time_pass();
        let shared = shared();
        let thread = std::thread::spawn(move || {
            let inside = runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let buffers = Buffers { read: leak(512), write: leak(512) };
            LocalSet::new().block_on(&inside, Runner::new(device, Tcp, shared, wall(), buffers).run());
        });
        let outside = runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { outside, handle: shared.handle(), events: shared.events(), pending: Vec::new(), thread: Some(thread) }
    }
}

impl Application for Embassy {
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

impl Drop for Embassy {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking());
        }
    }
}

#[test]
fn r_146_recorded_conversations_come_out_the_same_as_by_the_other_drivers() {
    let cases = cases();
    assert!(cases.len() >= 40, "only {} cases are played", cases.len());
    // They wait more than they work: ten at a time.
    std::thread::scope(|scope| {
        for some in cases.chunks(cases.len().div_ceil(10)) {
            scope.spawn(move || {
                for case in some {
                    let by_threads = case.play(Threads::start);
                    let by_embassy = case.play(Embassy::start);
                    assert_eq!(by_threads, by_embassy, "{}", case.id);
                    assert!(by_threads.len() > 3, "{}: {by_threads:?}", case.id);
                }
            });
        }
    });
}

//! Tokio as the lists of scenarios see a runtime.

use skytether_core::io::Machine;
use skytether_testing::drive::{PATIENCE, Running, Runtime};
use skytether_tokio::{Events, Handle, Options, spawn};
use std::time::Duration;
use tokio::{runtime, task::JoinHandle, time::timeout};

pub(crate) struct Here;

struct Device<M: Machine> {
    runtime: runtime::Runtime,
    handle: Handle<M::Command, M::Answer>,
    events: Events<M::Event>,
    task: JoinHandle<()>,
}

impl Runtime for Here {
    fn start<M>(machine: M, options: Options) -> Box<dyn Running<M>>
    where
        M: Machine + Send + 'static,
        M::Command: Send,
        M::Event: Send,
        M::Answer: Send,
    {
        let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (handle, events, task) = runtime.block_on(async { spawn(machine, options) });
        Box::new(Device::<M> { runtime, handle, events, task })
    }
}

impl<M: Machine> Running<M> for Device<M> {
    fn attempt(&self, command: M::Command) -> bool {
        self.runtime.block_on(self.handle.send(command)).is_ok()
    }

    fn submit(&self, command: M::Command) {
        assert!(self.runtime.block_on(self.handle.submit(command)).is_ok());
    }

    fn next(&mut self, longest: Duration) -> Option<M::Event> {
        let (runtime, events) = (&self.runtime, &mut self.events);
        runtime.block_on(async { timeout(longest, events.next()).await.ok().flatten() })
    }

    fn close(self: Box<Self>) {
        let Self { runtime, handle, events, task } = *self;
        handle.close();
        runtime.block_on(async { timeout(PATIENCE, task).await.expect("it closes in time").unwrap() });
        drop(events);
    }

    fn abandon(self: Box<Self>) {
        self.task.abort();
        assert!(self.runtime.block_on(self.task).is_err_and(|error| error.is_cancelled()));
    }
}

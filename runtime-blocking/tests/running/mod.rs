//! Threads as the lists of scenarios see a runtime.

use skytether_blocking::{Events, Handle, Options, spawn};
use skytether_core::io::Machine;
use skytether_testing::drive::{Running, Runtime, until};
use std::{thread::JoinHandle, time::Duration};

pub(crate) struct Here;

struct Device<M: Machine> {
    handle: Handle<M::Command, M::Answer>,
    events: Events<M::Event>,
    thread: JoinHandle<()>,
}

impl Runtime for Here {
    fn start<M>(machine: M, options: Options) -> Box<dyn Running<M>>
    where
        M: Machine + Send + 'static,
        M::Command: Send,
        M::Event: Send,
        M::Answer: Send,
    {
        let (handle, events, thread) = spawn(machine, options).unwrap();
        Box::new(Device::<M> { handle, events, thread })
    }
}

impl<M: Machine> Running<M> for Device<M> {
    fn attempt(&self, command: M::Command) -> bool {
        self.handle.send(command).is_ok()
    }

    fn submit(&self, command: M::Command) {
        assert!(self.handle.submit(command).is_ok());
    }

    fn next(&mut self, longest: Duration) -> Option<M::Event> {
        self.events.next_timeout(longest).ok().flatten()
    }

    fn close(self: Box<Self>) {
        self.handle.close();
        until("it does not close", || self.thread.is_finished());
        self.thread.join().unwrap();
    }

    fn abandon(self: Box<Self>) {
        let Self { handle, events, thread } = *self;
        drop((handle, events));
        until("it does not close", || thread.is_finished());
        thread.join().unwrap();
    }
}

//! smol as the lists of scenarios see a runtime.

use skytether_core::io::Machine;
use skytether_smol::{Events, Handle, Options, drive};
use skytether_testing::drive::{PATIENCE, Running, Runtime};
use smol::{Task, Timer, future::or};
use std::time::Duration;

pub(crate) struct Here;

struct Device<M: Machine> {
    handle: Handle<M::Command, M::Answer>,
    events: Events<M::Event>,
    task: Task<()>,
}

impl Runtime for Here {
    fn start<M>(machine: M, options: Options) -> Box<dyn Running<M>>
    where
        M: Machine + Send + 'static,
        M::Command: Send,
        M::Event: Send,
        M::Answer: Send,
    {
        let (handle, events, driver) = drive(machine, options);
        Box::new(Device::<M> { handle, events, task: smol::spawn(driver) })
    }
}

/// Waits for `work`, but no longer than `longest`.
fn within<T>(longest: Duration, work: impl Future<Output = T>) -> Option<T> {
    let late = async {
        Timer::after(longest).await;
        None
    };
    smol::block_on(or(async { Some(work.await) }, late))
}

impl<M: Machine> Running<M> for Device<M> {
    fn attempt(&self, command: M::Command) -> bool {
        smol::block_on(self.handle.send(command)).is_ok()
    }

    fn submit(&self, command: M::Command) {
        assert!(smol::block_on(self.handle.submit(command)).is_ok());
    }

    fn next(&mut self, longest: Duration) -> Option<M::Event> {
        within(longest, self.events.next()).flatten()
    }

    fn close(self: Box<Self>) {
        self.handle.close();
        within(PATIENCE, self.task).expect("it closes in time");
    }

    fn abandon(self: Box<Self>) {
        smol::block_on(self.task.cancel());
    }
}

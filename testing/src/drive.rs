//! Any runtime, as the lists of scenarios see it: so that one list holds every driver.

use skytether_core::io::Machine;
use skytether_std::options::Options;
use std::time::{Duration, Instant};

/// Longest wait for anything in a scenario.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A runtime: something that drives machines.
pub trait Runtime {
    /// Drives `machine` over the network and the serial line of `options`.
    fn start<M>(machine: M, options: Options) -> Box<dyn Running<M>>
    where
        M: Machine + Send + 'static,
        M::Command: Send,
        M::Event: Send,
        M::Answer: Send;
}

/// A machine that is being driven.
pub trait Running<M: Machine> {
    /// Hands a command in, and waits until it is done; whether it succeeded.
    fn attempt(&self, command: M::Command) -> bool;

    /// The same for one that must succeed.
    fn send(&self, command: M::Command) {
        assert!(self.attempt(command), "the command failed");
    }

    /// Hands a command in, and waits for nothing but that.
    fn submit(&self, command: M::Command);

    /// The next event; `None` where none comes in time.
    fn next(&mut self, longest: Duration) -> Option<M::Event>;

    /// Closes the device, and waits for the end of all that drives it.
    fn close(self: Box<Self>);

    /// Drops all that drives it in the middle of whatever it does. A driver on threads is closed instead.
    fn abandon(self: Box<Self>);
}

/// Waits until something is so.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

//! How events reach the application.

use crate::channels::Channels;
use core::{fmt, future::poll_fn};
use embassy_sync::blocking_mutex::raw::RawMutex;
use skytether_core::io::Machine;

/// What the device tells the application, in order, nothing left out.
///
/// While `EVENTS` of them wait the driver takes nothing more in than its read buffer holds, so that the peer waits
/// instead of our memory growing; timers, writes and the outcomes of commands go on.
pub struct Events<'a, X: RawMutex, M: Machine, const COMMANDS: usize, const EVENTS: usize> {
    channels: &'a Channels<X, M, COMMANDS, EVENTS>,
}

impl<'a, X: RawMutex, M: Machine, const COMMANDS: usize, const EVENTS: usize> Events<'a, X, M, COMMANDS, EVENTS> {
    pub(crate) fn new(channels: &'a Channels<X, M, COMMANDS, EVENTS>) -> Self {
        Self { channels }
    }

    /// The next event; `None` once the device is closed and every event was taken.
    ///
    /// Cancel safe: a dropped call takes nothing.
    #[allow(clippy::needless_pass_by_ref_mut, reason = "two calls at once would fight for one waker")]
    pub async fn next(&mut self) -> Option<M::Event> {
        poll_fn(|cx| self.channels.poll_event(cx)).await
    }
}

impl<X: RawMutex, M: Machine, const COMMANDS: usize, const EVENTS: usize> fmt::Debug
    for Events<'_, X, M, COMMANDS, EVENTS>
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Events")
    }
}

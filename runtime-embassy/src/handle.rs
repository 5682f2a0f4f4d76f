//! How an application talks to its device from any task: commands with their outcomes, and the few calls beside them.

use crate::{channels::Channels, error::SendError};
use core::{
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll},
};
use embassy_sync::blocking_mutex::raw::RawMutex;
use skytether_core::io::Machine;

/// Sends commands to a device; `Copy`, usable from any task that the raw mutex `X` allows.
pub struct Handle<'a, X: RawMutex, M: Machine, const COMMANDS: usize, const EVENTS: usize> {
    channels: &'a Channels<X, M, COMMANDS, EVENTS>,
}

impl<'a, X: RawMutex, M: Machine, const COMMANDS: usize, const EVENTS: usize> Handle<'a, X, M, COMMANDS, EVENTS> {
    pub(crate) fn new(channels: &'a Channels<X, M, COMMANDS, EVENTS>) -> Self {
        Self { channels }
    }

    /// Hands a command in and waits for its own outcome.
    ///
    /// While the device has no room, or `COMMANDS` are under way, the call waits (back-pressure). Dropping the future
    /// before the device has taken the command takes it back; afterwards the command runs on and only its outcome is
    /// lost.
    ///
    /// # Errors
    /// [`SendError`] says how far it came.
    pub async fn send(&self, command: M::Command) -> Result<M::Answer, SendError> {
        self.submit(command).await?.await
    }

    /// Hands a command in and returns as soon as the device has taken it; the outcome comes by [`Pending`].
    ///
    /// # Errors
    /// [`SendError::Rejected`] or [`SendError::Gone`]; nothing was sent then.
    pub async fn submit(&self, command: M::Command) -> Result<Pending<'a, X, M, COMMANDS, EVENTS>, SendError> {
        let mut command = Some(command);
        let index = poll_fn(|cx| self.channels.poll_place(cx, &mut command)).await?;
        let pending = Pending { channels: self.channels, index };
        poll_fn(|cx| self.channels.poll_taken(cx, index)).await?;
        Ok(pending)
    }

    /// Begins an orderly end: what is waiting is sent, the peer is told, the connection closes, every command ends.
    ///
    /// Commands that were handed in before are offered to the device first. `run` returns when this is done; the
    /// device's own time limit applies, plus half a second for the peer to hear the farewell.
    pub fn close(&self) {
        self.channels.ask(|asked| asked.close = true);
    }

    /// Dials at once instead of waiting for the back-off; wakes a device that has given up.
    pub fn reconnect_now(&self) {
        self.channels.ask(|asked| asked.reconnect = true);
    }

    /// Whether the device takes no commands any more: it is closing or closed.
    pub fn is_closed(&self) -> bool {
        self.channels.is_closed()
    }
}

impl<X: RawMutex, M: Machine, const COMMANDS: usize, const EVENTS: usize> Clone for Handle<'_, X, M, COMMANDS, EVENTS> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<X: RawMutex, M: Machine, const COMMANDS: usize, const EVENTS: usize> Copy for Handle<'_, X, M, COMMANDS, EVENTS> {}

impl<X: RawMutex, M: Machine, const COMMANDS: usize, const EVENTS: usize> fmt::Debug
    for Handle<'_, X, M, COMMANDS, EVENTS>
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("closed", &self.is_closed()).finish()
    }
}

/// The outcome of a command that the device has taken. Dropping it does not take the command back; its place is free
/// when the command ends.
#[must_use = "the command runs either way, but only this says how it ended"]
pub struct Pending<'a, X: RawMutex, M: Machine, const COMMANDS: usize, const EVENTS: usize> {
    channels: &'a Channels<X, M, COMMANDS, EVENTS>,
    /// Its place; out of range once the outcome was told.
    index: usize,
}

impl<X: RawMutex, M: Machine, const COMMANDS: usize, const EVENTS: usize> Future
    for Pending<'_, X, M, COMMANDS, EVENTS>
{
    type Output = Result<M::Answer, SendError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = self.channels.poll_outcome(cx, self.index);
        if polled.is_ready() {
            self.index = usize::MAX;
        }
        polled
    }
}

impl<X: RawMutex, M: Machine, const COMMANDS: usize, const EVENTS: usize> Drop for Pending<'_, X, M, COMMANDS, EVENTS> {
    fn drop(&mut self) {
        self.channels.leave(self.index);
    }
}

impl<X: RawMutex, M: Machine, const COMMANDS: usize, const EVENTS: usize> fmt::Debug
    for Pending<'_, X, M, COMMANDS, EVENTS>
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pending")
    }
}

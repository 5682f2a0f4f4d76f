//! How an application talks to its device from any task: commands with their outcomes, and the few calls beside them.

use crate::batch::{Batch, Ticket};
use core::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};
use skytether_core::{
    io::{Failure, Rejected},
    time::UnixMillis,
};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{
    mpsc::{self, error::TrySendError},
    oneshot,
};

/// Sends commands to a device; cheap to clone, usable from any task.
///
/// `C` is the machine's command, `A` what a command that succeeded ends in. When the last handle is dropped the device
/// is closed in order, as by [`Handle::close`].
pub struct Handle<C, A> {
    inner: Arc<Inner<C, A>>,
}

impl<C, A> Handle<C, A> {
    /// Hands a command in and waits for its own outcome.
    ///
    /// While the device has no room the call waits (back-pressure). Dropping the future before the device has taken
    /// the command may take it back; afterwards the command runs on and only its outcome is lost.
    ///
    /// # Errors
    /// [`SendError`] says how far it came.
    pub async fn send(&self, command: C) -> Result<A, SendError> {
        let (done, outcome) = oneshot::channel();
        self.place().await?.hand_in(command, Reply::Caller(done));
        Pending { outcome }.await
    }

    /// Hands a command in and returns as soon as the device has taken it; the outcome comes by [`Pending`].
    ///
    /// # Errors
    /// [`SendError::Rejected`] or [`SendError::Gone`]; nothing was sent then.
    pub async fn submit(&self, command: C) -> Result<Pending<A>, SendError> {
        let (done, outcome) = oneshot::channel();
        let (accepted, taken) = oneshot::channel();
        self.place().await?.hand_in(command, Reply::Submitter(accepted, done));
        let pending = Pending { outcome };
        if taken.await.is_ok() {
            return Ok(pending);
        }
        // Not taken: the outcome says why, and cannot be a success.
        Err(pending.await.err().unwrap_or(SendError::Gone))
    }

    /// Begins a [`Batch`]: many commands whose outcomes are counted together.
    pub fn batch(&self) -> Batch<C, A> {
        Batch::new(self.clone())
    }

    /// Begins an orderly end: what is waiting is sent, the peer is told, the connection closes, every command ends.
    ///
    /// Commands that were handed in before are offered to the device first. The task that drives it ends when this is
    /// done; the device's own time limit applies, plus half a second for the peer to hear the farewell.
    pub fn close(&self) {
        self.inner.control.ask(|asked| asked.close = true);
    }

    /// Dials at once instead of waiting for the back-off; wakes a device that has given up.
    pub fn reconnect_now(&self) {
        self.inner.control.ask(|asked| asked.reconnect = true);
    }

    /// Tells the device the wall time, where it is known better than by the system's clock.
    pub fn tell_wall(&self, wall: UnixMillis) {
        self.inner.control.ask(|asked| asked.wall = Some(wall));
    }

    /// Whether the device takes no commands any more: it is closing or closed.
    pub fn is_closed(&self) -> bool {
        self.inner.requests.is_closed()
    }

    /// Waits for room for one more command.
    pub(crate) async fn place(&self) -> Result<Place<'_, C, A>, SendError> {
        // Most often there is room, and nobody stands in line before us.
        match self.inner.requests.try_reserve() {
            Ok(place) => Ok(Place(place)),
            Err(TrySendError::Closed(())) => Err(SendError::Gone),
            Err(TrySendError::Full(())) => self.inner.requests.reserve().await.map(Place).map_err(|_| SendError::Gone),
        }
    }
}

impl<C, A> Clone for Handle<C, A> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<C, A> fmt::Debug for Handle<C, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("closed", &self.is_closed()).finish()
    }
}

/// The outcome of a command that the device has taken. Dropping it does not take the command back.
#[must_use = "the command runs either way, but only this says how it ended"]
pub struct Pending<A> {
    outcome: oneshot::Receiver<Result<A, SendError>>,
}

impl<A> Future for Pending<A> {
    type Output = Result<A, SendError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.outcome).poll(cx).map(|outcome| outcome.unwrap_or(Err(SendError::Gone)))
    }
}

impl<A> fmt::Debug for Pending<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pending")
    }
}

/// Why a command did not succeed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SendError {
    /// The device did not take it; nothing was sent. `Full` comes only where waiting could not help.
    Rejected(Rejected),
    /// The device took it, and it ended without success.
    Failed(Failure),
    /// The device is closing or its task has ended.
    Gone,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(why) => write!(f, "not accepted: {why}"),
            Self::Failed(why) => write!(f, "failed: {why}"),
            Self::Gone => f.write_str("the device is closed"),
        }
    }
}

impl core::error::Error for SendError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Rejected(why) => Some(why),
            Self::Failed(why) => Some(why),
            Self::Gone => None,
        }
    }
}

/// Room for one command on its way to the machine.
pub(crate) struct Place<'a, C, A>(mpsc::Permit<'a, Request<C, A>>);

impl<C, A> Place<'_, C, A> {
    pub(crate) fn hand_in(self, command: C, reply: Reply<A>) {
        self.0.send(Request { command, reply });
    }
}

/// A command on its way to the machine.
pub(crate) struct Request<C, A> {
    pub(crate) command: C,
    pub(crate) reply: Reply<A>,
}

/// Who wants to hear how a command ends. Dropped, it says that the device is gone.
pub(crate) enum Reply<A> {
    /// Of [`Handle::send`].
    Caller(oneshot::Sender<Result<A, SendError>>),
    /// Of [`Handle::submit`]: told first when the machine has taken it.
    Submitter(oneshot::Sender<()>, oneshot::Sender<Result<A, SendError>>),
    /// Of a [`Batch`].
    Batch(Ticket),
}

impl<A> Reply<A> {
    /// The machine has taken the command.
    pub(crate) fn accept(self) -> Self {
        match self {
            Self::Submitter(accepted, done) => {
                // A caller that has gone away does not want it.
                let _ = accepted.send(());
                Self::Caller(done)
            }
            Self::Caller(_) | Self::Batch(_) => self,
        }
    }

    /// The command has ended.
    pub(crate) fn tell(self, outcome: Result<A, SendError>) {
        match self {
            Self::Caller(done) | Self::Submitter(_, done) => {
                // As above.
                let _ = done.send(outcome);
            }
            Self::Batch(ticket) => ticket.tell(outcome.map(|_| ())),
        }
    }
}

/// The driver's end of the channel of commands.
pub(crate) type Requests<C, A> = mpsc::Receiver<Request<C, A>>;

/// What was asked beside the commands since the driver looked last: at most one of each, so that it cannot grow.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Asked {
    pub(crate) close: bool,
    pub(crate) reconnect: bool,
    pub(crate) wall: Option<UnixMillis>,
}

/// The way for what must not wait behind commands.
#[derive(Default)]
pub(crate) struct Control {
    state: Mutex<(Asked, Option<Waker>)>,
}

impl Control {
    fn ask(&self, ask: impl FnOnce(&mut Asked)) {
        let driver = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            ask(&mut state.0);
            state.1.take()
        };
        if let Some(driver) = driver {
            driver.wake();
        }
    }

    /// What was asked since the last call; registers the task for the next.
    pub(crate) fn poll_asked(&self, cx: &Context<'_>) -> Asked {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.1 = Some(cx.waker().clone());
        core::mem::take(&mut state.0)
    }
}

/// A handle, and the driver's ends of it; `commands` may wait between them.
pub(crate) fn handle<C, A>(commands: usize) -> (Handle<C, A>, Requests<C, A>, Arc<Control>) {
    let (requests, incoming) = mpsc::channel(commands.max(1));
    let control = Arc::new(Control::default());
    let inner = Inner { requests, control: Arc::clone(&control) };
    (Handle { inner: Arc::new(inner) }, incoming, control)
}

struct Inner<C, A> {
    requests: mpsc::Sender<Request<C, A>>,
    control: Arc<Control>,
}

impl<C, A> Drop for Inner<C, A> {
    fn drop(&mut self) {
        self.control.ask(|asked| asked.close = true);
    }
}

//! How does an application talk to its device from any thread? By commands with their outcomes, and a few calls beside.

use crate::{bell::Bell, clock, events::Elapsed};
use core::{fmt, time::Duration};
use skytether_core::{
    io::{Failure, Rejected},
    time::UnixMillis,
};
use std::{
    collections::VecDeque,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel},
    },
    time::Instant,
};

/// Sends commands to a device; cheap to clone, usable from any thread.
///
/// `C` is the machine's command, `A` what a command that succeeded ends in. When the last handle is dropped the device
/// is closed in order, as by [`Handle::close`]. No call of it may be made from a [`Tap`](crate::Tap): it would wait for
/// the thread that it keeps from going on.
pub struct Handle<C, A> {
    inner: Arc<Inner<C, A>>,
}

impl<C, A> Handle<C, A> {
    /// Hands a command in and waits for its own outcome. While the device has no room the call waits (back-pressure).
    ///
    /// # Errors
    /// [`SendError`] says how far it came.
    pub fn send(&self, command: C) -> Result<A, SendError> {
        let (done, outcome) = sync_channel(1);
        self.inner.queue.push(Request { command, accepted: None, done }, None)?;
        Pending { outcome }.wait()
    }

    /// As [`Handle::send`], but waits for `longest` at most.
    ///
    /// # Errors
    /// Those of [`Handle::send`], and [`SendError::Elapsed`]: then the command may still be on its way, and only its
    /// outcome is lost. Who must know it uses [`Handle::submit`] and [`Pending::wait_timeout`].
    pub fn send_timeout(&self, command: C, longest: Duration) -> Result<A, SendError> {
        let until = clock::real().checked_add(longest);
        let (done, outcome) = sync_channel(1);
        self.inner.queue.push(Request { command, accepted: None, done }, until)?;
        let left = until.map_or(Duration::MAX, |until| until.saturating_duration_since(clock::real()));
        Pending { outcome }.wait_timeout(left).unwrap_or(Err(SendError::Elapsed))
    }

    /// Hands a command in and returns as soon as the device has taken it; the outcome comes by [`Pending`].
    ///
    /// # Errors
    /// [`SendError::Rejected`] or [`SendError::Gone`]; nothing was sent then.
    pub fn submit(&self, command: C) -> Result<Pending<A>, SendError> {
        let (done, outcome) = sync_channel(1);
        let (accepted, taken) = sync_channel(1);
        self.inner.queue.push(Request { command, accepted: Some(accepted), done }, None)?;
        let pending = Pending { outcome };
        if taken.recv().is_ok() {
            return Ok(pending);
        }
        // Not taken: the outcome says why, and cannot be a success.
        Err(pending.wait().err().unwrap_or(SendError::Gone))
    }

    /// Begins an orderly end: what is waiting is sent, the peer is told, the connection closes, every command ends.
    ///
    /// Commands that were handed in before are offered to the device first. The thread that drives it ends when this is
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
        self.inner.queue.lock().closed
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
    outcome: Receiver<Result<A, SendError>>,
}

impl<A> Pending<A> {
    /// Waits for the outcome.
    ///
    /// # Errors
    /// [`SendError::Failed`] or [`SendError::Gone`].
    pub fn wait(self) -> Result<A, SendError> {
        self.outcome.recv().unwrap_or(Err(SendError::Gone))
    }

    /// Waits for the outcome for `longest` at most; what comes later is still there for the next call. A second call
    /// after the outcome was taken gives [`SendError::Gone`].
    ///
    /// # Errors
    /// [`Elapsed`] when it did not come in time.
    pub fn wait_timeout(&self, longest: Duration) -> Result<Result<A, SendError>, Elapsed> {
        match self.outcome.recv_timeout(longest) {
            Ok(outcome) => Ok(outcome),
            Err(RecvTimeoutError::Timeout) => Err(Elapsed),
            Err(RecvTimeoutError::Disconnected) => Ok(Err(SendError::Gone)),
        }
    }

    /// The outcome if it is there already. A second call after it was taken gives [`SendError::Gone`].
    pub fn try_take(&self) -> Option<Result<A, SendError>> {
        match self.outcome.try_recv() {
            Ok(outcome) => Some(outcome),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Err(SendError::Gone)),
        }
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
    /// The device is closing or its thread has ended.
    Gone,
    /// The time that the caller gave is over; the command may still be on its way.
    Elapsed,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(why) => write!(f, "not accepted: {why}"),
            Self::Failed(why) => write!(f, "failed: {why}"),
            Self::Gone => f.write_str("the device is closed"),
            Self::Elapsed => f.write_str("no outcome in the time given; the command may still be on its way"),
        }
    }
}

impl core::error::Error for SendError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Rejected(why) => Some(why),
            Self::Failed(why) => Some(why),
            Self::Gone | Self::Elapsed => None,
        }
    }
}

/// A command on its way to the machine.
pub(crate) struct Request<C, A> {
    pub(crate) command: C,
    /// For [`Handle::submit`]: told when the machine has taken it.
    pub(crate) accepted: Option<SyncSender<()>>,
    pub(crate) done: SyncSender<Result<A, SendError>>,
}

/// The driver's end of the queue of commands. Dropping it closes the queue.
pub(crate) struct Requests<C, A>(Arc<Queue<C, A>>);

impl<C, A> Requests<C, A> {
    pub(crate) fn take(&self) -> Option<Request<C, A>> {
        let request = self.0.lock().waiting.pop_front();
        if request.is_some() {
            self.0.room.notify_one();
        }
        request
    }

    /// Lets no more in; what is inside can still be taken.
    pub(crate) fn close(&self) {
        self.0.lock().closed = true;
        self.0.room.notify_all();
    }
}

impl<C, A> Drop for Requests<C, A> {
    fn drop(&mut self) {
        self.close();
        // Dropped outside the lock, one by one: their callers hear that the device is gone.
        while self.take().is_some() {}
    }
}

/// What was asked beside the commands since the driver looked last: at most one of each, so that it cannot grow.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Asked {
    pub(crate) close: bool,
    pub(crate) reconnect: bool,
    pub(crate) wall: Option<UnixMillis>,
}

/// The way for what must not wait behind commands.
pub(crate) struct Control {
    asked: Mutex<Asked>,
    bell: Bell,
}

impl Control {
    fn ask(&self, ask: impl FnOnce(&mut Asked)) {
        ask(&mut self.asked.lock().unwrap_or_else(PoisonError::into_inner));
        self.bell.ring();
    }

    /// What was asked since the last call.
    pub(crate) fn take(&self) -> Asked {
        core::mem::take(&mut self.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A handle, and the driver's ends of it; `commands` may wait between them.
pub(crate) fn handle<C, A>(commands: usize, bell: &Bell) -> (Handle<C, A>, Requests<C, A>, Arc<Control>) {
    let control = Arc::new(Control { asked: Mutex::default(), bell: bell.clone() });
    let state = State { waiting: VecDeque::new(), closed: false };
    let queue = Arc::new(Queue {
        state: Mutex::new(state),
        room: Condvar::new(),
        capacity: commands.max(1),
        bell: bell.clone(),
    });
    let inner = Inner { queue: Arc::clone(&queue), control: Arc::clone(&control) };
    (Handle { inner: Arc::new(inner) }, Requests(queue), control)
}

struct Queue<C, A> {
    state: Mutex<State<C, A>>,
    room: Condvar,
    capacity: usize,
    bell: Bell,
}

struct State<C, A> {
    waiting: VecDeque<Request<C, A>>,
    closed: bool,
}

impl<C, A> Queue<C, A> {
    /// Nothing of the user's runs under this lock, so that a poisoned one is still whole.
    fn lock(&self) -> MutexGuard<'_, State<C, A>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, request: Request<C, A>, until: Option<Instant>) -> Result<(), SendError> {
        let mut state = self.lock();
        while !state.closed && state.waiting.len() >= self.capacity {
            let Some(until) = until else {
                state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = until.saturating_duration_since(clock::real());
            if left.is_zero() {
                return Err(SendError::Elapsed);
            }
            state = self.room.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        if state.closed {
            return Err(SendError::Gone);
        }
        state.waiting.push_back(request);
        drop(state);
        self.bell.ring();
        Ok(())
    }
}

struct Inner<C, A> {
    queue: Arc<Queue<C, A>>,
    control: Arc<Control>,
}

impl<C, A> Drop for Inner<C, A> {
    fn drop(&mut self) {
        self.control.ask(|asked| asked.close = true);
    }
}

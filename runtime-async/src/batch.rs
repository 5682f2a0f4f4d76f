//! How an application sends many commands and learns of their outcomes together.

use crate::handle::{Handle, Reply, SendError};
use core::{
    fmt,
    future::poll_fn,
    task::{Context, Poll, Waker},
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Many commands, one account of how they ended; from [`Handle::batch`].
///
/// For streams of telemetry: a command costs no channel of its own, and nothing waits for its outcome, yet no failure
/// goes unseen. Dropping it takes no command back; only the account is lost.
pub struct Batch<C, A> {
    handle: Handle<C, A>,
    tally: Arc<Tally>,
}

/// How the commands of a [`Batch`] have ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Outcomes {
    /// Commands that succeeded.
    pub succeeded: u64,
    /// Commands that did not: rejected, failed, or given back by a device that is gone.
    pub failed: u64,
    /// Why the first of them did not.
    pub first_failure: Option<SendError>,
}

impl<C, A> Batch<C, A> {
    pub(crate) fn new(handle: Handle<C, A>) -> Self {
        Self { handle, tally: Arc::default() }
    }

    /// Hands a command in. While the device has no room the call waits (back-pressure).
    ///
    /// Dropping the future before the command was handed in takes it back, and it is not counted.
    ///
    /// # Errors
    /// [`SendError::Gone`] if the device is closing or closed; the command is not counted then.
    pub async fn send(&self, command: C) -> Result<(), SendError> {
        let place = self.handle.place().await?;
        self.tally.lock().open += 1;
        place.hand_in(command, Reply::Batch(Ticket { tally: Some(Arc::clone(&self.tally)) }));
        Ok(())
    }

    /// The outcomes until now.
    pub fn outcomes(&self) -> Outcomes {
        self.tally.lock().outcomes
    }

    /// Waits until every command that was handed in has ended; more may follow.
    ///
    /// Cancel safe.
    pub async fn settled(&mut self) -> Outcomes {
        poll_fn(|cx| self.tally.poll_settled(cx)).await
    }
}

impl<C, A> fmt::Debug for Batch<C, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").field("outcomes", &self.outcomes()).finish_non_exhaustive()
    }
}

/// One command of a batch, on its way.
pub(crate) struct Ticket {
    /// `None` once it was told.
    tally: Option<Arc<Tally>>,
}

impl Ticket {
    pub(crate) fn tell(mut self, outcome: Result<(), SendError>) {
        if let Some(tally) = self.tally.take() {
            tally.count(outcome);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(tally) = self.tally.take() {
            tally.count(Err(SendError::Gone));
        }
    }
}

#[derive(Default)]
struct Tally {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    outcomes: Outcomes,
    /// Commands handed in and not ended.
    open: u64,
    waiting: Option<Waker>,
}

impl Tally {
    /// Nothing of the user's runs under this lock, so that a poisoned one is still whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, outcome: Result<(), SendError>) {
        let settled = {
            let mut state = self.lock();
            match outcome {
                Ok(()) => state.outcomes.succeeded += 1,
                Err(why) => {
                    state.outcomes.failed += 1;
                    state.outcomes.first_failure.get_or_insert(why);
                }
            }
            state.open -= 1;
            if state.open == 0 { state.waiting.take() } else { None }
        };
        if let Some(waiting) = settled {
            waiting.wake();
        }
    }

    fn poll_settled(&self, cx: &Context<'_>) -> Poll<Outcomes> {
        let mut state = self.lock();
        if state.open == 0 {
            return Poll::Ready(state.outcomes);
        }
        state.waiting = Some(cx.waker().clone());
        Poll::Pending
    }
}

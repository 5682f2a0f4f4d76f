//! How is a pipe opened without holding the driver? By one thread that opens what is wanted last.
//!
//! The system's name look-up cannot be taken back. A look-up that hangs delays the next one and no more: there is never
//! a second thread, and at the end of the driver it is left to end by itself if it does not within half a second.

use crate::{
    bell::Bell,
    pipe::{Attempt, Connector},
};
use core::{panic::AssertUnwindSafe, time::Duration};
use skytether_core::io::{Cause, Pipe};
use skytether_std::filter::Filter;
use std::{
    panic::catch_unwind,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{Builder, JoinHandle},
};

/// How long the end of the driver waits for a look-up.
const PATIENCE: Duration = Duration::from_millis(500);

/// A stream and what stands between it and the machine, or why there is none.
type Opened<S> = Result<(S, Option<Filter>), Cause>;

/// The driver's end of the thread that opens pipes; the thread begins with the first pipe.
pub(crate) struct Opener<K: Connector> {
    shared: Arc<Shared<K::Stream>>,
    connector: Option<K>,
    thread: Option<JoinHandle<()>>,
    attempt: Attempt,
}

struct Shared<S> {
    state: Mutex<State<S>>,
    changed: Condvar,
    bell: Bell,
}

struct State<S> {
    wanted: Option<(Pipe, Attempt)>,
    opened: Option<Opened<S>>,
    stopping: bool,
    ended: bool,
}

impl<K: Connector> Opener<K> {
    pub(crate) fn new(connector: K, bell: Bell) -> Self {
        let state = State { wanted: None, opened: None, stopping: false, ended: false };
        let shared = Shared { state: Mutex::new(state), changed: Condvar::new(), bell };
        Self { shared: Arc::new(shared), connector: Some(connector), thread: None, attempt: Attempt::default() }
    }

    /// Begins to open a pipe, instead of the one before.
    pub(crate) fn open(&mut self, pipe: &Pipe) {
        self.abandon();
        self.attempt = Attempt::default();
        self.shared.lock().wanted = Some((pipe.clone(), self.attempt.clone()));
        self.shared.changed.notify_all();
        let Some(connector) = self.connector.take() else {
            return;
        };
        let shared = Arc::clone(&self.shared);
        let begun = Builder::new().name("skytether-open".into()).spawn(move || shared.run(&connector));
        match begun {
            Ok(thread) => self.thread = Some(thread),
            Err(error) => {
                tracing::error!(%error, "no thread to open a connection with");
                self.shared.lock().ended = true;
            }
        }
    }

    /// Wants no pipe any more.
    pub(crate) fn abandon(&self) {
        self.attempt.abandon();
        let dropped = {
            let mut state = self.shared.lock();
            (state.wanted.take(), state.opened.take())
        };
        drop(dropped);
    }

    /// The pipe that was wanted, or why there is none; `None` while it is being opened.
    pub(crate) fn take(&self) -> Option<Opened<K::Stream>> {
        let mut state = self.shared.lock();
        if state.ended && state.wanted.take().is_some() {
            return Some(Err(Cause::Unsupported("a thread to open a connection with")));
        }
        state.opened.take()
    }
}

impl<K: Connector> Drop for Opener<K> {
    fn drop(&mut self) {
        self.abandon();
        self.shared.lock().stopping = true;
        self.shared.changed.notify_all();
        let Some(thread) = self.thread.take() else {
            return;
        };
        let waited = self.shared.changed.wait_timeout_while(self.shared.lock(), PATIENCE, |state| !state.ended);
        let ended = waited.unwrap_or_else(PoisonError::into_inner).0.ended;
        if !ended || thread.join().is_err() {
            tracing::debug!("a name look-up still hangs; its thread ends with it");
        }
    }
}

impl<S> Shared<S> {
    fn run(&self, connector: &impl Connector<Stream = S>) {
        while let Some((pipe, attempt)) = self.next() {
            let open = || {
                let filter = connector.filter(&pipe)?;
                connector.open(&pipe, &attempt).map(|stream| (stream, filter))
            };
            let opened = catch_unwind(AssertUnwindSafe(open)).unwrap_or_else(|_| {
                tracing::error!("the connector has panicked");
                Err(Cause::Lost)
            });
            let mut state = self.lock();
            // Asked under the lock, so that nothing can be left for one who has gone away.
            if attempt.is_wanted() {
                state.opened = Some(opened);
                drop(state);
                self.bell.ring();
            }
        }
        self.lock().ended = true;
        self.changed.notify_all();
    }

    fn next(&self) -> Option<(Pipe, Attempt)> {
        let waited = self.changed.wait_while(self.lock(), |state| state.wanted.is_none() && !state.stopping);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        if state.stopping { None } else { state.wanted.take() }
    }

    fn lock(&self) -> MutexGuard<'_, State<S>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

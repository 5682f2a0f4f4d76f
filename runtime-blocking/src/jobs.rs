//! How are values stored without holding the driver? By one thread that does request after request.

use crate::bell::Bell;
use core::{fmt, panic::AssertUnwindSafe};
use skytether_core::io::{Key, Slot, StoreFailed};
use skytether_std::store::Store;
use std::{
    collections::VecDeque,
    io,
    panic::catch_unwind,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, Sender, channel},
    },
    thread::{Builder, JoinHandle},
};
use zeroize::Zeroizing;

/// A request to the store.
pub(crate) enum Job {
    Load(Key),
    Store(Key, Zeroizing<Vec<u8>>),
    Delete(Key),
    Write(Slot, u64, Vec<u8>),
}

/// How a request ended.
pub(crate) enum Finished {
    Loaded(Key, Result<Option<Zeroizing<Vec<u8>>>, StoreFailed>),
    Stored(Key, Result<(), StoreFailed>),
    Written(Slot, u64, Result<(), StoreFailed>),
}

/// Has requests done one after the other: two values of one key never overtake each other. Dropping it waits until all
/// are done.
pub(crate) struct Jobs {
    store: Option<Store>,
    worker: Option<(Sender<Job>, JoinHandle<()>)>,
    finished: Arc<Mutex<VecDeque<Finished>>>,
    bell: Bell,
}

impl Jobs {
    pub(crate) fn new(store: Option<Store>, bell: Bell) -> Self {
        Self { store, worker: None, finished: Arc::default(), bell }
    }

    pub(crate) fn push(&mut self, job: Job) {
        if self.worker.is_none() {
            self.worker = self.begin();
        }
        let left = match &self.worker {
            Some((jobs, _)) => jobs.send(job).err().map(|unsent| unsent.0),
            None => Some(job),
        };
        if let Some(job) = left {
            lock(&self.finished).push_back(job.failed());
            self.bell.ring();
        }
    }

    pub(crate) fn take_finished(&self) -> Option<Finished> {
        lock(&self.finished).pop_front()
    }

    fn begin(&self) -> Option<(Sender<Job>, JoinHandle<()>)> {
        let store = self.store.clone()?;
        let (jobs, incoming) = channel();
        let finished = Arc::clone(&self.finished);
        let bell = self.bell.clone();
        let begun =
            Builder::new().name("skytether-store".into()).spawn(move || work(&store, &incoming, &finished, &bell));
        match begun {
            Ok(thread) => Some((jobs, thread)),
            Err(error) => {
                tracing::error!(%error, "no thread for the store");
                None
            }
        }
    }
}

impl Drop for Jobs {
    fn drop(&mut self) {
        if let Some((jobs, thread)) = self.worker.take() {
            drop(jobs);
            // It catches what panics inside.
            let _ = thread.join();
        }
    }
}

fn work(store: &Store, incoming: &Receiver<Job>, finished: &Mutex<VecDeque<Finished>>, bell: &Bell) {
    for job in incoming {
        let failed = job.failed();
        let done = catch_unwind(AssertUnwindSafe(|| job.run(store))).unwrap_or(failed);
        lock(finished).push_back(done);
        bell.ring();
    }
}

fn lock(finished: &Mutex<VecDeque<Finished>>) -> MutexGuard<'_, VecDeque<Finished>> {
    finished.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Job {
    fn failed(&self) -> Finished {
        match self {
            Self::Load(key) => Finished::Loaded(key.clone(), Err(StoreFailed)),
            Self::Store(key, _) | Self::Delete(key) => Finished::Stored(key.clone(), Err(StoreFailed)),
            Self::Write(slot, at, _) => Finished::Written(*slot, *at, Err(StoreFailed)),
        }
    }

    fn run(self, store: &Store) -> Finished {
        match self {
            Self::Load(key) => {
                let value = told("load", &key, store.load(&key));
                Finished::Loaded(key, value)
            }
            Self::Store(key, value) => {
                let done = told("store", &key, store.store(&key, &value));
                Finished::Stored(key, done)
            }
            Self::Delete(key) => {
                let done = told("delete", &key, store.delete(&key));
                Finished::Stored(key, done)
            }
            Self::Write(slot, at, bytes) => {
                let done = told("write", &slot.0, store.write(slot, at, &bytes));
                Finished::Written(slot, at, done)
            }
        }
    }
}

/// The machine hears only that it failed; the log hears why.
fn told<T>(step: &str, what: &dyn fmt::Display, result: io::Result<T>) -> Result<T, StoreFailed> {
    result.map_err(|error| {
        tracing::warn!(step, %what, %error, "the store failed");
        StoreFailed
    })
}

//! How values are kept without holding the driver up: one request after the other, on a thread for blocking work.

use core::{
    fmt,
    future::Future as _,
    pin::Pin,
    task::{Context, Poll},
};
use skytether_core::io::{Key, Slot, StoreFailed};
use skytether_std::store::Store;
use std::{collections::VecDeque, io};
use tokio::task::{JoinHandle, spawn_blocking};
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

/// Does requests one after the other, off the driver's thread: two values of one key never overtake each other.
pub(crate) struct Jobs {
    store: Option<Store>,
    waiting: VecDeque<Job>,
    running: Option<(JoinHandle<Finished>, Finished)>,
}

impl Jobs {
    pub(crate) fn new(store: Option<Store>) -> Self {
        Self { store, waiting: VecDeque::new(), running: None }
    }

    pub(crate) fn push(&mut self, job: Job) {
        self.waiting.push_back(job);
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.running.is_none()
    }

    pub(crate) fn poll_finished(&mut self, cx: &mut Context<'_>) -> Poll<Finished> {
        if self.running.is_none()
            && let Some(job) = self.waiting.pop_front()
        {
            let failed = job.failed();
            let Some(store) = self.store.clone() else {
                return Poll::Ready(failed);
            };
            self.running = Some((spawn_blocking(move || job.run(&store)), failed));
        }
        let Some((running, _)) = &mut self.running else {
            return Poll::Pending;
        };
        let Poll::Ready(outcome) = Pin::new(running).poll(cx) else {
            return Poll::Pending;
        };
        match (outcome, self.running.take()) {
            (Ok(finished), _) | (Err(_), Some((_, finished))) => Poll::Ready(finished),
            (Err(_), None) => Poll::Pending,
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::directory(folder.path().join("made/on/demand")).unwrap();
        (folder, store)
    }

    #[tokio::test]
    async fn without_a_store_every_request_fails() {
        let mut jobs = Jobs::new(None);
        jobs.push(Job::Load(Key::Hub));
        jobs.push(Job::Store(Key::Ota, Zeroizing::new(vec![1])));
        jobs.push(Job::Write(Slot(0), 7, vec![1]));
        let mut next = async || core::future::poll_fn(|cx| jobs.poll_finished(cx)).await;
        assert!(matches!(next().await, Finished::Loaded(Key::Hub, Err(StoreFailed))));
        assert!(matches!(next().await, Finished::Stored(Key::Ota, Err(StoreFailed))));
        assert!(matches!(next().await, Finished::Written(Slot(0), 7, Err(StoreFailed))));
        assert!(jobs.is_idle());
    }

    #[tokio::test]
    async fn requests_are_done_in_order_and_a_failure_is_told() {
        let (folder, store) = store();
        let mut jobs = Jobs::new(Some(store));
        jobs.push(Job::Store(Key::Hub, Zeroizing::new(b"a".to_vec())));
        jobs.push(Job::Load(Key::Hub));
        let mut next = async || core::future::poll_fn(|cx| jobs.poll_finished(cx)).await;
        assert!(matches!(next().await, Finished::Stored(Key::Hub, Ok(()))));
        assert!(matches!(next().await, Finished::Loaded(Key::Hub, Ok(Some(value))) if value.as_slice() == b"a"));
        // A file where the directory was.
        let place = folder.path().join("made/on/demand");
        fs::remove_dir_all(&place).unwrap();
        fs::write(&place, b"").unwrap();
        jobs.push(Job::Store(Key::Hub, Zeroizing::new(b"b".to_vec())));
        let mut next = async || core::future::poll_fn(|cx| jobs.poll_finished(cx)).await;
        assert!(matches!(next().await, Finished::Stored(Key::Hub, Err(StoreFailed))));
    }
}

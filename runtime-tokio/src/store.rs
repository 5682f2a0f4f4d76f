//! How values are kept without holding the driver up: one request after the other, on a thread for blocking work.

use core::{
    future::Future as _,
    pin::Pin,
    task::{Context, Poll},
};
use skytether_std::{
    job::{Finished, Job},
    store::Store,
};
use std::collections::VecDeque;
use tokio::task::{JoinHandle, spawn_blocking};

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

#[cfg(test)]
mod tests {
    use super::*;
    use skytether_core::io::{Key, Slot, StoreFailed};
    use std::fs;
    use zeroize::Zeroizing;

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

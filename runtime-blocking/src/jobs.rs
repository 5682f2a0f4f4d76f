//! How are values stored without holding the driver? By one thread that does request after request.

use crate::bell::Bell;
use core::panic::AssertUnwindSafe;
use skytether_std::{
    job::{Finished, Job},
    store::Store,
};
use std::{
    collections::VecDeque,
    panic::catch_unwind,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, Sender, channel},
    },
    thread::{Builder, JoinHandle},
};

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

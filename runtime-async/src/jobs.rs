//! How values are kept without holding the driver up: one request after the other, on a thread for blocking work.

use crate::platform::Platform;
use core::{
    future::Future,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll},
};
use skytether_std::{
    job::{Finished, Job},
    store::Store,
};
use std::collections::VecDeque;

/// The work on its thread: it ends with the outcome, or with nothing if it could not be done.
type Running = Pin<Box<dyn Future<Output = Option<Finished>> + Send>>;

/// Does requests one after the other, off the driver's thread: two values of one key never overtake each other.
pub(crate) struct Jobs<P> {
    store: Option<Store>,
    waiting: VecDeque<Job>,
    running: Option<(Running, Finished)>,
    platform: PhantomData<fn() -> P>,
}

impl<P: Platform> Jobs<P> {
    pub(crate) fn new(store: Option<Store>) -> Self {
        Self { store, waiting: VecDeque::new(), running: None, platform: PhantomData }
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
            self.running = Some((Box::pin(P::blocking(move || job.run(&store))), failed));
        }
        let Some((running, _)) = &mut self.running else {
            return Poll::Pending;
        };
        let Poll::Ready(outcome) = running.as_mut().poll(cx) else {
            return Poll::Pending;
        };
        match (outcome, self.running.take()) {
            (Some(finished), _) | (None, Some((_, finished))) => Poll::Ready(finished),
            (None, None) => Poll::Pending,
        }
    }
}

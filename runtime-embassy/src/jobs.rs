//! What a machine asks of its store, one request after the other: two values of one key never overtake each other.

use crate::{engine::Desk, log, store::Store};
use alloc::vec::Vec;
use embassy_sync::{
    blocking_mutex::raw::{NoopRawMutex, RawMutex},
    mutex::Mutex,
};
use skytether_core::io::{Input, Key, Machine, Slot};
use zeroize::Zeroizing;

/// A request to the store. What is to be stored is wiped on drop.
pub(crate) enum Job {
    Load(Key),
    Store(Key, Zeroizing<Vec<u8>>),
    Delete(Key),
    Write(Slot, u64, Vec<u8>),
}

/// Does what is asked of the store, for ever.
pub(crate) async fn jobs<X: RawMutex, M: Machine, S: Store, const C: usize, const E: usize>(
    desk: &Desk<'_, X, M, C, E>,
    store: &Mutex<NoopRawMutex, S>,
) {
    loop {
        let job = desk
            .until(|engine| {
                engine.working = !engine.jobs.is_empty();
                engine.jobs.pop_front()
            })
            .await;
        let mut store = store.lock().await;
        match job {
            Job::Load(key) => {
                let value = store.load(&key).await;
                if value.is_err() {
                    log::problem!("the store could not load {}", key);
                }
                let value = value.as_ref().map_err(|failed| *failed);
                let value = value.map(|value| value.as_ref().map(|value| value.as_slice()));
                desk.with(|engine| engine.feed(Input::Loaded(key, value)));
            }
            Job::Store(key, value) => {
                let done = store.store(&key, &value).await;
                if done.is_err() {
                    log::problem!("the store could not store {}", key);
                }
                desk.with(|engine| engine.feed(Input::Stored(key, done)));
            }
            Job::Delete(key) => {
                let done = store.delete(&key).await;
                if done.is_err() {
                    log::problem!("the store could not delete {}", key);
                }
                desk.with(|engine| engine.feed(Input::Stored(key, done)));
            }
            Job::Write(slot, at, bytes) => {
                let done = store.write(slot, at, &bytes).await;
                if done.is_err() {
                    log::problem!("the store could not write slot {}", slot.0);
                }
                desk.with(|engine| engine.feed(Input::Written(slot, at, done)));
            }
        }
        desk.with(|engine| {
            engine.working = false;
            engine.changed = true;
        });
    }
}

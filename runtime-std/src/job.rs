//! What a machine asks of its store, as a job for whatever thread a runtime keeps for it.

use crate::{fault, store::Store};
use core::fmt;
use skytether_core::io::{Action, Cause, ExchangeId, Input, Key, Reply, Slot, StoreFailed};
use std::io;
use zeroize::Zeroizing;

/// A request to the store: the storage actions of `skytether_core::io`. What is to be stored is wiped on drop.
#[allow(clippy::exhaustive_enums, reason = "runtimes build it, one variant for each storage action")]
pub enum Job {
    /// Look a value up.
    Load(Key),
    /// Store a value, whole or not at all.
    Store(Key, Zeroizing<Vec<u8>>),
    /// Delete a value.
    Delete(Key),
    /// Write a range of a slot.
    Write(Slot, u64, Vec<u8>),
    /// Write a part of an exchange's body into its slot.
    Keep {
        /// Whose body.
        exchange: ExchangeId,
        /// The slot.
        slot: Slot,
        /// Bytes from its start.
        at: u64,
        /// The part; none where the slot is only to be made ready.
        bytes: Vec<u8>,
        /// Whether the slot is first cut off at `at`: what it held behind that is of an older body.
        first: bool,
    },
}

/// How a request ended.
#[allow(clippy::exhaustive_enums, reason = "runtimes match it, one variant for each storage input")]
pub enum Finished {
    /// A value was looked up; it is wiped on drop.
    Loaded(Key, Result<Option<Zeroizing<Vec<u8>>>, StoreFailed>),
    /// A store or delete is done.
    Stored(Key, Result<(), StoreFailed>),
    /// A range of a slot was written.
    Written(Slot, u64, Result<(), StoreFailed>),
    /// A part of an exchange's body is safe in its slot, or why it is not.
    Kept(ExchangeId, Result<Vec<u8>, Cause>),
}

impl Job {
    /// The request that an action makes; `None` for an action that is none of the store's.
    pub fn of(action: Action) -> Option<Self> {
        Some(match action {
            Action::Load(key) => Self::Load(key),
            Action::Store(key, value) => Self::Store(key, value.into()),
            Action::Delete(key) => Self::Delete(key),
            Action::Write(slot, at, bytes) => Self::Write(slot, at, bytes),
            Action::Open(_) | Action::Close | Action::Exchange(..) | Action::Cancel(_) | Action::AskWall => {
                return None;
            }
        })
    }

    /// What the machine hears where there is no store, or the job could not be run.
    pub fn failed(&self) -> Finished {
        match self {
            Self::Load(key) => Finished::Loaded(key.clone(), Err(StoreFailed)),
            Self::Store(key, _) | Self::Delete(key) => Finished::Stored(key.clone(), Err(StoreFailed)),
            Self::Write(slot, at, _) => Finished::Written(*slot, *at, Err(StoreFailed)),
            Self::Keep { exchange, .. } => Finished::Kept(
                *exchange,
                Err(Cause::Storage("there is none to keep slots in; give one in the options")),
            ),
        }
    }

    /// Does what is asked; blocks for as long as the files take. Errors are logged here: the machine hears only that it
    /// failed.
    pub fn run(self, store: &Store) -> Finished {
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
            Self::Keep { exchange, slot, at, bytes, first } => {
                let done = store.keep(slot, at, &bytes, first).map_err(|error| {
                    tracing::warn!(step = "keep", slot = slot.0, at, %error, "a slot could not be written");
                    fault::of_slot(&error)
                });
                Finished::Kept(exchange, done.map(|()| bytes))
            }
        }
    }
}

impl Finished {
    /// The input that tells a machine. A driver leaves out [`Finished::Kept`] of an exchange that was cancelled.
    pub fn input(&self) -> Input<'_> {
        match self {
            Self::Loaded(key, value) => {
                let value = value.as_ref().map_err(|failed| *failed);
                Input::Loaded(key.clone(), value.map(|value| value.as_ref().map(|value| value.as_slice())))
            }
            Self::Stored(key, done) => Input::Stored(key.clone(), *done),
            Self::Written(slot, at, done) => Input::Written(*slot, *at, *done),
            Self::Kept(_, Ok(bytes)) if bytes.is_empty() => Input::Tick,
            Self::Kept(id, Ok(bytes)) => Input::Reply(*id, Reply::Chunk(bytes)),
            Self::Kept(id, Err(cause)) => Input::Reply(*id, Reply::Failed(*cause)),
        }
    }
}

fn told<T>(step: &str, what: &dyn fmt::Display, result: io::Result<T>) -> Result<T, StoreFailed> {
    result.map_err(|error| {
        tracing::warn!(step, %what, %error, "the store failed");
        StoreFailed
    })
}

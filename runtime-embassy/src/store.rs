//! Where values and files are kept over restarts, as the driver needs it.
#![allow(
    async_fn_in_trait,
    reason = "an executor of a microcontroller runs all of it in one place: nothing needs Send"
)]

use alloc::vec::Vec;
use skytether_core::io::{Key, Slot, StoreFailed};
use zeroize::Zeroizing;

/// Keeps small values by key, and files in slots. [`Flash`](crate::Flash) is one for NOR flash.
///
/// A value counts as stored once the call returns: it must outlive a power cut from then on. A power cut within a call
/// leaves the old value or the new one, never a mixture and never neither.
pub trait Store {
    /// The value, or `None` where there is none.
    ///
    /// # Errors
    /// Where it cannot be told what the value is.
    async fn load(&mut self, key: &Key) -> Result<Option<Zeroizing<Vec<u8>>>, StoreFailed>;

    /// Puts a value in the place of the old one.
    ///
    /// # Errors
    /// Where it is not safe; the old one stays then.
    async fn store(&mut self, key: &Key, value: &[u8]) -> Result<(), StoreFailed>;

    /// Forgets a value; there need not be one.
    ///
    /// # Errors
    /// Where it may still be there.
    async fn delete(&mut self, key: &Key) -> Result<(), StoreFailed>;

    /// Writes a range of a slot, and forgets what the slot held behind it. One at 0 begins a new file.
    ///
    /// # Errors
    /// Where the range is not safe.
    async fn write(&mut self, slot: Slot, at: u64, bytes: &[u8]) -> Result<(), StoreFailed>;
}

impl<S: Store> Store for &mut S {
    async fn load(&mut self, key: &Key) -> Result<Option<Zeroizing<Vec<u8>>>, StoreFailed> {
        (**self).load(key).await
    }

    async fn store(&mut self, key: &Key, value: &[u8]) -> Result<(), StoreFailed> {
        (**self).store(key, value).await
    }

    async fn delete(&mut self, key: &Key) -> Result<(), StoreFailed> {
        (**self).delete(key).await
    }

    async fn write(&mut self, slot: Slot, at: u64, bytes: &[u8]) -> Result<(), StoreFailed> {
        (**self).write(slot, at, bytes).await
    }
}

/// No store: every request fails.
#[derive(Clone, Copy, Debug, Default)]
#[allow(clippy::exhaustive_structs, reason = "there is nothing in it, and there never will be")]
pub struct NoStore;

impl Store for NoStore {
    async fn load(&mut self, _: &Key) -> Result<Option<Zeroizing<Vec<u8>>>, StoreFailed> {
        Err(StoreFailed)
    }

    async fn store(&mut self, _: &Key, _: &[u8]) -> Result<(), StoreFailed> {
        Err(StoreFailed)
    }

    async fn delete(&mut self, _: &Key) -> Result<(), StoreFailed> {
        Err(StoreFailed)
    }

    async fn write(&mut self, _: Slot, _: u64, _: &[u8]) -> Result<(), StoreFailed> {
        Err(StoreFailed)
    }
}

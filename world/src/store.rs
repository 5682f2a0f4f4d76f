//! What a device keeps over a power cut, and how that fails.

use core::time::Duration;
use skytether_core::io::Key;
use std::collections::BTreeMap;

/// Where in a write the power goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "there are two sides of a write")]
pub enum Crash {
    /// Before anything is safe: the old value is found.
    Before,
    /// After it is safe, before the device is told.
    After,
}

/// The store of one device. Values are whole or absent, as the contract of [`Action::Store`] demands.
///
/// [`Action::Store`]: skytether_core::io::Action::Store
#[derive(Clone, Debug, Default)]
pub struct Store {
    values: BTreeMap<Key, Vec<u8>>,
    delay: Duration,
    writes: u64,
    failures: u32,
    crash: Option<(u64, Crash)>,
}

/// What becomes of a write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Write {
    /// It is done after the store's delay.
    Done,
    /// It fails after the store's delay.
    Fails,
    /// The power goes.
    Crash(Crash),
}

impl Store {
    /// What is safe.
    pub fn value(&self, key: &Key) -> Option<&[u8]> {
        self.values.get(key).map(Vec::as_slice)
    }

    /// Writes that were begun, deletions included.
    pub fn writes(&self) -> u64 {
        self.writes
    }

    pub(crate) fn delay(&self) -> Duration {
        self.delay
    }

    pub(crate) fn set_delay(&mut self, delay: Duration) {
        self.delay = delay;
    }

    pub(crate) fn fail_next(&mut self, writes: u32) {
        self.failures = writes;
    }

    /// The power goes in the `nth` write from now; 0 is the next one.
    pub(crate) fn crash_at(&mut self, nth: u64, crash: Crash) {
        self.crash = Some((self.writes.saturating_add(nth), crash));
    }

    /// Whether a crash is still to come.
    pub(crate) fn is_armed(&self) -> bool {
        self.crash.is_some()
    }

    pub(crate) fn heal(&mut self) {
        (self.failures, self.crash, self.delay) = (0, None, Duration::ZERO);
    }

    /// Counts a write and says what becomes of it.
    pub(crate) fn begin(&mut self) -> (u64, Write) {
        let number = self.writes;
        self.writes += 1;
        if let Some((_, crash)) = self.crash.take_if(|(at, _)| *at <= number) {
            return (number, Write::Crash(crash));
        }
        if self.failures > 0 {
            self.failures -= 1;
            return (number, Write::Fails);
        }
        (number, Write::Done)
    }

    /// A value becomes safe; `None` deletes it.
    pub(crate) fn put(&mut self, key: Key, value: Option<Vec<u8>>) {
        match value {
            Some(value) => drop(self.values.insert(key, value)),
            None => drop(self.values.remove(&key)),
        }
    }
}

//! Words of the form `key=value` that whoever starts the firmware gives it.

use crate::board::semihosting;
use alloc::{string::String, vec::Vec};

/// The parameters of this run.
#[derive(Debug)]
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Asks the host.
    pub fn read() -> Self {
        let line = semihosting::command_line();
        let pairs = line.split_whitespace().filter_map(|word| word.split_once('='));
        Self(pairs.map(|(key, value)| (key.into(), value.into())).collect())
    }

    /// The value of a parameter; empty where it was not given.
    pub fn value(&self, key: &str) -> &str {
        self.0.iter().find(|(name, _)| name == key).map_or("", |(_, value)| value)
    }

    /// A number; `None` where it was not given or is none.
    pub fn number(&self, key: &str) -> Option<u64> {
        self.value(key).parse().ok()
    }
}

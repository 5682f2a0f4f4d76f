//! What tests against real brokers need: the broker, a network that misbehaves, and a device of ours.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]

pub mod broker;
pub mod device;
pub mod proxy;

use std::time::{Duration, UNIX_EPOCH};

/// Numbers that look random, from one seed.
pub struct Dice(u64);

impl Dice {
    /// From `SKYTETHER_SEED`, or from the clock; printed, so that a failure can be played again.
    pub fn new() -> Self {
        let seed = std::env::var("SKYTETHER_SEED").ok().map(|text| text.parse().expect("SKYTETHER_SEED is a number"));
        #[allow(clippy::disallowed_methods, reason = "a test that looks for rare moments needs a new seed each time")]
        let fresh = || u64::from(std::time::SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos());
        let seed = seed.unwrap_or_else(fresh);
        eprintln!("SKYTETHER_SEED={seed}");
        Self(seed)
    }

    /// A number below `end` (splitmix64).
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }

    /// A time of `from` to `to` milliseconds.
    pub fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.below(to - from + 1))
    }
}

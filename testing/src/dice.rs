//! Numbers that look random and can be played again.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Numbers that look random, from one seed.
#[derive(Debug)]
pub struct Dice(u64);

impl Dice {
    /// From `SKYTETHER_SEED`, or from the clock; printed, so that a failure can be played again.
    #[allow(clippy::new_without_default, reason = "the seed is no default")]
    pub fn new() -> Self {
        let seed = std::env::var("SKYTETHER_SEED").ok().map(|text| text.parse().expect("SKYTETHER_SEED is a number"));
        let fresh = || u64::from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos());
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

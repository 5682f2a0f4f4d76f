//! Which seeds a test lives through, and how it fails.

use skytether_world::{
    diary::Keep,
    life::{Account, Life, Plan},
};

/// The seeds of a test: `SKYTETHER_SEED=x` replays one, `SKYTETHER_SEEDS=n` takes more of them or fewer.
pub(crate) fn seeds(usual: u64) -> core::ops::Range<u64> {
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a seed is a number"));
    match (number("SKYTETHER_SEED"), number("SKYTETHER_SEEDS")) {
        (Some(one), _) => one..one + 1,
        (None, Some(many)) => 0..many,
        (None, None) => 0..usual,
    }
}

/// Lives a plan through; panics with its seed and the end of its diary.
pub(crate) fn live(plan: &Plan) -> Account {
    let guard = Seed(plan.seed);
    // Who replays one seed wants to read all of it.
    let keep = if std::env::var_os("SKYTETHER_SEED").is_some() { Keep::Whole } else { plan.keep };
    let account = Life::through(&Plan { keep, ..plan.clone() }).unwrap_or_else(|ruin| panic!("{ruin}\n{plan:?}"));
    drop(guard);
    account
}

/// Says the seed when a test panics deep inside.
pub(crate) struct Seed(pub(crate) u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("SKYTETHER_SEED={} replays it", self.0);
        }
    }
}

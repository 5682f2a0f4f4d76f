//! Short lives with faults from a seed: nothing lost, nothing doubled, nothing out of order, whatever happens.

use crate::support::{live, seeds};
use skytether_world::{diary::Keep, life::Plan};

#[test]
fn r_5_r_6_r_81_random_faults_lose_double_and_disorder_nothing() {
    let mut accepted = 0;
    for seed in seeds(1500) {
        accepted += live(&Plan::short(seed)).accepted;
    }
    assert!(accepted > 0);
}

#[test]
fn r_3_the_same_seed_is_the_same_run_byte_for_byte() {
    for seed in seeds(60) {
        let plan = Plan { keep: Keep::Whole, ..Plan::short(seed) };
        let (one, other) = (live(&plan), live(&plan));
        assert!(!one.diary.is_empty());
        assert!(one == other, "seed {seed}: two runs differ");
    }
}

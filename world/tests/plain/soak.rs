//! A day at a message a second, with faults all day long.

use crate::support::{live, seeds};
use core::time::Duration;
use skytether_core::{limits::Limits, mqtt::session::Options};
use skytether_world::{diary::Keep, fault::Mix, life::Plan};

#[test]
fn r_4_a_day_of_faults_and_a_message_a_second_stays_within_its_memory_and_loses_nothing() {
    let day = Duration::from_hours(24);
    for seed in seeds(2) {
        let limits = Limits { queued_bytes: 64 * 1024, ..Limits::default() };
        let options = Options { persist: seed % 2 == 1, limits, next_packet_id: 60_000, ..Options::default() };
        let power = options.persist;
        let mix = Mix { network: true, restarts: true, wipes: true, takeovers: true, store: power, power };
        let plan = Plan {
            seed,
            devices: 1,
            messages: 86_400,
            span: day,
            mix,
            faults: 300,
            options,
            keep_alive: 60,
            keep: Keep::Nothing,
        };
        let account = live(&plan);
        assert!(account.accepted > 40_000, "{} messages", account.accepted);
        assert!(account.dials > 100, "{} dials: it was a hard day", account.dials);
        // Faults last minutes: what piles up then is far from the bound of the queue, and is given back.
        assert!(account.high_water < 128 * 1024, "{} bytes", account.high_water);
    }
}

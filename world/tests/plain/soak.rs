//! A day at a message a second, with faults all day long.

use crate::support::{live, quiet, seeds};
use core::time::Duration;
use skytether_core::{limits::Limits, link::QoS, mqtt::session::Options};
use skytether_world::{
    diary::Keep,
    fault::{Fault, Mix},
    life::{Life, Plan},
    pipe::Shape,
};

#[test]
fn r_4_a_backlog_that_never_empties_stays_within_its_bound() {
    let limits =
        Limits { queued: 20, queued_bytes: 2048, inflight: 2, packet_out: 256, control: 256, ..Limits::default() };
    let mut life = Life::new(&quiet(Options { limits, ..Options::default() }));
    life.harm(Fault::Reshape { device: 0, shape: Shape { latency: Duration::from_millis(300), ..Shape::default() } });
    life.run(Duration::from_secs(5));
    for number in 0..12_000 {
        let size = 20 + (number * 37) % 90;
        life.up(0, if number % 3 == 0 { QoS::ExactlyOnce } else { QoS::AtLeastOnce }, size);
        life.run(Duration::from_millis(100));
        assert!(number < 100 || life.world.under_way(0) > 2, "the backlog never empties");
    }
    let account = life.finish().unwrap_or_else(|ruin| panic!("{ruin}"));
    assert!(account.accepted > 2000, "{} messages", account.accepted);
    // What is held, and as much again that is free.
    let bound = 2 * limits.queued_bytes + limits.control;
    assert!(account.high_water <= bound, "{} bytes, {bound} may be", account.high_water);
}

#[test]
fn r_4_a_day_of_faults_and_a_message_a_second_stays_within_its_memory_and_loses_nothing() {
    let day = Duration::from_hours(24);
    for seed in seeds(2) {
        let limits = Limits { queued_bytes: 64 * 1024, ..Limits::default() };
        let options = Options { persist: seed % 2 == 1, limits, next_packet_id: 60_000, ..Options::default() };
        let power = options.persist;
        let mix =
            Mix { network: true, restarts: true, wipes: true, takeovers: true, store: power, power, modem: false };
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

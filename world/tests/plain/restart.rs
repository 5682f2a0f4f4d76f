//! The broker goes and comes back: with everything, or with nothing.

use crate::support::{live, quiet, seeds};
use core::time::Duration;
use skytether_core::{link::QoS, mqtt::session::Options};
use skytether_world::{
    fault::{Fault, Mix},
    life::{Life, Plan},
};

const AWAY: Duration = Duration::from_secs(15);

fn restarted(keep: bool, seen: Option<Duration>) {
    let mut life = Life::new(&quiet(Options::default()));
    life.run(Duration::from_secs(2));
    assert!(life.world.is_subscribed(0, "down/0/#"));
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        life.up(0, qos, 20);
        life.down(0, qos, 20);
    }
    // Everything is on its way now.
    life.run(Duration::from_millis(25));
    life.harm(Fault::Restart { down: AWAY, keep, seen });
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        life.up(0, qos, 20);
    }
    life.run(Duration::from_mins(4));
    assert!(life.world.is_subscribed(0, "down/0/#"), "R-26: subscribed again");
    let dials = life.world.dials(0).to_vec();
    // Whoever misses the broker by the keep alive alone may find it back already.
    let least = if seen.is_some() { 3 } else { 2 };
    assert!((least..=16).contains(&dials.len()), "it backs off while the broker is away: {dials:?}");
    life.down(0, QoS::ExactlyOnce, 20);
    life.run(Duration::from_secs(2));
    assert!(life.is_settled(), "{:?}", life.ledger.faults());
    life.finish().unwrap_or_else(|ruin| panic!("{ruin}"));
}

#[test]
fn r_26_a_broker_that_comes_back_without_its_sessions_gets_subscriptions_and_messages_again() {
    restarted(false, Some(Duration::ZERO));
}

#[test]
fn r_26_a_broker_that_comes_back_with_its_sessions_goes_on_where_it_was() {
    restarted(true, Some(Duration::from_millis(700)));
}

#[test]
fn r_21_r_26_a_broker_that_goes_without_a_word_is_missed_by_the_keep_alive() {
    restarted(false, None);
    restarted(true, None);
}

#[test]
fn r_26_restarts_at_random_moments_in_traffic() {
    for seed in seeds(200) {
        let mix = Mix { restarts: true, wipes: seed % 2 == 0, network: false, ..Mix::NETWORK };
        live(&Plan { mix, devices: 2, messages: 40, faults: 6, ..Plan::short(seed) });
    }
}

//! Which seeds a test lives through, and how it fails.

use core::time::Duration;
use skytether_core::{link::QoS, mqtt::session::Options, plain::Command};
use skytether_world::{
    diary::Keep,
    fault::Mix,
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

/// One device over a peaceful network.
pub(crate) fn quiet(options: Options) -> Plan {
    Plan {
        seed: 1,
        devices: 1,
        messages: 0,
        span: Duration::ZERO,
        mix: Mix::NETWORK,
        faults: 0,
        options,
        keep_alive: 20,
        keep: Keep::Tail,
    }
}

/// A whole conversation: connect, subscribe, QoS 0, 1 and 2 both ways, unsubscribe. `watch` looks on every 10 ms.
pub(crate) fn converse(life: &mut Life, mut watch: impl FnMut(&mut Life)) {
    let mut pass = |life: &mut Life, ms: u64| {
        for _ in 0..ms / 10 {
            life.run(Duration::from_millis(10));
            watch(life);
        }
    };
    pass(life, 1000);
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        life.up(0, qos, 12);
        life.down(0, qos, 14);
        life.up(0, qos, 0);
        pass(life, 70);
        life.down(0, qos, 0);
        pass(life, 200);
    }
    let other = || "other/+".to_owned();
    command(life, &Command::Subscribe { filter: other(), qos: QoS::AtLeastOnce });
    pass(life, 100);
    command(life, &Command::Unsubscribe { filter: other() });
    pass(life, 200);
}

/// Offline is no reason to refuse a request: it waits. Only a device without power takes none.
fn command(life: &mut Life, command: &Command) {
    let accepted = life.world.command(0, command);
    assert!(accepted.is_ok() || life.world.machine(0).is_none(), "{accepted:?}");
}

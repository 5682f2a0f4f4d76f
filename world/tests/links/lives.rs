//! Whole lives of devices behind modems, with faults from a seed: of the network, of the broker, of the modem.

use crate::links::{ANYCLOUD, ByModem, RNWF, options};
use core::time::Duration;
use skytether_core::{limits::Limits, mqtt::session::Options};
use skytether_simulator::modem::Quirks;
use skytether_world::{
    diary::Keep,
    fault::Mix,
    ledger::Ledger,
    life::{Account, Life, Plan},
};

/// The seeds of a test: `SKYTETHER_SEED=x` replays one, `SKYTETHER_SEEDS=n` takes more of them or fewer.
fn seeds(usual: u64) -> core::ops::Range<u64> {
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a seed is a number"));
    match (number("SKYTETHER_SEED"), number("SKYTETHER_SEEDS")) {
        (Some(one), _) => one..one + 1,
        (None, Some(many)) => 0..many,
        (None, None) => 0..usual,
    }
}

fn plan(seed: u64, mix: Mix) -> Plan {
    let keep = if std::env::var_os("SKYTETHER_SEED").is_some() { Keep::Whole } else { Keep::Tail };
    let limits = Limits { queued: 100, ..Limits::default() };
    let options = Options { limits, ..Options::default() };
    Plan { mix, options, devices: 1, faults: 1 + usize::try_from(seed % 7).unwrap(), keep, ..Plan::short(seed) }
}

fn live(kind: &ByModem, plan: &Plan, quirks: Quirks) -> Account {
    let modem = skytether_simulator::modem::Config { quirks, ..kind.config() };
    let life = Life::by_modem(plan, &options(), &modem);
    life.lead(plan).unwrap_or_else(|ruin| panic!("{:?} {ruin}", kind.dialect))
}

const QUIET: Mix = Mix { network: false, ..Mix::NETWORK };

#[test]
fn r_5_r_6_r_81_a_quiet_life_behind_a_modem_loses_and_doubles_nothing() {
    for kind in [&ANYCLOUD, &RNWF] {
        for seed in seeds(20) {
            let plan = Plan { faults: 0, ..plan(seed, QUIET) };
            let mut life = Life::by_modem(&plan, &options(), &kind.config());
            // As strict as with a session: there is nothing that could be an excuse.
            life.ledger = Ledger::default().without_qos();
            life.run(Duration::from_secs(20));
            life.lead(&plan).unwrap_or_else(|ruin| panic!("{:?} {ruin}", kind.dialect));
        }
    }
}

#[test]
fn r_5_r_81_faults_of_the_network_behind_a_modem_end_every_message_once_and_disorder_none() {
    for kind in [&ANYCLOUD, &RNWF] {
        for seed in seeds(150) {
            let mix = Mix { restarts: seed % 2 == 0, wipes: seed % 3 == 0, takeovers: seed % 5 == 0, ..Mix::NETWORK };
            let reconnects = (seed % 4 == 0).then_some(Duration::from_secs(2));
            live(kind, &plan(seed, mix), Quirks { reconnects, ..Quirks::default() });
        }
    }
}

#[test]
fn r_5_r_81_faults_of_the_modem_end_every_message_once_and_disorder_none() {
    for kind in [&ANYCLOUD, &RNWF] {
        for seed in seeds(200) {
            let mix = Mix { network: seed % 2 == 0, modem: true, power: seed % 3 == 0, ..Mix::NETWORK };
            live(kind, &plan(seed, mix), Quirks::default());
        }
    }
}

#[test]
fn r_3_the_same_seed_is_the_same_run_behind_a_modem_too() {
    for seed in seeds(10) {
        let plan = Plan { keep: Keep::Whole, ..plan(seed, Mix { modem: true, ..Mix::NETWORK }) };
        let (one, other) = (live(&ANYCLOUD, &plan, Quirks::default()), live(&ANYCLOUD, &plan, Quirks::default()));
        assert!(!one.diary.is_empty());
        assert!(one == other, "seed {seed}: two runs differ");
    }
}

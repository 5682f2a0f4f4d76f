//! The power goes: in every write of a conversation, before and after it is safe, and at every moment of it.

use crate::support::{converse, quiet};
use core::time::Duration;
use skytether_core::mqtt::session::Options;
use skytether_world::{fault::Fault, life::Life, store::Crash};

const DOWN: Duration = Duration::from_millis(300);

fn persistent() -> Options {
    Options { persist: true, ..Options::default() }
}

fn life(delay: u64) -> Life {
    let mut life = Life::new(&quiet(persistent()));
    life.harm(Fault::StoreSlow { device: 0, delay: Duration::from_millis(delay) });
    life
}

/// Writes of an undisturbed conversation.
fn writes(delay: u64) -> u64 {
    let mut life = life(delay);
    converse(&mut life, |_| {});
    let writes = life.world.store(0).expect("a device").writes();
    life.finish().unwrap_or_else(|ruin| panic!("{ruin}"));
    writes
}

#[test]
fn r_6_r_92_a_power_cut_in_any_write_loses_no_qos_1_and_neither_loses_nor_doubles_qos_2() {
    for delay in [0, 35] {
        let writes = writes(delay);
        assert!(writes > 8, "{writes} writes");
        for nth in 0..=writes {
            for crash in [Crash::Before, Crash::After] {
                let mut life = life(delay);
                life.harm(Fault::CrashInWrite { device: 0, nth, crash, down: DOWN });
                converse(&mut life, |_| {});
                life.finish().unwrap_or_else(|ruin| panic!("{ruin}\n{crash:?} write {nth}, delay {delay}"));
            }
        }
    }
}

#[test]
fn r_6_r_92_two_power_cuts_in_writes_that_follow_each_other() {
    let writes = writes(0);
    for first in 0..writes {
        for (second, crash) in [(0, Crash::Before), (1, Crash::After), (2, Crash::Before)] {
            let mut life = life(0);
            life.harm(Fault::CrashInWrite { device: 0, nth: first, crash: Crash::Before, down: DOWN });
            let mut armed = false;
            converse(&mut life, |life| {
                if !armed && life.world.machine(0).is_none() {
                    armed = true;
                    life.harm(Fault::CrashInWrite { device: 0, nth: second, crash, down: DOWN });
                }
            });
            life.finish().unwrap_or_else(|ruin| panic!("{ruin}\nwrite {first}, then {second}"));
        }
    }
}

#[test]
fn r_6_r_92_a_power_cut_at_any_moment() {
    for delay in [0, 35] {
        for step in 0..100 {
            let mut life = life(delay);
            let mut looks = 0;
            converse(&mut life, |life| {
                if looks == 60 + step * 2 {
                    life.harm(Fault::PowerCut { device: 0, down: DOWN, told: step % 2 == 0 });
                }
                looks += 1;
            });
            life.finish().unwrap_or_else(|ruin| panic!("{ruin}\nstep {step}, delay {delay}"));
        }
    }
}

#[test]
fn r_96_writes_per_message_are_few() {
    let (mut some, mut more) = (life(0), life(0));
    converse(&mut some, |_| {});
    converse(&mut more, |_| {});
    let before = more.world.store(0).expect("a device").writes();
    for _ in 0..20 {
        more.up(0, skytether_core::link::QoS::AtLeastOnce, 20);
        more.run(Duration::from_secs(1));
    }
    let q1 = more.world.store(0).expect("a device").writes() - before;
    assert!(q1 <= 40, "{q1} writes for 20 messages of QoS 1");
    let before = some.world.store(0).expect("a device").writes();
    for _ in 0..20 {
        some.up(0, skytether_core::link::QoS::ExactlyOnce, 20);
        some.run(Duration::from_secs(1));
    }
    let q2 = some.world.store(0).expect("a device").writes() - before;
    assert!(q2 <= 60, "{q2} writes for 20 messages of QoS 2");
}

//! Does a whole device keep its promises in the world: behind a lossy pipe, with a failing store, at a real broker?
//!
//! Bytes: a byte of options, then a list of things to do, each a byte and what it needs: messages in both directions,
//! time, and everything that the world can do to a pipe, a store or the broker. At the end there is peace, and all that
//! was accepted must have arrived and ended as its quality of service says; the world looks for breaches after each step.

use crate::script::Script;
use core::time::Duration;
use skytether_core::{
    io::Cause,
    link::QoS,
    mqtt::session::{OnSessionLost, Options},
};
use skytether_world::{
    diary::Keep,
    fault::{Fault, Mix},
    life::{Life, Plan},
    pipe::{Direction, Seen, Shape},
    store::Crash,
};

const LEVELS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];
/// Things done in one life: each may cost minutes of its time.
const STEPS: usize = 40;

pub(crate) fn run(data: &[u8]) {
    let mut script = Script::new(data);
    let policy = script.byte();
    let bit = |n: u8| policy >> n & 1 == 1;
    let options = Options {
        persist: bit(0),
        resubscribe_always: bit(1),
        on_session_lost: OnSessionLost::Republish,
        next_packet_id: if bit(2) { 65_533 } else { 1 },
        ..Options::default()
    };
    let plan = Plan {
        seed: u64::from(policy >> 4),
        devices: 1 + usize::from(bit(3)),
        messages: 0,
        span: Duration::ZERO,
        mix: Mix::NETWORK,
        faults: 0,
        options,
        keep_alive: 20,
        keep: Keep::Tail,
    };
    let mut life = Life::new(&plan);
    life.run(Duration::from_secs(1));
    for _ in 0..STEPS {
        if script.is_empty() {
            break;
        }
        act(&mut life, &mut script, &plan);
    }
    if let Err(ruin) = life.finish() {
        panic!("{ruin}");
    }
}

fn act(life: &mut Life, script: &mut Script<'_>, plan: &Plan) {
    let kind = script.byte() % 20;
    let device = script.choice(plan.devices);
    let direction = |script: &mut Script<'_>| if script.choice(2) == 0 { Direction::Up } else { Direction::Down };
    let fault = match kind {
        0..=4 => {
            let (qos, size) = (script.pick(&LEVELS), script.byte().into());
            life.up(device, qos, size);
            return;
        }
        5..=7 => {
            let (qos, size) = (script.pick(&LEVELS), script.byte().into());
            return life.down(device, qos, size);
        }
        8 | 9 => return life.run(ms(script, &[1, 20, 45, 300, 3_000, 25_000, 70_000])),
        10 | 11 => {
            let end = |script: &mut Script<'_>| script.pick(&[Some(0), Some(700), None]).map(Duration::from_millis);
            let seen = Seen { device: end(script), broker: end(script) };
            Fault::Cut { device, direction: direction(script), after: script.byte().into(), seen }
        }
        12 => Fault::Stall { device, direction: direction(script), time: ms(script, &[100, 5_000, 40_000, 90_000]) },
        13 => {
            let shape = Shape {
                latency: ms(script, &[1, 20, 400]),
                piece: script.pick(&[1, 2, 3, 7, 40, usize::MAX]),
                room: script.pick(&[1, 16, 300, 64 * 1024]),
                opening: ms(script, &[1, 30, 2_000, 35_000]),
            };
            Fault::Reshape { device, shape }
        }
        14 => {
            let cause = script.pick(&[Cause::Unreachable, Cause::Resolve, Cause::Lost]);
            Fault::Refuse { device, cause, time: ms(script, &[10, 2_000, 20_000]) }
        }
        15 => {
            let seen = script.pick(&[Some(0), Some(1_500), None]).map(Duration::from_millis);
            Fault::Restart { down: ms(script, &[1, 3_000, 20_000]), keep: script.choice(2) == 0, seen }
        }
        16 => Fault::Wipe { device },
        17 => Fault::Takeover { device, stay: ms(script, &[1, 1_000, 5_000]) },
        // Without a store, a device has nothing to go on with.
        18 if plan.options.persist => {
            let (down, told) = (ms(script, &[1, 5_000]), script.choice(2) == 0);
            match script.pick(&[None, Some(Crash::Before), Some(Crash::After)]) {
                None => Fault::PowerCut { device, down, told },
                Some(crash) => Fault::CrashInWrite { device, nth: u64::from(script.byte() % 8), crash, down },
            }
        }
        19 if plan.options.persist => match script.byte() % 6 {
            slow @ 0..3 => Fault::StoreSlow { device, delay: Duration::from_millis([0, 30, 2_000][usize::from(slow)]) },
            writes => Fault::StoreFails { device, writes: u32::from(writes) - 2 },
        },
        _ => return life.world.reconnect_now(device),
    };
    life.harm(fault);
}

fn ms(script: &mut Script<'_>, of: &[u64]) -> Duration {
    Duration::from_millis(script.pick(of))
}

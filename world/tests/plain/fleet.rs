//! A thousand devices whose broker goes at one moment: they do not come back at one moment.

use core::time::Duration;
use skytether_core::{
    device::{self, Device},
    io::Instant,
    link::{Connect, Endpoint},
    mqtt::session::{Options, Session},
    plain::{Config, Plain},
};
use skytether_simulator::broker::policy::Open;
use skytether_world::{diary::Keep, fault::Fault, life::Ordinary, resident::memory_bound, world::World};

const FLEET: usize = 1000;

fn fleet() -> World<Ordinary, Open> {
    let mut world = World::new(34, Keep::Nothing, Open::anonymous);
    for _ in 0..FLEET {
        world.add(memory_bound(&Options::default().limits), |birth| {
            let connect =
                Connect { client_id: format!("fleet-{}", birth.device), keep_alive: 300, ..Connect::default() };
            let cloud = Plain::new(Config { endpoint: Endpoint::tcp("broker.invalid", 1883), connect });
            Device::new(Session::new(Options::default()), cloud, device::Config::default(), birth.seed, birth.now)
        });
    }
    world
}

/// Dials in each tenth of a second of `from .. from + span`.
fn buckets(world: &World<Ordinary, Open>, from: Instant, span: Duration) -> Vec<usize> {
    let count = usize::try_from(span.as_millis() / 100).unwrap();
    let mut buckets = vec![0; count];
    for device in 0..FLEET {
        for at in world.dials(device).iter().filter(|at| **at >= from) {
            let bucket = usize::try_from(at.since(from).as_millis() / 100).unwrap();
            if let Some(bucket) = buckets.get_mut(bucket) {
                *bucket += 1;
            }
        }
    }
    buckets
}

#[test]
fn r_34_a_thousand_devices_that_lost_their_broker_come_back_spread_out() {
    let mut world = fleet();
    world.run(Duration::from_mins(1));
    assert_eq!(world.broker().clients().count(), FLEET);
    let lost = world.now();
    world.harm(Fault::Restart { down: Duration::from_secs(20), keep: true, seen: Some(Duration::ZERO) });
    world.run(Duration::from_mins(5));
    assert_eq!(world.breach_found(), None);
    assert_eq!(world.broker().clients().count(), FLEET, "all are back");

    // The first attempts too are spread, over the first second (from its floor of 250 ms on).
    let first = buckets(&world, lost, Duration::from_secs(1));
    assert!(first[..2].iter().sum::<usize>() == 0, "{first:?}");
    assert!(first.iter().all(|dials| *dials < FLEET / 4), "{first:?}");
    // When the broker takes connections again, no tenth of a second has more than a twentieth of the fleet.
    let back = buckets(&world, lost.after(Duration::from_secs(20)), Duration::from_mins(1));
    assert!(back.iter().all(|dials| *dials < FLEET / 20), "{back:?}");
    // And no device keeps trying faster than its back-off lets it.
    let most = (0..FLEET).map(|device| world.dials(device).len()).max().unwrap();
    assert!(most <= 20, "{most} dials of one device");
}

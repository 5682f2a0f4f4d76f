//! Two devices with one client id: each throws the other out.

use core::time::Duration;
use skytether_core::{
    device::{self, Device, Event},
    io::Instant,
    link::{Connect, Endpoint, Note},
    mqtt::session::{Options, Session},
    plain::{Config, Plain},
};
use skytether_simulator::broker::policy::Open;
use skytether_world::{diary::Keep, life::Ordinary, resident::memory_bound, told::Told, world::World};

fn twins() -> World<Ordinary, Open> {
    let mut world = World::new(11, Keep::Tail, Open::anonymous);
    for _ in 0..2 {
        world.add(memory_bound(&Options::default().limits), |birth| {
            let connect = Connect { client_id: "same".into(), keep_alive: 60, ..Connect::default() };
            let cloud = Plain::new(Config { endpoint: Endpoint::tcp("broker.invalid", 1883), connect });
            Device::new(Session::new(Options::default()), cloud, device::Config::default(), birth.seed, birth.now)
        });
    }
    world
}

fn dials_between(world: &World<Ordinary, Open>, from: Duration, to: Duration) -> usize {
    let (from, to) = (Instant::ZERO.after(from), Instant::ZERO.after(to));
    let within = |at: &&Instant| (from..to).contains(*at);
    (0..2).map(|device| world.dials(device).iter().filter(within).count()).sum()
}

#[test]
fn r_28_two_devices_with_one_id_slow_down_and_say_what_is_wrong() {
    let mut world = twins();
    let day = Duration::from_hours(24);
    world.run(day);
    assert_eq!(world.breach_found(), None);
    let first = dials_between(&world, Duration::ZERO, Duration::from_mins(1));
    assert!(first >= 4, "they do fight: {first} dials in the first minute");
    // Without a back-off of at least a second each this would be 43,200.
    let per_hour = dials_between(&world, Duration::from_hours(1), day) / 23;
    assert!(per_hour < 240, "{per_hour} dials an hour");
    for device in 0..2 {
        let told = world.take_told(device);
        let suspected = |told: &&(Instant, _)| matches!(told.1, Told::Event(Event::Note(Note::SuspectedTakeover)));
        let first = told.iter().find(suspected).unwrap_or_else(|| panic!("device {device} is not told"));
        assert!(first.0 < Instant::ZERO.after(Duration::from_mins(10)), "told at {:?}", first.0);
    }
}

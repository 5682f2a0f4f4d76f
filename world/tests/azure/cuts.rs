//! The way from the first CONNECT to the first telemetry, cut at every byte of it.

use crate::plant::{PUMP, Plant, account, at, pump};
use core::time::Duration;
use skytether_core::azure::{Answer, Event};
use skytether_world::{
    diary::Keep,
    fault::Fault,
    pipe::{Direction, Seen},
};

/// A life whose `pipe`th connection (0: the service's, 1: the hub's) breaks after so many bytes. What that connection had
/// delivered in the end, up and down.
fn live(pipe: usize, cut: Option<(Direction, u64)>) -> (u64, u64) {
    let mut plant = Plant::new(20, Keep::Tail, account(), pump());
    let fault = cut.map(|(direction, after)| Fault::Cut { device: PUMP, direction, after, seen: Seen::AT_ONCE });
    let (mut fault, mut tag, mut most) = (fault, None, (0, 0));
    if pipe == 0 {
        fault.take().into_iter().for_each(|fault| plant.world.harm(fault));
    }
    for _ in 0..1200 {
        // In small steps: a message is queued as soon as it is taken, and a fault waits for its pipe.
        plant.world.run(Duration::from_millis(25));
        plant.live();
        if plant.world.dials(PUMP).len() == pipe + 1 {
            if pipe == 1 {
                fault.take().into_iter().for_each(|fault| plant.world.harm(fault));
            }
            most = plant.world.delivered(PUMP).map_or(most, |(up, down)| (up.max(most.0), down.max(most.1)));
        }
        if tag.is_none() && plant.said().any(|event| matches!(event, Event::Assigned(_))) {
            tag = Some(plant.say("precious"));
        }
        if tag.is_some_and(|tag| plant.end_of(tag).is_some()) && plant.desired().len() == 1 {
            break;
        }
    }
    assert_eq!(plant.world.diary().text().contains(" is cut: "), cut.is_some(), "{pipe} {cut:?}");
    let tag = tag.unwrap_or_else(|| panic!("{pipe} {cut:?}: never assigned\n{}", plant.world.diary().text()));
    assert_eq!(plant.end_of(tag), Some(&Ok(Answer::Sent)), "{pipe} {cut:?}");
    assert!((1..=2).contains(&plant.times(0, "precious")), "{pipe} {cut:?}: {:?}", plant.heard);
    assert!(plant.cloud(|cloud, _, _| cloud.is_connected(&at(0))), "{pipe} {cut:?}");
    assert!(plant.world.now().0 < 60_000, "{pipe} {cut:?}: {:?}", plant.world.now());
    most
}

#[test]
fn r_20_r_66_a_cut_at_any_byte_from_the_service_to_the_hub_costs_time_and_nothing_else() {
    for pipe in [0, 1] {
        let (up, down) = live(pipe, None);
        assert!(up > 300 && down > 40, "{pipe}: {up} up, {down} down");
        let cuts = (0..up).map(|at| (Direction::Up, at)).chain((0..down).map(|at| (Direction::Down, at)));
        for cut in cuts {
            live(pipe, Some(cut));
        }
    }
}

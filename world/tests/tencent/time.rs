//! The cloud's time: right to half the way there and back, also where the first answer is lost.

use crate::home::{DOOR, SECRETS, config, sky};
use core::time::Duration;
use skytether_core::{
    io::{Failure, Rejected},
    tencent::{Answer, Command},
};
use skytether_world::{
    diary::Keep,
    fault::Fault,
    pipe::{Direction, Shape},
    told::Told,
};

#[test]
fn the_clouds_time_is_right_to_half_a_round_trip() {
    for latency in [1, 20, 400] {
        let mut world = sky(7, Keep::Tail, vec![config(DOOR, SECRETS[DOOR])]);
        let shape = Shape { latency: Duration::from_millis(latency), ..Shape::default() };
        world.harm(Fault::Reshape { device: DOOR, shape });
        world.run(Duration::from_secs(10));
        let tag = world.command(DOOR, &Command::SyncTime).unwrap();
        assert_eq!(world.command(DOOR, &Command::SyncTime), Err(Rejected::Full), "one at a time");
        world.run(Duration::from_secs(3));
        assert_eq!(world.breach_found(), None, "{}", world.diary().text());
        let told = world.take_told(DOOR);
        let done = told.iter().find_map(|(at, told)| {
            let Told::Done(done, Ok(Answer::Time(time))) = told else { return None };
            (*done == tag).then_some((*at, *time))
        });
        let (at, time) = done.unwrap_or_else(|| panic!("no time: {told:?}"));
        let passed = u64::try_from(world.now().since(at).as_millis()).unwrap();
        let right = world.wall().0 - passed;
        assert!(time.now.0.abs_diff(right) <= latency, "{} for {right}", time.now.0);
        assert_eq!(time.round_trip, Duration::from_millis(2 * latency));
    }
}

#[test]
fn r_79_a_time_request_without_answer_is_made_again_and_then_ends() {
    let mut world = sky(7, Keep::Tail, vec![config(DOOR, SECRETS[DOOR])]);
    world.run(Duration::from_secs(10));
    let stall = |time| Fault::Stall { device: DOOR, direction: Direction::Down, time: Duration::from_secs(time) };
    // Too late for the first, in time for the second.
    world.harm(stall(7));
    let tag = world.command(DOOR, &Command::SyncTime).unwrap();
    world.run(Duration::from_secs(9));
    let answered =
        |told: &(_, Told<_, Answer>)| matches!(&told.1, Told::Done(done, Ok(Answer::Time(_))) if *done == tag);
    assert!(world.take_told(DOOR).iter().any(answered));
    // Too late for both.
    world.harm(stall(15));
    let tag = world.command(DOOR, &Command::SyncTime).unwrap();
    world.run(Duration::from_secs(30));
    let told = world.take_told(DOOR);
    assert!(told.iter().any(|(_, told)| *told == Told::Done(tag, Err(Failure::TimedOut))), "{told:?}");
    assert_eq!(world.breach_found(), None, "{}", world.diary().text());
}

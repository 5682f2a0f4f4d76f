//! What a device does that is not let in, and what it does when it is let in again.

use crate::home::{DOOR, SECRETS, Sky, config, sky};
use core::time::Duration;
use skytether_core::{
    device,
    io::{Cause, Refusal},
    link::QoS,
    tencent::{Answer, Command, Event, UserTopic},
};
use skytether_simulator::tencent::DeviceId;
use skytether_world::{
    diary::Keep,
    fault::Fault,
    pipe::{Direction, Seen},
    told::Told,
};

const DAY: Duration = Duration::from_hours(24);
/// Waits of the long back-off at their shortest: 1, 2, 4, 8 and 16 minutes, then half an hour each; the dial before them.
const MOST_DIALS_A_DAY: usize = 1 + 5 + (24 * 60 - 31) / 30 + 1;

type Said = Told<device::Event<Event>, Answer>;

fn said(world: &mut Sky) -> Vec<Said> {
    assert_eq!(world.breach_found(), None, "{}", world.diary().text());
    world.take_told(DOOR).into_iter().map(|(_, told)| told).collect()
}

fn disable(world: &mut Sky, disabled: bool) {
    let id = DeviceId::new("DOORPRD9A1", "door1");
    let known = world
        .with_broker(|broker, now| broker.act(now, |policy, _, out| policy.inner_mut().disable(&id, disabled, out)));
    assert!(known);
}

#[test]
fn r_24_a_wrong_secret_is_said_each_time_and_makes_no_storm() {
    // The air conditioner's secret in the door's file.
    let mut world = sky(24, Keep::Tail, vec![config(DOOR, SECRETS[1])]);
    world.run(DAY);
    let said = said(&mut world);
    let refused = |told: &&Said| matches!(told, Told::Event(device::Event::Cloud(Event::Refused { .. })));
    let refusals = said.iter().filter(refused).count();
    let dials = world.dials(DOOR).len();
    assert!(dials <= MOST_DIALS_A_DAY, "{dials} dials in a day");
    assert!(dials >= 20, "it goes on trying: {dials} dials");
    assert_eq!(refusals, dials, "each refusal is told");
    assert_eq!(world.take_connects().len(), dials);
    assert!(!said.iter().any(|told| matches!(told, Told::Event(device::Event::Up { .. }))));
    let Some(Told::Event(device::Event::Cloud(Event::Refused { check, .. }))) = said.iter().find(refused) else {
        panic!("{said:?}");
    };
    assert!(!check.is_empty());
}

#[test]
fn r_62_a_device_that_is_switched_off_waits_long_and_comes_back_with_what_it_had_to_say() {
    let mut world = sky(62, Keep::Tail, vec![config(DOOR, SECRETS[DOOR])]);
    world.run(Duration::from_mins(5));
    assert!(said(&mut world).contains(&Told::Event(device::Event::Ready)));
    disable(&mut world, true);
    world.run(Duration::from_hours(6));
    let before = world.dials(DOOR).len();
    // One quick try with a fresh signature, then the long back-off.
    assert!((4..=1 + 1 + 6 + 11).contains(&before), "{before} dials in 6 hours");
    let refused = Event::Refused { refusal: Refusal::NotAuthorized, check: "" };
    let kind = |event: &Event| core::mem::discriminant(event);
    let told = said(&mut world);
    let of_kind =
        |told: &Said| matches!(told, Told::Event(device::Event::Cloud(event)) if kind(event) == kind(&refused));
    assert_eq!(told.iter().filter(|told| of_kind(told)).count(), before - 1);

    let topic = UserTopic::own("event");
    let publish = Command::Publish { topic, payload: b"{}".into(), qos: QoS::AtLeastOnce, ttl: None };
    let tag = world.command(DOOR, &publish).unwrap();
    disable(&mut world, false);
    world.run(Duration::from_mins(61));
    assert!(said(&mut world).contains(&Told::Done(tag, Ok(Answer::Published))));
    assert_eq!(world.take_heard().len(), 1);
}

#[test]
fn r_60_a_signature_that_expires_is_made_anew_for_each_dial() {
    let mut config = config(DOOR, SECRETS[DOOR]);
    config.lifetime = Some(Duration::from_mins(10));
    let mut world = sky(60, Keep::Tail, vec![config]);
    for round in 1..=6 {
        world.run(Duration::from_hours(1));
        let said = said(&mut world);
        assert!(said.contains(&Told::Event(device::Event::Ready)), "round {round}: {said:?}");
        let refused = |told: &Said| matches!(told, Told::Event(device::Event::Down { cause: Cause::Refused(_), .. }));
        assert!(!said.iter().any(refused), "{said:?}");
        world.harm(Fault::Cut { device: DOOR, direction: Direction::Up, after: 0, seen: Seen::AT_ONCE });
    }
    assert_eq!(world.dials(DOOR).len(), 6, "one dial for each loss; the last loss is not answered yet");
}

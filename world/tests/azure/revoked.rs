//! A device that is moved to another hub while it has something to say.

use crate::plant::{HUBS, NAME, PUMP, Plant, account, at, pump};
use core::time::Duration;
use skytether_core::{
    azure::{Answer, Event},
    io::{Cause, Refusal},
};
use skytether_world::{
    diary::Keep,
    fault::Fault,
    pipe::{Direction, Seen},
};

#[test]
fn r_66_a_device_that_its_hub_refuses_registers_once_and_takes_what_it_had_to_say_to_its_new_hub() {
    let mut plant = Plant::new(66, Keep::Tail, account(), pump());
    plant.run_to_ready();
    let before = plant.say("before");
    plant.run(Duration::from_secs(5));
    assert_eq!(plant.end_of(before), Some(&Ok(Answer::Sent)));

    // Out of reach while it is moved; what it says then waits.
    plant.world.harm(Fault::Cut { device: PUMP, direction: Direction::Up, after: 0, seen: Seen::AT_ONCE });
    plant.world.harm(Fault::Refuse { device: PUMP, cause: Cause::Unreachable, time: Duration::from_secs(3) });
    plant.run(Duration::from_millis(500));
    let tags = [plant.say("one"), plant.say("two")];
    plant.cloud(|cloud, _, out| cloud.move_registration(NAME, HUBS[1], out)).unwrap();
    plant.run_to_ready();
    plant.run(Duration::from_mins(30));

    assert!(tags.iter().all(|tag| plant.end_of(*tag) == Some(&Ok(Answer::Sent))), "{:?}", plant.done);
    for (hub, body, times) in
        [(0, "before", 1), (0, "one", 0), (0, "two", 0), (1, "before", 0), (1, "one", 1), (1, "two", 1)]
    {
        assert_eq!(plant.times(hub, body), times, "{body} at hub {hub}: {:?}", plant.heard);
    }
    let refusals = plant.ends().into_iter().filter(|cause| *cause == Cause::Refused(Refusal::NotAuthorized)).count();
    assert_eq!(refusals, 1, "{:?}", plant.ends());
    let hubs: Vec<_> = plant
        .said()
        .filter_map(|event| if let Event::Assigned(assigned) = event { Some(assigned.hub.as_str()) } else { None })
        .collect();
    assert_eq!(hubs, HUBS, "it registers twice in all");
    assert_eq!(plant.cloud(|cloud, _, _| cloud.registration(NAME).unwrap().assignments), 2);
    assert!(plant.cloud(|cloud, _, _| cloud.is_connected(&at(1)) && !cloud.is_connected(&at(0))));
}

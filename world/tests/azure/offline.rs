//! What a device finds when it comes back: after a loss of the network, and after a loss of power.

use crate::plant::{NAME, PUMP, Plant, account, at, pump};
use core::time::Duration;
use serde_json::{Value, json};
use skytether_core::{
    azure::{Answer, Event},
    io::{Cause, Key},
};
use skytether_simulator::azure::{C2d, Object};
use skytether_world::{
    diary::Keep,
    fault::Fault,
    pipe::{Direction, Seen},
    store::Crash,
};

const SECOND: Duration = Duration::from_secs(1);

fn object(value: Value) -> Object {
    let Value::Object(object) = value else { panic!("{value}") };
    object
}

#[test]
fn changes_that_were_missed_come_as_one_whole_twin_and_messages_that_waited_come_once() {
    let mut plant = Plant::new(4, Keep::Tail, account(), pump());
    plant.run_to_ready();
    plant.run(SECOND);
    assert_eq!(plant.desired(), [(1, true, json!({}))]);

    plant.world.harm(Fault::Cut { device: PUMP, direction: Direction::Up, after: 0, seen: Seen::AT_ONCE });
    plant.world.harm(Fault::Refuse { device: PUMP, cause: Cause::Unreachable, time: Duration::from_secs(20) });
    plant.run(SECOND);
    for patch in [json!({"a": 1}), json!({"b": 2}), json!({"a": null, "c": 3})] {
        plant.cloud(|cloud, _, out| cloud.write_desired(&at(0), &object(patch), out)).unwrap();
    }
    for body in ["first", "second"] {
        let message = C2d { body: body.into(), ..C2d::default() };
        plant.cloud(|cloud, at_, out| cloud.send(at_, &at(0), message, out)).unwrap();
    }
    let tag = plant.say("said in the dark");
    plant.run_to_ready();
    plant.run(5 * SECOND);

    assert_eq!(plant.desired()[1..], [(4, true, json!({"b": 2, "c": 3}))], "not each change");
    let messages: Vec<_> = plant
        .said()
        .filter_map(|event| if let Event::Message(c2d) = event { Some(&*c2d.payload) } else { None })
        .collect();
    assert_eq!(messages, [b"first".as_slice(), b"second"]);
    assert_eq!(plant.cloud(|cloud, _, _| cloud.waiting(&at(0))), 0);
    assert_eq!((plant.end_of(tag), plant.times(0, "said in the dark")), (Some(&Ok(Answer::Sent)), 1));

    // And from there on change by change.
    plant.cloud(|cloud, _, out| cloud.write_desired(&at(0), &object(json!({"b": 7})), out)).unwrap();
    plant.run(SECOND);
    assert_eq!(plant.desired()[2..], [(5, false, json!({"b": 7}))]);
}

#[test]
fn r_65_power_that_goes_while_the_assignment_is_stored_costs_one_registration_at_most() {
    for (crash, assignments) in [(Crash::Before, 2), (Crash::After, 1)] {
        let mut plant = Plant::new(65, Keep::Tail, account(), pump());
        plant.world.harm(Fault::CrashInWrite { device: PUMP, nth: 0, crash, down: 3 * SECOND });
        plant.run_to_ready();
        assert_eq!(plant.cloud(|cloud, _, _| cloud.registration(NAME).unwrap().assignments), assignments, "{crash:?}");
        let connects = plant.world.take_connects().len();
        assert_eq!(connects, 1 + usize::try_from(assignments).unwrap(), "no hub before its store: {crash:?}");
        assert!(plant.world.store(PUMP).unwrap().value(&Key::Hub).is_some());
        let tag = plant.say("alive");
        plant.run(SECOND);
        assert_eq!((plant.end_of(tag), plant.times(0, "alive")), (Some(&Ok(Answer::Sent)), 1), "{crash:?}");

        // Another life begins at the hub.
        plant.world.harm(Fault::PowerCut { device: PUMP, down: SECOND, told: true });
        plant.run_to_ready();
        assert_eq!(plant.cloud(|cloud, _, _| cloud.registration(NAME).unwrap().assignments), assignments);
    }
}

#[test]
fn r_65_a_hub_is_not_dialled_before_its_assignment_is_safe() {
    let mut plant = Plant::new(65, Keep::Tail, account(), pump());
    plant.world.harm(Fault::StoreSlow { device: PUMP, delay: 5 * SECOND });
    assert!(plant.world.run_to(60 * SECOND, |world| world.store(PUMP).unwrap().writes() > 0));
    plant.run(2 * SECOND);
    assert_eq!(plant.world.take_connects().len(), 1, "the service alone");
    plant.world.harm(Fault::PowerCut { device: PUMP, down: SECOND, told: true });
    plant.run_to_ready();
    assert_eq!(plant.cloud(|cloud, _, _| cloud.registration(NAME).unwrap().assignments), 2);
    assert_eq!(plant.world.take_connects().len(), 2, "the service again, then the hub");
}

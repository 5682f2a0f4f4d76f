//! A week with tokens of an hour, at a hub that cuts whoever's token is over.

use crate::plant::{PUMP, Plant, account, pump};
use core::time::Duration;
use skytether_core::{azure::Answer, device::Event, io::Cause};
use skytether_world::diary::Keep;

#[test]
fn r_5_r_60_over_a_week_the_hub_never_cuts_first_and_no_message_is_lost() {
    let mut plant = Plant::new(60, Keep::Tail, account(), pump());
    plant.run_to_ready();
    let mut tags = Vec::new();
    for minute in 0..7 * 24 * 60 {
        tags.push(plant.say(&format!("minute {minute}")));
        plant.world.run(Duration::from_mins(1));
        plant.live();
    }
    plant.run(Duration::from_secs(5));
    assert!(plant.ends().iter().all(|cause| *cause == Cause::Asked), "{:?}", plant.ends());
    // The service once, then 48 minutes each, up to 5 % less.
    let renewals = plant.world.dials(PUMP).len() - 2;
    assert!((209..=222).contains(&renewals), "{renewals}");
    assert_eq!(plant.count(|event| *event == Event::Ready), renewals + 1);
    assert_eq!(plant.done.len(), tags.len());
    assert!(plant.done.iter().zip(&tags).all(|((done, outcome), tag)| done == tag && *outcome == Ok(Answer::Sent)));
    let heard: Vec<_> = plant.heard.iter().map(|(_, body)| body.clone()).collect();
    let said: Vec<_> = (0..tags.len()).map(|minute| format!("minute {minute}")).collect();
    assert!(heard == said, "each once and in order: {} of {}", heard.len(), said.len());
}

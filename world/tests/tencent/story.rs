//! The document's story, and the same home over a network that breaks.

use crate::home::{AIR, DOOR, Home, chance};
use core::time::Duration;
use skytether_core::tencent::Answer;
use skytether_simulator::home::Action;
use skytether_world::{
    diary::Keep,
    fault::{Mix, schedule},
};

const SECOND: Duration = Duration::from_secs(1);

/// 24 seconds at home: back before the 7th, gone before the 18th.
fn story() -> (Vec<String>, String) {
    let mut home = Home::new(1, Keep::Whole, false);
    home.run(SECOND);
    let mut lines = Vec::new();
    for tick in 0..24 {
        match tick {
            6 => drop(home.door(Action::ComeHome)),
            17 => drop(home.door(Action::LeaveHome)),
            _ => {}
        }
        home.run(SECOND);
        lines.push(home.air.tick());
    }
    assert_eq!(home.commands, [Action::ComeHome, Action::LeaveHome]);
    assert!(home.done.iter().all(|(_, outcome)| *outcome == Ok(Answer::Published)));
    assert_eq!((home.world.dials(DOOR).len(), home.world.dials(AIR).len()), (1, 1));
    (lines, home.close())
}

#[test]
fn the_24_lines_of_the_document_come_out_in_virtual_time() {
    let (lines, _) = story();
    let close = |n| format!("[air is close] temperature {n}");
    let open = |n| format!("[air is open] temperature {n}");
    let mut expected: Vec<String> = [25, 25, 26, 26, 27, 27].map(close).to_vec();
    expected.extend([28, 27, 27, 26, 26, 25, 25, 24, 24, 23, 23].map(open));
    expected.extend([22, 23, 23, 24, 24, 25, 25].map(close));
    assert_eq!(lines, expected);
}

#[test]
fn r_3_the_story_is_the_same_byte_for_byte() {
    let (one, other) = (story().1, story().1);
    assert!(one.lines().count() > 30);
    assert_eq!(one, other);
}

#[test]
fn r_5_r_81_over_a_network_that_breaks_every_word_of_the_door_arrives_and_the_last_one_counts() {
    for seed in 0..40 {
        let mut home = Home::new(seed, Keep::Tail, true);
        home.run(SECOND * 5);
        let mut chance = chance(seed);
        let span = Duration::from_mins(4);
        for (at, fault) in schedule(&mut chance, Mix { restarts: true, ..Mix::NETWORK }, 2, 6, span) {
            home.world.harm_at(at, fault);
        }
        let mut said = Vec::new();
        for _ in 0..12 {
            home.run(Duration::from_millis(chance.up_to(20_000)));
            let action = if chance.up_to(1) == 0 { Action::ComeHome } else { Action::LeaveHome };
            said.push((home.door(action), action));
        }
        home.run(SECOND);
        home.world.heal();
        home.run(Duration::from_mins(10));
        let text = home.world.diary().text();
        for (tag, _) in &said {
            let ends: Vec<_> = home.done.iter().filter(|(done, _)| done == tag).collect();
            assert_eq!(ends, [&(*tag, Ok(Answer::Published))], "{text}\nseed {seed}");
        }
        assert!(home.commands.len() >= said.len(), "{text}\nseed {seed}");
        let last = said.last().map(|(_, action)| *action);
        assert_eq!(home.commands.last().copied(), last, "{text}\nseed {seed}");
        assert_eq!(home.air.is_open(), last == Some(Action::ComeHome));
        home.close();
    }
}

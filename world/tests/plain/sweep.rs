//! A whole conversation, cut at every byte of both directions, and gone on with.

use crate::support::{converse, quiet};
use skytether_core::mqtt::session::Options;
use skytether_world::{
    fault::Fault,
    life::Life,
    pipe::{Direction, Seen, Shape},
};

/// Bytes that an undisturbed conversation has, up and down.
fn lengths(options: Options) -> (u64, u64) {
    let mut life = Life::new(&quiet(options));
    converse(&mut life, |_| {});
    let lengths = life.world.delivered(0).expect("an undisturbed pipe");
    life.finish().unwrap_or_else(|ruin| panic!("{ruin}"));
    lengths
}

/// Cuts once, at one byte; with `wiped`, the broker has forgotten the session when the device comes back.
fn cut(options: Options, piece: usize, wiped: bool, direction: Direction, after: u64) {
    let mut life = Life::new(&quiet(options));
    life.harm(Fault::Reshape { device: 0, shape: Shape { piece, ..Shape::default() } });
    life.harm(Fault::Cut { device: 0, direction, after, seen: Seen::AT_ONCE });
    let mut done = !wiped;
    let mut was_open = false;
    converse(&mut life, |life| {
        let is_open = life.world.delivered(0).is_some();
        if was_open && !is_open && !done {
            life.harm(Fault::Wipe { device: 0 });
            done = true;
        }
        was_open |= is_open;
    });
    let place = format!("{direction:?} after {after}, pieces of {piece}, wiped {wiped}");
    let account = life.finish().unwrap_or_else(|ruin| panic!("{ruin}\n{place}"));
    assert_eq!(account.dials, 2, "{place}: one loss, one new dial");
}

fn sweep(options: Options, piece: usize, wiped: bool) {
    let (up, down) = lengths(options);
    assert!(up > 150 && down > 150, "a whole conversation: {up}, {down}");
    for (direction, len) in [(Direction::Up, up), (Direction::Down, down)] {
        for after in 0..=len {
            cut(options, piece, wiped, direction, after);
        }
    }
}

#[test]
fn r_20_a_cut_at_any_byte_loses_and_doubles_nothing_where_the_session_is_kept() {
    sweep(Options::default(), usize::MAX, false);
    sweep(Options::default(), 1, false);
}

#[test]
fn r_20_a_cut_at_any_byte_ends_every_message_where_the_session_is_lost() {
    sweep(Options::default(), usize::MAX, true);
    sweep(Options::default(), 1, true);
}

#[test]
fn r_20_a_cut_at_any_byte_of_a_session_that_is_stored() {
    let options = Options { persist: true, ..Options::default() };
    sweep(options, usize::MAX, false);
    sweep(options, usize::MAX, true);
}

//! What an application on a device gets to know, in order, and what the world adds for those who count.

use skytether_core::io::{Failure, Tag};

/// One thing that an application is told, or that happens to it.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "tests match it whole")]
pub enum Told<E, A> {
    /// An event of the device.
    Event(E),
    /// The end of a command.
    Done(Tag, Result<A, Failure>),
    /// The device asked for its session to be stored: the write with this number has begun.
    Saving(u64),
    /// That write is done, and would be found after a power cut.
    Saved(u64),
    /// That write failed.
    NotSaved(u64),
    /// The device lost its power; what was not done is lost with it. This is what its store holds of its session.
    Died(Option<Vec<u8>>),
    /// It runs again, from what its store holds.
    Born,
    /// The broker has forgotten its session.
    Wiped,
}

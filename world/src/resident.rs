//! Which machines can live in a world, and what the world has to understand of them.

use core::fmt::Debug;
use skytether_core::{
    at,
    cloud::Cloud,
    device::{Device, Event},
    io::Machine,
    limits::Limits,
    mqtt::session::Session,
};

/// A machine whose life the world can follow.
pub trait Resident: Machine<Event: Debug, Answer: Debug> {
    /// What an event says about the connection.
    fn turn(event: &Self::Event) -> Option<Turn>;

    /// Bytes of traffic that it holds now.
    fn buffered(&self) -> usize;
}

/// A turn in the life of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "the lifecycle's own words")]
pub enum Turn {
    /// It is being opened.
    Dialling,
    /// The peer accepted.
    Up,
    /// Traffic flows.
    Ready,
    /// It ended; whether a next dial was announced.
    Down {
        /// Whether a dial follows.
        retry: bool,
    },
}

impl<C> Resident for Device<Session, C>
where
    C: Cloud<Event: Debug, Answer: Debug>,
{
    fn turn(event: &Event<C::Event>) -> Option<Turn> {
        turn(event)
    }

    fn buffered(&self) -> usize {
        self.link().buffered()
    }
}

impl<C> Resident for Device<at::Modem, C>
where
    C: Cloud<Event: Debug, Answer: Debug>,
{
    fn turn(event: &Event<C::Event>) -> Option<Turn> {
        turn(event)
    }

    fn buffered(&self) -> usize {
        self.link().buffered()
    }
}

fn turn<E>(event: &Event<E>) -> Option<Turn> {
    match event {
        Event::Dialling(_) => Some(Turn::Dialling),
        Event::Up { .. } => Some(Turn::Up),
        Event::Ready => Some(Turn::Ready),
        Event::Down { retry, .. } => Some(Turn::Down { retry: retry.is_some() }),
        Event::GaveUp(_) | Event::Note(_) | Event::Cloud(_) => None,
    }
}

/// What a session with these limits may ever hold: messages, and once more as much that is free and not reused
/// yet; control packets, where one input may go over the limit by its answers; requests, which are asked all at once.
pub fn memory_bound(limits: &Limits) -> usize {
    let messages = limits.queued_bytes + 2 * limits.reserve_bytes;
    2 * messages + 2 * limits.control + limits.subscriptions * 64
}

//! What a driver drives: a link and a cloud as one machine that dials, backs off, closes, and ends every command once.
//!
//! # The pipe
//! A device has one pipe at a time, and inputs do not name theirs. So a driver keeps one rule: once
//! [`Close`](crate::io::Action::Close) or a new [`Open`](crate::io::Action::Open) is given, nothing of the old pipe is
//! told any more, except exactly one [`Input::Closed`] in answer to `Close`, and that only before the next `Open`. For
//! its part the device waits for that answer: no dial begins, and no [`Event::Down`] is told, while the old pipe is
//! being closed. Inputs that have no place in the state at hand (`Opened` when nothing is being opened, bytes without a
//! connection, a second `Closed`) are ignored.
//!
//! | given | the driver answers | within | else |
//! |---|---|---|---|
//! | `Open` | `Opened` or `Closed(cause)` | [`Config::open_timeout`] | `Close` is given; the dial has failed with [`OpenTimeout`](crate::io::Cause::OpenTimeout) |
//! | `Close` | `Closed(cause)` | 5 s | the pipe counts as closed |
//!
//! # Order
//! One input may have several consequences; they come out in this order, one a [`step`](Machine::step): what happened
//! to the connection ([`Event`]), what the cloud says of it, [`Event::Ready`], `Open` or `Close`, the cloud's actions,
//! the link's. [`Event::Dialling`] comes before its `Open`, [`Event::Down`] before the `Dialling` of the next dial.
//!
//! # Back-off
//! After each failure the device waits as [`Cloud::backoff`] says; [`Backoff`](crate::backoff::Backoff) tells how the
//! waits grow, what sets them back, and how far apart a platform wants two dials.
//! [`reconnect_now`](Machine::reconnect_now) and a redial that the cloud asks for skip the wait, but never that gap; a
//! cloud may redial five times in a row, then the back-off holds for it too, until a connection has been stable.
//!
//! # Closing
//! [`close`](Machine::close) works in every state: a connection is ended in order, a pipe being opened is closed, and
//! then every command still under way ends as [`Failure::Closed`](crate::io::Failure::Closed), unless it was
//! acknowledged before. Carry out what was given (a `Store` too) before dropping a device that is closed.

mod event;
mod lifecycle;
mod pipeline;
mod record;

pub use event::Event;
pub use lifecycle::Config;

use crate::{
    cloud::Cloud,
    io::{Deadline, Input, Instant, Machine, Rejected, Step, Tag},
    link::Link,
    rng::Rng,
};
use alloc::vec::Vec;
use core::{fmt, time::Duration};
use pipeline::Pipeline;

/// A link and a cloud as one machine; see the [module](self) for the order in which things come.
pub struct Device<L, C: Cloud> {
    pipeline: Pipeline<L, C>,
    /// Lent to the link for each read, and touched by no one else.
    scratch: Vec<u8>,
    config: Config,
    /// The latest moment seen: time never runs backwards here.
    now: Instant,
    /// Something may wait to go out: the next step is due at once.
    restless: bool,
}

/// Times in a row, within a step, that a cloud may be ticked without saying anything: one that never moves its deadline
/// costs a wake-up a millisecond, not the thread.
const SILENT_TICKS: u8 = 64;

impl<L: Link, C: Cloud> Device<L, C> {
    /// A device that dials at its first step. All randomness (jitter, ids) comes from `seed`: give each device its own.
    pub fn new(link: L, cloud: C, config: Config, seed: [u8; 32], now: Instant) -> Self {
        let pipeline = Pipeline::new(link, cloud, config, Rng::new(seed), now);
        Self { pipeline, scratch: Vec::new(), config, now, restless: true }
    }

    /// The cloud, to look at.
    pub fn cloud(&self) -> &C {
        &self.pipeline.cloud
    }

    /// The link, to look at.
    pub fn link(&self) -> &L {
        &self.pipeline.link
    }

    fn clock(&mut self, now: Instant) -> Instant {
        self.now = self.now.max(now);
        self.now
    }
}

impl<L: Link, C: Cloud> Machine for Device<L, C> {
    type Command = C::Command;
    type Event = Event<C::Event>;
    type Answer = C::Answer;

    fn step(&mut self, now: Instant, input: &mut Input<'_>) -> Step<Self::Event, Self::Answer> {
        let now = self.clock(now);
        let mut ticks = SILENT_TICKS;
        self.restless = true;
        loop {
            if let Some(step) = self.pipeline.emit(now) {
                return step;
            }
            let busy = self.pipeline.take(now, input, &mut self.scratch)
                || self.pipeline.time(now, &mut self.scratch, &mut ticks);
            if !busy {
                self.restless = false;
                return Step::Idle;
            }
        }
    }

    fn command(&mut self, now: Instant, command: &C::Command) -> Result<Tag, Rejected> {
        let now = self.clock(now);
        let tag = self.pipeline.command(now, command)?;
        self.restless = true;
        Ok(tag)
    }

    fn close(&mut self, now: Instant) {
        let now = self.clock(now);
        self.pipeline.close(now, &self.config);
        self.restless = true;
    }

    fn reconnect_now(&mut self, now: Instant) {
        let now = self.clock(now);
        self.pipeline.reconnect_now(now);
        self.restless = true;
    }

    fn deadline(&self) -> Option<Deadline> {
        if self.restless {
            return Some(Deadline { at: self.now, why: "output" });
        }
        // Whatever was due has been served: a deadline that has not moved asks again, but not in the same moment.
        let soonest = self.now.after(Duration::from_millis(1));
        self.pipeline.deadline().map(|deadline| Deadline { at: deadline.at.max(soonest), ..deadline })
    }

    fn transmit(&self) -> &[u8] {
        self.pipeline.transmit()
    }

    fn wants_command(&self) -> bool {
        self.pipeline.wants_command()
    }

    fn wants_bytes(&self) -> bool {
        self.pipeline.wants_bytes()
    }

    fn is_closed(&self) -> bool {
        self.pipeline.is_closed()
    }
}

impl<L: fmt::Debug, C: Cloud + fmt::Debug> fmt::Debug for Device<L, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Device")
            .field("link", &self.pipeline.link)
            .field("cloud", &self.pipeline.cloud)
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

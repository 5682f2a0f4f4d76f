//! When to send PINGREQ, and when a silent peer counts as gone (MQTT 3.1.2.10).

use crate::time::{Deadline, Instant};
use core::time::Duration;

/// PINGRESP is awaited this long where nothing else was asked for and the keep alive is no shorter.
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// What the clock says about a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Alive {
    /// Nothing to do.
    Yes,
    /// PINGREQ is due.
    Ask,
    /// PINGRESP did not come.
    No,
}

/// The keep-alive timers of one connection.
#[derive(Debug, Default)]
pub(super) struct KeepAlive {
    every: Duration,
    timeout: Duration,
    last_in: Instant,
    last_out: Instant,
    asked: Option<Instant>,
}

impl KeepAlive {
    /// Starts the timers of a connection that keeps `seconds` (0: none).
    pub(super) fn start(now: Instant, seconds: u16, timeout: Option<Duration>) -> Self {
        let every = Duration::from_secs(seconds.into());
        let timeout = timeout.unwrap_or_else(|| PING_TIMEOUT.min(every / 2));
        Self { every, timeout, last_in: now, last_out: now, asked: None }
    }

    /// Bytes were handed to the pipe.
    pub(super) fn sent(&mut self, now: Instant) {
        self.last_out = now;
    }

    /// A packet came in.
    pub(super) fn received(&mut self, now: Instant) {
        self.last_in = now;
    }

    /// PINGRESP came in; one that was not asked for says nothing.
    pub(super) fn answered(&mut self) {
        self.asked = None;
    }

    /// Bytes have come in that nobody has read yet: the answer may be among them.
    pub(super) fn behind(&mut self, now: Instant) {
        if self.asked.is_some() {
            self.asked = Some(now);
        }
    }

    /// Looks at the clock. After a leap over several deadlines the probe comes first, and its timer starts now.
    pub(super) fn check(&mut self, now: Instant) -> Alive {
        if self.every.is_zero() {
            return Alive::Yes;
        }
        match self.asked {
            Some(asked) if now >= asked.after(self.timeout) => Alive::No,
            None if now >= self.ping_due() => {
                self.asked = Some(now);
                Alive::Ask
            }
            Some(_) | None => Alive::Yes,
        }
    }

    /// When to look again.
    pub(super) fn deadline(&self) -> Option<Deadline> {
        if self.every.is_zero() {
            return None;
        }
        Some(match self.asked {
            Some(asked) => Deadline { at: asked.after(self.timeout), why: "PINGRESP" },
            None => Deadline { at: self.ping_due(), why: "PINGREQ" },
        })
    }

    /// The keep alive after the later-lived of both directions fell silent: the sending side so that the server hears
    /// from us in time, the receiving side so that a dead peer is found while we keep sending.
    fn ping_due(&self) -> Instant {
        self.last_in.min(self.last_out).after(self.every)
    }
}

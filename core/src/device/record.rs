//! How long to wait before the next dial: what the connections so far have taught.

use crate::{
    backoff::{Backoff, Class},
    io::{Cause, Instant, Refusal},
};
use core::time::Duration;

/// Counters over all connections of a device.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Record {
    last_dial: Option<Instant>,
    /// Failures in a row that pass by themselves.
    attempts: u32,
    /// Failures in a row that do not.
    refusals: u32,
    /// Dials without back-off in a row that the cloud asked for.
    redials: u8,
    short_lives: u8,
    /// A takeover was suspected, and no connection has been stable since.
    suspected: bool,
    /// The credentials have carried a stable connection since they were last refused.
    trusted: bool,
    /// Refused with 4 or 5 since the last success.
    refused: bool,
}

/// Dials in a row that a cloud may ask for without back-off.
const HOPS: u8 = 5;
/// Short lives in a row that look like a takeover.
const SHORT_LIVES: u8 = 3;

impl Record {
    /// What the platform counts as a dial happens now.
    pub(super) fn dialled(&mut self, now: Instant) {
        self.last_dial = Some(now);
    }

    /// The peer accepted.
    pub(super) fn accepted(&mut self) {
        self.refused = false;
    }

    /// Whether the cloud may have one more dial without back-off; counts it.
    pub(super) fn take_hop(&mut self) -> bool {
        let granted = self.redials < HOPS;
        self.redials = self.redials.saturating_add(1);
        granted
    }

    /// Draws the lesson from how long a connection lived; `true` when a takeover is first suspected.
    pub(super) fn lived(&mut self, life: Duration, cause: Cause, backoff: &Backoff) -> bool {
        if life >= backoff.stable_after {
            self.attempts = 0;
            self.refusals = 0;
            self.redials = 0;
            self.trusted = true;
            self.suspected = false;
        }
        if life >= backoff.short_life {
            self.short_lives = 0;
        } else if cause == Cause::Lost {
            self.short_lives = self.short_lives.saturating_add(1);
        }
        let first = self.short_lives >= SHORT_LIVES && !self.suspected;
        self.suspected |= first;
        first
    }

    /// Counts a failure and says how long to wait after it.
    pub(super) fn failed(&mut self, cause: Cause, backoff: &Backoff, random: u64) -> Duration {
        let credentials = matches!(cause, Cause::Refused(Refusal::BadCredentials | Refusal::NotAuthorized));
        self.refused |= credentials;
        // What worked before may only have expired: the cloud makes fresh credentials, which get one quick try.
        let quick = credentials && core::mem::take(&mut self.trusted);
        let class = if quick { Class::Transient } else { Class::of(cause) };
        let count = match class {
            Class::Transient => &mut self.attempts,
            Class::Permanent => &mut self.refusals,
        };
        let wait = backoff.delay(class, *count, random);
        *count = count.saturating_add(1);
        wait
    }

    /// The earliest moment for a dial that the platform allows.
    pub(super) fn gap_end(&self, now: Instant, backoff: &Backoff) -> Instant {
        let after_refusal = if self.refused { backoff.gap_after_refusal } else { Duration::ZERO };
        let gap = backoff.connect_gap.max(after_refusal);
        self.last_dial.map_or(now, |last| last.after(gap).max(now))
    }
}

//! Which patch of reported properties goes next: the acknowledgement first, then the report, one at a time.

use crate::io::{Instant, Tag};
use core::{mem, time::Duration};

/// When a patch that the hub did not take is sent again.
const AGAIN: Duration = Duration::from_mins(1);

/// What the platform is still to be told.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    /// Code and version that were acknowledged last.
    acked: Option<(u16, u64)>,
    ack_due: bool,
    report_due: bool,
    sending: Option<(Tag, Patch)>,
    again: Option<Instant>,
}

/// A patch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Patch {
    /// An acknowledgement: code and version.
    Ack(u16, u64),
    Report,
}

impl Outgoing {
    /// A version is to be acknowledged with this code, unless it has been.
    pub(super) fn acknowledge(&mut self, code: u16, version: u64) {
        if self.acked != Some((code, version)) {
            self.acked = Some((code, version));
            self.ack_due = true;
        }
    }

    /// There is news to report.
    pub(super) fn report(&mut self) {
        self.report_due = true;
    }

    /// The patch to send now, under this tag.
    pub(super) fn next(&mut self, tag: impl FnOnce() -> Tag) -> Option<(Tag, Patch)> {
        if self.sending.is_some() || self.again.is_some() {
            return None;
        }
        let patch = match self.acked.filter(|_| mem::take(&mut self.ack_due)) {
            Some((code, version)) => Patch::Ack(code, version),
            None if mem::take(&mut self.report_due) => Patch::Report,
            None => return None,
        };
        self.sending = Some((tag(), patch));
        self.sending
    }

    /// Whether this is the tag of the patch on its way.
    pub(super) fn owns(&self, tag: Tag) -> bool {
        self.sending.is_some_and(|(sending, _)| sending == tag)
    }

    /// The patch on its way was taken; whether it was the latest report.
    pub(super) fn taken(&mut self) -> bool {
        self.sending.take().is_some_and(|(_, patch)| patch == Patch::Report) && !self.report_due
    }

    /// The patch on its way was not taken: it is sent again, later.
    pub(super) fn not_taken(&mut self, now: Instant) {
        match self.sending.take() {
            Some((_, Patch::Ack(..))) => self.ack_due = true,
            Some((_, Patch::Report)) => self.report_due = true,
            None => {}
        }
        self.again = Some(now.after(AGAIN));
    }

    /// Time has passed.
    pub(super) fn tick(&mut self, now: Instant) {
        self.again = self.again.filter(|again| *again > now);
    }

    pub(super) fn again(&self) -> Option<Instant> {
        self.again
    }
}

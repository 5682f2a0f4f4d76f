//! When is what stored? One write at a time, each of the whole record as it is by then.

use super::record::Record;
use crate::{
    cloud::Cx,
    io::{Action, Key},
};

/// Names the state of the record at one moment; a later one includes it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(super) struct Epoch(u64);

/// What is stored, being stored, waiting.
#[derive(Debug, Default)]
pub(super) struct Keeper {
    now: Epoch,
    asked: Epoch,
    storing: Option<Epoch>,
    safe: Epoch,
}

impl Keeper {
    /// Notes a change of the record, and names the state with it.
    pub(super) fn touch(&mut self) -> Epoch {
        self.now.0 += 1;
        self.now
    }

    /// Begins a write, if one is needed and none is under way. An empty record is deleted.
    pub(super) fn flush(&mut self, cx: &mut Cx<'_>, record: &Record, identity: &str) {
        if self.asked == self.now || self.storing.is_some() {
            return;
        }
        self.asked = self.now;
        self.storing = Some(self.now);
        cx.act(if *record == Record::default() {
            Action::Delete(Key::Ota)
        } else {
            Action::Store(Key::Ota, record.seal(identity))
        });
    }

    /// The write that was under way is done; says up to which state.
    pub(super) fn done(&mut self, good: bool) -> Option<Epoch> {
        let epoch = self.storing.take()?;
        if good {
            self.safe = epoch;
        }
        Some(epoch)
    }

    /// Whether a state is stored.
    pub(super) fn is_safe(&self, epoch: Epoch) -> bool {
        epoch <= self.safe
    }

    /// Whether something is being stored or waits for it.
    pub(super) fn is_busy(&self) -> bool {
        self.storing.is_some() || self.asked != self.now
    }
}

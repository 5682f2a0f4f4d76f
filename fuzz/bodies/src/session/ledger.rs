//! Which commands were accepted, and has each ended once?

use skytether_core::{io::Tag, link::QoS};
use std::collections::BTreeMap;

/// What a tag stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Publish(QoS),
    /// With this many filters that have not been answered.
    Subscribe(usize),
    Unsubscribe,
}

/// How a command ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    Delivered,
    Granted,
    Unsubscribed,
    Failed,
}

/// The commands that have not ended. Tag 0 is what comes back of an earlier life.
#[derive(Default)]
pub(super) struct Ledger {
    open: BTreeMap<u32, Kind>,
    last: u32,
}

impl Ledger {
    /// A tag that was not used before.
    pub(super) fn tag(&mut self) -> Tag {
        self.last += 1;
        Tag(self.last)
    }

    pub(super) fn accepted(&mut self, tag: Tag, kind: Kind) {
        self.open.insert(tag.0, kind);
    }

    pub(super) fn is_open(&self, tag: Tag) -> bool {
        tag.0 == 0 || self.open.contains_key(&tag.0)
    }

    /// Takes an end in, and says what ended.
    pub(super) fn ended(&mut self, tag: Tag, end: End) -> Option<Kind> {
        if tag.0 == 0 {
            return None;
        }
        let kind = self.open.remove(&tag.0).unwrap_or_else(|| panic!("{tag:?} {end:?}, which is not open (R-5)"));
        match (kind, end) {
            (Kind::Subscribe(left), End::Granted) if left > 1 => {
                self.open.insert(tag.0, Kind::Subscribe(left - 1));
            }
            (Kind::Publish(_), End::Delivered)
            | (Kind::Subscribe(_), End::Granted)
            | (Kind::Unsubscribe, End::Unsubscribed)
            | (_, End::Failed) => {}
            _ => panic!("{tag:?} is {kind:?} and ended as {end:?} (R-5)"),
        }
        Some(kind)
    }

    /// The power is cut: nobody waits any more.
    pub(super) fn forget(&mut self) {
        self.open.clear();
    }

    pub(super) fn assert_settled(&self) {
        assert!(self.open.is_empty(), "accepted and never ended (R-5): {:?}", self.open);
    }
}

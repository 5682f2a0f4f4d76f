//! Which desired properties the application sees: each version once and in order, and the whole where some were missed.

use super::{super::limits, document::Desired};
use alloc::{collections::VecDeque, string::String};
use serde_json::{Map, Value};

/// The order of desired properties: what was told last, and what is held back until the whole twin has come.
///
/// Changes come one version after the other. A gap, or a change that was missed while offline, is repaired by asking for
/// the whole; changes that arrive meanwhile are held back, and those that the whole contains are dropped.
#[derive(Clone, Debug, Default)]
pub struct Versions {
    last: Option<u64>,
    holding: bool,
    held: VecDeque<Held>,
    held_bytes: usize,
}

#[derive(Clone, Debug)]
struct Held {
    version: u64,
    desired: Map<String, Value>,
    len: usize,
}

/// What becomes of a change.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "there is nothing else to do with a change")]
pub enum Change {
    /// It is next: tell the application.
    Next(Desired),
    /// The application knows this version, or a later one.
    Stale,
    /// It is held back until the whole has come.
    Held,
    /// Changes before it are missing: it is held back, and the whole has to be asked for.
    Gap,
}

impl Versions {
    /// The order after this version was told; `None`: none ever was, so the whole comes first.
    pub fn after(last: Option<u64>) -> Self {
        Self { last, holding: last.is_none(), ..Self::default() }
    }

    /// The version told last.
    pub fn last(&self) -> Option<u64> {
        self.last
    }

    /// Holds changes back until the whole comes: a new connection, or a change that could not be read.
    pub fn hold(&mut self) {
        self.holding = true;
    }

    /// Takes in a change of this many bytes.
    pub fn change(&mut self, version: u64, desired: Map<String, Value>, len: usize) -> Change {
        if self.last.is_some_and(|last| version <= last) {
            return Change::Stale;
        }
        if !self.holding && self.is_next(version) {
            self.last = Some(version);
            return Change::Next(Desired { version, full: false, desired });
        }
        let known = self.holding;
        self.holding = true;
        // What does not fit is a gap once the whole is there, and repaired by the next one.
        let bytes = self.held_bytes.saturating_add(len);
        if self.held.len() < limits::HELD_CHANGES && bytes <= limits::HELD_BYTES {
            self.held_bytes = bytes;
            self.held.push_back(Held { version, desired, len });
        }
        if known { Change::Held } else { Change::Gap }
    }

    /// Takes in the whole, and gives what follows from it to `tell`: itself, if it is not what was told last, and the
    /// changes that were held back. Says whether a gap is left, so that the whole has to be asked for again.
    ///
    /// Where nothing was held back, only a newer version counts: the answer may have been overtaken by a change.
    pub fn whole(&mut self, version: u64, desired: Map<String, Value>, mut tell: impl FnMut(Desired)) -> bool {
        let news = match self.last {
            None => true,
            Some(last) if self.holding => last != version,
            Some(last) => last < version,
        };
        if news {
            self.last = Some(version);
            tell(Desired { version, full: true, desired });
        }
        self.holding = false;
        while let Some(held) = self.held.front() {
            let stale = self.last.is_some_and(|last| held.version <= last);
            if !stale && !self.is_next(held.version) {
                self.holding = true;
                return true;
            }
            let Some(Held { version, desired, len }) = self.held.pop_front() else { break };
            self.held_bytes = self.held_bytes.saturating_sub(len);
            if !stale {
                self.last = Some(version);
                tell(Desired { version, full: false, desired });
            }
        }
        false
    }

    fn is_next(&self, version: u64) -> bool {
        self.last.and_then(|last| last.checked_add(1)) == Some(version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn change(versions: &mut Versions, version: u64) -> Change {
        versions.change(version, Map::new(), 10)
    }

    fn whole(versions: &mut Versions, version: u64) -> (Vec<(u64, bool)>, bool) {
        let mut told = Vec::new();
        let again = versions.whole(version, Map::new(), |desired| told.push((desired.version, desired.full)));
        (told, again)
    }

    #[test]
    fn changes_before_the_first_whole_are_held_back_and_told_after_it() {
        let mut versions = Versions::after(None);
        assert_eq!([4, 5, 6].map(|version| change(&mut versions, version)), [Change::Held, Change::Held, Change::Held]);
        assert_eq!(whole(&mut versions, 4), ([(4, true), (5, false), (6, false)].to_vec(), false));
        assert!(matches!(change(&mut versions, 7), Change::Next(_)));
    }

    #[test]
    fn a_gap_asks_for_the_whole_once_and_holds_what_follows() {
        let mut versions = Versions::after(Some(5));
        assert_eq!(change(&mut versions, 7), Change::Gap);
        assert_eq!(change(&mut versions, 8), Change::Held);
        assert_eq!(change(&mut versions, 5), Change::Stale);
        assert_eq!(whole(&mut versions, 7), ([(7, true), (8, false)].to_vec(), false));
        assert_eq!(versions.last(), Some(8));
    }

    #[test]
    fn a_whole_that_is_older_than_what_is_held_leaves_a_gap() {
        let mut versions = Versions::after(Some(5));
        change(&mut versions, 9);
        assert_eq!(whole(&mut versions, 6), ([(6, true)].to_vec(), true));
        assert_eq!(change(&mut versions, 7), Change::Held);
        assert_eq!(whole(&mut versions, 9), ([(9, true)].to_vec(), false));
    }

    #[test]
    fn after_a_reconnect_another_version_is_told_whole_even_a_lower_one() {
        let mut versions = Versions::after(Some(5));
        versions.hold();
        assert_eq!(whole(&mut versions, 5), ([].to_vec(), false));
        versions.hold();
        assert_eq!(whole(&mut versions, 2), ([(2, true)].to_vec(), false));
        // The twin of a device that was made anew counts from the beginning.
        assert!(matches!(change(&mut versions, 3), Change::Next(_)));
    }

    #[test]
    fn a_whole_that_a_change_has_overtaken_says_nothing() {
        let mut versions = Versions::after(Some(5));
        assert!(matches!(change(&mut versions, 6), Change::Next(_)));
        assert_eq!(whole(&mut versions, 5), ([].to_vec(), false));
        assert_eq!(versions.last(), Some(6));
    }

    #[test]
    fn r_4_what_is_held_back_is_bounded_and_what_did_not_fit_is_asked_for() {
        let mut versions = Versions::after(None);
        for version in 1..=100 {
            change(&mut versions, version);
        }
        assert_eq!(versions.held.len(), limits::HELD_CHANGES);
        let (told, again) = whole(&mut versions, 0);
        assert_eq!((told.len(), again), (limits::HELD_CHANGES + 1, false));
        assert_eq!(change(&mut versions, 101), Change::Gap);
        let mut versions = Versions::after(None);
        assert_eq!(versions.change(1, Map::new(), limits::HELD_BYTES + 1), Change::Held);
        assert_eq!(versions.held.len(), 0);
    }

    proptest! {
        /// Told versions rise by one, or leap by a whole; nothing is told twice.
        #[test]
        fn no_version_is_skipped_in_silence(inputs in proptest::collection::vec((any::<bool>(), 1..12_u64), 0..60)) {
            let mut versions = Versions::after(Some(3));
            let mut last = 3;
            for (is_change, version) in inputs {
                let mut told = Vec::new();
                if is_change {
                    if let Change::Next(desired) = change(&mut versions, version) {
                        told.push(desired);
                    }
                } else {
                    versions.whole(version, Map::new(), |desired| told.push(desired));
                }
                for desired in told {
                    prop_assert!(desired.full || desired.version == last + 1);
                    prop_assert_ne!(desired.version, last);
                    last = desired.version;
                }
                prop_assert_eq!(versions.last(), Some(last));
                prop_assert!(versions.held.len() <= limits::HELD_CHANGES);
            }
        }
    }
}

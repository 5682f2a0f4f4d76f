//! What has become of the methods that were called? Each ends once: answered in time, or not.

use super::identity::Identity;
use core::{fmt, time::Duration};
use skytether_core::time::Instant;
use std::collections::{BTreeMap, VecDeque};

/// Outcomes kept until someone asks; older ones are dropped.
const KEPT: usize = 1024;

/// Names one call.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[allow(clippy::exhaustive_structs, reason = "a plain number that tests print")]
pub struct CallId(pub u64);

impl fmt::Display for CallId {
    /// As the request id has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

/// How a call has ended.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "there is no third way")]
pub enum Outcome {
    /// The device has answered in time.
    Answered {
        /// Its status.
        status: i64,
        /// Its body.
        payload: Vec<u8>,
    },
    /// The device did not answer in time (504101).
    TimedOut,
}

/// What devices sent as answers to nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[allow(clippy::exhaustive_structs, reason = "counters that tests compare")]
pub struct Strays {
    /// Answers to a call that had timed out.
    pub late: u64,
    /// Second answers to a call.
    pub repeated: u64,
    /// Answers to no call, or to another device's.
    pub unknown: u64,
}

/// Hears the end of one call.
pub(super) type Ear = Box<dyn FnOnce(Outcome) + Send>;

#[derive(Default)]
pub(super) struct Calls {
    last: u64,
    open: BTreeMap<CallId, Call>,
    ended: VecDeque<(CallId, Identity, Outcome)>,
    strays: Strays,
}

struct Call {
    identity: Identity,
    until: Instant,
    ear: Option<Ear>,
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calls")
            .field("open", &self.open.len())
            .field("ended", &self.ended.len())
            .finish_non_exhaustive()
    }
}

impl Calls {
    pub(super) fn begin(&mut self, identity: &Identity, now: Instant, timeout: Duration) -> CallId {
        self.last = self.last.wrapping_add(1);
        let id = CallId(self.last);
        self.open.insert(id, Call { identity: identity.clone(), until: now.after(timeout), ear: None });
        id
    }

    /// Calls `ear` when the call ends, or at once if it has.
    pub(super) fn notify(&mut self, id: CallId, ear: Ear) {
        if let Some(call) = self.open.get_mut(&id) {
            call.ear = Some(ear);
        } else if let Some(outcome) = self.outcome(id) {
            ear(outcome.clone());
        }
    }

    /// The device answers.
    pub(super) fn answer(&mut self, identity: &Identity, rid: &str, status: i64, payload: &[u8]) {
        // Byte for byte as it was asked: no other writing of the same number.
        let id = u64::from_str_radix(rid, 16).ok().map(CallId).filter(|id| id.to_string() == rid);
        let of_device = |call: &&mut Call| call.identity == *identity;
        let Some(id) = id.filter(|id| self.open.get_mut(id).as_ref().is_some_and(of_device)) else {
            let ended = id.and_then(|id| self.ended.iter().find(|(known, of, _)| *known == id && of == identity));
            let count = match ended {
                Some((_, _, Outcome::TimedOut)) => &mut self.strays.late,
                Some((_, _, Outcome::Answered { .. })) => &mut self.strays.repeated,
                None => &mut self.strays.unknown,
            };
            *count = count.saturating_add(1);
            return;
        };
        self.end(id, Outcome::Answered { status, payload: payload.to_vec() });
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.open.values().map(|call| call.until).min()
    }

    /// Ends what is overdue.
    pub(super) fn expire(&mut self, now: Instant) {
        let overdue: Vec<_> = self.open.iter().filter(|(_, call)| call.until <= now).map(|(id, _)| *id).collect();
        for id in overdue {
            self.end(id, Outcome::TimedOut);
        }
    }

    pub(super) fn outcome(&self, id: CallId) -> Option<&Outcome> {
        self.ended.iter().find(|(known, ..)| *known == id).map(|(_, _, outcome)| outcome)
    }

    pub(super) fn strays(&self) -> Strays {
        self.strays
    }

    fn end(&mut self, id: CallId, outcome: Outcome) {
        let Some(call) = self.open.remove(&id) else { return };
        if self.ended.len() >= KEPT {
            self.ended.pop_front();
        }
        if let Some(ear) = call.ear {
            ear(outcome.clone());
        }
        self.ended.push_back((id, call.identity, outcome));
    }
}

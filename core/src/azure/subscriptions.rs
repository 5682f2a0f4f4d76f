//! How the filters that a connection needs are asked for: one after the other, each awaited, refused ones again later.

use crate::{
    cloud::Cx,
    io::{Deadline, Instant, Tag},
    link::{Lane, QoS},
};
use alloc::{string::String, vec::Vec};
use core::time::Duration;

/// The first wait before a refused filter is asked for again; it doubles up to [`LONGEST`].
const FIRST: Duration = Duration::from_secs(30);
const LONGEST: Duration = Duration::from_mins(10);

/// The filters of one connection.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    filters: Vec<(String, State)>,
    open: Option<Tag>,
    wait: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Missing,
    Granted,
    /// Asked for again then.
    Refused(Instant),
}

/// What an answer leads to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Outcome {
    /// There are more to come, or it is none of ours.
    Nothing,
    /// All are granted.
    Complete,
    /// This one was refused; it is asked for again later.
    Refused(String),
}

impl Subscriptions {
    /// Begins with a new connection.
    pub(super) fn start(&mut self, cx: &mut Cx<'_>, filters: impl IntoIterator<Item = String>) -> Outcome {
        self.filters = filters.into_iter().map(|filter| (filter, State::Missing)).collect();
        (self.open, self.wait) = (None, FIRST);
        self.next(cx)
    }

    /// The connection is gone.
    pub(super) fn stop(&mut self) {
        self.filters.clear();
        self.open = None;
    }

    /// Whether the open request is the one with this tag.
    pub(super) fn owns(&self, tag: Tag) -> bool {
        self.open == Some(tag)
    }

    /// The open request was answered, or failed.
    pub(super) fn answered(&mut self, cx: &mut Cx<'_>, granted: bool) -> Outcome {
        self.open = None;
        let asked = self.filters.iter_mut().find(|(_, state)| *state == State::Missing);
        let Some((filter, state)) = asked else { return Outcome::Nothing };
        if granted {
            *state = State::Granted;
            return self.next(cx);
        }
        *state = State::Refused(cx.now.after(self.wait));
        let refused = filter.clone();
        self.wait = self.wait.saturating_mul(2).min(LONGEST);
        cx.degraded();
        self.next(cx);
        Outcome::Refused(refused)
    }

    /// Time has passed.
    pub(super) fn tick(&mut self, cx: &mut Cx<'_>) {
        for (_, state) in &mut self.filters {
            if matches!(state, State::Refused(until) if *until <= cx.now) {
                *state = State::Missing;
            }
        }
        self.next(cx);
    }

    /// When [`Subscriptions::tick`] has something to do.
    pub(super) fn deadline(&self) -> Option<Deadline> {
        let waits = self.filters.iter().filter_map(|(_, state)| match state {
            State::Refused(until) => Some(*until),
            State::Missing | State::Granted => None,
        });
        waits.min().map(|at| Deadline { at, why: "subscription" })
    }

    /// Asks for the next one, unless one is open.
    fn next(&mut self, cx: &mut Cx<'_>) -> Outcome {
        if self.open.is_some() {
            return Outcome::Nothing;
        }
        let Some((filter, state)) = self.filters.iter_mut().find(|(_, state)| *state == State::Missing) else {
            let all = self.filters.iter().all(|(_, state)| *state == State::Granted);
            return if all { Outcome::Complete } else { Outcome::Nothing };
        };
        let (tag, qos) = (cx.tag(), cx.link.abilities().qos.min(QoS::AtLeastOnce));
        if cx.link.subscribe(cx.now, tag, Lane::Setup, &[filter.as_str()], qos).is_ok() {
            self.open = Some(tag);
        } else {
            // The link has no room at the moment.
            *state = State::Refused(cx.now.after(self.wait));
            cx.degraded();
        }
        Outcome::Nothing
    }
}

//! Which subscriptions are asked for, held and dropped, over connections and lost sessions.

use crate::{
    io::{Rejected, Tag},
    link::{Lane, QoS},
    mqtt::topic,
    time::Instant,
};
use alloc::{boxed::Box, vec::Vec};

/// One SUBSCRIBE's worth of filters.
#[derive(Debug)]
pub(super) struct Subscription {
    /// Who waits for the answer.
    pub(super) tag: Option<Tag>,
    /// The packet id under which it is asked on this connection.
    pub(super) id: Option<u16>,
    pub(super) lane: Lane,
    pub(super) filters: Vec<(Box<str>, QoS)>,
    pub(super) asked: Instant,
    /// It has to be asked when the lane opens.
    pub(super) due: bool,
}

/// One UNSUBSCRIBE.
#[derive(Debug)]
pub(super) struct Removal {
    pub(super) tag: Tag,
    pub(super) id: Option<u16>,
    pub(super) filters: Vec<Box<str>>,
    pub(super) asked: Instant,
}

/// Everything about subscriptions.
#[derive(Debug, Default)]
pub(super) struct Requests {
    pub(super) subscriptions: Vec<Subscription>,
    pub(super) removals: Vec<Removal>,
}

impl Requests {
    /// Packet ids in use.
    pub(super) fn ids(&self) -> impl Iterator<Item = u16> + Clone + '_ {
        let subscriptions = self.subscriptions.iter().filter_map(|subscription| subscription.id);
        subscriptions.chain(self.removals.iter().filter_map(|removal| removal.id))
    }

    /// Requests that somebody waits for.
    pub(super) fn open(&self) -> usize {
        self.subscriptions.iter().filter(|subscription| subscription.tag.is_some()).count() + self.removals.len()
    }

    /// Filters that are remembered.
    pub(super) fn filters(&self) -> usize {
        self.subscriptions.iter().map(|subscription| subscription.filters.len()).sum()
    }

    /// Remembers a new subscription. An equal filter of an earlier one is replaced, as on the server (MQTT 3.8.4-3).
    pub(super) fn subscribe(&mut self, tag: Tag, lane: Lane, filters: Vec<(Box<str>, QoS)>) {
        self.forget(|old| filters.iter().any(|(new, _)| **new == *old));
        let subscription = Subscription { tag: Some(tag), id: None, lane, filters, asked: Instant::ZERO, due: true };
        self.subscriptions.push(subscription);
    }

    /// Drops filters of subscriptions that nobody waits for; those that are left empty go. One that is asked at this
    /// moment keeps its id and, as empty texts, its places, since SUBACK answers each of them.
    pub(super) fn forget(&mut self, which: impl Fn(&str) -> bool) {
        for subscription in self.subscriptions.iter_mut().filter(|subscription| subscription.tag.is_none()) {
            if subscription.id.is_none() {
                subscription.filters.retain(|(filter, _)| !which(filter));
            } else {
                let dropped = subscription.filters.iter_mut().filter(|(filter, _)| which(filter));
                dropped.for_each(|(filter, _)| *filter = Box::default());
            }
        }
        self.subscriptions.retain(|subscription| !subscription.filters.is_empty());
    }

    /// A connection is up: decides what has to be asked again. Removals of a session that is gone are done.
    pub(super) fn connected(&mut self, session_kept: bool, always: bool) {
        for subscription in &mut self.subscriptions {
            subscription.due = subscription.tag.is_some() || !session_kept || always;
        }
    }

    /// The connection is gone: nothing is asked any more. Returns the tags of those that lived with it.
    pub(super) fn disconnected(&mut self) -> Vec<Tag> {
        for subscription in &mut self.subscriptions {
            subscription.id = None;
            subscription.filters.retain(|(filter, _)| !filter.is_empty());
        }
        self.subscriptions.retain(|subscription| !subscription.filters.is_empty());
        for removal in &mut self.removals {
            removal.id = None;
        }
        let mut lost = Vec::new();
        self.subscriptions.retain(|subscription| {
            let keep = subscription.lane != Lane::Setup;
            lost.extend(subscription.tag.filter(|_| !keep));
            keep
        });
        lost
    }
}

/// Checks filters before anything is changed.
pub(super) fn check<'a>(filters: impl Iterator<Item = &'a str>) -> Result<(), Rejected> {
    let mut any = false;
    for filter in filters {
        any = true;
        topic::check_filter(filter).map_err(Rejected::Invalid)?;
    }
    if any { Ok(()) } else { Err(Rejected::Invalid("a request needs at least one filter [3.8.3-3, 3.10.3-2]")) }
}

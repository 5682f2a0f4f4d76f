//! Which filters are asked for, held and dropped? A modem answers one request at a time, without saying which.

use crate::{
    io::Tag,
    link::{Lane, QoS},
};
use alloc::{boxed::Box, vec::Vec};

/// One filter that is wanted.
#[derive(Debug)]
pub(super) struct Subscription {
    /// Who waits for the answer.
    pub(super) tag: Option<Tag>,
    pub(super) lane: Lane,
    pub(super) filter: Box<str>,
    pub(super) qos: QoS,
    /// It has to be asked for.
    due: bool,
    /// It is the one that is asked for now.
    asked: bool,
}

/// One filter that is not wanted any more.
#[derive(Debug)]
struct Removal {
    tag: Tag,
    filter: Box<str>,
    asked: bool,
}

/// Everything about subscriptions.
#[derive(Debug, Default)]
pub(super) struct Requests {
    subscriptions: Vec<Subscription>,
    removals: Vec<Removal>,
}

impl Requests {
    /// Requests that somebody waits for.
    pub(super) fn open(&self) -> usize {
        self.subscriptions.iter().filter(|subscription| subscription.tag.is_some()).count() + self.removals.len()
    }

    /// Filters held besides this one.
    pub(super) fn others(&self, filter: &str) -> usize {
        self.subscriptions.iter().filter(|held| *held.filter != *filter).count()
    }

    /// Remembers a filter. An equal one that nobody waits for is replaced, as it is on the server.
    pub(super) fn subscribe(&mut self, tag: Tag, lane: Lane, filter: &str, qos: QoS) {
        self.subscriptions.retain(|held| *held.filter != *filter || held.tag.is_some() || held.asked);
        let subscription = Subscription { tag: Some(tag), lane, filter: filter.into(), qos, due: true, asked: false };
        self.subscriptions.push(subscription);
    }

    /// Drops a filter.
    pub(super) fn unsubscribe(&mut self, tag: Tag, filter: &str) {
        self.subscriptions.retain(|held| *held.filter != *filter || held.tag.is_some() || held.asked);
        self.removals.push(Removal { tag, filter: filter.into(), asked: false });
    }

    /// The next filter to ask for, marked as asked.
    pub(super) fn ask(&mut self, ready: bool) -> Option<&Subscription> {
        let open = |held: &&mut Subscription| held.due && (ready || held.lane == Lane::Setup);
        let next = self.subscriptions.iter_mut().find(open)?;
        (next.due, next.asked) = (false, true);
        Some(next)
    }

    /// The next filter to drop, marked as asked.
    pub(super) fn ask_removal(&mut self) -> Option<&str> {
        let next = self.removals.first_mut()?;
        next.asked = true;
        Some(&next.filter)
    }

    /// The one that was asked for was granted, or not: then it is forgotten. Who waits, or `None` where it was made
    /// again.
    pub(super) fn answered(&mut self, granted: bool) -> Option<Tag> {
        let at = self.subscriptions.iter().position(|held| held.asked)?;
        let held = self.subscriptions.get_mut(at)?;
        held.asked = false;
        let tag = held.tag.take();
        if !granted {
            self.subscriptions.remove(at);
        }
        tag
    }

    /// The one that was to be dropped is done with. Who waits.
    pub(super) fn removed(&mut self) -> Option<Tag> {
        let at = self.removals.iter().position(|removal| removal.asked)?;
        Some(self.removals.remove(at).tag)
    }

    /// A connection is up. With a session that the server kept, what was held there is dropped by asking; else it is
    /// gone already: who waits for that.
    pub(super) fn connected(&mut self, session_kept: bool) -> Vec<Tag> {
        let gone = if session_kept { Vec::new() } else { core::mem::take(&mut self.removals) };
        gone.into_iter().map(|removal| removal.tag).collect()
    }

    /// The connection is gone. Who waited for a filter that lived with it.
    pub(super) fn disconnected(&mut self) -> Vec<Tag> {
        let mut lost = Vec::new();
        self.subscriptions.retain_mut(|held| {
            (held.asked, held.due) = (false, true);
            let keep = held.lane != Lane::Setup;
            lost.extend(held.tag.filter(|_| !keep));
            keep
        });
        for removal in &mut self.removals {
            removal.asked = false;
        }
        lost
    }

    /// No dial follows. Who waits.
    pub(super) fn finish(&mut self) -> Vec<Tag> {
        let subscriptions = self.subscriptions.drain(..).filter_map(|held| held.tag);
        subscriptions.chain(self.removals.drain(..).map(|removal| removal.tag)).collect()
    }
}

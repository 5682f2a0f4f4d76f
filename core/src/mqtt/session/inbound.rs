//! What is owed for messages that came in: acknowledgements in order of arrival, and QoS 2 shown once (MQTT 4.3, 4.6).

use crate::{
    io::Rejected,
    mqtt::codec::{AckKind, Delivery, PacketId},
};
use alloc::{collections::VecDeque, vec::Vec};

/// What to do with a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// Show it; nothing is owed yet.
    Show,
    /// Show it and answer.
    ShowAndAnswer(AckKind, PacketId),
    /// It was shown before; answer only.
    Answer(AckKind, PacketId),
    /// It was shown before and waits for the application's word.
    Wait,
    /// More QoS 2 messages are open than we accept.
    TooMany,
}

/// A message that waits for the application's word.
#[derive(Clone, Copy, Debug)]
struct Owed {
    id: PacketId,
    kind: AckKind,
    confirmed: bool,
    /// It came in on the connection that is up, so that an answer is of use.
    fresh: bool,
}

/// The receiving half of a session.
#[derive(Debug, Default)]
pub(super) struct Inbound {
    /// QoS 2 ids between PUBLISH and PUBREL, ascending.
    received: Vec<PacketId>,
    owed: VecDeque<Owed>,
}

impl Inbound {
    /// Takes a message in.
    pub(super) fn take(&mut self, delivery: Delivery, manual: bool, max: usize) -> Verdict {
        match delivery {
            Delivery::AtMostOnce => Verdict::Show,
            Delivery::AtLeastOnce(id) => self.show(id, AckKind::PubAck, manual, max),
            Delivery::ExactlyOnce(id) => match self.received.binary_search(&id) {
                Ok(_) => match self.owed.iter_mut().find(|owed| owed.id == id && owed.kind == AckKind::PubRec) {
                    Some(owed) => {
                        owed.fresh = true;
                        Verdict::Wait
                    }
                    None => Verdict::Answer(AckKind::PubRec, id),
                },
                Err(_) if self.received.len() >= max => Verdict::TooMany,
                Err(at) => {
                    self.received.insert(at, id);
                    self.show(id, AckKind::PubRec, manual, max)
                }
            },
        }
    }

    fn show(&mut self, id: PacketId, kind: AckKind, manual: bool, max: usize) -> Verdict {
        if !manual {
            return Verdict::ShowAndAnswer(kind, id);
        }
        if self.owed.len() >= max {
            return Verdict::TooMany;
        }
        self.owed.push_back(Owed { id, kind, confirmed: false, fresh: true });
        Verdict::Show
    }

    /// PUBREL: the id is new again. Whether it was known.
    pub(super) fn release(&mut self, id: PacketId) -> bool {
        let Ok(at) = self.received.binary_search(&id) else { return false };
        self.received.remove(at);
        self.owed.retain(|owed| owed.id != id || owed.kind != AckKind::PubRec);
        true
    }

    /// The application has dealt with a message. The oldest that waits with this id is meant.
    pub(super) fn confirm(&mut self, id: PacketId) -> Result<(), Rejected> {
        let owed = self.owed.iter_mut().find(|owed| owed.id == id && !owed.confirmed);
        owed.ok_or(Rejected::Invalid("no message with this packet id waits to be acknowledged"))?.confirmed = true;
        Ok(())
    }

    /// The next answer that may go: in order of arrival, so a later word waits for the earlier one.
    pub(super) fn answer(&mut self) -> Option<(AckKind, PacketId)> {
        loop {
            let owed = self.owed.front().filter(|owed| owed.confirmed).copied()?;
            self.owed.pop_front();
            if owed.fresh {
                return Some((owed.kind, owed.id));
            }
        }
    }

    /// The connection is gone. QoS 1 will be sent again as new; a QoS 2 message that was shown still waits for its word.
    pub(super) fn disconnected(&mut self) {
        self.owed.retain(|owed| owed.kind == AckKind::PubRec && !owed.confirmed);
        for owed in &mut self.owed {
            owed.fresh = false;
        }
    }

    /// The server has forgotten the session: no id of it means anything any more.
    pub(super) fn forget_session(&mut self) {
        self.received.clear();
        self.owed.clear();
    }

    /// The ids between PUBLISH and PUBREL, ascending.
    pub(super) fn received(&self) -> &[PacketId] {
        &self.received
    }

    /// Takes over the ids of an earlier life.
    pub(super) fn restore(&mut self, id: PacketId) {
        if let Err(at) = self.received.binary_search(&id) {
            self.received.insert(at, id);
        }
    }
}

//! What has been on the wire, and was it allowed? The server's view of a session, for the judgement of.

use crate::wire;
use skytether_core::{
    link::QoS,
    mqtt::codec::{AckKind, Packet, PacketId, ack, decode, suback_append},
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

const MAX: usize = 1 << 20;

/// A message of the session's that the server has in whole and has not acknowledged.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "independent facts about one message")]
struct Open {
    qos: QoS,
    /// PUBREC has come: what is left is PUBREL and PUBCOMP.
    released: bool,
    /// PUBREC has come while the session was leaving: it may have taken it in or not listened any more.
    perhaps: bool,
    /// Its last acknowledgement has come while the session was leaving, likewise.
    perhaps_over: bool,
    /// PUBREL has been sent.
    let_go: bool,
    topic: String,
    payload: Vec<u8>,
}

/// Something that a server owes an answer to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Owed {
    Ack(AckKind, PacketId),
    SubAck(PacketId, usize),
    PingResp,
    ConnAck,
}

/// Both directions of the pipe, as a server that watches sees them.
#[derive(Default)]
#[allow(clippy::struct_excessive_bools, reason = "independent facts about one connection")]
pub(super) struct Peer {
    out: Vec<u8>,
    inward: Vec<u8>,
    greeted: bool,
    accepted: bool,
    parted: bool,
    /// The session was told to leave: it listens for as long as it likes.
    pub(super) leaving: bool,
    /// A request failed on this connection; its packet may be sent still, and its id used again after a full turn.
    unsure: bool,
    /// Over connections: messages in flight, and ids of requests.
    open: BTreeMap<u16, Open>,
    requests: BTreeSet<u16>,
    /// Of this connection: ids that were published on it, messages that may be acknowledged.
    sent_here: BTreeSet<u16>,
    may_ack: Vec<(AckKind, u16)>,
    /// QoS 2 ids that were shown and not released; true where PUBREC has been seen.
    shown: BTreeMap<u16, bool>,
    pub(super) owed: VecDeque<Owed>,
}

impl Peer {
    /// A new pipe.
    pub(super) fn connected(&mut self) {
        self.out.clear();
        self.inward.clear();
        (self.greeted, self.accepted, self.parted, self.leaving) = (false, false, false, false);
        self.requests.clear();
        self.unsure = false;
        self.sent_here.clear();
        self.may_ack.clear();
        self.owed.clear();
    }

    /// The session let go of everything; its next life may use every id again.
    pub(super) fn finished(&mut self) {
        self.open.clear();
        self.requests.clear();
    }

    /// The power was cut: what was shown and not acknowledged may be shown again, and a message whose PUBREL has not
    /// been sent may be sent again.
    pub(super) fn restarted(&mut self) {
        // The id of a message that was not stored (a lane beside the application's) may be used again at QoS 1, where
        // the server keeps nothing.
        self.open.retain(|_, open| open.qos == QoS::ExactlyOnce);
        self.open.values_mut().for_each(|open| open.released &= open.let_go);
        self.shown.retain(|_, acknowledged| *acknowledged);
    }

    /// A message that lives with its connection alone failed after it was sent: its id may be used again after a full
    /// turn. Which one it was cannot be seen here.
    pub(super) fn message_failed(&mut self) {
        self.open.values_mut().for_each(|open| open.perhaps_over = true);
    }

    /// A request of the session's ended without its acknowledgement.
    pub(super) fn request_failed(&mut self) {
        self.unsure = true;
        self.requests.clear();
    }

    /// The session takes CONNACK for granted.
    pub(super) fn up(&mut self, session_present: bool) {
        self.accepted = true;
        if !session_present {
            self.open.clear();
            self.shown.clear();
        }
    }

    /// Bytes that the session handed to the pipe.
    pub(super) fn sent(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
        let held = core::mem::take(&mut self.out);
        let mut rest = &held[..];
        while let Some((packet, used)) = decode(rest, MAX).expect("what is sent is well-formed (R-8)") {
            self.packet_out(&packet);
            rest = &rest[used..];
        }
        self.out = rest.to_vec();
    }

    fn packet_out(&mut self, packet: &Packet<'_>) {
        assert!(!self.parted, "{packet:?} after DISCONNECT [3.14.4-2]");
        if let Packet::Connect(_) = packet {
            assert!(!self.greeted, "a second CONNECT [3.1.0-2]");
            self.greeted = true;
            self.owed.push_back(Owed::ConnAck);
            return;
        }
        assert!(self.greeted && self.accepted, "{packet:?} before CONNACK (R-8)");
        match packet {
            Packet::Publish(publish) => {
                let Some(id) = publish.delivery.id() else { return };
                let qos = publish.delivery.qos();
                let open = Open {
                    qos,
                    released: false,
                    perhaps: false,
                    perhaps_over: false,
                    let_go: false,
                    topic: publish.topic.into(),
                    payload: publish.payload.into(),
                };
                assert!(
                    self.sent_here.insert(id.get()),
                    "{id:?} sent twice on one connection [4.4.0-1], or in use (R-7)"
                );
                assert!(self.unsure || !self.requests.contains(&id.get()), "{id:?} is a request's (R-7)");
                if let Some(held) = self.open.get(&id.get()).filter(|held| !held.perhaps_over) {
                    assert!(publish.dup, "{id:?} is in use (R-7)");
                    assert!(!held.released, "{id:?} again after its PUBREC [4.3.3]");
                    let same = (held.qos, &held.topic, &held.payload) == (qos, &open.topic, &open.payload);
                    assert!(same, "{open:?} under {id:?}, which is {held:?} (R-7)");
                }
                self.open.insert(id.get(), open);
                let kind = if qos == QoS::AtLeastOnce { AckKind::PubAck } else { AckKind::PubRec };
                self.owed.push_back(Owed::Ack(kind, id));
            }
            Packet::Subscribe(subscribe) => {
                self.request(subscribe.id);
                self.owed.push_back(Owed::SubAck(subscribe.id, subscribe.filters().count()));
            }
            Packet::Unsubscribe(unsubscribe) => {
                self.request(unsubscribe.id);
                self.owed.push_back(Owed::Ack(AckKind::UnsubAck, unsubscribe.id));
            }
            Packet::PubAck(id) => self.acknowledgement(AckKind::PubAck, *id),
            Packet::PubRec(id) => {
                self.acknowledgement(AckKind::PubRec, *id);
                if let Some(acknowledged) = self.shown.get_mut(&id.get()) {
                    *acknowledged = true;
                }
                self.owed.push_back(Owed::Ack(AckKind::PubRel, *id));
            }
            Packet::PubComp(id) => self.acknowledgement(AckKind::PubComp, *id),
            Packet::PubRel(id) => {
                if let Some(open) = self.open.get_mut(&id.get()) {
                    open.let_go = true;
                }
                self.owed.push_back(Owed::Ack(AckKind::PubComp, *id));
            }
            Packet::PingReq => self.owed.push_back(Owed::PingResp),
            Packet::Disconnect => self.parted = true,
            Packet::Connect(_) | Packet::ConnAck(_) | Packet::SubAck(_) | Packet::UnsubAck(_) | Packet::PingResp => {
                panic!("a client sends no {packet:?} (R-8)")
            }
        }
        while self.owed.len() > 64 {
            self.owed.pop_front();
        }
    }

    fn request(&mut self, id: PacketId) {
        assert!(self.requests.insert(id.get()) || self.unsure, "{id:?} is in use by a request (R-7)");
        let holder = self.open.get(&id.get()).filter(|open| !open.perhaps_over);
        assert!(holder.is_none(), "{id:?} is in use by {holder:?} (R-7)");
    }

    /// Each answer of the session's answers something that came on this connection.
    fn acknowledgement(&mut self, kind: AckKind, id: PacketId) {
        let at = self.may_ack.iter().position(|may| *may == (kind, id.get()));
        self.may_ack.remove(at.unwrap_or_else(|| panic!("{kind:?} {id:?} answers nothing (R-8)")));
    }

    /// Bytes that the session has used up. Returns whether an acknowledgement that ends a message was among them.
    pub(super) fn received(&mut self, bytes: &[u8]) -> bool {
        self.inward.extend_from_slice(bytes);
        let held = core::mem::take(&mut self.inward);
        let mut rest = &held[..];
        let mut acknowledged = false;
        while let Ok(Some((packet, used))) = decode(rest, MAX) {
            acknowledged |= self.packet_in(&packet);
            rest = &rest[used..];
        }
        self.inward = rest.to_vec();
        acknowledged
    }

    fn packet_in(&mut self, packet: &Packet<'_>) -> bool {
        match packet {
            Packet::Publish(publish) => {
                let Some(id) = publish.delivery.id() else { return false };
                let once = publish.delivery.qos() == QoS::AtLeastOnce;
                self.may_ack.push((if once { AckKind::PubAck } else { AckKind::PubRec }, id.get()));
                false
            }
            Packet::PubRel(id) => {
                self.may_ack.push((AckKind::PubComp, id.get()));
                self.shown.remove(&id.get());
                false
            }
            Packet::PubAck(id) => self.completes(id.get(), QoS::AtLeastOnce),
            Packet::PubRec(id) => {
                if let Some(open) = self.open.get_mut(&id.get()) {
                    let comes = open.qos == QoS::ExactlyOnce && self.sent_here.contains(&id.get());
                    open.perhaps |= comes && self.leaving;
                    open.released |= comes && !self.leaving;
                }
                false
            }
            Packet::PubComp(id) => self.completes(id.get(), QoS::ExactlyOnce),
            Packet::SubAck(suback) => {
                self.requests.remove(&suback.id.get());
                false
            }
            Packet::UnsubAck(id) => {
                self.requests.remove(&id.get());
                false
            }
            _ => false,
        }
    }

    /// Whether an acknowledgement is the end of the message with this id: one of its kind, and one that was sent on this
    /// connection, or is past that.
    fn completes(&mut self, id: u16, qos: QoS) -> bool {
        let due = |open: &Open| match qos {
            QoS::AtLeastOnce => self.sent_here.contains(&id),
            QoS::AtMostOnce | QoS::ExactlyOnce => open.released || open.perhaps,
        };
        let ends = self.open.get(&id).is_some_and(|open| open.qos == qos && due(open));
        if ends && self.leaving {
            self.open.entry(id).and_modify(|open| open.perhaps_over = true);
            self.sent_here.remove(&id);
        } else if ends {
            self.open.remove(&id);
            self.sent_here.remove(&id);
        }
        ends
    }

    /// A QoS 2 message was shown to the application.
    pub(super) fn shown(&mut self, id: u16) {
        assert!(self.shown.insert(id, false).is_none(), "QoS 2 message {id} shown twice (R-6)");
    }

    /// What a well-behaved server answers to the oldest thing that it owes an answer to.
    pub(super) fn answer(&mut self, at: usize, session_present: bool) -> Vec<u8> {
        if self.owed.is_empty() {
            return Vec::new();
        }
        match self.owed.remove(at % self.owed.len()) {
            Some(Owed::Ack(kind, id)) => ack(kind, id).to_vec(),
            Some(Owed::SubAck(id, count)) => {
                let codes: Vec<_> =
                    (0..count).map(|n| QoS::from_level(u8::try_from((at + n) % 4).unwrap_or(0))).collect();
                let mut out = Vec::new();
                suback_append(&mut out, id, &codes).expect("at least one code");
                out
            }
            Some(Owed::PingResp) => vec![0xd0, 0],
            Some(Owed::ConnAck) => vec![0x20, 2, u8::from(session_present), 0],
            None => Vec::new(),
        }
    }

    /// A message of the server's.
    pub(super) fn publish(qos: QoS, id: u16, dup: bool, payload: &[u8]) -> Vec<u8> {
        wire::publish("in/x", payload, qos, id, dup)
    }
}

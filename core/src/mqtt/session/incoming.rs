//! What each packet from the server means to the session (MQTT 3.1.1, and what a server may not send).

use super::{Phase, Session, inbound::Verdict, options::OnSessionLost, outbox::State};
use crate::{
    io::{Cause, Tag},
    link::{Message, Note, Notice},
    mqtt::codec::{AckKind, ConnAck, Packet, PacketId, Publish, SubAck},
};

impl Session {
    /// Takes one packet in: what it tells the owner, or why it ends the connection.
    #[inline]
    pub(super) fn packet<'b>(&mut self, packet: &Packet<'b>) -> Result<Option<Notice<'b>>, Cause> {
        self.latest = None;
        self.keepalive.received(self.now);
        if let Phase::Connecting(_) = self.phase {
            let Packet::ConnAck(connack) = packet else {
                return Err(Cause::Protocol("the first packet of a server is CONNACK [3.2.0-1]"));
            };
            return self.connack(*connack).map(Some);
        }
        match packet {
            Packet::Publish(publish) => self.message(publish),
            Packet::PubAck(id) => Ok(Some(self.puback(*id))),
            Packet::PubRec(id) => Ok(self.received(*id)),
            Packet::PubRel(id) => {
                // Unknown or not, PUBCOMP ends the exchange; the server may have missed an earlier one.
                if self.inbound.release(*id) || self.is_behind() {
                    self.answer(AckKind::PubComp, *id);
                } else {
                    self.send(&crate::mqtt::codec::ack(AckKind::PubComp, *id));
                }
                Ok(None)
            }
            Packet::PubComp(id) => Ok(Some(self.acknowledged(*id, State::PubComp))),
            Packet::SubAck(suback) => self.granted(suback),
            Packet::UnsubAck(id) => Ok(Some(self.unsubscribed(*id))),
            Packet::PingResp => {
                self.keepalive.answered();
                Ok(None)
            }
            Packet::ConnAck(_) => Err(Cause::Protocol("a second CONNACK [3.2.0-1]")),
            Packet::Connect(_)
            | Packet::Subscribe(_)
            | Packet::Unsubscribe(_)
            | Packet::PingReq
            | Packet::Disconnect => Err(Cause::Protocol("a packet that only a client sends [2.2.1]")),
        }
    }

    /// PUBACK, also by the short way past [`Session::packet`].
    pub(super) fn puback(&mut self, id: PacketId) -> Notice<'static> {
        self.latest = None;
        self.keepalive.received(self.now);
        self.acknowledged(id, State::PubAck)
    }

    fn connack(&mut self, connack: ConnAck) -> Result<Notice<'static>, Cause> {
        if let Some(refusal) = connack.refusal {
            return Err(Cause::Refused(refusal));
        }
        let kept = connack.session_present;
        if kept && self.connect.clean_session {
            return Err(Cause::Protocol("session present on a clean session [3.2.2-1]"));
        }
        self.phase = Phase::Up;
        if kept {
            let behind = self.is_behind();
            let Self { control, keeper, .. } = self;
            self.lanes.resume(self.now, |id| {
                let Some(id) = PacketId::new(id) else { return };
                let pubrel = crate::mqtt::codec::ack(AckKind::PubRel, id);
                if behind {
                    let epoch = keeper.change();
                    keeper.hold(epoch, pubrel);
                } else {
                    control.extend_from_slice(&pubrel);
                }
            });
        } else {
            self.inbound.forget_session();
            self.lanes.forget_session(self.options.on_session_lost == OnSessionLost::Republish);
            for removal in self.requests.removals.drain(..) {
                self.pending.push_back(Notice::Unsubscribed(removal.tag));
            }
            if self.options.persist {
                self.keeper.change();
            }
        }
        self.requests.connected(kept, self.options.resubscribe_always);
        self.release();
        Ok(Notice::Up { session_present: kept })
    }

    fn message<'b>(&mut self, publish: &Publish<'b>) -> Result<Option<Notice<'b>>, Cause> {
        let delivery = publish.delivery;
        let show = match self.inbound.take(delivery, self.options.manual_ack, self.options.limits.received) {
            Verdict::Show => true,
            Verdict::ShowAndAnswer(kind, id) => {
                self.answer(kind, id);
                true
            }
            Verdict::Answer(kind, id) => {
                self.answer(kind, id);
                false
            }
            Verdict::Wait => false,
            Verdict::TooMany => return Err(Cause::Protocol("more messages are open than we accept")),
        };
        self.latest = delivery.id().map(PacketId::get);
        Ok(show.then_some(Notice::Message(Message {
            topic: publish.topic,
            payload: publish.payload,
            qos: delivery.qos(),
            retain: publish.retain,
            dup: publish.dup,
        })))
    }

    /// Whether a power cut now would set the session back: then no step of QoS 2 is told to the peer.
    fn is_behind(&self) -> bool {
        self.options.persist && self.keeper.is_behind()
    }

    /// PUBACK or PUBCOMP: the end of a message.
    #[inline]
    fn acknowledged(&mut self, id: PacketId, from: State) -> Notice<'static> {
        match self.lanes.acknowledge(id, from, State::Gone) {
            Some(tag) => {
                if self.options.persist {
                    self.keeper.change();
                }
                self.release();
                self.leave();
                Notice::Delivered(tag)
            }
            None => Notice::Note(Note::UnknownAck(id.get())),
        }
    }

    /// PUBREC: the message is with the server; PUBREL follows, also for an id that nothing is known of, so that the
    /// server can let go of it.
    fn received(&mut self, id: PacketId) -> Option<Notice<'static>> {
        if self.lanes.acknowledge(id, State::PubRec, State::PubComp).is_some() {
            self.answer(AckKind::PubRel, id);
            return None;
        }
        if self.lanes.holds(id) {
            // It answers another kind of message, or one that has been received already: never completes anything.
            return Some(Notice::Note(Note::UnknownAck(id.get())));
        }
        self.send(&crate::mqtt::codec::ack(AckKind::PubRel, id));
        Some(Notice::Note(Note::UnknownAck(id.get())))
    }

    fn granted(&mut self, suback: &SubAck<'_>) -> Result<Option<Notice<'static>>, Cause> {
        let id = suback.id;
        let subscriptions = &mut self.requests.subscriptions;
        let Some(at) = subscriptions.iter().position(|subscription| subscription.id == Some(id.get())) else {
            return Ok(Some(Notice::Note(Note::UnknownAck(id.get()))));
        };
        let Some(subscription) = subscriptions.get_mut(at) else { return Ok(None) };
        if suback.len() != subscription.filters.len() {
            return Err(Cause::Protocol("SUBACK has another number of codes than SUBSCRIBE had filters [3.8.4-5]"));
        }
        subscription.id = None;
        let tag: Option<Tag> = subscription.tag.take();
        let mut refused = false;
        for code in suback.codes() {
            refused |= code.is_none();
            self.pending.extend(tag.map(|tag| Notice::Granted(tag, code)));
        }
        if refused && tag.is_none() {
            self.pending.push_back(Notice::Note(Note::Degraded));
        }
        let mut codes = suback.codes();
        subscription.filters.retain(|(filter, _)| codes.next().flatten().is_some() && !filter.is_empty());
        if subscription.filters.is_empty() || subscription.lane == crate::link::Lane::Setup {
            subscriptions.remove(at);
        }
        Ok(self.pending.pop_front())
    }

    fn unsubscribed(&mut self, id: PacketId) -> Notice<'static> {
        let removals = &mut self.requests.removals;
        match removals.iter().position(|removal| removal.id == Some(id.get())) {
            Some(at) => Notice::Unsubscribed(removals.remove(at).tag),
            None => Notice::Note(Note::UnknownAck(id.get())),
        }
    }
}

//! What each packet of a client does, and which have no place (MQTT 3.3 to 3.14, 4.8).

use super::{
    Broker, ConnId, connecting,
    connection::Stage,
    misbehaviour::Patience,
    policy::{Denial, Policy, Settled, Verdict},
    session::{Leg, Parcel},
    trace::{CloseReason, Happening, Summary, Way},
};
use skytether_core::{
    link::{Message, QoS},
    mqtt::codec::{self, AckKind, Delivery, Error, Packet, PacketId},
    time::Instant,
};
use std::sync::Arc;

impl<P: Policy> Broker<P> {
    /// Takes bytes of a connection: whole packets straight from where they are, the beginning of one is kept.
    pub(super) fn read(&mut self, now: Instant, conn: ConnId, bytes: &[u8]) {
        let Some(connection) = self.connections.get_mut(&conn) else { return };
        if matches!(connection.stage, Stage::Closing(_)) {
            return;
        }
        let mut kept = core::mem::take(&mut connection.inbox);
        if kept.is_empty() {
            let used = self.read_packets(now, conn, bytes);
            kept.extend_from_slice(bytes.get(used..).unwrap_or_default());
        } else {
            kept.extend_from_slice(bytes);
            let used = self.read_packets(now, conn, &kept);
            kept.drain(..used.min(kept.len()));
        }
        if let Some(connection) = self.connections.get_mut(&conn)
            && !matches!(connection.stage, Stage::Closing(_))
        {
            connection.inbox = if kept.is_empty() { Vec::new() } else { kept };
        }
    }

    /// Handles every whole packet; how many bytes they were.
    fn read_packets(&mut self, now: Instant, conn: ConnId, bytes: &[u8]) -> usize {
        let mut used = 0;
        loop {
            let rest = bytes.get(used..).unwrap_or_default();
            let Some(connection) = self.connections.get_mut(&conn) else { return used };
            match (&connection.stage, rest.first()) {
                (Stage::Closing(_), _) | (_, None) => return used,
                (Stage::Fresh, Some(first)) if first >> 4 != 1 => {
                    self.end(now, conn, CloseReason::Protocol("the first packet is not CONNECT (3.1.0-1)"));
                    return used;
                }
                (Stage::Fresh | Stage::Up(_), Some(_)) => {}
            }
            match codec::decode(rest, self.policy.limits().packet) {
                Ok(Some((packet, len))) => {
                    connection.heard = now;
                    used = used.saturating_add(len);
                    self.handle(now, conn, packet);
                    self.count_packet(now, conn);
                    self.settle(now);
                }
                Ok(None) => return used,
                Err(error) => {
                    self.fail(now, conn, error);
                    return used;
                }
            }
        }
    }

    fn fail(&mut self, now: Instant, conn: ConnId, error: Error) {
        let fresh = self.up(conn).is_none();
        let reason = match error {
            Error::Refused(refusal, why) if fresh => return self.deny(now, conn, Denial::Code(refusal, why)),
            Error::Malformed(why) => CloseReason::Malformed(why),
            Error::TooLarge { len, max } => CloseReason::TooLarge { len, max },
            Error::Protocol(why) | Error::Refused(_, why) => CloseReason::Protocol(why),
            _ => CloseReason::Protocol("the packet breaks a rule"),
        };
        self.end(now, conn, reason);
    }

    fn handle(&mut self, now: Instant, conn: ConnId, packet: Packet<'_>) {
        let Some(up) = self.up(conn) else {
            if let Packet::Connect(connect) = packet {
                self.introduce(now, conn, connecting::owned(&connect));
            }
            return;
        };
        let client = Arc::clone(&up.client);
        self.note(now, Some(conn), || Happening::Packet(Way::In, summarise(&packet)));
        match packet {
            Packet::Publish(publish) => self.on_publish(now, conn, &client, &publish),
            Packet::PubAck(id) => self.land(now, &client, id, Leg::Ack),
            Packet::PubRec(id) => self.on_pubrec(now, conn, &client, id),
            Packet::PubRel(id) => self.on_pubrel(now, conn, &client, id),
            Packet::PubComp(id) => self.land(now, &client, id, Leg::Comp),
            Packet::Subscribe(subscribe) => self.on_subscribe(now, conn, &client, &subscribe),
            Packet::Unsubscribe(unsubscribe) => self.on_unsubscribe(now, conn, &client, &unsubscribe),
            Packet::PingReq => self.control(now, conn, &codec::PINGRESP, || Summary::PingResp),
            Packet::Disconnect => self.end(now, conn, CloseReason::Disconnected),
            Packet::Connect(_) => self.end(now, conn, CloseReason::Protocol("a second CONNECT (3.1.0-2)")),
            Packet::ConnAck(_) | Packet::SubAck(_) | Packet::UnsubAck(_) | Packet::PingResp => {
                self.end(now, conn, CloseReason::Protocol("a packet that only a server sends"));
            }
        }
    }

    fn on_publish(&mut self, now: Instant, conn: ConnId, client: &Arc<str>, publish: &codec::Publish<'_>) {
        let (topic, payload, qos) = (publish.topic, publish.payload, publish.delivery.qos());
        if qos > self.policy.limits().qos {
            return self.end(now, conn, CloseReason::Protocol("PUBLISH above the highest QoS of this server"));
        }
        if let Delivery::ExactlyOnce(id) = publish.delivery
            && self.sessions.get(client).is_some_and(|session| session.unreleased.contains(&id))
        {
            return self.acknowledge(now, conn, publish.delivery);
        }
        let at = self.at(now);
        let Some(up) = self.connections.get(&conn).and_then(|connection| connection.up()) else { return };
        let message = Message { topic, payload, qos, retain: publish.retain, dup: publish.dup };
        let verdict = self.policy.may_publish(at, &up.identity, &message);
        match verdict {
            Verdict::Accept | Verdict::AcceptSilently => {}
            Verdict::Drop(why) => {
                return self.note(now, Some(conn), || Happening::Dropped { topic: topic.to_owned(), why });
            }
            Verdict::Close(why) => return self.end(now, conn, CloseReason::Kicked(why)),
        }
        let patience = if qos == QoS::AtMostOnce { Patience::Now } else { self.patience(now, conn) };
        if let Patience::Never = patience {
            let why = "told to throttle";
            return self.note(now, Some(conn), || Happening::Dropped { topic: topic.to_owned(), why });
        }
        if let Delivery::ExactlyOnce(id) = publish.delivery
            && let Some(session) = self.sessions.get_mut(client)
        {
            if session.unreleased.len() >= self.config.unreleased {
                return self.end(now, conn, CloseReason::TooManyUnreleased);
            }
            session.unreleased.insert(id);
        }
        match patience {
            Patience::Late(late) => self.acknowledge_late(now, conn, publish.delivery, late),
            Patience::Now | Patience::Never => self.acknowledge(now, conn, publish.delivery),
        }
        if verdict == Verdict::Accept {
            self.spread(now, &Parcel::new(topic, payload), qos, publish.retain);
        }
        if let Some(up) = self.connections.get(&conn).and_then(|connection| connection.up()) {
            self.policy.on_publish(at, &up.identity, &message, &mut self.outbox);
        }
    }

    pub(super) fn acknowledge(&mut self, now: Instant, conn: ConnId, delivery: Delivery) {
        match delivery {
            Delivery::AtMostOnce => {}
            Delivery::AtLeastOnce(id) => {
                self.control(now, conn, &codec::ack(AckKind::PubAck, id), || Summary::PubAck(id.get()));
            }
            Delivery::ExactlyOnce(id) => {
                self.control(now, conn, &codec::ack(AckKind::PubRec, id), || Summary::PubRec(id.get()));
            }
        }
    }

    /// An acknowledgement that ends a message; one that fits none is ignored.
    fn land(&mut self, now: Instant, client: &Arc<str>, id: PacketId, leg: Leg) {
        let landed = self.sessions.get_mut(client).and_then(|session| session.land(id, leg));
        if let Some(flight) = landed.filter(|_| leg == Leg::Ack) {
            self.settled(now, client, &flight, Settled::Acknowledged);
        }
        self.pump(now, client);
    }

    /// PUBREC is answered by PUBREL, also for an id that is not known; one for a QoS 1 message is ignored.
    fn on_pubrec(&mut self, now: Instant, conn: ConnId, client: &Arc<str>, id: PacketId) {
        let flight = self.sessions.get_mut(client).and_then(|session| session.flight(id));
        match flight {
            Some(flight) if flight.leg == Leg::Ack => return,
            Some(flight) => flight.leg = Leg::Comp,
            None => {}
        }
        self.control(now, conn, &codec::ack(AckKind::PubRel, id), || Summary::PubRel(id.get()));
    }

    /// PUBREL is answered by PUBCOMP, also for an id that is not known.
    fn on_pubrel(&mut self, now: Instant, conn: ConnId, client: &Arc<str>, id: PacketId) {
        if let Some(session) = self.sessions.get_mut(client) {
            session.unreleased.remove(&id);
        }
        self.control(now, conn, &codec::ack(AckKind::PubComp, id), || Summary::PubComp(id.get()));
    }

    fn on_subscribe(&mut self, now: Instant, conn: ConnId, client: &Arc<str>, subscribe: &codec::Subscribe<'_>) {
        let codes: Vec<Option<QoS>> =
            subscribe.filters().map(|(filter, qos)| self.subscribe(now, conn, client, filter, qos)).collect();
        let mut packet = Vec::with_capacity(codes.len().saturating_add(7));
        if codec::suback_append(&mut packet, subscribe.id, &codes).is_err() {
            return self.end(now, conn, CloseReason::Protocol("more filters than a SUBACK can answer"));
        }
        let id = subscribe.id.get();
        self.control(now, conn, &packet, || Summary::SubAck { id, granted: codes.clone() });
        let at = self.at(now);
        for ((filter, _), granted) in subscribe.filters().zip(codes) {
            let Some(granted) = granted else { continue };
            let Some(up) = self.connections.get(&conn).and_then(|connection| connection.up()) else { return };
            self.policy.on_subscribed(at, &up.identity, filter, granted, &mut self.outbox);
            for (parcel, qos) in self.retained.matching(filter) {
                self.deliver(now, client, &parcel, qos.min(granted), true);
            }
        }
    }

    /// Takes one filter in, if it may be; an equal one is replaced (3.8.4-3).
    fn subscribe(&mut self, now: Instant, conn: ConnId, client: &Arc<str>, filter: &str, qos: QoS) -> Option<QoS> {
        let (limits, at) = (self.policy.limits(), self.at(now));
        let session = self.sessions.get_mut(client)?;
        if session.filters.len() >= limits.subscriptions && !session.filters.contains_key(filter) {
            return None;
        }
        let up = self.connections.get(&conn)?.up()?;
        let granted = self.policy.may_subscribe(at, &up.identity, filter, qos)?.min(qos).min(limits.qos);
        session.filters.insert(filter.into(), granted);
        self.subscriptions.add(client, filter, granted);
        Some(granted)
    }

    fn on_unsubscribe(&mut self, now: Instant, conn: ConnId, client: &Arc<str>, unsubscribe: &codec::Unsubscribe<'_>) {
        let at = self.at(now);
        let Some(up) = self.connections.get(&conn).and_then(|connection| connection.up()) else { return };
        let Some(session) = self.sessions.get_mut(client) else { return };
        let mut ended = Vec::new();
        for filter in unsubscribe.filters() {
            session.filters.retain(|held, _| {
                let ends = self.policy.unsubscribes(&up.identity, filter, held);
                if ends {
                    self.subscriptions.remove(client, held);
                    ended.push(held.clone());
                }
                !ends
            });
        }
        for filter in ended {
            self.policy.on_unsubscribed(at, &up.identity, &filter);
        }
        let id = unsubscribe.id;
        self.control(now, conn, &codec::ack(AckKind::UnsubAck, id), || Summary::UnsubAck(id.get()));
    }
}

/// A packet in words.
fn summarise(packet: &Packet<'_>) -> Summary {
    match packet {
        Packet::Connect(connect) => Summary::Connect(Box::new(connecting::owned(connect))),
        Packet::Publish(publish) => Summary::Publish {
            dup: publish.dup,
            qos: publish.delivery.qos(),
            retain: publish.retain,
            id: publish.delivery.id().map(PacketId::get),
            topic: publish.topic.to_owned(),
            len: publish.payload.len(),
        },
        Packet::PubAck(id) => Summary::PubAck(id.get()),
        Packet::PubRec(id) => Summary::PubRec(id.get()),
        Packet::PubRel(id) => Summary::PubRel(id.get()),
        Packet::PubComp(id) => Summary::PubComp(id.get()),
        Packet::Subscribe(subscribe) => Summary::Subscribe {
            id: subscribe.id.get(),
            filters: subscribe.filters().map(|(filter, qos)| (filter.to_owned(), qos)).collect(),
        },
        Packet::Unsubscribe(unsubscribe) => Summary::Unsubscribe {
            id: unsubscribe.id.get(),
            filters: unsubscribe.filters().map(str::to_owned).collect(),
        },
        Packet::PingReq => Summary::PingReq,
        Packet::Disconnect => Summary::Disconnect,
        Packet::ConnAck(ack) => Summary::ConnAck { session_present: ack.session_present, refusal: ack.refusal },
        Packet::SubAck(ack) => Summary::SubAck { id: ack.id.get(), granted: ack.codes().collect() },
        Packet::UnsubAck(id) => Summary::UnsubAck(id.get()),
        Packet::PingResp => Summary::PingResp,
    }
}

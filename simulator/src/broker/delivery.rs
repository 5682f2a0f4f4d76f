//! How a message reaches its subscribers: routing, the window, the ids, what is sent again (MQTT 3.3, 4.3 to 4.6).

use super::{
    Broker, ConnId,
    policy::{Limits, Outgoing, Policy, Settled, Target},
    session::{Flight, Leg, Parcel, Waiting},
    trace::{Happening, Summary, Trace, Way},
};
use skytether_core::{
    link::QoS,
    mqtt::{codec, topic},
    time::Instant,
};
use std::sync::Arc;

/// Longest payload that fits into a packet behind the longest topic (2.2.3).
const LONGEST: usize = 268_435_455 - 2 - 65_535 - 2;

impl<P: Policy> Broker<P> {
    /// Sends a message of the cloud's own.
    pub(super) fn dispatch(&mut self, now: Instant, to: &Target, message: &Outgoing) -> Result<(), &'static str> {
        topic::check_name(&message.topic)?;
        if message.payload.len() > LONGEST {
            return Err("payload is longer than a packet can be (2.2.3)");
        }
        let parcel = Parcel::new(&message.topic, &message.payload);
        match to {
            Target::Subscribers => self.spread(now, &parcel, message.qos, message.retain),
            Target::Subscriber(client) => {
                let granted = self.subscriptions.matching(&message.topic).remove_entry(client.as_str());
                if let Some((client, granted)) = granted {
                    self.deliver(now, &client, &parcel, message.qos.min(granted), false);
                }
            }
            Target::Client(client) => {
                let client: Arc<str> = client.as_str().into();
                let qos = message.qos.min(self.policy.limits().qos);
                self.deliver(now, &client, &parcel, qos, false);
            }
        }
        Ok(())
    }

    /// Gives a message to every subscriber, once, and keeps it if it is to be retained.
    pub(super) fn spread(&mut self, now: Instant, parcel: &Arc<Parcel>, qos: QoS, retain: bool) {
        if retain
            && self.policy.limits().retain
            && let Err(why) = self.retained.put(parcel, qos, &self.config)
        {
            self.note(now, None, || Happening::Dropped { topic: parcel.topic.to_string(), why });
        }
        for (client, granted) in self.subscriptions.matching(&parcel.topic) {
            self.deliver(now, &client, parcel, qos.min(granted), false);
        }
    }

    /// Gives a message to one client, at once or when there is room.
    pub(super) fn deliver(&mut self, now: Instant, client: &Arc<str>, parcel: &Arc<Parcel>, qos: QoS, retain: bool) {
        let limits = self.policy.limits();
        let Some(session) = self.sessions.get_mut(client) else { return };
        let waiting = Waiting { parcel: Arc::clone(parcel), qos, retain };
        if let Err(why) = session.enqueue(waiting, &limits, self.config.queued_bytes) {
            if self.journal.listens() {
                let what = Happening::Dropped { topic: parcel.topic.to_string(), why };
                let (conn, client) = (session.conn, Some(client.to_string()));
                self.journal.add(Trace { at: now, conn, client, what });
            }
            return;
        }
        self.pump(now, client);
    }

    /// Sends to one client what its window and its pipe have room for: what was unfinished when it came back, then what
    /// waits.
    pub(super) fn pump(&mut self, now: Instant, client: &Arc<str>) {
        let Some(conn) = self.sessions.get(client).and_then(|session| session.conn) else { return };
        let before = self.replay_left(client);
        while self.send_next(now, conn, client) {}
        if self.replay_left(client) != before {
            self.arm_session(client);
        }
    }

    fn replay_left(&self, client: &Arc<str>) -> usize {
        self.sessions.get(client).and_then(|session| session.replay).map_or(0, |replay| replay.left)
    }

    fn send_next(&mut self, now: Instant, conn: ConnId, client: &Arc<str>) -> bool {
        let Limits { inflight: window, deliveries, .. } = self.policy.limits();
        let Some(session) = self.sessions.get_mut(client) else { return false };
        let Some(connection) = self.connections.get_mut(&conn) else { return false };
        if !connection.outlet.has_room(&self.config) {
            return false;
        }
        if let Some(waiting) = session.next_quick() {
            self.put_publish(now, conn, &waiting, codec::Delivery::AtMostOnce, false);
            return true;
        }
        let replay = session.replay.filter(|replay| replay.left > 0);
        if replay.is_some_and(|replay| replay.next > now) {
            return false;
        }
        let again = session.flights.iter().position(|flight| !flight.on_wire);
        let spent = |flight: &Flight| flight.leg == Leg::Ack && deliveries.is_some_and(|most| flight.tries >= most);
        if let Some(at) = again.filter(|at| session.flights.get(*at).is_some_and(spent)) {
            if let Some(flight) = session.flights.remove(at) {
                let why = "it was sent as often as this server sends a message";
                self.note(now, Some(conn), || Happening::Dropped {
                    topic: flight.message.parcel.topic.to_string(),
                    why,
                });
                self.settled(now, client, &flight, Settled::GivenUp);
            }
            return true;
        }
        let flight = match again {
            Some(at) => session.flights.get_mut(at),
            None => session.take_off(window),
        };
        let Some(flight) = flight else { return false };
        flight.on_wire = true;
        let dup = flight.tries > 0;
        flight.tries = flight.tries.saturating_add(1);
        let (id, leg, message) = (flight.id, flight.leg, flight.message.clone());
        if let Some(replay) = session.replay.as_mut().filter(|replay| replay.left > 0) {
            replay.left -= 1;
            replay.next = now.after(replay.spacing);
        }
        match leg {
            Leg::Ack | Leg::Rec => {
                let delivery = codec::Delivery::new(message.qos, id);
                self.put_publish(now, conn, &message, delivery, dup);
            }
            Leg::Comp => {
                let packet = codec::ack(codec::AckKind::PubRel, id);
                self.control(now, conn, &packet, || Summary::PubRel(id.get()));
            }
        }
        true
    }

    /// Tells the policy how a QoS 1 message has ended.
    pub(super) fn settled(&mut self, now: Instant, client: &str, flight: &Flight, how: Settled) {
        let at = self.at(now);
        self.policy.on_settled(at, client, &flight.message.parcel.topic, how, &mut self.outbox);
    }

    fn put_publish(&mut self, now: Instant, conn: ConnId, message: &Waiting, delivery: codec::Delivery, dup: bool) {
        let Some(connection) = self.connections.get_mut(&conn) else { return };
        let Parcel { topic, payload } = &*message.parcel;
        let topic_pieces = [&**topic];
        let packet = codec::Outgoing { topic: &topic_pieces, payload, delivery, dup, retain: message.retain };
        let Ok(measured) = packet.measure() else { return };
        connection.outlet.message(|out| packet.append(measured, out));
        if connection.ghost {
            connection.outlet.clear();
        } else {
            self.ready.insert(conn);
        }
        let summary = || Summary::Publish {
            dup,
            qos: delivery.qos(),
            retain: message.retain,
            id: delivery.id().map(codec::PacketId::get),
            topic: topic.to_string(),
            len: payload.len(),
        };
        self.note(now, Some(conn), || Happening::Packet(Way::Out, summary()));
    }
}

//! What the broker keeps of one client between packets, and without clean session between connections (MQTT 4.1).

use super::{ConnId, policy::Limits};
use core::time::Duration;
use skytether_core::{link::QoS, mqtt::codec::PacketId, time::Instant};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

/// A message, held once however many sessions wait with it.
#[derive(Debug)]
pub(super) struct Parcel {
    pub(super) topic: Box<str>,
    pub(super) payload: Box<[u8]>,
}

impl Parcel {
    pub(super) fn new(topic: &str, payload: &[u8]) -> Arc<Self> {
        Arc::new(Self { topic: topic.into(), payload: payload.into() })
    }

    /// Bytes it counts for in the bounds.
    pub(super) fn weight(&self) -> usize {
        self.topic.len().saturating_add(self.payload.len())
    }
}

/// A message for this client that has not been sent yet.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) parcel: Arc<Parcel>,
    pub(super) qos: QoS,
    pub(super) retain: bool,
}

/// What a message in flight waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Leg {
    Ack,
    Rec,
    Comp,
}

/// A message of QoS 1 or 2 that the client has not finished.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) id: PacketId,
    pub(super) message: Waiting,
    pub(super) leg: Leg,
    /// Whether it was given to the connection that is up now.
    pub(super) on_wire: bool,
    /// How often it was given to a connection; once it was, it is a repeat.
    pub(super) tries: u16,
}

/// What was stored while the client was away, and goes out one by one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Replay {
    pub(super) left: usize,
    pub(super) next: Instant,
    pub(super) spacing: Duration,
}

#[derive(Debug)]
pub(super) struct Session {
    /// The client id it began with; it may be held under another name.
    pub(super) client_id: Box<str>,
    pub(super) clean: bool,
    pub(super) conn: Option<ConnId>,
    /// Since when it has had no connection.
    pub(super) away: Option<Instant>,
    pub(super) filters: BTreeMap<Box<str>, QoS>,
    /// In the order in which they were first sent (4.6.0-6).
    pub(super) flights: VecDeque<Flight>,
    pub(super) queue: VecDeque<Waiting>,
    /// QoS 0 messages that found the pipe full: never kept beyond the connection, never held up by the window.
    pub(super) quick: VecDeque<Waiting>,
    /// Bytes of `queue` and `quick`.
    weight: usize,
    /// QoS 2 messages of the client that wait for PUBREL.
    pub(super) unreleased: BTreeSet<PacketId>,
    pub(super) replay: Option<Replay>,
    next_id: u16,
    /// The moment at which its timer is set.
    pub(super) armed: Option<Instant>,
}

impl Session {
    pub(super) fn new(client_id: &str, clean: bool, first_id: u16) -> Self {
        Self {
            client_id: client_id.into(),
            clean,
            conn: None,
            away: None,
            filters: BTreeMap::new(),
            flights: VecDeque::new(),
            queue: VecDeque::new(),
            quick: VecDeque::new(),
            weight: 0,
            unreleased: BTreeSet::new(),
            replay: None,
            next_id: first_id.max(1),
            armed: None,
        }
    }

    /// A connection carries it from now on. What was unfinished is to be sent again, oldest first (4.4.0-1, 4.6.0-1).
    pub(super) fn attach(&mut self, now: Instant, conn: ConnId, clean: bool, spacing: Option<Duration>) {
        self.conn = Some(conn);
        self.clean = clean;
        self.away = None;
        let left = self.flights.len().saturating_add(self.queue.len());
        self.replay = spacing.filter(|_| left > 0).map(|spacing| Replay { left, next: now, spacing });
    }

    /// Whether nobody came back to it in time.
    pub(super) fn is_expired(&self, now: Instant, expiry: Option<Duration>) -> bool {
        self.away.zip(expiry).is_some_and(|(away, expiry)| away.after(expiry) <= now)
    }

    /// It has no connection any more.
    pub(super) fn detach(&mut self, now: Instant) {
        self.conn = None;
        self.away = Some(now);
        self.replay = None;
        for waiting in self.quick.drain(..) {
            self.weight = self.weight.saturating_sub(waiting.parcel.weight());
        }
        for flight in &mut self.flights {
            flight.on_wire = false;
        }
    }

    /// Takes a message in, or says why it is dropped: the newer one goes, so that what a client gets has no holes but at
    /// its end.
    pub(super) fn enqueue(&mut self, waiting: Waiting, limits: &Limits, bytes: usize) -> Result<(), &'static str> {
        let online = self.conn.is_some();
        if waiting.qos == QoS::AtMostOnce && !online {
            return Err("QoS 0 is not kept for a client that is away");
        }
        let len = self.queue.len().saturating_add(self.quick.len());
        if len >= limits.queued.max(usize::from(online)) {
            return Err("too many messages wait for the client");
        }
        let weight = self.weight.saturating_add(waiting.parcel.weight());
        if len > 0 && weight > bytes {
            return Err("too many bytes wait for the client");
        }
        self.weight = weight;
        let queue = if waiting.qos == QoS::AtMostOnce { &mut self.quick } else { &mut self.queue };
        queue.push_back(waiting);
        Ok(())
    }

    pub(super) fn next_quick(&mut self) -> Option<Waiting> {
        let waiting = self.quick.pop_front()?;
        self.weight = self.weight.saturating_sub(waiting.parcel.weight());
        Some(waiting)
    }

    /// Moves the oldest waiting message into flight, if the window allows.
    pub(super) fn take_off(&mut self, window: u16) -> Option<&mut Flight> {
        if self.queue.is_empty() || self.flights.len() >= usize::from(window.max(1)) {
            return None;
        }
        let id = self.take_id()?;
        let message = self.queue.pop_front()?;
        self.weight = self.weight.saturating_sub(message.parcel.weight());
        let leg = if message.qos == QoS::ExactlyOnce { Leg::Rec } else { Leg::Ack };
        self.flights.push_back(Flight { id, message, leg, on_wire: false, tries: 0 });
        self.flights.back_mut()
    }

    /// A message in flight by its id.
    pub(super) fn flight(&mut self, id: PacketId) -> Option<&mut Flight> {
        self.flights.iter_mut().find(|flight| flight.id == id)
    }

    /// Ends the message in flight with this id if it waits for just this.
    pub(super) fn land(&mut self, id: PacketId, leg: Leg) -> Option<Flight> {
        let at = self.flights.iter().position(|flight| flight.id == id && flight.leg == leg)?;
        self.flights.remove(at)
    }

    /// The next id that no message in flight has.
    fn take_id(&mut self) -> Option<PacketId> {
        for _ in 0..=self.flights.len() {
            let id = PacketId::new(self.next_id);
            self.next_id = self.next_id.checked_add(1).unwrap_or(1);
            if let Some(id) = id
                && self.flights.iter().all(|flight| flight.id != id)
            {
                return Some(id);
            }
        }
        None
    }
}

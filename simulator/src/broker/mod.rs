//! What the server side of MQTT does: many clients' bytes in, bytes out, and a policy that makes a cloud of it.
//!
//! Pure: no socket, no clock, no chance. The owner of a [`Broker`] keeps the pipes, and
//! - names each new pipe by [`Broker::connect`] and tells its end by [`Broker::closed`];
//! - hands in what it reads by [`Broker::receive`], as long as [`Broker::wants_bytes`] is true;
//! - after each call asks [`Broker::next_ready`] until nothing comes; for each connection named it writes
//!   [`Broker::transmit`], reports [`Broker::sent`], and then closes the pipe if [`Broker::wants_close`];
//! - calls [`Broker::tick`] at [`Broker::deadline`].
//!
//! The rules are those of MQTT 3.1.1, and of MQTT 3.1 where it differs. What a client does wrong ends its connection,
//! with a [`trace::CloseReason`], and touches no other.
//!
//! ```
//! use skytether_core::time::{Instant, UnixMillis};
//! use skytether_simulator::broker::{Broker, Config, ConnId, policy::{Open, Peer}};
//!
//! let (now, conn) = (Instant(0), ConnId(1));
//! let mut broker = Broker::new(Open::anonymous(), Config::default(), now, UnixMillis(1_700_000_000_000));
//! broker.connect(now, conn, Peer::default());
//! broker.receive(now, conn, b"\x10\x0d\0\x04MQTT\x04\x02\0\x3c\0\x01a"); // CONNECT: clean, 60 s, client id a
//! broker.receive(now, conn, b"\x82\x06\0\x01\0\x01t\x01"); // SUBSCRIBE: id 1, filter t at QoS 1
//! broker.receive(now, conn, b"\x32\x07\0\x01t\0\x02hi"); // PUBLISH: topic t, id 2
//! assert_eq!(broker.next_ready(), Some(conn));
//! assert_eq!(
//!     broker.transmit(conn),
//!     b"\x20\x02\0\0\x90\x03\0\x01\x01\x40\x02\0\x02\x32\x07\0\x01t\0\x01hi" // CONNACK SUBACK PUBACK PUBLISH
//! );
//! broker.sent(now, conn, 22);
//! assert_eq!(broker.deadline().map(|deadline| deadline.at), Some(Instant(90_000))); // 1.5 keep alives
//! let words: Vec<_> = core::iter::from_fn(|| broker.next_trace()).map(|trace| trace.to_string()).collect();
//! assert_eq!(words.last().unwrap(), "[1] a: -> PUBLISH d0 q1 r0 id 1 topic \"t\", 2 bytes");
//! ```

mod config;
mod connecting;
mod connection;
mod delivery;
pub mod fault;
mod inbound;
mod misbehaviour;
pub mod policy;
mod retained;
mod session;
mod subscriptions;
mod timers;
pub mod trace;

pub use config::Config;

use connection::{Connection, Stage, Up};
use core::fmt;
use misbehaviour::Misbehaviour;
use policy::{At, Denial, Direct, Outbox, Outgoing, Peer, Policy, Target, Transport};
use retained::Retained;
use session::Session;
use skytether_core::{
    io::Rejected,
    time::{Deadline, Instant, UnixMillis},
};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};
use subscriptions::Subscriptions;
use timers::Timers;
use trace::{CloseReason, Happening, Journal, Summary, Trace, Way};

/// Names one connection, from its opening on; the owner chooses it and does not use it twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[allow(clippy::exhaustive_structs, reason = "a plain name that owners make")]
pub struct ConnId(pub u64);

impl fmt::Display for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// An MQTT broker as a state machine.
///
/// Calls for a connection that it does not know are ignored.
#[derive(Debug)]
pub struct Broker<P: Policy> {
    policy: P,
    config: Config,
    /// A wall time and the moment at which it was told.
    wall: (Instant, UnixMillis),
    connections: BTreeMap<ConnId, Connection<P::Identity>>,
    sessions: BTreeMap<Arc<str>, Session>,
    subscriptions: Subscriptions,
    retained: Retained,
    timers: Timers,
    journal: Journal,
    ready: BTreeSet<ConnId>,
    /// What the policy has said and is not done yet; empty between calls.
    outbox: Outbox,
    denials: VecDeque<Denial>,
    misbehaviour: Misbehaviour,
}

impl<P: Policy> Broker<P> {
    /// An empty broker. `wall` is the wall time at `now`.
    pub fn new(policy: P, config: Config, now: Instant, wall: UnixMillis) -> Self {
        Self {
            policy,
            config,
            wall: (now, wall),
            connections: BTreeMap::new(),
            sessions: BTreeMap::new(),
            subscriptions: Subscriptions::default(),
            retained: Retained::default(),
            timers: Timers::default(),
            journal: Journal::new(config.trace, config.trace_bytes),
            ready: BTreeSet::new(),
            outbox: Outbox::new(),
            denials: VecDeque::new(),
            misbehaviour: Misbehaviour::default(),
        }
    }

    /// The wall time is this, now. Between two calls it runs with the broker's clock.
    pub fn set_wall(&mut self, now: Instant, wall: UnixMillis) {
        self.wall = (now, wall);
    }

    /// A pipe was opened.
    pub fn connect(&mut self, now: Instant, conn: ConnId, peer: Peer) {
        if self.connections.contains_key(&conn) {
            return;
        }
        let address = match (&peer.address, peer.transport) {
            (Some(address), Transport::Tcp) => Some(address.clone()),
            (Some(address), transport) => Some(format!("{address} by {transport}")),
            (None, _) => None,
        };
        self.connections.insert(conn, Connection::new(now, peer));
        self.note(now, Some(conn), || Happening::Opened(address));
        self.arm_connection(conn);
    }

    /// Bytes came in, cut in any way. They are taken whole; what is behind the end of the connection is thrown away.
    pub fn receive(&mut self, now: Instant, conn: ConnId, bytes: &[u8]) {
        self.read(now, conn, bytes);
        self.settle(now);
    }

    /// Whether the connection should be read: false while the client does not read its own answers.
    pub fn wants_bytes(&self, conn: ConnId) -> bool {
        self.connections.get(&conn).is_some_and(|connection| match connection.stage {
            Stage::Fresh | Stage::Up(_) => !connection.outlet.is_filling(&self.config),
            Stage::Closing(_) => false,
        })
    }

    /// Bytes that wait for the pipe.
    pub fn transmit(&self, conn: ConnId) -> &[u8] {
        self.connections.get(&conn).map_or(&[], |connection| connection.outlet.pending())
    }

    /// The pipe took this many of them.
    pub fn sent(&mut self, now: Instant, conn: ConnId, len: usize) {
        let Some(connection) = self.connections.get_mut(&conn) else { return };
        connection.outlet.advance(len);
        if let Some(client) = connection.up().map(|up| Arc::clone(&up.client)) {
            self.pump(now, &client);
        }
    }

    /// The pipe is gone; the connection is forgotten. Without a DISCONNECT before, its will is published.
    pub fn closed(&mut self, now: Instant, conn: ConnId) {
        self.end(now, conn, CloseReason::Lost);
        self.settle(now);
        if let Some(connection) = self.connections.remove(&conn) {
            self.timers.disarm_connection(connection.armed, conn);
        }
        self.ready.remove(&conn);
    }

    /// Why the owner is to close this pipe, once it has written what [`Broker::transmit`] still gives.
    pub fn wants_close(&self, conn: ConnId) -> Option<&CloseReason> {
        match &self.connections.get(&conn)?.stage {
            Stage::Closing(reason) => Some(reason),
            Stage::Fresh | Stage::Up(_) => None,
        }
    }

    /// A connection that has bytes to write or is to be closed since it was last named here, in order of their names.
    pub fn next_ready(&mut self) -> Option<ConnId> {
        self.ready.pop_first()
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Instant) {
        self.expire(now);
        self.misbehave_in_time(now);
        let at = self.at(now);
        self.policy.on_time(at, &mut self.outbox);
        self.settle(now);
    }

    /// When to call [`Broker::tick`]; it may come to nothing then.
    pub fn deadline(&self) -> Option<Deadline> {
        let own = Deadline::earlier(self.timers.first(), self.misbehaviour.deadline());
        Deadline::earlier(own, self.policy.deadline())
    }

    /// The oldest thing that happened and was not taken yet.
    pub fn next_trace(&mut self) -> Option<Trace> {
        self.journal.take()
    }

    /// The cloud's side.
    pub fn policy(&self) -> &P {
        &self.policy
    }

    /// The cloud's side, to change what it decides from now on.
    pub fn policy_mut(&mut self) -> &mut P {
        &mut self.policy
    }

    /// Lets the cloud act of itself, as its application's interface does: what `act` puts into the outbox is done.
    pub fn act<R>(&mut self, now: Instant, act: impl FnOnce(&mut P, At, &mut Outbox) -> R) -> R {
        let at = self.at(now);
        let result = act(&mut self.policy, at, &mut self.outbox);
        self.settle(now);
        result
    }

    /// Sends a message from the cloud's side. The policy is not asked.
    ///
    /// # Errors
    /// [`Rejected::Invalid`] for a topic that is no topic name.
    pub fn send(&mut self, now: Instant, target: &Target, message: &Outgoing) -> Result<(), Rejected> {
        self.dispatch(now, target, message).map_err(Rejected::Invalid)
    }

    /// Closes the connection of the client with this client id. False: it is not connected.
    pub fn kick(&mut self, now: Instant, client_id: &str, why: &'static str) -> bool {
        let Some(conn) = self.connection_of(client_id) else { return false };
        self.end(now, conn, CloseReason::Kicked(why));
        self.settle(now);
        true
    }

    /// Closes the connection of the client with this client id and forgets its session, as a server does that lost it.
    /// False: there was none.
    pub fn forget_client(&mut self, now: Instant, client_id: &str) -> bool {
        let Some(client) = self.session_of(client_id).map(|(client, _)| Arc::clone(client)) else { return false };
        self.kick(now, &client, "the session was lost");
        self.forget(&client);
        true
    }

    /// Refuses the next CONNECT, whoever sends it; several calls refuse as many.
    pub fn deny_next(&mut self, denial: Denial) {
        self.denials.push_back(denial);
    }

    /// The connection that carries the session of this client id, or of this name where the policy names sessions. Of
    /// several with the client id, the first in alphabetical order that is connected.
    pub fn connection_of(&self, client_id: &str) -> Option<ConnId> {
        self.session_of(client_id)?.1.conn
    }

    fn session_of(&self, client_id: &str) -> Option<(&Arc<str>, &Session)> {
        let of_client = || self.sessions.iter().filter(|(_, session)| &*session.client_id == client_id);
        let connected = || of_client().find(|(_, session)| session.conn.is_some());
        self.sessions.get_key_value(client_id).or_else(connected).or_else(|| of_client().next())
    }

    /// The clients that are connected, in alphabetical order: client ids, or the names that the policy gives.
    pub fn clients(&self) -> impl Iterator<Item = &str> {
        self.sessions.iter().filter(|(_, session)| session.conn.is_some()).map(|(client, _)| &**client)
    }

    fn at(&self, now: Instant) -> At {
        let (told, wall) = self.wall;
        At { now, wall: wall.after(now.since(told)) }
    }

    /// Does what the policy has said. Messages of the cloud are not offered to it again, and each client thrown out is
    /// one connection less: this ends.
    fn settle(&mut self, now: Instant) {
        while let Some(item) = self.outbox.pop() {
            match item {
                Direct::Send(target, message) => {
                    if let Err(why) = self.dispatch(now, &target, &message) {
                        self.note(now, None, || Happening::Dropped { topic: message.topic, why });
                    }
                }
                Direct::Kick(client_id, why) => {
                    if let Some(conn) = self.connection_of(&client_id) {
                        self.end(now, conn, CloseReason::Kicked(why));
                    }
                }
            }
        }
    }

    /// The client that was let in on this connection.
    fn up(&self, conn: ConnId) -> Option<&Up<P::Identity>> {
        self.connections.get(&conn)?.up()
    }

    /// Appends a packet that carries no message; a client that lets them pile up is given up.
    fn control(&mut self, now: Instant, conn: ConnId, packet: &[u8], summary: impl FnOnce() -> Summary) {
        let Some(connection) = self.connections.get_mut(&conn) else { return };
        if matches!(connection.stage, Stage::Closing(_)) {
            return;
        }
        connection.outlet.control(packet);
        if connection.ghost {
            connection.outlet.clear();
        } else {
            self.ready.insert(conn);
        }
        let flooded = connection.outlet.is_flooded(&self.config);
        self.note(now, Some(conn), || Happening::Packet(Way::Out, summary()));
        if flooded {
            self.end(now, conn, CloseReason::SlowReader);
        }
    }

    fn note(&mut self, at: Instant, conn: Option<ConnId>, what: impl FnOnce() -> Happening) {
        if self.journal.listens() {
            let client = conn.and_then(|conn| self.up(conn)).map(|up| up.client.to_string());
            self.journal.add(Trace { at, conn, client, what: what() });
        }
    }
}

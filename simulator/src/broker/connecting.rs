//! How a connection begins and ends: CONNECT, refusals, sessions found again, take-over, wills (MQTT 3.1, 3.2, 3.14).

use super::{
    Broker, ConnId,
    connection::{Stage, Up},
    policy::{Denial, Policy, Verdict},
    session::{Parcel, Session},
    trace::{CloseReason, Happening, Summary, Way},
};
use core::time::Duration;
use skytether_core::{
    io::Refusal,
    link::{self, Message, Version, Will},
    mqtt::codec,
    secret::Secret,
    time::Instant,
};
use std::sync::Arc;

/// A CONNECT that outlives the bytes it came in.
pub(super) fn owned(connect: &codec::Connect<'_>) -> link::Connect {
    link::Connect {
        version: connect.version,
        client_id: connect.client_id.to_owned(),
        user_name: connect.user_name.map(str::to_owned),
        password: connect.password.map(Secret::new),
        keep_alive: connect.keep_alive,
        clean_session: connect.clean_session,
        will: connect.will.map(|will| Will {
            topic: will.topic.to_owned(),
            payload: will.payload.to_vec(),
            qos: will.qos,
            retain: will.retain,
        }),
        session: None,
    }
}

impl<P: Policy> Broker<P> {
    /// A CONNECT that is the first packet of its connection and has a valid form.
    pub(super) fn introduce(&mut self, now: Instant, conn: ConnId, mut connect: link::Connect) {
        self.note(now, Some(conn), || Happening::Packet(Way::In, Summary::Connect(Box::new(connect.clone()))));
        let identity = match self.admit(now, conn, &mut connect) {
            Ok(identity) => identity,
            Err(denial) => return self.deny(now, conn, denial),
        };
        let client: Arc<str> = self.policy.session(&identity, &connect.client_id).into();
        if let Some(older) = self.sessions.get(&client).and_then(|session| session.conn) {
            self.end(now, older, CloseReason::TakenOver(conn));
        }
        connect.clean_session = self.policy.is_clean(&identity, connect.clean_session);
        let session_present = self.resume(now, conn, (&client, &connect.client_id), connect.clean_session, &identity);
        let patience = Some(connect.keep_alive).filter(|seconds| *seconds > 0);
        let patience = patience.map(|seconds| Duration::from_millis(u64::from(seconds) * 1500));
        let patience = [patience, self.policy.limits().silence].into_iter().flatten().min();
        let will = connect.will.clone().filter(|_| self.policy.limits().wills);
        if let Some(connection) = self.connections.get_mut(&conn) {
            connection.stage = Stage::Up(Up { client: Arc::clone(&client), identity, patience, will });
        }
        self.rearm_connection(conn);
        let ack = codec::ConnAck { session_present, refusal: None };
        self.control(now, conn, &ack.encode(), || Summary::ConnAck { session_present, refusal: None });
        let at = self.at(now);
        if let Some(up) = self.connections.get(&conn).and_then(|connection| connection.up()) {
            self.policy.on_session(at, &up.identity, session_present);
            self.policy.on_connected(at, &up.identity, &connect, &mut self.outbox);
        }
        self.pump(now, &client);
        self.arm_session(&client);
    }

    /// Whether the client may come in; an empty client id gets a name.
    fn admit(&mut self, now: Instant, conn: ConnId, connect: &mut link::Connect) -> Result<P::Identity, Denial> {
        if let Some(denial) = self.denials.pop_front() {
            return Err(denial);
        }
        if let Some(denial) = self.misbehaviour.denial(&connect.client_id) {
            return Err(denial);
        }
        let limits = self.policy.limits();
        let rejected = |why| Err(Denial::Code(Refusal::IdentifierRejected, why));
        if connect.version == Version::V3_1 && connect.client_id.chars().nth(limits.client_id_v3_1).is_some() {
            return rejected("client id is too long for MQTT 3.1");
        }
        if connect.keep_alive > limits.keep_alive {
            return rejected("keep alive is too long");
        }
        if connect.client_id.is_empty() {
            connect.client_id = self.name_for(conn);
        }
        if self.sessions.len() >= self.config.sessions && self.session_of(&connect.client_id).is_none() {
            return Err(Denial::Code(Refusal::ServerUnavailable, "too many sessions"));
        }
        let at = self.at(now);
        let Some(connection) = self.connections.get(&conn) else { return Err(Denial::Silent("the pipe is gone")) };
        self.policy.authenticate(at, connect, &connection.peer)
    }

    /// A client id that no one has.
    fn name_for(&self, conn: ConnId) -> String {
        let mut name = format!("auto-{conn}");
        while self.sessions.contains_key(name.as_str()) {
            name.push('x');
        }
        name
    }

    pub(super) fn deny(&mut self, now: Instant, conn: ConnId, denial: Denial) {
        if let Denial::Code(refusal, _) = denial {
            let ack = codec::ConnAck { session_present: false, refusal: Some(refusal) };
            let summary = || Summary::ConnAck { session_present: false, refusal: Some(refusal) };
            self.control(now, conn, &ack.encode(), summary);
        }
        self.end(now, conn, CloseReason::Denied(denial));
    }

    /// Finds the session of this client again or begins one, and says which.
    pub(super) fn resume(
        &mut self,
        now: Instant,
        conn: ConnId,
        (client, client_id): (&Arc<str>, &str),
        clean: bool,
        identity: &P::Identity,
    ) -> bool {
        let limits = self.policy.limits();
        if clean || self.sessions.get(client).is_some_and(|session| session.is_expired(now, limits.session_expiry)) {
            self.forget(client);
        }
        let present = self.sessions.contains_key(client);
        let first_id = self.policy.first_packet_id(identity);
        let session =
            self.sessions.entry(Arc::clone(client)).or_insert_with(|| Session::new(client_id, clean, first_id));
        session.attach(now, conn, clean, limits.replay_spacing);
        self.timers.disarm_session(session.armed.take(), client);
        present
    }

    /// Drops everything that is kept of a client.
    pub(super) fn forget(&mut self, client: &Arc<str>) {
        if let Some(session) = self.sessions.remove(client) {
            self.timers.disarm_session(session.armed, client);
            for filter in session.filters.keys() {
                self.subscriptions.remove(client, filter);
            }
        }
    }

    /// Ends a connection that is not over yet. The owner still has to close the pipe.
    pub(super) fn end(&mut self, now: Instant, conn: ConnId, reason: CloseReason) {
        self.retire(now, conn, reason);
    }

    /// Ends a connection, and gives back who was there.
    pub(super) fn retire(&mut self, now: Instant, conn: ConnId, reason: CloseReason) -> Option<Up<P::Identity>> {
        let connection = self.connections.get_mut(&conn)?;
        if matches!(connection.stage, Stage::Closing(_)) {
            return None;
        }
        if !matches!(reason, CloseReason::Denied(_)) {
            connection.outlet.clear();
        }
        connection.inbox = Vec::new();
        let orderly = reason == CloseReason::Disconnected;
        self.note(now, Some(conn), || Happening::Closed(reason.clone()));
        let connection = self.connections.get_mut(&conn)?;
        let stage = core::mem::replace(&mut connection.stage, Stage::Closing(reason));
        self.timers.disarm_connection(connection.armed.take(), conn);
        if connection.ghost {
            // Nobody is there to close a pipe.
            self.connections.remove(&conn);
        } else {
            self.ready.insert(conn);
        }
        let Stage::Up(up) = stage else { return None };
        self.leave(now, &up.client);
        if let Some(will) = up.will.as_ref().filter(|_| !orderly) {
            self.publish_will(now, conn, &up.identity, will);
        }
        let at = self.at(now);
        self.policy.on_disconnected(at, &up.identity, orderly, &mut self.outbox);
        Some(up)
    }

    /// The session loses its connection, and ends with it if it was a clean one.
    fn leave(&mut self, now: Instant, client: &Arc<str>) {
        let Some(session) = self.sessions.get_mut(client) else { return };
        if session.clean {
            return self.forget(client);
        }
        session.detach(now);
        self.arm_session(client);
    }

    fn publish_will(&mut self, now: Instant, conn: ConnId, identity: &P::Identity, will: &Will) {
        let at = self.at(now);
        let message =
            Message { topic: &will.topic, payload: &will.payload, qos: will.qos, retain: will.retain, dup: false };
        match self.policy.may_publish(at, identity, &message) {
            Verdict::Accept => {
                let parcel = Parcel::new(&will.topic, &will.payload);
                self.spread(now, &parcel, will.qos, will.retain);
                self.policy.on_will(at, identity, &message, &mut self.outbox);
            }
            Verdict::AcceptSilently => self.policy.on_will(at, identity, &message, &mut self.outbox),
            Verdict::Drop(why) | Verdict::Close(why) => {
                self.note(now, Some(conn), || Happening::Dropped { topic: will.topic.clone(), why });
            }
        }
    }

    /// The stage of a connection has changed: its timer is another one now.
    fn rearm_connection(&mut self, conn: ConnId) {
        if let Some(connection) = self.connections.get_mut(&conn) {
            self.timers.disarm_connection(connection.armed.take(), conn);
        }
        self.arm_connection(conn);
    }
}

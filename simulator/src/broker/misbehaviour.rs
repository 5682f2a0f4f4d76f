//! How does the broker do wrong on purpose? What it was told lasts here until it is told otherwise.

use super::{
    Broker, ConnId,
    connection::{Connection, Stage, Up},
    fault::{Fault, Throttle, Whom},
    policy::{Denial, Policy},
    trace::{CloseReason, Happening, Summary},
};
use core::{num::NonZeroU32, time::Duration};
use skytether_core::{
    io::Refusal,
    link::Connect,
    mqtt::codec::Delivery,
    time::{Deadline, Instant},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Acknowledgements that may be late at once; one more never comes.
const LATE: usize = 10_000;

/// Clients whose credentials may be revoked; of one more, the first in the alphabet are right again.
const REVOKED: usize = 10_000;

/// No packet begins with type 15.
const NO_PACKET: [u8; 2] = [0xF0, 0x00];

/// What lasts.
#[derive(Debug, Default)]
pub(super) struct Misbehaviour {
    refuse: Option<(Refusal, Option<NonZeroU32>)>,
    drop_every: Option<(Duration, Instant)>,
    drop_after: Option<NonZeroU32>,
    throttle: Option<Throttle>,
    revoked: BTreeSet<String>,
    /// By the moment at which they are due, and a number that keeps their order.
    late: BTreeMap<(Instant, u64), (ConnId, Delivery)>,
    ghosts: u64,
    count: u64,
}

impl Misbehaviour {
    /// Whether this CONNECT is refused by order.
    pub(super) fn denial(&mut self, client_id: &str) -> Option<Denial> {
        if let Some((refusal, times)) = self.refuse {
            self.refuse = match times {
                None => Some((refusal, None)),
                Some(times) => NonZeroU32::new(times.get() - 1).map(|left| (refusal, Some(left))),
            };
            return Some(Denial::Code(refusal, "told to refuse"));
        }
        let revoked = self.revoked.contains(client_id);
        revoked.then_some(Denial::Code(Refusal::BadCredentials, "the credentials were revoked"))
    }

    pub(super) fn deadline(&self) -> Option<Deadline> {
        let drop = self.drop_every.map(|(_, at)| Deadline { at, why: "told to drop" });
        let late = self.late.first_key_value().map(|((at, _), _)| Deadline { at: *at, why: "late acknowledgement" });
        Deadline::earlier(drop, late)
    }
}

/// Messages of one connection in the second that runs.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Second {
    began: Instant,
    count: u32,
}

impl Second {
    /// Counts one; whether it is within the rate.
    fn admits(&mut self, now: Instant, per_second: u32) -> bool {
        if now.since(self.began) >= Duration::from_secs(1) {
            *self = Self { began: now, count: 0 };
        }
        let within = self.count < per_second;
        self.count = self.count.saturating_add(1);
        within
    }
}

/// When a message is acknowledged.
pub(super) enum Patience {
    Now,
    Late(Duration),
    Never,
}

impl<P: Policy> Broker<P> {
    /// Misbehaves as it is told, or behaves again. False: the client that is named is not connected.
    ///
    /// What concerns pipes ([`Fault::Delay`], [`Fault::Silence`], [`Fault::Speak`]) is its owner's to carry out; here
    /// it is only told in the trace. Ghosts get connection ids from the highest downwards.
    pub fn misbehave(&mut self, now: Instant, fault: &Fault) -> bool {
        self.note(now, None, || Happening::Told(fault.clone()));
        match fault {
            Fault::Refuse(refusal, times) => self.misbehaviour.refuse = Some((*refusal, *times)),
            Fault::Admit => self.misbehaviour.refuse = None,
            Fault::DropEvery(distance) => {
                self.misbehaviour.drop_every = distance.map(|distance| (distance, now.after(distance)));
            }
            Fault::DropAfter(count) => self.misbehaviour.drop_after = *count,
            Fault::Throttle(throttle) => self.misbehaviour.throttle = *throttle,
            Fault::Revoke(client) => {
                if self.misbehaviour.revoked.len() >= REVOKED {
                    self.misbehaviour.revoked.pop_first();
                }
                self.misbehaviour.revoked.insert(client.clone());
                self.kick(now, client, "the credentials were revoked");
            }
            Fault::Restore(client) => drop(self.misbehaviour.revoked.remove(client)),
            Fault::Drop(whom) => return self.each(now, whom, |broker, conn| broker.drop_on_order(now, conn)),
            Fault::TakeOver(whom) => return self.each(now, whom, |broker, conn| broker.haunt(now, conn)),
            Fault::Corrupt(whom) => return self.each(now, whom, |broker, conn| broker.corrupt(now, conn)),
            Fault::Behave => {
                let ghosts = self.misbehaviour.ghosts;
                self.misbehaviour = Misbehaviour { ghosts, ..Misbehaviour::default() };
                let ghosts: Vec<_> = self.connections.iter().filter(|(_, c)| c.ghost).map(|(conn, _)| *conn).collect();
                for conn in ghosts {
                    self.end(now, conn, CloseReason::Disconnected);
                }
                self.settle(now);
            }
            Fault::Silence(whom) | Fault::Speak(whom) => return self.is_here(whom),
            Fault::Delay(_) => {}
        }
        true
    }

    /// Whether there is anyone: the client is connected, or everyone is meant.
    fn is_here(&self, whom: &Whom) -> bool {
        match whom {
            Whom::Everyone => true,
            Whom::Client(client) => self.connection_of(client).is_some(),
        }
    }

    /// Does the same to each connection that is meant, ghosts excepted. False: the client that is named has none.
    fn each(&mut self, now: Instant, whom: &Whom, mut act: impl FnMut(&mut Self, ConnId)) -> bool {
        let meant: Vec<ConnId> = match whom {
            Whom::Client(client) => self.connection_of(client).into_iter().collect(),
            Whom::Everyone => {
                self.connections.iter().filter(|(_, c)| c.up().is_some()).map(|(conn, _)| *conn).collect()
            }
        };
        let mut found = matches!(whom, Whom::Everyone);
        for conn in meant {
            if self.connections.get(&conn).is_some_and(|connection| !connection.ghost) {
                act(self, conn);
                found = true;
            }
        }
        self.settle(now);
        found
    }

    fn drop_on_order(&mut self, now: Instant, conn: ConnId) {
        self.end(now, conn, CloseReason::Kicked("told to drop"));
    }

    /// Connects a ghost in the place of a client.
    fn haunt(&mut self, now: Instant, conn: ConnId) {
        let Some(client) = self.up(conn).map(|up| Arc::clone(&up.client)) else { return };
        let session = self.sessions.get(&client);
        let clean = session.is_none_or(|session| session.clean);
        let client_id = session.map_or_else(|| client.to_string(), |session| session.client_id.to_string());
        let ghost = ConnId(u64::MAX - self.misbehaviour.ghosts);
        self.misbehaviour.ghosts = self.misbehaviour.ghosts.wrapping_add(1);
        let Some(up) = self.retire(now, conn, CloseReason::TakenOver(ghost)) else { return };
        self.connections.insert(ghost, Connection { ghost: true, ..Connection::new(now, super::Peer::default()) });
        self.note(now, Some(ghost), || Happening::Opened(Some("a ghost".to_owned())));
        let present = self.resume(now, ghost, (&client, &client_id), clean, &up.identity);
        let connect = Connect { client_id, clean_session: clean, ..Connect::default() };
        let at = self.at(now);
        self.policy.on_session(at, &up.identity, present);
        self.policy.on_connected(at, &up.identity, &connect, &mut self.outbox);
        if let Some(connection) = self.connections.get_mut(&ghost) {
            let client = Arc::clone(&client);
            connection.stage = Stage::Up(Up { client, identity: up.identity, patience: None, will: None });
        }
        self.pump(now, &client);
        self.arm_session(&client);
    }

    fn corrupt(&mut self, now: Instant, conn: ConnId) {
        self.control(now, conn, &NO_PACKET, || Summary::NoPacket);
    }

    /// A connection has sent one more packet.
    pub(super) fn count_packet(&mut self, now: Instant, conn: ConnId) {
        let Some(connection) = self.connections.get_mut(&conn) else { return };
        connection.packets = connection.packets.saturating_add(1);
        if self.misbehaviour.drop_after.is_some_and(|limit| connection.packets >= limit.get()) {
            self.end(now, conn, CloseReason::Kicked("told to drop after so many packets"));
        }
    }

    /// Whether a message that is to be acknowledged is throttled by order.
    pub(super) fn patience(&mut self, now: Instant, conn: ConnId) -> Patience {
        let Some(Throttle { per_second, late }) = self.misbehaviour.throttle else { return Patience::Now };
        let Some(connection) = self.connections.get_mut(&conn) else { return Patience::Never };
        if connection.second.admits(now, per_second) {
            return Patience::Now;
        }
        match late {
            Some(late) if self.misbehaviour.late.len() < LATE => Patience::Late(late),
            Some(_) | None => Patience::Never,
        }
    }

    /// Acknowledges later; not at all, if the connection is over by then.
    pub(super) fn acknowledge_late(&mut self, now: Instant, conn: ConnId, delivery: Delivery, late: Duration) {
        let count = self.misbehaviour.count;
        self.misbehaviour.count = count.wrapping_add(1);
        self.misbehaviour.late.insert((now.after(late), count), (conn, delivery));
    }

    /// Does what is due.
    pub(super) fn misbehave_in_time(&mut self, now: Instant) {
        while let Some(entry) = self.misbehaviour.late.first_entry().filter(|entry| entry.key().0 <= now) {
            let (conn, delivery) = entry.remove();
            if self.up(conn).is_some() {
                self.acknowledge(now, conn, delivery);
            }
        }
        let Some((distance, at)) = self.misbehaviour.drop_every else { return };
        if at <= now {
            self.misbehaviour.drop_every = Some((distance, now.after(distance)));
            self.each(now, &Whom::Everyone, |broker, conn| broker.drop_on_order(now, conn));
        }
    }
}

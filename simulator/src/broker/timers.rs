//! What ends by itself: connections without CONNECT or sign of life, sessions nobody returns to, pauses in a replay.

use super::{Broker, ConnId, policy::Policy};
use skytether_core::time::{Deadline, Instant};
use std::{collections::BTreeSet, sync::Arc};

/// Whose timer.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Timer {
    Connection(ConnId),
    Session(Arc<str>),
}

/// At most one timer for each connection and session. A timer may be early: whoever serves it looks at what is really
/// due, so that a packet need not move its connection's timer.
#[derive(Debug, Default)]
pub(super) struct Timers {
    set: BTreeSet<(Instant, Timer)>,
}

impl Timers {
    pub(super) fn first(&self) -> Option<Deadline> {
        let (at, timer) = self.set.first()?;
        let why = match timer {
            Timer::Connection(_) => "silent client",
            Timer::Session(_) => "session",
        };
        Some(Deadline { at: *at, why })
    }

    fn pop_due(&mut self, now: Instant) -> Option<Timer> {
        if self.set.first()?.0 > now {
            return None;
        }
        self.set.pop_first().map(|(_, timer)| timer)
    }

    /// Sets a timer to the earlier of where it is (`armed`) and `at`.
    fn arm(&mut self, armed: &mut Option<Instant>, at: Instant, timer: Timer) {
        match *armed {
            Some(set) if set <= at => return,
            Some(set) => drop(self.set.remove(&(set, timer.clone()))),
            None => {}
        }
        *armed = Some(at);
        self.set.insert((at, timer));
    }

    pub(super) fn disarm_connection(&mut self, armed: Option<Instant>, conn: ConnId) {
        if let Some(at) = armed {
            self.set.remove(&(at, Timer::Connection(conn)));
        }
    }

    pub(super) fn disarm_session(&mut self, armed: Option<Instant>, client: &Arc<str>) {
        if let Some(at) = armed {
            self.set.remove(&(at, Timer::Session(Arc::clone(client))));
        }
    }
}

impl<P: Policy> Broker<P> {
    /// Sets the timer of a connection to when its silence is too long.
    pub(super) fn arm_connection(&mut self, conn: ConnId) {
        let Some(connection) = self.connections.get_mut(&conn) else { return };
        if let Some((at, _)) = connection.due(&self.config) {
            self.timers.arm(&mut connection.armed, at, Timer::Connection(conn));
        }
    }

    /// Sets the timer of a session: when it expires, or when its replay goes on.
    pub(super) fn arm_session(&mut self, client: &Arc<str>) {
        let expiry = self.policy.limits().session_expiry;
        let Some(session) = self.sessions.get_mut(client) else { return };
        let due = match session.away {
            Some(away) => expiry.map(|expiry| away.after(expiry)),
            None => session.replay.filter(|replay| replay.left > 0).map(|replay| replay.next),
        };
        if let Some(at) = due {
            self.timers.arm(&mut session.armed, at, Timer::Session(Arc::clone(client)));
        }
    }

    /// Serves every timer that is due.
    pub(super) fn expire(&mut self, now: Instant) {
        while let Some(timer) = self.timers.pop_due(now) {
            match timer {
                Timer::Connection(conn) => self.check_connection(now, conn),
                Timer::Session(client) => self.check_session(now, &client),
            }
        }
    }

    fn check_connection(&mut self, now: Instant, conn: ConnId) {
        let Some(connection) = self.connections.get_mut(&conn) else { return };
        connection.armed = None;
        match connection.due(&self.config) {
            Some((at, reason)) if at <= now => self.end(now, conn, reason),
            Some(_) => self.arm_connection(conn),
            None => {}
        }
    }

    fn check_session(&mut self, now: Instant, client: &Arc<str>) {
        let expiry = self.policy.limits().session_expiry;
        let Some(session) = self.sessions.get_mut(client) else { return };
        session.armed = None;
        if session.is_expired(now, expiry) {
            self.forget(client);
        } else {
            self.pump(now, client);
            self.arm_session(client);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_moves_to_the_front_only_and_is_there_once() {
        let mut timers = Timers::default();
        let mut armed = None;
        let timer = || Timer::Connection(ConnId(1));
        for (at, first) in [(500, 500), (900, 500), (300, 300)] {
            timers.arm(&mut armed, Instant(at), timer());
            assert_eq!((armed, timers.set.len()), (Some(Instant(first)), 1));
        }
        assert_eq!(timers.pop_due(Instant(299)), None);
        assert_eq!(timers.pop_due(Instant(300)), Some(timer()));
        assert_eq!(timers.first(), None);
    }
}

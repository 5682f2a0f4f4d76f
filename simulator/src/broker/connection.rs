//! What the broker holds of one connection: its bytes on the way in and out, and how far it has come.

use super::{Config, misbehaviour::Second, policy::Peer, trace::CloseReason};
use core::time::Duration;
use skytether_core::{link::Will, time::Instant};
use std::sync::Arc;

/// One connection, from its opening to the owner's word that it is gone.
#[derive(Debug)]
pub(super) struct Connection<I> {
    pub(super) peer: Peer,
    pub(super) opened: Instant,
    /// When the last whole packet came.
    pub(super) heard: Instant,
    /// The beginning of a packet that is not whole yet.
    pub(super) inbox: Vec<u8>,
    pub(super) outlet: Outlet,
    pub(super) stage: Stage<I>,
    /// The moment at which its timer is set.
    pub(super) armed: Option<Instant>,
    /// Whole packets that came.
    pub(super) packets: u32,
    /// What a throttle counts.
    pub(super) second: Second,
    /// Whether there is no pipe behind it: whatever is written to it is gone.
    pub(super) ghost: bool,
}

/// How far a connection has come.
#[derive(Debug)]
pub(super) enum Stage<I> {
    /// No CONNECT yet.
    Fresh,
    /// CONNACK 0 was sent.
    Up(Up<I>),
    /// Over; the owner is to close the pipe.
    Closing(CloseReason),
}

/// A client that was let in.
#[derive(Debug)]
pub(super) struct Up<I> {
    pub(super) client: Arc<str>,
    pub(super) identity: I,
    /// How long it may be silent.
    pub(super) patience: Option<Duration>,
    pub(super) will: Option<Will>,
}

impl<I> Connection<I> {
    pub(super) fn new(now: Instant, peer: Peer) -> Self {
        Self {
            peer,
            opened: now,
            heard: now,
            inbox: Vec::new(),
            outlet: Outlet::default(),
            stage: Stage::Fresh,
            armed: None,
            packets: 0,
            second: Second::default(),
            ghost: false,
        }
    }

    /// The client, if it was let in and is not over.
    pub(super) fn up(&self) -> Option<&Up<I>> {
        match &self.stage {
            Stage::Up(up) => Some(up),
            Stage::Fresh | Stage::Closing(_) => None,
        }
    }

    /// When silence ends this connection, and for what reason.
    pub(super) fn due(&self, config: &Config) -> Option<(Instant, CloseReason)> {
        match &self.stage {
            Stage::Fresh => Some((self.opened.after(config.connect_timeout), CloseReason::ConnectTimeout)),
            Stage::Up(up) => up.patience.map(|patience| (self.heard.after(patience), CloseReason::KeepAlive)),
            Stage::Closing(_) => None,
        }
    }
}

/// Bytes that wait for a pipe, one after the other in memory.
#[derive(Debug, Default)]
pub(super) struct Outlet {
    bytes: Vec<u8>,
    sent: usize,
    /// Length of the last message appended: what may lie above `Config::transmit`.
    last: usize,
}

/// Storage that an empty outlet keeps; more was a peak and is given back.
const KEEP: usize = 64 * 1024;

impl Outlet {
    pub(super) fn pending(&self) -> &[u8] {
        self.bytes.get(self.sent..).unwrap_or_default()
    }

    fn len(&self) -> usize {
        self.bytes.len().saturating_sub(self.sent)
    }

    /// Whether a message may be appended; if not, it waits in its session.
    pub(super) fn has_room(&self, config: &Config) -> bool {
        self.len() < config.transmit
    }

    /// Bytes of acknowledgements that are above what messages may take.
    fn excess(&self, config: &Config) -> usize {
        self.len().saturating_sub(config.transmit.saturating_add(self.last))
    }

    /// Whether so many acknowledgements wait that the client must be given up.
    pub(super) fn is_flooded(&self, config: &Config) -> bool {
        self.excess(config) > config.control
    }

    /// Whether the client should be read no further until it reads.
    pub(super) fn is_filling(&self, config: &Config) -> bool {
        self.excess(config) > config.control / 2
    }

    /// Appends a packet that carries no message.
    pub(super) fn control(&mut self, packet: &[u8]) {
        self.bytes.extend_from_slice(packet);
    }

    /// Lets `write` append one message.
    pub(super) fn message(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let before = self.bytes.len();
        write(&mut self.bytes);
        self.last = self.bytes.len().saturating_sub(before);
    }

    /// The pipe took this many bytes.
    pub(super) fn advance(&mut self, len: usize) {
        self.sent = self.sent.saturating_add(len).min(self.bytes.len());
        if self.sent == self.bytes.len() {
            self.clear();
        } else if self.sent > KEEP && self.sent > self.bytes.len() / 2 {
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(KEEP);
        self.sent = 0;
        self.last = 0;
    }
}

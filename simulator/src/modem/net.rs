//! What a modem wants of the network: pipes to hosts, opened and closed by its owner, and the bytes for them.

use super::outlet::Outlet;
use core::fmt;
use std::collections::{BTreeMap, VecDeque};

/// Names one connection of the modem's over the network; never used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[allow(clippy::exhaustive_structs, reason = "a plain name")]
pub struct Pipe(pub u32);

impl fmt::Display for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// One of the two sides on which a modem has bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[allow(clippy::exhaustive_enums, reason = "there are two sides")]
pub enum Side {
    /// The host.
    Serial,
    /// The network.
    Net(Pipe),
}

/// What the modem asks of its owner.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "an owner has to carry out each")]
pub enum Order {
    /// Open a connection; answer [`Modem::opened`](super::Modem::opened) or [`Modem::closed`](super::Modem::closed).
    Open {
        /// Its name.
        pipe: Pipe,
        /// Host name or address.
        host: String,
        /// TCP port.
        port: u16,
        /// How it is to be encrypted; `None`: not at all.
        tls: Option<Tls>,
    },
    /// Close it once what [`Modem::transmit`](super::Modem::transmit) still shows of it is written; answer
    /// [`Modem::closed`](super::Modem::closed).
    Close(Pipe),
    /// The serial line has this speed from now on, in bits a second.
    Baud(u32),
}

/// How a connection is to be encrypted. The modem holds certificates and keys by name only: the owner has them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[allow(clippy::exhaustive_structs, reason = "owners and tests read it")]
pub struct Tls {
    /// The name to ask for and to check the server's certificate against.
    pub server_name: String,
    /// The name of the root to trust; empty: those built in.
    pub root: String,
    /// One more root, as DER: what `AT+LOADCERT` brought last.
    pub loaded: Option<Vec<u8>>,
    /// The name of the certificate to show; empty: the device's own.
    pub certificate: String,
}

/// The pipes, and what waits for each.
#[derive(Debug, Default)]
pub(super) struct Net {
    outlets: BTreeMap<Pipe, Outlet>,
    orders: VecDeque<Order>,
    next: u32,
}

impl Net {
    pub(super) fn open(&mut self, host: String, port: u16, tls: Option<Tls>) -> Pipe {
        self.next += 1;
        let pipe = Pipe(self.next);
        self.outlets.insert(pipe, Outlet::default());
        self.orders.push_back(Order::Open { pipe, host, port, tls });
        pipe
    }

    pub(super) fn close(&mut self, pipe: Pipe) {
        if self.outlets.contains_key(&pipe) {
            self.orders.push_back(Order::Close(pipe));
        }
    }

    pub(super) fn order(&mut self, order: Order) {
        self.orders.push_back(order);
    }

    pub(super) fn next_order(&mut self) -> Option<Order> {
        self.orders.pop_front()
    }

    /// Lets `write` append to what waits for a pipe; `None`: the pipe is gone.
    pub(super) fn write<R>(&mut self, pipe: Pipe, write: impl FnOnce(&mut Vec<u8>) -> R) -> Option<R> {
        self.outlets.get_mut(&pipe).map(|outlet| outlet.write(write))
    }

    pub(super) fn transmit(&self, pipe: Pipe) -> &[u8] {
        self.outlets.get(&pipe).map_or(&[], Outlet::pending)
    }

    pub(super) fn sent(&mut self, pipe: Pipe, len: usize) {
        if let Some(outlet) = self.outlets.get_mut(&pipe) {
            outlet.advance(len);
        }
    }

    /// The pipe is gone.
    pub(super) fn forget(&mut self, pipe: Pipe) {
        self.outlets.remove(&pipe);
    }

    /// The pipes that are open, or being opened or closed.
    pub(super) fn pipes(&self) -> Vec<Pipe> {
        self.outlets.keys().copied().collect()
    }
}

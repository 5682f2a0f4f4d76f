//! The TCP sockets of the modem, which its host drives by numbers.

use super::{
    net::{Net, Pipe, Tls},
    trouble::Trouble,
};
use skytether_core::time::Instant;
use std::collections::{BTreeMap, VecDeque};

/// What the host is to be told.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Said {
    Open {
        id: u32,
        host: String,
        port: u16,
    },
    Failed(u32),
    /// So many bytes wait.
    Received(u32, usize),
    Closed(u32),
}

/// The sockets.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    list: BTreeMap<u32, Socket>,
    said: VecDeque<Said>,
}

#[derive(Debug)]
struct Socket {
    stage: Stage,
    /// The set of `AT+TLSC` to encrypt by.
    tls: Option<u32>,
    host: String,
    port: u16,
    inbox: VecDeque<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    New,
    Opening(Pipe, Instant),
    Open(Pipe),
    /// The other side has closed it; the host has to, too.
    Over,
}

/// Sockets at once.
const SOCKETS: u32 = 4;

/// Bytes that wait for the host; then the network is not read.
const INBOX: usize = 8 * 1024;

impl Sockets {
    /// A new one.
    ///
    /// # Errors
    /// [`Trouble::NoFreeSocket`].
    pub(super) fn add(&mut self) -> Result<u32, Trouble> {
        let free = (1..=SOCKETS).find(|id| !self.list.contains_key(id)).ok_or(Trouble::NoFreeSocket)?;
        let socket = Socket { stage: Stage::New, tls: None, host: String::new(), port: 0, inbox: VecDeque::new() };
        self.list.insert(free, socket);
        Ok(free)
    }

    fn socket(&mut self, id: u32) -> Result<&mut Socket, Trouble> {
        self.list.get_mut(&id).ok_or(Trouble::NoSuchSocket)
    }

    /// It is to be encrypted by this set.
    ///
    /// # Errors
    /// [`Trouble::NoSuchSocket`]; [`Trouble::SocketTls`]: it is connected already.
    pub(super) fn encrypt(&mut self, id: u32, set: u32) -> Result<(), Trouble> {
        let socket = self.socket(id)?;
        if socket.stage != Stage::New {
            return Err(Trouble::SocketTls);
        }
        socket.tls = Some(set);
        Ok(())
    }

    /// The set of `AT+TLSC` that a socket is encrypted by.
    pub(super) fn set_of(&self, id: u32) -> Option<u32> {
        self.list.get(&id)?.tls
    }

    /// Connects it.
    ///
    /// # Errors
    /// [`Trouble::NoSuchSocket`]; [`Trouble::SocketConnect`]: it was connected before.
    pub(super) fn connect(
        &mut self,
        until: Instant,
        net: &mut Net,
        id: u32,
        host: String,
        port: u16,
        tls: Option<Tls>,
    ) -> Result<(), Trouble> {
        let socket = self.socket(id)?;
        if socket.stage != Stage::New {
            return Err(Trouble::SocketConnect);
        }
        let pipe = net.open(host.clone(), port, tls);
        (socket.host, socket.port, socket.stage) = (host, port, Stage::Opening(pipe, until));
        Ok(())
    }

    /// Sends.
    ///
    /// # Errors
    /// [`Trouble::NoSuchSocket`]; [`Trouble::SocketSend`]: it is not connected.
    pub(super) fn write(&mut self, net: &mut Net, id: u32, bytes: &[u8]) -> Result<(), Trouble> {
        let Stage::Open(pipe) = self.socket(id)?.stage else { return Err(Trouble::SocketSend) };
        net.write(pipe, |out| out.extend_from_slice(bytes)).ok_or(Trouble::SocketSend)
    }

    /// Takes at most so many bytes that came.
    ///
    /// # Errors
    /// [`Trouble::NoSuchSocket`].
    pub(super) fn read(&mut self, id: u32, most: usize) -> Result<Vec<u8>, Trouble> {
        let inbox = &mut self.socket(id)?.inbox;
        let len = most.min(inbox.len());
        Ok(inbox.drain(..len).collect())
    }

    /// Closes it and forgets it.
    ///
    /// # Errors
    /// [`Trouble::NoSuchSocket`].
    pub(super) fn close(&mut self, net: &mut Net, id: u32) -> Result<(), Trouble> {
        let socket = self.list.remove(&id).ok_or(Trouble::NoSuchSocket)?;
        if let Stage::Opening(pipe, _) | Stage::Open(pipe) = socket.stage {
            net.close(pipe);
        }
        Ok(())
    }

    /// Which there are.
    pub(super) fn ids(&self) -> Vec<u32> {
        self.list.keys().copied().collect()
    }

    pub(super) fn take_said(&mut self) -> Option<Said> {
        self.said.pop_front()
    }

    fn of(&mut self, pipe: Pipe) -> Option<(u32, &mut Socket)> {
        let own = |stage: Stage| matches!(stage, Stage::Opening(own, _) | Stage::Open(own) if own == pipe);
        self.list.iter_mut().find(|(_, socket)| own(socket.stage)).map(|(id, socket)| (*id, socket))
    }

    pub(super) fn opened(&mut self, pipe: Pipe) {
        if let Some((id, socket)) = self.of(pipe) {
            socket.stage = Stage::Open(pipe);
            let (host, port) = (socket.host.clone(), socket.port);
            self.said.push_back(Said::Open { id, host, port });
        }
    }

    pub(super) fn closed(&mut self, pipe: Pipe) {
        if let Some((id, socket)) = self.of(pipe) {
            let failed = matches!(socket.stage, Stage::Opening(..));
            socket.stage = Stage::Over;
            self.said.push_back(if failed { Said::Failed(id) } else { Said::Closed(id) });
        }
    }

    pub(super) fn receive(&mut self, pipe: Pipe, bytes: &[u8]) {
        if let Some((id, socket)) = self.of(pipe) {
            socket.inbox.extend(bytes);
            let len = socket.inbox.len();
            self.said.push_back(Said::Received(id, len));
        }
    }

    /// Whether the pipe, if it is a socket's, should be read.
    pub(super) fn wants_bytes(&self, pipe: Pipe) -> bool {
        let own = |stage: Stage| matches!(stage, Stage::Opening(own, _) | Stage::Open(own) if own == pipe);
        self.list.values().all(|socket| !own(socket.stage) || socket.inbox.len() < INBOX)
    }

    /// The network is gone.
    pub(super) fn lose(&mut self, net: &mut Net) {
        let pipes: Vec<Pipe> = self.list.values().filter_map(Socket::pipe).collect();
        for pipe in pipes {
            net.close(pipe);
            self.closed(pipe);
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.list.values().filter_map(Socket::until).min()
    }

    pub(super) fn tick(&mut self, now: Instant, net: &mut Net) {
        let late = |socket: &&Socket| socket.until().is_some_and(|until| until <= now);
        let pipes: Vec<Pipe> = self.list.values().filter(late).filter_map(Socket::pipe).collect();
        for pipe in pipes {
            net.close(pipe);
            self.closed(pipe);
        }
    }
}

impl Socket {
    fn pipe(&self) -> Option<Pipe> {
        match self.stage {
            Stage::Opening(pipe, _) | Stage::Open(pipe) => Some(pipe),
            Stage::New | Stage::Over => None,
        }
    }

    fn until(&self) -> Option<Instant> {
        match self.stage {
            Stage::Opening(_, until) => Some(until),
            Stage::New | Stage::Open(_) | Stage::Over => None,
        }
    }
}

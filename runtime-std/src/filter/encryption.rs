//! How is TLS a filter over bytes? As rustls is: records in and out, without a socket.

use super::WAITING;
use crate::{fault, tls::Handshake};
use rustls::ClientConnection;
use skytether_core::io::{Cause, TlsFault};
use std::io::{self, Read as _, Write as _};

/// The client's side of one TLS connection.
pub(super) struct Encryption {
    connection: ClientConnection,
    handshake: Handshake,
    /// Records that wait for the pipe.
    outgoing: Vec<u8>,
    failed: Option<Cause>,
}

impl Encryption {
    pub(super) fn new(handshake: Handshake) -> Result<Self, Cause> {
        let connection = ClientConnection::new(handshake.config.clone(), handshake.name.clone()).map_err(|error| {
            tracing::warn!(step = "tls", %error, "no TLS with these settings");
            Cause::Tls(TlsFault::Unusable("no handshake can be begun with these settings"))
        })?;
        let mut encryption = Self { connection, handshake, outgoing: Vec::new(), failed: None };
        encryption.pump();
        Ok(encryption)
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    pub(super) fn failure(&self) -> Option<Cause> {
        self.failed
    }

    pub(super) fn transmit(&self) -> &[u8] {
        &self.outgoing
    }

    pub(super) fn sent(&mut self, len: usize) {
        self.outgoing.drain(..len.min(self.outgoing.len()));
    }

    /// Takes records in pieces; gives back what there is no room for before more is read or sent.
    pub(super) fn receive<'a>(&mut self, mut bytes: &'a [u8]) -> &'a [u8] {
        while !bytes.is_empty()
            && self.failed.is_none()
            && self.outgoing.len() < WAITING
            && self.connection.wants_read()
        {
            let handshaking = self.connection.is_handshaking();
            let outcome = self.connection.read_tls(&mut bytes).and_then(|len| {
                // Anything but 0 was taken from `bytes`, so that this ends.
                self.connection.process_new_packets().map_err(io::Error::other)?;
                Ok(len)
            });
            self.pump();
            match outcome {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => self.fail(&error, handshaking),
            }
        }
        bytes
    }

    /// The pipe has ended: in order, or it broke.
    pub(super) fn end(&mut self, in_order: bool) {
        let handshaking = self.connection.is_handshaking();
        if in_order && !handshaking {
            // Reading tells then whether the peer had said so before.
            let _ = self.connection.read_tls(&mut io::empty());
        } else {
            self.failed.get_or_insert(Cause::Lost);
        }
    }

    /// Decrypted bytes; 0 where there are none yet.
    pub(super) fn read(&mut self, into: &mut [u8]) -> Result<usize, Cause> {
        match self.connection.reader().read(into) {
            Ok(0) => Err(self.failed.unwrap_or(Cause::Lost)),
            Ok(len) => Ok(len),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.failed.map_or(Ok(0), Err),
            Err(error) => Err(self.failed.unwrap_or_else(|| fault::of_io(&error))),
        }
    }

    /// Encrypts as much as there is room for; says how much.
    pub(super) fn send(&mut self, bytes: &[u8]) -> usize {
        let room = WAITING.saturating_sub(self.outgoing.len());
        self.send_all(bytes.get(..room.min(bytes.len())).unwrap_or_default())
    }

    /// Encrypts it all, unless the connection is of no use any more.
    pub(super) fn send_all(&mut self, bytes: &[u8]) -> usize {
        if self.failed.is_some() || bytes.is_empty() {
            return 0;
        }
        let len = self.connection.writer().write(bytes).unwrap_or(0);
        self.pump();
        len
    }

    /// Says good-bye.
    pub(super) fn close(&mut self) {
        if self.failed.is_none() {
            self.connection.send_close_notify();
        }
        self.pump();
    }

    fn fail(&mut self, error: &io::Error, handshaking: bool) {
        let cause = if handshaking { self.handshake.cause(error) } else { fault::of_io(error) };
        tracing::warn!(host = ?self.handshake.name, step = "tls", %error, %cause, "no TLS");
        self.failed = Some(cause);
    }

    /// Takes from rustls what it has to say; an error's alert too.
    fn pump(&mut self) {
        while self.connection.wants_write() {
            if self.connection.write_tls(&mut self.outgoing).unwrap_or(0) == 0 {
                break;
            }
        }
    }
}

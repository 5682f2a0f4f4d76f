//! TLS over bytes in memory: ciphertext in, plaintext out, and back, with no pipe in sight.

use super::fault::{is_handshake_failure, of_tls};
use alloc::{sync::Arc, vec::Vec};
use rustls::{
    ClientConfig, Error,
    client::UnbufferedClientConnection,
    pki_types::ServerName,
    unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus},
};
use skytether_core::io::{Cause, TlsFault};

/// What a record adds to its content at most: header, nonce, tag, padding.
const OVERHEAD: usize = 64;

/// One connection's state.
pub(super) struct Filter<'b> {
    connection: UnbufferedClientConnection,
    /// What came in and is not taken apart yet.
    incoming: &'b mut [u8],
    used: usize,
    /// What was taken out and is not read yet, last byte first out of the way.
    plain: Vec<u8>,
    taken: usize,
    /// The peer has said good-bye.
    ended: bool,
    /// It failed, and stays so.
    fault: Option<Cause>,
}

/// What is to be said.
pub(super) enum Say<'s> {
    Nothing,
    Bytes(&'s [u8]),
    GoodBye,
}

/// What a turn came to.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Turn {
    /// The handshake needs bytes of the peer's.
    Blocked,
    /// This many bytes in the buffer are for the peer; then take another turn.
    Send(usize),
    /// So much of what was to be said is in the buffer, in so many bytes.
    Said { taken: usize, len: usize },
    /// The handshake is complete, and nothing is to be done.
    Ready,
    /// The peer has said good-bye, or both have.
    Ended,
}

impl<'b> Filter<'b> {
    pub(super) fn new(
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
        incoming: &'b mut [u8],
    ) -> Result<Self, Cause> {
        let connection = UnbufferedClientConnection::new(config, name).map_err(|error| of_tls(&error))?;
        Ok(Self { connection, incoming, used: 0, plain: Vec::new(), taken: 0, ended: false, fault: None })
    }

    /// Room for bytes of the peer's; report them by [`Filter::received`].
    pub(super) fn room(&mut self) -> Result<&mut [u8], Cause> {
        let max = self.incoming.len();
        if self.used >= max {
            // One record is longer than all room.
            let cause = Cause::TooLarge { len: max.saturating_add(1), max };
            self.fault = Some(cause);
            return Err(cause);
        }
        Ok(self.incoming.get_mut(self.used..).unwrap_or_default())
    }

    pub(super) fn received(&mut self, len: usize) {
        self.used = self.used.saturating_add(len).min(self.incoming.len());
    }

    /// Takes in bytes of the peer's, no more than there is room for.
    pub(super) fn receive(&mut self, bytes: &[u8]) {
        let room = self.incoming.get_mut(self.used..).unwrap_or_default();
        for (place, byte) in room.iter_mut().zip(bytes) {
            *place = *byte;
        }
        self.received(bytes.len());
    }

    pub(super) fn has_plain(&self) -> bool {
        !self.plain.is_empty()
    }

    /// Moves plaintext out.
    pub(super) fn take(&mut self, buffer: &mut [u8]) -> usize {
        let waiting = self.plain.get(self.taken..).unwrap_or_default();
        let len = waiting.len().min(buffer.len());
        for (place, byte) in buffer.iter_mut().zip(waiting) {
            *place = *byte;
        }
        self.taken = self.taken.saturating_add(len);
        if self.taken == self.plain.len() {
            (self.plain, self.taken) = (Vec::new(), 0);
        }
        len
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    pub(super) fn fault(&self) -> Option<Cause> {
        self.fault
    }

    /// Does the next thing. `out` takes what is for the peer.
    pub(super) fn turn(&mut self, out: &mut [u8], say: &Say<'_>) -> Result<Turn, Cause> {
        if let Some(cause) = self.fault {
            return Err(cause);
        }
        let done = self.turns(out, say);
        self.fault = done.as_ref().err().copied();
        done
    }

    fn turns(&mut self, out: &mut [u8], say: &Say<'_>) -> Result<Turn, Cause> {
        let mut encoded = 0_usize;
        loop {
            let UnbufferedStatus { discard, state, .. } =
                self.connection.process_tls_records(self.incoming.get_mut(..self.used).unwrap_or_default());
            let mut also = 0;
            let turn = match state {
                Err(error) => return Err(of_error(&error)),
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record.map_err(|error| of_tls(&error))?;
                        also = record.discard.saturating_add(also);
                        self.plain.extend_from_slice(record.payload);
                    }
                    None
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    let room = out.get_mut(encoded..).unwrap_or_default();
                    match data.encode(room) {
                        Ok(len) => encoded = encoded.saturating_add(len),
                        Err(EncodeError::InsufficientSize(_) | EncodeError::AlreadyEncoded) => return Err(TOO_SMALL),
                    }
                    None
                }
                Ok(ConnectionState::TransmitTlsData(data)) => {
                    data.done();
                    Some(Turn::Send(encoded))
                }
                Ok(ConnectionState::BlockedHandshake) => Some(Turn::Blocked),
                Ok(ConnectionState::WriteTraffic(mut traffic)) => Some(match say {
                    _ if encoded > 0 => Turn::Send(encoded),
                    Say::Nothing => Turn::Ready,
                    Say::Bytes(bytes) => {
                        let most = out.len().saturating_sub(OVERHEAD).min(bytes.len());
                        let part = bytes.get(..most).filter(|part| !part.is_empty()).ok_or(TOO_SMALL)?;
                        let len = traffic.encrypt(part, out).map_err(|error| of_encrypt(&error))?;
                        Turn::Said { taken: part.len(), len }
                    }
                    Say::GoodBye => {
                        let len = traffic.queue_close_notify(out).map_err(|error| of_encrypt(&error))?;
                        Turn::Said { taken: 0, len }
                    }
                }),
                Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => {
                    self.ended = true;
                    Some(Turn::Ended)
                }
                // Early data is a server's, and the enum may grow.
                Ok(_) => return Err(Cause::Tls(TlsFault::NotTls)),
            };
            self.discard(discard.saturating_add(also));
            if let Some(turn) = turn {
                return Ok(turn);
            }
        }
    }

    fn discard(&mut self, len: usize) {
        let len = len.min(self.used);
        self.incoming.copy_within(len..self.used, 0);
        self.used = self.used.saturating_sub(len);
    }
}

const TOO_SMALL: Cause =
    Cause::Tls(TlsFault::Unusable("the buffer for outgoing TLS records is too small: give it 4 KiB"));

fn of_encrypt(error: &EncryptError) -> Cause {
    match error {
        EncryptError::InsufficientSize(_) => TOO_SMALL,
        // As many records as keys are good for: a new connection has new keys.
        EncryptError::EncryptExhausted => Cause::Lost,
    }
}

/// A server that wants a certificate, and one with which nothing is in common, may say the same; see `super`.
fn of_error(error: &Error) -> Cause {
    if is_handshake_failure(error) { Cause::Tls(TlsFault::Alert(HANDSHAKE_FAILURE)) } else { of_tls(error) }
}

/// The alert of that name (RFC 8446, 6).
pub(super) const HANDSHAKE_FAILURE: u8 = 40;

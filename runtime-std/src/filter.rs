//! What stands between the bytes of a pipe and those of the machine? TLS, a WebSocket, or a WebSocket inside TLS: pure
//! filters, given bytes in whatever pieces they come and asked for bytes.

mod encryption;

use crate::{tls::Tls, websocket::WebSocket};
use core::{fmt, ops::Range};
use encryption::Encryption;
use skytether_core::{
    io::{Cause, Pipe},
    link::{Endpoint, TlsIdentity},
};

/// Bytes that may wait for the pipe before the filter takes nothing more, from either side.
const WAITING: usize = 16 * 1024;
/// Bytes that are moved from TLS to the WebSocket at once.
const CHUNK: usize = 4 * 1024;

/// What an endpoint wants between the bytes of its pipe and those of the machine.
///
/// The driver gives it every byte of the pipe, in whatever pieces, and takes from it the machine's, and the other way
/// round. Nothing is thrown away where there is no room: it is left with the caller.
pub struct Filter {
    layers: Layers,
    /// Told once what came before was read.
    failed: Option<Cause>,
}

enum Layers {
    Tls(Box<Encryption>),
    WebSocket(Box<WebSocket>),
    /// With what was decrypted and not yet given to the WebSocket.
    Both(Box<Encryption>, Box<WebSocket>, Between),
}

struct Between {
    buffer: Box<[u8]>,
    left: Range<usize>,
}

impl Filter {
    /// What `pipe` wants; `None` where its bytes are the machine's own. WebSocket messages have `websocket_message` bytes
    /// at most. May read the system's certificates.
    ///
    /// # Errors
    /// `Cause::Tls` with `Unusable` where the settings or the host name do not serve, `Cause::Unsupported` where the
    /// endpoint cannot be had.
    pub fn new(pipe: &Pipe, tls: &Tls, websocket_message: usize) -> Result<Option<Self>, Cause> {
        let Pipe::Net(endpoint) = pipe else {
            return Ok(None);
        };
        let socket = |endpoint: &Endpoint| WebSocket::new(endpoint, websocket_message).map(Box::new);
        let layers = match (&endpoint.tls, &endpoint.path) {
            (TlsIdentity::Plain, None) => return Ok(None),
            (TlsIdentity::Plain, Some(_)) => Layers::WebSocket(socket(endpoint)?),
            (_, None) => Layers::Tls(Box::new(Encryption::new(tls.handshake(endpoint)?)?)),
            (_, Some(_)) => {
                let between = Between { buffer: vec![0; CHUNK].into_boxed_slice(), left: 0..0 };
                Layers::Both(Box::new(Encryption::new(tls.handshake(endpoint)?)?), socket(endpoint)?, between)
            }
        };
        let mut filter = Self { layers, failed: None };
        filter.send_down();
        Ok(Some(filter))
    }

    /// Whether the machine's bytes may pass.
    pub fn is_open(&self) -> bool {
        match &self.layers {
            Layers::Tls(tls) => !tls.is_handshaking(),
            Layers::WebSocket(socket) | Layers::Both(_, socket, _) => socket.is_open(),
        }
    }

    /// Bytes that wait for the pipe.
    pub fn transmit(&self) -> &[u8] {
        match &self.layers {
            Layers::Tls(tls) | Layers::Both(tls, ..) => tls.transmit(),
            Layers::WebSocket(socket) => socket.transmit(),
        }
    }

    /// The first `len` bytes of [`Filter::transmit`] were handed to the pipe.
    pub fn sent(&mut self, len: usize) {
        match &mut self.layers {
            Layers::Tls(tls) | Layers::Both(tls, ..) => tls.sent(len),
            Layers::WebSocket(socket) => socket.sent(len),
        }
        self.send_down();
    }

    /// Takes bytes of the pipe; gives back those that there is no room for before others are read or sent.
    pub fn receive<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        if self.failed.is_some() {
            return bytes;
        }
        let rest = match &mut self.layers {
            Layers::Tls(tls) | Layers::Both(tls, ..) => tls.receive(bytes),
            Layers::WebSocket(socket) => give(socket, bytes, &mut self.failed),
        };
        self.lift();
        self.send_down();
        rest
    }

    /// The pipe has ended: in order, or it broke.
    pub fn end(&mut self, in_order: bool) {
        let cause = match &mut self.layers {
            Layers::Tls(tls) => return tls.end(in_order),
            Layers::Both(tls, ..) => {
                tls.end(in_order);
                self.lift();
                return;
            }
            Layers::WebSocket(socket) => socket.end(),
        };
        self.failed.get_or_insert(cause);
    }

    /// Why it cannot be opened.
    pub fn failure(&self) -> Option<Cause> {
        match &self.layers {
            Layers::Tls(tls) | Layers::Both(tls, ..) => self.failed.or_else(|| tls.failure()),
            Layers::WebSocket(_) => self.failed,
        }
    }

    /// Puts the machine's next bytes into `into` and says how many; 0 where there are none yet.
    ///
    /// # Errors
    /// Why there will be no more, once all that came before was read. Also before the filter is open.
    pub fn read(&mut self, into: &mut [u8]) -> Result<usize, Cause> {
        let read = self.read_up(into);
        self.send_down();
        match (read, self.failed) {
            (Ok(0), Some(cause)) => Err(cause),
            (read, _) => read,
        }
    }

    /// Takes bytes of the machine; says how many.
    pub fn send(&mut self, bytes: &[u8]) -> usize {
        if self.failed.is_some() || !self.is_open() {
            return 0;
        }
        let room = WAITING.saturating_sub(self.transmit().len());
        match &mut self.layers {
            Layers::Tls(tls) => tls.send(bytes),
            Layers::WebSocket(socket) => speak(socket, bytes, room),
            Layers::Both(_, socket, _) => {
                let room = room.saturating_sub(socket.transmit().len());
                let len = speak(socket, bytes, room);
                self.send_down();
                len
            }
        }
    }

    /// Says good-bye behind what waits in [`Filter::transmit`].
    pub fn close(&mut self) {
        match &mut self.layers {
            Layers::Tls(tls) => tls.close(),
            Layers::WebSocket(socket) => socket.close(),
            Layers::Both(tls, socket, _) => {
                socket.close();
                // Without regard to room: nothing comes after it.
                tls.send_all(socket.transmit());
                socket.sent(socket.transmit().len());
                tls.close();
            }
        }
    }

    fn read_up(&mut self, into: &mut [u8]) -> Result<usize, Cause> {
        match &mut self.layers {
            Layers::Tls(tls) => return tls.read(into),
            Layers::WebSocket(socket) => socket.read(into),
            Layers::Both(..) => loop {
                let read = match &mut self.layers {
                    Layers::Both(_, socket, _) => socket.read(into),
                    Layers::Tls(_) | Layers::WebSocket(_) => Ok(0),
                };
                if read != Ok(0) || !self.lift() {
                    break read;
                }
            },
        }
        .map_err(|cause| *self.failed.get_or_insert(cause))
    }

    /// Moves what was decrypted to the WebSocket, a piece of it; false where there is none or no room.
    fn lift(&mut self) -> bool {
        let Layers::Both(tls, socket, between) = &mut self.layers else {
            return false;
        };
        if self.failed.is_some() || !socket.wants_bytes() {
            return false;
        }
        if between.left.is_empty() {
            match tls.read(&mut between.buffer) {
                Ok(len) => between.left = 0..len,
                Err(cause) => {
                    // The upgrade may have ended in a way that says more than the end of TLS.
                    let said = if cause == Cause::Lost && !socket.is_open() { socket.end() } else { cause };
                    self.failed = Some(said);
                    return false;
                }
            }
        }
        let bytes = between.buffer.get(between.left.clone()).unwrap_or_default();
        let rest = give(socket, bytes, &mut self.failed).len();
        let moved = rest < bytes.len();
        between.left.start = between.left.end.saturating_sub(rest);
        moved
    }

    /// Moves what the WebSocket says into TLS, as far as there is room.
    fn send_down(&mut self) {
        if let Layers::Both(tls, socket, _) = &mut self.layers {
            let len = tls.send(socket.transmit());
            socket.sent(len);
        }
    }
}

impl fmt::Debug for Filter {
    /// The kind only: what passes may be a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.layers {
            Layers::Tls(_) => "Filter(TLS)",
            Layers::WebSocket(_) => "Filter(WebSocket)",
            Layers::Both(..) => "Filter(WebSocket inside TLS)",
        })
    }
}

/// Gives a WebSocket bytes of the pipe, all or none; gives back what it does not take.
fn give<'a>(socket: &mut WebSocket, bytes: &'a [u8], failed: &mut Option<Cause>) -> &'a [u8] {
    if bytes.is_empty() || !socket.wants_bytes() {
        return bytes;
    }
    if let Err(cause) = socket.receive(bytes) {
        failed.get_or_insert(cause);
    }
    &[]
}

/// Says bytes by a WebSocket, `room` at most; how many that were.
fn speak(socket: &mut WebSocket, bytes: &[u8], room: usize) -> usize {
    let len = bytes.len().min(room);
    match bytes.get(..len) {
        // Where it does not take them it has ended, and that is told by reading.
        Some(part) if len > 0 && socket.send(part).is_ok() => len,
        _ => 0,
    }
}

#[cfg(test)]
mod tests;

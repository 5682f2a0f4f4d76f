//! How MQTT travels in a WebSocket (MQTT 3.1.1 chapter 6): a filter with bytes of the pipe on one side and bytes of
//! MQTT on the other.

use crate::fault;
use core::fmt;
use skytether_core::{
    io::Cause,
    link::{Endpoint, TlsIdentity},
};
use std::io::{self, Read, Write};
use tungstenite::{
    Bytes, ClientHandshake, HandshakeError, Message,
    client::IntoClientRequest as _,
    handshake::{MidHandshake, client::Request},
    http::{HeaderValue, Uri},
    protocol::{CloseFrame, WebSocketConfig, frame::coding::CloseCode},
};

/// Longest answer to the upgrade.
const HEAD: usize = 8 * 1024;
/// Bytes that may wait for the pipe before nothing more is taken from it: answers to pings.
const WAITING: usize = 16 * 1024;
/// Bytes that are moved at once inside.
const CHUNK: usize = 8 * 1024;

/// One WebSocket of a client, without a socket.
///
/// Begin by sending what [`WebSocket::transmit`] shows: the request. Give every byte of the pipe to
/// [`WebSocket::receive`], as long as [`WebSocket::wants_bytes`]; then call [`WebSocket::read`] until it gives nothing,
/// and send what [`WebSocket::transmit`] shows. MQTT may flow once [`WebSocket::is_open`].
///
/// After an error it stays usable for [`WebSocket::transmit`] only: there may be a farewell that says what was wrong.
pub struct WebSocket {
    state: State,
    /// What was read of a message and not handed out yet.
    unread: Bytes,
    /// Bytes of the upgrade's answer so far.
    head: usize,
}

enum State {
    /// `None` only while it is being moved on.
    Upgrading(Option<Box<MidHandshake<ClientHandshake<Ends>>>>),
    Open(Box<tungstenite::WebSocket<Ends>>),
    /// It failed before it was open.
    Failed,
}

impl WebSocket {
    /// A WebSocket to `endpoint`, taking messages of at most `limit` bytes.
    ///
    /// # Errors
    /// `Cause::Unsupported` where host or path cannot stand in a request.
    pub fn new(endpoint: &Endpoint, limit: usize) -> Result<Self, Cause> {
        let config = WebSocketConfig::default()
            .read_buffer_size(CHUNK)
            .write_buffer_size(0)
            .max_message_size(Some(limit))
            .max_frame_size(Some(limit));
        let upgrade = ClientHandshake::start(Ends::default(), request(endpoint)?, Some(config))
            .map_err(|_| Cause::Unsupported(BAD_NAME))?;
        let mut socket = Self { state: State::Upgrading(Some(Box::new(upgrade))), unread: Bytes::new(), head: 0 };
        socket.go_on()?;
        Ok(socket)
    }

    /// Bytes that wait for the pipe.
    pub fn transmit(&self) -> &[u8] {
        self.ends().map_or(&[], |ends| &ends.outgoing)
    }

    /// The first `len` bytes of [`WebSocket::transmit`] were handed to the pipe.
    pub fn sent(&mut self, len: usize) {
        if let Some(ends) = self.ends_mut() {
            let len = len.min(ends.outgoing.len());
            ends.outgoing.drain(..len);
        }
    }

    /// Whether the server has agreed: MQTT may flow.
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// Whether there is room for more bytes of the pipe. Where there is none, read and send first.
    pub fn wants_bytes(&self) -> bool {
        let room = |ends: &Ends| ends.incoming.is_empty() && ends.outgoing.len() < WAITING;
        !self.is_open() || (self.unread.is_empty() && self.ends().is_some_and(room))
    }

    /// Takes bytes of the pipe. All of them are kept until they are read: give one read buffer at a time.
    ///
    /// # Errors
    /// `Cause::Upgrade` or `Cause::WebSocket` where the server did not upgrade.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<(), Cause> {
        if let Some(ends) = self.ends_mut() {
            ends.incoming.extend_from_slice(bytes);
        }
        if self.is_open() {
            return Ok(());
        }
        self.head = self.head.saturating_add(bytes.len());
        if self.ends().is_some_and(|ends| ends.incoming.len() == self.head && !is_http(&ends.incoming)) {
            self.state = State::Failed;
            return Err(Cause::WebSocket("its answer to the upgrade is no HTTP"));
        }
        if self.head <= HEAD && self.ends().is_some_and(|ends| is_begun(&ends.incoming)) {
            return Ok(());
        }
        self.go_on()?;
        if self.head > HEAD && !self.is_open() {
            self.state = State::Failed;
            return Err(Cause::WebSocket("its answer to the upgrade is too long"));
        }
        Ok(())
    }

    /// The pipe has ended; says what that means.
    pub fn end(&mut self) -> Cause {
        if let Some(ends) = self.ends_mut() {
            ends.ended = true;
        }
        self.go_on().err().unwrap_or(Cause::Lost)
    }

    /// Puts the next bytes of MQTT into `into` and says how many; 0 where there are none yet.
    ///
    /// # Errors
    /// `Cause::WebSocket` where the server breaks the rules, `Cause::TooLarge` for a message over the limit,
    /// `Cause::Lost` where it said good-bye.
    pub fn read(&mut self, into: &mut [u8]) -> Result<usize, Cause> {
        while self.unread.is_empty() {
            let State::Open(socket) = &mut self.state else { return Ok(0) };
            // A server that asks and asks is answered at the pace at which it takes the answers.
            if socket.get_ref().outgoing.len() >= WAITING {
                return Ok(0);
            }
            match socket.read() {
                Ok(Message::Binary(bytes)) => self.unread = bytes,
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
                Ok(Message::Text(_)) => {
                    self.leave(CloseCode::Unsupported);
                    return Err(Cause::WebSocket("a text frame where only binary ones may be"));
                }
                Ok(Message::Close(_)) => {
                    // The answer to it is queued; what cannot be said any more is no loss.
                    let _ = socket.flush();
                    return Err(Cause::Lost);
                }
                Err(tungstenite::Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
                Err(error) => {
                    let cause = fault::of_websocket(&error);
                    self.leave(if matches!(cause, Cause::TooLarge { .. }) {
                        CloseCode::Size
                    } else {
                        CloseCode::Protocol
                    });
                    return Err(cause);
                }
            }
        }
        let len = self.unread.len().min(into.len());
        let piece = self.unread.split_to(len);
        if let Some(place) = into.get_mut(..len) {
            place.copy_from_slice(&piece);
        }
        Ok(len)
    }

    /// Puts bytes of MQTT into one binary frame behind what waits in [`WebSocket::transmit`].
    ///
    /// # Errors
    /// `Cause::Lost` where it is not open or good-bye was said.
    pub fn send(&mut self, mqtt: &[u8]) -> Result<(), Cause> {
        let State::Open(socket) = &mut self.state else { return Err(Cause::Lost) };
        socket.send(Message::Binary(Bytes::copy_from_slice(mqtt))).map_err(|error| fault::of_websocket(&error))
    }

    /// Says good-bye behind what waits in [`WebSocket::transmit`].
    pub fn close(&mut self) {
        self.leave(CloseCode::Normal);
    }

    fn leave(&mut self, code: CloseCode) {
        if let State::Open(socket) = &mut self.state {
            // After an error the socket may be beyond it, and then there is no one to tell.
            let _ = socket.close(Some(CloseFrame { code, reason: "".into() }));
        }
    }

    /// Moves the upgrade on.
    fn go_on(&mut self) -> Result<(), Cause> {
        let State::Upgrading(upgrade) = &mut self.state else { return Ok(()) };
        let Some(upgrade) = upgrade.take() else { return Ok(()) };
        match upgrade.handshake() {
            Ok((socket, _)) => {
                self.state = State::Open(Box::new(socket));
                Ok(())
            }
            Err(HandshakeError::Interrupted(upgrade)) => {
                self.state = State::Upgrading(Some(Box::new(upgrade)));
                Ok(())
            }
            Err(HandshakeError::Failure(error)) => {
                self.state = State::Failed;
                Err(fault::of_websocket(&error))
            }
        }
    }

    fn ends(&self) -> Option<&Ends> {
        match &self.state {
            State::Upgrading(upgrade) => upgrade.as_ref().map(|upgrade| upgrade.get_ref().get_ref()),
            State::Open(socket) => Some(socket.get_ref()),
            State::Failed => None,
        }
    }

    fn ends_mut(&mut self) -> Option<&mut Ends> {
        match &mut self.state {
            State::Upgrading(upgrade) => upgrade.as_mut().map(|upgrade| upgrade.get_mut().get_mut()),
            State::Open(socket) => Some(socket.get_mut()),
            State::Failed => None,
        }
    }
}

impl fmt::Debug for WebSocket {
    /// The state only: what passes may be a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket").field("open", &self.is_open()).finish_non_exhaustive()
    }
}

/// Whether bytes begin as an answer does, as far as they go.
fn is_http(head: &[u8]) -> bool {
    head.iter().zip(b"HTTP/").all(|(byte, expected)| byte == expected)
}

/// Whether an answer to the upgrade begins well and is not whole yet. It is shown to tungstenite as a whole: many small
/// pieces look like an attack to it.
fn is_begun(head: &[u8]) -> bool {
    is_http(head) && !head.windows(4).any(|end| end == b"\r\n\r\n")
}

/// What tungstenite takes for its socket.
#[derive(Default, Debug)]
struct Ends {
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
    ended: bool,
}

impl Read for Ends {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.incoming.is_empty() {
            return if self.ended { Ok(0) } else { Err(io::ErrorKind::WouldBlock.into()) };
        }
        let len = self.incoming.as_slice().read(into)?;
        self.incoming.drain(..len);
        Ok(len)
    }
}

impl Write for Ends {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.outgoing.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const BAD_NAME: &str = "a WebSocket with this host or path: they hold characters that HTTP does not allow";

/// The request to upgrade: path, `Host` (with the port where it is not the scheme's own), sub-protocol `mqtt`.
fn request(endpoint: &Endpoint) -> Result<Request, Cause> {
    let bad = Cause::Unsupported(BAD_NAME);
    let (scheme, own) = if endpoint.tls == TlsIdentity::Plain { ("ws", 80) } else { ("wss", 443) };
    let host = match endpoint.host.as_str() {
        host if host.contains(':') && !host.starts_with('[') => format!("[{host}]"),
        host => host.to_owned(),
    };
    let authority = if endpoint.port == own { host } else { format!("{host}:{}", endpoint.port) };
    let path = endpoint.path.as_deref().unwrap_or_default();
    let slash = if path.starts_with('/') { "" } else { "/" };
    let uri: Uri = format!("{scheme}://{authority}{slash}{path}").parse().map_err(|_| bad)?;
    let mut request = uri.into_client_request().map_err(|_| bad)?;
    request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("mqtt"));
    Ok(request)
}

//! How does an HTTP request become an MQTT pipe? By RFC 6455, with the sub-protocol `mqtt` on one path.
//!
//! Packets travel in binary frames, cut in any way. Whoever asks for something else gets an HTTP answer that says what
//! is wrong, as plain text.

use super::pipe::AnyStream;
use bytes::Bytes;
use core::fmt;
use futures_util::{SinkExt as _, StreamExt as _};
use std::io;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message,
        error::ProtocolError,
        handshake::{
            machine::TryParse as _,
            server::{Request, create_response, write_response},
        },
        http::HeaderValue,
        protocol::{Role, WebSocketConfig},
    },
};
use tokio_util::io::{CopyToBytes, SinkWriter, StreamReader};

/// The path of MQTT where nothing else is said.
pub(super) const PATH: &str = "/mqtt";

/// The sub-protocol of MQTT (MQTT 3.1.1 section 6).
const PROTOCOL: &str = "mqtt";

/// Largest request head, in bytes.
const HEAD: usize = 8 * 1024;

/// Largest message, in bytes; the packets in it have bounds of their own.
const MESSAGE: usize = 1024 * 1024;

/// Bytes of each connection's buffers.
const BUFFER: usize = 16 * 1024;

/// Why there was no upgrade.
#[derive(Debug)]
pub(super) enum Refused {
    /// The pipe broke, or ended before the request did.
    Broken(io::Error),
    /// The request was answered by this status and text.
    Answered(&'static str, String),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(error) => write!(f, "the WebSocket request never came: {error}"),
            Self::Answered(status, text) => write!(f, "answered HTTP {status}: {text}"),
        }
    }
}

/// Reads a request and answers it; the MQTT bytes inside the WebSocket, and the host that the client asked for.
pub(super) async fn accept(mut stream: AnyStream, path: &str) -> Result<(AnyStream, Option<String>), Refused> {
    let mut head = Vec::new();
    let outcome = match read_head(&mut stream, &mut head).await {
        Ok((len, request)) => judge(&request, path).map(|answer| (len, request, answer)),
        Err(refused) => Err(refused),
    };
    let (len, request, answer) = match outcome {
        Ok(outcome) => outcome,
        Err(refused) => {
            if let Refused::Answered(status, text) = &refused {
                refuse(&mut stream, status, text).await;
            }
            return Err(refused);
        }
    };
    stream.write_all(&answer).await.map_err(Refused::Broken)?;
    stream.flush().await.map_err(Refused::Broken)?;
    let rest = head.split_off(len.min(head.len()));
    let host = request.headers().get("Host").and_then(|host| host.to_str().ok()).map(str::to_owned);
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER)
        .write_buffer_size(BUFFER)
        .max_message_size(Some(MESSAGE))
        .max_frame_size(Some(MESSAGE));
    let socket = WebSocketStream::from_partially_read(stream, rest, Role::Server, Some(config)).await;
    Ok((bytes_of(socket), host))
}

/// The whole head of a request, and what came behind it stays in `head`.
async fn read_head(stream: &mut AnyStream, head: &mut Vec<u8>) -> Result<(usize, Request), Refused> {
    loop {
        let room = HEAD.saturating_sub(head.len());
        if room == 0 {
            return Err(Refused::Answered("431 Request Header Fields Too Large", format!("more than {HEAD} bytes")));
        }
        let len = (&mut *stream).take(u64::try_from(room).unwrap_or(u64::MAX)).read_buf(head).await;
        if len.map_err(Refused::Broken)? == 0 {
            return Err(Refused::Broken(io::ErrorKind::UnexpectedEof.into()));
        }
        match Request::try_parse(head) {
            Ok(Some(request)) => return Ok(request),
            Ok(None) => {}
            Err(error) => return Err(unfit(&error)),
        }
    }
}

/// The answer to a request that is as it should be.
fn judge(request: &Request, served: &str) -> Result<Vec<u8>, Refused> {
    let path = request.uri().path();
    if path != served {
        let text = format!("there is nothing at {path}: open the WebSocket at {served}");
        return Err(Refused::Answered("404 Not Found", text));
    }
    let mut response = create_response(request).map_err(|error| unfit(&error))?;
    if !offers_mqtt(request) {
        let text = format!("offer the sub-protocol: `Sec-WebSocket-Protocol: {PROTOCOL}`");
        return Err(Refused::Answered(BAD, text));
    }
    response.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static(PROTOCOL));
    let mut answer = Vec::new();
    write_response(&mut answer, &response).map_err(|error| unfit(&error))?;
    Ok(answer)
}

const BAD: &str = "400 Bad Request";

fn offers_mqtt(request: &Request) -> bool {
    let offers = request.headers().get_all("Sec-WebSocket-Protocol");
    offers
        .iter()
        .filter_map(|offer| offer.to_str().ok())
        .flat_map(|offer| offer.split(','))
        .any(|o| o.trim() == PROTOCOL)
}

/// What to answer to a request that cannot become a WebSocket.
fn unfit(error: &Error) -> Refused {
    if let Error::Protocol(ProtocolError::WrongHttpMethod) = error {
        return Refused::Answered("405 Method Not Allowed", "a WebSocket is opened by GET".to_owned());
    }
    Refused::Answered(BAD, format!("this is no request for a WebSocket: {error}"))
}

/// Answers and ends; the peer may be gone already.
async fn refuse(stream: &mut AnyStream, status: &str, text: &str) {
    let len = text.len().saturating_add(1);
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {len}\r\nConnection: close\r\n\r\n{text}\n"
    );
    if stream.write_all(answer.as_bytes()).await.is_ok() {
        let _ = stream.shutdown().await;
    }
}

/// The payloads of binary frames as a stream of bytes, both ways.
fn bytes_of(socket: WebSocketStream<AnyStream>) -> AnyStream {
    let (sink, source) = socket.split();
    let source = source.filter_map(async |message| match message {
        Ok(Message::Binary(bytes)) => Some(Ok(bytes)),
        Ok(Message::Text(_)) => Some(Err(invalid("a text frame: MQTT travels in binary frames"))),
        // Tungstenite answers a Ping, and a Close, by itself.
        Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_))
        | Err(Error::ConnectionClosed | Error::AlreadyClosed) => None,
        Err(Error::Io(error)) => Some(Err(error)),
        Err(error) => Some(Err(invalid(error))),
    });
    let sink = sink.sink_map_err(|error| {
        if let Error::Io(error) = error { error } else { io::Error::new(io::ErrorKind::BrokenPipe, error) }
    });
    let sink = sink.with(async |bytes: Bytes| Ok::<_, io::Error>(Message::Binary(bytes)));
    let reader = StreamReader::new(Box::pin(source));
    let writer = SinkWriter::new(CopyToBytes::new(Box::pin(sink)));
    Box::new(tokio::io::join(reader, writer))
}

fn invalid(why: impl Into<Box<dyn core::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

//! HTTP exchanges by reqwless, over any connector.

use crate::{
    connector::{Connector, Conversation},
    web::{Replies, Web},
};
use alloc::{format, string::String, vec::Vec};
use core::fmt;
use embedded_io_async::{ErrorType, Read, Write};
use nourl::{Url, UrlScheme};
use reqwless::{
    client::HttpConnection,
    request::{Method as Verb, Request, RequestBody, RequestBuilder as _},
};
use skytether_core::{
    io::{Cause, Exchange, Head, Method, Pipe},
    link::{Endpoint, TlsIdentity},
};

/// Makes HTTP/1.1 requests, each on a connection of its own; follows no redirect. `https` needs a connector that speaks
/// TLS.
///
/// `head` must hold the longest head of an answer: 2 KiB serve most servers. `body` is how much of an answer is taken at
/// once. reqwless reads at most 64 header lines, on 3 KiB of stack.
pub struct Http<'b, K> {
    connector: K,
    head: &'b mut [u8],
    body: &'b mut [u8],
}

impl<'b, K: Connector> Http<'b, K> {
    /// Requests over connections of `connector`.
    pub fn new(connector: K, head: &'b mut [u8], body: &'b mut [u8]) -> Self {
        Self { connector, head, body }
    }
}

impl<K: Connector> Web for Http<'_, K> {
    async fn exchange<T: Replies>(&mut self, exchange: &Exchange, replies: &mut T) -> Result<(), Cause> {
        let url = usable(exchange)?;
        let tls = match (url.scheme(), exchange.certificate) {
            (UrlScheme::HTTPS, true) => TlsIdentity::Client,
            (UrlScheme::HTTPS, false) => TlsIdentity::Ca,
            (UrlScheme::HTTP | UrlScheme::MQTT | UrlScheme::MQTTS, _) => TlsIdentity::Plain,
        };
        let pipe = Pipe::Net(Endpoint { tls, ..Endpoint::tcp(url.host(), url.port_or_default()) });
        let mut outcome = None;
        let talk = Call { exchange, url, replies, head: &mut *self.head, body: &mut *self.body, outcome: &mut outcome };
        let cause = self.connector.open(&pipe, talk).await;
        // A connector may know better why a connection was lost.
        match outcome {
            Some(Err(Cause::Lost)) | None => Err(cause),
            Some(done) => done,
        }
    }
}

impl<K> fmt::Debug for Http<'_, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("head", &self.head.len()).field("body", &self.body.len()).finish_non_exhaustive()
    }
}

/// The URL, where it and the headers can be written down without becoming something else.
fn usable(exchange: &Exchange) -> Result<Url<'_>, Cause> {
    if exchange.url.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
        return Err(Cause::Unsupported("a URL with spaces or control characters"));
    }
    let breaks = |text: &String| text.bytes().any(|byte| matches!(byte, b'\r' | b'\n' | 0));
    if exchange.headers.iter().any(|(name, value)| breaks(name) || breaks(value)) {
        return Err(Cause::Unsupported("a header with a line break"));
    }
    Url::parse(&exchange.url).map_err(|_| Cause::Unsupported("this URL: only http and https, and a host by name"))
}

/// One request and its answer, over an open connection.
struct Call<'c, 'u, T> {
    exchange: &'c Exchange,
    url: Url<'u>,
    replies: &'c mut T,
    head: &'c mut [u8],
    body: &'c mut [u8],
    outcome: &'c mut Option<Result<(), Cause>>,
}

impl<T: Replies> Conversation for Call<'_, '_, T> {
    async fn hold<R: Read, W: Write>(self, reader: R, writer: W) -> Cause {
        let Self { exchange, url, replies, head, body, outcome } = self;
        let host = if url.port_or_default() == url.scheme().default_port() {
            String::from(url.host())
        } else {
            format!("{}:{}", url.host(), url.port_or_default())
        };
        let range = exchange.range.map(|first| format!("bytes={first}-"));
        let mut headers: Vec<(&str, &str)> = exchange.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        headers.extend(range.as_deref().map(|range| ("Range", range)));
        headers.push(("Connection", "close"));
        let verb = match exchange.method {
            Method::Get => Verb::GET,
            Method::Post => Verb::POST,
            Method::Put => Verb::PUT,
        };
        let request = Request::new(verb, url.path()).host(&host).headers(&headers);
        let both = Both(reader, writer);
        let done = if exchange.method == Method::Get {
            answer(both, request.build(), replies, head, body).await
        } else {
            answer(both, request.body(exchange.body.as_slice()).build(), replies, head, body).await
        };
        *outcome = Some(done);
        done.err().unwrap_or(Cause::Asked)
    }
}

async fn answer<C: Read + Write, B: RequestBody, T: Replies>(
    connection: C,
    request: Request<'_, B>,
    replies: &mut T,
    head: &mut [u8],
    body: &mut [u8],
) -> Result<(), Cause> {
    let mut connection = HttpConnection::Plain(connection);
    let response = connection.send(request, head).await.map_err(|error| of_error(&error))?;
    let (mut of_range, mut etag, mut location, mut retry_after) = (None, None, None, None);
    let headers = response.headers();
    for (name, value) in headers {
        let Ok(value) = core::str::from_utf8(value) else { continue };
        let value = value.trim();
        match () {
            () if name.eq_ignore_ascii_case("content-range") => of_range = content_range(value),
            () if name.eq_ignore_ascii_case("etag") => etag = Some(String::from(value)),
            () if name.eq_ignore_ascii_case("location") => location = Some(String::from(value)),
            () if name.eq_ignore_ascii_case("retry-after") => retry_after = value.parse().ok(),
            () => {}
        }
    }
    let (first, total) = of_range.unwrap_or_default();
    let length = response.content_length.and_then(|length| u64::try_from(length).ok());
    let wanted = replies.head(Head {
        status: response.status.0,
        length,
        first,
        total,
        etag: etag.as_deref(),
        location: location.as_deref(),
        retry_after,
    })?;
    if !wanted {
        return Ok(());
    }
    let mut reader = response.body().reader();
    let mut left = length.unwrap_or(u64::MAX);
    while left > 0 {
        // Never more than was announced: what follows is none of the body.
        let room = usize::try_from(left).map_or(body.len(), |left| left.min(body.len()));
        let Some(place) = body.get_mut(..room) else { break };
        let len = reader.read(place).await.map_err(|error| of_error(&error))?;
        let Some(chunk) = body.get(..len).filter(|chunk| !chunk.is_empty()) else {
            // Without a length, the end of the connection or the last chunk is the end.
            return if length.is_none() { Ok(()) } else { Err(Cause::Lost) };
        };
        left = left.saturating_sub(u64::try_from(len).unwrap_or(u64::MAX));
        replies.chunk(chunk).await?;
    }
    Ok(())
}

/// `bytes 200-1023/146515`: the first byte, and the whole length where it is known.
fn content_range(value: &str) -> Option<(Option<u64>, Option<u64>)> {
    let (range, total) = value.strip_prefix("bytes ")?.split_once('/')?;
    let first = range.split_once('-').and_then(|(first, _)| first.parse().ok());
    Some((first, total.parse().ok()))
}

fn of_error(error: &reqwless::Error) -> Cause {
    match error {
        reqwless::Error::Codec => Cause::Http("its answer is no HTTP"),
        reqwless::Error::BufferTooSmall => Cause::Http("the head of its answer is too long"),
        reqwless::Error::Dns
        | reqwless::Error::Network(_)
        | reqwless::Error::InvalidUrl(_)
        | reqwless::Error::AlreadySent
        | reqwless::Error::IncorrectBodyWritten
        | reqwless::Error::ConnectionAborted => Cause::Lost,
    }
}

/// Two halves as the one stream that reqwless takes.
struct Both<R, W>(R, W);

/// An error of either half; what it was does not matter to HTTP.
#[derive(Debug)]
struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection broke")
    }
}

impl core::error::Error for Broken {}

impl embedded_io_async::Error for Broken {
    fn kind(&self) -> embedded_io_async::ErrorKind {
        embedded_io_async::ErrorKind::ConnectionAborted
    }
}

impl<R, W> ErrorType for Both<R, W> {
    type Error = Broken;
}

impl<R: Read, W> Read for Both<R, W> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Broken> {
        self.0.read(buffer).await.map_err(|_| Broken)
    }
}

impl<R, W: Write> Write for Both<R, W> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Broken> {
        self.1.write(bytes).await.map_err(|_| Broken)
    }

    async fn flush(&mut self) -> Result<(), Broken> {
        self.1.flush().await.map_err(|_| Broken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_range_is_read_in_each_of_its_forms() {
        assert_eq!(content_range("bytes 200-1023/146515"), Some((Some(200), Some(146_515))));
        assert_eq!(content_range("bytes 0-9/*"), Some((Some(0), None)));
        assert_eq!(content_range("bytes */1000"), Some((None, Some(1000))));
        assert_eq!(content_range("lines 1-2/3"), None);
        assert_eq!(content_range("bytes"), None);
    }
}

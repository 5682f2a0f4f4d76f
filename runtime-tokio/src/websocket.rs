//! A WebSocket as a stream of MQTT's bytes: the filter of `skytether-std` over any stream of tokio's.

use core::{
    pin::Pin,
    task::{Context, Poll, ready},
};
use skytether_core::io::Cause;
use skytether_std::{
    fault::{into_io, of_io},
    websocket::WebSocket,
};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};

/// Bytes read from the stream below at once.
const READ: usize = 8 * 1024;
/// Bytes of MQTT that go into one frame at most.
const FRAME: usize = 64 * 1024;

/// An open WebSocket. One write makes one frame.
pub(crate) struct Socket<S> {
    below: S,
    filter: WebSocket,
    buffer: Box<[u8]>,
    closing: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// Asks the server to upgrade, and waits until it has.
    pub(crate) async fn open(mut below: S, mut filter: WebSocket) -> Result<Self, Cause> {
        let mut buffer = vec![0; READ].into_boxed_slice();
        let request = filter.transmit();
        let len = request.len();
        below.write_all(request).await.map_err(|error| of_io(&error))?;
        below.flush().await.map_err(|error| of_io(&error))?;
        filter.sent(len);
        while !filter.is_open() {
            match below.read(&mut buffer).await {
                Ok(0) => return Err(filter.end()),
                Ok(len) => filter.receive(buffer.get(..len).unwrap_or_default())?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(of_io(&error)),
            }
        }
        Ok(Self { below, filter, buffer, closing: false })
    }

    /// Sends what the filter has to say. Ready when all of it has left.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.filter.transmit().is_empty() {
            let len = ready!(Pin::new(&mut self.below).poll_write(cx, self.filter.transmit()))?;
            if len == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.filter.sent(len);
        }
        Pin::new(&mut self.below).poll_flush(cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Socket<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        loop {
            let read = this.filter.read(buf.initialize_unfilled());
            // Answers to pings and to a farewell, or a farewell that says what was wrong. Where they cannot leave now,
            // they will with the next read, write or flush; where the stream is broken, reading it says so.
            let drained = this.poll_drain(cx);
            match read {
                Ok(0) => {}
                Ok(len) => {
                    buf.advance(len);
                    return Poll::Ready(Ok(()));
                }
                Err(cause) => return Poll::Ready(end(cause)),
            }
            if !this.filter.wants_bytes() {
                ready!(drained)?;
                continue;
            }
            let mut bytes = ReadBuf::new(&mut this.buffer);
            ready!(Pin::new(&mut this.below).poll_read(cx, &mut bytes))?;
            if bytes.filled().is_empty() {
                return Poll::Ready(end(this.filter.end()));
            }
            this.filter.receive(bytes.filled()).map_err(into_io)?;
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Socket<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_drain(cx))?;
        let frame = bytes.get(..FRAME).unwrap_or(bytes);
        this.filter.send(frame).map_err(into_io)?;
        // What does not leave at once leaves with the next write or flush; an error comes out there.
        let _ = this.poll_drain(cx);
        Poll::Ready(Ok(frame.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_drain(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !core::mem::replace(&mut this.closing, true) {
            this.filter.close();
        }
        ready!(this.poll_drain(cx))?;
        Pin::new(&mut this.below).poll_shutdown(cx)
    }
}

/// What a reader is told: an ordinary end is no error.
fn end(cause: Cause) -> io::Result<()> {
    if cause == Cause::Lost { Ok(()) } else { Err(into_io(cause)) }
}

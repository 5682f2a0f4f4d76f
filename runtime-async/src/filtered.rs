//! A stream of the machine's bytes over a pipe that carries them encrypted, in WebSocket frames, or both: the filter of
//! `skytether-std` over any stream.

use core::{
    ops::Range,
    pin::Pin,
    task::{Context, Poll, ready},
};
use futures_io::{AsyncRead, AsyncWrite};
use skytether_core::io::Cause;
use skytether_std::{
    fault::{into_io, of_io},
    filter::Filter,
};
use std::io;

/// Bytes read from the pipe at once: one TLS record and a little.
const READ: usize = 18 * 1024;

/// A pipe and its filter.
pub(crate) struct Filtered<S> {
    below: S,
    filter: Filter,
    buffer: Box<[u8]>,
    /// The part of `buffer` that the filter has not taken yet.
    unread: Range<usize>,
    /// The pipe gives no more bytes.
    ended: bool,
    /// It takes no more either; what the peer has said may still be there to be read.
    broken: bool,
    closing: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Filtered<S> {
    /// Lets the filter agree with the peer: TLS, then the upgrade to WebSocket.
    pub(crate) async fn open(below: S, filter: Filter) -> Result<Self, Cause> {
        let buffer = vec![0; READ].into_boxed_slice();
        let mut this = Self { below, filter, buffer, unread: 0..0, ended: false, broken: false, closing: false };
        core::future::poll_fn(|cx| this.poll_open(cx)).await?;
        Ok(this)
    }

    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Cause>> {
        loop {
            let drained = self.poll_drain(cx);
            if let Some(cause) = self.filter.failure() {
                // Whoever is told why by an alert is told; waiting for it would help no one.
                return Poll::Ready(Err(cause));
            }
            if self.filter.is_open() {
                return Poll::Ready(Ok(()));
            }
            match drained {
                Poll::Ready(Err(error)) if self.ended => return Poll::Ready(Err(of_io(&error))),
                // What the peer said before it went may be why it went.
                Poll::Ready(Err(_) | Ok(())) | Poll::Pending => {}
            }
            if self.ended {
                return Poll::Ready(Err(Cause::Lost));
            }
            ready!(self.poll_fill(cx));
        }
    }

    /// Brings the filter more bytes of the pipe, or its end. Ready when anything has become of it.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while !self.give() && !self.ended {
            if self.unread.is_empty() {
                match ready!(Pin::new(&mut self.below).poll_read(cx, &mut self.buffer)) {
                    Ok(0) => self.end(true),
                    Ok(len) => self.unread = 0..len,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => {
                        tracing::debug!(step = "read", %error, "the connection broke");
                        self.end(false);
                    }
                }
            } else if self.filter.transmit().is_empty() {
                // It takes nothing though it has nothing to say: whatever comes is not for us any more.
                self.end(true);
            } else {
                // It takes nothing before what it has to say has left; if that cannot leave, it never will.
                if ready!(self.poll_drain(cx)).is_err() {
                    self.end(false);
                }
                break;
            }
        }
        Poll::Ready(())
    }

    /// Gives the filter what was read; true if it has taken any of it.
    fn give(&mut self) -> bool {
        let waiting = self.buffer.get(self.unread.clone()).unwrap_or_default();
        let left = self.filter.receive(waiting).len();
        self.unread.start = self.unread.end.saturating_sub(left);
        left < waiting.len()
    }

    fn end(&mut self, in_order: bool) {
        self.ended = true;
        self.filter.end(in_order && !self.broken);
    }

    /// Sends what the filter has to say. Ready when all of it has left.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.broken {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let drained = ready!(self.poll_drain_whole(cx));
        self.broken = drained.is_err();
        Poll::Ready(drained)
    }

    fn poll_drain_whole(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.filter.transmit().is_empty() {
            match ready!(Pin::new(&mut self.below).poll_write(cx, self.filter.transmit())) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(len) => self.filter.sent(len),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Pin::new(&mut self.below).poll_flush(cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Filtered<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        loop {
            let read = this.filter.read(buf);
            // Answers to pings and to a farewell, or a farewell that says what was wrong. Where they cannot leave now,
            // they will with the next read, write or flush; where the pipe is broken, reading it says so.
            let waiting = this.filter.transmit().len();
            let _ = this.poll_drain(cx);
            match read {
                // With room for what it says, it may read on.
                Ok(0) if this.filter.transmit().len() < waiting => {}
                Ok(0) if this.ended => return Poll::Ready(end(this.filter.failure().unwrap_or(Cause::Lost))),
                Ok(0) => ready!(this.poll_fill(cx)),
                Ok(len) => return Poll::Ready(Ok(len)),
                Err(cause) => return Poll::Ready(end(cause)),
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Filtered<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_drain(cx))?;
        let len = this.filter.send(bytes);
        if len == 0 && !bytes.is_empty() {
            // There is room, so that it has failed.
            return Poll::Ready(Err(into_io(this.filter.failure().unwrap_or(Cause::Lost))));
        }
        // What does not leave at once leaves with the next write or flush; an error comes out there.
        let _ = this.poll_drain(cx);
        Poll::Ready(Ok(len))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_drain(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !core::mem::replace(&mut this.closing, true) {
            this.filter.close();
        }
        ready!(this.poll_drain(cx))?;
        Pin::new(&mut this.below).poll_close(cx)
    }
}

/// What a reader is told: an ordinary end is no error.
fn end(cause: Cause) -> io::Result<usize> {
    if cause == Cause::Lost { Ok(0) } else { Err(into_io(cause)) }
}

//! Connections in tokio's own words, for those who bring a transport of theirs.

use crate::platform::Tokio;
use core::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};
use skytether_async::{connector::Connector as _, net};
use skytether_core::io::{Cause, Pipe};
use skytether_std::{options::Options, tls::Tls};
use std::io;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::compat::{Compat, FuturesAsyncReadCompatExt as _, TokioAsyncReadCompatExt as _};

/// Opens the pipes that a machine asks for. [`Net`] is the ordinary one; others (a tunnel, a serial line, a test) plug
/// in by [`spawn_with`](crate::spawn_with).
pub trait Connector: Send + 'static {
    /// What it opens. Dropping it closes the pipe.
    type Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    /// Opens a pipe. The future is dropped when the machine does not want it any more.
    ///
    /// # Errors
    /// The causes of the driver's block of [`Cause`]: `Resolve`, `Unreachable`, `Lost`, `Tls`, `Upgrade`, `WebSocket`,
    /// `Unsupported`.
    fn open(&self, pipe: &Pipe) -> impl Future<Output = Result<Self::Stream, Cause>> + Send + 'static;
}

/// A connector of tokio's words in those of the shared driver.
pub(crate) struct Theirs<K>(pub(crate) K);

impl<K: Connector> skytether_async::connector::Connector for Theirs<K> {
    type Stream = Compat<K::Stream>;

    fn open(&self, pipe: &Pipe) -> impl Future<Output = Result<Self::Stream, Cause>> + Send + 'static {
        let opening = self.0.open(pipe);
        async { Ok(opening.await?.compat()) }
    }
}

/// Opens TCP, TLS and WebSocket connections, as endpoints ask for them, and a serial line. To build a connector upon.
#[derive(Clone, Debug)]
pub struct Net(net::Net<Tokio>);

impl Net {
    /// Uses `tls` where an endpoint asks for TLS, and takes WebSocket messages of up to `websocket_message` bytes. There is
    /// no serial line.
    pub fn new(tls: Tls, websocket_message: usize) -> Self {
        Self(net::Net::new(tls, websocket_message))
    }

    /// As `options` say: TLS, WebSocket and the serial line.
    pub fn of(options: &Options) -> Self {
        Self(net::Net::of(options))
    }
}

impl Connector for Net {
    type Stream = NetStream;

    fn open(&self, pipe: &Pipe) -> impl Future<Output = Result<NetStream, Cause>> + Send + 'static {
        let opening = self.0.open(pipe);
        async { Ok(NetStream(opening.await?.compat())) }
    }
}

/// An open connection of [`Net`].
#[derive(Debug)]
pub struct NetStream(Compat<net::NetStream>);

impl AsyncRead for NetStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for NetStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use skytether_core::link::{Endpoint, TlsIdentity};

    #[tokio::test]
    async fn what_is_not_offered_is_said_by_name() {
        let net = Net::new(Tls::default(), 1024);
        let mut named = Endpoint::tcp("127.0.0.1", 1);
        named.tls = TlsIdentity::Named("slot 1".into());
        let mut path = Endpoint::tcp("127.0.0.1", 1);
        path.path = Some("/with space".into());
        for (pipe, what) in
            [(Pipe::Net(named), "by name"), (Pipe::Net(path), "host or path"), (Pipe::Serial, "a serial line")]
        {
            let Err(Cause::Unsupported(why)) = net.open(&pipe).await else { panic!("{pipe:?} is not offered") };
            assert!(why.contains(what), "{why}");
        }
    }
}

//! What an endpoint asks for, built up: TCP, TLS on it, a WebSocket in that.

use crate::{
    pipe::{Connector, tcp},
    websocket::Socket,
};
use core::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};
use skytether_core::{
    io::{Cause, Pipe},
    link::{Endpoint, TlsIdentity},
};
use skytether_std::{tls::Tls, websocket::WebSocket};
use std::io;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    task::spawn_blocking,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// Opens TCP, TLS and WebSocket connections, as endpoints ask for them; no serial line.
#[derive(Clone, Debug)]
pub struct Net {
    tls: Tls,
    websocket_message: usize,
}

impl Net {
    /// Uses `tls` where an endpoint asks for TLS, and takes WebSocket messages of up to `websocket_message` bytes.
    pub fn new(tls: Tls, websocket_message: usize) -> Self {
        Self { tls, websocket_message }
    }
}

impl Connector for Net {
    type Stream = NetStream;

    fn open(&self, pipe: &Pipe) -> impl Future<Output = Result<NetStream, Cause>> + Send + 'static {
        let (net, pipe) = (self.clone(), pipe.clone());
        async move {
            match pipe {
                Pipe::Net(endpoint) => net.connect(endpoint).await,
                Pipe::Serial => Err(Cause::Unsupported("a serial line")),
            }
        }
    }
}

impl Net {
    async fn connect(self, endpoint: Endpoint) -> Result<NetStream, Cause> {
        if let TlsIdentity::Named(_) = endpoint.tls {
            return Err(Cause::Unsupported("a certificate by name, which only modems hold"));
        }
        let upgrade = endpoint.path.is_some().then(|| WebSocket::new(&endpoint, self.websocket_message)).transpose()?;
        let tcp = tcp(&endpoint.host, endpoint.port).await?;
        let stream: Box<dyn Transport> = if endpoint.tls == TlsIdentity::Plain {
            Box::new(tcp)
        } else {
            Box::new(encrypt(tcp, self.tls, &endpoint).await?)
        };
        Ok(NetStream(match upgrade {
            None => stream,
            Some(upgrade) => Box::new(Socket::open(stream, upgrade).await.inspect_err(|cause| {
                tracing::warn!(%endpoint, step = "websocket", %cause, "no WebSocket");
            })?),
        }))
    }
}

async fn encrypt(tcp: TcpStream, tls: Tls, endpoint: &Endpoint) -> Result<TlsStream<TcpStream>, Cause> {
    // The first time this reads the system's certificates.
    let place = endpoint.clone();
    let handshake = spawn_blocking(move || tls.handshake(&place)).await.map_err(|_| Cause::Lost)??;
    let connector = TlsConnector::from(handshake.config.clone());
    connector.connect(handshake.name.clone(), tcp).await.map_err(|error| {
        let cause = handshake.cause(&error);
        tracing::warn!(%endpoint, step = "tls", %error, %cause, "no TLS");
        cause
    })
}

/// What TLS and WebSocket stand on, and what stands on them.
trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

/// An open connection of [`Net`].
pub struct NetStream(Box<dyn Transport>);

impl fmt::Debug for NetStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NetStream").finish_non_exhaustive()
    }
}

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

//! What a machine asks for, built up: TCP, TLS on it, a WebSocket in that; or a serial line.

use crate::{
    connector::{Connector, tcp},
    filtered::Filtered,
    platform::Platform,
};
use core::{
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll},
};
use futures_io::{AsyncRead, AsyncWrite};
use skytether_core::{
    io::{Cause, Pipe},
    link::Endpoint,
};
use skytether_std::{
    filter::Filter,
    options::Options,
    serial::{Place, Serial, of_open},
    tls::Tls,
};
use std::io;

/// Opens TCP, TLS and WebSocket connections, as endpoints ask for them, and the serial line that it was given.
pub struct Net<P> {
    tls: Tls,
    websocket_message: usize,
    serial: Option<Serial>,
    platform: PhantomData<fn() -> P>,
}

impl<P> Net<P> {
    /// Uses `tls` where an endpoint asks for TLS, and takes WebSocket messages of up to `websocket_message` bytes. There is
    /// no serial line.
    pub fn new(tls: Tls, websocket_message: usize) -> Self {
        Self { tls, websocket_message, serial: None, platform: PhantomData }
    }

    /// As `options` say: TLS, WebSocket and the serial line.
    pub fn of(options: &Options) -> Self {
        let net = Self::new(options.tls.clone().unwrap_or_default(), options.websocket_message);
        Self { serial: options.serial.clone(), ..net }
    }
}

impl<P> Clone for Net<P> {
    fn clone(&self) -> Self {
        Self {
            tls: self.tls.clone(),
            websocket_message: self.websocket_message,
            serial: self.serial.clone(),
            platform: PhantomData,
        }
    }
}

impl<P> fmt::Debug for Net<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Net")
            .field("tls", &self.tls)
            .field("websocket_message", &self.websocket_message)
            .field("serial", &self.serial)
            .finish_non_exhaustive()
    }
}

impl<P: Platform> Connector for Net<P> {
    type Stream = NetStream;

    fn open(&self, pipe: &Pipe) -> impl Future<Output = Result<NetStream, Cause>> + Send + 'static {
        let (net, pipe) = (self.clone(), pipe.clone());
        async move {
            match pipe {
                Pipe::Net(endpoint) => net.connect(endpoint).await,
                Pipe::Serial => net.serial().await,
            }
        }
    }
}

impl<P: Platform> Net<P> {
    async fn connect(self, endpoint: Endpoint) -> Result<NetStream, Cause> {
        let (tls, longest) = (self.tls, self.websocket_message);
        let pipe = Pipe::Net(endpoint.clone());
        // The first time this reads the system's certificates.
        let filter = P::blocking(move || Filter::new(&pipe, &tls, longest)).await.ok_or(Cause::Lost)??;
        let tcp = tcp::<P>(&endpoint.host, endpoint.port).await?;
        let stream: Box<dyn Transport> = match filter {
            None => Box::new(tcp),
            Some(filter) => Box::new(Filtered::open(tcp, filter).await.inspect_err(|cause| {
                tracing::warn!(%endpoint, %cause, "the connection cannot be used");
            })?),
        };
        Ok(NetStream(stream))
    }

    async fn serial(self) -> Result<NetStream, Cause> {
        let serial = self.serial.ok_or(Cause::Unsupported("a serial line where none was given in the options"))?;
        let stream: Box<dyn Transport> = match &serial.place {
            Place::Tcp { host, port } => Box::new(tcp::<P>(host, *port).await?),
            Place::Device(path) => Box::new(P::serial(path, &serial).map_err(|error| {
                let cause = of_open(&error);
                tracing::warn!(place = %serial.place, step = "serial", %error, %cause, "no serial line");
                cause
            })?),
        };
        Ok(NetStream(stream))
    }
}

/// A pipe, with its filter or without.
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
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
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

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_close(cx)
    }
}

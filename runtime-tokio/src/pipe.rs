//! How a connection is opened: name look-up, the addresses in turn, and what each failure means to the machine.

use core::future::Future;
use skytether_core::io::{Cause, Pipe};
use skytether_std::address::{EACH_ADDRESS, bare, in_turn};
use std::io;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    time::timeout,
};

/// Opens the pipes that a machine asks for. [`Net`](crate::Net) is the ordinary one; others (a tunnel, a
/// serial line, a test) plug in by [`spawn_with`](crate::spawn_with).
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

/// Opens a TCP connection with `TCP_NODELAY` to the first address of `host` that answers. The name is looked up anew for
/// each attempt; IPv6 and IPv4 addresses take turns.
pub(crate) async fn tcp(host: &str, port: u16) -> Result<TcpStream, Cause> {
    let found = lookup_host((bare(host), port)).await.map_err(|error| {
        tracing::warn!(host, port, step = "resolve", %error, "the host name could not be resolved");
        Cause::Resolve
    })?;
    let addresses = in_turn(found);
    if addresses.is_empty() {
        tracing::warn!(host, port, step = "resolve", "the host name has no address");
        return Err(Cause::Resolve);
    }
    let last = addresses.len().saturating_sub(1);
    for (index, address) in addresses.into_iter().enumerate() {
        let attempt = TcpStream::connect(address);
        let opened = if index == last {
            attempt.await
        } else {
            timeout(EACH_ADDRESS, attempt).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        };
        match opened.and_then(|stream| stream.set_nodelay(true).map(|()| stream)) {
            Ok(stream) => {
                tracing::debug!(host, port, %address, "connected");
                return Ok(stream);
            }
            Err(error) => tracing::warn!(host, port, %address, step = "connect", %error, "no connection"),
        }
    }
    Err(Cause::Unreachable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_closed_port_is_unreachable_and_a_bad_name_does_not_resolve() {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        assert_eq!(tcp("127.0.0.1", port).await.unwrap_err(), Cause::Unreachable);
        assert_eq!(tcp("not a host name", port).await.unwrap_err(), Cause::Resolve);
    }

    #[tokio::test]
    async fn r_144_the_connection_has_nodelay() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = tcp("localhost", listener.local_addr().unwrap().port()).await.unwrap();
        assert!(stream.nodelay().unwrap());
    }
}

//! How a connection is opened: what opens it, name look-up, the addresses in turn, and what each failure means to the
//! machine.

use crate::platform::{Platform, timeout};
use core::future::Future;
use futures_io::{AsyncRead, AsyncWrite};
use skytether_core::io::{Cause, Pipe};
use skytether_std::address::{EACH_ADDRESS, bare, in_turn};
use std::io;

/// Opens the pipes that a machine asks for. [`Net`](crate::net::Net) is the ordinary one; others (a tunnel, a test) plug
/// in beside it.
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
///
/// # Errors
/// [`Cause::Resolve`] where the name has no address, [`Cause::Unreachable`] where none of them takes a connection.
pub async fn tcp<P: Platform>(host: &str, port: u16) -> Result<P::Tcp, Cause> {
    let found = P::look_up(bare(host), port).await.map_err(|error| {
        tracing::warn!(host, port, step = "resolve", %error, "the host name could not be resolved");
        Cause::Resolve
    })?;
    let addresses = in_turn(found.into_iter());
    if addresses.is_empty() {
        tracing::warn!(host, port, step = "resolve", "the host name has no address");
        return Err(Cause::Resolve);
    }
    let last = addresses.len().saturating_sub(1);
    for (index, address) in addresses.into_iter().enumerate() {
        let attempt = P::connect(address);
        let opened = if index == last {
            attempt.await
        } else {
            let opened = timeout::<P::Timer, _>(EACH_ADDRESS, attempt).await;
            opened.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))
        };
        match opened {
            Ok(stream) => {
                tracing::debug!(host, port, %address, "connected");
                return Ok(stream);
            }
            Err(error) => tracing::warn!(host, port, %address, step = "connect", %error, "no connection"),
        }
    }
    Err(Cause::Unreachable)
}

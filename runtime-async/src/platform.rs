//! What an async runtime has to bring: sockets, a timer, a thread for what blocks, and a fair turn.

use core::{
    future::Future,
    net::SocketAddr,
    pin::pin,
    task::{Context, Poll},
    time::Duration,
};
use futures_io::{AsyncRead, AsyncWrite};
use skytether_std::serial::Serial;
use std::{io, path::Path};

/// An async runtime, as far as the driver needs one. A type without values: everything it does begins anew.
pub trait Platform: Send + Sync + 'static {
    /// A TCP connection.
    type Tcp: AsyncRead + AsyncWrite + Send + Unpin + 'static;
    /// A serial line of the system's.
    type Serial: AsyncRead + AsyncWrite + Send + Unpin + 'static;
    /// The runtime's monotonic clock, with one alarm.
    type Timer: Timer;

    /// The addresses of a host name, in the resolver's order.
    fn look_up(host: &str, port: u16) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send;

    /// Opens a TCP connection, with `TCP_NODELAY`.
    fn connect(address: SocketAddr) -> impl Future<Output = io::Result<Self::Tcp>> + Send;

    /// Opens the serial line at `path` with the settings of `serial`.
    ///
    /// # Errors
    /// What the system says, of a kind that [`of_open`](skytether_std::serial::of_open) has words for.
    fn serial(path: &Path, serial: &Serial) -> io::Result<Self::Serial>;

    /// Does what blocks on a thread for such work; `None` where the work panicked or the runtime is ending.
    fn blocking<T: Send + 'static>(
        work: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = Option<T>> + Send + 'static;

    /// Lets the other tasks of the runtime go first, once.
    fn yield_now() -> impl Future<Output = ()> + Send;
}

/// A monotonic clock that begins at zero, and its one alarm.
pub trait Timer: Send + 'static {
    /// A clock that begins now.
    fn start() -> Self;

    /// How long ago that was.
    fn elapsed(&self) -> Duration;

    /// Ready once that much has elapsed. Another time given moves the alarm.
    fn poll_at(&mut self, cx: &mut Context<'_>, at: Duration) -> Poll<()>;
}

/// Waits for `work`, but no longer than `limit`; `None` when the time is up.
pub(crate) async fn timeout<T: Timer, F: Future>(limit: Duration, work: F) -> Option<F::Output> {
    let mut work = pin!(work);
    let mut timer = T::start();
    core::future::poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending => timer.poll_at(cx, limit).map(|()| None),
    })
    .await
}

//! Tokio as the platform of the shared driver.

use core::{
    future::Future,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use serial2_tokio::SerialPort;
use skytether_async::platform::{Platform, Timer};
use skytether_std::serial::Serial;
use std::{io, path::Path};
use tokio::{
    net::{TcpStream, lookup_host},
    task::{spawn_blocking, yield_now},
    time::{Sleep, sleep_until},
};
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt as _};

/// Tokio: its sockets, its timer, its threads for what blocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tokio;

impl Platform for Tokio {
    type Tcp = Compat<TcpStream>;
    type Serial = Compat<SerialPort>;
    type Timer = Alarm;

    async fn look_up(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(lookup_host((host, port)).await?.collect())
    }

    async fn connect(address: SocketAddr) -> io::Result<Self::Tcp> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(stream.compat())
    }

    fn serial(path: &Path, serial: &Serial) -> io::Result<Self::Serial> {
        SerialPort::open(path, |settings| serial.set(settings)).map(SerialPort::compat)
    }

    fn blocking<T: Send + 'static>(
        work: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = Option<T>> + Send + 'static {
        let running = spawn_blocking(work);
        async { running.await.ok() }
    }

    fn yield_now() -> impl Future<Output = ()> + Send {
        yield_now()
    }
}

/// Tokio's clock, which its tests can pause.
pub(crate) struct Alarm {
    start: tokio::time::Instant,
    sleep: Pin<Box<Sleep>>,
}

impl Timer for Alarm {
    fn start() -> Self {
        #[allow(clippy::disallowed_methods, reason = "the runtime is where the core's monotonic time comes from")]
        let start = tokio::time::Instant::now();
        Self { start, sleep: Box::pin(sleep_until(start)) }
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    fn poll_at(&mut self, cx: &mut Context<'_>, at: Duration) -> Poll<()> {
        let wake = self.start.checked_add(at);
        if let Some(wake) = wake.filter(|wake| self.sleep.deadline() != *wake) {
            self.sleep.as_mut().reset(wake);
        }
        self.sleep.as_mut().poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use skytether_async::connector::tcp;
    use skytether_core::io::Cause;

    #[tokio::test]
    async fn a_closed_port_is_unreachable_and_a_bad_name_does_not_resolve() {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        assert_eq!(tcp::<Tokio>("127.0.0.1", port).await.unwrap_err(), Cause::Unreachable);
        assert_eq!(tcp::<Tokio>("not a host name", port).await.unwrap_err(), Cause::Resolve);
    }

    #[tokio::test]
    async fn r_144_the_connection_has_nodelay() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = tcp::<Tokio>("localhost", listener.local_addr().unwrap().port()).await.unwrap();
        assert!(stream.get_ref().nodelay().unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn the_alarm_rings_at_its_time_and_can_be_moved() {
        let mut alarm = Alarm::start();
        let mut ring = async |at| core::future::poll_fn(|cx| alarm.poll_at(cx, Duration::from_secs(at))).await;
        let start = tokio::time::Instant::now();
        ring(5).await;
        ring(8).await;
        assert_eq!(start.elapsed().as_secs(), 8);
    }

    #[tokio::test]
    async fn work_that_panics_is_no_outcome() {
        assert_eq!(Tokio::blocking(|| 1).await, Some(1));
        assert_eq!(Tokio::blocking(|| -> u8 { panic!("of the test") }).await, None);
    }
}

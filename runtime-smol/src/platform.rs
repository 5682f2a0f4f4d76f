//! async-io as the platform of the shared driver: its reactor runs on a thread of its own, whatever the executor.

use async_io::{Async, Timer as Alarm};
use core::{
    future::Future,
    net::SocketAddr,
    panic::AssertUnwindSafe,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use futures_util::future::FutureExt as _;
#[cfg(unix)]
use serial2::SerialPort;
use skytether_async::platform::{Platform, Timer};
use skytether_std::serial::Serial;
use std::{
    io,
    net::{TcpStream, ToSocketAddrs as _},
    path::Path,
    time::Instant,
};

/// The sockets and timers of async-io, and the threads of blocking.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Smol {}

impl Platform for Smol {
    type Tcp = Async<TcpStream>;
    #[cfg(unix)]
    type Serial = Async<std::fs::File>;
    #[cfg(not(unix))]
    type Serial = Async<TcpStream>;
    type Timer = Watch;

    async fn look_up(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let host = host.to_owned();
        blocking::unblock(move || Ok((host.as_str(), port).to_socket_addrs()?.collect())).await
    }

    async fn connect(address: SocketAddr) -> io::Result<Self::Tcp> {
        let stream = Async::<TcpStream>::connect(address).await?;
        stream.get_ref().set_nodelay(true)?;
        Ok(stream)
    }

    #[cfg(unix)]
    fn serial(path: &Path, serial: &Serial) -> io::Result<Self::Serial> {
        let port = SerialPort::open(path, |settings| serial.set(settings))?;
        Async::new(std::os::fd::OwnedFd::from(port).into())
    }

    #[cfg(not(unix))]
    fn serial(_: &Path, _: &Serial) -> io::Result<Self::Serial> {
        // async-io waits for sockets alone there.
        Err(io::ErrorKind::Unsupported.into())
    }

    fn blocking<T: Send + 'static>(
        work: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = Option<T>> + Send + 'static {
        let running = AssertUnwindSafe(blocking::unblock(work)).catch_unwind();
        async { running.await.ok() }
    }

    async fn yield_now() {
        let mut first = true;
        core::future::poll_fn(|cx| {
            if core::mem::take(&mut first) {
                cx.waker().wake_by_ref();
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        })
        .await;
    }
}

/// The system's monotonic clock, with an alarm of async-io's.
#[derive(Debug)]
pub struct Watch {
    start: Instant,
    alarm: Alarm,
    at: Duration,
}

impl Timer for Watch {
    fn start() -> Self {
        #[allow(clippy::disallowed_methods, reason = "the runtime is where the core's monotonic time comes from")]
        let start = Instant::now();
        Self { start, alarm: Alarm::never(), at: Duration::MAX }
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    fn poll_at(&mut self, cx: &mut Context<'_>, at: Duration) -> Poll<()> {
        if self.at != at {
            self.at = at;
            match self.start.checked_add(at) {
                Some(instant) => self.alarm.set_at(instant),
                None => self.alarm = Alarm::never(),
            }
        }
        if self.elapsed() >= at {
            // An alarm that has rung would ring no more.
            self.at = Duration::MAX;
            return Poll::Ready(());
        }
        Pin::new(&mut self.alarm).poll(cx).map(|_| self.at = Duration::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use skytether_async::connector::tcp;
    use skytether_core::io::Cause;

    #[test]
    fn a_closed_port_is_unreachable_and_a_bad_name_does_not_resolve() {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        smol::block_on(async {
            assert_eq!(tcp::<Smol>("127.0.0.1", port).await.unwrap_err(), Cause::Unreachable);
            assert_eq!(tcp::<Smol>("not a host name", port).await.unwrap_err(), Cause::Resolve);
        });
    }

    #[test]
    fn r_144_the_connection_has_nodelay() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let stream = smol::block_on(tcp::<Smol>("localhost", port)).unwrap();
        assert!(stream.get_ref().nodelay().unwrap());
    }

    #[test]
    fn the_alarm_rings_at_its_time_and_can_be_moved() {
        smol::block_on(async {
            let mut watch = Watch::start();
            core::future::poll_fn(|cx| {
                assert!(watch.poll_at(cx, Duration::from_hours(1)).is_pending());
                watch.poll_at(cx, Duration::from_millis(20))
            })
            .await;
            assert!(watch.elapsed() >= Duration::from_millis(20));
            // And again for a time that is past.
            core::future::poll_fn(|cx| watch.poll_at(cx, Duration::from_millis(20))).await;
        });
    }

    #[test]
    fn work_that_panics_is_no_outcome() {
        smol::block_on(async {
            assert_eq!(Smol::blocking(|| 1).await, Some(1));
            assert_eq!(Smol::blocking(|| -> u8 { panic!("of the test") }).await, None);
        });
    }
}

//! Drives skytether's sans-IO machines on smol, on async-std, and on any other executor: sockets, timers, files, and a
//! handle to talk to them.
//!
//! [`drive`] takes a machine (usually a `skytether_core` `Device`) and gives back three things: a [`Handle`] that sends
//! commands from any task and awaits each one's own outcome, the [`Events`] that the device tells, and the future that
//! does the work, to be spawned on the program's executor: sockets and timers are async-io's, whose reactor has a thread of
//! its own, so that `smol::spawn`, `async_std::task::spawn` and a plain `block_on` all do. The device dials at once, and
//! again by its back-off when the connection ends.
//!
//! - **Closing.** [`Handle::close`], or dropping every handle, ends the device in order: what waits is sent, the peer is
//!   told, each command gets its outcome; then the future ends.
//! - **Back-pressure.** [`Handle::send`] waits while the device has no room. While the application does not take its
//!   events, nothing more is read from the network; timers, writes and commands go on.
//! - **Streams.** [`Handle::batch`] sends without waiting for each outcome, and counts them all.
//! - **Cancelling.** Dropping any future of a [`Handle`] or of [`Events`] loses no command that the device has taken, and
//!   no event.
//! - **Restarts.** With a [`Store`] in [`Options`], what the device must not forget outlives the process.
//!
//! [`Net`] opens what an endpoint asks for: TCP, TLS (by rustls, with the [`Tls`] of [`Options`]), and WebSocket over
//! either, or the serial line of [`Options`]; any other transport plugs in as a [`Connector`]. HTTP exchanges (downloads,
//! uploads) have connections of their own, by the same [`Tls`]; what goes into a slot is written by the [`Store`].
//!
//! ```
//! use skytether_core::{
//!     device::{self, Device, Event},
//!     link::{Connect, Endpoint, QoS},
//!     mqtt::session::{self, Session},
//!     plain::{Answer, Command, Config, Plain},
//!     time::Instant,
//! };
//!
//! # fn main() -> Result<(), Box<dyn core::error::Error>> {
//! # let broker = std::net::TcpListener::bind("127.0.0.1:0")?;
//! # let port = broker.local_addr()?.port();
//! # let broker = std::thread::spawn(move || {
//! #     use std::io::{Read, Write};
//! #     let (mut device, _) = broker.accept()?;
//! #     device.read_exact(&mut [0; 22])?;
//! #     device.write_all(&[0x20, 2, 0, 0])?;
//! #     let mut heard = Vec::new();
//! #     device.read_to_end(&mut heard)?;
//! #     std::io::Result::Ok(heard)
//! # });
//! let cloud = Plain::new(Config {
//!     endpoint: Endpoint::tcp("127.0.0.1", port),
//!     connect: Connect { client_id: "porch-01".into(), clean_session: true, keep_alive: 60, ..Connect::default() },
//! });
//! let session = Session::new(session::Options::default());
//! let device = Device::new(session, cloud, device::Config::default(), skytether_smol::seed()?, Instant::ZERO);
//! let (handle, mut events, driver) = skytether_smol::drive(device, skytether_smol::Options::default());
//! let driver = smol::spawn(driver); // or `async_std::task::spawn(driver)`
//!
//! smol::block_on(async {
//!     while let Some(event) = events.next().await {
//!         if event == Event::Ready {
//!             break;
//!         }
//!     }
//!     let light = Command::Publish {
//!         topic: "porch/light".into(),
//!         payload: b"on"[..].into(),
//!         qos: QoS::AtMostOnce,
//!         retain: false,
//!         ttl: None,
//!     };
//!     assert_eq!(handle.send(light).await, Ok(Answer::Published));
//!     handle.close();
//!     driver.await;
//! });
//! # assert_eq!(broker.join().expect("it does not panic")?, b"\x30\x0f\x00\x0bporch/lighton\xe0\x00");
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]
#![allow(clippy::std_instead_of_alloc, reason = "this crate stands on std")]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        reason = "tests fail by panicking"
    )
)]

pub mod platform;

pub use skytether_async::{
    batch::{Batch, Outcomes},
    connector::Connector,
    events::Events,
    handle::{Handle, Pending, SendError},
    net::NetStream,
};
pub use skytether_std::{
    clock::seed,
    options::{Options, Tap, Tapped},
    serial::Serial,
    store::Store,
    tls::{ClientIdentity, Roots, Tls},
};

use core::future::Future;
use platform::Smol;
use skytether_async::Driven;
use skytether_core::io::Machine;

/// Opens TCP, TLS and WebSocket connections, as endpoints ask for them. To build a connector upon.
pub type Net = skytether_async::net::Net<Smol>;

/// Drives `machine` over the network, for as long as the future is polled: until the machine is closed. Dropping the future
/// drops the connection without a farewell.
///
/// The machine's clock starts now: give [`Instant::ZERO`](skytether_core::time::Instant::ZERO) to its constructor.
pub fn drive<M>(machine: M, options: Options) -> Driven<M, impl Future<Output = ()> + Send + 'static>
where
    M: Machine + Send + 'static,
    M::Command: Send,
    M::Event: Send,
    M::Answer: Send,
{
    let net = Net::of(&options);
    drive_with(machine, net, options)
}

/// Drives `machine` over the pipes that `connector` opens; else as [`drive`]. TLS and the serial line are the
/// connector's; exchanges still use [`Options::tls`].
pub fn drive_with<M, K>(
    machine: M,
    connector: K,
    options: Options,
) -> Driven<M, impl Future<Output = ()> + Send + 'static>
where
    M: Machine + Send + 'static,
    M::Command: Send,
    M::Event: Send,
    M::Answer: Send,
    K: Connector,
{
    skytether_async::drive::<Smol, _, _>(machine, connector, options)
}

//! Drives skytether's sans-IO machines on tokio: sockets, timers, files, and a handle to talk to them.
//!
//! [`spawn`] puts a machine (usually a `skytether_core` `Device`) on a task of its own and gives back three things: a
//! [`Handle`] that sends commands from any task and awaits each one's own outcome, the [`Events`] that the device
//! tells, and the task's join handle. The device dials at once, and again by its back-off when the connection ends.
//!
//! - **Closing.** [`Handle::close`], or dropping every handle, ends the device in order: what waits is sent, the peer is
//!   told, each command gets its outcome; then the task ends.
//! - **Back-pressure.** [`Handle::send`] waits while the device has no room. While the application does not take its
//!   events, nothing more is read from the network; timers, writes and commands go on.
//! - **Streams.** [`Handle::batch`] sends without waiting for each outcome, and counts them all.
//! - **Cancelling.** Dropping any future of this crate loses no command that the device has taken, and no event.
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
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn core::error::Error>> {
//! # let broker = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! # let port = broker.local_addr()?.port();
//! # let broker = tokio::spawn(async move {
//! #     use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! #     let (mut device, _) = broker.accept().await?;
//! #     device.read_exact(&mut [0; 22]).await?;
//! #     device.write_all(&[0x20, 2, 0, 0]).await?;
//! #     let mut heard = Vec::new();
//! #     device.read_to_end(&mut heard).await?;
//! #     std::io::Result::Ok(heard)
//! # });
//! let cloud = Plain::new(Config {
//!     endpoint: Endpoint::tcp("127.0.0.1", port),
//!     connect: Connect { client_id: "porch-01".into(), clean_session: true, keep_alive: 60, ..Connect::default() },
//! });
//! let session = Session::new(session::Options::default());
//! let device = Device::new(session, cloud, device::Config::default(), skytether_tokio::seed()?, Instant::ZERO);
//! let (handle, mut events, task) = skytether_tokio::spawn(device, skytether_tokio::Options::default());
//!
//! while let Some(event) = events.next().await {
//!     if event == Event::Ready {
//!         break;
//!     }
//! }
//! let light = Command::Publish {
//!     topic: "porch/light".into(),
//!     payload: b"on"[..].into(),
//!     qos: QoS::AtMostOnce,
//!     retain: false,
//!     ttl: None,
//! };
//! assert_eq!(handle.send(light).await?, Answer::Published);
//! handle.close();
//! task.await?;
//! # assert_eq!(broker.await??, b"\x30\x0f\x00\x0bporch/lighton\xe0\x00");
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

mod connector;
mod platform;

pub use connector::{Connector, Net, NetStream};
pub use skytether_async::{
    batch::{Batch, Outcomes},
    events::Events,
    handle::{Handle, Pending, SendError},
};
pub use skytether_std::{
    clock::seed,
    options::{Options, Tap, Tapped},
    serial::Serial,
    store::Store,
    tls::{ClientIdentity, Roots, Tls},
};

use connector::Theirs;
use platform::Tokio;
use skytether_async::{drive, net};
use skytether_core::io::Machine;
use tokio::task::JoinHandle;

/// Drives `machine` over the network on a task of its own.
///
/// The machine's clock starts now: give [`Instant::ZERO`](skytether_core::time::Instant::ZERO) to its constructor.
/// The task ends when the machine is closed; aborting it drops the connection without a farewell.
///
/// # Panics
/// Outside a tokio runtime with its time and IO drivers enabled.
#[allow(clippy::type_complexity, reason = "three things with long names, each plain")]
pub fn spawn<M>(machine: M, options: Options) -> (Handle<M::Command, M::Answer>, Events<M::Event>, JoinHandle<()>)
where
    M: Machine + Send + 'static,
    M::Command: Send,
    M::Event: Send,
    M::Answer: Send,
{
    let net = net::Net::<Tokio>::of(&options);
    let (handle, events, driver) = drive::<Tokio, _, _>(machine, net, options);
    (handle, events, tokio::spawn(driver))
}

/// Drives `machine` over the pipes that `connector` opens; else as [`spawn`]. TLS and the serial line are the
/// connector's; exchanges still use [`Options::tls`].
///
/// # Panics
/// As [`spawn`].
#[allow(clippy::type_complexity, reason = "as `spawn`")]
pub fn spawn_with<M, K>(
    machine: M,
    connector: K,
    options: Options,
) -> (Handle<M::Command, M::Answer>, Events<M::Event>, JoinHandle<()>)
where
    M: Machine + Send + 'static,
    M::Command: Send,
    M::Event: Send,
    M::Answer: Send,
    K: Connector,
{
    let (handle, events, driver) = drive::<Tokio, _, _>(machine, Theirs(connector), options);
    (handle, events, tokio::spawn(driver))
}

/// Holds the code of the README to what compiles.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

//! Drives skytether's sans-IO machines on plain threads: sockets, timers, files, and a handle to talk to them.
//!
//! [`spawn`] puts a machine (usually a `skytether_core` `Device`) on a thread of its own and gives back three things: a
//! [`Handle`] that sends commands from any thread and waits for each one's own outcome, the [`Events`] that the device
//! tells, and the thread's join handle. The device dials at once, and again by its back-off when the connection ends.
//!
//! - **Closing.** [`Handle::close`], or dropping every handle, ends the device in order: what waits is sent, the peer is
//!   told, each command gets its outcome; then its threads end, and the join handle tells so.
//! - **Back-pressure.** [`Handle::send`] waits while the device has no room. While the application does not take its
//!   events, nothing more is read from the network; timers, writes and commands go on.
//! - **Restarts.** With a [`Store`] in [`Options`], what the device must not forget outlives the process.
//! - **Threads.** One drives the machine and sleeps until there is news or its deadline comes. An open connection has a
//!   reader and a writer, a connection that ends one more for half a second at most; opening and the store have one each
//!   from their first use. An HTTP exchange has a connection, and so these threads, of its own. A peer that does not read stops the writer, never the driver: see [`Options::write_buffer`].
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
//! let device = Device::new(session, cloud, device::Config::default(), skytether_blocking::seed()?, Instant::ZERO);
//! let (handle, mut events, thread) = skytether_blocking::spawn(device, skytether_blocking::Options::default())?;
//!
//! events.find(|event| *event == Event::Ready);
//! let light = Command::Publish {
//!     topic: "porch/light".into(),
//!     payload: b"on"[..].into(),
//!     qos: QoS::AtMostOnce,
//!     retain: false,
//!     ttl: None,
//! };
//! assert_eq!(handle.send(light)?, Answer::Published);
//! handle.close();
//! thread.join().map_err(|_| "the device's thread has panicked")?;
//! # assert_eq!(broker.join().unwrap()?, b"\x30\x0f\x00\x0bporch/lighton\xe0\x00");
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

mod bell;
mod clock;
mod driver;
mod duplex;
mod events;
mod exchange;
mod handle;
mod jobs;
mod line;
mod opener;
mod pipe;
mod reader;
mod serial;
mod writer;

pub use events::{Elapsed, Events};
pub use handle::{Handle, Pending, SendError};
pub use pipe::{Attempt, Connector, Net, NetStream, Stream};
pub use skytether_std::{
    clock::seed,
    filter::Filter,
    options::{Options, Tap, Tapped},
    serial::Serial,
    store::Store,
    tls::{ClientIdentity, Roots, Tls},
};

use driver::Driver;
use skytether_core::io::Machine;
use std::{
    io,
    thread::{Builder, JoinHandle},
};

/// What [`spawn`] gives: the way to the device, what it tells, and its end.
pub type Spawned<M> =
    (Handle<<M as Machine>::Command, <M as Machine>::Answer>, Events<<M as Machine>::Event>, JoinHandle<()>);

/// Drives `machine` over the network on a thread of its own.
///
/// The machine's clock starts now: give [`Instant::ZERO`](skytether_core::time::Instant::ZERO) to its constructor.
/// The thread ends when the machine is closed, and all others that it began end before it.
///
/// # Errors
/// Where the operating system gives no thread.
pub fn spawn<M>(machine: M, options: Options) -> io::Result<Spawned<M>>
where
    M: Machine + Send + 'static,
    M::Command: Send,
    M::Event: Send,
    M::Answer: Send,
{
    let net = Net::of(&options);
    spawn_with(machine, net, options)
}

/// Drives `machine` over the pipes that `connector` opens; else as [`spawn`]. TLS and the serial line are the
/// connector's; exchanges still use [`Options::tls`].
///
/// # Errors
/// As [`spawn`].
pub fn spawn_with<M, K>(machine: M, connector: K, options: Options) -> io::Result<Spawned<M>>
where
    M: Machine + Send + 'static,
    M::Command: Send,
    M::Event: Send,
    M::Answer: Send,
    K: Connector,
{
    let (handle, events, driver) = Driver::new(machine, connector, options);
    let thread = Builder::new().name("skytether".into()).spawn(move || driver.run())?;
    Ok((handle, events, thread))
}

//! Drives skytether's sans-IO machines on microcontrollers: embassy's time and channels, any embedded-io-async pipe.
//!
//! `no_std`. A [`Runner`] drives one machine (usually a `skytether_core` `Device`): spawn its [`run`](Runner::run) on any
//! executor. The application talks to it through [`Channels`], usually a `static`: a [`Handle`] sends commands from any
//! task and awaits each one's own outcome, [`Events`] are what the device tells.
//!
//! ```
//! use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
//! use skytether_core::{
//!     device::{self, Device, Event},
//!     limits::Limits,
//!     link::{Connect, Endpoint, QoS},
//!     mqtt::session::{self, Session},
//!     plain::{Command, Config, Plain},
//!     time::Instant,
//! };
//! use skytether_embassy::{Buffers, Channels, Connector, Runner, Wall};
//!
//! type Porch = Device<Session, Plain>;
//!
//! /// Two commands under way, eight events waiting.
//! static CHANNELS: Channels<CriticalSectionRawMutex, Porch, 2, 8> = Channels::new();
//! static WALL: Wall = Wall::new();
//!
//! /// The task that drives the device. The seed is another one at each start.
//! async fn drive(connector: impl Connector, seed: [u8; 32]) {
//!     let cloud = Plain::new(Config {
//!         endpoint: Endpoint::tcp("broker.example", 1883),
//!         connect: Connect { client_id: "porch-01".into(), clean_session: true, keep_alive: 60, ..Connect::default() },
//!     });
//!     let limits = Limits { packet_in: 1024, packet_out: 1024, queued: 8, queued_bytes: 4096, ..Limits::default() };
//!     let session = Session::new(session::Options { limits, ..session::Options::default() });
//!     let device = Device::new(session, cloud, device::Config::default(), seed, Instant::ZERO);
//!     let (mut read, mut write) = ([0; 512], [0; 512]);
//!     let buffers = Buffers { read: &mut read, write: &mut write };
//!     let mut runner = Runner::new(device, connector, &CHANNELS, &WALL, buffers);
//!     runner.run().await;
//! }
//!
//! /// The application's own task.
//! async fn light() {
//!     let mut events = CHANNELS.events();
//!     while events.next().await.is_some_and(|event| event != Event::Ready) {}
//!     let on = Command::Publish {
//!         topic: "porch/light".into(),
//!         payload: b"on"[..].into(),
//!         qos: QoS::AtLeastOnce,
//!         retain: false,
//!         ttl: None,
//!     };
//!     if CHANNELS.handle().send(on).await.is_err() {
//!         CHANNELS.handle().close();
//!     }
//! }
//! # let _ = (light(), drive(skytether_embassy::Serial::new(&b""[..], Vec::new()), [0; 32]));
//! ```
//!
//! - **Pipes.** Whatever opens them is a [`Connector`]: [`Net`] is TCP with DNS by embassy-net (feature `net`), [`Serial`]
//!   a UART for a modem, [`Tls`] speaks TLS 1.2 and 1.3 over any other (feature `rustls`, with the caller's cryptography),
//!   and a chip that does TLS itself is a dozen lines.
//! - **Closing.** [`Handle::close`] ends the device in order: what waits is sent, the peer is told, each command gets its
//!   outcome; then `run` returns.
//! - **Back-pressure.** [`Handle::send`] waits while the device has no room. While the application does not take its
//!   events, nothing more is taken in from the pipe than the read buffer holds; timers, writes and commands go on.
//! - **Cancelling.** Dropping any future of this crate loses no command that the device has taken, and no event.
//! - **Memory.** The machine takes what its `Limits` say, once; bytes pass through the caller's [`Buffers`]; places for
//!   commands and events are inside [`Channels`]. Only events that time alone brings while nobody listens go to the heap.
//! - **Restarts.** With a [`Store`] ([`Flash`], feature `flash`), what the device must not forget outlives a power cut.
//! - **Downloads.** With a [`Web`] ([`Http`], feature `http`), the machine's HTTP exchanges are made.
//! - **Time.** embassy-time's clock; the wall time is told to a [`Wall`] by whoever knows it. Which time driver, executor,
//!   allocator and critical section there are, the binary decides.
//! - **Logs.** With the feature `defmt`, on bare metal.
#![no_std]
#![forbid(unsafe_code)]
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

extern crate alloc;

mod channels;
mod connector;
mod engine;
mod error;
mod events;
mod exchanges;
#[cfg(feature = "flash")]
mod flash;
mod handle;
#[cfg(feature = "http")]
mod http;
mod jobs;
mod line;
mod log;
#[cfg(feature = "net")]
mod net;
mod runner;
mod serial;
mod store;
mod time;
#[cfg(feature = "rustls")]
mod tls;
mod wall;
mod web;

pub use channels::Channels;
pub use connector::{Connector, Conversation};
pub use error::SendError;
pub use events::Events;
#[cfg(feature = "flash")]
pub use flash::{Flash, FlashUnusable, NoSlots, Slots};
pub use handle::{Handle, Pending};
#[cfg(feature = "http")]
pub use http::Http;
#[cfg(feature = "net")]
pub use net::Net;
pub use runner::{Buffers, Runner};
pub use serial::Serial;
pub use store::{NoStore, Store};
#[cfg(feature = "rustls")]
pub use tls::Tls;
pub use wall::Wall;
pub use web::{NoWeb, Replies, Web};

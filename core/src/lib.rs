//! The sans-IO core of skytether: every rule of MQTT and of the IoT clouds, as machines that touch no socket, clock or
//! thread.
//!
//! A [`Device`](device::Device) is a [`Link`](link::Link) (the MQTT [`Session`](mqtt::session::Session)) and a
//! [`Cloud`](cloud::Cloud) (an ordinary broker is [`Plain`](plain::Plain)) as one [`Machine`](io::Machine). Whoever runs
//! it, on an async runtime, on threads or on bare metal, is its *driver*, and keeps one rule:
//!
//! 1. Give an [`Input`](io::Input) and call [`step`](io::Machine::step) until it answers [`Idle`](io::Step::Idle). Each
//!    call gives at most one thing: an [`Action`](io::Action) to carry out, an event for the application, or the end of
//!    a command.
//! 2. Then wait for the first of: the pipe can be read (if [`wants_bytes`](io::Machine::wants_bytes)), the pipe can be
//!    written (if [`transmit`](io::Machine::transmit) is not empty; report it by [`Sent`](io::Input::Sent)), the
//!    [`deadline`](io::Machine::deadline) (give a [`Tick`](io::Input::Tick)), a command of the application (if
//!    [`wants_command`](io::Machine::wants_command)), the outcome of an action.
//!
//! Inputs never fail and never panic, extra ticks do no harm, and every command that was accepted ends in exactly one
//! [`Done`](io::Step::Done). Equal seeds and equal inputs give equal outputs, byte for byte.
//!
//! A whole connection by hand, with this page as the broker:
//!
//! ```
//! use skytether_core::{
//!     device::{Config, Device, Event},
//!     io::{Action, Input, Instant, Machine, Step},
//!     link::{Connect, Endpoint, QoS},
//!     mqtt::session::{Options, Session},
//!     plain::{self, Answer, Command, Plain},
//! };
//!
//! let connect = Connect { client_id: "door".into(), keep_alive: 60, clean_session: true, ..Connect::default() };
//! let cloud = Plain::new(plain::Config { endpoint: Endpoint::tcp("broker.example", 1883), connect });
//! let session = Session::new(Options::default());
//! let now = Instant::ZERO;
//! let mut device = Device::new(session, cloud, Config::default(), [7; 32], now);
//!
//! // It dials by itself: an event for the application, then an action for the driver.
//! assert!(matches!(device.step(now, &mut Input::Tick), Step::Event(Event::Dialling(_))));
//! assert!(matches!(device.step(now, &mut Input::Tick), Step::Act(Action::Open(_))));
//! assert_eq!(device.step(now, &mut Input::Tick), Step::Idle);
//!
//! // The pipe is open: CONNECT waits to be written.
//! assert_eq!(device.step(now, &mut Input::Opened), Step::Idle);
//! assert_eq!(device.transmit(), b"\x10\x10\0\x04MQTT\x04\x02\0\x3c\0\x04door");
//! let len = device.transmit().len();
//! assert_eq!(device.step(now, &mut Input::Sent(len)), Step::Idle);
//!
//! // CONNACK: one input, two things to tell. The input is shortened by what was used.
//! let mut connack = Input::Bytes(b"\x20\x02\0\0");
//! assert_eq!(device.step(now, &mut connack), Step::Event(Event::Up { session_present: false }));
//! assert_eq!(device.step(now, &mut connack), Step::Event(Event::Ready));
//! assert_eq!(device.step(now, &mut connack), Step::Idle);
//!
//! // A command becomes PUBLISH with packet id 1, and ends when PUBACK names that id.
//! let publish = Command::Publish {
//!     topic: "home/door".into(),
//!     payload: b"open".into(),
//!     qos: QoS::AtLeastOnce,
//!     retain: false,
//!     ttl: None,
//! };
//! let tag = device.command(now, &publish)?;
//! assert_eq!(device.step(now, &mut Input::Tick), Step::Idle);
//! assert_eq!(device.transmit(), b"\x32\x11\0\x09home/door\0\x01open");
//! let len = device.transmit().len();
//! assert_eq!(device.step(now, &mut Input::Sent(len)), Step::Idle);
//! let mut puback = Input::Bytes(b"\x40\x02\0\x01");
//! assert_eq!(device.step(now, &mut puback), Step::Done(tag, Ok(Answer::Published)));
//! assert_eq!(device.step(now, &mut puback), Step::Idle);
//! # Ok::<(), skytether_core::io::Rejected>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::unreachable,
        reason = "tests fail by panicking"
    )
)]
extern crate alloc;
#[cfg(test)]
extern crate std;

#[cfg(feature = "at")]
pub mod at;
#[cfg(any(feature = "azure", feature = "tencent"))]
mod auth;
#[cfg(feature = "azure")]
pub mod azure;
pub mod backoff;
mod checksum;
pub mod cloud;
pub mod device;
#[cfg(feature = "download")]
pub mod download;
#[cfg(feature = "download")]
pub mod http;
pub mod io;
#[cfg(any(feature = "azure", feature = "tencent"))]
mod json;
pub mod limits;
pub mod link;
pub mod message;
pub mod mqtt;
pub mod plain;
#[cfg(feature = "portable")]
pub mod portable;
pub mod queue;
pub mod record;
pub mod rng;
pub mod secret;
#[cfg(feature = "tencent")]
pub mod tencent;
pub mod time;

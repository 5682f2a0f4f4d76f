//! Drives skytether's sans-IO machines on microcontrollers: embassy's time and channels, any embedded-io-async pipe.
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

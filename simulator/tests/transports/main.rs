//! The cloud on every transport: TLS, WebSocket, certificates, and clients that do it wrong.
#![cfg(feature = "server")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unreachable,
    reason = "tests fail by panicking"
)]
#![allow(clippy::std_instead_of_alloc, reason = "tests stand on std")]

mod bad_clients;
mod faults;
mod local;
mod mosquitto;
mod rig;
mod secure;
#[path = "../support/mod.rs"]
mod support;
mod websocket;

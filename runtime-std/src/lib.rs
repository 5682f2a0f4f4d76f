//! What the runtimes on std share, so that it exists once: TLS, WebSocket, stored values, clock and seed.
//!
//! Nothing here opens a socket, starts a thread or waits. The runtimes bring bytes and take bytes:
//!
//! - [`tls`] says whom to trust and which certificate to show, and makes the configuration of one connection;
//! - [`websocket`] is a filter over bytes: those of the pipe on one side, those of MQTT on the other;
//! - [`filter`] joins the two as an endpoint asks for them: what stands between the bytes of a pipe and a machine's;
//! - [`http`] is one exchange over bytes, from the request to the last chunk of the answer;
//! - [`fault`] turns what rustls, tungstenite and the operating system say into the core's `Cause`;
//! - [`serial`] says how a serial line is set, and what an error of opening it means;
//! - [`store`] keeps values in files, whole or not at all, and [`job`] is one request to it;
//! - [`options`] is what can be set about a driver; [`address`] the order in which a host's addresses are tried;
//! - [`inputs`] tells which inputs speak of the one pipe; [`clock`] has the wall time and the seed.
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

pub mod address;
pub mod clock;
pub mod fault;
pub mod filter;
pub mod http;
pub mod inputs;
pub mod job;
pub mod options;
pub mod serial;
pub mod store;
pub mod tls;
pub mod websocket;

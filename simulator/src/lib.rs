//! The clouds' own side, on this machine: what a device of skytether can be tried against without any account.
//!
//! [`broker::Broker`] is the server side of MQTT as a pure state machine: bytes of many clients in, bytes out, time told
//! by the caller. A [`broker::policy::Policy`] makes a cloud of it: who may connect, what may be said where, and what
//! the cloud answers. [`tencent`] is such a cloud, [`rules`] the rule engine in it; [`azure`] is another. [`modem`] is no
//! cloud: it stands between a device without a network of its own and any broker. With the feature `server`, the module
//! `local` is a cloud whole: every transport, and a folder with what a device needs to connect.
#![forbid(unsafe_code)]
#![allow(clippy::std_instead_of_alloc, reason = "this crate stands on std")]
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

pub mod azure;
pub mod broker;
pub mod home;
pub mod http;
#[cfg(feature = "server")]
pub mod local;
pub mod modem;
pub mod rules;
#[cfg(feature = "server")]
pub mod server;
pub mod tencent;

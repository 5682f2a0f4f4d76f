//! The sans-IO core of skytether.
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

#[cfg(feature = "tencent")]
mod auth;
pub mod backoff;
pub mod cloud;
pub mod device;
pub mod io;
#[cfg(feature = "tencent")]
mod json;
pub mod limits;
pub mod link;
pub mod message;
pub mod mqtt;
pub mod plain;
pub mod rng;
pub mod secret;
#[cfg(feature = "tencent")]
pub mod tencent;
pub mod time;

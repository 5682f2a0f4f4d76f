//! Whole lives of devices of an ordinary broker, in virtual time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "tests fail by panicking, and say with which seed"
)]

mod fleet;
mod power;
mod restart;
mod seeds;
mod soak;
mod support;
mod sweep;
mod takeover;

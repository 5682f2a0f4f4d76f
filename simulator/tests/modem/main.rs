//! What the simulated modem says to its host, byte for byte.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::std_instead_of_alloc,
    reason = "tests fail by panicking, and stand on std"
)]

mod bench;
mod broker;
mod faults;
mod line;
mod rnwf;
mod settings;
mod story;
mod vectors;
mod wifi;

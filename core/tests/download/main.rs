//! What every download promises, whatever server, network and power do.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests fail by panicking"
)]

extern crate alloc;

mod content;
mod cuts;
mod kept;
mod patience;
mod places;
mod rig;
mod server;

//! What Azure's folder promises, through its public face.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests fail by panicking"
)]

extern crate alloc;

mod bench;
mod cuts;
mod hub;
mod messages;
mod methods;
mod narrow;
mod provisioning;
mod rig;
mod stored;
mod twin;
mod update;
mod upload;

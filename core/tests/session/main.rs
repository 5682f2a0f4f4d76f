//! What the MQTT session must do, driven by hand in virtual time: one file a concern.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    missing_docs,
    reason = "tests fail by panicking, and are read as they stand"
)]

mod connection;
mod delivery;
mod hostile;
mod keepalive;
mod persistence;
mod queue;
mod requests;
mod rig;

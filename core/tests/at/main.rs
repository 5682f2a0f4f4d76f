//! What a modem must do as a link, driven by hand in virtual time against a scripted module: one file a concern.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::std_instead_of_alloc,
    missing_docs,
    reason = "tests fail by panicking, and are read as they stand"
)]

mod client;
mod connection;
mod delivery;
mod device;
mod hostile;
mod requests;
mod rig;

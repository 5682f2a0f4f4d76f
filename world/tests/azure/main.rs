//! Whole lives of devices of Azure IoT, in virtual time: provisioning, hub, twin, methods and messages.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod cuts;
mod offline;
mod plant;
mod revoked;
mod story;
mod week;

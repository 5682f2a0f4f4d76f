//! Azure's side over the pure broker, packet by packet: what devices see of the provisioning service and of hubs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod admission;
#[cfg(feature = "server")]
mod certificates;
mod hostile;
mod messages;
mod methods;
mod portal;
mod provisioning;
mod rig;
#[path = "../support/mod.rs"]
mod support;
mod twins;
mod uploads;

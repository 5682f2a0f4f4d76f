//! What the runtimes' tests share: certificates good and bad, servers that misbehave, mosquitto, a faulty network.
//!
//! For tests only: everything here panics where it cannot do what it is asked.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::missing_errors_doc,
    missing_debug_implementations,
    clippy::std_instead_of_alloc,
    clippy::std_instead_of_core,
    clippy::disallowed_methods,
    clippy::exhaustive_structs,
    clippy::exhaustive_enums,
    reason = "tests fail by panicking, and wait for the real world"
)]

#[cfg(unix)]
pub mod broker;
pub mod dice;
pub mod drive;
pub mod exchanges;
pub mod fetcher;
pub mod files;
#[cfg(unix)]
pub mod lines;
pub mod negatives;
pub mod pki;
#[cfg(unix)]
pub mod proxy;
pub mod rumqttd;
pub mod script;
pub mod server;
pub mod slots;
pub mod stores;
pub mod transcript;

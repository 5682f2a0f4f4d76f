//! What does each fuzz target do with its bytes? One plain function a target, so that tests replay what libFuzzer finds.
//!
//! A body panics where an invariant is broken, and never otherwise. It looks at nothing but its bytes: same bytes, same
//! outcome.
#![forbid(unsafe_code)]
#![allow(clippy::std_instead_of_alloc, reason = "this crate stands on std")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::wildcard_enum_match_arm,
    reason = "a body reports what it finds by panicking, and looks at what it names only"
)]

mod at;
mod azure;
mod broker;
mod device;
mod download;
mod frame;
mod packets;
mod record;
mod rules;
mod script;
mod session;
mod tencent;
mod topic;
mod update;
mod websocket;
mod wire;

/// One fuzz target.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Target {
    /// Its name: of the binary in `fuzz_targets/`, and of the folder in `corpus/`.
    pub name: &'static str,
    /// Its body.
    pub run: fn(&[u8]),
}

/// All targets, in the order in which they run.
pub const TARGETS: [Target; 14] = [
    Target { name: "frame", run: frame::run },
    Target { name: "packets", run: packets::run },
    Target { name: "session", run: session::run },
    Target { name: "record", run: record::run },
    Target { name: "topic", run: topic::run },
    Target { name: "broker", run: broker::run },
    Target { name: "websocket", run: websocket::run },
    Target { name: "device", run: device::run },
    Target { name: "at", run: at::run },
    Target { name: "tencent", run: tencent::run },
    Target { name: "azure", run: azure::run },
    Target { name: "rules", run: rules::run },
    Target { name: "download", run: download::run },
    Target { name: "update", run: update::run },
];

/// Runs the body of the target with this name.
///
/// # Panics
/// Where the body finds something, and where no target has this name.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("no target of this name");
    (target.run)(data);
}

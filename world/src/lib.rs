//! Devices and clouds in one thread and in virtual time: what happens to them is chosen by a seed, and what must hold is
//! checked after every step.
//!
//! A [`World`](world::World) holds any number of devices and one broker. [Pipes](pipe) join them that are slow, cut the
//! bytes into pieces, break after exactly so many, stall, or open late or not at all; a [store] for each device
//! answers late, fails, or loses the power in the middle of a write. [Faults](fault) come by hand or from a schedule that
//! a seed names. Nothing reads a clock or the platform's chance, so a run is a function of its seed: the
//! [diary] of two runs is the same, byte for byte.
//!
//! After every step the world looks for a [`Breach`](breach::Breach) of what must always hold, and it stands still once
//! it has found one. [`life`] puts an application on each device that counts its messages: what was accepted, what
//! it was told of them, how often and in which order they arrived.
#![forbid(unsafe_code)]
#![allow(clippy::std_instead_of_alloc, reason = "this crate stands on std")]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        reason = "tests fail by panicking"
    )
)]

pub mod breach;
pub mod diary;
pub mod fault;
pub mod ledger;
pub mod life;
mod node;
pub mod pipe;
pub mod resident;
pub mod store;
pub mod told;
pub mod watched;
mod wire;
pub mod world;

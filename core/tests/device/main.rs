//! What a device does in every state, over a link and a cloud that do as they are told.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc,
    clippy::struct_excessive_bools,
    clippy::type_complexity,
    unreachable_pub,
    reason = "tests fail by panicking, run on std, and share their support code"
)]

mod bench;
mod closing;
mod dialling;
mod failing;
mod order;
mod sky;
mod table;
mod wire;

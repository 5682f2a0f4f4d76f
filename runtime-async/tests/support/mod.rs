//! What tests over real sockets need beside `skytether-testing`: each runtime, and a device of ours on it.
#![allow(dead_code, unreachable_pub, unused_macros, reason = "each test file uses its own part")]

pub mod device;
#[macro_use]
pub mod runtime;

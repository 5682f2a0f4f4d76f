//! What tests against real brokers need beside `skytether-testing`: a device of ours.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]

pub mod device;

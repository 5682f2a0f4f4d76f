//! Whole lives of devices of Tencent Cloud IoT Hub, in virtual time: the door, the air conditioner and the rule.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod credentials;
mod home;
mod story;
mod time;

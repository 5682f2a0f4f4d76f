//! Azure IoT: what a device says to Device Provisioning and IoT Hub, and what it hears.

#![allow(dead_code, reason = "the client that uses these parts comes next")]

pub mod duration;
pub mod limits;
pub mod percent;
pub mod properties;
pub mod topic;

//! Tencent Cloud IoT Hub: what a device says there and what it hears.

mod client;
mod config;
pub mod credentials;
pub mod device_info;
pub mod endpoint;
pub mod identity;
pub mod limits;
mod sync;
pub mod time;
pub mod topic;

pub use client::{Answer, Command, Event, Tencent, UserTopic};
pub use config::{Config, Proof};

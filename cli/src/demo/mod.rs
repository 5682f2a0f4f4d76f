//! The stories that the tool can tell with real devices, real sockets and a simulated cloud.

pub mod aircond;
pub mod alone;
pub mod central;
pub mod cloud;
pub mod device;
pub mod door;
pub mod home;
pub mod observer;
pub mod pace;
pub mod time;

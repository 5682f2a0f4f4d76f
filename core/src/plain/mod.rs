//! What an ordinary MQTT broker is as a cloud: an endpoint, a CONNECT, and topics that mean nothing to us.

mod client;

pub use client::{Answer, Command, Config, Event, Plain};

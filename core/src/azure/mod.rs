//! Azure IoT: what a device says to the Device Provisioning Service and to its hub, and what it hears.
//!
//! [`Config`] says which device it is and how it finds its hub, and comes from a
//! [connection string](connection_string) or from [`Config::new`]. Underneath, and usable alone: [`topic`] knows every
//! topic and [`properties`] what rides in it, [`credentials`] signs, [`endpoint`] knows hosts and user names, [`percent`]
//! the one way to write text on the wire, [`identity`] the names, [`twin`] and [`pnp`] what properties look like, [`duration`] ISO 8601, [`limits`] the platform's bounds.

mod c2d;
mod client;
mod command;
mod config;
pub mod connection_string;
pub mod credentials;
pub mod dps;
pub mod duration;
pub mod endpoint;
mod event;
mod features;
pub mod identity;
pub mod limits;
mod method;
pub mod percent;
pub mod pnp;
pub mod properties;
mod provisioner;
mod rid;
mod stored;
mod subscriptions;
mod telemetry;
mod token;
pub mod topic;
pub mod twin;

pub use c2d::C2d;
pub use client::Azure;
pub use command::{Answer, Command};
pub use config::{Config, LastWill, Proof, Provisioning, Route, Transport, Wanted};
pub use event::{Assigned, Event, NotAssigned, OfflineCommand, Progress, ServiceError};
pub use method::{MethodAnswer, MethodCall};
pub use rid::Rids;
pub use telemetry::Telemetry;

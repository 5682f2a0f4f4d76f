//! Azure IoT: what a device says to the Device Provisioning Service and to its hub, and what it hears.
//!
//! [`Azure`] is the cloud of a [`Device`](crate::device::Device); [`Config`] says which device it is and how it finds its
//! hub, and comes from a [connection string](connection_string) or from [`Config::new`]. Underneath, and usable alone:
//! [`topic`] knows every topic and [`properties`] what rides in it, [`dps`] runs one registration, [`credentials`] signs,
//! [`endpoint`] knows hosts and user names, [`percent`] the one way to write text on the wire, [`identity`] the names,
//! [`twin`] and [`pnp`] what properties look like, [`upload`] how files leave, [`update`] how
//! updates come, [`duration`] ISO 8601, [`limits`] the platform's bounds.
//!
//! The first connections of a device, as the platform sees them (`▶` from the device, `◀` from the platform):
//!
//! ```text
//! ▶ CONNECT      global.azure-devices-provisioning.net, client id pump-7, clean session,
//!                user name 0ne00000001/registrations/pump-7/api-version=2019-03-31, password {token}
//! ◀ CONNACK      0
//! ▶ SUBSCRIBE    $dps/registrations/res/#                                          ◀ SUBACK
//! ▶ PUBLISH      $dps/registrations/PUT/iotdps-register/?$rid=1                    ◀ PUBACK
//! ◀ PUBLISH      $dps/registrations/res/202/?$rid=1&retry-after=3                  {"operationId":"4.…","status":"assigning"}
//! ▶ PUBLISH      $dps/registrations/GET/iotdps-get-operationstatus/?$rid=2&operationId=4.…     3 s later
//! ◀ PUBLISH      $dps/registrations/res/200/?$rid=2                                {"status":"assigned",…}
//! ▶ DISCONNECT                                       the assignment is stored, then used
//! ▶ CONNECT      hub-1.azure-devices.net, client id pump-7, kept session, password {token},
//!                user name hub-1.azure-devices.net/pump-7/?api-version=2021-04-12
//! ◀ CONNACK      0
//! ▶ SUBSCRIBE    methods, answers about the twin, desired properties, messages, one after the other
//! ▶ PUBLISH      $iothub/twin/GET/?$rid=3            and what the application has queued
//! ```
//!
//! The beginning of that with this crate:
//!
//! ```
//! use skytether_core::{
//!     azure::{Azure, Config, Proof, Provisioning, Route, identity::{DeviceKey, IdScope, RegistrationId}},
//!     device::{self, Device},
//!     io::{Action, Input, Instant, Key, Machine, Pipe, Step, UnixMillis},
//!     mqtt::session::{Options, Session},
//! };
//!
//! let (scope, id) = (IdScope::new("0ne00000001")?, RegistrationId::new("pump-7")?);
//! let key = DeviceKey::from_base64("AAECAwQFBgcICQoLDA0ODw==")?;
//! let config = Config::new(Route::Provisioning(Provisioning::new(scope, id)), Proof::Key(key));
//! let (link, cloud) = (Session::new(Options::default()), Azure::new(config)?);
//! let now = Instant::ZERO;
//! let mut pump = Device::new(link, cloud, device::Config::default(), [7; 32], now);
//!
//! // First it looks for a hub that it was assigned before; then it needs the time, to sign a token.
//! assert_eq!(pump.step(now, &mut Input::Tick), Step::Act(Action::Load(Key::Hub)));
//! let nothing = &mut Input::Loaded(Key::Hub, Ok(None));
//! assert!(matches!(pump.step(now, nothing), Step::Event(device::Event::Note(_))));
//! assert_eq!(pump.step(now, nothing), Step::Act(Action::AskWall));
//! let time = &mut Input::Wall(UnixMillis(1_700_000_000_000));
//! assert!(matches!(pump.step(now, time), Step::Event(device::Event::Dialling(_))));
//! let Step::Act(Action::Open(Pipe::Net(endpoint))) = pump.step(now, time) else { panic!() };
//! assert_eq!(endpoint.to_string(), "tls://global.azure-devices-provisioning.net:8883");
//! pump.step(now, &mut Input::Opened);
//! let hello = b"0ne00000001/registrations/pump-7/api-version=2019-03-31";
//! assert!(pump.transmit().windows(hello.len()).any(|part| part == hello));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod aside;
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
mod first;
pub mod identity;
pub mod limits;
mod method;
pub mod percent;
pub mod pnp;
pub mod properties;
mod provisioner;
mod refusal;
mod rest;
mod rid;
mod stored;
mod subscriptions;
mod telemetry;
mod token;
pub mod topic;
pub mod twin;
pub mod update;
pub mod upload;

pub use c2d::C2d;
pub use client::Azure;
pub use command::{Answer, Command};
pub use config::{Config, Files, LastWill, Proof, Provisioning, Route, Transport, Wanted};
pub use event::{Assigned, Event, NotAssigned, OfflineCommand, Progress, ServiceError};
pub use method::{MethodAnswer, MethodCall};
pub use rid::Rids;
pub use telemetry::Telemetry;

//! What Azure IoT does on its side of a broker: the provisioning service, any number of hubs, and a portal's view of
//! their devices.
//!
//! [`AzureCloud`] is a [`Policy`]: a [`Broker`](crate::broker::Broker) over it is the whole cloud on one address; the
//! user name of a client says which of its servers it speaks to. All of it is pure; wall time comes with every call,
//! randomness from the seed. What an application would ask of the cloud is in methods of [`AzureCloud`] that take the
//! moment and an [`Outbox`](crate::broker::policy::Outbox): call them by [`Broker::act`](crate::broker::Broker::act).
//!
//! Sessions in the broker are named `{hub}/{device}[/{module}]` and `{id scope}/registrations/{registration id}`, so that
//! neither service nor another hub takes over the session of a device of the same id.
//!
//! What the platform does not document is decided thus: a user name without a known `api-version` is refused with code
//! 4; a filter that is not documented gets 0x80; a CONNECT with a will on another topic than telemetry is closed without
//! a word.

mod answer;
mod c2d;
mod central;
mod config;
mod credentials;
mod dps;
mod files;
mod http;
mod hub;
mod identity;
mod method;
mod policy;
mod proof;
mod service;
mod telemetry;
mod text;
mod topics;
mod twin;
mod upload;

pub use answer::{ServiceError, THROTTLED};
pub use c2d::{C2d, Fate, Feedback};
pub use central::{Member, PropertyState, Template};
pub use config::{
    Config, DeviceConfig, EnrollmentConfig, GroupConfig, HubConfig, PROVISIONING_HOST, ProvisioningConfig, Terms,
};
pub use dps::{Ending, Registration, Throttle};
pub use files::FileFault;
pub use hub::ConfigError;
pub use identity::Identity;
pub use method::{CallId, Outcome, Strays};
pub use policy::Caller;
pub use proof::{Issuer, Proof, SharedKey, Thumbprint};
pub use service::COMMAND_TIMEOUT;
pub use telemetry::Telemetry;
pub use twin::{Object, Twin};
pub use upload::Upload;

use crate::broker::policy::Policy;
use dps::Provisioning;
use files::Files;
use hub::Hubs;
use method::Calls;
use skytether_core::{rng::Rng, time::Instant};
use std::collections::{BTreeSet, VecDeque};
use upload::Uploads;

/// The cloud's side: provisioning and hubs.
#[derive(Debug)]
pub struct AzureCloud {
    provisioning: Provisioning,
    hubs: Hubs,
    templates: Vec<Template>,
    calls: Calls,
    telemetry: VecDeque<Telemetry>,
    feedback: VecDeque<Feedback>,
    orders: Orders,
    uploads: Uploads,
    files: Files,
    /// When which connection's token ends.
    expiries: BTreeSet<(Instant, Identity)>,
    rng: Rng,
}

/// What the hubs were told to do wrong.
#[derive(Debug, Default)]
struct Orders {
    /// Twin requests that are yet to be refused, and by what.
    twin: Option<(u32, ServiceError)>,
    /// Twin requests that are yet to be left without an answer.
    silent: u32,
    /// Changes of desired properties that are yet to be told to no one.
    untold: u32,
}

impl Orders {
    fn refuse_twin(&mut self) -> Option<ServiceError> {
        let (times, error) = self.twin.as_mut()?;
        let error = *error;
        *times -= 1;
        if *times == 0 {
            self.twin = None;
        }
        Some(error)
    }
}

impl AzureCloud {
    /// The cloud that a configuration describes. Equal seeds and inputs give equal outputs.
    ///
    /// # Errors
    /// [`ConfigError`] names the first hub, device or group that is wrong, and the fix.
    pub fn new(config: &Config, seed: [u8; 32]) -> Result<Self, ConfigError> {
        let mut hubs = Hubs::default();
        for hub in &config.hubs {
            hubs.add_hub(&hub.name)?;
            for device in &hub.devices {
                hubs.add(Identity::device(&hub.name, &device.id), device.proof.clone(), &device.desired)?;
                for (module, key) in &device.modules {
                    let identity = Identity::module(&hub.name, &device.id, module);
                    hubs.add(identity, Proof::Key(key.clone()), &Object::new())?;
                }
            }
        }
        let provisioning = &config.provisioning;
        for enrollment in &provisioning.enrollments {
            check_terms(&enrollment.registration_id, &enrollment.terms, &hubs)?;
        }
        for group in &provisioning.groups {
            if matches!(group.proof, Proof::Thumbprint(_)) {
                return Err(ConfigError::Group(group.name.as_str().into()));
            }
            check_terms(&group.name, &group.terms, &hubs)?;
        }
        Ok(Self {
            provisioning: Provisioning::new(provisioning.clone()),
            hubs,
            templates: config.templates.clone(),
            calls: Calls::default(),
            telemetry: VecDeque::new(),
            feedback: VecDeque::new(),
            orders: Orders::default(),
            uploads: Uploads::default(),
            files: Files::default(),
            expiries: BTreeSet::new(),
            rng: Rng::new(seed),
        })
    }
}

/// Whether what an enrolment grants can be granted.
fn check_terms(name: &str, terms: &Terms, hubs: &Hubs) -> Result<(), ConfigError> {
    if let Some(hub) = terms.hub.as_deref().filter(|hub| !hubs.has(hub)) {
        return Err(ConfigError::UnknownHub(hub.into()));
    }
    match Twin::default().desire(&terms.desired) {
        Ok(_) => Ok(()),
        Err(error) => Err(ConfigError::Desired(name.into(), error)),
    }
}

/// A cloud, alone or inside a policy that watches it.
pub trait Hosts: Policy {
    /// The cloud.
    fn azure(&mut self) -> &mut AzureCloud;
}

impl Hosts for AzureCloud {
    fn azure(&mut self) -> &mut AzureCloud {
        self
    }
}

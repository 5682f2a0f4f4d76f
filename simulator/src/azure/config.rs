//! What a configuration says of the cloud: the provisioning service with its enrolments, hubs with their devices, models.

use super::{
    central::Template,
    proof::{Proof, SharedKey},
};
use serde::Deserialize;
use serde_json::{Map, Value};

/// The host name of the provisioning service on the platform.
pub const PROVISIONING_HOST: &str = "global.azure-devices-provisioning.net";

/// The whole cloud.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(clippy::exhaustive_structs, reason = "owners of a cloud write `Config { hubs, ..Config::default() }`")]
pub struct Config {
    /// The provisioning service.
    pub provisioning: ProvisioningConfig,
    /// The hubs; the first is the one that is assigned where nothing else is said.
    pub hubs: Vec<HubConfig>,
    /// Models of devices, as IoT Central has them.
    pub templates: Vec<Template>,
}

/// The provisioning service.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(clippy::exhaustive_structs, reason = "owners of a cloud write it with `..ProvisioningConfig::default()`")]
pub struct ProvisioningConfig {
    /// The id scope. Default `0ne00000000`.
    pub id_scope: String,
    /// How many polls are answered by `assigning`, after the request to register, before the end is told. Default 1.
    pub polls: u32,
    /// Whether the end is told in the answer to the request to register already. Default false.
    pub at_once: bool,
    /// `retry-after` of an answer that is not the last, in seconds; `None` leaves it out. Default 3.
    pub retry_after: Option<u32>,
    /// Single registrations.
    pub enrollments: Vec<EnrollmentConfig>,
    /// Groups.
    pub groups: Vec<GroupConfig>,
}

impl Default for ProvisioningConfig {
    fn default() -> Self {
        let id_scope = "0ne00000000".to_owned();
        Self { id_scope, polls: 1, at_once: false, retry_after: Some(3), enrollments: Vec::new(), groups: Vec::new() }
    }
}

/// What a registration gets, whether it stands alone or in a group.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(clippy::exhaustive_structs, reason = "owners of a cloud write `Terms { hub, ..Terms::default() }`")]
pub struct Terms {
    /// The hub to assign. Default: the first.
    pub hub: Option<String>,
    /// Whether the enrolment is disabled.
    pub disabled: bool,
    /// What the device is told when it is assigned: `registrationState.payload`.
    pub payload: Option<Value>,
    /// The desired properties with which its twin begins.
    pub desired: Map<String, Value>,
}

/// One registration.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(clippy::exhaustive_structs, reason = "owners of a cloud write it field by field")]
pub struct EnrollmentConfig {
    /// Its id: 1 to 128 characters, of either case.
    pub registration_id: String,
    /// The id of the device on the hub. Default: the registration id.
    #[serde(default)]
    pub device_id: Option<String>,
    /// By what it proves itself, here and on the hub.
    pub proof: Proof,
    /// What it gets.
    #[serde(default)]
    pub terms: Terms,
}

/// Many registrations: whoever proves to be of the group is one of them.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(clippy::exhaustive_structs, reason = "owners of a cloud write it field by field")]
pub struct GroupConfig {
    /// Its name: `enrollmentGroupId`.
    pub name: String,
    /// The key from which devices' keys derive, or the authority of their certificates. A thumbprint fits no group.
    pub proof: Proof,
    /// What each gets.
    #[serde(default)]
    pub terms: Terms,
}

/// One hub.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(clippy::exhaustive_structs, reason = "owners of a cloud write `HubConfig { name, ..HubConfig::default() }`")]
pub struct HubConfig {
    /// Its host name, such as `contoso.azure-devices.net`. For clients that can be given no gateway, the name or
    /// address under which this machine is reached.
    pub name: String,
    /// The devices that it has from the start.
    pub devices: Vec<DeviceConfig>,
}

/// One device of a hub.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(clippy::exhaustive_structs, reason = "owners of a cloud write it field by field")]
pub struct DeviceConfig {
    /// Its id.
    pub id: String,
    /// By what it proves itself.
    pub proof: Proof,
    /// Its modules: id and key.
    #[serde(default)]
    pub modules: Vec<(String, SharedKey)>,
    /// The desired properties with which its twin begins.
    #[serde(default)]
    pub desired: Map<String, Value>,
}

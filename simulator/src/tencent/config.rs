//! What a configuration file says of the cloud: products with their devices, rules, limits.

use crate::rules::Definition;
use serde::{Deserialize, Deserializer};
use skytether_core::secret::Secret;

/// The whole account.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(clippy::exhaustive_structs, reason = "owners of a cloud write `Config { products, ..Config::default() }`")]
pub struct Config {
    /// The products, with their devices.
    pub products: Vec<ProductConfig>,
    /// The rules of the account, over all products.
    pub rules: Vec<Definition>,
    /// The figures that may be changed.
    pub limits: LimitsConfig,
}

/// One product.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(clippy::exhaustive_structs, reason = "owners of a cloud write it field by field")]
pub struct ProductConfig {
    /// 10 upper-case letters and digits.
    pub id: String,
    /// User topics beyond `event`, `control` and `data`, at most 100 in all. A class of one of those names replaces it.
    #[serde(default)]
    pub classes: Vec<ClassConfig>,
    /// The devices.
    #[serde(default)]
    pub devices: Vec<DeviceConfig>,
}

/// One class of user topics: `{product id}/{device name}/{name}`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(clippy::exhaustive_structs, reason = "owners of a cloud write it field by field")]
pub struct ClassConfig {
    /// One or more levels split by `/`; `+` stands for any one level.
    pub name: String,
    /// What the device may do.
    pub access: Access,
}

/// What a device may do with a class of topics.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(clippy::exhaustive_enums, reason = "publishing and subscribing are all there is")]
pub enum Access {
    /// Publish only.
    Publish,
    /// Subscribe only.
    Subscribe,
    /// Both: a device that has subscribed gets its own messages back.
    Both,
}

/// One device. It has a secret or a certificate, not both.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(clippy::exhaustive_structs, reason = "owners of a cloud write `DeviceConfig { name, ..Default::default() }`")]
pub struct DeviceConfig {
    /// 1 to 64 characters, none of `/ + # ;`.
    pub name: String,
    /// The device secret of a key device, base64 text.
    pub secret: Option<SecretText>,
    /// The certificate of a certificate device, PEM text; the device proves in the TLS handshake that it has the key.
    pub certificate: Option<String>,
    /// Whether the device is switched off: it is refused with code 5.
    pub disabled: bool,
    /// The packet id of the first message that the cloud sends in a new session. 0 means 1.
    pub first_packet_id: u16,
}

/// The figures of the platform that a test may want otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(clippy::exhaustive_structs, reason = "tests write `LimitsConfig { …, ..LimitsConfig::default() }`")]
pub struct LimitsConfig {
    /// Messages of one device in any one second; more are dropped without PUBACK. 0: no limit. Default 30.
    pub messages_per_second: u32,
    /// QoS 1 messages kept for a device that is away. Default 150.
    pub queued: usize,
    /// How long they and its session are kept, in seconds. Default 24 hours.
    pub session_seconds: u64,
    /// The pause between two of them when it is back, in milliseconds. Default 500.
    pub replay_spacing_ms: u64,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self { messages_per_second: 30, queued: 150, session_seconds: 24 * 60 * 60, replay_spacing_ms: 500 }
    }
}

/// A secret as text in a file; prints as `***`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SecretText(Secret);

impl SecretText {
    /// Takes the text over.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Secret::new(text.into().into_bytes()))
    }

    /// The text, for the one place that decodes it or writes a device's own file.
    pub fn expose(&self) -> &str {
        core::str::from_utf8(self.0.expose()).unwrap_or_default()
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

//! What Tencent Cloud IoT Hub does on its side of a broker: who may connect, which topics are whose, the time service,
//! and the rules that carry messages from one device to another.
//!
//! [`TencentCloud`] is a [`Policy`]: a [`Broker`](crate::broker::Broker) over it is the cloud. All of it is pure; wall
//! time comes with every call, randomness from the seed.
//!
//! What the platform does not document is decided thus: a CONNECT with a will is refused with code 5, a PUBLISH with
//! the retain flag is treated as denied (no PUBACK, the connection stays), a PUBLISH of QoS 2 closes the connection.

mod config;
mod credentials;
mod forwarding;
mod registry;
#[cfg(test)]
mod tests;
mod time;
mod topics;

pub use config::{Access, ClassConfig, Config, DeviceConfig, LimitsConfig, ProductConfig, SecretText};
pub use forwarding::{RuleEntry, RuleResult};
pub use registry::{Credential, Device, DeviceId, Registry, RegistryError};

use crate::broker::policy::{At, Denial, Limits, Outbox, Peer, Policy, Target, Verdict};
use crate::rules::{Definition, Message as Published, Rule, RuleError};
use core::fmt;
use core::time::Duration;
use forwarding::Forwarding;
use skytether_core::link::{Connect, Message, QoS};
use skytether_core::rng::Rng;
use topics::Route;

/// Largest payload, in bytes.
const PAYLOAD_BYTES: usize = 16 * 1024;

/// Why a configuration makes no cloud.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ConfigError {
    /// A product or device is wrong.
    Registry(RegistryError),
    /// A rule is wrong.
    Rule {
        /// Its name.
        name: Box<str>,
        /// What is wrong.
        error: RuleError,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry(error) => error.fmt(f),
            Self::Rule { name, error } => write!(f, "rule {name}: {error}"),
        }
    }
}

impl core::error::Error for ConfigError {}

/// The cloud's side: an account with products, devices and rules.
#[derive(Debug)]
pub struct TencentCloud {
    registry: Registry,
    forwarding: Forwarding,
    limits: LimitsConfig,
    rng: Rng,
    messages: u64,
}

impl TencentCloud {
    /// The cloud that a configuration describes. Equal seeds and inputs give equal outputs.
    ///
    /// # Errors
    /// [`ConfigError`] names the first product, device or rule that is wrong, and the fix.
    pub fn new(config: &Config, seed: [u8; 32]) -> Result<Self, ConfigError> {
        let registry = Registry::new(&config.products).map_err(ConfigError::Registry)?;
        let forwarding = Forwarding::new();
        let mut cloud = Self { registry, forwarding, limits: config.limits, rng: Rng::new(seed), messages: 0 };
        for rule in &config.rules {
            cloud.add_rule(rule).map_err(|error| ConfigError::Rule { name: rule.name.as_str().into(), error })?;
        }
        Ok(cloud)
    }

    /// The products and devices.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The products and devices, to add to.
    pub fn registry_mut(&mut self) -> &mut Registry {
        &mut self.registry
    }

    /// Adds a rule.
    ///
    /// # Errors
    /// [`RuleError`] names what is wrong; nothing has changed then.
    pub fn add_rule(&mut self, definition: &Definition) -> Result<(), RuleError> {
        self.forwarding.add(Rule::new(definition)?)
    }

    /// Removes a rule; whether there was one of this name.
    pub fn remove_rule(&mut self, name: &str) -> bool {
        self.forwarding.remove(name)
    }

    /// The oldest line of the rules' log that was not taken yet; of more than 1000 the oldest are lost.
    pub fn take_rule_entry(&mut self) -> Option<RuleEntry> {
        self.forwarding.take_entry()
    }

    /// Switches a device off, which ends its connection, or on again. Whether there is such a device.
    pub fn disable(&mut self, id: &DeviceId, disabled: bool, out: &mut Outbox) -> bool {
        let Some(device) = self.registry.device_mut(id) else {
            return false;
        };
        device.disabled = disabled;
        if disabled {
            out.kick(id.client_id(), "the device was disabled");
        }
        true
    }
}

impl Policy for TencentCloud {
    type Identity = DeviceId;

    fn limits(&self) -> Limits {
        Limits {
            // A payload that is a little too long is a denied message, one that is far too long a broken client.
            packet: 2 * PAYLOAD_BYTES,
            qos: QoS::AtLeastOnce,
            keep_alive: credentials::KEEP_ALIVE,
            client_id_v3_1: usize::from(u16::MAX),
            retain: false,
            wills: false,
            queued: self.limits.queued,
            session_expiry: Some(Duration::from_secs(self.limits.session_seconds)),
            replay_spacing: Some(Duration::from_millis(self.limits.replay_spacing_ms)),
            ..Limits::default()
        }
    }

    fn authenticate(&mut self, at: At, connect: &Connect, peer: &Peer) -> Result<DeviceId, Denial> {
        credentials::check(&self.registry, at.wall, connect, peer).map(|device| device.id().clone())
    }

    fn first_packet_id(&self, identity: &DeviceId) -> u16 {
        self.registry.device(identity).map_or(1, |device| device.first_packet_id)
    }

    fn may_subscribe(&mut self, _: At, identity: &DeviceId, filter: &str, qos: QoS) -> Option<QoS> {
        let classes = self.registry.classes(identity.product())?;
        topics::subscribe(identity, classes, filter).ok()?;
        Some(qos.min(QoS::AtLeastOnce))
    }

    /// `{product}/{device}/#` ends every subscription; any other filter the one that is equal to it.
    fn unsubscribes(&self, identity: &DeviceId, filter: &str, held: &str) -> bool {
        filter == held || identity.strip(filter) == Some("/#")
    }

    fn may_publish(&mut self, at: At, identity: &DeviceId, message: &Message<'_>) -> Verdict {
        let per_second = self.limits.messages_per_second;
        let Some(device) = self.registry.device_mut(identity) else {
            return Verdict::Close("the device was removed");
        };
        if !device.rate.admits(at.now, per_second) {
            return Verdict::Drop("more messages in a second than a device may send");
        }
        if message.payload.len() > PAYLOAD_BYTES {
            return Verdict::Drop("the payload is over 16 KiB");
        }
        if message.retain {
            return Verdict::Drop("the platform retains no messages");
        }
        let Some(classes) = self.registry.classes(identity.product()) else {
            return Verdict::Close("the product was removed");
        };
        match topics::publish(identity, classes, message.topic) {
            Ok(Route::CloudAndSelf) => Verdict::Accept,
            Ok(Route::Cloud) => Verdict::AcceptSilently,
            Err(why) => Verdict::Drop(why),
        }
    }

    fn on_publish(&mut self, at: At, identity: &DeviceId, message: &Message<'_>, out: &mut Outbox) {
        if message.topic == time::request_topic(identity)
            && let Some(answer) = time::answer(at.wall, message.payload)
        {
            let target = Target::Subscriber(identity.client_id());
            out.send(target, time::answer_topic(identity), answer, QoS::AtMostOnce);
        }
        self.messages = self.messages.wrapping_add(1);
        let request_id = format!("{:016x}", self.messages);
        let published = Published {
            topic: message.topic,
            payload: message.payload,
            qos: message.qos,
            product_id: identity.product(),
            device_name: identity.name(),
            request_id: &request_id,
            now: at.wall.seconds(),
        };
        self.forwarding.offer(&self.registry, &published, &mut self.rng, out);
    }
}

//! What a device tells: a message with its properties, checked against the hub's bounds before it is queued (§3.1).

use super::{
    limits,
    properties::{self, System},
    topic::{Topic, Whose},
};
use crate::{
    cloud::Cx,
    io::{Rejected, Tag},
    link::{Lane, Publish, QoS},
};
use alloc::{borrow::Cow, string::String, string::ToString as _, vec::Vec};
use core::time::Duration;
use serde_json::Value;

/// A message to the cloud. With its properties at most 256 KiB.
///
/// ```
/// use skytether_core::azure::Telemetry;
/// use serde_json::json;
///
/// let message = Telemetry::json(&json!({"temperature": 21.5})).component("thermostat1").property("room", "7");
/// # let _ = message;
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Telemetry {
    payload: Cow<'static, [u8]>,
    system: Vec<(System, String)>,
    properties: Vec<(String, Option<String>)>,
    qos: QoS,
    ttl: Option<Duration>,
}

impl Telemetry {
    /// Bytes of any kind, at QoS 1.
    pub fn bytes(payload: impl Into<Cow<'static, [u8]>>) -> Self {
        let (payload, qos) = (payload.into(), QoS::AtLeastOnce);
        Self { payload, system: Vec::new(), properties: Vec::new(), qos, ttl: None }
    }

    /// JSON, said to be so: content type `application/json`, encoding `utf-8`. Routing by content needs both.
    pub fn json(value: &Value) -> Self {
        Self::bytes(value.to_string().into_bytes())
            .system(System::ContentType, "application/json")
            .system(System::ContentEncoding, "utf-8")
    }

    /// Names the component of the model that the values are of.
    #[must_use]
    pub fn component(self, name: impl Into<String>) -> Self {
        self.system(System::Component, name)
    }

    /// Names the output of an Edge module that the message leaves by.
    #[must_use]
    pub fn output(self, name: impl Into<String>) -> Self {
        self.system(System::Output, name)
    }

    /// Sets a system property, in place of what was set before.
    #[must_use]
    pub fn system(mut self, key: System, value: impl Into<String>) -> Self {
        self.system.retain(|(known, _)| *known != key);
        self.system.push((key, value.into()));
        self
    }

    /// Adds a property of the application's own.
    #[must_use]
    pub fn property(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.properties.push((name.into(), Some(value.into())));
        self
    }

    /// Adds a property without a value.
    #[must_use]
    pub fn flag(mut self, name: impl Into<String>) -> Self {
        self.properties.push((name.into(), None));
        self
    }

    /// Sends it at this quality of service: 0 or 1.
    #[must_use]
    pub fn qos(self, qos: QoS) -> Self {
        Self { qos, ..self }
    }

    /// Gives it up after so long in the queue.
    #[must_use]
    pub fn ttl(self, ttl: Duration) -> Self {
        Self { ttl: Some(ttl), ..self }
    }

    /// The topic on which a device or module sends it.
    ///
    /// # Errors
    /// [`Rejected::Invalid`] where a property breaks a rule.
    pub fn topic(&self, whose: Whose<'_>) -> Result<String, Rejected> {
        Ok(Topic::Events(whose, self.bag()?).to_string())
    }

    /// The property bag, checked.
    fn bag(&self) -> Result<properties::Properties, Rejected> {
        for (key, value) in &self.system {
            let id = matches!(key, System::MessageId | System::CorrelationId);
            if value.is_empty() || value.contains('\0') || id && value.len() > limits::MESSAGE_ID {
                return Err(Rejected::Invalid("a system property is a text; ids have 1 to 128 bytes"));
            }
        }
        for (at, (name, value)) in self.properties.iter().enumerate() {
            if name.is_empty() || name.starts_with(System::PREFIX) {
                return Err(Rejected::Invalid("a property has a name, which does not begin with `$.`"));
            }
            if name.contains('\0') || value.as_ref().is_some_and(|value| value.contains('\0')) {
                return Err(Rejected::Invalid("a property holds no U+0000"));
            }
            if self.properties.iter().take(at).any(|(known, _)| known == name) {
                return Err(Rejected::Invalid("each property of a message has a name of its own"));
            }
        }
        if self.system.len().saturating_add(self.properties.len()) > limits::PAIRS {
            return Err(Rejected::Invalid("a message has at most 64 properties"));
        }
        let system: Vec<_> = self.system.iter().map(|(key, value)| (*key, value.as_str())).collect();
        let own: Vec<_> = self.properties.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
        Ok(properties::outgoing(&system, &own))
    }

    /// Hands it to the link, for `tag`.
    ///
    /// # Errors
    /// [`Rejected::Invalid`] against a bound, [`Rejected::Unsupported`] at a QoS that the hub or the link does not have;
    /// what the link says.
    pub(super) fn publish(&self, cx: &mut Cx<'_>, tag: Tag, whose: Whose<'_>) -> Result<(), Rejected> {
        if self.qos == QoS::ExactlyOnce {
            return Err(Rejected::Unsupported("QoS 2; the platform takes 0 and 1"));
        }
        if self.qos > cx.link.abilities().qos {
            return Err(Rejected::Unsupported("QoS 1 by this link"));
        }
        let bag = self.bag()?;
        if self.payload.len().saturating_add(bag.size()) > limits::MESSAGE {
            return Err(Rejected::Invalid("the message is larger than the platform's 256 KiB, properties included"));
        }
        let bag = bag.to_string();
        let [devices, device, modules, module, events] = whose.events();
        let (payload, qos, ttl) = (&*self.payload, self.qos, self.ttl);
        let topic = [devices, device, modules, module, events, &bag];
        cx.link.publish(cx.now, Publish { tag, lane: Lane::App, topic: &topic, payload, qos, retain: false, ttl })
    }
}

//! What has a device sent? Each message with its properties, as an application reads it from the hub.

use super::{identity::Identity, text::Pairs};
use skytether_core::{link::Message, time::UnixMillis};

/// Largest message, in bytes: body, values of system properties, names and values of the others.
pub(super) const BYTES: usize = 256 * 1024;

/// Messages kept until someone takes them; older ones are dropped.
pub(super) const KEPT: usize = 10_000;

/// A message of a device's.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Telemetry {
    /// Who sent it.
    pub identity: Identity,
    /// When the hub had it.
    pub at: UnixMillis,
    /// The body.
    pub body: Vec<u8>,
    /// The system properties, names beginning with `$.`, in the order sent.
    pub system: Vec<(String, Option<String>)>,
    /// The properties of the application, in the order sent. A retained message has `mqtt-retain`, a will
    /// `iothub-MessageType`.
    pub properties: Vec<(String, Option<String>)>,
}

impl Telemetry {
    pub(super) fn new(identity: &Identity, at: UnixMillis, bag: Pairs, message: &Message<'_>, will: bool) -> Self {
        let (system, mut properties): (Vec<_>, Vec<_>) = bag.into_iter().partition(|(name, _)| name.starts_with("$."));
        if message.retain {
            properties.push(("mqtt-retain".to_owned(), Some("true".to_owned())));
        }
        if will {
            properties.push(("iothub-MessageType".to_owned(), Some("Will".to_owned())));
        }
        Self { identity: identity.clone(), at, body: message.payload.to_vec(), system, properties }
    }

    /// The value of a property, of the system's or the application's.
    pub fn property(&self, name: &str) -> Option<&str> {
        let all = self.system.iter().chain(&self.properties);
        all.into_iter().find(|(known, _)| known == name).map(|(_, value)| value.as_deref().unwrap_or_default())
    }
}

/// Bytes that a message counts for.
pub(super) fn weight(bag: &Pairs, body: &[u8]) -> usize {
    let pair = |(name, value): &(String, Option<String>)| {
        let name = if name.starts_with("$.") { 0 } else { name.len() };
        name.saturating_add(value.as_deref().map_or(0, str::len))
    };
    bag.iter().map(pair).sum::<usize>().saturating_add(body.len())
}

//! Which message a topic keeps for those who subscribe later (MQTT 3.3.1.3).

use super::{Config, session::Parcel};
use skytether_core::{link::QoS, mqtt::topic};
use std::{collections::BTreeMap, sync::Arc};

/// The retained messages, at most so many.
#[derive(Debug, Default)]
pub(super) struct Retained {
    messages: BTreeMap<Box<str>, (Arc<Parcel>, QoS)>,
    weight: usize,
}

impl Retained {
    /// Keeps a message in place of the topic's last one; an empty one deletes it. Says why it was not kept.
    pub(super) fn put(&mut self, parcel: &Arc<Parcel>, qos: QoS, config: &Config) -> Result<(), &'static str> {
        if let Some((old, _)) = self.messages.remove(&parcel.topic) {
            self.weight = self.weight.saturating_sub(old.weight());
        }
        if parcel.payload.is_empty() {
            return Ok(());
        }
        let weight = self.weight.saturating_add(parcel.weight());
        if self.messages.len() >= config.retained || weight > config.retained_bytes {
            return Err("not retained: too many retained messages");
        }
        self.weight = weight;
        self.messages.insert(parcel.topic.clone(), (Arc::clone(parcel), qos));
        Ok(())
    }

    /// The messages for a new subscription, in order of their topics.
    pub(super) fn matching(&self, filter: &str) -> Vec<(Arc<Parcel>, QoS)> {
        let found = self.messages.iter().filter(|(name, _)| topic::matches(filter, name));
        found.map(|(_, message)| message.clone()).collect()
    }
}

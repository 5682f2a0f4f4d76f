//! Who has subscribed to a topic: every filter of every session, found from the topic.

use skytether_core::{link::QoS, mqtt::topic};
use std::{collections::BTreeMap, sync::Arc};

/// The granted QoS of each client that holds a filter.
type Holders = BTreeMap<Arc<str>, QoS>;

/// All subscriptions. Filters without wildcards are looked up, the others are tried one by one.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    exact: BTreeMap<Box<str>, Holders>,
    wild: BTreeMap<Box<str>, Holders>,
}

impl Subscriptions {
    /// Adds a subscription, or replaces the client's equal one (3.8.4-3).
    pub(super) fn add(&mut self, client: &Arc<str>, filter: &str, qos: QoS) {
        self.table(filter).entry(filter.into()).or_default().insert(Arc::clone(client), qos);
    }

    pub(super) fn remove(&mut self, client: &str, filter: &str) {
        let table = self.table(filter);
        if let Some(holders) = table.get_mut(filter) {
            holders.remove(client);
            if holders.is_empty() {
                table.remove(filter);
            }
        }
    }

    /// Every client with a matching filter, once, at the highest QoS of its matching filters (3.3.5-1).
    pub(super) fn matching(&self, name: &str) -> Holders {
        let wild = self.wild.iter().filter(|(filter, _)| topic::matches(filter, name)).map(|(_, holders)| holders);
        let mut found = Holders::new();
        for (client, qos) in self.exact.get(name).into_iter().chain(wild).flatten() {
            let best = found.entry(Arc::clone(client)).or_insert(*qos);
            *best = (*best).max(*qos);
        }
        found
    }

    fn table(&mut self, filter: &str) -> &mut BTreeMap<Box<str>, Holders> {
        if filter.contains(['+', '#']) { &mut self.wild } else { &mut self.exact }
    }
}

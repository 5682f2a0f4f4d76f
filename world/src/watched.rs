//! What the cloud's side got to know: a policy that keeps another's decisions and writes down what was accepted.

use skytether_core::{
    io::Deadline,
    link::{Connect, Message, QoS},
    time::Instant,
};
use skytether_simulator::broker::policy::{At, Denial, Limits, Outbox, Peer, Policy, Settled, Verdict};
use std::collections::{BTreeMap, BTreeSet};

/// A message that the broker accepted from a client: once, however often the client repeated it at QoS 2.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "a record that tests compare")]
pub struct Heard {
    /// When.
    pub at: Instant,
    /// Client id.
    pub client: String,
    /// Topic name.
    pub topic: String,
    /// Payload.
    pub payload: Vec<u8>,
    /// Quality of service.
    pub qos: QoS,
}

/// A policy that is listened to.
#[derive(Debug)]
pub struct Watched<P> {
    inner: P,
    heard: Vec<Heard>,
    filters: BTreeMap<String, BTreeSet<String>>,
    dials: Vec<(Instant, String)>,
}

impl<P: Policy> Watched<P> {
    /// Listens to `inner`.
    pub fn new(inner: P) -> Self {
        Self { inner, heard: Vec::new(), filters: BTreeMap::new(), dials: Vec::new() }
    }

    /// The policy itself.
    pub fn inner(&self) -> &P {
        &self.inner
    }

    /// The policy itself, to change what it decides from now on.
    pub fn inner_mut(&mut self) -> &mut P {
        &mut self.inner
    }

    fn hear(&mut self, at: At, client: &str, message: &Message<'_>) {
        self.heard.push(Heard {
            at: at.now,
            client: client.to_owned(),
            topic: message.topic.to_owned(),
            payload: message.payload.to_vec(),
            qos: message.qos,
        });
    }

    pub(crate) fn take_heard(&mut self) -> Vec<Heard> {
        core::mem::take(&mut self.heard)
    }

    pub(crate) fn take_dials(&mut self) -> Vec<(Instant, String)> {
        core::mem::take(&mut self.dials)
    }

    pub(crate) fn is_subscribed(&self, client: &str, filter: &str) -> bool {
        self.filters.get(client).is_some_and(|filters| filters.contains(filter))
    }

    pub(crate) fn forget(&mut self, client: &str) {
        self.filters.remove(client);
    }
}

impl<P: Policy> Policy for Watched<P> {
    type Identity = (String, P::Identity);

    fn limits(&self) -> Limits {
        self.inner.limits()
    }

    fn authenticate(&mut self, at: At, connect: &Connect, peer: &Peer) -> Result<Self::Identity, Denial> {
        self.dials.push((at.now, connect.client_id.clone()));
        let identity = self.inner.authenticate(at, connect, peer)?;
        if connect.clean_session {
            self.filters.remove(&connect.client_id);
        }
        Ok((connect.client_id.clone(), identity))
    }

    fn session(&self, (_, identity): &Self::Identity, client_id: &str) -> String {
        self.inner.session(identity, client_id)
    }

    fn is_clean(&self, (_, identity): &Self::Identity, asked: bool) -> bool {
        self.inner.is_clean(identity, asked)
    }

    fn first_packet_id(&self, (_, identity): &Self::Identity) -> u16 {
        self.inner.first_packet_id(identity)
    }

    fn may_subscribe(&mut self, at: At, (_, identity): &Self::Identity, filter: &str, qos: QoS) -> Option<QoS> {
        self.inner.may_subscribe(at, identity, filter, qos)
    }

    fn unsubscribes(&self, (_, identity): &Self::Identity, filter: &str, held: &str) -> bool {
        self.inner.unsubscribes(identity, filter, held)
    }

    fn may_publish(&mut self, at: At, (_, identity): &Self::Identity, message: &Message<'_>) -> Verdict {
        self.inner.may_publish(at, identity, message)
    }

    fn on_publish(&mut self, at: At, (client, identity): &Self::Identity, message: &Message<'_>, out: &mut Outbox) {
        self.hear(at, client, message);
        self.inner.on_publish(at, identity, message, out);
    }

    fn on_will(&mut self, at: At, (client, identity): &Self::Identity, message: &Message<'_>, out: &mut Outbox) {
        self.hear(at, client, message);
        self.inner.on_will(at, identity, message, out);
    }

    fn on_session(&mut self, at: At, (_, identity): &Self::Identity, present: bool) {
        self.inner.on_session(at, identity, present);
    }

    fn on_unsubscribed(&mut self, at: At, (_, identity): &Self::Identity, filter: &str) {
        self.inner.on_unsubscribed(at, identity, filter);
    }

    fn on_settled(&mut self, at: At, session: &str, topic: &str, settled: Settled, out: &mut Outbox) {
        self.inner.on_settled(at, session, topic, settled, out);
    }

    fn on_connected(&mut self, at: At, (_, identity): &Self::Identity, connect: &Connect, out: &mut Outbox) {
        self.inner.on_connected(at, identity, connect, out);
    }

    fn on_subscribed(
        &mut self,
        at: At,
        (client, identity): &Self::Identity,
        filter: &str,
        granted: QoS,
        out: &mut Outbox,
    ) {
        self.filters.entry(client.clone()).or_default().insert(filter.to_owned());
        self.inner.on_subscribed(at, identity, filter, granted, out);
    }

    fn on_disconnected(&mut self, at: At, (_, identity): &Self::Identity, orderly: bool, out: &mut Outbox) {
        self.inner.on_disconnected(at, identity, orderly, out);
    }

    fn deadline(&self) -> Option<Deadline> {
        self.inner.deadline()
    }

    fn on_time(&mut self, at: At, out: &mut Outbox) {
        self.inner.on_time(at, out);
    }
}

//! What a policy says: messages of the cloud to topics or to one client, and clients it throws out.

use skytether_core::link::QoS;
use std::collections::VecDeque;

/// A message of the cloud's own, to be sent.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "the broker takes it apart, tests of policies compare it")]
pub struct Outgoing {
    /// Topic name; a message with an invalid one is dropped.
    pub topic: String,
    /// Payload.
    pub payload: Vec<u8>,
    /// Quality of service, lowered to what the receiver was granted.
    pub qos: QoS,
    /// Whether the broker keeps it for later subscribers.
    pub retain: bool,
}

/// Whom a message of the cloud is for.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "the broker and tests of policies match it")]
pub enum Target {
    /// Everyone who has subscribed.
    Subscribers,
    /// The client with this client id, if one of its subscriptions matches.
    Subscriber(String),
    /// The client with this client id, subscribed or not, while it is connected or has a session.
    Client(String),
}

/// One thing that a policy asks of the broker.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "the broker and tests of policies match it")]
pub enum Direct {
    /// Send this message.
    Send(Target, Outgoing),
    /// Close the connection of the client with this client id; the text goes to the trace.
    Kick(String, &'static str),
}

/// Takes down, in order, what a policy wants done.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Outbox {
    items: VecDeque<Direct>,
}

impl Outbox {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Publishes to everyone who has subscribed, not retained.
    pub fn publish(&mut self, topic: impl Into<String>, payload: impl Into<Vec<u8>>, qos: QoS) {
        self.send(Target::Subscribers, topic, payload, qos);
    }

    /// Sends to one target, not retained.
    pub fn send(&mut self, target: Target, topic: impl Into<String>, payload: impl Into<Vec<u8>>, qos: QoS) {
        let message = Outgoing { topic: topic.into(), payload: payload.into(), qos, retain: false };
        self.push(Direct::Send(target, message));
    }

    /// Closes the connection of a client.
    pub fn kick(&mut self, client_id: impl Into<String>, why: &'static str) {
        self.push(Direct::Kick(client_id.into(), why));
    }

    /// Adds anything.
    pub fn push(&mut self, item: Direct) {
        self.items.push_back(item);
    }

    /// Takes the oldest thing out.
    pub fn pop(&mut self) -> Option<Direct> {
        self.items.pop_front()
    }
}

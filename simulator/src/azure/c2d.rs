//! Which messages wait for a device, and what became of those that do not?

use super::{identity::Identity, text};
use skytether_core::time::UnixMillis;
use std::collections::VecDeque;

/// Most messages that may wait for one device.
const QUEUE: usize = 50;
/// Largest message, in bytes: body, names and values.
const BYTES: usize = 64 * 1024;
/// How often one is delivered at most.
pub(super) const DELIVERIES: u16 = 10;
/// How long one waits unless it says otherwise, in milliseconds: one hour.
const LIFE: u64 = 60 * 60 * 1000;

/// A message from the cloud to a device.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[allow(clippy::exhaustive_structs, reason = "the service's side writes `C2d { body, ..C2d::default() }`")]
pub struct C2d {
    /// The body, of any bytes.
    pub body: Vec<u8>,
    /// `$.mid`; one is made if there is none.
    pub message_id: Option<String>,
    /// `$.cid`
    pub correlation_id: Option<String>,
    /// `$.ct`
    pub content_type: Option<String>,
    /// `$.ce`
    pub content_encoding: Option<String>,
    /// The properties; `None` is written as a name without `=`.
    pub properties: Vec<(String, Option<String>)>,
    /// Whether [`Feedback`] is wanted: `iothub-ack`.
    pub ack: bool,
    /// How long it may wait, in milliseconds. Default one hour.
    pub life: Option<u64>,
}

impl C2d {
    fn len(&self) -> usize {
        let of = |text: &Option<String>| text.as_deref().map_or(0, str::len);
        let pair = |(name, value): &(String, Option<String>)| name.len().saturating_add(of(value));
        let system = [&self.message_id, &self.correlation_id, &self.content_type, &self.content_encoding];
        self.body.len() + system.into_iter().map(of).sum::<usize>() + self.properties.iter().map(pair).sum::<usize>()
    }

    fn topic(&self, device: &str, expiry: UnixMillis) -> String {
        let to = format!("/devices/{device}/messages/devicebound");
        let expiry = self.life.map(|_| text::timestamp(expiry));
        let system = [
            ("$.mid", self.message_id.as_deref()),
            ("$.cid", self.correlation_id.as_deref()),
            ("$.to", Some(to.as_str())),
            ("$.ct", self.content_type.as_deref()),
            ("$.ce", self.content_encoding.as_deref()),
            ("$.exp", expiry.as_deref()),
            ("iothub-ack", self.ack.then_some("full")),
        ];
        let system = system.into_iter().filter_map(|(name, value)| Some((name, Some(value?))));
        let own = self.properties.iter().map(|(name, value)| (name.as_str(), value.as_deref()));
        let pair = |(name, value): (&str, Option<&str>)| match value {
            Some(value) => format!("{}={}", text::encode(name), text::encode(value)),
            None => text::encode(name),
        };
        let bag: Vec<_> = system.chain(own).map(pair).collect();
        format!("devices/{device}/messages/devicebound/{}", bag.join("&"))
    }
}

/// How a message has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "the platform has no more")]
pub enum Fate {
    /// The device has acknowledged it.
    Completed,
    /// It waited too long.
    Expired,
    /// It was delivered ten times and not acknowledged.
    DeliveriesExceeded,
}

/// What became of a message that asked for it.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "a record that tests compare")]
pub struct Feedback {
    /// The device.
    pub identity: Identity,
    /// The message.
    pub message_id: String,
    /// Its end.
    pub fate: Fate,
}

/// A message that waits.
#[derive(Clone, Debug)]
struct Waiting {
    topic: String,
    message: C2d,
    expiry: UnixMillis,
    /// Whether the broker has it.
    given: bool,
    deliveries: u16,
}

/// The queue of one device.
#[derive(Clone, Debug, Default)]
pub(super) struct Queue {
    waiting: VecDeque<Waiting>,
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= QUEUE
    }

    /// Takes a message in; false: it is too large.
    pub(super) fn push(&mut self, device: &str, wall: UnixMillis, message: C2d) -> bool {
        let expiry = UnixMillis(wall.0.saturating_add(message.life.unwrap_or(LIFE)));
        let topic = message.topic(device, expiry);
        let fits = message.len() <= BYTES && u16::try_from(topic.len()).is_ok();
        if fits {
            self.waiting.push_back(Waiting { topic, message, expiry, given: false, deliveries: 0 });
        }
        fits
    }

    /// What goes to the broker now; what has waited too long or was delivered too often goes to `ended`.
    pub(super) fn give(&mut self, wall: UnixMillis, mut ended: impl FnMut(C2d, Fate)) -> Vec<(String, Vec<u8>)> {
        let mut given = Vec::new();
        let mut kept = VecDeque::new();
        for mut waiting in self.waiting.drain(..) {
            if !waiting.given && waiting.expiry <= wall {
                ended(waiting.message, Fate::Expired);
                continue;
            }
            if !waiting.given && waiting.deliveries >= DELIVERIES {
                ended(waiting.message, Fate::DeliveriesExceeded);
                continue;
            }
            if !waiting.given {
                waiting.given = true;
                given.push((waiting.topic.clone(), waiting.message.body.clone()));
            }
            kept.push_back(waiting);
        }
        self.waiting = kept;
        given
    }

    /// The broker's session is gone, and what it had with it.
    pub(super) fn take_back(&mut self) {
        for waiting in self.waiting.iter_mut().filter(|waiting| waiting.given) {
            waiting.given = false;
            waiting.deliveries = waiting.deliveries.saturating_add(1);
        }
    }

    /// A message has come to its end with the broker.
    pub(super) fn settle(&mut self, topic: &str) -> Option<C2d> {
        let at = self.waiting.iter().position(|waiting| waiting.given && waiting.topic == topic)?;
        self.waiting.remove(at).map(|waiting| waiting.message)
    }
}

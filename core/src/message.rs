//! What a message is once it has left the receive buffer: one owned block, topic and payload side by side.

use crate::link::{Message, QoS};
use alloc::{boxed::Box, vec::Vec};
use core::fmt;

/// A message that came in, owned: one allocation, one copy.
#[derive(Clone, PartialEq, Eq)]
pub struct Received {
    bytes: Box<[u8]>,
    split: usize,
    qos: QoS,
    retain: bool,
    dup: bool,
}

impl Received {
    /// Topic name.
    pub fn topic(&self) -> &str {
        self.bytes.get(..self.split).and_then(|topic| core::str::from_utf8(topic).ok()).unwrap_or_default()
    }

    /// Payload.
    pub fn payload(&self) -> &[u8] {
        self.bytes.get(self.split..).unwrap_or_default()
    }

    /// Quality of service of this delivery.
    pub fn qos(&self) -> QoS {
        self.qos
    }

    /// Whether it was stored on the server before we subscribed.
    pub fn retain(&self) -> bool {
        self.retain
    }

    /// Whether the server says that it sends it again.
    pub fn dup(&self) -> bool {
        self.dup
    }
}

impl From<Message<'_>> for Received {
    fn from(message: Message<'_>) -> Self {
        let mut bytes = Vec::with_capacity(message.topic.len().saturating_add(message.payload.len()));
        bytes.extend_from_slice(message.topic.as_bytes());
        bytes.extend_from_slice(message.payload);
        Self {
            bytes: bytes.into_boxed_slice(),
            split: message.topic.len(),
            qos: message.qos,
            retain: message.retain,
            dup: message.dup,
        }
    }
}

impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Received")
            .field("topic", &self.topic())
            .field("payload_len", &self.payload().len())
            .field("qos", &self.qos)
            .field("retain", &self.retain)
            .field("dup", &self.dup)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topic_and_payload_come_back_as_they_came_in() {
        let message = Message { topic: "a/ä", payload: &[0, 255], qos: QoS::AtLeastOnce, retain: true, dup: false };
        let owned = Received::from(message);
        assert_eq!((owned.topic(), owned.payload()), ("a/ä", &[0, 255][..]));
        assert_eq!((owned.qos(), owned.retain(), owned.dup()), (QoS::AtLeastOnce, true, false));
    }
}

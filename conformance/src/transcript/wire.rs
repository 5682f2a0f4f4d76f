//! Is what the client sends possible at all? Whole packets, and no packet id used twice at a time.

use crate::hex_of;
use skytether_core::mqtt::codec::{Packet, decode};
use std::collections::BTreeSet;

/// What has passed over one connection.
#[derive(Default)]
pub(super) struct Wire {
    sent: Vec<u8>,
    received: Vec<u8>,
    in_use: BTreeSet<u16>,
    /// What came in is no stream of packets, as some cases want it.
    broken: bool,
}

impl Wire {
    /// Looks at bytes that the client sends.
    pub(super) fn sent(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.sent.extend_from_slice(bytes);
        loop {
            let (packet, len) = match decode(&self.sent, usize::MAX) {
                Ok(None) => return Ok(()),
                Ok(Some(found)) => found,
                Err(error) => return Err(format!("the client sends no packet ({error}): {}", hex_of(&self.sent))),
            };
            let fresh = match packet {
                Packet::Publish(publish) => {
                    let id = publish.delivery.id();
                    // A message sent again keeps its id.
                    if let (Some(id), true) = (id, publish.dup) {
                        self.in_use.insert(id.get());
                    }
                    id.filter(|_| !publish.dup)
                }
                Packet::Subscribe(subscribe) => Some(subscribe.id),
                Packet::Unsubscribe(unsubscribe) => Some(unsubscribe.id),
                _ => None,
            };
            if let Some(id) = fresh
                && !self.in_use.insert(id.get())
            {
                return Err(format!("packet id {} is used while it is in use", id.get()));
            }
            self.sent.drain(..len);
        }
    }

    /// Looks at bytes that the server sends.
    pub(super) fn received(&mut self, bytes: &[u8]) {
        if self.broken {
            return;
        }
        self.received.extend_from_slice(bytes);
        loop {
            let (packet, len) = match decode(&self.received, usize::MAX) {
                Ok(None) => return,
                Ok(Some(found)) => found,
                Err(_) => {
                    self.broken = true;
                    return;
                }
            };
            match packet {
                Packet::PubAck(id) | Packet::PubComp(id) | Packet::UnsubAck(id) => _ = self.in_use.remove(&id.get()),
                Packet::SubAck(suback) => _ = self.in_use.remove(&suback.id.get()),
                _ => {}
            }
            self.received.drain(..len);
        }
    }
}

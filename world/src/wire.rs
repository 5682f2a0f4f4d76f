//! What a device says on the wire, read with the codec: packets in their place, and packet ids that are not 0 and not in
//! use.

use core::time::Duration;
use skytether_core::{
    mqtt::codec::{self, Packet, Publish},
    time::Instant,
};
use std::collections::BTreeMap;

/// What an id is in use for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Use {
    /// A message with this fingerprint.
    Message(u64),
    /// A SUBSCRIBE or UNSUBSCRIBE, since then.
    Request(Instant),
}

/// How long a request may hold its id: its answer is not waited for any longer.
const REQUEST: Duration = Duration::from_secs(30);

/// A reader of both directions, as the device sees them.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    said: Vec<u8>,
    heard: Vec<u8>,
    /// CONNECT was sent on this connection, and CONNACK 0 has come.
    greeted: bool,
    welcome: bool,
    farewell: bool,
    ids: BTreeMap<u16, Use>,
    hello: Option<Vec<u8>>,
    client_id: String,
}

/// A rule and what was seen instead.
pub(crate) type Finding = (&'static str, String);

impl Wire {
    /// The last CONNECT, as it was sent.
    pub(crate) fn hello(&self) -> Option<&[u8]> {
        self.hello.as_deref()
    }

    /// The client id that it named.
    pub(crate) fn client_id(&self) -> &str {
        &self.client_id
    }

    /// A new connection.
    pub(crate) fn opened(&mut self) {
        self.said.clear();
        self.heard.clear();
        (self.greeted, self.welcome, self.farewell) = (false, false, false);
        self.ids.retain(|_, used| matches!(used, Use::Message(_)));
    }

    /// The device has forgotten all it had sent.
    pub(crate) fn forget(&mut self) {
        self.ids.clear();
    }

    /// The device handed bytes over.
    pub(crate) fn said(&mut self, now: Instant, bytes: &[u8]) -> Result<(), Finding> {
        self.said.extend_from_slice(bytes);
        let said = core::mem::take(&mut self.said);
        let mut used = 0;
        loop {
            match codec::decode(said.get(used..).unwrap_or_default(), usize::MAX) {
                Ok(Some((packet, len))) => {
                    let whole = said.get(used..used + len).unwrap_or_default();
                    self.out(now, &packet, whole)?;
                    used += len;
                }
                Ok(None) => break,
                Err(error) => return Err(("R-7", format!("the device sent what is no packet: {error:?}"))),
            }
        }
        self.said = said;
        self.said.drain(..used);
        Ok(())
    }

    /// The device is about to get bytes. What is no packet is the device's to judge.
    pub(crate) fn hears(&mut self, bytes: &[u8]) {
        self.heard.extend_from_slice(bytes);
        let heard = core::mem::take(&mut self.heard);
        let mut used = 0;
        while let Ok(Some((packet, len))) = codec::decode(heard.get(used..).unwrap_or_default(), usize::MAX) {
            self.come(&packet);
            used += len;
        }
        self.heard = heard;
        self.heard.drain(..used);
    }

    fn out(&mut self, now: Instant, packet: &Packet<'_>, whole: &[u8]) -> Result<(), Finding> {
        if self.farewell {
            return Err(("R-8", format!("after DISCONNECT came {packet:?}")));
        }
        if let Packet::Connect(connect) = packet {
            if core::mem::replace(&mut self.greeted, true) {
                return Err(("R-8", "a second CONNECT".to_owned()));
            }
            self.hello = Some(whole.to_vec());
            connect.client_id.clone_into(&mut self.client_id);
            return Ok(());
        }
        if !self.welcome {
            return Err(("R-8", format!("before CONNACK came {packet:?}")));
        }
        match packet {
            Packet::Publish(publish) => self.publish(now, publish),
            Packet::Subscribe(subscribe) => self.request(now, subscribe.id.get()),
            Packet::Unsubscribe(unsubscribe) => self.request(now, unsubscribe.id.get()),
            Packet::Disconnect => {
                self.farewell = true;
                Ok(())
            }
            Packet::PubAck(_)
            | Packet::PubRec(_)
            | Packet::PubRel(_)
            | Packet::PubComp(_)
            | Packet::PingReq
            | Packet::Connect(_) => Ok(()),
            Packet::ConnAck(_) | Packet::SubAck(_) | Packet::UnsubAck(_) | Packet::PingResp => {
                Err(("R-8", format!("a client never sends {packet:?}")))
            }
        }
    }

    fn publish(&mut self, now: Instant, publish: &Publish<'_>) -> Result<(), Finding> {
        let Some(id) = publish.delivery.id().map(codec::PacketId::get) else { return Ok(()) };
        let print = fingerprint(publish);
        let fits = match self.holder(now, id) {
            None => true,
            Some(Use::Message(held)) => publish.dup && held == print,
            Some(Use::Request(_)) => false,
        };
        if !fits {
            return Err(("R-7", format!("packet id {id} is in use: {:?}, dup {}", publish.topic, publish.dup)));
        }
        self.ids.insert(id, Use::Message(print));
        Ok(())
    }

    fn request(&mut self, now: Instant, id: u16) -> Result<(), Finding> {
        if self.holder(now, id).is_some() {
            return Err(("R-7", format!("packet id {id} is in use")));
        }
        self.ids.insert(id, Use::Request(now));
        Ok(())
    }

    fn holder(&self, now: Instant, id: u16) -> Option<Use> {
        self.ids.get(&id).copied().filter(|used| match used {
            Use::Message(_) => true,
            Use::Request(since) => now.since(*since) < REQUEST,
        })
    }

    fn come(&mut self, packet: &Packet<'_>) {
        match packet {
            Packet::ConnAck(ack) if ack.refusal.is_none() => {
                self.welcome = true;
                if !ack.session_present {
                    self.ids.clear();
                }
            }
            Packet::PubAck(id) | Packet::PubComp(id) | Packet::UnsubAck(id) => drop(self.ids.remove(&id.get())),
            Packet::SubAck(ack) => drop(self.ids.remove(&ack.id.get())),
            Packet::Connect(_)
            | Packet::ConnAck(_)
            | Packet::Publish(_)
            | Packet::PubRec(_)
            | Packet::PubRel(_)
            | Packet::Subscribe(_)
            | Packet::Unsubscribe(_)
            | Packet::PingReq
            | Packet::PingResp
            | Packet::Disconnect => {}
        }
    }
}

/// Tells messages apart (FNV-1a over topic and payload).
fn fingerprint(publish: &Publish<'_>) -> u64 {
    let bytes = publish.topic.bytes().chain([0]).chain(publish.payload.iter().copied());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: &[u8] = b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x00\x00\x01a";
    const WELCOME: &[u8] = b"\x20\x02\x00\x00";

    fn up() -> Wire {
        let mut wire = Wire::default();
        wire.opened();
        wire.said(Instant(0), HELLO).unwrap();
        wire.hears(WELCOME);
        wire
    }

    fn rule(found: Result<(), Finding>) -> &'static str {
        found.unwrap_err().0
    }

    #[test]
    fn an_id_in_use_may_come_again_for_the_same_message_only() {
        let mut wire = up();
        wire.said(Instant(0), b"\x32\x06\x00\x01t\x00\x07x").unwrap();
        assert_eq!(rule(wire.said(Instant(0), b"\x32\x06\x00\x01t\x00\x07y")), "R-7");
        let mut wire = up();
        wire.said(Instant(0), b"\x32\x06\x00\x01t\x00\x07x").unwrap();
        wire.said(Instant(0), b"\x3a\x06\x00\x01t\x00\x07x").unwrap();
        wire.hears(b"\x40\x02\x00\x07");
        wire.said(Instant(0), b"\x32\x06\x00\x01t\x00\x07y").unwrap();
    }

    #[test]
    fn an_id_of_zero_is_found() {
        assert_eq!(rule(up().said(Instant(0), b"\x32\x06\x00\x01t\x00\x00x")), "R-7");
    }

    #[test]
    fn nothing_goes_before_connack_or_after_disconnect() {
        let mut wire = Wire::default();
        wire.said(Instant(0), HELLO).unwrap();
        assert_eq!(rule(wire.said(Instant(0), b"\xc0\x00")), "R-8");
        let mut wire = up();
        wire.said(Instant(0), b"\xe0\x00").unwrap();
        assert_eq!(rule(wire.said(Instant(0), b"\xc0\x00")), "R-8");
        assert_eq!(rule(up().said(Instant(0), HELLO)), "R-8");
    }
}

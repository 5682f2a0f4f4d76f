//! How is a decoded packet written again? The way back from every packet to its bytes.

use skytether_core::{
    link::{self, QoS, Will},
    mqtt::codec::{
        self, AckKind, DISCONNECT, Delivery, Outgoing, PINGREQ, PINGRESP, Packet, PacketId, ack, connect_append,
        suback_append, subscribe_append, unsubscribe_append,
    },
    secret::Secret,
};

/// The packet on the wire.
pub(crate) fn encode(packet: &Packet<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    match packet {
        Packet::Connect(connect) => connect_append(&mut out, &owned(connect)).expect("what was read can be written"),
        Packet::ConnAck(connack) => out.extend(connack.encode()),
        Packet::Publish(publish) => {
            let topic = [publish.topic];
            let codec::Publish { payload, delivery, dup, retain, .. } = *publish;
            let message = Outgoing { topic: &topic, payload, delivery, dup, retain };
            let measured = message.measure().expect("what was read can be measured");
            message.append(measured, &mut out);
            assert_eq!(measured.len, out.len(), "the length computed is not the length written");
            if let Some(id) = delivery.id() {
                assert_eq!(out[measured.id_at..measured.id_at + 2], id.get().to_be_bytes());
            }
        }
        Packet::PubAck(id) => out.extend(ack(AckKind::PubAck, *id)),
        Packet::PubRec(id) => out.extend(ack(AckKind::PubRec, *id)),
        Packet::PubRel(id) => out.extend(ack(AckKind::PubRel, *id)),
        Packet::PubComp(id) => out.extend(ack(AckKind::PubComp, *id)),
        Packet::UnsubAck(id) => out.extend(ack(AckKind::UnsubAck, *id)),
        Packet::Subscribe(subscribe) => {
            let filters: Vec<_> = subscribe.filters().collect();
            subscribe_append(&mut out, subscribe.id, &filters).expect("what was read can be written");
        }
        Packet::SubAck(suback) => {
            let codes: Vec<_> = suback.codes().collect();
            suback_append(&mut out, suback.id, &codes).expect("what was read can be written");
        }
        Packet::Unsubscribe(unsubscribe) => {
            let filters: Vec<_> = unsubscribe.filters().collect();
            unsubscribe_append(&mut out, unsubscribe.id, &filters).expect("what was read can be written");
        }
        Packet::PingReq => out.extend(PINGREQ),
        Packet::PingResp => out.extend(PINGRESP),
        Packet::Disconnect => out.extend(DISCONNECT),
    }
    out
}

/// The content of a CONNECT with fields of its own.
pub(crate) fn owned(connect: &codec::Connect<'_>) -> link::Connect {
    link::Connect {
        version: connect.version,
        client_id: connect.client_id.into(),
        user_name: connect.user_name.map(Into::into),
        password: connect.password.map(Secret::new),
        keep_alive: connect.keep_alive,
        clean_session: connect.clean_session,
        will: connect.will.map(|will| Will {
            topic: will.topic.into(),
            payload: will.payload.into(),
            qos: will.qos,
            retain: will.retain,
        }),
        session: None,
    }
}

/// A PUBLISH on the wire.
pub(crate) fn publish(topic: &str, payload: &[u8], qos: QoS, id: u16, dup: bool) -> Vec<u8> {
    let id = PacketId::new(id.max(1)).expect("not 0");
    let delivery = Delivery::new(qos, id);
    let message = Outgoing { topic: &[topic], payload, delivery, dup: dup && qos != QoS::AtMostOnce, retain: false };
    let mut out = Vec::new();
    message.append(message.measure().expect("a valid topic"), &mut out);
    out
}

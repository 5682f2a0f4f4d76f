//! Which packets and streams are worked on?

use skytether_core::{
    link::QoS,
    mqtt::codec::{AckKind, ConnAck, Delivery, Outgoing, PINGRESP, PacketId, ack, suback_append},
};

/// 40 bytes, as the topics of the clouds are.
pub(crate) const TOPIC: &str = "site/plant-07/line-3/cell-12/temperature";

/// Packets side by side.
#[derive(Clone)]
pub(crate) struct Stream {
    pub(crate) bytes: Vec<u8>,
    /// Where each packet ends.
    pub(crate) ends: Vec<usize>,
}

impl Stream {
    /// The same packet again and again.
    pub(crate) fn of(packet: &[u8], times: usize) -> Self {
        Self { bytes: packet.repeat(times), ends: (1..=times).map(|n| n * packet.len()).collect() }
    }

    pub(crate) fn count(&self) -> usize {
        self.ends.len()
    }

    /// What a client in service receives: telemetry, commands, acknowledgements, now and then something else.
    pub(crate) fn mixed() -> Self {
        let mut stream = Self { bytes: Vec::new(), ends: Vec::new() };
        for round in 0_u16..8 {
            let id = round * 10 + 1;
            let packets = [
                publish(QoS::AtLeastOnce, 256, id),
                puback(id + 1),
                publish(QoS::AtMostOnce, 16, 1),
                puback(id + 2),
                publish(QoS::AtLeastOnce, 1024, id + 3),
                puback(id + 4),
                publish(QoS::AtLeastOnce, 64, id + 5),
                suback(id + 6),
                publish(QoS::AtMostOnce, 256, 1),
                PINGRESP.to_vec(),
            ];
            for packet in packets {
                stream.bytes.extend(packet);
                stream.ends.push(stream.bytes.len());
            }
        }
        stream
    }
}

pub(crate) fn id(id: u16) -> PacketId {
    PacketId::new(id).unwrap()
}

pub(crate) fn payload(len: usize) -> Vec<u8> {
    (0..len).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

pub(crate) fn publish(qos: QoS, len: usize, packet_id: u16) -> Vec<u8> {
    let delivery = match qos {
        QoS::AtMostOnce => Delivery::AtMostOnce,
        QoS::AtLeastOnce => Delivery::AtLeastOnce(id(packet_id)),
        QoS::ExactlyOnce => Delivery::ExactlyOnce(id(packet_id)),
    };
    let message = Outgoing { topic: &[TOPIC], payload: &payload(len), delivery, dup: false, retain: false };
    let mut out = Vec::new();
    message.append(message.measure().unwrap(), &mut out);
    out
}

pub(crate) fn puback(packet_id: u16) -> Vec<u8> {
    ack(AckKind::PubAck, id(packet_id)).to_vec()
}

pub(crate) fn connack() -> Vec<u8> {
    ConnAck { session_present: true, refusal: None }.encode().to_vec()
}

pub(crate) fn suback(packet_id: u16) -> Vec<u8> {
    let mut out = Vec::new();
    suback_append(&mut out, id(packet_id), &[Some(QoS::AtMostOnce), Some(QoS::AtLeastOnce), None]).unwrap();
    out
}

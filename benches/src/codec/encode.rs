//! How fast do a topic and a payload become a packet in the buffer that is written to the socket?

use super::{BATCH, MAX, hand};
use crate::{
    Group, Meter, Work,
    packets::{TOPIC, id, payload, puback as puback_packet, publish as publish_packet},
    row,
};
use bytes::{Bytes, BytesMut};
use core::{hint::black_box, num::NonZeroU16};
use mqtt_protocol_core::mqtt::packet::{Qos, v3_1_1};
use mqtt5_protocol::packet::MqttPacket as _;
use skytether_core::{
    link::QoS,
    mqtt::codec::{AckKind, Delivery, Outgoing, PacketId, ack},
};

/// From `&str` and `&[u8]`.
#[allow(clippy::too_many_lines, reason = "one row a peer")]
pub(super) fn publish(name: String, qos: QoS, len: usize) -> Group {
    let expected = publish_packet(qos, len, 7);
    let acknowledged = qos == QoS::AtLeastOnce;
    let data = payload(len);
    let space = expected.len() * BATCH;
    let delivery = if acknowledged { Delivery::AtLeastOnce(id(7)) } else { Delivery::AtMostOnce };
    let vec = |encode: fn(&mut Vec<u8>, Delivery, &[u8])| {
        let data = data.clone();
        run(Vec::with_capacity(space), &expected, Vec::clear, move |out| {
            encode(out, black_box(delivery), black_box(&data));
        })
    };
    let bytes = |encode: fn(&mut BytesMut, bool, &[u8])| {
        let data = data.clone();
        run(BytesMut::with_capacity(space), &expected, BytesMut::clear, move |out| {
            encode(out, black_box(acknowledged), black_box(&data));
        })
    };
    let rows = vec![
        row(
            "skytether",
            vec(|out, delivery, payload| {
                let topic = [black_box(TOPIC)];
                let message = Outgoing { topic: &topic, payload, delivery, dup: false, retain: false };
                message.append(message.measure().unwrap(), out);
            }),
        ),
        row("mqttrs", mqttrs(&expected, acknowledged, data.clone())),
        row(
            "mqttbytes",
            bytes(|out, acknowledged, payload| {
                use mqttbytes::{QoS, v4::Publish};
                let qos = if acknowledged { QoS::AtLeastOnce } else { QoS::AtMostOnce };
                let mut publish = Publish::new(black_box(TOPIC), qos, payload);
                publish.pkid = 7;
                publish.write(out).unwrap();
            }),
        ),
        row(
            "rumqttc",
            bytes(|out, acknowledged, payload| {
                use rumqttc::{Packet, Publish, QoS};
                let qos = if acknowledged { QoS::AtLeastOnce } else { QoS::AtMostOnce };
                let mut publish = Publish::new(black_box(TOPIC), qos, payload);
                publish.pkid = 7;
                Packet::Publish(publish).write(out, MAX).unwrap();
            }),
        ),
        row(
            "mqtt5-protocol",
            bytes(|out, acknowledged, payload| {
                use mqtt5_protocol::{QoS, packet::publish::PublishPacket};
                let qos = if acknowledged { QoS::AtLeastOnce } else { QoS::AtMostOnce };
                let payload = Bytes::copy_from_slice(payload);
                PublishPacket::new_v311(black_box(TOPIC), payload, qos).with_packet_id(7).encode(out).unwrap();
            }),
        ),
        row("ntex-mqtt", ntex(&expected, acknowledged, data.clone())),
        row(
            "mqtt-protocol-core",
            vec(|out, delivery, payload| {
                let builder = v3_1_1::Publish::builder().topic_name(black_box(TOPIC)).unwrap().payload(payload);
                let builder = match delivery {
                    Delivery::AtMostOnce => builder.qos(Qos::AtMostOnce),
                    _ => builder.qos(Qos::AtLeastOnce).packet_id(7_u16),
                };
                out.extend_from_slice(&builder.build().unwrap().to_continuous_buffer());
            }),
        ),
        row(
            "floor: by hand, unchecked",
            vec(|out, delivery, payload| hand::write(out, delivery.id().map(PacketId::get), payload)),
        ),
        row("floor: memcpy", {
            let packet = expected.clone();
            run(Vec::with_capacity(space), &expected, Vec::clear, move |out| out.extend_from_slice(black_box(&packet)))
        }),
    ];
    Group { name, units: u32::try_from(BATCH).unwrap(), rows }
}

/// The answer to a message.
pub(super) fn puback() -> Group {
    let expected = puback_packet(7);
    let space = expected.len() * BATCH;
    let rows = vec![
        row(
            "skytether",
            run(Vec::with_capacity(space), &expected, Vec::clear, |out: &mut Vec<u8>| {
                out.extend_from_slice(&ack(AckKind::PubAck, black_box(id(7))));
            }),
        ),
        row("mqttrs", {
            let mut out = vec![0; space];
            checked(&expected, move |meter| {
                meter.measure(&mut || {
                    let mut at = 0;
                    for _ in 0..BATCH {
                        let packet = mqttrs::Packet::Puback(mqttrs::Pid::try_from(black_box(7)).unwrap());
                        at += mqttrs::encode_slice(&packet, &mut out[at..]).unwrap();
                    }
                });
                black_box(&out).clone()
            })
        }),
        row(
            "mqttbytes",
            run(BytesMut::with_capacity(space), &expected, BytesMut::clear, |out: &mut BytesMut| {
                mqttbytes::v4::PubAck::new(black_box(7)).write(out).unwrap();
            }),
        ),
        row(
            "rumqttc",
            run(BytesMut::with_capacity(space), &expected, BytesMut::clear, |out: &mut BytesMut| {
                rumqttc::Packet::PubAck(rumqttc::PubAck::new(black_box(7))).write(out, MAX).unwrap();
            }),
        ),
        row(
            "mqtt-protocol-core",
            run(Vec::with_capacity(space), &expected, Vec::clear, |out: &mut Vec<u8>| {
                let puback = v3_1_1::Puback::builder().packet_id(black_box(7_u16)).build().unwrap();
                out.extend_from_slice(&puback.to_continuous_buffer());
            }),
        ),
        row("floor: memcpy", {
            let packet = expected.clone();
            run(Vec::with_capacity(space), &expected, Vec::clear, move |out| out.extend_from_slice(black_box(&packet)))
        }),
    ];
    Group { name: "encode PUBACK".to_owned(), units: u32::try_from(BATCH).unwrap(), rows }
}

/// Encodes a batch into `out`, over and over.
fn run<B: AsRef<[u8]> + 'static>(
    mut out: B,
    expected: &[u8],
    clear: fn(&mut B),
    encode: impl Fn(&mut B) + 'static,
) -> Work {
    checked(expected, move |meter| {
        clear(&mut out);
        meter.measure(&mut || {
            for _ in 0..BATCH {
                encode(&mut out);
            }
        });
        out.as_ref().to_vec()
    })
}

/// A run whose bytes must be right; they are looked at the first time only.
fn checked(expected: &[u8], mut run: impl FnMut(&mut dyn Meter) -> Vec<u8> + 'static) -> Work {
    let mut expected = Some(expected.repeat(BATCH));
    Box::new(move |meter: &mut dyn Meter| {
        let out = run(meter);
        if let Some(expected) = expected.take() {
            assert_eq!(out, expected, "bytes");
        }
    })
}

fn mqttrs(expected: &[u8], acknowledged: bool, data: Vec<u8>) -> Work {
    use mqttrs::{Packet, Pid, Publish, QosPid, encode_slice};
    let mut out = vec![0; expected.len() * BATCH];
    checked(expected, move |meter| {
        meter.measure(&mut || {
            let mut at = 0;
            for _ in 0..BATCH {
                let qospid = if black_box(acknowledged) {
                    QosPid::AtLeastOnce(Pid::try_from(7).unwrap())
                } else {
                    QosPid::AtMostOnce
                };
                let publish = Publish {
                    dup: false,
                    qospid,
                    retain: false,
                    topic_name: black_box(TOPIC),
                    payload: black_box(&data),
                };
                at += encode_slice(&Packet::Publish(publish), &mut out[at..]).unwrap();
            }
        });
        black_box(&out).clone()
    })
}

fn ntex(expected: &[u8], acknowledged: bool, data: Vec<u8>) -> Work {
    use ntex_bytes::{BytePages, ByteString, Bytes};
    use ntex_codec::Encoder as _;
    use ntex_mqtt::v3::codec::{Codec, Encoded, Publish, QoS};
    let codec = Codec::new();
    checked(expected, move |meter| {
        let mut out = BytePages::default();
        meter.measure(&mut || {
            for _ in 0..BATCH {
                let publish = Publish {
                    dup: false,
                    retain: false,
                    qos: if black_box(acknowledged) { QoS::AtLeastOnce } else { QoS::AtMostOnce },
                    topic: ByteString::from(black_box(TOPIC)),
                    packet_id: if acknowledged { NonZeroU16::new(7) } else { None },
                    payload_size: u32::try_from(data.len()).unwrap(),
                };
                let payload = Bytes::copy_from_slice(black_box(&data));
                codec.encodev(Encoded::Publish(publish, Some(payload)), &mut out).unwrap();
            }
        });
        out.freeze().to_vec()
    })
}

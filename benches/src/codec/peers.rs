//! How does each peer take one packet off the front of what it reads from?

use super::MAX;
use bytes::{Buf as _, BytesMut};
use core::hint::black_box;
use mqtt_protocol_core::mqtt::{
    common::Cursor,
    connection::{PacketBuildResult, PacketBuilder, PacketData, RawPacket},
    packet::v3_1_1,
};
use mqtt5_protocol::{FixedHeader, Packet};

/// mqttbytes; false when more bytes are needed.
#[inline]
pub(super) fn mqttbytes(buffer: &mut BytesMut) -> bool {
    match mqttbytes::v4::read(buffer, MAX) {
        Ok(packet) => {
            black_box(&packet);
            true
        }
        Err(mqttbytes::Error::InsufficientBytes(_)) => false,
        Err(error) => panic!("mqttbytes: {error:?}"),
    }
}

/// rumqttc's copy of it.
#[inline]
pub(super) fn rumqttc(buffer: &mut BytesMut) -> bool {
    match rumqttc::Packet::read(buffer, MAX) {
        Ok(packet) => {
            black_box(&packet);
            true
        }
        Err(rumqttc::mqttbytes::Error::InsufficientBytes(_)) => false,
        Err(error) => panic!("rumqttc: {error:?}"),
    }
}

/// ntex-mqtt. Of a PUBLISH that is not whole it gives the parts; only the last counts.
#[inline]
pub(super) fn ntex(codec: &ntex_mqtt::v3::codec::Codec, buffer: &mut ntex_bytes::BytesMut) -> Option<bool> {
    use ntex_codec::Decoder as _;
    use ntex_mqtt::v3::codec::Decoded;
    let decoded = codec.decode(buffer).unwrap()?;
    black_box(&decoded);
    Some(match decoded {
        Decoded::Packet(..) => true,
        Decoded::Publish(publish, payload, _) => publish.payload_size as usize == payload.len(),
        Decoded::PayloadChunk(_, last) => last,
    })
}

/// mqtt5-protocol, which wants a whole packet: the frame is cut by hand.
#[inline]
pub(super) fn mqtt5(buffer: &mut BytesMut) -> bool {
    let Some(len) = super::hand::frame_len(buffer).filter(|len| *len <= buffer.len()) else { return false };
    let mut packet = buffer.split_to(len).freeze();
    let header = FixedHeader::decode(&mut packet).unwrap();
    assert_eq!(header.remaining_length as usize, packet.remaining());
    black_box(Packet::decode_from_body_with_version(header.packet_type, &header, &mut packet, 4).unwrap());
    true
}

/// mqtt-protocol-core: its builder cuts the frame, then the packet is parsed by type.
#[inline]
pub(super) fn protocol_core(builder: &mut PacketBuilder, cursor: &mut Cursor<&[u8]>) -> bool {
    match builder.feed(cursor) {
        PacketBuildResult::Complete(raw) => {
            parse(&raw);
            true
        }
        PacketBuildResult::Incomplete => false,
        PacketBuildResult::Error(error) => panic!("mqtt-protocol-core: {error:?}"),
    }
}

fn parse(raw: &RawPacket) {
    match (&raw.data, raw.packet_type()) {
        (PacketData::Publish(bytes), _) => {
            black_box(v3_1_1::Publish::parse(raw.flags(), bytes.clone()).unwrap());
        }
        (PacketData::Normal(bytes), 2) => {
            black_box(v3_1_1::Connack::parse(bytes).unwrap());
        }
        (PacketData::Normal(bytes), 4) => {
            black_box(v3_1_1::Puback::parse(bytes).unwrap());
        }
        (PacketData::Normal(bytes), 9) => {
            black_box(v3_1_1::Suback::parse(bytes).unwrap());
        }
        (PacketData::Normal(bytes), 13) => {
            black_box(v3_1_1::Pingresp::parse(bytes).unwrap());
        }
        (PacketData::Normal(_), other) => panic!("packet type {other}"),
    }
}

//! How fast do bytes become packets, whole streams and streams cut into chunks?

use super::{MAX, hand, peers};
use crate::{Group, Meter, Work, packets::Stream, row};
use bytes::BytesMut;
use core::hint::black_box;
use mqtt_protocol_core::mqtt::{common::Cursor, connection::PacketBuilder};
use skytether_core::mqtt::codec::{decode, frame_len};

/// All packets lie side by side in one buffer.
pub(super) fn whole(name: String, stream: &Stream) -> Group {
    let units = u32::try_from(stream.count()).unwrap();
    let rows = vec![
        row("skytether", slices(stream, ours)),
        row("mqttrs", slices(stream, mqttrs)),
        row("mqttbytes", buffers(stream, peers::mqttbytes)),
        row("rumqttc", buffers(stream, peers::rumqttc)),
        row("mqtt5-protocol", buffers(stream, peers::mqtt5)),
        row("ntex-mqtt", ntex(stream, stream.bytes.len())),
        row("mqtt-protocol-core", protocol_core(stream, stream.bytes.len())),
        row("floor: by hand, unchecked", slices(stream, by_hand)),
        row("floor: memcpy", memcpy(stream)),
    ];
    Group { name, units, rows }
}

/// The same bytes in chunks, as reads from a socket bring them.
pub(super) fn chunked(name: String, stream: &Stream, size: usize) -> Group {
    let units = u32::try_from(stream.count()).unwrap();
    let rows = vec![
        row("skytether", staged(stream, size, ours, |bytes| frame_len(bytes, MAX).unwrap())),
        row("mqttrs", staged(stream, size, mqttrs, hand::frame_len)),
        row("mqttbytes", filled(stream, size, peers::mqttbytes)),
        row("rumqttc", filled(stream, size, peers::rumqttc)),
        row("mqtt5-protocol", filled(stream, size, peers::mqtt5)),
        row("ntex-mqtt", ntex(stream, size)),
        row("mqtt-protocol-core", protocol_core(stream, size)),
        row("floor: by hand, unchecked", staged(stream, size, by_hand, hand::frame_len)),
        row("floor: memcpy", memcpy(stream)),
    ];
    Group { name, units, rows }
}

#[inline]
fn ours(bytes: &[u8]) -> Option<usize> {
    let (packet, len) = decode(black_box(bytes), MAX).unwrap()?;
    black_box(&packet);
    Some(len)
}

/// It does not say how long the packet was, so that has to be found beside it.
#[inline]
fn mqttrs(bytes: &[u8]) -> Option<usize> {
    let packet = mqttrs::decode_slice(black_box(bytes)).unwrap()?;
    black_box(&packet);
    hand::frame_len(bytes)
}

#[inline]
fn by_hand(bytes: &[u8]) -> Option<usize> {
    let (fields, len) = hand::parse(black_box(bytes))?;
    black_box(&fields);
    Some(len)
}

/// A run that must count so many packets.
fn counted(expected: usize, mut run: impl FnMut() -> usize + 'static) -> Work {
    Box::new(move |meter: &mut dyn Meter| {
        let mut count = 0;
        meter.measure(&mut || count = run());
        assert_eq!(count, expected, "packets");
    })
}

/// Decoders that borrow.
fn slices(stream: &Stream, one: impl Fn(&[u8]) -> Option<usize> + 'static) -> Work {
    let stream = stream.clone();
    counted(stream.count(), move || {
        let (mut rest, mut count) = (&stream.bytes[..], 0);
        while !rest.is_empty() {
            let len = one(rest).unwrap();
            (rest, count) = (&rest[len..], count + 1);
        }
        count
    })
}

/// Decoders that borrow, fed in chunks: only a packet that straddles two of them is copied.
fn staged(
    stream: &Stream,
    size: usize,
    one: impl Fn(&[u8]) -> Option<usize> + 'static,
    frame_len: impl Fn(&[u8]) -> Option<usize> + 'static,
) -> Work {
    let stream = stream.clone();
    let mut stage: Vec<u8> = Vec::new();
    counted(stream.count(), move || {
        let mut count = 0;
        for mut rest in stream.bytes.chunks(size) {
            while !rest.is_empty() {
                if stage.is_empty() {
                    let Some(len) = one(rest) else {
                        stage.extend_from_slice(rest);
                        break;
                    };
                    (rest, count) = (&rest[len..], count + 1);
                } else {
                    let need = frame_len(&stage).unwrap_or(stage.len() + 1);
                    let part = rest.len().min(need - stage.len());
                    stage.extend_from_slice(&rest[..part]);
                    rest = &rest[part..];
                    if frame_len(&stage) == Some(stage.len()) {
                        one(&stage).unwrap();
                        stage.clear();
                        count += 1;
                    }
                }
            }
        }
        count
    })
}

/// Decoders that take a `BytesMut` apart; to fill it is not measured.
fn buffers(stream: &Stream, one: impl Fn(&mut BytesMut) -> bool + 'static) -> Work {
    let stream = stream.clone();
    Box::new(move |meter: &mut dyn Meter| {
        let mut buffer = BytesMut::from(&stream.bytes[..]);
        let mut count = 0;
        meter.measure(&mut || {
            while !buffer.is_empty() && one(&mut buffer) {
                count += 1;
            }
        });
        assert_eq!(count, stream.count(), "packets");
    })
}

/// The same, filled chunk by chunk: that is measured, since others are staged for it.
fn filled(stream: &Stream, size: usize, one: impl Fn(&mut BytesMut) -> bool + 'static) -> Work {
    let stream = stream.clone();
    let mut buffer = BytesMut::with_capacity(16 * 1024);
    counted(stream.count(), move || {
        let mut count = 0;
        for chunk in stream.bytes.chunks(size) {
            buffer.extend_from_slice(chunk);
            while !buffer.is_empty() && one(&mut buffer) {
                count += 1;
            }
        }
        count
    })
}

fn ntex(stream: &Stream, size: usize) -> Work {
    let stream = stream.clone();
    Box::new(move |meter: &mut dyn Meter| {
        let codec = ntex_mqtt::v3::codec::Codec::new();
        let whole = size == stream.bytes.len();
        let mut buffer = ntex_bytes::BytesMut::from(if whole { &stream.bytes[..] } else { &[] });
        let mut count = 0;
        meter.measure(&mut || {
            for chunk in stream.bytes.chunks(size) {
                if !whole {
                    buffer.extend_from_slice(chunk);
                }
                while let Some(last) = peers::ntex(&codec, &mut buffer) {
                    count += usize::from(last);
                }
            }
        });
        assert_eq!(count, stream.count(), "packets");
    })
}

fn protocol_core(stream: &Stream, size: usize) -> Work {
    let stream = stream.clone();
    let mut builder = PacketBuilder::new();
    counted(stream.count(), move || {
        let mut count = 0;
        for chunk in stream.bytes.chunks(size) {
            let mut cursor = Cursor::new(chunk);
            while peers::protocol_core(&mut builder, &mut cursor) {
                count += 1;
            }
        }
        count
    })
}

/// One copy of every byte.
fn memcpy(stream: &Stream) -> Work {
    let stream = stream.clone();
    let mut copy: Vec<u8> = Vec::with_capacity(stream.bytes.len());
    counted(stream.count(), move || {
        copy.clear();
        let (mut from, mut count) = (0, 0);
        for end in &stream.ends {
            copy.extend_from_slice(black_box(&stream.bytes[from..*end]));
            (from, count) = (*end, count + 1);
        }
        black_box(&copy);
        count
    })
}

//! How do the peers' sessions do the work?

use super::{BATCH, ours::incoming};
use crate::{
    Meter, Work,
    packets::{TOPIC, connack, payload, puback},
};
use bytes::BytesMut;
use core::hint::black_box;
use mqtt_protocol_core::mqtt::{
    Connection, Version,
    common::Cursor,
    connection::{Event, role},
    packet::{GenericPacketTrait as _, Packet, Qos, v3_1_1},
};
use rumqttc::{MqttState, QoS, Request};

const MAX: usize = 64 * 1024;

pub(super) fn rumqttc_in() -> Work {
    let (mut state, bytes) = (MqttState::new(100, false), incoming());
    let mut out = BytesMut::with_capacity(1024);
    Box::new(move |meter: &mut dyn Meter| {
        let mut buffer = BytesMut::from(&bytes[..]);
        let mut count = 0;
        out.clear();
        meter.measure(&mut || {
            while !buffer.is_empty() {
                let packet = rumqttc::Packet::read(&mut buffer, MAX).unwrap();
                if let Some(answer) = state.handle_incoming_packet(packet).unwrap() {
                    answer.write(&mut out, MAX).unwrap();
                }
                while let Some(event) = state.events.pop_front() {
                    count += u16::from(matches!(black_box(event), rumqttc::Event::Incoming(_)));
                }
            }
        });
        assert_eq!((count, out.len()), (BATCH, usize::from(BATCH) * 4), "messages, bytes of answers");
    })
}

pub(super) fn rumqttc_out() -> Work {
    let (mut state, data) = (MqttState::new(100, false), payload(256));
    let mut out = BytesMut::with_capacity(8192);
    let mut next = 1_u16;
    Box::new(move |meter: &mut dyn Meter| {
        let mut acks = BytesMut::new();
        for _ in 0..BATCH {
            acks.extend_from_slice(&puback(next));
            next = if next == 100 { 1 } else { next + 1 };
        }
        let mut count = 0;
        out.clear();
        meter.measure(&mut || {
            for _ in 0..BATCH {
                let publish = rumqttc::Publish::new(black_box(TOPIC), QoS::AtLeastOnce, black_box(&data[..]));
                let packet = state.handle_outgoing_packet(Request::Publish(publish)).unwrap().unwrap();
                packet.write(&mut out, MAX).unwrap();
                while let Some(event) = state.events.pop_front() {
                    black_box(event);
                }
            }
            while !acks.is_empty() {
                let packet = rumqttc::Packet::read(&mut acks, MAX).unwrap();
                assert_eq!(state.handle_incoming_packet(packet).unwrap(), None);
                while let Some(event) = state.events.pop_front() {
                    count += u16::from(matches!(black_box(event), rumqttc::Event::Incoming(_)));
                }
            }
        });
        assert_eq!((count, state.inflight()), (BATCH, 0), "acknowledged, in flight");
    })
}

fn protocol_core() -> Connection<role::Client> {
    let mut connection = Connection::<role::Client>::new(Version::V3_1_1);
    connection.set_auto_pub_response(true);
    let connect = v3_1_1::Connect::builder().client_id("bench").unwrap().clean_session(true).build().unwrap();
    connection.checked_send(connect);
    let mut answer = connack();
    answer[2] = 0;
    connection.recv(&mut Cursor::new(&answer[..]));
    connection
}

pub(super) fn protocol_core_in() -> Work {
    let (mut connection, bytes) = (protocol_core(), incoming());
    let mut out: Vec<u8> = Vec::with_capacity(1024);
    Box::new(move |meter: &mut dyn Meter| {
        let mut count = 0;
        out.clear();
        meter.measure(&mut || {
            let mut cursor = Cursor::new(black_box(&bytes[..]));
            while cursor.position() < bytes.len() as u64 {
                for event in connection.recv(&mut cursor) {
                    match event {
                        Event::NotifyPacketReceived(Packet::V3_1_1Publish(publish)) => {
                            black_box(publish);
                            count += 1;
                        }
                        Event::RequestSendPacket { packet, .. } => {
                            out.extend_from_slice(&packet.to_continuous_buffer());
                        }
                        other => {
                            black_box(other);
                        }
                    }
                }
            }
        });
        assert_eq!((count, out.len()), (BATCH, usize::from(BATCH) * 4), "messages, bytes of answers");
    })
}

pub(super) fn protocol_core_out() -> Work {
    let (mut connection, data) = (protocol_core(), payload(256));
    let mut out: Vec<u8> = Vec::with_capacity(8192);
    let mut ids: Vec<u16> = Vec::new();
    Box::new(move |meter: &mut dyn Meter| {
        let mut count = 0;
        out.clear();
        ids.clear();
        meter.measure(&mut || {
            for _ in 0..BATCH {
                let id = connection.acquire_packet_id().unwrap();
                ids.push(id);
                let publish = v3_1_1::Publish::builder()
                    .topic_name(black_box(TOPIC))
                    .unwrap()
                    .qos(Qos::AtLeastOnce)
                    .packet_id(id)
                    .payload(black_box(&data[..]))
                    .build()
                    .unwrap();
                for event in connection.checked_send(publish) {
                    if let Event::RequestSendPacket { packet, .. } = event {
                        out.extend_from_slice(&packet.to_continuous_buffer());
                    }
                }
            }
        });
        let acks: Vec<u8> = ids.iter().flat_map(|id| puback(*id)).collect();
        meter.measure(&mut || {
            let mut cursor = Cursor::new(black_box(&acks[..]));
            while cursor.position() < acks.len() as u64 {
                for event in connection.recv(&mut cursor) {
                    count += u16::from(matches!(black_box(event), Event::NotifyPacketIdReleased(_)));
                }
            }
        });
        assert_eq!(count, BATCH, "acknowledged");
    })
}

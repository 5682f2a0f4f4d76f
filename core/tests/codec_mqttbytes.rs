//! Does the codec agree with an independent one (`mqttbytes`) wherever that one is right?
//!
//! It accepts much that the standard forbids, so its acceptance proves nothing; its refusals and its readings do.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

#[path = "support/packets.rs"]
#[allow(dead_code, reason = "each test file uses its part")]
mod packets;

use bytes::BytesMut;
use mqttbytes::v4;
use packets::{Owned, packet};
use proptest::{collection::vec, prelude::*, sample::Index};
use skytether_core::{
    io::Refusal,
    link::{Connect, QoS, Version, Will},
    mqtt::codec::{AckKind, ConnAck, Delivery, Packet, PacketId, decode},
    secret::Secret,
};

const MAX: usize = 64 * 1024;

proptest! {
    #[test]
    fn what_we_write_they_read_the_same(packet in packet().prop_map(as_they_know_it)) {
        let mut bytes = BytesMut::from(&packet.encode()[..]);
        let theirs = v4::read(&mut bytes, MAX);
        prop_assert!(theirs.is_ok(), "{:?}: {:?}", packet, theirs);
        prop_assert!(bytes.is_empty());
        prop_assert_eq!(ours(theirs.unwrap()), packet);
    }

    #[test]
    fn what_they_write_we_read_the_same(packet in packet().prop_map(as_they_know_it)) {
        let mut bytes = BytesMut::new();
        write(theirs(&packet), &mut bytes);
        let (decoded, used) = decode(&bytes, MAX).unwrap().unwrap();
        prop_assert_eq!((Owned::of(&decoded), used), (packet.clone(), bytes.len()));
        prop_assert_eq!(&packet.encode()[..], &bytes[..]);
    }

    #[test]
    fn of_mutated_bytes_we_accept_nothing_that_they_refuse_or_read_otherwise(
        packet in packet(),
        changes in vec((any::<Index>(), prop_oneof![Just(0), 0..9_u8, any::<u8>()]), 1..4),
    ) {
        let mut bytes = packet.encode();
        for (at, byte) in &changes {
            let at = at.index(bytes.len().min(40));
            *bytes.get_mut(at).unwrap() = *byte;
        }
        let Ok(Some((decoded, used))) = decode(&bytes, MAX) else { return Ok(()) };
        if let Packet::Connect(connect) = &decoded
            && (connect.version == Version::V3_1
                || connect.password.is_some_and(|password| str::from_utf8(password).is_err()))
        {
            return Ok(());
        }
        let mut stream = BytesMut::from(&bytes[..]);
        let theirs = v4::read(&mut stream, MAX);
        prop_assert!(theirs.is_ok(), "we take {:?}, they say {:?}", decoded, theirs);
        prop_assert_eq!(bytes.len() - stream.len(), used);
        prop_assert_eq!(as_they_know_it(ours(theirs.unwrap())), as_they_know_it(Owned::of(&decoded)));
    }
}

/// They know neither MQTT 3.1 nor binary passwords, and take an empty user name or password for none.
fn as_they_know_it(mut packet: Owned) -> Owned {
    if let Owned::Connect(connect) = &mut packet {
        connect.version = Version::V3_1_1;
        connect.user_name.take_if(|name| name.is_empty());
        connect.password.take_if(|password| password.is_empty());
        let known = connect.user_name.is_some();
        connect.password.take_if(|password| !known || str::from_utf8(password.expose()).is_err());
    }
    packet
}

fn id(id: u16) -> PacketId {
    PacketId::new(id).unwrap()
}

fn our_qos(qos: mqttbytes::QoS) -> QoS {
    QoS::from_level(qos as u8).unwrap()
}

fn their_qos(qos: QoS) -> mqttbytes::QoS {
    mqttbytes::qos(qos.level()).unwrap()
}

fn ours(packet: v4::Packet) -> Owned {
    match packet {
        v4::Packet::Connect(connect) => Owned::Connect(Connect {
            version: Version::V3_1_1,
            client_id: connect.client_id,
            user_name: connect.login.as_ref().map(|login| login.username.clone()),
            password: connect.login.map(|login| Secret::new(login.password)).filter(|password| !password.is_empty()),
            keep_alive: connect.keep_alive,
            clean_session: connect.clean_session,
            will: connect.last_will.map(|will| Will {
                topic: will.topic,
                payload: will.message.to_vec(),
                qos: our_qos(will.qos),
                retain: will.retain,
            }),
            session: None,
        }),
        v4::Packet::ConnAck(connack) => Owned::ConnAck(ConnAck {
            session_present: connack.session_present,
            refusal: Refusal::from_code(connack.code as u8),
        }),
        v4::Packet::Publish(publish) => Owned::Publish {
            topic: publish.topic,
            payload: publish.payload.to_vec(),
            delivery: match publish.qos {
                mqttbytes::QoS::AtMostOnce => Delivery::AtMostOnce,
                mqttbytes::QoS::AtLeastOnce => Delivery::AtLeastOnce(id(publish.pkid)),
                mqttbytes::QoS::ExactlyOnce => Delivery::ExactlyOnce(id(publish.pkid)),
            },
            dup: publish.dup,
            retain: publish.retain,
        },
        v4::Packet::PubAck(ack) => Owned::Ack(AckKind::PubAck, id(ack.pkid)),
        v4::Packet::PubRec(ack) => Owned::Ack(AckKind::PubRec, id(ack.pkid)),
        v4::Packet::PubRel(ack) => Owned::Ack(AckKind::PubRel, id(ack.pkid)),
        v4::Packet::PubComp(ack) => Owned::Ack(AckKind::PubComp, id(ack.pkid)),
        v4::Packet::UnsubAck(ack) => Owned::Ack(AckKind::UnsubAck, id(ack.pkid)),
        v4::Packet::Subscribe(subscribe) => Owned::Subscribe(
            id(subscribe.pkid),
            subscribe.filters.into_iter().map(|filter| (filter.path, our_qos(filter.qos))).collect(),
        ),
        v4::Packet::SubAck(suback) => Owned::SubAck(
            id(suback.pkid),
            suback
                .return_codes
                .into_iter()
                .map(|code| match code {
                    v4::SubscribeReasonCode::Success(qos) => Some(our_qos(qos)),
                    v4::SubscribeReasonCode::Failure => None,
                })
                .collect(),
        ),
        v4::Packet::Unsubscribe(unsubscribe) => Owned::Unsubscribe(id(unsubscribe.pkid), unsubscribe.topics),
        v4::Packet::PingReq => Owned::PingReq,
        v4::Packet::PingResp => Owned::PingResp,
        v4::Packet::Disconnect => Owned::Disconnect,
    }
}

fn theirs(packet: &Owned) -> v4::Packet {
    match packet.clone() {
        Owned::Connect(connect) => {
            let password = connect.password.map(|password| String::from_utf8(password.expose().to_vec()).unwrap());
            v4::Packet::Connect(v4::Connect {
                protocol: mqttbytes::Protocol::V4,
                keep_alive: connect.keep_alive,
                client_id: connect.client_id,
                clean_session: connect.clean_session,
                last_will: connect
                    .will
                    .map(|will| v4::LastWill::new(will.topic, will.payload, their_qos(will.qos), will.retain)),
                login: connect.user_name.map(|user| v4::Login::new(user, password.unwrap_or_default())),
            })
        }
        Owned::ConnAck(connack) => {
            let code = match connack.refusal.map_or(0, Refusal::code) {
                0 => v4::ConnectReturnCode::Success,
                1 => v4::ConnectReturnCode::RefusedProtocolVersion,
                2 => v4::ConnectReturnCode::BadClientId,
                3 => v4::ConnectReturnCode::ServiceUnavailable,
                4 => v4::ConnectReturnCode::BadUserNamePassword,
                5 => v4::ConnectReturnCode::NotAuthorized,
                other => panic!("{other}"),
            };
            v4::Packet::ConnAck(v4::ConnAck::new(code, connack.session_present))
        }
        Owned::Publish { topic, payload, delivery, dup, retain } => {
            let mut publish = v4::Publish::new(topic, their_qos(delivery.qos()), payload);
            publish.pkid = delivery.id().map_or(0, PacketId::get);
            (publish.dup, publish.retain) = (dup, retain);
            v4::Packet::Publish(publish)
        }
        Owned::Ack(AckKind::PubAck, id) => v4::Packet::PubAck(v4::PubAck::new(id.get())),
        Owned::Ack(AckKind::PubRec, id) => v4::Packet::PubRec(v4::PubRec::new(id.get())),
        Owned::Ack(AckKind::PubRel, id) => v4::Packet::PubRel(v4::PubRel::new(id.get())),
        Owned::Ack(AckKind::PubComp, id) => v4::Packet::PubComp(v4::PubComp::new(id.get())),
        Owned::Ack(AckKind::UnsubAck, id) => v4::Packet::UnsubAck(v4::UnsubAck::new(id.get())),
        Owned::Subscribe(id, filters) => v4::Packet::Subscribe(v4::Subscribe {
            pkid: id.get(),
            filters: filters
                .into_iter()
                .map(|(filter, qos)| v4::SubscribeFilter::new(filter, their_qos(qos)))
                .collect(),
        }),
        Owned::SubAck(id, codes) => {
            let code = |code: Option<QoS>| match code {
                Some(qos) => v4::SubscribeReasonCode::Success(their_qos(qos)),
                None => v4::SubscribeReasonCode::Failure,
            };
            v4::Packet::SubAck(v4::SubAck::new(id.get(), codes.into_iter().map(code).collect()))
        }
        Owned::Unsubscribe(id, topics) => v4::Packet::Unsubscribe(v4::Unsubscribe { pkid: id.get(), topics }),
        Owned::PingReq => v4::Packet::PingReq,
        Owned::PingResp => v4::Packet::PingResp,
        Owned::Disconnect => v4::Packet::Disconnect,
    }
}

/// Into an empty buffer: behind other packets their CONNECT writes its flags in the wrong place.
fn write(packet: v4::Packet, out: &mut BytesMut) {
    match packet {
        v4::Packet::Connect(packet) => packet.write(out),
        v4::Packet::ConnAck(packet) => packet.write(out),
        v4::Packet::Publish(packet) => packet.write(out),
        v4::Packet::PubAck(packet) => packet.write(out),
        v4::Packet::PubRec(packet) => packet.write(out),
        v4::Packet::PubRel(packet) => packet.write(out),
        v4::Packet::PubComp(packet) => packet.write(out),
        v4::Packet::Subscribe(packet) => packet.write(out),
        v4::Packet::SubAck(packet) => packet.write(out),
        v4::Packet::Unsubscribe(packet) => packet.write(out),
        v4::Packet::UnsubAck(packet) => packet.write(out),
        v4::Packet::PingReq => v4::PingReq.write(out),
        v4::Packet::PingResp => v4::PingResp.write(out),
        v4::Packet::Disconnect => v4::Disconnect.write(out),
    }
    .unwrap();
}

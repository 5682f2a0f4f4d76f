//! Is what the decoder accepts written again the same, and does an independent codec (`mqttbytes`) agree?
//!
//! Bytes: one packet. Agreement is asked one way only: the peer accepts much that the standard forbids, so its acceptance
//! proves nothing; its refusals and its readings do.

use crate::wire;
use bytes::BytesMut;
use mqttbytes::v4;
use skytether_core::{
    io::Refusal,
    link::{QoS, Version},
    mqtt::codec::{self, Packet, decode},
};

const MAX: usize = 256 * 1024;

pub(crate) fn run(data: &[u8]) {
    let Ok(Some((packet, used))) = decode(data, MAX) else { return };
    let written = wire::encode(&packet);
    let (again, len) = decode(&written, MAX).expect("what we write is sound").expect("and whole");
    assert_eq!(len, written.len());
    assert_eq!(again, packet, "read, written, read");
    if is_shortest(&data[..used]) {
        assert_eq!(written, &data[..used], "written as it was read");
    }
    if known_to_the_peer(&packet) {
        let mut stream = BytesMut::from(data);
        let theirs = v4::read(&mut stream, MAX);
        let theirs = theirs.unwrap_or_else(|error| panic!("we take {packet:?}, they say {error:?}"));
        assert_eq!(data.len() - stream.len(), used, "they see another length of {packet:?}");
        assert!(agrees(&packet, &theirs), "we read {packet:?}, they {theirs:?}");
    }
}

/// Whether the length field is no longer than it has to be: 3.1.1 allows `80 00` for 0 (2.2.3 asks for no minimum).
fn is_shortest(packet: &[u8]) -> bool {
    let len = packet.iter().skip(1).take_while(|byte| **byte & 0x80 != 0).count();
    len == 0 || packet[1 + len] != 0
}

/// It knows neither MQTT 3.1 nor passwords that are no UTF-8.
fn known_to_the_peer(packet: &Packet<'_>) -> bool {
    if let Packet::Connect(connect) = packet {
        let text = connect.password.is_none_or(|password| str::from_utf8(password).is_ok());
        return text && connect.version == Version::V3_1_1;
    }
    true
}

fn agrees(ours: &Packet<'_>, theirs: &v4::Packet) -> bool {
    match (ours, theirs) {
        (Packet::Connect(ours), v4::Packet::Connect(theirs)) => connects_agree(ours, theirs),
        (Packet::ConnAck(ours), v4::Packet::ConnAck(theirs)) => {
            ours.session_present == theirs.session_present && ours.refusal == Refusal::from_code(theirs.code as u8)
        }
        (Packet::Publish(ours), v4::Packet::Publish(theirs)) => {
            let id = ours.delivery.id().map_or(0, codec::PacketId::get);
            (ours.topic, ours.payload, ours.dup, ours.retain)
                == (&theirs.topic, &theirs.payload, theirs.dup, theirs.retain)
                && (ours.delivery.qos() == our(theirs.qos) && id == theirs.pkid)
        }
        (Packet::PubAck(ours), v4::Packet::PubAck(theirs)) => ours.get() == theirs.pkid,
        (Packet::PubRec(ours), v4::Packet::PubRec(theirs)) => ours.get() == theirs.pkid,
        (Packet::PubRel(ours), v4::Packet::PubRel(theirs)) => ours.get() == theirs.pkid,
        (Packet::PubComp(ours), v4::Packet::PubComp(theirs)) => ours.get() == theirs.pkid,
        (Packet::UnsubAck(ours), v4::Packet::UnsubAck(theirs)) => ours.get() == theirs.pkid,
        (Packet::Subscribe(ours), v4::Packet::Subscribe(theirs)) => {
            let filters = theirs.filters.iter().map(|filter| (filter.path.as_str(), our(filter.qos)));
            ours.id.get() == theirs.pkid && ours.filters().eq(filters)
        }
        (Packet::SubAck(ours), v4::Packet::SubAck(theirs)) => {
            let codes = theirs.return_codes.iter().map(|code| match code {
                v4::SubscribeReasonCode::Success(qos) => Some(our(*qos)),
                v4::SubscribeReasonCode::Failure => None,
            });
            ours.id.get() == theirs.pkid && ours.codes().eq(codes)
        }
        (Packet::Unsubscribe(ours), v4::Packet::Unsubscribe(theirs)) => {
            ours.id.get() == theirs.pkid && ours.filters().eq(theirs.topics.iter().map(String::as_str))
        }
        (Packet::PingReq, v4::Packet::PingReq)
        | (Packet::PingResp, v4::Packet::PingResp)
        | (Packet::Disconnect, v4::Packet::Disconnect) => true,
        _ => false,
    }
}

/// The peer takes an empty user name or password for none.
fn connects_agree(ours: &codec::Connect<'_>, theirs: &v4::Connect) -> bool {
    let name = theirs.login.as_ref().map_or("", |login| login.username.as_str());
    let password = theirs.login.as_ref().map_or("", |login| login.password.as_str());
    let wills = match (&ours.will, &theirs.last_will) {
        (Some(ours), Some(theirs)) => {
            (ours.topic, ours.payload, ours.retain) == (&theirs.topic, &theirs.message, theirs.retain)
                && ours.qos == our(theirs.qos)
        }
        (None, None) => true,
        _ => false,
    };
    wills
        && (ours.client_id, ours.keep_alive, ours.clean_session)
            == (&theirs.client_id, theirs.keep_alive, theirs.clean_session)
        && ours.user_name.unwrap_or_default() == name
        && ours.password.unwrap_or_default() == password.as_bytes()
}

fn our(qos: mqttbytes::QoS) -> QoS {
    QoS::from_level(qos as u8).expect("three levels")
}

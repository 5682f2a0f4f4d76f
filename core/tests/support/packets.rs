//! Packets that own what they hold, to make, encode and compare: what the codec's tests share.

use proptest::{collection::vec, option, prelude::*, sample::select};
use skytether_core::{
    io::Refusal,
    link::{self, QoS, Version, Will},
    mqtt::codec::{
        AckKind, ConnAck, DISCONNECT, Delivery, Outgoing, PINGREQ, PINGRESP, Packet, PacketId, ack, connect_append,
        suback_append, subscribe_append, unsubscribe_append,
    },
    secret::Secret,
};

/// A packet with fields of its own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Owned {
    Connect(link::Connect),
    ConnAck(ConnAck),
    Publish { topic: String, payload: Vec<u8>, delivery: Delivery, dup: bool, retain: bool },
    Ack(AckKind, PacketId),
    Subscribe(PacketId, Vec<(String, QoS)>),
    SubAck(PacketId, Vec<Option<QoS>>),
    Unsubscribe(PacketId, Vec<String>),
    PingReq,
    PingResp,
    Disconnect,
}

impl Owned {
    /// A copy of what was decoded.
    pub(crate) fn of(packet: &Packet<'_>) -> Self {
        match packet {
            Packet::Connect(connect) => Self::Connect(link::Connect {
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
            }),
            Packet::ConnAck(connack) => Self::ConnAck(*connack),
            Packet::Publish(publish) => Self::Publish {
                topic: publish.topic.into(),
                payload: publish.payload.into(),
                delivery: publish.delivery,
                dup: publish.dup,
                retain: publish.retain,
            },
            Packet::PubAck(id) => Self::Ack(AckKind::PubAck, *id),
            Packet::PubRec(id) => Self::Ack(AckKind::PubRec, *id),
            Packet::PubRel(id) => Self::Ack(AckKind::PubRel, *id),
            Packet::PubComp(id) => Self::Ack(AckKind::PubComp, *id),
            Packet::UnsubAck(id) => Self::Ack(AckKind::UnsubAck, *id),
            Packet::Subscribe(subscribe) => {
                Self::Subscribe(subscribe.id, subscribe.filters().map(|(filter, qos)| (filter.into(), qos)).collect())
            }
            Packet::SubAck(suback) => Self::SubAck(suback.id, suback.codes().collect()),
            Packet::Unsubscribe(unsubscribe) => {
                Self::Unsubscribe(unsubscribe.id, unsubscribe.filters().map(Into::into).collect())
            }
            Packet::PingReq => Self::PingReq,
            Packet::PingResp => Self::PingResp,
            Packet::Disconnect => Self::Disconnect,
        }
    }

    /// The packet on the wire, behind what `out` holds already.
    pub(crate) fn append(&self, out: &mut Vec<u8>) {
        match self {
            Self::Connect(connect) => connect_append(out, connect).unwrap(),
            Self::ConnAck(connack) => out.extend(connack.encode()),
            Self::Publish { topic, payload, delivery, dup, retain } => {
                let topic = [topic.as_str()];
                let message = Outgoing { topic: &topic, payload, delivery: *delivery, dup: *dup, retain: *retain };
                message.append(message.measure().unwrap(), out);
            }
            Self::Ack(kind, id) => out.extend(ack(*kind, *id)),
            Self::Subscribe(id, filters) => {
                let filters: Vec<_> = filters.iter().map(|(filter, qos)| (filter.as_str(), *qos)).collect();
                subscribe_append(out, *id, &filters).unwrap();
            }
            Self::SubAck(id, codes) => suback_append(out, *id, codes).unwrap(),
            Self::Unsubscribe(id, filters) => {
                let filters: Vec<_> = filters.iter().map(String::as_str).collect();
                unsubscribe_append(out, *id, &filters).unwrap();
            }
            Self::PingReq => out.extend(PINGREQ),
            Self::PingResp => out.extend(PINGRESP),
            Self::Disconnect => out.extend(DISCONNECT),
        }
    }

    /// The packet on the wire.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.append(&mut out);
        out
    }
}

/// At least one packet of every kind, with all that is optional and without.
pub(crate) fn samples() -> Vec<Owned> {
    let id = |id| PacketId::new(id).unwrap();
    let publish = |delivery, dup| Owned::Publish {
        topic: "home/温度/1".into(),
        payload: b"21.5".to_vec(),
        delivery,
        dup,
        retain: dup,
    };
    let long = |len| Owned::Publish {
        topic: "a".repeat(200),
        payload: vec![7; len],
        delivery: Delivery::AtMostOnce,
        dup: false,
        retain: false,
    };
    let plain = link::Connect { client_id: "porch".into(), clean_session: true, ..link::Connect::default() };
    let full = link::Connect {
        version: Version::V3_1_1,
        client_id: "porch".into(),
        user_name: Some("user".into()),
        password: Some(Secret::new([0xff, 0, 0xfe])),
        keep_alive: 600,
        clean_session: false,
        will: Some(Will { topic: "gone".into(), payload: vec![0, 1], qos: QoS::AtLeastOnce, retain: true }),
        session: None,
    };
    let mut all = vec![
        Owned::Connect(link::Connect { version: Version::V3_1, ..full.clone() }),
        Owned::Connect(plain),
        Owned::Connect(full),
        Owned::ConnAck(ConnAck { session_present: true, refusal: None }),
        Owned::ConnAck(ConnAck { session_present: false, refusal: Some(Refusal::NotAuthorized) }),
        publish(Delivery::AtMostOnce, false),
        publish(Delivery::AtLeastOnce(id(1)), true),
        publish(Delivery::ExactlyOnce(id(65_535)), true),
        // Remaining lengths of two and three bytes.
        long(300),
        long(20_000),
        Owned::Subscribe(id(2), vec![("a/+/#".into(), QoS::AtLeastOnce), ("$sys/x".into(), QoS::AtMostOnce)]),
        Owned::SubAck(id(2), vec![Some(QoS::AtMostOnce), Some(QoS::ExactlyOnce), None]),
        Owned::Unsubscribe(id(3), vec!["a/+/#".into(), "$sys/x".into()]),
        Owned::PingReq,
        Owned::PingResp,
        Owned::Disconnect,
    ];
    all.extend(ACKS.map(|kind| Owned::Ack(kind, id(0x0102))));
    all
}

/// The packets that are nothing but an id.
pub(crate) const ACKS: [AckKind; 5] =
    [AckKind::PubAck, AckKind::PubRec, AckKind::PubRel, AckKind::PubComp, AckKind::UnsubAck];

/// Any packet that may be on the wire.
pub(crate) fn packet() -> impl Strategy<Value = Owned> {
    prop_oneof![
        connect().prop_map(Owned::Connect),
        prop_oneof![
            any::<bool>().prop_map(|session_present| ConnAck { session_present, refusal: None }),
            (1..=5_u8).prop_map(|code| ConnAck { session_present: false, refusal: Refusal::from_code(code) }),
        ]
        .prop_map(Owned::ConnAck),
        publish(),
        (select(&ACKS), id()).prop_map(|(kind, id)| Owned::Ack(kind, id)),
        (id(), vec((filter(), qos()), 1..5)).prop_map(|(id, filters)| Owned::Subscribe(id, filters)),
        (id(), vec(option::of(qos()), 1..9)).prop_map(|(id, codes)| Owned::SubAck(id, codes)),
        (id(), vec(filter(), 1..5)).prop_map(|(id, filters)| Owned::Unsubscribe(id, filters)),
        Just(Owned::PingReq),
        Just(Owned::PingResp),
        Just(Owned::Disconnect),
    ]
}

/// Any PUBLISH.
pub(crate) fn publish() -> impl Strategy<Value = Owned> {
    let delivery = (qos(), id()).prop_map(|(qos, id)| Delivery::new(qos, id));
    let payload = prop_oneof![8 => vec(any::<u8>(), 0..300), 1 => vec(any::<u8>(), 16_000..17_000)];
    (name(), payload, delivery, any::<bool>(), any::<bool>()).prop_map(|(topic, payload, delivery, dup, retain)| {
        Owned::Publish { topic, payload, delivery, dup: dup && delivery != Delivery::AtMostOnce, retain }
    })
}

fn connect() -> impl Strategy<Value = link::Connect> {
    let login =
        option::of((text(), option::of(prop_oneof![vec(any::<u8>(), 0..40), text().prop_map(String::into_bytes)])));
    let will = (name(), vec(any::<u8>(), 0..40), qos(), any::<bool>()).prop_map(|(topic, payload, qos, retain)| Will {
        topic,
        payload,
        qos,
        retain,
    });
    (any::<bool>(), text(), login, any::<u16>(), any::<bool>(), option::of(will)).prop_map(
        |(old, id, login, keep_alive, clean, will)| {
            let (user_name, password) = login.map_or((None, None), |(name, password)| (Some(name), password));
            let version = if old { Version::V3_1 } else { Version::V3_1_1 };
            let client_id = match version {
                Version::V3_1 => id.chars().chain("x".chars()).take(23).collect(),
                Version::V3_1_1 => id,
            };
            let clean_session = clean || client_id.is_empty();
            let password = password.map(Secret::new);
            link::Connect { version, client_id, user_name, password, keep_alive, clean_session, will, session: None }
        },
    )
}

/// Any packet id.
pub(crate) fn id() -> impl Strategy<Value = PacketId> {
    (1..=u16::MAX).prop_map(|id| PacketId::new(id).unwrap())
}

/// Any quality of service.
pub(crate) fn qos() -> impl Strategy<Value = QoS> {
    select(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][..])
}

/// Any valid topic name; often with few letters, so that filters match it.
pub(crate) fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[ab$/]{1,8}", "[a-z0-9/$_-]{1,60}", "[^\u{0}+#]{1,30}"]
}

/// Any valid topic filter; often with few letters, so that it matches names.
pub(crate) fn filter() -> impl Strategy<Value = String> {
    let level = prop_oneof![Just("+".to_owned()), "[ab$]{0,2}", "[^\u{0}+#/]{0,9}"];
    (vec(level, 1..5), any::<bool>())
        .prop_map(|(mut levels, open)| {
            if open {
                levels.push("#".into());
            }
            levels.join("/")
        })
        .prop_map(|filter| if filter.is_empty() { "#".into() } else { filter })
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-zA-Z0-9]{0,23}", "[^\u{0}]{0,40}"]
}

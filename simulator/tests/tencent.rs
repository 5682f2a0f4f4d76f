//! Tencent's side over the pure broker, packet by packet: what devices see of the cloud.
#![allow(clippy::unwrap_used, clippy::panic, clippy::wildcard_enum_match_arm, reason = "tests fail by panicking")]

use core::time::Duration;
use skytether_core::io::{Instant, Refusal, UnixMillis};
use skytether_core::link::{Connect, QoS};
use skytether_core::mqtt::codec::{
    AckKind, DISCONNECT, Delivery, Outgoing, PINGREQ, Packet, PacketId, ack, connect_append, decode, subscribe_append,
    unsubscribe_append,
};
use skytether_core::secret::Secret;
use skytether_simulator::broker::policy::Peer;
use skytether_simulator::broker::{Broker, Config as BrokerConfig, ConnId};
use skytether_simulator::tencent::{Config, DeviceId, TencentCloud};

const CONFIG: &str = r#"{
  "products": [
    {"id": "DOORPRD9A1", "devices": [{"name": "door1", "secret": "JTTi3h3sJP7atMACZrVbqQ=="}]},
    {"id": "AIRCPRD7B2", "devices": [
      {"name": "AirConditioner1", "secret": "y5Jlwt6f9FJzywEHmeyiuABLQmntJtT4", "first_packet_id": 24}]}
  ],
  "rules": [{
    "name": "come_home",
    "sql": "SELECT * FROM 'DOORPRD9A1/door1/event'",
    "actions": [{"republish": {"topic": "AIRCPRD7B2/AirConditioner1/control"}}]
  }]
}"#;

const EVENT: &str = "DOORPRD9A1/door1/event";
const DATA: &str = "DOORPRD9A1/door1/data";
const CONTROL: &str = "AIRCPRD7B2/AirConditioner1/control";
const WALL: UnixMillis = UnixMillis(1_626_419_622_610);

/// Client id, user name and password of the door, as the Python SDK has signed them.
const DOOR: [&str; 3] = [
    "DOORPRD9A1door1",
    "DOORPRD9A1door1;21010406;k3Xq9;1626850793618",
    "3cf1f3081009ef39a431033ff237cf19f95e269f;hmacsha1",
];
const AIR_CONDITIONER: [&str; 3] = [
    "AIRCPRD7B2AirConditioner1",
    "AIRCPRD7B2AirConditioner1;21010406;Zz019;1626850788270",
    "899a522f8833ac7e4831ee7020942f1208aff7fd;hmacsha1",
];

#[test]
fn the_door_comes_home_and_the_air_conditioner_hears_of_it_under_the_clouds_own_packet_ids() {
    let mut world = World::new();
    let air = world.client(AIR_CONDITIONER, true);
    world.subscribe(air, 1, CONTROL, QoS::AtLeastOnce);
    assert_eq!(world.read(air), ["SUBACK 1 [1]"]);
    let literal = r#""{\"action\": \"come_home\", \"targetDevice\": \"AirConditioner1\"}""#;
    for (id, run) in [(24, "first"), (25, "second")] {
        let door = world.client(DOOR, true);
        world.publish(door, EVENT, literal, Some(1));
        assert_eq!(world.read(door), ["PUBACK 1"], "{run}");
        world.send(door, &DISCONNECT);
        assert!(world.is_over(door));
        assert_eq!(world.read(air), [format!("PUBLISH {id} {CONTROL} {literal}")], "{run}");
        world.send(air, &ack(AckKind::PubAck, PacketId::new(id).unwrap()));
        assert_eq!(world.read(air), [""; 0]);
    }
    let entry = world.broker.policy_mut().take_rule_entry().unwrap();
    assert_eq!(entry.to_string(), format!("rule come_home on {EVENT}: republished 68 bytes to {CONTROL} at QoS 1"));
}

#[test]
fn the_time_is_asked_for_without_waiting_for_the_subscription() {
    let mut world = World::new();
    let door = world.client(DOOR, true);
    let answers = "$sys/operation/result/DOORPRD9A1/door1";
    world.subscribe(door, 1, answers, QoS::AtMostOnce);
    world.publish(door, "$sys/operation/DOORPRD9A1/door1", r#"{"type": "get", "resource": ["time"]}"#, None);
    let lines = world.read(door);
    let expected = r#"{"type":"get","time":1626419622,"ntptime1":1626419622610,"ntptime2":1626419622610}"#;
    assert_eq!(lines, ["SUBACK 1 [0]".to_owned(), format!("PUBLISH - {answers} {expected}")]);
    let mut bytes = Vec::new();
    unsubscribe_append(&mut bytes, PacketId::new(2).unwrap(), &[answers]).unwrap();
    world.send(door, &bytes);
    assert_eq!(world.read(door), ["UNSUBACK 2"]);
}

#[test]
fn a_publish_that_is_denied_stays_without_acknowledgement_and_the_line_stays_up() {
    let mut world = World::new();
    let (door, air) = (world.client(DOOR, true), world.client(AIR_CONDITIONER, true));
    world.subscribe(air, 1, CONTROL, QoS::AtLeastOnce);
    world.read(air);
    world.publish(door, CONTROL, "no rule between", Some(1));
    world.send(door, &PINGREQ);
    assert_eq!(world.read(door), ["PINGRESP"]);
    assert_eq!(world.read(air), [""; 0]);
    assert!(!world.is_over(door));
}

#[test]
fn a_subscription_that_is_denied_is_answered_with_0x80() {
    let mut world = World::new();
    let door = world.client(DOOR, true);
    world.subscribe(door, 7, CONTROL, QoS::AtLeastOnce);
    world.subscribe(door, 8, "DOORPRD9A1/door1/control", QoS::ExactlyOnce);
    assert_eq!(world.read(door), ["SUBACK 7 [128]", "SUBACK 8 [1]"]);
}

#[test]
fn a_device_gets_its_own_data_back_and_not_its_own_events() {
    let mut world = World::new();
    let door = world.client(DOOR, true);
    world.subscribe(door, 1, "DOORPRD9A1/door1/#", QoS::AtMostOnce);
    world.publish(door, EVENT, "event", None);
    world.publish(door, DATA, "data", None);
    assert_eq!(world.read(door), ["SUBACK 1 [0]".to_owned(), format!("PUBLISH - {DATA} data")]);
}

#[test]
fn a_wrong_secret_is_refused_with_4_and_disturbs_no_one() {
    let mut world = World::new();
    let air = world.client(AIR_CONDITIONER, true);
    let wrong = [DOOR[0], DOOR[1], "3cf1f3081009ef39a431033ff237cf19f95e269e;hmacsha1"];
    let other = world.connect(wrong, true);
    assert_eq!(world.read(other), ["CONNACK 4"]);
    assert!(world.is_over(other));
    // With the air conditioner's name and a wrong secret its connection is not taken over.
    let thief = world.connect([AIR_CONDITIONER[0], AIR_CONDITIONER[1], DOOR[2]], true);
    assert_eq!(world.read(thief), ["CONNACK 4"]);
    world.send(air, &PINGREQ);
    assert_eq!(world.read(air), ["PINGRESP"]);
}

#[test]
fn the_newer_of_two_connections_of_a_device_stays() {
    let mut world = World::new();
    let (older, newer) = (world.client(DOOR, true), world.client(DOOR, true));
    assert!(world.is_over(older));
    world.send(newer, &PINGREQ);
    assert_eq!(world.read(newer), ["PINGRESP"]);
}

#[test]
fn a_publish_of_qos_2_ends_the_connection() {
    let mut world = World::new();
    let door = world.client(DOOR, true);
    world.deliver(door, EVENT, b"x", Delivery::ExactlyOnce(PacketId::new(1).unwrap()));
    assert!(world.is_over(door));
}

#[test]
fn a_device_that_is_disabled_loses_its_connection_and_is_refused_with_5() {
    let mut world = World::new();
    let door = world.client(DOOR, true);
    let id = DeviceId::new("DOORPRD9A1", "door1");
    assert!(world.broker.act(world.now, |cloud, _, out| cloud.disable(&id, true, out)));
    assert!(world.is_over(door));
    let again = world.connect(DOOR, true);
    assert_eq!(world.read(again), ["CONNACK 5"]);
}

#[test]
fn events_for_a_device_that_is_away_wait_for_it_and_come_half_a_second_apart() {
    let mut world = World::new();
    let air = world.client(AIR_CONDITIONER, false);
    world.subscribe(air, 1, CONTROL, QoS::AtLeastOnce);
    world.read(air);
    world.send(air, &DISCONNECT);
    let door = world.client(DOOR, true);
    for (id, payload) in [(1, "one"), (2, "two")] {
        world.publish(door, EVENT, payload, Some(id));
    }
    let air = world.connect(AIR_CONDITIONER, false);
    let mut lines = Vec::new();
    for _ in 0..30 {
        lines.extend(world.read(air).into_iter().map(|line| (world.now, line)));
        world.wait(50);
    }
    let (begin, next) = (Instant(1000), Instant(1500));
    assert_eq!(
        lines,
        [
            (begin, "CONNACK 0 session present".to_owned()),
            (begin, format!("PUBLISH 24 {CONTROL} one")),
            (next, format!("PUBLISH 25 {CONTROL} two")),
        ]
    );
}

#[test]
fn a_keep_alive_over_900_s_is_refused_with_2() {
    let mut world = World::new();
    for (keep_alive, answer) in [(900, "CONNACK 0"), (901, "CONNACK 2")] {
        let conn = world.introduce(&Connect { keep_alive, ..introduction(DOOR, true) });
        assert_eq!(world.read(conn), [answer]);
    }
}

#[test]
fn a_client_of_mqtt_3_1_is_let_in_under_a_client_id_of_more_than_23_characters() {
    let mut world = World::new();
    let air = world.open();
    let text = |text: &str| [&u16::try_from(text.len()).unwrap().to_be_bytes(), text.as_bytes()].concat();
    // Level 3; user name, password and clean session; 60 s.
    let head = [text("MQIsdp"), vec![3, 0xc2, 0, 60]].concat();
    let body = [head, text(AIR_CONDITIONER[0]), text(AIR_CONDITIONER[1]), text(AIR_CONDITIONER[2])].concat();
    let len = body.len();
    assert!((128..16_384).contains(&len), "a length field of two bytes");
    let len = [u8::try_from(len % 128).unwrap() | 0x80, u8::try_from(len / 128).unwrap()];
    let bytes = [&[0x10], &len[..], &body].concat();
    world.send(air, &bytes);
    assert_eq!(world.read(air), ["CONNACK 0"]);
}

/// The broker and the clock.
struct World {
    broker: Broker<TencentCloud>,
    now: Instant,
    conns: u64,
}

impl World {
    fn new() -> Self {
        let config: Config = serde_json::from_str(CONFIG).unwrap();
        let cloud = TencentCloud::new(&config, [7; 32]).unwrap();
        let now = Instant(1000);
        Self { broker: Broker::new(cloud, BrokerConfig::default(), now, WALL), now, conns: 0 }
    }

    /// A client that is let in.
    fn client(&mut self, who: [&str; 3], clean_session: bool) -> ConnId {
        let conn = self.connect(who, clean_session);
        assert_eq!(self.read(conn), ["CONNACK 0"]);
        conn
    }

    fn connect(&mut self, who: [&str; 3], clean_session: bool) -> ConnId {
        self.introduce(&introduction(who, clean_session))
    }

    fn introduce(&mut self, connect: &Connect) -> ConnId {
        let conn = self.open();
        let mut bytes = Vec::new();
        connect_append(&mut bytes, connect).unwrap();
        self.send(conn, &bytes);
        conn
    }

    fn open(&mut self) -> ConnId {
        self.conns += 1;
        let conn = ConnId(self.conns);
        self.broker.connect(self.now, conn, Peer::default());
        conn
    }

    fn subscribe(&mut self, conn: ConnId, id: u16, filter: &str, qos: QoS) {
        let mut bytes = Vec::new();
        subscribe_append(&mut bytes, PacketId::new(id).unwrap(), &[(filter, qos)]).unwrap();
        self.send(conn, &bytes);
    }

    /// Publishes at QoS 1 under an id, or at QoS 0.
    fn publish(&mut self, conn: ConnId, topic: &str, payload: &str, id: Option<u16>) {
        let delivery = id.and_then(PacketId::new).map_or(Delivery::AtMostOnce, Delivery::AtLeastOnce);
        self.deliver(conn, topic, payload.as_bytes(), delivery);
    }

    fn deliver(&mut self, conn: ConnId, topic: &str, payload: &[u8], delivery: Delivery) {
        let packet = Outgoing { topic: &[topic], payload, delivery, dup: false, retain: false };
        let mut bytes = Vec::new();
        packet.append(packet.measure().unwrap(), &mut bytes);
        self.send(conn, &bytes);
    }

    fn send(&mut self, conn: ConnId, bytes: &[u8]) {
        self.broker.receive(self.now, conn, bytes);
    }

    fn wait(&mut self, millis: u64) {
        self.now = self.now.after(Duration::from_millis(millis));
        self.broker.tick(self.now);
    }

    fn is_over(&self, conn: ConnId) -> bool {
        self.broker.wants_close(conn).is_some()
    }

    /// The packets that wait for a client, one line each.
    fn read(&mut self, conn: ConnId) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let waiting = self.broker.transmit(conn).to_vec();
            let Some((packet, len)) = decode(&waiting, 1 << 20).unwrap() else {
                assert_eq!(waiting, [0; 0], "half a packet");
                return lines;
            };
            lines.push(line(&packet));
            self.broker.sent(self.now, conn, len);
        }
    }
}

fn introduction([client_id, user_name, password]: [&str; 3], clean_session: bool) -> Connect {
    Connect {
        client_id: client_id.to_owned(),
        user_name: Some(user_name.to_owned()),
        password: Some(Secret::new(password)),
        keep_alive: 60,
        clean_session,
        ..Connect::default()
    }
}

fn line(packet: &Packet<'_>) -> String {
    match packet {
        Packet::ConnAck(connack) => {
            let present = if connack.session_present { " session present" } else { "" };
            format!("CONNACK {}{present}", connack.refusal.map_or(0, Refusal::code))
        }
        Packet::Publish(publish) => {
            assert!(!publish.retain && !publish.dup);
            let id = publish.delivery.id().map_or_else(|| "-".to_owned(), |id| id.get().to_string());
            format!("PUBLISH {id} {} {}", publish.topic, String::from_utf8_lossy(publish.payload))
        }
        Packet::PubAck(id) => format!("PUBACK {}", id.get()),
        Packet::SubAck(suback) => {
            let codes: Vec<_> = suback.codes().map(|code| code.map_or(0x80, QoS::level)).collect();
            format!("SUBACK {} {codes:?}", suback.id.get())
        }
        Packet::UnsubAck(id) => format!("UNSUBACK {}", id.get()),
        Packet::PingResp => "PINGRESP".to_owned(),
        other => panic!("a server sends no {other:?} here"),
    }
}

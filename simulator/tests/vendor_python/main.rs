//! Does the vendor's own Python SDK, unmodified, work against the simulator? The scripts are in `interop/vendor-sdk`.
//!
//! The SDK's port is fixed at 1883, and it puts the product id in front of any domain that it is given. So each test has
//! a loopback address of its own, and the products are named like the first part of an address: `0000000177` and
//! `0X0000007F` both mean 127 to every resolver, in octal and in hexadecimal. Nothing needs to be patched or configured.
//!
//! Ignored by default, since they need Python and three packages: `cargo xtask test --only vendor-sdk` installs those
//! and runs these.
#![cfg(all(feature = "server", unix))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod stage;

use serde_json::{Value, json};
use skytether_core::link::QoS;
use skytether_simulator::home::{Action, AirConditioner, command_action};
use stage::{AIR, Cloud, DOOR, Identity};

#[tokio::test]
#[ignore = "needs the vendor's SDK: cargo xtask test --only vendor-sdk"]
async fn time_comes_by_the_packets_that_the_document_shows() {
    let mut cloud = Cloud::start(1).await;
    let mut device = cloud.steered(DOOR).await;
    device.order(&json!(["connect"])).await;
    assert_eq!(device.until("connected").await, json!({ "session": 0, "code": 0 }));
    device.order(&json!(["time"])).await;
    let [told, id] = device.until_all(["time", "unsubscribed"]).await;
    assert_eq!(id, json!(3));
    let told = told.as_f64().unwrap();
    assert!((told - wall_ms()).abs() < 5000.0, "{told}");
    device.order(&json!(["disconnect"])).await;
    let (status, log) = device.end().await;
    assert!(status.success(), "{log}");

    cloud.until_closed(DOOR, 1).await;
    let seen = cloud.packets(DOOR);
    let connect = "<- CONNECT 3.1 u1 p1 wr0 wq0 wf0 c1 k60 client id \"0000000177door1\" user name \"0000000177door1;";
    let user_name = seen[0].strip_prefix(connect).unwrap().trim_end_matches('"');
    let parts: Vec<_> = user_name.split(';').collect();
    assert_eq!((parts[0], parts[1].len(), parts[2].len()), ("21010406", 5, 13), "a time in milliseconds: {user_name}");
    assert_eq!(
        seen[1..],
        [
            "-> CONNACK session present 0, code 0",
            "<- SUBSCRIBE d0 id 1 \"$sys/operation/result/0000000177/door1\" q0",
            "-> SUBACK id 1 q0",
            "<- PUBLISH d0 q0 r0 topic \"$sys/operation/0000000177/door1\", 37 bytes",
            "-> PUBLISH d0 q0 r0 topic \"$sys/operation/result/0000000177/door1\", 82 bytes",
            "<- UNSUBSCRIBE d0 id 3 \"$sys/operation/result/0000000177/door1\"",
            "-> UNSUBACK id 3",
            "<- DISCONNECT",
            "closed: disconnected",
        ]
    );
    assert_in_order(
        &log,
        &[
            &format!("connect_async (0000000177{}:1883)", cloud.domain),
            "Sending CONNECT (u1, p1, wr0, wq0, wf0, c1, k60) client_id=b'0000000177door1'",
            "Received CONNACK (0, 0)",
            "Sending SUBSCRIBE (d0, m1) [(b'$sys/operation/result/0000000177/door1', 0)]",
            "Sending PUBLISH (d0, q0, r0, m2), 'b'$sys/operation/0000000177/door1'', ... (37 bytes)",
            "Received PUBLISH (d0, q0, r0, m0), '$sys/operation/result/0000000177/door1', ...  (82 bytes)",
            "Sending UNSUBSCRIBE (d0, m3) [b'$sys/operation/result/0000000177/door1']",
            "Received UNSUBACK (Mid: 3)",
            "Sending DISCONNECT",
        ],
    );
    cloud.stop().await;
}

#[tokio::test]
#[ignore = "needs the vendor's SDK: cargo xtask test --only vendor-sdk"]
async fn the_door_reaches_the_air_conditioner_through_the_rule() {
    let mut cloud = Cloud::start(24).await;
    let mut air = cloud.program("air_conditioner.py", AIR, &["0.1"]);
    air.until("granted").await;
    let mut log = String::new();
    for action in ["come_home", "leave_home"] {
        let mut door = cloud.program("door.py", DOOR, &[action]);
        assert_eq!(door.until("published").await, json!(1));
        let (status, said) = door.end().await;
        assert!(status.success(), "{said}");
        log += &said;
        let message = air.until("message").await;
        assert_eq!(message["topic"], "0X0000007F/AirConditioner1/control");
        let text = format!(r#"{{"action": "{action}", "targetDevice": "AirConditioner1"}}"#);
        assert_eq!(message["payload"], Value::from(text));
        for _ in 0..3 {
            air.until("tick").await;
        }
    }
    assert_obeyed(&air.heard);
    let (status, air_log) = air.end().await;
    assert!(status.success(), "{air_log}");

    cloud.until_closed(AIR, 1).await;
    let publish = "PUBLISH d0 q1 r0 id";
    for (index, len) in [68, 69].into_iter().enumerate() {
        let door = &cloud.connections(DOOR)[index];
        assert_eq!(
            door[1..],
            [
                "-> CONNACK session present 0, code 0".to_owned(),
                format!("<- {publish} 1 topic \"0000000177/door1/event\", {len} bytes"),
                "-> PUBACK id 1".to_owned(),
                "<- DISCONNECT".to_owned(),
                "closed: disconnected".to_owned(),
            ]
        );
        let sent = format!("Sending PUBLISH (d0, q1, r0, m1), 'b'0000000177/door1/event'', ... ({len} bytes)");
        assert!(log.contains(&sent), "{log}");
    }
    let control = "topic \"0X0000007F/AirConditioner1/control\"";
    assert_eq!(
        cloud.packets(AIR)[1..],
        [
            "-> CONNACK session present 0, code 0".to_owned(),
            "<- SUBSCRIBE d0 id 1 \"0X0000007F/AirConditioner1/control\" q1".to_owned(),
            "-> SUBACK id 1 q1".to_owned(),
            format!("-> {publish} 24 {control}, 68 bytes"),
            "<- PUBACK id 24".to_owned(),
            format!("-> {publish} 25 {control}, 69 bytes"),
            "<- PUBACK id 25".to_owned(),
            "<- DISCONNECT".to_owned(),
            "closed: disconnected".to_owned(),
        ]
    );
    cloud.stop().await;
}

#[tokio::test]
#[ignore = "needs the vendor's SDK: cargo xtask test --only vendor-sdk"]
async fn values_go_up_and_come_back_and_those_of_the_cloud_arrive() {
    let mut cloud = Cloud::start(1).await;
    let mut device = cloud.steered(DOOR).await;
    device.order(&json!(["connect"])).await;
    let topic = "0000000177/door1/data";
    device.order(&json!(["subscribe", topic, 1])).await;
    assert_eq!(device.until("granted").await, json!({ "id": 1, "qos": 1 }));
    let too_long = json!("é".repeat(4000));
    let values = [json!({ "a": [1, 2.5, null] }), json!("text"), json!([]), too_long.clone()];
    for (qos, value) in [1, 0, 1, 0].into_iter().zip(&values) {
        // The SDK writes each é as six bytes: the last of these values is over the platform's 16 KiB.
        device.order(&json!(["publish", topic, value, qos])).await;
        if *value == too_long {
            device.until("published").await;
        } else {
            let [_, message] = device.until_all(["published", "message"]).await;
            assert_eq!(message, json!({ "topic": topic, "qos": qos, "payload": value }));
        }
    }
    let largest = json!("x".repeat(16 * 1024 - 2));
    cloud.server.handle().publish(topic, largest.to_string().as_bytes(), QoS::AtLeastOnce).await.unwrap().unwrap();
    assert_eq!(device.until("message").await, json!({ "topic": topic, "qos": 1, "payload": largest }));
    device.order(&json!(["unsubscribe", topic])).await;
    device.until("unsubscribed").await;
    device.order(&json!(["disconnect"])).await;
    let (status, log) = device.end().await;
    assert!(status.success() && !log.contains("exception"), "{log}");

    cloud.until_closed(DOOR, 1).await;
    let packets = cloud.packets(DOOR);
    let acknowledged = |from: &str| packets.iter().filter(|line| line.starts_with(&format!("{from} PUBACK"))).count();
    assert_eq!((acknowledged("->"), acknowledged("<-")), (2, 3), "{packets:#?}");
    assert!(packets.iter().any(|line| line.contains("dropped: the payload is over 16 KiB")), "{packets:#?}");
    cloud.stop().await;
}

#[tokio::test]
#[ignore = "needs the vendor's SDK: cargo xtask test --only vendor-sdk"]
async fn what_is_not_permitted_is_refused_and_the_line_stays_up() {
    let mut cloud = Cloud::start(1).await;
    let mut device = cloud.steered(DOOR).await;
    device.order(&json!(["connect"])).await;
    for topic in ["0000000177/door1/event", "0X0000007F/AirConditioner1/control"] {
        device.order(&json!(["subscribe", topic, 1])).await;
        assert_eq!(device.until("granted").await["qos"], json!(128), "{topic}");
    }
    device.order(&json!(["publish", "0X0000007F/AirConditioner1/event", {}, 1])).await;
    device.order(&json!(["publish", "0000000177/door1/event", {}, 1])).await;
    assert_eq!(device.until("published").await, json!(4), "the one before gets no PUBACK");
    device.order(&json!(["disconnect"])).await;
    let (status, log) = device.end().await;
    assert!(status.success(), "{log}");
    cloud.until_closed(DOOR, 1).await;
    assert_eq!(cloud.packets(DOOR).last().unwrap(), "closed: disconnected");
    cloud.stop().await;
}

#[tokio::test]
#[ignore = "needs the vendor's SDK: cargo xtask test --only vendor-sdk"]
async fn a_wrong_secret_is_refused_by_code_4() {
    let mut cloud = Cloud::start(1).await;
    let mut device = cloud.steered(Identity { secret: AIR.secret, ..DOOR }).await;
    device.order(&json!(["connect"])).await;
    device.until("not_connected").await;
    let (status, log) = device.end().await;
    assert_eq!(status.code(), Some(1));
    assert!(log.contains("Received CONNACK (0, 4)") && !log.contains("Received CONNACK (0, 0)"), "{log}");
    cloud.until_closed(DOOR, 1).await;
    assert_eq!(cloud.connections(DOOR)[0][1], "-> CONNACK session present 0, code 4");
    cloud.stop().await;
}

#[tokio::test]
#[ignore = "needs the vendor's SDK: cargo xtask test --only vendor-sdk"]
async fn a_device_that_is_thrown_out_comes_back_by_itself() {
    let mut cloud = Cloud::start(1).await;
    let mut device = cloud.steered(AIR).await;
    let topic = "0X0000007F/AirConditioner1/control";
    device.order(&json!(["connect"])).await;
    device.until("connected").await;
    assert!(cloud.server.handle().kick(&AIR.client_id(), "a test").await.unwrap());
    device.until("disconnected").await;
    assert_eq!(device.until("connected").await["code"], json!(0));
    device.order(&json!(["subscribe", topic, 1])).await;
    device.until("granted").await;
    cloud.server.handle().publish(topic, b"[7]", QoS::AtLeastOnce).await.unwrap().unwrap();
    assert_eq!(device.until("message").await, json!({ "topic": topic, "qos": 1, "payload": [7] }));
    device.order(&json!(["disconnect"])).await;
    let (status, log) = device.end().await;
    assert!(status.success(), "{log}");
    cloud.until_closed(AIR, 2).await;
    let connections = cloud.connections(AIR);
    assert_eq!(connections.len(), 2);
    assert_eq!(connections[0].last().unwrap(), "closed: closed by the broker: a test");
    // The user name is computed once a process, so the cloud sees it again.
    assert_eq!(connections[0][0], connections[1][0]);
    cloud.stop().await;
}

/// Each temperature is the one that the model has after the same commands.
fn assert_obeyed(heard: &[(String, Value)]) {
    let mut air = AirConditioner::default();
    let mut commands = Vec::new();
    for (word, value) in heard {
        match word.as_str() {
            "message" => {
                let action = command_action(value["payload"].as_str().unwrap().as_bytes()).unwrap();
                commands.push(action);
                air.command(action);
            }
            "tick" => assert_eq!(*value, air.tick()),
            _ => {}
        }
    }
    assert_eq!(commands, [Action::ComeHome, Action::LeaveHome]);
}

/// The lines contain these texts, one after the other.
fn assert_in_order(log: &str, texts: &[&str]) {
    let mut lines = log.lines();
    for text in texts {
        assert!(lines.any(|line| line.contains(text)), "{text:?} is not in its place in {log}");
    }
}

#[allow(
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "what the SDK tells is compared with the clock"
)]
fn wall_ms() -> f64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as f64
}

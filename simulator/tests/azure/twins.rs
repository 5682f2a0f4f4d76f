//! What a device asks of its twin and is told of it.

use crate::{
    rig::{HUB, cloud, dev, device, heard},
    support::{Bench, publish_with, subscribe},
};
use serde_json::{Value, json};
use skytether_simulator::{
    azure::{AzureCloud, Object, THROTTLED},
    broker::{ConnId, trace::CloseReason},
};

const ANSWERS: &str = "$iothub/twin/res/#";
const DESIRED: &str = "$iothub/twin/PATCH/properties/desired/#";
const GET: &str = "$iothub/twin/GET/";
const PATCH: &str = "$iothub/twin/PATCH/properties/reported/";

fn object(value: &Value) -> Object {
    value.as_object().unwrap().clone()
}

fn desire(bench: &mut Bench<AzureCloud>, patch: &Value) -> u64 {
    let patch = object(patch);
    bench.act(|cloud, _, out| cloud.write_desired(&dev(), &patch, out)).unwrap()
}

fn patched(bench: &mut Bench<AzureCloud>, conn: ConnId, patch: &str) -> String {
    let lines = bench.ask(conn, &format!("{PATCH}?$rid=5"), patch);
    heard(&lines[0]).0.to_owned()
}

#[test]
fn the_twin_is_read_and_patched_with_versions() {
    let mut bench = cloud();
    let conn = bench.dev_7(&[ANSWERS]);
    let lines = bench.ask(conn, &format!("{GET}?$rid=4"), " ");
    let (topic, body) = heard(&lines[0]);
    assert_eq!(topic, "$iothub/twin/res/200/?$rid=4");
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(body, json!({"desired": {"$version": 1}, "reported": {"$version": 1}}));
    assert_eq!(patched(&mut bench, conn, r#"{"a":1,"b":{"c":2}}"#), "$iothub/twin/res/204/?$rid=5&$version=2");
    assert_eq!(patched(&mut bench, conn, r#"{"a":null}"#), "$iothub/twin/res/204/?$rid=5&$version=3");
    let twin = bench.broker.policy().twin_of(&dev()).unwrap();
    assert_eq!((twin.reported_version(), Value::Object(twin.reported().clone())), (3, json!({"b": {"c": 2}})));
}

#[test]
fn a_patch_without_the_dollar_is_applied_and_its_answer_belongs_to_nothing() {
    let mut bench = cloud();
    let conn = bench.dev_7(&[ANSWERS]);
    let lines = bench.ask(conn, &format!("{PATCH}?rid=8"), r#"{"telemetryInterval":5}"#);
    assert_eq!(heard(&lines[0]).0, "$iothub/twin/res/204/?$rid=&$version=2");
    assert_eq!(bench.broker.policy().twin_of(&dev()).unwrap().reported()["telemetryInterval"], 5);
}

#[test]
fn what_a_twin_cannot_hold_is_refused_and_the_line_stays_up() {
    let mut bench = cloud();
    let conn = bench.dev_7(&[ANSWERS]);
    assert_eq!(patched(&mut bench, conn, "{"), "$iothub/twin/res/400/?$rid=5");
    assert_eq!(patched(&mut bench, conn, r#"{"a.b":1}"#), "$iothub/twin/res/400/?$rid=5");
    let large = format!(r#"{{"a":"{}"}}"#, "x".repeat(33 * 1024));
    assert_eq!(patched(&mut bench, conn, &large), "$iothub/twin/res/413/?$rid=5");
    assert_eq!(patched(&mut bench, conn, "{}"), "$iothub/twin/res/204/?$rid=5&$version=2");
    assert_eq!(bench.ended(conn), None);
}

#[test]
fn changes_of_desired_properties_are_told_to_who_listens_now_and_to_nobody_else() {
    let mut bench = cloud();
    assert_eq!(desire(&mut bench, &json!({"before": 1})), 2);
    let conn = bench.dev_7(&[DESIRED]);
    assert_eq!(bench.take(conn), [""; 0]);
    assert_eq!(desire(&mut bench, &json!({"telemetryInterval": 5})), 3);
    let lines = bench.take(conn);
    let (topic, body) = heard(&lines[0]);
    assert_eq!(topic, "$iothub/twin/PATCH/properties/desired/?$version=3");
    assert_eq!(serde_json::from_str::<Value>(body).unwrap(), json!({"telemetryInterval": 5, "$version": 3}));
    bench.cut(conn);
    desire(&mut bench, &json!({"away": 1}));
    let (conn, present) = bench.enter(&device(HUB));
    assert!(present);
    assert_eq!(bench.take(conn), [""; 0], "a session does not keep what was told meanwhile");
    bench.broker.policy_mut().lose_desired(1);
    desire(&mut bench, &json!({"lost": 1}));
    assert_eq!(bench.take(conn), [""; 0]);
    let whole = object(&json!({"telemetryInterval": 6}));
    bench.act(|cloud, _, out| cloud.replace_desired(&dev(), &whole, out)).unwrap();
    let lines = bench.take(conn);
    let told = serde_json::from_str::<Value>(heard(&lines[0]).1).unwrap();
    assert_eq!(told, json!({"telemetryInterval": 6, "before": null, "away": null, "lost": null, "$version": 6}));
}

#[test]
fn twins_are_throttled_and_silent_on_demand() {
    let mut bench = cloud();
    let conn = bench.dev_7(&[ANSWERS]);
    bench.broker.policy_mut().refuse_twins(2, THROTTLED);
    for _ in 0..2 {
        let lines = bench.ask(conn, &format!("{GET}?$rid=1"), "");
        let (topic, body) = heard(&lines[0]);
        assert_eq!(topic, "$iothub/twin/res/429/?$rid=1");
        assert_eq!(serde_json::from_str::<Value>(body).unwrap()["errorCode"], 429_001);
    }
    bench.broker.policy_mut().silence_twins(1);
    assert_eq!(bench.ask(conn, &format!("{PATCH}?$rid=2"), r#"{"a":1}"#), [""; 0]);
    assert_eq!(patched(&mut bench, conn, "{}"), "$iothub/twin/res/204/?$rid=5&$version=3");
}

#[test]
fn who_has_not_subscribed_gets_no_answer() {
    let mut bench = cloud();
    let conn = bench.dev_7(&[]);
    assert_eq!(bench.ask(conn, &format!("{GET}?$rid=1"), ""), [""; 0]);
}

#[test]
fn filters_that_are_not_documented_get_0x80() {
    let mut bench = cloud();
    let conn = bench.dev_7(&[]);
    for filter in ["#", "$iothub/#", "devices/dev-8/messages/devicebound/#", "$dps/registrations/res/#"] {
        bench.feed(conn, &subscribe(3, &[(filter, 1)]));
        assert_eq!(bench.take(conn), ["SUBACK 3 [x]"], "{filter}");
    }
}

#[test]
fn hostile_packets_end_the_connection_without_a_word() {
    for (topic, payload, level) in [
        ("devices/dev-7/messages/events", vec![0; 1], 0),
        ("devices/dev-7/messages/events/a=%zz", vec![0; 1], 0),
        ("devices/dev-7/messages/events/", vec![0; 256 * 1024 + 1], 1),
        ("devices/dev-7/messages/events/", vec![0; 600 * 1024], 1),
        ("devices/dev-7/messages/events/", vec![0; 1], 2),
        ("$iothub/methods/res/200/", vec![], 0),
        ("$iothub/methods/res/200/?$rid=1", vec![0; 128 * 1024 + 1], 0),
    ] {
        let mut bench = cloud();
        let conn = bench.dev_7(&[ANSWERS]);
        bench.feed(conn, &publish_with(topic, &payload, level, 1, false, false));
        assert!(bench.ended(conn).is_some_and(|why| why != CloseReason::Disconnected), "{topic}");
        assert_eq!(bench.take(conn), [""; 0], "{topic}");
        assert_eq!(bench.broker.policy_mut().take_telemetry(), None);
    }
}

//! What a portal shows of a device that is built after a model, while the device speaks MQTT.

use crate::{
    rig::{CONFIG, HUB, KEY, LATER, connect, heard, token},
    support::{Bench, subscribe},
};
use serde_json::json;
use skytether_simulator::{
    azure::{AzureCloud, Config, Identity, Member, Outcome, PropertyState, Template},
    broker::{Config as BrokerConfig, ConnId},
};

fn board() -> Identity {
    Identity::device(HUB, "dev-7")
}

fn connected() -> (Bench<AzureCloud>, ConnId) {
    let config = Config { templates: vec![Template::wbz451_curiosity()], ..serde_json::from_str(CONFIG).unwrap() };
    let mut bench = Bench::new(AzureCloud::new(&config, [7; 32]).unwrap(), BrokerConfig::default());
    let password = token(&format!("{HUB}/devices/dev-7"), KEY, LATER);
    let model = "model-id=dtmi%3Acom%3AMicrochip%3AWBZ451_Curiosity%3B1";
    let user_name = format!("{HUB}/dev-7/?api-version=2020-09-30&DeviceClientType=acme-rs%2F1&{model}");
    let (conn, _) = bench.enter(&connect("dev-7", &user_name, Some(&password)));
    for filter in ["$iothub/methods/POST/#", "$iothub/twin/res/#", "$iothub/twin/PATCH/properties/desired/#"] {
        bench.feed(conn, &subscribe(1, &[(filter, 1)]));
        bench.take(conn);
    }
    (bench, conn)
}

#[test]
fn an_interval_is_pending_until_the_device_accepts_it() {
    let (mut bench, conn) = connected();
    let interval = Member::from("telemetryInterval");
    let version = bench.act(|cloud, _, out| cloud.write_property(&board(), &interval, json!(5), out)).unwrap();
    assert_eq!(version, 2);
    assert_eq!(bench.broker.policy().property(&board(), &interval), Some(PropertyState::Pending));
    assert_eq!(heard(&bench.take(conn)[0]).1, r#"{"$version":2,"telemetryInterval":5}"#);
    bench.pass(3_000);
    assert_eq!(bench.broker.policy().property(&board(), &interval), Some(PropertyState::Pending));
    let ack = r#"{"telemetryInterval":{"ac":200,"av":2,"ad":"telemetryInterval set to: 5","value":5}}"#;
    bench.say(conn, "$iothub/twin/PATCH/properties/reported/?rid=8", ack);
    let accepted = PropertyState::Accepted { value: json!(5), ad: Some("telemetryInterval set to: 5".to_owned()) };
    assert_eq!(bench.broker.policy().property(&board(), &interval), Some(accepted));
}

#[test]
fn the_portal_writes_and_calls_what_the_model_has() {
    let (mut bench, conn) = connected();
    let refused = |result: Result<u64, skytether_simulator::azure::ServiceError>| result.unwrap_err().code;
    let ip = Member::from("ipAddress");
    assert_eq!(refused(bench.act(|cloud, _, out| cloud.write_property(&board(), &ip, json!("::1"), out))), 400_004);
    let format = Member::from("format");
    let called = bench.act(|cloud, at, out| cloud.command(at, &board(), (&format, b""), out));
    assert_eq!(called.unwrap_err().code, 400_004);
    let reboot = Member::from("reboot");
    let call = bench.act(|cloud, at, out| cloud.command(at, &board(), (&reboot, br#"{"delay":"PT5S"}"#), out)).unwrap();
    assert_eq!(heard(&bench.take(conn)[0]), ("$iothub/methods/POST/reboot/?$rid=1", r#"{"delay":"PT5S"}"#));
    bench.pass(29_999);
    assert_eq!(bench.broker.policy().outcome(call), None);
    bench.pass(1);
    assert_eq!(bench.broker.policy().outcome(call), Some(&Outcome::TimedOut));
}

#[test]
fn a_command_for_a_device_that_is_away_waits_as_a_message() {
    let (mut bench, conn) = connected();
    bench.feed(conn, &subscribe(2, &[("devices/dev-7/messages/devicebound/#", 1)]));
    bench.take(conn);
    bench.cut(conn);
    let send = Member::from("sendMsg");
    bench.act(|cloud, at, out| cloud.offline_command(at, &board(), (&send, b"\"hi\""), out)).unwrap();
    let password = token(&format!("{HUB}/devices/dev-7"), KEY, LATER);
    let user_name = format!("{HUB}/dev-7/?api-version=2020-09-30");
    let (conn, _) = bench.enter(&connect("dev-7", &user_name, Some(&password)));
    let lines = bench.take(conn);
    let (topic, body) = heard(&lines[0]);
    assert!(topic.ends_with("&method-name=sendMsg"), "{topic}");
    assert_eq!(body, "\"hi\"");
}

#[test]
fn telemetry_that_the_model_does_not_have_is_told_apart() {
    let template = Template::wbz451_curiosity();
    let body = json!({"temperature": 15.25, "humidity": 3});
    assert_eq!(template.unmodelled(None, body.as_object().unwrap()), ["humidity"]);
    assert_eq!(template.unmodelled(Some("x"), body.as_object().unwrap()), ["humidity", "temperature"]);
}

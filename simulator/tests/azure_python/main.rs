//! Does Microsoft's own Python SDK, unmodified, work against the simulator, over TLS? The script is in
//! `interop/azure-sdk`.
//!
//! The SDK's port is fixed at 8883 (443 for WebSocket and HTTP). So each test has a loopback address of its own, and the
//! hub is named by it: it is what the provisioning service assigns, what the user name and the token name, and what the
//! certificate of the server is good for. Nothing needs to be patched or configured.
//!
//! Ignored by default, since they need Python and a package: `cargo xtask test --only azure-sdk` installs that and runs
//! these.
#![cfg(all(feature = "server", unix))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod stage;

use core::time::Duration;
use serde_json::{Value, json};
use skytether_simulator::azure::{AzureCloud, C2d, Ending, Fate, Identity, Object, Outcome};
use stage::{Cloud, Proof};
use tokio::sync::oneshot;

const MODEL: &str = "dtmi:com:Microchip:WBZ451_Curiosity;1";

#[tokio::test]
#[ignore = "needs Microsoft's SDK: cargo xtask test --only azure-sdk"]
async fn a_device_with_a_key_lives_its_whole_life() {
    whole_life(Proof::Key).await;
}

#[tokio::test]
#[ignore = "needs Microsoft's SDK: cargo xtask test --only azure-sdk"]
async fn a_device_with_a_key_of_a_group_lives_its_whole_life() {
    whole_life(Proof::GroupKey).await;
}

#[tokio::test]
#[ignore = "needs Microsoft's SDK: cargo xtask test --only azure-sdk"]
async fn a_device_with_a_certificate_lives_its_whole_life() {
    whole_life(Proof::Certificate).await;
}

async fn whole_life(proof: Proof) {
    let cloud = Cloud::start().await;
    let mut device = cloud.program();
    let mut options = cloud.options(proof);
    options["payload"] = json!({ "modelId": MODEL });
    device.order(&json!(["provision", options])).await;
    let assigned = device.until("provisioned").await;
    let id = options["registration_id"].as_str().unwrap().to_owned();
    let substatus = "initialAssignment";
    let payload = json!({"greeting": "hello"});
    let expected =
        json!({"status": "assigned", "hub": cloud.hub, "device_id": id, "substatus": substatus, "payload": payload});
    assert_eq!(assigned, expected);
    let identity = Identity::device(&cloud.hub, &id);
    let of = identity.clone();
    assert_eq!(cloud.ask(move |cloud, _, _| cloud.model_of(&of).map(str::to_owned)).await.as_deref(), Some(MODEL));

    device.order(&json!(["connect", cloud.hub_options(&options)])).await;
    device.until_all(["connected", "ready"]).await;

    // Telemetry, with properties.
    let body = r#"{"temperature":15.25}"#;
    device.order(&json!(["telemetry", body, {"level": "a b&c=d/é"}])).await;
    device.until("sent").await;
    let said = cloud.ask(|cloud, _, _| cloud.take_telemetry()).await.unwrap();
    assert_eq!((said.body.as_slice(), &said.identity), (body.as_bytes(), &identity));
    let properties = ["level", "$.ct", "$.ce"].map(|name| said.property(name));
    assert_eq!(properties, [Some("a b&c=d/é"), Some("application/json"), Some("utf-8")]);

    // The twin, both ways.
    device.order(&json!(["twin"])).await;
    let twin = device.until("twin").await;
    assert_eq!(twin, json!({"desired": {"telemetryInterval": 10, "$version": 2}, "reported": {"$version": 1}}));
    let (of, patch) = (identity.clone(), object(&json!({"telemetryInterval": 5, "old": {"a": 1}})));
    cloud.ask(move |cloud, _, out| cloud.write_desired(&of, &patch, out)).await.unwrap();
    assert_eq!(device.until("desired").await, json!({"telemetryInterval": 5, "old": {"a": 1}, "$version": 3}));
    device.order(&json!(["report", {"telemetryInterval": {"ac": 200, "av": 3, "value": 5}, "led": null}])).await;
    device.until("reported").await;
    let of = identity.clone();
    let reported = cloud.ask(move |cloud, _, _| cloud.twin_of(&of).unwrap().reported().clone()).await;
    assert_eq!(Value::Object(reported), json!({"telemetryInterval": {"ac": 200, "av": 3, "value": 5}}));
    device.order(&json!(["report", {"a.b": 1}])).await;
    assert_eq!(device.until("failed").await["kind"], "ClientError");

    // Methods.
    for (name, payload, status) in [("reboot", json!({"delay": "PT5S"}), 200), ("refuse", json!(null), 404)] {
        let (outcome, _) = tokio::join!(call(&cloud, &identity, name, &payload), device.until("method"));
        let expected = Outcome::Answered { status, payload: payload.to_string().into_bytes() };
        assert_eq!(json_of(&outcome), json_of(&expected), "{name}");
    }

    // A message, acknowledged.
    let message = C2d {
        body: b"open".to_vec(),
        message_id: Some("m-1".to_owned()),
        content_type: Some("text/plain".to_owned()),
        properties: vec![("k".to_owned(), Some("a b/c".to_owned()))],
        ack: true,
        ..C2d::default()
    };
    let of = identity.clone();
    cloud.ask(move |cloud, at, out| cloud.send(at, &of, message, out)).await.unwrap();
    let expected = json!({"body": "open", "id": "m-1", "content_type": "text/plain", "properties": {"k": "a b/c"}});
    assert_eq!(device.until("message").await, expected);
    let feedback = cloud.until(AzureCloud::take_feedback).await;
    assert_eq!((feedback.message_id.as_str(), feedback.fate), ("m-1", Fate::Completed));

    device.order(&json!(["disconnect"])).await;
    device.until("gone").await;
    let (status, log) = device.end().await;
    assert!(status.success(), "{log}");
    assert!(!cloud.ask(move |cloud, _, _| cloud.is_connected(&identity)).await);
    cloud.stop().await;
}

#[tokio::test]
#[ignore = "needs Microsoft's SDK: cargo xtask test --only azure-sdk"]
async fn wrong_credentials_are_refused_by_both_services() {
    let cloud = Cloud::start().await;
    let mut device = cloud.program();
    let right = cloud.options(Proof::Key);
    let mut wrong = right.clone();
    wrong["key"] = json!("d3JvbmcgYnV0IGxvbmcgZW5vdWdoIHRvIGJlIGEga2V5");
    device.order(&json!(["provision", wrong])).await;
    assert_eq!(device.until("failed").await["kind"], "CredentialError");
    device.order(&json!(["provision", right])).await;
    device.until("provisioned").await;
    wrong["retry"] = json!(false);
    device.order(&json!(["connect", cloud.hub_options(&wrong)])).await;
    assert_eq!(device.until("failed").await["kind"], "CredentialError");
    let mut other = cloud.options(Proof::Certificate);
    other["registration_id"] = json!("somebody-else");
    device.order(&json!(["provision", other])).await;
    assert_eq!(device.until("failed").await["kind"], "CredentialError");
    device.end().await;
    cloud.stop().await;
}

#[tokio::test]
#[ignore = "needs Microsoft's SDK: cargo xtask test --only azure-sdk"]
async fn a_disabled_registration_and_one_that_fails_are_errors() {
    let cloud = Cloud::start().await;
    let mut device = cloud.program();
    let options = cloud.options(Proof::Key);
    let id = options["registration_id"].as_str().unwrap().to_owned();
    let of = id.clone();
    cloud.ask(move |cloud, _, _| cloud.end_by(&of, Ending::Disabled)).await;
    device.order(&json!(["provision", options])).await;
    assert_eq!(device.until("failed").await["cause"], "ServiceError");
    // The SDK stays connected after a failure, and would fight with its successor for the connection.
    drop(device);
    let mut device = cloud.program();
    cloud.ask(move |cloud, _, _| cloud.end_by(&id, Ending::Failed(400_208, "No hub.".to_owned()))).await;
    device.order(&json!(["provision", options])).await;
    assert_eq!(device.until("failed").await["cause"], "ServiceError");
    device.end().await;
    cloud.stop().await;
}

#[tokio::test]
#[ignore = "needs Microsoft's SDK: cargo xtask test --only azure-sdk"]
async fn a_device_that_is_thrown_out_comes_back_and_gets_what_waited() {
    let cloud = Cloud::start().await;
    let mut device = cloud.program();
    let options = cloud.options(Proof::Key);
    let id = options["registration_id"].as_str().unwrap();
    device.order(&json!(["provision", options])).await;
    device.until("provisioned").await;
    device.order(&json!(["connect", cloud.hub_options(&options)])).await;
    device.until_all(["connected", "ready"]).await;
    let identity = Identity::device(&cloud.hub, id);
    let of = identity.clone();
    assert!(cloud.local.handle().kick(&of.session(), "a test").await.unwrap());
    cloud
        .ask(move |cloud, at, out| cloud.send(at, &of, C2d { body: b"waited".to_vec(), ..C2d::default() }, out))
        .await
        .unwrap();
    device.until("disconnected").await;
    let [_, message] = device.until_all(["connected", "message"]).await;
    assert_eq!(message["body"], "waited");
    device.end().await;
    cloud.stop().await;
}

#[tokio::test]
#[ignore = "needs Microsoft's SDK: cargo xtask test --only azure-sdk"]
async fn over_websocket_and_https_it_works_too_where_port_443_may_be_used() {
    let Some(cloud) = Cloud::with_443(stage::Of443::WebSocket).await else { return };
    let mut device = cloud.program();
    let mut options = cloud.options(Proof::Key);
    options["websockets"] = json!(true);
    device.order(&json!(["provision", options])).await;
    assert_eq!(device.until("provisioned").await["status"], "assigned");
    device.order(&json!(["connect", cloud.hub_options(&options)])).await;
    device.until_all(["connected", "ready"]).await;
    device.order(&json!(["telemetry", "{}", {}])).await;
    device.until("sent").await;
    device.end().await;
    cloud.stop().await;

    let Some(cloud) = Cloud::with_443(stage::Of443::Https).await else { return };
    let mut device = cloud.program();
    let options = cloud.options(Proof::Key);
    device.order(&json!(["provision", options])).await;
    device.until("provisioned").await;
    device.order(&json!(["connect", cloud.hub_options(&options)])).await;
    device.until("ready").await;
    device.order(&json!(["storage", "logs/a.bin"])).await;
    let storage = device.until("storage").await;
    let id = options["registration_id"].as_str().unwrap();
    assert_eq!(storage["blobName"], format!("{id}/logs/a.bin"));
    device.order(&json!(["uploaded", storage["correlationId"]])).await;
    device.until("notified").await;
    let upload = cloud.ask(|cloud, _, _| cloud.take_upload()).await.unwrap();
    assert!(upload.success && upload.content.is_none());
    device.end().await;
    cloud.stop().await;
}

async fn call(cloud: &Cloud, identity: &Identity, name: &'static str, payload: &Value) -> Outcome {
    let (told, outcome) = oneshot::channel();
    let (of, payload) = (identity.clone(), payload.to_string());
    cloud
        .ask(move |cloud, at, out| {
            let call = (name, payload.as_bytes());
            let id = cloud.invoke(at, &of, call, Duration::from_secs(15), out).unwrap();
            cloud.notify(id, move |outcome| drop(told.send(outcome)));
        })
        .await;
    outcome.await.unwrap()
}

/// Status and body, the body as JSON: the SDK writes spaces of its own.
fn json_of(outcome: &Outcome) -> (i64, Value) {
    match outcome {
        Outcome::Answered { status, payload } => (*status, serde_json::from_slice(payload).unwrap()),
        Outcome::TimedOut => panic!("no answer"),
    }
}

fn object(value: &Value) -> Object {
    value.as_object().unwrap().clone()
}

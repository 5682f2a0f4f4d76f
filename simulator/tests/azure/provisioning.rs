//! How a registration goes: asked for, polled, assigned, or not.

use crate::{
    rig::{HUB, KEY, LATER, OTHER, cloud, connect, heard, registration, token},
    support::{Bench, subscribe},
};
use serde_json::{Value, json};
use skytether_simulator::{
    azure::{AzureCloud, Ending, Identity, THROTTLED, Throttle},
    broker::{ConnId, policy::Peer, trace::CloseReason},
};

const REGISTER: &str = "$dps/registrations/PUT/iotdps-register/";
const STATUS: &str = "$dps/registrations/GET/iotdps-get-operationstatus/";

fn listening(bench: &mut Bench<AzureCloud>, id: &str) -> ConnId {
    let (conn, _) = bench.enter(&registration(id, KEY));
    bench.feed(conn, &subscribe(1, &[("$dps/registrations/res/#", 0)]));
    assert_eq!(bench.take(conn), ["SUBACK 1 [0]"]);
    conn
}

/// Asks, and reads topic and body of the one answer.
fn asked(bench: &mut Bench<AzureCloud>, conn: ConnId, topic: &str, payload: &str) -> (String, Value) {
    let lines = bench.ask(conn, topic, payload);
    assert_eq!(lines.len(), 1, "{lines:?}");
    let (topic, body) = heard(&lines[0]);
    (topic.to_owned(), serde_json::from_str(body).unwrap())
}

/// Registers and polls to the end, which is given back.
fn to_the_end(bench: &mut Bench<AzureCloud>, conn: ConnId) -> Value {
    let (_, body) = asked(bench, conn, &format!("{REGISTER}?$rid=1"), "{}");
    let operation = body["operationId"].as_str().unwrap().to_owned();
    for rid in 2..10 {
        bench.pass(3000);
        let topic = format!("{STATUS}?$rid={rid}&operationId={operation}");
        let (topic, body) = asked(bench, conn, &topic, "");
        if !topic.starts_with("$dps/registrations/res/202/") {
            assert_eq!(topic, format!("$dps/registrations/res/200/?$rid={rid}"));
            return body;
        }
    }
    panic!("it never ends");
}

#[test]
fn a_registration_is_polled_and_assigned_as_the_document_shows() {
    let mut bench = cloud();
    let conn = listening(&mut bench, "pump-7");
    let register = r#"{"registrationId":"PUMP-7","payload":{"modelId":"dtmi:acme:Pump;3"}}"#;
    let (topic, body) = asked(&mut bench, conn, &format!("{REGISTER}?$rid=1"), register);
    assert_eq!(topic, "$dps/registrations/res/202/?$rid=1&retry-after=3");
    let operation = body["operationId"].as_str().unwrap().to_owned();
    assert_eq!(body, json!({"operationId": operation, "status": "assigning"}));
    bench.pass(3000);
    let (topic, body) = asked(&mut bench, conn, &format!("{STATUS}?$rid=2&operationId={operation}"), " ");
    assert_eq!(topic, "$dps/registrations/res/202/?$rid=2&retry-after=3");
    assert_eq!(body["registrationState"], json!({"registrationId": "pump-7", "status": "assigning"}));
    bench.pass(3000);
    let (topic, body) = asked(&mut bench, conn, &format!("{STATUS}?operationId={operation}&$rid=3"), "");
    assert_eq!(topic, "$dps/registrations/res/200/?$rid=3");
    assert_eq!(body["status"], "assigned");
    let state = &body["registrationState"];
    assert_eq!((&state["assignedHub"], &state["deviceId"]), (&json!(OTHER), &json!("Pump-Seven")));
    assert_eq!((&state["substatus"], &state["payload"]), (&json!("initialAssignment"), &json!({"hello": [1, null]})));
    assert_eq!(state["createdDateTimeUtc"], "2023-11-14T22:13:26.0000000Z");

    let identity = Identity::device(OTHER, "Pump-Seven");
    let cloud = bench.broker.policy();
    assert_eq!(cloud.model_of(&identity), Some("dtmi:acme:Pump;3"));
    assert_eq!(cloud.twin_of(&identity).unwrap().desired()["telemetryInterval"], 5);
    assert_eq!(cloud.registration("Pump-7").unwrap().hasty, 0);
    let password = token(&format!("{OTHER}/devices/Pump-Seven"), KEY, LATER);
    let user_name = format!("{OTHER}/Pump-Seven/?api-version=2021-04-12");
    assert_eq!(bench.code(&connect("Pump-Seven", &user_name, Some(&password)), Peer::default()), Some(0));
}

#[test]
fn without_the_dollar_the_request_id_is_not_seen_and_comes_back_empty() {
    let mut bench = cloud();
    let conn = listening(&mut bench, "pump-7");
    let (topic, _) = asked(&mut bench, conn, &format!("{REGISTER}?rid=1"), r#"{"payload" : {"modelId" : "dtmi:a;1"}}"#);
    assert_eq!(topic, "$dps/registrations/res/202/?$rid=&retry-after=3");
}

#[test]
fn polls_before_their_time_are_counted() {
    let mut bench = cloud();
    let conn = listening(&mut bench, "pump-7");
    let (_, body) = asked(&mut bench, conn, &format!("{REGISTER}?$rid=1"), "");
    let topic = format!("{STATUS}?$rid=2&operationId={}", body["operationId"].as_str().unwrap());
    bench.pass(2999);
    asked(&mut bench, conn, &topic, "");
    assert_eq!(bench.broker.policy().registration("pump-7").unwrap().hasty, 1);
}

#[test]
fn every_end_can_be_had() {
    for (ending, status, code) in [
        (Ending::Unassigned, "unassigned", None),
        (Ending::Disabled, "disabled", None),
        (Ending::Failed(400_209, "No.".to_owned()), "failed", Some(400_209)),
        (Ending::Other("dancing".to_owned()), "dancing", None),
    ] {
        let mut bench = cloud();
        bench.broker.policy_mut().end_by("pump-7", ending);
        let conn = listening(&mut bench, "pump-7");
        let body = to_the_end(&mut bench, conn);
        assert_eq!(
            (body["status"].as_str(), body["registrationState"]["status"].as_str()),
            (Some(status), Some(status))
        );
        assert_eq!(body["registrationState"]["errorCode"].as_u64(), code);
        assert_eq!(body["registrationState"].get("assignedHub"), None);
        bench.broker.policy_mut().end_by("pump-7", Ending::Assigned);
        assert_eq!(to_the_end(&mut bench, conn)["status"], "assigned");
    }
    let mut bench = cloud();
    let conn = listening(&mut bench, "off-1");
    assert_eq!(to_the_end(&mut bench, conn)["status"], "disabled");
}

#[test]
fn a_request_that_makes_no_sense_is_answered_by_an_error() {
    let mut bench = cloud();
    let conn = listening(&mut bench, "pump-7");
    for payload in ["{", "[]", r#"{"registrationId":"pump-8"}"#, r#"{"registrationId":7}"#] {
        let (topic, body) = asked(&mut bench, conn, &format!("{REGISTER}?$rid=9"), payload);
        assert_eq!(topic, "$dps/registrations/res/400/?$rid=9", "{payload}");
        assert_eq!(body["errorCode"], 400_004);
        assert!(body["trackingId"].is_string() && body["message"].is_string() && body["timestampUtc"].is_string());
        assert_eq!(body.get("operationId"), None);
    }
    for _ in 0..2 {
        let (topic, _) = asked(&mut bench, conn, &format!("{STATUS}?$rid=9&operationId=4.f"), "");
        assert_eq!(topic, "$dps/registrations/res/404/?$rid=9");
        // The second time there is an operation, and it is another one.
        asked(&mut bench, conn, &format!("{REGISTER}?$rid=1"), "{}");
    }
}

#[test]
fn another_topic_ends_the_connection() {
    for topic in ["$dps/registrations/PUT/iotdps-register", "devices/pump-7/messages/events/", "any"] {
        let mut bench = cloud();
        let conn = listening(&mut bench, "pump-7");
        bench.say(conn, topic, "{}");
        assert!(matches!(bench.ended(conn), Some(CloseReason::Kicked(_))), "{topic}");
    }
    let mut bench = cloud();
    let (conn, _) = bench.enter(&registration("pump-7", KEY));
    for filter in ["#", "$dps/registrations/res/+", "$iothub/twin/res/#"] {
        bench.feed(conn, &subscribe(2, &[(filter, 1)]));
        assert_eq!(bench.take(conn), ["SUBACK 2 [x]"], "{filter}");
    }
}

#[test]
fn orders_to_throttle_come_first_and_are_used_up_in_their_order() {
    let mut bench = cloud();
    let conn = listening(&mut bench, "pump-7");
    let cloud = bench.broker.policy_mut();
    cloud.throttle_provisioning(Throttle { times: 2, error: THROTTLED, retry_after: Some(7) });
    cloud.throttle_provisioning(Throttle { times: 1, error: THROTTLED, retry_after: None });
    let ask = |bench: &mut _| asked(bench, conn, &format!("{REGISTER}?$rid=1"), "{}");
    for expected in ["429/?$rid=1&retry-after=7", "429/?$rid=1&retry-after=7", "429/?$rid=1"] {
        let (topic, body) = ask(&mut bench);
        assert_eq!((topic, body["errorCode"].as_u64()), (format!("$dps/registrations/res/{expected}"), Some(429_001)));
    }
    assert_eq!(ask(&mut bench).0, "$dps/registrations/res/202/?$rid=1&retry-after=3");
}

#[test]
fn the_pace_is_as_it_is_set() {
    let mut bench = cloud();
    bench.broker.policy_mut().pace_provisioning(0, None);
    let conn = listening(&mut bench, "pump-7");
    let (topic, body) = asked(&mut bench, conn, &format!("{REGISTER}?$rid=1"), "{}");
    assert_eq!(topic, "$dps/registrations/res/202/?$rid=1");
    let topic = format!("{STATUS}?$rid=2&operationId={}", body["operationId"].as_str().unwrap());
    assert_eq!(asked(&mut bench, conn, &topic, "").1["status"], "assigned");
}

#[test]
fn a_registration_that_is_moved_leaves_its_hub_and_takes_its_twin_along() {
    let mut bench = cloud();
    let conn = listening(&mut bench, "pump-7");
    assert_eq!(to_the_end(&mut bench, conn)["registrationState"]["assignedHub"], OTHER);
    assert_eq!(to_the_end(&mut bench, conn)["registrationState"]["substatus"], "reprovisionedToInitialAssignment");
    let password = token(&format!("{OTHER}/devices/Pump-Seven"), KEY, LATER);
    let on_hub = connect("Pump-Seven", &format!("{OTHER}/Pump-Seven/?api-version=2021-04-12"), Some(&password));
    let (device, _) = bench.enter(&on_hub);
    bench.act(|cloud, _, out| cloud.move_registration("pump-7", HUB, out)).unwrap();
    assert_eq!(bench.ended(device), Some(CloseReason::Kicked("the device was moved to another hub")));
    assert_eq!(bench.code(&on_hub, Peer::default()), Some(5), "the old hub does not know it any more");
    let state = to_the_end(&mut bench, conn)["registrationState"].clone();
    assert_eq!((&state["assignedHub"], &state["substatus"]), (&json!(HUB), &json!("deviceDataMigrated")));
    let twin = bench.broker.policy().twin_of(&Identity::device(HUB, "Pump-Seven")).unwrap();
    assert_eq!(twin.desired()["telemetryInterval"], 5);
}

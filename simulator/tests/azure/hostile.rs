//! Whatever clients send, the cloud stays up; and it does wrong as any broker does when it is told to.

use crate::{
    rig::{CONFIG, HUB, KEY, OTHER, cloud, connect, device, registration},
    support::{Bench, publish_with, subscribe},
};
use core::time::Duration;
use proptest::prelude::{ProptestConfig, any, prop, proptest};
use skytether_core::{link::Connect, secret::Secret};
use skytether_simulator::{
    azure::{AzureCloud, Config},
    broker::{
        fault::{Fault, Throttle, Whom},
        policy::Peer,
        trace::CloseReason,
    },
    http::Request,
};

/// Text that is near to what the services read: their own words, in any order, with anything between.
fn words() -> impl prop::strategy::Strategy<Value = String> {
    let own = prop::sample::select(vec![
        "devices/dev-7/messages/events/",
        "$iothub/twin/GET/?$rid=",
        "$iothub/twin/PATCH/properties/reported/?",
        "$iothub/methods/res/",
        "$dps/registrations/PUT/iotdps-register/?$rid=",
        "$dps/registrations/GET/iotdps-get-operationstatus/?",
        "operationId=",
        "registrations",
        "api-version=2021-04-12",
        "api-version=2019-03-31",
        "contoso.azure-devices.net",
        "dev-7",
        "SharedAccessSignature ",
        "sr=",
        "sig=",
        "se=",
        "skn=",
        "model-id=",
        "%24.",
        "%",
        "&",
        "/",
        "?",
        "=",
    ]);
    let part = prop::strategy::Strategy::boxed(prop::strategy::Union::new([
        prop::strategy::Strategy::boxed(prop::strategy::Strategy::prop_map(own, str::to_owned)),
        prop::strategy::Strategy::boxed("[^+#\\x00]{0,6}"),
    ]));
    prop::strategy::Strategy::prop_map(prop::collection::vec(part, 0..8), |parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_user_name_or_password_upsets_the_cloud(client_id in "[a-z/-]{1,9}", user_name in words(), password in words()) {
        let mut bench = cloud();
        let knocks = Connect { password: Some(Secret::new(password)), ..connect(&client_id, &user_name, None) };
        let code = bench.code(&knocks, Peer::default());
        proptest::prop_assert!(matches!(code, Some(1..=5)), "{code:?}");
        proptest::prop_assert_eq!(bench.code(&device(HUB), Peer::default()), Some(0));
    }

    #[test]
    fn no_topic_or_payload_upsets_the_cloud(topic in words(), payload in prop::collection::vec(any::<u8>(), 0..200)) {
        for who in [device(HUB), registration("pump-7", KEY)] {
            let mut bench = cloud();
            let (conn, _) = bench.enter(&who);
            bench.feed(conn, &subscribe(1, &[("$iothub/twin/res/#", 1), ("$dps/registrations/res/#", 1)]));
            let topic = if topic.is_empty() { "x" } else { topic.as_str() };
            bench.feed(conn, &publish_with(topic, &payload, 1, 7, false, false));
            bench.take(conn);
            proptest::prop_assert_eq!(bench.code(&device(OTHER), Peer::default()), Some(0));
        }
    }

    #[test]
    fn no_request_upsets_the_cloud(method in "GET|PUT|POST|HEAD|X", target in words(), body in any::<Vec<u8>>()) {
        let mut bench = cloud();
        let request = Request { method, target: format!("/{target}"), body, ..Request::default() };
        let answer = bench.act(|cloud, at, _| cloud.http(at, &request));
        proptest::prop_assert!((400..500).contains(&answer.status), "{}", answer.status);
    }
}

#[test]
fn equal_seeds_and_inputs_give_equal_bytes() {
    let run = || {
        let mut bench = cloud();
        let (conn, _) = bench.enter(&registration("pump-7", KEY));
        bench.feed(conn, &subscribe(1, &[("$dps/registrations/res/#", 1)]));
        bench.ask(conn, "$dps/registrations/PUT/iotdps-register/?$rid=1", "{}")
    };
    assert_eq!(run(), run());
    assert!(run().join("").contains("operationId"));
}

#[test]
fn orders_to_misbehave_name_a_device_by_its_client_id_or_by_its_session() {
    let mut bench = cloud();
    let (conn, _) = bench.enter(&device(HUB));
    let order = |bench: &mut Bench<AzureCloud>, fault: Fault| bench.broker.misbehave(bench.now, &fault);
    let by = |name: &str| Whom::Client(name.to_owned());
    assert!(!order(&mut bench, Fault::Drop(by("dev-8"))));
    assert!(order(&mut bench, Fault::TakeOver(by(&format!("{HUB}/dev-7")))));
    assert!(matches!(bench.ended(conn), Some(CloseReason::TakenOver(_))));
    let (conn, present) = bench.enter(&device(HUB));
    assert!(present);
    assert!(order(&mut bench, Fault::Drop(by("dev-7"))));
    assert_eq!(bench.ended(conn), Some(CloseReason::Kicked("told to drop")));
    order(&mut bench, Fault::Revoke("dev-7".to_owned()));
    assert_eq!(bench.code(&device(HUB), Peer::default()), Some(4));
    order(&mut bench, Fault::Restore("dev-7".to_owned()));
    let (conn, _) = bench.enter(&device(HUB));
    order(&mut bench, Fault::Throttle(Some(Throttle { per_second: 1, late: Some(Duration::from_secs(2)) })));
    for id in [1, 2] {
        bench.feed(conn, &publish_with("devices/dev-7/messages/events/", b"{}", 1, id, false, false));
    }
    assert_eq!(bench.take(conn), ["PUBACK 1"]);
    bench.pass(2000);
    assert_eq!(bench.take(conn), ["PUBACK 2"], "late, as a hub that throttles");
}

#[test]
fn what_a_configuration_cannot_mean_is_told() {
    let change = |from: &str, to: &str| {
        assert!(CONFIG.contains(from), "{from}");
        let config: Config = serde_json::from_str(&CONFIG.replacen(from, to, 1)).unwrap();
        AzureCloud::new(&config, [0; 32]).unwrap_err().to_string()
    };
    for (from, to, told) in [
        (
            r#""hub": "fabrikam.azure-devices.net""#,
            r#""hub": "nowhere""#,
            "hub \"nowhere\" is assigned, and there is none",
        ),
        (r#""name": "fabrikam"#, r#""name": "fabri/kam"#, "hub \"fabri/kam.azure-devices.net\": give each hub a name"),
        (r#""id": "dev-7""#, r#""id": "dev/7""#, "device \"dev/7\": an id has 1 to 128"),
        (r#""telemetryInterval": 5"#, r#""telemetry.Interval": 5"#, "device \"pump-7\": the desired properties"),
    ] {
        let error = change(from, to);
        assert!(error.starts_with(told), "{error}");
    }
    for wrong in
        [r#"{"hubs": [{"nam": "x"}]}"#, r#"{"provisioning": {"groups": [{"name": "g", "proof": {"key": "AA=="}}]}}"#]
    {
        assert!(serde_json::from_str::<Config>(wrong).is_err(), "{wrong}");
    }
}

//! From the first dial to the hub: registration, what is stored of it, and when it is made anew.

use crate::rig::{HUB, OPERATION, Rig, WALL, Wire, assigned, assigning, provisioning};
use core::time::Duration;
use serde_json::{Value, json};
use skytether_core::{
    azure::{
        Command, Config, Event, NotAssigned, Progress, Proof, Provisioning, Route, Telemetry, Transport,
        identity::{HostName, ModelId},
    },
    cloud::Fatal,
    device,
    io::{Machine as _, Rejected},
    mqtt::session::Options,
};

const REGISTER: &str = "$dps/registrations/PUT/iotdps-register/";
const QUERY: &str = "$dps/registrations/GET/iotdps-get-operationstatus/";

fn service(config: &mut Config) -> &mut Provisioning {
    let Route::Provisioning(provisioning) = &mut config.route else { panic!("a provisioned device") };
    provisioning
}

fn gave_up(rig: &mut Rig) -> Option<Fatal> {
    rig.news().into_iter().find_map(|event| match event {
        device::Event::GaveUp(fatal) => Some(fatal),
        _ => None,
    })
}

/// The one verdict that was told.
fn verdict(rig: &mut Rig) -> NotAssigned {
    let verdicts: Vec<_> = rig
        .events()
        .into_iter()
        .filter_map(|event| match event {
            Event::NotAssigned(why) => Some(why),
            _ => None,
        })
        .collect();
    let [why] = &verdicts[..] else { panic!("{verdicts:?}") };
    why.clone()
}

fn failed(code: u32) -> Value {
    json!({"operationId": OPERATION, "status": "failed", "registrationState": {"errorCode": code, "errorMessage": "no hub"}})
}

#[test]
fn a_device_registers_waits_as_told_and_goes_to_its_hub() {
    let mut rig = Rig::new(provisioning());
    rig.connect();
    assert_eq!(rig.host(), "global.azure-devices-provisioning.net");
    let (client_id, user_name, password, clean) = rig.hello();
    assert_eq!((client_id, clean), ("pump-7", true));
    assert_eq!(user_name, "0ne00000001/registrations/pump-7/api-version=2019-03-31");
    assert!(password.unwrap().starts_with("SharedAccessSignature sr=0ne00000001%2Fregistrations%2Fpump-7&sig="));
    assert!(password.unwrap().ends_with("&se=1700003600&skn=registration"), "{password:?}");
    assert_eq!(rig.grant_all(), ["$dps/registrations/res/#"]);

    let (topic, payload) = rig.published("$dps").unwrap();
    assert_eq!(topic, "$dps/registrations/PUT/iotdps-register/?$rid=1");
    assert_eq!(payload, br#"{"registrationId":"pump-7"}"#);
    rig.message("$dps/registrations/res/202/?$rid=&retry-after=3", assigning().to_string().as_bytes());
    rig.tick_after(2999);
    assert_eq!(rig.published("$dps"), None);
    rig.tick_after(1);
    let (topic, payload) = rig.published("$dps").unwrap();
    let expected = format!("$dps/registrations/GET/iotdps-get-operationstatus/?$rid=2&operationId={OPERATION}");
    assert_eq!((topic, payload), (expected, Vec::new()));
    let mut body = assigned(HUB, "Pump-7");
    body["registrationState"]["payload"] = json!({"site": "x"});
    rig.message("$dps/registrations/res/200/?$rid=2", body.to_string().as_bytes());

    assert!(rig.wire.contains(&Wire::Disconnect));
    let events = rig.events();
    let wait = Duration::from_secs(3);
    let [
        Event::Provisioning(Progress::Registering),
        Event::Provisioning(Progress::Assigning { wait: told }),
        Event::Assigned(home),
    ] = &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!(*told, wait);
    assert_eq!((home.hub.as_str(), home.device.as_str(), home.stored), (HUB, "Pump-7", true));
    assert_eq!(home.payload, Some(json!({"site": "x"})));

    rig.connect();
    assert_eq!(rig.host(), HUB);
    let (client_id, user_name, _, clean) = rig.hello();
    assert_eq!((client_id, clean), ("Pump-7", false));
    assert_eq!(user_name, format!("{HUB}/Pump-7/?api-version=2021-04-12"));
    let filters = rig.grant_all();
    assert_eq!(
        filters,
        [
            "$iothub/methods/POST/#",
            "$iothub/twin/res/#",
            "$iothub/twin/PATCH/properties/desired/#",
            "devices/Pump-7/messages/devicebound/#",
        ]
    );
    assert!(rig.news().contains(&device::Event::Ready));
    assert_eq!(rig.published("$iothub/twin/GET/").unwrap().0, "$iothub/twin/GET/?$rid=3");
}

#[test]
fn the_model_stands_in_the_payload_beside_what_custom_allocation_is_told() {
    let model = || Some(ModelId::new("dtmi:acme:Pump;3").unwrap());
    let cases = [
        (None, model(), json!({"registrationId": "pump-7", "payload": {"modelId": "dtmi:acme:Pump;3"}})),
        (
            Some(json!({"site": "x"})),
            model(),
            json!({"registrationId": "pump-7", "payload": {"site": "x", "modelId": "dtmi:acme:Pump;3"}}),
        ),
        (
            Some(json!({"modelId": "mine"})),
            model(),
            json!({"registrationId": "pump-7", "payload": {"modelId": "mine"}}),
        ),
        (Some(json!([1])), model(), json!({"registrationId": "pump-7", "payload": [1]})),
        (None, None, json!({"registrationId": "pump-7"})),
    ];
    for (payload, model, wanted) in cases {
        let mut config = provisioning();
        (service(&mut config).payload, config.model) = (payload, model);
        let (_, sent) = Rig::registering(config).published(REGISTER).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&sent).unwrap(), wanted);
    }
}

#[test]
fn a_certificate_device_registers_without_a_password_and_without_the_time() {
    let mut config = provisioning();
    (config.proof, config.transport) = (Proof::Certificate, Transport::WebSocket);
    let mut rig = Rig::new(config);
    rig.wall = None;
    rig.connect();
    assert_eq!(rig.hello().2, None);
    let wanted = "wss://global.azure-devices-provisioning.net:443/$iothub/websocket";
    assert_eq!(rig.endpoint.as_ref().unwrap().to_string(), wanted);
}

#[test]
fn without_a_word_of_the_service_the_wait_is_3_s_and_its_own_words_are_kept_within_5_minutes() {
    for (query, wait) in
        [("", 3000), ("&retry-after=0", 3000), ("&retry-after=7", 7000), ("&retry-after=99999", 300_000)]
    {
        let mut rig = Rig::registering(provisioning());
        rig.service_says(202, query, &assigning());
        let asked = rig.now.0;
        rig.live_until(asked + wait - 1);
        assert_eq!(rig.published(QUERY), None, "{query}");
        rig.live_until(asked + wait);
        assert!(rig.published(QUERY).is_some(), "{query}");
    }
}

#[test]
fn r_66_a_throttled_or_broken_service_is_asked_the_same_again_ever_later() {
    let mut rig = Rig::registering(provisioning());
    rig.service_says(429, "&retry-after=10", &json!({"errorCode": 429_001}));
    let events = rig.events();
    let wait = Duration::from_secs(10);
    assert_eq!(events[1..], [Event::Provisioning(Progress::Delayed { status: 429, wait })], "{events:?}");
    rig.tick_after(9999);
    assert_eq!(rig.published(REGISTER), None);
    rig.tick_after(1);
    for (k, status) in [500, 503, 429, 500, 599, 500, 500].into_iter().enumerate() {
        rig.service_says(status, "", &json!({}));
        let asked = rig.now.0;
        let least = (3000 << k).min(100_000);
        rig.live_until(asked + least - 1);
        assert!(!rig.wire.iter().any(|wire| matches!(wire, Wire::Publish { .. })), "{k}");
        rig.live_until(asked + least + 5000);
        assert!(rig.wire.iter().any(|wire| matches!(wire, Wire::Publish { .. })), "{k}");
        rig.events();
    }
    // A question about the operation is repeated as one.
    rig.service_says(202, "", &assigning());
    rig.tick_after(3000);
    rig.service_says(500, "&retry-after=1", &json!({}));
    rig.tick_after(1000);
    assert!(rig.published(QUERY).is_some());
}

#[test]
fn every_end_without_a_hub_is_told_and_not_tried_again() {
    type Judge = fn(&NotAssigned) -> bool;
    let status = |status: &str| json!({"operationId": OPERATION, "status": status});
    let error = json!({"errorCode": 404_201, "trackingId": "t-1", "message": "no such enrolment"});
    let cases: [(u16, Value, Judge); 7] = [
        (
            200,
            failed(400_208),
            |why| matches!(why, NotAssigned::Failed(e) if e.code == Some(400_208) && e.message == "no hub"),
        ),
        (200, status("disabled"), |why| *why == NotAssigned::Disabled),
        (200, status("blacklisted"), |why| *why == NotAssigned::Disabled),
        (200, status("unassigned"), |why| *why == NotAssigned::Unassigned),
        (404, error, |why| matches!(why, NotAssigned::Refused(e) if e.status == 404 && e.tracking_id == "t-1")),
        (403, json!("no object"), |why| matches!(why, NotAssigned::Refused(e) if e.status == 403 && e.code.is_none())),
        (200, assigned("evil.example.com", "pump-7"), |why| matches!(why, NotAssigned::HubNotAllowed(_))),
    ];
    for (status, body, expected) in cases {
        let mut rig = Rig::registering(provisioning());
        rig.service_says(status, "", &body);
        let why = verdict(&mut rig);
        assert!(expected(&why), "{why:?}");
        assert!(!why.to_string().is_empty());
        assert!(matches!(gave_up(&mut rig), Some(Fatal::Invalid(_))), "{why:?}");
        assert_eq!((rig.device.deadline(), rig.dials()), (None, false));
        // A person who has mended the enrolment says so.
        rig.device.reconnect_now(rig.now);
        rig.connect();
        rig.grant_all();
        rig.assign(HUB);
        rig.connect();
        assert_eq!(rig.host(), HUB);
    }
}

#[test]
fn an_answer_that_makes_no_sense_is_told_and_a_new_registration_begins_later() {
    let mut others = [assigned(HUB, "pump-7"), assigned("not a host", "pump-7"), assigned(HUB, "a/b"), assigning()];
    others[0]["registrationState"].as_object_mut().unwrap().remove("deviceId");
    others[3].as_object_mut().unwrap().remove("operationId");
    let strange = [
        json!([]),
        json!({}),
        json!({"status": "new"}),
        json!({"status": 7}),
        json!({"status": "assigned", "registrationState": 1}),
    ];
    for body in others.into_iter().chain(strange) {
        let mut rig = Rig::registering(provisioning());
        rig.service_says(200, "", &body);
        assert!(matches!(verdict(&mut rig), NotAssigned::Nonsense(_)), "{body}");
        let ended = rig.now;
        rig.connect();
        assert!(rig.now.since(ended) >= Duration::from_mins(1), "{body}");
        rig.grant_all();
        rig.assign(HUB);
        rig.connect();
        assert_eq!(rig.host(), HUB);
    }
}

#[test]
fn hostile_bodies_and_statuses_are_no_more_than_nonsense() {
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    for (status, payload) in [
        (200, deep.as_bytes()),
        (202, b"\xff\xfe"),
        (200, b""),
        (200, br#"{"status":"assigning","operationId":"\u0000"}"#),
    ] {
        let mut rig = Rig::registering(provisioning());
        rig.published(REGISTER);
        rig.message(&format!("$dps/registrations/res/{status}/?$rid=1"), payload);
        assert!(matches!(verdict(&mut rig), NotAssigned::Nonsense(_)));
    }
    let mut rig = Rig::registering(provisioning());
    for topic in [
        "$dps/registrations/res/",
        "$dps/registrations/res/abc/?$rid=1",
        "$dps/other",
        "devices/x/messages/devicebound/",
    ] {
        rig.message(topic, b"{}");
        assert!(matches!(rig.events()[..], [.., Event::Unrouted(_)]), "{topic}");
    }
    rig.assign(HUB);
    rig.connect();
    assert_eq!(rig.host(), HUB);
}

#[test]
fn r_80_answers_to_other_requests_are_ignored() {
    let mut rig = Rig::registering(provisioning());
    rig.published(REGISTER);
    rig.message("$dps/registrations/res/200/?$rid=99", assigned(HUB, "pump-7").to_string().as_bytes());
    rig.message("$dps/registrations/res/202/?$rid=1&retry-after=3", assigning().to_string().as_bytes());
    // No request is open while it waits.
    rig.message("$dps/registrations/res/200/?$rid=1", assigned(HUB, "pump-7").to_string().as_bytes());
    rig.message("$dps/registrations/res/200/?$rid=", assigned(HUB, "pump-7").to_string().as_bytes());
    assert!(!rig.events().iter().any(|event| matches!(event, Event::Assigned(_))));
}

#[test]
fn an_operation_that_the_service_forgot_is_begun_anew_once() {
    for status in [400, 404] {
        let mut rig = Rig::registering(provisioning());
        for last in [false, true] {
            rig.service_says(202, "", &assigning());
            rig.tick_after(3000);
            rig.service_says(status, "", &json!({"errorCode": 404_000}));
            assert_eq!(rig.events().iter().any(|event| matches!(event, Event::NotAssigned(_))), last, "{status}");
        }
    }
}

#[test]
fn a_silent_service_is_asked_three_times_and_then_on_a_new_connection() {
    let mut rig = Rig::registering(provisioning());
    let begun = rig.now.0;
    for rid in 1..=3 {
        let (topic, _) = rig.published(REGISTER).unwrap();
        assert_eq!(topic, format!("{REGISTER}?$rid={rid}"));
        assert!(!rig.dials());
        rig.live_until(begun + 30_000 * rid);
    }
    assert!(rig.wire.contains(&Wire::Disconnect));
    rig.connect();
    assert_eq!(rig.host(), "global.azure-devices-provisioning.net");
    rig.grant_all();
    rig.assign(HUB);
}

#[test]
fn a_lost_connection_goes_on_with_the_operation_that_the_service_works_on() {
    let mut rig = Rig::registering(provisioning());
    rig.service_says(202, "&retry-after=60", &assigning());
    rig.cut();
    rig.connect();
    rig.grant_all();
    let (topic, _) = rig.published(QUERY).expect("a question about the operation");
    assert!(topic.ends_with(OPERATION), "{topic}");
}

#[test]
fn r_66_a_registration_ends_after_10_minutes_and_a_new_one_begins_after_a_while() {
    let mut rig = Rig::registering(provisioning());
    let begun = rig.now.0;
    for asked in [0, 250_000, 500_000] {
        rig.live_until(begun + asked);
        rig.service_says(202, "&retry-after=250", &assigning());
    }
    rig.live_until(begun + 599_999);
    assert!(!rig.wire.contains(&Wire::Disconnect));
    rig.live_until(begun + 600_000);
    assert_eq!(verdict(&mut rig), NotAssigned::TimedOut);
    let ended = rig.now;
    rig.connect();
    let waited = rig.now.since(ended);
    assert!((60..=120).contains(&waited.as_secs()), "{waited:?}");
    rig.grant_all();
    assert!(rig.published(REGISTER).is_some(), "a new operation");
}

#[test]
fn r_66_the_10_minutes_run_while_the_service_is_out_of_reach_too() {
    let mut rig = Rig::new(provisioning());
    let mut told = false;
    while rig.now.0 < 1_200_000 && !told {
        rig.open_pipe();
        rig.cut();
        told = rig.events().contains(&Event::NotAssigned(NotAssigned::TimedOut));
    }
    assert!(told && rig.now.0 >= 600_000, "{:?}", rig.now);
}

#[test]
fn r_54_a_token_that_the_service_disbelieves_is_signed_once_more_by_a_clock_asked_again() {
    let mut rig = Rig::registering(provisioning());
    let error = json!({"errorCode": 401_002, "message": "Invalid certificate."});
    rig.wall = Some(WALL + 86_400_000);
    rig.service_says(401, "", &error);
    assert!(!rig.events().iter().any(|event| matches!(event, Event::NotAssigned(_))));
    rig.connect();
    let expiry: u64 = rig.hello().2.unwrap().split("&se=").nth(1).unwrap().split('&').next().unwrap().parse().unwrap();
    assert!(expiry >= (WALL + 86_400_000) / 1000 + 3600);
    rig.grant_all();
    rig.service_says(401, "", &error);
    assert!(matches!(verdict(&mut rig), NotAssigned::Refused(error) if error.code == Some(401_002)));
    assert!(gave_up(&mut rig).is_some());
    // A certificate is not signed anew.
    let mut config = provisioning();
    config.proof = Proof::Certificate;
    let mut rig = Rig::registering(config);
    rig.service_says(401, "", &error);
    assert!(matches!(verdict(&mut rig), NotAssigned::Refused(_)));
}

#[test]
fn r_24_refused_connections_to_the_service_are_told_and_tried_after_a_minute_or_never() {
    for code in [4, 5] {
        let mut rig = Rig::new(provisioning());
        rig.open_pipe();
        rig.refuse(code);
        assert!(matches!(rig.events()[..], [Event::Refused { check, .. }] if check.contains("id scope")));
        let refused = rig.now;
        rig.open_pipe();
        assert!(rig.now.since(refused) >= Duration::from_mins(1));
    }
    for code in [1, 2] {
        let mut rig = Rig::new(provisioning());
        rig.open_pipe();
        rig.refuse(code);
        assert!(matches!(rig.events()[..], [Event::Refused { .. }]));
        rig.live_until(rig.now.0 + 10_000_000);
        assert!(gave_up(&mut rig).is_some() && !rig.dials(), "{code}");
    }
    let mut rig = Rig::new(provisioning());
    rig.open_pipe();
    rig.refuse(3);
    let refused = rig.now;
    rig.open_pipe();
    assert!(rig.now.since(refused) <= Duration::from_secs(6));
}

#[test]
fn r_32_only_hubs_in_the_allowed_domains_are_gone_to() {
    let allowed = |hub: &str, adjust: fn(&mut Config)| {
        let mut config = provisioning();
        adjust(&mut config);
        let mut rig = Rig::registering(config);
        rig.assign(hub);
        rig.events().iter().any(|event| matches!(event, Event::Assigned(_)))
    };
    let usual: fn(&mut Config) = |_| {};
    for hub in
        ["a.azure-devices.net", "A.B.Azure-Devices.CN", "x.azure-devices.us", "global.azure-devices-provisioning.net"]
    {
        assert!(allowed(hub, usual), "{hub}");
    }
    for hub in ["azure-devices.net.evil.org", "evilazure-devices.net", "localhost", "10.0.0.1"] {
        assert!(!allowed(hub, usual), "{hub}");
    }
    assert!(allowed("localhost", |config| config.gateway = Some(HostName::new("localhost").unwrap())));
    assert!(allowed("h.corp", |config| service(config).domains = vec![HostName::new("corp").unwrap()]));
    assert!(!allowed("h.azure-devices.net", |config| service(config).domains = vec![HostName::new("corp").unwrap()]));
}

#[test]
fn messages_wait_for_the_hub_and_never_reach_the_service() {
    let mut rig = Rig::new(provisioning());
    let telemetry = || Command::Telemetry(Telemetry::bytes(&b"x"[..]));
    // Nobody knows yet what the device is called at its hub.
    assert_eq!(rig.command(&telemetry()), Err(Rejected::Offline));
    rig.connect();
    rig.grant_all();
    rig.assign(HUB);
    let tag = rig.command(&telemetry()).unwrap();
    rig.command(&Command::Reprovision).unwrap();
    rig.connect();
    assert_eq!(rig.host(), "global.azure-devices-provisioning.net");
    rig.grant_all();
    rig.live_until(rig.now.0 + 10_000);
    assert_eq!(rig.published("devices/"), None);
    rig.assign(HUB);
    rig.connect();
    rig.grant_all();
    assert!(rig.published("devices/pump-7/").is_some());
    assert!(rig.done().iter().any(|(done, outcome)| *done == tag && outcome.is_ok()));
}

#[test]
fn a_refused_subscription_at_the_service_is_asked_again() {
    let mut rig = Rig::new(provisioning());
    rig.connect();
    let [.., Wire::Subscribe { id, .. }] = rig.wire[..] else { panic!() };
    rig.wire.clear();
    rig.suback(id, 0x80);
    assert!(matches!(rig.events()[..], [Event::SubscriptionRefused { .. }]));
    rig.live_until(rig.now.0 + 30_000);
    assert_eq!(rig.grant_all().len(), 1);
    assert!(rig.published(REGISTER).is_some());
}

#[test]
fn a_registration_that_the_link_cannot_carry_is_told_by_name() {
    let mut config = provisioning();
    service(&mut config).payload = Some(json!("x".repeat(300)));
    let mut options = Options::default();
    options.limits.packet_out = 300;
    let mut rig = Rig::with_options(config, options);
    rig.connect();
    rig.grant_all();
    assert_eq!(verdict(&mut rig), NotAssigned::TooLong);
    assert!(matches!(gave_up(&mut rig), Some(Fatal::Unsupported(_))));
}

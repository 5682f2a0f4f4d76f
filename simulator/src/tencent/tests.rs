//! Whom the cloud lets in, whom it refuses and with which code, and what it makes of messages.

use super::*;
use crate::broker::policy::{Certificate, Direct, Outgoing, Transport};
use skytether_core::io::Refusal;
use skytether_core::link::Will;
use skytether_core::secret::Secret;
use skytether_core::time::{Instant, UnixMillis};

/// A second before the expiry of most signatures below.
const AT: At = At { now: Instant(10_000), wall: UnixMillis(1_700_003_599_000) };

const PEM: &str = "-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n";
const DER: [u8; 5] = [0x30, 3, 2, 1, 1];

const CONFIG: &str = r#"{
  "products": [
    {"id": "DOORPRD9A1", "devices": [
      {"name": "door1", "secret": "JTTi3h3sJP7atMACZrVbqQ=="},
      {"name": "cert1", "certificate": "-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n"}]},
    {"id": "AIRCPRD7B2", "devices": [
      {"name": "AirConditioner1", "secret": "y5Jlwt6f9FJzywEHmeyiuABLQmntJtT4", "first_packet_id": 24}]},
    {"id": "GATEPRD5C3", "devices": [
      {"name": "a_b-c:D.9", "secret": "lxZTb2LIH+E+fCHIgHr5b9k/Z36QXlOBeg0rcqlbzSs="}]},
    {"id": "PBLOCK0001", "devices": [
      {"name": "dev", "secret": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+P0BBQkNERUZHSElKS0xNTk9QUVJTVFVWV1hZWltcXV5fYGFiYw=="}]}
  ],
  "rules": [{
    "name": "come_home",
    "sql": "SELECT action, targetDevice FROM 'DOORPRD9A1/+/event' WHERE targetDevice = 'AirConditioner1'",
    "actions": [{"republish": {"topic": "AIRCPRD7B2/${targetDevice}/control"}}]
  }]
}"#;

fn config() -> Config {
    serde_json::from_str(CONFIG).unwrap()
}

fn cloud() -> TencentCloud {
    TencentCloud::new(&config(), [0; 32]).unwrap()
}

fn door() -> DeviceId {
    DeviceId::new("DOORPRD9A1", "door1")
}

fn connect(client_id: &str, user_name: &str, password: &str) -> Connect {
    Connect {
        client_id: client_id.to_owned(),
        user_name: Some(user_name.to_owned()),
        password: Some(Secret::new(password)),
        keep_alive: 60,
        clean_session: true,
        ..Connect::default()
    }
}

/// A CONNECT of the door with a signature that another implementation has made.
fn door_connect() -> Connect {
    connect(
        "DOORPRD9A1door1",
        "DOORPRD9A1door1;12010126;ABCDE;1700003600",
        "308a9909214a201a0dffb1a4f32c6fae4f1d7cfa094ecf36738123c02bce4884;hmacsha256",
    )
}

fn judged(connect: &Connect) -> Result<DeviceId, Denial> {
    cloud().authenticate(AT, connect, &Peer::default())
}

fn code(connect: &Connect) -> u8 {
    code_of(&judged(connect))
}

fn code_of(judged: &Result<DeviceId, Denial>) -> u8 {
    match judged {
        Ok(_) => 0,
        Err(Denial::Code(refusal, _)) => refusal.code(),
        Err(Denial::Silent(why)) => panic!("refused without a word: {why}"),
    }
}

fn message<'a>(topic: &'a str, payload: &'a [u8], qos: QoS) -> Message<'a> {
    Message { topic, payload, qos, retain: false, dup: false }
}

fn sent(out: &mut Outbox) -> Vec<Direct> {
    core::iter::from_fn(|| out.pop()).collect()
}

#[test]
fn signatures_of_the_platforms_own_sdks_are_accepted() {
    let cases = [
        // Python: SHA-1, expiry in milliseconds
        (
            "DOORPRD9A1door1",
            "DOORPRD9A1door1;21010406;k3Xq9;1626850793618",
            "3cf1f3081009ef39a431033ff237cf19f95e269f;hmacsha1",
        ),
        // C on 64 bits: never expires
        (
            "DOORPRD9A1door1",
            "DOORPRD9A1door1;21010406;9AEwi;9223372036854775807",
            "b29edbbd4aa8c09ab555af9b0454f3b93049a659;hmacsha1",
        ),
        // Java: SHA-256
        (
            "AIRCPRD7B2AirConditioner1",
            "AIRCPRD7B2AirConditioner1;12010126;Q7w2E;2147483647",
            "c541165d6df3dd2e915a6d8b9dd57409ceeb2e7550c2f54f41acc081aca00f57;hmacsha256",
        ),
        // a key longer than a block
        (
            "PBLOCK0001dev",
            "PBLOCK0001dev;12010126;conn1;1700003600",
            "2249af74ad06e59aaa081560f90858a2222a7e0aaefd3bd57cffc0d8ce08bc96;hmacsha256",
        ),
    ];
    for (client_id, user_name, password) in cases {
        assert_eq!(judged(&connect(client_id, user_name, password)).unwrap().client_id(), client_id);
    }
}

#[test]
fn an_unknown_client_id_or_a_long_keep_alive_is_refused_with_2() {
    assert_eq!(code(&Connect { client_id: "DOORPRD9A1door2".to_owned(), ..door_connect() }), 2);
    assert_eq!(code(&Connect { client_id: "doorprd9a1door1".to_owned(), ..door_connect() }), 2);
    assert_eq!(code(&Connect { keep_alive: 901, ..door_connect() }), 2);
    assert_eq!(code(&Connect { keep_alive: 900, ..door_connect() }), 0);
    assert_eq!(code(&Connect { keep_alive: 0, ..door_connect() }), 0);
}

#[test]
fn a_wrong_user_name_or_password_is_refused_with_4() {
    let good = door_connect();
    assert_eq!(code(&good), 0);
    assert_eq!(code(&Connect { user_name: None, password: None, ..good.clone() }), 4);
    assert_eq!(code(&Connect { password: None, ..good.clone() }), 4);
    let mac = "308a9909214a201a0dffb1a4f32c6fae4f1d7cfa094ecf36738123c02bce4884";
    let passwords = [
        String::new(),
        mac.to_owned(),
        format!("{mac};hmacsha1"),
        format!("{mac};hmacsha512"),
        format!("{mac};HMACSHA256"),
        format!("{mac};hmacsha256;"),
        format!("{};hmacsha256", mac.to_uppercase()),
        format!("{};hmacsha256", &mac[..62]),
        format!("{}9;hmacsha256", &mac[..63]),
        format!("{mac}00;hmacsha256"),
        ";hmacsha256".to_owned(),
        ";hmacsha1".to_owned(),
    ];
    for password in passwords {
        assert_eq!(code(&Connect { password: Some(Secret::new(password.as_str())), ..good.clone() }), 4, "{password}");
    }
    assert_eq!(code(&Connect { password: Some(Secret::new([0xff, b';'])), ..good.clone() }), 4);
    for user_name in [
        "",
        "DOORPRD9A1door1",
        "DOORPRD9A1door1;12010126;ABCDE",
        "DOORPRD9A1door1;12010126;ABCDE;",
        "DOORPRD9A1door1;12010126;ABCDE;0",
        "DOORPRD9A1door1;12010126;ABCDE;+1700003600",
        "DOORPRD9A1door1;12010126;ABCDE;1700003600;x",
        "DOORPRD9A1door1;;ABCDE;1700003600",
        "DOORPRD9A1door1;12010126;;1700003600",
        "AIRCPRD7B2AirConditioner1;12010126;ABCDE;1700003600",
    ] {
        assert_eq!(code(&Connect { user_name: Some(user_name.to_owned()), ..good.clone() }), 4, "{user_name}");
    }
}

#[test]
fn a_signature_is_good_up_to_the_second_of_its_expiry() {
    let at = |millis| At { wall: UnixMillis(millis), ..AT };
    let judged = |millis| code_of(&cloud().authenticate(at(millis), &door_connect(), &Peer::default()));
    assert_eq!(judged(1_700_003_600_999), 0);
    assert_eq!(judged(1_700_003_601_000), 4);
    let never = Connect { user_name: Some("DOORPRD9A1door1;12010126;ABCDE;0".to_owned()), ..door_connect() };
    let expected = Denial::Code(Refusal::BadCredentials, "the expiry is 0");
    assert_eq!(cloud().authenticate(at(0), &never, &Peer::default()), Err(expected));
    // A good signature whose expiry is long past.
    let past = connect(
        "GATEPRD5C3a_b-c:D.9",
        "GATEPRD5C3a_b-c:D.9;12010126;00000;1",
        "66c04199aadbaaf605f04c9ff6aace234ba3debeabe459e7482500237d198b54;hmacsha256",
    );
    assert_eq!(code(&past), 4);
    assert_eq!(code_of(&cloud().authenticate(at(1_000), &past, &Peer::default())), 0);
}

#[test]
fn a_disabled_device_is_refused_with_5_and_loses_its_connection() {
    let (mut cloud, mut out) = (cloud(), Outbox::new());
    assert!(cloud.disable(&door(), true, &mut out));
    assert_eq!(sent(&mut out), [Direct::Kick("DOORPRD9A1door1".to_owned(), "the device was disabled")]);
    assert_eq!(code_of(&cloud.authenticate(AT, &door_connect(), &Peer::default())), 5);
    // Only who proves to be the device learns that it is disabled.
    let wrong = Connect { password: Some(Secret::new(*b"00;hmacsha1")), ..door_connect() };
    assert_eq!(code_of(&cloud.authenticate(AT, &wrong, &Peer::default())), 4);
    assert!(cloud.disable(&door(), false, &mut out));
    assert_eq!(sent(&mut out), []);
    assert_eq!(code_of(&cloud.authenticate(AT, &door_connect(), &Peer::default())), 0);
    assert!(!cloud.disable(&DeviceId::new("DOORPRD9A1", "door2"), true, &mut out));
}

#[test]
fn a_will_is_refused_with_5() {
    let will =
        Will { topic: "DOORPRD9A1/door1/event".to_owned(), payload: vec![], qos: QoS::AtMostOnce, retain: false };
    let expected = Denial::Code(Refusal::NotAuthorized, "the platform has no wills: leave it out");
    assert_eq!(judged(&Connect { will: Some(will), ..door_connect() }), Err(expected));
}

#[test]
fn a_certificate_device_shows_its_certificate_and_needs_no_password() {
    let mut cloud = cloud();
    let shows = |der: &[u8]| Peer {
        transport: Transport::Tls,
        certificate: Some(Certificate::X509(der.to_vec())),
        ..Peer::default()
    };
    let named = |user_name: &str, password: Option<&str>| Connect {
        password: password.map(Secret::new),
        ..connect("DOORPRD9A1cert1", user_name, "")
    };
    let full = "DOORPRD9A1cert1;12010126;ABCDE;2147483647";
    let mut judged = |connect: &Connect, peer: &Peer| code_of(&cloud.authenticate(AT, connect, peer));
    assert_eq!(judged(&named(full, None), &shows(&DER)), 0);
    assert_eq!(judged(&named(full, Some("anything")), &shows(&DER)), 0);
    assert_eq!(judged(&named("DOORPRD9A1cert1;12010126;ABCDE", None), &shows(&DER)), 0);
    assert_eq!(judged(&named(full, Some("")), &shows(&DER)), 4);
    assert_eq!(judged(&named(full, None), &shows(&DER[..4])), 4);
    assert_eq!(judged(&named(full, None), &Peer::default()), 4);
    assert_eq!(judged(&named("DOORPRD9A1cert1;12010126;ABCDE;1", None), &shows(&DER)), 4);
}

#[test]
fn a_pre_shared_key_stands_for_the_password_of_its_own_device_only() {
    let psk = |name: &str| Peer { certificate: Some(Certificate::Psk(name.to_owned())), ..Peer::default() };
    let without = Connect { password: None, ..door_connect() };
    assert_eq!(code_of(&cloud().authenticate(AT, &without, &psk("DOORPRD9A1door1"))), 0);
    assert_eq!(code_of(&cloud().authenticate(AT, &without, &psk("AIRCPRD7B2AirConditioner1"))), 4);
}

#[test]
fn a_publish_that_is_not_permitted_gets_no_acknowledgement_and_the_line_stays_up() {
    let mut cloud = cloud();
    let large = vec![0; PAYLOAD_BYTES + 1];
    let mut verdict = |message: Message<'_>| cloud.may_publish(AT, &door(), &message);
    let event = |payload| message("DOORPRD9A1/door1/event", payload, QoS::AtLeastOnce);
    assert_eq!(verdict(event(b"x")), Verdict::AcceptSilently);
    assert_eq!(verdict(message("DOORPRD9A1/door1/data", b"x", QoS::AtLeastOnce)), Verdict::Accept);
    assert!(matches!(verdict(message("AIRCPRD7B2/AirConditioner1/control", b"x", QoS::AtLeastOnce)), Verdict::Drop(_)));
    assert!(matches!(verdict(Message { retain: true, ..event(b"x") }), Verdict::Drop(_)));
    assert_eq!(verdict(event(&large[1..])), Verdict::AcceptSilently);
    assert!(matches!(verdict(event(&large)), Verdict::Drop(_)));
}

#[test]
fn more_messages_than_the_rate_allows_are_dropped_until_the_next_second() {
    let mut cloud = cloud();
    let mut verdict = |millis| {
        let at = At { now: Instant(millis), ..AT };
        cloud.may_publish(at, &door(), &message("DOORPRD9A1/door1/event", b"x", QoS::AtLeastOnce))
    };
    for _ in 0..30 {
        assert_eq!(verdict(5_000), Verdict::AcceptSilently);
    }
    assert!(matches!(verdict(5_999), Verdict::Drop(_)));
    assert_eq!(verdict(6_000), Verdict::AcceptSilently);
    let unlimited = LimitsConfig { messages_per_second: 0, ..LimitsConfig::default() };
    let mut cloud = TencentCloud::new(&Config { limits: unlimited, ..config() }, [0; 32]).unwrap();
    for _ in 0..1000 {
        let message = message("DOORPRD9A1/door1/event", b"x", QoS::AtLeastOnce);
        assert_eq!(cloud.may_publish(AT, &door(), &message), Verdict::AcceptSilently);
    }
}

#[test]
fn subscriptions_are_granted_up_to_qos_1_and_denied_elsewhere() {
    let mut cloud = cloud();
    let mut granted = |filter: &str, qos| cloud.may_subscribe(AT, &door(), filter, qos);
    assert_eq!(granted("DOORPRD9A1/door1/control", QoS::AtMostOnce), Some(QoS::AtMostOnce));
    assert_eq!(granted("DOORPRD9A1/door1/#", QoS::ExactlyOnce), Some(QoS::AtLeastOnce));
    assert_eq!(granted("AIRCPRD7B2/AirConditioner1/control", QoS::AtLeastOnce), None);
}

#[test]
fn unsubscribing_everything_below_the_device_ends_every_subscription() {
    let cloud = cloud();
    assert!(cloud.unsubscribes(&door(), "DOORPRD9A1/door1/#", "$sys/operation/result/DOORPRD9A1/door1"));
    assert!(cloud.unsubscribes(&door(), "DOORPRD9A1/door1/data", "DOORPRD9A1/door1/data"));
    assert!(!cloud.unsubscribes(&door(), "DOORPRD9A1/door1/data", "DOORPRD9A1/door1/control"));
    assert!(!cloud.unsubscribes(&door(), "AIRCPRD7B2/AirConditioner1/#", "DOORPRD9A1/door1/data"));
}

#[test]
fn the_time_is_told_to_the_device_that_asked() {
    let (mut cloud, mut out) = (cloud(), Outbox::new());
    let request =
        message("$sys/operation/DOORPRD9A1/door1", br#"{"type": "get", "resource": ["time"]}"#, QoS::AtMostOnce);
    cloud.on_publish(AT, &door(), &request, &mut out);
    let [Direct::Send(target, answer)] = &sent(&mut out)[..] else { panic!("one answer") };
    assert_eq!(*target, Target::Subscriber("DOORPRD9A1door1".to_owned()));
    assert_eq!((answer.topic.as_str(), answer.qos), ("$sys/operation/result/DOORPRD9A1/door1", QoS::AtMostOnce));
    assert_eq!(answer.payload.len(), 82);
}

#[test]
fn a_rule_carries_a_message_to_another_device_and_leaves_a_line_in_the_log() {
    let (mut cloud, mut out) = (cloud(), Outbox::new());
    let payload = br#"{"action": "come_home", "targetDevice": "AirConditioner1"}"#;
    cloud.on_publish(AT, &door(), &message("DOORPRD9A1/door1/event", payload, QoS::AtLeastOnce), &mut out);
    let expected = Outgoing {
        topic: "AIRCPRD7B2/AirConditioner1/control".to_owned(),
        payload: br#"{"action":"come_home","targetDevice":"AirConditioner1"}"#.to_vec(),
        qos: QoS::AtLeastOnce,
        retain: false,
    };
    assert_eq!(sent(&mut out), [Direct::Send(Target::Subscribers, expected)]);
    assert_eq!(
        cloud.take_rule_entry().unwrap().to_string(),
        "rule come_home on DOORPRD9A1/door1/event: republished 55 bytes to AIRCPRD7B2/AirConditioner1/control at QoS 1"
    );
    cloud.on_publish(AT, &door(), &message("DOORPRD9A1/door1/event", b"{}", QoS::AtLeastOnce), &mut out);
    assert_eq!(sent(&mut out), []);
    let entry = cloud.take_rule_entry().unwrap();
    assert_eq!(entry.result, RuleResult::NotMatched(crate::rules::NotMatched::MissingField("targetDevice".into())));
    cloud.on_publish(AT, &door(), &message("DOORPRD9A1/door1/data", payload, QoS::AtLeastOnce), &mut out);
    assert_eq!(cloud.take_rule_entry(), None);
    assert!(cloud.remove_rule("come_home"));
}

#[test]
fn a_rule_publishes_only_where_a_device_may_subscribe() {
    let mut cloud = cloud();
    for (number, target) in
        ["AIRCPRD7B2/AirConditioner1/event", "AIRCPRD7B2/Other/control", "NOPRODUCT1/a/control", "short"]
            .iter()
            .enumerate()
    {
        let name = format!("r{number}");
        cloud.add_rule(&Definition::republish(&name, "SELECT * FROM 'DOORPRD9A1/door1/data'", target)).unwrap();
        let mut out = Outbox::new();
        cloud.on_publish(AT, &door(), &message("DOORPRD9A1/door1/data", b"x", QoS::AtMostOnce), &mut out);
        assert_eq!(sent(&mut out), [], "{target}");
        assert_eq!(cloud.take_rule_entry().unwrap().result, RuleResult::NoReceiver((*target).into()));
        assert!(cloud.remove_rule(&name));
    }
}

#[test]
fn the_log_of_the_rules_is_bounded() {
    let mut cloud = cloud();
    for _ in 0..1500 {
        cloud.on_publish(AT, &door(), &message("DOORPRD9A1/door1/event", b"{}", QoS::AtMostOnce), &mut Outbox::new());
    }
    assert_eq!(core::iter::from_fn(|| cloud.take_rule_entry()).count(), 1000);
}

#[test]
fn a_wrong_configuration_names_what_is_wrong() {
    let wrong = |change: &dyn Fn(&mut Config)| {
        let mut bad = config();
        change(&mut bad);
        TencentCloud::new(&bad, [0; 32]).unwrap_err()
    };
    let registry = ConfigError::Registry;
    assert_eq!(wrong(&|c| c.products[0].id = "short".to_owned()), registry(RegistryError::ProductId("short".into())));
    assert_eq!(
        wrong(&|c| c.products[1].id = "DOORPRD9A1".to_owned()),
        registry(RegistryError::DuplicateProduct("DOORPRD9A1".into()))
    );
    assert_eq!(
        wrong(&|c| c.products[0].devices[0].name = "a/b".to_owned()),
        registry(RegistryError::DeviceName("a/b".into()))
    );
    assert!(matches!(
        wrong(&|c| c.products[0].devices[0].name = "x".repeat(65)),
        ConfigError::Registry(RegistryError::DeviceName(_))
    ));
    assert_eq!(
        wrong(&|c| c.products[0].devices[1].name = "door1".to_owned()),
        registry(RegistryError::DuplicateDevice(door()))
    );
    assert_eq!(wrong(&|c| c.products[0].devices[0].secret = None), registry(RegistryError::Credential(door())));
    assert_eq!(
        wrong(&|c| c.products[0].devices[0].certificate = Some(PEM.to_owned())),
        registry(RegistryError::Credential(door()))
    );
    for secret in ["", "no base64!", "JTTi3h3sJP7atMACZrVbqQ"] {
        let error = wrong(&|c| c.products[0].devices[0].secret = Some(SecretText::new(secret)));
        assert_eq!(error, registry(RegistryError::Secret(door())), "{secret}");
    }
    let error = wrong(&|c| c.products[0].devices[1].certificate = Some("no PEM".to_owned()));
    assert_eq!(error, registry(RegistryError::Certificate(DeviceId::new("DOORPRD9A1", "cert1"))));
    let class = ClassConfig { name: "a/+b".to_owned(), access: Access::Both };
    assert!(matches!(
        wrong(&|c| c.products[0].classes = vec![class.clone()]),
        ConfigError::Registry(RegistryError::Class { .. })
    ));
    let error = wrong(&|c| c.rules[0].sql = "SELECT".to_owned());
    assert!(error.to_string().starts_with("rule come_home: SQL, character 7: "), "{error}");
    assert!(serde_json::from_str::<Config>(r#"{"product": []}"#).is_err());
}

#[test]
fn devices_are_listed_and_secrets_print_as_stars() {
    let cloud = cloud();
    let names: Vec<_> = cloud.registry().devices().map(|device| device.id().to_string()).collect();
    assert_eq!(
        names,
        [
            "AIRCPRD7B2/AirConditioner1",
            "DOORPRD9A1/cert1",
            "DOORPRD9A1/door1",
            "GATEPRD5C3/a_b-c:D.9",
            "PBLOCK0001/dev"
        ]
    );
    assert_eq!(
        cloud.registry().by_client_id("DOORPRD9A1cert1").unwrap().credential(),
        &Credential::Certificate(DER.into())
    );
    assert_eq!(cloud.first_packet_id(&DeviceId::new("AIRCPRD7B2", "AirConditioner1")), 24);
    let printed = format!("{cloud:?} {:?}", config());
    assert!(!printed.contains("JTTi3h3s") && printed.contains("***"), "{printed}");
}

proptest::proptest! {
    #[test]
    fn hostile_credentials_and_topics_never_panic_and_never_pass(
        user_name in "(DOORPRD9A1door1)?[;0-9a-z\\PC]{0,40}",
        password in "[0-9a-f]{0,66};(hmacsha1|hmacsha256|[a-z]{0,3})",
        topic in "(DOORPRD9A1/|AIRCPRD7B2/|\\$sys/)?[a-z$/+#\\PC]{0,40}",
        payload: Vec<u8>,
    ) {
        let mut cloud = cloud();
        let connect = connect("DOORPRD9A1door1", &user_name, &password);
        proptest::prop_assert!(cloud.authenticate(AT, &connect, &Peer::default()).is_err());
        let denied = matches!(cloud.may_publish(AT, &door(), &message(&topic, &payload, QoS::AtLeastOnce)), Verdict::Drop(_));
        proptest::prop_assert!(denied);
        proptest::prop_assert_eq!(cloud.may_subscribe(AT, &door(), &topic, QoS::AtLeastOnce), None);
        for topic in [topic.as_str(), "DOORPRD9A1/door1/event", "$sys/operation/DOORPRD9A1/door1"] {
            cloud.on_publish(AT, &door(), &message(topic, &payload, QoS::AtLeastOnce), &mut Outbox::new());
        }
    }
}

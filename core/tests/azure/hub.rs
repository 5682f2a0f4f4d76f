//! At the hub: introductions, tokens and their renewal, refusals, subscriptions.

use crate::rig::{HUB, Rig, WALL, Wire, at_hub, key, provisioning};
use core::time::Duration;
use skytether_core::{
    azure::{
        Answer, Azure, Command, Config, Event, LastWill, Proof, Route, Telemetry, Transport, Wanted,
        credentials::{SasToken, sign},
        identity::{DeviceId, DeviceKey, HostName, ModelId, ModuleId, Whom},
    },
    cloud::Fatal,
    device,
    io::{Action, Cause, Failure, Input, Machine as _, Rejected, UnixMillis},
    link::{Note, TlsIdentity},
    mqtt::session::Options,
};

const HOUR: u64 = 3_600_000;

fn telemetry(payload: &'static [u8]) -> Command {
    Command::Telemetry(Telemetry::bytes(payload))
}

/// A token as somebody else would sign it.
fn token(expiry: u64) -> SasToken {
    let text = sign(&key(), &format!("{HUB}/devices/pump-7"), expiry, None);
    SasToken::parse(core::str::from_utf8(text.expose()).unwrap()).unwrap()
}

fn expiry_of(password: &str) -> u64 {
    SasToken::parse(password).unwrap().expiry()
}

#[test]
fn a_device_introduces_itself_with_model_product_and_token() {
    let mut config = at_hub();
    config.model = Some(ModelId::new("dtmi:acme:Pump;3").unwrap());
    config.product_info = Some("acme/1".into());
    config.last_will = Some(LastWill { payload: b"gone".into() });
    let mut rig = Rig::new(config);
    rig.connect();
    assert_eq!(rig.endpoint.as_ref().unwrap().to_string(), format!("tls://{HUB}:8883"));
    assert_eq!(rig.endpoint.as_ref().unwrap().tls, TlsIdentity::Ca);
    let (client_id, user_name, password, clean) = rig.hello();
    assert_eq!((client_id, clean), ("pump-7", false));
    assert_eq!(
        user_name,
        format!("{HUB}/pump-7/?api-version=2021-04-12&DeviceClientType=acme%2F1&model-id=dtmi%3Aacme%3APump%3B3")
    );
    assert_eq!(password.unwrap().as_bytes(), token(WALL / 1000 + 3600).text().expose());
    let Wire::Connect { will, .. } = &rig.wire[0] else { panic!() };
    assert_eq!(will.as_deref(), Some("devices/pump-7/messages/events/"));
}

#[test]
fn a_module_has_its_own_name_resource_and_topics() {
    let mut config = at_hub();
    let Route::Hub { whom, .. } = &mut config.route else { panic!() };
    whom.module = Some(ModuleId::new("mod_1").unwrap());
    let mut rig = Rig::new(config);
    rig.connect();
    let (client_id, user_name, password, _) = rig.hello();
    assert_eq!((client_id, user_name), ("pump-7/mod_1", &*format!("{HUB}/pump-7/mod_1/?api-version=2021-04-12")));
    assert_eq!(SasToken::parse(password.unwrap()).unwrap().scope(), format!("{HUB}/devices/pump-7/modules/mod_1"));
    assert_eq!(rig.grant_all()[3], "devices/pump-7/modules/mod_1/inputs/#");
    rig.command(&telemetry(b"x")).unwrap();
    assert_eq!(rig.published("devices/").unwrap().0, "devices/pump-7/modules/mod_1/messages/events/");
}

#[test]
fn a_certificate_device_has_no_password_and_asks_for_no_time() {
    for (transport, wanted) in [
        (Transport::Tls, format!("tls://{HUB}:8883")),
        (Transport::WebSocket, format!("wss://{HUB}:443/$iothub/websocket")),
    ] {
        let mut config = at_hub();
        (config.proof, config.transport) = (Proof::Certificate, transport);
        let mut rig = Rig::new(config);
        rig.wall = None;
        rig.connect();
        assert_eq!(rig.hello().2, None);
        let endpoint = rig.endpoint.as_ref().unwrap();
        assert_eq!((endpoint.to_string(), endpoint.tls == TlsIdentity::Client), (wanted, true));
    }
}

#[test]
fn a_websocket_says_that_no_certificate_comes_and_a_gateway_stands_in_for_the_hub() {
    let mut config = at_hub();
    config.transport = Transport::WebSocket;
    config.gateway = Some(HostName::new("edge-1").unwrap());
    config.port = Some(8443);
    let mut rig = Rig::new(config);
    rig.connect();
    let wanted = "wss://edge-1:8443/$iothub/websocket?iothub-no-client-cert=true";
    assert_eq!(rig.endpoint.as_ref().unwrap().to_string(), wanted);
    assert!(rig.hello().1.starts_with(HUB), "the hub is named still");
}

#[test]
fn a_configuration_that_cannot_work_is_refused_by_name() {
    type Spoil = fn(&mut Config);
    let cases: [(&str, Spoil); 11] = [
        ("keep-alive", |config| config.keep_alive = 0),
        ("1177", |config| config.keep_alive = 1178),
        ("minutes", |config| config.token_life = Duration::from_secs(299)),
        ("days", |config| config.token_life = Duration::from_hours(366 * 24)),
        ("port", |config| config.port = Some(0)),
        ("twin", |config| config.wanted.twin = false),
        ("product", |config| config.product_info = Some(String::new())),
        ("will", |config| config.last_will = Some(LastWill { payload: vec![0; 65_536] })),
        ("16 to 64", |config| config.proof = Proof::Key(DeviceKey::from_bytes([1; 15]))),
        ("TLS", |config| (config.proof, config.transport) = (Proof::Certificate, Transport::Tcp)),
        ("another hub", |config| {
            let Route::Hub { whom, .. } = &mut config.route else { panic!() };
            *whom = Whom::device(DeviceId::new("other").unwrap());
            config.proof = Proof::Token(token(2_000_000_000));
        }),
    ];
    for (word, spoil) in cases {
        let mut config = at_hub();
        spoil(&mut config);
        let Err(Fatal::Invalid(why)) = Azure::new(config) else { panic!("{word}") };
        assert!(why.contains(word), "{why}");
    }
    let mut config = provisioning();
    config.proof = Proof::Token(token(2_000_000_000));
    assert!(matches!(Azure::new(config), Err(Fatal::Invalid(why)) if why.contains("single token")));
    let mut config = provisioning();
    let Route::Provisioning(provisioning) = &mut config.route else { panic!() };
    provisioning.limit = Duration::from_secs(29);
    assert!(matches!(Azure::new(config), Err(Fatal::Invalid(why)) if why.contains("30 s")));
}

#[test]
fn r_83_the_device_is_ready_only_once_every_subscription_is_granted() {
    let mut rig = Rig::new(at_hub());
    rig.connect();
    rig.command(&telemetry(b"early")).unwrap();
    for expected in ["$iothub/methods", "$iothub/twin/res", "$iothub/twin/PATCH", "devices/pump-7/messages/devicebound"]
    {
        assert!(!rig.news().contains(&device::Event::Ready), "{expected}");
        assert_eq!(rig.published("devices/"), None);
        let [Wire::Subscribe { id, filter, qos: 1 }] = &rig.wire[rig.wire.len() - 1..] else {
            panic!("{:?}", rig.wire)
        };
        assert!(filter.starts_with(expected), "{filter}");
        let id = *id;
        rig.wire.clear();
        rig.suback(id, 1);
    }
    assert!(rig.news().contains(&device::Event::Ready));
    assert!(rig.published("$iothub/twin/GET/").is_some());
    assert!(rig.published("devices/pump-7/messages/events/").is_some());
}

#[test]
fn r_82_a_refused_filter_is_told_and_asked_for_again_while_the_connection_stays() {
    let mut rig = Rig::new(at_hub());
    rig.connect();
    let ask = |rig: &mut Rig| {
        let at = rig.wire.iter().position(|wire| matches!(wire, Wire::Subscribe { .. })).expect("a SUBSCRIBE");
        let Wire::Subscribe { id, filter, .. } = rig.wire.remove(at) else { panic!() };
        (id, filter)
    };
    let (id, filter) = ask(&mut rig);
    rig.suback(id, 0x80);
    assert_eq!(rig.events(), [Event::SubscriptionRefused { filter: filter.clone() }]);
    assert!(rig.news().contains(&device::Event::Note(Note::Degraded)));
    // The others are asked for meanwhile.
    assert_eq!(rig.grant_all().len(), 3);
    for wait in [30_000, 60_000, 120_000] {
        assert!(!rig.news().contains(&device::Event::Ready));
        let until = rig.now.0 + wait;
        rig.live_until(until - 1);
        assert!(!rig.wire.iter().any(|wire| matches!(wire, Wire::Subscribe { .. })), "{wait}");
        rig.live_until(until);
        let (id, again) = ask(&mut rig);
        assert_eq!(again, filter);
        rig.suback(id, if wait == 120_000 { 1 } else { 0x80 });
    }
    assert!(rig.news().contains(&device::Event::Ready));
}

#[test]
fn only_what_is_wanted_is_subscribed_to() {
    let mut config = at_hub();
    config.wanted = Wanted { methods: false, twin: false, desired: false, messages: false };
    let mut rig = Rig::new(config);
    rig.connect();
    assert!(rig.grant_all().is_empty());
    assert!(rig.news().contains(&device::Event::Ready));
    assert_eq!(rig.published("$iothub"), None);
    assert!(matches!(rig.command(&Command::GetTwin), Err(Rejected::Unsupported(_))));
}

#[test]
fn more_subscriptions_than_the_link_has_are_refused_before_the_dial() {
    let mut options = Options::default();
    options.limits.subscriptions = 3;
    let mut rig = Rig::with_options(at_hub(), options);
    rig.give(Input::Tick);
    let unsupported = |event: &device::Event<Event>| matches!(event, device::Event::GaveUp(Fatal::Unsupported(_)));
    assert!(rig.news().iter().any(unsupported) && !rig.dials());
    let mut config = at_hub();
    config.wanted.messages = false;
    let mut rig = Rig::with_options(config, options);
    rig.connect();
    assert_eq!(rig.grant_all().len(), 3);
}

#[test]
fn r_52_a_signature_waits_for_the_wall_time() {
    let mut rig = Rig::new(at_hub());
    rig.wall = None;
    rig.give(Input::Tick);
    assert!(rig.news().contains(&device::Event::Note(Note::WaitingForTime)));
    rig.tick_after(100_000);
    assert!(!rig.dials());
    rig.wall = Some(WALL);
    rig.give(Input::Wall(UnixMillis(WALL)));
    rig.connect();
    assert_eq!(expiry_of(rig.hello().2.unwrap()), WALL / 1000 + 3600);
}

#[test]
fn a_clock_that_was_never_set_signs_nothing_and_is_asked_again() {
    let mut rig = Rig::new(at_hub());
    rig.wall = Some(1000);
    rig.give(Input::Tick);
    assert!(matches!(rig.events()[..], [Event::ClockUnset { .. }]));
    rig.tick_after(59_000);
    assert!(!rig.dials() && rig.events().is_empty());
    rig.tick_after(1000);
    assert!(!rig.dials() && rig.events().is_empty(), "asked, and no better");
    rig.wall = Some(WALL);
    rig.tick_after(60_000);
    assert!(rig.dials());
}

#[test]
fn r_61_a_clock_that_is_lost_costs_no_connection_that_lives() {
    let mut rig = Rig::ready(at_hub());
    rig.give(Input::Wall(UnixMillis(5000)));
    rig.wall = Some(5000);
    rig.live_until(rig.now.0 + HOUR);
    assert!(!rig.dials(), "nothing could be signed");
    rig.cut();
    rig.live_until(rig.now.0 + 10_000);
    assert!(!rig.dials());
    assert!(rig.events().iter().any(|event| matches!(event, Event::ClockUnset { .. })));
    rig.wall = Some(WALL);
    rig.connect();
    assert!(expiry_of(rig.hello().2.unwrap()) > WALL / 1000 + 3600);
}

#[test]
fn r_60_a_token_is_renewed_by_a_new_connection_that_loses_no_message() {
    let mut rig = Rig::ready(at_hub());
    let first = rig.now.0;
    rig.live_until(first + HOUR * 3 / 4);
    assert!(!rig.dials(), "too early");
    // One message is under way, and its acknowledgement does not come.
    let tag = rig.command(&telemetry(b"precious")).unwrap();
    let Some(Wire::Publish { id: Some(id), dup: false, .. }) = rig.wire.last().cloned() else { panic!() };
    rig.live_until(first + HOUR * 4 / 5 + 10_000);
    assert!(rig.dials(), "the renewal is due, and does not wait longer than 10 s");
    assert!(rig.done().is_empty());
    rig.open_pipe();
    let fresh = expiry_of(rig.hello().2.unwrap());
    assert!(fresh >= (WALL + first + HOUR * 3 / 4) / 1000 + 3600, "{fresh}");
    rig.accept(true);
    rig.grant_all();
    let resent =
        rig.wire.iter().any(|wire| matches!(wire, Wire::Publish { id: same, dup: true, .. } if *same == Some(id)));
    assert!(resent, "{:?}", rig.wire);
    rig.published("devices/").unwrap();
    assert_eq!(rig.done(), [(tag, Ok(Answer::Sent))]);
}

#[test]
fn r_60_the_server_never_has_to_cut_first_over_a_week() {
    let mut rig = Rig::ready(at_hub());
    let mut expiry = WALL / 1000 + 3600;
    let mut renewals = 0;
    while rig.now.0 < 7 * 24 * HOUR {
        rig.live_until(rig.now.0 + 20_000);
        assert!((WALL + rig.now.0) / 1000 < expiry, "it is on-line with a token that is over");
        if rig.dials() {
            rig.open_pipe();
            expiry = expiry_of(rig.hello().2.unwrap());
            rig.accept(true);
            rig.grant_all();
            rig.answer_twin();
            rig.clear();
            renewals += 1;
        }
    }
    // 48 minutes each, up to 5 % less.
    assert!((210..=222).contains(&renewals), "{renewals}");
}

#[test]
fn r_10_neither_key_nor_token_is_printed() {
    let mut rig = Rig::new(at_hub());
    rig.connect();
    let (printed, password) = (format!("{:?}", rig.device), rig.hello().2.unwrap().to_owned());
    let signature = password.split("sig=").nth(1).unwrap().split('&').next().unwrap();
    let key = String::from_utf8(key().to_base64().expose().to_vec()).unwrap();
    for secret in [signature, &key, "[7, 7, 7"] {
        assert!(!printed.contains(secret), "{secret} in {printed}");
    }
}

#[test]
fn r_53_a_step_of_the_wall_clock_renews_at_once_or_not_at_all() {
    let mut rig = Rig::ready(at_hub());
    // A day forward: the token is over by the new time.
    rig.give(Input::Wall(UnixMillis(WALL + 24 * HOUR)));
    rig.wall = Some(WALL + 24 * HOUR);
    assert!(rig.dials());
    rig.open_pipe();
    assert!(expiry_of(rig.hello().2.unwrap()) >= (WALL + 24 * HOUR) / 1000 + 3600);
    rig.accept(true);
    rig.grant_all();
    rig.answer_twin();
    // A day back: the token is good for longer, and no timer of the connection moves.
    let before = rig.device.deadline().unwrap().at;
    rig.give(Input::Wall(UnixMillis(WALL)));
    assert!(!rig.dials());
    assert_eq!(rig.device.deadline().unwrap().at, before);
}

#[test]
fn whoever_slept_past_the_expiry_comes_back_with_a_fresh_token() {
    let mut rig = Rig::ready(at_hub());
    // The pipe is long dead, which a sleeper finds out only when it looks.
    rig.tick_after(5 * HOUR);
    if !rig.dials() {
        rig.cut();
    }
    rig.open_pipe();
    assert!(expiry_of(rig.hello().2.unwrap()) >= (WALL + 5 * HOUR) / 1000 + 3600);
}

#[test]
fn a_fixed_tokens_end_is_told_and_the_connection_left_to_the_hub() {
    let mut config = at_hub();
    config.proof = Proof::Token(token(WALL / 1000 + 600));
    let mut rig = Rig::ready(config);
    rig.live_until(479_000);
    assert!(rig.events().is_empty());
    rig.live_until(481_000);
    assert_eq!(rig.events(), [Event::TokenExpiring { expiry: WALL / 1000 + 600 }]);
    rig.live_until(601_000);
    assert_eq!(rig.events(), [Event::TokenExpired { expiry: WALL / 1000 + 600 }]);
    assert!(!rig.dials());
}

#[test]
fn a_fixed_token_that_is_refused_three_times_is_not_shown_again() {
    let mut config = at_hub();
    config.proof = Proof::Token(token(WALL / 1000 - 600));
    let mut rig = Rig::new(config);
    for _ in 0..3 {
        rig.open_pipe();
        rig.refuse(5);
    }
    assert!(rig.news().iter().any(|event| matches!(event, device::Event::GaveUp(Fatal::Invalid(_)))), "{:?}", rig.said);
    assert_eq!(rig.device.deadline(), None);
}

#[test]
fn r_24_r_54_a_refused_key_is_told_and_the_next_token_signed_by_a_clock_asked_again() {
    let mut rig = Rig::new(at_hub());
    rig.open_pipe();
    let wrong = expiry_of(rig.hello().2.unwrap());
    // The clock was two days behind, and is set meanwhile.
    rig.wall = Some(WALL + 48 * HOUR);
    rig.refuse(5);
    let events = rig.events();
    let [Event::Refused { check, .. }] = &events[..] else { panic!("{events:?}") };
    assert!(check.contains("clock"), "{check}");
    let refused_at = rig.now;
    rig.open_pipe();
    assert!(rig.now.since(refused_at) >= Duration::from_mins(1), "the long back-off: {:?}", rig.now.since(refused_at));
    assert!(expiry_of(rig.hello().2.unwrap()) >= wrong + 48 * 3600);
}

#[test]
fn r_62_after_a_revocation_queued_messages_are_kept_and_the_refusal_told() {
    let mut rig = Rig::ready(at_hub());
    rig.live_until(rig.now.0 + 120_000);
    rig.cut();
    let tag = rig.command(&telemetry(b"kept")).unwrap();
    rig.open_pipe();
    rig.refuse(5);
    assert!(matches!(rig.events()[..], [Event::Refused { .. }]));
    rig.connect();
    rig.grant_all();
    assert_eq!(rig.published("devices/").unwrap().1, b"kept");
    assert_eq!(rig.done(), [(tag, Ok(Answer::Sent))]);
}

#[test]
fn a_refused_client_id_or_protocol_is_not_tried_again() {
    for code in [1, 2] {
        let mut rig = Rig::new(at_hub());
        rig.open_pipe();
        rig.refuse(code);
        assert!(rig.news().iter().any(|event| matches!(event, device::Event::GaveUp(_))), "{code}");
        assert!(matches!(rig.events()[..], [Event::Refused { .. }]), "{code}");
        assert_eq!(rig.device.deadline(), None);
    }
}

#[test]
fn a_hub_that_has_no_time_is_dialled_again_soon() {
    let mut rig = Rig::new(at_hub());
    rig.open_pipe();
    rig.refuse(3);
    assert!(rig.events().is_empty());
    let refused_at = rig.now;
    rig.open_pipe();
    let waited = rig.now.since(refused_at);
    assert!((1000..=6000).contains(&u64::try_from(waited.as_millis()).unwrap()), "{waited:?}");
}

#[test]
fn r_28_three_kicks_within_a_minute_are_told_and_slow_the_device_down() {
    let mut rig = Rig::new(at_hub());
    let mut waits = Vec::new();
    for _ in 0..3 {
        rig.connect();
        rig.grant_all();
        rig.live_until(rig.now.0 + 40_000);
        rig.cut();
        let news = rig.news();
        waits.push(news.contains(&device::Event::Note(Note::SuspectedTakeover)));
        rig.open_pipe();
        rig.cut();
    }
    assert_eq!(waits, [false, false, true]);
}

#[test]
fn a_command_that_needs_provisioning_is_refused_by_a_device_that_was_told_its_hub() {
    let mut rig = Rig::ready(at_hub());
    assert!(matches!(rig.command(&Command::Reprovision), Err(Rejected::Unsupported(_))));
}

#[test]
fn every_command_ends_once_when_the_device_closes() {
    let mut rig = Rig::ready(at_hub());
    let tags = [telemetry(b"a"), telemetry(b"b"), Command::GetTwin].map(|command| rig.command(&command).unwrap());
    rig.device.close(rig.now);
    rig.give(Input::Tick);
    rig.give(Input::Closed(Cause::Lost));
    let done = rig.done();
    assert_eq!(done.len(), 3, "{done:?}");
    for tag in tags {
        assert!(done.contains(&(tag, Err(Failure::Closed))), "{tag:?} {done:?}");
    }
    assert!(rig.device.is_closed());
    assert!(!rig.said.iter().any(|said| matches!(said, crate::rig::Said::Act(Action::Open(_)))));
}

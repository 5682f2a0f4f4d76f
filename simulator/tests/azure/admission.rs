//! Who is let in, who is not, and by which code.

use crate::{
    rig::{GROUP, HUB, KEY, LATER, OTHER, SCOPE, cloud, connect, dev, device, registration, token},
    support::{NOON, subscribe},
};
use skytether_core::{
    link::{Connect, QoS, Version, Will},
    secret::Secret,
};
use skytether_simulator::{
    azure::Identity,
    broker::{policy::Peer, trace::CloseReason},
};

fn with_password(connect: Connect, password: &str) -> Connect {
    Connect { password: Some(Secret::new(password)), ..connect }
}

fn named(user_name: &str) -> Connect {
    Connect { user_name: Some(user_name.to_owned()), ..device(HUB) }
}

#[test]
fn every_wrong_word_to_a_hub_has_its_code() {
    let resource = format!("{HUB}/devices/dev-7");
    let right = token(&resource, KEY, LATER);
    let signed = |resource: &str, key: &str, expiry: u64| with_password(device(HUB), &token(resource, key, expiry));
    let table: Vec<(&str, Connect, u8)> = vec![
        ("MQTT 3.1", Connect { version: Version::V3_1, ..device(HUB) }, 1),
        ("client id of another", Connect { client_id: "dev-8".to_owned(), ..device(HUB) }, 2),
        ("client id of a module", Connect { client_id: "dev-7/mod-1".to_owned(), ..device(HUB) }, 2),
        ("an unknown hub", named("nowhere.azure-devices.net/dev-7/?api-version=2021-04-12"), 3),
        ("no user name", Connect { user_name: None, password: None, ..device(HUB) }, 4),
        ("no device in it", named(&format!("{HUB}/?api-version=2021-04-12")), 4),
        ("no version", named(&format!("{HUB}/dev-7/")), 4),
        ("an empty query", named(&format!("{HUB}/dev-7/?")), 4),
        ("an unknown version", named(&format!("{HUB}/dev-7/?api-version=2017-01-01")), 4),
        ("the shape of provisioning", named(&format!("{HUB}/dev-7/api-version=2021-04-12")), 4),
        ("a wrong escape", named(&format!("{HUB}/dev-7/?api-version=2021-04-12&model-id=%")), 4),
        ("no model id", named(&format!("{HUB}/dev-7/?api-version=2021-04-12&model-id=pump")), 4),
        ("no password", Connect { password: None, ..device(HUB) }, 4),
        ("an empty password", with_password(device(HUB), ""), 4),
        ("no token", with_password(device(HUB), KEY), 4),
        ("a field twice", with_password(device(HUB), &format!("{right}&se=1")), 4),
        (
            "a device that there is not",
            connect("ghost", &format!("{HUB}/ghost/?api-version=2021-04-12"), Some(&right)),
            5,
        ),
        ("another key", signed(&resource, GROUP, LATER), 5),
        ("expired", signed(&resource, KEY, NOON.0 / 1000), 5),
        ("for another device", signed(&format!("{HUB}/devices/dev-8"), KEY, LATER), 5),
        ("for the hub", signed(HUB, KEY, LATER), 5),
        ("for another hub", signed(&format!("{OTHER}/devices/dev-7"), KEY, LATER), 5),
        ("for its module", signed(&format!("{resource}/modules/mod-1"), KEY, LATER), 5),
        ("of a policy", with_password(device(HUB), &format!("{right}&skn=iothubowner")), 5),
    ];
    for (what, connect, code) in table {
        assert_eq!(cloud().code(&connect, Peer::default()), Some(code), "{what}");
    }
    assert_eq!(cloud().code(&device(HUB), Peer::default()), Some(0));
    let mut disabled = cloud();
    disabled.act(|cloud, _, out| cloud.disable(&dev(), true, out)).unwrap();
    assert_eq!(disabled.code(&device(HUB), Peer::default()), Some(5));
    let sni = Peer { server_name: Some(OTHER.to_owned()), ..Peer::default() };
    assert_eq!(cloud().code(&device(HUB), sni), Some(3), "the handshake asked for another hub");
    let gateway = Peer { server_name: Some("gateway.local".to_owned()), ..Peer::default() };
    assert_eq!(cloud().code(&device(HUB), gateway), Some(0));
}

#[test]
fn every_wrong_word_to_the_provisioning_service_has_its_code() {
    let resource = format!("{SCOPE}/registrations/pump-7");
    let right = || registration("pump-7", KEY);
    let named = |user_name: &str| Connect { user_name: Some(user_name.to_owned()), ..right() };
    let table: Vec<(&str, Connect, u8)> = vec![
        ("MQTT 3.1", Connect { version: Version::V3_1, ..right() }, 1),
        ("client id of another", Connect { client_id: "pump-8".to_owned(), ..right() }, 2),
        ("no version", named(&format!("{SCOPE}/registrations/pump-7/")), 4),
        ("the version of a hub", named(&format!("{SCOPE}/registrations/pump-7/api-version=2021-04-12")), 4),
        ("the shape of a hub", named(&format!("{SCOPE}/registrations/pump-7/?api-version=2019-03-31")), 4),
        ("no password", Connect { password: None, ..right() }, 4),
        ("no token", with_password(right(), "secret"), 4),
        ("another scope", named("0ne00FFFFFF/registrations/pump-7/api-version=2019-03-31"), 5),
        ("another key", registration("pump-7", GROUP), 5),
        ("the group's own key", registration("anyone-1", GROUP), 5),
        ("expired", with_password(right(), &token(&resource, KEY, NOON.0 / 1000)), 5),
        ("for a hub", with_password(right(), &token(&format!("{HUB}/devices/pump-7"), KEY, LATER)), 5),
        ("of a policy", with_password(right(), &format!("{}&skn=owner", token(&resource, KEY, LATER))), 5),
    ];
    for (what, connect, code) in table {
        assert_eq!(cloud().code(&connect, Peer::default()), Some(code), "{what}");
    }
    let named = format!("{}&skn=registration", token(&resource, KEY, LATER));
    assert_eq!(cloud().code(&with_password(right(), &named), Peer::default()), Some(0));
    let agent = format!("{SCOPE}/registrations/pump-7/api-version=2019-03-31&ClientVersion=acme%2F1.0");
    assert_eq!(cloud().code(&Connect { user_name: Some(agent), ..right() }, Peer::default()), Some(0));
}

#[test]
fn a_device_of_a_group_comes_in_by_the_key_that_is_derived_for_it_alone() {
    let derived = "MJL0zUYbuBWa+a10GjSr8DsAVdGIJhgVDzO2uK0brMg=";
    let mut bench = cloud();
    assert_eq!(bench.code(&registration("sn0123fe0cf960432d01", derived), Peer::default()), Some(0));
    assert_eq!(bench.code(&registration("sn0123fe0cf960432d02", derived), Peer::default()), Some(5));
}

#[test]
fn the_same_device_id_on_two_hubs_and_at_the_provisioning_service_is_three_sessions() {
    let mut bench = cloud();
    let (on_hub, _) = bench.enter(&device(HUB));
    let (on_other, _) = bench.enter(&device(OTHER));
    assert_eq!((bench.ended(on_hub), bench.ended(on_other)), (None, None));
    let (again, present) = bench.enter(&device(HUB));
    assert!(present);
    assert_eq!(bench.ended(on_hub), Some(CloseReason::TakenOver(again)));
    assert_eq!(bench.ended(on_other), None);
    let clients: Vec<_> = bench.broker.clients().map(str::to_owned).collect();
    assert_eq!(clients, [format!("{HUB}/dev-7"), format!("{OTHER}/dev-7")]);
}

#[test]
fn the_provisioning_service_keeps_no_session() {
    let mut bench = cloud();
    let (conn, _) = bench.enter(&registration("pump-7", KEY));
    bench.feed(conn, &subscribe(1, &[("$dps/registrations/res/#", 2)]));
    assert_eq!(bench.take(conn), ["SUBACK 1 [1]"], "QoS 2 is granted 1");
    bench.cut(conn);
    assert!(!bench.enter(&registration("pump-7", KEY)).1);
}

#[test]
fn a_module_comes_in_by_a_token_of_its_own() {
    let mut bench = cloud();
    let user_name = format!("{HUB}/dev-7/mod-1/?api-version=2021-04-12");
    let own = token(&format!("{HUB}/devices/dev-7/modules/mod-1"), KEY, LATER);
    assert_eq!(bench.code(&connect("dev-7/mod-1", &user_name, Some(&own)), Peer::default()), Some(0));
    assert!(bench.broker.policy().is_connected(&Identity::module(HUB, "dev-7", "mod-1")));
    let of_device = token(&format!("{HUB}/devices/dev-7"), KEY, LATER);
    assert_eq!(bench.code(&connect("dev-7/mod-1", &user_name, Some(&of_device)), Peer::default()), Some(5));
}

#[test]
fn the_hub_cuts_the_line_in_the_second_in_which_the_token_ends() {
    let mut bench = cloud();
    let (conn, _) = bench.enter(&device(HUB));
    for _ in 0..119 {
        bench.pass(30_000);
        bench.feed(conn, &[0xC0, 0]);
        assert_eq!(bench.take(conn), ["PINGRESP"]);
    }
    bench.pass(29_999);
    assert_eq!(bench.ended(conn), None);
    bench.pass(1);
    assert_eq!(bench.ended(conn), Some(CloseReason::Kicked("the token has expired")));
    assert!(!bench.broker.policy().is_connected(&dev()));
}

#[test]
fn a_wall_clock_that_is_set_back_gives_the_token_more_time() {
    let mut bench = cloud();
    let silent = Connect { keep_alive: 0, ..device(HUB) };
    let password = token(&format!("{HUB}/devices/dev-7"), KEY, NOON.0 / 1000 + 60);
    let (conn, _) = bench.enter(&with_password(silent, &password));
    bench.pass(50_000);
    bench.broker.set_wall(bench.now, NOON);
    bench.pass(59_999);
    assert_eq!(bench.ended(conn), None);
    bench.pass(1);
    assert_eq!(bench.ended(conn), Some(CloseReason::Kicked("the token has expired")));
}

#[test]
fn a_client_without_keep_alive_may_be_silent_for_as_long_as_the_platform_says() {
    let mut bench = cloud();
    let (conn, _) = bench.enter(&Connect { keep_alive: 0, ..device(HUB) });
    bench.pass(1_766_999);
    assert_eq!(bench.ended(conn), None);
    bench.pass(1);
    assert_eq!(bench.ended(conn), Some(CloseReason::KeepAlive));
}

#[test]
fn a_will_is_telemetry_or_the_line_is_closed_without_a_word() {
    let will = |topic: &str, qos| Will { topic: topic.to_owned(), payload: b"gone".to_vec(), qos, retain: false };
    let with = |will| Connect { will: Some(will), ..device(HUB) };
    for (topic, qos) in [
        ("devices/dev-8/messages/events/", QoS::AtMostOnce),
        ("$iothub/twin/GET/?$rid=1", QoS::AtMostOnce),
        ("devices/dev-7/messages/events/", QoS::ExactlyOnce),
    ] {
        assert_eq!(cloud().code(&with(will(topic, qos)), Peer::default()), None, "{topic}");
    }
    let mut bench = cloud();
    let (conn, _) = bench.enter(&with(will("devices/dev-7/messages/events/a=1", QoS::AtLeastOnce)));
    bench.cut(conn);
    let said = bench.broker.policy_mut().take_telemetry().unwrap();
    assert_eq!((said.body.as_slice(), said.property("iothub-MessageType")), (&b"gone"[..], Some("Will")));
    assert_eq!(said.property("a"), Some("1"));
}

#[test]
fn a_device_that_is_disabled_removed_or_has_its_key_revoked_is_thrown_out_and_refused() {
    let mut bench = cloud();
    let (conn, _) = bench.enter(&device(HUB));
    bench.act(|cloud, _, out| cloud.disable(&dev(), true, out)).unwrap();
    assert_eq!(bench.ended(conn), Some(CloseReason::Kicked("the device was disabled")));
    assert_eq!(bench.code(&device(HUB), Peer::default()), Some(5));
    bench.act(|cloud, _, out| cloud.disable(&dev(), false, out)).unwrap();
    let (conn, _) = bench.enter(&device(HUB));
    bench.act(|cloud, _, out| cloud.revoke(&dev(), out)).unwrap();
    assert_eq!(bench.ended(conn), Some(CloseReason::Kicked("the credentials were changed")));
    assert_eq!(bench.code(&device(HUB), Peer::default()), Some(5));
    assert!(bench.act(|cloud, _, out| cloud.remove(&dev(), out)));
    assert_eq!(bench.code(&device(HUB), Peer::default()), Some(5));
}

//! The modem's MQTT client, as its host sees it.

use crate::bench::{Bench, config};
use core::time::Duration;
use skytether_core::{io::Refusal, link::QoS, secret::Secret, time::Instant};
use skytether_simulator::{
    broker::{
        Broker,
        policy::{Denial, Open},
    },
    modem::{Config, Fault, Modem, Order, Quirks, Side, Standing},
};

fn quirks(quirks: Quirks) -> Config {
    Config { quirks, ..config() }
}

#[test]
fn commands_in_the_wrong_state_are_error_47() {
    let mut bench = Bench::joined(config());
    bench.ask("ATV3");
    for line in
        ["AT+MQTTDISCONN", "AT+MQTTSUB=\"a\",0", "AT+MQTTUNSUB=\"a\"", "AT+MQTTPUB=0,0,0,\"t\",\"\"", "AT+MQTTCONN=1"]
    {
        assert_eq!(bench.ask(line), "ERROR:47\r\n", "{line}: there is not even a broker");
    }
    bench.say(&["AT+MQTTC=1,\"broker.invalid\"", "AT+MQTTC=7,0", "AT+MQTTCONN=1"]);
    bench.said();
    assert_eq!(bench.ask("AT+MQTTCONN=1"), "ERROR:47\r\n", "connecting");
    assert_eq!(bench.ask("AT+MQTTDISCONN"), "ERROR:47\r\n", "connecting");
    bench.run(200);
    bench.said();
    assert_eq!(bench.ask("AT+MQTTCONN=1"), "ERROR:47\r\n", "connected");
    assert_eq!(bench.ask("AT+MQTTCONN"), "+MQTTCONN:1\r\nOK\r\n");
}

#[test]
fn without_wifi_there_is_no_broker() {
    let mut bench = Bench::new(config());
    bench.ask("ATE0");
    bench.say(&["AT+MQTTC=1,\"broker.invalid\"", "AT+MQTTC=7,0"]);
    bench.said();
    assert_eq!(bench.ask("AT+MQTTCONN=1"), "ERROR:47,\"MQTT Error\"\r\n");
}

#[test]
fn a_refusal_and_a_broker_that_does_not_answer_are_the_same_literal_pair() {
    let mut bench = Bench::joined(config());
    bench.broker.deny_next(Denial::Code(Refusal::NotAuthorized, "no"));
    bench.say(&["AT+MQTTC=1,\"broker.invalid\"", "AT+MQTTC=7,0"]);
    bench.said();
    let refused = "\r+MQTTCONNACK:1,1\r\n\r+MQTTCONN:0\r\n";
    assert_eq!(bench.ask("AT+MQTTCONN=1"), "OK\r\n");
    bench.run(200);
    assert_eq!(bench.said(), refused);
    bench.mute = true;
    bench.ask("AT+MQTTCONN=1");
    bench.run(1019);
    assert_eq!(bench.said(), "");
    bench.run(1);
    assert_eq!(bench.said(), refused);
}

#[test]
fn what_fails_below_mqtt_is_a_bare_state_or_not_told_at_all() {
    for silent_failures in [false, true] {
        let mut bench = Bench::joined(quirks(Quirks { silent_failures, ..Quirks::default() }));
        bench.unreachable = true;
        bench.say(&["AT+MQTTC=1,\"broker.invalid\"", "AT+MQTTC=7,0", "AT+MQTTCONN=1"]);
        bench.said();
        bench.run(6000);
        assert_eq!(bench.said(), if silent_failures { "" } else { "\r+MQTTCONN:0\r\n" });
        assert_eq!(bench.ask("AT+MQTTCONN"), "+MQTTCONN:0\r\nOK\r\n");
    }
}

#[test]
fn tls_fails_as_long_as_the_time_is_not_known() {
    let mut bench = Bench::new(config());
    bench.say(&["ATE0", "AT+WSTAC=1,\"open\"", "AT+WSTA=1"]);
    bench.run(3000);
    assert!(bench.modem.is_joined());
    bench.say(&["AT+MQTTC=1,\"broker.invalid\""]);
    bench.said();
    assert_eq!(bench.ask("AT+TIME"), "ERROR:46,\"Time Error\"\r\n");
    assert_eq!(bench.ask("AT+MQTTCONN=1"), "OK\r\n\r+MQTTCONN:0\r\n");
    assert!(bench.opened.is_empty());
    bench.ask("AT+TIME=1,1767225600");
    bench.ask("AT+MQTTCONN=1");
    bench.run(100);
    assert_eq!(bench.said(), "\r+MQTTCONNACK:0,0\r\n\r+MQTTCONN:1\r\n");
}

#[test]
fn four_subscriptions_are_all_there_are_and_they_end_with_the_connection() {
    let mut bench = Bench::connected(config());
    for filter in ["a", "b", "c", "d", "a"] {
        assert_eq!(bench.ask(&format!("AT+MQTTSUB=\"{filter}\",1")), "OK\r\n");
        bench.run(100);
        assert_eq!(bench.said(), "\r+MQTTSUB:0\r\n", "{filter}");
    }
    assert_eq!(bench.ask("AT+MQTTSUB=\"e\",1"), "OK\r\n\r+MQTTSUB:1\r\n");
    assert_eq!(bench.ask("AT+MQTTUNSUB=\"b\""), "OK\r\n");
    bench.run(100);
    assert_eq!(bench.said(), "\r+MQTTUNSUB:1\r\n", "which is success");
    bench.ask("AT+MQTTSUB=\"e\",1");
    bench.run(100);
    assert_eq!(bench.said(), "\r+MQTTSUB:0\r\n");
    for _ in 0..2 {
        bench.say(&["AT+MQTTDISCONN", "AT+MQTTCONN=0"]);
        bench.run(100);
        bench.said();
        bench.publish("a", b"x", QoS::AtMostOnce);
        bench.run(100);
        assert_eq!(bench.said(), "", "the session was clean, whatever was asked for");
        bench.ask("AT+MQTTSUB=\"a\",1");
        bench.run(100);
        bench.said();
    }
}

#[test]
fn one_acknowledgement_is_awaited_at_a_time() {
    let mut bench = Bench::connected(config());
    assert_eq!(bench.ask("AT+MQTTSUB=\"a\",1"), "OK\r\n");
    for line in
        ["AT+MQTTSUB=\"b\",1", "AT+MQTTPUB=0,1,0,\"t\",\"\"", "AT+MQTTPUB=0,0,0,\"t\",\"\"", "AT+MQTTUNSUB=\"a\""]
    {
        assert_eq!(bench.ask(line), "ERROR:47,\"MQTT Error\"\r\n", "{line}");
    }
    bench.run(100);
    assert_eq!(bench.said(), "\r+MQTTSUB:0\r\n");
    assert_eq!(bench.ask("AT+MQTTPUB=0,1,0,\"t\",\"x\""), "OK\r\n");
    bench.run(100);
    assert_eq!(bench.said(), "\r+MQTTPUBACC\r\n");
    assert_eq!(bench.ask("AT+MQTTPUB=0,2,0,\"t\",\"x\""), "OK\r\n");
    bench.run(200);
    assert_eq!(bench.said(), "\r+MQTTPUBCOMP\r\n");
}

#[test]
fn acknowledgements_that_do_not_come_are_failures_after_a_second() {
    let mut bench = Bench::connected(config());
    bench.mute = true;
    for (line, event) in [
        ("AT+MQTTSUB=\"a\",1", "\r+MQTTSUB:1\r\n"),
        ("AT+MQTTUNSUB=\"a\"", "\r+MQTTUNSUB:0\r\n"),
        ("AT+MQTTPUB=0,1,0,\"t\",\"x\"", "\r+MQTTPUBERR\r\n"),
    ] {
        assert_eq!(bench.ask(line), "OK\r\n");
        bench.run(999);
        assert_eq!(bench.said(), "");
        bench.run(1);
        assert_eq!(bench.said(), event);
    }
}

#[test]
fn a_refused_subscription_is_told_by_a_one() {
    use skytether_simulator::broker::policy::Limits;
    let limits = Limits { subscriptions: 0, ..Limits::default() };
    let mut bench = Bench::with(Open::anonymous().with_limits(limits), config());
    bench.join();
    bench.say(&["AT+MQTTC=1,\"broker.invalid\"", "AT+MQTTC=7,0", "AT+MQTTCONN=1"]);
    bench.run(200);
    bench.said();
    bench.ask("AT+MQTTSUB=\"a\",1");
    bench.run(100);
    assert_eq!(bench.said(), "\r+MQTTSUB:1\r\n");
}

#[test]
fn messages_are_printed_raw_escaped_or_as_hex_and_each_qos_once() {
    let mut bench = Bench::connected(config());
    bench.ask("AT+MQTTSUB=\"#\",2");
    bench.run(100);
    bench.said();
    let cases: [(&[u8], &str); 6] = [
        (br#"{"delay":"PT5S"}"#, r#"16,"{"delay":"PT5S"}""#),
        (br#"{"a":1}"#, r#"7,"{"a":1}""#),
        (b"{\"a\":1}\r\n", r#"9,"{\"a\":1}\r\n""#),
        ("{\"\u{b0}\"}".as_bytes(), "6,[7B22C2B0227D]"),
        (b"", "0,[]"),
        (b"\x00\x01\xff", "3,[0001FF]"),
    ];
    for (payload, printed) in cases {
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            bench.publish("a/b/c", payload, qos);
            bench.run(200);
            assert_eq!(bench.said(), format!("\r+MQTTPUB:5,\"a/b/c\",{printed}\r\n"));
        }
    }
}

#[test]
fn a_packet_over_1500_bytes_cannot_be_received() {
    let mut bench = Bench::connected(config());
    bench.ask("AT+MQTTSUB=\"t\",0");
    bench.run(100);
    bench.said();
    // Fixed header of three bytes, topic of three.
    bench.publish("t", &[b'x'; 1494], QoS::AtMostOnce);
    bench.run(100);
    assert_eq!(bench.said(), format!("\r+MQTTPUB:1,\"t\",1494,\"{}\"\r\n", "x".repeat(1494)));
    bench.publish("t", &[b'x'; 1495], QoS::AtMostOnce);
    bench.run(100);
    assert_eq!(bench.said(), "\r+MQTTCONN:0\r\n");
}

#[test]
fn the_faithful_firmware_cuts_long_printed_forms_and_sends_no_password() {
    for faithful in [false, true] {
        let users = Open::anonymous().with_user("u", Secret::new("secret"));
        let mut bench = Bench::with(users, quirks(Quirks { faithful, ..Quirks::default() }));
        bench.join();
        bench.say(&["AT+MQTTC=1,\"broker.invalid\"", "AT+MQTTC=7,0", "AT+MQTTC=4,\"u\"", "AT+MQTTC=5,\"secret\""]);
        assert_eq!(bench.ask("AT+MQTTC=5").lines().last(), Some("OK"));
        bench.ask("AT+MQTTCONN=1");
        bench.run(100);
        assert_eq!(bench.modem.is_connected(), !faithful);
    }
    let mut bench = Bench::connected(quirks(Quirks { faithful: true, ..Quirks::default() }));
    bench.ask("AT+MQTTSUB=\"t\",0");
    bench.run(100);
    bench.said();
    bench.publish("t", &[0xFF; 1000], QoS::AtMostOnce);
    bench.run(100);
    assert_eq!(bench.said(), format!("\r+MQTTPUB:1,\"t\",1000,[{}\r\n", "FF".repeat(750).get(..1499).unwrap()));
}

#[test]
fn qos_0_is_acknowledged_too_on_some_builds() {
    let mut bench = Bench::connected(quirks(Quirks { published_at_qos_0: true, ..Quirks::default() }));
    assert_eq!(bench.ask("AT+MQTTPUB=0,0,0,\"t\",\"\""), "OK\r\n\r+MQTTPUBACC\r\n");
}

#[test]
fn a_loss_is_told_and_some_builds_come_back_by_themselves_without_subscriptions() {
    for reconnects in [None, Some(Duration::from_secs(3))] {
        let mut bench = Bench::connected(quirks(Quirks { reconnects, ..Quirks::default() }));
        bench.ask("AT+MQTTSUB=\"t\",0");
        bench.run(100);
        bench.said();
        let client = "sn0123FE0CF960432D01";
        assert!(bench.broker.kick(bench.now, client, "test"));
        bench.run(100);
        assert_eq!(bench.said(), "\r+MQTTCONN:0\r\n");
        bench.broker.deny_next(Denial::Silent("test"));
        bench.run(10_000);
        assert_eq!(bench.said(), if reconnects.is_some() { "\r+MQTTCONN:1\r\n" } else { "" });
        bench.publish("t", b"x", QoS::AtMostOnce);
        bench.run(100);
        assert_eq!(bench.said(), "");
    }
}

#[test]
fn a_dead_connection_is_noticed_by_the_keep_alive() {
    let mut bench = Bench::connected(config());
    bench.run(200_000);
    assert!(bench.modem.is_connected(), "it pings");
    bench.mute = true;
    bench.run(61_100);
    assert_eq!(bench.said(), "\r+MQTTCONN:0\r\n");
}

#[test]
fn a_modem_may_be_joined_or_connected_before_its_host_comes() {
    let standing = Standing::Joined;
    let mut bench = Bench::new(Config { standing, ..config() });
    assert_eq!(bench.said(), "", "no banner: it has been running for long");
    assert_eq!(bench.ask("AT+WSTA"), "AT+WSTA\r\n+WSTA:1,\"lab\",-50,3\r\nOK\r\n>");
    assert_eq!(bench.ask("AT+TIME"), "AT+TIME\r\n+TIME:1767225600\r\nOK\r\n>");

    let standing = Standing::Connected {
        host: "broker.invalid".to_owned(),
        port: 1883,
        tls: false,
        client_id: "old".to_owned(),
        user_name: String::new(),
    };
    let mut bench = Bench::new(Config { standing, ..config() });
    bench.run(100);
    bench.said();
    assert_eq!(bench.broker.clients().collect::<Vec<_>>(), ["old"]);
    assert_eq!(bench.ask("AT+MQTTCONN"), "AT+MQTTCONN\r\n+MQTTCONN:1\r\nOK\r\n>");
    bench.modem.misbehave(bench.now, Fault::Reset);
    bench.run(100);
    assert_eq!(bench.said(), "\r\nOK\r\n>");
    assert_eq!(bench.ask("AT+WSTA"), "AT+WSTA\r\n+WSTA:0\r\nOK\r\n>");
    assert_eq!(Broker::clients(&bench.broker).count(), 0);
}

/// A broker may repeat what was not released.
#[test]
fn a_message_of_qos_2_that_is_repeated_is_told_once() {
    let mut modem = Modem::new(Config { standing: Standing::Joined, ..config() }, Instant(0), crate::bench::WALL);
    let at = |modem: &mut Modem, line: &str| modem.receive(Instant(1), Side::Serial, format!("{line}\r\n").as_bytes());
    for line in ["ATE0", "AT+MQTTC=1,\"broker.invalid\"", "AT+MQTTC=7,0", "AT+MQTTCONN=1"] {
        at(&mut modem, line);
    }
    let Some(Order::Open { pipe, .. }) = modem.next_order() else { panic!("it opens a connection") };
    modem.opened(Instant(1), pipe);
    modem.sent(Instant(1), Side::Net(pipe), modem.transmit(Side::Net(pipe)).len());
    modem.sent(Instant(1), Side::Serial, modem.transmit(Side::Serial).len());
    for packet in [
        &b"\x20\x02\0\0"[..],
        b"\x34\x06\0\x01t\0\x05x",
        b"\x3c\x06\0\x01t\0\x05x",
        b"\x62\x02\0\x05",
        b"\x34\x06\0\x01t\0\x05y",
    ] {
        modem.receive(Instant(1), Side::Net(pipe), packet);
    }
    let said = String::from_utf8_lossy(modem.transmit(Side::Serial)).into_owned();
    let expected =
        "\r+MQTTCONNACK:0,0\r\n\r+MQTTCONN:1\r\n\r+MQTTPUB:1,\"t\",1,\"x\"\r\n\r+MQTTPUB:1,\"t\",1,\"y\"\r\n";
    assert_eq!(said, expected);
    // PUBREC, PUBREC, PUBCOMP, PUBREC
    let answers = b"\x50\x02\0\x05\x50\x02\0\x05\x70\x02\0\x05\x50\x02\0\x05";
    assert_eq!(modem.transmit(Side::Net(pipe)), answers);
}

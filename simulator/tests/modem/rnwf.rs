//! Where RNWF differs.

use crate::bench::{Bench, config};
use skytether_core::{io::Refusal, link::QoS};
use skytether_simulator::{
    broker::policy::Denial,
    modem::{Config, Dialect, Quirks},
};

fn rnwf() -> Config {
    Config { dialect: Dialect::Rnwf, ..config() }
}

fn joined(config: Config) -> Bench {
    let mut bench = Bench::new(config);
    assert_eq!(bench.said(), "\r+BOOT:\"RNWF - AT Command Interface\"\r\n>");
    bench.say(&["ATE0", "AT+WSTAC=1,\"lab\"", "AT+WSTAC=2,3", "AT+WSTAC=3,\"pass word\"", "AT+NETIFC=0,10,1"]);
    bench.say(&["AT+SNTPC=1,1", "AT+SNTPC=2,1", "AT+SNTPC=3,\"pool.ntp.org\"", "AT+WSTA=1"]);
    bench.said();
    bench.run(2999);
    let expected = "\r+WSTALU:1,\"02:00:00:00:00:01\",11\r\n\r+WSTAAIP:1,\"192.0.2.7\"\r\n\r+TIME:3976214402\r\n";
    assert_eq!(bench.said(), expected);
    bench
}

fn connected(config: Config) -> Bench {
    let mut bench = joined(config);
    bench.say(&["AT+MQTTC=1,\"broker.invalid\"", "AT+MQTTC=2,1883", "AT+MQTTCONN=1"]);
    bench.said();
    bench.run(100);
    assert_eq!(bench.said(), "\r+MQTTCONNACK:0,0\r\n\r+MQTTCONN:1\r\n");
    bench
}

#[test]
fn errors_have_a_module_and_a_code() {
    let mut bench = joined(rnwf());
    assert_eq!(bench.ask("xyz"), "ERROR:0.2,\"Invalid AT Command\"\r\n");
    assert_eq!(bench.ask("AT+MQTTDISCONN"), "ERROR:8.0,\"MQTT Error\"\r\n");
    assert_eq!(bench.ask("AT+GMM"), "+GMM:\"RNWF02\"\r\nOK\r\n");
    assert_eq!(bench.ask("AT+WSTA"), "+WSTA:1,1\r\nOK\r\n");
    assert_eq!(bench.ask("AT+GMM=?"), "ERROR:0.2,\"Invalid AT Command\"\r\n");
}

#[test]
fn a_network_that_cannot_be_joined_is_told_by_its_code() {
    let mut bench = Bench::new(rnwf());
    bench.say(&["ATE0", "AT+WSTAC=1,\"no\"", "AT+WSTA=1"]);
    bench.said();
    bench.run(2000);
    assert_eq!(bench.said(), "\r+WSTAERR:20.3\r\n");
}

#[test]
fn a_refusal_has_its_reason_and_a_session_its_flag() {
    let mut bench = joined(rnwf());
    bench.say(&["AT+MQTTC=1,\"broker.invalid\"", "AT+MQTTC=2,1883"]);
    bench.broker.deny_next(Denial::Code(Refusal::BadCredentials, "no"));
    for (clean, expected) in [
        (0, "\r+MQTTCONNACK:0,134\r\n\r+MQTTCONN:0\r\n"),
        (0, "\r+MQTTCONNACK:0,0\r\n\r+MQTTCONN:1\r\n"),
        (0, "\r+MQTTCONNACK:1,0\r\n\r+MQTTCONN:1\r\n"),
        (1, "\r+MQTTCONNACK:0,0\r\n\r+MQTTCONN:1\r\n"),
    ] {
        bench.ask("AT+MQTTDISCONN");
        bench.run(100);
        bench.said();
        bench.ask(&format!("AT+MQTTCONN={clean}"));
        bench.run(100);
        assert_eq!(bench.said(), expected);
    }
}

#[test]
fn a_subscription_is_told_by_the_qos_that_was_granted() {
    let mut bench = connected(rnwf());
    for (qos, answer) in [(0, "0"), (1, "1"), (2, "2")] {
        bench.ask(&format!("AT+MQTTSUB=\"a/{qos}\",{qos}"));
        bench.run(100);
        assert_eq!(bench.said(), format!("\r+MQTTSUB:{answer}\r\n"));
    }
    let list = "+MQTTSUBLST:\"a/0\",0\r\n+MQTTSUBLST:\"a/1\",1\r\n+MQTTSUBLST:\"a/2\",2\r\nOK\r\n";
    assert_eq!(bench.ask("AT+MQTTSUBLST"), list);
    bench.ask("AT+MQTTUNSUB=\"a/0\"");
    bench.run(100);
    assert_eq!(bench.said(), "\r+MQTTUNSUB:0\r\n");
}

#[test]
fn publishes_have_ids_and_several_may_be_under_way() {
    let mut bench = connected(rnwf());
    assert_eq!(bench.ask("AT+MQTTPUB=0,0,0,\"t\",\"x\""), "+MQTTPUB\r\nOK\r\n");
    assert_eq!(bench.ask("AT+MQTTPUB=0,1,0,\"t\",\"x\""), "+MQTTPUB:1\r\nOK\r\n");
    assert_eq!(bench.ask("AT+MQTTPUB=0,2,0,\"t\",\"x\""), "+MQTTPUB:2\r\nOK\r\n");
    bench.run(200);
    assert_eq!(bench.said(), "\r+MQTTPUBACK:1\r\n\r+MQTTPUBCOMP:2\r\n");
    bench.mute = true;
    bench.ask("AT+MQTTPUB=0,1,0,\"t\",\"x\"");
    bench.run(1000);
    assert_eq!(bench.said(), "\r+MQTTPUBERR:3\r\n");
    let mut older = connected(Config { quirks: Quirks { no_publish_line: true, ..Quirks::default() }, ..rnwf() });
    assert_eq!(older.ask("AT+MQTTPUB=0,0,0,\"t\",\"x\""), "OK\r\n");
}

#[test]
fn messages_are_escaped_and_have_their_flags() {
    let mut bench = connected(rnwf());
    bench.ask("AT+MQTTSUB=\"#\",1");
    bench.run(100);
    bench.said();
    bench.publish("$iothub/x", b"no", QoS::AtMostOnce);
    bench.publish("a/b", br#"{"a":"b\c"}"#, QoS::AtLeastOnce);
    bench.publish("a/b", b"\xff", QoS::AtMostOnce);
    bench.run(100);
    let expected = "\r+MQTTSUBRX:0,1,0,\"a/b\",\"{\\\"a\\\":\\\"b\\\\c\\\"}\"\r\n\r+MQTTSUBRX:0,0,0,\"a/b\",[FF]\r\n";
    assert_eq!(bench.said(), expected);
}

#[test]
fn a_message_over_the_threshold_is_announced_and_fetched() {
    let mut bench = connected(rnwf());
    bench.say(&["AT+MQTTC=9,10", "AT+MQTTSUB=\"t\",0"]);
    bench.run(100);
    bench.said();
    bench.publish("t", b"123456789", QoS::AtMostOnce);
    bench.publish("t", b"1234567890", QoS::AtMostOnce);
    bench.run(100);
    assert_eq!(bench.said(), "\r+MQTTSUBRX:0,0,0,\"t\",\"123456789\"\r\n\r+MQTTSUBRX:0,0,0,\"t\",1,10\r\n");
    assert_eq!(bench.ask("AT+MQTTSUBRD=\"t\",1,10"), "+MQTTSUBRD:1,10,\"1234567890\"\r\nOK\r\n");
    assert_eq!(bench.ask("AT+MQTTSUBRD=\"t\",1,10"), "ERROR:8.0,\"MQTT Error\"\r\n");
}

#[test]
fn tls_follows_the_set_that_is_named() {
    let mut bench = joined(rnwf());
    bench.say(&["AT+TLSC=3,1,\"root\"", "AT+TLSC=3,2,\"own\"", "AT+TLSC=3,5,\"sni\"", "AT+MQTTC=7,3"]);
    bench.say(&["AT+MQTTC=1,\"broker.invalid\"", "AT+MQTTCONN=1"]);
    bench.run(100);
    let tls = bench.opened.last().unwrap().2.clone().unwrap();
    assert_eq!((&*tls.server_name, &*tls.root, &*tls.certificate), ("sni", "root", "own"));
    bench.ask("AT+MQTTC=0,0");
    assert_eq!(bench.ask("AT+MQTTC=1"), "+MQTTC:1,\"\"\r\nOK\r\n");
}

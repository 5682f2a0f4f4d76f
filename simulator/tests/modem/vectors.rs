//! What the conformance vectors show of a module's output, this module prints byte for byte.

use crate::bench::{Bench, config};
use serde_json::Value;
use skytether_core::{io::Refusal, link::QoS};
use skytether_simulator::{
    broker::policy::Denial,
    modem::{Certificates, Config, Dialect, Network, Standing, StationForm},
};

fn vectors() -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../conformance/vectors/anycloud.json");
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    file["vectors"].as_array().unwrap().iter().filter(|vector| vector["kind"] == "parse").cloned().collect()
}

fn text(id: &str) -> String {
    let vectors = vectors();
    let vector = vectors.iter().find(|vector| vector["id"] == id).unwrap_or_else(|| panic!("no vector {id}"));
    vector["in"]["rx_text"].as_str().unwrap().to_owned()
}

fn bytes(value: &Value) -> Vec<u8> {
    match value["hex"].as_str() {
        Some(hex) => base16ct::mixed::decode_vec(hex).unwrap(),
        None => value.as_str().unwrap().as_bytes().to_vec(),
    }
}

/// Each message of the vectors, sent to it, is printed as it stands there.
#[test]
fn messages_are_printed_as_the_vectors_show() {
    let mut count = 0;
    for vector in vectors() {
        let printed = vector["in"]["rx_text"].as_str().unwrap();
        let record = printed
            .split("\r\n")
            .map(|line| line.trim_start_matches(['>', '\r']))
            .find(|line| line.starts_with("+MQTTPUB:") && line.contains('"') || line.starts_with("+MQTTSUBRX:"));
        let events = vector["out"]["events"].as_array().unwrap();
        let message = events.iter().find(|event| event["t"] == "message" || event["t"] == "announce");
        let (Some(record), Some(message)) = (record, message) else { continue };
        if message["mismatch"] == true {
            continue;
        }
        let dialect = if vector["in"]["dialect"] == "rnwf" { Dialect::Rnwf } else { Dialect::AnyCloud };
        let mut bench = Bench::connected(Config { dialect, ..config() });
        let topic = message["topic"].as_str().unwrap();
        let escaped = topic.replace('"', "\\\"");
        bench.say(&["AT+MQTTC=9,512", &format!("AT+MQTTSUB=\"{}\",1", escaped.replace("t#x", "#"))]);
        bench.run(100);
        bench.said();
        // A topic name of MQTT has no wildcard, whatever a module could print.
        if topic.contains('#') {
            continue;
        }
        let payload = match message["len"].as_u64() {
            Some(len) => vec![b'x'; usize::try_from(len).unwrap()],
            None => bytes(&message["payload"]),
        };
        bench.publish(topic, &payload, QoS::AtLeastOnce);
        bench.run(100);
        assert_eq!(bench.said(), format!("\r{record}\r\n"), "{}", vector["id"]);
        count += 1;
    }
    assert!(count >= 12, "{count} messages");
}

#[test]
fn answers_and_events_are_those_of_the_vectors() {
    let bench = |change: fn(&mut Config)| {
        let mut config = config();
        change(&mut config);
        Bench::new(config)
    };
    let mut plain = bench(|_| ());
    assert_eq!(plain.said(), text("boot"));
    assert_eq!(plain.ask("ATE1"), text("ate1"));
    assert_eq!(plain.ask("AT+WSTA"), text("wsta-query"));
    assert_eq!(plain.ask("AT+MQTTDISCONN"), text("err5"));
    plain.say(&["AT+WSTAC=1,\"nobody\"", "AT+WSTA=1"]);
    plain.said();
    plain.run(2000);
    assert_eq!(plain.said(), text("aec-error-msg"));
    assert_eq!(plain.ask("AT+LOADCERT=4,\"ca\""), text("loadcert"));
    plain.host(&[0x30, 2, 5, 0]);
    assert_eq!(plain.said(), text("loadcert-done"));
    plain.ask("ATE0");
    assert_eq!(plain.ask("AT+MQTTCONN"), text("noecho"));
    plain.say(&["AT+MQTTC=1,\"h.azure-devices.net\"", "ATE1"]);
    plain.said();
    let list = plain.ask("AT+MQTTC");
    let shown: Vec<_> = text("config-list").lines().map(str::to_owned).collect();
    assert!(shown.iter().all(|line| list.lines().any(|printed| printed == line)), "{list}");
    plain.ask("ATE0");
    plain.ask("ATV3");
    assert_eq!(plain.ask("AT+MQTTC=99"), text("err3"));
    plain.ask("ATV4");
    assert_eq!(plain.ask("AT+MQTTCONN=2"), text("err4"));
    plain.ask("ATV2");
    assert_eq!(plain.ask("AT+MQTTCONN=2"), text("err2"));

    let mut rnwf = bench(|config| config.dialect = Dialect::Rnwf);
    assert_eq!(rnwf.said(), text("boot-rnwf"));
    rnwf.ask("ATE0");
    assert_eq!(rnwf.ask("nonsense"), text("err-rnwf"));

    let mut joined = bench(|config| {
        let network = Network::protected("My AP", *b"pass word");
        (config.networks, config.standing) = (vec![network], Standing::Joined);
    });
    joined.ask("ATE0");
    assert_eq!(joined.ask("AT+WSTA"), text("wsta-connected-fw"));
    let mut manual = bench(|config| {
        (config.networks, config.standing) = (vec![Network::open("MyAP")], Standing::Joined);
        config.station = StationForm::Manual;
    });
    manual.ask("ATE0");
    assert_eq!(manual.ask("AT+WSTA"), text("wsta-connected-doc"));

    let mut scan = bench(|config| {
        let bssid = "24:F2:7F:A5:8B:81".to_owned();
        config.networks = vec![Network { channel: 6, rssi: -62, bssid, ..Network::open("Foo \u{a9} bar") }];
    });
    scan.ask("ATE0");
    assert_eq!(scan.ask("AT+WSCNA=255"), format!("OK\r\n{}", text("scan")));

    let mut slips = bench(|config| {
        config.certificates = Certificates { device: vec![0xDE, 0xAD, 0xBE, 0xEF], ..Certificates::default() };
    });
    slips.say(&["ATE0", "AT+WSTAC=1,\"lab\"", "AT+WSTAC=3,\"secret\""]);
    let mut said = slips.ask("AT+WSTAC");
    said += &slips.ask("AT+GMM");
    said += &slips.ask("AT+READCERT=1");
    assert!(text("slips").lines().all(|line| said.lines().any(|printed| printed == line)), "{said}");
}

#[test]
fn the_ways_onto_the_network_and_to_the_broker_are_those_of_the_vectors() {
    let network = Network {
        bssid: "5C:76:95:1B:D9:2F".to_owned(),
        channel: 6,
        address: "10.0.0.156".to_owned(),
        ..Network::open("open")
    };
    let mut bench = Bench::new(Config { networks: vec![network], ..config() });
    bench.say(&["AT+WSTAC=1,\"open\"", "AT+WSTA=1"]);
    bench.said();
    bench.run(3000);
    assert_eq!(format!(">{}", bench.said()), text("link-up"));
    for (refused, id) in [(true, "connect-refused"), (false, "connect-ok")] {
        if refused {
            bench.broker.deny_next(Denial::Code(Refusal::NotAuthorized, "test"));
        }
        bench.say(&["AT+MQTTC=1,\"broker.invalid\"", "AT+MQTTC=7,0"]);
        bench.said();
        let mut said = bench.ask("AT+MQTTCONN=1");
        bench.run(200);
        said += &bench.said();
        assert_eq!(said, format!("AT+MQTTCONN=1\r\n{}", text(id)));
    }
    let mut rnwf = Bench::connected(Config { dialect: Dialect::Rnwf, ..config() });
    for _ in 0..16 {
        rnwf.ask("AT+MQTTPUB=0,1,0,\"t\",\"x\"");
        rnwf.run(100);
    }
    rnwf.said();
    let mut said = rnwf.ask("AT+MQTTPUB=0,1,0,\"t\",\"x\"");
    rnwf.run(100);
    said += &rnwf.said();
    assert_eq!(said, text("rnwf-pub"));
}

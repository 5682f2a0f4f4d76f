//! Numbered parameters, certificates, time, sockets.

use crate::bench::{Bench, config};
use core::time::Duration;
use skytether_simulator::modem::{Certificates, Config};

fn bench() -> Bench {
    let mut bench = Bench::new(config());
    bench.ask("ATE0");
    bench
}

#[test]
fn fields_of_the_broker_have_their_lengths() {
    let mut bench = bench();
    for (id, max) in [(1, 64), (3, 23), (4, 128), (5, 256)] {
        assert_eq!(bench.ask(&format!("AT+MQTTC={id},\"{}\"", "x".repeat(max))), "OK\r\n", "{id}");
        let more = format!("AT+MQTTC={id},\"{}\"", "x".repeat(max + 1));
        assert_eq!(bench.ask(&more), "ERROR:7,\"Configuration Access Failed\"\r\n", "{id}");
    }
}

#[test]
fn the_list_of_the_broker_shows_all_but_the_password() {
    let mut bench = bench();
    bench.say(&["AT+MQTTC=1,\"h.azure-devices.net\"", "AT+MQTTC=5,[00FF]"]);
    bench.said();
    let expected = "+MQTTC:1,\"h.azure-devices.net\"\r\n+MQTTC:2,8883\r\n+MQTTC:3,\"sn0123FE0CF960432D01\"\r\n+MQTTC:4,[]\r\n\
                    +MQTTC:5,******\r\n+MQTTC:6,0\r\n+MQTTC:7,1\r\nOK\r\n";
    assert_eq!(bench.ask("AT+MQTTC"), expected);
    assert_eq!(bench.ask("AT+MQTTC=2"), "+MQTTC:2,8883\r\nOK\r\n");
}

#[test]
fn the_list_of_the_station_has_lost_its_plus() {
    let mut bench = bench();
    bench.say(&["AT+WSTAC=1,\"lab\"", "AT+WSTAC=3,\"secret\""]);
    bench.said();
    let list = bench.ask("AT+WSTAC");
    assert!(list.starts_with("WSTAC:1,\"lab\"\r\nWSTAC:2,0\r\nWSTAC:3,\"secret\"\r\nWSTAC:4,255\r\n"), "{list}");
    assert_eq!(bench.ask("AT+WSTAC=1"), "+WSTAC:1,\"lab\"\r\nOK\r\n");
}

#[test]
fn sets_of_tls_are_numbered_from_one_to_two() {
    let mut bench = bench();
    assert_eq!(bench.ask("AT+TLSC=2,1,\"root\""), "OK\r\n");
    assert_eq!(bench.ask("AT+TLSC=2,1"), "+TLSC:1,\"root\"\r\nOK\r\n");
    assert_eq!(bench.ask("AT+TLSC=1,1"), "+TLSC:1,[]\r\nOK\r\n");
    assert_eq!(bench.ask("AT+TLSC=3,1"), "ERROR:7,\"Configuration Access Failed\"\r\n");
    assert_eq!(
        bench.ask("AT+TLSC=1,5,\"123456789012345678901234567890123\""),
        "ERROR:7,\"Configuration Access Failed\"\r\n"
    );
}

#[test]
fn a_certificate_comes_as_raw_bytes_after_a_hash() {
    let mut bench = Bench::new(config());
    bench.said();
    assert_eq!(bench.ask("AT+LOADCERT=4,\"ca\""), "AT+LOADCERT=4,\"ca\"\r\n#");
    bench.host(b"\x30\x02\r\n");
    assert_eq!(bench.said(), "\r\nOK\r\n>\r+LOADCERT:0\r\n>", "no echo of raw bytes");
    assert_eq!(bench.ask("AT+READCERT=3"), "AT+READCERT=3\r\n+READCERT:3, 4,[30020D0A]\r\nOK\r\n>");
    bench.ask("ATE0");
    bench.ask("AT+LOADCERT=4,\"ca\"");
    bench.host(b"\x30\x03\r\n");
    assert_eq!(bench.said(), "\r\nOK\r\n\r+LOADCERT:1\r\n", "its length does not fit");
    let pem = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    bench.ask("AT+LOADCERT=0,\"ca\"");
    bench.host(pem.as_bytes());
    bench.host(b"+++");
    bench.run(999);
    assert_eq!(bench.said(), "");
    bench.run(1);
    assert_eq!(bench.said(), "\r\nOK\r\n\r+LOADCERT:0\r\n");
    assert_eq!(bench.ask("AT+LOADCERT=1501,\"ca\""), "ERROR:4,\"Invalid Parameter\"\r\n");
}

#[test]
fn a_loaded_certificate_is_one_more_root_of_the_brokers_connection() {
    let mut bench = Bench::joined(config());
    bench.say(&["AT+LOADCERT=2,\"ca\""]);
    bench.host(b"\x30\x00");
    bench.say(&["AT+MQTTC=1,\"h\"", "AT+MQTTCONN=1"]);
    bench.run(100);
    let tls = bench.opened.last().unwrap().2.clone().unwrap();
    assert_eq!((&*tls.server_name, tls.loaded.as_deref()), ("h", Some(&[0x30, 0][..])));
}

#[test]
fn its_own_certificates_are_shown() {
    let certificates = Certificates { device: vec![0x30, 0], ..Certificates::default() };
    let mut bench = Bench::new(Config { certificates, ..config() });
    bench.ask("ATE0");
    assert_eq!(bench.ask("AT+READCERT=1"), "+READCERT:1, 2,\"0\\0\"\r\nOK\r\n");
    assert_eq!(bench.ask("AT+READCERT=2"), "ERROR:1,\"General Error\"\r\n");
}

#[test]
fn the_time_comes_from_the_server_that_was_named() {
    let mut bench = Bench::joined(config());
    // 3 s have passed since the world began, and one millisecond on the bench.
    assert_eq!(bench.ask("AT+TIME=1"), "+TIME:1767225603\r\nOK\r\n");
    assert_eq!(bench.ask("AT+TIME=2"), "+TIME:3976214403\r\nOK\r\n");
    assert_eq!(bench.ask("AT+TIME=3"), "+TIME:\"2026-01-01T00:00:03.00Z\"\r\nOK\r\n");
    bench.ask("AT+TIME=1,1000");
    bench.run(2000);
    assert_eq!(bench.ask("AT+TIME"), "+TIME:1002\r\nOK\r\n");
}

#[test]
fn a_reset_forgets_everything_and_takes_its_time() {
    let mut config = config();
    config.times.boot = Duration::from_secs(2);
    let mut bench = Bench::new(config);
    bench.run(2000);
    bench.say(&["ATE0", "AT+IPR=9600", "AT+MQTTC=1,\"h\""]);
    assert_eq!(bench.modem.baud(), 9600);
    bench.said();
    assert_eq!(bench.ask("AT+RST"), "");
    assert_eq!(bench.ask("AT"), "");
    bench.run(2000);
    assert_eq!(bench.said(), "\r\nOK\r\n>");
    assert_eq!(bench.ask("AT+MQTTC=1"), "AT+MQTTC=1\r\n+MQTTC:1,[]\r\nOK\r\n>");
    assert_eq!(bench.modem.baud(), 230_400);
}

#[test]
fn a_tcp_socket_carries_bytes_both_ways() {
    let mut bench = Bench::joined(config());
    assert_eq!(bench.ask("AT+SOCKO=1"), "ERROR:12,\"Invalid Socket Protocol\"\r\n");
    assert_eq!(bench.ask("AT+SOCKO=2"), "+SOCKO:1\r\nOK\r\n");
    assert_eq!(bench.ask("AT+SOCKBR=1,\"broker.invalid\",1883"), "OK\r\n");
    bench.run(100);
    assert_eq!(bench.said(), "\r+SOCKIND:1,\"192.0.2.7\",49153,\"broker.invalid\",1883\r\n");
    // CONNECT: clean, 60 s, client id a; its answer is a CONNACK.
    let hello = "10 0d 00 04 4d 51 54 54 04 02 00 3c 00 01 61".replace(' ', "");
    assert_eq!(bench.ask(&format!("AT+SOCKWR=1,15,[{hello}]")), "OK\r\n");
    bench.run(100);
    assert_eq!(bench.said(), "\r+SOCKRXT:1,4\r\n");
    assert_eq!(bench.ask("AT+SOCKRD=1,1,2"), "+SOCKRD:1,2,[2002]\r\nOK\r\n");
    assert_eq!(bench.ask("AT+SOCKRD=1,2,100"), "+SOCKRD:1,2\r\n#\0\0\r\nOK\r\n");
    assert_eq!(bench.ask("AT+SOCKWR=1,2"), "#");
    bench.host(&[0xe0, 0]);
    assert_eq!(bench.said(), "\r\nOK\r\n");
    bench.run(100);
    assert_eq!(bench.said(), "\r+SOCKCL:1\r\n", "DISCONNECT: the broker closes");
    assert_eq!(bench.ask("AT+SOCKCL=1"), "OK\r\n");
    assert_eq!(bench.ask("AT+SOCKCL=1"), "ERROR:10,\"Socket ID Not Found\"\r\n");
}

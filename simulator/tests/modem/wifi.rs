//! Joining a Wi-Fi network, and losing it.

use crate::bench::{Bench, config};
use core::time::Duration;
use skytether_simulator::modem::{Config, Fault, StationForm};

fn bench() -> Bench {
    let mut bench = Bench::new(config());
    bench.ask("ATE0");
    bench
}

fn join(bench: &mut Bench, ssid: &str, security: u8, passphrase: &str) -> (String, String) {
    bench.say(&[
        &format!("AT+WSTAC=1,\"{ssid}\""),
        &format!("AT+WSTAC=2,{security}"),
        &format!("AT+WSTAC=3,\"{passphrase}\""),
    ]);
    bench.said();
    let answer = bench.ask("AT+WSTA=1");
    bench.run(3000);
    (answer, bench.said())
}

const UP: &str = "\r+WSTALU:\"02:00:00:00:00:01\",11\r\n\r+WSTAAIP:\"192.0.2.7\"\r\n";
const FAILED: &str = "\r+WSTA:ERROR:24,\"STA Connection Failed\"\r\n";

#[test]
fn the_right_name_passphrase_and_security_let_it_in() {
    for (ssid, security, passphrase, outcome) in [
        ("lab", 3, "pass word", UP),
        ("lab", 5, "pass word", UP),
        ("lab", 3, "pass work", FAILED),
        ("lab", 0, "", FAILED),
        ("lap", 3, "pass word", FAILED),
        ("open", 3, "pass word", FAILED),
    ] {
        let (answer, then) = join(&mut bench(), ssid, security, passphrase);
        assert_eq!((&*answer, &*then), ("OK\r\n", outcome), "{ssid} {security} {passphrase}");
    }
}

#[test]
fn what_cannot_be_joined_is_refused_at_once() {
    for (ssid, security, passphrase, error) in [
        ("", 0, "", "ERROR:8,\"Wi-Fi Request Failed\"\r\n"),
        ("lab", 1, "pass word", "ERROR:37,\"Unsupported Security Type\"\r\n"),
        ("lab", 3, "short", "ERROR:38,\"Invalid Security Parameters\"\r\n"),
    ] {
        assert_eq!(join(&mut bench(), ssid, security, passphrase).0, error);
    }
}

#[test]
fn the_station_is_not_configured_while_it_is_started_nor_started_twice() {
    let mut bench = bench();
    assert_eq!(bench.ask("AT+WSTA=0"), "ERROR:21,\"STA Disconnect Not Permitted\"\r\n");
    join(&mut bench, "lab", 3, "pass word");
    assert_eq!(bench.ask("AT+WSTAC=1,\"open\""), "ERROR:6,\"Configuration Update Blocked\"\r\n");
    assert_eq!(bench.ask("AT+WSTA=1"), "ERROR:23,\"STA Connection Not Permitted\"\r\n");
    assert_eq!(bench.ask("AT+WSTA=0"), "OK\r\n\r+WSTALD\r\n");
    assert_eq!(bench.ask("AT+WSTAC=1,\"open\""), "OK\r\n");
}

#[test]
fn a_network_that_goes_takes_the_broker_with_it() {
    let mut bench = Bench::connected(config());
    bench.modem.misbehave(bench.now, Fault::NoWifi(Duration::from_secs(10)));
    assert_eq!(bench.said(), "\r+WSTALD\r\n\r+MQTTCONN:0\r\n");
    assert_eq!(bench.ask("AT+WSTA"), "+WSTA:0\r\nOK\r\n");
    bench.ask("AT+WSTA=1");
    bench.run(3000);
    assert_eq!(bench.said(), FAILED, "it is still away");
    bench.run(10_000);
    bench.ask("AT+WSTA=1");
    bench.run(3000);
    assert_eq!(bench.said(), UP);
}

#[test]
fn firmware_manual_and_the_vendors_transcript_differ_about_the_station() {
    for (station, down, up, events) in [
        (StationForm::Firmware, "0", "1,\"lab\",-50,3", UP.to_owned()),
        (StationForm::Short, "0", "1", UP.to_owned()),
        (StationForm::Manual, "0,0", "1,1,\"lab\",-50,3", UP.replace(":\"02", ":1,\"02").replace(":\"192", ":1,\"192")),
    ] {
        let mut bench = Bench::new(Config { station, ..config() });
        bench.ask("ATE0");
        assert_eq!(bench.ask("AT+WSTA"), format!("+WSTA:{down}\r\nOK\r\n"));
        assert_eq!(join(&mut bench, "lab", 3, "pass word").1, events);
        assert_eq!(bench.ask("AT+WSTA"), format!("+WSTA:{up}\r\nOK\r\n"));
    }
}

#[test]
fn a_scan_tells_of_each_network_and_of_its_end() {
    let mut bench = bench();
    let expected = "OK\r\n\r+WSCNIND:-50,3,11,\"02:00:00:00:00:01\",\"lab\"\r\n\
                    \r+WSCNIND:-50,0,6,\"02:00:00:00:00:01\",\"open\"\r\n\r+WSCNDONE\r\n";
    assert_eq!(bench.ask("AT+WSCNA=255"), expected);
    assert_eq!(bench.ask("AT+WSCNA=1"), "OK\r\n\r+WSCNDONE\r\n");
}

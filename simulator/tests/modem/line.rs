//! Lines, echo, prompts and results, before anything is meant by them.

use crate::bench::{Bench, config};
use core::time::Duration;
use skytether_core::link::QoS;
use skytether_simulator::modem::{Config, Dialect, Side, Times};

fn bench() -> Bench {
    let mut bench = Bench::new(config());
    bench.said();
    bench
}

#[test]
fn it_says_ok_when_it_has_started_and_hears_nothing_before() {
    let times = Times { boot: Duration::from_secs(1), ..Times::default() };
    let mut bench = Bench::new(Config { times, ..config() });
    bench.run(998);
    assert_eq!(bench.ask("AT"), "");
    bench.run(1);
    assert_eq!(bench.said(), "\r\nOK\r\n>");
}

#[test]
fn an_empty_line_brings_a_new_prompt_and_a_cr_alone_executes_nothing() {
    let mut bench = bench();
    assert_eq!(bench.ask(""), "\r\n>");
    bench.host(b"AT\r");
    assert_eq!(bench.said(), "AT\r");
    bench.host(b"\n");
    assert_eq!(bench.said(), "\nOK\r\n>");
}

#[test]
fn garbage_on_the_line_is_overcome_by_an_empty_line_and_at() {
    let mut bench = bench();
    bench.host(b"\xff\0garbage");
    bench.host(b"\r\n");
    let said = bench.said();
    assert!(said.ends_with("\r\nERROR:2,\"Invalid AT Command\"\r\n>"), "{said:?}");
    assert_eq!(bench.ask("AT"), "AT\r\nOK\r\n>");
}

#[test]
fn a_lone_escape_draws_the_line_anew() {
    let mut bench = bench();
    bench.host(b"garbage\x1b");
    bench.said();
    bench.run(250);
    assert_eq!(bench.said(), "\x1b[2K\r\0>");
    assert_eq!(bench.ask("AT"), "AT\r\nOK\r\n>");
}

#[test]
fn a_line_over_512_bytes_is_dropped_without_a_word() {
    let mut bench = bench();
    bench.ask("ATE0");
    assert_eq!(bench.ask(&format!("AT+MQTTC=4,\"{}\"", "x".repeat(500))), "");
    assert_eq!(bench.ask("AT"), "OK\r\n");
    bench.ask("ATE1");
    let line = "A".repeat(511);
    assert_eq!(bench.ask(&line), format!("{}\r\n>", "A".repeat(511)));
}

#[test]
fn results_are_as_verbose_as_was_asked_for() {
    let mut bench = bench();
    bench.ask("ATE0");
    let levels = [
        ("ATV0", "0", "1"),
        ("ATV1", "0", "1:47"),
        ("ATV2", "OK", "ERROR"),
        ("ATV3", "OK", "ERROR:47"),
        ("ATV4", "OK", "ERROR:\"MQTT Error\""),
        ("ATV5", "OK", "ERROR:47,\"MQTT Error\""),
    ];
    for (line, good, bad) in levels {
        assert_eq!(bench.ask(line), format!("{good}\r\n"), "the new level is that of its own answer");
        assert_eq!(bench.ask("AT+MQTTDISCONN"), format!("{bad}\r\n"));
    }
    assert_eq!(bench.ask("ATV6"), "ERROR:3,\"Unknown AT Command\"\r\n");
    assert_eq!(bench.ask("ATE2"), "ERROR:3,\"Unknown AT Command\"\r\n");
}

#[test]
fn what_is_wrong_with_a_line_is_told_by_its_code() {
    let mut bench = bench();
    bench.ask("ATE0");
    bench.ask("ATV3");
    let cases = [
        ("XYZ", 2),
        ("at", 2),
        ("AT+ABCDEFGHIJKLMNOPQ", 2),
        ("AT+NOSUCH", 3),
        ("AT+SNTPC", 3),
        ("AT+MQTTC=1,\"a\\x41\"", 5),
        ("AT+MQTTC=1,[0", 5),
        ("AT+MQTTC=1,caf\u{e9}", 5),
        ("AT+MQTTC=1,2,3", 5),
        ("AT+MQTTC=99", 7),
        ("AT+MQTTC=99,1", 7),
        ("AT+MQTTC=2,\"1883\"", 7),
        ("AT+MQTTC=\"x\"", 7),
        ("AT+WSTAC=13,2", 7),
        ("AT+MQTTCONN=2", 4),
        ("AT+MQTTSUB=\"a\"", 5),
        ("AT+MQTTSUB=\"a\",3", 4),
        ("AT+MQTTSUB=1,1", 4),
        ("AT+MQTTPUB=0,0,0,\"t\"", 5),
        ("AT+MQTTPUB=0,3,0,\"t\",\"\"", 4),
        ("AT+MQTTPUB=0,0,2,\"t\",\"\"", 4),
        ("AT+MQTTDISCONN=0", 5),
        ("AT+GMM=1", 5),
    ];
    for (line, code) in cases {
        assert_eq!(bench.ask(line), format!("ERROR:{code}\r\n"), "{line}");
    }
}

#[test]
fn the_firmware_says_who_it_is_with_an_equals_sign_and_help_is_free_text() {
    let mut bench = bench();
    bench.ask("ATE0");
    assert_eq!(bench.ask("AT+GMM"), "+GMM=\"PIC32MZW1\"\r\nOK\r\n");
    assert_eq!(bench.ask("AT+GMI?"), "+GMI=\"Microchip\"\r\nOK\r\n");
    assert_eq!(bench.ask("AT+IPR"), "+IPR:230400\r\nOK\r\n");
    let help = bench.ask("AT+MQTTPUB=?");
    assert!(help.ends_with("\r\nOK\r\n") && !help.starts_with('+'), "{help}");
}

#[test]
fn events_in_the_midst_of_a_command_have_no_cr_and_no_prompt_and_what_is_typed_meanwhile_waits() {
    let times = Times { command: Duration::from_millis(100), boot: Duration::ZERO, ..Times::default() };
    let mut bench = Bench::new(Config { times, ..config() });
    for line in ["AT+WSTAC=1,\"open\"", "AT+WSTA=1"] {
        bench.say(&[line]);
        bench.run(100);
    }
    bench.run(1399);
    bench.said();
    bench.say(&["AT+MQTTCONN", "AT"]);
    assert_eq!(bench.said(), "AT+MQTTCONN\r\n+MQTTCONN:0\r\n");
    bench.run(50);
    assert_eq!(bench.said(), "+WSTALU:\"02:00:00:00:00:01\",6\r\n");
    bench.run(50);
    assert_eq!(bench.said(), "OK\r\n>AT\r\n");
    bench.run(100);
    assert_eq!(bench.said(), "OK\r\n>");
}

#[test]
fn rnwf_keeps_events_back_until_the_command_has_ended() {
    let times = Times { command: Duration::from_millis(100), boot: Duration::ZERO, ..Times::default() };
    let mut bench = Bench::new(Config { times, dialect: Dialect::Rnwf, ..config() });
    for line in ["AT+WSTAC=1,\"open\"", "AT+WSTA=1"] {
        bench.say(&[line]);
        bench.run(100);
    }
    bench.run(1399);
    bench.said();
    bench.say(&["AT+MQTTCONN"]);
    bench.run(100);
    let expected = "AT+MQTTCONN\r\n+MQTTCONN:0\r\nOK\r\n>\r+WSTALU:1,\"02:00:00:00:00:01\",6\r\n>";
    assert_eq!(bench.said(), expected);
}

#[test]
fn a_host_that_reads_nothing_is_not_told_more_than_fits() {
    let mut bench = Bench::connected(config());
    bench.ask("AT+MQTTSUB=\"#\",0");
    bench.run(100);
    for _ in 0..1000 {
        bench.publish("t", &[b'x'; 1000], QoS::AtMostOnce);
        bench.run(50);
    }
    let pipe = bench.modem.pipes()[0];
    assert!(!bench.modem.wants_bytes(Side::Net(pipe)), "it would read no more");
    assert!(bench.said().len() <= 64 * 1024);
    assert!(bench.modem.wants_bytes(Side::Net(pipe)));
}

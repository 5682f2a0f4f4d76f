//! A modem that misbehaves as it is told to.

use crate::bench::{Bench, config};
use core::time::Duration;
use proptest::prelude::*;
use skytether_core::{link::QoS, time::Instant};
use skytether_simulator::modem::{Config, Dialect, Fault, Modem, Side};

fn bench() -> Bench {
    let mut bench = Bench::new(config());
    bench.ask("ATE0");
    bench
}

fn harm(bench: &mut Bench, fault: Fault) {
    bench.modem.misbehave(bench.now, fault);
}

#[test]
fn answers_come_twice_as_often_as_ordered() {
    let mut bench = bench();
    harm(&mut bench, Fault::Twice(2));
    assert_eq!(bench.ask("AT+WSTA"), "+WSTA:0\r\n+WSTA:0\r\nOK\r\nOK\r\n");
    assert_eq!(bench.ask("AT"), "OK\r\n");
}

#[test]
fn bytes_are_lost_garbled_or_added_as_ordered() {
    let mut bench = bench();
    harm(&mut bench, Fault::Lose(3));
    assert_eq!(bench.ask("AT"), "\n");
    harm(&mut bench, Fault::Garble(2));
    let garbled = bench.ask("AT");
    assert!(garbled.ends_with("\r\n") && !garbled.contains('O') && garbled.chars().count() == 4, "{garbled:?}");
    harm(&mut bench, Fault::Garbage(100));
    assert_eq!(bench.said().chars().count(), 100);
}

#[test]
fn equal_seeds_babble_alike() {
    let babble = |seed| {
        let mut bench = Bench::new(Config { seed, ..config() });
        harm(&mut bench, Fault::Garbage(50));
        bench.said()
    };
    assert_eq!(babble(1), babble(1));
    assert_ne!(babble(1), babble(2));
}

#[test]
fn a_deaf_modem_hears_again_and_a_silent_one_speaks_again() {
    let mut bench = bench();
    harm(&mut bench, Fault::Deaf(1));
    assert_eq!(bench.ask("AT"), "");
    assert_eq!(bench.ask("AT"), "OK\r\n");
    harm(&mut bench, Fault::Silence(Duration::from_secs(5)));
    assert_eq!(bench.ask("AT"), "");
    bench.run(4999);
    assert_eq!(bench.ask("AT"), "");
    bench.run(1);
    assert_eq!(bench.ask("AT"), "OK\r\n", "what was said into the silence is gone");
}

#[test]
fn events_come_in_the_midst_of_the_next_command() {
    let mut bench = Bench::connected(config());
    bench.ask("AT+MQTTSUB=\"t\",0");
    bench.run(100);
    bench.said();
    harm(&mut bench, Fault::Interleave(2));
    bench.publish("t", b"1", QoS::AtMostOnce);
    bench.publish("t", b"2", QoS::AtMostOnce);
    bench.run(100);
    assert_eq!(bench.said(), "");
    assert_eq!(
        bench.ask("AT+WSTA"),
        "+WSTA:1,\"lab\",-50,3\r\n+MQTTPUB:1,\"t\",1,\"1\"\r\n+MQTTPUB:1,\"t\",1,\"2\"\r\nOK\r\n"
    );
    harm(&mut bench, Fault::Interleave(1));
    bench.publish("t", b"3", QoS::AtMostOnce);
    bench.run(519);
    assert_eq!(bench.said(), "");
    bench.run(1);
    assert_eq!(bench.said(), "\r+MQTTPUB:1,\"t\",1,\"3\"\r\n", "no command came");
}

#[test]
fn a_wrong_length_is_announced_and_the_record_is_whole() {
    let mut bench = Bench::connected(config());
    bench.ask("AT+MQTTSUB=\"t\",0");
    bench.run(100);
    bench.said();
    harm(&mut bench, Fault::Length(1));
    for _ in 0..2 {
        bench.publish("t", b"12345", QoS::AtMostOnce);
        bench.run(100);
    }
    let said = bench.said();
    let (first, second) = said.trim_start().split_once("\r\n").unwrap();
    assert!(first.ends_with(",\"12345\"") && !first.contains(",5,"), "{first}");
    assert_eq!(second, "\r+MQTTPUB:1,\"t\",5,\"12345\"\r\n");
}

#[test]
fn a_broken_connection_is_told_and_the_network_stays() {
    let mut bench = Bench::connected(config());
    harm(&mut bench, Fault::NoMqtt);
    assert_eq!(bench.said(), "\r+MQTTCONN:0\r\n");
    bench.ask("AT+MQTTCONN=1");
    bench.run(100);
    assert_eq!(bench.said(), "\r+MQTTCONNACK:0,0\r\n\r+MQTTCONN:1\r\n");
}

#[test]
fn a_reset_in_mid_life_ends_all_and_begins_with_the_banner() {
    let mut bench = Bench::connected(config());
    harm(&mut bench, Fault::Reset);
    bench.run(100);
    assert_eq!(bench.said(), "\r\nOK\r\n>");
    assert_eq!(bench.ask("AT"), "AT\r\nOK\r\n>", "it echoes again");
    assert_eq!(bench.broker.clients().count(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Whatever a host sends, the modem neither panics nor gives up answering, and says the same however it is cut.
    #[test]
    fn any_bytes_from_the_host_leave_it_able_to_answer(
        bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'\n'), Just(b'A'), Just(b'T'), Just(b'+'), Just(b'"')], 0..600),
        cut in 0_usize..600,
        rnwf in any::<bool>(),
    ) {
        let dialect = if rnwf { Dialect::Rnwf } else { Dialect::AnyCloud };
        let run = |cut: usize| {
            let mut modem = Modem::new(Config { dialect, ..config() }, Instant::ZERO, crate::bench::WALL);
            modem.tick(Instant(1));
            let (head, tail) = bytes.split_at(cut.min(bytes.len()));
            modem.receive(Instant(2), Side::Serial, head);
            modem.receive(Instant(2), Side::Serial, tail);
            modem.tick(Instant(5000));
            modem.receive(Instant(5000), Side::Serial, b"\r\nATE0\r\n");
            modem.tick(Instant(10_000));
            modem.receive(Instant(10_000), Side::Serial, b"\r\nATV5\r\nAT\r\n");
            modem.transmit(Side::Serial).to_vec()
        };
        let said = run(cut);
        prop_assert!(said.ends_with(b"OK\r\n"), "{:?}", String::from_utf8_lossy(&said));
        prop_assert_eq!(said, run(0));
    }
}

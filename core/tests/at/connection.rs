//! From the serial line to the server and back: joining, settings, refusals, farewells, restarts, silence.

use crate::rig::{Got, Rig, options};
use core::time::Duration;
use skytether_core::{
    at::{Dialect, Options, Timers},
    io::{Cause, Refusal, Rejected, UnixMillis},
    link::{Connect, Endpoint, Link as _, QoS, Will},
    secret::Secret,
};

const FIRST: [&str; 12] = [
    "ATE0",
    "ATV5",
    "AT+GMM",
    "AT+WSTA",
    "AT+WSTAC=1,\"lab\"",
    "AT+WSTAC=2,3",
    "AT+WSTAC=3,\"pass word\"",
    "AT+WSTAC=4,255",
    "AT+WSTAC=12,\"pool.ntp.org\"",
    "AT+WSTAC=13,1",
    "AT+WSTA=1",
    "AT+TIME=1",
];

#[test]
fn a_module_on_no_network_is_brought_there_and_connected() {
    let mut rig = Rig::new(Options { ntp: Some("pool.ntp.org".into()), ..options() });
    rig.open();
    rig.serve();
    let heard = rig.heard();
    assert_eq!(heard[..12], FIRST);
    let mqtt = [
        "AT+MQTTCONN",
        "AT+MQTTC=1,\"h.example\"",
        "AT+MQTTC=2,8883",
        "AT+MQTTC=3,\"dev\"",
        "AT+MQTTC=4,\"user\"",
        "AT+MQTTC=7,1",
        "AT+MQTTCONN=1",
    ];
    assert_eq!(heard[12..], mqtt);
    assert_eq!(rig.got(), [Got::Wall(UnixMillis(1_800_000_000_000)), Got::Up(false)]);
}

#[test]
fn a_module_on_the_network_is_not_told_about_it() {
    let mut rig = Rig::new(options());
    rig.module.joined = true;
    rig.open();
    rig.serve();
    assert!(!rig.heard().iter().any(|line| line.starts_with("AT+WSTAC") || line == "AT+WSTA=1"));
    assert_eq!(rig.got(), [Got::Up(false)]);
}

#[test]
fn a_connection_that_the_module_still_holds_is_ended_first() {
    let mut rig = Rig::new(options());
    (rig.module.joined, rig.module.connected) = (true, true);
    rig.open();
    rig.serve();
    let heard = rig.heard();
    let at = heard.iter().position(|line| line == "AT+MQTTDISCONN").unwrap();
    assert_eq!((heard[at - 1].as_str(), heard[at + 1].as_str()), ("AT+MQTTCONN", "AT+MQTTC=1,\"h.example\""));
    assert_eq!(rig.got(), [Got::Up(false)]);
}

#[test]
fn a_redial_sends_only_what_differs() {
    let mut rig = Rig::up();
    rig.modem.hang_up(rig.now, None);
    rig.serve();
    assert_eq!(rig.heard(), ["AT+MQTTDISCONN"]);
    assert_eq!((rig.got(), rig.closing), (vec![Got::Down(Cause::Asked)], true));
    rig.lose();
    assert_eq!(rig.got(), [], "told already");
    rig.to.host = "hub.example".into();
    rig.connect.user_name = Some("hub.example/dev".into());
    rig.open();
    rig.serve();
    let wanted = [
        "ATE0",
        "AT+WSTA",
        "AT+MQTTCONN",
        "AT+MQTTC=1,\"hub.example\"",
        "AT+MQTTC=4,\"hub.example/dev\"",
        "AT+MQTTCONN=1",
    ];
    assert_eq!(rig.heard(), wanted);
}

#[test]
fn a_module_that_restarted_between_two_dials_is_told_everything_anew() {
    let mut rig = Rig::up();
    rig.lose();
    (rig.module.echo, rig.module.connected, rig.module.joined) = (true, false, false);
    rig.open();
    rig.serve();
    let heard = rig.heard();
    assert!(heard.contains(&"AT+MQTTC=1,\"h.example\"".to_owned()), "{heard:?}");
    assert!(heard.contains(&"AT+WSTAC=1,\"lab\"".to_owned()), "{heard:?}");
}

#[test]
fn a_setting_that_was_not_confirmed_is_sent_again() {
    let mut rig = Rig::up();
    rig.lose();
    rig.module.connected = false;
    rig.to.host = "other.example".into();
    rig.open();
    while rig.modem.transmit() != b"AT+MQTTC=1,\"other.example\"\r\n" {
        let line = rig.tx();
        let said = rig.module.answer(&line);
        rig.rx(said.as_bytes());
    }
    rig.tx();
    rig.lose();
    rig.to.host = "h.example".into();
    rig.heard();
    rig.open();
    rig.serve();
    assert!(rig.heard().contains(&"AT+MQTTC=1,\"h.example\"".to_owned()));
}

#[test]
fn the_family_is_found_out() {
    let mut rig = Rig::new(Options { dialect: Dialect::Auto, ..options() });
    rig.module.rnwf = true;
    assert_eq!((rig.modem.dialect(), rig.modem.abilities().client_id), (Dialect::Auto, 23));
    rig.connect();
    assert_eq!((rig.modem.dialect(), rig.modem.abilities().client_id), (Dialect::Rnwf, 64));
    assert_eq!(rig.modem.abilities().packet, 4076);
    let mut rig = Rig::new(Options { dialect: Dialect::Auto, ..options() });
    rig.connect();
    assert_eq!((rig.modem.dialect(), rig.modem.abilities().subscriptions), (Dialect::AnyCloud, 4));
}

#[test]
fn what_the_module_cannot_do_is_refused_before_dialling() {
    let mut rig = Rig::new(options());
    let (now, to) = (rig.now, rig.to.clone());
    let mut dial = |to: &Endpoint, connect: &Connect| rig.modem.dial(now, to, connect.clone()).map(|_| ());
    let good = Connect { client_id: "d".repeat(23), user_name: Some("u".repeat(128)), ..Connect::default() };
    assert_eq!(dial(&to, &good), Ok(()));
    let unsupported = |what| Err(Rejected::Unsupported(what));
    let long = Connect { client_id: "d".repeat(24), ..good.clone() };
    assert_eq!(dial(&to, &long), unsupported("so long a client id by this modem"));
    let long = Connect { user_name: Some("u".repeat(129)), ..good.clone() };
    assert_eq!(dial(&to, &long), unsupported("so long a user name by this modem"));
    let long = Connect { password: Some(Secret::new(vec![b'p'; 257])), ..good.clone() };
    assert_eq!(dial(&to, &long), unsupported("so long a password by this modem"));
    let will = Will { topic: "t".into(), payload: vec![], qos: QoS::AtMostOnce, retain: false };
    assert_eq!(dial(&to, &Connect { will: Some(will), ..good.clone() }), unsupported("a will by a modem"));
    let path = Endpoint { path: Some("/mqtt".into()), ..to.clone() };
    assert_eq!(dial(&path, &good), unsupported("WebSocket by a modem"));
    let host = Endpoint { host: "h".repeat(65), ..to };
    assert_eq!(dial(&host, &good), unsupported("so long a host name by this modem"));
}

/// Brings a module to where it is told to connect, and lets it say that.
fn connecting(said: &str) -> Rig {
    let mut rig = Rig::new(options());
    rig.module.joined = true;
    rig.open();
    loop {
        let line = rig.tx();
        assert_ne!(line, "");
        if line == "AT+MQTTCONN=1\r\n" {
            rig.rx(said.as_bytes());
            return rig;
        }
        let said = rig.module.answer(&line);
        rig.rx(said.as_bytes());
    }
}

#[test]
fn a_refusal_ends_the_dial_once() {
    for said in ["OK\r\n\r+MQTTCONNACK:1,1\r\n\r+MQTTCONN:0\r\n", "\r+MQTTCONNACK:1,1\r\n+MQTTCONN:0\r\nOK\r\n"] {
        let mut rig = connecting(said);
        assert_eq!((rig.got(), rig.closing), (vec![Got::Down(Cause::Refused(Refusal::Unspecified))], true), "{said}");
    }
}

#[test]
fn a_server_that_cannot_be_reached_and_one_that_says_nothing_are_told_apart() {
    let mut rig = connecting("OK\r\n\r+MQTTCONN:0\r\n");
    assert_eq!(rig.got(), [Got::Down(Cause::Unreachable)]);
    let mut rig = connecting("OK\r\n");
    rig.seconds(59);
    assert_eq!(rig.got(), []);
    rig.seconds(1);
    assert_eq!(rig.got(), [Got::Down(Cause::ConnAckTimeout)]);
}

#[test]
fn a_connection_that_is_there_before_the_final_result_counts() {
    let mut rig = connecting("\r+MQTTCONNACK:0,0\r\n+MQTTCONN:1\r\nOK\r\n");
    assert_eq!(rig.got(), [Got::Up(false)]);
}

#[test]
fn a_network_that_cannot_be_joined_is_named() {
    for (said, wait) in
        [("OK\r\n", 20), ("OK\r\n\r+WSTAERR:1\r\n", 0), ("OK\r\n\r+WSTA:ERROR:24,\"STA Connection Failed\"\r\n", 0)]
    {
        let mut rig = Rig::new(options());
        rig.open();
        while rig.modem.transmit() != b"AT+WSTA=1\r\n" {
            let line = rig.tx();
            let said = rig.module.answer(&line);
            rig.rx(said.as_bytes());
        }
        rig.tx();
        rig.rx(said.as_bytes());
        rig.seconds(wait);
        let why = "it could not join the Wi-Fi network: check its name and passphrase";
        assert_eq!(rig.got(), [Got::Down(Cause::Modem(why))], "{said}");
    }
    let mut rig = Rig::new(Options { wifi: None, ..options() });
    rig.open();
    rig.serve();
    assert_eq!(rig.got(), [Got::Down(Cause::Modem("it is on no Wi-Fi network, and none is configured"))]);
}

#[test]
fn r_20_a_module_that_falls_silent_is_brought_in_order_then_reset_then_given_up() {
    let mut rig = Rig::up();
    rig.publish(1, QoS::AtLeastOnce, b"a").unwrap();
    rig.module.silent = true;
    rig.seconds(60);
    let at = |name: &str| format!("AT{name}");
    let publish = at("+MQTTPUB=0,1,0,\"t/x\",\"a\"");
    let (resync, probe, reset) = (String::new(), at(""), at("+RST"));
    let wanted: Vec<String> = [&publish, &publish, &publish]
        .into_iter()
        .chain([&resync, &probe].into_iter().cycle().take(6))
        .chain([&reset])
        .cloned()
        .collect();
    assert_eq!(rig.heard(), wanted);
    let why = "it does not answer: check its power, the wiring and the baud rate";
    assert_eq!((rig.got(), rig.closing), (vec![Got::Down(Cause::Modem(why))], true));
    // It is reset once and no more, until it has answered.
    rig.lose();
    rig.open();
    rig.seconds(60);
    assert!(!rig.heard().contains(&reset));
    assert_eq!(rig.got(), [Got::Down(Cause::Modem(why))]);
    // And what was queued goes out once it is back.
    rig.module.silent = false;
    (rig.module.echo, rig.module.connected, rig.module.joined) = (true, false, false);
    rig.lose();
    rig.open();
    rig.serve();
    assert_eq!(rig.got(), [Got::Up(false), Got::Delivered(1)]);
}

#[test]
fn a_module_that_answers_after_a_reset_is_set_up_from_the_beginning() {
    let mut rig = Rig::up();
    rig.publish(1, QoS::AtLeastOnce, b"a").unwrap();
    rig.module.silent = true;
    while !rig.heard().contains(&"AT+RST".to_owned()) {
        rig.advance(Duration::from_millis(100));
    }
    rig.rx(b"\r\nOK\r\n>");
    assert_eq!(rig.got(), [Got::Down(Cause::Modem("it had to be reset, since it had stopped answering"))]);
}

#[test]
fn a_command_without_an_answer_is_sent_again() {
    let mut rig = Rig::new(options());
    rig.open();
    assert_eq!(rig.tx(), "ATE0\r\n");
    rig.now = rig.now.after(Duration::from_secs(2));
    rig.settle();
    assert_eq!(rig.tx(), "ATE0\r\n");
    rig.rx(b"ATE0\r\nOK\r\n>");
    assert_eq!(rig.tx(), "ATV5\r\n");
}

#[test]
fn an_end_of_the_network_or_of_the_connection_is_told_at_once() {
    for said in ["\r+WSTALD\r\n>", "\r+WSTALD\r\n>\r+MQTTCONN:0\r\n>", "\r+MQTTCONN:0\r\n>", "\r+MQTTCONN:1\r\n>"] {
        let mut rig = Rig::up();
        rig.rx(said.as_bytes());
        assert_eq!((rig.got(), rig.closing), (vec![Got::Down(Cause::Lost)], true), "{said}");
    }
}

#[test]
fn a_restart_in_mid_life_is_found_by_its_banner_or_by_asking() {
    let mut rig = Rig::up();
    rig.rx(b"\r+BOOT:\"RNWF - AT Command Interface\"\r\n>");
    assert_eq!(rig.got(), [Got::Down(Cause::Modem("it has restarted"))]);
    let mut rig = Rig::up();
    (rig.module.connected, rig.module.echo) = (false, true);
    rig.rx(b"\r\nOK\r\n>");
    rig.serve();
    assert_eq!(rig.heard(), ["AT+MQTTCONN"]);
    assert_eq!(rig.got(), [Got::Down(Cause::Lost)]);
}

#[test]
fn a_module_that_answers_twice_is_asked_now_and_then_only() {
    let mut rig = Rig::up();
    for tag in 0..50 {
        rig.publish(tag, QoS::AtMostOnce, b"a").unwrap();
        while !rig.modem.transmit().is_empty() {
            let line = rig.tx();
            let said = rig.module.answer(&line);
            rig.rx(format!("{said}OK\r\n").as_bytes());
        }
    }
    assert_eq!(rig.got().len(), 50);
    assert_eq!(rig.heard().iter().filter(|line| *line == "AT+MQTTCONN").count(), 1);
}

#[test]
fn a_connected_module_that_says_nothing_is_asked() {
    let mut rig = Rig::up();
    rig.seconds(59);
    assert_eq!(rig.heard(), [""; 0]);
    rig.seconds(1);
    assert_eq!(rig.heard(), ["AT+MQTTCONN"]);
    rig.module.connected = false;
    rig.seconds(60);
    assert_eq!((rig.heard(), rig.got()), (vec!["AT+MQTTCONN".to_owned()], vec![Got::Down(Cause::Lost)]));
}

#[test]
fn commands_keep_their_distance() {
    let timers = Timers { pacing: Duration::from_millis(100), ..Timers::default() };
    let mut rig = Rig::new(Options { timers, ..options() });
    rig.open();
    rig.tx();
    rig.rx(b"OK\r\n");
    assert_eq!(rig.tx(), "");
    assert_eq!(rig.modem.deadline().unwrap().why, "pacing");
    rig.now = rig.now.after(Duration::from_millis(100));
    rig.settle();
    assert_eq!(rig.tx(), "ATV5\r\n");
}

#[test]
fn the_wall_time_is_told_whenever_the_module_tells_it() {
    let mut rig = Rig::new(Options { dialect: Dialect::Rnwf, ..options() });
    rig.module.rnwf = true;
    rig.connect();
    rig.rx(b"\r+TIME:4008988800\r\n>");
    assert_eq!(rig.got(), [Got::Wall(UnixMillis(1_800_000_000_000))]);
}

#[test]
fn what_answers_another_question_does_not_count() {
    // A final result of a command of an earlier life: the query is asked again, once the line is quiet.
    let mut rig = Rig::new(options());
    rig.module.joined = true;
    rig.module.echo = false;
    rig.open();
    rig.tx();
    rig.rx(b"OK\r\n");
    assert_eq!(rig.tx(), "ATV5\r\n");
    rig.rx(b"OK\r\n");
    assert_eq!(rig.tx(), "AT+GMM\r\n");
    rig.rx(b"OK\r\n");
    assert_eq!(rig.tx(), "AT+WSTA\r\n");
    rig.rx(b"OK\r\n+WSTA:1\r\nOK\r\n");
    rig.advance(Duration::from_millis(200));
    assert_eq!(rig.heard()[..3], ["", "AT", "AT+WSTA"]);
    assert_eq!(rig.got(), [Got::Up(false)]);
}

#[test]
fn secrets_are_not_shown() {
    let mut rig = Rig::new(options());
    rig.connect.password = Some(Secret::new(*b"hunter2"));
    rig.open();
    let mut shown = Vec::new();
    while !rig.modem.transmit().is_empty() {
        let line = rig.tx();
        let said = rig.module.answer(&line);
        rig.rx(said.as_bytes());
        shown.push(format!("{:?}", rig.modem));
    }
    assert!(rig.heard().contains(&"AT+MQTTC=5,\"hunter2\"".to_owned()));
    let shown = shown.concat();
    assert!(!shown.contains("hunter2") && !shown.contains("pass word"), "{shown}");
}

//! Subscriptions: asked one after the other, remembered, made again, refused, dropped.

use crate::rig::{Got, Rig, options};
use skytether_core::{
    at::{Dialect, Options},
    io::{Cause, Failure, Rejected, Tag},
    link::{Lane, Link as _, QoS},
};

const ONE: Option<QoS> = Some(QoS::AtLeastOnce);

#[test]
fn one_request_is_out_at_a_time() {
    let mut rig = Rig::up();
    rig.module.events = false;
    rig.subscribe(1, Lane::App, "a/#").unwrap();
    rig.subscribe(2, Lane::App, "b/#").unwrap();
    rig.serve();
    assert_eq!(rig.heard(), ["AT+MQTTSUB=\"a/#\",1"]);
    rig.rx(b"\r+MQTTSUB:0\r\n>");
    rig.serve();
    assert_eq!((rig.heard(), rig.got()), (vec!["AT+MQTTSUB=\"b/#\",1".to_owned()], vec![Got::Granted(1, ONE)]));
    rig.rx(b"\r+MQTTSUB:1\r\n>");
    assert_eq!(rig.got(), [Got::Granted(2, None)], "refused");
}

#[test]
fn the_granted_level_is_told_where_the_dialect_tells_it() {
    let mut rig = Rig::new(Options { dialect: Dialect::Rnwf, ..options() });
    rig.module.rnwf = true;
    rig.connect();
    rig.module.events = false;
    for (tag, said, granted) in [(1, "0", Some(QoS::AtMostOnce)), (2, "1", ONE), (3, "128", None)] {
        rig.subscribe(tag, Lane::App, "a/#").unwrap();
        rig.serve();
        rig.rx(format!("\r+MQTTSUB:{said}\r\n").as_bytes());
        assert_eq!(rig.got(), [Got::Granted(tag, granted)]);
    }
}

#[test]
fn r_83_set_up_comes_first_and_the_application_waits_for_ready() {
    let mut rig = Rig::new(options());
    rig.subscribe(1, Lane::App, "app").unwrap();
    assert_eq!(rig.subscribe(2, Lane::Setup, "s"), Err(Rejected::Offline));
    (rig.module.joined, rig.readies) = (true, false);
    rig.open();
    rig.publish(3, QoS::AtLeastOnce, b"app").unwrap();
    rig.serve();
    rig.heard();
    rig.subscribe(2, Lane::Setup, "s").unwrap();
    rig.publish_on(Lane::Setup, 4, QoS::AtMostOnce, b"s", None).unwrap();
    rig.serve();
    assert_eq!(rig.heard(), ["AT+MQTTSUB=\"s\",1", "AT+MQTTPUB=0,0,0,\"t/x\",\"s\""]);
    assert_eq!(rig.got(), [Got::Up(false), Got::Granted(2, ONE), Got::Delivered(4)]);
    rig.modem.ready();
    rig.serve();
    assert_eq!(rig.heard(), ["AT+MQTTSUB=\"app\",1", "AT+MQTTPUB=0,1,0,\"t/x\",\"app\""]);
    assert_eq!(rig.got(), [Got::Granted(1, ONE), Got::Delivered(3)]);
}

#[test]
fn r_26_the_application_s_subscriptions_are_made_again_and_set_up_s_are_not() {
    let mut rig = Rig::up();
    rig.subscribe(1, Lane::App, "a").unwrap();
    rig.subscribe(2, Lane::Setup, "s").unwrap();
    rig.serve();
    rig.lose();
    rig.module.connected = false;
    rig.got();
    rig.heard();
    rig.open();
    rig.serve();
    let subscribed: Vec<String> = rig.heard().into_iter().filter(|line| line.contains("SUB")).collect();
    assert_eq!(subscribed, ["AT+MQTTSUB=\"a\",1"]);
    assert_eq!(rig.got(), [Got::Up(false)], "and nobody is told");
}

#[test]
fn requests_in_the_middle_of_a_loss_wait_or_are_lost() {
    let mut rig = Rig::up();
    rig.module.events = false;
    rig.subscribe(1, Lane::Setup, "s").unwrap();
    rig.subscribe(2, Lane::App, "a").unwrap();
    rig.serve();
    rig.lose();
    assert_eq!(rig.got(), [Got::Failed(1, Failure::Lost), Got::Down(Cause::Lost)]);
    (rig.module.events, rig.module.connected) = (true, false);
    rig.open();
    rig.serve();
    assert_eq!(rig.got(), [Got::Up(false), Got::Granted(2, ONE)]);
}

#[test]
fn a_module_holds_four_subscriptions() {
    let mut rig = Rig::up();
    for tag in 1..5 {
        rig.subscribe(tag, Lane::App, &format!("a/{tag}")).unwrap();
    }
    assert_eq!(rig.subscribe(5, Lane::App, "a/5"), Err(Rejected::Full));
    rig.serve();
    assert_eq!(rig.subscribe(5, Lane::App, "a/4"), Ok(()), "the same once more takes no other place");
    rig.modem.unsubscribe(rig.now, Tag(6), &["a/", "1"]).unwrap();
    rig.serve();
    assert_eq!(rig.subscribe(7, Lane::App, "a/7"), Ok(()));
    assert_eq!(rig.heard()[4..6], ["AT+MQTTSUB=\"a/4\",1", "AT+MQTTUNSUB=\"a/1\""]);
    assert_eq!(rig.got()[4..], [Got::Granted(5, ONE), Got::Unsubscribed(6)]);
}

#[test]
fn a_filter_dropped_while_there_is_no_connection_is_gone_with_it() {
    let mut rig = Rig::up();
    rig.subscribe(1, Lane::App, "a").unwrap();
    rig.serve();
    rig.lose();
    rig.modem.unsubscribe(rig.now, Tag(2), &["a"]).unwrap();
    rig.module.connected = false;
    rig.got();
    rig.heard();
    rig.open();
    rig.serve();
    assert_eq!(rig.got(), [Got::Up(false), Got::Unsubscribed(2)]);
    assert!(!rig.heard().iter().any(|line| line.contains("SUB")));
}

#[test]
fn r_79_a_request_without_an_answer_fails_in_time() {
    let mut rig = Rig::up();
    rig.module.events = false;
    rig.subscribe(1, Lane::App, "a").unwrap();
    rig.modem.unsubscribe(rig.now, Tag(2), &["b"]).unwrap();
    rig.seconds(9);
    assert_eq!(rig.got(), []);
    rig.seconds(1);
    assert_eq!(rig.got(), [Got::Failed(1, Failure::TimedOut)]);
    rig.seconds(10);
    assert_eq!(rig.got(), [Got::Failed(2, Failure::TimedOut)]);
}

#[test]
fn r_82_an_error_is_told_with_its_code() {
    let mut rig = Rig::up();
    rig.subscribe(1, Lane::App, "a").unwrap();
    rig.tx();
    rig.rx(b"ERROR:47,\"MQTT Error\"\r\n");
    assert_eq!(rig.got(), [Got::Failed(1, Failure::Refused(47))]);
    rig.modem.unsubscribe(rig.now, Tag(2), &["a"]).unwrap();
    rig.tx();
    rig.rx(b"OK\r\n\r+MQTTUNSUB:0\r\n");
    assert_eq!(rig.got(), [Got::Failed(2, Failure::Refused(0))]);
}

#[test]
fn filters_are_checked_before_anything_is_asked() {
    let mut rig = Rig::up();
    let mut subscribe = |filter: &str| rig.subscribe(1, Lane::App, filter);
    assert!(matches!(subscribe("a/#/b"), Err(Rejected::Invalid(_))));
    assert!(matches!(subscribe(&"a".repeat(129)), Err(Rejected::Invalid(_))));
    assert_eq!(subscribe(&"\"".repeat(128)), Ok(()));
    rig.serve();
    assert_eq!(rig.got(), [Got::Granted(1, ONE)]);
}

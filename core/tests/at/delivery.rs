//! Messages out: lanes, order, acknowledgements, what a lost connection means for them; and messages in.

use crate::rig::{Got, Rig, options};
use core::time::Duration;
use skytether_core::{
    at::{Dialect, Options},
    io::{Cause, Failure, Rejected, Tag},
    limits::Limits,
    link::{Lane, Link as _, Publish, QoS},
    queue::{Qos0Offline, QueuePolicy, Rate},
};

#[test]
fn messages_of_each_qos_end_when_the_module_says_so() {
    let mut rig = Rig::up();
    rig.module.events = false;
    rig.publish(1, QoS::AtMostOnce, b"a").unwrap();
    rig.serve();
    assert_eq!(rig.got(), [Got::Delivered(1)], "taken");
    for (tag, qos, ack) in [(2, QoS::AtLeastOnce, "+MQTTPUBACC"), (3, QoS::ExactlyOnce, "+MQTTPUBCOMP")] {
        rig.publish(tag, qos, b"a").unwrap();
        rig.serve();
        assert_eq!(rig.got(), []);
        rig.rx(format!("\r{ack}\r\n").as_bytes());
        assert_eq!(rig.got(), [Got::Delivered(tag)]);
    }
    let line = "AT+MQTTPUB=0,2,0,\"t/x\",\"a\"";
    assert_eq!(rig.heard().last().unwrap(), line);
}

#[test]
fn an_acknowledgement_may_come_before_the_final_result() {
    let mut rig = Rig::up();
    rig.publish(1, QoS::AtLeastOnce, b"a").unwrap();
    rig.tx();
    rig.rx(b"\r+MQTTPUBACC\r\n");
    assert_eq!(rig.got(), []);
    rig.rx(b"OK\r\n");
    assert_eq!(rig.got(), [Got::Delivered(1)]);
}

#[test]
fn one_message_is_out_at_a_time_and_order_is_kept() {
    let mut rig = Rig::up();
    rig.module.events = false;
    for tag in 1..4 {
        rig.publish(tag, QoS::AtLeastOnce, &[b'0' + u8::try_from(tag).unwrap()]).unwrap();
    }
    for tag in 1..4 {
        rig.serve();
        assert_eq!(rig.heard(), [format!("AT+MQTTPUB=0,1,0,\"t/x\",\"{tag}\"")]);
        rig.rx(b"\r+MQTTPUBACC\r\n");
        assert_eq!(rig.got(), [Got::Delivered(tag)]);
    }
}

#[test]
fn r_70_replies_go_ahead_of_the_application_and_have_room_of_their_own() {
    let limits = Limits { queued: 2, reserve: 1, ..Limits::default() };
    let mut rig = Rig::with(options(), limits);
    rig.connect();
    rig.publish(1, QoS::AtMostOnce, b"1").unwrap();
    rig.publish(2, QoS::AtMostOnce, b"2").unwrap();
    rig.publish(3, QoS::AtMostOnce, b"3").unwrap();
    assert_eq!(rig.publish(4, QoS::AtMostOnce, b"4"), Err(Rejected::Full));
    assert!(!rig.modem.room());
    rig.publish_on(Lane::Reply, 5, QoS::AtMostOnce, b"5", None).unwrap();
    assert_eq!(rig.publish_on(Lane::Reply, 6, QoS::AtMostOnce, b"6", None), Err(Rejected::Full));
    rig.serve();
    assert_eq!(rig.got(), [1, 5, 2, 3].map(Got::Delivered));
}

#[test]
fn r_70_a_full_queue_drops_by_policy_but_never_what_the_module_has() {
    for (queue, dropped) in [(QueuePolicy::DropOldest, 2), (QueuePolicy::DropOldestQos0First, 3)] {
        let limits = Limits { queued: 2, ..Limits::default() };
        let mut rig = Rig::with(Options { queue, ..options() }, limits);
        rig.connect();
        rig.publish(1, QoS::AtMostOnce, b"1").unwrap();
        rig.publish(2, QoS::AtLeastOnce, b"2").unwrap();
        rig.publish(3, QoS::AtMostOnce, b"3").unwrap();
        rig.publish(4, QoS::AtLeastOnce, b"4").unwrap();
        assert_eq!(rig.got(), [Got::Failed(dropped, Failure::Dropped)], "{queue:?}");
        rig.serve();
        let sent = [1, 2, 3, 4].into_iter().filter(|tag| *tag != dropped).map(Got::Delivered);
        assert_eq!(rig.got(), sent.collect::<Vec<_>>());
    }
}

#[test]
fn r_70_bytes_are_bounded_too() {
    let line = "AT+MQTTPUB=0,0,0,\"t/x\",\"\"\r\n".len() + 10;
    let limits = Limits { queued_bytes: 2 * line, ..Limits::default() };
    let mut rig = Rig::with(options(), limits);
    for tag in 1..3 {
        rig.publish(tag, QoS::AtMostOnce, &[b'a'; 10]).unwrap();
    }
    assert_eq!(rig.publish(3, QoS::AtMostOnce, b""), Err(Rejected::Full));
    let never = rig.publish(4, QoS::AtMostOnce, &[b'a'; 100]);
    assert_eq!(never, Err(Rejected::Invalid("the message is over the limit of the queue")));
}

#[test]
fn r_75_what_does_not_fit_the_command_line_is_refused_at_once() {
    let mut rig = Rig::up();
    let room = 510 - "AT+MQTTPUB=0,0,0,\"t/x\",\"\"".len();
    rig.publish(1, QoS::AtMostOnce, &vec![b'a'; room]).unwrap();
    let long = Err(Rejected::Invalid("too long for the modem's command line: send less at once"));
    assert_eq!(rig.publish(2, QoS::AtMostOnce, &vec![b'a'; room + 1]), long);
    assert_eq!(rig.publish(3, QoS::AtMostOnce, &vec![b'"'; room / 2 + 1]), long, "quotes are escaped");
    assert_eq!(rig.publish(4, QoS::AtMostOnce, &vec![0xff; room / 2]), Ok(()), "and other bytes take two each");
    assert_eq!(rig.publish(5, QoS::AtMostOnce, &vec![0xff; room / 2 + 1]), long);
    let publish = |topic| Publish {
        tag: Tag(6),
        lane: Lane::App,
        topic,
        payload: b"",
        qos: QoS::AtMostOnce,
        retain: false,
        ttl: None,
    };
    let long = "t".repeat(129);
    let long = [long.as_str()];
    let refused = rig.modem.publish(rig.now, publish(&long));
    assert_eq!(refused, Err(Rejected::Invalid("the topic is over the modem's limit")));
    assert!(rig.modem.publish(rig.now, publish(&["a/#"])).is_err());
    rig.serve();
    assert_eq!(rig.got(), [Got::Delivered(1), Got::Delivered(4)]);
}

#[test]
fn the_largest_packet_that_is_promised_fits() {
    let mut rig = Rig::up();
    let packet = rig.modem.abilities().packet;
    // Two bytes of fixed header, or three, and two for the length of the topic.
    let payload = vec![b'a'; packet - 3 - 2 - "t/x".len()];
    assert_eq!(rig.publish(1, QoS::AtMostOnce, &payload), Ok(()));
}

#[test]
fn r_76_what_has_waited_too_long_fails_as_expired() {
    let mut rig = Rig::new(options());
    let ttl = Some(Duration::from_secs(5));
    rig.publish_on(Lane::App, 1, QoS::AtLeastOnce, b"a", ttl).unwrap();
    rig.publish_on(Lane::App, 2, QoS::AtLeastOnce, b"b", None).unwrap();
    assert_eq!(rig.modem.deadline().unwrap().why, "expiry");
    rig.seconds(4);
    assert_eq!(rig.got(), []);
    rig.seconds(1);
    assert_eq!(rig.got(), [Got::Failed(1, Failure::Expired)]);
}

#[test]
fn r_76_what_the_module_has_does_not_expire() {
    let mut rig = Rig::up();
    rig.module.events = false;
    rig.publish_on(Lane::App, 1, QoS::AtLeastOnce, b"a", Some(Duration::from_secs(5))).unwrap();
    rig.seconds(9);
    rig.rx(b"\r+MQTTPUBACC\r\n");
    assert_eq!(rig.got(), [Got::Delivered(1)]);
}

#[test]
fn r_81_the_application_s_messages_survive_a_lost_connection_in_their_order() {
    let mut rig = Rig::up();
    rig.module.events = false;
    for tag in 1..4 {
        rig.publish(tag, QoS::AtLeastOnce, &[b'0' + u8::try_from(tag).unwrap()]).unwrap();
    }
    rig.publish_on(Lane::Reply, 9, QoS::AtLeastOnce, b"r", None).unwrap();
    rig.serve();
    rig.rx(b"\r+MQTTCONN:0\r\n");
    assert_eq!(rig.got(), [Got::Down(Cause::Lost), Got::Failed(9, Failure::Lost)]);
    rig.lose();
    rig.heard();
    (rig.module.events, rig.module.connected) = (true, false);
    rig.open();
    rig.serve();
    assert_eq!(rig.got(), [Got::Up(false), Got::Delivered(1), Got::Delivered(2), Got::Delivered(3)]);
}

#[test]
fn a_message_that_nobody_acknowledges_is_lost_with_the_connection_it_left_on() {
    let mut rig = Rig::up();
    rig.publish(1, QoS::AtMostOnce, b"a").unwrap();
    rig.publish(2, QoS::AtMostOnce, b"b").unwrap();
    rig.tx();
    rig.lose();
    assert_eq!(rig.got(), [Got::Down(Cause::Lost), Got::Failed(1, Failure::Lost)]);
    rig.module.connected = false;
    rig.open();
    rig.serve();
    assert_eq!(rig.got(), [Got::Up(false), Got::Delivered(2)]);
}

#[test]
fn a_message_that_has_not_left_survives_whatever_its_qos() {
    let mut rig = Rig::up();
    rig.readies = false;
    rig.lose();
    rig.module.connected = false;
    rig.open();
    rig.serve();
    rig.publish(1, QoS::AtMostOnce, b"a").unwrap();
    rig.lose();
    assert_eq!(rig.got(), [Got::Down(Cause::Lost), Got::Up(false), Got::Down(Cause::Lost)]);
    (rig.module.connected, rig.readies) = (false, true);
    rig.open();
    rig.serve();
    assert_eq!(rig.got(), [Got::Up(false), Got::Delivered(1)]);
}

#[test]
fn a_final_result_from_before_a_command_has_left_is_not_its_own() {
    let mut rig = Rig::up();
    rig.publish(1, QoS::AtMostOnce, b"a").unwrap();
    rig.publish(2, QoS::AtMostOnce, b"b").unwrap();
    rig.tx();
    rig.rx(b"OK\r\nOK\r\n");
    assert_eq!(rig.got(), [Got::Delivered(1)]);
    rig.tx();
    rig.rx(b"OK\r\n");
    assert_eq!(rig.got(), [Got::Delivered(2)]);
}

#[test]
fn application_traffic_waits_for_ready() {
    let mut rig = Rig::new(Options { qos0_offline: Qos0Offline::Refuse, ..options() });
    assert_eq!(rig.publish(1, QoS::AtMostOnce, b"a"), Err(Rejected::Offline));
    assert_eq!(rig.publish_on(Lane::Setup, 2, QoS::AtMostOnce, b"a", None), Err(Rejected::Offline));
    assert_eq!(rig.publish_on(Lane::Reply, 2, QoS::AtMostOnce, b"a", None), Err(Rejected::Offline));
    rig.publish(3, QoS::AtLeastOnce, b"app").unwrap();
    rig.module.joined = true;
    rig.open();
    // Until the module says that it is connected, nothing of it is heard.
    rig.serve();
    let connected = rig.module.heard.iter().position(|line| line == "AT+MQTTCONN=1").unwrap();
    let published = rig.module.heard.iter().position(|line| line.starts_with("AT+MQTTPUB")).unwrap();
    assert!(connected < published);
    assert_eq!(rig.got(), [Got::Up(false), Got::Delivered(3)]);
}

#[test]
fn r_73_what_is_not_acknowledged_ends_the_connection_and_goes_out_again() {
    let mut rig = Rig::up();
    rig.module.events = false;
    rig.publish(1, QoS::AtLeastOnce, b"a").unwrap();
    rig.seconds(9);
    assert_eq!(rig.got(), []);
    rig.seconds(1);
    assert_eq!(rig.got(), [Got::Down(Cause::AckTimeout)]);
    rig.lose();
    (rig.module.events, rig.module.connected) = (true, false);
    rig.open();
    rig.serve();
    assert_eq!(rig.got(), [Got::Up(false), Got::Delivered(1)]);
}

#[test]
fn a_message_that_the_module_could_not_deliver_fails() {
    let mut rig = Rig::up();
    rig.publish(1, QoS::AtLeastOnce, b"a").unwrap();
    rig.tx();
    rig.rx(b"OK\r\n\r+MQTTPUBERR\r\n");
    assert_eq!(rig.got(), [Got::Failed(1, Failure::Lost)]);
    rig.publish(2, QoS::AtLeastOnce, b"a").unwrap();
    rig.tx();
    rig.rx(b"ERROR:4,\"Invalid Parameter\"\r\n");
    assert_eq!(rig.got(), [Got::Failed(2, Failure::Refused(4))]);
}

#[test]
fn a_module_that_cannot_send_in_its_state_is_dialled_anew_once_for_a_message() {
    let mut rig = Rig::up();
    rig.publish(1, QoS::AtLeastOnce, b"a").unwrap();
    rig.tx();
    rig.rx(b"ERROR:47,\"MQTT Error\"\r\n");
    assert_eq!(rig.got(), [Got::Down(Cause::Lost)]);
    rig.lose();
    rig.module.connected = false;
    rig.open();
    while !rig.modem.transmit().starts_with(b"AT+MQTTPUB") {
        let line = rig.tx();
        let said = rig.module.answer(&line);
        rig.rx(said.as_bytes());
    }
    rig.tx();
    rig.rx(b"ERROR:47,\"MQTT Error\"\r\n");
    assert_eq!(rig.got(), [Got::Up(false), Got::Failed(1, Failure::Refused(47))], "it is the message");
    rig.serve();
    assert_eq!(rig.heard().last().unwrap(), "AT+MQTTCONN", "and the connection is asked about");
}

#[test]
fn acknowledgements_of_qos_0_are_not_taken_for_others() {
    let mut rig = Rig::up();
    let mut publish = |tag, qos, said: &str| {
        rig.publish(tag, qos, b"a").unwrap();
        rig.tx();
        rig.rx(said.as_bytes());
        rig.got()
    };
    assert_eq!(publish(1, QoS::AtMostOnce, "OK\r\n\r+MQTTPUBACC\r\n"), [Got::Delivered(1)]);
    assert_eq!(publish(2, QoS::AtMostOnce, "OK\r\n"), [Got::Delivered(2)], "now one is owed");
    assert_eq!(publish(3, QoS::AtLeastOnce, "OK\r\n\r+MQTTPUBACC\r\n"), [], "it was for the one before");
    rig.rx(b"\r+MQTTPUBACC\r\n");
    assert_eq!(rig.got(), [Got::Delivered(3)]);
}

#[test]
fn packet_ids_tell_acknowledgements_apart_where_the_dialect_has_them() {
    let mut rig = Rig::new(Options { dialect: Dialect::Rnwf, ..options() });
    rig.module.rnwf = true;
    rig.connect();
    rig.publish(1, QoS::AtLeastOnce, b"a").unwrap();
    rig.tx();
    rig.rx(b"+MQTTPUB:17\r\nOK\r\n\r+MQTTPUBACK:16\r\n");
    assert_eq!(rig.got(), []);
    rig.rx(b"\r+MQTTPUBACK:17\r\n");
    assert_eq!(rig.got(), [Got::Delivered(1)]);
}

#[test]
fn r_74_a_throttled_cloud_gets_less() {
    let mut rig = Rig::new(Options { rate: Some(Rate { per_second: 2, burst: 1 }), ..options() });
    rig.connect();
    for tag in 0..10 {
        rig.publish(tag, QoS::AtMostOnce, b"a").unwrap();
    }
    rig.seconds(2);
    assert_eq!(rig.got().len(), 5);
    rig.modem.slow_down(rig.now);
    rig.seconds(2);
    assert_eq!(rig.got().len(), 2);
}

#[test]
fn r_31_a_farewell_waits_for_what_is_out_and_drains_if_asked() {
    let mut rig = Rig::up();
    rig.publish_on(Lane::Reply, 1, QoS::AtMostOnce, b"r", None).unwrap();
    rig.publish(2, QoS::AtMostOnce, b"a").unwrap();
    rig.modem.hang_up(rig.now, None);
    assert_eq!(rig.publish_on(Lane::Reply, 3, QoS::AtMostOnce, b"late", None), Err(Rejected::Offline));
    rig.serve();
    assert_eq!(rig.got(), [Got::Delivered(1), Got::Delivered(2), Got::Down(Cause::Asked)]);
    assert_eq!(rig.heard().last().unwrap(), "AT+MQTTDISCONN");
    assert!(rig.closing);
    let mut rig = Rig::up();
    rig.module.events = false;
    for tag in 0..50 {
        rig.publish(tag, QoS::AtLeastOnce, b"a").unwrap();
    }
    rig.modem.hang_up(rig.now, Some(Duration::from_secs(3)));
    for _ in 0..30 {
        rig.serve();
        rig.rx(b"\r+MQTTPUBACC\r\n");
    }
    assert_eq!(rig.got().len(), 30, "more than the window of a farewell without draining");
    rig.seconds(3);
    rig.rx(b"\r+MQTTPUBACC\r\n");
    rig.module.events = true;
    rig.serve();
    assert_eq!(rig.heard().last().unwrap(), "AT+MQTTDISCONN");
    assert_eq!(rig.got().last().unwrap(), &Got::Down(Cause::Asked));
}

#[test]
fn what_is_held_when_no_dial_follows_ends_as_closed() {
    let mut rig = Rig::new(options());
    rig.publish(1, QoS::AtLeastOnce, b"a").unwrap();
    rig.subscribe(2, Lane::App, "a/#").unwrap();
    rig.modem.finish();
    rig.settle();
    let mut got = rig.got();
    got.sort_by_key(|got| format!("{got:?}"));
    assert_eq!(got, [Got::Failed(1, Failure::Closed), Got::Failed(2, Failure::Closed)]);
    assert_eq!(rig.publish(3, QoS::AtLeastOnce, b"a"), Err(Rejected::Offline));
}

#[test]
fn messages_of_every_byte_arrive_as_they_were() {
    let mut rig = Rig::up();
    let all: Vec<u8> = (0..=255).collect();
    let digits: Vec<String> = all.iter().map(|byte| format!("{byte:02X}")).collect();
    rig.rx(format!("\r+MQTTPUB:3,\"a/b\",256,[{}]\r\n>", digits.concat()).as_bytes());
    rig.rx(b"\r+MQTTPUB:3,\"a/b\",9,\"{\\\"a\\\":1}\\r\\n\"\r\n>\r+MQTTPUB:3,\"a/b\",7,\"{\"a\":1}\"\r\n>");
    let message = |payload: &[u8]| Got::Message("a/b".into(), payload.to_vec(), QoS::AtMostOnce);
    assert_eq!(rig.got(), [message(&all), message(b"{\"a\":1}\r\n"), message(b"{\"a\":1}")]);
}

#[test]
fn a_message_with_a_wrong_length_arrives_as_it_stands() {
    let mut rig = Rig::up();
    rig.rx(b">\r+MQTTPUB:5,\"a/b/c\",40,\"{\"x\":{\"y\":1},z\":2}\"\r\n>");
    let payload = br#"{"x":{"y":1},z":2}"#.to_vec();
    assert_eq!(rig.got(), [Got::Message("a/b/c".into(), payload, QoS::AtMostOnce)]);
}

#[test]
fn a_message_that_comes_while_one_is_published_is_heard_in_between() {
    let mut rig = Rig::up();
    rig.publish(1, QoS::AtLeastOnce, b"a").unwrap();
    rig.tx();
    rig.rx(b"+MQTTPUB:1,\"t\",1,\"x\"\r\nOK\r\n>\r+MQTTPUB:1,\"t\",1,\"y\"\r\n>\r+MQTTPUBACC\r\n>");
    let message = |payload: &[u8]| Got::Message("t".into(), payload.to_vec(), QoS::AtMostOnce);
    assert_eq!(rig.got(), [message(b"x"), message(b"y"), Got::Delivered(1)]);
}

#[test]
fn an_announced_message_is_fetched() {
    let mut rig = Rig::new(Options { dialect: Dialect::Rnwf, ..options() });
    rig.module.rnwf = true;
    rig.connect();
    rig.rx(b"\r+MQTTSUBRX:0,1,0,\"a/b\",7,3\r\n>");
    assert_eq!(rig.tx(), "AT+MQTTSUBRD=\"a/b\",7,3\r\n");
    rig.rx(b"+MQTTSUBRD:7,3,\"x\\\"y\"\r\nOK\r\n");
    assert_eq!(rig.got(), [Got::Message("a/b".into(), b"x\"y".to_vec(), QoS::AtLeastOnce)]);
}

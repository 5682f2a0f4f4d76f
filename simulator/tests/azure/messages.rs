//! Telemetry as an application reads it, and messages as a device gets them.

use crate::{
    rig::{HUB, cloud, dev, device, heard},
    support::{Bench, puback, publish_with},
};
use skytether_core::link::Connect;
use skytether_simulator::azure::{AzureCloud, C2d, Fate, Feedback};

const DEVICEBOUND: &str = "devices/dev-7/messages/devicebound/#";

fn send(bench: &mut Bench<AzureCloud>, id: &str) -> Result<String, u32> {
    let message_id = Some(id.to_owned());
    let message = C2d { body: id.into(), message_id, ack: true, ..C2d::default() };
    bench.act(|cloud, at, out| cloud.send(at, &dev(), message, out)).map_err(|error| error.code)
}

fn fates(bench: &mut Bench<AzureCloud>) -> Vec<(String, Fate)> {
    let taken = core::iter::from_fn(|| bench.broker.policy_mut().take_feedback());
    taken.map(|Feedback { message_id, fate, .. }| (message_id, fate)).collect()
}

/// A device that has been here and is away again: messages wait for it.
fn left(bench: &mut Bench<AzureCloud>) {
    let conn = bench.dev_7(&[DEVICEBOUND]);
    bench.cut(conn);
}

#[test]
fn telemetry_is_read_with_its_properties() {
    let mut bench = cloud();
    let conn = bench.dev_7(&[]);
    let topic = "devices/dev-7/messages/events/%24.ct=application%2Fjson&$.ce=utf-8&level=a%20b&none&empty=";
    bench.feed(conn, &publish_with(topic, b"{}", 1, 9, false, true));
    assert_eq!(bench.take(conn), ["PUBACK 9"]);
    let said = bench.broker.policy_mut().take_telemetry().unwrap();
    assert_eq!((&said.identity, said.body.as_slice()), (&dev(), &b"{}"[..]));
    assert_eq!((said.property("$.ct"), said.property("$.ce")), (Some("application/json"), Some("utf-8")));
    let names: Vec<_> = said.properties.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
    let expected = [("level", Some("a b")), ("none", None), ("empty", Some("")), ("mqtt-retain", Some("true"))];
    assert_eq!(names, expected);
    let topic = "devices/dev-7/messages/events/";
    bench.feed(conn, &publish_with(topic, &vec![7; 256 * 1024], 1, 10, false, false));
    assert_eq!(bench.take(conn), ["PUBACK 10"], "the largest one");
}

#[test]
fn a_message_waits_until_the_device_listens_and_is_complete_when_it_is_acknowledged() {
    let mut bench = cloud();
    assert_eq!(send(&mut bench, "m0"), Err(404_103), "nothing waits before the first lasting session");
    let (conn, _) = bench.enter(&Connect { clean_session: true, ..device(HUB) });
    bench.cut(conn);
    assert_eq!(send(&mut bench, "m0"), Err(404_103), "a clean one is none");
    left(&mut bench);
    let message = C2d {
        body: b"open".to_vec(),
        message_id: Some("m/1".to_owned()),
        properties: vec![("k".to_owned(), Some("a b".to_owned())), ("n".to_owned(), None)],
        ack: true,
        ..C2d::default()
    };
    bench.act(|cloud, at, out| cloud.send(at, &dev(), message, out)).unwrap();
    let (conn, _) = bench.enter(&device(HUB));
    let lines = bench.take(conn);
    let to = "%24.to=%2Fdevices%2Fdev-7%2Fmessages%2Fdevicebound";
    let topic = format!("devices/dev-7/messages/devicebound/%24.mid=m%2F1&{to}&iothub-ack=full&k=a%20b&n");
    assert_eq!(lines, [format!("PUBLISH q1 d0 r0 #1 {topic} open")]);
    assert_eq!((bench.broker.policy().waiting(&dev()), fates(&mut bench)), (1, vec![]));
    bench.feed(conn, &puback(1));
    assert_eq!(
        (bench.broker.policy().waiting(&dev()), fates(&mut bench)),
        (0, vec![("m/1".to_owned(), Fate::Completed)])
    );
}

#[test]
fn fifty_messages_wait_and_no_more() {
    let mut bench = cloud();
    left(&mut bench);
    for n in 0..50 {
        assert!(send(&mut bench, &format!("m{n}")).is_ok());
    }
    assert_eq!(send(&mut bench, "m50"), Err(403_004));
    let (conn, _) = bench.enter(&device(HUB));
    let mut got = Vec::new();
    loop {
        let lines = bench.take(conn);
        if lines.is_empty() {
            break;
        }
        for line in &lines {
            let id = line.split('#').nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
            got.push(heard(line).1.to_owned());
            bench.feed(conn, &puback(id));
        }
    }
    let expected: Vec<_> = (0..50).map(|n| format!("m{n}")).collect();
    assert_eq!((got, bench.broker.policy().waiting(&dev())), (expected, 0));
}

#[test]
fn a_message_that_is_never_acknowledged_is_delivered_ten_times() {
    for clean in [false, true] {
        let mut bench = cloud();
        left(&mut bench);
        send(&mut bench, "m1").unwrap();
        let mut deliveries = 0;
        for _ in 0..12 {
            let (conn, _) = bench.enter(&Connect { clean_session: clean, ..device(HUB) });
            if clean {
                bench.feed(conn, &crate::support::subscribe(1, &[(DEVICEBOUND, 1)]));
            }
            let lines = bench.take(conn);
            deliveries += lines.iter().filter(|line| line.starts_with("PUBLISH")).count();
            bench.cut(conn);
        }
        assert_eq!(deliveries, 10, "clean session: {clean}");
        assert_eq!(fates(&mut bench), [("m1".to_owned(), Fate::DeliveriesExceeded)], "clean session: {clean}");
        assert_eq!(bench.broker.policy().waiting(&dev()), 0);
    }
}

#[test]
fn a_message_that_has_waited_too_long_is_not_delivered() {
    let mut bench = cloud();
    left(&mut bench);
    let message = C2d { message_id: Some("m1".to_owned()), ack: true, life: Some(60_000), ..C2d::default() };
    bench.act(|cloud, at, out| cloud.send(at, &dev(), message, out)).unwrap();
    bench.pass(60_000);
    let (conn, _) = bench.enter(&device(HUB));
    assert_eq!(bench.take(conn), [""; 0]);
    assert_eq!(fates(&mut bench), [("m1".to_owned(), Fate::Expired)]);
}

#[test]
fn a_message_has_a_largest_size() {
    let mut bench = cloud();
    left(&mut bench);
    let mut of = |len: usize| {
        let message = C2d { body: vec![1; len], message_id: Some("m".to_owned()), ..C2d::default() };
        bench.act(|cloud, at, out| cloud.send(at, &dev(), message, out)).map_err(|error| error.code)
    };
    assert!(of(64 * 1024 - 1).is_ok());
    assert_eq!(of(64 * 1024), Err(413_001));
}

//! Does a device of ours get on with mosquitto, over a network that is well and one that is not?
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::std_instead_of_alloc,
    clippy::std_instead_of_core,
    clippy::wildcard_enum_match_arm,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "tests fail by panicking, and wait for the real world"
)]

#[path = "support/real.rs"]
mod real;
#[path = "support/sim.rs"]
mod sim;
#[path = "support/wires.rs"]
mod wires;

use real::{Client, PATIENCE, fleeting, lasting, real};
use skytether_core::{
    device::Event,
    io::{Cause, Failure},
    link::QoS,
    plain::{Answer, Command},
};
use skytether_embassy::SendError;
use skytether_testing::{
    broker::Broker,
    proxy::{End, Fault, Plan, Proxy},
};
use std::{collections::BTreeMap, future::Future, sync::atomic::Ordering, time::Duration};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    time::timeout,
};

async fn in_time<T>(work: impl Future<Output = T>) -> T {
    timeout(PATIENCE, work).await.expect("in time")
}

#[test]
fn messages_of_each_quality_go_out_and_come_back_whole() {
    real(async {
        let Some(broker) = Broker::start("").await else { return };
        let mut client = Client::new(broker.port, fleeting("each"));
        client.subscribe("each/#", QoS::ExactlyOnce).await;
        let large = vec![0xa5; 100_000];
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            for payload in [&b""[..], b"small", &large] {
                client.publish("each/one", payload, qos).await;
                let message = client.message().await;
                assert_eq!((message.topic(), message.qos(), message.retain()), ("each/one", qos, false));
                assert!(message.payload() == payload, "{} bytes", message.payload().len());
            }
        }
        let gone = client.handle.send(Command::Unsubscribe { filter: "each/#".into() });
        assert_eq!(in_time(gone).await, Ok(Answer::Unsubscribed));
        client.publish("each/one", "no one hears it", QoS::ExactlyOnce).await;
        client.handle.close();
        loop {
            match in_time(client.events.next()).await {
                Some(Event::Down { cause, retry }) => assert_eq!((cause, retry), (Cause::Asked, None)),
                Some(event) => panic!("{event:?}"),
                None => break,
            }
        }
    });
}

#[test]
fn a_takeover_ends_the_older_connection() {
    real(async {
        let Some(broker) = Broker::start("").await else { return };
        let mut first = Client::new(broker.port, lasting("same"));
        first.ready().await;
        let mut second = Client::new(broker.port, lasting("same"));
        second.ready().await;
        assert_eq!(first.down().await, Cause::Lost);
        first.close().await;
        // The one that stayed still works.
        second.publish("a", "b", QoS::ExactlyOnce).await;
        second.close().await;
    });
}

#[test]
fn r_21_a_half_open_connection_is_found_and_replaced() {
    real(async {
        let Some(broker) = Broker::start("").await else { return };
        // The first connection falls silent after CONNACK and SUBACK; the second is well.
        let stall = Fault { stall: Some(4 + 5), ..Fault::default() };
        let plan = move |number| {
            if number == 0 { Plan { up: Fault::default(), down: stall, durable: false } } else { Plan::default() }
        };
        let proxy = Proxy::new(&broker, plan).await;
        let mut connect = lasting("half");
        connect.keep_alive = 1;
        let mut client = Client::new(proxy.port, connect);
        client.subscribe("half", QoS::AtLeastOnce).await;
        assert_eq!(client.down().await, Cause::PingTimeout);
        client.handle.reconnect_now();
        client.ready().await;
        client.publish("half", "well again", QoS::AtLeastOnce).await;
        assert_eq!(client.message().await.payload(), b"well again");
        client.close().await;
    });
}

#[test]
fn r_2_single_bytes_and_slow_lines_change_nothing() {
    real(async {
        let Some(broker) = Broker::start("").await else { return };
        let one = Fault { piece: Some(1), ..Fault::default() };
        let slow = Fault { piece: Some(7), delay: Duration::from_millis(2), ..Fault::default() };
        for (up, down) in [(one, one), (slow, one), (one, slow)] {
            let proxy = Proxy::new(&broker, move |_| Plan { up, down, durable: false }).await;
            let mut client = Client::new(proxy.port, fleeting("pieces"));
            client.subscribe("pieces", QoS::ExactlyOnce).await;
            for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
                client.publish("pieces", "0123456789", qos).await;
                let message = client.message().await;
                assert_eq!((message.payload(), message.qos()), (&b"0123456789"[..], qos));
            }
            client.close().await;
        }
    });
}

#[test]
fn r_145_close_is_bounded_when_the_broker_is_frozen() {
    real(async {
        let Some(broker) = Broker::start("").await else { return };
        let frozen = Fault { stall: Some(4), ..Fault::default() };
        let proxy = Proxy::new(&broker, move |_| Plan { down: frozen, ..Plan::default() }).await;
        let mut client = Client::new(proxy.port, lasting("frozen"));
        client.ready().await;
        let stuck = client.submit("a", "never acknowledged".into(), QoS::AtLeastOnce).await.unwrap();
        client.handle.close();
        // Two seconds of draining, then the end, with half a second for the farewell.
        timeout(Duration::from_secs(4), client.task).await.expect("it closes in time").unwrap();
        assert_eq!(stuck.await, Err(SendError::Failed(Failure::Closed)));
    });
}

#[test]
fn a_broken_line_is_dialled_again_by_itself_and_the_session_goes_on() {
    real(async {
        let Some(broker) = Broker::start("").await else { return };
        let cut = Fault { cut: Some((60, End::Rst)), ..Fault::default() };
        let plan = move |number| if number == 0 { Plan { up: cut, ..Plan::default() } } else { Plan::default() };
        let proxy = Proxy::new(&broker, plan).await;
        let mut client = Client::new(proxy.port, lasting("again"));
        client.subscribe("again", QoS::ExactlyOnce).await;
        // Nobody calls `reconnect_now`: the back-off does it.
        client.publish("again", "a payload that is longer than what is left", QoS::ExactlyOnce).await;
        assert_eq!(client.message().await.payload(), b"a payload that is longer than what is left");
        client.close().await;
    });
}

/// One device's life over a line that is cut once: it hears its own messages.
async fn life(port: u16, name: &str) {
    let mut client = Client::new(port, lasting(name));
    let filter = format!("sweep/{name}");
    let subscribe = Command::Subscribe { filter: filter.clone(), qos: QoS::ExactlyOnce };
    // A request that was cut off is asked anew.
    while in_time(client.handle.send(subscribe.clone())).await.is_err() {}
    let mut sent = Vec::new();
    for (number, qos) in (0..).zip([QoS::ExactlyOnce, QoS::AtLeastOnce, QoS::ExactlyOnce]) {
        let payload = format!("{}:{name}.{number}", qos.level());
        client.publish(&filter, payload.clone(), qos).await;
        sent.push(payload);
    }
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    while sent.iter().any(|payload| !seen.contains_key(payload)) {
        let message = client.message().await;
        *seen.entry(String::from_utf8(message.payload().to_vec()).unwrap()).or_default() += 1;
    }
    while let Ok(event) = timeout(Duration::from_millis(100), client.events.next()).await {
        if let Some(Event::Cloud(skytether_core::plain::Event::Message(message))) = event {
            *seen.entry(String::from_utf8(message.payload().to_vec()).unwrap()).or_default() += 1;
        }
    }
    let doubled: Vec<_> = seen.iter().filter(|(payload, times)| payload.starts_with("2:") && **times > 1).collect();
    assert!(doubled.is_empty(), "{name}: {doubled:?}");
    assert_eq!(seen.len(), sent.len(), "{name}: {seen:?}");
    client.close().await;
}

#[test]
fn r_20_a_line_cut_at_any_byte_costs_no_message_and_doubles_no_qos_2() {
    real(async {
        let Some(broker) = Broker::start("max_queued_messages 0\n").await else { return };
        let whole = Proxy::new(&broker, |_| Plan::default()).await;
        life(whole.port, "uncut").await;
        let lengths = whole.bytes.each_ref().map(|bytes| bytes.load(Ordering::Relaxed));
        let cuts: Vec<_> = (0..2_usize).flat_map(|way| (0..=lengths[way]).map(move |at| (way, at))).collect();
        let broker = &broker;
        for cuts in cuts.chunks(64) {
            let lives = cuts.iter().map(|&(way, at)| async move {
                let end = if at % 2 == 0 { End::Fin } else { End::Rst };
                let cut = Fault { cut: Some((at, end)), ..Fault::default() };
                let plan = move |number| match (number, way) {
                    (0, 0) => Plan { up: cut, ..Plan::default() },
                    (0, _) => Plan { down: cut, ..Plan::default() },
                    _ => Plan::default(),
                };
                let proxy = Proxy::new(broker, plan).await;
                let name = format!("{}{at}", if way == 0 { "up" } else { "down" });
                life(proxy.port, &name).await;
            });
            futures_util::future::join_all(lives).await;
        }
        eprintln!("{} cuts, {} bytes up, {} bytes down", cuts.len(), lengths[0], lengths[1]);
    });
}

#[test]
fn what_is_not_there_is_said() {
    real(async {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut client = Client::new(port, lasting("nowhere"));
        assert_eq!(client.down().await, Cause::Unreachable);
        client.close().await;
    });
}

#[test]
fn a_server_of_another_kind_is_left_again() {
    real(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut lines = BufReader::new(stream);
            tokio::io::AsyncWriteExt::write_all(&mut lines, b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
            let mut rest = Vec::new();
            while lines.read_until(b'\n', &mut rest).await.is_ok_and(|len| len > 0) {}
        });
        let mut client = Client::new(port, lasting("http"));
        let cause = client.down().await;
        assert!(matches!(cause, Cause::Protocol(_) | Cause::Malformed(_)), "{cause:?}");
        in_time(server).await.unwrap();
        client.close().await;
    });
}

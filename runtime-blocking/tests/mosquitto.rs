//! Does a device of ours get on with mosquitto, on each transport, over networks well and ill?
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
    reason = "tests fail by panicking, and wait for the real world"
)]

mod support;

use skytether_blocking::{ClientIdentity, Options, SendError, Tls};
use skytether_core::{
    device::Event,
    io::{Cause, Failure},
    link::{Endpoint, QoS, TlsIdentity, Will},
    plain,
};
use skytether_testing::{
    broker::{Broker, WEBSOCKET},
    pki::Pki,
    proxy::{End, Fault, Plan, Proxy},
};
use std::time::{Duration, Instant};
use support::{Client, fleeting, join, lasting, outside};

/// The transports, each with mosquitto's settings for it.
fn transports(pki: &Pki) -> [(String, TlsIdentity, Option<&'static str>); 4] {
    [
        (String::new(), TlsIdentity::Plain, None),
        (pki.mosquitto(true), TlsIdentity::Client, None),
        (WEBSOCKET.to_owned(), TlsIdentity::Plain, Some("/mqtt")),
        (format!("{WEBSOCKET}{}", pki.mosquitto(false)), TlsIdentity::Ca, Some("/mqtt")),
    ]
}

fn options(pki: &Pki) -> Options {
    let identity = ClientIdentity::from_files(&pki.client.certificate, &pki.client.key).unwrap();
    Options { tls: Some(Tls::from_ca_file(pki.ca()).unwrap().with_client(identity)), ..Options::default() }
}

fn endpoint(port: u16, tls: TlsIdentity, path: Option<&str>) -> Endpoint {
    Endpoint { tls, path: path.map(Into::into), ..Endpoint::tcp("localhost", port) }
}

#[test]
fn messages_of_each_quality_go_out_and_come_back_whole_on_each_transport() {
    let (pki, outside) = (Pki::new(), outside());
    for (settings, tls, path) in transports(&pki) {
        let Some(broker) = outside.block_on(Broker::start(&settings)) else { return };
        let mut client = Client::at(endpoint(broker.websocket, tls, path), fleeting("each"), options(&pki));
        client.subscribe("each/#", QoS::ExactlyOnce);
        let large = vec![0xa5; 100_000];
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            for payload in [&b""[..], b"small", &large] {
                client.publish("each/one", payload, qos);
                let message = client.message();
                assert_eq!((message.topic(), message.qos(), message.retain()), ("each/one", qos, false));
                assert!(message.payload() == payload, "{} bytes", message.payload().len());
            }
        }
        client.handle.close();
        assert!(matches!(client.next(), Event::Down { cause: Cause::Asked, retry: None }));
        assert_eq!(client.events.next(), None);
        join(client.thread);
    }
}

#[test]
fn r_2_single_bytes_change_nothing_on_any_transport() {
    let (pki, outside) = (Pki::new(), outside());
    let one = Fault { piece: Some(1), ..Fault::default() };
    for (settings, tls, path) in transports(&pki) {
        let Some(broker) = outside.block_on(Broker::start(&settings)) else { return };
        let proxy = outside.block_on(Proxy::new(&broker, move |_| Plan { up: one, down: one, durable: false }));
        let mut client = Client::at(endpoint(proxy.port, tls, path), fleeting("pieces"), options(&pki));
        client.subscribe("pieces", QoS::ExactlyOnce);
        client.publish("pieces", "0123456789", QoS::ExactlyOnce);
        assert_eq!(client.message().payload(), b"0123456789");
        client.close();
    }
}

#[test]
fn a_cut_line_is_dialled_again_and_nothing_is_lost_on_any_transport() {
    let (pki, outside) = (Pki::new(), outside());
    for (settings, tls, path) in transports(&pki) {
        let Some(broker) = outside.block_on(Broker::start(&settings)) else { return };
        // Somewhere after the connection is up.
        let cut = Fault { cut: Some((8000, End::Rst)), ..Fault::default() };
        let plan = move |number| if number == 0 { Plan { up: cut, ..Plan::default() } } else { Plan::default() };
        let proxy = outside.block_on(Proxy::new(&broker, plan));
        let mut client = Client::at(endpoint(proxy.port, tls, path), lasting("cut"), options(&pki));
        client.subscribe("cut", QoS::ExactlyOnce);
        let payload = vec![7; 20_000];
        let sent = client.submit("cut", payload.clone(), QoS::ExactlyOnce).unwrap();
        let (mut downs, mut heard) = (0, false);
        while !heard {
            match client.next() {
                Event::Down { cause, .. } => {
                    assert!(matches!(cause, Cause::Lost | Cause::Truncated), "{cause:?}");
                    downs += 1;
                    client.handle.reconnect_now();
                }
                Event::Cloud(plain::Event::Message(message)) => heard = message.payload() == payload,
                _ => {}
            }
        }
        assert_eq!(downs, 1);
        assert!(sent.wait_timeout(support::PATIENCE).unwrap().is_ok());
        client.close();
    }
}

#[test]
fn the_will_is_published_when_the_line_breaks_and_not_when_we_close() {
    let outside = outside();
    let Some(broker) = outside.block_on(Broker::start("")) else { return };
    let mut watcher = Client::new(broker.port, fleeting("watcher"));
    watcher.subscribe("will/#", QoS::ExactlyOnce);
    let will =
        |topic: &str| Will { topic: topic.into(), payload: b"gone".to_vec(), qos: QoS::ExactlyOnce, retain: false };
    let mut orderly = fleeting("orderly");
    orderly.will = Some(will("will/orderly"));
    let mut orderly = Client::new(broker.port, orderly);
    orderly.ready();
    orderly.close();

    let cut = Fault { cut: Some((200, End::Rst)), ..Fault::default() };
    let proxy = outside.block_on(Proxy::new(&broker, move |_| Plan { up: cut, ..Plan::default() }));
    let mut cut_off = fleeting("cut-off");
    cut_off.will = Some(will("will/cut-off"));
    let mut cut_off = Client::new(proxy.port, cut_off);
    cut_off.ready();
    let _ = cut_off.submit("a", vec![0; 1000], QoS::AtMostOnce);
    let message = watcher.message();
    assert_eq!((message.topic(), message.payload()), ("will/cut-off", &b"gone"[..]));
    // Had the orderly one left a will, it would have come first.
    watcher.close();
    cut_off.close();
}

#[test]
fn r_21_a_half_open_connection_is_found_and_replaced() {
    let outside = outside();
    let Some(broker) = outside.block_on(Broker::start("")) else { return };
    // The first connection falls silent after CONNACK and SUBACK; the second is well.
    let stall = Fault { stall: Some(4 + 5), ..Fault::default() };
    let plan = move |number| if number == 0 { Plan { down: stall, ..Plan::default() } } else { Plan::default() };
    let proxy = outside.block_on(Proxy::new(&broker, plan));
    let mut connect = lasting("half");
    connect.keep_alive = 1;
    let mut client = Client::new(proxy.port, connect);
    client.subscribe("half", QoS::AtLeastOnce);
    assert_eq!(client.down().0, Cause::PingTimeout);
    client.handle.reconnect_now();
    client.ready();
    client.publish("half", "well again", QoS::AtLeastOnce);
    assert_eq!(client.message().payload(), b"well again");
    client.close();
}

#[test]
fn r_72_a_broker_that_reads_no_more_is_found_dead_by_keep_alive_on_each_transport() {
    let (pki, outside) = (Pki::new(), outside());
    for (settings, tls, path) in transports(&pki) {
        let Some(broker) = outside.block_on(Broker::start(&settings)) else { return };
        let stall = Fault { stall: Some(20_000), ..Fault::default() };
        let plan = move |number| if number == 0 { Plan { up: stall, ..Plan::default() } } else { Plan::default() };
        let proxy = outside.block_on(Proxy::new(&broker, plan));
        let mut connect = lasting("full");
        connect.keep_alive = 1;
        let mut client = Client::at(endpoint(proxy.port, tls, path), connect, options(&pki));
        client.ready();
        let handle = client.handle.clone();
        // More than any buffer on the way holds.
        let flood = std::thread::spawn(move || {
            let mut sent = 0;
            while handle.send(support::publish("a", vec![0; 100_000], QoS::AtMostOnce)).is_ok() && sent < 200 {
                sent += 1;
            }
            sent
        });
        assert_eq!(client.down().0, Cause::PingTimeout);
        let begin = Instant::now();
        client.close();
        assert!(begin.elapsed() < Duration::from_secs(4), "{:?}", begin.elapsed());
        assert!(join(flood) < 200, "everything was taken by some buffer");
    }
}

#[test]
fn r_145_close_is_bounded_when_the_broker_is_frozen() {
    let outside = outside();
    let Some(broker) = outside.block_on(Broker::start("")) else { return };
    let frozen = Fault { stall: Some(4), ..Fault::default() };
    let proxy = outside.block_on(Proxy::new(&broker, move |_| Plan { down: frozen, ..Plan::default() }));
    let mut client = Client::new(proxy.port, lasting("frozen"));
    client.ready();
    let stuck = client.submit("a", "never acknowledged", QoS::AtLeastOnce).unwrap();
    let begin = Instant::now();
    client.close();
    // Two seconds of draining, then the end, with half a second for the farewell.
    assert!(begin.elapsed() < Duration::from_secs(4), "{:?}", begin.elapsed());
    assert_eq!(stuck.wait(), Err(SendError::Failed(Failure::Closed)));
}

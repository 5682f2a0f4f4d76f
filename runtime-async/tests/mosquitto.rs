//! Does a device of ours get on with Debian's mosquitto, over a network that is well?
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::std_instead_of_alloc,
    clippy::std_instead_of_core,
    clippy::wildcard_enum_match_arm,
    reason = "tests fail by panicking"
)]

#[macro_use]
mod support;

use skytether_async::handle::SendError;
use skytether_core::{
    device::Event,
    io::{Cause, Failure},
    link::{QoS, Will},
    plain::{Answer, Command},
};
use skytether_testing::{
    broker::Broker,
    proxy::{End, Fault, Plan, Proxy},
};
use std::{future::Future, time::Duration};
use support::{
    device::{Client, PATIENCE, fleeting, lasting},
    runtime::Runtime,
};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    time::{sleep, timeout},
};

async fn in_time<T>(work: impl Future<Output = T>) -> T {
    timeout(PATIENCE, work).await.expect("in time")
}

async fn messages_of_each_quality_go_out_and_come_back_whole(runtime: Runtime) {
    let Some(broker) = Broker::start("").await else { return };
    let mut client = Client::new(runtime, broker.port, fleeting("each"));
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
}

async fn its_own_clients_hear_us_and_are_heard(runtime: Runtime) {
    let Some(broker) = Broker::start("").await else { return };
    let mut client = Client::new(runtime, broker.port, fleeting("ours"));
    client.subscribe("theirs/+", QoS::ExactlyOnce).await;
    let mut publisher = broker.tool("mosquitto_pub");
    publisher.args(["-q", "2", "-t", "theirs/1", "-m", "hello"]);
    assert!(in_time(publisher.status()).await.unwrap().success());
    let message = client.message().await;
    assert_eq!((message.topic(), message.payload(), message.qos()), ("theirs/1", &b"hello"[..], QoS::ExactlyOnce));

    let mut subscriber = broker.tool("mosquitto_sub");
    subscriber.args(["-q", "2", "-C", "3", "-F", "%t %q %p", "-t", "ours/#", "-t", "ready"]);
    let output = subscriber.spawn().unwrap().wait_with_output();
    // Its subscription is in force once the broker's log says so.
    while !std::fs::read_to_string(broker.log()).unwrap().contains("ready (QoS 2)") {
        sleep(Duration::from_millis(10)).await;
    }
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        client.publish("ours/x", "hi", qos).await;
    }
    let heard = in_time(output).await.unwrap().stdout;
    assert_eq!(String::from_utf8(heard).unwrap(), "ours/x 0 hi\nours/x 1 hi\nours/x 2 hi\n");
    client.close().await;
}

async fn a_retained_message_waits_for_later_subscribers(runtime: Runtime) {
    let Some(broker) = Broker::start("").await else { return };
    let mut client = Client::new(runtime, broker.port, fleeting("keeper"));
    let keep = Command::Publish {
        topic: "kept".into(),
        payload: b"for you"[..].into(),
        qos: QoS::AtLeastOnce,
        retain: true,
        ttl: None,
    };
    assert_eq!(in_time(client.handle.send(keep)).await, Ok(Answer::Published));
    client.subscribe("kept", QoS::AtLeastOnce).await;
    let message = client.message().await;
    assert_eq!((message.payload(), message.retain()), (&b"for you"[..], true));
    client.close().await;
}

async fn the_will_is_published_when_the_line_breaks_and_not_when_we_close(runtime: Runtime) {
    let Some(broker) = Broker::start("").await else { return };
    let mut watcher = Client::new(runtime, broker.port, fleeting("watcher"));
    watcher.subscribe("will/#", QoS::ExactlyOnce).await;
    let will =
        |topic: &str| Will { topic: topic.into(), payload: b"gone".to_vec(), qos: QoS::ExactlyOnce, retain: false };
    let mut orderly = fleeting("orderly");
    orderly.will = Some(will("will/orderly"));
    let mut orderly = Client::new(runtime, broker.port, orderly);
    orderly.ready().await;
    orderly.close().await;

    let mut cut_off = fleeting("cut-off");
    cut_off.will = Some(will("will/cut-off"));
    let mut cut_off = Client::new(runtime, broker.port, cut_off);
    cut_off.ready().await;
    cut_off.task.abort();
    let message = watcher.message().await;
    assert_eq!((message.topic(), message.payload()), ("will/cut-off", &b"gone"[..]));
    // Had the orderly one left a will, it would have come first.
    watcher.close().await;
}

async fn a_takeover_ends_the_older_connection(runtime: Runtime) {
    let Some(broker) = Broker::start("").await else { return };
    let mut first = Client::new(runtime, broker.port, lasting("same"));
    first.ready().await;
    let mut second = Client::new(runtime, broker.port, lasting("same"));
    second.ready().await;
    assert_eq!(first.down().await, Cause::Lost);
    first.close().await;
    // The one that stayed still works.
    second.publish("a", "b", QoS::ExactlyOnce).await;
    second.close().await;
}

async fn r_21_a_half_open_connection_is_found_and_replaced(runtime: Runtime) {
    let Some(broker) = Broker::start("").await else { return };
    // The first connection falls silent after CONNACK and SUBACK; the second is well.
    let stall = Fault { stall: Some(4 + 5), ..Fault::default() };
    let plan = move |number| {
        if number == 0 { Plan { up: Fault::default(), down: stall, durable: false } } else { Plan::default() }
    };
    let proxy = Proxy::new(&broker, plan).await;
    let mut connect = lasting("half");
    connect.keep_alive = 1;
    let mut client = Client::new(runtime, proxy.port, connect);
    client.subscribe("half", QoS::AtLeastOnce).await;
    assert_eq!(client.down().await, Cause::PingTimeout);
    client.handle.reconnect_now();
    client.ready().await;
    client.publish("half", "well again", QoS::AtLeastOnce).await;
    assert_eq!(client.message().await.payload(), b"well again");
    client.close().await;
}

async fn r_2_single_bytes_and_slow_lines_change_nothing(runtime: Runtime) {
    let Some(broker) = Broker::start("").await else { return };
    let one = Fault { piece: Some(1), ..Fault::default() };
    let slow = Fault { piece: Some(7), delay: Duration::from_millis(2), ..Fault::default() };
    for (up, down) in [(one, one), (slow, one), (one, slow)] {
        let proxy = Proxy::new(&broker, move |_| Plan { up, down, durable: false }).await;
        let mut client = Client::new(runtime, proxy.port, fleeting("pieces"));
        client.subscribe("pieces", QoS::ExactlyOnce).await;
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            client.publish("pieces", "0123456789", qos).await;
            let message = client.message().await;
            assert_eq!((message.payload(), message.qos()), (&b"0123456789"[..], qos));
        }
        client.close().await;
    }
}

async fn r_145_close_is_bounded_when_the_broker_is_frozen(runtime: Runtime) {
    let Some(broker) = Broker::start("").await else { return };
    let frozen = Fault { stall: Some(4), ..Fault::default() };
    let proxy = Proxy::new(&broker, move |_| Plan { down: frozen, ..Plan::default() }).await;
    let mut client = Client::new(runtime, proxy.port, lasting("frozen"));
    client.ready().await;
    let stuck = client.submit("a", "never acknowledged".into(), QoS::AtLeastOnce).await.unwrap();
    client.handle.close();
    // Two seconds of draining, then the end, with half a second for the farewell.
    timeout(Duration::from_secs(4), client.task).await.expect("it closes in time");
    assert_eq!(stuck.await, Err(SendError::Failed(Failure::Closed)));
}

async fn a_broken_line_is_dialled_again_by_itself_and_the_session_goes_on(runtime: Runtime) {
    let Some(broker) = Broker::start("").await else { return };
    let cut = Fault { cut: Some((60, End::Rst)), ..Fault::default() };
    let plan = move |number| if number == 0 { Plan { up: cut, ..Plan::default() } } else { Plan::default() };
    let proxy = Proxy::new(&broker, plan).await;
    let mut client = Client::new(runtime, proxy.port, lasting("again"));
    client.subscribe("again", QoS::ExactlyOnce).await;
    // Nobody calls `reconnect_now`: the back-off does it.
    client.publish("again", "a payload that is longer than what is left", QoS::ExactlyOnce).await;
    assert_eq!(client.message().await.payload(), b"a payload that is longer than what is left");
    client.close().await;
}

async fn what_is_not_there_is_said(runtime: Runtime) {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut client = Client::new(runtime, port, lasting("nowhere"));
    assert_eq!(client.down().await, Cause::Unreachable);
    client.close().await;
}

async fn a_server_of_another_kind_is_left_again(runtime: Runtime) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut lines = BufReader::new(stream);
        tokio::io::AsyncWriteExt::write_all(&mut lines, b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        let mut rest = Vec::new();
        while lines.read_until(b'\n', &mut rest).await.is_ok_and(|len| len > 0) {}
    });
    let mut client = Client::new(runtime, port, lasting("http"));
    let cause = client.down().await;
    assert!(matches!(cause, Cause::Protocol(_) | Cause::Malformed(_)), "{cause:?}");
    in_time(server).await.unwrap();
    client.close().await;
}

on_each_runtime! {
    messages_of_each_quality_go_out_and_come_back_whole,
    its_own_clients_hear_us_and_are_heard,
    a_retained_message_waits_for_later_subscribers,
    the_will_is_published_when_the_line_breaks_and_not_when_we_close,
    a_takeover_ends_the_older_connection,
    r_21_a_half_open_connection_is_found_and_replaced,
    r_2_single_bytes_and_slow_lines_change_nothing,
    r_145_close_is_bounded_when_the_broker_is_frozen,
    a_broken_line_is_dialled_again_by_itself_and_the_session_goes_on,
    what_is_not_there_is_said,
    a_server_of_another_kind_is_left_again,
}

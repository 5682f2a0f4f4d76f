//! Every way in, against Debian's mosquitto: TCP, TLS with a client certificate, WebSocket, and WebSocket over TLS.
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

use skytether_core::{
    device::Event,
    io::{Cause, TlsFault},
    link::{Endpoint, QoS, TlsIdentity},
};
use skytether_std::{
    options::Options,
    tls::{ClientIdentity, Tls},
};
use skytether_testing::{
    broker::{Broker, WEBSOCKET},
    pki::{Pair, Pki},
    proxy::{End, Fault, Plan, Proxy},
};
use support::{
    device::{Client, fleeting, lasting},
    runtime::Runtime,
};

fn options(pki: &Pki, pair: &Pair) -> Options {
    let identity = ClientIdentity::from_files(&pair.certificate, &pair.key).unwrap();
    Options { tls: Some(Tls::from_ca_file(pki.ca()).unwrap().with_client(identity)), ..Options::default() }
}

fn endpoint(port: u16, tls: TlsIdentity, path: Option<&str>) -> Endpoint {
    Endpoint { tls, path: path.map(Into::into), ..Endpoint::tcp("localhost", port) }
}

const LARGE: usize = 100_000;
/// mosquitto 2.0 sends 4 KiB each 100 ms by WebSocket.
const SLOW: usize = 10_000;

/// Small and large messages of each quality, out and back.
async fn converse(mut client: Client, large: usize) {
    client.subscribe("each/#", QoS::ExactlyOnce).await;
    let large = vec![0xa5; large];
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        for payload in [&b""[..], b"small", &large] {
            client.publish("each/one", payload, qos).await;
            let message = client.message().await;
            assert_eq!((message.topic(), message.qos()), ("each/one", qos));
            assert!(message.payload() == payload, "{} bytes", message.payload().len());
        }
    }
    client.close().await;
}

async fn messages_of_each_quality_cross_tls_with_a_client_certificate(runtime: Runtime) {
    let pki = Pki::new();
    for version in ["tlsv1.2", "tlsv1.3"] {
        let settings = format!("{}tls_version {version}\n", pki.mosquitto(true));
        let Some(broker) = Broker::start(&settings).await else { return };
        let place = endpoint(broker.port, TlsIdentity::Client, None);
        converse(Client::at(runtime, place, fleeting("tls"), options(&pki, &pki.client)), LARGE).await;
    }
}

async fn messages_of_each_quality_cross_websocket(runtime: Runtime) {
    let Some(broker) = Broker::start(WEBSOCKET).await else { return };
    let place = endpoint(broker.websocket, TlsIdentity::Plain, Some("/mqtt"));
    converse(Client::at(runtime, place, fleeting("ws"), Options::default()), SLOW).await;
}

async fn messages_of_each_quality_cross_websocket_over_tls(runtime: Runtime) {
    let pki = Pki::new();
    let Some(broker) = Broker::start(&format!("{WEBSOCKET}{}", pki.mosquitto(false))).await else { return };
    let place = endpoint(broker.websocket, TlsIdentity::Ca, Some("/mqtt"));
    converse(Client::at(runtime, place, fleeting("wss"), options(&pki, &pki.client)), SLOW).await;
}

async fn r_2_single_bytes_change_nothing_on_any_transport(runtime: Runtime) {
    let pki = Pki::new();
    let one = Fault { piece: Some(1), ..Fault::default() };
    for (settings, tls, path) in [
        (pki.mosquitto(true), TlsIdentity::Client, None),
        (WEBSOCKET.to_owned(), TlsIdentity::Plain, Some("/mqtt")),
        (format!("{WEBSOCKET}{}", pki.mosquitto(false)), TlsIdentity::Ca, Some("/mqtt")),
    ] {
        let Some(broker) = Broker::start(&settings).await else { return };
        let proxy = Proxy::new(&broker, move |_| Plan { up: one, down: one, durable: false }).await;
        let mut client =
            Client::at(runtime, endpoint(proxy.port, tls, path), fleeting("pieces"), options(&pki, &pki.client));
        client.subscribe("pieces", QoS::ExactlyOnce).await;
        client.publish("pieces", "0123456789", QoS::ExactlyOnce).await;
        assert_eq!(client.message().await.payload(), b"0123456789");
        client.close().await;
    }
}

async fn a_device_whose_certificate_is_missing_or_strange_is_told_so(runtime: Runtime) {
    let pki = Pki::new();
    // OpenSSL judges within the handshake in TLS 1.2 and after it in TLS 1.3.
    for version in ["tlsv1.2", "tlsv1.3"] {
        let settings = format!("{}tls_version {version}\n", pki.mosquitto(true));
        let Some(broker) = Broker::start(&settings).await else { return };
        let mut none = Client::at(
            runtime,
            endpoint(broker.port, TlsIdentity::Ca, None),
            fleeting("none"),
            options(&pki, &pki.client),
        );
        assert_eq!(none.down().await, Cause::Tls(TlsFault::ClientCertificateRequired), "{version}");
        none.close().await;
        let place = endpoint(broker.port, TlsIdentity::Client, None);
        let mut strange = Client::at(runtime, place, fleeting("strange"), options(&pki, &pki.strange_client));
        assert_eq!(strange.down().await, Cause::Tls(TlsFault::ClientCertificateRefused), "{version}");
        strange.close().await;
    }
}

async fn another_service_on_the_port_is_recognised(runtime: Runtime) {
    let pki = Pki::new();
    let Some(plain) = Broker::start("").await else { return };
    let mut client =
        Client::at(runtime, endpoint(plain.port, TlsIdentity::Ca, None), fleeting("tls"), options(&pki, &pki.client));
    // mosquitto takes a ClientHello for a broken packet and hangs up.
    assert_eq!(client.down().await, Cause::Lost);
    client.close().await;

    let Some(socket) = Broker::start(WEBSOCKET).await else { return };
    let mut client =
        Client::at(runtime, endpoint(socket.websocket, TlsIdentity::Plain, None), fleeting("tcp"), Options::default());
    let cause = client.down().await;
    assert!(matches!(cause, Cause::Lost | Cause::Malformed(_) | Cause::Protocol(_)), "{cause:?}");
    client.close().await;
}

async fn a_cut_line_is_dialled_again_and_nothing_is_lost_on_any_transport(runtime: Runtime) {
    let pki = Pki::new();
    for (settings, tls, path) in
        [(pki.mosquitto(true), TlsIdentity::Client, None), (WEBSOCKET.to_owned(), TlsIdentity::Plain, Some("/mqtt"))]
    {
        let Some(broker) = Broker::start(&settings).await else { return };
        // Somewhere after the connection is up.
        let cut = Fault { cut: Some((8000, End::Rst)), ..Fault::default() };
        let plan = move |number| if number == 0 { Plan { up: cut, ..Plan::default() } } else { Plan::default() };
        let proxy = Proxy::new(&broker, plan).await;
        let mut client =
            Client::at(runtime, endpoint(proxy.port, tls, path), lasting("cut"), options(&pki, &pki.client));
        client.subscribe("cut", QoS::ExactlyOnce).await;
        let (handle, payload) = (client.handle.clone(), vec![7; 20_000]);
        let sent = payload.clone();
        let sending =
            tokio::spawn(async move { handle.send(support::device::publish("cut", sent, QoS::ExactlyOnce)).await });
        loop {
            match client.next().await {
                Event::Down { cause, .. } => {
                    assert!(matches!(cause, Cause::Lost | Cause::Truncated), "{cause:?}");
                    client.handle.reconnect_now();
                }
                Event::Cloud(skytether_core::plain::Event::Message(message)) => {
                    assert!(message.payload() == payload);
                    break;
                }
                _ => {}
            }
        }
        sending.await.unwrap().unwrap();
        client.close().await;
    }
}

on_each_runtime! {
    messages_of_each_quality_cross_tls_with_a_client_certificate,
    messages_of_each_quality_cross_websocket,
    messages_of_each_quality_cross_websocket_over_tls,
    r_2_single_bytes_change_nothing_on_any_transport,
    a_device_whose_certificate_is_missing_or_strange_is_told_so,
    another_service_on_the_port_is_recognised,
    a_cut_line_is_dialled_again_and_nothing_is_lost_on_any_transport,
}

//! TLS: who is let in with a key, who with a certificate, and whose certificate is refused.

use crate::{
    rig::{Client, Identity, Stage, WebClient, client_config, soon},
    support::{publish, subscribe},
};
use rustls::pki_types::ServerName;
use skytether_simulator::{
    broker::{
        policy::Transport,
        trace::{CloseReason, Happening},
    },
    server::tls::Authority,
};
use std::{fs, sync::Arc};
use tokio_rustls::TlsConnector;

#[tokio::test]
async fn a_key_device_connects_on_all_four_transports() {
    let stage = Stage::set().await;
    let door = stage.device("door").signed();
    let mut tcp = Client::new(stage.tcp(Transport::Tcp).await);
    assert_eq!(tcp.hello(&door).await, "CONNACK 0 code 0");
    let mut tls = Client::new(stage.tls(Transport::Tls, None).await.unwrap());
    assert_eq!(tls.hello(&door).await, "CONNACK 0 code 0");
    let mut ws = WebClient::open(stage.tcp(Transport::WebSocket).await).await;
    assert_eq!(ws.hello(&door).await, "CONNACK 0 code 0");
    let mut wss = WebClient::open(stage.tls(Transport::SecureWebSocket, None).await.unwrap()).await;
    assert_eq!(wss.hello(&door).await, "CONNACK 0 code 0");
    // The same client id each time: each has thrown the one before out.
    assert_eq!((tcp.next().await, tls.next().await, ws.next().await), (None, None, None));
    stage.stop().await;
    assert_eq!(wss.next().await, None);
}

#[tokio::test]
async fn a_key_device_needs_its_password_over_tls_too() {
    let stage = Stage::set().await;
    let door = stage.device("door");
    let mut tls = Client::new(stage.tls(Transport::Tls, None).await.unwrap());
    assert_eq!(tls.hello(&door.bare()).await, "CONNACK 0 code 4");
    stage.stop().await;
}

#[tokio::test]
async fn the_rule_carries_a_message_from_a_certificate_device_to_one_behind_a_websocket() {
    let stage = Stage::set().await;
    let mut air = WebClient::open(stage.tls(Transport::SecureWebSocket, None).await.unwrap()).await;
    assert_eq!(air.hello(&stage.device("aircond").signed()).await, "CONNACK 0 code 0");
    air.send(&subscribe(1, &[("AIRCPRD7B2/AirConditioner1/control", 1)])).await;
    assert_eq!(air.next().await.unwrap(), "SUBACK 1 [1]");
    let mut door = Client::new(stage.tls(Transport::Tls, Some("door_cert")).await.unwrap());
    assert_eq!(door.hello(&stage.device("door_cert").bare()).await, "CONNACK 0 code 0");
    let text = r#"{"action": "come_home", "targetDevice": "AirConditioner1"}"#;
    door.send(&publish("DOORPRD9A1/door2/event", text, 1, 7)).await;
    assert_eq!(door.next().await.unwrap(), "PUBACK 7");
    let control = format!("PUBLISH q1 d0 r0 #24 AIRCPRD7B2/AirConditioner1/control {text}");
    assert_eq!(air.next().await.unwrap(), control);
    stage.stop().await;
}

#[tokio::test]
async fn a_certificate_proves_one_device_on_tls_and_wss_whatever_the_password() {
    let mut stage = Stage::set().await;
    let device = stage.device("door_cert");
    let mut connect = device.bare();
    connect.password = Some(skytether_core::secret::Secret::new("anything"));
    let mut tls = Client::new(stage.tls(Transport::Tls, Some("door_cert")).await.unwrap());
    assert_eq!(tls.hello(&connect).await, "CONNACK 0 code 0");
    let opened = stage.until(|what| matches!(what, Happening::Opened(_))).await.to_string();
    assert!(opened.starts_with("[1] opened from 127.0.0.1:") && opened.ends_with(" by tls"), "{opened}");
    let mut wss = WebClient::open(stage.tls(Transport::SecureWebSocket, Some("door_cert")).await.unwrap()).await;
    assert_eq!(wss.hello(&device.bare()).await, "CONNACK 0 code 0");
    // Another device's name on the same certificate, and the same name without the certificate.
    let mut other = Client::new(stage.tls(Transport::Tls, Some("door_cert")).await.unwrap());
    assert_eq!(other.hello(&stage.device("door").bare()).await, "CONNACK 0 code 4");
    let mut without = Client::new(stage.tls(Transport::Tls, None).await.unwrap());
    assert_eq!(without.hello(&device.bare()).await, "CONNACK 0 code 4");
    let mut plain = Client::new(stage.tcp(Transport::Tcp).await);
    assert_eq!(plain.hello(&device.bare()).await, "CONNACK 0 code 4");
    stage.stop().await;
}

#[tokio::test]
async fn a_certificate_of_another_authority_ends_the_handshake() {
    let mut stage = Stage::set().await;
    let device: Identity = stage.device("door_cert");
    let foreign = Authority::new("another").unwrap().device(&device.client_id).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = (folder.path().join("cert"), folder.path().join("key"));
    fs::write(&cert, foreign.certificate()).unwrap();
    fs::write(&key, foreign.private_key()).unwrap();
    let config = client_config(&stage.cloud.files().ca, Some((&cert, &key)));
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let stream = stage.tcp(Transport::Tls).await;
    // In TLS 1.3 the client learns of it only when it reads.
    if let Ok(stream) = soon(TlsConnector::from(Arc::new(config)).connect(name, stream)).await {
        assert_eq!(Client::new(stream).next().await, None);
    }
    let why = stage.turned_away().await;
    assert!(why.contains("certificate"), "{why}");
    stage.stop().await;
}

#[tokio::test]
async fn the_servers_certificate_is_good_for_this_machine_and_the_names_given_only() {
    let stage = Stage::with(|options| options.names = vec!["bench.local".to_owned(), "192.0.2.7".to_owned()]).await;
    let good = ["localhost", "127.0.0.1", "::1", "bench.local", "192.0.2.7"].map(|name| (name, true));
    for (name, good) in good.into_iter().chain([("broker.invalid", false), ("127.0.0.2", false)]) {
        let config = client_config(&stage.cloud.files().ca, None);
        let server = ServerName::try_from(name).unwrap();
        let stream = stage.tcp(Transport::Tls).await;
        let outcome = soon(TlsConnector::from(Arc::new(config)).connect(server, stream)).await;
        assert_eq!(outcome.is_ok(), good, "{name}: {outcome:?}");
    }
    stage.stop().await;
}

#[tokio::test]
async fn a_device_that_is_switched_off_is_refused_with_its_good_certificate() {
    let mut stage = Stage::set().await;
    let id = skytether_simulator::tencent::DeviceId::new("DOORPRD9A1", "door2");
    let mut door = Client::new(stage.tls(Transport::Tls, Some("door_cert")).await.unwrap());
    assert_eq!(door.hello(&stage.device("door_cert").bare()).await, "CONNACK 0 code 0");
    let off = stage
        .cloud
        .handle()
        .with_broker(move |broker, now| broker.act(now, |cloud, _, out| cloud.disable(&id, true, out)));
    assert_eq!(off.await, Ok(true));
    assert_eq!(door.next().await, None);
    stage.until(|what| matches!(what, Happening::Closed(CloseReason::Kicked(_)))).await;
    let mut again = Client::new(stage.tls(Transport::Tls, Some("door_cert")).await.unwrap());
    assert_eq!(again.hello(&stage.device("door_cert").bare()).await, "CONNACK 0 code 5");
    stage.stop().await;
}

//! Orders to a running cloud: late answers, dead lines, and what else shows only at a real pipe.

use crate::{
    rig::{Client, Stage, WebClient, soon},
    support::{publish, subscribe},
};
use core::time::Duration;
use skytether_core::mqtt::codec;
use skytether_simulator::broker::{fault::Fault, policy::Transport, trace::Happening};
use std::time::Instant;
use tokio::{io::AsyncReadExt as _, time::timeout};

const DOOR: &str = "DOORPRD9A1door1";

impl Stage {
    async fn order(&mut self, fault: &str) -> bool {
        let fault: Fault = fault.parse().unwrap();
        let done = self.cloud.handle().misbehave(fault.clone()).await.unwrap();
        self.until(|what| *what == Happening::Told(fault.clone())).await;
        done
    }
}

#[allow(clippy::disallowed_methods, reason = "what is measured is real time")]
fn clock() -> Instant {
    Instant::now()
}

#[tokio::test]
async fn every_answer_is_late_by_as_much_as_ordered_and_in_order() {
    let mut stage = Stage::set().await;
    let door = stage.device("door").signed();
    stage.order("delay=150ms").await;
    for transport in [Transport::Tcp, Transport::Tls] {
        let start = clock();
        let late = Duration::from_millis(150);
        if transport == Transport::Tcp {
            let mut client = Client::new(stage.tcp(transport).await);
            assert_eq!(client.hello(&door).await, "CONNACK 0 code 0");
            assert!(start.elapsed() >= late);
            // Three at once are late once, not three times.
            let start = clock();
            client.send(&[codec::PINGREQ, codec::PINGREQ].concat()).await;
            client.send(&subscribe(1, &[("DOORPRD9A1/door1/data", 0)])).await;
            for expected in ["PINGRESP", "PINGRESP", "SUBACK 1 [0]"] {
                assert_eq!(client.next().await.unwrap(), expected);
            }
            assert!(start.elapsed() >= late && start.elapsed() < 3 * late, "{:?}", start.elapsed());
        } else {
            let mut client = Client::new(stage.tls(transport, None).await.unwrap());
            assert_eq!(client.hello(&door).await, "CONNACK 0 code 0");
            assert!(start.elapsed() >= late);
        }
    }
    stage.order("delay=off").await;
    let mut client = Client::new(stage.tcp(Transport::Tcp).await);
    assert_eq!(client.hello(&door).await, "CONNACK 0 code 0");
    let start = clock();
    client.send(&codec::PINGREQ).await;
    assert_eq!(client.next().await.unwrap(), "PINGRESP");
    assert!(start.elapsed() < Duration::from_millis(100), "{:?}", start.elapsed());
    stage.stop().await;
}

#[tokio::test]
async fn a_refusal_is_late_too_and_still_comes_before_the_end() {
    let mut stage = Stage::set().await;
    stage.order("delay=1200ms").await;
    stage.order("refuse=3").await;
    let start = clock();
    let mut client = Client::new(stage.tcp(Transport::Tcp).await);
    assert_eq!(client.hello(&stage.device("door").signed()).await, "CONNACK 0 code 3");
    assert!(start.elapsed() >= Duration::from_millis(1200));
    assert_eq!(client.next().await, None);
    stage.stop().await;
}

#[tokio::test]
async fn a_dead_line_says_nothing_and_new_ones_are_dead_too() {
    let mut stage = Stage::set().await;
    let door = stage.device("door").signed();
    let mut client = WebClient::open(stage.tcp(Transport::WebSocket).await).await;
    assert_eq!(client.hello(&door).await, "CONNACK 0 code 0");
    let mut idle = Client::new(stage.tcp(Transport::Tcp).await);
    assert_eq!(idle.hello(&stage.device("aircond").signed()).await, "CONNACK 0 code 0");
    assert!(stage.order("silence").await);
    client.send(&codec::PINGREQ).await;
    assert!(timeout(Duration::from_millis(300), client.next()).await.is_err());
    let mut newer = stage.tcp(Transport::Tcp).await;
    tokio::io::AsyncWriteExt::write_all(&mut newer, &crate::support::connect_packet(&door)).await.unwrap();
    assert!(timeout(Duration::from_millis(300), newer.read_u8()).await.is_err());
    // Who has missed nothing goes on; the others' lines are past mending.
    assert!(stage.order("speak").await);
    assert_eq!(client.next().await, None);
    assert!(soon(newer.read_u8()).await.is_err());
    idle.send(&codec::PINGREQ).await;
    assert_eq!(idle.next().await.unwrap(), "PINGRESP");
    stage.stop().await;
}

#[tokio::test]
async fn one_line_is_dead_while_others_live_and_what_the_cloud_says_meanwhile_comes_after() {
    let mut stage = Stage::set().await;
    let mut door = Client::new(stage.tcp(Transport::Tcp).await);
    assert_eq!(door.hello(&stage.device("door").signed()).await, "CONNACK 0 code 0");
    let mut air = Client::new(stage.tcp(Transport::Tcp).await);
    assert_eq!(air.hello(&stage.device("aircond").signed()).await, "CONNACK 0 code 0");
    air.send(&subscribe(1, &[("AIRCPRD7B2/AirConditioner1/control", 1)])).await;
    assert_eq!(air.next().await.unwrap(), "SUBACK 1 [1]");
    assert!(!stage.order("silence=nobody").await);
    assert!(stage.order("silence=AIRCPRD7B2AirConditioner1").await);
    door.send(&publish("DOORPRD9A1/door1/event", "{}", 1, 1)).await;
    assert_eq!(door.next().await.unwrap(), "PUBACK 1");
    assert!(timeout(Duration::from_millis(300), air.next()).await.is_err());
    assert!(stage.order("speak=AIRCPRD7B2AirConditioner1").await);
    assert_eq!(air.next().await.unwrap(), "PUBLISH q1 d0 r0 #24 AIRCPRD7B2/AirConditioner1/control {}");
    stage.stop().await;
}

#[tokio::test]
async fn a_client_that_gives_a_dead_line_up_leaves_nothing_behind() {
    let mut stage = Stage::set().await;
    stage.order("silence").await;
    for _ in 0..5 {
        let mut client = Client::new(stage.tcp(Transport::Tcp).await);
        client.send(&codec::PINGREQ).await;
        drop(client);
        stage.until(|what| matches!(what, Happening::Closed(_))).await;
    }
    stage.stop().await;
}

#[tokio::test]
async fn orders_reach_the_pipes_of_every_transport() {
    let mut stage = Stage::set().await;
    let door = stage.device("door").signed();
    let mut tls = Client::new(stage.tls(Transport::Tls, None).await.unwrap());
    assert_eq!(tls.hello(&door).await, "CONNACK 0 code 0");
    assert!(stage.order(&format!("take-over={DOOR}")).await);
    assert_eq!(tls.next().await, None);
    let mut wss = WebClient::open(stage.tls(Transport::SecureWebSocket, None).await.unwrap()).await;
    assert_eq!(wss.hello(&door).await, "CONNACK 0 code 0");
    assert!(stage.order(&format!("revoke={DOOR}")).await);
    assert_eq!(wss.next().await, None);
    let mut ws = WebClient::open(stage.tcp(Transport::WebSocket).await).await;
    assert_eq!(ws.hello(&door).await, "CONNACK 0 code 4");
    stage.order("behave").await;
    let mut tcp = Client::new(stage.tcp(Transport::Tcp).await);
    assert_eq!(tcp.hello(&door).await, "CONNACK 0 code 0");
    assert!(stage.order("corrupt").await);
    let mut bytes = [0; 2];
    soon(tcp.stream.read_exact(&mut bytes)).await.unwrap();
    assert_eq!(bytes, [0xF0, 0]);
    assert!(stage.order("drop").await);
    assert_eq!(tcp.next().await, None);
    stage.stop().await;
}

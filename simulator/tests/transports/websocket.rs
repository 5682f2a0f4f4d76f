//! WebSocket: packets cut in any way, pings, requests that are refused and how.

use crate::{
    rig::{Stage, WebClient, request, soon},
    support::{connect_packet, publish, subscribe},
};
use futures_util::{SinkExt as _, StreamExt as _};
use skytether_core::mqtt::codec;
use skytether_simulator::broker::{policy::Transport, trace::Happening};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Error, Message, handshake::client::Request};

#[tokio::test]
async fn packets_are_cut_into_frames_in_any_way() {
    let stage = Stage::set().await;
    let door = stage.device("door").signed();
    let topic = "DOORPRD9A1/door1/data";
    let mut whole = connect_packet(&door);
    whole.extend(subscribe(1, &[(topic, 1)]));
    whole.extend(publish(topic, "x", 1, 2));
    for size in [1, 2, 7, whole.len()] {
        let mut client = WebClient::open(stage.tcp(Transport::WebSocket).await).await;
        for piece in whole.chunks(size) {
            client.send(piece).await;
        }
        client.send(&[]).await;
        for expected in ["CONNACK 0 code 0", "SUBACK 1 [1]", "PUBACK 2"] {
            assert_eq!(client.next().await.unwrap(), expected, "{size}");
        }
        assert_eq!(client.next().await.unwrap(), format!("PUBLISH q1 d0 r0 #1 {topic} x"), "{size}");
    }
    stage.stop().await;
}

#[tokio::test]
async fn a_ping_is_answered_and_a_close_is_answered() {
    let stage = Stage::set().await;
    let mut client = WebClient::open(stage.tcp(Transport::WebSocket).await).await;
    assert_eq!(client.hello(&stage.device("door").signed()).await, "CONNACK 0 code 0");
    client.socket.send(Message::Ping("are you there".into())).await.unwrap();
    assert_eq!(soon(client.socket.next()).await.unwrap().unwrap(), Message::Pong("are you there".into()));
    client.send(&codec::PINGREQ).await;
    assert_eq!(client.next().await.unwrap(), "PINGRESP");
    client.socket.close(None).await.unwrap();
    assert!(matches!(soon(client.socket.next()).await, Some(Ok(Message::Close(_)))));
    assert!(soon(client.socket.next()).await.is_none());
    stage.stop().await;
}

#[tokio::test]
async fn the_server_says_goodbye_by_a_close_frame() {
    let stage = Stage::set().await;
    let mut client = WebClient::open(stage.tcp(Transport::WebSocket).await).await;
    assert_eq!(client.hello(&stage.device("door").signed()).await, "CONNACK 0 code 0");
    assert_eq!(stage.cloud.handle().kick("DOORPRD9A1door1", "test").await, Ok(true));
    assert!(matches!(soon(client.socket.next()).await, Some(Ok(Message::Close(_)))));
    stage.stop().await;
}

/// Status and text of an answer that is no upgrade.
async fn refused(stage: &Stage, request: Request) -> (u16, String) {
    match WebClient::<TcpStream>::ask(stage.tcp(Transport::WebSocket).await, request).await {
        Err(Error::Http(response)) => {
            let text = String::from_utf8(response.body().clone().unwrap_or_default()).unwrap();
            (response.status().as_u16(), text)
        }
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("upgraded"),
    }
}

#[tokio::test]
async fn another_path_is_404_and_another_sub_protocol_400_with_a_text_that_says_so() {
    let mut stage = Stage::set().await;
    let (status, text) = refused(&stage, request("/", "mqtt")).await;
    assert_eq!((status, text.trim()), (404, "there is nothing at /: open the WebSocket at /mqtt"));
    assert!(stage.turned_away().await.contains("404"));
    for protocols in ["", "mqttv3.1", "MQTT", "chat, superchat"] {
        let (status, text) = refused(&stage, request("/mqtt", protocols)).await;
        let expected = "offer the sub-protocol: `Sec-WebSocket-Protocol: mqtt`";
        assert_eq!((status, text.trim()), (400, expected), "{protocols}");
    }
    let stream = stage.tcp(Transport::WebSocket).await;
    let (_, response) = WebClient::ask(stream, request("/mqtt?token=x", "chat, mqtt")).await.unwrap();
    assert_eq!(response.headers()["Sec-WebSocket-Protocol"], "mqtt");
    stage.stop().await;
}

#[tokio::test]
async fn a_text_frame_ends_the_connection_and_the_trace_says_why() {
    let mut stage = Stage::set().await;
    let mut client = WebClient::open(stage.tcp(Transport::WebSocket).await).await;
    assert_eq!(client.hello(&stage.device("door").signed()).await, "CONNACK 0 code 0");
    soon(client.socket.send(Message::Text("hello".into()))).await.unwrap();
    assert_eq!(client.next().await, None);
    let trace = stage.until(|what| matches!(what, Happening::Broken(_))).await;
    assert!(trace.to_string().contains("a text frame"), "{trace}");
    stage.stop().await;
}

#[tokio::test]
async fn a_message_over_the_limit_ends_the_connection() {
    let mut stage = Stage::set().await;
    let mut client = WebClient::open(stage.tcp(Transport::WebSocket).await).await;
    assert_eq!(client.hello(&stage.device("door").signed()).await, "CONNACK 0 code 0");
    // The server may be gone before all of it is written.
    let _ = soon(client.socket.send(Message::Binary(vec![0xC0; 2 * 1024 * 1024].into()))).await;
    assert_eq!(client.next().await, None);
    stage.until(|what| matches!(what, Happening::Broken(_))).await;
    stage.stop().await;
}

//! Clients that never finish a handshake, or do not know what they speak to: they are turned away, and others go on.

use crate::rig::{Client, Secure, Stage, WebClient, soon};
use core::time::Duration;
use skytether_core::mqtt::codec;
use skytether_simulator::{
    broker::{policy::Transport, trace::Happening},
    server::Handshakes,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// A client in good order, that shows that the cloud goes on.
struct Good(Client<Secure>);

impl Good {
    async fn new(stage: &Stage) -> Self {
        let mut client = Client::new(stage.tls(Transport::Tls, None).await.unwrap());
        assert_eq!(client.hello(&stage.device("door").signed()).await, "CONNACK 0 code 0");
        Self(client)
    }

    async fn goes_on(&mut self) {
        self.0.send(&codec::PINGREQ).await;
        assert_eq!(self.0.next().await.unwrap(), "PINGRESP");
    }
}

/// Everything that comes until the end.
async fn rest(mut stream: TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A reset is an end too.
    let _ = soon(stream.read_to_end(&mut bytes)).await;
    bytes
}

#[tokio::test]
async fn mqtt_without_tls_on_the_tls_port_is_turned_away() {
    let mut stage = Stage::set().await;
    let mut good = Good::new(&stage).await;
    for transport in [Transport::Tls, Transport::SecureWebSocket] {
        let mut stream = stage.tcp(transport).await;
        stream.write_all(b"\x10\x0d\0\x04MQTT\x04\x02\0\x3c\0\x01a").await.unwrap();
        rest(stream).await;
        let why = stage.turned_away().await;
        assert!(why.starts_with("no TLS: "), "{why}");
        good.goes_on().await;
    }
    stage.stop().await;
}

#[tokio::test]
async fn tls_on_the_plain_ports_is_turned_away() {
    let mut stage = Stage::set().await;
    let mut good = Good::new(&stage).await;
    let hello = b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00";
    let mut stream = stage.tcp(Transport::Tcp).await;
    stream.write_all(hello).await.unwrap();
    assert!(rest(stream).await.is_empty());
    let closed = stage.until(|what| matches!(what, Happening::Closed(_))).await;
    assert!(closed.to_string().contains("malformed packet"), "{closed}");
    let mut stream = stage.tcp(Transport::WebSocket).await;
    stream.write_all(hello).await.unwrap();
    assert!(rest(stream).await.starts_with(b"HTTP/1.1 400 "));
    good.goes_on().await;
    stage.stop().await;
}

#[tokio::test]
async fn http_that_is_no_upgrade_gets_an_answer_that_says_so() {
    let mut stage = Stage::set().await;
    let mut good = Good::new(&stage).await;
    let endless = format!("GET /mqtt HTTP/1.1\r\nX: {}", "x".repeat(9000));
    let many = format!("GET /mqtt HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(200));
    let cases = [
        ("GET /mqtt HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 400 "),
        ("POST /mqtt HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 405 "),
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 404 "),
        ("GET /mqtt HTTP/1.0\r\n\r\n", "HTTP/1.1 400 "),
        ("\0\x01\x02 garbage\r\n\r\n", "HTTP/1.1 400 "),
        (&endless, "HTTP/1.1 431 "),
        (&many, "HTTP/1.1 400 "),
    ];
    for (sent, answer) in cases {
        let mut stream = stage.tcp(Transport::WebSocket).await;
        stream.write_all(sent.as_bytes()).await.unwrap();
        let got = String::from_utf8(rest(stream).await).unwrap();
        assert!(got.starts_with(answer), "{sent:.40}: {got}");
        let (head, text) = got.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}", text.len())) && text.ends_with('\n'), "{got}");
        stage.turned_away().await;
        good.goes_on().await;
    }
    stage.stop().await;
}

#[tokio::test]
async fn a_client_that_ends_in_the_middle_of_its_request_is_let_go() {
    let mut stage = Stage::set().await;
    for transport in [Transport::Tls, Transport::WebSocket, Transport::SecureWebSocket] {
        let mut stream = stage.tcp(transport).await;
        stream.write_all(b"GET /mqtt HT").await.unwrap();
        drop(stream);
        stage.turned_away().await;
    }
    stage.stop().await;
}

#[tokio::test]
async fn a_handshake_that_takes_too_long_is_ended_while_others_go_on() {
    let within = Duration::from_millis(300);
    let mut stage = Stage::with(|options| options.handshakes = Handshakes { within, ..Handshakes::default() }).await;
    let mut good = Good::new(&stage).await;
    for transport in [Transport::Tls, Transport::WebSocket, Transport::SecureWebSocket] {
        let mut stream = stage.tcp(transport).await;
        let head: &[u8] = if transport == Transport::WebSocket { b"GET /mqtt" } else { b"\x16\x03\x01" };
        for byte in head {
            stream.write_all(&[*byte]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        good.goes_on().await;
        assert_eq!(stage.turned_away().await, "no handshake within 0.3 s", "{transport}");
        assert!(rest(stream).await.is_empty());
    }
    good.goes_on().await;
    stage.stop().await;
}

#[tokio::test]
async fn of_too_many_handshakes_the_oldest_gives_way_to_who_finishes() {
    let handshakes = Handshakes { at_once: 3, within: Duration::from_mins(1) };
    let mut stage = Stage::with(|options| options.handshakes = handshakes).await;
    let mut idle = Vec::new();
    for _ in 0..10 {
        idle.push(stage.tcp(Transport::WebSocket).await);
    }
    let mut client = WebClient::open(stage.tcp(Transport::WebSocket).await).await;
    assert_eq!(client.hello(&stage.device("door").signed()).await, "CONNACK 0 code 0");
    for _ in 0..8 {
        assert_eq!(stage.turned_away().await, "too many handshakes at once: the oldest gives way");
    }
    let newest = idle.split_off(8);
    for stream in idle {
        assert!(rest(stream).await.is_empty());
    }
    for mut stream in newest {
        assert!(timeout(Duration::from_millis(50), stream.read_u8()).await.is_err(), "it still has its time");
    }
    stage.stop().await;
}

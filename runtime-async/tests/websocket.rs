//! WebSocket: which servers a device talks to, what it says of the others, and that frames are no packets.
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
    io::Cause,
    link::{Endpoint, QoS, TlsIdentity},
};
use skytether_std::{options::Options, tls};
use skytether_testing::{
    negatives::{self, Negative},
    pki::Pki,
    server::{Server, Tls, wait_for_end},
};
use skytether_tokio::Net;
use std::{
    io::{self, Read, Write},
    net::TcpStream,
    sync::{Arc, Mutex},
    time::Duration,
};
use support::{
    device::{Client, PATIENCE, fleeting},
    runtime::Runtime,
};
use tokio::{sync::oneshot, time::timeout};
use tungstenite::{Message, WebSocket, accept_hdr, handshake::server};

async fn every_server_that_is_no_websocket_of_mqtt_is_named_and_tried_again_later(runtime: Runtime) {
    for Negative { name, endpoint, cause, server } in negatives::websocket_servers() {
        let mut client = Client::at(runtime, endpoint, fleeting("ws"), Options::default());
        let retry = loop {
            if let Event::Down { cause: found, retry } = client.next().await {
                assert_eq!(found, cause, "{name}");
                break retry;
            }
        };
        assert!(retry >= Some(Duration::from_millis(250)), "{name}: tried again in {retry:?}");
        assert_eq!(server.connections(), 1, "{name}");
        client.close().await;
    }
}

/// Upgrades with tungstenite's own server, which checks the client's side of the rules.
#[allow(clippy::result_large_err, reason = "tungstenite's type")]
fn upgrade<S: Read + Write>(stream: S) -> io::Result<(WebSocket<S>, server::Request)> {
    let mut asked = None;
    let answer = |request: &server::Request, mut response: server::Response| {
        asked = Some(request.clone());
        response.headers_mut().insert("Sec-WebSocket-Protocol", "mqtt".parse().unwrap());
        Ok(response)
    };
    let socket = accept_hdr(stream, answer).map_err(|_| io::ErrorKind::InvalidData)?;
    Ok((socket, asked.unwrap()))
}

/// The next binary message.
fn next<S: Read + Write>(socket: &mut WebSocket<S>) -> io::Result<Vec<u8>> {
    loop {
        match socket.read().map_err(io::Error::other)? {
            Message::Binary(bytes) => return Ok(bytes.to_vec()),
            Message::Close(_) => return Err(io::ErrorKind::ConnectionAborted.into()),
            _ => {}
        }
    }
}

async fn the_request_names_path_host_and_sub_protocol(runtime: Runtime) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&asked);
    let server = Server::start(move |stream| {
        let (mut socket, request) = upgrade(stream)?;
        told.lock().unwrap().push(request);
        next(&mut socket)?;
        socket.send(Message::Binary(b"\x20\x02\0\0"[..].into())).map_err(io::Error::other)?;
        wait_for_end(socket.get_mut())
    });
    let endpoint = Endpoint { path: Some("/mqtt?a=b".into()), ..negatives::websocket(server.port) };
    let mut client = Client::at(runtime, endpoint, fleeting("ws"), Options::default());
    client.ready().await;
    client.close().await;
    let request = asked.lock().unwrap().pop().unwrap();
    let header = |name: &str| request.headers().get(name).unwrap().to_str().unwrap().to_owned();
    assert_eq!(request.uri().to_string(), "/mqtt?a=b");
    assert_eq!(header("Host"), format!("localhost:{}", server.port));
    assert_eq!(header("Sec-WebSocket-Protocol"), "mqtt");
    assert_eq!(header("Sec-WebSocket-Version"), "13");
}

async fn frames_are_no_packets(runtime: Runtime) {
    // Packets in pieces, several in one frame, an empty frame, a fragmented message with a ping inside; all of
    // it byte by byte.
    let frames: &[&[u8]] = &[
        b"\x82\x00",
        b"\x82\x01\x20",
        b"\x82\x02\x02\0",
        // The end of CONNACK and a whole PUBLISH.
        b"\x82\x08\0\x30\x04\0\x01a1\x30",
        // Fragments: the rest of a second PUBLISH, a third, and one empty fragment.
        b"\x02\x02\x04\0",
        b"\x89\x02hi",
        b"\x00\x00",
        b"\x80\x07\x01a2\x30\x03\0\x01",
        b"\x82\x01a",
    ];
    let server = negatives::upgrading(move |stream| {
        let mut head = [0; 2];
        stream.read_exact(&mut head)?;
        stream.read_exact(&mut vec![0; 4 + usize::from(head[1] & 0x7f)])?;
        for byte in frames.concat() {
            stream.write_all(&[byte])?;
        }
        // The answer to the ping: masked, the same payload.
        let mut pong = [0; 8];
        stream.read_exact(&mut pong)?;
        assert_eq!(pong[..2], [0x8a, 0x82]);
        assert_eq!([pong[6] ^ pong[2], pong[7] ^ pong[3]], *b"hi");
        wait_for_end(stream)
    });
    let mut client = Client::at(runtime, negatives::websocket(server.port), fleeting("ws"), Options::default());
    for payload in [&b"1"[..], b"2", b""] {
        let message = client.message().await;
        assert_eq!((message.topic(), message.payload()), ("a", payload));
    }
    client.close().await;
}

async fn the_end_is_said_to_websocket_too(runtime: Runtime) {
    let (tell, told) = oneshot::channel();
    let tell = Mutex::new(Some(tell));
    let server = Server::start(move |stream| {
        let (mut socket, _) = upgrade(stream)?;
        next(&mut socket)?;
        socket.send(Message::Binary(b"\x20\x02\0\0"[..].into())).map_err(io::Error::other)?;
        let farewell = next(&mut socket)?;
        let close = socket.read().map_err(io::Error::other)?;
        let _ = tell.lock().unwrap().take().unwrap().send((farewell, close));
        Ok(())
    });
    let mut client = Client::at(runtime, negatives::websocket(server.port), fleeting("ws"), Options::default());
    client.ready().await;
    client.close().await;
    let (farewell, close) = timeout(PATIENCE, told).await.unwrap().unwrap();
    assert_eq!(farewell, [0xe0, 0]);
    let Message::Close(Some(close)) = close else { panic!("{close:?}") };
    assert_eq!(u16::from(close.code), 1000);
}

/// Answers what a device of these tests says over a WebSocket: takes CONNECT, and gives back each QoS 1 PUBLISH.
fn echo<S: Read + Write>(stream: S) -> io::Result<()> {
    let (mut socket, _) = upgrade(stream)?;
    let mut bytes = Vec::new();
    loop {
        bytes.extend(next(&mut socket)?);
        while let Ok(Some((packet, len))) = skytether_core::mqtt::codec::decode(&bytes, 1 << 20) {
            use skytether_core::mqtt::codec::{AckKind, Packet, ack};
            let answer = match packet {
                Packet::Connect(_) => b"\x20\x02\0\0".to_vec(),
                Packet::Publish(publish) => {
                    let mut answer = ack(AckKind::PubAck, publish.delivery.id().unwrap()).to_vec();
                    answer.extend_from_slice(&bytes[..len]);
                    answer
                }
                _ => Vec::new(),
            };
            bytes.drain(..len);
            socket.send(Message::Binary(answer.into())).map_err(io::Error::other)?;
        }
    }
}

async fn large_messages_cross_ws_and_wss_both_ways(runtime: Runtime) {
    let pki = Pki::new();
    let plain = Server::start(|stream: TcpStream| echo(stream));
    let secure = Server::tls(&pki.server, None, |stream: &mut Tls| echo(stream));
    let wss = Endpoint { tls: TlsIdentity::Ca, ..negatives::websocket(secure.port) };
    for endpoint in [negatives::websocket(plain.port), wss] {
        let tls = tls::Tls::from_ca_file(pki.ca()).unwrap();
        let options = Options { tls: Some(tls), ..Options::default() };
        let mut client = Client::at(runtime, endpoint, fleeting("ws"), options);
        client.ready().await;
        for payload in [vec![], b"small".to_vec(), vec![0x5a; 125], vec![0xa5; 100_000]] {
            client.publish("echo", payload.clone(), QoS::AtLeastOnce).await;
            assert!(client.message().await.payload() == payload, "{} bytes", payload.len());
        }
        client.close().await;
    }
}

async fn a_message_over_the_limit_ends_the_connection(runtime: Runtime) {
    let server = negatives::upgrading(|stream| {
        stream.write_all(b"\x82\x7e\x03\xe9")?;
        wait_for_end(stream)
    });
    let options = Options { websocket_message: 1000, ..Options::default() };
    let mut client = Client::at(runtime, negatives::websocket(server.port), fleeting("ws"), options);
    assert_eq!(client.down().await, Cause::TooLarge { len: 1001, max: 1000 });
    client.close().await;
}

#[tokio::test]
async fn a_server_that_only_pings_is_answered_and_takes_no_memory() {
    use skytether_tokio::Connector as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    // It pings for ever, and does not read what it is answered; the client must stop reading, not store answers.
    let server = negatives::upgrading(|stream| {
        let pings = b"\x89\x00".repeat(32 * 1024);
        stream.set_write_timeout(Some(Duration::from_millis(500)))?;
        let mut sent = 0;
        while sent < 64 << 20 {
            match stream.write(&pings) {
                Ok(len) => sent += len,
                // It is not taken any more: that is what must happen. Now the client may hear the rest.
                Err(_) => break,
            }
        }
        assert!(sent < 64 << 20, "the client takes pings without end");
        wait_for_end(stream)
    });
    let net = Net::new(tls::Tls::default(), 1024);
    let pipe = skytether_core::io::Pipe::Net(negatives::websocket(server.port));
    let mut stream = net.open(&pipe).await.unwrap();
    let mut byte = [0];
    // While nobody reads its answers, it waits.
    assert!(timeout(Duration::from_millis(1500), stream.read(&mut byte)).await.is_err());
    // The server reads now, so all answers leave.
    timeout(PATIENCE, stream.flush()).await.unwrap().unwrap();
    drop(stream);
}

on_each_runtime! {
    every_server_that_is_no_websocket_of_mqtt_is_named_and_tried_again_later,
    the_request_names_path_host_and_sub_protocol,
    frames_are_no_packets,
    the_end_is_said_to_websocket_too,
    large_messages_cross_ws_and_wss_both_ways,
    a_message_over_the_limit_ends_the_connection,
}

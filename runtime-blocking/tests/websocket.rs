//! WebSocket: which servers a device talks to, and what it says of the others.
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

use skytether_blocking::Options;
use skytether_core::{
    io::Cause,
    link::{Endpoint, QoS, TlsIdentity},
};
use skytether_testing::{
    negatives::{self, Negative},
    pki::Pki,
    server::{Server, Tls, wait_for_end},
};
use std::{
    io::{self, Read, Write},
    net::TcpStream,
    sync::mpsc,
    time::Duration,
};
use support::{Client, PATIENCE, fleeting};
use tungstenite::{Message, WebSocket, accept_hdr, handshake::server};

#[test]
fn every_server_that_is_no_websocket_of_mqtt_is_named_and_tried_again_later() {
    for Negative { name, endpoint, cause, server } in negatives::websocket_servers() {
        let mut client = Client::at(endpoint, fleeting("ws"), Options::default());
        let (found, retry) = client.down();
        assert_eq!(found, cause, "{name}");
        assert!(retry >= Some(Duration::from_millis(250)), "{name}: tried again in {retry:?}");
        assert_eq!(server.connections(), 1, "{name}");
        client.close();
    }
}

/// Upgrades with tungstenite's own server, which checks the client's side of the rules.
#[allow(clippy::result_large_err, reason = "tungstenite's type")]
fn upgrade<S: Read + Write>(stream: S) -> io::Result<WebSocket<S>> {
    let answer = |_: &server::Request, mut response: server::Response| {
        response.headers_mut().insert("Sec-WebSocket-Protocol", "mqtt".parse().unwrap());
        Ok(response)
    };
    accept_hdr(stream, answer).map_err(|_| io::ErrorKind::InvalidData.into())
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

#[test]
fn the_end_is_said_to_websocket_too() {
    let (tell, told) = mpsc::channel();
    let server = Server::start(move |stream| {
        let mut socket = upgrade(stream)?;
        next(&mut socket)?;
        socket.send(Message::Binary(b"\x20\x02\0\0"[..].into())).map_err(io::Error::other)?;
        let farewell = next(&mut socket)?;
        let close = socket.read().map_err(io::Error::other)?;
        let _ = tell.send((farewell, close));
        Ok(())
    });
    let mut client = Client::at(negatives::websocket(server.port), fleeting("ws"), Options::default());
    client.ready();
    client.close();
    let (farewell, close) = told.recv_timeout(PATIENCE).unwrap();
    assert_eq!(farewell, [0xe0, 0]);
    let Message::Close(Some(close)) = close else { panic!("{close:?}") };
    assert_eq!(u16::from(close.code), 1000);
}

/// Takes CONNECT, and gives back each QoS 1 PUBLISH.
fn echo<S: Read + Write>(stream: S) -> io::Result<()> {
    use skytether_core::mqtt::codec::{AckKind, Packet, ack, decode};
    let mut socket = upgrade(stream)?;
    let mut bytes = Vec::new();
    loop {
        bytes.extend(next(&mut socket)?);
        while let Ok(Some((packet, len))) = decode(&bytes, 1 << 20) {
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

#[test]
fn large_messages_cross_ws_and_wss_both_ways() {
    let pki = Pki::new();
    let plain = Server::start(|stream: TcpStream| echo(stream));
    let secure = Server::tls(&pki.server, None, |stream: &mut Tls| echo(stream));
    let wss = Endpoint { tls: TlsIdentity::Ca, ..negatives::websocket(secure.port) };
    for endpoint in [negatives::websocket(plain.port), wss] {
        let tls = skytether_blocking::Tls::from_ca_file(pki.ca()).unwrap();
        let options = Options { tls: Some(tls), ..Options::default() };
        let mut client = Client::at(endpoint, fleeting("ws"), options);
        client.ready();
        for payload in [vec![], b"small".to_vec(), vec![0x5a; 125], vec![0xa5; 100_000]] {
            client.publish("echo", payload.clone(), QoS::AtLeastOnce);
            assert!(client.message().payload() == payload, "{} bytes", payload.len());
        }
        client.close();
    }
}

#[test]
fn a_message_over_the_limit_ends_the_connection() {
    let server = negatives::upgrading(|stream| {
        stream.write_all(b"\x82\x7e\x03\xe9")?;
        wait_for_end(stream)
    });
    let options = Options { websocket_message: 1000, ..Options::default() };
    let mut client = Client::at(negatives::websocket(server.port), fleeting("ws"), options);
    assert_eq!(client.down().0, Cause::TooLarge { len: 1001, max: 1000 });
    client.close();
}

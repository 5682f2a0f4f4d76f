//! Servers that must not be talked to, and what a device must say of each: the list that every runtime is held to.

use crate::{
    pki::{Pair, Pki},
    server::{Server, accept_mqtt, read_head, read_packet, server_config, wait_for_end},
};
use rustls::ServerConnection;
use skytether_core::{
    io::{Cause, TlsFault},
    link::{Endpoint, TlsIdentity},
};
use std::{
    io::{self, Read as _, Write as _},
    net::{Shutdown, TcpStream},
    sync::Arc,
};
use tungstenite::handshake::derive_accept_key;

/// One server, and what the end of a connection to it must be called.
#[derive(Debug)]
pub struct Negative {
    /// What is wrong, in words.
    pub name: &'static str,
    /// Where a device finds it.
    pub endpoint: Endpoint,
    /// What the device's `Down` must say.
    pub cause: Cause,
    /// Ends when it is dropped.
    pub server: Server,
}

/// Where a server on this machine is found, by TLS.
pub fn tls(port: u16) -> Endpoint {
    Endpoint { tls: TlsIdentity::Ca, ..Endpoint::tcp("localhost", port) }
}

/// Where a server on this machine is found, by WebSocket.
pub fn websocket(port: u16) -> Endpoint {
    Endpoint { path: Some("/mqtt".into()), ..Endpoint::tcp("localhost", port) }
}

/// the servers of TLS that must be refused by a client that trusts [`Pki::ca`] alone.
pub fn tls_servers(pki: &Pki) -> Vec<Negative> {
    let bad = |name, pair: &Pair, fault| {
        let server = Server::tls(pair, None, |stream| accept_mqtt(stream).and_then(|()| wait_for_end(stream)));
        Negative { name, endpoint: tls(server.port), cause: Cause::Tls(fault), server }
    };
    let raw = |name, answer: &'static [u8], cause| {
        let server = Server::start(move |mut stream| {
            let mut hello = [0; 5];
            stream.read_exact(&mut hello)?;
            stream.write_all(answer)?;
            stream.shutdown(Shutdown::Write)?;
            wait_for_end(&mut stream)
        });
        Negative { name, endpoint: tls(server.port), cause, server }
    };
    let by_itself = TlsFault::BadCertificate("it is signed by itself, not by a CA");
    let mut by_address = bad("wrong address", &pki.wrong_host, TlsFault::WrongHost);
    by_address.endpoint.host = "127.0.0.1".into();
    let no_name = TlsFault::BadCertificate("it names no host (subjectAltName); a common name does not count");
    let nothing_in_common = Cause::Tls(TlsFault::NothingInCommon);
    vec![
        bad("expired", &pki.expired, TlsFault::Expired),
        bad("not yet valid", &pki.not_yet_valid, TlsFault::NotYetValid),
        bad("wrong host", &pki.wrong_host, TlsFault::WrongHost),
        by_address,
        bad("unknown CA", &pki.unknown_ca, TlsFault::UnknownIssuer),
        bad("wrong usage", &pki.wrong_usage, TlsFault::WrongUsage),
        bad("no SAN", &pki.no_san, no_name),
        bad("self-signed", &pki.self_signed, by_itself),
        bad("self-signed as a CA", &pki.self_signed_ca, by_itself),
        raw("TLS 1.1 by alert", ALERT_PROTOCOL_VERSION, nothing_in_common),
        raw("TLS 1.1 by ServerHello", &TLS_1_1_HELLO, nothing_in_common),
        raw("a server without TLS", b"HTTP/1.1 400 Bad Request\r\n\r\n", Cause::Tls(TlsFault::NotTls)),
        raw("an end within the handshake", b"", Cause::Lost),
        truncated(pki),
        wants_certificate(pki, "TLS 1.3, no client certificate", &rustls::version::TLS13),
        wants_certificate(pki, "TLS 1.2, no client certificate", &rustls::version::TLS12),
        wants_certificate_as_openssl(pki),
    ]
}

/// Accepts MQTT and then ends TCP without `close_notify`.
fn truncated(pki: &Pki) -> Negative {
    let server = Server::tls(&pki.server, None, |stream| {
        accept_mqtt(stream)?;
        stream.sock.shutdown(Shutdown::Write)?;
        wait_for_end(&mut stream.sock)
    });
    Negative { name: "truncated", endpoint: tls(server.port), cause: Cause::Truncated, server }
}

fn wants_certificate(pki: &Pki, name: &'static str, version: &'static rustls::SupportedProtocolVersion) -> Negative {
    let server = Server::tls_of(&[version], &pki.server, Some(&pki.ca()), |stream| {
        accept_mqtt(stream).and_then(|()| wait_for_end(stream))
    });
    Negative { name, endpoint: tls(server.port), cause: Cause::Tls(TlsFault::ClientCertificateRequired), server }
}

/// With TLS 1.2 OpenSSL says no more than `handshake_failure` where a certificate is missing.
fn wants_certificate_as_openssl(pki: &Pki) -> Negative {
    let config = server_config(&[&rustls::version::TLS12], &pki.server, Some(&pki.ca()));
    let server = Server::start(move |mut stream| {
        let mut tls = ServerConnection::new(Arc::clone(&config)).map_err(io::Error::other)?;
        loop {
            while tls.wants_write() {
                tls.write_tls(&mut stream)?;
            }
            tls.read_tls(&mut stream)?;
            if tls.process_new_packets().is_err() {
                let mut alert = Vec::new();
                tls.write_tls(&mut alert)?;
                // Level fatal, and then the alert, in the clear.
                assert_eq!(alert, [21, 3, 3, 0, 2, 2, 116]);
                stream.write_all(&[21, 3, 3, 0, 2, 2, 40])?;
                return stream.shutdown(Shutdown::Write).and_then(|()| wait_for_end(&mut stream));
            }
        }
    });
    let cause = Cause::Tls(TlsFault::ClientCertificateRequired);
    Negative { name: "TLS 1.2 as OpenSSL, no client certificate", endpoint: tls(server.port), cause, server }
}

/// A fatal alert `protocol_version` in a record of TLS 1.1: what a server says that knows no newer version.
const ALERT_PROTOCOL_VERSION: &[u8] = &[21, 3, 2, 0, 2, 2, 70];

/// A `ServerHello` of TLS 1.1 with `TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA`: what an older one says.
const TLS_1_1_HELLO: [u8; 47] = {
    let mut hello = [0; 47];
    let head = [22, 3, 2, 0, 42, 2, 0, 0, 38, 3, 2];
    let mut at = 0;
    while at < head.len() {
        hello[at] = head[at];
        at += 1;
    }
    // 32 bytes of random (zero), no session id, the suite, no compression.
    hello[44] = 0xc0;
    hello[45] = 0x13;
    hello
};

/// The servers of WebSocket that must be refused.
pub fn websocket_servers() -> Vec<Negative> {
    let answers = |name, cause, answer: fn(&str) -> Vec<u8>| {
        let server = Server::start(move |mut stream| {
            let head = read_head(&mut stream)?;
            let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap_or_default();
            stream.write_all(&answer(&derive_accept_key(key.as_bytes())))?;
            stream.shutdown(Shutdown::Write)?;
            wait_for_end(&mut stream)
        });
        Negative { name, endpoint: websocket(server.port), cause, server }
    };
    vec![
        answers("HTTP 400", Cause::Upgrade(400), |_| b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n".to_vec()),
        answers("HTTP 404 with a body", Cause::Upgrade(404), |_| b"HTTP/1.1 404 Not Found\r\n\r\nno".to_vec()),
        answers("HTTP 200", Cause::Upgrade(200), |_| b"HTTP/1.1 200 OK\r\n\r\n".to_vec()),
        answers("wrong sub-protocol", Cause::Upgrade(101), |key| upgraded(key, "Sec-WebSocket-Protocol: mqttv3.1\r\n")),
        answers("no sub-protocol", Cause::Upgrade(101), |key| upgraded(key, "")),
        answers("wrong accept key", Cause::Upgrade(101), |_| upgraded("AAAA", "Sec-WebSocket-Protocol: mqtt\r\n")),
        answers("no HTTP", Cause::WebSocket("its answer to the upgrade is no HTTP"), |_| b"\x20\x02\0\0".to_vec()),
        answers("a head without end", Cause::WebSocket("its answer to the upgrade is too long"), |_| {
            let mut head = b"HTTP/1.1 200 OK\r\n".to_vec();
            for _ in 0..100 {
                head.extend_from_slice(b"X-Filler: ");
                head.extend_from_slice(&[b'x'; 1000]);
                head.extend_from_slice(b"\r\n");
            }
            head
        }),
        answers("an end within the head", Cause::Lost, |_| b"HTTP/1.1 101 Swit".to_vec()),
        frames("a text frame", Cause::WebSocket("a text frame where only binary ones may be"), b"\x81\x02hi"),
        frames("a masked frame", Cause::WebSocket("a masked frame"), b"\x82\x82\0\0\0\0ab"),
        frames("reserved bits", Cause::WebSocket("reserved bits are set"), b"\xc2\x02ab"),
        frames("an unknown frame", Cause::WebSocket("a frame of an unknown kind"), b"\x83\x02ab"),
        frames("a long ping", Cause::WebSocket("a control frame over 125 bytes"), &LONG_PING),
        frames(
            "a frame of 2^63 bytes",
            Cause::TooLarge { len: 1 << 63, max: 1024 * 1024 },
            b"\x82\x7f\x80\0\0\0\0\0\0\0",
        ),
        frames("a farewell", Cause::Lost, b"\x88\x02\x03\xe8"),
    ]
}

const LONG_PING: [u8; 4 + 126] = {
    let mut frame = [0; 4 + 126];
    frame[0] = 0x89;
    frame[1] = 126;
    frame[3] = 126;
    frame
};

/// Upgrades, accepts MQTT, and then says `frames`.
fn frames(name: &'static str, cause: Cause, frames: &'static [u8]) -> Negative {
    let server = upgrading(move |stream| {
        // A masked frame of a CONNECT below 126 bytes.
        let mut head = [0; 2];
        stream.read_exact(&mut head)?;
        let mut rest = vec![0; 4 + usize::from(head[1] & 0x7f)];
        stream.read_exact(&mut rest)?;
        stream.write_all(b"\x82\x04\x20\x02\0\0")?;
        stream.write_all(frames)?;
        wait_for_end(stream)
    });
    Negative { name, endpoint: websocket(server.port), cause, server }
}

/// A server that upgrades as it should, and then gives the connection to `serve`.
pub fn upgrading(serve: impl Fn(&mut TcpStream) -> io::Result<()> + Send + Sync + 'static) -> Server {
    Server::start(move |mut stream| {
        let head = read_head(&mut stream)?;
        let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap_or_default();
        stream.write_all(&upgraded(&derive_accept_key(key.as_bytes()), "Sec-WebSocket-Protocol: mqtt\r\n"))?;
        serve(&mut stream)
    })
}

/// The answer to an upgrade; `Upgrade` is written as one widely used server does.
fn upgraded(accept: &str, more: &str) -> Vec<u8> {
    let head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n";
    format!("{head}Sec-WebSocket-Accept: {accept}\r\n{more}\r\n").into_bytes()
}

/// A server that accepts connections and says nothing.
pub fn silent() -> Server {
    Server::start(|mut stream| wait_for_end(&mut stream))
}

/// A server that takes a CONNECT and says nothing.
pub fn no_connack() -> Server {
    Server::start(|mut stream| read_packet(&mut stream).and_then(|_| wait_for_end(&mut stream)))
}

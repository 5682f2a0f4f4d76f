//! The WebSocket filter on its own: what it asks, every cut of what it hears, and how much it holds.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::std_instead_of_alloc,
    reason = "tests fail by panicking"
)]

use proptest::prelude::*;
use skytether_core::{
    io::Cause,
    link::{Endpoint, TlsIdentity},
};
use skytether_std::websocket::WebSocket;
use tungstenite::handshake::derive_accept_key;

const LIMIT: usize = 1000;

fn endpoint(host: &str, port: u16, tls: TlsIdentity, path: &str) -> Endpoint {
    Endpoint { tls, path: Some(path.into()), ..Endpoint::tcp(host, port) }
}

fn asked(endpoint: &Endpoint) -> String {
    String::from_utf8(WebSocket::new(endpoint, LIMIT).unwrap().transmit().to_vec()).unwrap()
}

fn fresh() -> (WebSocket, Vec<u8>) {
    let mut socket = WebSocket::new(&endpoint("localhost", 80, TlsIdentity::Plain, "/mqtt"), LIMIT).unwrap();
    let request = String::from_utf8(socket.transmit().to_vec()).unwrap();
    socket.sent(request.len());
    let key = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
    let accept = derive_accept_key(key.as_bytes());
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"
    );
    (socket, answer.into_bytes())
}

fn open() -> WebSocket {
    let (mut socket, answer) = fresh();
    socket.receive(&answer).unwrap();
    assert!(socket.is_open());
    socket
}

/// All that can be read now, `step` bytes at once.
fn drain(socket: &mut WebSocket, step: usize) -> Result<Vec<u8>, Cause> {
    let (mut all, mut piece) = (Vec::new(), vec![0; step]);
    loop {
        match socket.read(&mut piece)? {
            0 => return Ok(all),
            len => all.extend_from_slice(&piece[..len]),
        }
    }
}

#[test]
fn the_request_is_as_the_specification_wants_it() {
    let request = asked(&endpoint("broker.example", 8080, TlsIdentity::Plain, "/$iothub/websocket?a=b"));
    assert!(request.starts_with("GET /$iothub/websocket?a=b HTTP/1.1\r\n"), "{request}");
    assert!(request.ends_with("\r\n\r\n"));
    for line in ["Host: broker.example:8080", "Connection: Upgrade", "Sec-WebSocket-Protocol: mqtt"] {
        assert_eq!(request.lines().filter(|found| *found == line).count(), 1, "{line}");
    }
    let hosts = [
        (endpoint("h", 80, TlsIdentity::Plain, "/mqtt"), "Host: h"),
        (endpoint("h", 443, TlsIdentity::Ca, "/mqtt"), "Host: h"),
        (endpoint("h", 443, TlsIdentity::Plain, "/mqtt"), "Host: h:443"),
        (endpoint("::1", 80, TlsIdentity::Plain, "/mqtt"), "Host: [::1]"),
        (endpoint("[::1]", 81, TlsIdentity::Plain, "/mqtt"), "Host: [::1]:81"),
    ];
    for (endpoint, host) in hosts {
        assert!(asked(&endpoint).lines().any(|line| line == host), "{}", asked(&endpoint));
    }
    assert!(asked(&endpoint("h", 80, TlsIdentity::Plain, "mqtt")).starts_with("GET /mqtt HTTP"));
    for path in ["/a b", "/a\r\nX: y", "/\u{7f}"] {
        let refused = WebSocket::new(&endpoint("h", 80, TlsIdentity::Plain, path), LIMIT).unwrap_err();
        assert!(matches!(refused, Cause::Unsupported(_)), "{path:?}");
    }
}

#[test]
fn every_cut_of_the_answer_and_the_frames_reads_the_same() {
    let frames = b"\x82\x02ab\x82\x00\x02\x01c\x89\x01p\x00\x00\x80\x02de\x8a\x00\x82\x01f";
    for step in [1, 3, 100] {
        for cut in 0.. {
            let (mut socket, mut stream) = fresh();
            stream.extend_from_slice(frames);
            if cut > stream.len() {
                break;
            }
            let mut read = Vec::new();
            for part in [&stream[..cut], &stream[cut..]] {
                assert!(socket.wants_bytes());
                socket.receive(part).unwrap();
                read.extend(drain(&mut socket, step).unwrap());
            }
            assert_eq!(read, b"abcdef", "cut at {cut}, {step} at once");
            // The answer to the ping, masked.
            assert_eq!(socket.transmit()[..2], [0x8a, 0x81]);
        }
    }
}

#[test]
fn a_message_of_just_the_limit_passes_and_one_more_byte_does_not() {
    for fragmented in [false, true] {
        for (len, passes) in [(LIMIT, true), (LIMIT + 1, false)] {
            let mut socket = open();
            let size = u16::try_from(len - 1).unwrap().to_be_bytes();
            let mut frames = if fragmented {
                // One byte, then the rest.
                vec![0x02, 1, b'x', 0x80, 126, size[0], size[1]]
            } else {
                let size = u16::try_from(len).unwrap().to_be_bytes();
                vec![0x82, 126, size[0], size[1], b'x']
            };
            frames.resize(frames.len() + len - 1, b'x');
            socket.receive(&frames).unwrap();
            let outcome = drain(&mut socket, 64);
            if passes {
                assert_eq!(outcome.unwrap().len(), len);
            } else {
                assert_eq!(outcome.unwrap_err(), Cause::TooLarge { len, max: LIMIT });
                // 1009: too big.
                assert_eq!(close_code(&socket), Some(1009));
            }
        }
    }
}

/// The code of the farewell that waits to be sent.
fn close_code(socket: &WebSocket) -> Option<u16> {
    let sent = socket.transmit();
    let [0x88, 0x82, a, b, _, _, x, y] = *sent else { return None };
    Some(u16::from_be_bytes([a ^ x, b ^ y]))
}

#[test]
fn a_broken_rule_is_answered_with_the_code_for_it() {
    for (frame, code) in [(&b"\x81\x02hi"[..], 1003), (b"\xc2\x00", 1002), (b"\x82\x80\0\0\0\0", 1002)] {
        let mut socket = open();
        socket.receive(frame).unwrap();
        assert!(matches!(drain(&mut socket, 64), Err(Cause::WebSocket(_))));
        assert_eq!(close_code(&socket), Some(code));
    }
}

#[test]
fn a_farewell_is_answered_and_then_nothing_is_sent() {
    let mut socket = open();
    socket.receive(b"\x82\x01a\x88\x02\x03\xe8").unwrap();
    let mut byte = [0];
    assert_eq!(socket.read(&mut byte), Ok(1));
    assert_eq!(socket.read(&mut byte), Err(Cause::Lost));
    assert_eq!(close_code(&socket), Some(1000));
    assert_eq!(socket.send(b"too late"), Err(Cause::Lost));
    assert_eq!(socket.end(), Cause::Lost);
}

#[test]
fn an_answer_that_does_not_begin_as_http_does_is_refused_the_same_in_any_pieces() {
    // tungstenite skips empty lines, and takes many small pieces for an attack.
    for answer in
        [&[b'\n'; 1000][..], b"\r\n\r\nHTTP/1.1 101 Switching Protocols\r\n", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTQ"]
    {
        for step in [1, 3, answer.len()] {
            let (mut socket, _) = fresh();
            let end = answer.chunks(step).find_map(|piece| socket.receive(piece).err());
            assert_eq!(end, Some(Cause::WebSocket("its answer to the upgrade is no HTTP")), "{step}");
            assert!(!socket.is_open());
        }
    }
}

#[test]
fn the_answer_may_be_8_kib_and_no_longer() {
    let padded = |pad: usize| {
        let (socket, answer) = fresh();
        let end = answer.len() - 2;
        let filler = format!("X: {}\r\n", "y".repeat(pad - answer.len() - "X: \r\n".len()));
        (socket, [&answer[..end], filler.as_bytes(), &answer[end..]].concat())
    };
    let (mut socket, answer) = padded(8 * 1024);
    assert_eq!(answer.len(), 8 * 1024);
    socket.receive(&answer).unwrap();
    assert!(socket.is_open());
    let (mut socket, answer) = padded(9 * 1024);
    let outcome = answer.chunks(512).try_for_each(|part| socket.receive(part));
    assert_eq!(outcome, Err(Cause::WebSocket("its answer to the upgrade is too long")));
    assert!(socket.transmit().is_empty());
}

#[test]
fn pings_without_end_are_held_back_until_the_answers_are_taken() {
    let mut socket = open();
    let pings = b"\x89\x00".repeat(4096);
    let mut given = 0;
    while socket.wants_bytes() {
        socket.receive(&pings).unwrap();
        assert!(drain(&mut socket, 64).unwrap().is_empty());
        given += 1;
        assert!(given < 1000, "it takes pings without end");
    }
    assert!(socket.transmit().len() < 17 * 1024, "{}", socket.transmit().len());
    for _ in 0..given * 8 {
        socket.sent(socket.transmit().len());
        assert!(drain(&mut socket, 64).unwrap().is_empty());
    }
    assert!(socket.wants_bytes());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// Whatever a server sends: no panic, and no more is held than the limits allow.
    #[test]
    fn no_bytes_of_a_server_break_it(
        upgraded in any::<bool>(),
        parts in prop::collection::vec(prop::collection::vec(prop_oneof![any::<u8>(), Just(0x82), Just(0), Just(1), Just(0x80), Just(0x89), Just(0x88)], 0..40), 0..20),
    ) {
        let (mut socket, answer) = fresh();
        if upgraded {
            socket.receive(&answer).unwrap();
        }
        for part in parts {
            if socket.receive(&part).is_err() || drain(&mut socket, 7).is_err() {
                break;
            }
        }
        // It may be asked again after an error, and says the end more than once.
        let _ = drain(&mut socket, 7);
        let _ = socket.send(b"x");
        socket.close();
        let _ = (socket.end(), socket.end(), drain(&mut socket, 7));
        prop_assert!(socket.transmit().len() < 4096);
    }
}

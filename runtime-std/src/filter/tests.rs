//! Do the filters let every byte through, in whatever pieces, and say what is wrong by its name?

use super::*;
use rustls::{ServerConfig, ServerConnection, crypto::ring};
use skytether_core::io::TlsFault;
use skytether_testing::pki::{Pair, Pki};
use std::{
    io::{Read as _, Write as _},
    sync::Arc,
};
use tungstenite::handshake::derive_accept_key;

const LIMIT: usize = 64 * 1024;
const KINDS: [Kind; 3] = [Kind::Tls, Kind::WebSocket, Kind::Both];

#[derive(Clone, Copy, PartialEq, Debug)]
enum Kind {
    Tls,
    WebSocket,
    Both,
}

/// The other end of a filter: encryption where there is any, and the bytes inside it.
struct Peer {
    tls: Option<ServerConnection>,
    /// Bytes for the filter.
    raw: Vec<u8>,
    heard: Vec<u8>,
    upgrade: bool,
}

fn begin(kind: Kind, pki: &Pki) -> (Filter, Peer) {
    begin_with(kind, pki, &pki.server)
}

fn begin_with(kind: Kind, pki: &Pki, shown: &Pair) -> (Filter, Peer) {
    let mut endpoint = Endpoint::tcp("localhost", 8883);
    if kind != Kind::WebSocket {
        endpoint.tls = TlsIdentity::Ca;
    }
    endpoint.path = (kind != Kind::Tls).then(|| "/mqtt".into());
    let tls = Tls::from_ca_file(pki.ca()).unwrap();
    let filter = Filter::new(&Pipe::Net(endpoint), &tls, LIMIT).unwrap().unwrap();
    let (chain, key) = shown.parts();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let tls = (kind != Kind::WebSocket).then(|| ServerConnection::new(Arc::new(config)).unwrap());
    (filter, Peer { tls, raw: Vec::new(), heard: Vec::new(), upgrade: kind != Kind::Tls })
}

impl Peer {
    fn hear(&mut self, mut bytes: &[u8]) {
        match &mut self.tls {
            None => self.heard.extend_from_slice(bytes),
            Some(tls) => {
                while !bytes.is_empty() {
                    tls.read_tls(&mut bytes).unwrap();
                    // What it has against the client stands in its alert.
                    let _ = tls.process_new_packets();
                    let _ = tls.reader().read_to_end(&mut self.heard);
                }
                self.pump();
            }
        }
        if let (true, Some(end)) = (self.upgrade, self.heard.windows(4).position(|part| part == b"\r\n\r\n")) {
            let head: Vec<u8> = self.heard.drain(..end + 4).collect();
            let head = String::from_utf8(head).unwrap();
            let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
            self.upgrade = false;
            let accept = derive_accept_key(key.as_bytes());
            self.say(
                format!(
                    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                     Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"
                )
                .as_bytes(),
            );
        }
    }

    fn say(&mut self, mut bytes: &[u8]) {
        match &mut self.tls {
            None => self.raw.extend_from_slice(bytes),
            Some(_) => {
                while !bytes.is_empty() {
                    let tls = self.tls.as_mut().unwrap();
                    let len = tls.writer().write(bytes).unwrap();
                    bytes = &bytes[len..];
                    self.pump();
                }
            }
        }
    }

    /// Says MQTT bytes, in a binary frame where there is a WebSocket.
    fn say_mqtt(&mut self, kind: Kind, bytes: &[u8]) {
        if kind == Kind::Tls {
            return self.say(bytes);
        }
        for part in bytes.chunks(60_000) {
            let len = u16::try_from(part.len()).unwrap().to_be_bytes();
            self.say(&[&[0x82, 126], &len[..], part].concat());
        }
    }

    /// What was heard, out of its frames.
    fn heard_mqtt(&self, kind: Kind) -> Vec<u8> {
        if kind == Kind::Tls { self.heard.clone() } else { unframed(&self.heard, 0x82) }
    }

    fn pump(&mut self) {
        if let Some(tls) = &mut self.tls {
            while tls.wants_write() {
                tls.write_tls(&mut self.raw).unwrap();
            }
        }
    }
}

/// The contents of a client's frames with this first byte, unmasked and joined.
fn unframed(mut frames: &[u8], first: u8) -> Vec<u8> {
    let mut joined = Vec::new();
    while !frames.is_empty() {
        let (head, len) = match frames[1] & 0x7f {
            126 => (4, usize::from(u16::from_be_bytes([frames[2], frames[3]]))),
            127 => (10, usize::try_from(u64::from_be_bytes(frames[2..10].try_into().unwrap())).unwrap()),
            len => (2, usize::from(len)),
        };
        assert_eq!(frames[1] & 0x80, 0x80, "a client masks");
        let mask = &frames[head..head + 4];
        let content = &frames[head + 4..head + 4 + len];
        if frames[0] == first {
            joined.extend(content.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        }
        frames = &frames[head + 4 + len..];
    }
    joined
}

/// Moves bytes both ways, `size` at once, until nothing moves; gives what the machine reads and why it ends.
fn settle(filter: &mut Filter, peer: &mut Peer, size: usize) -> (Vec<u8>, Option<Cause>) {
    let mut read = Vec::new();
    let mut into = vec![0; size];
    loop {
        let mut moved = false;
        while !filter.transmit().is_empty() {
            let len = filter.transmit().len().min(size);
            peer.hear(&filter.transmit()[..len]);
            filter.sent(len);
            moved = true;
        }
        let piece: Vec<u8> = peer.raw.iter().copied().take(size).collect();
        let taken = piece.len() - filter.receive(&piece).len();
        peer.raw.drain(..taken);
        moved |= taken > 0;
        if filter.is_open() {
            match filter.read(&mut into) {
                Ok(len) => {
                    read.extend_from_slice(&into[..len]);
                    moved |= len > 0;
                }
                Err(cause) => return (read, Some(cause)),
            }
        } else if let Some(cause) = filter.failure() {
            return (read, Some(cause));
        }
        if !moved {
            return (read, None);
        }
    }
}

fn open(kind: Kind, pki: &Pki) -> (Filter, Peer) {
    let (mut filter, mut peer) = begin(kind, pki);
    assert_eq!(settle(&mut filter, &mut peer, LIMIT), (Vec::new(), None));
    assert!(filter.is_open(), "{kind:?}");
    (filter, peer)
}

#[test]
fn r_2_every_byte_passes_in_pieces_of_any_size() {
    let pki = Pki::new();
    for kind in KINDS {
        for (size, amount) in [(1, 700_u32), (2, 700), (7, 3000), (1000, 50_000), (LIMIT, 50_000)] {
            let up: Vec<u8> = (0..amount).map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[1]).collect();
            let down: Vec<u8> = up.iter().rev().copied().collect();
            let (mut filter, mut peer) = begin(kind, &pki);
            assert_eq!(filter.send(&up), 0, "nothing of the machine's may pass before {kind:?} is open");
            assert_eq!(settle(&mut filter, &mut peer, size), (Vec::new(), None));
            assert!(filter.is_open(), "{kind:?} in pieces of {size}");
            peer.say_mqtt(kind, &down);
            let mut sent = 0;
            let mut read = Vec::new();
            while sent < up.len() || read.len() < down.len() {
                let len = filter.send(&up[sent..]);
                assert!(filter.transmit().len() <= 2 * WAITING, "{}", filter.transmit().len());
                sent += len;
                let (more, ended) = settle(&mut filter, &mut peer, size);
                assert_eq!(ended, None);
                assert!(len + more.len() > 0, "{kind:?} in pieces of {size} stands still");
                read.extend(more);
            }
            assert!(read == down, "{kind:?} in pieces of {size}");
            assert!(peer.heard_mqtt(kind) == up, "{kind:?} in pieces of {size}");
        }
    }
}

#[test]
fn mqtt_packets_may_lie_in_frames_as_they_like() {
    let pki = Pki::new();
    for kind in [Kind::WebSocket, Kind::Both] {
        for size in [1, 3, LIMIT] {
            let (mut filter, mut peer) = open(kind, &pki);
            // One message in three fragments with a ping between, an empty message, and two packets in one.
            peer.say(b"\x02\x01a\x89\x02hi\x00\x01b\x80\x01c\x82\x00\x82\x04defg");
            assert_eq!(settle(&mut filter, &mut peer, size), (b"abcdefg".to_vec(), None));
            assert_eq!(unframed(&peer.heard, 0x8a), b"hi", "a pong");
        }
    }
}

#[test]
fn what_came_before_an_error_is_read_before_it() {
    let pki = Pki::new();
    let text = Cause::WebSocket("a text frame where only binary ones may be");
    for (kind, wrong, cause) in [
        (Kind::Tls, &b"\x17\x03\x03\x00\x05wrong"[..], Cause::Tls(TlsFault::NotTls)),
        (Kind::WebSocket, b"\x81\x02hi", text),
        (Kind::Both, b"\x81\x02hi", text),
        (Kind::WebSocket, b"\x82\x82\0\0\0\0ab", Cause::WebSocket("a masked frame")),
        (Kind::WebSocket, b"\x88\x02\x03\xe8", Cause::Lost),
        (Kind::Both, b"\x88\x02\x03\xe8", Cause::Lost),
        (Kind::WebSocket, b"\x82\x7f\0\0\0\0\x7f\0\0\0", Cause::TooLarge { len: 0x7f00_0000, max: LIMIT }),
    ] {
        for size in [1, LIMIT] {
            let (mut filter, mut peer) = open(kind, &pki);
            peer.say_mqtt(kind, b"before");
            if kind == Kind::Tls {
                peer.raw.extend_from_slice(wrong);
            } else {
                peer.say(wrong);
            }
            assert_eq!(settle(&mut filter, &mut peer, size), (b"before".to_vec(), Some(cause)), "{kind:?} {wrong:?}");
            assert_eq!(filter.read(&mut [0; 10]), Err(cause), "it stays so");
            assert_eq!(filter.send(b"after"), 0);
        }
    }
}

#[test]
fn r_147_an_end_without_a_farewell_is_called_truncated_and_one_with_it_is_not() {
    let pki = Pki::new();
    for kind in KINDS {
        for (farewell, in_order, cause) in [
            (false, true, if kind == Kind::WebSocket { Cause::Lost } else { Cause::Truncated }),
            (true, true, Cause::Lost),
            (false, false, Cause::Lost),
        ] {
            let (mut filter, mut peer) = open(kind, &pki);
            peer.say_mqtt(kind, b"last words");
            if let (true, Some(tls)) = (farewell, &mut peer.tls) {
                tls.send_close_notify();
            }
            peer.pump();
            let (read, ended) = settle(&mut filter, &mut peer, LIMIT);
            assert_eq!(read, b"last words");
            filter.end(in_order);
            let told = ended.or_else(|| filter.read(&mut [0; 10]).err());
            assert_eq!(told, Some(cause), "{kind:?}, farewell {farewell}, in order {in_order}");
        }
    }
}

#[test]
fn an_end_before_it_is_open_is_a_lost_connection() {
    let pki = Pki::new();
    for kind in KINDS {
        let (mut filter, _) = begin(kind, &pki);
        filter.end(true);
        assert_eq!(filter.failure(), Some(Cause::Lost), "{kind:?}");
        assert!(!filter.is_open());
    }
}

#[test]
fn r_147_a_bad_certificate_fails_the_opening_and_the_peer_is_told() {
    let pki = Pki::new();
    for kind in [Kind::Tls, Kind::Both] {
        for size in [1, LIMIT] {
            let (mut filter, mut peer) = begin_with(kind, &pki, &pki.expired);
            assert_eq!(settle(&mut filter, &mut peer, size), (Vec::new(), Some(Cause::Tls(TlsFault::Expired))));
            assert!(!filter.is_open());
            assert!(!filter.transmit().is_empty(), "an alert");
            let len = filter.transmit().len();
            peer.hear(&filter.transmit()[..len]);
            assert!(peer.heard.is_empty(), "nothing of the machine's, nor of the WebSocket's, went to it");
        }
    }
}

#[test]
fn a_server_that_does_not_upgrade_is_called_by_its_status() {
    let pki = Pki::new();
    for kind in [Kind::WebSocket, Kind::Both] {
        for size in [1, LIMIT] {
            let (mut filter, mut peer) = begin(kind, &pki);
            peer.upgrade = false;
            peer.say(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
            assert_eq!(settle(&mut filter, &mut peer, size), (Vec::new(), Some(Cause::Upgrade(400))), "{kind:?}");
        }
    }
}

#[test]
fn r_4_a_server_that_pings_and_does_not_read_cannot_fill_the_memory() {
    let pki = Pki::new();
    for kind in [Kind::WebSocket, Kind::Both] {
        let (mut filter, mut peer) = open(kind, &pki);
        for _ in 0..2000 {
            peer.say(&[&[0x89, 125][..], &[b'x'; 125]].concat());
        }
        let all = peer.raw.len();
        let mut into = [0; 100];
        let mut bytes = peer.raw.as_slice();
        loop {
            let piece = &bytes[..bytes.len().min(1000)];
            let taken = piece.len() - filter.receive(piece).len();
            bytes = &bytes[taken..];
            assert_eq!(filter.read(&mut into), Ok(0));
            if taken == 0 {
                break;
            }
        }
        assert!(bytes.len() > all / 2, "it stops taking: {} of {all} left", bytes.len());
        assert!(filter.transmit().len() <= 2 * WAITING + 4096, "{}", filter.transmit().len());
        // And goes on when its answers are taken.
        peer.raw = bytes.to_vec();
        assert_eq!(settle(&mut filter, &mut peer, LIMIT), (Vec::new(), None));
        assert_eq!(peer.raw.len(), 0);
        assert_eq!(unframed(&peer.heard, 0x8a).len(), 2000 * 125, "every ping is answered");
    }
}

#[test]
fn closing_says_good_bye_at_every_layer() {
    let pki = Pki::new();
    for kind in KINDS {
        let (mut filter, mut peer) = open(kind, &pki);
        assert_eq!(filter.send(b"last"), 4);
        filter.close();
        while !filter.transmit().is_empty() {
            let len = filter.transmit().len();
            peer.hear(&filter.transmit()[..len]);
            filter.sent(len);
        }
        assert_eq!(peer.heard_mqtt(kind), b"last");
        if kind != Kind::Tls {
            assert_eq!(unframed(&peer.heard, 0x88), [3, 0xe8], "a farewell with code 1000");
        }
        if let Some(tls) = &mut peer.tls {
            assert_eq!(tls.reader().read(&mut [0; 10]).unwrap(), 0, "a close_notify");
        }
    }
}

#[test]
fn nothing_that_passes_is_shown() {
    let pki = Pki::new();
    let (filter, _) = begin(Kind::Both, &pki);
    assert_eq!(format!("{filter:?}"), "Filter(WebSocket inside TLS)");
    assert!(Filter::new(&Pipe::Serial, &Tls::default(), LIMIT).unwrap().is_none());
    assert!(Filter::new(&Pipe::Net(Endpoint::tcp("h", 1)), &Tls::default(), LIMIT).unwrap().is_none());
}

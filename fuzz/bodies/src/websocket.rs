//! Does the WebSocket filter hold on any bytes of a server's, and carry MQTT the same however they are cut?
//!
//! Bytes: a byte of options, up to eight lengths of pieces that repeat, then what the server sends: with option 0 after a
//! sound answer to the upgrade, frames or raw bytes, each a byte and what it needs; else the answer itself. MQTT the
//! other way goes out masked; what comes out of it again must be what went in.

use crate::script::Script;
use skytether_core::{io::Cause, link::Endpoint};
use skytether_std::websocket::WebSocket;
use tungstenite::handshake::derive_accept_key;

/// Bytes that may wait for the pipe: answers to pings stop at 16 KiB, and one frame may go over it.
const WAITING: usize = 16 * 1024 + 64 * 1024;
const MQTT: &[u8] = b"\x10\x0d\0\x04MQTT\x04\x02\0\x3c\0\x01a";

/// What the filter makes of a server.
#[derive(PartialEq, Eq, Debug)]
struct Outcome {
    mqtt: Vec<u8>,
    open: bool,
    end: Option<Cause>,
}

pub(crate) fn run(data: &[u8]) {
    let mut script = Script::new(data);
    let options = script.byte();
    let pieces = script.piece();
    let pieces = &pieces[..pieces.len().min(8)];
    let limit = if options & 2 == 0 { 1_000 } else { 120 };
    let (stream, sound) = stream(script, options & 1 == 0);
    let whole = carry(&stream, &mut core::iter::repeat(usize::MAX), limit, options);
    let bytewise = carry(&stream, &mut core::iter::repeat(1), limit, options);
    assert_eq!(whole, bytewise, "byte by byte");
    if !pieces.is_empty() {
        let lengths = pieces.iter().map(|len| usize::from(*len).max(1));
        assert_eq!(whole, carry(&stream, &mut lengths.cycle(), limit, options), "in pieces of {pieces:?}");
    }
    if let Some(mqtt) = sound.filter(|_| limit == 1_000) {
        assert_eq!(whole, Outcome { mqtt, open: true, end: None }, "sound binary messages are carried");
    }
}

/// What a server sends; where all of it is sound, the MQTT in it.
fn stream(mut script: Script<'_>, upgraded: bool) -> (Vec<u8>, Option<Vec<u8>>) {
    if !upgraded {
        return (script.rest().to_vec(), None);
    }
    let mut out = b"\0".to_vec();
    let mut mqtt = Some(Vec::new());
    for _ in 0..100 {
        if script.is_empty() {
            break;
        }
        let kind = script.byte();
        let payload = script.piece();
        let payload = &payload[..payload.len().min(125)];
        let len = u8::try_from(payload.len()).unwrap_or(125);
        match kind % 8 {
            0..=3 => {
                // A message whole, or as a fragment and a continuation with a ping between them.
                let (front, back) = payload.split_at(if kind & 8 == 0 { payload.len() } else { payload.len() / 2 });
                let short = |part: &[u8]| u8::try_from(part.len()).unwrap_or(125);
                if back.is_empty() {
                    out.extend([0x82, len]);
                    out.extend(payload);
                } else {
                    out.extend([0x02, short(front)]);
                    out.extend(front);
                    out.extend([0x89, 0, 0x80, short(back)]);
                    out.extend(back);
                }
                mqtt = mqtt.map(|mut mqtt| {
                    mqtt.extend_from_slice(payload);
                    mqtt
                });
            }
            4 => out.extend([&[0x89, len][..], payload].concat()),
            5 => out.extend([&[0x8a, len][..], payload].concat()),
            6 => {
                out.extend([&[kind & 0x80 | 0x08, len][..], payload].concat());
                mqtt = None;
            }
            _ => {
                out.extend(payload);
                mqtt = mqtt.filter(|_| payload.is_empty());
            }
        }
    }
    (out, mqtt)
}

/// Gives the stream to a filter in pieces of these lengths. A stream that begins with 0 is preceded by the upgrade.
fn carry(stream: &[u8], lengths: &mut dyn Iterator<Item = usize>, limit: usize, options: u8) -> Outcome {
    let endpoint = Endpoint { path: Some("/mqtt".into()), ..Endpoint::tcp("fuzz", 80) };
    let mut socket = WebSocket::new(&endpoint, limit).expect("a valid endpoint");
    let request = socket.transmit().to_vec();
    socket.sent(request.len());
    let mut held = match stream.split_first() {
        Some((0, rest)) => [&answer(&request)[..], rest].concat(),
        _ => stream.to_vec(),
    };
    let mut outcome = Outcome { mqtt: Vec::new(), open: false, end: None };
    let mut room = vec![0; if options & 4 == 0 { 512 } else { 3 }];
    let mut greeted = false;
    while !held.is_empty() && outcome.end.is_none() {
        assert!(socket.wants_bytes(), "all is read and sent, and yet it wants no bytes");
        let rest = held.split_off(lengths.next().unwrap_or(1).min(held.len()));
        let piece = core::mem::replace(&mut held, rest);
        outcome.end = socket.receive(&piece).err();
        if socket.is_open() && !greeted {
            greeted = true;
            speak(&mut socket);
        }
        while outcome.end.is_none() {
            match socket.read(&mut room) {
                Ok(0) if socket.transmit().is_empty() => break,
                Ok(len) => outcome.mqtt.extend_from_slice(&room[..len]),
                Err(cause) => outcome.end = Some(cause),
            }
            let waiting = socket.transmit().len();
            assert!(waiting <= WAITING, "{waiting} bytes wait for the pipe");
            socket.sent(waiting);
        }
    }
    outcome.open = socket.is_open();
    outcome
}

/// A sound answer to the upgrade.
fn answer(request: &[u8]) -> Vec<u8> {
    let text = str::from_utf8(request).expect("a request is text");
    let key = text
        .lines()
        .find_map(|line| line.split_once(": ").filter(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key")));
    let accept = derive_accept_key(key.expect("it has a key").1.trim().as_bytes());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"
    )
    .into_bytes()
}

/// MQTT goes out in one binary, masked frame.
fn speak(socket: &mut WebSocket) {
    let before = socket.transmit().len();
    socket.send(MQTT).expect("an open socket takes bytes");
    let sent = &socket.transmit()[before..];
    let [first, second, mask @ ..] = sent else { panic!("no frame") };
    let (mask, payload) = mask.split_at(4);
    assert_eq!((*first, usize::from(*second)), (0x82, 0x80 | MQTT.len()), "one binary frame, masked [6.0.0-1]");
    let clear: Vec<u8> = payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
    assert_eq!(clear, MQTT);
    socket.sent(before + sent.len());
}

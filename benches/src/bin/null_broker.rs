//! A broker that acknowledges everything and keeps nothing, so that the client is the limit.
//!
//! Prints its port and serves until it is ended. A subscription to `flood/QOS/COUNT` is answered with so many messages
//! of 256 B at that QoS, as fast as they are taken; at QoS 1 with at most [`WINDOW`] unacknowledged.
#![forbid(unsafe_code)]
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "it talks to our own clients; bytes it cannot read end it"
)]

use skytether_benches::wire::{self, Kind};
use std::{
    io::{self, Write as _},
    net::{TcpListener, TcpStream},
    thread,
};

/// Messages that may be unacknowledged.
const WINDOW: u64 = 2000;
/// Messages written at once.
const BLOCK: u64 = 100;

fn main() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut out = io::stdout();
    writeln!(out, "{}", listener.local_addr()?.port())?;
    out.flush()?;
    loop {
        let (stream, _) = listener.accept()?;
        thread::spawn(move || serve(stream));
    }
}

/// A flood that is under way.
struct Flood {
    qos: u8,
    left: u64,
    unacknowledged: u64,
    next: u16,
}

fn serve(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = wire::Reader::new();
    let mut answers: Vec<u8> = Vec::new();
    let mut flood: Option<Flood> = None;
    loop {
        if reader.read(&mut stream)? == 0 {
            return Ok(());
        }
        while let Some((first, body)) = reader.next() {
            match Kind::of(first) {
                Kind::Connect => answers.extend([0x20, 2, 0, 0]),
                Kind::Publish if first & 6 == 0 => {}
                Kind::Publish => {
                    let id = 2 + usize::from(u16::from_be_bytes([body[0], body[1]]));
                    answers.extend([0x40, 2, body[id], body[id + 1]]);
                }
                Kind::PubAck => {
                    if let Some(flood) = &mut flood {
                        flood.unacknowledged -= 1;
                    }
                }
                Kind::Subscribe => {
                    answers.extend([0x90, 3, body[0], body[1], body[body.len() - 1]]);
                    let filter = std::str::from_utf8(&body[4..body.len() - 1]).unwrap();
                    let mut words = filter.split('/');
                    if words.next() == Some("flood") {
                        let qos = words.next().unwrap().parse().unwrap();
                        let left = words.next().unwrap().parse().unwrap();
                        flood = Some(Flood { qos, left, unacknowledged: 0, next: 1 });
                    }
                }
                Kind::PingReq => answers.extend([0xd0, 0]),
                Kind::Disconnect => return Ok(()),
                Kind::Other => {}
            }
        }
        stream.write_all(&answers)?;
        answers.clear();
        if let Some(flood) = &mut flood {
            pour(flood, &mut stream)?;
        }
    }
}

/// Writes as much of a flood as may be written.
fn pour(flood: &mut Flood, stream: &mut TcpStream) -> io::Result<()> {
    let mut block = Vec::new();
    while flood.left > 0 && flood.unacknowledged + BLOCK <= WINDOW {
        block.clear();
        let count = BLOCK.min(flood.left);
        for _ in 0..count {
            let id = (flood.qos > 0).then_some(flood.next);
            wire::publish(&mut block, "site/plant-07/line-3/cell-12/temperature", id, 256);
            flood.next = flood.next.checked_add(1).unwrap_or(1);
        }
        stream.write_all(&block)?;
        flood.left -= count;
        if flood.qos > 0 {
            flood.unacknowledged += count;
        }
    }
    Ok(())
}

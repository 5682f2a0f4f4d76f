//! Do packets come out of a stream the same, however the stream is cut?
//!
//! Bytes: the largest packet accepted (one byte, a power of two), up to eight lengths of pieces that repeat, the stream.

use crate::{script::Script, wire};
use skytether_core::mqtt::codec::{Error, decode, frame_len};

/// What a stream comes to: its packets, encoded again, and how it ends.
#[derive(PartialEq, Eq, Debug)]
struct Outcome {
    packets: Vec<Vec<u8>>,
    /// An error, or the bytes left over of a packet that is not whole.
    end: Result<usize, Error>,
}

pub(crate) fn run(data: &[u8]) {
    let mut script = Script::new(data);
    let max = 1 << script.choice(20);
    let pieces = script.piece();
    let pieces = &pieces[..pieces.len().min(8)];
    let stream = script.rest();
    let whole = cut(stream, core::iter::repeat(stream.len()), max);
    let bytewise = cut(stream, core::iter::repeat(1), max);
    assert_eq!(whole, bytewise, "byte by byte");
    if !pieces.is_empty() {
        let lengths = pieces.iter().map(|len| usize::from(*len).max(1)).cycle();
        assert_eq!(whole, cut(stream, lengths, max), "in pieces of {pieces:?}");
    }
}

/// Feeds the stream in pieces of these lengths, as a reader with one buffer does.
fn cut(mut stream: &[u8], mut lengths: impl Iterator<Item = usize>, max: usize) -> Outcome {
    let mut packets = Vec::new();
    let mut held = Vec::new();
    while !stream.is_empty() {
        let len = lengths.next().expect("lengths repeat").min(stream.len());
        let (piece, rest) = stream.split_at(len);
        stream = rest;
        held.extend_from_slice(piece);
        let mut from = 0;
        loop {
            let announced = frame_len(&held[from..], max);
            match decode(&held[from..], max) {
                Ok(Some((packet, used))) => {
                    assert!(used >= 2 && used <= max, "a packet of {used} bytes");
                    assert_eq!(announced, Ok(Some(used)), "frame_len and decode differ");
                    packets.push(wire::encode(&packet));
                    from += used;
                }
                Ok(None) => {
                    let waits = announced.expect("decode waits where frame_len fails");
                    assert!(waits.is_none_or(|len| len > held.len() - from), "decode waits for what is there");
                    break;
                }
                Err(error) => {
                    assert!(announced.is_ok() || announced == Err(error), "frame_len fails for another reason");
                    return Outcome { packets, end: Err(error) };
                }
            }
        }
        held.drain(..from);
    }
    Outcome { packets, end: Ok(held.len()) }
}

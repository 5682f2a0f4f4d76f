//! A server that does as it is told, request by request.

use alloc::collections::VecDeque;
use skytether_core::io::{Cause, Exchange};

/// What becomes of one request. Past the end of the list, all goes well.
#[derive(Clone, Debug)]
pub(crate) enum Turn {
    Good,
    /// The connection breaks after so many bytes of the body.
    Break(usize),
    /// No word after so many bytes of the body.
    Silent(usize),
    /// No word at all.
    Mute,
    Refuse(Cause),
    Status(u16, Option<u32>),
    Redirect(u16, Option<&'static str>),
    /// 200 with the whole, whatever was asked for.
    Whole,
    /// One byte is another.
    Wrong,
    /// The body ends so many bytes early, and well.
    Short(usize),
    /// The body goes on after its end.
    Long,
    /// The head tells another length of the whole.
    Tells(u64),
    /// The head tells no length.
    TellsNothing,
    /// The range begins elsewhere.
    First(u64),
    /// A range that ends where the server likes.
    Part(usize),
    /// Another entity tag.
    Tag(Option<&'static str>),
    /// These parts, as they stand.
    Parts(Vec<Part>),
}

/// A part of an answer, owned.
#[derive(Clone, Debug)]
pub(crate) enum Part {
    Head(Head),
    Chunk(Vec<u8>),
    End,
    Failed(Cause),
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) length: Option<u64>,
    pub(crate) first: Option<u64>,
    pub(crate) total: Option<u64>,
    pub(crate) etag: Option<&'static str>,
    pub(crate) location: Option<&'static str>,
    pub(crate) retry_after: Option<u32>,
}

#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) content: Vec<u8>,
    pub(crate) chunk: usize,
    pub(crate) turns: VecDeque<Turn>,
    pub(crate) asked: Vec<Exchange>,
}

impl Server {
    pub(crate) fn new(content: Vec<u8>, chunk: usize) -> Self {
        Self { content, chunk, turns: VecDeque::new(), asked: Vec::new() }
    }

    pub(crate) fn answer(&mut self, exchange: &Exchange) -> Vec<Part> {
        self.asked.push(exchange.clone());
        let turn = self.turns.pop_front().unwrap_or(Turn::Good);
        let total = self.content.len();
        let from = match turn {
            Turn::Whole => 0,
            _ => exchange.range.map_or(0, |from| usize::try_from(from).unwrap()),
        };
        let is_range = exchange.range.is_some() && !matches!(turn, Turn::Whole);
        let mut body = self.content[from..].to_vec();
        let mut head = Head {
            status: if is_range { 206 } else { 200 },
            length: Some(body.len() as u64),
            first: is_range.then_some(from as u64),
            total: is_range.then_some(total as u64),
            etag: Some("\"v1\""),
            ..Head::default()
        };
        let mut end = Some(Part::End);
        match turn {
            Turn::Good | Turn::Whole => {}
            Turn::Break(after) => {
                body.truncate(after);
                end = Some(Part::Failed(Cause::Lost));
            }
            Turn::Silent(after) => {
                body.truncate(after);
                end = None;
            }
            Turn::Mute => return Vec::new(),
            Turn::Refuse(cause) => return vec![Part::Failed(cause)],
            Turn::Status(status, retry_after) => {
                head = Head { status, retry_after, length: Some(4), ..Head::default() };
                body = b"oops".to_vec();
            }
            Turn::Redirect(status, location) => {
                head = Head { status, location, length: Some(0), ..Head::default() };
                body.clear();
            }
            Turn::Wrong => body[0] ^= 1,
            Turn::Short(by) => body.truncate(body.len() - by),
            Turn::Long => body.push(0),
            Turn::Tells(told) if is_range => head.total = Some(told),
            Turn::Tells(told) => head.length = Some(told),
            Turn::TellsNothing => (head.length, head.total) = (None, None),
            Turn::First(first) => head.first = Some(first),
            Turn::Part(len) => {
                body.truncate(len);
                head.length = Some(len as u64);
            }
            Turn::Tag(tag) => head.etag = tag,
            Turn::Parts(parts) => return parts,
        }
        let mut parts = vec![Part::Head(head)];
        parts.extend(body.chunks(self.chunk).map(|chunk| Part::Chunk(chunk.to_vec())));
        parts.extend(end);
        parts
    }
}

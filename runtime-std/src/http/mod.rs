//! How is one HTTP exchange made over bytes? A filter with bytes of a pipe on one side and news for the machine on the
//! other; requests, heads and bodies are read and written by ureq's own protocol, which owns no socket.
#![allow(clippy::wildcard_enum_match_arm, reason = "the errors of ureq-proto are theirs to extend")]

mod answer;
mod request;

pub use answer::Answer;

use crate::{job::Job, tls::Tls};
use core::fmt;
use request::Request;
use skytether_core::{
    io::{Cause, Exchange, ExchangeId, Input, Reply, Sink, Slot},
    link::Endpoint,
};
use ureq_proto::{
    BodyMode, Error,
    client::{
        Call, RecvResponseResult,
        state::{RecvBody, RecvResponse},
    },
};
use zeroize::Zeroizing;

/// Longest head of an answer, and of all interim ones before it together.
const HEAD: usize = 32 * 1024;
/// Bytes of a body that are shown or written to a slot at once, at most. A slot is made safe after each: larger chunks
/// mean fewer waits for the disk.
const CHUNK: usize = 64 * 1024;

/// One exchange, without a socket: HTTP/1.1, one connection for itself, no redirect followed, no proxy.
///
/// Open a pipe to [`Http::endpoint`]. Then, in any order: send what [`Http::transmit`] shows; give every byte of the pipe
/// to [`Http::receive`] as long as [`Http::wants_bytes`], and its end to [`Http::end`]; call [`Http::next`] until it gives
/// nothing. After the last news ([`Told::is_last`]) drop it, and the pipe.
///
/// Holds the request, at most 64 KiB that came and were not told yet, and one read buffer more.
pub struct Http {
    id: ExchangeId,
    endpoint: Endpoint,
    /// The request's head, then its body.
    head: Zeroizing<Vec<u8>>,
    body: Zeroizing<Vec<u8>>,
    sent: usize,
    sink: Sink,
    range: Option<u64>,
    stage: Stage,
    incoming: Vec<u8>,
    /// How much of `incoming` was searched for the end of the head.
    searched: usize,
    /// Bytes of heads so far.
    heads: usize,
    /// How the pipe has ended.
    ended: Option<Cause>,
    /// Bytes told, or the place in the slot that the next chunk goes to.
    at: u64,
    /// Whether the slot was cut to where the body begins.
    prepared: bool,
    /// The store has a chunk that it has not answered for.
    keeping: bool,
}

enum Stage {
    Head(Box<Call<RecvResponse>>),
    Body(Box<Call<RecvBody>>),
    /// The body is whole, and that is still to be told.
    Whole,
    /// The head was told, and the body cannot be.
    Failing(Cause),
    Over,
}

/// What an exchange has to say.
#[allow(clippy::exhaustive_enums, reason = "runtimes match it: there is the machine, and the store")]
pub enum News {
    /// For the machine.
    Told(Told),
    /// For the store. Nothing more comes before [`Http::kept`] says that it has answered; the answer, as
    /// [`Finished::Kept`](crate::job::Finished::Kept), is what the machine hears.
    Keep(Job),
}

/// What the machine hears.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "one variant for each reply")]
pub enum Told {
    /// The head of the answer.
    Head(Answer),
    /// A part of the body that stays in memory.
    Chunk(Vec<u8>),
    /// The body is whole.
    End,
    /// The exchange broke off.
    Failed(Cause),
}

impl Told {
    /// The input that tells a machine.
    pub fn input(&self, id: ExchangeId) -> Input<'_> {
        Input::Reply(
            id,
            match self {
                Self::Head(answer) => Reply::Head(answer.head()),
                Self::Chunk(bytes) => Reply::Chunk(bytes),
                Self::End => Reply::End,
                Self::Failed(cause) => Reply::Failed(*cause),
            },
        )
    }

    /// Whether the exchange is over with it.
    pub fn is_last(&self) -> bool {
        matches!(self, Self::End | Self::Failed(_))
    }
}

impl Http {
    /// What `exchange` asks for. `tls` says whether there is a client certificate to show.
    ///
    /// # Errors
    /// `Cause::Unsupported` where the URL is none of `http` or `https` with a host, or a header cannot stand in a request.
    pub fn new(id: ExchangeId, exchange: Exchange, tls: &Tls) -> Result<Self, Cause> {
        let Request { endpoint, head, call } = Request::of(&exchange, tls)?;
        Ok(Self {
            id,
            endpoint,
            head,
            body: exchange.body.into(),
            sent: 0,
            sink: exchange.sink,
            range: exchange.range,
            stage: Stage::Head(Box::new(call)),
            incoming: Vec::new(),
            searched: 0,
            heads: 0,
            ended: None,
            at: 0,
            prepared: false,
            keeping: false,
        })
    }

    /// Whose exchange it is.
    pub fn id(&self) -> ExchangeId {
        self.id
    }

    /// Where to connect, and how.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Bytes that wait for the pipe.
    pub fn transmit(&self) -> &[u8] {
        if self.ended.is_some() {
            return &[];
        }
        match self.sent.checked_sub(self.head.len()) {
            None => self.head.get(self.sent..).unwrap_or_default(),
            Some(sent) => self.body.get(sent..).unwrap_or_default(),
        }
    }

    /// The first `len` bytes of [`Http::transmit`] were handed to the pipe.
    pub fn sent(&mut self, len: usize) {
        self.sent = self.sent.saturating_add(len);
    }

    /// Whether there is room for more bytes of the pipe.
    pub fn wants_bytes(&self) -> bool {
        self.ended.is_none() && self.incoming.len() < CHUNK && matches!(self.stage, Stage::Head(_) | Stage::Body(_))
    }

    /// Takes bytes of the pipe. All of them are kept until they are told: give one read buffer at a time.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.incoming.extend_from_slice(bytes);
    }

    /// The pipe has ended or could not be opened; `Cause::Lost` where it ended in order.
    pub fn end(&mut self, cause: Cause) {
        self.ended.get_or_insert(cause);
    }

    /// The store has answered for the chunk of [`News::Keep`].
    pub fn kept(&mut self) {
        self.keeping = false;
    }

    /// The next that there is to say.
    #[allow(clippy::should_implement_trait, reason = "more may come after nothing: it is no iterator")]
    pub fn next(&mut self) -> Option<News> {
        if self.keeping {
            return None;
        }
        let news = match core::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Head(call) => self.read_head(call),
            Stage::Body(call) => self.read_body(call),
            Stage::Whole => Ok(Some(News::Told(Told::End))),
            Stage::Failing(cause) => Err(cause),
            Stage::Over => return None,
        };
        news.unwrap_or_else(|cause| {
            tracing::warn!(endpoint = %self.endpoint, step = "exchange", %cause, "an HTTP exchange broke off");
            self.stage = Stage::Over;
            Some(News::Told(Told::Failed(cause)))
        })
    }

    fn read_head(&mut self, mut call: Box<Call<RecvResponse>>) -> Result<Option<News>, Cause> {
        loop {
            if !is_http(&self.incoming) {
                return Err(Cause::Http("its answer is no HTTP"));
            }
            let too_long = self.heads.saturating_add(self.incoming.len()) > HEAD;
            if !self.has_head() {
                if too_long {
                    return Err(Cause::Http("the head of its answer is too long"));
                }
                self.stage = Stage::Head(call);
                return self.ended.map_or(Ok(None), Err);
            }
            let (used, response) = call.try_response(&self.incoming, false).map_err(|error| of_http(&error))?;
            self.incoming.drain(..used.min(self.incoming.len()));
            self.searched = 0;
            self.heads = self.heads.saturating_add(used);
            if self.heads > HEAD {
                return Err(Cause::Http("the head of its answer is too long"));
            }
            let Some(response) = response else {
                if used == 0 {
                    return Err(Cause::Http("the head of its answer has no end"));
                }
                // An interim answer; the one that counts follows.
                continue;
            };
            let answer = Answer::of(&response);
            let body = match call.proceed() {
                Some(RecvResponseResult::RecvBody(body)) => Stage::Body(Box::new(body)),
                _ => Stage::Whole,
            };
            self.stage = self.place(&answer, body);
            return Ok(Some(News::Told(Told::Head(answer))));
        }
    }

    /// What becomes of the body, by the head before it.
    fn place(&mut self, answer: &Answer, body: Stage) -> Stage {
        match (self.sink, answer.status) {
            (Sink::Memory(max), _) => match answer.length.and_then(|length| usize::try_from(length).ok()) {
                Some(len) if len > max && matches!(body, Stage::Body(_)) => {
                    Stage::Failing(Cause::TooLarge { len, max })
                }
                _ => body,
            },
            (Sink::Slot(_), 200) if self.range.is_none() => body,
            // The machine's record may say that the slot holds what was before the range: it must stay until that record
            // says otherwise, or a power cut now would leave the start of another content under it.
            (Sink::Slot(_), 200) => {
                Stage::Failing(Cause::Http("it sent the whole instead of the range that was asked for"))
            }
            (Sink::Slot(_), 206) if self.range.is_some() && answer.first == self.range => {
                self.at = self.range.unwrap_or_default();
                body
            }
            (Sink::Slot(_), 206) => Stage::Failing(Cause::Http("it sent another range than was asked for")),
            // The page that tells of an error is no image.
            (Sink::Slot(_), _) => Stage::Whole,
        }
    }

    fn read_body(&mut self, mut call: Box<Call<RecvBody>>) -> Result<Option<News>, Cause> {
        if let Sink::Slot(slot) = self.sink
            && !core::mem::replace(&mut self.prepared, true)
        {
            self.stage = Stage::Body(call);
            return Ok(Some(self.keep(slot, Vec::new(), true)));
        }
        while !self.incoming.is_empty() {
            let mut bytes = vec![0; self.incoming.len().min(CHUNK)];
            let (used, len) = call.read(&self.incoming, &mut bytes).map_err(|error| of_http(&error))?;
            self.incoming.drain(..used.min(self.incoming.len()));
            if len > 0 {
                bytes.truncate(len);
                self.stage = Stage::Body(call);
                return self.tell(bytes).map(Some);
            }
            if used == 0 {
                break;
            }
        }
        let in_order = self.ended == Some(Cause::Lost);
        let whole = match call.body_mode() {
            BodyMode::CloseDelimited => in_order,
            // Some servers end the connection in place of the last empty line.
            BodyMode::Chunked => call.can_proceed() || (in_order && call.is_ended_chunked()),
            BodyMode::NoBody | BodyMode::LengthDelimited(_) => call.can_proceed(),
        };
        if whole {
            return Ok(Some(News::Told(Told::End)));
        }
        self.stage = Stage::Body(call);
        self.ended.map_or(Ok(None), Err)
    }

    fn tell(&mut self, bytes: Vec<u8>) -> Result<News, Cause> {
        match self.sink {
            Sink::Slot(slot) => Ok(self.keep(slot, bytes, false)),
            Sink::Memory(max) => {
                self.at = self.at.saturating_add(bytes.len() as u64);
                let len = usize::try_from(self.at).unwrap_or(usize::MAX);
                if len > max {
                    return Err(Cause::TooLarge { len, max });
                }
                Ok(News::Told(Told::Chunk(bytes)))
            }
        }
    }

    fn keep(&mut self, slot: Slot, bytes: Vec<u8>, first: bool) -> News {
        let at = self.at;
        self.at = at.saturating_add(bytes.len() as u64);
        self.keeping = true;
        News::Keep(Job::Keep { exchange: self.id, slot, at, bytes, first })
    }

    /// Whether the head of an answer is whole: parsing it again with each byte would take long.
    fn has_head(&mut self) -> bool {
        let from = self.searched.saturating_sub(3);
        self.searched = self.incoming.len();
        let fresh = self.incoming.get(from..).unwrap_or_default();
        let whole = fresh.windows(3).any(|end| end == b"\n\r\n") || fresh.windows(2).any(|end| end == b"\n\n");
        if whole {
            // An interim answer may be followed by another: it is looked at again from its beginning.
            self.searched = from;
        }
        whole
    }
}

impl fmt::Debug for Http {
    /// The place only: URL, headers and body may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("id", &self.id).field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// Whether bytes begin as an answer does, as far as they go.
fn is_http(head: &[u8]) -> bool {
    head.iter().zip(b"HTTP/1.").all(|(byte, expected)| byte == expected)
}

/// What a broken rule of HTTP is called. Texts of the protocol's own may hold what the server sent.
fn of_http(error: &Error) -> Cause {
    tracing::debug!(%error, step = "exchange", "the server broke the rules of HTTP");
    Cause::Http(match error {
        Error::ChunkLenNotAscii | Error::ChunkLenNotANumber | Error::ChunkExpectedCrLf => "a malformed chunk",
        Error::BadContentLengthHeader | Error::TooManyContentLengthHeaders | Error::ConflictingBodyHeaders => {
            "the length of its answer is no number, or there are two of it"
        }
        Error::HttpParseTooManyHeaders => "the head of its answer has too many lines",
        Error::UnsupportedVersion => "its version of HTTP is none of 1.0 and 1.1",
        _ => "the head of its answer is malformed",
    })
}

#[cfg(test)]
mod tests;

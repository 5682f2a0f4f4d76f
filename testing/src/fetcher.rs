//! A machine that makes the exchanges it is told to, and tells what it hears; it opens no pipe.

use skytether_core::io::{
    Action, Cause, Deadline, Exchange, ExchangeId, Input, Instant, Machine, Method, Rejected, Reply, Sink, Slot, Step,
    StoreFailed, Tag,
};
use std::collections::VecDeque;

/// What a [`Fetcher`] hears.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "as the inputs")]
pub enum Heard {
    Head(ExchangeId, Head),
    Chunk(ExchangeId, Vec<u8>),
    End(ExchangeId),
    Failed(ExchangeId, Cause),
    Written(Slot, u64, Result<(), StoreFailed>),
}

/// The head of an answer, owned.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[allow(missing_docs, reason = "as io::Head")]
pub struct Head {
    pub status: u16,
    pub length: Option<u64>,
    pub first: Option<u64>,
    pub total: Option<u64>,
    pub etag: Option<String>,
    pub location: Option<String>,
    pub retry_after: Option<u32>,
}

/// What a [`Fetcher`] asks in the very moment in which it hears something.
pub type React = Box<dyn FnMut(&Heard) -> Vec<Action> + Send>;

/// Its commands are actions.
pub struct Fetcher {
    pending: VecDeque<Step<Heard, ()>>,
    react: React,
    next: u32,
    closed: bool,
}

impl Fetcher {
    /// One that asks nothing by itself.
    pub fn new() -> Self {
        Self::reacting(Box::new(|_| Vec::new()))
    }

    /// One that asks when it hears something.
    pub fn reacting(react: React) -> Self {
        Self { pending: VecDeque::new(), react, next: 0, closed: false }
    }
}

impl Default for Fetcher {
    fn default() -> Self {
        Self::new()
    }
}

impl Machine for Fetcher {
    type Command = Action;
    type Event = Heard;
    type Answer = ();

    fn step(&mut self, _: Instant, input: &mut Input<'_>) -> Step<Heard, ()> {
        if let Some(step) = self.pending.pop_front() {
            return step;
        }
        let heard = match core::mem::replace(input, Input::Tick) {
            Input::Reply(id, Reply::Head(head)) => Heard::Head(
                id,
                Head {
                    status: head.status,
                    length: head.length,
                    first: head.first,
                    total: head.total,
                    etag: head.etag.map(str::to_owned),
                    location: head.location.map(str::to_owned),
                    retry_after: head.retry_after,
                },
            ),
            Input::Reply(id, Reply::Chunk(bytes)) => Heard::Chunk(id, bytes.to_vec()),
            Input::Reply(id, Reply::End) => Heard::End(id),
            Input::Reply(id, Reply::Failed(cause)) => Heard::Failed(id, cause),
            Input::Written(slot, at, done) => Heard::Written(slot, at, done),
            Input::Tick => return Step::Idle,
            Input::Opened
            | Input::Bytes(_)
            | Input::Sent(_)
            | Input::Closed(_)
            | Input::Stored(..)
            | Input::Loaded(..)
            | Input::Wall(_) => panic!("nothing of this was asked for"),
        };
        assert!(!matches!(&heard, Heard::Chunk(_, bytes) if bytes.is_empty()), "an empty chunk");
        self.pending.extend((self.react)(&heard).into_iter().map(Step::Act));
        self.pending.push_back(Step::Event(heard));
        Step::Again
    }

    fn command(&mut self, _: Instant, command: &Action) -> Result<Tag, Rejected> {
        let tag = Tag(self.next);
        self.next += 1;
        self.pending.push_back(Step::Act(command.clone()));
        self.pending.push_back(Step::Done(tag, Ok(())));
        Ok(tag)
    }

    fn close(&mut self, _: Instant) {
        self.closed = true;
    }

    fn reconnect_now(&mut self, _: Instant) {}

    fn deadline(&self) -> Option<Deadline> {
        None
    }

    fn transmit(&self) -> &[u8] {
        &[]
    }

    fn wants_command(&self) -> bool {
        true
    }

    fn wants_bytes(&self) -> bool {
        true
    }

    fn is_closed(&self) -> bool {
        self.closed && self.pending.is_empty()
    }
}

/// GET of `url`.
pub fn get(url: impl Into<String>, sink: Sink) -> Exchange {
    Exchange {
        method: Method::Get,
        url: url.into(),
        headers: Vec::new(),
        range: None,
        certificate: false,
        body: Vec::new(),
        sink,
    }
}

/// The action that begins an exchange.
pub fn begin(id: u32, exchange: Exchange) -> Action {
    Action::Exchange(ExchangeId(id), Box::new(exchange))
}

//! A small machine that speaks in lines and writes down what its driver does.
//!
//! It sends `<tag> <text>\n` for a command and ends it at `ok <tag>\n`, or as soon as it was sent where the text begins
//! with `!`. A line that begins with `?` it sends back; any other is an event. At `close` it sends `bye\n`, and closes the
//! pipe once that is gone or its time limit is over. A command `bad` is invalid, one that is `huge` never fits,
//! `!hang up` ends the pipe, and another is opened.
#![allow(missing_docs, reason = "a test reads its fields")]
#![allow(clippy::wildcard_enum_match_arm, reason = "what a scripted machine does not expect, it writes down")]

use skytether_core::{
    io::{
        Action, Cause, Deadline, Exchange, ExchangeId, Failure, Input, Instant, Key, Machine, Method, Pipe, Rejected,
        Sink, Step, Tag,
    },
    link::Endpoint,
};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

/// How long the machine gives its farewell.
pub const CLOSE_LIMIT: Duration = Duration::from_secs(2);

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Told {
    Up,
    Line(String),
    Down(Cause),
    Beat,
    /// An input about something else than the pipe, as `Debug` shows it.
    Heard(String),
}

/// What the driver did, in order, and how often it called.
#[derive(Default)]
pub struct Log {
    pub inputs: Vec<String>,
    pub accepted: Vec<String>,
    pub steps: usize,
    /// Most bytes that ever waited for the pipe.
    pub most_waiting: usize,
}

pub struct Script {
    pub log: Arc<Mutex<Log>>,
    /// Commands that may be under way at once.
    pub room: usize,
    /// Sends and tells a beat this often.
    pub beat: Option<Duration>,
    /// Dials again this long after an end.
    pub redial: Option<Duration>,
    /// Asks for the end of the pipe in the very moment in which it is told of it.
    pub close_at_end: bool,
    /// What it opens.
    pub pipe: Pipe,
    /// Actions at the first step.
    pub first: Vec<Action>,
    pub pending: VecDeque<Step<Told, String>>,
    pub out: Vec<u8>,
    pub line: Vec<u8>,
    pub open: BTreeMap<u32, Option<usize>>,
    pub next: u32,
    pub sent: usize,
    pub queued: usize,
    pub state: State,
    pub next_beat: Option<Instant>,
}

#[derive(Clone, Copy, PartialEq)]
pub enum State {
    Down(Option<Instant>),
    Opening,
    Up,
    Bye(Instant),
    /// It has asked for the end of the pipe, and will open another.
    Ending,
    Closing,
    Closed,
}

impl Default for Script {
    fn default() -> Self {
        Self::new()
    }
}

impl Script {
    pub fn new() -> Self {
        Self {
            log: Arc::default(),
            room: 8,
            beat: None,
            redial: Some(Duration::from_millis(10)),
            close_at_end: false,
            pipe: Pipe::Net(Endpoint::tcp("scripted", 1)),
            first: Vec::new(),
            pending: VecDeque::new(),
            out: Vec::new(),
            line: Vec::new(),
            open: BTreeMap::new(),
            next: 0,
            sent: 0,
            queued: 0,
            state: State::Down(Some(Instant::ZERO)),
            next_beat: None,
        }
    }

    fn say(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
        self.queued += text.len();
    }

    fn hear(&mut self, line: &str) {
        if let Some(tag) = line.strip_prefix("ok ").and_then(|tag| tag.parse().ok()) {
            if self.open.remove(&tag).is_some() {
                self.pending.push_back(Step::Done(Tag(tag), Ok(line.to_owned())));
            }
        } else if line.starts_with('?') {
            self.say(&format!("{line}\n"));
            let mut log = self.log.lock().unwrap();
            log.most_waiting = log.most_waiting.max(self.out.len());
        } else {
            self.pending.push_back(Step::Event(Told::Line(line.to_owned())));
        }
    }

    fn take(&mut self, now: Instant, input: Input<'_>) {
        self.log.lock().unwrap().inputs.push(format!("{input:?}"));
        match input {
            Input::Opened => {
                assert!(self.state == State::Opening, "opened out of place");
                self.state = State::Up;
                self.next_beat = self.beat.map(|beat| now.after(beat));
                self.pending.push_back(Step::Event(Told::Up));
            }
            Input::Sent(len) => {
                self.out.drain(..len);
                self.sent += len;
                let sent = self.sent;
                let gone: Vec<u32> = self
                    .open
                    .iter()
                    .filter(|(_, end)| end.is_some_and(|end| end <= sent))
                    .map(|(tag, _)| *tag)
                    .collect();
                for tag in gone {
                    self.open.remove(&tag);
                    self.pending.push_back(Step::Done(Tag(tag), Ok(String::from("sent"))));
                }
            }
            Input::Closed(cause) => {
                assert!(!matches!(self.state, State::Down(_) | State::Closed), "a second end of the same pipe");
                self.pending.push_back(Step::Event(Told::Down(cause)));
                self.sent += self.out.len();
                self.out.clear();
                self.line.clear();
                self.next_beat = None;
                if matches!(self.state, State::Bye(_) | State::Closing) {
                    self.finish();
                } else {
                    self.state = State::Down(self.redial.map(|wait| now.after(wait)));
                }
            }
            Input::Bytes(_) | Input::Tick => panic!("dealt with in `step`"),
            other
            @ (Input::Reply(..) | Input::Stored(..) | Input::Loaded(..) | Input::Written(..) | Input::Wall(_)) => {
                self.pending.push_back(Step::Event(Told::Heard(format!("{other:?}"))));
            }
        }
    }

    fn finish(&mut self) {
        for tag in std::mem::take(&mut self.open).into_keys() {
            self.pending.push_back(Step::Done(Tag(tag), Err(Failure::Closed)));
        }
        self.state = State::Closed;
    }

    fn time(&mut self, now: Instant) {
        match self.state {
            State::Down(Some(at)) if at <= now => {
                self.state = State::Opening;
                self.pending.push_back(Step::Act(Action::Open(self.pipe.clone())));
            }
            State::Bye(by) if self.out.is_empty() || by <= now => {
                self.state = State::Closing;
                self.pending.push_back(Step::Act(Action::Close));
            }
            State::Down(_)
            | State::Opening
            | State::Up
            | State::Bye(_)
            | State::Ending
            | State::Closing
            | State::Closed => {}
        }
        if let Some(at) = self.next_beat.filter(|at| *at <= now && self.state == State::Up) {
            self.next_beat = self.beat.map(|beat| at.after(beat));
            self.say("beat\n");
            self.pending.push_back(Step::Event(Told::Beat));
        }
    }
}

impl Machine for Script {
    type Command = String;
    type Event = Told;
    type Answer = String;

    fn step(&mut self, now: Instant, input: &mut Input<'_>) -> Step<Told, String> {
        self.log.lock().unwrap().steps += 1;
        self.pending.extend(std::mem::take(&mut self.first).into_iter().map(Step::Act));
        loop {
            if let Some(step) = self.pending.pop_front() {
                return step;
            }
            if matches!(input, Input::Closed(_)) && std::mem::take(&mut self.close_at_end) {
                return Step::Act(Action::Close);
            }
            if let Input::Bytes(bytes) = input {
                let Some((&byte, rest)) = bytes.split_first() else {
                    *input = Input::Tick;
                    continue;
                };
                *bytes = rest;
                if byte == b'\n' {
                    let line = String::from_utf8(std::mem::take(&mut self.line)).unwrap();
                    self.hear(&line);
                    if self.pending.is_empty() {
                        return Step::Again;
                    }
                } else {
                    self.line.push(byte);
                }
                continue;
            }
            match std::mem::replace(input, Input::Tick) {
                Input::Tick => self.time(now),
                other => self.take(now, other),
            }
            if self.pending.is_empty() {
                return Step::Idle;
            }
        }
    }

    fn command(&mut self, _: Instant, command: &String) -> Result<Tag, Rejected> {
        if command == "bad" {
            return Err(Rejected::Invalid("a bad command"));
        }
        if self.open.len() >= self.room || command == "huge" {
            return Err(Rejected::Full);
        }
        let tag = self.next;
        self.next += 1;
        if command == "!hang up" {
            self.state = State::Ending;
            self.pending.push_back(Step::Act(Action::Close));
            self.pending.push_back(Step::Done(Tag(tag), Ok(String::new())));
            return Ok(Tag(tag));
        }
        self.say(&format!("{tag} {command}\n"));
        self.open.insert(tag, command.starts_with('!').then_some(self.queued));
        self.log.lock().unwrap().accepted.push(command.clone());
        Ok(Tag(tag))
    }

    fn close(&mut self, now: Instant) {
        match self.state {
            State::Up => {
                self.say("bye\n");
                self.state = State::Bye(now.after(CLOSE_LIMIT));
            }
            State::Opening => {
                self.state = State::Closing;
                self.pending.push_back(Step::Act(Action::Close));
            }
            State::Down(_) => self.finish(),
            State::Ending => self.state = State::Closing,
            State::Bye(_) | State::Closing | State::Closed => {}
        }
    }

    fn reconnect_now(&mut self, now: Instant) {
        if matches!(self.state, State::Down(_)) {
            self.state = State::Down(Some(now));
        }
    }

    fn deadline(&self) -> Option<Deadline> {
        let at = match self.state {
            State::Down(at) => at,
            State::Bye(by) => Some(if self.out.is_empty() { Instant::ZERO } else { by }),
            State::Opening | State::Up | State::Ending | State::Closing | State::Closed => None,
        };
        let state = at.map(|at| Deadline { at, why: "state" });
        Deadline::earlier(state, self.next_beat.map(|at| Deadline { at, why: "beat" }))
    }

    fn transmit(&self) -> &[u8] {
        if matches!(self.state, State::Up | State::Bye(_)) { &self.out } else { &[] }
    }

    fn wants_command(&self) -> bool {
        true
    }

    fn wants_bytes(&self) -> bool {
        // As a session whose acknowledgements wait for the pipe.
        self.out.len() < 4096
    }

    fn is_closed(&self) -> bool {
        self.state == State::Closed && self.pending.is_empty()
    }
}

/// An exchange with a URL of no scheme that drivers know, to see it refused.
pub fn exchange() -> Action {
    let exchange = Exchange {
        method: Method::Get,
        url: String::from("ftp://example.invalid/"),
        headers: Vec::new(),
        range: None,
        certificate: false,
        body: Vec::new(),
        sink: Sink::Memory(10),
    };
    Action::Exchange(ExchangeId(3), Box::new(exchange))
}

pub fn secret(name: &str) -> Key {
    Key::Secret(name.into())
}

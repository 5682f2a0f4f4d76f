//! A device that only downloads, and a driver, a store and slots that lose what was not safe when the power goes.

use crate::server::{Part, Server, Turn};
use alloc::collections::VecDeque;
use sha2::Digest as _;
use skytether_core::{
    cloud::{Cloud, Cx, Dial, Heard, Out},
    device::{self, Device},
    download::{Digest, Download, Fault, Job, News, Options},
    io::{
        Action, Deadline, ExchangeId, Head, Input, Instant, Key, Machine, Rejected, Reply, Sink, Slot, Step,
        StoreFailed, Tag,
    },
    mqtt::session::{self, Session},
};

/// A cloud that has nothing but a download.
#[derive(Debug)]
pub(crate) struct Fetcher(pub(crate) Download);

#[derive(Clone, Debug)]
pub(crate) enum Order {
    Open,
    Start(Job),
    Renew(&'static str),
    Verdict(bool),
    Note(Vec<u8>),
    Cancel,
    Release,
    Forget,
}

impl Cloud for Fetcher {
    type Command = Order;
    type Event = News;
    type Answer = ();

    fn dial(&mut self, _: &mut Cx<'_>) -> Dial {
        Dial::Wait
    }

    fn command(&mut self, cx: &mut Cx<'_>, _: Tag, order: &Order) -> Result<(), Rejected> {
        match order.clone() {
            Order::Open => self.0.open(cx),
            Order::Start(job) => self.0.start(cx, job)?,
            Order::Renew(url) => self.0.renew(cx, url.into(), Vec::new()),
            Order::Verdict(good) => self.0.verdict(cx, good)?,
            Order::Note(note) => self.0.note(cx, note)?,
            Order::Cancel => self.0.cancel(cx),
            Order::Release => self.0.release(cx),
            Order::Forget => self.0.forget(cx),
        }
        Ok(())
    }

    fn hear(&mut self, cx: &mut Cx<'_>, heard: Heard<'_>) -> Option<Out<News, ()>> {
        self.0.hear(cx, &heard).map(Out::Event)
    }

    fn deadline(&self) -> Option<Deadline> {
        self.0.deadline()
    }
}

/// One thing that the driver has still to do.
#[derive(Clone, Debug)]
enum Op {
    Load,
    Store(Option<Vec<u8>>),
    Reply(ExchangeId, Part, u64),
}

pub(crate) struct Rig {
    pub(crate) device: Device<Session, Fetcher>,
    pub(crate) now: Instant,
    pub(crate) server: Server,
    /// What survives: the record, and the slot.
    pub(crate) record: Option<Vec<u8>>,
    pub(crate) slot: Vec<u8>,
    /// The store answers only when nothing else is left to do.
    pub(crate) slow_store: bool,
    pub(crate) broken_store: bool,
    pub(crate) writes: usize,
    pub(crate) news: Vec<News>,
    /// How many of them [`Self::run`] has looked at.
    seen: usize,
    pub(crate) rejected: Vec<Rejected>,
    options: Options,
    ops: VecDeque<Op>,
}

pub(crate) fn content(len: usize) -> Vec<u8> {
    (0..len).map(|n| u8::try_from((n * 7 + n / 251) % 256).unwrap()).collect()
}

pub(crate) fn job(content: &[u8]) -> Job {
    Job {
        id: "job".into(),
        url: "https://files.example/image?sig=secret".into(),
        headers: vec![("Authorization".into(), "secret".into())],
        certificate: true,
        size: Some(content.len() as u64),
        digest: Some(Digest::Sha256(sha2::Sha256::digest(content).into())),
        slot: Slot(1),
        room: None,
        judged: false,
        renewable: false,
    }
}

/// Writes the record after every byte, so that each offset is met.
pub(crate) fn eager() -> Options {
    Options { checkpoint: 1, ..Options::default() }
}

fn device(options: &Options, now: Instant) -> Device<Session, Fetcher> {
    let cloud = Fetcher(Download::new("cloud/pump-7", options.clone()));
    Device::new(Session::new(session::Options::default()), cloud, device::Config::default(), [7; 32], now)
}

impl Rig {
    pub(crate) fn new(options: Options, content: Vec<u8>, chunk: usize) -> Self {
        let mut rig = Self {
            device: device(&options, Instant::ZERO),
            now: Instant::ZERO,
            server: Server::new(content, chunk),
            record: None,
            slot: Vec::new(),
            slow_store: false,
            broken_store: false,
            writes: 0,
            news: Vec::new(),
            seen: 0,
            rejected: Vec::new(),
            options,
            ops: VecDeque::new(),
        };
        rig.give(Input::Tick);
        rig
    }

    /// A server that holds `len` bytes and does as `turns` say, and its one job under way.
    pub(crate) fn fetching(len: usize, turns: impl IntoIterator<Item = Turn>) -> Self {
        let content = content(len);
        let job = job(&content);
        let mut rig = Self::new(eager(), content, 3);
        rig.server.turns.extend(turns);
        rig.order(&Order::Start(job));
        rig
    }

    /// Nothing was told.
    pub(crate) fn hush(&mut self) {
        self.news.clear();
        self.seen = 0;
    }

    pub(crate) fn order(&mut self, order: &Order) {
        if let Err(rejected) = self.device.command(self.now, order) {
            self.rejected.push(rejected);
        }
        self.give(Input::Tick);
    }

    /// Does one thing, or lets time pass to the next deadline; `false` when nothing is left.
    pub(crate) fn turn(&mut self) -> bool {
        if let Some(op) = self.next_op() {
            self.perform(op);
            return true;
        }
        let Some(deadline) = self.device.deadline() else { return false };
        self.now = self.now.max(deadline.at);
        self.give(Input::Tick);
        true
    }

    /// Until it ends, waits for the application, or has nothing more to do.
    pub(crate) fn run(&mut self) -> Option<News> {
        for _ in 0..100_000 {
            let ends = |news: &&News| {
                matches!(news, News::Ready | News::Failed(_) | News::Judge | News::UrlRefused(_) | News::Unusable(_))
            };
            let end = self.news[self.seen..].iter().find(ends).cloned();
            self.seen = self.news.len();
            if end.is_some() {
                return end;
            }
            if !self.turn() {
                return None;
            }
        }
        panic!("it never ends: {:?}", self.news);
    }

    #[track_caller]
    pub(crate) fn succeeds(&mut self) {
        assert_eq!(self.run(), Some(News::Ready), "{:?}", self.news);
        self.holds();
    }

    #[track_caller]
    pub(crate) fn holds(&self) {
        assert_eq!(
            self.slot.get(..self.server.content.len()),
            Some(&self.server.content[..]),
            "what is ready is right"
        );
    }

    #[track_caller]
    pub(crate) fn fails(&mut self, fault: Fault) {
        assert_eq!(self.run(), Some(News::Failed(fault)), "{:?}", self.news);
        while !self.ops.is_empty() {
            self.turn();
        }
        assert_eq!(self.device.deadline().map(|deadline| deadline.why), None, "nothing is left of it");
    }

    /// The power goes and comes back: what was not safe is lost, or happens to be there (`lucky`) as far as it got.
    pub(crate) fn power_cut(&mut self, lucky: bool) {
        if let (true, Some(Op::Store(value))) = (lucky, self.ops.iter().find(|op| matches!(op, Op::Store(_)))) {
            self.record.clone_from(value);
        }
        if let Some(Op::Reply(_, Part::Chunk(chunk), at)) = self.ops.front() {
            // It was being written: half of it is there, and then dirt.
            let half = chunk.len() / 2;
            let mut dirty = chunk[..if lucky { half } else { 0 }].to_vec();
            dirty.resize(chunk.len(), 0xEE);
            let at = *at;
            write(&mut self.slot, at, &dirty);
        }
        self.ops.clear();
        self.hush();
        self.now = Instant::ZERO;
        self.device = device(&self.options, self.now);
        self.give(Input::Tick);
    }

    pub(crate) fn ranges(&self) -> Vec<Option<u64>> {
        self.server.asked.iter().map(|asked| asked.range).collect()
    }

    fn next_op(&mut self) -> Option<Op> {
        let quick = |op: &Op| matches!(op, Op::Reply(..)) == self.slow_store;
        let at = self.ops.iter().position(quick).unwrap_or(0);
        self.ops.remove(at)
    }

    fn perform(&mut self, op: Op) {
        let failed = if self.broken_store { Err(StoreFailed) } else { Ok(()) };
        match op {
            Op::Load => {
                let record = self.record.clone();
                self.give(Input::Loaded(Key::Ota, failed.map(|()| record.as_deref())));
            }
            Op::Store(value) => {
                self.writes += 1;
                if !self.broken_store {
                    self.record = value;
                }
                self.give(Input::Stored(Key::Ota, failed));
            }
            Op::Reply(id, part, at) => match part {
                Part::Head(head) => {
                    let crate::server::Head { status, length, first, total, etag, location, retry_after } = head;
                    let head = Head { status, length, first, total, etag, location, retry_after };
                    self.give(Input::Reply(id, Reply::Head(head)));
                }
                Part::Chunk(chunk) => {
                    write(&mut self.slot, at, &chunk);
                    self.give(Input::Reply(id, Reply::Chunk(&chunk)));
                }
                Part::End => self.give(Input::Reply(id, Reply::End)),
                Part::Failed(cause) => self.give(Input::Reply(id, Reply::Failed(cause))),
            },
        }
    }

    pub(crate) fn give(&mut self, mut input: Input<'_>) {
        for _ in 0..1000 {
            match self.device.step(self.now, &mut input) {
                Step::Idle => return,
                Step::Event(device::Event::Cloud(news)) => self.news.push(news),
                Step::Again | Step::Done(..) | Step::Event(_) => {}
                Step::Act(action) => self.act(action),
            }
        }
        panic!("it never rests");
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Load(Key::Ota) => self.ops.push_back(Op::Load),
            Action::Store(Key::Ota, value) => self.ops.push_back(Op::Store(Some(value))),
            Action::Delete(Key::Ota) => self.ops.push_back(Op::Store(None)),
            Action::Exchange(id, exchange) => {
                assert_eq!(exchange.sink, Sink::Slot(Slot(1)), "no other slot is written");
                let storing = self.ops.iter().any(|op| matches!(op, Op::Store(_)));
                assert!(exchange.range.is_some() || !storing, "an older record would stand over new content");
                let mut at = exchange.range.unwrap_or(0);
                let mut is_content = false;
                for part in self.server.answer(&exchange) {
                    is_content |= matches!(&part, Part::Head(head) if head.status == 200 || head.status == 206);
                    let len = match &part {
                        Part::Chunk(chunk) if is_content => chunk.len() as u64,
                        _ => 0,
                    };
                    self.ops.push_back(Op::Reply(id, part, at));
                    at += len;
                }
            }
            Action::Cancel(id) => self.ops.retain(|op| !matches!(op, Op::Reply(other, ..) if *other == id)),
            other => panic!("{other:?}"),
        }
    }
}

fn write(slot: &mut Vec<u8>, at: u64, bytes: &[u8]) {
    let at = usize::try_from(at).unwrap();
    slot.resize(slot.len().max(at + bytes.len()), 0);
    slot[at..at + bytes.len()].copy_from_slice(bytes);
}

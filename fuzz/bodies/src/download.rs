//! Does a download ever call something ready that is not there, whatever server, store and power do?
//!
//! Bytes: options, the length of the content, then things done by server, store, time and power. The driver below keeps
//! its contract: it writes what belongs into a slot, before it shows it.

use crate::script::Script;
use sha2::Digest as _;
use skytether_core::{
    cloud::{Cloud, Cx, Dial, Heard, Out},
    device::{self, Device},
    download::{Digest, Download, Job, News, Options},
    io::{
        Action, Cause, Deadline, Exchange, ExchangeId, Head, Input, Instant, Key, Machine as _, Rejected, Reply, Slot,
        Step, StoreFailed, Tag,
    },
    mqtt::session::{self, Session},
};

struct Fetcher(Download);

enum Order {
    Start(Box<Job>),
    Verdict(bool),
    Cancel,
    Release,
    Note(u8),
}

impl Cloud for Fetcher {
    type Command = Order;
    type Event = News;
    type Answer = ();

    fn dial(&mut self, _: &mut Cx<'_>) -> Dial {
        Dial::Wait
    }

    fn command(&mut self, cx: &mut Cx<'_>, _: Tag, order: &Order) -> Result<(), Rejected> {
        match order {
            Order::Start(job) => self.0.start(cx, (**job).clone())?,
            Order::Verdict(good) => self.0.verdict(cx, *good)?,
            Order::Cancel => self.0.cancel(cx),
            Order::Release => self.0.release(cx),
            Order::Note(len) => self.0.note(cx, vec![7; usize::from(*len)])?,
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

/// What the store is to do; the value after it.
struct Write(Option<Vec<u8>>);

struct Life {
    device: Device<Session, Fetcher>,
    now: Instant,
    content: Vec<u8>,
    job: Job,
    slot: Vec<u8>,
    record: Option<Vec<u8>>,
    /// A write that the store has not done.
    storing: Option<Write>,
    loading: bool,
    asked: Option<(ExchangeId, Exchange)>,
    /// Where the body of the answer goes, once its head is known.
    at: Option<usize>,
}

pub(crate) fn run(data: &[u8]) {
    let mut script = Script::new(data);
    let flags = script.byte();
    let len = usize::from(script.byte());
    let content: Vec<u8> = (0..len).map(|n| u8::try_from(n * 7 % 256).unwrap_or(0)).collect();
    let digest: [u8; 32] = sha2::Sha256::digest(&content).into();
    let job = Job {
        id: "job".into(),
        url: "https://files.example/a?secret".into(),
        headers: Vec::new(),
        certificate: true,
        size: (flags & 1 != 0).then_some(len as u64),
        digest: Some(Digest::Sha256(digest)),
        slot: Slot(1),
        room: (flags & 2 != 0).then_some(len as u64),
        judged: flags & 4 != 0,
        renewable: flags & 8 != 0,
    };
    let mut life = Life {
        device: device(),
        now: Instant::ZERO,
        content,
        job,
        slot: Vec::new(),
        record: None,
        storing: None,
        loading: false,
        asked: None,
        at: None,
    };
    let mut steps = 0;
    while !script.is_empty() && steps < 2000 {
        steps += 1;
        life.act(&mut script);
    }
}

fn device() -> Device<Session, Fetcher> {
    let cloud = Fetcher(Download::new("fuzz", Options { checkpoint: 1, ..Options::default() }));
    Device::new(Session::new(session::Options::default()), cloud, device::Config::default(), [7; 32], Instant::ZERO)
}

impl Life {
    fn act(&mut self, script: &mut Script<'_>) {
        match script.choice(12) {
            0 => self.order(&Order::Start(Box::new(self.job.clone()))),
            1 => self.order(&Order::Verdict(!script.byte().is_multiple_of(4))),
            2 => self.order(&[Order::Cancel, Order::Release, Order::Note(script.byte())][script.choice(3)]),
            3 | 4 => self.head(script),
            5 | 6 => self.chunk(script),
            7 => self.reply(Reply::End),
            8 => self.reply(Reply::Failed(script.pick(&[Cause::Lost, Cause::Storage("full"), Cause::Resolve]))),
            9 => self.store(script),
            10 => {
                let next = self.device.deadline().map_or(self.now, |deadline| deadline.at.max(self.now));
                self.now =
                    if script.byte().is_multiple_of(2) { next } else { Instant(self.now.0 + u64::from(script.word())) };
                self.give(Input::Tick);
            }
            _ => {
                // The power goes; what the store was writing is there or not.
                if let (Some(Write(value)), true) = (self.storing.take(), script.byte().is_multiple_of(2)) {
                    self.record = value;
                }
                (self.device, self.now, self.loading, self.asked, self.at) =
                    (device(), Instant::ZERO, false, None, None);
                self.give(Input::Tick);
            }
        }
    }

    fn order(&mut self, order: &Order) {
        let _ = self.device.command(self.now, order);
        self.give(Input::Tick);
    }

    fn head(&mut self, script: &mut Script<'_>) {
        let Some((_, exchange)) = &self.asked else { return };
        let range = exchange.range.and_then(|range| usize::try_from(range).ok());
        let (kind, odd) = (script.byte(), script.byte());
        let from = range.unwrap_or(0).min(self.content.len());
        let (len, rest) = (self.content.len() as u64, (self.content.len() - from) as u64);
        let tag = script.pick(&[None, Some("\"a\""), Some("\"b\""), Some("W/\"a\"")]);
        let mut head = Head { status: 200, length: Some(rest), etag: tag, ..Head::default() };
        if range.is_some() {
            head = Head { status: 206, first: Some(from as u64), total: Some(len), ..head };
        }
        match kind % 8 {
            0 => head.status = script.pick(&[200, 206, 404, 403, 429, 503, 416, 302]),
            1 => head.length = Some(odd.into()),
            2 => head.first = Some(odd.into()),
            3 => head.total = Some(odd.into()),
            4 => (head.length, head.total) = (None, None),
            5 => head.retry_after = Some(odd.into()),
            _ => {}
        }
        let good = match (head.status, exchange.range) {
            (200, None) => Some(0),
            (206, Some(range)) if head.first == Some(range) => usize::try_from(range).ok(),
            _ => None,
        };
        if self.at.is_none() {
            self.at = good;
            if let Some(at) = good {
                assert!(at <= self.slot.len(), "a range begins where nothing is");
                self.slot.truncate(at);
            }
        }
        self.reply(Reply::Head(head));
    }

    fn chunk(&mut self, script: &mut Script<'_>) {
        let Some(at) = self.at else { return };
        let piece = script.piece();
        let good = self.content.get(at..(at + piece.len()).min(self.content.len())).unwrap_or_default().to_vec();
        let bytes = if script.byte().is_multiple_of(8) { piece.to_vec() } else { good };
        self.slot.resize(self.slot.len().max(at + bytes.len()), 0);
        self.slot[at..at + bytes.len()].copy_from_slice(&bytes);
        self.at = Some(at + bytes.len());
        self.reply(Reply::Chunk(&bytes));
    }

    fn reply(&mut self, reply: Reply<'_>) {
        let Some((id, _)) = self.asked else { return };
        if matches!(reply, Reply::End | Reply::Failed(_)) {
            (self.asked, self.at) = (None, None);
        }
        self.give(Input::Reply(id, reply));
    }

    fn store(&mut self, script: &mut Script<'_>) {
        let good = !script.byte().is_multiple_of(4);
        if core::mem::take(&mut self.loading) {
            let record = self.record.clone();
            let loaded = if good { Ok(record.as_deref()) } else { Err(StoreFailed) };
            return self.give(Input::Loaded(Key::Ota, loaded));
        }
        let Some(Write(value)) = self.storing.take() else { return };
        if good {
            self.record = value;
        }
        self.give(Input::Stored(Key::Ota, if good { Ok(()) } else { Err(StoreFailed) }));
    }

    fn give(&mut self, mut input: Input<'_>) {
        for _ in 0..100 {
            match self.device.step(self.now, &mut input) {
                Step::Idle => {
                    let past = self.device.deadline().filter(|deadline| deadline.at <= self.now);
                    assert!(past.is_none(), "{past:?} (R-9)");
                    return;
                }
                Step::Event(device::Event::Cloud(News::Ready)) => {
                    assert_eq!(self.slot.get(..self.content.len()), Some(&self.content[..]), "ready and wrong (R-100)");
                }
                Step::Event(event) => assert!(!format!("{event:?}").contains("secret"), "{event:?} (R-10)"),
                Step::Act(action) => self.carry_out(action),
                Step::Again | Step::Done(..) => {}
            }
        }
        panic!("it never rests (R-1)");
    }

    fn carry_out(&mut self, action: Action) {
        assert!(!format!("{action:?}").contains("secret"), "{action:?} (R-10)");
        match action {
            Action::Load(Key::Ota) => self.loading = true,
            Action::Store(Key::Ota, value) => {
                assert!(self.storing.replace(Write(Some(value))).is_none(), "two writes at once");
            }
            Action::Delete(Key::Ota) => assert!(self.storing.replace(Write(None)).is_none(), "two writes at once"),
            Action::Exchange(id, exchange) => {
                assert!(self.asked.is_none(), "two requests at once");
                self.asked = Some((id, *exchange));
            }
            // An answer that ended before its head is cancelled too, just in case.
            Action::Cancel(id) => {
                let ended = self.asked.take().is_none_or(|(asked, _)| asked == id);
                assert!(ended, "only what runs is cancelled");
                self.at = None;
            }
            other => panic!("{other:?}"),
        }
    }
}

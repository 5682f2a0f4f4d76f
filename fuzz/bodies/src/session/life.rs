//! How does a session live through a list of things to do? Owner, driver, store and clock of one session.

use super::{
    ledger::{End, Kind, Ledger},
    peer::Peer,
};
use crate::script::Script;
use core::time::Duration;
use skytether_core::{
    io::{Action, Cause, Failure, Instant, Key, Rejected, StoreFailed, Tag},
    limits::Limits,
    link::{Connect, Endpoint, Lane, Link, Note, Notice, Publish, QoS},
    mqtt::{
        codec::{AckKind, PacketId, ack},
        session::{OnSessionLost, Options, Session},
    },
    queue::{Qos0Offline, QueuePolicy, Rate},
    secret::Secret,
};
use std::collections::BTreeSet;

/// In what pieces the peer's bytes come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Feed {
    Whole,
    Bytewise,
}

/// One thing that a life has shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Entry {
    Up(bool),
    Granted(Tag, Option<QoS>),
    Unsubscribed(Tag),
    Delivered(Tag),
    Failed(Tag, Failure),
    Message(String, Vec<u8>, QoS, Option<u16>),
    Note(Note),
    Down(Cause),
    Sent(Vec<u8>),
    Refused(Rejected),
    Stored(Vec<u8>),
    Deadline(Option<u64>),
}

const LIMITS: Limits = Limits {
    packet_in: 400,
    packet_out: 300,
    control: 40,
    inflight: 3,
    queued: 6,
    queued_bytes: 1200,
    reserve: 2,
    reserve_bytes: 300,
    requests: 4,
    subscriptions: 5,
    received: 3,
};
/// The most that a session may hold: as the README says, and the requests that may be asked at once on top.
const HELD: usize = LIMITS.control + 2 * LIMITS.queued_bytes + 4 * LIMITS.reserve_bytes + 4 * LIMITS.packet_out + 100;
const PASSWORD: &str = "QxZyWvUt";
const LANES: [Lane; 3] = [Lane::App, Lane::Reply, Lane::Setup];
const LEVELS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];
const LEAPS: [u64; 8] = [1, 90, 1_000, 5_000, 11_000, 31_000, 61_000, 4_000_000_000];
const FILTERS: [&str; 6] = ["a", "a/+", "#", "$sys/#", "", "bad+"];
const ENDLESS: usize = 5_000;

/// What a refusal may not change: bytes held, deadline, bytes to send, room.
type State = (usize, Option<u64>, Vec<u8>, bool);

/// Where the pipe stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Pipe {
    None,
    Opening,
    Open,
}

#[allow(clippy::struct_excessive_bools, reason = "independent facts about one life")]
struct Life {
    session: Session,
    options: Options,
    connect: Connect,
    feed: Feed,
    now: Instant,
    pipe: Pipe,
    /// `Down` was told for what was dialled last.
    down: bool,
    asked_to_close: bool,
    scratch: Vec<u8>,
    /// The peer's bytes that the session did not want yet.
    waiting: Vec<u8>,
    held_back: bool,
    peer: Peer,
    ledger: Ledger,
    /// Messages of the lanes beside the application's.
    passing: BTreeSet<Tag>,
    record: Option<Vec<u8>>,
    storing: Option<Vec<u8>>,
    prompt_store: bool,
    log: Vec<Entry>,
}

/// Lives through the list, to the end of everything: what it has shown, and whether bytes of the peer ever had to wait.
pub(super) fn live(data: &[u8], feed: Feed) -> (Vec<Entry>, bool) {
    let mut script = Script::new(data);
    let mut life = Life::new(script.byte(), script.byte(), feed);
    let mut steps = 0;
    while !script.is_empty() && steps < 400 {
        life.act(&mut script);
        life.rest();
        steps += 1;
    }
    life.finish();
    (life.log, life.held_back)
}

impl Life {
    fn new(policy: u8, more: u8, feed: Feed) -> Self {
        let bit = |n: u8| policy >> n & 1 == 1;
        let options = Options {
            limits: LIMITS,
            manual_ack: bit(0),
            persist: bit(1),
            on_session_lost: if bit(2) { OnSessionLost::Fail } else { OnSessionLost::Republish },
            qos0_offline: if bit(3) { Qos0Offline::Refuse } else { Qos0Offline::Queue },
            resubscribe_always: bit(4),
            rate: bit(5).then_some(Rate { per_second: 2, burst: 2 }),
            queue: [QueuePolicy::RejectNew, QueuePolicy::DropOldest, QueuePolicy::DropOldestQos0First]
                [usize::from(more % 3)],
            next_packet_id: if bit(6) { 65_534 } else { 1 },
            ..Options::default()
        };
        let connect = Connect {
            client_id: "fuzz".into(),
            user_name: Some("user".into()),
            password: Some(Secret::new(PASSWORD)),
            keep_alive: if more & 0x10 == 0 { 30 } else { 0 },
            clean_session: bit(7),
            ..Connect::default()
        };
        Self {
            session: Session::new(options),
            options,
            connect,
            feed,
            now: Instant(1_000),
            pipe: Pipe::None,
            down: true,
            asked_to_close: false,
            scratch: Vec::new(),
            waiting: Vec::new(),
            held_back: false,
            peer: Peer::default(),
            ledger: Ledger::default(),
            passing: BTreeSet::new(),
            record: None,
            storing: None,
            prompt_store: more & 0x20 == 0,
            log: Vec::new(),
        }
    }

    fn act(&mut self, script: &mut Script<'_>) {
        match script.byte() % 24 {
            0 => self.dial(),
            1 => self.open(),
            2 => self.comes_in(script.piece()),
            3 | 4 => {
                let bytes = self.peer.answer(script.choice(4), false);
                self.comes_in(&bytes);
            }
            5 => {
                let bytes = self.peer.answer(0, true);
                self.comes_in(&bytes);
            }
            6 => {
                let (qos, id, dup) = (script.pick(&LEVELS), 1 + script.word() % 6, script.choice(2) == 1);
                let payload = [b'p'; 256];
                let bytes = Peer::publish(qos, id, dup, &payload[..usize::from(script.byte())]);
                self.comes_in(&bytes);
            }
            7 => {
                let kinds = [AckKind::PubAck, AckKind::PubRec, AckKind::PubRel, AckKind::PubComp, AckKind::UnsubAck];
                let packet = ack(script.pick(&kinds), PacketId::new(1 + script.word() % 8).expect("not 0"));
                self.comes_in(&packet);
            }
            8 => self.send(script.byte().into()),
            9 => self.send(usize::MAX),
            10 => self.now = self.now.after(Duration::from_millis(script.pick(&LEAPS))),
            11 => self.wait_for_deadline(),
            12..=14 => self.publish(script),
            15 => self.subscribe(script),
            16 => self.unsubscribe(script),
            17 => self.session.ready(),
            18 => self.lose(),
            19 => {
                let drain = script.pick(&[None, Some(Duration::ZERO), Some(Duration::from_secs(5))]);
                self.session.hang_up(self.now, drain);
                self.peer.leaving = true;
            }
            20 => self.stored(script.choice(4) != 3),
            21 => {
                let before = self.state();
                match self.session.acknowledge(self.now, script.word() % 8) {
                    Ok(()) => {}
                    Err(why) => self.refused(why, &before),
                }
            }
            22 => match script.choice(8) {
                0 => self.finish(),
                1 => self.power_cut(),
                2 => self.look_at_debug(),
                3 => self.session.number_from(script.word()),
                4 => self.session.slow_down(self.now),
                // A clock that runs backwards, for one call.
                _ => {
                    let past = Instant(self.now.0.saturating_sub(u64::from(script.word())));
                    let notice = self.session.read(past, &[], &mut self.scratch).1.map(Entry::from);
                    self.hear(notice, false);
                }
            },
            _ => self.well_behaved(),
        }
    }

    fn dial(&mut self) {
        if self.pipe != Pipe::None || !self.down {
            return;
        }
        self.session.dial(self.now, &Endpoint::tcp("fuzz", 1883), self.connect.clone()).expect("a valid CONNECT");
        (self.pipe, self.down, self.asked_to_close) = (Pipe::Opening, false, false);
        self.peer.connected();
    }

    fn open(&mut self) {
        if self.pipe == Pipe::Opening {
            self.pipe = Pipe::Open;
            self.session.opened(self.now);
        }
    }

    /// A connection from its beginning, all that waits sent and answered once.
    fn well_behaved(&mut self) {
        self.dial();
        self.open();
        self.rest();
        for _ in 0..4 {
            self.send(usize::MAX);
            for _ in 0..8 {
                let bytes = self.peer.answer(0, false);
                self.comes_in(&bytes);
            }
        }
    }

    fn lose(&mut self) {
        if self.pipe != Pipe::None {
            self.pipe = Pipe::None;
            self.waiting.clear();
            self.session.closed(self.now, Cause::Lost);
        }
    }

    fn comes_in(&mut self, bytes: &[u8]) {
        if self.pipe == Pipe::Open && self.waiting.len() < 4_096 {
            self.waiting.extend_from_slice(bytes);
            self.rest();
        }
    }

    /// The session reads what it wants of what waits.
    fn read(&mut self) {
        for _ in 0..ENDLESS {
            if self.waiting.is_empty() || self.pipe != Pipe::Open || !self.session.wants_bytes() {
                return;
            }
            let waiting = core::mem::take(&mut self.waiting);
            let end = if self.feed == Feed::Whole { waiting.len() } else { 1 };
            let (used, notice) = self.session.read(self.now, &waiting[..end], &mut self.scratch);
            let notice = notice.map(Entry::from);
            self.waiting = waiting[used..].to_vec();
            let acknowledged = !self.down && self.peer.received(&waiting[..used]);
            self.hear(notice, acknowledged);
            self.settle();
        }
        panic!("it reads for ever (R-1)");
    }

    /// Everything that time, store and pipe bring; then the invariants.
    fn rest(&mut self) {
        self.settle();
        self.read();
        self.settle();
        self.held_back |= !self.waiting.is_empty();
        let deadline = self.session.deadline();
        assert!(deadline.is_none_or(|deadline| deadline.at > self.now), "{deadline:?} at {:?} (R-9)", self.now);
        self.log.push(Entry::Deadline(deadline.map(|deadline| deadline.at.0)));
        assert!(self.session.buffered() <= HELD, "{} bytes held (R-4)", self.session.buffered());
        assert!(self.scratch.len() <= LIMITS.packet_in, "{} bytes staged (R-4)", self.scratch.len());
        let silent = self.pipe != Pipe::Open || self.down;
        assert!(!silent || self.session.transmit().is_empty(), "bytes to send without a connection (R-8)");
    }

    fn settle(&mut self) {
        for _ in 0..ENDLESS {
            let notice = self.session.read(self.now, &[], &mut self.scratch).1.map(Entry::from);
            let idle = notice.is_none();
            self.hear(notice, false);
            if !self.serve() && idle {
                return;
            }
        }
        panic!("it never rests (R-1)");
    }

    /// Does what the session wants of its driver.
    fn serve(&mut self) -> bool {
        match self.session.want() {
            None => return false,
            Some(Action::Close) => {
                assert!(!self.asked_to_close, "asked to close twice");
                self.asked_to_close = true;
                self.pipe = Pipe::None;
                self.waiting.clear();
                self.session.closed(self.now, Cause::Asked);
            }
            Some(Action::Load(Key::Session)) => {
                let record = self.record.clone();
                self.session.loaded(self.now, &Key::Session, Ok(record.as_deref()));
            }
            Some(Action::Store(Key::Session, record)) => {
                assert!(self.storing.is_none(), "two writes at once");
                self.log.push(Entry::Stored(record.clone()));
                self.storing = Some(record);
                if self.prompt_store {
                    self.stored(true);
                }
            }
            Some(other) => panic!("a session does not ask for {other:?}"),
        }
        true
    }

    fn stored(&mut self, safe: bool) {
        let Some(record) = self.storing.take() else { return };
        if safe {
            self.record = Some(record);
        }
        self.session.stored(self.now, &Key::Session, if safe { Ok(()) } else { Err(StoreFailed) });
    }

    fn send(&mut self, len: usize) {
        let mut left = len;
        for _ in 0..ENDLESS {
            let bytes = self.session.transmit();
            let bytes = bytes[..left.min(bytes.len())].to_vec();
            if bytes.is_empty() {
                return;
            }
            self.peer.sent(&bytes);
            self.session.sent(self.now, bytes.len());
            left -= bytes.len();
            self.log.push(Entry::Sent(bytes));
            self.settle();
        }
        panic!("it sends for ever (R-1)");
    }

    fn wait_for_deadline(&mut self) {
        if let Some(deadline) = self.session.deadline() {
            self.now = self.now.max(deadline.at);
        }
    }

    fn hear(&mut self, entry: Option<Entry>, acknowledged: bool) {
        let Some(mut entry) = entry else { return };
        if let Entry::Message(.., id) = &mut entry {
            *id = self.session.latest_id();
        }
        match &entry {
            Entry::Up(session_present) => self.peer.up(*session_present),
            Entry::Granted(tag, _) => drop(self.ledger.ended(*tag, End::Granted)),
            Entry::Unsubscribed(tag) => drop(self.ledger.ended(*tag, End::Unsubscribed)),
            Entry::Delivered(tag) => {
                if let Some(Kind::Publish(qos)) = self.ledger.ended(*tag, End::Delivered) {
                    assert!(qos == QoS::AtMostOnce || acknowledged, "{tag:?} delivered without acknowledgement (R-5)");
                }
            }
            Entry::Failed(tag, _) => match self.ledger.ended(*tag, End::Failed) {
                Some(Kind::Subscribe(_) | Kind::Unsubscribe) => self.peer.request_failed(),
                Some(Kind::Publish(_)) if self.passing.contains(tag) => self.peer.message_failed(),
                Some(Kind::Publish(_)) | None => {}
            },
            Entry::Message(_, _, QoS::ExactlyOnce, id) => self.peer.shown(id.expect("a QoS 2 message has an id")),
            Entry::Note(Note::AckLate(tag)) => assert!(self.ledger.is_open(*tag), "{tag:?} is late and not open"),
            Entry::Down(_) => {
                assert!(!self.down, "down twice");
                self.down = true;
            }
            _ => {}
        }
        self.log.push(entry);
    }

    fn state(&self) -> State {
        let deadline = self.session.deadline().map(|deadline| deadline.at.0);
        (self.session.buffered(), deadline, self.session.transmit().to_vec(), self.session.room())
    }

    fn refused(&mut self, why: Rejected, before: &State) {
        assert_eq!(&self.state(), before, "refused as {why:?}, and yet something changed (R-11)");
        self.log.push(Entry::Refused(why));
    }

    fn publish(&mut self, script: &mut Script<'_>) {
        let (lane, qos) = (script.pick(&LANES), script.pick(&LEVELS));
        let topic = script.pick(&[&["t/", "x"][..], &["y"], &["z", "/", "w"], &["bad/", "#"], &[]]);
        let ttl = script.pick(&[None, None, None, Some(Duration::from_secs(3))]);
        let payload: Vec<u8> =
            (0..usize::from(script.byte()) * 2).map(|n| u8::try_from(n % 251).unwrap_or(0)).collect();
        let tag = self.ledger.tag();
        let before = self.state();
        let publish = Publish { tag, lane, topic, payload: &payload, qos, retain: false, ttl };
        match self.session.publish(self.now, publish) {
            Ok(()) => {
                self.ledger.accepted(tag, Kind::Publish(qos));
                if lane != Lane::App {
                    self.passing.insert(tag);
                }
            }
            Err(why) => self.refused(why, &before),
        }
    }

    fn subscribe(&mut self, script: &mut Script<'_>) {
        let lane = script.pick(&LANES);
        let filters: Vec<_> = (0..script.choice(4)).map(|_| (script.pick(&FILTERS), script.pick(&LEVELS))).collect();
        let tag = self.ledger.tag();
        let before = self.state();
        match self.session.subscribe_many(self.now, tag, lane, &filters) {
            Ok(()) => self.ledger.accepted(tag, Kind::Subscribe(filters.len())),
            Err(why) => self.refused(why, &before),
        }
    }

    fn unsubscribe(&mut self, script: &mut Script<'_>) {
        let filters: Vec<_> = (0..script.choice(3)).map(|_| script.pick(&FILTERS)).collect();
        let tag = self.ledger.tag();
        let before = self.state();
        match self.session.unsubscribe_many(self.now, tag, &filters) {
            Ok(()) => self.ledger.accepted(tag, Kind::Unsubscribe),
            Err(why) => self.refused(why, &before),
        }
    }

    /// A new session finds what the store has; nobody waits for the commands of the old one.
    fn power_cut(&mut self) {
        self.session = Session::new(self.options);
        (self.pipe, self.down, self.asked_to_close) = (Pipe::None, true, false);
        self.storing = None;
        self.waiting.clear();
        self.scratch.clear();
        self.ledger.forget();
        if self.options.persist {
            self.peer.restarted();
        } else {
            self.peer = Peer::default();
        }
    }

    fn look_at_debug(&self) {
        let shown = format!("{:?}", self.session);
        let bytes = format!("{:?}", PASSWORD.as_bytes());
        assert!(!shown.contains(PASSWORD), "the password is shown (R-10)");
        assert!(!shown.contains(bytes.trim_matches(['[', ']'])), "the password is shown as numbers (R-10)");
    }

    /// The end: everything that was accepted has ended, nothing is left to do.
    fn finish(&mut self) {
        self.session.finish();
        self.settle();
        self.lose();
        self.settle();
        self.peer.finished();
        self.ledger.assert_settled();
        assert!(self.down, "dialled, and never down");
        assert!(self.session.transmit().is_empty(), "bytes to send after the end (R-8)");
        assert_eq!(self.session.deadline(), None, "a timer after the end (R-9)");
    }
}

impl From<Notice<'_>> for Entry {
    fn from(notice: Notice<'_>) -> Self {
        match notice {
            Notice::Up { session_present } => Self::Up(session_present),
            Notice::Granted(tag, qos) => Self::Granted(tag, qos),
            Notice::Unsubscribed(tag) => Self::Unsubscribed(tag),
            Notice::Delivered(tag) => Self::Delivered(tag),
            Notice::Failed(tag, why) => Self::Failed(tag, why),
            Notice::Message(message) => Self::Message(message.topic.into(), message.payload.into(), message.qos, None),
            Notice::Note(note) => Self::Note(note),
            Notice::Down(cause) => Self::Down(cause),
            Notice::Wall(_) => panic!("a session tells no time"),
        }
    }
}

//! A session with a scripted peer: what comes out of it, in words that tests can compare.

use core::time::Duration;
use skytether_core::{
    io::{Action, Cause, Failure, Instant, Key, Rejected, StoreFailed, Tag},
    link::{Connect, Endpoint, Lane, Link, Note, Notice, Publish, QoS},
    mqtt::session::{Options, Session},
};

pub(crate) const CONNACK: [u8; 4] = [0x20, 2, 0, 0];
pub(crate) const CONNACK_KEPT: [u8; 4] = [0x20, 2, 1, 0];
pub(crate) const PINGREQ: [u8; 2] = [0xc0, 0];
pub(crate) const PINGRESP: [u8; 2] = [0xd0, 0];
pub(crate) const DISCONNECT: [u8; 2] = [0xe0, 0];

/// A notice without lifetimes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Got {
    Up(bool),
    Granted(u32, Option<QoS>),
    Unsubscribed(u32),
    Delivered(u32),
    Failed(u32, Failure),
    Message(String, Vec<u8>, QoS),
    Note(Note),
    Down(Cause),
}

impl From<Notice<'_>> for Got {
    fn from(notice: Notice<'_>) -> Self {
        match notice {
            Notice::Up { session_present } => Self::Up(session_present),
            Notice::Granted(Tag(tag), qos) => Self::Granted(tag, qos),
            Notice::Unsubscribed(Tag(tag)) => Self::Unsubscribed(tag),
            Notice::Delivered(Tag(tag)) => Self::Delivered(tag),
            Notice::Failed(Tag(tag), why) => Self::Failed(tag, why),
            Notice::Message(m) => Self::Message(m.topic.into(), m.payload.into(), m.qos),
            Notice::Note(note) => Self::Note(note),
            Notice::Down(cause) => Self::Down(cause),
            Notice::Wall(_) => panic!("a session tells no time"),
        }
    }
}

pub(crate) struct Rig {
    pub(crate) session: Session,
    pub(crate) connect: Connect,
    pub(crate) now: Instant,
    pub(crate) got: Vec<Got>,
    /// The last record that was stored, and what the store answers.
    pub(crate) record: Option<Vec<u8>>,
    pub(crate) store: Result<(), StoreFailed>,
    /// Writes that have not been answered.
    pub(crate) pending_store: Option<Vec<u8>>,
    pub(crate) hold_store: bool,
    pub(crate) writes: usize,
    pub(crate) closing: bool,
    scratch: Vec<u8>,
}

impl Rig {
    pub(crate) fn new(options: Options, clean_session: bool) -> Self {
        let connect = Connect { client_id: "dev".into(), keep_alive: 30, clean_session, ..Connect::default() };
        Self {
            session: Session::new(options),
            connect,
            now: Instant(0),
            got: Vec::new(),
            record: None,
            store: Ok(()),
            pending_store: None,
            hold_store: false,
            writes: 0,
            closing: false,
            scratch: Vec::new(),
        }
    }

    /// A session with defaults, connected and ready, its CONNECT out of the way.
    pub(crate) fn up(options: Options, clean_session: bool) -> Self {
        let mut rig = Self::new(options, clean_session);
        rig.reconnect(false);
        rig
    }

    /// Opens a pipe and answers CONNECT.
    pub(crate) fn reconnect(&mut self, kept: bool) {
        self.open();
        self.tx();
        self.rx(if kept { &CONNACK_KEPT } else { &CONNACK });
        assert!(self.got.contains(&Got::Up(kept)), "{:?}", self.got);
        self.got.clear();
    }

    pub(crate) fn open(&mut self) {
        self.closing = false;
        self.session.dial(self.now, &Endpoint::tcp("test", 1883), self.connect.clone()).unwrap();
        self.session.opened(self.now);
        self.settle();
    }

    pub(crate) fn lose(&mut self) {
        self.session.closed(self.now, Cause::Lost);
        self.settle();
    }

    /// Bytes come in; `ready` is called on `Up`, as an ordinary broker's cloud does.
    pub(crate) fn rx(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (used, notice) = self.session.read(self.now, bytes, &mut self.scratch);
            let got = notice.map(Got::from);
            bytes = &bytes[used..];
            self.take(got);
        }
        self.settle();
    }

    fn take(&mut self, got: Option<Got>) {
        if matches!(got, Some(Got::Up(_))) {
            self.session.ready();
        }
        self.got.extend(got);
    }

    /// What time and the store bring, until nothing comes.
    pub(crate) fn settle(&mut self) {
        loop {
            let notice = self.session.read(self.now, &[], &mut self.scratch).1.map(Got::from);
            let idle = notice.is_none();
            self.take(notice);
            if !self.serve() && idle {
                return;
            }
        }
    }

    fn serve(&mut self) -> bool {
        match self.session.want() {
            None => false,
            Some(Action::Close) => {
                self.closing = true;
                true
            }
            Some(Action::Load(key)) => {
                assert_eq!(key, Key::Session);
                let record = self.record.clone();
                self.session.loaded(self.now, &key, Ok(record.as_deref()));
                true
            }
            Some(Action::Store(key, record)) => {
                assert_eq!(key, Key::Session);
                self.writes += 1;
                self.pending_store = Some(record);
                if !self.hold_store {
                    self.finish_store();
                }
                true
            }
            Some(other) => panic!("a session does not ask for {other:?}"),
        }
    }

    /// The store answers.
    pub(crate) fn finish_store(&mut self) {
        let Some(record) = self.pending_store.take() else { return };
        if self.store.is_ok() {
            self.record = Some(record);
        }
        self.session.stored(self.now, &Key::Session, self.store);
    }

    /// Takes everything that waits for the pipe.
    pub(crate) fn tx(&mut self) -> Vec<u8> {
        let mut taken = Vec::new();
        loop {
            let part = self.session.transmit().to_vec();
            if part.is_empty() {
                self.settle();
                if self.session.transmit().is_empty() {
                    return taken;
                }
                continue;
            }
            taken.extend_from_slice(&part);
            self.session.sent(self.now, part.len());
        }
    }

    /// Takes at most `len` bytes.
    pub(crate) fn tx_some(&mut self, len: usize) -> Vec<u8> {
        let part = self.session.transmit();
        let part = part[..len.min(part.len())].to_vec();
        self.session.sent(self.now, part.len());
        part
    }

    /// Time goes on; every deadline on the way is served at its own time.
    pub(crate) fn advance(&mut self, by: Duration) {
        let end = self.now.after(by);
        let mut calls = 0;
        while let Some(deadline) = self.session.deadline().filter(|deadline| deadline.at <= end) {
            self.now = self.now.max(deadline.at);
            self.settle();
            calls += 1;
            assert!(calls < 100_000, "busy loop on {:?} at {:?} (R-9)", deadline, self.now);
        }
        self.now = end;
        self.settle();
    }

    pub(crate) fn seconds(&mut self, seconds: u64) {
        self.advance(Duration::from_secs(seconds));
    }

    pub(crate) fn publish(&mut self, tag: u32, qos: QoS, payload: &[u8]) -> Result<(), Rejected> {
        self.publish_on(Lane::App, tag, qos, payload, None)
    }

    pub(crate) fn publish_on(
        &mut self,
        lane: Lane,
        tag: u32,
        qos: QoS,
        payload: &[u8],
        ttl: Option<Duration>,
    ) -> Result<(), Rejected> {
        let publish = Publish { tag: Tag(tag), lane, topic: &["t/", "x"], payload, qos, retain: false, ttl };
        self.session.publish(self.now, publish)
    }

    pub(crate) fn got(&mut self) -> Vec<Got> {
        core::mem::take(&mut self.got)
    }
}

/// A PUBLISH to `t/x` as the session writes it.
pub(crate) fn publish(qos: QoS, dup: bool, id: u16, payload: &[u8]) -> Vec<u8> {
    let mut body = vec![0, 3, b't', b'/', b'x'];
    if qos != QoS::AtMostOnce {
        body.extend(id.to_be_bytes());
    }
    body.extend(payload);
    let mut packet = vec![0x30 | u8::from(dup) << 3 | qos.level() << 1, u8::try_from(body.len()).unwrap()];
    packet.extend(body);
    packet
}

/// An acknowledgement: PUBACK 0x40, PUBREC 0x50, PUBREL 0x62, PUBCOMP 0x70, UNSUBACK 0xb0.
pub(crate) fn ack(first: u8, id: u16) -> [u8; 4] {
    let [high, low] = id.to_be_bytes();
    [first, 2, high, low]
}

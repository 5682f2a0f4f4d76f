//! What a link is at its smallest: one byte in is one notice, one byte out is one thing asked; its faults are switches.

use skytether_core::{
    io::{Action, Cause, Deadline, Failure, Instant, Key, Pipe, Refusal, Rejected, StoreFailed, Tag, UnixMillis},
    link::{Abilities, Connect, Endpoint, Lane, Link, Message, Note, Notice, Publish, QoS},
};
use std::{collections::VecDeque, time::Duration};

/// Bytes in: `U` up, `u` up with the session present, `1`–`5` refused with that code, `X` no packet, `A` the oldest
/// message in flight is acknowledged, `M` a message, `N` a note, `W` the wall time, `G` a filter is granted, `.` nothing.
///
/// Bytes out: `C` the introduction, `p` a message, `s` a subscription, `D` the farewell.
#[derive(Debug, Default)]
pub struct Wire {
    pub log: Vec<String>,
    faults: Faults,
    out: Vec<u8>,
    connected: bool,
    up: bool,
    ready: bool,
    dialled: bool,
    pipe: bool,
    own_cause: Option<Cause>,
    wants: VecDeque<Action>,
    said: VecDeque<(Tag, Option<Failure>)>,
    down: Option<Cause>,
    queued: VecDeque<Tag>,
    flying: VecDeque<Tag>,
    subscribing: VecDeque<Tag>,
    /// The farewell waits for messages in flight, until then.
    farewell: Option<Instant>,
}

/// What is wrong with a link, or how it is unlike others.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// `closed` is not followed by `Down`.
    pub mute: bool,
    /// `Down` is told as soon as the fault is found, before the pipe is closed.
    pub hasty: bool,
    /// What `dial` says instead of dialling.
    pub rejects: Option<Rejected>,
    /// Messages that fit.
    pub bound: Option<usize>,
}

impl Wire {
    pub fn with(faults: Faults) -> Self {
        Self { faults, ..Self::default() }
    }

    pub fn held(&self) -> usize {
        self.queued.len() + self.flying.len()
    }

    fn flush(&mut self) {
        while self.up && self.ready && self.farewell.is_none() {
            let Some(tag) = self.queued.pop_front() else { return };
            self.out.push(b'p');
            self.flying.push_back(tag);
        }
    }

    fn part(&mut self, cause: Cause) {
        if self.faults.hasty {
            self.lose(cause);
        } else {
            self.own_cause = Some(cause);
            self.wants.push_back(Action::Close);
        }
    }

    fn lose(&mut self, cause: Cause) {
        if std::mem::take(&mut self.dialled) && !self.faults.mute {
            self.down = Some(self.own_cause.take().unwrap_or(cause));
        }
        (self.connected, self.up, self.ready, self.farewell, self.own_cause) = (false, false, false, None, None);
        self.wants.clear();
        self.out.clear();
        while let Some(tag) = self.flying.pop_back() {
            self.queued.push_front(tag);
        }
    }

    fn understand(&mut self, byte: u8) -> Option<Notice<'static>> {
        match byte {
            b'U' | b'u' => {
                self.up = true;
                Some(Notice::Up { session_present: byte == b'u' })
            }
            b'1'..=b'5' => {
                self.part(Cause::Refused(Refusal::from_code(byte - b'0')?));
                None
            }
            b'X' => {
                self.part(Cause::Malformed("no such packet"));
                None
            }
            b'A' => self.flying.pop_front().map(Notice::Delivered),
            b'G' => self.subscribing.pop_front().map(|tag| Notice::Granted(tag, Some(QoS::AtMostOnce))),
            b'N' => Some(Notice::Note(Note::UnknownAck(7))),
            b'W' => Some(Notice::Wall(UnixMillis(1_700_000_000_000))),
            b'M' => Some(Notice::Message(Message {
                topic: "t",
                payload: b"m",
                qos: QoS::AtMostOnce,
                retain: false,
                dup: false,
            })),
            _ => None,
        }
    }
}

impl Link for Wire {
    fn abilities(&self) -> Abilities {
        Abilities {
            qos: QoS::AtLeastOnce,
            packet: 1000,
            topic: 100,
            client_id: 100,
            user_name: 100,
            password: 100,
            subscriptions: 10,
            will: false,
        }
    }

    fn dial(&mut self, _: Instant, to: &Endpoint, _: Connect) -> Result<Pipe, Rejected> {
        assert!(!self.dialled && !self.pipe, "a dial follows the end of the one before");
        if let Some(rejected) = self.faults.rejects {
            return Err(rejected);
        }
        (self.dialled, self.pipe) = (true, true);
        Ok(Pipe::Net(to.clone()))
    }

    fn opened(&mut self, _: Instant) {
        assert!(self.dialled && !self.connected, "opened once a dial");
        self.connected = true;
        self.out.push(b'C');
    }

    fn closed(&mut self, _: Instant, cause: Cause) {
        assert!(std::mem::take(&mut self.pipe), "closed once a dial");
        self.lose(cause);
    }

    fn ready(&mut self) {
        self.ready = true;
        self.flush();
    }

    fn subscribe(&mut self, _: Instant, tag: Tag, _: Lane, _: &[&str], _: QoS) -> Result<(), Rejected> {
        if !self.up {
            return Err(Rejected::Offline);
        }
        self.out.push(b's');
        self.subscribing.push_back(tag);
        Ok(())
    }

    fn unsubscribe(&mut self, _: Instant, _: Tag, _: &[&str]) -> Result<(), Rejected> {
        Err(Rejected::Unsupported("unsubscribing"))
    }

    fn publish(&mut self, _: Instant, publish: Publish<'_>) -> Result<(), Rejected> {
        if self.faults.bound.is_some_and(|bound| self.held() >= bound) {
            return Err(Rejected::Full);
        }
        self.queued.push_back(publish.tag);
        self.flush();
        Ok(())
    }

    fn slow_down(&mut self, _: Instant) {}

    fn hang_up(&mut self, now: Instant, drain: Option<Duration>) {
        assert!(self.connected, "hung up while connected");
        self.log.push(format!("hang up, drain {drain:?}"));
        self.farewell = Some(now.after(drain.unwrap_or_default()));
    }

    fn finish(&mut self) {
        self.log.push("finish".into());
        self.said.extend(self.flying.drain(..).chain(self.queued.drain(..)).map(|tag| (tag, Some(Failure::Closed))));
    }

    fn read<'b>(&mut self, now: Instant, bytes: &'b [u8], scratch: &'b mut Vec<u8>) -> (usize, Option<Notice<'b>>) {
        assert!(scratch.iter().all(|byte| *byte == b's'), "nobody touches the scratch");
        scratch.push(b's');
        if let Some((tag, failure)) = self.said.pop_front() {
            return (0, Some(failure.map_or(Notice::Delivered(tag), |failure| Notice::Failed(tag, failure))));
        }
        if let Some(cause) = self.down.take() {
            return (0, Some(Notice::Down(cause)));
        }
        if let Some(drain) = self.farewell
            && (self.flying.is_empty() || drain <= now)
            && self.own_cause.is_none()
        {
            self.out.push(b'D');
            self.own_cause = Some(Cause::Asked);
        }
        let Some(byte) = bytes.first() else { return (0, None) };
        assert!(self.connected, "bytes reach a connected link only");
        (1, self.understand(*byte))
    }

    fn want(&mut self) -> Option<Action> {
        self.wants.pop_front()
    }

    fn stored(&mut self, _: Instant, key: &Key, _: Result<(), StoreFailed>) {
        self.log.push(format!("stored {key}"));
    }

    fn loaded(&mut self, _: Instant, key: &Key, _: Result<Option<&[u8]>, StoreFailed>) {
        self.log.push(format!("loaded {key}"));
    }

    fn room(&self) -> bool {
        self.faults.bound.is_none_or(|bound| self.held() < bound)
    }

    fn wants_bytes(&self) -> bool {
        true
    }

    fn transmit(&self) -> &[u8] {
        &self.out
    }

    fn sent(&mut self, _: Instant, len: usize) {
        let sent: Vec<u8> = self.out.drain(..len).collect();
        if sent.contains(&b'D') {
            self.wants.push_back(Action::Close);
        }
    }

    fn deadline(&self) -> Option<Deadline> {
        let until = self.farewell.filter(|_| self.own_cause.is_none())?;
        Some(Deadline { at: until, why: "drain" })
    }
}

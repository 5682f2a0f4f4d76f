//! How is the client driven? A driver and an application in one, without IO: the session, the time, the store.

use super::{event::Event, feed::Feed, wire::Wire};
use skytether_core::{
    io::{Action, Cause, Instant, Key, Rejected, Tag},
    link::{Connect, Endpoint, Lane, Link as _, Notice, Publish, QoS},
    mqtt::session::{Options, Session},
};
use std::{collections::BTreeMap, time::Duration};

/// How often a driver may have to call for one input before it counts as endless.
const CALLS: usize = 100_000;

/// What a call was, for the events that answer it.
#[derive(Clone, Debug)]
pub(super) enum Asked {
    Publish(Option<String>),
    Subscribe { tag: Option<String>, filters: usize, codes: Vec<u8> },
    Unsubscribe(Option<String>),
}

/// Where the connection stands, as the driver sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Pipe {
    None,
    Open,
    /// The client has asked to close it.
    Closing,
}

/// A client under test and everything around it.
pub(super) struct Rig {
    session: Session,
    options: Options,
    connect: Connect,
    feed: Feed,
    now: Instant,
    scratch: Vec<u8>,
    pipe: Pipe,
    store: Option<Vec<u8>>,
    calls: BTreeMap<u32, Asked>,
    last_tag: u32,
    latest: Option<u16>,
    down: Option<Cause>,
    wire: Wire,
    /// Sent and not taken by the case yet.
    pub(super) sent: Vec<u8>,
    /// Told and not taken by the case yet.
    pub(super) events: Vec<Event>,
    /// All events of the case, in words: the same for every way of feeding.
    pub(super) trace: Vec<String>,
}

impl Rig {
    /// A client that has not been connected yet.
    ///
    /// # Errors
    /// The configuration is refused.
    pub(super) fn new(options: Options, connect: Connect, feed: Feed) -> Result<Self, Rejected> {
        // Dialling is where the client checks its configuration; this session is only asked for that.
        Session::new(options).dial(Instant::ZERO, &endpoint(), connect.clone())?;
        Ok(Self {
            session: Session::new(options),
            options,
            connect,
            feed,
            now: Instant::ZERO,
            scratch: Vec::new(),
            pipe: Pipe::None,
            store: None,
            calls: BTreeMap::new(),
            last_tag: 0,
            latest: None,
            down: None,
            wire: Wire::default(),
            sent: Vec::new(),
            events: Vec::new(),
            trace: Vec::new(),
        })
    }

    /// A new transport is up.
    pub(super) fn open(&mut self) -> Result<(), String> {
        self.end_pipe(Cause::Lost)?;
        self.down = None;
        self.wire = Wire::default();
        self.session.dial(self.now, &endpoint(), self.connect.clone()).map_err(|error| error.to_string())?;
        self.pipe = Pipe::Open;
        self.session.opened(self.now);
        self.pump()
    }

    /// The transport is gone.
    pub(super) fn lose(&mut self) -> Result<(), String> {
        self.end_pipe(Cause::Lost)
    }

    /// Bytes come in.
    pub(super) fn receive(&mut self, bytes: &[u8], may_send: bool) -> Result<(), String> {
        self.wire.received(bytes);
        let mut rest = bytes;
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(self.feed.piece(rest.len()).min(rest.len()));
            self.read(piece, may_send)?;
            rest = behind;
        }
        Ok(())
    }

    /// Time goes on; every deadline on the way is served at its own time.
    pub(super) fn advance(&mut self, millis: u64, may_send: bool) -> Result<(), String> {
        let until = self.now.after(Duration::from_millis(millis));
        for _ in 0..CALLS {
            let Some(deadline) = self.session.deadline().filter(|deadline| deadline.at <= until) else {
                self.now = until;
                return self.pump();
            };
            self.now = self.now.max(deadline.at);
            self.pump()?;
            if may_send {
                self.send_all()?;
            }
        }
        Err("deadlines come without end".to_owned())
    }

    /// Time leaps; then the client is called once.
    pub(super) fn jump(&mut self, millis: u64) -> Result<(), String> {
        self.now = self.now.after(Duration::from_millis(millis));
        self.pump()
    }

    pub(super) fn publish(
        &mut self,
        topic: &str,
        payload: &[u8],
        qos: u8,
        retain: bool,
        tag: Option<String>,
    ) -> Result<(), Rejected> {
        let qos = QoS::from_level(qos).ok_or(Rejected::Invalid("QoS is above 2"))?;
        let number = self.next_tag(Asked::Publish(tag));
        let topic = &[topic];
        let publish = Publish { tag: number, lane: Lane::App, topic, payload, qos, retain, ttl: None };
        self.session.publish(self.now, publish)
    }

    pub(super) fn subscribe(&mut self, filters: &[(String, u8)], tag: Option<String>) -> Result<(), Rejected> {
        let mut typed = Vec::new();
        for (filter, qos) in filters {
            typed.push((filter.as_str(), QoS::from_level(*qos).ok_or(Rejected::Invalid("QoS is above 2"))?));
        }
        let number = self.next_tag(Asked::Subscribe { tag, filters: filters.len(), codes: Vec::new() });
        self.session.subscribe_many(self.now, number, Lane::App, &typed)
    }

    pub(super) fn unsubscribe(&mut self, filters: &[String], tag: Option<String>) -> Result<(), Rejected> {
        let number = self.next_tag(Asked::Unsubscribe(tag));
        let filters: Vec<&str> = filters.iter().map(String::as_str).collect();
        self.session.unsubscribe_many(self.now, number, &filters)
    }

    /// Confirms a message: the one with this packet id, or the latest.
    pub(super) fn acknowledge(&mut self, id: Option<u16>) -> Result<(), Rejected> {
        let id = id.or(self.latest).ok_or(Rejected::Invalid("no message has come"))?;
        self.session.acknowledge(self.now, id)
    }

    pub(super) fn disconnect(&mut self, drain: Option<Duration>) {
        self.session.hang_up(self.now, drain);
    }

    pub(super) fn number_from(&mut self, id: u16) {
        self.session.number_from(id);
    }

    /// Throws the client away; the new one has what the store holds.
    pub(super) fn restart(&mut self) {
        self.session = Session::new(self.options);
        self.scratch = Vec::new();
        self.pipe = Pipe::None;
        self.down = None;
    }

    /// Why the client has asked to close, if it has; a client that asks without having said why counts as `Asked`.
    pub(super) fn close_asked(&self) -> Option<Cause> {
        (self.pipe == Pipe::Closing).then(|| self.down.unwrap_or(Cause::Asked))
    }

    /// Bytes that are held: in the session, and of a packet that is not whole.
    pub(super) fn buffered(&self) -> usize {
        self.session.buffered() + self.scratch.capacity()
    }

    /// The application acts, or the driver comes back: a pipe that was to be closed is closed by now.
    pub(super) fn settle(&mut self) -> Result<(), String> {
        if self.pipe == Pipe::Closing { self.end_pipe(Cause::Lost) } else { Ok(()) }
    }

    /// Takes everything that waits for the pipe, in the pieces that the feed says.
    pub(super) fn send_all(&mut self) -> Result<(), String> {
        for _ in 0..CALLS.max(self.sent.len() + self.session.buffered() * 2) {
            let waiting = self.session.transmit().len();
            if waiting == 0 {
                return Ok(());
            }
            let piece = self.feed.sent(waiting);
            self.send(piece)?;
        }
        Err("bytes to send come without end".to_owned())
    }

    /// Takes at most so many bytes.
    pub(super) fn send_some(&mut self, mut count: usize) -> Result<(), String> {
        while count > 0 {
            let waiting = self.session.transmit().len();
            if waiting == 0 {
                break;
            }
            let piece = self.feed.sent(waiting).min(count);
            self.send(piece)?;
            count -= piece;
        }
        Ok(())
    }

    fn send(&mut self, len: usize) -> Result<(), String> {
        let piece = self.session.transmit().get(..len).unwrap_or_default();
        self.wire.sent(piece)?;
        self.sent.extend_from_slice(piece);
        self.session.sent(self.now, len);
        self.pump()
    }

    /// Calls the client until nothing comes.
    pub(super) fn pump(&mut self) -> Result<(), String> {
        self.read(&[], false)
    }

    fn read(&mut self, bytes: &[u8], may_send: bool) -> Result<(), String> {
        let mut rest = bytes;
        for _ in 0..CALLS.max(bytes.len() * 2) {
            if may_send && !self.session.wants_bytes() {
                self.send_all()?;
            }
            let (used, notice) = self.session.read(self.now, rest, &mut self.scratch);
            let heard = notice.as_ref().map(Heard::of);
            if let Some(Notice::Message(_)) = notice {
                self.latest = self.session.latest_id();
            }
            rest = rest.get(used..).ok_or_else(|| format!("used {used} of {} bytes", rest.len()))?;
            let quiet = heard.is_none() && used == 0;
            if let Some(heard) = heard {
                self.hear(heard);
            }
            let acted = self.act();
            if quiet && !acted {
                if !rest.is_empty() {
                    return Err("the client neither reads on nor says why".to_owned());
                }
                return self.check_deadline();
            }
        }
        Err("the client goes on without end".to_owned())
    }

    /// A deadline that has passed and brings nothing would keep a driver spinning.
    fn check_deadline(&self) -> Result<(), String> {
        match self.session.deadline() {
            Some(deadline) if deadline.at <= self.now => {
                Err(format!("the deadline {:?} has passed and brings nothing", deadline.why))
            }
            _ => Ok(()),
        }
    }

    /// Does what the client wants of its driver; whether there was anything.
    fn act(&mut self) -> bool {
        match self.session.want() {
            None => return false,
            Some(Action::Close) => {
                if self.pipe == Pipe::Open {
                    self.pipe = Pipe::Closing;
                }
            }
            Some(Action::Load(key)) => {
                let value = self.store.as_deref().filter(|_| key == Key::Session);
                self.session.loaded(self.now, &key, Ok(value));
            }
            Some(Action::Store(key, value)) => {
                if key == Key::Session {
                    self.store = Some(value);
                }
                self.session.stored(self.now, &key, Ok(()));
            }
            Some(Action::Delete(key)) => {
                if key == Key::Session {
                    self.store = None;
                }
                self.session.stored(self.now, &key, Ok(()));
            }
            // A link asks for nothing else.
            Some(Action::Open(_) | Action::Exchange(..) | Action::Cancel(_) | Action::Write(..) | Action::AskWall) => {}
        }
        true
    }

    fn end_pipe(&mut self, cause: Cause) -> Result<(), String> {
        if self.pipe == Pipe::None {
            return Ok(());
        }
        self.pipe = Pipe::None;
        self.session.closed(self.now, cause);
        self.pump()
    }

    fn next_tag(&mut self, asked: Asked) -> Tag {
        self.last_tag += 1;
        self.calls.insert(self.last_tag, asked);
        Tag(self.last_tag)
    }

    fn hear(&mut self, heard: Heard) {
        let event = match heard {
            Heard::Up(session_present) => {
                self.session.ready();
                Some(Event::connected(session_present))
            }
            Heard::Message(event) => Some(event),
            Heard::Granted(tag, code) => self.granted(tag, code),
            Heard::Unsubscribed(tag) => match self.calls.remove(&tag) {
                Some(Asked::Unsubscribe(name)) => Some(Event::unsubscribed(name.as_deref())),
                _ => None,
            },
            Heard::Delivered(tag) => Some(Event::published(self.name_of(tag).as_deref())),
            Heard::Failed(tag, why) => {
                let kind = match self.calls.get(&tag) {
                    Some(Asked::Subscribe { .. }) => "subscribe_failed",
                    Some(Asked::Unsubscribe(_)) => "unsubscribe_failed",
                    Some(Asked::Publish(_)) | None => "publish_failed",
                };
                Some(Event::failed(kind, self.name_of(tag).as_deref(), why))
            }
            Heard::Down(cause) => {
                self.down = Some(cause);
                if let Cause::Refused(refusal) = cause {
                    self.tell(Event::refused(refusal));
                }
                Some(Event::disconnected(cause))
            }
            Heard::Aside => None,
        };
        if let Some(event) = event {
            self.tell(event);
        }
    }

    fn tell(&mut self, event: Event) {
        self.trace.push(event.to_string());
        self.events.push(event);
    }

    /// A SUBACK is told filter by filter, and expected as one.
    fn granted(&mut self, tag: u32, code: u8) -> Option<Event> {
        let Some(Asked::Subscribe { tag: name, filters, codes }) = self.calls.get_mut(&tag) else { return None };
        codes.push(code);
        (codes.len() == *filters).then(|| Event::subscribed(name.as_deref(), &std::mem::take(codes)))
    }

    /// The case's own name of a call that has ended.
    fn name_of(&mut self, tag: u32) -> Option<String> {
        match self.calls.remove(&tag)? {
            Asked::Publish(name) | Asked::Unsubscribe(name) | Asked::Subscribe { tag: name, .. } => name,
        }
    }
}

/// A notice that borrows nothing.
enum Heard {
    Up(bool),
    Message(Event),
    Granted(u32, u8),
    Unsubscribed(u32),
    Delivered(u32),
    Failed(u32, skytether_core::io::Failure),
    Down(Cause),
    /// Worth knowing, and no event of the cases.
    Aside,
}

impl Heard {
    fn of(notice: &Notice<'_>) -> Self {
        match notice {
            Notice::Up { session_present } => Self::Up(*session_present),
            Notice::Granted(tag, qos) => Self::Granted(tag.0, qos.map_or(0x80, QoS::level)),
            Notice::Unsubscribed(tag) => Self::Unsubscribed(tag.0),
            Notice::Delivered(tag) => Self::Delivered(tag.0),
            Notice::Failed(tag, why) => Self::Failed(tag.0, *why),
            Notice::Message(message) => Self::Message(Event::message(message)),
            Notice::Wall(_) | Notice::Note(_) => Self::Aside,
            Notice::Down(cause) => Self::Down(*cause),
        }
    }
}

fn endpoint() -> Endpoint {
    Endpoint::tcp("localhost", 1883)
}

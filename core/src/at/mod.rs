//! Modems that speak MQTT themselves and are told what to do by AT commands over a serial line: Microchip's AnyCloud
//! firmware (PIC32MZW1, WFI32E) and its RNWF02 and RNWF11 modules.
//!
//! [`Modem`] is a [link](crate::link::Link): the same clouds run on it as on an MQTT session. It brings the module onto
//! the Wi-Fi network where it is on none, lets it learn the time, hands it settings and certificates' names, connects, and
//! then speaks in topics and payloads; DNS, TCP, TLS and MQTT's packets are the module's own business.
//!
//! ```text
//! > AT+MQTTCONN                                  < +MQTTCONN:0   < OK
//! > AT+MQTTC=1,"broker.example"                  < OK            (and port, client id, user name, TLS)
//! > AT+MQTTCONN=1                                < OK            < +MQTTCONNACK:0,0   < +MQTTCONN:1
//! > AT+MQTTSUB="a/#",1                           < OK            < +MQTTSUB:0
//! > AT+MQTTPUB=0,1,0,"a/b","{\"c\":1}"           < OK            < +MQTTPUBACC
//!                                                < +MQTTPUB:3,"a/b",7,"{"c":1}"
//! > AT+MQTTDISCONN                               < OK            < +MQTTCONN:0
//! ```
//!
//! **One at a time.** A command goes out when the one before has its final result; a subscription or message when the
//! one before was acknowledged, since acknowledgements do not say whose they are. So lanes decide what goes next, and
//! what the module does not acknowledge in time ends the connection.
//!
//! **What the module forgets.** Settings live until it restarts: a second dial sends only what differs. A module that
//! echoes again, or tells of its start, has restarted, and is told everything anew. Subscriptions end with the connection
//! (AnyCloud) and are made again.
//!
//! **The pipe** is the serial line. It is closed after each connection and opened for the next one: what the module did
//! in between is found out by asking it.
//!
//! The command references of AnyCloud and of RNWF02 describe the dialects; where module and reference differ, what modules
//! do is taken, and both are understood.
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "each operation and phase names the events that concern it; any other is none of its business"
)]

mod client;
mod dialog;
mod event;
mod lanes;
mod line;
mod message;
mod mqtt;
mod op;
mod options;
mod record;
mod requests;
mod seat;
mod setting;
mod urc;
mod value;
mod wifi;

pub mod encode;

pub use client::Client;
pub use event::Event;
pub use options::{Dialect, Options, Security, Timers, Tls, Wifi};
pub use record::{Fault, Incoming, Line, Parser, Record};
pub use value::Value;

use crate::{
    io::{Cause, Failure, Instant, Tag},
    limits::Limits,
    link::{Abilities, Connect, Endpoint, Lane, Message, Note, Notice, QoS},
};
use alloc::collections::VecDeque;
use client::publish_line;
use core::{fmt, time::Duration};
use lanes::{Lanes, Open};
use requests::Requests;
use urc::refusal;

/// A modem as a [link](crate::link::Link).
#[allow(clippy::struct_excessive_bools, reason = "independent facts about one connection, each asked on its own")]
pub struct Modem {
    options: Options,
    limits: Limits,
    client: Client,
    phase: Phase,
    now: Instant,
    to: Endpoint,
    connect: Connect,
    lanes: Lanes,
    requests: Requests,
    /// What the modem was given and has not finished.
    asked: Option<Asked>,
    ready: bool,
    finished: bool,
    wants_close: bool,
    /// It may not be connected any more: it is asked.
    doubt: bool,
    /// When that was last so.
    doubted: Option<Instant>,
    heard: Instant,
    /// Notices that one event brought at once: bounded by the requests, and one `Down`.
    pending: VecDeque<Notice<'static>>,
}

/// Where a connection stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// None.
    Idle,
    /// Asked for; the pipe is not open.
    Dialled,
    /// The pipe is open; the modem is brought to connect.
    Connecting,
    /// It is connected.
    Up,
    /// Being ended in order: so many messages of the application may go yet, or all until `drain`.
    Leaving { drain: Option<Instant>, flush: usize, farewell: bool },
    /// Down, as was told; the pipe has to be closed.
    Over,
}

/// What the modem has to do with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Asked {
    /// The first message of a lane.
    Message(Lane),
    Subscription,
    Removal,
}

impl Modem {
    /// A modem of which nothing is known but `options`. Of `limits`, those of packets, queues, requests and subscriptions
    /// hold: `packet_in` is the longest line, which is up to twice as long as the payload in it.
    pub fn new(options: Options, limits: Limits) -> Self {
        Self {
            client: Client::new(options.dialect, options.timers, limits.packet_in),
            lanes: Lanes::new(options.rate),
            options,
            limits,
            phase: Phase::Idle,
            now: Instant::ZERO,
            to: Endpoint::tcp("", 0),
            connect: Connect::default(),
            requests: Requests::default(),
            asked: None,
            ready: false,
            finished: false,
            wants_close: false,
            doubt: false,
            doubted: None,
            heard: Instant::ZERO,
            pending: VecDeque::new(),
        }
    }

    /// The family of the module; [`Dialect::Auto`] while it has not been found out.
    pub fn dialect(&self) -> Dialect {
        self.client.dialect()
    }

    /// Bytes of messages held now, as their command lines.
    pub fn buffered(&self) -> usize {
        self.lanes.buffered()
    }

    fn tell_time(&mut self, now: Instant) {
        self.now = self.now.max(now);
        self.client.tell_time(self.now);
    }

    /// Whether there is a connection, be it one that is being ended.
    fn is_connected(&self) -> bool {
        matches!(self.phase, Phase::Up | Phase::Leaving { .. })
    }

    /// Gives the modem the next thing to do, if it does nothing.
    fn go_on(&mut self) {
        if self.asked.is_some() || !self.client.is_idle() {
            return;
        }
        let open = match self.phase {
            Phase::Up => {
                if core::mem::take(&mut self.doubt) {
                    self.client.check();
                    return;
                }
                Open { urgent: true, app: self.ready }
            }
            Phase::Leaving { farewell: false, drain, flush } => {
                let draining = drain.is_some_and(|until| self.now < until);
                Open { urgent: true, app: self.ready && (draining || flush > 0) }
            }
            Phase::Idle | Phase::Dialled | Phase::Connecting | Phase::Leaving { .. } | Phase::Over => return,
        };
        if self.phase == Phase::Up && self.ask() {
            return;
        }
        if let Some((lane, line, qos)) = self.lanes.take_up(self.now, open) {
            if let Phase::Leaving { flush, .. } = &mut self.phase {
                *flush = flush.saturating_sub(usize::from(lane == Lane::App));
            }
            self.asked = Some(Asked::Message(lane));
            self.client.publish_again(line, qos);
        } else if let Phase::Leaving { drain, farewell, .. } = &mut self.phase {
            let paced = open.app && self.lanes.live().1 > 0 && drain.is_some();
            if !paced {
                *farewell = true;
                self.client.leave();
            }
        }
    }

    /// Asks for the next subscription, or drops the next one. Replies go ahead of what the application wants.
    fn ask(&mut self) -> bool {
        let ready = self.ready && self.lanes.live().0 == 0;
        if let Some(wanted) = self.requests.ask(ready) {
            let (filter, qos) = (wanted.filter.clone(), wanted.qos);
            // Its length was checked when it was accepted.
            let asked = self.client.subscribe(self.now, &filter, qos);
            self.asked = asked.is_ok().then_some(Asked::Subscription);
        } else if ready && let Some(filter) = self.requests.ask_removal() {
            self.client.unsubscribe(filter);
            self.asked = Some(Asked::Removal);
        }
        self.asked.is_some()
    }

    /// Takes in what the modem said.
    fn hear<'b>(&mut self, event: Event<'b>) -> Option<Notice<'b>> {
        match event {
            Event::Failed(cause) => Some(self.fail(cause)),
            Event::Restarted => Some(self.fail(Cause::Modem("it has restarted"))),
            Event::Time(time) => Some(Notice::Wall(time)),
            Event::Skipped(why) => Some(Notice::Note(Note::Skipped(why))),
            event if self.phase == Phase::Connecting => self.hear_connecting(&event),
            event if self.is_connected() => self.hear_connected(&event),
            _ => None,
        }
    }

    /// The same on the way to a connection.
    fn hear_connecting<'b>(&mut self, event: &Event<'b>) -> Option<Notice<'b>> {
        match event {
            Event::Started if self.client.needs_probe() => self.client.probe(),
            Event::Started | Event::Probed => self.client.join(self.options.wifi.as_ref(), self.options.ntp.as_deref()),
            Event::Joined if self.options.ntp.is_some() => self.client.clock(),
            Event::Joined | Event::Clocked => {
                let (to, connect) = (self.to.clone(), self.connect.clone());
                // Nothing waits to be done: it is taken.
                let _ = self.client.connect(self.now, &to, &connect, &self.options.tls);
            }
            Event::Connected { session_present } => {
                self.phase = Phase::Up;
                self.heard = self.now;
                self.doubted = None;
                let gone = self.requests.connected(*session_present);
                self.pending.extend(gone.into_iter().map(Notice::Unsubscribed));
                return Some(Notice::Up { session_present: *session_present });
            }
            Event::Refused(code) => {
                let refusal = refusal(*code, self.client.dialect());
                return Some(self.fail(Cause::Refused(refusal)));
            }
            Event::Link(false) => return Some(self.fail(Cause::Lost)),
            _ => {}
        }
        None
    }

    /// The same while there is a connection.
    fn hear_connected<'b>(&mut self, event: &Event<'b>) -> Option<Notice<'b>> {
        match event {
            Event::Message(message) => {
                let (dup, qos, retain) = message.flags.unwrap_or_default();
                let qos = QoS::from_level(qos).unwrap_or_default();
                Some(Notice::Message(Message { topic: message.topic, payload: message.payload, qos, retain, dup }))
            }
            Event::Subscribed(granted) => {
                self.asked = None;
                let tag = self.requests.answered(granted.is_some());
                let remade =
                    granted.is_none().then_some(Notice::Note(Note::Skipped("a subscription made again was refused")));
                tag.map_or(remade, |tag| Some(Notice::Granted(tag, *granted)))
            }
            Event::Unsubscribed(done) => {
                self.asked = None;
                let outcome =
                    |tag| if *done { Notice::Unsubscribed(tag) } else { Notice::Failed(tag, Failure::Refused(0)) };
                self.requests.removed().map(outcome)
            }
            Event::Published(done) => {
                if let Some(Asked::Message(lane)) = self.asked.take() {
                    self.lanes.end(lane, if *done { Ok(()) } else { Err(Failure::Lost) });
                }
                None
            }
            Event::CommandError { number, .. } => self.refused(*number),
            Event::TimedOut => self.late(),
            Event::Left => Some(self.fail(Cause::Asked)),
            Event::Disconnected | Event::Reconnected | Event::Link(false) | Event::Checked(false) => {
                let asked = matches!(self.phase, Phase::Leaving { .. });
                Some(self.fail(if asked { Cause::Asked } else { Cause::Lost }))
            }
            Event::Doubt => {
                if self.doubted.is_none_or(|last| self.now >= last.after(DOUBTS)) {
                    (self.doubt, self.doubted) = (true, Some(self.now));
                }
                None
            }
            _ => None,
        }
    }

    /// What was asked ended in this error.
    fn refused(&mut self, number: u16) -> Option<Notice<'static>> {
        let failure = Failure::Refused(number);
        match self.asked.take()? {
            Asked::Message(lane) => {
                // The modem is in no state to send: it may have lost its connection and not have said so.
                let state = matches!(number, WRONG_STATE | WRONG_STATE_RNWF);
                if state && self.lanes.may_try_again(lane) {
                    return Some(self.fail(Cause::Lost));
                }
                self.doubt |= state;
                self.lanes.end(lane, Err(failure));
                None
            }
            Asked::Subscription => self.requests.answered(false).map(|tag| Notice::Failed(tag, failure)),
            Asked::Removal => self.requests.removed().map(|tag| Notice::Failed(tag, failure)),
        }
    }

    /// What was asked was not answered or acknowledged in time.
    fn late(&mut self) -> Option<Notice<'static>> {
        match self.asked? {
            Asked::Message(lane) => {
                if lane == Lane::App && self.lanes.is_acknowledged(lane) {
                    // Nothing else makes the modem take another one; this one is sent again on the next connection.
                    return Some(self.fail(Cause::AckTimeout));
                }
                self.asked = None;
                self.doubt = true;
                self.lanes.end(lane, Err(Failure::TimedOut));
                None
            }
            Asked::Subscription => {
                self.asked = None;
                self.doubt = true;
                self.requests.answered(false).map(|tag| Notice::Failed(tag, Failure::TimedOut))
            }
            Asked::Removal => {
                self.asked = None;
                self.doubt = true;
                self.requests.removed().map(|tag| Notice::Failed(tag, Failure::TimedOut))
            }
        }
    }

    /// The connection is over.
    fn fail(&mut self, cause: Cause) -> Notice<'static> {
        self.drop_connection();
        self.phase = Phase::Over;
        self.wants_close = true;
        Notice::Down(cause)
    }

    /// Forgets what belongs to the connection alone.
    fn drop_connection(&mut self) {
        self.client.abandon();
        self.asked = None;
        self.ready = false;
        self.doubt = false;
        self.lanes.disconnected();
        let lost = self.requests.disconnected();
        self.pending.extend(lost.into_iter().map(|tag| Notice::Failed(tag, Failure::Lost)));
    }

    /// What time brought: one notice, or none.
    fn clock(&mut self) -> Option<Notice<'static>> {
        self.lanes.expire(self.now);
        if self.phase == Phase::Up && self.client.is_idle() && self.now >= self.heard.after(self.options.timers.check) {
            self.doubt = true;
            self.heard = self.now;
        }
        self.go_on();
        self.news()
    }

    /// What has not been told.
    fn news(&mut self) -> Option<Notice<'static>> {
        if let Some(notice) = self.pending.pop_front() {
            return Some(notice);
        }
        let (tag, outcome): (Tag, _) = self.lanes.tell()?;
        Some(match outcome {
            Ok(()) => Notice::Delivered(tag),
            Err(why) => Notice::Failed(tag, why),
        })
    }
}

/// How often at most a modem that says strange things is asked whether it is still connected: one that answers
/// everything twice would be asked for ever.
const DOUBTS: Duration = Duration::from_secs(10);

/// The code of a command that the module's state does not allow ("MQTT Error"), in each dialect.
const WRONG_STATE: u16 = 47;
const WRONG_STATE_RNWF: u16 = 8 << 8;

/// Bytes of a command line that publishes besides topic and payload, less those of the packet that it stands for.
const OVERHEAD: usize = 18;

/// What a module of this family offers.
fn abilities(dialect: Dialect, limits: &Limits) -> Abilities {
    let rnwf = dialect == Dialect::Rnwf;
    Abilities {
        qos: QoS::ExactlyOnce,
        // As long as nothing has to be escaped: what does not fit then is refused when it is given.
        packet: limits.packet_out.min(dialect.line() - OVERHEAD),
        topic: if rnwf { 256 } else { 128 },
        client_id: if rnwf { 64 } else { 23 },
        user_name: 128,
        // An AnyCloud module may ignore it: the published firmware sends an empty one.
        password: 256,
        subscriptions: if rnwf { limits.subscriptions } else { limits.subscriptions.min(4) },
        will: false,
    }
}

/// Longest host name of a family, in bytes.
fn host(dialect: Dialect) -> usize {
    if dialect == Dialect::Rnwf { 256 } else { 64 }
}

impl fmt::Debug for Modem {
    /// Where it stands and what it holds; never what waits for the pipe.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Modem")
            .field("phase", &self.phase)
            .field("now", &self.now)
            .field("to", &self.to)
            .field("connect", &self.connect)
            .field("client", &self.client)
            .field("asked", &self.asked)
            .field("ready", &self.ready)
            .field("finished", &self.finished)
            .field("messages", &self.lanes.live())
            .field("requests", &self.requests)
            .finish_non_exhaustive()
    }
}

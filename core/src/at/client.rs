//! The modem in its own words: one thing at a time is asked of it, and everything it says is heard.

use super::{
    Dialect, Event, Fault, Line, Parser, Record, Timers, Tls, Wifi,
    dialog::{Dialog, Due, Whose},
    encode::{self, Param},
    mqtt::{Dial, DialStep},
    op::{Info, Op, Turn},
    setting::{self, Known},
    urc::Urc,
    wifi::{Join, JoinStep},
};
use crate::{
    io::{Cause, Deadline, Instant, Rejected},
    link::{Connect, Endpoint, QoS},
};
use alloc::{boxed::Box, collections::VecDeque, string::String, vec::Vec};
use core::{fmt, time::Duration};

/// A modem's conversation: below lanes, redials and clouds, for whoever wants to talk to one command by command. What is
/// asked is done one after the other; each ends in its event. [`Modem`](super::Modem) is the link that stands on it.
///
/// Call [`Client::start`] when the pipe is open, then ask; [`Client::read`] takes in what comes, [`Client::transmit`] shows
/// what has to go out.
pub struct Client {
    timers: Timers,
    parser: Parser,
    dialog: Dialog,
    dialect: Dialect,
    now: Instant,
    running: Option<Running>,
    /// What is asked next; bounded by [`QUEUED`].
    queue: VecDeque<Op>,
    known: Known,
    /// It does not echo any more.
    quiet: bool,
    probed: bool,
    /// The server has just refused: the end of the connection that follows is no news.
    refused: bool,
    /// Acknowledgements of QoS 0 that are owed, on modules that have shown to give them.
    owed: Option<u8>,
    /// What one line or one moment brought beyond one event: two at most.
    pending: VecDeque<Event<'static>>,
}

/// What is being done.
#[derive(Debug)]
struct Running {
    op: Op,
    stage: Stage,
    /// Commands of it that were not answered.
    silent: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// Its next command waits for its turn.
    Due,
    /// Its command is out.
    Asked,
    /// An event is awaited.
    Awaiting(Instant, &'static str),
}

/// Things that may wait to be done.
pub(super) const QUEUED: usize = 16;
/// Commands of one thing that may stay unanswered, over all repetitions.
const SILENT: u8 = 6;

impl Client {
    /// A conversation with a modem that is connected or not, as far as it is known.
    pub fn new(dialect: Dialect, timers: Timers, longest: usize) -> Self {
        Self {
            timers,
            parser: Parser::new(dialect, longest),
            dialog: Dialog::new(timers),
            dialect,
            now: Instant::ZERO,
            running: None,
            queue: VecDeque::new(),
            known: Known::default(),
            quiet: false,
            probed: false,
            refused: false,
            owed: None,
            pending: VecDeque::new(),
        }
    }

    /// The family of the modem, as far as it is known.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Begins anew on a pipe that has just been opened: `ATE0`, then [`Event::Started`]. A modem that echoes it has
    /// restarted since it was last told not to: what it was set to is forgotten.
    pub fn start(&mut self, now: Instant) {
        self.abandon();
        self.tell_time(now);
        self.queue.push_back(Op::Start { tries: 0 });
        self.go_on();
    }

    /// Forgets what is asked and heard: there is no pipe any more.
    pub(super) fn abandon(&mut self) {
        self.parser.restart();
        self.dialog.restart();
        self.running = None;
        self.queue.clear();
        self.pending.clear();
        self.quiet = false;
        self.refused = false;
        self.owed = None;
    }

    /// Whether it has to be asked for its family and told how to report errors.
    pub(super) fn needs_probe(&self) -> bool {
        !self.probed || self.dialect == Dialect::Auto
    }

    /// Whether nothing is asked.
    pub(super) fn is_idle(&self) -> bool {
        self.running.is_none() && self.queue.is_empty()
    }

    pub(super) fn probe(&mut self) {
        self.add(Op::Probe { step: 0 });
    }

    /// Onto the network, if it is not there: [`Event::Joined`] or [`Event::Failed`].
    pub(super) fn join(&mut self, wifi: Option<&Wifi>, ntp: Option<&str>) {
        let settings = wifi.map(|wifi| setting::wifi(wifi, ntp, self.dialect));
        self.add(Op::Join(Join { step: JoinStep::Query, again: settings.clone(), settings, address: None }));
    }

    pub(super) fn clock(&mut self) {
        self.add(Op::Clock { asked: Duration::ZERO });
    }

    /// Connects: [`Event::Connected`], [`Event::Refused`] or [`Event::Failed`]. A connection that the modem still holds
    /// is ended first; of the settings, only those are sent that it is not known to hold.
    ///
    /// # Errors
    /// [`Rejected::Full`] where too much waits to be done.
    pub fn connect(&mut self, now: Instant, to: &Endpoint, connect: &Connect, tls: &Tls) -> Result<(), Rejected> {
        self.tell_time(now);
        let settings = self.known.missing(setting::mqtt(to, connect, tls, self.dialect));
        self.request(Op::Dial(Dial {
            step: DialStep::Query,
            settings,
            clean: connect.clean_session,
            held: None,
            session_present: false,
            early: None,
        }))
    }

    pub(super) fn leave(&mut self) {
        self.add(Op::Leave { ended: false });
    }

    pub(super) fn check(&mut self) {
        self.add(Op::Check);
    }

    /// Asks for a subscription: [`Event::Subscribed`].
    ///
    /// # Errors
    /// [`Rejected::Invalid`] where the line would be too long, [`Rejected::Full`] where too much waits to be done.
    pub fn subscribe(&mut self, now: Instant, filter: &str, qos: QoS) -> Result<(), Rejected> {
        self.tell_time(now);
        self.request(Op::Subscribe { filter: filter.into(), qos, early: None })
    }

    pub(super) fn unsubscribe(&mut self, filter: &str) {
        self.add(Op::Unsubscribe { filter: filter.into(), early: None });
    }

    /// Publishes: [`Event::Published`], at QoS 1 and 2 once it is acknowledged.
    ///
    /// # Errors
    /// As [`Client::subscribe`].
    pub fn publish(
        &mut self,
        now: Instant,
        topic: &[&str],
        qos: QoS,
        retain: bool,
        payload: &[u8],
    ) -> Result<(), Rejected> {
        self.tell_time(now);
        let line = publish_line(topic, qos, retain, payload, self.dialect)?;
        self.request(Op::Publish { line, qos, id: None, early: None })
    }

    /// Sends a line that [`publish_line`] has made.
    pub(super) fn publish_again(&mut self, line: Vec<u8>, qos: QoS) {
        self.add(Op::Publish { line, qos, id: None, early: None });
    }

    /// Sends any command: [`Event::Answered`] or [`Event::CommandError`].
    ///
    /// # Errors
    /// As [`Client::subscribe`].
    pub fn command(&mut self, now: Instant, name: &str, params: &[Param<'_>]) -> Result<(), Rejected> {
        self.tell_time(now);
        let mut line = Vec::new();
        encode::append(&mut line, name, params, self.dialect.line()).map_err(|_| TOO_LONG)?;
        self.request(Op::Command { line, name: name.into() })
    }

    /// Reads at most one line from the front of `bytes` and says how many bytes it used. Empty `bytes`: what time brought;
    /// call until nothing comes. `scratch`: as of [`Parser::read`].
    pub fn read<'b>(&mut self, now: Instant, bytes: &[u8], scratch: &'b mut Vec<u8>) -> (usize, Option<Event<'b>>) {
        self.tell_time(now);
        if let Some(event) = self.pending.pop_front() {
            return (0, Some(event));
        }
        if bytes.is_empty() {
            return (0, self.time());
        }
        self.dialog.heard(self.now);
        let (used, line) = self.parser.read(bytes, scratch);
        let event = line.and_then(|line| self.line(line));
        self.go_on();
        (used, event)
    }

    /// What has happened and needs no line; with `time`, what time brought too.
    pub(super) fn happened(&mut self, now: Instant, time: bool) -> Option<Event<'static>> {
        self.tell_time(now);
        let event = self.pending.pop_front();
        if time { event.or_else(|| self.time()) } else { event }
    }

    /// Bytes that wait for the pipe.
    pub fn transmit(&self) -> &[u8] {
        self.dialog.transmit()
    }

    /// So many of them were handed over.
    pub fn sent(&mut self, now: Instant, len: usize) {
        self.tell_time(now);
        self.dialog.sent(self.now, len);
        self.go_on();
    }

    /// When [`Client::read`] with no bytes has something to do.
    pub fn deadline(&self) -> Option<Deadline> {
        if !self.pending.is_empty() {
            return Some(Deadline { at: self.now, why: "news" });
        }
        let due = self.running.as_ref().map(|running| running.stage);
        let waits = due == Some(Stage::Due) || (due.is_none() && !self.queue.is_empty());
        let awaited = match due {
            Some(Stage::Awaiting(at, why)) => Some(Deadline { at, why }),
            Some(Stage::Due | Stage::Asked) | None => None,
        };
        Deadline::earlier(self.dialog.deadline(waits), awaited)
    }

    /// Now: what is asked without a time of its own is asked then.
    pub(super) fn tell_time(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    fn request(&mut self, op: Op) -> Result<(), Rejected> {
        if self.queue.len() >= QUEUED {
            return Err(Rejected::Full);
        }
        // What is written later is measured now, so that it is refused before anything has happened.
        if matches!(op, Op::Subscribe { .. }) {
            op.write(&mut Vec::new(), self.dialect).map_err(|_| TOO_LONG)?;
        }
        self.add(op);
        Ok(())
    }

    fn add(&mut self, op: Op) {
        self.queue.push_back(op);
        self.go_on();
    }

    /// Sends the next command, if there is one and it may go.
    fn go_on(&mut self) {
        while self.dialog.is_free(self.now) {
            if self.running.is_none() {
                let Some(op) = self.queue.pop_front() else { return };
                self.refused &= !matches!(op, Op::Dial(_));
                self.running = Some(Running { op, stage: Stage::Due, silent: 0 });
            }
            let Some(running) = &mut self.running else { return };
            if running.stage != Stage::Due {
                return;
            }
            let (op, dialect) = (&running.op, self.dialect);
            if let Op::Fetch { topic, flags, .. } = op {
                self.parser.fetch(topic, *flags);
            }
            if let Some(setting) = op.setting() {
                // Until it is confirmed, nobody knows which value holds.
                self.known.unset(setting);
            }
            if self.dialog.ask(self.now, op.is_secret(), |out| op.write(out, dialect)).is_ok() {
                running.stage = Stage::Asked;
            } else {
                self.running = None;
                self.pending.push_back(Event::Failed(Cause::Modem("a setting is too long for its command line")));
            }
        }
    }

    fn line<'b>(&mut self, line: Line<'b>) -> Option<Event<'b>> {
        match line {
            Line::Ok => self.result(None),
            Line::Error(fault) => self.result(Some(fault)),
            Line::Echo(_) => {
                // One that had stopped echoing and begins again has restarted.
                self.known.clear();
                self.probed = false;
                core::mem::take(&mut self.quiet).then_some(Event::Doubt)
            }
            Line::Record(record) => self.record(&record),
            Line::Message(message) => Some(Event::Message(message)),
            Line::Announced { topic, id, len, flags } => {
                if self.queue.len() >= QUEUED {
                    return Some(Event::Skipped("more messages are announced than can be fetched"));
                }
                self.queue.push_front(Op::Fetch { topic: String::from(topic), id, len, flags });
                None
            }
            Line::Malformed(line) if line.starts_with(b"+") => {
                Some(Event::Skipped("a line of the modem that cannot be understood"))
            }
            Line::Overlong => Some(Event::Skipped("a line of the modem over the limit for packets that come in")),
            // Help texts, and noise of the line.
            Line::Malformed(_) | Line::Binary => None,
        }
    }

    /// A final result, be it an error.
    fn result(&mut self, error: Option<Fault<'_>>) -> Option<Event<'static>> {
        match self.dialog.result(self.now, error.is_none()) {
            Whose::Command => {}
            Whose::Ours => return None,
            Whose::Nobody => return error.is_none().then_some(Event::Doubt),
            Whose::Reset => {
                self.restarted();
                return Some(Event::Failed(Cause::Modem("it had to be reset, since it had stopped answering")));
            }
        }
        let running = self.running.as_mut().filter(|running| running.stage == Stage::Asked)?;
        let Some(fault) = error else {
            if let (Op::Publish { qos: QoS::AtMostOnce, .. }, Some(owed)) = (&running.op, &mut self.owed) {
                *owed = owed.saturating_add(1);
            }
            let turn = running.op.done(&self.timers);
            return self.follow(turn);
        };
        let told = match &running.op {
            Op::Subscribe { .. } => Some("+MQTTSUB".into()),
            Op::Unsubscribe { .. } => Some("+MQTTUNSUB".into()),
            Op::Publish { .. } => Some("+MQTTPUB".into()),
            Op::Command { name, .. } => Some(name.clone()),
            _ => None,
        };
        let turn = running.op.failed(fault.number(), &self.timers);
        let event = self.follow(turn);
        let error = |command| Event::CommandError {
            command,
            number: fault.number(),
            code: fault.code.map(Box::from),
            message: fault.message.map(Box::from),
        };
        told.map(error).or(event)
    }

    fn record(&mut self, record: &Record<'_>) -> Option<Event<'static>> {
        let asking = self.running.as_ref().is_some_and(|running| running.stage == Stage::Asked);
        if asking && let Some(running) = &mut self.running {
            match running.op.info(record) {
                Info::Other => {}
                Info::Taken => return None,
                Info::Told(event) => {
                    if let Event::Model(dialect) = event {
                        self.model(dialect, record);
                    }
                    return Some(event);
                }
            }
        }
        let urc = Urc::of(record, self.dialect);
        match urc {
            Urc::Boot => {
                self.restarted();
                return Some(Event::Restarted);
            }
            Urc::Published(..) if self.is_owed() => return None,
            Urc::Time(time) => self.pending.push_back(Event::Time(time)),
            Urc::Other => return None,
            _ => {}
        }
        let handles = |running: &Running| matches!(running.op, Op::Dial(_) | Op::Leave { .. });
        let dialling = self.running.as_ref().is_some_and(handles);
        // On the way onto the network, it may well be left once more.
        let joins = |running: &Running| matches!(running.op, Op::Start { .. } | Op::Probe { .. } | Op::Join(_));
        let joining = self.running.as_ref().is_some_and(joins);
        let turn = self.running.as_mut().map_or(Turn::Stay, |running| running.op.urc(urc, asking));
        if let Some(event) = self.follow(turn) {
            return Some(event);
        }
        match urc {
            Urc::LinkDown => (!joining).then_some(Event::Link(false)),
            Urc::Address => Some(Event::Link(true)),
            Urc::ConnAck(_, code @ 1..) if !dialling => {
                self.refused = true;
                Some(Event::Refused(code))
            }
            Urc::Connection(true) if !dialling => Some(Event::Reconnected),
            Urc::Connection(false) if !dialling && !core::mem::take(&mut self.refused) => Some(Event::Disconnected),
            _ => None,
        }
    }

    /// The family is found out; where the user has named it, that holds.
    fn model(&mut self, dialect: Dialect, record: &Record<'_>) {
        let dialect = if record.is_assigned() { Dialect::AnyCloud } else { dialect };
        if self.dialect == Dialect::Auto {
            self.dialect = dialect;
            self.parser.speak(dialect);
        }
    }

    /// Whether an acknowledgement is one of QoS 0, which some modules give, and owe from the first one on.
    fn is_owed(&mut self) -> bool {
        let awaited = match &self.running {
            Some(Running { op: Op::Publish { qos, .. }, .. }) => *qos != QoS::AtMostOnce,
            _ => false,
        };
        match &mut self.owed {
            Some(owed @ 1..) => {
                *owed -= 1;
                true
            }
            _ if awaited => false,
            owed => {
                owed.get_or_insert(0);
                true
            }
        }
    }

    /// The modem has restarted: it knows nothing, and does nothing of what it was asked.
    fn restarted(&mut self) {
        self.dialog.restarted(self.now);
        self.forget();
    }

    fn forget(&mut self) {
        self.running = None;
        self.queue.clear();
        self.known.clear();
        self.quiet = false;
        self.probed = false;
        self.owed = None;
    }

    fn follow(&mut self, turn: Turn) -> Option<Event<'static>> {
        let running = self.running.as_mut()?;
        match turn {
            Turn::Stay => None,
            Turn::Next => {
                running.stage = Stage::Due;
                None
            }
            Turn::Set(setting) => {
                running.stage = Stage::Due;
                self.known.set(setting);
                None
            }
            Turn::Unsure => {
                running.stage = Stage::Due;
                running.silent += 1;
                if running.silent >= SILENT {
                    self.running = None;
                    return Some(Event::Failed(Cause::Modem("it answers without saying what it was asked")));
                }
                self.dialog.quieten(self.now, 0);
                None
            }
            Turn::Await(time, why) => {
                running.stage = Stage::Awaiting(self.now.after(time), why);
                None
            }
            Turn::Over(event) => {
                self.running = None;
                self.quiet |= event == Some(Event::Started);
                self.probed |= event == Some(Event::Probed);
                self.refused |= matches!(event, Some(Event::Refused(_)));
                event
            }
        }
    }

    /// What time brought.
    fn time(&mut self) -> Option<Event<'static>> {
        loop {
            let due = self.dialog.due(self.now);
            let event = match due {
                Some(Due::Silent) => self.silence(),
                Some(Due::Dead) => {
                    self.forget();
                    Some(Event::Failed(Cause::Modem(
                        "it does not answer: check its power, the wiring and the baud rate",
                    )))
                }
                Some(Due::Ours) => None,
                None => match self.running.as_mut() {
                    Some(Running { op, stage: Stage::Awaiting(until, _), .. }) if *until <= self.now => {
                        let turn = op.late();
                        self.follow(turn)
                    }
                    _ => {
                        self.go_on();
                        return self.pending.pop_front();
                    }
                },
            };
            self.go_on();
            if event.is_some() {
                return event;
            }
        }
    }

    /// The command that was out was not answered.
    fn silence(&mut self) -> Option<Event<'static>> {
        let running = self.running.as_mut().filter(|running| running.stage == Stage::Asked)?;
        running.silent += 1;
        if running.op.is_repeated() && running.silent < SILENT {
            running.stage = Stage::Due;
            return None;
        }
        let event = match running.op {
            Op::Subscribe { .. } | Op::Unsubscribe { .. } | Op::Publish { .. } | Op::Command { .. } => Event::TimedOut,
            _ => Event::Failed(Cause::Modem("it does not answer one of its commands")),
        };
        self.running = None;
        Some(event)
    }
}

/// A message as a command line.
///
/// # Errors
/// [`Rejected::Invalid`] where it does not fit.
pub(super) fn publish_line(
    topic: &[&str],
    qos: QoS,
    retain: bool,
    payload: &[u8],
    dialect: Dialect,
) -> Result<Vec<u8>, Rejected> {
    let mut line = Vec::new();
    let params = [
        Param::Int(0),
        Param::Int(qos.level().into()),
        Param::Int(retain.into()),
        Param::Pieces(topic),
        Param::Bytes(payload),
    ];
    encode::append(&mut line, "+MQTTPUB", &params, dialect.line()).map_err(|_| TOO_LONG)?;
    Ok(line)
}

/// What is refused since the module would drop it without a word.
pub(super) const TOO_LONG: Rejected = Rejected::Invalid("too long for the modem's command line: send less at once");

impl fmt::Debug for Client {
    /// Where it stands; never the bytes that wait for the pipe, nor what is going to be set.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("dialect", &self.dialect)
            .field("now", &self.now)
            .field("stage", &self.running.as_ref().map(|running| running.stage))
            .field("queued", &self.queue.len())
            .finish_non_exhaustive()
    }
}

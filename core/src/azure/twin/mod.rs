//! How a device and its twin stay in step: the whole asked for on every connection, changes told once and in order,
//! reports sent one after the other, each request under an id of its own (§3.4).
//!
//! A request that is not answered in 30 s is sent again under a new id, three times in all; answers to old ids are
//! ignored. The hub's 429 and 5xx are waited out. Requests outlive their connection: they are sent again on the next.

mod document;
mod reports;
mod versions;

pub use crate::json::JsonError;
pub use document::{Desired, Twin, TwinError};
pub use versions::{Change, Versions};

use super::{limits, rid::Rids, topic::Topic};
use crate::{
    cloud::Cx,
    io::{Deadline, Failure, Instant, Rejected, Tag},
    link::{Lane, Publish, QoS},
};
use alloc::{
    collections::VecDeque,
    string::{String, ToString as _},
    vec::Vec,
};
use core::time::Duration;
use document::{change, check_patch};
use reports::Reports;
use serde_json::{Map, Value};

/// What the twin leads to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Outcome {
    /// A request for the twin is over.
    Twin(Tag, Result<Twin, Failure>),
    /// A report is over, with the new version of the reported properties where the hub told it.
    Reported(Tag, Result<Option<u64>, Failure>),
    /// Desired properties for the application.
    Desired(Desired),
    /// A document of the hub's that cannot be used.
    Unreadable(TwinError),
    /// The hub did not give the whole twin, with its status if it answered at all; it is asked again later.
    Behind(Option<u16>),
}

/// The twin of the device, as far as this side knows it.
#[derive(Debug, Default)]
pub(super) struct TwinSync {
    /// The subscriptions are granted.
    online: bool,
    /// Desired properties are told to the application.
    follow: bool,
    requests: Vec<Request>,
    versions: Versions,
    reports: Reports,
    /// The next time a gap may ask for the whole: a hub that counts wildly is not asked without end.
    next_repair: Instant,
    outcomes: VecDeque<Outcome>,
    /// Since when outcomes wait.
    since: Instant,
    /// Answers to unknown or old ids.
    strays: u32,
}

#[derive(Debug)]
struct Request {
    kind: Kind,
    state: State,
    tries: u8,
    delays: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// The whole twin, for the order of desired properties.
    Whole,
    /// The whole twin, for a command.
    Get(Tag),
    /// The next reported patch.
    Report,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// For the connection.
    Waiting,
    /// For the moment to be sent.
    Delayed { until: Instant },
    /// For its answer.
    Sent { rid: u32, publish: Tag, until: Instant },
}

/// Commands for the whole twin that may be open; the others of the table are the client's own.
const GETS: usize = limits::TWIN_REQUESTS - 2;

impl TwinSync {
    /// Asks for the twin, for `command`.
    ///
    /// # Errors
    /// [`Rejected::Full`] while six others are open.
    pub(super) fn get(&mut self, cx: &mut Cx<'_>, rids: &mut Rids, command: Tag) -> Result<(), Rejected> {
        let open = self.requests.iter().filter(|request| matches!(request.kind, Kind::Get(_))).count();
        if open >= GETS {
            return Err(Rejected::Full);
        }
        self.requests.push(Request::new(Kind::Get(command), State::Waiting));
        self.send_waiting(cx, rids);
        Ok(())
    }

    /// Reports properties, for `command`.
    ///
    /// # Errors
    /// [`Rejected::Invalid`] against the hub's rules or over a packet of the link's, [`Rejected::Full`] over what may
    /// wait.
    pub(super) fn report(
        &mut self,
        cx: &mut Cx<'_>,
        rids: &mut Rids,
        command: Tag,
        patch: &Value,
    ) -> Result<(), Rejected> {
        let len = check_patch(patch)?;
        if len.saturating_add(OVERHEAD) > cx.link.abilities().packet {
            return Err(Rejected::Invalid("the reported properties are larger than a packet of the link"));
        }
        let members = patch.as_object().cloned().unwrap_or_default();
        self.reports.push(command, members, len)?;
        self.start_report(cx, rids);
        Ok(())
    }

    /// The subscriptions of this connection are granted: what waits is sent, and the whole twin asked for.
    ///
    /// `follow`: whether desired properties are wanted at all.
    pub(super) fn up(&mut self, cx: &mut Cx<'_>, rids: &mut Rids, follow: bool) {
        self.online = true;
        self.follow = follow;
        if follow {
            self.versions.hold();
            self.requests.push(Request::new(Kind::Whole, State::Waiting));
        }
        self.start_report(cx, rids);
        self.send_waiting(cx, rids);
    }

    /// The connection is gone; what was not answered waits for the next one.
    pub(super) fn down(&mut self) {
        self.online = false;
        self.requests.retain(|request| request.kind != Kind::Whole);
        for request in &mut self.requests {
            *request = Request::new(request.kind, State::Waiting);
        }
    }

    /// Whether this is the tag of a request on its way.
    pub(super) fn owns(&self, tag: Tag) -> bool {
        self.requests.iter().any(|request| matches!(request.state, State::Sent { publish, .. } if publish == tag))
    }

    /// The link gave a request up. It is sent again in a moment, unless the connection is gone with it.
    pub(super) fn failed(&mut self, cx: &Cx<'_>, tag: Tag) {
        let until = cx.now.after(LINK_BUSY);
        let sent = |state: State| matches!(state, State::Sent { publish, .. } if publish == tag);
        for request in self.requests.iter_mut().filter(|request| sent(request.state)) {
            request.state = State::Delayed { until };
        }
    }

    /// An answer of the hub's about the twin.
    pub(super) fn answer(
        &mut self,
        cx: &mut Cx<'_>,
        rids: &mut Rids,
        status: u16,
        rid: Option<&str>,
        version: Option<u64>,
        body: &[u8],
    ) -> Option<Outcome> {
        let number = rid.and_then(|rid| rid.parse::<u32>().ok());
        let sent = |request: &Request| matches!(request.state, State::Sent { rid, .. } if Some(rid) == number);
        let Some(at) = self.requests.iter().position(sent) else {
            self.strays = self.strays.saturating_add(1);
            return self.say(cx.now);
        };
        match status {
            200..=299 => self.granted(cx, at, version, body),
            429 | 500..=599 => self.delay(cx, at, status),
            _ => self.refused(cx, at, status),
        }
        self.start_report(cx, rids);
        self.send_waiting(cx, rids);
        self.say(cx.now)
    }

    /// A change of desired properties; `version` is that of the topic.
    pub(super) fn changed(
        &mut self,
        cx: &mut Cx<'_>,
        rids: &mut Rids,
        version: Option<u64>,
        body: &[u8],
    ) -> Option<Outcome> {
        let change = change(body).and_then(|(inside, desired)| match inside.or(version) {
            Some(version) => Ok((version, desired)),
            None => Err(TwinError::Shape("a change has a `$version`")),
        });
        match change {
            Ok((version, desired)) => match self.versions.change(version, desired, body.len()) {
                Change::Next(desired) => self.tell(cx.now, Outcome::Desired(desired)),
                Change::Stale => self.strays = self.strays.saturating_add(1),
                Change::Held => {}
                Change::Gap => self.repair(cx),
            },
            Err(error) => {
                // What it said is lost: the whole twin has it.
                self.tell(cx.now, Outcome::Unreadable(error));
                self.versions.hold();
                self.repair(cx);
            }
        }
        self.send_waiting(cx, rids);
        self.say(cx.now)
    }

    /// Time has passed.
    pub(super) fn tick(&mut self, cx: &mut Cx<'_>, rids: &mut Rids) -> Option<Outcome> {
        let mut at = 0;
        while let Some(request) = self.requests.get_mut(at) {
            let unanswered = matches!(request.state, State::Sent { until, .. } if until <= cx.now);
            if unanswered || matches!(request.state, State::Delayed { until } if until <= cx.now) {
                request.state = State::Waiting;
            }
            let tired = unanswered && request.tries >= limits::TWIN_TRIES;
            if !tired || !self.give_up(cx, at, None, Failure::TimedOut) {
                at = at.saturating_add(1);
            }
        }
        self.send_waiting(cx, rids);
        self.start_report(cx, rids);
        self.say(cx.now)
    }

    pub(super) fn deadline(&self) -> Option<Deadline> {
        let say = (!self.outcomes.is_empty()).then_some(Deadline { at: self.since, why: "twin news" });
        let requests = self.requests.iter().map(|request| match request.state {
            State::Sent { until, .. } => Some(Deadline { at: until, why: "twin answer" }),
            State::Delayed { until } => Some(Deadline { at: until, why: "twin request" }),
            State::Waiting => None,
        });
        requests.fold(say, Deadline::earlier)
    }

    /// The hub answered in the affirmative.
    fn granted(&mut self, cx: &Cx<'_>, at: usize, version: Option<u64>, body: &[u8]) {
        let Some(kind) = self.requests.get(at).map(|request| request.kind) else { return };
        if kind == Kind::Report {
            self.requests.remove(at);
            return self.end_report(cx.now, Ok(version));
        }
        let twin = match Twin::parse(body) {
            Ok(twin) => twin,
            // It stays open until its time is over: another answer may still come.
            Err(error) => return self.tell(cx.now, Outcome::Unreadable(error)),
        };
        self.requests.remove(at);
        // What is held back waits for the answer to a request that was made after it.
        let follow = self.follow && !self.is_asking_whole();
        let (version, desired) = (twin.desired_version, if follow { twin.desired.clone() } else { Map::new() });
        if let Kind::Get(tag) = kind {
            self.tell(cx.now, Outcome::Twin(tag, Ok(twin)));
        }
        if !follow {
            return;
        }
        let mut told = Vec::new();
        let gap = self.versions.whole(version, desired, |desired| told.push(desired));
        for desired in told {
            self.tell(cx.now, Outcome::Desired(desired));
        }
        if gap {
            self.repair(cx);
        }
    }

    /// The report on its way is over, and with it all commands that made it up.
    fn end_report(&mut self, now: Instant, result: Result<Option<u64>, Failure>) {
        let done: Vec<_> = self.reports.finish().collect();
        for tag in done {
            self.tell(now, Outcome::Reported(tag, result));
        }
    }

    /// The hub has no time: the same later, and all else slower.
    fn delay(&mut self, cx: &mut Cx<'_>, at: usize, status: u16) {
        if status == 429 {
            cx.link.slow_down(cx.now);
        }
        let jitter = cx.rng().up_to(JITTER);
        let Some(request) = self.requests.get_mut(at) else { return };
        if request.delays >= DELAYS {
            self.give_up(cx, at, Some(status), Failure::Refused(status));
            return;
        }
        let wait = Duration::from_secs(1 << request.delays) + Duration::from_millis(jitter);
        request.delays += 1;
        request.tries = 0;
        request.state = State::Delayed { until: cx.now.after(wait) };
    }

    /// The hub does not want it.
    fn refused(&mut self, cx: &Cx<'_>, at: usize, status: u16) {
        let report = self.requests.get(at).is_some_and(|request| request.kind == Kind::Report);
        if report && self.reports.take_apart() {
            self.requests.remove(at);
            return;
        }
        self.give_up(cx, at, Some(status), Failure::Refused(status));
    }

    /// Ends a request without success. `false` where it stays in the table: the whole is asked for again, later.
    fn give_up(&mut self, cx: &Cx<'_>, at: usize, status: Option<u16>, failure: Failure) -> bool {
        let now = cx.now;
        let Some(request) = self.requests.get_mut(at) else { return true };
        match request.kind {
            Kind::Whole => {
                *request = Request::new(Kind::Whole, State::Delayed { until: now.after(BEHIND) });
                self.tell(now, Outcome::Behind(status));
                return false;
            }
            Kind::Get(tag) => self.tell(now, Outcome::Twin(tag, Err(failure))),
            Kind::Report => self.end_report(now, Err(failure)),
        }
        self.requests.remove(at);
        true
    }

    /// Asks for the whole because changes are missing; not more often than every 5 s.
    fn repair(&mut self, cx: &Cx<'_>) {
        if self.online && !self.is_asking_whole() {
            let until = self.next_repair.max(cx.now);
            self.next_repair = until.after(REPAIR_GAP);
            let state = if until <= cx.now { State::Waiting } else { State::Delayed { until } };
            self.requests.push(Request::new(Kind::Whole, state));
        }
    }

    fn is_asking_whole(&self) -> bool {
        self.requests.iter().any(|request| request.kind == Kind::Whole)
    }

    /// Puts the next report into the table, where none is on its way.
    fn start_report(&mut self, cx: &mut Cx<'_>, rids: &mut Rids) {
        if !self.reports.is_empty() && !self.requests.iter().any(|request| request.kind == Kind::Report) {
            self.requests.push(Request::new(Kind::Report, State::Waiting));
            self.send_waiting(cx, rids);
        }
    }

    fn send_waiting(&mut self, cx: &mut Cx<'_>, rids: &mut Rids) {
        if !self.online {
            return;
        }
        let mut doomed = None;
        for (at, request) in self.requests.iter_mut().enumerate() {
            if request.state != State::Waiting {
                continue;
            }
            let rid = rids.next();
            let sent = match request.kind {
                Kind::Whole | Kind::Get(_) => publish(cx, &Topic::TwinGet { rid }, &[]),
                Kind::Report => {
                    let Some(patch) = self.reports.next() else { continue };
                    publish(cx, &Topic::TwinReported { rid }, &to_json(&patch))
                }
            };
            request.state = match sent {
                Ok(publish) => State::Sent { rid, publish, until: cx.now.after(limits::TWIN_ANSWER) },
                // A full link has room in a moment.
                Err(_) => State::Delayed { until: cx.now.after(LINK_BUSY) },
            };
            if matches!(sent, Err(Rejected::Invalid(_) | Rejected::Unsupported(_))) {
                doomed = Some(at);
            }
            request.tries = request.tries.saturating_add(1);
        }
        if let Some(at) = doomed {
            self.give_up(cx, at, None, Failure::Refused(TOO_LARGE));
        }
    }

    fn tell(&mut self, now: Instant, outcome: Outcome) {
        if self.outcomes.is_empty() {
            self.since = now;
        }
        self.outcomes.push_back(outcome);
    }

    /// The oldest thing to say; the next one comes with a tick at once.
    fn say(&mut self, now: Instant) -> Option<Outcome> {
        self.since = now;
        self.outcomes.pop_front()
    }
}

impl Request {
    fn new(kind: Kind, state: State) -> Self {
        Self { kind, state, tries: 0, delays: 0 }
    }
}

/// Longest topic of a report, packet id and the like.
const OVERHEAD: usize = 80;
/// When to try again where the link had no room.
const LINK_BUSY: Duration = Duration::from_secs(1);
/// When to ask for the whole again where the hub refused it or did not answer.
const BEHIND: Duration = Duration::from_mins(1);
/// Between two questions for the whole that gaps led to.
const REPAIR_GAP: Duration = Duration::from_secs(5);
/// How often a request is put off because the hub has no time: 1 s, 2 s, … 128 s.
const DELAYS: u8 = 8;
/// Spread of these waits, in milliseconds.
const JITTER: u64 = 1000;

/// The status of a patch that the link cannot carry.
const TOO_LARGE: u16 = 413;

fn publish(cx: &mut Cx<'_>, topic: &Topic<'_>, payload: &[u8]) -> Result<Tag, Rejected> {
    let (tag, topic) = (cx.tag(), topic.to_string());
    let (lane, qos, retain, ttl) = (Lane::Setup, QoS::AtMostOnce, false, None);
    cx.link.publish(cx.now, Publish { tag, lane, topic: &[&topic], payload, qos, retain, ttl })?;
    Ok(tag)
}

fn to_json(patch: &Map<String, Value>) -> Vec<u8> {
    // Writing a map of values with text for keys cannot fail.
    serde_json::to_vec(patch).unwrap_or_default()
}

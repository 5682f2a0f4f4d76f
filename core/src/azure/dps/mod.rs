//! How one registration at the provisioning service runs: register, ask again, wait as the service says, until a hub is
//! assigned or refused.
//!
//! ```text
//! Idle ──subscribed──▶ Asked ──202──▶ Waiting ──tick──▶ Asked ──200──▶ over
//!   ▲                    │ 429, 5xx, no answer ──▶ Waiting, then the same again
//!   └──────lost──────────┘ what the operation is called is kept, so that it can be asked after again
//! ```
//!
//! It owns neither connection nor clock: it is told of both and says what follows. One request is open at a time.

mod answer;

pub use answer::{Assignment, Reply};

use super::{
    event::{NotAssigned, Progress, ServiceError},
    identity::{ModelId, RegistrationId},
    rid::Rids,
    topic::Topic,
};
use crate::io::{Deadline, Instant};
use alloc::{borrow::Cow, boxed::Box, string::String};
use core::time::Duration;
use serde_json::{Map, Value};

/// How long the service may take to answer a request.
pub const ANSWER: Duration = Duration::from_secs(30);
/// Requests in a row that may stay unanswered; then the connection is made anew.
pub const UNANSWERED: u8 = 3;
/// The wait where the service names none.
pub const WAIT: Duration = Duration::from_secs(3);
/// The longest wait that is taken from the service.
pub const LONGEST_WAIT: Duration = Duration::from_mins(5);
/// Where the doubling of waits ends that the service does not name.
pub const DELAY_CAP: Duration = Duration::from_secs(100);
/// What is added to such a wait, at most.
pub const JITTER: Duration = Duration::from_secs(5);

/// One registration, from the first request to its end.
#[derive(Debug)]
pub struct Registration {
    /// The payload of the request to register.
    request: Box<[u8]>,
    limit: Duration,
    state: State,
    started: Option<Instant>,
    /// The id of the latest request.
    rid: u32,
    operation: Option<Box<str>>,
    unanswered: u8,
    /// Answers in a row that delayed us without saying for how long.
    delays: u32,
    /// The operation was forgotten by the service once already.
    restarted: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// No connection, or its answers are not subscribed to yet.
    Idle,
    /// A request is open until then.
    Asked { what: What, until: Instant },
    /// The next request leaves then.
    Waiting { what: What, until: Instant },
}

/// What is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum What {
    Register,
    Status,
}

/// What follows from what a registration was told.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "whoever runs a registration has to do each of these")]
pub enum Next {
    /// Nothing, or only waiting.
    Nothing,
    /// The service was heard; it is asked again at the deadline.
    Wait(Progress),
    /// Publish [`Registration::request`].
    Ask,
    /// The service is silent: make the connection anew.
    Reconnect,
    /// It is over: a hub is assigned.
    Assigned(Box<Assignment>),
    /// It is over without a hub.
    Failed(NotAssigned),
}

impl Registration {
    /// A registration that has not begun. `payload` is what custom allocation is told; an object without `modelId` gets
    /// `model` added, and without a payload the model stands alone.
    pub fn new(id: &RegistrationId, payload: Option<&Value>, model: Option<&ModelId>, limit: Duration) -> Self {
        let model = model.map(|model| Value::String(model.as_str().into()));
        let payload = match (payload.cloned(), model) {
            (Some(Value::Object(mut object)), Some(model)) => {
                object.entry("modelId").or_insert(model);
                Some(Value::Object(object))
            }
            (None, Some(model)) => Some(Value::Object(Map::from_iter([(String::from("modelId"), model)]))),
            (payload, _) => payload,
        };
        let mut body = Map::from_iter([(String::from("registrationId"), Value::String(id.as_str().into()))]);
        if let Some(payload) = payload {
            body.insert("payload".into(), payload);
        }
        Self {
            request: alloc::format!("{}", Value::Object(body)).into_bytes().into(),
            limit,
            state: State::Idle,
            started: None,
            rid: 0,
            operation: None,
            unanswered: 0,
            delays: 0,
            restarted: false,
        }
    }

    /// Begins, unless it has begun: its time runs from now.
    pub fn begin(&mut self, now: Instant) {
        self.started.get_or_insert(now);
    }

    /// There is a connection, and answers are subscribed to.
    pub fn subscribed(&mut self, now: Instant, rids: &mut Rids) -> Next {
        self.begin(now);
        let what = if self.operation.is_some() { What::Status } else { What::Register };
        self.unanswered = 0;
        self.ask(now, rids, what)
    }

    /// The connection is gone. The operation that the service works on can be asked after on the next one.
    pub fn lost(&mut self) {
        self.state = State::Idle;
    }

    /// Forgets all, so that the next request begins a registration anew.
    pub fn reset(&mut self) {
        self.state = State::Idle;
        (self.started, self.operation) = (None, None);
        (self.unanswered, self.delays, self.restarted) = (0, 0, false);
    }

    /// The topic and payload of the open request; `None` while none is open.
    pub fn request(&self) -> Option<(Topic<'_>, &[u8])> {
        let State::Asked { what, .. } = self.state else { return None };
        let rid = self.rid;
        Some(match (what, self.operation.as_deref()) {
            (What::Status, Some(operation)) => (Topic::DpsQuery { rid, operation: Cow::Borrowed(operation) }, &[]),
            (What::Register | What::Status, _) => (Topic::DpsRegister { rid }, &self.request),
        })
    }

    /// An answer came. `random` decides about jitter.
    pub fn answer(&mut self, now: Instant, rids: &mut Rids, reply: &Reply<'_>, random: u64) -> Next {
        let State::Asked { what, .. } = self.state else { return Next::Nothing };
        if !reply.answers(self.rid) {
            return Next::Nothing;
        }
        self.unanswered = 0;
        match reply.status {
            200..=299 => self.accepted(now, reply),
            429 | 500.. => Next::Wait(self.delayed(now, what, reply, random)),
            400 | 404 if what == What::Status && !self.restarted => {
                self.restarted = true;
                self.operation = None;
                self.ask(now, rids, What::Register)
            }
            300..=499 => {
                self.over(Next::Failed(NotAssigned::Refused(ServiceError::parse(reply.status, reply.payload))))
            }
            0..=199 => self.over(Next::Failed(NotAssigned::Nonsense("the status of an answer is 200 or above"))),
        }
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Instant, rids: &mut Rids) -> Next {
        if self.ends().is_some_and(|ends| ends <= now) {
            return self.over(Next::Failed(NotAssigned::TimedOut));
        }
        match self.state {
            State::Waiting { what, until } if until <= now => self.ask(now, rids, what),
            State::Asked { what, until } if until <= now => {
                self.unanswered = self.unanswered.saturating_add(1);
                if self.unanswered < UNANSWERED {
                    return self.ask(now, rids, what);
                }
                self.lost();
                Next::Reconnect
            }
            State::Idle | State::Waiting { .. } | State::Asked { .. } => Next::Nothing,
        }
    }

    /// When [`Registration::tick`] has something to do.
    pub fn deadline(&self) -> Option<Deadline> {
        let own = match self.state {
            State::Idle => None,
            State::Asked { until, .. } => Some(Deadline { at: until, why: "provisioning answer" }),
            State::Waiting { until, .. } => Some(Deadline { at: until, why: "provisioning" }),
        };
        Deadline::earlier(own, self.ends().map(|at| Deadline { at, why: "provisioning limit" }))
    }

    /// When the time for all of it is over; a time that no clock reaches has no end.
    fn ends(&self) -> Option<Instant> {
        Some(self.started?.after(self.limit)).filter(|ends| ends.0 < u64::MAX)
    }

    fn ask(&mut self, now: Instant, rids: &mut Rids, what: What) -> Next {
        self.rid = rids.next();
        self.state = State::Asked { what, until: now.after(ANSWER) };
        Next::Ask
    }

    fn over(&mut self, next: Next) -> Next {
        self.reset();
        next
    }

    /// A status of 200 to 299: the body decides.
    fn accepted(&mut self, now: Instant, reply: &Reply<'_>) -> Next {
        self.delays = 0;
        match answer::Body::parse(reply) {
            Err(rule) => self.over(Next::Failed(NotAssigned::Nonsense(rule))),
            Ok(answer::Body::Assigning(operation)) => {
                if let Some(operation) = operation {
                    self.operation = Some(operation);
                }
                if self.operation.is_none() {
                    return self.over(Next::Failed(NotAssigned::Nonsense("`assigning` comes with an operationId")));
                }
                let wait = reply.wait().unwrap_or(WAIT);
                self.state = State::Waiting { what: What::Status, until: now.after(wait) };
                Next::Wait(Progress::Assigning { wait })
            }
            Ok(answer::Body::Assigned(assignment)) => self.over(Next::Assigned(assignment)),
            Ok(answer::Body::Ended(why)) => self.over(Next::Failed(why)),
        }
    }

    /// A status of 429, or 500 and above: the same again, after as long as the service says, or ever longer.
    fn delayed(&mut self, now: Instant, what: What, reply: &Reply<'_>, random: u64) -> Progress {
        let wait = reply.wait().unwrap_or_else(|| {
            let doubled = WAIT.saturating_mul(1_u32.checked_shl(self.delays).unwrap_or(u32::MAX));
            self.delays = self.delays.saturating_add(1);
            doubled.min(DELAY_CAP).saturating_add(part_of(JITTER, random))
        });
        self.state = State::Waiting { what, until: now.after(wait) };
        Progress::Delayed { status: reply.status, wait }
    }
}

/// A share of `whole` as large as `random` in its own range.
fn part_of(whole: Duration, random: u64) -> Duration {
    let part = u128::from(crate::time::millis(whole)) * u128::from(random);
    Duration::from_millis(u64::try_from(part >> 64).unwrap_or(0))
}

/// The first bytes of a text, at most `max`, cut between characters.
fn shortened(text: &str, max: usize) -> String {
    text.get(..text.floor_char_boundary(max)).unwrap_or_default().into()
}

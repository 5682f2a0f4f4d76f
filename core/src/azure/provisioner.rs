//! Which hub is ours? The one that is stored, until it refuses us; else the one that the provisioning service assigns.

use super::{
    config::Provisioning,
    credentials::registration_scope,
    dps::{Assignment, Next, Registration, Reply},
    event::{Assigned, Event, NotAssigned, Progress},
    identity::{DeviceId, HostName, ModelId, Whom},
    rid::Rids,
    stored::{self, Home},
    topic::{DPS_ANSWERS, Topic},
};
use crate::{
    backoff::{Backoff, Class},
    cloud::{Cx, Fatal},
    io::{Action, Cause, Deadline, Instant, Key, Refusal, Rejected, StoreFailed},
    link::{Lane, Message, Publish, QoS},
};
use alloc::{
    boxed::Box,
    string::{String, ToString as _},
};
use core::time::Duration;

/// A hub's refusal makes us register again at most once in this time.
const AGAIN: Duration = Duration::from_mins(10);
/// Dials to a hub in a row that may fail; then its assignment is questioned.
const FAILURES: u8 = 10;

/// What is known of the hub, and how more is found out.
#[derive(Debug)]
pub(super) struct Provisioner {
    config: Provisioning,
    gateway: Option<HostName>,
    /// Tokens are signed here, so that a refused one can be made anew.
    signs: bool,
    registration: Registration,
    home: Option<Home>,
    store: Store,
    /// The service is asked next, though there may be a hub.
    wanted: bool,
    /// The connection to the service came up.
    up: bool,
    /// When a hub's refusal last made us register.
    questioned: Option<Instant>,
    failures: u8,
    /// Answers of 401 in this registration.
    unauthorized: u8,
    not_before: Option<Instant>,
    /// Registrations in a row that ended without a verdict.
    fruitless: u32,
    fatal: Option<Fatal>,
}

#[derive(Debug)]
enum Store {
    /// It has not been asked.
    Unasked,
    /// It has been asked for the assignment.
    Loading,
    /// Nothing is under way.
    Idle,
    /// It holds a record that is not ours to replace.
    Foreign,
    /// An assignment is being written.
    Storing(Box<Assignment>),
}

/// Where to connect next.
#[derive(Debug)]
pub(super) enum Whither {
    /// Nowhere yet.
    Wait,
    /// The provisioning service.
    Service,
    /// The hub.
    Hub(HostName, Whom),
    /// Nowhere.
    GiveUp(Fatal),
}

impl Provisioner {
    pub(super) fn new(config: Provisioning, model: Option<&ModelId>, gateway: Option<HostName>, signs: bool) -> Self {
        let registration = Registration::new(&config.registration, config.payload.as_ref(), model, config.limit);
        Self {
            config,
            gateway,
            signs,
            registration,
            home: None,
            store: Store::Unasked,
            wanted: false,
            up: false,
            questioned: None,
            failures: 0,
            unauthorized: 0,
            not_before: None,
            fruitless: 0,
            fatal: None,
        }
    }

    pub(super) fn config(&self) -> &Provisioning {
        &self.config
    }

    /// What a token for the service is about.
    pub(super) fn scope(&self) -> String {
        registration_scope(&self.config.scope, &self.config.registration)
    }

    /// Says where to connect next; the stored assignment is looked up first.
    pub(super) fn whither(&mut self, cx: &mut Cx<'_>) -> Whither {
        if let Some(fatal) = self.fatal.take() {
            return Whither::GiveUp(fatal);
        }
        match self.store {
            Store::Unasked => {
                cx.act(Action::Load(Key::Hub));
                self.store = Store::Loading;
                return Whither::Wait;
            }
            Store::Loading | Store::Storing(_) => return Whither::Wait,
            Store::Idle | Store::Foreign => {}
        }
        if let Some(Home { hub, device }) = self.home.as_ref().filter(|_| !self.wanted) {
            return Whither::Hub(hub.clone(), Whom::device(device.clone()));
        }
        if self.not_before.is_some_and(|until| cx.now < until) {
            return Whither::Wait;
        }
        self.not_before = None;
        self.registration.begin(cx.now);
        self.up = false;
        Whither::Service
    }

    /// The device's id at its hub, once it is known.
    pub(super) fn device(&self) -> Option<&DeviceId> {
        self.home.as_ref().map(|home| &home.device)
    }

    /// The hub, once it is known.
    pub(super) fn hub(&self) -> Option<&HostName> {
        self.home.as_ref().map(|home| &home.hub)
    }

    /// The application wants a new assignment.
    pub(super) fn question(&mut self) {
        self.wanted = true;
        self.fatal = None;
        self.not_before = None;
        self.unauthorized = 0;
    }

    /// The filter for the service's answers.
    pub(super) fn filter() -> String {
        DPS_ANSWERS.into()
    }

    /// The service accepted the connection.
    pub(super) fn service_up(&mut self) {
        self.up = true;
    }

    /// The service's answers are subscribed to.
    pub(super) fn subscribed(&mut self, cx: &mut Cx<'_>, rids: &mut Rids) -> Option<Event> {
        let next = self.registration.subscribed(cx.now, rids);
        self.follow(cx, next)
    }

    /// A message came in from the service.
    pub(super) fn message(&mut self, cx: &mut Cx<'_>, rids: &mut Rids, message: Message<'_>) -> Option<Event> {
        let Some(Topic::DpsAnswer { status, rid, retry_after }) = Topic::parse(message.topic) else {
            return Some(Event::Unrouted(message.into()));
        };
        let reply = Reply { status, rid: rid.as_deref(), retry_after, payload: message.payload };
        let random = cx.rng().next_u64();
        let next = self.registration.answer(cx.now, rids, &reply, random);
        self.follow(cx, next)
    }

    /// Time has passed.
    pub(super) fn tick(&mut self, cx: &mut Cx<'_>, rids: &mut Rids) -> Option<Event> {
        if self.not_before.is_some_and(|until| until <= cx.now) {
            self.not_before = None;
        }
        let next = self.registration.tick(cx.now, rids);
        self.follow(cx, next)
    }

    pub(super) fn deadline(&self) -> Option<Deadline> {
        let wait = self.not_before.map(|at| Deadline { at, why: "provisioning back-off" });
        Deadline::earlier(wait, self.registration.deadline())
    }

    /// The connection to the service is gone; whether what comes next comes at once.
    pub(super) fn service_down(&mut self, cause: Cause) -> bool {
        self.registration.lost();
        if self.home.is_some() && self.wanted && !self.up && cause != Cause::Asked {
            // Whoever has a hub does not stand still because the service is out of reach.
            self.settle();
        } else if self.home.is_none()
            && let Cause::Refused(refusal @ (Refusal::ProtocolVersion | Refusal::IdentifierRejected)) = cause
        {
            let identifier = refusal == Refusal::IdentifierRejected;
            self.fatal = Some(Fatal::Invalid(if identifier {
                "the provisioning service refuses the registration id: with a certificate, it must be its common name"
            } else {
                "the provisioning host refuses MQTT 3.1.1"
            }));
            self.registration.reset();
            return true;
        }
        false
    }

    /// The hub accepted us.
    pub(super) fn hub_up(&mut self) {
        self.failures = 0;
    }

    /// The connection to the hub is gone, or did not come about; whether the service is asked next. `accepted`: it had
    /// come up.
    pub(super) fn hub_down(&mut self, now: Instant, cause: Cause, accepted: bool) -> bool {
        if accepted || cause == Cause::Asked {
            return self.wanted;
        }
        self.failures = self.failures.saturating_add(1);
        let refused = matches!(
            cause,
            Cause::Refused(Refusal::IdentifierRejected | Refusal::BadCredentials | Refusal::NotAuthorized)
        );
        let allowed = self.questioned.is_none_or(|last| last.after(AGAIN) <= now);
        if (refused || self.failures >= FAILURES) && allowed {
            self.questioned = Some(now);
            self.failures = 0;
            self.unauthorized = 0;
            self.wanted = true;
        }
        self.wanted
    }

    /// The stored assignment was looked up.
    pub(super) fn loaded(&mut self, value: Result<Option<&[u8]>, StoreFailed>) -> Option<Event> {
        if !matches!(self.store, Store::Loading) {
            return None;
        }
        self.store = Store::Idle;
        match value {
            Ok(None) => None,
            Ok(Some(record)) => match stored::open(record, &self.config) {
                Ok(home) if self.allows(&home.hub) => {
                    self.home = Some(home);
                    None
                }
                Ok(_) => Some(Event::StoredHubUnusable("its hub lies outside the allowed domains")),
                Err(unusable) => {
                    if !unusable.worthless {
                        self.store = Store::Foreign;
                    }
                    Some(Event::StoredHubUnusable(unusable.why))
                }
            },
            Err(StoreFailed) => Some(Event::StoredHubUnusable("the store could not be read")),
        }
    }

    /// The assignment was stored, or not: now it is used.
    pub(super) fn stored(&mut self, done: Result<(), StoreFailed>) -> Option<Event> {
        if !matches!(self.store, Store::Storing(_)) {
            return None;
        }
        let Store::Storing(assignment) = core::mem::replace(&mut self.store, Store::Idle) else { return None };
        Some(self.arrive(*assignment, done.is_ok()))
    }

    /// Whether an assigned hub is one that we go to.
    fn allows(&self, hub: &HostName) -> bool {
        let hub = hub.as_str();
        let own = [Some(&self.config.host), self.gateway.as_ref()];
        own.into_iter().flatten().any(|own| own.as_str().eq_ignore_ascii_case(hub))
            || self.config.domains.iter().any(|domain| is_within(hub, domain.as_str()))
    }

    /// Does what a registration says.
    fn follow(&mut self, cx: &mut Cx<'_>, next: Next) -> Option<Event> {
        match next {
            Next::Nothing => None,
            Next::Wait(progress) => Some(Event::Provisioning(progress)),
            Next::Ask => self.ask(cx),
            Next::Reconnect => {
                cx.redial();
                None
            }
            Next::Assigned(assignment) if !self.allows(&assignment.hub) => {
                self.ended(cx, NotAssigned::HubNotAllowed(assignment.hub))
            }
            Next::Assigned(assignment) => {
                cx.redial();
                self.keep(cx, assignment)
            }
            Next::Failed(why) => self.ended(cx, why),
        }
    }

    /// Sends the open request. One that the link has no room for now is repeated like one without an answer.
    fn ask(&mut self, cx: &mut Cx<'_>) -> Option<Event> {
        let (topic, payload) = self.registration.request()?;
        let registers = matches!(topic, Topic::DpsRegister { .. });
        let (topic, tag) = (topic.to_string(), cx.tag());
        let qos = cx.link.abilities().qos.min(QoS::AtLeastOnce);
        let publish = Publish { tag, lane: Lane::Setup, topic: &[&topic], payload, qos, retain: false, ttl: None };
        match cx.link.publish(cx.now, publish) {
            Ok(()) => registers.then_some(Event::Provisioning(Progress::Registering)),
            Err(Rejected::Full | Rejected::Offline) => None,
            Err(Rejected::Invalid(_) | Rejected::Unsupported(_)) => {
                self.registration.reset();
                self.ended(cx, NotAssigned::TooLong)
            }
        }
    }

    /// Stores the assignment before it is used.
    fn keep(&mut self, cx: &mut Cx<'_>, assignment: Box<Assignment>) -> Option<Event> {
        if matches!(self.store, Store::Foreign) {
            return Some(self.arrive(*assignment, false));
        }
        let home = Home { hub: assignment.hub.clone(), device: assignment.device.clone() };
        if self.home.as_ref() == Some(&home) {
            return Some(self.arrive(*assignment, true));
        }
        cx.act(Action::Store(Key::Hub, stored::seal(&self.config, &home)));
        self.store = Store::Storing(assignment);
        None
    }

    fn arrive(&mut self, assignment: Assignment, stored: bool) -> Event {
        let Assignment { hub, device, payload, substatus } = assignment;
        self.home = Some(Home { hub: hub.clone(), device: device.clone() });
        self.fruitless = 0;
        self.settle();
        Event::Assigned(Assigned { hub, device, payload, substatus, stored })
    }

    /// A registration ended without a hub.
    fn ended(&mut self, cx: &mut Cx<'_>, why: NotAssigned) -> Option<Event> {
        cx.redial();
        let unauthorized = matches!(&why, NotAssigned::Refused(error) if error.status == 401);
        if unauthorized && self.signs && self.unauthorized == 0 {
            self.unauthorized = 1;
            // The next dial signs anew, by a clock that was asked again.
            cx.act(Action::AskWall);
            return None;
        }
        if self.home.is_some() {
            self.settle();
            return Some(Event::NotAssigned(why));
        }
        self.unauthorized = 0;
        self.fatal = verdict(&why);
        if self.fatal.is_none() {
            let random = cx.rng().next_u64();
            let wait = Backoff::default().delay(Class::Permanent, self.fruitless, random);
            self.fruitless = self.fruitless.saturating_add(1);
            self.not_before = Some(cx.now.after(wait));
        }
        Some(Event::NotAssigned(why))
    }

    /// The service is not asked any more.
    fn settle(&mut self) {
        self.wanted = false;
        self.unauthorized = 0;
        self.registration.reset();
    }
}

/// Whether asking again would end the same.
fn verdict(why: &NotAssigned) -> Option<Fatal> {
    Some(Fatal::Invalid(match why {
        NotAssigned::Refused(_) => {
            "the provisioning service refuses this device: check id scope, registration id and key"
        }
        NotAssigned::Failed(_) => "the registration failed: the event before says why; mend the enrolment",
        NotAssigned::Disabled => "the enrolment is disabled: enable it in the provisioning service",
        NotAssigned::Unassigned => "the enrolment has no hub: link one in the provisioning service",
        NotAssigned::TooLong => return Some(Fatal::Unsupported("requests as long as this registration needs")),
        NotAssigned::HubNotAllowed(_) => "the assigned hub lies outside the allowed domains",
        NotAssigned::TimedOut | NotAssigned::Nonsense(_) => return None,
    }))
}

/// Whether a host is the domain or lies below it.
fn is_within(host: &str, domain: &str) -> bool {
    let Some(at) = host.len().checked_sub(domain.len()) else { return false };
    let Some((front, back)) = host.split_at_checked(at) else { return false };
    back.eq_ignore_ascii_case(domain) && (front.is_empty() || front.ends_with('.'))
}

//! How a device gets to its hub and stays there: which dial comes next, and whom each thing heard is for.

use super::{
    aside::Aside,
    command::{Answer, Command},
    config::{Config, Proof, Route, Wanted},
    credentials::{self, REGISTRATION},
    endpoint::{self, Introduction},
    event::Event,
    features::Features,
    identity::{HostName, Whom},
    provisioner::{Provisioner, Whither},
    refusal,
    rid::Rids,
    subscriptions::{Outcome, Subscriptions},
    token::{Due, TokenClock},
    topic::{self, DESIRED_CHANGES, METHODS, TWIN_ANSWERS, Whose},
};
use crate::{
    backoff::{Backoff, Shape},
    cloud::{Cloud, Cx, Dial, Fatal, Heard, Out},
    io::{Action, Cause, Deadline, Failure, Instant, Key, Refusal, Rejected, Tag},
    link::{Connect, Message, Notice, QoS, Version, Will},
    secret::Secret,
};
use alloc::{
    collections::VecDeque,
    string::{String, ToString as _},
    vec::Vec,
};
use core::time::Duration;

/// The device's side of Azure IoT: provisioning, and the hub.
#[derive(Debug)]
pub struct Azure {
    config: Config,
    /// `None` for a device that is told its hub.
    provisioner: Option<Provisioner>,
    /// Whom the latest dial went to.
    peer: Peer,
    /// The peer has accepted us.
    up: bool,
    subscriptions: Subscriptions,
    token: TokenClock,
    rids: Rids,
    features: Features,
    aside: Aside,
    /// The latest message and the latest answer to a method that the link has not finished: they end in order, so
    /// without these there are none.
    unfinished: [Option<Tag>; 2],
    asked_wall: bool,
    /// When a clock that has not been set is asked again.
    ask_wall_at: Option<Instant>,
    /// Refusals in a row of a token that cannot be renewed.
    token_refusals: u8,
    /// Told at the next dial: trying again would not help.
    fatal: Option<Fatal>,
    /// What one thing heard led to besides the first: bounded by what one notice can bring.
    said: VecDeque<Out<Event, Answer>>,
    now: Instant,
}

/// The other end of a connection.
#[derive(Clone, Debug)]
enum Peer {
    /// No dial has been made.
    None,
    /// The provisioning service.
    Service,
    /// The hub, where we are known as this.
    Hub(Whom),
}

type Said = Option<Out<Event, Answer>>;

/// Refusals of one and the same token after which it is not shown again.
const TOKEN_REFUSALS: u8 = 3;
/// Until a clock that shows a time before 2020 is asked again.
const CLOCK_PATIENCE: Duration = Duration::from_mins(1);
/// The longest query that a topic of ours ends in: `?$rid=4294967295`.
const QUERY: usize = 16;

impl Azure {
    /// A client for one device or module.
    ///
    /// # Errors
    /// [`Fatal::Invalid`] names the part of the configuration that cannot work.
    pub fn new(config: Config) -> Result<Self, Fatal> {
        config.check()?;
        let signs = matches!(config.proof, Proof::Key(_));
        let provisioner = match &config.route {
            Route::Hub { .. } => None,
            Route::Provisioning(provisioning) => {
                let (model, gateway) = (config.model.as_ref(), config.gateway.clone());
                Some(Provisioner::new(provisioning.clone(), model, gateway, signs))
            }
        };
        let aside = Aside::new(&config);
        Ok(Self {
            config,
            provisioner,
            peer: Peer::None,
            up: false,
            subscriptions: Subscriptions::default(),
            token: TokenClock::default(),
            rids: Rids::default(),
            features: Features::default(),
            aside,
            unfinished: [None; 2],
            asked_wall: false,
            ask_wall_at: None,
            token_refusals: 0,
            fatal: None,
            said: VecDeque::new(),
            now: Instant::ZERO,
        })
    }

    /// What it was told.
    pub fn config(&self) -> &Config {
        &self.config
    }

    fn whither(&mut self, cx: &mut Cx<'_>) -> Whither {
        match (&self.config.route, &mut self.provisioner) {
            (Route::Hub { host, whom }, _) => Whither::Hub(host.clone(), whom.clone()),
            (Route::Provisioning(_), Some(provisioner)) => provisioner.whither(cx),
            // Not reached: `new` makes one for this route.
            (Route::Provisioning(_), None) => Whither::Wait,
        }
    }

    fn dial_service(&mut self, cx: &Cx<'_>) -> Result<Dial, Fatal> {
        let abilities = cx.link.abilities();
        let Some(provisioner) = &self.provisioner else { return Ok(Dial::Wait) };
        let provisioning = provisioner.config();
        let (scope, id) = (&provisioning.scope, &provisioning.registration);
        let hello = endpoint::at_provisioning_within(&abilities, scope, id, &self.config);
        let to = endpoint::endpoint(&self.config, &provisioning.host, endpoint::WEBSOCKET);
        let Some(password) = self.password(cx, &provisioner.scope(), Some(REGISTRATION)) else { return Ok(Dial::Wait) };
        let longest = Provisioner::filter().len();
        endpoint::check(&abilities, &hello, password.as_ref().map(|secret| secret.expose().len()), longest)?;
        self.token.unused();
        self.peer = Peer::Service;
        Ok(Dial::Go(to, self.connect(hello, password, true, None)))
    }

    fn dial_hub(&mut self, cx: &mut Cx<'_>, hub: &HostName, whom: Whom) -> Result<Dial, Fatal> {
        let abilities = cx.link.abilities();
        let hello = endpoint::at_hub_within(&abilities, hub, &whom, &self.config);
        let host = self.config.gateway.as_ref().unwrap_or(hub);
        let to = endpoint::endpoint(&self.config, host, endpoint::hub_websocket(&self.config.proof));
        let Some(password) = self.password(cx, &whom.scope(hub), None) else { return Ok(Dial::Wait) };
        let filters = self.filters(&whom);
        let events = whose(&whom).events().concat();
        let longest = filters.iter().map(String::len).max().unwrap_or(0).max(events.len());
        let longest = if self.config.wanted.twin { longest.max(REPORTED.len() + QUERY) } else { longest };
        endpoint::check(&abilities, &hello, password.as_ref().map(|secret| secret.expose().len()), longest)?;
        if filters.len() > abilities.subscriptions {
            return Err(Fatal::Unsupported("as many subscriptions as are wanted: want fewer"));
        }
        let will = self.config.last_will.as_ref();
        if will.is_some() && !abilities.will {
            return Err(Fatal::Unsupported("a last will"));
        }
        let will = will.map(|will| Will {
            topic: events,
            payload: will.payload.clone(),
            qos: QoS::AtLeastOnce.min(abilities.qos),
            retain: false,
        });
        match (&self.config.proof, cx.wall) {
            (Proof::Key(_), Some(time)) => self.token.signed(cx.now, time, self.config.token_life, cx.rng()),
            (Proof::Token(token), _) => self.token.fixed(token.expiry()),
            (Proof::Key(_), None) | (Proof::Certificate, _) => {}
        }
        self.peer = Peer::Hub(whom);
        Ok(Dial::Go(to, self.connect(hello, password, false, will)))
    }

    /// The password for `scope`; the outer `None` while it cannot be made for want of the time.
    #[allow(clippy::option_option, reason = "no password yet, and no password at all, are two things")]
    fn password(&self, cx: &Cx<'_>, scope: &str, policy: Option<&str>) -> Option<Option<Secret>> {
        Some(match &self.config.proof {
            Proof::Certificate => None,
            Proof::Token(token) => Some(token.text().clone()),
            Proof::Key(key) => {
                let expiry = credentials::expiry(cx.wall?, self.config.token_life).ok()?;
                Some(credentials::sign(key, scope, expiry, policy))
            }
        })
    }

    fn connect(&self, hello: Introduction, password: Option<Secret>, clean: bool, will: Option<Will>) -> Connect {
        Connect {
            version: Version::V3_1_1,
            client_id: hello.client_id,
            user_name: Some(hello.user_name),
            password,
            keep_alive: self.config.keep_alive,
            clean_session: clean,
            will,
            // The device's id at its hub is another than its registration id, where the service says so.
            session: self.provisioner.as_ref().map(|provisioner| provisioner.config().registration.to_string()),
        }
    }

    /// The filters that are wanted, in the order in which they are asked for.
    fn filters(&self, whom: &Whom) -> Vec<String> {
        let Wanted { methods, twin, desired, messages } = self.config.wanted;
        let fixed = [(methods, METHODS), (twin, TWIN_ANSWERS), (desired, DESIRED_CHANGES)];
        let fixed = fixed.into_iter().filter(|(wanted, _)| *wanted).map(|(_, filter)| filter.into());
        fixed.chain(messages.then(|| topic::messages(whose(whom)).concat())).collect()
    }

    /// Whether the time is known that a signature needs; asks for it where it is not.
    fn has_time(&mut self, cx: &mut Cx<'_>) -> bool {
        let needs = match self.config.proof {
            Proof::Key(_) => true,
            Proof::Token(_) | Proof::Certificate => false,
        };
        let wants = needs || matches!(self.config.proof, Proof::Token(_));
        match cx.wall {
            None if wants => {
                if !core::mem::replace(&mut self.asked_wall, true) {
                    cx.act(Action::AskWall);
                }
                !needs
            }
            Some(wall) if needs && wall.seconds() < credentials::EARLIEST => {
                if self.ask_wall_at.is_none() {
                    self.ask_wall_at = Some(cx.now.after(CLOCK_PATIENCE));
                    self.said.push_back(Out::Event(Event::ClockUnset { wall }));
                }
                false
            }
            None | Some(_) => {
                self.ask_wall_at = None;
                true
            }
        }
    }

    fn notice(&mut self, cx: &mut Cx<'_>, notice: Notice<'_>) {
        match notice {
            Notice::Up { .. } => self.accepted(cx),
            Notice::Granted(tag, qos) => self.subscribed(cx, tag, qos.is_some()),
            Notice::Failed(tag, failure) => self.failed(cx, tag, failure),
            Notice::Delivered(tag) => self.delivered(tag),
            Notice::Message(message) => self.message(cx, message),
            Notice::Down(cause) => self.fallen(cx, cause),
            Notice::Unsubscribed(_) | Notice::Wall(_) | Notice::Note(_) => {}
        }
    }

    /// The peer accepted the connection: its answers are subscribed to first.
    fn accepted(&mut self, cx: &mut Cx<'_>) {
        self.up = true;
        self.token_refusals = 0;
        let filters = match (&self.peer, &mut self.provisioner) {
            (Peer::Service, Some(provisioner)) => {
                provisioner.service_up();
                Vec::from([Provisioner::filter()])
            }
            (Peer::Hub(whom), provisioner) => {
                if let Some(provisioner) = provisioner {
                    provisioner.hub_up();
                }
                self.filters(whom)
            }
            (Peer::None | Peer::Service, _) => Vec::new(),
        };
        let outcome = self.subscriptions.start(cx, filters);
        self.granted(cx, outcome);
    }

    fn subscribed(&mut self, cx: &mut Cx<'_>, tag: Tag, granted: bool) {
        if self.subscriptions.owns(tag) {
            let outcome = self.subscriptions.answered(cx, granted);
            self.granted(cx, outcome);
        }
    }

    fn granted(&mut self, cx: &mut Cx<'_>, outcome: Outcome) {
        match (outcome, &self.peer) {
            (Outcome::Nothing, _) | (Outcome::Complete, Peer::None) => {}
            (Outcome::Refused(filter), _) => self.tell(Event::SubscriptionRefused { filter }),
            (Outcome::Complete, Peer::Hub(_)) => {
                cx.ready();
                if self.config.wanted.twin {
                    self.features.up(cx, &mut self.rids, self.config.wanted.desired);
                }
            }
            (Outcome::Complete, Peer::Service) => self.provision(cx, Provisioner::subscribed),
        }
    }

    fn delivered(&mut self, tag: Tag) {
        if !self.features.owns(tag) {
            self.finished(tag, Ok(Answer::Sent));
        }
    }

    fn failed(&mut self, cx: &mut Cx<'_>, tag: Tag, failure: Failure) {
        if self.subscriptions.owns(tag) {
            if failure == Failure::TimedOut {
                self.subscribed(cx, tag, false);
            }
        } else if self.features.owns(tag) {
            self.features.failed(cx, tag);
        } else {
            self.finished(tag, Err(failure));
        }
    }

    /// A message of the application's is done. A request of our own ends here too; the device knows that no command has
    /// its tag.
    fn finished(&mut self, tag: Tag, outcome: Result<Answer, Failure>) {
        for unfinished in &mut self.unfinished {
            if *unfinished == Some(tag) {
                *unfinished = None;
            }
        }
        self.said.push_back(Out::Done(tag, outcome));
    }

    fn message(&mut self, cx: &mut Cx<'_>, message: Message<'_>) {
        match self.peer {
            Peer::Service => self.provision(cx, |provisioner, cx, rids| provisioner.message(cx, rids, message)),
            Peer::Hub(ref whom) => {
                let said = self.features.message(cx, &mut self.rids, whose(whom), message);
                self.said.extend(self.aside.absorb(cx, said));
            }
            Peer::None => self.tell(Event::Unrouted(message.into())),
        }
    }

    fn fallen(&mut self, cx: &mut Cx<'_>, cause: Cause) {
        let accepted = core::mem::take(&mut self.up);
        self.subscriptions.stop();
        self.token.unused();
        self.features.down();
        if let Cause::Refused(refusal) = cause {
            self.refused(cx, refusal);
        }
        let Some(provisioner) = &mut self.provisioner else { return };
        let at_once = match self.peer {
            Peer::Service => provisioner.service_down(cause),
            Peer::Hub(_) => provisioner.hub_down(cx.now, cause, accepted),
            Peer::None => false,
        };
        if at_once {
            cx.redial();
        }
    }

    /// The peer refused the connection for what we said of ourselves.
    fn refused(&mut self, cx: &mut Cx<'_>, refusal: Refusal) {
        let (hub, assigned) = (matches!(self.peer, Peer::Hub(_)), self.provisioner.is_some());
        let identity = matches!(refusal, Refusal::BadCredentials | Refusal::NotAuthorized);
        if identity && matches!(self.config.proof, Proof::Key(_)) {
            // The clock may be what is wrong: the next signature is made by what it says then.
            cx.act(Action::AskWall);
        }
        if identity && matches!(self.config.proof, Proof::Token(_)) {
            self.token_refusals = self.token_refusals.saturating_add(1);
            if self.token_refusals >= TOKEN_REFUSALS {
                self.token_refusals = 0;
                self.give_up(cx, "the hub refuses the token given: sign a new one");
            }
        }
        match refusal {
            Refusal::ProtocolVersion if hub => self.give_up(cx, "the host refuses MQTT 3.1.1: is it the hub's?"),
            Refusal::IdentifierRejected if hub && !assigned => {
                self.give_up(cx, "the hub refuses the client id: check device id and module id");
            }
            Refusal::ProtocolVersion
            | Refusal::IdentifierRejected
            | Refusal::ServerUnavailable
            | Refusal::BadCredentials
            | Refusal::NotAuthorized
            | Refusal::Unspecified => {}
        }
        if let Some(check) = refusal::check(refusal, hub, &self.config.proof) {
            self.tell(Event::Refused { refusal, check });
        }
    }

    fn give_up(&mut self, cx: &mut Cx<'_>, why: &'static str) {
        self.fatal = Some(Fatal::Invalid(why));
        // To say so at once, instead of after the back-off.
        cx.redial();
    }

    fn tick(&mut self, cx: &mut Cx<'_>) {
        if self.ask_wall_at.is_some_and(|at| at <= cx.now) {
            self.ask_wall_at = Some(cx.now.after(CLOCK_PATIENCE));
            cx.act(Action::AskWall);
        }
        match self.token.due(cx.now, self.unfinished == [None; 2]) {
            Due::Nothing => {}
            Due::Renew => cx.redial(),
            Due::Tell(event) => self.tell(event),
        }
        if self.up {
            self.subscriptions.tick(cx);
        }
        let said = self.features.tick(cx, &mut self.rids);
        self.said.extend(self.aside.absorb(cx, said));
        self.provision(cx, Provisioner::tick);
    }

    /// Who we are at the hub; `None` until provisioning has said so.
    fn whom(&self) -> Option<Whom> {
        match &self.config.route {
            Route::Hub { whom, .. } => Some(whom.clone()),
            Route::Provisioning(_) => self.provisioner.as_ref()?.device().cloned().map(Whom::device),
        }
    }

    /// The hub that we belong to; `None` until provisioning has said so.
    fn hub(&self) -> Option<HostName> {
        match &self.config.route {
            Route::Hub { host, .. } => Some(host.clone()),
            Route::Provisioning(_) => self.provisioner.as_ref()?.hub().cloned(),
        }
    }

    fn reprovision(&mut self, cx: &mut Cx<'_>, tag: Tag) -> Result<(), Rejected> {
        let none = Rejected::Unsupported("provisioning: this device was told its hub");
        self.provisioner.as_mut().ok_or(none)?.question();
        cx.redial();
        self.said.push_back(Out::Done(tag, Ok(Answer::Reprovisioning)));
        Ok(())
    }

    /// Lets the provisioner do something, and tells what it says.
    fn provision(
        &mut self,
        cx: &mut Cx<'_>,
        act: impl FnOnce(&mut Provisioner, &mut Cx<'_>, &mut Rids) -> Option<Event>,
    ) {
        let Some(provisioner) = &mut self.provisioner else { return };
        if let Some(event) = act(provisioner, cx, &mut self.rids) {
            self.tell(event);
        }
    }

    fn tell(&mut self, event: Event) {
        self.said.push_back(Out::Event(event));
    }
}

impl Cloud for Azure {
    type Command = Command;
    type Event = Event;
    type Answer = Answer;

    fn dial(&mut self, cx: &mut Cx<'_>) -> Dial {
        self.now = cx.now;
        self.aside.open(cx);
        if let Some(fatal) = self.fatal.take() {
            return Dial::GiveUp(fatal);
        }
        let whither = self.whither(cx);
        let connects = matches!(whither, Whither::Service | Whither::Hub(..));
        if connects && !self.has_time(cx) {
            return Dial::Wait;
        }
        let dial = match whither {
            Whither::Wait => Ok(Dial::Wait),
            Whither::GiveUp(fatal) => Err(fatal),
            Whither::Service => self.dial_service(cx),
            Whither::Hub(hub, whom) => self.dial_hub(cx, &hub, whom),
        };
        dial.unwrap_or_else(Dial::GiveUp)
    }

    fn command(&mut self, cx: &mut Cx<'_>, tag: Tag, command: &Command) -> Result<(), Rejected> {
        self.now = cx.now;
        let unfinished = match command {
            Command::Reprovision => return self.reprovision(cx, tag),
            Command::Upload(_) | Command::UploadBlock(_) | Command::Update(_) | Command::DiscardUpdates => {
                let at = self.hub().zip(self.whom());
                self.said.extend(self.aside.command(cx, &self.config, at, tag, command)?);
                self.aside.say(cx, &mut self.features, &mut self.rids, &mut self.said);
                return Ok(());
            }
            Command::GetTwin | Command::Report(_) | Command::Acknowledge { .. } if !self.config.wanted.twin => {
                return Err(Rejected::Unsupported("the twin: the configuration does not want it"));
            }
            Command::GetTwin | Command::Report(_) | Command::Acknowledge { .. } => None,
            Command::Telemetry(_) => Some(0),
            Command::Answer(_) => Some(1),
        };
        let me = me(&self.config, self.provisioner.as_ref()).ok_or(Rejected::Offline)?;
        self.features.command(cx, &mut self.rids, me, tag, command)?;
        if let Some(place) = unfinished.and_then(|at: usize| self.unfinished.get_mut(at)) {
            *place = Some(tag);
        }
        Ok(())
    }

    fn hear(&mut self, cx: &mut Cx<'_>, heard: Heard<'_>) -> Said {
        self.now = cx.now;
        self.aside.hear(cx, &self.config, &heard);
        match heard {
            Heard::Link(notice) => self.notice(cx, notice),
            Heard::Tick => self.tick(cx),
            Heard::Wall => {
                self.asked_wall = false;
                self.token.wall(cx.now, cx.wall);
            }
            Heard::Loaded(Key::Hub, value) => self.provision(cx, |provisioner, _, _| provisioner.loaded(value)),
            Heard::Stored(Key::Hub, done) => self.provision(cx, |provisioner, _, _| provisioner.stored(done)),
            Heard::Reply(..) | Heard::Loaded(..) | Heard::Stored(..) | Heard::Written(..) => {}
        }
        self.aside.say(cx, &mut self.features, &mut self.rids, &mut self.said);
        self.said.pop_front()
    }

    fn deadline(&self) -> Option<Deadline> {
        if !self.said.is_empty() {
            return Some(Deadline { at: self.now, why: "more to say" });
        }
        let provisioning = self.provisioner.as_ref().and_then(Provisioner::deadline);
        let own = Deadline::earlier(self.token.deadline(), self.subscriptions.deadline());
        let clock = self.ask_wall_at.map(|at| Deadline { at, why: "clock" });
        let own = Deadline::earlier(Deadline::earlier(own, clock), provisioning);
        let own = Deadline::earlier(own, self.aside.deadline());
        Deadline::earlier(own, self.features.deadline())
    }

    fn backoff(&self) -> Backoff {
        Backoff {
            shape: Shape::SPREAD,
            stable_after: Duration::from_mins(1),
            short_life: Duration::from_mins(1),
            ..Backoff::default()
        }
    }
}

/// The longest topic of the twin, without its query.
const REPORTED: &str = "$iothub/twin/PATCH/properties/reported/";

/// Who we are at the hub, without a copy: asked for each message.
fn me<'a>(config: &'a Config, provisioner: Option<&'a Provisioner>) -> Option<Whose<'a>> {
    match &config.route {
        Route::Hub { whom, .. } => Some(whose(whom)),
        Route::Provisioning(_) => Some(Whose::device(provisioner?.device()?.as_str())),
    }
}

fn whose(whom: &Whom) -> Whose<'_> {
    match &whom.module {
        None => Whose::device(whom.device.as_str()),
        Some(module) => Whose::module(whom.device.as_str(), module.as_str()),
    }
}

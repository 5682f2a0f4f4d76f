//! How an application's commands become the platform's traffic, and whom each thing heard is for.

use super::{
    config::{Config, Proof},
    credentials::{ConnId, Credentials, NEVER, UserName},
    limits,
    sync::{Outcome, TimeSync},
    time::{Time, TimeError},
    topic::{Pieces, Service, Topic, Whose, is_filter_tail},
};
use crate::{
    backoff::{Backoff, Shape},
    cloud::{Cloud, Cx, Dial, Fatal, Heard, Out},
    io::{Action, Cause, Deadline, Failure, Refusal, Rejected, Tag},
    link::{Connect, Endpoint, Lane, Link, Message, Notice, Publish, QoS, Version},
    message::Received,
};
use alloc::{borrow::Cow, string::String};
use core::time::Duration;

/// A user topic or filter of this device.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "there are no other ways to write one")]
pub enum UserTopic {
    /// What stands after `{product id}/{device name}/`: `event`, `control`, `data/room`; filters may hold wildcards.
    Own(String),
    /// The whole: `{product id}/{device name}/event`. Of another device it is refused.
    Full(String),
}

impl UserTopic {
    /// The topic `{product id}/{device name}/{class}` of this device.
    pub fn own(class: impl Into<String>) -> Self {
        Self::Own(class.into())
    }

    /// The topic as it stands.
    pub fn full(topic: impl Into<String>) -> Self {
        Self::Full(topic.into())
    }

    fn tail<'t>(&'t self, me: Whose<'_>) -> Result<&'t str, Rejected> {
        let tail = match self {
            Self::Own(tail) => tail,
            Self::Full(whole) if whole.starts_with('$') => {
                return Err(Rejected::Unsupported("system topics as user topics; each service has its own command"));
            }
            Self::Full(whole) => whole
                .strip_prefix(me.product)
                .and_then(|rest| rest.strip_prefix('/')?.strip_prefix(me.device)?.strip_prefix('/'))
                .ok_or(Rejected::Invalid("the topic names another device; the platform allows one's own only"))?,
        };
        if tail.starts_with('/') {
            return Err(Rejected::Invalid("a user topic has no leading slash"));
        }
        Ok(tail)
    }

    fn name<'t>(&'t self, me: Whose<'t>) -> Result<Pieces<'t>, Rejected> {
        let tail = self.tail(me)?;
        if tail.is_empty() || tail.contains(['+', '#', '\0']) {
            return Err(Rejected::Invalid("a topic to publish to is not empty and has no wildcards"));
        }
        Ok(Topic::User(me, tail).pieces())
    }

    fn filter<'t>(&'t self, me: Whose<'t>) -> Result<Pieces<'t>, Rejected> {
        let tail = self.tail(me)?;
        if !is_filter_tail(tail) {
            return Err(Rejected::Invalid("in a filter `+` stands alone in its level and `#` alone in the last"));
        }
        let pieces = Topic::User(me, tail).pieces();
        limits::check_topic(&pieces)?;
        Ok(pieces)
    }
}

/// What an application can ask for.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Command {
    /// Sends a message on a user topic; ends in [`Answer::Published`]. The platform keeps no retained messages, so
    /// there is no flag for it.
    Publish {
        /// Topic, with its device at most 255 bytes and 10 slashes.
        topic: UserTopic,
        /// Payload: bytes, text or JSON, with its topic at most 16 KiB.
        payload: Cow<'static, [u8]>,
        /// 0 or 1.
        qos: QoS,
        /// How long it may wait in the queue; `None`: for ever.
        ttl: Option<Duration>,
    },
    /// Asks for a user topic's messages; ends in [`Answer::Subscribed`], or [`Failure::Refused`] with 0x80 where the
    /// product's permissions forbid it. Asked again after each reconnect that needs it.
    Subscribe {
        /// Filter.
        filter: UserTopic,
        /// 0 or 1.
        qos: QoS,
    },
    /// Drops a filter; ends in [`Answer::Unsubscribed`]. The platform takes `{p}/#` here for all subscriptions.
    Unsubscribe {
        /// Filter, as it was subscribed.
        filter: UserTopic,
    },
    /// Asks the platform for the time; ends in [`Answer::Time`]. Needs a connection ([`Rejected::Offline`]), one at a
    /// time ([`Rejected::Full`]); asked twice, 5 s each, then [`Failure::TimedOut`]; [`Failure::Lost`] with the
    /// connection.
    SyncTime,
}

/// What a command ends in.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Answer {
    /// The message was handed to the pipe (QoS 0) or acknowledged (QoS 1).
    Published,
    /// The filter was granted at this quality of service.
    Subscribed(QoS),
    /// The filter is dropped.
    Unsubscribed,
    /// The time.
    Time(Time),
}

/// What an application is told.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A message on one of this device's user topics.
    Message(Received),
    /// A message on a topic of another device, which nothing here has asked for.
    Foreign(Received),
    /// A message of a service that this client does not run, or on a topic of no known shape.
    Unrouted(Received),
    /// An answer to [`Command::SyncTime`] that cannot be true; the command stays open until its time is over.
    TimeDisbelieved(TimeError),
    /// The platform refused the connection for what we said of ourselves. Credentials are tried again with a fresh
    /// signature; at a refused client id or protocol version the device gives up, until it is told to reconnect.
    Refused {
        /// The platform's reason.
        refusal: Refusal,
        /// What to look at.
        check: &'static str,
    },
}

/// The device's side of Tencent Cloud IoT Hub.
#[derive(Debug)]
pub struct Tencent {
    config: Config,
    endpoint: Endpoint,
    sync: TimeSync,
    asked_wall: bool,
    /// Told at the next dial: trying again would not help.
    fatal: Option<Fatal>,
}

/// The code with which SUBACK refuses a filter (MQTT 3.9.3).
const SUBSCRIPTION_REFUSED: u16 = 0x80;

type Said = Option<Out<Event, Answer>>;

impl Tencent {
    /// A client for one device.
    ///
    /// # Errors
    /// [`Fatal::Invalid`] names the part of the configuration that cannot work.
    pub fn new(config: Config) -> Result<Self, Fatal> {
        let endpoint = config.check()?;
        Ok(Self { config, endpoint, sync: TimeSync::default(), asked_wall: false, fatal: None })
    }

    /// What it was told.
    pub fn config(&self) -> &Config {
        &self.config
    }

    fn message(&mut self, cx: &mut Cx<'_>, message: Message<'_>) -> Said {
        let (product, device) = (&self.config.product, &self.config.device);
        let Some(topic) = Topic::parse(message.topic) else {
            return Some(Out::Event(Event::Unrouted(message.into())));
        };
        if !topic.whose().is(product, device) {
            return Some(Out::Event(Event::Foreign(message.into())));
        }
        match topic {
            Topic::User(..) => Some(Out::Event(Event::Message(message.into()))),
            Topic::Service(Service::TimeDown, me) => self.sync.answer(cx, me, message.payload).map(said),
            Topic::RrpcRequest(..)
            | Topic::RrpcRequests(_)
            | Topic::RrpcAnswer(..)
            | Topic::Service(
                Service::TimeUp
                | Service::ShadowUp
                | Service::ShadowDown
                | Service::OtaUp
                | Service::OtaDown
                | Service::BroadcastDown
                | Service::GatewayUp
                | Service::GatewayDown
                | Service::ConfigUp
                | Service::ConfigDown
                | Service::OldConfigUp
                | Service::OldConfigDown
                | Service::LogUp
                | Service::LogDown
                | Service::ResourceUp
                | Service::ResourceDown
                | Service::ThingPropertyUp
                | Service::ThingPropertyDown
                | Service::ThingEventUp
                | Service::ThingEventDown
                | Service::ThingActionUp
                | Service::ThingActionDown
                | Service::ThingServiceUp
                | Service::ThingServiceDown
                | Service::ThingRawUp
                | Service::ThingRawDown
                | Service::TemplateUp
                | Service::TemplateDown,
                _,
            ) => Some(Out::Event(Event::Unrouted(message.into()))),
        }
    }

    fn notice(&mut self, cx: &mut Cx<'_>, notice: Notice<'_>) -> Said {
        match notice {
            Notice::Up { .. } => {
                cx.ready();
                None
            }
            Notice::Granted(tag, qos) if self.sync.owns(tag) => self.sync.granted(qos).map(said),
            Notice::Granted(tag, Some(qos)) => Some(Out::Done(tag, Ok(Answer::Subscribed(qos)))),
            Notice::Granted(tag, None) => Some(Out::Done(tag, Err(Failure::Refused(SUBSCRIPTION_REFUSED)))),
            Notice::Unsubscribed(tag) => Some(Out::Done(tag, Ok(Answer::Unsubscribed))),
            Notice::Delivered(tag) if self.sync.owns(tag) => {
                self.sync.delivered(cx.now);
                None
            }
            Notice::Delivered(tag) => Some(Out::Done(tag, Ok(Answer::Published))),
            Notice::Failed(tag, failure) if self.sync.owns(tag) => {
                let me = Whose::new(&self.config.product, &self.config.device);
                self.sync.failed(cx, me, failure).map(said)
            }
            Notice::Failed(tag, failure) => Some(Out::Done(tag, Err(failure))),
            Notice::Message(message) => self.message(cx, message),
            Notice::Down(cause) => {
                self.fatal = fatal(cause);
                if self.fatal.is_some() {
                    // To say so at once, instead of after the back-off.
                    cx.redial();
                }
                self.sync.down(cause).map(said).or_else(|| refused(cause))
            }
            Notice::Wall(_) | Notice::Note(_) => None,
        }
    }
}

impl Cloud for Tencent {
    type Command = Command;
    type Event = Event;
    type Answer = Answer;

    fn dial(&mut self, cx: &mut Cx<'_>) -> Dial {
        if let Some(fatal) = self.fatal.take() {
            return Dial::GiveUp(fatal);
        }
        let expiry = match (self.config.lifetime, cx.wall) {
            (None, _) => NEVER,
            (Some(lifetime), Some(wall)) => wall.after(lifetime).seconds(),
            (Some(_), None) => {
                if !self.asked_wall {
                    cx.act(Action::AskWall);
                    self.asked_wall = true;
                }
                return Dial::Wait;
            }
        };
        self.asked_wall = false;
        let user_name = UserName {
            product: &self.config.product,
            device: &self.config.device,
            sdk_app_id: self.config.sdk_app_id,
            conn_id: ConnId::random(cx.rng()),
            expiry,
        };
        let credentials = match &self.config.proof {
            Proof::Key(secret) => Credentials::new(&user_name, secret, self.config.sign_method),
            Proof::Certificate => Credentials::certificate(&user_name),
        };
        let connect = Connect {
            version: Version::V3_1_1,
            client_id: credentials.client_id,
            user_name: Some(credentials.user_name),
            password: credentials.password,
            keep_alive: self.config.keep_alive,
            clean_session: self.config.clean_session,
            will: None,
            session: None,
        };
        Dial::Go(self.endpoint.clone(), connect)
    }

    fn command(&mut self, cx: &mut Cx<'_>, tag: Tag, command: &Command) -> Result<(), Rejected> {
        let me = Whose::new(&self.config.product, &self.config.device);
        match command {
            Command::Publish { topic, payload, qos, ttl } => {
                let topic = topic.name(me)?;
                limits::check_message(&topic, payload, *qos)?;
                offered(cx.link, *qos)?;
                let (lane, qos, ttl) = (Lane::App, *qos, *ttl);
                cx.link.publish(cx.now, Publish { tag, lane, topic: &topic, payload, qos, retain: false, ttl })
            }
            Command::Subscribe { filter, qos } => {
                limits::check_qos(*qos)?;
                offered(cx.link, *qos)?;
                cx.link.subscribe(cx.now, tag, Lane::App, &filter.filter(me)?, *qos)
            }
            Command::Unsubscribe { filter } => cx.link.unsubscribe(cx.now, tag, &filter.filter(me)?),
            Command::SyncTime => self.sync.start(cx, me, tag),
        }
    }

    fn hear(&mut self, cx: &mut Cx<'_>, heard: Heard<'_>) -> Said {
        match heard {
            Heard::Link(notice) => self.notice(cx, notice),
            Heard::Tick => {
                let me = Whose::new(&self.config.product, &self.config.device);
                self.sync.tick(cx, me).map(said)
            }
            Heard::Reply(..) | Heard::Stored(..) | Heard::Loaded(..) | Heard::Written(..) | Heard::Wall => None,
        }
    }

    fn deadline(&self) -> Option<Deadline> {
        self.sync.deadline()
    }

    fn backoff(&self) -> Backoff {
        Backoff {
            shape: Shape::DOUBLING,
            gap_after_refusal: limits::CONNECT_GAP,
            short_life: limits::SHORT_LIFE,
            ..Backoff::default()
        }
    }
}

fn said(outcome: Outcome) -> Out<Event, Answer> {
    match outcome {
        Outcome::Done(tag, result) => Out::Done(tag, result.map(Answer::Time)),
        Outcome::Disbelieved(error) => Out::Event(Event::TimeDisbelieved(error)),
    }
}

/// Refuses what the link cannot carry, by name.
fn offered(link: &dyn Link, qos: QoS) -> Result<(), Rejected> {
    if qos > link.abilities().qos {
        return Err(Rejected::Unsupported("QoS 1 by this link"));
    }
    Ok(())
}

/// The refusals that another attempt with the same configuration meets again (§3.4).
fn fatal(cause: Cause) -> Option<Fatal> {
    let Cause::Refused(refusal) = cause else { return None };
    match refusal {
        Refusal::ProtocolVersion => Some(Fatal::Invalid("the server refuses MQTT 3.1.1")),
        Refusal::IdentifierRejected => {
            Some(Fatal::Invalid("the platform refuses the client id: check productId and deviceName"))
        }
        Refusal::ServerUnavailable | Refusal::BadCredentials | Refusal::NotAuthorized | Refusal::Unspecified => None,
    }
}

fn refused(cause: Cause) -> Said {
    let Cause::Refused(refusal) = cause else { return None };
    let check = match refusal {
        Refusal::IdentifierRejected => "productId and deviceName: the platform knows no such device",
        Refusal::BadCredentials => {
            "deviceSecret, productId and deviceName; with a signature lifetime, the device's clock too"
        }
        Refusal::NotAuthorized => "the console: is the device enabled, and is the secret still its own?",
        Refusal::ProtocolVersion => "the host and port: the server there speaks no MQTT 3.1.1",
        Refusal::Unspecified => "the credentials and the network: the modem does not say why it was refused",
        Refusal::ServerUnavailable => return None,
    };
    Some(Out::Event(Event::Refused { refusal, check }))
}

//! How the commands of an application become traffic with an ordinary broker, and its traffic answers and events.

use crate::{
    cloud::{Cloud, Cx, Dial, Heard, Out},
    io::{Deadline, Failure, Rejected, Tag},
    link::{Connect, Endpoint, Lane, Link, Notice, Publish, QoS},
    message::Received,
};
use alloc::{borrow::Cow, string::String};
use core::time::Duration;

/// Where the broker is, and how to introduce oneself.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "a user writes it down whole")]
pub struct Config {
    /// The broker.
    pub endpoint: Endpoint,
    /// Client id, user name, password, keep-alive, will.
    pub connect: Connect,
}

/// What an application asks of a broker.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "applications build it; nothing matches it but the broker's cloud")]
pub enum Command {
    /// Sends a message; ends in [`Answer::Published`].
    Publish {
        /// Topic name, without wildcards.
        topic: String,
        /// Payload, any bytes; constants of the program cost nothing.
        payload: Cow<'static, [u8]>,
        /// Quality of service, at most what the link offers.
        qos: QoS,
        /// Whether the broker keeps it for later subscribers.
        retain: bool,
        /// How long it may wait in the queue; then it ends as [`Failure::Expired`]. `None`: for ever.
        ttl: Option<Duration>,
    },
    /// Subscribes to one filter; ends in [`Answer::Subscribed`], or in [`Failure::Refused`] with code 0x80. It is
    /// asked again whenever the broker has lost it.
    Subscribe {
        /// Topic filter, `+` and `#` allowed.
        filter: String,
        /// Highest quality of service wanted.
        qos: QoS,
    },
    /// Drops one filter; ends in [`Answer::Unsubscribed`].
    Unsubscribe {
        /// The filter, as it was subscribed.
        filter: String,
    },
}

/// What a command that succeeded ends in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "one answer for each command")]
pub enum Answer {
    /// The message arrived: QoS 0 was handed to the pipe, QoS 1 and 2 were acknowledged.
    Published,
    /// The filter was granted at this quality of service.
    Subscribed(QoS),
    /// The filter is gone.
    Unsubscribed,
}

/// What a broker's cloud tells an application.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "applications match it whole; a new kind must be seen")]
pub enum Event {
    /// A message came in.
    Message(Received),
}

/// The cloud of an ordinary broker. It holds nothing but its configuration: the tag of a command is the tag of its
/// traffic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plain {
    config: Config,
}

/// The code with which SUBACK refuses a filter (MQTT 3.9.3).
const SUBSCRIPTION_REFUSED: u16 = 0x80;

impl Plain {
    /// A broker's cloud. What `config` gets wrong is told at the first dial, as
    /// [`GaveUp`](crate::device::Event::GaveUp).
    pub fn new(config: Config) -> Self {
        Self { config }
    }
}

impl Cloud for Plain {
    type Command = Command;
    type Event = Event;
    type Answer = Answer;

    fn dial(&mut self, _: &mut Cx<'_>) -> Dial {
        Dial::Go(self.config.endpoint.clone(), self.config.connect.clone())
    }

    fn command(&mut self, cx: &mut Cx<'_>, tag: Tag, command: &Command) -> Result<(), Rejected> {
        match command {
            Command::Publish { topic, payload, qos, retain, ttl } => {
                offered(cx.link, *qos)?;
                let (qos, retain, ttl) = (*qos, *retain, *ttl);
                cx.link.publish(cx.now, Publish { tag, lane: Lane::App, topic: &[topic], payload, qos, retain, ttl })
            }
            Command::Subscribe { filter, qos } => {
                offered(cx.link, *qos)?;
                cx.link.subscribe(cx.now, tag, Lane::App, &[filter], *qos)
            }
            Command::Unsubscribe { filter } => cx.link.unsubscribe(cx.now, tag, &[filter]),
        }
    }

    fn hear(&mut self, cx: &mut Cx<'_>, heard: Heard<'_>) -> Option<Out<Event, Answer>> {
        let Heard::Link(notice) = heard else { return None };
        match notice {
            Notice::Up { .. } => {
                cx.ready();
                None
            }
            Notice::Granted(tag, Some(qos)) => Some(Out::Done(tag, Ok(Answer::Subscribed(qos)))),
            Notice::Granted(tag, None) => Some(Out::Done(tag, Err(Failure::Refused(SUBSCRIPTION_REFUSED)))),
            Notice::Unsubscribed(tag) => Some(Out::Done(tag, Ok(Answer::Unsubscribed))),
            Notice::Delivered(tag) => Some(Out::Done(tag, Ok(Answer::Published))),
            Notice::Failed(tag, failure) => Some(Out::Done(tag, Err(failure))),
            Notice::Message(message) => Some(Out::Event(Event::Message(Received::from(message)))),
            Notice::Wall(_) | Notice::Note(_) | Notice::Down(_) => None,
        }
    }

    fn deadline(&self) -> Option<Deadline> {
        None
    }
}

/// Refuses what the link cannot carry, by name.
fn offered(link: &dyn Link, qos: QoS) -> Result<(), Rejected> {
    if qos <= link.abilities().qos {
        return Ok(());
    }
    Err(Rejected::Unsupported(match qos {
        QoS::AtMostOnce => "QoS 0",
        QoS::AtLeastOnce => "QoS 1",
        QoS::ExactlyOnce => "QoS 2",
    }))
}

//! What is the same on every cloud that the tool talks to? One command, one answer, one event for all of them.
#![allow(clippy::exhaustive_enums, reason = "the tool's own words, matched where lines are read and written")]

use crate::meaning::Platform;
use core::time::Duration;
use skytether_core::{
    backoff::Backoff,
    cloud::{Cloud, Cx, Dial, Heard, Out},
    io::{Deadline, Refusal, Rejected, Tag},
    link::QoS,
    message::Received,
    plain::{self, Plain},
    tencent::{
        self, Tencent, UserTopic,
        identity::{DeviceName, ProductId},
        time::{Time, TimeError},
    },
};
use std::borrow::Cow;

/// A cloud of any kind.
#[derive(Debug)]
pub enum AnyCloud {
    /// Tencent Cloud IoT Hub.
    Tencent(Box<Tencent>),
    /// An ordinary broker.
    Plain(Box<Plain>),
}

/// A command, in the words of the cloud that it is for. [`Dialect`] makes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// For [`AnyCloud::Tencent`].
    Tencent(tencent::Command),
    /// For [`AnyCloud::Plain`].
    Plain(plain::Command),
}

impl Command {
    /// Whether it is refused while there is no connection.
    pub fn needs_connection(&self) -> bool {
        *self == Self::Tencent(tencent::Command::SyncTime)
    }
}

/// What a command that succeeded ends in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// The message arrived, or at QoS 0 was handed to the network.
    Published,
    /// The filter was granted at this quality of service.
    Subscribed(QoS),
    /// The filter is gone.
    Unsubscribed,
    /// The cloud's time.
    Time(Time),
    /// Something that the tool does not ask for.
    Other,
}

/// What a cloud tells.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A message.
    Message(Received),
    /// The cloud refused the connection, and what to look at.
    Refused(Refusal, &'static str),
    /// An answer about the time that cannot be true.
    TimeDisbelieved(TimeError),
}

impl Cloud for AnyCloud {
    type Command = Command;
    type Event = Event;
    type Answer = Answer;

    fn dial(&mut self, cx: &mut Cx<'_>) -> Dial {
        match self {
            Self::Tencent(cloud) => cloud.dial(cx),
            Self::Plain(cloud) => cloud.dial(cx),
        }
    }

    fn command(&mut self, cx: &mut Cx<'_>, tag: Tag, command: &Command) -> Result<(), Rejected> {
        match (self, command) {
            (Self::Tencent(cloud), Command::Tencent(command)) => cloud.command(cx, tag, command),
            (Self::Plain(cloud), Command::Plain(command)) => cloud.command(cx, tag, command),
            (Self::Tencent(_), Command::Plain(_)) | (Self::Plain(_), Command::Tencent(_)) => {
                Err(Rejected::Unsupported("a command for another cloud"))
            }
        }
    }

    fn hear(&mut self, cx: &mut Cx<'_>, heard: Heard<'_>) -> Option<Out<Event, Answer>> {
        Some(match self {
            Self::Tencent(cloud) => match cloud.hear(cx, heard)? {
                Out::Event(event) => Out::Event(of_tencent(event)?),
                Out::Done(tag, result) => Out::Done(tag, result.map(|answer| answer_of_tencent(&answer))),
            },
            Self::Plain(cloud) => match cloud.hear(cx, heard)? {
                Out::Event(plain::Event::Message(message)) => Out::Event(Event::Message(message)),
                Out::Done(tag, result) => Out::Done(
                    tag,
                    result.map(|answer| match answer {
                        plain::Answer::Published => Answer::Published,
                        plain::Answer::Subscribed(qos) => Answer::Subscribed(qos),
                        plain::Answer::Unsubscribed => Answer::Unsubscribed,
                    }),
                ),
            },
        })
    }

    fn deadline(&self) -> Option<Deadline> {
        match self {
            Self::Tencent(cloud) => cloud.deadline(),
            Self::Plain(cloud) => cloud.deadline(),
        }
    }

    fn backoff(&self) -> Backoff {
        match self {
            Self::Tencent(cloud) => cloud.backoff(),
            Self::Plain(cloud) => cloud.backoff(),
        }
    }
}

fn of_tencent(event: tencent::Event) -> Option<Event> {
    match event {
        tencent::Event::Message(message) | tencent::Event::Foreign(message) | tencent::Event::Unrouted(message) => {
            Some(Event::Message(message))
        }
        tencent::Event::TimeDisbelieved(error) => Some(Event::TimeDisbelieved(error)),
        tencent::Event::Refused { refusal, check } => Some(Event::Refused(refusal, check)),
        _ => None,
    }
}

fn answer_of_tencent(answer: &tencent::Answer) -> Answer {
    match answer {
        tencent::Answer::Published => Answer::Published,
        tencent::Answer::Subscribed(qos) => Answer::Subscribed(*qos),
        tencent::Answer::Unsubscribed => Answer::Unsubscribed,
        tencent::Answer::Time(time) => Answer::Time(*time),
        _ => Answer::Other,
    }
}

/// Why something cannot be said on a cloud.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "a text and its remedy")]
pub struct Unsayable {
    /// What is wrong.
    pub what: &'static str,
    /// What to write instead.
    pub fix: &'static str,
}

/// A message to publish.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "the command line and JSON lines write it field by field")]
pub struct Outgoing {
    /// Topic; `./` at its beginning stands for the device's own, on clouds where a device has its own.
    pub topic: String,
    /// Payload.
    pub payload: Vec<u8>,
    /// Quality of service.
    pub qos: QoS,
    /// Whether the broker keeps it.
    pub retain: bool,
    /// How long it may wait for a connection; `None`: for ever.
    pub ttl: Option<Duration>,
}

/// How commands are said on one device's cloud.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Dialect {
    /// As this device of Tencent's.
    Tencent(ProductId, DeviceName),
    /// As anyone at a broker.
    Plain,
}

impl Dialect {
    /// Whose CONNACK codes are heard.
    pub fn platform(&self) -> Platform {
        match self {
            Self::Tencent(..) => Platform::Tencent,
            Self::Plain => Platform::Plain,
        }
    }

    /// The whole topic or filter: `./` at its beginning is replaced.
    pub fn topic(&self, text: &str) -> String {
        match (self, text.strip_prefix("./")) {
            (Self::Tencent(product, device), Some(own)) => format!("{product}/{device}/{own}"),
            (Self::Tencent(..), None) | (Self::Plain, _) => text.to_owned(),
        }
    }

    /// A publish.
    ///
    /// # Errors
    /// What this cloud does not offer.
    pub fn publish(&self, message: Outgoing) -> Result<Command, Unsayable> {
        let Outgoing { topic, payload, qos, retain, ttl } = message;
        let topic = self.topic(&topic);
        let payload = Cow::Owned(payload);
        match self {
            Self::Tencent(..) if retain => {
                Err(Unsayable { what: "this cloud retains no messages", fix: "leave `retain` out" })
            }
            Self::Tencent(..) => {
                Ok(Command::Tencent(tencent::Command::Publish { topic: UserTopic::full(topic), payload, qos, ttl }))
            }
            Self::Plain => Ok(Command::Plain(plain::Command::Publish { topic, payload, qos, retain, ttl })),
        }
    }

    /// A subscribe.
    pub fn subscribe(&self, filter: &str, qos: QoS) -> Command {
        let filter = self.topic(filter);
        match self {
            Self::Tencent(..) => Command::Tencent(tencent::Command::Subscribe { filter: UserTopic::full(filter), qos }),
            Self::Plain => Command::Plain(plain::Command::Subscribe { filter, qos }),
        }
    }

    /// An unsubscribe.
    pub fn unsubscribe(&self, filter: &str) -> Command {
        let filter = self.topic(filter);
        match self {
            Self::Tencent(..) => Command::Tencent(tencent::Command::Unsubscribe { filter: UserTopic::full(filter) }),
            Self::Plain => Command::Plain(plain::Command::Unsubscribe { filter }),
        }
    }

    /// A question for the time.
    ///
    /// # Errors
    /// Ordinary brokers do not tell it.
    pub fn time(&self) -> Result<Command, Unsayable> {
        match self {
            Self::Tencent(..) => Ok(Command::Tencent(tencent::Command::SyncTime)),
            Self::Plain => Err(Unsayable {
                what: "an ordinary broker does not tell the time",
                fix: "ask it of a cloud, with --profile",
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dot_stands_for_the_devices_own_topics_where_it_has_some() {
        let door = Dialect::Tencent(ProductId::new("DOORPRD9A1").unwrap(), DeviceName::new("door1").unwrap());
        assert_eq!(door.topic("./event"), "DOORPRD9A1/door1/event");
        assert_eq!(door.topic("DOORPRD9A1/door1/event"), "DOORPRD9A1/door1/event");
        assert_eq!(Dialect::Plain.topic("./event"), "./event");
    }
}

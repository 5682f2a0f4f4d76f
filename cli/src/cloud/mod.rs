//! What is the same on every cloud that the tool talks to? One command, one answer, one event for all of them.
#![allow(clippy::exhaustive_enums, reason = "the tool's own words, matched where lines are read and written")]

mod azure;

pub(crate) use azure::words;

use crate::meaning::Platform;
use core::time::Duration;
use serde_json::Value;
use skytether_core::{
    azure::{Azure, MethodCall},
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
    /// Azure IoT.
    Azure(Box<Azure>),
    /// Tencent Cloud IoT Hub.
    Tencent(Box<Tencent>),
    /// An ordinary broker.
    Plain(Box<Plain>),
}

/// A command, in the words of the cloud that it is for. [`Dialect`] makes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// For [`AnyCloud::Azure`].
    Azure(skytether_core::azure::Command),
    /// For [`AnyCloud::Tencent`].
    Tencent(tencent::Command),
    /// For [`AnyCloud::Plain`].
    Plain(plain::Command),
}

impl Command {
    /// Whether it is refused while there is no connection.
    pub fn needs_connection(&self) -> bool {
        match self {
            Self::Azure(_) | Self::Plain(_) => false,
            Self::Tencent(command) => *command == tencent::Command::SyncTime,
        }
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
    /// Properties are reported; their new version, where the cloud told it.
    Reported(Option<u64>),
    /// What the cloud has of the device: `{"desired": …, "reported": …}`, each with its version.
    Twin(Value),
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
    /// A message with properties of its own.
    Letter(Box<Letter>),
    /// The cloud calls a method, and waits for the answer.
    Method(MethodCall),
    /// Desired properties: all, or what has changed.
    Desired {
        /// Their version.
        version: u64,
        /// Whether they are all.
        full: bool,
        /// They themselves.
        properties: Value,
    },
    /// A hub was assigned.
    Assigned {
        /// Its host name.
        hub: String,
        /// The device's id there.
        device: String,
        /// What the service gives the device.
        payload: Option<Value>,
    },
    /// Something worth knowing, in words.
    Told(String),
}

/// A message that carries properties beside its payload.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "lines are made of it")]
pub struct Letter {
    /// The module's input that it came by, where there is one.
    pub input: Option<String>,
    /// Names and values; a property may have none. Those of the system begin with `$.`.
    pub properties: Vec<(String, Option<String>)>,
    /// Payload.
    pub payload: Vec<u8>,
}

impl Cloud for AnyCloud {
    type Command = Command;
    type Event = Event;
    type Answer = Answer;

    fn dial(&mut self, cx: &mut Cx<'_>) -> Dial {
        match self {
            Self::Azure(cloud) => cloud.dial(cx),
            Self::Tencent(cloud) => cloud.dial(cx),
            Self::Plain(cloud) => cloud.dial(cx),
        }
    }

    fn command(&mut self, cx: &mut Cx<'_>, tag: Tag, command: &Command) -> Result<(), Rejected> {
        match (self, command) {
            (Self::Azure(cloud), Command::Azure(command)) => cloud.command(cx, tag, command),
            (Self::Tencent(cloud), Command::Tencent(command)) => cloud.command(cx, tag, command),
            (Self::Plain(cloud), Command::Plain(command)) => cloud.command(cx, tag, command),
            (Self::Azure(_), Command::Tencent(_) | Command::Plain(_))
            | (Self::Tencent(_), Command::Azure(_) | Command::Plain(_))
            | (Self::Plain(_), Command::Azure(_) | Command::Tencent(_)) => {
                Err(Rejected::Unsupported("a command for another cloud"))
            }
        }
    }

    fn hear(&mut self, cx: &mut Cx<'_>, heard: Heard<'_>) -> Option<Out<Event, Answer>> {
        Some(match self {
            Self::Azure(cloud) => match cloud.hear(cx, heard)? {
                Out::Event(event) => Out::Event(azure::event(event)),
                Out::Done(tag, result) => Out::Done(tag, result.map(azure::answer)),
            },
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
            Self::Azure(cloud) => cloud.deadline(),
            Self::Tencent(cloud) => cloud.deadline(),
            Self::Plain(cloud) => cloud.deadline(),
        }
    }

    fn backoff(&self) -> Backoff {
        match self {
            Self::Azure(cloud) => cloud.backoff(),
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
    /// As a device of Azure's: there are no free topics.
    Azure,
    /// As this device of Tencent's.
    Tencent(ProductId, DeviceName),
    /// As anyone at a broker.
    Plain,
}

impl Dialect {
    /// Whose CONNACK codes are heard.
    pub fn platform(&self) -> Platform {
        match self {
            Self::Azure => Platform::Azure,
            Self::Tencent(..) => Platform::Tencent,
            Self::Plain => Platform::Plain,
        }
    }

    /// The whole topic or filter: `./` at its beginning is replaced.
    pub fn topic(&self, text: &str) -> String {
        match (self, text.strip_prefix("./")) {
            (Self::Tencent(product, device), Some(own)) => format!("{product}/{device}/{own}"),
            (Self::Tencent(..), None) | (Self::Azure | Self::Plain, _) => text.to_owned(),
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
            Self::Azure => azure::publish(&topic, payload, qos, retain, ttl).map(Command::Azure),
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
    ///
    /// # Errors
    /// A cloud without free topics.
    pub fn subscribe(&self, filter: &str, qos: QoS) -> Result<Command, Unsayable> {
        let filter = self.topic(filter);
        Ok(match self {
            Self::Azure => return Err(azure::NO_TOPICS),
            Self::Tencent(..) => Command::Tencent(tencent::Command::Subscribe { filter: UserTopic::full(filter), qos }),
            Self::Plain => Command::Plain(plain::Command::Subscribe { filter, qos }),
        })
    }

    /// An unsubscribe.
    ///
    /// # Errors
    /// As [`Dialect::subscribe`].
    pub fn unsubscribe(&self, filter: &str) -> Result<Command, Unsayable> {
        let filter = self.topic(filter);
        Ok(match self {
            Self::Azure => return Err(azure::NO_TOPICS),
            Self::Tencent(..) => Command::Tencent(tencent::Command::Unsubscribe { filter: UserTopic::full(filter) }),
            Self::Plain => Command::Plain(plain::Command::Unsubscribe { filter }),
        })
    }

    /// Something that only Azure offers.
    ///
    /// # Errors
    /// Another cloud.
    pub fn azure(&self, command: skytether_core::azure::Command) -> Result<Command, Unsayable> {
        match self {
            Self::Azure => Ok(Command::Azure(command)),
            Self::Tencent(..) | Self::Plain => Err(Unsayable {
                what: "only a device of Azure's can do this",
                fix: "name an Azure profile with --profile, or leave it out",
            }),
        }
    }

    /// A question for the time.
    ///
    /// # Errors
    /// Ordinary brokers do not tell it.
    pub fn time(&self) -> Result<Command, Unsayable> {
        match self {
            Self::Tencent(..) => Ok(Command::Tencent(tencent::Command::SyncTime)),
            Self::Azure => Err(Unsayable { what: "this cloud does not tell the time", fix: "ask another clock" }),
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

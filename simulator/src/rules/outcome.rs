//! What goes into a rule, a message of a device, and what comes out of it.

use super::PAYLOAD_BYTES;
use core::fmt;
use skytether_core::link::QoS;

/// One message that a device has published.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::exhaustive_structs, reason = "the cloud builds it field by field")]
pub struct Message<'a> {
    /// The topic it was published to.
    pub topic: &'a str,
    /// Its payload.
    pub payload: &'a [u8],
    /// Its QoS, which republishing keeps.
    pub qos: QoS,
    /// The product of the device.
    pub product_id: &'a str,
    /// The name of the device.
    pub device_name: &'a str,
    /// The cloud's own id of the message: `requestId()`.
    pub request_id: &'a str,
    /// Unix seconds: `timestamp()`.
    pub now: u64,
}

impl<'a> Message<'a> {
    /// A message on a user topic, `{product}/{device}/…`: the first two levels name the source.
    pub fn from_topic(topic: &'a str, payload: &'a [u8], qos: QoS, now: u64) -> Self {
        let mut levels = topic.split('/');
        let product_id = levels.next().unwrap_or_default();
        let device_name = levels.next().unwrap_or_default();
        Self { topic, payload, qos, product_id, device_name, request_id: "", now }
    }
}

/// What became of one message.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "a rule matches or it does not")]
pub enum Outcome {
    /// The message matched: what each action came to, in order.
    Matched(Vec<Result<Republish, ActionFailed>>),
    /// The rule does nothing.
    NotMatched(NotMatched),
}

/// A message that a rule publishes.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "the cloud reads it field by field")]
pub struct Republish {
    /// The topic, without placeholders.
    pub topic: String,
    /// The original bytes for `SELECT *`; else a JSON object of the selected fields, without spaces.
    pub payload: Vec<u8>,
    /// The QoS of the source.
    pub qos: QoS,
}

/// Why a rule did not match.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum NotMatched {
    /// The topic is another.
    Topic,
    /// The condition does not hold.
    Condition,
    /// The condition or the selection names a field that is not there.
    MissingField(Box<str>),
    /// Fields or a condition need a JSON object, and the payload is none.
    NotJsonObject,
    /// A part of the condition or selection has no value, for the reason named.
    NoValue(&'static str),
}

impl NotMatched {
    /// The reason in one word: `topic`, `condition`, `missing_field`, `not_json_object` or `no_value`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Topic => "topic",
            Self::Condition => "condition",
            Self::MissingField(_) => "missing_field",
            Self::NotJsonObject => "not_json_object",
            Self::NoValue(_) => "no_value",
        }
    }
}

impl fmt::Display for NotMatched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Topic => f.write_str("the topic is another"),
            Self::Condition => f.write_str("the condition does not hold"),
            Self::MissingField(name) => write!(f, "the payload has no field {name}"),
            Self::NotJsonObject => f.write_str("the payload is no JSON object"),
            Self::NoValue(why) => f.write_str(why),
        }
    }
}

/// Why an action of a rule that matched could not be done.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ActionFailed {
    /// No selected field fills the placeholder.
    Unresolved(Box<str>),
    /// The topic, filled in, is none that a message may be published to.
    Topic {
        /// The topic.
        topic: Box<str>,
        /// The rule it breaks.
        why: &'static str,
    },
    /// The result is longer than a message may be.
    PayloadTooLarge {
        /// Its length in bytes.
        len: usize,
    },
}

impl fmt::Display for ActionFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unresolved(name) => write!(f, "no field fills the placeholder ${{{name}}}"),
            Self::Topic { topic, why } => write!(f, "cannot publish to {topic:?}: {why}"),
            Self::PayloadTooLarge { len } => write!(f, "the result of {len} bytes is over {PAYLOAD_BYTES} bytes"),
        }
    }
}

impl core::error::Error for ActionFailed {}

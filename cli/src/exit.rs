//! With which code does the tool end when something went wrong, and what does it say?

use crate::check::Step;
use core::fmt;
use skytether_core::io::Cause;
use skytether_tokio::SendError;

/// The exit codes, for help texts.
pub const CODES: &str = "\
Exit codes:
  0    done
  1    a story broke off: a connection was lost, a message did not arrive, no observer came
  2    the command line is wrong
  3    something could not start (a port that is taken), or a profile, file or option cannot be used
  4    the cloud could not be reached: name, TCP, TLS, WebSocket, or no answer to CONNECT
  5    the cloud refused: CONNACK with a code that is not 0
  6    a subscription failed
  7    publishing failed
  8    the time of --timeout is over
  10   check failed at DNS
  11   check failed at TCP
  12   check failed at TLS
  13   check failed at WebSocket
  14   check failed at CONNACK: no answer, or none that MQTT knows (a refusal is 5)
  130  ended by Ctrl-C before it was done; 0 for what only Ctrl-C ends (sim, run, sub without a count)";

/// The exit code of what Ctrl-C ended.
pub const INTERRUPTED: u8 = 130;

/// What went wrong, and at which step.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Failure {
    /// Something that everything else needs could not start; the text says what and why.
    Start(String),
    /// A device has no connection in time.
    Unreachable {
        /// The device.
        who: String,
        /// Where it tried.
        endpoint: String,
        /// What stopped the last attempt; `None`: no answer yet.
        cause: Option<Cause>,
    },
    /// The cloud refused a device.
    Refused {
        /// The device.
        who: String,
        /// The CONNACK return code.
        code: u8,
        /// What the code means on this cloud.
        meaning: &'static str,
        /// What to look at.
        check: &'static str,
    },
    /// A subscription was refused or got no answer.
    Subscription {
        /// The device.
        who: String,
        /// The filter.
        topic: String,
        /// How it ended.
        error: SendError,
    },
    /// A message was not accepted or got no acknowledgement.
    Publish {
        /// The device.
        who: String,
        /// The topic.
        topic: String,
        /// How it ended.
        error: SendError,
    },
    /// The cloud did not tell the time.
    Time {
        /// The device.
        who: String,
        /// How the question ended.
        error: SendError,
    },
    /// A connection that was up has ended.
    Lost {
        /// The device.
        who: String,
        /// Why.
        cause: Cause,
    },
    /// The configuration of a device cannot work, for the reason given.
    Configuration {
        /// The device.
        who: String,
        /// Why.
        why: String,
    },
    /// A message that was published did not arrive where it was meant to.
    NotForwarded {
        /// Who waited for it.
        who: String,
        /// On which topic.
        topic: String,
    },
    /// Nobody subscribed at the observers' port in time.
    NoObserver,
    /// A step of a check failed, for the reason given.
    Step {
        /// The step.
        step: Step,
        /// Why, and what to look at.
        why: String,
    },
    /// The time that the user gave is over.
    TimeOver,
    /// Ctrl-C.
    Interrupted,
}

impl Failure {
    /// The exit code, as [`CODES`] lists it.
    pub fn code(&self) -> u8 {
        match self {
            Self::Lost { .. } | Self::Time { .. } | Self::NotForwarded { .. } | Self::NoObserver => 1,
            Self::Start(_) | Self::Configuration { .. } => 3,
            Self::Unreachable { .. } => 4,
            Self::Refused { .. } => 5,
            Self::Subscription { .. } => 6,
            Self::Publish { .. } => 7,
            Self::TimeOver => 8,
            Self::Step { step, .. } => step.code(),
            Self::Interrupted => INTERRUPTED,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(why) => f.write_str(why),
            Self::Unreachable { who, endpoint, cause } => {
                write!(f, "{who}: no connection to {endpoint}: ")?;
                match cause {
                    Some(cause) => write!(f, "{cause}"),
                    None => f.write_str("no answer (CONNACK) in time"),
                }
            }
            Self::Refused { who, code, meaning, check } => {
                write!(f, "{who}: the cloud refused the connection, CONNACK {code}: {meaning}; check {check}")
            }
            Self::Subscription { who, topic, error } => write!(f, "{who}: subscribing to {topic} {error}"),
            Self::Publish { who, topic, error } => write!(f, "{who}: publishing to {topic} {error}"),
            Self::Time { who, error } => write!(f, "{who}: asking for the time {error}"),
            Self::Lost { who, cause } => write!(f, "{who}: the connection ended in the middle: {cause}"),
            Self::Configuration { who, why } => write!(f, "{who}: {why}"),
            Self::NotForwarded { who, topic } => write!(
                f,
                "{who}: the door's message did not arrive on {topic}; the cloud's lines above say what its rule made of it"
            ),
            Self::NoObserver => f.write_str("nobody subscribed at the observers' port within a minute"),
            Self::Step { step, why } => write!(f, "the check failed at {step}: {why}"),
            Self::TimeOver => f.write_str("the time of --timeout is over"),
            Self::Interrupted => f.write_str("ended by Ctrl-C"),
        }
    }
}

impl core::error::Error for Failure {}

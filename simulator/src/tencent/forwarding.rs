//! What the rules of the account do with a message, and the log of it that the platform's console would show.

use super::registry::{DeviceId, Registry};
use super::topics;
use crate::broker::policy::Outbox;
use crate::rules::{ActionFailed, Message, NotMatched, Outcome, Republish, Rule, RuleError, Rules};
use core::fmt;
use skytether_core::link::QoS;
use skytether_core::rng::Rng;
use std::collections::VecDeque;

/// Entries kept until someone takes them; older ones are dropped.
const ENTRIES: usize = 1000;

/// One line of the rules' log. A rule on another topic leaves none.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "a record that owners read and tests compare")]
pub struct RuleEntry {
    /// The rule.
    pub rule: Box<str>,
    /// The topic of the message.
    pub topic: Box<str>,
    /// What came of it.
    pub result: RuleResult,
}

/// What came of one rule, or of one of its actions.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum RuleResult {
    /// The result was published.
    Republished {
        /// To this topic.
        topic: Box<str>,
        /// With this many bytes.
        len: usize,
        /// And this QoS, that of the source.
        qos: QoS,
    },
    /// The rule did not match, though it listens to the topic.
    NotMatched(NotMatched),
    /// An action could not be done.
    Failed(ActionFailed),
    /// The target is no topic that a device of the account may subscribe to.
    NoReceiver(Box<str>),
}

impl fmt::Display for RuleEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rule {} on {}: ", self.rule, self.topic)?;
        match &self.result {
            RuleResult::Republished { topic, len, qos } => {
                write!(f, "republished {len} bytes to {topic} at QoS {}", qos.level())
            }
            RuleResult::NotMatched(why) => write!(f, "did not match: {why}"),
            RuleResult::Failed(failed) => write!(f, "action failed: {failed}"),
            RuleResult::NoReceiver(topic) => {
                write!(f, "action failed: {topic} is no topic that a device of this account may subscribe to")
            }
        }
    }
}

/// The rules and their log.
#[derive(Debug)]
pub(super) struct Forwarding {
    rules: Rules,
    log: VecDeque<RuleEntry>,
}

impl Forwarding {
    pub(super) fn new() -> Self {
        Self { rules: Rules::default(), log: VecDeque::new() }
    }

    pub(super) fn add(&mut self, rule: Rule) -> Result<(), RuleError> {
        self.rules.add(rule)
    }

    pub(super) fn remove(&mut self, name: &str) -> bool {
        self.rules.remove(name)
    }

    pub(super) fn take_entry(&mut self) -> Option<RuleEntry> {
        self.log.pop_front()
    }

    /// Offers a message to every enabled rule.
    pub(super) fn offer(&mut self, registry: &Registry, message: &Message<'_>, rng: &mut Rng, out: &mut Outbox) {
        for rule in self.rules.enabled() {
            let results = match rule.evaluate(message, rng) {
                Outcome::NotMatched(NotMatched::Topic) => continue,
                Outcome::NotMatched(why) => vec![RuleResult::NotMatched(why)],
                Outcome::Matched(actions) => {
                    actions.into_iter().map(|action| carry_out(registry, action, out)).collect()
                }
            };
            for result in results {
                if self.log.len() >= ENTRIES {
                    self.log.pop_front();
                }
                self.log.push_back(RuleEntry { rule: rule.name().into(), topic: message.topic.into(), result });
            }
        }
    }
}

fn carry_out(registry: &Registry, action: Result<Republish, ActionFailed>, out: &mut Outbox) -> RuleResult {
    let Republish { topic, payload, qos } = match action {
        Ok(republish) => republish,
        Err(failed) => return RuleResult::Failed(failed),
    };
    if !has_receiver(registry, &topic) {
        return RuleResult::NoReceiver(topic.into());
    }
    let (len, target) = (payload.len(), topic.as_str().into());
    out.publish(topic, payload, qos);
    RuleResult::Republished { topic: target, len, qos }
}

/// Whether a device of the account may subscribe to the topic.
fn has_receiver(registry: &Registry, topic: &str) -> bool {
    let mut levels = topic.splitn(3, '/');
    let (Some(product), Some(name)) = (levels.next(), levels.next()) else {
        return false;
    };
    let device = DeviceId::new(product, name);
    let known = registry.device(&device).is_some();
    known && registry.classes(product).is_some_and(|classes| topics::reaches(&device, classes, topic))
}

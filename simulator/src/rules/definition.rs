//! How an author writes a rule down, and what can be wrong with it.

use super::sql::SqlFault;
use super::{ACTIONS, RULES};
use core::fmt;
use serde::{Deserialize, Serialize};

/// A rule as its author writes it, and as a configuration file holds it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(clippy::exhaustive_structs, reason = "authors of rules write it field by field")]
pub struct Definition {
    /// 1 to 32 letters, digits and `_`; unique in an account.
    pub name: String,
    /// At most 256 characters.
    #[serde(default)]
    pub description: String,
    /// Whether messages are offered to it.
    #[serde(default = "enabled")]
    pub enabled: bool,
    /// `SELECT <fields> FROM <topic> [WHERE <condition>]`
    pub sql: String,
    /// 1 to 10, done in order.
    pub actions: Vec<Action>,
    /// Whether a payload that is a JSON *string* with an object inside is looked into as that object. The real
    /// platform does not; `SELECT *` passes the original bytes on either way.
    #[serde(default)]
    pub unwrap_json_string: bool,
}

fn enabled() -> bool {
    true
}

impl Definition {
    /// An enabled rule that republishes to one topic.
    pub fn republish(name: &str, sql: &str, topic: &str) -> Self {
        Self {
            name: name.to_owned(),
            description: String::new(),
            enabled: true,
            sql: sql.to_owned(),
            actions: vec![Action::Republish { topic: topic.to_owned() }],
            unwrap_json_string: false,
        }
    }
}

/// What a rule does with its result; as JSON `{"republish":{"topic":"…"}}`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Action {
    /// Publishes the result with the QoS of the message.
    Republish {
        /// The target; `${name}` stands for the selected field of that name, `${function()}` for a function's result.
        topic: String,
    },
}

/// Why a definition is no rule.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum RuleError {
    /// The name is not 1 to 32 letters, digits and `_`.
    Name,
    /// The description is over 256 characters.
    Description,
    /// The statement is wrong.
    Sql {
        /// The character at which it shows, counted from 1.
        at: usize,
        /// What is wrong.
        fault: SqlFault,
    },
    /// There is no action, or more than 10.
    Actions(usize),
    /// The target of an action is wrong.
    Target {
        /// The action, counted from 1.
        action: usize,
        /// The character at which it shows, counted from 1.
        at: usize,
        /// What is wrong, and the fix.
        why: &'static str,
    },
    /// The account has 1000 rules.
    TooMany,
    /// The account has a rule of this name.
    Duplicate(Box<str>),
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => f.write_str("a rule's name is 1 to 32 letters, digits and _"),
            Self::Description => f.write_str("a rule's description is at most 256 characters"),
            Self::Sql { at, fault } => write!(f, "SQL, character {at}: {fault}"),
            Self::Actions(count) => write!(f, "a rule has 1 to {ACTIONS} actions, not {count}"),
            Self::Target { action, at, why } => write!(f, "target of action {action}, character {at}: {why}"),
            Self::TooMany => write!(f, "an account has at most {RULES} rules: remove one first"),
            Self::Duplicate(name) => write!(f, "there is a rule {name} already: names are unique"),
        }
    }
}

impl core::error::Error for RuleError {}

//! What the cloud's rule engine makes of a message: `SELECT … FROM topic WHERE condition`, republished elsewhere.
//!
//! Pure: the time, the random source and the message are inputs. The rules are those of Tencent Cloud IoT Hub:
//!
//! ```
//! use skytether_core::{link::QoS, rng::Rng};
//! use skytether_simulator::rules::{Definition, Message, Outcome, Rule};
//!
//! let sql = "SELECT action FROM 'DOORPRD9A1/+/event' WHERE target = 'ac1'";
//! let definition = Definition::republish("come_home", sql, "AIRCPRD7B2/ac1/${action}");
//! let rule = Rule::new(&definition).map_err(|error| error.to_string())?;
//! let payload = br#"{"action": "open", "target": "ac1"}"#;
//! let message = Message::from_topic("DOORPRD9A1/door1/event", payload, QoS::AtLeastOnce, 1_700_000_000);
//! let Outcome::Matched(actions) = rule.evaluate(&message, &mut Rng::new([0; 32])) else {
//!     return Err("the rule matches".to_owned());
//! };
//! let republish = actions[0].as_ref().map_err(|failed| failed.to_string())?;
//! assert_eq!(republish.topic, "AIRCPRD7B2/ac1/open");
//! assert_eq!(republish.payload, br#"{"action":"open"}"#);
//! # Ok::<(), String>(())
//! ```

mod definition;
mod eval;
mod functions;
mod json;
mod lex;
mod outcome;
mod parse;
mod sql;
mod template;
#[cfg(test)]
mod tests;
mod topic;
mod value;

pub use definition::{Action, Definition, RuleError};
pub use outcome::{ActionFailed, Message, NotMatched, Outcome, Republish};
pub use sql::SqlFault;

use eval::{Fields, Scope, evaluate};
use json::Document;
use skytether_core::rng::Rng;
use sql::{Expr, Field, Selection, Statement};
use template::Template;
use value::Value;

/// The most rules of one account.
pub const RULES: usize = 1000;
/// The most actions of one rule; the fewest is 1.
pub const ACTIONS: usize = 10;
/// The longest payload that a rule may publish, in bytes.
const PAYLOAD_BYTES: usize = 16 * 1024;

/// A rule that has been read and checked.
#[derive(Clone, Debug)]
pub struct Rule {
    name: Box<str>,
    enabled: bool,
    unwrap_json_string: bool,
    statement: Statement,
    targets: Vec<Template>,
    needs: Needs,
}

/// What the payload must be for a statement to have a meaning.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Needs {
    /// Any bytes: it passes them on, or reads them as bytes.
    Bytes,
    /// JSON: it looks fields up, and says which are missing.
    Json,
    /// A JSON object, though no field of it is named.
    Object,
}

impl Rule {
    /// Reads and checks a definition.
    ///
    /// # Errors
    /// [`RuleError`] names the part, the place and the fix.
    pub fn new(definition: &Definition) -> Result<Self, RuleError> {
        let name = definition.name.as_str();
        if name.is_empty() || name.len() > 32 || name.contains(|c: char| !(c.is_ascii_alphanumeric() || c == '_')) {
            return Err(RuleError::Name);
        }
        if definition.description.chars().count() > 256 {
            return Err(RuleError::Description);
        }
        let place = |text: &str, at: usize| text.get(..at).map_or(0, |before| before.chars().count()) + 1;
        let statement = parse::statement(&definition.sql)
            .map_err(|found| RuleError::Sql { at: place(&definition.sql, found.at), fault: found.fault })?;
        if definition.actions.is_empty() || definition.actions.len() > ACTIONS {
            return Err(RuleError::Actions(definition.actions.len()));
        }
        let mut targets = Vec::with_capacity(definition.actions.len());
        for (number, action) in definition.actions.iter().enumerate() {
            let Action::Republish { topic } = action;
            let wrong = |(at, why)| RuleError::Target { action: number + 1, at: place(topic, at), why };
            targets.push(Template::new(topic).map_err(wrong)?);
        }
        Ok(Self {
            name: name.into(),
            enabled: definition.enabled,
            unwrap_json_string: definition.unwrap_json_string,
            needs: statement.needs(),
            statement,
            targets,
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether messages are to be offered to it.
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// What the rule makes of a message. Whether the rule is enabled is the caller's question.
    ///
    /// Equal inputs and an equal state of `rng` give equal outcomes.
    pub fn evaluate(&self, message: &Message<'_>, rng: &mut Rng) -> Outcome {
        if !self.statement.topic.matches(message.topic) {
            return Outcome::NotMatched(NotMatched::Topic);
        }
        let text = json::text_of(message.payload, self.unwrap_json_string);
        let document = Document::read(text.as_deref());
        let mut scope = Scope { message, fields: Fields::Payload(&document), rng };
        let selected = match self.select(&document, &mut scope) {
            Ok(selected) => selected,
            Err(why) => return Outcome::NotMatched(why),
        };
        let payload = match &selected {
            None => message.payload.to_vec(),
            Some(fields) => match object(fields) {
                Some(payload) => payload,
                None => return Outcome::NotMatched(NotMatched::NoValue("a selected value is too large a number")),
            },
        };
        if let Some(fields) = &selected {
            scope.fields = Fields::Selected(fields);
        }
        let republish = |target| {
            let topic = Template::fill(target, &mut scope)?;
            if payload.len() > PAYLOAD_BYTES {
                return Err(ActionFailed::PayloadTooLarge { len: payload.len() });
            }
            Ok(Republish { topic, payload: payload.clone(), qos: message.qos })
        };
        Outcome::Matched(self.targets.iter().map(republish).collect())
    }

    /// The selected fields if the condition holds; `None` for `*`.
    #[allow(clippy::type_complexity, reason = "used once")]
    fn select<'a>(
        &'a self,
        document: &Document<'a>,
        scope: &mut Scope<'a, '_>,
    ) -> Result<Option<Vec<(&'a str, Value<'a>)>>, NotMatched> {
        let most = match document {
            Document::Object(_) => Needs::Object,
            Document::OtherJson => Needs::Json,
            Document::NotJson => Needs::Bytes,
        };
        if self.needs > most {
            return Err(NotMatched::NotJsonObject);
        }
        if let Some(condition) = &self.statement.condition
            && !matches!(evaluate(condition, scope)?, Value::Bool(true))
        {
            return Err(NotMatched::Condition);
        }
        match &self.statement.selection {
            Selection::Everything => Ok(None),
            Selection::Fields(fields) => {
                let value = |field: &'a Field| Ok((field.key.as_ref(), evaluate(&field.value, scope)?));
                fields.iter().map(value).collect::<Result<_, _>>().map(Some)
            }
        }
    }
}

impl Statement {
    fn needs(&self) -> Needs {
        let any = |holds: &dyn Fn(&Expr) -> bool| self.expressions().any(|expr| expr.any(holds));
        if self.expressions().next().is_none()
            || any(&|expr| matches!(expr, Expr::Call(function, _) if function.reads_bytes()))
        {
            Needs::Bytes
        } else if any(&|expr| matches!(expr, Expr::Path(_))) {
            Needs::Json
        } else {
            Needs::Object
        }
    }

    /// The condition and the selected values.
    fn expressions(&self) -> impl Iterator<Item = &Expr> {
        let fields = match &self.selection {
            Selection::Everything => [].as_slice(),
            Selection::Fields(fields) => fields,
        };
        fields.iter().map(|field| &field.value).chain(&self.condition)
    }
}

/// A JSON object without spaces, its members in this order.
fn object(fields: &[(&str, Value<'_>)]) -> Option<Vec<u8>> {
    let mut out = vec![b'{'];
    for (at, (key, value)) in fields.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        value::write_text(key, &mut out)?;
        out.push(b':');
        value.write(&mut out)?;
    }
    out.push(b'}');
    Some(out)
}

/// The rules of one account: unique names, at most 1000.
#[derive(Clone, Debug, Default)]
pub struct Rules(Vec<Rule>);

impl Rules {
    /// Adds a rule at the end.
    ///
    /// # Errors
    /// [`RuleError::TooMany`] and [`RuleError::Duplicate`]; nothing has changed then.
    pub fn add(&mut self, rule: Rule) -> Result<(), RuleError> {
        if self.0.len() >= RULES {
            return Err(RuleError::TooMany);
        }
        if self.0.iter().any(|known| known.name == rule.name) {
            return Err(RuleError::Duplicate(rule.name));
        }
        self.0.push(rule);
        Ok(())
    }

    /// Removes the rule of this name; whether there was one.
    pub fn remove(&mut self, name: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|rule| &*rule.name != name);
        self.0.len() != before
    }

    /// The enabled rules, in the order in which they were added: those to which a message is offered.
    pub fn enabled(&self) -> impl Iterator<Item = &Rule> {
        self.0.iter().filter(|rule| rule.enabled)
    }
}

//! What a republish topic with `${placeholders}` becomes for one message.

use super::eval::{Scope, evaluate};
use super::sql::Expr;
use super::{ActionFailed, parse, topic};

/// A target topic, cut at its placeholders.
#[derive(Clone, Debug)]
pub(super) struct Template(Vec<Segment>);

#[derive(Clone, Debug)]
enum Segment {
    Text(Box<str>),
    /// What stands in `${…}`, and how it reads as an expression if it does.
    Hole(Box<str>, Option<Expr>),
}

impl Template {
    /// Reads a target; the error names the byte.
    pub(super) fn new(text: &str) -> Result<Self, (usize, &'static str)> {
        let mut segments = Vec::new();
        let (mut rest, mut at) = (text, 0);
        while let Some((before, after)) = rest.split_once("${") {
            segments.push(Segment::Text(before.into()));
            let begin = at + before.len();
            let Some((inside, beyond)) = after.split_once('}') else {
                return Err((begin, "the placeholder does not end: add }"));
            };
            let name = inside.trim();
            if name.is_empty() {
                return Err((begin, "the placeholder is empty: write ${field}"));
            }
            segments.push(Segment::Hole(name.into(), parse::expression(name).ok()));
            at = begin + "${".len() + inside.len() + "}".len();
            rest = beyond;
        }
        segments.push(Segment::Text(rest.into()));
        if let [Segment::Text(only)] = segments.as_slice() {
            topic::check_target(only).map_err(|why| (0, why))?;
        } else if let Some(Segment::Text(bad)) =
            segments.iter().find(|segment| matches!(segment, Segment::Text(text) if text.contains(['+', '#', '\0'])))
        {
            return Err((text.find(bad.as_ref()).unwrap_or(0), "a message cannot be published to a wildcard"));
        }
        Ok(Self(segments))
    }

    /// The topic for this message.
    pub(super) fn fill<'a>(&'a self, scope: &mut Scope<'a, '_>) -> Result<String, ActionFailed> {
        let mut filled = String::new();
        for segment in &self.0 {
            match segment {
                Segment::Text(text) => filled.push_str(text),
                Segment::Hole(name, expr) => {
                    let value = match (scope.fields.keyed(name), expr) {
                        (Some(value), _) => Some(value),
                        (None, Some(expr)) => evaluate(expr, scope).ok(),
                        (None, None) => None,
                    };
                    let text = value.and_then(|value| value.as_text());
                    filled.push_str(&text.ok_or_else(|| ActionFailed::Unresolved(name.clone()))?);
                }
            }
        }
        if let Err(why) = topic::check_target(&filled) {
            return Err(ActionFailed::Topic { topic: filled.into(), why });
        }
        Ok(filled)
    }
}

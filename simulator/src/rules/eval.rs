//! What an expression of a rule gives for one message.

use super::json::Document;
use super::sql::{Expr, Literal};
use super::value::Value;
use super::{Message, NotMatched};
use skytether_core::rng::Rng;
use std::borrow::Cow;

/// Everything an expression may look at.
pub(super) struct Scope<'a, 's> {
    pub(super) message: &'a Message<'a>,
    pub(super) fields: Fields<'a, 's>,
    pub(super) rng: &'s mut Rng,
}

/// Where names are looked up.
#[derive(Clone, Copy)]
pub(super) enum Fields<'a, 's> {
    /// In the payload.
    Payload(&'s Document<'a>),
    /// Among the selected fields, by their keys.
    Selected(&'s [(&'a str, Value<'a>)]),
}

impl<'a> Fields<'a, '_> {
    fn field(self, path: &[Box<str>]) -> Result<Value<'a>, NotMatched> {
        match self {
            Self::Payload(document) => document.field(path),
            Self::Selected(_) => {
                let name = path.join(".");
                self.keyed(&name).ok_or_else(|| NotMatched::MissingField(name.into()))
            }
        }
    }

    /// The selected field with this key.
    pub(super) fn keyed(self, name: &str) -> Option<Value<'a>> {
        match self {
            Self::Payload(_) => None,
            Self::Selected(fields) => fields.iter().find(|(key, _)| *key == name).map(|(_, value)| value.clone()),
        }
    }
}

/// Computes an expression. Every part is computed, so that an absent field shows wherever it stands.
pub(super) fn evaluate<'a>(expr: &'a Expr, scope: &mut Scope<'a, '_>) -> Result<Value<'a>, NotMatched> {
    Ok(match expr {
        Expr::Literal(Literal::Text(text)) => Value::Text(Cow::Borrowed(text)),
        Expr::Literal(Literal::Number(text)) => Value::number(text).ok_or(NotMatched::NoValue(NOT_A_NUMBER))?,
        Expr::Literal(Literal::Bool(truth)) => Value::Bool(*truth),
        Expr::Literal(Literal::Null) => Value::Null,
        Expr::Path(path) => scope.fields.field(path)?,
        Expr::Call(function, arguments) => {
            let mut values = Vec::with_capacity(arguments.len());
            for argument in arguments {
                values.push(evaluate(argument, scope)?);
            }
            function.call(scope, &values)?
        }
        Expr::Negate(inner) => {
            let number = evaluate(inner, scope)?.as_number().ok_or(NotMatched::NoValue(NOT_A_NUMBER))?;
            Value::computed(number.negated()).ok_or(NotMatched::NoValue(NO_RESULT))?
        }
        Expr::Arithmetic(first, rest) => {
            let mut sum = evaluate(first, scope)?.as_number().ok_or(NotMatched::NoValue(NOT_A_NUMBER))?;
            for (operator, operand) in rest {
                let operand = evaluate(operand, scope)?.as_number().ok_or(NotMatched::NoValue(NOT_A_NUMBER))?;
                sum = sum.apply(*operator, operand).ok_or(NotMatched::NoValue(NO_RESULT))?;
            }
            Value::computed(sum).ok_or(NotMatched::NoValue(NO_RESULT))?
        }
        Expr::Compare(left, how, right) => {
            let (left, right) = (evaluate(left, scope)?, evaluate(right, scope)?);
            Value::Bool(left.compares(*how, &right))
        }
        Expr::All(parts) => Value::Bool(count_true(parts, scope)? == parts.len()),
        Expr::Any(parts) => Value::Bool(count_true(parts, scope)? > 0),
    })
}

const NOT_A_NUMBER: &str = "arithmetic needs numbers";
const NO_RESULT: &str = "the arithmetic has no result: division by zero or too large";

fn count_true<'a>(parts: &'a [Expr], scope: &mut Scope<'a, '_>) -> Result<usize, NotMatched> {
    let mut count = 0;
    for part in parts {
        count += usize::from(matches!(evaluate(part, scope)?, Value::Bool(true)));
    }
    Ok(count)
}

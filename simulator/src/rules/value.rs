//! What a rule computes with: JSON values that remember how a number was written, their comparison and arithmetic.

use super::sql::{Comparison, Operator};
use core::cmp::Ordering;
use std::borrow::Cow;

/// A value while a rule is evaluated.
#[derive(Clone, Debug)]
pub(super) enum Value<'a> {
    Null,
    Bool(bool),
    /// A number, and how it was written where it was not computed.
    Number(Number, Option<&'a str>),
    Text(Cow<'a, str>),
    /// An array or object, as it was written.
    Composite(&'a str),
}

/// Whole numbers stay exact as long as they fit; everything else is a float.
#[derive(Clone, Copy, Debug)]
pub(super) enum Number {
    Int(i64),
    Float(f64),
}

impl<'a> Value<'a> {
    /// The number that a JSON number's text stands for, and the text.
    pub(super) fn number(text: &'a str) -> Option<Self> {
        let number = match text.parse::<i64>() {
            Ok(whole) => Number::Int(whole),
            Err(_) => Number::Float(text.parse().ok()?),
        };
        Some(Self::Number(number, Some(text)))
    }

    /// A computed number; none where the result is no number.
    pub(super) fn computed(number: Number) -> Option<Self> {
        let tidy = match number {
            Number::Float(float) if !float.is_finite() => return None,
            Number::Float(float) => whole(float).map_or(number, Number::Int),
            Number::Int(_) => number,
        };
        Some(Self::Number(tidy, None))
    }

    /// A count; `u64` values beyond `i64` become floats.
    pub(super) fn count(count: u64) -> Self {
        let number = i64::try_from(count).map_or_else(|_| Number::Float(unsigned_to_float(count)), Number::Int);
        Self::Number(number, None)
    }

    /// The text of a text, number or truth value.
    pub(super) fn as_text(&self) -> Option<Cow<'a, str>> {
        Some(match self {
            Self::Text(text) => text.clone(),
            Self::Number(_, Some(text)) => Cow::Borrowed(*text),
            Self::Number(number, None) => Cow::Owned(number.written()?),
            Self::Bool(true) => Cow::Borrowed("true"),
            Self::Bool(false) => Cow::Borrowed("false"),
            Self::Null | Self::Composite(_) => return None,
        })
    }

    /// The number, if it is one.
    pub(super) fn as_number(&self) -> Option<Number> {
        match self {
            Self::Number(number, _) => Some(*number),
            Self::Null | Self::Bool(_) | Self::Text(_) | Self::Composite(_) => None,
        }
    }

    /// Appends the value as JSON without spaces; `None` if it has no such form.
    pub(super) fn write(&self, out: &mut Vec<u8>) -> Option<()> {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Bool(true) => out.extend_from_slice(b"true"),
            Self::Bool(false) => out.extend_from_slice(b"false"),
            Self::Number(_, Some(text)) => out.extend_from_slice(text.as_bytes()),
            Self::Number(number, None) => out.extend_from_slice(number.written()?.as_bytes()),
            Self::Text(text) => write_text(text, out)?,
            Self::Composite(text) => out.extend(compact(text)),
        }
        Some(())
    }

    /// Whether `self how other` holds. Values of different kinds are unequal and in no order.
    pub(super) fn compares(&self, how: Comparison, other: &Self) -> bool {
        let order = match (self, other) {
            (Self::Null, Self::Null) => Some(Ordering::Equal),
            (Self::Bool(a), Self::Bool(b)) => Some(a.cmp(b)),
            (Self::Number(a, _), Self::Number(b, _)) => a.order(*b),
            (Self::Text(a), Self::Text(b)) => Some(a.cmp(b)),
            (Self::Composite(a), Self::Composite(b)) => compact(a).eq(compact(b)).then_some(Ordering::Equal),
            _ => None,
        };
        match how {
            Comparison::Equal => order == Some(Ordering::Equal),
            Comparison::NotEqual => order != Some(Ordering::Equal),
            Comparison::Less => order == Some(Ordering::Less),
            Comparison::LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
            Comparison::Greater => order == Some(Ordering::Greater),
            Comparison::GreaterOrEqual => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        }
    }
}

impl Number {
    /// One step of arithmetic. Whole numbers give a whole number where it is exact, else a float; nothing is divided
    /// by zero.
    pub(super) fn apply(self, operator: Operator, other: Self) -> Option<Self> {
        if let (Self::Int(a), Self::Int(b)) = (self, other) {
            let exact = match operator {
                Operator::Add => a.checked_add(b),
                Operator::Subtract => a.checked_sub(b),
                Operator::Multiply => a.checked_mul(b),
                Operator::Divide if a.checked_rem(b) == Some(0) => a.checked_div(b),
                Operator::Divide => None,
                // The one overflow, of the smallest number by -1, has the remainder 0.
                Operator::Remainder if b == -1 => Some(0),
                Operator::Remainder => a.checked_rem(b),
            };
            if let Some(exact) = exact {
                return Some(Self::Int(exact));
            }
        }
        let (a, b) = (self.float(), other.float());
        Some(Self::Float(match operator {
            Operator::Add => a + b,
            Operator::Subtract => a - b,
            Operator::Multiply => a * b,
            Operator::Divide | Operator::Remainder if b == 0.0 => return None,
            Operator::Divide => a / b,
            Operator::Remainder => a % b,
        }))
    }

    /// The number with the other sign.
    pub(super) fn negated(self) -> Self {
        match self {
            Self::Int(whole) => whole.checked_neg().map_or_else(|| Self::Float(-self.float()), Self::Int),
            Self::Float(float) => Self::Float(-float),
        }
    }

    /// The number without its sign.
    pub(super) fn absolute(self) -> Self {
        match self {
            Self::Int(whole) if whole < 0 => self.negated(),
            Self::Int(_) => self,
            Self::Float(float) => Self::Float(float.abs()),
        }
    }

    /// The number as a whole number, if it is one.
    pub(super) fn as_int(self) -> Option<i64> {
        match self {
            Self::Int(whole) => Some(whole),
            Self::Float(float) => whole(float),
        }
    }

    fn order(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => Some(a.cmp(&b)),
            _ => self.float().partial_cmp(&other.float()),
        }
    }

    #[allow(clippy::cast_precision_loss, reason = "mixed arithmetic is that of floats, as in JSON")]
    fn float(self) -> f64 {
        match self {
            Self::Int(whole) => whole as f64,
            Self::Float(float) => float,
        }
    }

    fn written(self) -> Option<String> {
        match self {
            Self::Int(whole) => Some(whole.to_string()),
            Self::Float(float) if float.is_finite() => serde_json::to_string(&float).ok(),
            Self::Float(_) => None,
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "counts beyond the floats' exact range keep their size only")]
fn unsigned_to_float(count: u64) -> f64 {
    count as f64
}

/// The whole number that a float is exactly, within the range in which floats are exact.
#[allow(clippy::cast_possible_truncation, reason = "the range is checked first")]
fn whole(float: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    (float.abs() <= EXACT && float.fract() == 0.0).then_some(float as i64)
}

/// Appends a text as a JSON string.
pub(super) fn write_text(text: &str, out: &mut Vec<u8>) -> Option<()> {
    out.extend_from_slice(serde_json::to_string(text).ok()?.as_bytes());
    Some(())
}

/// JSON text without the white space between its tokens.
fn compact(text: &str) -> impl Iterator<Item = u8> {
    let (mut quoted, mut escaped) = (false, false);
    text.bytes().filter(move |byte| {
        if !quoted {
            quoted = *byte == b'"';
            return !byte.is_ascii_whitespace();
        }
        if escaped {
            escaped = false;
        } else if *byte == b'\\' {
            escaped = true;
        } else {
            quoted = *byte != b'"';
        }
        true
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(value: &Value<'_>) -> String {
        let mut out = Vec::new();
        value.write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn calculated(a: &'static str, operator: Operator, b: &'static str) -> Option<String> {
        let (a, b) = (Value::number(a).unwrap(), Value::number(b).unwrap());
        let result = a.as_number().unwrap().apply(operator, b.as_number().unwrap())?;
        Value::computed(result).map(|value| written(&value))
    }

    #[test]
    fn a_number_that_is_not_computed_keeps_its_spelling() {
        for text in ["41", "1.50", "1e3", "123456789012345678901234567890", "-0", "0.1000"] {
            assert_eq!(written(&Value::number(text).unwrap()), text);
        }
    }

    #[test]
    fn arithmetic_is_exact_where_it_can_be_and_never_divides_by_zero() {
        assert_eq!(calculated("7", Operator::Divide, "2").as_deref(), Some("3.5"));
        assert_eq!(calculated("8", Operator::Divide, "2").as_deref(), Some("4"));
        assert_eq!(calculated("1.5", Operator::Multiply, "2").as_deref(), Some("3"));
        assert_eq!(calculated("9223372036854775807", Operator::Add, "1").as_deref(), Some("9.223372036854776e+18"));
        assert_eq!(calculated("-9223372036854775808", Operator::Remainder, "-1").as_deref(), Some("0"));
        assert_eq!(
            calculated("-9223372036854775808", Operator::Divide, "-1").as_deref(),
            Some("9.223372036854776e+18")
        );
        assert_eq!(calculated("1", Operator::Divide, "0"), None);
        assert_eq!(calculated("1", Operator::Remainder, "0.0"), None);
        assert_eq!(calculated("1e308", Operator::Multiply, "10"), None);
    }

    #[test]
    fn composites_lose_white_space_outside_texts_only() {
        let value = Value::Composite("{ \"a b\" : [ 1 , \"\\\" x\\\\\" ] }");
        assert_eq!(written(&value), "{\"a b\":[1,\"\\\" x\\\\\"]}");
    }

    #[test]
    fn values_of_different_kinds_are_unequal_and_unordered() {
        let (number, text) = (Value::number("1").unwrap(), Value::Text("1".into()));
        assert!(number.compares(Comparison::NotEqual, &text));
        for how in [Comparison::Equal, Comparison::Less, Comparison::LessOrEqual, Comparison::Greater] {
            assert!(!number.compares(how, &text), "{how:?}");
        }
        assert!(Value::number("1.0").unwrap().compares(Comparison::Equal, &number));
    }
}

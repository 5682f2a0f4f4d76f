//! Where the fields of a message are found: members of its JSON object, read one level at a time.
//!
//! Nothing here recurses: a level is split into members whose values stay text, so depth costs no stack.

use super::NotMatched;
use super::value::Value;
use core::fmt;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// What the payload of a message is.
pub(super) enum Document<'a> {
    Object(Members<'a>),
    /// JSON, but no object.
    OtherJson,
    NotJson,
}

/// The text in which fields are looked up; none if the payload is no text. With `unwrap`, a JSON string that holds a
/// JSON object stands for that object.
pub(super) fn text_of(payload: &[u8], unwrap: bool) -> Option<Cow<'_, str>> {
    let text = core::str::from_utf8(payload).ok()?;
    if unwrap
        && text.trim_start().starts_with('"')
        && let Ok(inner) = serde_json::from_str::<String>(text)
        && serde_json::from_str::<Members<'_>>(&inner).is_ok()
    {
        return Some(Cow::Owned(inner));
    }
    Some(Cow::Borrowed(text))
}

impl<'a> Document<'a> {
    pub(super) fn read(text: Option<&'a str>) -> Self {
        let Some(text) = text else {
            return Self::NotJson;
        };
        if let Ok(members) = serde_json::from_str(text) {
            Self::Object(members)
        } else if serde_json::from_str::<&RawValue>(text).is_ok() {
            Self::OtherJson
        } else {
            Self::NotJson
        }
    }

    /// The value of the member at the end of the path.
    pub(super) fn field(&self, path: &[Box<str>]) -> Result<Value<'a>, NotMatched> {
        let missing = || NotMatched::MissingField(path.join(".").into());
        let members = match self {
            Self::Object(members) => members,
            Self::OtherJson => return Err(missing()),
            Self::NotJson => return Err(NotMatched::NotJsonObject),
        };
        let (first, rest) = path.split_first().ok_or_else(missing)?;
        let mut text = members.member(first).ok_or_else(missing)?;
        for name in rest {
            let inner: Members<'a> = serde_json::from_str(text).map_err(|_| missing())?;
            text = inner.member(name).ok_or_else(missing)?;
        }
        value(text).ok_or(NotMatched::NoValue("a text in the payload is not valid Unicode"))
    }
}

/// The members of one object, in order, each value as the text it was.
pub(super) struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Members<'a> {
    /// The text of the member; the last one where a name comes twice, as JSON readers do.
    fn member(&self, name: &str) -> Option<&'a str> {
        self.0.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.get())
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

/// The value that valid JSON text stands for; none for a text with half a surrogate pair.
fn value(text: &str) -> Option<Value<'_>> {
    Some(match text.as_bytes().first()? {
        b'n' => Value::Null,
        b't' => Value::Bool(true),
        b'f' => Value::Bool(false),
        b'"' => Value::Text(Cow::Owned(serde_json::from_str(text).ok()?)),
        b'{' | b'[' => Value::Composite(text),
        _ => Value::number(text)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Vec<Box<str>> {
        text.split('.').map(Box::from).collect()
    }

    #[test]
    fn nested_members_are_found_and_absent_ones_are_named() {
        let document = Document::read(Some(r#"{"a":{"b":{"c":"x"}},"a.b":1}"#));
        assert!(matches!(document.field(&path("a.b.c")), Ok(Value::Text(text)) if text == "x"));
        assert_eq!(document.field(&path("a.x.c")).unwrap_err(), NotMatched::MissingField("a.x.c".into()));
        assert_eq!(document.field(&path("a.b.c.d")).unwrap_err(), NotMatched::MissingField("a.b.c.d".into()));
    }

    #[test]
    fn the_last_of_two_members_of_a_name_counts() {
        let document = Document::read(Some(r#"{"a":1,"a":2}"#));
        assert!(matches!(document.field(&path("a")), Ok(Value::Number(_, Some("2")))));
    }

    #[test]
    fn what_is_no_object_has_no_fields() {
        assert!(matches!(Document::read(Some("[1]")), Document::OtherJson));
        assert!(matches!(Document::read(Some("{\"a\":1} x")), Document::NotJson));
        assert!(matches!(Document::read(Some("")), Document::NotJson));
        assert!(matches!(Document::read(text_of(&[0xff], true).as_deref()), Document::NotJson));
    }

    #[test]
    fn depth_costs_no_stack() {
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
        let document = Document::read(Some(&deep));
        assert!(matches!(document.field(&path("a")), Ok(Value::Composite(_))));
        let deep = "{\"a\":".repeat(100_000);
        assert!(matches!(Document::read(Some(&deep)), Document::NotJson));
    }
}

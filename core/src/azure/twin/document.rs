//! What a twin says: the document, read from JSON that may be hostile, without the members that are the hub's own.

use super::super::limits;
use crate::{
    io::Rejected,
    json::{self, JsonError},
};
use alloc::string::String;
use core::fmt;
use serde_json::{Map, Value};

/// A device's twin: what is desired of it, and what it has reported.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Twin {
    /// Desired properties, without the members whose names begin with `$`.
    pub desired: Map<String, Value>,
    /// Their `$version`.
    pub desired_version: u64,
    /// Reported properties, without the members whose names begin with `$`.
    pub reported: Map<String, Value>,
    /// Their `$version`.
    pub reported_version: u64,
}

/// Desired properties as they reach the application: each version once, in order.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Desired {
    /// Their `$version`; an acknowledgement repeats it.
    pub version: u64,
    /// Whether this is all of them; otherwise what has changed, where `null` says that a property was removed.
    pub full: bool,
    /// The properties, without the members whose names begin with `$`.
    pub desired: Map<String, Value>,
}

/// Why a document about the twin cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum TwinError {
    /// It is no JSON that is taken.
    Json(JsonError),
    /// It is JSON of another shape: what is wrong is named.
    Shape(&'static str),
}

impl fmt::Display for TwinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(error) => write!(f, "the twin cannot be read: {error}"),
            Self::Shape(what) => write!(f, "the twin cannot be used: {what}"),
        }
    }
}

impl core::error::Error for TwinError {}

impl Twin {
    /// Reads the answer to a request for the twin: `{"desired":{…,"$version":n},"reported":{…,"$version":m}}`.
    ///
    /// # Errors
    /// [`TwinError`] where it is no JSON, or a section or version is absent or of another type.
    pub fn parse(body: &[u8]) -> Result<Self, TwinError> {
        let mut whole = object(body)?;
        let (desired_version, desired) = section(&mut whole, "desired")?;
        let (reported_version, reported) = section(&mut whole, "reported")?;
        Ok(Self { desired, desired_version, reported, reported_version })
    }
}

fn section(whole: &mut Map<String, Value>, name: &str) -> Result<(u64, Map<String, Value>), TwinError> {
    let Some(Value::Object(section)) = whole.remove(name) else {
        return Err(TwinError::Shape("`desired` and `reported` are objects"));
    };
    let version = version(&section).ok_or(TwinError::Shape("each section has a `$version` from 0 to 2^64 − 1"))?;
    Ok((version, bare(section)))
}

/// Reads a change of desired properties, and the version that stands in it.
pub(super) fn change(body: &[u8]) -> Result<(Option<u64>, Map<String, Value>), TwinError> {
    let members = object(body)?;
    if members.contains_key(VERSION) && version(&members).is_none() {
        return Err(TwinError::Shape("`$version` is a number from 0 to 2^64 − 1"));
    }
    Ok((version(&members), bare(members)))
}

const VERSION: &str = "$version";

fn object(body: &[u8]) -> Result<Map<String, Value>, TwinError> {
    match json::parse(body).map_err(TwinError::Json)? {
        Value::Object(members) => Ok(members),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(TwinError::Shape("it is a JSON object"))
        }
    }
}

fn version(members: &Map<String, Value>) -> Option<u64> {
    members.get(VERSION)?.as_u64()
}

/// The members without `$version`, `$metadata` and the like.
fn bare(mut members: Map<String, Value>) -> Map<String, Value> {
    members.retain(|name, _| !name.starts_with('$'));
    members
}

/// Checks a patch of reported properties by the hub's rules, and says how many bytes it has as JSON.
///
/// # Errors
/// [`Rejected::Invalid`] names the rule that it breaks.
pub(super) fn check_patch(patch: &Value) -> Result<usize, Rejected> {
    let Value::Object(members) = patch else {
        return Err(Rejected::Invalid("reported properties are one JSON object"));
    };
    check_members(members, limits::TWIN_DEPTH)?;
    let len = serde_json::to_vec(patch).map_or(usize::MAX, |text| text.len());
    if len > limits::TWIN {
        return Err(Rejected::Invalid("reported properties have at most 32 KiB"));
    }
    Ok(len)
}

/// Ends at `depth`, so what nests deeper than that is never walked.
fn check_members(members: &Map<String, Value>, depth: usize) -> Result<(), Rejected> {
    members.iter().try_for_each(|(name, value)| {
        let reserved = |c: char| matches!(c, '.' | '$' | ' ') || c.is_control();
        if name.is_empty() || name.len() > limits::TWIN_KEY || name.contains(reserved) {
            return Err(Rejected::Invalid(
                "the name of a reported property has 1 to 1024 bytes and no dot, dollar, space or control character",
            ));
        }
        check_value(value, depth)
    })
}

fn check_value(value: &Value, depth: usize) -> Result<(), Rejected> {
    let deeper = || depth.checked_sub(1).ok_or(Rejected::Invalid("reported properties nest at most 10 levels deep"));
    match value {
        Value::Number(number) => {
            let integer = number.is_i64() || number.is_u64();
            let fits = |n: i64| (-limits::TWIN_INTEGER..=limits::TWIN_INTEGER).contains(&n);
            if integer && !number.as_i64().is_some_and(fits) {
                return Err(Rejected::Invalid("an integer in a twin lies within ±(2^52 − 1)"));
            }
            Ok(())
        }
        Value::String(text) if text.len() > limits::TWIN_TEXT => {
            Err(Rejected::Invalid("a text in a twin has at most 4 KiB"))
        }
        Value::Null | Value::Bool(_) | Value::String(_) => Ok(()),
        Value::Array(values) => {
            let depth = deeper()?;
            values.iter().try_for_each(|value| check_value(value, depth))
        }
        Value::Object(members) => check_members(members, deeper()?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use serde_json::json;

    #[test]
    fn a_twin_is_read_without_the_hubs_own_members() {
        let body =
            br#"{"desired":{"a":1,"$metadata":{"x":1},"$version":4},"reported":{"b":{"$x":1},"$version":7},"tags":{}}"#;
        let twin = Twin::parse(body).unwrap();
        assert_eq!((twin.desired_version, twin.reported_version), (4, 7));
        assert_eq!(Value::Object(twin.desired), json!({"a": 1}));
        assert_eq!(Value::Object(twin.reported), json!({"b": {"$x": 1}}));
    }

    #[test]
    fn r_121_a_hostile_twin_is_refused_with_its_reason() {
        for body in [
            "",
            "[]",
            "null",
            "{}",
            r#"{"desired":{},"reported":{"$version":1}}"#,
            r#"{"desired":[],"reported":{"$version":1}}"#,
            r#"{"desired":{"$version":1}}"#,
            r#"{"desired":{"$version":-1},"reported":{"$version":1}}"#,
            r#"{"desired":{"$version":1.5},"reported":{"$version":1}}"#,
            r#"{"desired":{"$version":99999999999999999999},"reported":{"$version":1}}"#,
            r#"{"desired":{"$version":"1"},"reported":{"$version":1}}"#,
            "{\"desired\":{\"a\":\"\u{0}\",\"$version\":1},\"reported\":{\"$version\":1}}",
            "\u{feff}{\"desired\":{\"$version\":1},\"reported\":{\"$version\":1}}",
            // The page of the AnyCloud demonstration shows a twin with a quotation mark missing.
            r#"{"desired":{"$version":1},"reported":{rgb_led_red":0,"$version":1}}"#,
        ] {
            let error = Twin::parse(body.as_bytes()).expect_err(body);
            assert!(!format!("{error}").is_empty());
        }
        let deep = format!(r#"{{"desired":{}1{},"reported":{{"$version":1}}}}"#, "{\"a\":".repeat(40), "}".repeat(40));
        assert_eq!(Twin::parse(deep.as_bytes()), Err(TwinError::Json(JsonError::TooDeep)));
    }

    #[test]
    fn a_change_has_its_version_inside_or_not_at_all() {
        assert_eq!(change(br#"{"a":null,"$version":9}"#).unwrap().0, Some(9));
        assert_eq!(change(br#"{"a":null}"#).unwrap().0, None);
        assert!(change(br#"{"$version":null}"#).is_err());
        assert!(change(b"7").is_err());
    }

    fn nested(levels: usize) -> Value {
        (0..levels).fold(json!(1), |value, _| json!({ "a": value }))
    }

    #[test]
    fn r_75_a_patch_that_the_hub_would_refuse_is_refused_here_by_name() {
        assert_eq!(check_patch(&json!({"a": {"__t": "c", "b": null}})), Ok(26));
        assert!(check_patch(&nested(11)).is_ok());
        let text = |len| Value::String("x".repeat(len));
        for (word, patch) in [
            ("object", json!([])),
            ("object", json!(null)),
            ("name", json!({"a.b": 1})),
            ("name", json!({"a": {"$version": 1}})),
            ("name", json!({"a b": 1})),
            ("name", json!({"": 1})),
            ("name", json!({"a\n": 1})),
            ("name", json!({"x".repeat(1025): 1})),
            ("levels", nested(12)),
            ("levels", json!({"a": [nested(10)]})),
            ("integer", json!({"a": 4_503_599_627_370_496_i64})),
            ("integer", json!({"a": [-4_503_599_627_370_496_i64]})),
            ("integer", json!({"a": u64::MAX})),
            ("4 KiB", json!({"a": text(4097)})),
            (
                "32 KiB",
                json!({"a": [text(4096), text(4096), text(4096), text(4096), text(4096), text(4096), text(4096), text(4096)]}),
            ),
        ] {
            let Err(Rejected::Invalid(why)) = check_patch(&patch) else { panic!("{patch}") };
            assert!(why.contains(word), "{why}: {patch}");
        }
        assert!(
            check_patch(&json!({"a": 4_503_599_627_370_495_i64, "b": -4_503_599_627_370_495_i64, "c": 1e300})).is_ok()
        );
        assert!(check_patch(&json!({"x".repeat(1024): text(4096)})).is_ok());
        let deep = (0..100).fold(json!(1), |value, _| json!([value]));
        assert!(check_patch(&json!({ "a": deep })).is_err());
    }
}

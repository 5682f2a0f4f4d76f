//! What does a hub remember of a device's properties? Desired and reported ones, each with its version.

use super::answer::{ARGUMENT_INVALID, MESSAGE_TOO_LARGE, ServiceError};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A JSON object.
pub type Object = Map<String, Value>;

/// Most bytes of desired and of reported properties each, as JSON text.
const BYTES: usize = 32 * 1024;
/// How deep objects may nest.
const DEPTH: usize = 10;
/// Longest name, in bytes.
const NAME_BYTES: usize = 1024;
/// Longest text, in bytes.
const TEXT_BYTES: usize = 4096;
/// Integers lie between minus this and one below it.
const INTEGER: i64 = 1 << 52;

/// The properties of one device or module.
#[derive(Clone, PartialEq, Debug)]
pub struct Twin {
    desired: Section,
    reported: Section,
    /// At which version each desired property was written last; by its path.
    written: BTreeMap<Vec<String>, u64>,
}

#[derive(Clone, PartialEq, Debug)]
struct Section {
    properties: Object,
    version: u64,
}

impl Section {
    fn patched(&self, patch: &Object) -> Result<Self, ServiceError> {
        check(patch, 1)?;
        let mut properties = self.properties.clone();
        merge(&mut properties, patch);
        Self { properties, version: self.version.saturating_add(1) }.within_bounds()
    }

    fn within_bounds(self) -> Result<Self, ServiceError> {
        if Value::Object(self.properties.clone()).to_string().len() > BYTES {
            return Err(MESSAGE_TOO_LARGE);
        }
        Ok(self)
    }

    fn document(&self) -> Value {
        let mut document = self.properties.clone();
        document.insert("$version".to_owned(), self.version.into());
        Value::Object(document)
    }
}

impl Default for Twin {
    fn default() -> Self {
        let section = || Section { properties: Object::new(), version: 1 };
        Self { desired: section(), reported: section(), written: BTreeMap::new() }
    }
}

impl Twin {
    /// The desired properties, without `$version`.
    pub fn desired(&self) -> &Object {
        &self.desired.properties
    }

    /// The version of the desired properties: 1, and one more with each change.
    pub fn desired_version(&self) -> u64 {
        self.desired.version
    }

    /// The reported properties, without `$version`.
    pub fn reported(&self) -> &Object {
        &self.reported.properties
    }

    /// The version of the reported properties: 1, and one more with each patch.
    pub fn reported_version(&self) -> u64 {
        self.reported.version
    }

    /// At which version the desired property of this path was written last.
    pub(super) fn written(&self, path: &[&str]) -> Option<u64> {
        self.written
            .iter()
            .filter(|(known, _)| known.iter().map(String::as_str).take(path.len()).eq(path.iter().copied()))
            .map(|(_, version)| *version)
            .max()
    }

    /// What a device is told that asks for it: `{"desired":{…,"$version":n},"reported":{…,"$version":m}}`.
    pub(super) fn document(&self) -> Vec<u8> {
        let document: Object =
            [("desired".to_owned(), self.desired.document()), ("reported".to_owned(), self.reported.document())]
                .into_iter()
                .collect();
        Value::Object(document).to_string().into_bytes()
    }

    /// Merges a patch of the device's.
    ///
    /// # Errors
    /// 400: it is no JSON object, or breaks a rule of names, depth or values. 413: too large. Nothing has changed.
    pub(super) fn report(&mut self, patch: &[u8]) -> Result<u64, ServiceError> {
        if patch.len() > BYTES {
            return Err(MESSAGE_TOO_LARGE);
        }
        let Ok(Value::Object(patch)) = serde_json::from_slice(patch) else { return Err(ARGUMENT_INVALID) };
        self.reported = self.reported.patched(&patch)?;
        Ok(self.reported.version)
    }

    /// Merges a patch of the service's; what a device is told of it.
    ///
    /// # Errors
    /// As [`Twin::report`].
    pub(super) fn desire(&mut self, patch: &Object) -> Result<Vec<u8>, ServiceError> {
        self.desired = self.desired.patched(patch)?;
        self.note(patch, &mut Vec::new());
        Ok(self.notification(patch.clone()))
    }

    /// Replaces the desired properties; what a device is told of it: all of them, and those that are gone as `null`.
    ///
    /// # Errors
    /// As [`Twin::report`].
    pub(super) fn replace(&mut self, whole: &Object) -> Result<Vec<u8>, ServiceError> {
        check(whole, 1)?;
        let mut told = whole.clone();
        for name in self.desired.properties.keys() {
            told.entry(name.clone()).or_insert(Value::Null);
        }
        let (mut properties, version) = (Object::new(), self.desired.version.saturating_add(1));
        merge(&mut properties, whole);
        self.desired = Section { properties, version }.within_bounds()?;
        self.note(&told, &mut Vec::new());
        Ok(self.notification(told))
    }

    fn notification(&self, mut patch: Object) -> Vec<u8> {
        patch.insert("$version".to_owned(), self.desired.version.into());
        Value::Object(patch).to_string().into_bytes()
    }

    /// Takes down what was written; what is gone is forgotten.
    fn note(&mut self, written: &Object, path: &mut Vec<String>) {
        for (name, value) in written {
            path.push(name.clone());
            self.written.retain(|known, _| !known.starts_with(path));
            match value {
                Value::Object(inner) if path.len() < DEPTH => self.note(inner, path),
                Value::Null => {}
                Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
                    self.written.insert(path.clone(), self.desired.version);
                }
            }
            path.pop();
        }
    }
}

/// RFC 7396: members replace, `null` deletes, objects merge.
fn merge(target: &mut Object, patch: &Object) {
    for (name, value) in patch {
        match value {
            Value::Null => drop(target.remove(name)),
            Value::Object(inner) => {
                let slot = target.entry(name.clone()).or_insert_with(|| Value::Object(Object::new()));
                if !slot.is_object() {
                    *slot = Value::Object(Object::new());
                }
                if let Value::Object(object) = slot {
                    merge(object, inner);
                }
            }
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                drop(target.insert(name.clone(), value.clone()));
            }
        }
    }
}

/// The platform's rules of names, depth and values.
fn check(object: &Object, depth: usize) -> Result<(), ServiceError> {
    if depth > DEPTH {
        return Err(ARGUMENT_INVALID);
    }
    for (name, value) in object {
        let wrong = |c: char| matches!(c, '.' | '$' | ' ') || c.is_control();
        if name.is_empty() || name.len() > NAME_BYTES || name.contains(wrong) {
            return Err(ARGUMENT_INVALID);
        }
        check_value(value, depth)?;
    }
    Ok(())
}

fn check_value(value: &Value, depth: usize) -> Result<(), ServiceError> {
    let right = match value {
        Value::Object(inner) => return check(inner, depth.saturating_add(1)),
        Value::Array(items) if depth < DEPTH => {
            return items.iter().try_for_each(|item| check_value(item, depth.saturating_add(1)));
        }
        Value::Array(_) => false,
        Value::String(text) => text.len() <= TEXT_BYTES,
        Value::Number(number) => {
            let integer = number.as_i64();
            integer.is_some_and(|integer| (-INTEGER..INTEGER).contains(&integer)) || number.is_f64()
        }
        Value::Null | Value::Bool(_) => true,
    };
    if right { Ok(()) } else { Err(ARGUMENT_INVALID) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(value: &Value) -> Object {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn a_patch_merges_deep_and_null_deletes() {
        let mut twin = Twin::default();
        assert_eq!(twin.report(br#"{"a":1,"c":{"x":1,"y":[1,2]}}"#), Ok(2));
        assert_eq!(twin.report(br#"{"a":null,"c":{"x":2,"z":null},"d":{"e":null}}"#), Ok(3));
        assert_eq!(Value::Object(twin.reported().clone()), json!({"c":{"x":2,"y":[1,2]},"d":{}}));
        let document: Value = serde_json::from_slice(&twin.document()).unwrap();
        assert_eq!(document["reported"]["$version"], 3);
        assert_eq!(document["desired"], json!({"$version":1}));
    }

    #[test]
    fn what_breaks_a_rule_changes_nothing() {
        let mut twin = Twin::default();
        let deep = format!("{}1{}", "{\"a\":".repeat(11), "}".repeat(11));
        let large = format!("{{\"a\":[{}]}}", vec![format!("\"{}\"", "x".repeat(4000)); 9].join(","));
        for (patch, code) in [
            ("[]", 400_004),
            ("{", 400_004),
            (r#"{"a.b":1}"#, 400_004),
            (r#"{"$version":1}"#, 400_004),
            (r#"{"a b":1}"#, 400_004),
            (r#"{"":1}"#, 400_004),
            (r#"{"a":4503599627370496}"#, 400_004),
            (r#"{"a":-4503599627370497}"#, 400_004),
            (r#"{"a":18446744073709551615}"#, 400_004),
            (&deep, 400_004),
            (&format!(r#"{{"a":"{}"}}"#, "x".repeat(4097)), 400_004),
            (&large, 413_001),
        ] {
            assert_eq!(twin.report(patch.as_bytes()).unwrap_err().code, code, "{patch}");
        }
        assert_eq!(twin, Twin::default());
        assert_eq!(twin.report(br#"{"a":4503599627370495,"b":-4503599627370496,"c":1.5e300}"#), Ok(2));
    }

    #[test]
    fn two_patches_may_not_add_up_to_more_than_the_limit() {
        let mut twin = Twin::default();
        let half = |name: &str| format!("{{\"{name}\":[{}]}}", vec![format!("\"{}\"", "x".repeat(4000)); 5].join(","));
        assert_eq!(twin.report(half("a").as_bytes()), Ok(2));
        assert_eq!(twin.report(half("b").as_bytes()).unwrap_err().code, 413_001);
        assert_eq!(twin.reported_version(), 2);
    }

    #[test]
    fn a_whole_replacement_tells_what_is_gone_as_null() {
        let mut twin = Twin::default();
        twin.desire(&object(&json!({"a":1,"b":2}))).unwrap();
        let told: Value = serde_json::from_slice(&twin.replace(&object(&json!({"b":3}))).unwrap()).unwrap();
        assert_eq!(told, json!({"a":null,"b":3,"$version":3}));
        assert_eq!(Value::Object(twin.desired().clone()), json!({"b":3}));
        assert_eq!((twin.written(&["a"]), twin.written(&["b"])), (None, Some(3)));
    }
}

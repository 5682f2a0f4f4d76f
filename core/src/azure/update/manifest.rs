//! What does an update consist of? Its manifest, read from JSON that may be hostile.
//!
//! ```text
//! {"manifestVersion":"5","updateId":{"provider","name","version"},
//!  "instructions":{"steps":[{"handler":"microsoft/swupdate:1","files":["f1"],"handlerProperties":{"installedCriteria":"1.1"}}]},
//!  "files":{"f1":{"fileName":"image.swu","sizeInBytes":1234,"hashes":{"sha256":"…base64…"}}}}
//! ```

use crate::json::{self, JsonError};
use alloc::{
    string::{String, ToString as _},
    vec::Vec,
};
use base64ct::{Base64, Encoding as _};
use core::fmt;
use serde_json::{Map, Value};

/// Longest provider, name and version of an update, in bytes.
pub const MAX_NAME: usize = 64;
/// Steps that an update may have.
pub const MAX_STEPS: usize = 8;
/// Files that an update may have.
pub const MAX_FILES: usize = 8;
/// Longest id of a file, in bytes.
const FILE_ID: usize = 100;
/// Longest file name, handler and criterion, in bytes.
const TEXT: usize = 255;
/// Longest criterion, in bytes: it is kept over a restart.
const CRITERION: usize = 128;

/// Names an update: `{"provider":"acme","name":"pump","version":"1.1"}`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[allow(clippy::exhaustive_structs, reason = "the platform's three parts of the name")]
pub struct UpdateId {
    /// Who provides it, 1 to 64 bytes.
    pub provider: String,
    /// What it is for, 1 to 64 bytes.
    pub name: String,
    /// Which one it is, 1 to 64 bytes: two to four numbers with dots between them.
    pub version: String,
}

impl UpdateId {
    /// Whether this is an older version of the same software; `None` where it is other software, or a version is not
    /// made of numbers.
    pub fn is_older_than(&self, other: &Self) -> Option<bool> {
        let parts = |version: &str| version.split('.').map(|part| part.parse().ok()).collect::<Option<Vec<u32>>>();
        if (&self.provider, &self.name) != (&other.provider, &other.name) {
            return None;
        }
        Some(parts(&self.version)? < parts(&other.version)?)
    }

    /// Whether each part has 1 to 64 bytes.
    pub(super) fn is_sound(&self) -> bool {
        [&self.provider, &self.name, &self.version].iter().all(|part| (1..=MAX_NAME).contains(&part.len()))
    }

    /// The JSON text that stands in `installedUpdateId`, members in this order.
    pub(super) fn to_text(&self) -> String {
        let quoted = |text: &str| Value::from(text).to_string();
        let (provider, name, version) = (quoted(&self.provider), quoted(&self.name), quoted(&self.version));
        alloc::format!(r#"{{"provider":{provider},"name":{name},"version":{version}}}"#)
    }
}

impl fmt::Display for UpdateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} {}", self.provider, self.name, self.version)
    }
}

/// A file of an update.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct File {
    /// Its id in the manifest.
    pub id: String,
    /// Its name: no path, but text of the cloud's all the same.
    pub name: String,
    /// Its length in bytes.
    pub size: u64,
    /// Its SHA-256.
    pub sha256: [u8; 32],
}

/// A step of an update.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Step {
    /// Who installs: `microsoft/swupdate:1` a whole image, `microsoft/script:1`, `microsoft/apt:1`, or one's own.
    pub handler: String,
    /// Ids of the files that it takes.
    pub files: Vec<String>,
    /// `installedCriteria`: how to see that it is installed.
    pub criteria: Option<String>,
    /// All of `handlerProperties`.
    pub properties: Map<String, Value>,
}

/// An update.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Manifest {
    /// Its name.
    pub update: UpdateId,
    /// Its steps, in order; 1 to 8.
    pub steps: Vec<Step>,
    /// The files that the steps take, each once, in the order in which they need them; at most 8.
    pub files: Vec<File>,
}

/// Why a manifest cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ManifestError {
    /// It is no JSON that is taken.
    Json(JsonError),
    /// It breaks the rule named.
    Rule(&'static str),
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(error) => write!(f, "the manifest cannot be read: {error}"),
            Self::Rule(rule) => write!(f, "the manifest cannot be used: {rule}"),
        }
    }
}

impl core::error::Error for ManifestError {}

impl Manifest {
    /// Reads a manifest, as it stands in `updateManifest` once that string is unescaped. Unknown members are skipped.
    ///
    /// # Errors
    /// [`ManifestError`] names the rule that it breaks.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        let rule = |rule| move || ManifestError::Rule(rule);
        let manifest = json::parse(text.as_bytes()).map_err(ManifestError::Json)?;
        let version = manifest.get("manifestVersion");
        if !version.is_some_and(|version| *version == "4" || *version == "5" || *version == 4 || *version == 5) {
            return Err(ManifestError::Rule("its manifestVersion is 4 or 5"));
        }
        let update = update_id(manifest.get("updateId"));
        let update = update.ok_or_else(rule("its updateId has provider, name and version of 1 to 64 bytes"))?;
        let steps = manifest.pointer("/instructions/steps").and_then(Value::as_array);
        let steps = steps.ok_or_else(rule("it has instructions with steps"))?;
        if steps.is_empty() || steps.len() > MAX_STEPS {
            return Err(ManifestError::Rule("it has 1 to 8 steps"));
        }
        let steps = steps.iter().map(step).collect::<Result<Vec<_>, _>>()?;
        let mut files: Vec<File> = Vec::new();
        for id in steps.iter().flat_map(|step| &step.files) {
            if files.iter().all(|file| file.id != *id) {
                if files.len() >= MAX_FILES {
                    return Err(ManifestError::Rule("its steps take at most 8 files"));
                }
                let entry = manifest.get("files").and_then(|files| files.get(id));
                files.push(file(id, entry.ok_or_else(rule("each file of a step stands in files"))?)?);
            }
        }
        Ok(Self { update, steps, files })
    }
}

/// Reads `{"provider","name","version"}`.
pub(super) fn update_id(value: Option<&Value>) -> Option<UpdateId> {
    let part = |name: &str| value?.get(name)?.as_str().map(String::from);
    Some(UpdateId { provider: part("provider")?, name: part("name")?, version: part("version")? })
        .filter(UpdateId::is_sound)
}

fn step(value: &Value) -> Result<Step, ManifestError> {
    let wrong = |rule| Err(ManifestError::Rule(rule));
    if value.get("type").is_some_and(|kind| kind != "inline") || value.get("detachedManifestFileId").is_some() {
        return wrong("its steps stand in it themselves; steps by reference are for gateways");
    }
    let Some(handler) = value.get("handler").and_then(Value::as_str).filter(|text| is_text(text)) else {
        return wrong("each step has a handler of 1 to 255 bytes");
    };
    let files = match value.get("files") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(files)) => {
            let id = |file: &Value| file.as_str().filter(|id| (1..=FILE_ID).contains(&id.len())).map(String::from);
            let Some(files) = files.iter().map(id).collect::<Option<Vec<_>>>() else {
                return wrong("the ids of files are texts of 1 to 100 bytes");
            };
            files
        }
        Some(_) => return wrong("the files of a step are a list"),
    };
    if files.len() > MAX_FILES {
        return wrong("its steps take at most 8 files");
    }
    let properties = match value.get("handlerProperties") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(properties)) => properties.clone(),
        Some(_) => return wrong("handlerProperties are an object"),
    };
    let criteria = match properties.get("installedCriteria") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) if (1..=CRITERION).contains(&text.len()) => Some(text.clone()),
        Some(_) => return wrong("installedCriteria is a text of 1 to 128 bytes"),
    };
    Ok(Step { handler: handler.into(), files, criteria, properties })
}

fn file(id: &str, value: &Value) -> Result<File, ManifestError> {
    let wrong = |rule| Err(ManifestError::Rule(rule));
    let name = value.get("fileName").and_then(Value::as_str).filter(|name| is_text(name));
    // No path comes from the network (R-125).
    let Some(name) = name.filter(|name| !name.contains(['/', '\\']) && !matches!(*name, "." | "..")) else {
        return wrong("a fileName has 1 to 255 bytes and no path");
    };
    let Some(size) = value.get("sizeInBytes").and_then(Value::as_u64) else {
        return wrong("sizeInBytes is a whole number");
    };
    let mut sha256 = [0; 32];
    let hash = value.pointer("/hashes/sha256").and_then(Value::as_str);
    let decoded = hash.and_then(|hash| Base64::decode(hash, &mut sha256).ok());
    if decoded.is_none_or(|decoded| decoded.len() != 32) {
        return wrong("each file has a sha256 of 32 bytes in base64");
    }
    Ok(File { id: id.into(), name: name.into(), size, sha256 })
}

fn is_text(text: &str) -> bool {
    (1..=TEXT).contains(&text.len()) && !text.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use proptest::prelude::*;
    use serde_json::json;

    fn manifest() -> Value {
        json!({
            "manifestVersion": "5",
            "updateId": {"provider": "acme", "name": "pump", "version": "1.1"},
            "compatibility": [{"manufacturer": "acme", "model": "pump"}],
            "instructions": {"steps": [
                {"handler": "microsoft/swupdate:1", "files": ["f1"], "handlerProperties": {"installedCriteria": "1.1"}},
                {"type": "inline", "handler": "microsoft/script:1", "files": ["f2", "f1"], "handlerProperties": {"x": 1}},
            ]},
            "files": {
                "f1": {"fileName": "a.swu", "sizeInBytes": 3, "hashes": {"sha256": Base64::encode_string(&[7; 32])}},
                "f2": {"fileName": "b.sh", "sizeInBytes": 0, "hashes": {"sha256": Base64::encode_string(&[8; 32])}},
                "unused": {},
            },
            "createdDateTime": "2030-01-02T03:04:05Z",
        })
    }

    #[test]
    fn a_manifest_is_read_into_steps_and_the_files_that_they_take() {
        let read = Manifest::parse(&manifest().to_string()).unwrap();
        assert_eq!(read.update.to_string(), "acme/pump 1.1");
        assert_eq!(read.steps.len(), 2);
        assert_eq!(read.steps[0].criteria.as_deref(), Some("1.1"));
        assert_eq!(read.steps[1].files, ["f2", "f1"]);
        let files: Vec<_> = read.files.iter().map(|file| (file.id.as_str(), file.name.as_str(), file.size)).collect();
        assert_eq!(files, [("f1", "a.swu", 3), ("f2", "b.sh", 0)]);
        assert_eq!(read.files[0].sha256, [7; 32]);
    }

    #[test]
    fn r_121_r_125_a_hostile_manifest_is_refused_by_rule() {
        let many = |n: usize| -> Vec<Value> { (0..n).map(|_| json!({"handler": "h"})).collect() };
        for (place, value, word) in [
            ("/manifestVersion", json!("6"), "manifestVersion"),
            ("/manifestVersion", json!(null), "manifestVersion"),
            ("/updateId", json!("acme"), "updateId"),
            ("/updateId/name", json!(""), "updateId"),
            ("/updateId/version", json!("x".repeat(65)), "updateId"),
            ("/updateId/provider", json!(7), "updateId"),
            ("/instructions", json!(null), "instructions"),
            ("/instructions/steps", json!([]), "1 to 8 steps"),
            ("/instructions/steps", json!(many(9)), "1 to 8 steps"),
            ("/instructions/steps/0", json!(7), "handler"),
            ("/instructions/steps/0/handler", json!("a\nb"), "handler"),
            ("/instructions/steps/1/type", json!("reference"), "reference"),
            ("/instructions/steps/0/files", json!("f1"), "list"),
            ("/instructions/steps/0/files", json!([1]), "ids"),
            ("/instructions/steps/0/files", json!(["none"]), "stands in files"),
            ("/instructions/steps/0/files", json!(["1", "2", "3", "4", "5", "6", "7", "8", "9"]), "8 files"),
            ("/instructions/steps/0/handlerProperties", json!([]), "object"),
            ("/instructions/steps/0/handlerProperties/installedCriteria", json!(1), "installedCriteria"),
            ("/files/f1", json!(null), "fileName"),
            ("/files/f1/fileName", json!("../../etc/passwd"), "path"),
            ("/files/f1/fileName", json!("c:\\x"), "path"),
            ("/files/f1/fileName", json!(".."), "path"),
            ("/files/f1/sizeInBytes", json!(-1), "sizeInBytes"),
            ("/files/f1/sizeInBytes", json!("3"), "sizeInBytes"),
            ("/files/f1/hashes/sha256", json!("AAAA"), "sha256"),
            ("/files/f1/hashes/sha256", json!("?"), "sha256"),
            ("/files/f1/hashes", json!({"sha1": "x"}), "sha256"),
        ] {
            let mut manifest = manifest();
            *manifest.pointer_mut(place).unwrap_or_else(|| panic!("{place}")) = value;
            let error = Manifest::parse(&manifest.to_string()).expect_err(place).to_string();
            assert!(error.contains(word), "{place}: {error}");
        }
        for text in ["", "[]", "null", "{", &"[".repeat(100_000)] {
            assert!(Manifest::parse(text).is_err());
        }
    }

    #[test]
    fn r_104_versions_are_compared_as_numbers() {
        let id = |version: &str| UpdateId { provider: "a".into(), name: "b".into(), version: version.into() };
        for (one, other, older) in [
            ("1.9", "1.10", Some(true)),
            ("1.10", "1.9", Some(false)),
            ("1.1", "1.1", Some(false)),
            ("1.1", "1.1.1", Some(true)),
            ("1.x", "1.1", None),
            ("1.", "1.1", None),
        ] {
            assert_eq!(id(one).is_older_than(&id(other)), older, "{one} {other}");
        }
        let other = UpdateId { name: "c".into(), ..id("2.0") };
        assert_eq!(id("1.0").is_older_than(&other), None);
    }

    #[test]
    fn an_update_id_stands_in_a_report_as_text() {
        let id = UpdateId { provider: "a\"b".into(), name: "ü".into(), version: "1".into() };
        assert_eq!(id.to_text(), r#"{"provider":"a\"b","name":"ü","version":"1"}"#);
    }

    proptest! {
        #[test]
        fn r_1_no_text_makes_the_reader_panic(text in "\\PC{0,100}", place in 0..8_usize, value in ".{0,20}") {
            let _ = Manifest::parse(&text);
            let places = [
                "/updateId", "/instructions/steps", "/instructions/steps/0", "/instructions/steps/0/files", "/files",
                "/files/f1", "/files/f1/hashes", "/files/f1/hashes/sha256",
            ];
            let mut manifest = manifest();
            *manifest.pointer_mut(places[place]).unwrap() = serde_json::from_str(&value).unwrap_or_else(|_| json!(value));
            let _ = Manifest::parse(&format!("{manifest}"));
        }
    }
}

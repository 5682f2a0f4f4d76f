//! Runs vector and transcript files against the crates of skytether.
//!
//! Two formats are read. A **transcript** file (`"format": "mqtt-client-transcripts/1"`) holds cases for an MQTT client:
//! what its driver and its application do, and what must come out, step by step (module `transcript`); and small tables of
//! the codec (module `tables`). A **vector** file (`"format": "skytether-vectors/1"`) holds pairs of input and output, each of
//! a kind (module `vectors`).
//!
//! [`run`] gives one [`Verdict`] for each case. What is not known is a failure, never a skip; [`Kinds`] chooses.
#![forbid(unsafe_code)]
#![allow(clippy::std_instead_of_core, clippy::std_instead_of_alloc, reason = "a program of the host")]
#![allow(clippy::wildcard_enum_match_arm, reason = "a check names what it looks at; all else is not its business")]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")
)]

mod guard;
mod kinds;
mod tables;
mod transcript;
mod vectors;

pub use kinds::Kinds;

use serde::Deserialize;
use serde_json::Value;

/// What became of one case.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "read field by field by whoever reports")]
pub struct Verdict {
    /// The case's own name, unique in its file.
    pub id: String,
    /// Its kind, with the sub-kind after a colon where there is one.
    pub kind: String,
    /// Why it failed, if it did.
    pub outcome: Result<(), String>,
}

impl Verdict {
    pub(crate) fn new(id: impl Into<String>, kind: impl Into<String>, outcome: Result<(), String>) -> Self {
        Self { id: id.into(), kind: kind.into(), outcome }
    }
}

/// Runs every case of a file that `kinds` chooses, in the file's order.
///
/// # Errors
/// A text says why the file cannot be read at all: no JSON, or no format that is known.
pub fn run(text: &str, kinds: &Kinds) -> Result<Vec<Verdict>, String> {
    let file: Value = serde_json::from_str(text).map_err(|error| format!("no JSON: {error}"))?;
    match file.get("format").and_then(Value::as_str) {
        Some("mqtt-client-transcripts/1") => {
            let file: Transcripts = read(file)?;
            let mut verdicts = transcript::run(file.cases, kinds);
            verdicts.extend(tables::run(&file.tables, kinds));
            Ok(verdicts)
        }
        Some("skytether-vectors/1") => {
            let file: Vectors = read(file)?;
            Ok(vectors::run(&file.vectors, kinds))
        }
        Some(other) => Err(format!("unknown format {other:?}")),
        None => Err("no \"format\" at the top level".to_owned()),
    }
}

#[derive(Deserialize)]
struct Transcripts {
    cases: Vec<Value>,
    #[serde(flatten)]
    tables: tables::Tables,
}

#[derive(Deserialize)]
struct Vectors {
    vectors: Vec<Value>,
}

fn read<T: for<'de> Deserialize<'de>>(value: Value) -> Result<T, String> {
    serde_json::from_value(value).map_err(|error| error.to_string())
}

/// Bytes from hexadecimal digits of either case.
fn bytes_of(hex: &str) -> Result<Vec<u8>, String> {
    base16ct::mixed::decode_vec(hex).map_err(|_| format!("{hex:?} is no hexadecimal text"))
}

/// Hexadecimal digits, long texts shortened in the middle.
fn hex_of(bytes: &[u8]) -> String {
    const SHOWN: usize = 64;
    if bytes.len() <= 2 * SHOWN {
        return base16ct::lower::encode_string(bytes);
    }
    let (Some(front), Some(back)) = (bytes.get(..SHOWN), bytes.get(bytes.len() - SHOWN..)) else {
        return String::new();
    };
    let (front, back) = (base16ct::lower::encode_string(front), base16ct::lower::encode_string(back));
    format!("{front}…{back} ({} bytes)", bytes.len())
}

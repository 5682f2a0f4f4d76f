//! Does the MQTT client do what a transcript says? Runs each case in every way of cutting its bytes.

mod event;
mod feed;
mod judge;
mod pattern;
mod rig;
mod schema;
mod wire;

use crate::{Kinds, Verdict, guard};
use feed::Feed;
use schema::{Act, Case, Step};
use serde_json::Value;
use std::sync::Arc;

/// Runs the cases whose protocol is chosen.
pub(crate) fn run(cases: Vec<Value>, kinds: &Kinds) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for (index, case) in cases.into_iter().enumerate() {
        let text = |key: &str| case.get(key).and_then(Value::as_str).map(str::to_owned);
        let id = text("id").unwrap_or_else(|| format!("case {}", index + 1));
        let protocol = text("protocol").unwrap_or_else(|| "3.1.1".to_owned());
        if !kinds.choose(&protocol) {
            continue;
        }
        let outcome = match protocol.as_str() {
            "3.1.1" => guard::run(move || run_case(case)),
            "5" => Err("MQTT 5 is not offered".to_owned()),
            other => Err(format!("protocol {other} is not offered")),
        };
        verdicts.push(Verdict::new(id, protocol, outcome));
    }
    verdicts
}

fn run_case(case: Value) -> Result<(), String> {
    let case: Case = serde_json::from_value(case).map_err(|error| format!("cannot be read: {error}"))?;
    let acts: Result<Vec<Act>, String> = case
        .steps
        .into_iter()
        .map(Step::act)
        .enumerate()
        .map(|(index, act)| act.map_err(|why| format!("step {}: {why}", index + 1)))
        .collect();
    let acts = Arc::new(acts?);
    let mut first: Option<Vec<String>> = None;
    for feed in Feed::all() {
        let name = feed.to_string();
        let outcome = judge::run(&case.config, &acts, feed);
        let trace = match outcome {
            Ok(trace) => trace,
            // Other ways are all right too; a panic would not have come here.
            Err(_) if case.strictness == "may" => return Ok(()),
            Err(why) => return Err(format!("[{name}] {why}")),
        };
        match &first {
            None => first = Some(trace),
            Some(first) if *first == trace => {}
            Some(first) => {
                return Err(format!("[{name}] other events than with whole input: {trace:?} in place of {first:?}"));
            }
        }
    }
    Ok(())
}

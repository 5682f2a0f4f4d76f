//! Device Update: the agent's reports and acknowledgements.

use crate::vectors::{Vector, expect};
use serde::Deserialize;
use serde_json::Value;
use skytether_core::azure::update::{
    UpdateId,
    report::{InstallResult, Report, Workflow, acknowledgement},
};
use std::collections::BTreeMap;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    manufacturer: String,
    model: String,
    custom_properties: BTreeMap<String, String>,
    compat: String,
    state: u16,
    last_result: Option<Last>,
    workflow: Option<Flow>,
    installed: Installed,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Last {
    result_code: i32,
    extended_result_code: i32,
    #[serde(default)]
    result_details: String,
    step_results: BTreeMap<String, Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Step {
    result_code: i32,
    extended_result_code: i32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Flow {
    action: u16,
    id: String,
    retry_timestamp: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Installed {
    provider: String,
    name: String,
    version: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload {
    payload: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ack {
    ac: u16,
    av: u64,
}

pub(in crate::vectors) fn report(vector: &Vector) -> Result<(), String> {
    let (input, wanted): (Told, Payload) = (vector.input()?, vector.output()?);
    let Installed { provider, name, version } = input.installed;
    let installed = UpdateId { provider, name, version };
    let properties: Vec<_> = input.custom_properties.into_iter().collect();
    let last = input.last_result.map(|last| InstallResult {
        code: last.result_code,
        extended: last.extended_result_code,
        details: last.result_details,
        // By name, which is by number as long as there are ten at most.
        steps: last.step_results.values().map(|step| (step.result_code, step.extended_result_code)).collect(),
    });
    let workflow =
        input.workflow.map(|Flow { action, id, retry_timestamp }| Workflow { action, id, retry: retry_timestamp });
    let report = Report {
        manufacturer: &input.manufacturer,
        model: &input.model,
        properties: &properties,
        compat: &input.compat,
        state: input.state,
        last: last.as_ref(),
        workflow: workflow.as_ref(),
        installed: &installed,
    };
    expect("payload", &report.to_patch(), &wanted.payload)
}

pub(in crate::vectors) fn ack(vector: &Vector) -> Result<(), String> {
    let (input, wanted): (Ack, Payload) = (vector.input()?, vector.output()?);
    expect("payload", &acknowledgement(input.ac, input.av), &wanted.payload)
}

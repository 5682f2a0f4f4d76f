//! What the platform is told of a device's updates: the agent's report and the acknowledgement of a deployment (§3.8).

use super::manifest::UpdateId;
use alloc::{format, string::String, vec::Vec};
use serde_json::{Map, Value, json};

/// The contract that the agent keeps; announced in each report.
pub const CONTRACT_MODEL: &str = "dtmi:azure:iot:deviceUpdateContractModel;2";

/// The agent's name and version, as the platform's own agent writes it.
pub const AGENT_VERSION: &str = "DU;agent/1.0.0";

/// `state`: nothing runs; what ran succeeded or was cancelled.
pub const IDLE: u16 = 0;
/// `state`: a deployment is in progress.
pub const IN_PROGRESS: u16 = 6;
/// `state`: the deployment failed.
pub const FAILED: u16 = 255;

/// `resultCode`: success.
pub const SUCCESS: i32 = 700;
/// `resultCode`: failure.
pub const FAILURE: i32 = 0;
/// `resultCode`: cancelled.
pub const CANCELLED: i32 = -1;

/// `workflow`: which deployment a report is about.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "the three members that the platform has there")]
pub struct Workflow {
    /// 3: the deployment is applied; 255: it is cancelled.
    pub action: u16,
    /// Its id.
    pub id: String,
    /// `retryTimestamp`, as the platform sent it: a new one asks for the same deployment again.
    pub retry: Option<String>,
}

/// `lastInstallResult`: how the last deployment ended.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[allow(clippy::exhaustive_structs, reason = "the members that the platform has there")]
pub struct InstallResult {
    /// [`SUCCESS`], [`FAILURE`] or [`CANCELLED`].
    pub code: i32,
    /// 0, or a number of the agent's own that says more.
    pub extended: i32,
    /// In words; left out where empty.
    pub details: String,
    /// The same for each step: code and extended code.
    pub steps: Vec<(i32, i32)>,
}

/// What a report says.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::exhaustive_structs, reason = "all that a report says; nothing can be left out")]
pub struct Report<'a> {
    /// Manufacturer.
    pub manufacturer: &'a str,
    /// Model.
    pub model: &'a str,
    /// Properties of one's own beside these two.
    pub properties: &'a [(String, String)],
    /// `compatPropertyNames`: which of them decide whether an update fits, with commas between.
    pub compat: &'a str,
    /// [`IDLE`], [`IN_PROGRESS`] or [`FAILED`].
    pub state: u16,
    /// How the last deployment ended.
    pub last: Option<&'a InstallResult>,
    /// The deployment.
    pub workflow: Option<&'a Workflow>,
    /// What is installed.
    pub installed: &'a UpdateId,
}

impl Report<'_> {
    /// The patch of reported properties that says it.
    pub fn to_patch(&self) -> Value {
        let mut device = Map::new();
        device.insert("manufacturer".into(), self.manufacturer.into());
        device.insert("model".into(), self.model.into());
        for (name, value) in self.properties {
            device.insert(name.clone(), value.as_str().into());
        }
        device.insert("contractModelId".into(), CONTRACT_MODEL.into());
        device.insert("aduVer".into(), AGENT_VERSION.into());
        let mut agent = Map::new();
        agent.insert("deviceProperties".into(), Value::Object(device));
        agent.insert("compatPropertyNames".into(), self.compat.into());
        if let Some(last) = self.last {
            agent.insert("lastInstallResult".into(), last.to_value());
        }
        agent.insert("state".into(), self.state.into());
        if let Some(workflow) = self.workflow {
            let mut value = json!({"action": workflow.action, "id": workflow.id});
            if let (Some(retry), Value::Object(members)) = (&workflow.retry, &mut value) {
                members.insert("retryTimestamp".into(), retry.as_str().into());
            }
            agent.insert("workflow".into(), value);
        }
        agent.insert("installedUpdateId".into(), self.installed.to_text().into());
        json!({"deviceUpdate": {"__t": "c", "agent": agent}})
    }
}

impl InstallResult {
    fn to_value(&self) -> Value {
        let result = |code: i32, extended: i32| json!({"resultCode": code, "extendedResultCode": extended});
        let mut value = result(self.code, self.extended);
        let steps = self.steps.iter().enumerate();
        let steps: Map<_, _> =
            steps.map(|(n, (code, extended))| (format!("step_{n}"), result(*code, *extended))).collect();
        if let Value::Object(members) = &mut value {
            if !self.details.is_empty() {
                members.insert("resultDetails".into(), self.details.as_str().into());
            }
            members.insert("stepResults".into(), Value::Object(steps));
        }
        value
    }
}

/// The patch that acknowledges a deployment: 200 taken, 406 rejected; `version` is that of the desired properties.
pub fn acknowledgement(code: u16, version: u64) -> Value {
    json!({"deviceUpdate": {"__t": "c", "service": {"ac": code, "av": version, "value": {}}}})
}

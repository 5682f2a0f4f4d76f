//! What the agent says of itself: what runs, and how the last deployment stands.

use super::Agent;
use crate::azure::update::{
    manifest::UpdateId,
    note::{Deployment, Stage},
    report::{self, Report},
};
use serde_json::Value;

impl Agent {
    /// Whether the running software is that of the deployment.
    pub(super) fn runs(&self) -> bool {
        self.deployment.as_ref().is_some_and(|deployment| {
            if deployment.criteria.is_empty() {
                deployment.update == self.config.installed
            } else {
                deployment.criteria.iter().all(|criterion| self.config.meets.contains(criterion))
            }
        })
    }

    /// What is installed, by the last deployment or as configured.
    pub(super) fn installed(&self) -> &UpdateId {
        self.succeeded().map_or(&self.config.installed, |deployment| &deployment.update)
    }

    /// The deployment, where it succeeded and what it installed runs.
    fn succeeded(&self) -> Option<&Deployment> {
        let deployment = self.deployment.as_ref()?;
        let good = matches!(&deployment.stage, Stage::Done(result) if result.code == report::SUCCESS);
        (good && (!deployment.rebooted || self.runs())).then_some(deployment)
    }

    pub(super) fn to_confirm(&self) -> Option<UpdateId> {
        self.succeeded().filter(|deployment| deployment.rebooted).map(|deployment| deployment.update.clone())
    }

    pub(super) fn patch(&self) -> Value {
        let deployment = self.deployment.as_ref();
        let (state, last) = match deployment.map(|deployment| &deployment.stage) {
            None => (report::IDLE, None),
            Some(Stage::Done(result)) if result.code == report::FAILURE => (report::FAILED, Some(result)),
            Some(Stage::Done(result)) => (report::IDLE, Some(result)),
            Some(Stage::Downloading(_) | Stage::Installing | Stage::Rebooting) => (report::IN_PROGRESS, None),
        };
        let workflow = self.cancelled.as_ref().or_else(|| deployment.map(|deployment| &deployment.workflow));
        let report = Report {
            manufacturer: &self.config.manufacturer,
            model: &self.config.model,
            properties: &self.config.properties,
            compat: &self.config.compat,
            state,
            last,
            workflow,
            installed: self.installed(),
        };
        report.to_patch()
    }
}

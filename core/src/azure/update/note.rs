//! How a deployment is kept over a restart: a note beside the download, in the same record.

use super::{
    manifest::{MAX_STEPS, UpdateId, update_id},
    report::{InstallResult, Workflow},
};
use crate::json;
use alloc::{
    string::{String, ToString as _},
    vec::Vec,
};
use serde_json::{Value, json};

const VERSION: u64 = 1;

/// How far a deployment has come.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    /// Its files come; so many are whole.
    Downloading(usize),
    /// All files are whole and the application installs them.
    Installing,
    /// It is installed, and the device restarts to run it.
    Rebooting,
    /// It is over.
    Done(InstallResult),
}

/// A deployment that was taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Deployment {
    pub(super) workflow: Workflow,
    pub(super) update: UpdateId,
    /// SHA-256 of the manifest: under the same id another may come.
    pub(super) manifest: [u8; 32],
    /// `installedCriteria` of its steps.
    pub(super) criteria: Vec<String>,
    /// How many steps it has.
    pub(super) steps: usize,
    pub(super) stage: Stage,
    /// A restart belongs to its installation.
    pub(super) rebooted: bool,
}

impl Deployment {
    /// Writes the note; at most about 3 KiB by the bounds of what is in it.
    pub(super) fn write(&self) -> Vec<u8> {
        let (stage, files, result) = match &self.stage {
            Stage::Downloading(files) => ("downloading", *files, None),
            Stage::Installing => ("installing", 0, None),
            Stage::Rebooting => ("rebooting", 0, None),
            Stage::Done(result) => ("done", 0, Some((result.code, result.extended, &result.details))),
        };
        let UpdateId { provider, name, version } = &self.update;
        json!({
            "version": VERSION,
            "action": self.workflow.action, "id": self.workflow.id, "retry": self.workflow.retry,
            "update": {"provider": provider, "name": name, "version": version},
            "manifest": self.manifest.to_vec(), "criteria": self.criteria, "steps": self.steps,
            "stage": stage, "files": files, "result": result, "rebooted": self.rebooted,
        })
        .to_string()
        .into_bytes()
    }

    /// Reads one; `None` where it is damaged or of another version.
    pub(super) fn read(note: &[u8]) -> Option<Self> {
        let note = json::parse(note).ok()?;
        if note.get("version")?.as_u64()? != VERSION {
            return None;
        }
        let text = |name: &str| note.get(name)?.as_str().map(String::from);
        let count = |name: &str| note.get(name)?.as_u64().and_then(|count| usize::try_from(count).ok());
        let bytes = note.get("manifest")?.as_array()?.iter();
        let bytes: Option<Vec<u8>> = bytes.map(|byte| byte.as_u64().and_then(|byte| byte.try_into().ok())).collect();
        let criteria = note.get("criteria")?.as_array()?.iter();
        let steps = count("steps").filter(|steps| (1..=MAX_STEPS).contains(steps))?;
        let stage = match note.get("stage")?.as_str()? {
            "downloading" => Stage::Downloading(count("files")?),
            "installing" => Stage::Installing,
            "rebooting" => Stage::Rebooting,
            "done" => Stage::Done(result(note.get("result")?, steps)?),
            _ => return None,
        };
        Some(Self {
            workflow: Workflow {
                action: u16::try_from(note.get("action")?.as_u64()?).ok()?,
                id: text("id")?,
                retry: text("retry"),
            },
            update: update_id(note.get("update"))?,
            manifest: bytes?.try_into().ok()?,
            criteria: criteria.map(|text| text.as_str().map(String::from)).collect::<Option<_>>()?,
            steps,
            stage,
            rebooted: note.get("rebooted")?.as_bool()?,
        })
    }
}

fn result(value: &Value, steps: usize) -> Option<InstallResult> {
    let number = |at: usize| i32::try_from(value.get(at)?.as_i64()?).ok();
    let (code, extended) = (number(0)?, number(1)?);
    let details = value.get(2)?.as_str()?.into();
    Some(InstallResult { code, extended, details, steps: alloc::vec![(code, extended); steps] })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    fn deployment(stage: Stage) -> Deployment {
        Deployment {
            workflow: Workflow { action: 3, id: "d-1".into(), retry: Some("2030".into()) },
            update: UpdateId { provider: "acme".into(), name: "pump".into(), version: "1.1".into() },
            manifest: [9; 32],
            criteria: vec!["1.1".into()],
            steps: 2,
            stage,
            rebooted: true,
        }
    }

    #[test]
    fn r_100_a_deployment_reads_back_as_it_was_written_at_each_stage() {
        let result =
            InstallResult { code: 700, extended: -5, details: "fine".into(), steps: vec![(700, -5), (700, -5)] };
        for stage in [Stage::Downloading(3), Stage::Installing, Stage::Rebooting, Stage::Done(result)] {
            let mut deployment = deployment(stage);
            assert_eq!(Deployment::read(&deployment.write()), Some(deployment.clone()));
            deployment.workflow.retry = None;
            assert_eq!(Deployment::read(&deployment.write()), Some(deployment));
        }
    }

    #[test]
    fn the_largest_note_fits_beside_a_download() {
        let mut largest =
            deployment(Stage::Done(InstallResult { details: "x".repeat(256), ..InstallResult::default() }));
        largest.workflow = Workflow { action: 255, id: "x".repeat(128), retry: Some("x".repeat(64)) };
        largest.criteria = vec!["x".repeat(128); 8];
        largest.update = UpdateId { provider: "x".repeat(64), name: "x".repeat(64), version: "x".repeat(64) };
        assert!(largest.write().len() < 3000);
    }

    proptest! {
        #[test]
        fn r_1_no_note_makes_the_reader_panic(note in proptest::collection::vec(any::<u8>(), 0..80), cut: usize) {
            let _ = Deployment::read(&note);
            let whole = deployment(Stage::Installing).write();
            prop_assert_eq!(Deployment::read(&whole[..cut % whole.len()]), None);
        }
    }
}

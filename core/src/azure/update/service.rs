//! What does the platform want? The writable property `service`, put together from whole twins and changes (§3.8).

use super::report::Workflow;
use alloc::string::String;
use serde_json::{Map, Value};

/// Largest property that is held, in bytes of JSON: all desired properties together have at most 32 KiB at the hub.
const MAX: usize = 64 * 1024;
/// Longest id of a deployment, in bytes.
const ID: usize = 128;
/// Longest retry timestamp, in bytes.
const RETRY: usize = 64;

/// The property as it stands, and the version of the desired properties that changed it last.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Service {
    members: Map<String, Value>,
    pub(super) version: u64,
}

impl Service {
    /// Takes in desired properties, and takes the component out of them. Whether the property has changed.
    pub(super) fn desired(&mut self, version: u64, full: bool, desired: &mut Map<String, Value>) -> bool {
        let before = self.members.clone();
        let component = desired.remove("deviceUpdate");
        if full {
            self.members.clear();
        }
        match component {
            Some(Value::Object(mut component)) => match component.remove("service") {
                Some(Value::Object(service)) => merge(&mut self.members, service),
                Some(_) => self.members.clear(),
                None => {}
            },
            Some(_) => self.members.clear(),
            None => {}
        }
        if serde_json::to_vec(&self.members).map_or(usize::MAX, |text| text.len()) > MAX {
            self.members.clear();
        }
        let changed = self.members != before;
        if changed {
            self.version = version;
        }
        changed
    }

    /// The deployment; `None` where there is none, or it has no sound id.
    pub(super) fn workflow(&self) -> Option<Workflow> {
        let workflow = self.members.get("workflow")?;
        let text = |name: &str, max: usize| {
            let text = workflow.get(name)?.as_str()?;
            (1..=max).contains(&text.len()).then(|| String::from(text))
        };
        Some(Workflow {
            action: workflow.get("action")?.as_u64()?.try_into().ok()?,
            id: text("id", ID)?,
            retry: text("retryTimestamp", RETRY),
        })
    }

    /// The manifest, unescaped.
    pub(super) fn manifest(&self) -> Option<&str> {
        self.members.get("updateManifest")?.as_str()
    }

    pub(super) fn signature(&self) -> Option<&str> {
        self.members.get("updateManifestSignature")?.as_str()
    }

    /// Where a file is.
    pub(super) fn url(&self, file: &str) -> Option<&str> {
        self.members.get("fileUrls")?.get(file)?.as_str()
    }
}

/// Lays a merge patch over an object (RFC 7396); as deep as JSON that is taken at all.
fn merge(whole: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (name, value) in patch {
        match value {
            Value::Null => {
                whole.remove(&name);
            }
            Value::Object(patch) => {
                let entry = whole.entry(name).or_insert(Value::Null);
                if !entry.is_object() {
                    *entry = Value::Object(Map::new());
                }
                if let Value::Object(inner) = entry {
                    merge(inner, patch);
                }
            }
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                whole.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use serde_json::json;

    fn give(service: &mut Service, version: u64, full: bool, desired: Value) -> (bool, Value) {
        let Value::Object(mut desired) = desired else { panic!() };
        let changed = service.desired(version, full, &mut desired);
        (changed, Value::Object(desired))
    }

    #[test]
    fn changes_are_laid_over_what_was_there_and_the_rest_is_left() {
        let mut service = Service::default();
        let first = json!({"x": 1, "deviceUpdate": {"__t": "c", "service": {
            "workflow": {"action": 3, "id": "d-1"}, "updateManifest": "{}", "fileUrls": {"a": "u1", "b": "u2"},
        }}});
        assert_eq!(give(&mut service, 4, true, first.clone()), (true, json!({"x": 1})));
        assert_eq!(service.workflow(), Some(Workflow { action: 3, id: "d-1".into(), retry: None }));
        let change = json!({"deviceUpdate": {"service": {
            "workflow": {"retryTimestamp": "t"}, "updateManifestSignature": null, "fileUrls": {"a": null, "c": "u3"},
        }}});
        assert_eq!(give(&mut service, 5, false, change), (true, json!({})));
        assert_eq!(service.workflow().unwrap().retry.as_deref(), Some("t"));
        assert_eq!((service.url("a"), service.url("b"), service.url("c")), (None, Some("u2"), Some("u3")));
        assert_eq!((service.manifest(), service.signature(), service.version), (Some("{}"), None, 5));
        assert_eq!(give(&mut service, 6, false, json!({"y": 2})), (false, json!({"y": 2})));
        assert_eq!(service.version, 5, "an acknowledgement is of the version that changed it");
        assert!(give(&mut service, 7, true, first.clone()).0, "the whole replaces");
        assert!(!give(&mut service, 8, true, first).0);
        assert!(give(&mut service, 9, true, json!({})).0);
        assert_eq!(service.workflow(), None);
    }

    #[test]
    fn r_6_a_property_that_grows_without_end_is_dropped() {
        let mut service = Service::default();
        give(&mut service, 1, true, json!({"deviceUpdate": {"service": {"workflow": {"action": 3, "id": "x"}}}}));
        for n in 0..3 {
            assert!(service.workflow().is_some());
            let file = format!("f{n}");
            give(
                &mut service,
                2,
                false,
                json!({"deviceUpdate": {"service": {"fileUrls": {file: "x".repeat(30_000)}}}}),
            );
        }
        assert_eq!(service, Service { version: 2, ..Service::default() });
    }

    #[test]
    fn r_121_a_workflow_of_another_shape_is_none() {
        for workflow in [
            json!(null),
            json!([]),
            json!({"id": "x"}),
            json!({"action": "3", "id": "x"}),
            json!({"action": -3, "id": "x"}),
            json!({"action": 70_000, "id": "x"}),
            json!({"action": 3, "id": ""}),
            json!({"action": 3, "id": 7}),
            json!({"action": 3, "id": "x".repeat(129)}),
        ] {
            let mut service = Service::default();
            give(&mut service, 1, true, json!({"deviceUpdate": {"service": {"workflow": workflow}}}));
            assert_eq!(service.workflow(), None, "{workflow}");
        }
        for component in [json!(7), json!({"service": 7}), json!(null)] {
            let mut service = Service::default();
            give(&mut service, 1, true, json!({"deviceUpdate": {"service": {"workflow": {"action": 3, "id": "x"}}}}));
            give(&mut service, 2, false, json!({ "deviceUpdate": component }));
            assert_eq!(service.workflow(), None, "{component}");
        }
    }
}

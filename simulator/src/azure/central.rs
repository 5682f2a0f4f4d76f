//! How does a portal see a device that is built after a model? Which properties it may write, and what has become of
//! what it wrote.

use super::twin::{Object, Twin};
use core::fmt;
use serde::Deserialize;
use serde_json::Value;

/// A model, as far as the portal needs it.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(clippy::exhaustive_structs, reason = "owners of a cloud write it field by field")]
pub struct Template {
    /// Its id, such as `dtmi:com:example:Thermostat;1`.
    pub model_id: String,
    /// Names of telemetry.
    #[serde(default)]
    pub telemetry: Vec<Member>,
    /// Names of properties that only the device writes.
    #[serde(default)]
    pub properties: Vec<Member>,
    /// Names of properties that the portal writes.
    #[serde(default)]
    pub writable: Vec<Member>,
    /// Names of commands.
    #[serde(default)]
    pub commands: Vec<Member>,
}

/// One name of a model, of the model itself or of one of its components. In files `name` or `component*name`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Deserialize)]
#[serde(from = "String")]
#[allow(clippy::exhaustive_structs, reason = "a plain name that tests build")]
pub struct Member {
    /// The component, if it is of one.
    pub component: Option<String>,
    /// The name.
    pub name: String,
}

impl From<String> for Member {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<&str> for Member {
    fn from(text: &str) -> Self {
        match text.split_once('*') {
            Some((component, name)) if !component.is_empty() => {
                Self { component: Some(component.to_owned()), name: name.to_owned() }
            }
            Some(_) | None => Self { component: None, name: text.to_owned() },
        }
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.component {
            Some(component) => write!(f, "{component}*{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// What the portal shows beside a property that it has written.
#[derive(Clone, PartialEq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "a portal shows no more")]
pub enum PropertyState {
    /// The device has not acknowledged the version that was written.
    Pending,
    /// It has accepted it (`ac` 200, 203).
    Accepted {
        /// The value in effect.
        value: Value,
        /// Its words about it.
        ad: Option<String>,
    },
    /// It is still at it (`ac` 202).
    InProgress,
    /// It has refused it (any other `ac`).
    Refused {
        /// The value in effect.
        value: Value,
        /// Its code.
        ac: i64,
        /// Its words about it.
        ad: Option<String>,
    },
}

impl Template {
    /// The model of the WBZ451 Curiosity board: telemetry of temperature and button, the four LEDs and the telemetry
    /// interval to be written, the commands `reboot` and `sendMsg`.
    pub fn wbz451_curiosity() -> Self {
        let members = |names: &[&str]| names.iter().copied().map(Member::from).collect();
        Self {
            model_id: "dtmi:com:Microchip:WBZ451_Curiosity;1".to_owned(),
            telemetry: members(&["temperature", "button_event"]),
            properties: members(&["ipAddress"]),
            writable: members(&["rgb_led_blue", "rgb_led_green", "rgb_led_red", "led_user", "telemetryInterval"]),
            commands: members(&["reboot", "sendMsg"]),
        }
    }

    /// Whether the portal may write this property.
    pub fn is_writable(&self, member: &Member) -> bool {
        self.writable.contains(member)
    }

    /// Whether the model has this command.
    pub fn has_command(&self, member: &Member) -> bool {
        self.commands.contains(member)
    }

    /// The members of a telemetry message that the model does not have: the portal ignores them.
    pub fn unmodelled<'b>(&self, component: Option<&str>, body: &'b Object) -> Vec<&'b str> {
        let modelled =
            |name: &str| self.telemetry.iter().any(|t| t.name == name && t.component.as_deref() == component);
        body.keys().map(String::as_str).filter(|name| !modelled(name)).collect()
    }
}

/// The patch that writes a property.
pub(super) fn patch(member: &Member, value: Value) -> Object {
    let own = Object::from_iter([(member.name.clone(), value)]);
    match &member.component {
        None => own,
        Some(component) => {
            let mut marked = own;
            marked.insert("__t".to_owned(), "c".into());
            Object::from_iter([(component.clone(), Value::Object(marked))])
        }
    }
}

/// What has become of a property; `None` if it was never written.
pub(super) fn state(twin: &Twin, member: &Member) -> Option<PropertyState> {
    let name = member.name.as_str();
    let (written, reported) = match member.component.as_deref() {
        None => (twin.written(&[name])?, twin.reported().get(name)),
        Some(component) => {
            let inner = twin.reported().get(component).and_then(|inner| inner.get(name));
            (twin.written(&[component, name])?, inner)
        }
    };
    Some(acknowledged(reported, written, twin.desired_version()).unwrap_or(PropertyState::Pending))
}

/// What an acknowledgement says, if it speaks of the version that counts.
fn acknowledged(reported: Option<&Value>, written: u64, current: u64) -> Option<PropertyState> {
    let reported = reported?.as_object()?;
    let (ac, av) = (reported.get("ac")?.as_i64()?, reported.get("av")?.as_u64()?);
    if !(written..=current).contains(&av) {
        return None;
    }
    let value = reported.get("value")?.clone();
    let ad = reported.get("ad").and_then(Value::as_str).map(str::to_owned);
    Some(match ac {
        200 | 203 => PropertyState::Accepted { value, ad },
        202 => PropertyState::InProgress,
        _ => PropertyState::Refused { value, ac, ad },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn written(member: &Member) -> Twin {
        let mut twin = Twin::default();
        twin.desire(&patch(member, json!(5))).unwrap();
        twin
    }

    #[test]
    fn a_property_is_pending_until_its_own_version_is_acknowledged() {
        let member = Member::from("telemetryInterval");
        let mut twin = written(&member);
        assert_eq!(state(&twin, &Member::from("other")), None);
        for stale in [
            json!({"telemetryInterval": 5}),
            json!({"telemetryInterval": {"value": 5, "ac": 200, "av": 1}}),
            json!({"telemetryInterval": {"value": 5, "ac": 200, "av": 3}}),
            json!({"telemetryInterval": {"ac": 200, "av": 2, "value": null}}),
        ] {
            twin.report(stale.to_string().as_bytes()).unwrap();
            assert_eq!(state(&twin, &member), Some(PropertyState::Pending), "{stale}");
        }
        twin.report(br#"{"telemetryInterval":{"value":5,"ac":200,"av":2,"ad":"set"}}"#).unwrap();
        let accepted = PropertyState::Accepted { value: json!(5), ad: Some("set".to_owned()) };
        assert_eq!(state(&twin, &member), Some(accepted.clone()));
        twin.desire(&patch(&Member::from("other"), json!(1))).unwrap();
        assert_eq!(state(&twin, &member), Some(accepted), "another property's change takes nothing back");
        twin.desire(&patch(&member, json!(6))).unwrap();
        assert_eq!(state(&twin, &member), Some(PropertyState::Pending));
    }

    #[test]
    fn a_component_s_property_goes_and_comes_in_its_component() {
        let member = Member::from("thermostat1*target");
        let mut twin = written(&member);
        assert_eq!(Value::Object(twin.desired().clone()), json!({"thermostat1":{"__t":"c","target":5}}));
        twin.report(br#"{"thermostat1":{"__t":"c","target":{"value":4,"ac":400,"av":2}}}"#).unwrap();
        let refused = PropertyState::Refused { value: json!(4), ac: 400, ad: None };
        assert_eq!(state(&twin, &member), Some(refused));
        twin.report(br#"{"thermostat1":{"__t":"c","target":{"value":4,"ac":202,"av":2}}}"#).unwrap();
        assert_eq!(state(&twin, &member), Some(PropertyState::InProgress));
    }
}

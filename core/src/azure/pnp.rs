//! What Plug and Play asks of a device's properties: components and their marker, acknowledgements, what is left to
//! answer at a start, results of long commands.

use super::twin::{Desired, Twin};
use crate::io::Rejected;
use alloc::{borrow::ToOwned as _, string::String, vec::Vec};
use serde_json::{Map, Value, json};

/// What became of a writable property: one member of a patch, `"{name}":{"ac":…,"av":…,"ad":…,"value":…}`.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Ack {
    /// Name of the property, not beginning with `_`.
    pub name: String,
    /// `ac`, as in HTTP: 200 applied, 202 pending, 203 the device's own default, 400 refused, 500 failed.
    pub ac: u16,
    /// `av`: the version of the desired properties that is answered; 0 with 203.
    pub av: u64,
    /// `ad`: a description, where there is one.
    pub ad: Option<String>,
    /// `value`: what is in effect now; the received one, or the actual one if that was refused.
    pub value: Value,
}

impl Ack {
    /// An acknowledgement with a code of one's own.
    pub fn new(name: impl Into<String>, ac: u16, av: u64, value: impl Into<Value>) -> Self {
        Self { name: name.into(), ac, av, ad: None, value: value.into() }
    }

    /// 200: the value of this version is in effect.
    pub fn applied(name: impl Into<String>, version: u64, value: impl Into<Value>) -> Self {
        Self::new(name, 200, version, value)
    }

    /// 202: the value of this version is on its way; another acknowledgement follows.
    pub fn pending(name: impl Into<String>, version: u64, value: impl Into<Value>) -> Self {
        Self::new(name, 202, version, value)
    }

    /// 203: the device's own default is in effect; nothing is desired.
    pub fn by_default(name: impl Into<String>, value: impl Into<Value>) -> Self {
        Self::new(name, 203, 0, value)
    }

    /// 400: the value of this version was refused; `value` stays in effect.
    pub fn refused(name: impl Into<String>, version: u64, value: impl Into<Value>) -> Self {
        Self::new(name, 400, version, value)
    }

    /// 500: the value of this version could not be applied; `value` stays in effect.
    pub fn failed(name: impl Into<String>, version: u64, value: impl Into<Value>) -> Self {
        Self::new(name, 500, version, value)
    }

    /// The same with a description.
    #[must_use]
    pub fn with(mut self, description: impl Into<String>) -> Self {
        self.ad = Some(description.into());
        self
    }
}

/// The patch that acknowledges properties, of a component or of the device itself.
///
/// # Errors
/// [`Rejected::Invalid`] where there is none, two have one name, or a name begins with `_`.
pub fn acknowledgement(component: Option<&str>, acks: &[Ack]) -> Result<Value, Rejected> {
    if acks.is_empty() {
        return Err(Rejected::Invalid("there is nothing to acknowledge"));
    }
    let mut members = Map::new();
    for Ack { name, ac, av, ad, value } in acks {
        if name.starts_with('_') {
            return Err(Rejected::Invalid("the name of a property does not begin with an underscore"));
        }
        let member = match ad {
            Some(ad) => json!({"ac": ac, "av": av, "ad": ad, "value": value}),
            None => json!({"ac": ac, "av": av, "value": value}),
        };
        if members.insert(name.clone(), member).is_some() {
            return Err(Rejected::Invalid("a property is acknowledged once"));
        }
    }
    Ok(of_component(component, members))
}

/// Properties as a component reports them: inside its name and with its marker, `{"{component}":{"__t":"c",…}}`; those of
/// the device itself as they are.
pub fn of_component(component: Option<&str>, mut members: Map<String, Value>) -> Value {
    let Some(component) = component else { return Value::Object(members) };
    members.insert(MARKER.to_owned(), json!(COMPONENT));
    json!({ component: members })
}

/// The property in which the result of a long command is reported, once 202 was answered: `{"{command}":{"value":…}}`.
pub fn command_result(component: Option<&str>, command: &str, value: impl Into<Value>) -> Value {
    let mut members = Map::new();
    members.insert(command.to_owned(), json!({ "value": value.into() }));
    of_component(component, members)
}

const MARKER: &str = "__t";
const COMPONENT: &str = "c";

/// A desired property, with the component it belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Property<'a> {
    /// The component; `None` for the device itself.
    pub component: Option<&'a str>,
    /// Its name.
    pub name: &'a str,
    /// What is desired; `null` where it was removed.
    pub value: &'a Value,
}

/// The properties of a section or change one by one. A member is a component where it has the marker, or where
/// `components` names it: in a change the marker may be missing.
pub fn properties<'a>(section: &'a Map<String, Value>, components: &[&str]) -> Vec<Property<'a>> {
    let mut found = Vec::new();
    for (name, value) in section {
        let members = value.as_object().filter(|own| is_component(own) || components.contains(&name.as_str()));
        let Some(members) = members else {
            found.push(Property { component: None, name, value });
            continue;
        };
        let component = Some(name.as_str());
        let own = members.iter().filter(|(name, _)| *name != MARKER && !name.starts_with('$'));
        found.extend(own.map(|(name, value)| Property { component, name, value }));
    }
    found
}

fn is_component(members: &Map<String, Value>) -> bool {
    members.get(MARKER).is_some_and(|marker| marker == COMPONENT)
}

impl Desired {
    /// The properties one by one; see [`properties`].
    pub fn properties(&self, components: &[&str]) -> Vec<Property<'_>> {
        properties(&self.desired, components)
    }
}

impl Twin {
    /// The desired properties that wait for an acknowledgement, as a device finds them at its start: no version of them
    /// was acknowledged, or another one than now, and with another value.
    pub fn unanswered(&self, components: &[&str]) -> Vec<Property<'_>> {
        let mut open = properties(&self.desired, components);
        open.retain(|property| !self.is_answered(property));
        open
    }

    fn is_answered(&self, property: &Property<'_>) -> bool {
        let section = match property.component {
            None => Some(&self.reported),
            Some(component) => self.reported.get(component).and_then(Value::as_object),
        };
        let Some(reported) = section.and_then(|section| section.get(property.name)) else { return false };
        let version = reported.get("av").and_then(Value::as_u64);
        version == Some(self.desired_version) || version.is_some() && reported.get("value") == Some(property.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acknowledgement_has_its_code_version_description_and_value() {
        let ack = Ack::applied("telemetryInterval", 105, 5).with("telemetryInterval set to: 5");
        assert_eq!(
            acknowledgement(None, &[ack]),
            Ok(json!({"telemetryInterval": {"ac": 200, "av": 105, "ad": "telemetryInterval set to: 5", "value": 5}}))
        );
    }

    #[test]
    fn several_properties_of_a_component_are_acknowledged_in_one_patch() {
        let acks = [Ack::pending("targetTemperature", 7, 22.5), Ack::refused("mode", 7, "auto").with("unknown mode")];
        assert_eq!(
            acknowledgement(Some("thermostat1"), &acks),
            Ok(json!({"thermostat1": {
                "__t": "c",
                "targetTemperature": {"ac": 202, "av": 7, "value": 22.5},
                "mode": {"ac": 400, "av": 7, "ad": "unknown mode", "value": "auto"},
            }}))
        );
    }

    #[test]
    fn codes_are_those_of_the_convention() {
        let codes = [Ack::by_default("a", 1), Ack::failed("a", 3, 1)].map(|ack| (ack.ac, ack.av));
        assert_eq!(codes, [(203, 0), (500, 3)]);
    }

    #[test]
    fn what_cannot_be_acknowledged_is_refused_by_name() {
        let ack = |name: &str| Ack::applied(name, 1, 1);
        for (word, acks) in [("nothing", [].as_slice()), ("once", &[ack("a"), ack("a")]), ("underscore", &[ack("__t")])]
        {
            let Err(Rejected::Invalid(why)) = acknowledgement(None, acks) else { panic!("{word}") };
            assert!(why.contains(word), "{why}");
        }
    }

    #[test]
    fn a_long_command_is_reported_under_its_name() {
        assert_eq!(command_result(None, "blink", "done"), json!({"blink": {"value": "done"}}));
        assert_eq!(command_result(Some("led"), "blink", 3), json!({"led": {"__t": "c", "blink": {"value": 3}}}));
    }

    #[test]
    fn components_are_known_by_their_marker_or_by_name() {
        let section = json!({"a": 1, "m": {"x": 1}, "t1": {"__t": "c", "b": 2, "$x": 1}, "t2": {"c": null}});
        let found = properties(section.as_object().unwrap(), &["t2", "a"]);
        let found: Vec<_> = found.iter().map(|p| (p.component, p.name, p.value.clone())).collect();
        assert_eq!(
            found,
            [
                (None, "a", json!(1)),
                (None, "m", json!({"x": 1})),
                (Some("t1"), "b", json!(2)),
                (Some("t2"), "c", json!(null)),
            ]
        );
    }

    #[test]
    fn at_a_start_what_was_not_answered_in_this_version_and_has_another_value_is_open() {
        let twin = Twin::parse(
            br#"{"desired":{"same":1,"old":2,"new":3,"plain":4,"never":5,"t":{"__t":"c","x":1,"y":2},"$version":9},
                 "reported":{"same":{"ac":200,"av":8,"value":1},"old":{"ac":200,"av":8,"value":1},
                             "new":{"ac":400,"av":9,"value":0},"plain":4,
                             "t":{"__t":"c","x":{"ac":200,"av":9,"value":1}},"$version":3}}"#,
        )
        .unwrap();
        let open = twin.unanswered(&[]);
        let open: Vec<_> = open.iter().map(|p| (p.component, p.name)).collect();
        assert_eq!(open, [(None, "never"), (None, "old"), (None, "plain"), (Some("t"), "y")]);
    }
}

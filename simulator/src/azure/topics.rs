//! Which topic of a client's means what? The documented ones; anything else ends the connection.

use super::{identity::Identity, text};

/// What a client of a hub publishes to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Spoken {
    /// `devices/{device}[/modules/{module}]/messages/events/{properties}`
    Telemetry { properties: text::Pairs },
    /// `$iothub/twin/GET/?$rid={rid}`
    TwinGet { rid: Option<String> },
    /// `$iothub/twin/PATCH/properties/reported/?$rid={rid}`
    TwinPatch { rid: Option<String> },
    /// `$iothub/methods/res/{status}/?$rid={rid}`
    MethodAnswer { status: i64, rid: String },
}

/// What a client of the provisioning service publishes to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Asked {
    /// `$dps/registrations/PUT/iotdps-register/?$rid={rid}`
    Register { rid: Option<String> },
    /// `$dps/registrations/GET/iotdps-get-operationstatus/?$rid={rid}&operationId={operation id}`
    Status { rid: Option<String>, operation: String },
}

/// What a client of a hub may subscribe to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Filter {
    /// Messages from the cloud: `devices/{device}/messages/devicebound/#`
    Devicebound,
    /// Methods: `$iothub/methods/POST/#`
    Methods,
    /// Answers about the twin: `$iothub/twin/res/#`
    TwinAnswers,
    /// Desired properties: `$iothub/twin/PATCH/properties/desired/#`
    Desired,
    /// A module's inputs: `devices/{device}/modules/{module}/inputs/#`
    Inputs,
}

/// The filter of every answer of the provisioning service.
pub(super) const REGISTRATION_ANSWERS: &str = "$dps/registrations/res/#";

/// # Errors
/// Why the connection ends.
pub(super) fn spoken(identity: &Identity, topic: &str) -> Result<Spoken, &'static str> {
    const UNKNOWN: &str = "not a topic that a device publishes to";
    if let Some(rest) = topic.strip_prefix("$iothub/twin/GET/") {
        return Ok(Spoken::TwinGet { rid: rid(rest)? });
    }
    if let Some(rest) = topic.strip_prefix("$iothub/twin/PATCH/properties/reported/") {
        return Ok(Spoken::TwinPatch { rid: rid(rest)? });
    }
    if let Some(rest) = topic.strip_prefix("$iothub/methods/res/") {
        let (status, rest) = rest.split_once('/').ok_or("the answer to a method has no query")?;
        let status = status.parse().map_err(|_| "the status of a method's answer is no number")?;
        let rid = rid(rest)?.ok_or("the answer to a method has no $rid")?;
        return Ok(Spoken::MethodAnswer { status, rid });
    }
    let rest = topic.strip_prefix(&identity.root()).ok_or(UNKNOWN)?;
    let properties = rest.strip_prefix("/messages/events/").ok_or(UNKNOWN)?;
    if properties.contains('/') {
        return Err(UNKNOWN);
    }
    let properties = bag(properties)?;
    Ok(Spoken::Telemetry { properties })
}

/// The properties of a message, each once and with its value.
fn bag(text: &str) -> Result<text::Pairs, &'static str> {
    const MALFORMED: &str = "the property bag is malformed";
    let text = text.strip_prefix('?').unwrap_or(text);
    if text.split('&').any(|pair| pair.matches('=').count() > 1) {
        return Err(MALFORMED);
    }
    let pairs = text::pairs(text).ok_or(MALFORMED)?;
    for (at, (name, _)) in pairs.iter().enumerate() {
        if pairs.iter().skip(at + 1).any(|(other, _)| other == name) {
            return Err("a property of the message is there twice");
        }
        if name.starts_with("$.") && !SYSTEM.contains(&name.as_str()) {
            return Err("the message has a system property that there is not");
        }
    }
    Ok(pairs)
}

/// The system properties that a device may give a message.
const SYSTEM: [&str; 13] = [
    "$.mid", "$.cid", "$.uid", "$.ct", "$.ce", "$.to", "$.on", "$.exp", "$.ctime", "$.sub", "$.ifid", "$.cdid",
    "$.cmid",
];

/// # Errors
/// Why the connection ends.
pub(super) fn asked(topic: &str) -> Result<Asked, &'static str> {
    if let Some(rest) = topic.strip_prefix("$dps/registrations/PUT/iotdps-register/") {
        return Ok(Asked::Register { rid: rid(rest)? });
    }
    if let Some(rest) = topic.strip_prefix("$dps/registrations/GET/iotdps-get-operationstatus/") {
        let operation = text::value(&query(rest)?, "operationId").unwrap_or_default().to_owned();
        return Ok(Asked::Status { rid: rid(rest)?, operation });
    }
    Err("not a topic that a device publishes to")
}

/// `?` and pairs, or nothing.
fn query(text: &str) -> Result<text::Pairs, &'static str> {
    let query = match text.strip_prefix('?') {
        Some(query) => query,
        None if text.is_empty() => "",
        None => return Err("not a topic that a device publishes to"),
    };
    text::pairs(query).ok_or("the query of the topic is malformed")
}

/// The request id, where it is called `$rid`; `rid` is one that the services do not see.
fn rid(text: &str) -> Result<Option<String>, &'static str> {
    Ok(text::value(&query(text)?, "$rid").map(str::to_owned))
}

/// What a filter subscribes to; `None` for one that is not documented.
pub(super) fn filter(identity: &Identity, filter: &str) -> Option<Filter> {
    match filter {
        "$iothub/methods/POST/#" => return Some(Filter::Methods),
        "$iothub/twin/res/#" => return Some(Filter::TwinAnswers),
        "$iothub/twin/PATCH/properties/desired/#" => return Some(Filter::Desired),
        _ => {}
    }
    match (filter.strip_prefix(&identity.root())?, identity.module_id()) {
        ("/messages/devicebound/#", None) => Some(Filter::Devicebound),
        ("/inputs/#", Some(_)) => Some(Filter::Inputs),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device() -> Identity {
        Identity::device("hub", "dev-7")
    }

    #[test]
    fn the_documented_topics_are_told_apart() {
        let spoken = |topic| spoken(&device(), topic).unwrap();
        assert_eq!(spoken("$iothub/twin/GET/?$rid=4"), Spoken::TwinGet { rid: Some("4".to_owned()) });
        assert_eq!(spoken("$iothub/twin/PATCH/properties/reported/?rid=8"), Spoken::TwinPatch { rid: None });
        let answer = Spoken::MethodAnswer { status: 200, rid: "a1".to_owned() };
        assert_eq!(spoken("$iothub/methods/res/200/?$rid=a1"), answer);
        assert_eq!(spoken("devices/dev-7/messages/events/"), Spoken::Telemetry { properties: Vec::new() });
        let Spoken::Telemetry { properties } = spoken("devices/dev-7/messages/events/%24.ct=a%2Fb&$.ce=utf-8&k=&n")
        else {
            panic!("no telemetry")
        };
        let pair = |name: &str, value: Option<&str>| (name.to_owned(), value.map(str::to_owned));
        let expected = [pair("$.ct", Some("a/b")), pair("$.ce", Some("utf-8")), pair("k", Some("")), pair("n", None)];
        assert_eq!(properties, expected);
        let status = asked("$dps/registrations/GET/iotdps-get-operationstatus/?$rid=2&operationId=4.a").unwrap();
        assert_eq!(status, Asked::Status { rid: Some("2".to_owned()), operation: "4.a".to_owned() });
        assert_eq!(asked("$dps/registrations/PUT/iotdps-register/?rid=1"), Ok(Asked::Register { rid: None }));
    }

    #[test]
    fn what_is_not_documented_or_malformed_is_an_error() {
        for topic in [
            "devices/dev-7/messages/events",
            "devices/dev-7/messages/events/a/b",
            "devices/dev-8/messages/events/",
            "devices/dev-7/modules/m/messages/events/",
            "devices/dev-7/messages/events/a=1&a=2",
            "devices/dev-7/messages/events/a=%",
            "devices/dev-7/messages/events/a=b=c",
            "devices/dev-7/messages/events/&",
            "devices/dev-7/messages/events/%24.nothing=1",
            "$iothub/methods/res/?$rid=1",
            "$iothub/methods/res/ok/?$rid=1",
            "$iothub/methods/res/200/",
            "$iothub/methods/res/200/?rid=1",
            "$iothub/twin/GET",
            "$iothub/twin/GET/x",
            "$iothub/twin/PATCH/properties/desired/?$rid=1",
            "any",
        ] {
            assert!(spoken(&device(), topic).is_err(), "{topic}");
        }
        for topic in
            ["$dps/registrations/PUT/", "$dps/registrations/PUT/iotdps-register/x", "devices/a/messages/events/"]
        {
            assert!(asked(topic).is_err(), "{topic}");
        }
    }

    #[test]
    fn a_client_subscribes_to_the_documented_filters_alone() {
        let module = Identity::module("hub", "dev-7", "m");
        assert_eq!(filter(&device(), "devices/dev-7/messages/devicebound/#"), Some(Filter::Devicebound));
        assert_eq!(filter(&module, "devices/dev-7/modules/m/inputs/#"), Some(Filter::Inputs));
        for wrong in ["#", "$iothub/#", "$iothub/twin/res/+", "devices/dev-8/messages/devicebound/#", "devices/dev-7/#"]
        {
            assert_eq!(filter(&device(), wrong), None, "{wrong}");
        }
        assert_eq!(filter(&module, "devices/dev-7/messages/devicebound/#"), None);
    }
}

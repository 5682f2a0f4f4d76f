//! How are Azure's answers and events said in the words of all clouds?

use super::{Answer, Event, Letter, Unsayable};
use core::time::Duration;
use serde_json::json;
use skytether_core::{
    azure::{self, C2d, Command, Progress, Telemetry, properties::Properties},
    link::QoS,
};
use std::borrow::Cow;

/// The topic under which telemetry goes out.
const TELEMETRY: &str = "./telemetry";

/// Why nothing can be subscribed to.
pub(super) const NO_TOPICS: Unsayable = Unsayable {
    what: "this cloud has no topics to subscribe to",
    fix: "its messages, methods and changes of properties come by themselves: use skytether run",
};

/// A message of the device's: to `./telemetry`, with a property bag behind a `?` where there is one.
pub(super) fn publish(
    topic: &str,
    payload: Cow<'static, [u8]>,
    qos: QoS,
    retain: bool,
    ttl: Option<Duration>,
) -> Result<Command, Unsayable> {
    if retain {
        return Err(Unsayable { what: "this cloud retains no messages", fix: "leave `retain` out" });
    }
    if qos == QoS::ExactlyOnce {
        return Err(Unsayable { what: "this cloud has no QoS 2", fix: "write \"qos\": 1" });
    }
    let (name, bag) = topic.split_once('?').unwrap_or((topic, ""));
    if name != TELEMETRY {
        return Err(Unsayable {
            what: "this cloud has one topic for a device's messages",
            fix: "write ./telemetry, or ./telemetry?room=7&alert with properties",
        });
    }
    let properties = Properties::parse(bag).ok_or(Unsayable {
        what: "the properties behind the ? cannot be read",
        fix: "write name=value pairs with & between them, percent-encoded",
    })?;
    let mut telemetry = Telemetry::bytes(payload).qos(qos);
    for (name, value) in properties.iter() {
        telemetry = match value {
            Some(value) => telemetry.property(name, value),
            None => telemetry.flag(name),
        };
    }
    Ok(Command::Telemetry(match ttl {
        Some(ttl) => telemetry.ttl(ttl),
        None => telemetry,
    }))
}

/// What a command ended in.
#[allow(clippy::wildcard_enum_match_arm, reason = "what else there is ends in nothing to tell")]
pub(super) fn answer(answer: azure::Answer) -> Answer {
    match answer {
        azure::Answer::Sent => Answer::Published,
        azure::Answer::Reported { version } => Answer::Reported(version),
        azure::Answer::Twin(twin) => Answer::Twin(json!({
            "desired": twin.desired,
            "desired_version": twin.desired_version,
            "reported": twin.reported,
            "reported_version": twin.reported_version,
        })),
        _ => Answer::Other,
    }
}

/// What the cloud tells.
#[allow(clippy::wildcard_enum_match_arm, reason = "what else there is is told in words")]
pub(super) fn event(event: azure::Event) -> Event {
    match event {
        azure::Event::Refused { refusal, check } => Event::Refused(refusal, check),
        azure::Event::Message(message) => letter(message),
        azure::Event::OfflineCommand(command) => letter(command.message),
        azure::Event::Unrouted(message) => Event::Message(message),
        azure::Event::Method(call) => Event::Method(call),
        azure::Event::Desired(desired) => {
            Event::Desired { version: desired.version, full: desired.full, properties: desired.desired.into() }
        }
        azure::Event::Assigned(assigned) => Event::Assigned {
            hub: assigned.hub.to_string(),
            device: assigned.device.to_string(),
            payload: assigned.payload,
        },
        other => Event::Told(words(&other)),
    }
}

fn letter(message: C2d) -> Event {
    let owned = |(name, value): (&str, Option<&str>)| (name.to_owned(), value.map(str::to_owned));
    Event::Letter(Box::new(Letter {
        properties: message.properties.iter().map(owned).collect(),
        input: message.input,
        payload: message.payload.into_vec(),
    }))
}

/// An event in words, where it only is worth knowing.
#[allow(clippy::wildcard_enum_match_arm, reason = "words of a later core have none yet")]
pub(crate) fn words(event: &azure::Event) -> String {
    match event {
        azure::Event::Provisioning(Progress::Registering) => "registers with the provisioning service".to_owned(),
        azure::Event::Provisioning(Progress::Assigning { wait }) => {
            format!("is being assigned a hub; asks again in {} s", wait.as_secs())
        }
        azure::Event::Provisioning(Progress::Delayed { status, wait }) => {
            format!("the provisioning service says {status}; asks again in {} s", wait.as_secs())
        }
        azure::Event::Assigned(assigned) => {
            let kept = if assigned.stored { "which is stored" } else { "which could not be stored" };
            format!("is assigned to {} as {}, {kept}", assigned.hub, assigned.device)
        }
        azure::Event::NotAssigned(why) => why.to_string(),
        azure::Event::StoredHubUnusable(why) => format!("the stored assignment cannot be used: {why}"),
        azure::Event::Refused { refusal, check } => format!("refused: {refusal}; check {check}"),
        azure::Event::TokenExpiring { expiry } => format!("the token expires at {expiry} (Unix time)"),
        azure::Event::TokenExpired { expiry } => format!("the token expired at {expiry} (Unix time)"),
        azure::Event::ClockUnset { .. } => "the clock is not set: nothing can be signed".to_owned(),
        azure::Event::TwinUnreadable(why) => why.to_string(),
        azure::Event::TwinBehind { status: Some(status) } => {
            format!("the hub does not give the twin (status {status}); asks again")
        }
        azure::Event::TwinBehind { status: None } => "the hub does not answer about the twin; asks again".to_owned(),
        azure::Event::Message(message) => format!("a message of {} bytes", message.payload.len()),
        azure::Event::OfflineCommand(command) => format!("command {} that wants no answer", command.name),
        azure::Event::Desired(desired) => format!("desired properties, version {}", desired.version),
        azure::Event::Method(call) => format!("command {}", call.name),
        azure::Event::Unrouted(message) => format!("a message on {}, which means nothing here", message.topic()),
        _ => "something that this version does not know".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn try_to_publish(topic: &str, qos: QoS, retain: bool) -> Result<Command, Unsayable> {
        publish(topic, Cow::Borrowed(b"1"), qos, retain, None)
    }

    #[test]
    fn telemetry_has_one_topic_and_may_carry_properties() {
        let expected = Telemetry::bytes(&b"1"[..]).qos(QoS::AtMostOnce).property("room", "7 a").flag("alert");
        let said = try_to_publish("./telemetry?room=7%20a&alert", QoS::AtMostOnce, false);
        assert_eq!(said, Ok(Command::Telemetry(expected)));
        for (topic, qos, retain) in [
            ("devices/d/messages/events/", QoS::AtMostOnce, false),
            ("./telemetry", QoS::ExactlyOnce, false),
            ("./telemetry", QoS::AtMostOnce, true),
            ("./telemetry?%zz=1", QoS::AtMostOnce, false),
        ] {
            assert!(try_to_publish(topic, qos, retain).is_err(), "{topic}");
        }
    }
}

//! The hub: topics, acknowledgements, the order of desired properties, durations.

use crate::vectors::{Vector, expect};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use skytether_core::azure::{
    Telemetry,
    duration::{DurationError, IsoDuration},
    pnp::{Ack, acknowledgement},
    properties::{Properties, System},
    topic::{Rid, Topic, Whose},
    twin::{Change, Desired, Versions},
};
use std::collections::BTreeMap;

#[derive(Deserialize)]
#[serde(tag = "op", content = "args", rename_all = "snake_case", deny_unknown_fields)]
enum Build {
    DpsRegister { rid: u32 },
    DpsQuery { rid: u32, operation_id: String },
    TwinGet { rid: u32 },
    TwinPatch { rid: u32 },
    MethodResponse { rid: String, status: i32 },
    Telemetry(Message),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    device_id: String,
    module_id: Option<String>,
    system: BTreeMap<String, String>,
    properties: BTreeMap<String, Option<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Built {
    topic: String,
}

/// The topic, and the way back from the text.
pub(in crate::vectors) fn build_topic(vector: &Vector) -> Result<(), String> {
    let (input, wanted): (Build, Built) = (vector.input()?, vector.output()?);
    let topic = match &input {
        Build::DpsRegister { rid } => Topic::DpsRegister { rid: *rid },
        Build::DpsQuery { rid, operation_id } => Topic::DpsQuery { rid: *rid, operation: operation_id.into() },
        Build::TwinGet { rid } => Topic::TwinGet { rid: *rid },
        Build::TwinPatch { rid } => Topic::TwinReported { rid: *rid },
        Build::MethodResponse { rid, status } => {
            Topic::MethodAnswer { status: *status, rid: Rid::new(rid).ok_or("no request id")? }
        }
        Build::Telemetry(message) => return telemetry(message, &wanted.topic),
    };
    expect("topic", &topic.to_string(), &wanted.topic)?;
    expect("topic read", &Topic::parse(&wanted.topic), &Some(topic))
}

fn telemetry(message: &Message, wanted: &str) -> Result<(), String> {
    let mut telemetry = Telemetry::bytes(&b""[..]);
    for (key, value) in &message.system {
        telemetry = telemetry.system(System::from_short(key).ok_or("unknown system property")?, value);
    }
    for (name, value) in &message.properties {
        telemetry = match value {
            Some(value) => telemetry.property(name, value),
            None => telemetry.flag(name),
        };
    }
    let whose = whose(&message.device_id, message.module_id.as_deref());
    let topic = telemetry.topic(whose).map_err(|error| error.to_string())?;
    expect("topic", topic.as_str(), wanted)?;
    let Some(Topic::Events(from, bag)) = Topic::parse(wanted) else { return Err("not read as telemetry".to_owned()) };
    expect("whose", &from, &whose)?;
    expect("pairs read", &bag.iter().count(), &(message.system.len() + message.properties.len()))
}

fn whose<'a>(device: &'a str, module: Option<&'a str>) -> Whose<'a> {
    module.map_or_else(|| Whose::device(device), |module| Whose::module(device, module))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parse {
    topic: String,
    device_id: Option<String>,
    module_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parsed {
    parsed: Value,
}

pub(in crate::vectors) fn parse_topic(vector: &Vector) -> Result<(), String> {
    let (input, wanted): (Parse, Parsed) = (vector.input()?, vector.output()?);
    let none = || json!({"type": "none"});
    let mine = |named: Whose<'_>| {
        input.device_id.as_deref().is_none_or(|device| named == whose(device, input.module_id.as_deref()))
    };
    let seen = match Topic::parse(&input.topic) {
        Some(Topic::DpsAnswer { status, rid, retry_after }) => {
            json!({"type": "dps_response", "status": status, "rid": rid, "retry_after": retry_after})
        }
        Some(Topic::TwinAnswer { status, rid, version }) => {
            json!({"type": "twin_response", "status": status, "rid": rid, "version": version})
        }
        Some(Topic::TwinDesired { version }) => json!({"type": "twin_desired", "version": version}),
        Some(Topic::Method { component, name, rid }) => {
            json!({"type": "method", "component": component, "method": name, "rid": rid.decoded()})
        }
        Some(Topic::DeviceBound(named, bag)) if mine(named) => json!({"type": "c2d", "properties": object(&bag)}),
        Some(Topic::Input(named, input, bag)) if mine(named) => {
            json!({"type": "input", "input": input, "properties": object(&bag)})
        }
        Some(Topic::CredentialAnswer { status, rid }) => {
            json!({"type": "credential_response", "status": status, "rid": rid})
        }
        _ => none(),
    };
    expect("parsed", &seen, &wanted.parsed)
}

fn object(bag: &Properties) -> Map<String, Value> {
    bag.iter().map(|(key, value)| (key.to_owned(), json!(value))).collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Acks {
    component: Option<String>,
    acks: Vec<OneAck>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OneAck {
    name: String,
    ac: u16,
    av: u64,
    ad: Option<String>,
    value: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload {
    payload: Value,
}

pub(in crate::vectors) fn ack(vector: &Vector) -> Result<(), String> {
    let (input, wanted): (Acks, Payload) = (vector.input()?, vector.output()?);
    let acks: Vec<_> = input
        .acks
        .into_iter()
        .map(|ack| {
            let OneAck { name, ac, av, ad, value } = ack;
            let ack = Ack::new(name, ac, av, value);
            match ad {
                Some(ad) => ack.with(ad),
                None => ack,
            }
        })
        .collect();
    let seen = acknowledgement(input.component.as_deref(), &acks).map_err(|error| error.to_string())?;
    expect("payload", &seen, &wanted.payload)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sync {
    last_version: Option<u64>,
    inputs: Vec<SyncInput>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum SyncInput {
    Get(TwinSections),
    Patch(Map<String, Value>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TwinSections {
    desired: Map<String, Value>,
    #[serde(rename = "reported")]
    _reported: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Delivered {
    delivered: Vec<Value>,
}

pub(in crate::vectors) fn twin_sync(vector: &Vector) -> Result<(), String> {
    let (input, wanted): (Sync, Delivered) = (vector.input()?, vector.output()?);
    let mut versions = Versions::after(input.last_version);
    let mut seen = Vec::new();
    for one in input.inputs {
        let (members, whole) = match one {
            SyncInput::Get(twin) => (twin.desired, true),
            SyncInput::Patch(members) => (members, false),
        };
        let (version, desired) = without_version(members)?;
        if whole {
            versions.whole(version, desired, |desired| seen.push(shown(&desired)));
        } else if let Change::Next(desired) = versions.change(version, desired, 0) {
            seen.push(shown(&desired));
        }
    }
    expect("delivered", &seen, &wanted.delivered)
}

fn without_version(mut members: Map<String, Value>) -> Result<(u64, Map<String, Value>), String> {
    let version = members.remove("$version").and_then(|version| version.as_u64()).ok_or("no $version")?;
    Ok((version, members))
}

fn shown(desired: &Desired) -> Value {
    json!({"version": desired.version, "full": desired.full, "desired": desired.desired})
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    text: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Read {
    Exact(Exact),
    Calendar { fields: Fields, error_seconds: bool },
    Refused { error: bool },
}

#[derive(Deserialize)]
struct Exact {
    seconds: i64,
    nanos: u32,
    negative: bool,
    canonical: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    negative: bool,
    years: u64,
    months: u64,
    rest_seconds: u64,
}

pub(in crate::vectors) fn duration(vector: &Vector) -> Result<(), String> {
    let (input, wanted): (Text, Read) = (vector.input()?, vector.output()?);
    let read = input.text.parse::<IsoDuration>();
    match wanted {
        Read::Refused { error } => expect("refused", &read.is_err(), &error),
        Read::Calendar { fields, error_seconds } => {
            let read = read.map_err(|error| error.to_string())?;
            expect("negative", &read.is_negative(), &fields.negative)?;
            expect("years", &read.years(), &fields.years)?;
            expect("months", &read.months(), &fields.months)?;
            expect("rest", &read.rest().as_secs(), &fields.rest_seconds)?;
            expect("no seconds", &(read.length() == Err(DurationError::NeedsCalendar)), &error_seconds)
        }
        Read::Exact(exact) => {
            let read = read.map_err(|error| error.to_string())?;
            let length = read.length().map_err(|error| error.to_string())?;
            expect("seconds", &length.as_secs(), &exact.seconds.unsigned_abs())?;
            expect("sign of the seconds", &(exact.seconds < 0), &(exact.negative && exact.seconds != 0))?;
            expect("nanos", &length.subsec_nanos(), &exact.nanos)?;
            expect("negative", &read.is_negative(), &exact.negative)?;
            expect("canonical", &read.to_string(), &exact.canonical)?;
            expect("canonical read", &exact.canonical.parse(), &Ok(read))
        }
    }
}

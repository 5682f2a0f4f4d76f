//! Whole sessions with the provisioning service, step by step.

use crate::vectors::{Vector, expect};
use serde::Deserialize;
use serde_json::{Value, json};
use skytether_core::{
    azure::{
        NotAssigned, Rids,
        dps::{Next, Registration, Reply},
        endpoint::at_provisioning,
        identity::{IdScope, RegistrationId},
        topic::{DPS_ANSWERS, Topic},
    },
    io::Instant,
};
use std::time::Duration;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Session {
    id_scope: String,
    registration_id: String,
    payload: Option<Value>,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    at_ms: u64,
    #[serde(rename = "in")]
    input: Input,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Input {
    Start(bool),
    Connack(u8),
    Suback(bool),
    Publish { topic: String, payload: Value },
    Tick(bool),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    steps: Vec<Value>,
}

pub(in crate::vectors) fn session(vector: &Vector) -> Result<(), String> {
    let (input, wanted): (Session, Wanted) = (vector.input()?, vector.output()?);
    let scope = IdScope::new(&input.id_scope).map_err(|error| error.to_string())?;
    let id = RegistrationId::new(&input.registration_id).map_err(|error| error.to_string())?;
    let registration = Registration::new(&id, input.payload.as_ref(), None, Duration::from_mins(10));
    let mut run = Run { registration, rids: Rids::default() };
    expect("number of steps", &input.steps.len(), &wanted.steps.len())?;
    for (index, (step, wanted)) in input.steps.iter().zip(&wanted.steps).enumerate() {
        let seen = match &step.input {
            Input::Start(true) => {
                let hello = at_provisioning(&scope, &id, None);
                vec![json!({"connect": {"client_id": hello.client_id, "username": hello.user_name, "clean": true}})]
            }
            Input::Connack(0) => vec![json!({"subscribe": DPS_ANSWERS})],
            Input::Connack(code) => vec![json!({"failed": {"connack": code}})],
            other => run.step(Instant(step.at_ms), other)?,
        };
        expect(&format!("step {}", index + 1), &Value::Array(seen), wanted)?;
    }
    Ok(())
}

struct Run {
    registration: Registration,
    rids: Rids,
}

impl Run {
    fn step(&mut self, now: Instant, input: &Input) -> Result<Vec<Value>, String> {
        let Self { registration, rids } = self;
        let next = match input {
            Input::Suback(true) => registration.subscribed(now, rids),
            Input::Tick(true) => registration.tick(now, rids),
            Input::Publish { topic, payload } => {
                let Some(Topic::DpsAnswer { status, rid, retry_after }) = Topic::parse(topic) else {
                    return Err(format!("{topic} is no answer of the service"));
                };
                let payload = payload.to_string();
                let reply = Reply { status, rid: rid.as_deref(), retry_after, payload: payload.as_bytes() };
                registration.answer(now, rids, &reply, 0)
            }
            other => return Err(format!("no step is {other:?}")),
        };
        self.shown(next)
    }

    /// What follows, in the words of the vectors.
    fn shown(&self, next: Next) -> Result<Vec<Value>, String> {
        let timer = || self.registration.deadline().map(|deadline| json!({"timer_ms": deadline.at.0}));
        Ok(match next {
            Next::Nothing => Vec::new(),
            Next::Wait(_) => timer().into_iter().collect(),
            Next::Ask => {
                let (topic, payload) = self.registration.request().ok_or("asks, but has no request")?;
                let payload = if payload.is_empty() {
                    json!("")
                } else {
                    serde_json::from_slice(payload).map_err(|error| error.to_string())?
                };
                let publish = json!({"publish": {"topic": topic.to_string(), "payload": payload}});
                [Some(publish), timer()].into_iter().flatten().collect()
            }
            Next::Reconnect => vec![json!({"disconnect": true})],
            Next::Assigned(assignment) => {
                let (hub, device) = (assignment.hub.as_str(), assignment.device.as_str());
                let done = json!({"hub": hub, "device_id": device, "payload": assignment.payload});
                vec![json!({"disconnect": true}), json!({"done": done})]
            }
            Next::Failed(NotAssigned::Refused(error)) => {
                vec![json!({"failed": {"status": error.status, "error_code": error.code}})]
            }
            Next::Failed(NotAssigned::Failed(error)) => {
                vec![json!({"failed": {"status": error.status, "error_code": error.code, "state": "failed"}})]
            }
            Next::Failed(other) => return Err(other.to_string()),
        })
    }
}

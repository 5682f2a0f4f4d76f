//! What does the provisioning service know of whom, and what does it answer? Registrations, their operations, their ends.

use super::{
    answer::{self, ServiceError},
    config::{ProvisioningConfig, Terms},
    proof::Proof,
    text,
    topics::Asked,
    twin::Object,
};
use base64ct::{Base64, Encoding as _};
use core::time::Duration;
use serde_json::{Value, json};
use skytether_core::{
    rng::Rng,
    time::{Instant, UnixMillis},
};
use std::collections::{BTreeMap, VecDeque};

/// Registrations that are remembered; one more forgets the first in the alphabet.
const REGISTRATIONS: usize = 100_000;

/// How a registration ends, in the place of being assigned.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[allow(clippy::exhaustive_enums, reason = "the service knows no more ends")]
pub enum Ending {
    /// It is assigned to a hub.
    #[default]
    Assigned,
    /// `unassigned`
    Unassigned,
    /// `disabled`
    Disabled,
    /// `failed`, with `errorCode` and `errorMessage`.
    Failed(u32, String),
    /// A status that there is not.
    Other(String),
}

/// What the next requests are answered by, whatever they ask.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "an order, written field by field")]
pub struct Throttle {
    /// How many requests.
    pub times: u32,
    /// The error; its class is the status. 429001 mostly, or 500001.
    pub error: ServiceError,
    /// `retry-after` in seconds; `None` leaves it out.
    pub retry_after: Option<u32>,
}

/// Who is enrolled.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Enrolled {
    pub(super) device_id: String,
    /// By what this very registration proves itself: of a group with a key, by the key derived for it.
    pub(super) proof: Proof,
    pub(super) terms: Terms,
    pub(super) group: Option<String>,
}

/// What the service remembers of one registration.
#[derive(Clone, PartialEq, Debug, Default)]
#[non_exhaustive]
pub struct Registration {
    /// The hub that was assigned last.
    pub hub: Option<String>,
    /// How often it was assigned.
    pub assignments: u32,
    /// Polls that came before `retry-after` was over.
    pub hasty: u32,
    /// What the device sent as `payload` last.
    pub payload: Option<Value>,
    ending: Option<Ending>,
    operation: Option<Operation>,
}

#[derive(Clone, PartialEq, Debug)]
struct Operation {
    id: String,
    polls: u32,
    not_before: Instant,
}

/// An answer to be published.
pub(super) struct Answer {
    pub(super) topic: String,
    pub(super) body: Vec<u8>,
}

/// What is to be done for a registration that ends by being assigned.
pub(super) struct Placement<'a> {
    pub(super) enrolled: &'a Enrolled,
    pub(super) hub: &'a str,
    /// The hub on which the device was until now.
    pub(super) before: Option<String>,
    pub(super) model_id: Option<String>,
}

/// The service.
#[derive(Debug)]
pub(super) struct Provisioning {
    pub(super) config: ProvisioningConfig,
    registrations: BTreeMap<String, Registration>,
    throttles: VecDeque<Throttle>,
}

impl Provisioning {
    pub(super) fn new(config: ProvisioningConfig) -> Self {
        Self { config, registrations: BTreeMap::new(), throttles: VecDeque::new() }
    }

    /// Who this registration id may be: its own enrolment, or else each group.
    pub(super) fn candidates(&self, registration_id: &str) -> Vec<Enrolled> {
        let own = self.config.enrollments.iter().find(|e| e.registration_id.eq_ignore_ascii_case(registration_id));
        if let Some(own) = own {
            let device_id = own.device_id.clone().unwrap_or_else(|| registration_id.to_owned());
            return vec![Enrolled { device_id, proof: own.proof.clone(), terms: own.terms.clone(), group: None }];
        }
        let of_group = |group: &super::config::GroupConfig| {
            let proof = match &group.proof {
                Proof::Key(key) => Proof::Key(key.derive(registration_id)),
                Proof::Authority(issuer) => Proof::Authority(issuer.clone()),
                Proof::Thumbprint(_) => return None,
            };
            let (device_id, terms) = (registration_id.to_owned(), group.terms.clone());
            Some(Enrolled { device_id, proof, terms, group: Some(group.name.clone()) })
        };
        self.config.groups.iter().filter_map(of_group).collect()
    }

    pub(super) fn registration(&self, registration_id: &str) -> Option<&Registration> {
        self.registrations.get(&registration_id.to_ascii_lowercase())
    }

    fn entry(&mut self, registration_id: &str) -> &mut Registration {
        let key = registration_id.to_ascii_lowercase();
        if self.registrations.len() >= REGISTRATIONS && !self.registrations.contains_key(&key) {
            self.registrations.pop_first();
        }
        self.registrations.entry(key).or_default()
    }

    pub(super) fn end_by(&mut self, registration_id: &str, ending: Ending) {
        self.entry(registration_id).ending = Some(ending);
    }

    /// From now on this registration is assigned to this hub.
    pub(super) fn move_to(&mut self, registration_id: &str, hub: &str) {
        let enrollments = &mut self.config.enrollments;
        if let Some(own) = enrollments.iter_mut().find(|e| e.registration_id.eq_ignore_ascii_case(registration_id)) {
            own.terms.hub = Some(hub.to_owned());
        } else {
            for group in &mut self.config.groups {
                group.terms.hub = Some(hub.to_owned());
            }
        }
    }

    pub(super) fn throttle(&mut self, throttle: Throttle) {
        self.throttles.push_back(throttle);
    }

    /// Answers one request. `place` is called when the device is to be put on a hub.
    pub(super) fn answer(
        &mut self,
        (now, wall): (Instant, UnixMillis),
        (registration_id, enrolled): (&str, &Enrolled),
        (asked, payload): (&Asked, &[u8]),
        (hubs, rng): (&[String], &mut Rng),
        place: impl FnOnce(Placement<'_>),
    ) -> Answer {
        let rid = match asked {
            Asked::Register { rid } | Asked::Status { rid, .. } => rid.as_deref().unwrap_or_default(),
        };
        let rid = text::encode(rid);
        let answer = |status: u16, retry_after: Option<u32>, body: Vec<u8>| {
            let retry = retry_after.map_or_else(String::new, |seconds| format!("&retry-after={seconds}"));
            Answer { topic: format!("$dps/registrations/res/{status}/?$rid={rid}{retry}"), body }
        };
        if let Some(throttle) = self.throttles.front_mut() {
            throttle.times = throttle.times.saturating_sub(1);
            let Throttle { times, error, retry_after } = *throttle;
            if times == 0 {
                self.throttles.pop_front();
            }
            return answer(error.status(), retry_after, error.body(wall, rng));
        }
        let ProvisioningConfig { polls, at_once, retry_after, .. } = self.config;
        let registration = self.entry(registration_id);
        match asked {
            Asked::Register { .. } => match registered(payload, registration_id) {
                Ok(payload) => {
                    registration.payload = payload;
                    let id = format!("4.{:016x}.{:016x}", rng.next_u64(), rng.next_u64());
                    registration.operation = Some(Operation { id, polls, not_before: now });
                }
                Err(error) => return answer(error.status(), None, error.body(wall, rng)),
            },
            Asked::Status { operation, .. } => {
                let Some(known) = registration.operation.as_mut().filter(|known| known.id == *operation) else {
                    return answer(404, None, answer::NOT_FOUND.body(wall, rng));
                };
                if now < known.not_before {
                    registration.hasty = registration.hasty.saturating_add(1);
                }
            }
        }
        let Some(operation) = registration.operation.as_mut() else {
            return answer(404, None, answer::NOT_FOUND.body(wall, rng));
        };
        let id = operation.id.clone();
        let first = matches!(asked, Asked::Register { .. });
        if !at_once && (first || operation.polls > 0) {
            let state = if first {
                Value::Null
            } else {
                operation.polls = operation.polls.saturating_sub(1);
                json!({ "registrationId": registration_id, "status": "assigning" })
            };
            operation.not_before = now.after(Duration::from_secs(retry_after.unwrap_or(0).into()));
            return answer(202, retry_after, body(&id, "assigning", state));
        }
        let (status, state) = end(registration, (registration_id, enrolled), wall, (hubs, rng), place);
        answer(200, None, body(&id, &status, Value::Object(state)))
    }
}

/// `{"operationId":"…","status":"…"[,"registrationState":{…}]}`
fn body(operation: &str, status: &str, state: Value) -> Vec<u8> {
    let mut body = Object::new();
    set(&mut body, [("operationId", operation.into()), ("status", status.into())]);
    if !state.is_null() {
        set(&mut body, [("registrationState", state)]);
    }
    Value::Object(body).to_string().into_bytes()
}

fn set<const N: usize>(object: &mut Object, members: [(&str, Value); N]) {
    object.extend(members.map(|(name, value)| (name.to_owned(), value)));
}

/// The `payload` of a request to register.
fn registered(body: &[u8], registration_id: &str) -> Result<Option<Value>, ServiceError> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    let Ok(Value::Object(mut body)) = serde_json::from_slice(body) else { return Err(answer::ARGUMENT_INVALID) };
    match body.get("registrationId") {
        None | Some(Value::Null) => {}
        Some(Value::String(id)) if id.eq_ignore_ascii_case(registration_id) => {}
        Some(_) => return Err(answer::ARGUMENT_INVALID),
    }
    Ok(body.remove("payload").filter(|payload| !payload.is_null()))
}

/// The last word of an operation: the status, and `registrationState`.
fn end(
    registration: &mut Registration,
    (registration_id, enrolled): (&str, &Enrolled),
    wall: UnixMillis,
    (hubs, rng): (&[String], &mut Rng),
    place: impl FnOnce(Placement<'_>),
) -> (String, Object) {
    let now = text::timestamp(wall);
    let mut state = Object::new();
    set(
        &mut state,
        [
            ("registrationId", registration_id.into()),
            ("createdDateTimeUtc", now.clone().into()),
            ("lastUpdatedDateTimeUtc", now.into()),
            ("etag", Base64::encode_string(&rng.next_u64().to_be_bytes()).into()),
        ],
    );
    let proof = match enrolled.proof {
        Proof::Key(_) => "symmetricKey",
        Proof::Thumbprint(_) | Proof::Authority(_) => "x509",
    };
    set(&mut state, [(proof, json!({ "enrollmentGroupId": enrolled.group }))]);
    let hub = enrolled.terms.hub.as_deref().or_else(|| hubs.first().map(String::as_str));
    let hub = hub.filter(|hub| hubs.iter().any(|known| known == hub));
    let ending = match &registration.ending {
        Some(ending) => ending.clone(),
        None if enrolled.terms.disabled => Ending::Disabled,
        None => Ending::Assigned,
    };
    let status = match (ending, hub) {
        (Ending::Assigned, Some(hub)) => {
            let payload = registration.payload.as_ref();
            let model = |name| payload.and_then(|payload| payload.get(name)).and_then(Value::as_str);
            let model_id = model("modelId").or_else(|| model("iotcModelId")).map(str::to_owned);
            let before = registration.hub.replace(hub.to_owned());
            registration.assignments = registration.assignments.saturating_add(1);
            let substatus = match &before {
                None => "initialAssignment",
                Some(before) if before == hub => "reprovisionedToInitialAssignment",
                Some(_) => "deviceDataMigrated",
            };
            set(
                &mut state,
                [
                    ("substatus", substatus.into()),
                    ("assignedHub", hub.into()),
                    ("deviceId", enrolled.device_id.clone().into()),
                    ("payload", enrolled.terms.payload.clone().unwrap_or_default()),
                ],
            );
            place(Placement { enrolled, hub, before, model_id });
            "assigned".to_owned()
        }
        (Ending::Assigned, None) => {
            let ServiceError { code, message } = answer::NO_HUB;
            set(&mut state, [("errorCode", code.into()), ("errorMessage", message.into())]);
            "failed".to_owned()
        }
        (Ending::Failed(code, message), _) => {
            set(&mut state, [("errorCode", code.into()), ("errorMessage", message.into())]);
            "failed".to_owned()
        }
        (Ending::Unassigned, _) => "unassigned".to_owned(),
        (Ending::Disabled, _) => "disabled".to_owned(),
        (Ending::Other(status), _) => status,
    };
    set(&mut state, [("status", status.clone().into())]);
    (status, state)
}

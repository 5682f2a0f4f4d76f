//! What does an answer of the provisioning service say? Its status, whom it answers, and the body that decides.

use super::{LONGEST_WAIT, NotAssigned, ServiceError, shortened};
use crate::{
    azure::identity::{DeviceId, HostName},
    json,
};
use alloc::{boxed::Box, string::String};
use core::time::Duration;
use serde_json::{Map, Value};

/// An answer as topic and payload give it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "the parts of `Topic::DpsAnswer`, and its payload")]
pub struct Reply<'a> {
    /// As in HTTP.
    pub status: u16,
    /// The id of the request that it answers; empty or absent where the service did not understand it.
    pub rid: Option<&'a str>,
    /// Seconds to wait before the next request.
    pub retry_after: Option<u32>,
    /// JSON.
    pub payload: &'a [u8],
}

impl Reply<'_> {
    /// Whether it answers the one request that is open.
    pub(super) fn answers(&self, open: u32) -> bool {
        match self.rid {
            None | Some("") => true,
            Some(rid) => rid.parse() == Ok(open),
        }
    }

    /// How long the service wants us to wait, 1 s to 5 min; `None` where it does not say.
    pub(super) fn wait(&self) -> Option<Duration> {
        let wait = Duration::from_secs(u64::from(self.retry_after.filter(|seconds| *seconds > 0)?));
        Some(wait.min(LONGEST_WAIT))
    }
}

/// What the service assigned.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Assignment {
    /// `assignedHub`
    pub hub: HostName,
    /// `deviceId`
    pub device: DeviceId,
    /// `payload`, where it is not null.
    pub payload: Option<Value>,
    /// `substatus`
    pub substatus: Option<String>,
}

/// What the body of an answer with a status of 200 to 299 says.
#[derive(Debug)]
pub(super) enum Body {
    /// The service works on the operation that it names so.
    Assigning(Option<Box<str>>),
    /// A hub is assigned.
    Assigned(Box<Assignment>),
    /// It ended without a hub.
    Ended(NotAssigned),
}

/// Longest name of an operation, in bytes: the service's own have 55.
const OPERATION: usize = 256;
/// Longest text of an error that is kept, in bytes.
const TEXT: usize = 256;

impl Body {
    /// Reads a body; an error names the rule that it breaks.
    pub(super) fn parse(reply: &Reply<'_>) -> Result<Self, &'static str> {
        let Ok(Value::Object(mut body)) = json::parse(reply.payload) else {
            return Err("an answer is a JSON object");
        };
        let Some(Value::String(status)) = body.remove("status") else { return Err("an answer has a `status`") };
        let mut state = match body.remove("registrationState") {
            Some(Value::Object(state)) => state,
            Some(_) if status != "assigning" => return Err("`registrationState` is an object"),
            Some(_) | None => Map::new(),
        };
        match status.as_str() {
            "assigning" => match body.remove("operationId") {
                Some(Value::String(id)) if id.is_empty() || id.len() > OPERATION || id.contains(char::is_control) => {
                    Err("an `operationId` has 1 to 256 printable characters")
                }
                Some(Value::String(id)) => Ok(Self::Assigning(Some(id.into()))),
                Some(_) => Err("`operationId` is a text"),
                None => Ok(Self::Assigning(None)),
            },
            "assigned" => assigned(&mut state).map(|assignment| Self::Assigned(Box::new(assignment))),
            "failed" => Ok(Self::Ended(NotAssigned::Failed(ServiceError::read(reply.status, &state)))),
            "disabled" | "blacklisted" => Ok(Self::Ended(NotAssigned::Disabled)),
            "unassigned" => Ok(Self::Ended(NotAssigned::Unassigned)),
            _ => Err("a `status` is assigning, assigned, failed, disabled or unassigned"),
        }
    }
}

fn assigned(state: &mut Map<String, Value>) -> Result<Assignment, &'static str> {
    let mut text = |name| match state.remove(name) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    };
    let (Some(hub), Some(device)) = (text("assignedHub"), text("deviceId")) else {
        return Err("`assigned` comes with assignedHub and deviceId");
    };
    Ok(Assignment {
        hub: HostName::new(&hub).map_err(|_| "`assignedHub` is a host name")?,
        device: DeviceId::new(&device).map_err(|_| "`deviceId` is an id that topics can carry")?,
        substatus: text("substatus").map(|text| shortened(&text, TEXT)),
        payload: state.remove("payload").filter(|payload| !payload.is_null()),
    })
}

impl ServiceError {
    /// The error of an answer; a body that cannot be read says nothing.
    pub(super) fn parse(status: u16, payload: &[u8]) -> Self {
        match json::parse(payload) {
            Ok(Value::Object(body)) => Self::read(status, &body),
            _ => Self { status, ..Self::default() },
        }
    }

    fn read(status: u16, body: &Map<String, Value>) -> Self {
        let text = |names: [&str; 2]| {
            let found = names.into_iter().find_map(|name| body.get(name)?.as_str());
            shortened(found.unwrap_or_default(), TEXT)
        };
        Self {
            status,
            code: body.get("errorCode").and_then(Value::as_u64).and_then(|code| u32::try_from(code).ok()),
            message: text(["message", "errorMessage"]),
            tracking_id: text(["trackingId", "trackingid"]),
        }
    }
}

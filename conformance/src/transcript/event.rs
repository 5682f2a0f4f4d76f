//! How do the session's notices read as the events of a case? Kinds, fields, and what may stand between.

use crate::hex_of;
use serde_json::{Map, Value, json};
use skytether_core::{
    io::{Cause, Failure, Refusal},
    link::Message,
};
use std::fmt;

/// Something that the client told.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Event {
    pub(super) kind: &'static str,
    fields: Map<String, Value>,
    /// It may stand between expected events without being expected itself.
    optional: bool,
}

impl Event {
    fn new(kind: &'static str, fields: Value) -> Self {
        let fields = if let Value::Object(fields) = fields { fields } else { Map::new() };
        Self { kind, fields, optional: false }
    }

    /// About a call; one that the case gave no tag cannot be expected by name, and need not be.
    fn about(kind: &'static str, tag: Option<&str>, mut fields: Map<String, Value>) -> Self {
        if let Some(tag) = tag {
            fields.insert("tag".to_owned(), tag.into());
        }
        Self { kind, fields, optional: tag.is_none() }
    }

    pub(super) fn connected(session_present: bool) -> Self {
        Self::new("connected", json!({ "session_present": session_present }))
    }

    pub(super) fn refused(refusal: Refusal) -> Self {
        let name = match refusal {
            Refusal::ProtocolVersion => "unacceptable_protocol_version",
            Refusal::IdentifierRejected => "identifier_rejected",
            Refusal::ServerUnavailable => "server_unavailable",
            Refusal::BadCredentials => "bad_username_or_password",
            Refusal::NotAuthorized => "not_authorized",
            _ => "other",
        };
        Self::new("refused", json!({ "code": refusal.code(), "name": name }))
    }

    pub(super) fn disconnected(cause: Cause) -> Self {
        let mut event = Self::new("disconnected", json!({ "reason": reason(cause) }));
        event.optional = true;
        event
    }

    pub(super) fn message(message: &Message<'_>) -> Self {
        Self::new(
            "message",
            json!({
                "topic": message.topic,
                "payload_hex": base16ct::lower::encode_string(message.payload),
                "qos": message.qos.level(),
                "retain": message.retain,
                "dup": message.dup,
            }),
        )
    }

    pub(super) fn published(tag: Option<&str>) -> Self {
        Self::about("published", tag, Map::new())
    }

    pub(super) fn unsubscribed(tag: Option<&str>) -> Self {
        Self::about("unsubscribed", tag, Map::new())
    }

    pub(super) fn subscribed(tag: Option<&str>, codes: &[u8]) -> Self {
        Self::about("subscribed", tag, Map::from_iter([("codes".to_owned(), codes.into())]))
    }

    /// `kind` is `publish_failed`, `subscribe_failed` or `unsubscribe_failed`.
    pub(super) fn failed(kind: &'static str, tag: Option<&str>, why: Failure) -> Self {
        let reason = match why {
            Failure::TimedOut => "timeout",
            Failure::Lost => "session_lost",
            Failure::Expired => "expired",
            Failure::Dropped => "dropped",
            Failure::Refused(_) => "refused",
            Failure::Storage => "storage",
            Failure::Closed => "closed",
            _ => "other",
        };
        Self::about(kind, tag, Map::from_iter([("reason".to_owned(), reason.into())]))
    }

    /// Whether this is the event that a case speaks of; fields that the case leaves out are not compared, and a tag that
    /// was not given matches any.
    fn is(&self, kind: &str, fields: &Map<String, Value>) -> bool {
        self.kind == kind
            && fields.iter().all(|(name, wanted)| match self.fields.get(name) {
                Some(seen) => seen == wanted,
                None => name == "tag",
            })
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        for (name, value) in &self.fields {
            match value.as_str() {
                Some(text) if text.len() > 80 => write!(f, " {name}={}", hex_of(text.as_bytes()))?,
                _ => write!(f, " {name}={value}")?,
            }
        }
        Ok(())
    }
}

/// The word for a cause, as close reason and in `disconnected`.
pub(super) fn reason(cause: Cause) -> &'static str {
    match cause {
        Cause::Lost => "transport",
        Cause::Asked => "normal",
        Cause::Refused(_) => "refused",
        Cause::Malformed(_) => "malformed",
        Cause::Protocol(_) => "protocol",
        Cause::TooLarge { .. } => "too_large",
        Cause::ConnAckTimeout => "connack_timeout",
        Cause::PingTimeout => "ping_timeout",
        Cause::AckTimeout => "ack_timeout",
        _ => "other",
    }
}

/// Whether exactly these events came, in this order; optional ones may stand between.
///
/// # Errors
/// Says what came instead.
pub(super) fn compare(seen: &[Event], wanted: &[(String, Map<String, Value>)]) -> Result<(), String> {
    let mut wanted = wanted.iter().peekable();
    for event in seen {
        match wanted.peek() {
            Some((kind, fields)) if event.is(kind, fields) => _ = wanted.next(),
            _ if event.optional => {}
            Some((kind, fields)) => {
                return Err(format!("came {event}, expected {kind} {}", Value::from(fields.clone())));
            }
            None => return Err(format!("came {event}, expected nothing more")),
        }
    }
    match wanted.next() {
        None => Ok(()),
        Some((kind, fields)) => Err(format!("{kind} {} did not come", Value::from(fields.clone()))),
    }
}

#[cfg(test)]
mod tests {
    use super::{Event, compare};
    use serde_json::{Map, Value, json};
    use skytether_core::io::Cause;

    fn wanted(kind: &str, fields: Value) -> (String, Map<String, Value>) {
        let Value::Object(fields) = fields else { panic!() };
        (kind.to_owned(), fields)
    }

    #[test]
    fn order_and_fields_count_and_disconnected_may_stand_between() {
        let seen = [Event::published(Some("p")), Event::disconnected(Cause::Lost), Event::connected(true)];
        let (p, c) = (wanted("published", json!({"tag": "p"})), wanted("connected", json!({"session_present": true})));
        assert_eq!(compare(&seen, &[p.clone(), c.clone()]), Ok(()));
        assert!(compare(&seen, &[c.clone(), p.clone()]).is_err());
        assert!(compare(&seen, std::slice::from_ref(&p)).is_err());
        assert!(compare(&seen, &[p.clone(), c.clone(), p]).is_err());
        assert!(compare(&seen, &[wanted("published", json!({"tag": "q"})), c]).is_err());
        assert_eq!(compare(&seen[1..2], &[wanted("disconnected", json!({"reason": "transport"}))]), Ok(()));
    }
}

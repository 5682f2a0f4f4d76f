//! Do outputs follow from inputs? One check for each kind of a vector file.

mod anycloud;
mod azure;
mod demo;
mod tencent;

use crate::{Kinds, Verdict, guard};
use serde::Deserialize;
use serde_json::Value;
use std::fmt::Debug;

/// One pair of input and output.
struct Vector {
    input: Value,
    output: Value,
}

impl Vector {
    /// The input in the form of its kind; fields that it does not know make it an error.
    fn input<T: for<'de> Deserialize<'de>>(&self) -> Result<T, String> {
        serde_json::from_value(self.input.clone()).map_err(|error| format!("\"in\": {error}"))
    }

    /// The output in the form of its kind.
    fn output<T: for<'de> Deserialize<'de>>(&self) -> Result<T, String> {
        serde_json::from_value(self.output.clone()).map_err(|error| format!("\"out\": {error}"))
    }
}

/// Runs the vectors whose kind is chosen.
pub(crate) fn run(vectors: &[Value], kinds: &Kinds) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for (index, vector) in vectors.iter().enumerate() {
        let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
        let (id, kind) = (text(vector.get("id")), text(vector.get("kind")));
        let id = if id.is_empty() { format!("vector {}", index + 1) } else { id };
        let (input, output) = (vector.get("in"), vector.get("out"));
        let sub = match kind.as_str() {
            "payload" => text(input.and_then(|input| input.get("builder"))),
            "parse" => text(output.and_then(|output| output.get("event"))),
            _ => String::new(),
        };
        let kind = if sub.is_empty() { kind } else { format!("{kind}:{sub}") };
        if !kinds.choose(&kind) {
            continue;
        }
        let vector = Vector { input: input.cloned().unwrap_or_default(), output: output.cloned().unwrap_or_default() };
        let outcome = match check_of(&kind) {
            Some(check) => guard::run(move || check(&vector)),
            None => Err("not offered yet".to_owned()),
        };
        verdicts.push(Verdict::new(id, kind, outcome));
    }
    verdicts
}

type Check = fn(&Vector) -> Result<(), String>;

/// The check of a kind, if there is one.
fn check_of(kind: &str) -> Option<Check> {
    Some(match kind {
        "mqtt_auth" => tencent::mqtt_auth,
        "topics" => tencent::topics,
        "time_sync" => tencent::time_sync,
        "payload:time_request" => tencent::time_request,
        "payload:door" => demo::door,
        "parse:aircond_command" => demo::aircond_command,
        "aircond_sim" => demo::aircond_sim,
        "rule" => demo::rule,
        "sas" => azure::identity::sas,
        "derive" => azure::identity::derive,
        "username" => azure::identity::username,
        "connection_string" => azure::identity::connection_string,
        "dps_session" => azure::provisioning::session,
        "build_topic" => azure::hub::build_topic,
        "parse_topic" => azure::hub::parse_topic,
        "ack" => azure::hub::ack,
        "twin_sync" => azure::hub::twin_sync,
        "duration" => azure::hub::duration,
        "adu_report" => azure::update::report,
        "adu_ack" => azure::update::ack,
        "parse" => anycloud::parse,
        "encode" => anycloud::encode,
        "session" => anycloud::session,
        _ => return None,
    })
}

/// What a builder's message is compared with.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedMessage {
    topic: String,
    qos: u8,
    json: Value,
    spaced_len: usize,
    compact_len: usize,
}

impl WantedMessage {
    /// Compares a message; its payload may have spaces after `:` and `,` or none.
    fn compare(&self, topic: &str, qos: u8, payload: &[u8]) -> Result<(), String> {
        expect("topic", topic, self.topic.as_str())?;
        expect("qos", &qos, &self.qos)?;
        let json: Value = serde_json::from_slice(payload).map_err(|error| format!("payload is no JSON: {error}"))?;
        expect("payload", &json, &self.json)?;
        if payload.len() == self.spaced_len || payload.len() == self.compact_len {
            return Ok(());
        }
        let (spaced, compact) = (self.spaced_len, self.compact_len);
        Err(format!("payload has {} bytes, expected {spaced} with spaces or {compact} without", payload.len()))
    }
}

fn expect<T: PartialEq + Debug + ?Sized>(what: &str, seen: &T, wanted: &T) -> Result<(), String> {
    if seen == wanted { Ok(()) } else { Err(format!("{what}: {seen:?}, expected {wanted:?}")) }
}

#[cfg(test)]
mod tests {
    use super::{WantedMessage, run};
    use crate::Kinds;
    use serde_json::json;

    #[test]
    fn an_unknown_kind_is_a_failure() {
        let verdicts = run(&[json!({"id": "x", "kind": "parse", "in": {}, "out": {"event": "e"}})], &Kinds::default());
        assert_eq!(verdicts[0].kind, "parse:e");
        assert_eq!(verdicts[0].outcome, Err("not offered yet".to_owned()));
    }

    #[test]
    fn a_message_is_compared_in_all_its_parts() {
        let wanted = WantedMessage { topic: "t".into(), qos: 1, json: json!({"a": 1}), spaced_len: 8, compact_len: 7 };
        assert!(wanted.compare("t", 1, br#"{"a": 1}"#).is_ok());
        assert!(wanted.compare("t", 1, br#"{"a":1}"#).is_ok());
        assert!(wanted.compare("u", 1, br#"{"a":1}"#).is_err());
        assert!(wanted.compare("t", 0, br#"{"a":1}"#).is_err());
        assert!(wanted.compare("t", 1, br#"{"a":2}"#).is_err());
        assert!(wanted.compare("t", 1, br#"{"a"  :1}"#).is_err());
    }
}

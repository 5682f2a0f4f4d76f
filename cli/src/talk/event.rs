//! What does an event or an outcome look like as a JSON line?

use crate::{
    cloud::{Answer, Event, Letter},
    talk::command::Wrong,
};
use base64ct::{Base64, Encoding as _};
use core::time::Duration;
use serde_json::{Map, Value, json};
use skytether_core::{azure::MethodCall, device, io, io::Cause, message::Received};
use skytether_tokio::SendError;

/// The events, for help texts.
pub const SCHEMA: &str = "\
Events, one JSON object a line on stdout:
  {\"event\": \"dialling\", \"endpoint\": \"tls://host:port\"}
  {\"event\": \"up\", \"session_present\": false}       the cloud has accepted the connection
  {\"event\": \"ready\"}                              messages flow
  {\"event\": \"down\", \"cause\": \"…\", \"code\": N, \"retry_ms\": N}
                          code: that of CONNACK, where it was refused; no retry_ms: it ends
  {\"event\": \"gave_up\", \"why\": \"…\"}               another attempt would not help; the tool ends
  {\"event\": \"message\", \"topic\": T, \"qos\": 0|1|2, \"retain\": …, \"dup\": …, \"text\": \"…\" or \"base64\": \"…\"}
                          base64 where the payload is no UTF-8 text
  {\"event\": \"letter\", \"properties\": {…}, \"input\": \"…\", \"text\": … or \"base64\": …}    a message from Azure
  {\"event\": \"method\", \"call\": N, \"name\": \"…\", \"component\": \"…\", \"json\": …}   answer it within 30 s
  {\"event\": \"desired\", \"version\": N, \"full\": true|false, \"json\": {…}}    all desired properties, or changes
  {\"event\": \"assigned\", \"hub\": \"…\", \"device\": \"…\", \"json\": …}         by the provisioning service
  {\"event\": \"note\", \"text\": \"…\"}                 worth knowing; changes nothing
  {\"event\": \"done\", \"id\": …, \"result\": \"published\" | \"subscribed\" | \"unsubscribed\" | \"reported\" | \"twin\" |
                                        \"time\" | \"done\" | \"failed\", …}
                          with \"version\" (reported), \"json\" (twin), \"qos\" (subscribed), \"unix_ms\", \"offset_ms\", \"round_trip_ms\" (time),
                          \"reason\", \"code\" and \"error\" (failed)
  {\"event\": \"error\", \"line\": N, \"id\": …, \"error\": \"…\", \"fix\": \"…\"}    line N of stdin is no command
Keys that do not apply are left out. Ignore events and keys that you do not know.";

/// A line for an event of the device.
pub fn of_device(event: &device::Event<Event>) -> Value {
    match event {
        device::Event::Dialling(endpoint) => json!({"event": "dialling", "endpoint": endpoint.to_string()}),
        device::Event::Up { session_present } => json!({"event": "up", "session_present": session_present}),
        device::Event::Ready => json!({"event": "ready"}),
        device::Event::Down { cause, retry } => {
            let mut line = Map::new();
            line.insert("event".into(), "down".into());
            line.insert("cause".into(), cause.to_string().into());
            if let Cause::Refused(refusal) = cause {
                line.insert("code".into(), refusal.code().into());
            }
            if let Some(retry) = retry {
                line.insert("retry_ms".into(), millis(*retry).into());
            }
            line.into()
        }
        device::Event::GaveUp(fatal) => json!({"event": "gave_up", "why": fatal.to_string()}),
        device::Event::Note(note) => json!({"event": "note", "text": note.to_string()}),
        device::Event::Cloud(Event::Message(message)) => of_message(message),
        device::Event::Cloud(Event::Refused(refusal, check)) => {
            json!({"event": "note", "text": format!("refused: {refusal}; check {check}")})
        }
        device::Event::Cloud(Event::Letter(letter)) => of_letter(letter),
        // The caller numbers calls: `of_call`.
        device::Event::Cloud(Event::Method(call)) => of_call(0, call),
        device::Event::Cloud(Event::Desired { version, full, properties }) => {
            json!({"event": "desired", "version": version, "full": full, "json": properties})
        }
        device::Event::Cloud(Event::Assigned { hub, device, payload }) => {
            let mut line = json!({"event": "assigned", "hub": hub, "device": device});
            if let (Some(payload), Value::Object(keys)) = (payload, &mut line) {
                keys.insert("json".into(), payload.clone());
            }
            line
        }
        device::Event::Cloud(Event::Told(text)) => json!({"event": "note", "text": text}),
        device::Event::Cloud(Event::TimeDisbelieved(error)) => {
            json!({"event": "note", "text": format!("an answer about the time is not believed: {error}")})
        }
    }
}

/// A line for a message.
pub fn of_message(message: &Received) -> Value {
    let mut line = json!({
        "event": "message",
        "topic": message.topic(),
        "qos": message.qos().level(),
        "retain": message.retain(),
        "dup": message.dup(),
    });
    if let Value::Object(keys) = &mut line {
        put_payload(keys, message.payload());
    }
    line
}

/// A line for a call of a method, under the number that its answer names.
pub fn of_call(number: u64, call: &MethodCall) -> Value {
    let mut line = json!({"event": "method", "call": number, "name": call.name});
    if let Value::Object(keys) = &mut line {
        keys.extend(call.component.as_ref().map(|component| ("component".into(), component.as_str().into())));
        keys.extend(call.payload.as_ref().map(|payload| ("json".into(), payload.clone())));
    }
    line
}

fn of_letter(letter: &Letter) -> Value {
    let properties: Map<String, Value> =
        letter.properties.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
    let mut line = json!({"event": "letter", "properties": properties});
    if let Value::Object(keys) = &mut line {
        keys.extend(letter.input.as_ref().map(|input| ("input".into(), input.as_str().into())));
        put_payload(keys, &letter.payload);
    }
    line
}

fn put_payload(keys: &mut Map<String, Value>, payload: &[u8]) {
    let (key, payload) = match core::str::from_utf8(payload) {
        Ok(text) => ("text", text.to_owned()),
        Err(_) => ("base64", Base64::encode_string(payload)),
    };
    keys.insert(key.into(), payload.into());
}

/// A line for the end of a command.
pub fn of_outcome(id: Option<Value>, outcome: &Result<Answer, SendError>) -> Value {
    let mut line = Map::new();
    line.insert("event".into(), "done".into());
    if let Some(id) = id {
        line.insert("id".into(), id);
    }
    let mut put = |key: &str, value: Value| line.insert(key.into(), value);
    match outcome {
        Ok(Answer::Published) => put("result", "published".into()),
        Ok(Answer::Subscribed(qos)) => {
            put("qos", qos.level().into());
            put("result", "subscribed".into())
        }
        Ok(Answer::Unsubscribed) => put("result", "unsubscribed".into()),
        Ok(Answer::Time(time)) => {
            put("unix_ms", time.now.0.into());
            if let Some(offset) = time.offset_ms {
                put("offset_ms", offset.into());
            }
            put("round_trip_ms", millis(time.round_trip).into());
            put("result", "time".into())
        }
        Ok(Answer::Reported(version)) => {
            if let Some(version) = version {
                put("version", (*version).into());
            }
            put("result", "reported".into())
        }
        Ok(Answer::Twin(twin)) => {
            put("json", twin.clone());
            put("result", "twin".into())
        }
        Ok(Answer::Other) => put("result", "done".into()),
        Err(error) => {
            put("reason", reason(error).into());
            if let SendError::Failed(io::Failure::Refused(code)) = error {
                put("code", (*code).into());
            }
            put("error", error.to_string().into());
            put("result", "failed".into())
        }
    };
    line.into()
}

/// A line for a line that is no command.
pub fn of_wrong(number: u64, id: Option<Value>, wrong: &Wrong) -> Value {
    let mut line = json!({"event": "error", "line": number, "error": wrong.what, "fix": wrong.fix});
    if let (Some(id), Value::Object(keys)) = (id, &mut line) {
        keys.insert("id".into(), id);
    }
    line
}

/// A word for programs; the text beside it is for people.
#[allow(clippy::wildcard_enum_match_arm, reason = "words of a later core have none yet")]
fn reason(error: &SendError) -> &'static str {
    match error {
        SendError::Rejected(io::Rejected::Full) => "full",
        SendError::Rejected(io::Rejected::Offline) => "offline",
        SendError::Rejected(io::Rejected::Invalid(_)) => "invalid",
        SendError::Rejected(io::Rejected::Unsupported(_)) => "unsupported",
        SendError::Failed(failure) => match failure {
            io::Failure::TimedOut => "timed_out",
            io::Failure::Lost => "lost",
            io::Failure::Expired => "expired",
            io::Failure::Dropped => "dropped",
            io::Failure::Refused(_) => "refused",
            io::Failure::Storage => "storage",
            io::Failure::Closed => "closed",
            _ => "failed",
        },
        SendError::Gone => "closed",
        _ => "failed",
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The line as bytes, with its end.
pub fn bytes(line: &Value) -> Vec<u8> {
    format!("{line}\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use skytether_core::{
        io::Refusal,
        link::{Message, QoS},
    };

    fn message(payload: &[u8]) -> Value {
        let message = Message { topic: "t", payload, qos: QoS::AtLeastOnce, retain: true, dup: false };
        of_message(&Received::from(message))
    }

    #[test]
    fn text_is_told_as_text_and_all_else_as_base64() {
        let text = json!({"event":"message","topic":"t","qos":1,"retain":true,"dup":false,"text":"ä\n"});
        assert_eq!(message("ä\n".as_bytes()), text);
        let bytes = json!({"event":"message","topic":"t","qos":1,"retain":true,"dup":false,"base64":"/wA="});
        assert_eq!(message(&[0xff, 0]), bytes);
    }

    #[test]
    fn a_refused_connection_is_told_with_its_code_and_the_next_attempt() {
        let cause = Cause::Refused(Refusal::NotAuthorized);
        let line = of_device(&device::Event::Down { cause, retry: Some(Duration::from_millis(1500)) });
        let expected = json!({
            "event": "down", "cause": "the connection was refused: not authorized (5)", "code": 5, "retry_ms": 1500
        });
        assert_eq!(line, expected);
    }

    #[test]
    fn outcomes_carry_their_id_and_failures_their_reason() {
        let line = of_outcome(Some(json!("x")), &Ok(Answer::Subscribed(QoS::AtMostOnce)));
        assert_eq!(line, json!({"event":"done","id":"x","result":"subscribed","qos":0}));
        let line = of_outcome(None, &Err(SendError::Failed(io::Failure::Refused(128))));
        let expected = json!({
            "event": "done", "result": "failed", "reason": "refused", "code": 128,
            "error": "failed: refused with code 128"
        });
        assert_eq!(line, expected);
    }

    #[test]
    fn each_line_is_one_line() {
        let line = bytes(&message(b"a\nb"));
        assert_eq!(line.iter().position(|byte| *byte == b'\n'), Some(line.len() - 1));
    }
}

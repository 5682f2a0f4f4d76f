//! What the cloud answers to a device that asks for the time on `$sys/operation`.

use super::registry::DeviceId;
use serde::{Deserialize, Serialize};
use skytether_core::time::UnixMillis;

/// The topic of the request.
pub(super) fn request_topic(device: &DeviceId) -> String {
    format!("$sys/operation/{device}")
}

/// The topic of the answer.
pub(super) fn answer_topic(device: &DeviceId) -> String {
    format!("$sys/operation/result/{device}")
}

#[derive(Deserialize)]
struct Request {
    r#type: String,
    resource: Vec<String>,
}

#[derive(Serialize)]
struct Answer {
    r#type: &'static str,
    time: u64,
    ntptime1: u64,
    ntptime2: u64,
}

/// The answer to a request for the time, without spaces; nothing for any other payload, of which the topic has some.
pub(super) fn answer(wall: UnixMillis, payload: &[u8]) -> Option<Vec<u8>> {
    let request: Request = serde_json::from_slice(payload).ok()?;
    if request.r#type != "get" || !request.resource.iter().any(|resource| resource == "time") {
        return None;
    }
    serde_json::to_vec(&Answer { r#type: "get", time: wall.seconds(), ntptime1: wall.0, ntptime2: wall.0 }).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_has_82_bytes_and_the_fields_of_the_platform() {
        let bytes = answer(UnixMillis(1_626_419_622_610), br#"{"type": "get", "resource": ["time"]}"#).unwrap();
        assert_eq!(bytes.len(), 82);
        let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        let expected = serde_json::json!({
            "type": "get", "time": 1_626_419_622_u64, "ntptime1": 1_626_419_622_610_u64, "ntptime2": 1_626_419_622_610_u64
        });
        assert_eq!(value, expected);
    }

    #[test]
    fn other_requests_are_not_answered() {
        for other in [r#"{"type":"set","resource":["time"]}"#, r#"{"type":"get","resource":["ssh"]}"#, "{}", "[]", ""] {
            assert_eq!(answer(UnixMillis(1), other.as_bytes()), None, "{other}");
        }
    }
}

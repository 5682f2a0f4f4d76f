//! How do the services say what went wrong? A number, words, a time, and an id to ask support about.

use super::text;
use serde_json::json;
use skytether_core::{rng::Rng, time::UnixMillis};

/// One of the services' error numbers; the first three digits are the class, as HTTP has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "a number with its words, which tests compare")]
pub struct ServiceError {
    /// Such as 429001.
    pub code: u32,
    /// What the service says about it.
    pub message: &'static str,
}

impl ServiceError {
    /// The status of the answer that carries it.
    pub fn status(self) -> u16 {
        u16::try_from(self.code / 1000).unwrap_or(500)
    }

    /// `{"errorCode":…,"trackingId":"…","message":"…","timestampUtc":"…"}`
    pub(super) fn body(self, wall: UnixMillis, rng: &mut Rng) -> Vec<u8> {
        let (high, low) = (rng.next_u64(), rng.next_u64());
        let body = json!({
            "errorCode": self.code,
            "trackingId": format!("{:08x}-{:04x}-{:04x}-{low:016x}", high >> 32, (high >> 16) & 0xFFFF, high & 0xFFFF),
            "message": self.message,
            "timestampUtc": text::timestamp(wall),
        });
        body.to_string().into_bytes()
    }
}

impl core::fmt::Display for ServiceError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl core::error::Error for ServiceError {}

const fn error(code: u32, message: &'static str) -> ServiceError {
    ServiceError { code, message }
}

/// What a request asks for makes no sense.
pub(super) const ARGUMENT_INVALID: ServiceError = error(400_004, "The argument is invalid.");
/// There is no hub to assign.
pub(super) const NO_HUB: ServiceError = error(400_208, "No IoT hub is linked to the provisioning service.");
/// The certificate or key is not the one that is enrolled.
pub(super) const UNAUTHORIZED: ServiceError = error(401_003, "The credentials are not those of this device.");
/// The queue of messages to the device is full.
pub(super) const QUEUE_FULL: ServiceError = error(403_004, "50 messages wait for the device already.");
/// There is no such device.
pub(super) const DEVICE_NOT_FOUND: ServiceError = error(404_001, "There is no such device.");
/// The device is not connected, or does not listen.
pub(super) const DEVICE_NOT_ONLINE: ServiceError = error(404_103, "The device is not online.");
/// The operation or upload that is asked about is unknown.
pub(super) const NOT_FOUND: ServiceError = error(404_201, "There is no such operation.");
/// The device has ten uploads under way.
pub(super) const TOO_MANY_UPLOADS: ServiceError = error(403_006, "10 uploads of the device are under way already.");
/// The message is too large.
pub(super) const MESSAGE_TOO_LARGE: ServiceError = error(413_001, "The message is too large.");
/// Too many requests.
pub const THROTTLED: ServiceError = error(429_001, "There were too many requests.");

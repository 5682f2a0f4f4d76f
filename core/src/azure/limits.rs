//! Which bounds IoT Hub sets, and which of ours keep the client bounded.

use core::time::Duration;

/// Largest device-to-cloud message, in bytes: body, property names and values together.
pub const MESSAGE: usize = 256 * 1024;
/// Largest answer to a direct method, in bytes.
pub const METHOD: usize = 128 * 1024;
/// Largest patch of reported properties, in bytes of JSON: the 32 KiB that the hub allows the whole section, less what a
/// packet adds to them, so that it fits the reserve of the set-up lane.
pub const TWIN: usize = 32 * 1024 - 128;
/// How deep objects and arrays may nest inside the reported properties.
pub const TWIN_DEPTH: usize = 10;
/// Longest key of a reported property, in bytes.
pub const TWIN_KEY: usize = 1024;
/// Longest text in a reported property, in bytes.
pub const TWIN_TEXT: usize = 4096;
/// Integers in a twin lie within ±this: 2^52 − 1.
pub const TWIN_INTEGER: i64 = 4_503_599_627_370_495;
/// Longest topic that is read, in bytes; a longer one is told as unrouted.
pub const TOPIC: usize = 1024;
/// Pairs that a property bag or a query may hold.
pub const PAIRS: usize = 64;
/// Longest request id, method name or input name, in bytes.
pub const NAME: usize = 128;
/// Longest message id or correlation id, in bytes.
pub const MESSAGE_ID: usize = 128;

/// How long the hub may take to answer a request about the twin.
pub const TWIN_ANSWER: Duration = Duration::from_secs(30);
/// How often such a request is sent, each time under a new id.
pub const TWIN_TRIES: u8 = 3;
/// Requests about the twin that may be unanswered at once.
pub const TWIN_REQUESTS: usize = 8;
/// Commands to report properties that may wait.
pub const REPORTS: usize = 64;
/// Bytes of JSON that they may hold together.
pub const REPORT_BYTES: usize = 128 * 1024;
/// Changes of desired properties that are held back until the whole twin has come.
pub const HELD_CHANGES: usize = 16;
/// Bytes of JSON that they may hold together.
pub const HELD_BYTES: usize = 128 * 1024;
/// Uploads that may run at once; the hub allows ten of a device.
pub const UPLOADS: usize = 4;
/// Largest file that is handed over as a whole, in bytes.
pub const UPLOAD_WHOLE: usize = 1024 * 1024;
/// Largest file that is handed over in blocks, in bytes.
pub const UPLOAD_MAX: u64 = 512 * 1024 * 1024;
/// Bytes of a block; the last one may have fewer.
pub const UPLOAD_BLOCK: u64 = 128 * 1024;
/// The longest `Retry-After` of an upload that is waited out.
pub const UPLOAD_PATIENCE: Duration = Duration::from_mins(5);
/// How long a direct method may wait for its answer; the caller's time is over by then.
pub const METHOD_ANSWER: Duration = Duration::from_secs(30);
/// Direct methods that may wait for their answer at once.
pub const OPEN_METHODS: usize = 32;
/// Answers that are kept for methods that come again.
pub const KEPT_ANSWERS: usize = 16;
/// Bytes of payload that they may hold together.
pub const KEPT_BYTES: usize = 64 * 1024;
/// How long an answer is kept.
pub const KEPT_FOR: Duration = Duration::from_mins(1);

//! What the broker may ever hold and how long it waits: its own bounds, whatever the cloud.

use core::time::Duration;

/// The broker's own bounds. What a cloud promises its clients is in [`Limits`](super::policy::Limits).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "a user writes `Config { trace: …, ..Config::default() }`")]
pub struct Config {
    /// How long a connection may take to its CONNECT. Default 30 s.
    pub connect_timeout: Duration,
    /// Bytes that may wait for one client's pipe before messages wait in its session instead; one message may go over
    /// it. Default 256 KiB.
    pub transmit: usize,
    /// Bytes of acknowledgements that may wait beyond that; more closes the connection. Default 64 KiB.
    pub control: usize,
    /// Bytes of topics and payloads that may wait in one session; a message that does not fit is dropped, unless it is
    /// the only one. Default 4 MiB.
    pub queued_bytes: usize,
    /// QoS 2 messages of one client that may be without PUBREL; one more closes the connection. Default 1,000.
    pub unreleased: usize,
    /// Sessions, connected or not; a client above it is refused with code 3. Default 100,000.
    pub sessions: usize,
    /// Retained messages; a new topic above it is not retained. Default 10,000.
    pub retained: usize,
    /// Bytes of their topics and payloads. Default 64 MiB.
    pub retained_bytes: usize,
    /// Trace entries kept until the owner takes them; older ones are dropped. 0 switches the trace off. Default 1,024.
    pub trace: usize,
    /// Bytes of those entries, about. Default 4 MiB.
    pub trace_bytes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(30),
            transmit: 256 * 1024,
            control: 64 * 1024,
            queued_bytes: 4 * 1024 * 1024,
            unreleased: 1000,
            sessions: 100_000,
            retained: 10_000,
            retained_bytes: 64 * 1024 * 1024,
            trace: 1024,
            trace_bytes: 4 * 1024 * 1024,
        }
    }
}

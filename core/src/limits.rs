//! Every bound of a connection, with its default: what the core may ever hold.

/// The bounds of one device. Memory for traffic is at most `packet_in + 2 × control + 2 × (queued_bytes + 2 ×
/// reserve_bytes)`, twice because the bytes of finished messages are reused in turns, and a few dozen bytes for each
/// message and subscription held.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "a user writes `Limits { packet_in: …, ..Limits::default() }`")]
pub struct Limits {
    /// Largest packet that is accepted from the peer, in bytes, fixed header included. Default 128 KiB.
    pub packet_in: usize,
    /// Largest packet that is sent, in bytes. Default 128 KiB.
    pub packet_out: usize,
    /// Acknowledgements and other control bytes that may wait for the pipe; above it no more is read. Default 4 KiB.
    pub control: usize,
    /// QoS 1 and 2 messages that may be unacknowledged at once. Default 20.
    pub inflight: u16,
    /// Application messages that may wait to be sent; those in flight are bounded by `inflight`. Default 1000.
    pub queued: usize,
    /// Bytes of all application messages held, queued and in flight, as encoded. Default 256 KiB; over 1 GiB is taken as
    /// 1 GiB.
    pub queued_bytes: usize,
    /// Messages of the set-up and reply lanes that may wait to be sent, each. Default 16.
    pub reserve: usize,
    /// Bytes of all messages held on those lanes, each. Default 32 KiB.
    pub reserve_bytes: usize,
    /// Unanswered SUBSCRIBE and UNSUBSCRIBE requests. Default 32.
    pub requests: usize,
    /// Subscriptions that are remembered and made again on a new session. Default 100.
    pub subscriptions: usize,
    /// QoS 2 messages received whose PUBREL has not come. Default 256; one more closes the connection.
    pub received: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            packet_in: 128 * 1024,
            packet_out: 128 * 1024,
            control: 4 * 1024,
            inflight: 20,
            queued: 1000,
            queued_bytes: 256 * 1024,
            reserve: 16,
            reserve_bytes: 32 * 1024,
            requests: 32,
            subscriptions: 100,
            received: 256,
        }
    }
}

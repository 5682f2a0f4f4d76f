//! Which bounds a cloud sets on its clients, with the defaults of an ordinary broker.

use core::time::Duration;
use skytether_core::link::QoS;

/// The bounds that a policy sets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "policies write `Limits { packet: …, ..Limits::default() }`")]
pub struct Limits {
    /// Largest packet a client may send, in bytes, fixed header included; more closes the connection. Default 256 KiB.
    pub packet: usize,
    /// Highest QoS. More is granted down in a SUBSCRIBE and closes the connection in a PUBLISH. Default 2.
    pub qos: QoS,
    /// Longest keep alive in seconds; more is refused with code 2. Zero (no keep alive) is always allowed here: a policy
    /// that minds refuses it in `authenticate`. Default 65,535.
    pub keep_alive: u16,
    /// Longest client id under MQTT 3.1, in characters; more is refused with code 2. Default 23, as MQTT 3.1 says.
    pub client_id_v3_1: usize,
    /// Whether messages are retained; if not, the flag is ignored. Default true.
    pub retain: bool,
    /// Whether wills are published; if not, they are ignored. Default true.
    pub wills: bool,
    /// Subscriptions of one session; one more is answered with 0x80. Default 100.
    pub subscriptions: usize,
    /// QoS 1 and 2 messages on their way to one client at once. Default 20, at least 1.
    pub inflight: u16,
    /// How often a QoS 1 message is sent to one client, the first time included; a session that resumes drops it then.
    /// `None`: without limit. Default `None`.
    pub deliveries: Option<u16>,
    /// The longest silence of a client, whatever its keep alive, zero included. `None`: 1.5 keep alives (3.1.2-24).
    /// Default `None`.
    pub silence: Option<Duration>,
    /// Messages that may wait for one client beyond those in flight; a newer one is dropped. Default 1,000.
    pub queued: usize,
    /// How long a session without clean session outlives its connection. `None`: as long as the broker. Default `None`.
    pub session_expiry: Option<Duration>,
    /// The pause between two messages that waited while the client was away. Default none.
    pub replay_spacing: Option<Duration>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            packet: 256 * 1024,
            qos: QoS::ExactlyOnce,
            keep_alive: u16::MAX,
            client_id_v3_1: 23,
            retain: true,
            wills: true,
            subscriptions: 100,
            inflight: 20,
            deliveries: None,
            silence: None,
            queued: 1000,
            session_expiry: None,
            replay_spacing: None,
        }
    }
}

//! What a user may decide about a session, and the defaults.

use crate::{
    limits::Limits,
    queue::{Qos0Offline, QueuePolicy, Rate},
};
use core::time::Duration;

/// What happens to messages in flight when the server has lost the session (session present 0).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[allow(clippy::exhaustive_enums, reason = "the two policies that exist")]
pub enum OnSessionLost {
    /// They are sent as new messages. A QoS 2 message whose PUBREC had come fails as `Lost` instead: it has arrived
    /// already, and sending it again could double it.
    #[default]
    Republish,
    /// They fail as `Lost`.
    Fail,
}

/// The policies and time limits of a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "a user writes `Options { persist: true, ..Options::default() }`")]
pub struct Options {
    /// Every bound.
    pub limits: Limits,
    /// From the open pipe to CONNACK. Default 30 s; partial bytes do not extend it.
    pub connack_timeout: Duration,
    /// From PINGREQ to PINGRESP. `None`: 10 s, or half the keep alive where that is shorter.
    pub ping_timeout: Option<Duration>,
    /// From SUBSCRIBE or UNSUBSCRIBE to its acknowledgement; then the request fails as `TimedOut`. Default 30 s.
    pub request_timeout: Duration,
    /// When a message still unacknowledged is noted as late. Default 30 s.
    pub ack_late: Duration,
    /// When a message still unacknowledged ends the connection, since nothing else frees the window. Default 60 s;
    /// `None`: never.
    pub ack_timeout: Option<Duration>,
    /// What a full queue does.
    pub queue: QueuePolicy,
    /// What a lost session does.
    pub on_session_lost: OnSessionLost,
    /// What QoS 0 does without a connection.
    pub qos0_offline: Qos0Offline,
    /// Messages are acknowledged only by [`super::Session::acknowledge`], in the order in which they came.
    pub manual_ack: bool,
    /// The session is kept in the driver's store, so that QoS 1 and 2 hold over a restart. Messages of the set-up and
    /// reply lanes are not stored, and may be of QoS 0 and 1 only then.
    pub persist: bool,
    /// Subscriptions are made again on every connection, even where the server says that it kept them.
    pub resubscribe_always: bool,
    /// How fast application messages may leave; `None`: as fast as the pipe takes them.
    pub rate: Option<Rate>,
    /// The packet id that is used first; 1 by default, 0 is taken as 1.
    pub next_packet_id: u16,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            connack_timeout: Duration::from_secs(30),
            ping_timeout: None,
            request_timeout: Duration::from_secs(30),
            ack_late: Duration::from_secs(30),
            ack_timeout: Some(Duration::from_mins(1)),
            queue: QueuePolicy::default(),
            on_session_lost: OnSessionLost::default(),
            qos0_offline: Qos0Offline::default(),
            manual_ack: false,
            persist: false,
            resubscribe_always: false,
            rate: None,
            next_packet_id: 1,
        }
    }
}

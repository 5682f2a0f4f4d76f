//! How an ordinary broker decides: everyone may do everything, or everyone who knows a password.

use super::{At, Denial, Limits, Peer, Policy, Verdict};
use core::fmt;
use skytether_core::{
    io::Refusal,
    link::{Connect, Message, QoS},
    secret::Secret,
};
use std::collections::BTreeMap;

/// The policy of an ordinary broker: anonymous, or with a table of users; no restriction on topics.
#[derive(Clone, Default)]
pub struct Open {
    users: BTreeMap<String, Secret>,
    limits: Limits,
    first_packet_id: u16,
}

impl Open {
    /// Lets everyone in.
    pub fn anonymous() -> Self {
        Self::default()
    }

    /// Lets in one more user. From the first on, everyone needs a user name and its password; others are refused with
    /// code 4.
    #[must_use]
    pub fn with_user(mut self, name: impl Into<String>, password: Secret) -> Self {
        self.users.insert(name.into(), password);
        self
    }

    /// Sets the bounds.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets the packet id of the first message sent to each client.
    #[must_use]
    pub fn with_first_packet_id(mut self, id: u16) -> Self {
        self.first_packet_id = id;
        self
    }
}

impl fmt::Debug for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Open").field("users", &self.users.len()).field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Policy for Open {
    type Identity = ();

    fn limits(&self) -> Limits {
        self.limits
    }

    fn first_packet_id(&self, (): &()) -> u16 {
        self.first_packet_id
    }

    fn authenticate(&mut self, _: At, connect: &Connect, _: &Peer) -> Result<(), Denial> {
        if self.users.is_empty() {
            return Ok(());
        }
        let known = connect.user_name.as_ref().and_then(|name| self.users.get(name));
        let right = known.zip(connect.password.as_ref()).is_some_and(|(known, given)| known.expose() == given.expose());
        if right { Ok(()) } else { Err(Denial::Code(Refusal::BadCredentials, "unknown user or wrong password")) }
    }

    fn may_subscribe(&mut self, _: At, (): &(), _: &str, qos: QoS) -> Option<QoS> {
        Some(qos)
    }

    fn may_publish(&mut self, _: At, (): &(), _: &Message<'_>) -> Verdict {
        Verdict::Accept
    }
}

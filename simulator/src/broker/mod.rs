//! What the server side of MQTT does: many clients' bytes in, bytes out, and a policy that makes a cloud of it.

pub mod policy;

use core::fmt;

/// Names one connection, from its opening on; the owner chooses it and does not use it twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[allow(clippy::exhaustive_structs, reason = "a plain name that owners make")]
pub struct ConnId(pub u64);

impl fmt::Display for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

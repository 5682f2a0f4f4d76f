//! What only the operating system knows: the wall time, and where randomness begins.

use skytether_core::time::UnixMillis;
use std::{
    io,
    time::{SystemTime, UNIX_EPOCH},
};

/// The system's wall time; `None` where its clock stands before 1970.
pub fn wall() -> Option<UnixMillis> {
    #[allow(clippy::disallowed_methods, reason = "the runtimes are where the core's wall time comes from")]
    let since = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(since.as_millis()).ok().map(UnixMillis)
}

/// 32 random bytes of the operating system: the seed that a device draws its ids and jitter from.
///
/// # Errors
/// Where the operating system offers no randomness.
pub fn seed() -> io::Result<[u8; 32]> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)?;
    Ok(seed)
}

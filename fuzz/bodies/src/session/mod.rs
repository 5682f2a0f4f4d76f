//! Does the MQTT session keep its invariants, whatever its owner, its peer, its store and the clock do?
//!
//! Bytes: a byte of options, a byte of more options, then a list of things to do, each a byte and what it needs (see
//! [`life`]). Every list is lived twice, with the peer's bytes whole and one by one: both lives must be the same (R-2,
//! R-3), unless the session held bytes back, which it can see of a whole only. What holds in each:
//!
//! - no panic, and rest is reached in a bounded number of calls;
//! - what is held is bounded;
//! - each accepted command ends exactly once, at the latest when the session is finished; a message counts as
//!   delivered only by its acknowledgement;
//! - a QoS 2 message is shown once between its PUBLISH and its PUBREL, over reconnects too;
//! - packet ids on the wire are unique and never 0;
//! - what is sent is well-formed, in its place, and nothing is sent without a connection;
//! - no deadline is in the past once the session has been called;
//! - the password is not in the debug output;
//! - what is refused changes nothing.

mod ledger;
mod life;
mod peer;

pub(crate) fn run(data: &[u8]) {
    let (whole, held_back) = life::live(data, life::Feed::Whole);
    // A session that was shown bytes and did not take them waits longer for PINGRESP: pieces matter then.
    let (bytewise, _) = life::live(data, if held_back { life::Feed::Whole } else { life::Feed::Bytewise });
    if whole != bytewise {
        let at = whole.iter().zip(&bytewise).take_while(|(one, other)| one == other).count();
        panic!(
            "whole and byte by byte differ from entry {at} on (R-2): {:?} and {:?}, after {:?}",
            whole.get(at),
            bytewise.get(at),
            &whole[at.saturating_sub(5)..at]
        );
    }
}

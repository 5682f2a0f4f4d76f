//! In which order are a host's addresses tried, and for how long each?

use core::{net::SocketAddr, time::Duration};

/// How long one address may take while others are left to try. The machine limits the whole.
pub const EACH_ADDRESS: Duration = Duration::from_secs(5);

/// A host as name look-ups take it: an IPv6 address without its brackets.
pub fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host)
}

/// The addresses with the two families alternating, beginning with the resolver's first choice: where one family leads
/// nowhere, the second attempt already takes the other.
pub fn in_turn(found: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let found: Vec<_> = found.collect();
    let first_is_v6 = found.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = found.into_iter().partition(|address| address.is_ipv6() == first_is_v6);
    let mut second = second.into_iter();
    let mut turns = Vec::with_capacity(first.len().saturating_add(second.len()));
    for address in first {
        turns.push(address);
        turns.extend(second.next());
    }
    turns.extend(second);
    turns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r_144_the_address_families_take_turns() {
        let list = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<SocketAddr>>();
        let found = list(&["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "2.2.2.2:1"]);
        let expected = list(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "[::3]:1"]);
        assert_eq!(in_turn(found.into_iter()), expected);
        let found = list(&["1.1.1.1:1", "[::1]:1", "[::2]:1"]);
        assert_eq!(in_turn(found.clone().into_iter()), found);
        assert_eq!(in_turn(core::iter::empty()), []);
    }

    #[test]
    fn only_an_address_in_brackets_loses_them() {
        assert_eq!([bare("[::1]"), bare("::1"), bare("[half"), bare("host")], ["::1", "::1", "[half", "host"]);
    }
}

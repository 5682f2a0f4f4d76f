//! Which topic names and filters are valid, and which name does a filter match (MQTT 3.1.1, 4.7)?

/// Longest topic name or filter, in bytes of UTF-8 (4.7.3-3).
pub const MAX_LEN: usize = 65_535;

pub(crate) const EMPTY: &str = "topic is empty (4.7.3-1)";
pub(crate) const NUL: &str = "topic holds U+0000 (4.7.3-2)";
pub(crate) const TOO_LONG: &str = "topic is longer than 65535 bytes (4.7.3-3)";
pub(crate) const WILDCARD: &str = "topic name holds a wildcard (4.7.1-1)";

/// Checks a topic name, the thing that a message is published to: 1 to 65,535 bytes, no `+`, `#` or U+0000.
///
/// # Errors
/// Names the rule that is broken.
#[inline]
pub fn check_name(name: &str) -> Result<(), &'static str> {
    check_pieces(&[name]).map(|_len| ())
}

/// Checks a topic name that is given in pieces, and says how long the whole is.
#[inline]
pub(crate) fn check_pieces(pieces: &[&str]) -> Result<u16, &'static str> {
    let mut len = 0_usize;
    for piece in pieces {
        len = len.checked_add(piece.len()).ok_or(TOO_LONG)?;
        if is_special(piece.as_bytes()) {
            return Err(name_flaw(piece.as_bytes()));
        }
    }
    match u16::try_from(len) {
        Ok(0) => Err(EMPTY),
        Ok(len) => Ok(len),
        Err(_) => Err(TOO_LONG),
    }
}

/// Checks a topic filter, the thing that is subscribed to: 1 to 65,535 bytes, no U+0000; `+` fills its level, `#`
/// fills the last one.
///
/// # Errors
/// Names the rule that is broken.
pub fn check_filter(filter: &str) -> Result<(), &'static str> {
    if filter.is_empty() {
        return Err(EMPTY);
    }
    if filter.len() > MAX_LEN {
        return Err(TOO_LONG);
    }
    if is_special(filter.as_bytes()) { check_levels(filter.as_bytes()) } else { Ok(()) }
}

/// Whether a message to `topic` goes to a subscription of `filter`; both are taken to be valid.
///
/// `+` stands for one level, also an empty one; a last `#` for any number of levels, also none (`a/#` matches `a`).
/// A filter that begins with a wildcard does not match a topic that begins with `$` (4.7.2-1). Everything else is
/// compared byte by byte (4.7.3-4). A shared subscription, `$share/{name}/{filter}`, matches as its filter does.
pub fn matches(filter: &str, topic: &str) -> bool {
    let mut filter = unshared(filter.as_bytes());
    let mut topic = topic.as_bytes();
    if topic.starts_with(b"$") && matches!(filter, [b'+' | b'#', ..]) {
        return false;
    }
    // Each turn takes one level off both.
    loop {
        match filter {
            [b'#'] => return true,
            [b'+', rest @ ..] if matches!(rest, [] | [b'/', ..]) => {
                filter = rest;
                while let [byte, rest @ ..] = topic
                    && *byte != b'/'
                {
                    topic = rest;
                }
            }
            _ => {
                while let ([wanted, filter_rest @ ..], [byte, topic_rest @ ..]) = (filter, topic)
                    && wanted == byte
                    && *byte != b'/'
                {
                    (filter, topic) = (filter_rest, topic_rest);
                }
            }
        }
        match (filter, topic) {
            ([] | [b'/', b'#'], []) => return true,
            ([b'/', filter_rest @ ..], [b'/', topic_rest @ ..]) => (filter, topic) = (filter_rest, topic_rest),
            _ => return false,
        }
    }
}

/// The filter inside a shared subscription, or the filter as it is.
fn unshared(filter: &[u8]) -> &[u8] {
    let Some(shared) = filter.strip_prefix(b"$share/") else { return filter };
    let mut parts = shared.splitn(2, |byte| *byte == b'/');
    match (parts.next(), parts.next()) {
        (Some(name), Some(inner)) if !name.is_empty() && !inner.is_empty() => inner,
        _ => filter,
    }
}

/// Whether any byte is 0, `+` or `#`: sixteen bytes at a time, the last ones overlapping those before.
#[inline]
pub(crate) fn is_special(bytes: &[u8]) -> bool {
    let suspected = if let (Some(last), Some((_, init))) = (bytes.last_chunk::<16>(), bytes.split_last()) {
        let (chunks, _) = init.as_chunks::<16>();
        chunks.iter().fold(suspects(last), |found, chunk| found | suspects(chunk))
    } else if let (Some(head), Some(tail)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        below(u64::from_le_bytes(*head)) | below(u64::from_le_bytes(*tail))
    } else if let (Some(head), Some(tail)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        below(u64::from(u32::from_le_bytes(*head)) << 32 | u64::from(u32::from_le_bytes(*tail)))
    } else {
        return has_special(bytes);
    };
    suspected & HIGH != 0 && has_special(bytes)
}

const HIGH: u64 = u64::from_le_bytes([0x80; 8]);

#[inline]
fn suspects(bytes: &[u8; 16]) -> u64 {
    let (halves, _) = bytes.as_chunks::<8>();
    halves.iter().fold(0, |found, half| found | below(u64::from_le_bytes(*half)))
}

/// Marks the top bit of at least one of eight bytes if one of them is up to `+`, which 0 and `#` are as well; and of
/// some that are not ASCII. Topics have few others of those (`$` at the front, blanks): one subtraction finds that
/// there is nothing to look at more closely.
#[inline]
fn below(word: u64) -> u64 {
    // A lesser byte borrows into its top bit.
    word.wrapping_sub(u64::from_le_bytes([b'+' + 1; 8]))
}

/// Looks at every byte, without a branch for each, so that the compiler can look at many at once.
#[inline(never)]
fn has_special(bytes: &[u8]) -> bool {
    bytes.iter().fold(false, |found, byte| found | matches!(byte, 0 | b'+' | b'#'))
}

/// The rule that a name with a special byte breaks.
#[cold]
fn name_flaw(name: &[u8]) -> &'static str {
    if name.contains(&0) { NUL } else { WILDCARD }
}

#[cold]
fn check_levels(filter: &[u8]) -> Result<(), &'static str> {
    if filter.contains(&0) {
        return Err(NUL);
    }
    let mut ended = false;
    for level in filter.split(|byte| *byte == b'/') {
        if ended {
            return Err("# is not the last level of the topic filter (4.7.1-2)");
        }
        match level {
            b"#" => ended = true,
            b"+" => {}
            _ if level.contains(&b'#') => return Err("# shares its level of the topic filter (4.7.1-2)"),
            _ if level.contains(&b'+') => return Err("+ shares its level of the topic filter (4.7.1-3)"),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{string::String, vec};

    #[test]
    fn a_filter_matches_what_the_standard_says() {
        for (filter, topic, expected) in [
            ("a/b", "a/b", true),
            ("a/+", "a/b", true),
            ("a/+", "a", false),
            ("a/+", "a/", true),
            ("a/+", "a/b/c", false),
            ("a/#", "a", true),
            ("a/#", "a/", true),
            ("a/#", "a/b/c", true),
            ("a/#", "ab", false),
            ("#", "a/b", true),
            ("#", "/", true),
            ("+", "a/b", false),
            ("+/+", "/a", true),
            ("/+", "/a", true),
            ("+", "/a", false),
            ("+/#", "a", true),
            ("+/a/#", "b/a", true),
            ("a/+/c", "a//c", true),
            ("a/+/c", "a/c", false),
            ("a", "A", false),
            ("a", "a/", false),
            ("a/", "a", false),
            ("a", "ab", false),
            ("ab", "a", false),
            ("a/b/#", "a/bc", false),
            ("温度/+", "温度/ä", true),
            ("温/+", "温度/ä", false),
        ] {
            assert_eq!(matches(filter, topic), expected, "{filter} {topic}");
        }
    }

    #[test]
    fn only_a_wildcard_in_the_first_level_hides_topics_that_begin_with_a_dollar() {
        for (filter, topic, expected) in [
            ("#", "$SYS/x", false),
            ("+/x", "$SYS/x", false),
            ("+/#", "$SYS/x", false),
            ("$SYS/#", "$SYS/x", true),
            ("$SYS/+", "$SYS/x", true),
            ("$oc/devices/+/sys/#", "$oc/devices/d1/sys/commands", true),
            ("$thing/down/property/p/d", "$thing/down/property/p/d", true),
            ("a/+", "a/$x", true),
            ("a/#", "a/$x", true),
        ] {
            assert_eq!(matches(filter, topic), expected, "{filter} {topic}");
        }
    }

    #[test]
    fn a_shared_subscription_matches_as_the_filter_inside() {
        for (filter, topic, expected) in [
            ("$share/group/a/#", "a/b", true),
            ("$share/group/a/b", "a/b", true),
            ("$share/group/+", "a", true),
            ("$share/group/+", "$a", false),
            ("$share/group//a", "/a", true),
            ("$share/group/a", "b", false),
            ("$share/group", "$share/group", true),
            ("$share//a", "$share//a", true),
            ("$share//a", "a", false),
            ("$share/group/", "$share/group/", true),
            ("$share/#", "$share/group", true),
        ] {
            assert_eq!(matches(filter, topic), expected, "{filter} {topic}");
        }
    }

    #[test]
    fn a_wildcard_that_does_not_fill_its_level_is_no_wildcard() {
        for filter in ["a+", "+a", "a#", "#a", "a/+b", "#/a"] {
            assert!(!matches(filter, "a"), "{filter}");
            assert!(!matches(filter, "ab"), "{filter}");
            assert!(!matches(filter, "a/ab"), "{filter}");
        }
    }

    #[test]
    fn filters_are_judged_by_level() {
        for filter in ["a/+/b", "#", "+", "/", "a/#", "+/+/#", "/#", "//", "$share/g/+", "ä", "\u{feff}", "\u{1}"] {
            assert_eq!(check_filter(filter), Ok(()), "{filter}");
        }
        for filter in ["a#", "#/a", "a/+b", "", "+a", "##", "++", "a/#/b", "#/", "#/#", "a\0", "+/\0", "a/b#/c"] {
            assert!(check_filter(filter).is_err(), "{filter}");
        }
    }

    #[test]
    fn names_and_filters_end_at_65535_bytes() {
        let longest = String::from_utf8(vec![b'a'; MAX_LEN]).unwrap();
        let longer = longest.clone() + "a";
        assert_eq!((check_name(&longest), check_filter(&longest)), (Ok(()), Ok(())));
        assert_eq!((check_name(&longer), check_filter(&longer)), (Err(TOO_LONG), Err(TOO_LONG)));
        assert_eq!((check_name(""), check_filter("")), (Err(EMPTY), Err(EMPTY)));
    }

    #[test]
    fn the_scan_finds_each_special_byte_wherever_it_is_and_nothing_else() {
        for len in 0..40 {
            for at in 0..len {
                for fill in [b'a', 0x01, 0x7f, 0x80, 0x81, 0xa3, 0xab, 0xff, b'"', b'$', b'*', b',', b'/'] {
                    let mut bytes = vec![fill; len];
                    assert!(!is_special(&bytes));
                    for byte in 0..=u8::MAX {
                        bytes[at] = byte;
                        let expected = matches!(byte, 0 | b'+' | b'#');
                        assert_eq!(is_special(&bytes), expected, "{byte:#x} at {at} of {len} among {fill:#x}");
                    }
                }
            }
        }
    }
}

//! How does Azure write names and values into user names, topics and tokens? Percent-encoded pairs, one `&` apart.

use skytether_core::time::UnixMillis;

/// A query as it is read: names with their values decoded, in order; `None` where there is no `=`.
pub(super) type Pairs = Vec<(String, Option<String>)>;

/// Most pairs of one query; more is malformed.
const PAIRS: usize = 128;

/// Decodes `%XX`, strictly: a `%` without two hexadecimal digits, or bytes that are no UTF-8, are an error.
pub(super) fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let (high, low) = (digit(rest.next()?)?, digit(rest.next()?)?);
        bytes.push((high << 4) | low);
    }
    String::from_utf8(bytes).ok()
}

/// Encodes all but `A-Z a-z 0-9 - _ . ~`, with upper-case digits.
pub(super) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.extend(
                [byte >> 4, byte & 15]
                    .map(|digit| char::from_digit(u32::from(digit), 16).unwrap_or('0').to_ascii_uppercase()),
            );
        }
    }
    out
}

/// Splits `k=v&k=v` at each `&` and the first `=`, and decodes both sides. Empty text has no pairs.
///
/// `None`: an escape is wrong, a name is empty, or there are more than 128.
pub(super) fn pairs(query: &str) -> Option<Pairs> {
    if query.is_empty() {
        return Some(Vec::new());
    }
    let mut pairs = Vec::new();
    for part in query.split('&') {
        let (name, value) = match part.split_once('=') {
            Some((name, value)) => (decode(name)?, Some(decode(value)?)),
            None => (decode(part)?, None),
        };
        if name.is_empty() || pairs.len() >= PAIRS {
            return None;
        }
        pairs.push((name, value));
    }
    Some(pairs)
}

/// The value of a name that is there once; empty if it has none.
pub(super) fn value<'p>(pairs: &'p Pairs, name: &str) -> Option<&'p str> {
    pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_deref().unwrap_or_default())
}

/// `2030-01-02T03:04:05.6780000Z`, as the services write times.
pub(super) fn timestamp(wall: UnixMillis) -> String {
    let seconds = i64::try_from(wall.seconds()).unwrap_or(i64::MAX);
    let Ok(time) = time::OffsetDateTime::from_unix_timestamp(seconds) else {
        return "9999-12-31T23:59:59.9999999Z".to_owned();
    };
    let (date, clock, ticks) = (time.date(), time.time(), (wall.0 % 1000) * 10_000);
    let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
    let (hour, minute, second) = clock.as_hms();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ticks:07}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_read_in_any_case_and_written_in_upper_case() {
        assert_eq!(decode("a%2fb%2FC%20").as_deref(), Some("a/b/C "));
        assert_eq!(encode("a/b ü~"), "a%2Fb%20%C3%BC~");
        for wrong in ["%", "%2", "%2g", "%ff"] {
            assert_eq!(decode(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn pairs_tell_no_value_from_an_empty_one() {
        let read = pairs("a&b=&c=1%3D=2").unwrap();
        let owned = |name: &str, value: Option<&str>| (name.to_owned(), value.map(str::to_owned));
        assert_eq!(read, [owned("a", None), owned("b", Some("")), owned("c", Some("1==2"))]);
        assert_eq!((pairs(""), pairs("a&&b"), pairs("=1"), pairs("a=%")), (Some(vec![]), None, None, None));
    }

    #[test]
    fn times_have_seven_digits_behind_the_second() {
        assert_eq!(timestamp(UnixMillis(1_700_000_000_042)), "2023-11-14T22:13:20.0420000Z");
    }
}

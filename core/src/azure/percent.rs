//! How text travels in user names, tokens and topics: percent-encoding, written one way and read strictly.

use alloc::{borrow::Cow, vec::Vec};
use core::fmt;

/// A text as it stands on the wire: all but `A–Z a–z 0–9 - _ . ~` as `%XX` with upper-case digits.
///
/// ```
/// use skytether_core::azure::percent::{Encoded, decode};
///
/// assert_eq!(Encoded("dtmi:acme:Pump;3").to_string(), "dtmi%3Aacme%3APump%3B3");
/// assert_eq!(decode("a%20b%C3%a9").as_deref(), Some("a bé"));
/// assert_eq!(decode("100%"), None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "a way to write a text, and nothing else")]
pub struct Encoded<'a>(pub &'a str);

impl fmt::Display for Encoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.bytes().try_for_each(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => write!(f, "{}", char::from(byte)),
            _ => write!(f, "%{byte:02X}"),
        })
    }
}

/// The text that was encoded; digits of either case are taken, and characters that need no encoding as they stand.
/// `None` where a `%` has no two digits behind it, or what comes out is no UTF-8.
pub fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(if byte == b'%' { digit(rest.next()?)? << 4 | digit(rest.next()?)? } else { byte });
    }
    alloc::string::String::from_utf8(bytes).ok().map(Cow::Owned)
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::{String, ToString as _};
    use proptest::prelude::*;

    #[test]
    fn what_needs_no_encoding_is_borrowed() {
        assert!(matches!(decode("plain-_.~+&="), Some(Cow::Borrowed("plain-_.~+&="))));
    }

    #[test]
    fn r_122_half_an_escape_other_digits_and_broken_utf_8_are_refused() {
        for text in ["%", "%4", "a%4", "%g0", "%0g", "%+1", "%ff", "%C3", "%%20"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_read_back(text: String) {
            let wire = Encoded(&text).to_string();
            prop_assert!(wire.bytes().all(|byte| byte.is_ascii_graphic() && !b"/?#&=+ ".contains(&byte)));
            let back = decode(&wire);
            prop_assert_eq!(back.as_deref(), Some(text.as_str()));
        }

        #[test]
        fn r_1_no_text_makes_the_reader_panic(text: String) {
            let _ = decode(&text);
        }
    }
}

//! Which JSON text is accepted at all: bounded in depth, no byte order mark, duplicate keys resolved one way (R-121).

use core::fmt;
use serde_json::Value;

/// How deep arrays and objects may nest.
pub(crate) const MAX_DEPTH: usize = 32;

/// Why a text was not taken as JSON.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum JsonError {
    /// It starts with a byte order mark.
    ByteOrderMark,
    /// Arrays and objects nest deeper than 32 levels.
    TooDeep,
    /// It breaks the grammar, holds invalid UTF-8, a lone surrogate or a number beyond range; where, counted from 1.
    Syntax {
        /// Line.
        line: usize,
        /// Column.
        column: usize,
    },
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ByteOrderMark => f.write_str("it starts with a byte order mark; save it as UTF-8 without one"),
            Self::TooDeep => write!(f, "it nests deeper than {MAX_DEPTH} levels"),
            Self::Syntax { line, column } => write!(f, "it is no JSON at line {line} column {column}"),
        }
    }
}

impl core::error::Error for JsonError {}

/// Parses one JSON value. Of duplicate keys the last wins, everywhere.
///
/// # Errors
/// [`JsonError`] says which rule the text breaks.
pub(crate) fn parse(text: &[u8]) -> Result<Value, JsonError> {
    if text.starts_with(&[0xEF, 0xBB, 0xBF]) {
        return Err(JsonError::ByteOrderMark);
    }
    if depth_exceeds(text, MAX_DEPTH) {
        return Err(JsonError::TooDeep);
    }
    serde_json::from_slice(text).map_err(|error| JsonError::Syntax { line: error.line(), column: error.column() })
}

/// Counts open brackets outside strings, before the recursive parser sees any of them.
fn depth_exceeds(text: &[u8], max: usize) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > max {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use proptest::prelude::*;

    fn nested(depth: usize) -> String {
        "[".repeat(depth) + &"]".repeat(depth)
    }

    #[test]
    fn r_121_a_text_deeper_than_32_levels_is_refused_before_it_is_parsed() {
        assert!(parse(nested(32).as_bytes()).is_ok());
        assert_eq!(parse(nested(33).as_bytes()), Err(JsonError::TooDeep));
        assert_eq!(parse("[".repeat(1_000_000).as_bytes()), Err(JsonError::TooDeep));
    }

    #[test]
    fn brackets_inside_strings_do_not_count() {
        let text = alloc::format!("\"{}\\\"{}\"", "[".repeat(100), "{".repeat(100));
        assert!(parse(text.as_bytes()).is_ok());
    }

    #[test]
    fn r_121_a_byte_order_mark_is_refused() {
        assert_eq!(parse(b"\xEF\xBB\xBF{}"), Err(JsonError::ByteOrderMark));
    }

    #[test]
    fn r_121_of_duplicate_keys_the_last_wins() {
        assert_eq!(parse(br#"{"a":1,"a":2}"#).unwrap()["a"], 2);
    }

    #[test]
    fn r_121_invalid_utf_8_lone_surrogates_and_huge_numbers_are_refused() {
        for text in [&b"\"\xff\""[..], br#""\ud800""#, b"1e999", b"NaN", b"", b"{} {}"] {
            assert!(matches!(parse(text), Err(JsonError::Syntax { .. })), "{text:?}");
        }
    }

    #[test]
    fn an_error_says_where_it_is() {
        assert_eq!(parse(b"{\n  \"a\": ?\n}"), Err(JsonError::Syntax { line: 2, column: 8 }));
    }

    proptest! {
        #[test]
        fn r_1_no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
        }
    }
}

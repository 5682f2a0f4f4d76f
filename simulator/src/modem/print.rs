//! How a modem prints bytes: raw, escaped or as hex digits, by a table that differs between the dialects.

use super::config::Dialect;
use core::fmt::Write as _;

/// What a string of bytes can be printed as.
#[derive(PartialEq, Eq)]
enum Content {
    /// 0x20 to 0x7E alone.
    Plain,
    /// With control characters that have a letter.
    Lettered,
    Other,
}

/// The bytes as a value of a record.
pub(super) fn bytes(dialect: Dialect, bytes: &[u8]) -> String {
    match (content(bytes), dialect) {
        (_, Dialect::AnyCloud) if bytes.is_empty() => "[]".to_owned(),
        // Quotes and backslashes stand as they are.
        (Content::Plain, Dialect::AnyCloud) => format!("\"{}\"", String::from_utf8_lossy(bytes)),
        (Content::Plain, Dialect::Rnwf) | (Content::Lettered, _) => escaped(bytes),
        (Content::Other, _) => hex(bytes),
    }
}

fn content(bytes: &[u8]) -> Content {
    bytes.iter().fold(Content::Plain, |worst, byte| match byte {
        0x20..=0x7E => worst,
        0 | 7..=0x0D | 0x1B if worst != Content::Other => Content::Lettered,
        _ => Content::Other,
    })
}

fn escaped(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() + 8);
    text.push('"');
    for byte in bytes {
        match letter(*byte) {
            Some(letter) => text.extend(['\\', letter]),
            None => text.push(char::from(*byte)),
        }
    }
    text.push('"');
    text
}

/// What stands behind the backslash for this byte.
fn letter(byte: u8) -> Option<char> {
    Some(match byte {
        b'"' => '"',
        b'\\' => '\\',
        0 => '0',
        7 => 'a',
        8 => 'b',
        9 => 't',
        0x0A => 'n',
        0x0B => 'v',
        0x0C => 'f',
        0x0D => 'r',
        0x1B => 'e',
        _ => return None,
    })
}

/// The bytes in brackets, whatever they are.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len() + 2);
    text.push('[');
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02X}");
    }
    text.push(']');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anycloud_prints_by_its_table() {
        let cases: [(&[u8], &str); 7] = [
            (b"", "[]"),
            (b"a/b/c", "\"a/b/c\""),
            (b"{\"a\":\"\\\"}", "\"{\"a\":\"\\\"}\""),
            (b"{\"a\":1}\r\n", "\"{\\\"a\\\":1}\\r\\n\""),
            (b"\0\x07\x08\t\x0b\x0c\x1b\\", "\"\\0\\a\\b\\t\\v\\f\\e\\\\\""),
            ("{\"\u{b0}\"}".as_bytes(), "[7B22C2B0227D]"),
            (b"\t\x01", "[0901]"),
        ];
        for (content, printed) in cases {
            assert_eq!(bytes(Dialect::AnyCloud, content), printed);
        }
    }

    #[test]
    fn rnwf_escapes_every_quote() {
        assert_eq!(bytes(Dialect::Rnwf, b"{\"a\":\"\\\"}"), r#""{\"a\":\"\\\"}""#);
        assert_eq!(bytes(Dialect::Rnwf, b""), "\"\"");
        assert_eq!(bytes(Dialect::Rnwf, b"\x7f"), "[7F]");
    }

    #[test]
    fn one_byte_of_each_value_is_printed_as_the_table_says() {
        for byte in 0..=255_u8 {
            let printed = bytes(Dialect::AnyCloud, &[byte]);
            let first = printed.chars().next().unwrap();
            let hex = !matches!(byte, 0x20..=0x7E | 0 | 7..=0x0D | 0x1B);
            assert_eq!(first == '[', hex, "{byte:#x}: {printed}");
        }
    }
}

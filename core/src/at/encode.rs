//! How is a command line written, and does it fit?

use alloc::vec::Vec;
use core::fmt;

/// A parameter of a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Param<'a> {
    /// A whole number.
    Int(i64),
    /// A string of any bytes.
    Bytes(&'a [u8]),
    /// A string in pieces that follow one another.
    Pieces(&'a [&'a str]),
}

/// A command line is longer than the module takes. It would drop it without a word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "two numbers, read by whoever reports")]
pub struct TooLong {
    /// Bytes that the line would have, without its end.
    pub len: usize,
    /// Bytes that it may have.
    pub max: usize,
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the command line of {} bytes is over the modem's limit of {}: send less at once", self.len, self.max)
    }
}

impl core::error::Error for TooLong {}

/// Appends `AT`, the name, `=` and the parameters if there are any, CR and LF; or nothing.
///
/// A string is written in quotes, with escapes for quotes, backslashes and the control characters that have one; where
/// it holds any other byte outside printable ASCII, as hexadecimal digits in brackets, which both dialects read.
///
/// # Errors
/// [`TooLong`] where the line has more than `max` bytes before its end.
pub fn append(out: &mut Vec<u8>, name: &str, params: &[Param<'_>], max: usize) -> Result<(), TooLong> {
    let len = params.iter().fold(2 + name.len(), |len, param| len.saturating_add(1).saturating_add(param.len()));
    if len > max {
        return Err(TooLong { len, max });
    }
    out.reserve(len + 2);
    out.extend_from_slice(b"AT");
    out.extend_from_slice(name.as_bytes());
    for (at, param) in params.iter().enumerate() {
        out.push(if at == 0 { b'=' } else { b',' });
        param.append(out);
    }
    out.extend_from_slice(b"\r\n");
    Ok(())
}

impl Param<'_> {
    fn pieces(&self) -> impl Iterator<Item = &[u8]> + Clone {
        let (bytes, pieces): (&[u8], &[&str]) = match self {
            Self::Int(_) => (&[], &[]),
            Self::Bytes(bytes) => (bytes, &[]),
            Self::Pieces(pieces) => (&[], pieces),
        };
        core::iter::once(bytes).chain(pieces.iter().map(|piece| piece.as_bytes()))
    }

    fn all(&self) -> impl Iterator<Item = u8> + Clone {
        self.pieces().flatten().copied()
    }

    fn is_plain(&self) -> bool {
        self.all().all(|byte| matches!(byte, b' '..=b'~') || letter(byte).is_some())
    }

    fn len(&self) -> usize {
        if let Self::Int(number) = self {
            let digits = number.unsigned_abs().checked_ilog10().map_or(1, |log| log as usize + 1);
            return digits + usize::from(*number < 0);
        }
        let count = self.all().count();
        let content = if self.is_plain() {
            count.saturating_add(self.all().filter(|byte| letter(*byte).is_some()).count())
        } else {
            count.saturating_mul(2)
        };
        content.saturating_add(2)
    }

    fn append(&self, out: &mut Vec<u8>) {
        if let Self::Int(number) = self {
            if *number < 0 {
                out.push(b'-');
            }
            return append_digits(out, number.unsigned_abs());
        }
        if !self.is_plain() {
            out.push(b'[');
            out.extend(self.all().flat_map(|byte| [hex(byte >> 4), hex(byte & 15)]));
            return out.push(b']');
        }
        out.push(b'"');
        for byte in self.all() {
            match letter(byte) {
                Some(letter) => out.extend_from_slice(&[b'\\', letter]),
                None => out.push(byte),
            }
        }
        out.push(b'"');
    }
}

fn append_digits(out: &mut Vec<u8>, number: u64) {
    if number >= 10 {
        append_digits(out, number / 10);
    }
    out.push(hex(u8::try_from(number % 10).unwrap_or_default()));
}

fn hex(digit: u8) -> u8 {
    if digit < 10 { b'0' + digit } else { b'A' + (digit - 10) }
}

/// The letter that stands for a byte behind a backslash, where it needs one.
fn letter(byte: u8) -> Option<u8> {
    Some(match byte {
        b'"' | b'\\' => byte,
        0x07 => b'a',
        0x08 => b'b',
        b'\t' => b't',
        b'\n' => b'n',
        0x0b => b'v',
        0x0c => b'f',
        b'\r' => b'r',
        0x1b => b'e',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::at::{Dialect, value::Values};
    use alloc::{borrow::Cow, string::String};
    use proptest::prelude::*;

    fn line(name: &str, params: &[Param<'_>], max: usize) -> Result<String, TooLong> {
        let mut out = Vec::new();
        append(&mut out, name, params, max).map(|()| String::from_utf8(out).unwrap())
    }

    #[test]
    fn strings_are_escaped_and_what_cannot_be_is_hexadecimal() {
        let written = line("+X", &[Param::Int(-10), Param::Bytes(b"a\r\n\"\\\x1b"), Param::Bytes(b"")], 99).unwrap();
        assert_eq!(written, "AT+X=-10,\"a\\r\\n\\\"\\\\\\e\",\"\"\r\n");
        assert_eq!(line("+X", &[Param::Pieces(&["a/", "\u{b5}"])], 99).unwrap(), "AT+X=[612FC2B5]\r\n");
        assert_eq!(line("+X", &[Param::Bytes(&[0])], 99).unwrap(), "AT+X=[00]\r\n");
        assert_eq!(line("E0", &[], 99).unwrap(), "ATE0\r\n");
    }

    #[test]
    fn a_line_over_the_limit_is_refused_before_anything_is_written() {
        assert_eq!(line("+X", &[Param::Bytes(b"\"\"")], 11).unwrap(), "AT+X=\"\\\"\\\"\"\r\n");
        let mut out = Vec::new();
        assert_eq!(append(&mut out, "+X", &[Param::Bytes(b"\"\"")], 10), Err(TooLong { len: 11, max: 10 }));
        assert!(out.is_empty());
    }

    proptest! {
        #[test]
        fn a_string_comes_back_as_it_was(bytes: Vec<u8>, number: i64) {
            let mut out = Vec::new();
            append(&mut out, "+X", &[Param::Int(number), Param::Bytes(&bytes)], usize::MAX).unwrap();
            let list = out.strip_prefix(b"AT+X=").and_then(|rest| rest.strip_suffix(b"\r\n")).unwrap();
            let values: Vec<_> = Values::new(list, Dialect::Rnwf).collect();
            prop_assert_eq!(values, [Some(super::super::value::Value::Int(number)), Some(super::super::value::Value::Bytes(Cow::Borrowed(&bytes[..])))]);
            prop_assert_eq!(append(&mut Vec::new(), "+X", &[Param::Int(number), Param::Bytes(&bytes)], out.len() - 3).is_err(), true);
        }
    }
}

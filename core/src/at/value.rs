//! What stands in a list of values, and how is it written: numbers, strings with and without escapes, hexadecimal digits?

use super::Dialect;
use alloc::{borrow::Cow, vec::Vec};

/// One value of a record.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Value<'a> {
    /// A whole number.
    Int(i64),
    /// A number with a point, `9.1`: the id of one of several values. As it is written.
    Fraction(&'a str),
    /// A string, in quotes or in hexadecimal digits; or the stars that stand for a value which may only be written.
    Bytes(Cow<'a, [u8]>),
}

impl Value<'_> {
    /// The number, if it is a whole one.
    pub fn int(&self) -> Option<i64> {
        if let Self::Int(number) = self { Some(*number) } else { None }
    }

    /// The bytes of a string.
    pub fn bytes(&self) -> Option<&[u8]> {
        if let Self::Bytes(bytes) = self { Some(bytes) } else { None }
    }
}

/// The values of a record, one after the other; `None` in the place of one that is none, and then no more.
#[derive(Clone, Debug)]
pub(super) struct Values<'a> {
    rest: Option<&'a [u8]>,
    dialect: Dialect,
}

impl<'a> Values<'a> {
    /// The values in `list`; none at all where it is empty.
    pub(super) fn new(list: &'a [u8], dialect: Dialect) -> Self {
        Self { rest: (!list.is_empty()).then_some(list), dialect }
    }
}

impl<'a> Iterator for Values<'a> {
    type Item = Option<Value<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = trim_start(self.rest.take()?);
        let (value, rest) = match rest {
            [b'"', ..] => string(rest, self.dialect)?,
            [b'[', digits @ ..] => {
                let Some(end) = digits.iter().position(|byte| *byte == b']') else { return Some(None) };
                let (digits, rest) = split(digits, end);
                (unhex(digits).map(|bytes| Value::Bytes(Cow::Owned(bytes))), rest)
            }
            _ => {
                let end = rest.iter().position(|byte| *byte == b',').unwrap_or(rest.len());
                let (word, after) = rest.split_at_checked(end).unwrap_or_default();
                (word_value(word), after)
            }
        };
        match trim_start(rest) {
            [] => {}
            [b',', rest @ ..] => self.rest = Some(rest),
            _ => return Some(None),
        }
        if value.is_none() {
            self.rest = None;
        }
        Some(value)
    }
}

/// A string at the front, and what follows it.
#[allow(clippy::type_complexity, reason = "one caller, which takes it apart at once")]
fn string(text: &[u8], dialect: Dialect) -> Option<(Option<Value<'_>>, &[u8])> {
    let inner = text.get(1..)?;
    // Quotes inside are bare where the module prints a string as it is: the closing one is followed by a comma or the
    // end. Where that is nowhere so with escapes in mind, a backslash is taken as a byte like any other.
    let Some(end) = closing(inner, true).or_else(|| closing(inner, false)) else { return Some((None, &[])) };
    let (content, rest) = split(inner, end);
    let plain = Cow::Borrowed(content);
    let bytes = match unescape(content) {
        // Only a string with a control character is printed with escapes (AnyCloud); all of them are (RNWF).
        Some(bytes) if dialect == Dialect::Rnwf || bytes.iter().any(|byte| *byte < b' ') => Cow::Owned(bytes),
        Some(_) | None => plain,
    };
    Some((Some(Value::Bytes(bytes)), rest))
}

/// Where the closing quote of a string stands, seen from behind the opening one.
fn closing(inner: &[u8], escapes: bool) -> Option<usize> {
    let mut behind_backslash = false;
    for (at, byte) in inner.iter().enumerate() {
        if behind_backslash {
            behind_backslash = false;
        } else if escapes && *byte == b'\\' {
            behind_backslash = true;
        } else if *byte == b'"' && matches!(inner.get(at + 1), None | Some(b',')) {
            return Some(at);
        }
    }
    None
}

fn word_value(word: &[u8]) -> Option<Value<'_>> {
    let word = core::str::from_utf8(word.trim_ascii_end()).ok()?;
    if word.len() > 1 && word.bytes().all(|byte| byte == b'*') {
        return Some(Value::Bytes(Cow::Borrowed(word.as_bytes())));
    }
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits(word.strip_prefix('-').unwrap_or(word)) {
        return word.parse().ok().map(Value::Int);
    }
    let (whole, part) = word.split_once('.')?;
    (digits(whole) && digits(part)).then_some(Value::Fraction(word))
}

/// The bytes that a string with escapes stands for; `None` where one of them is none.
pub(super) fn unescape(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        bytes.push(if *byte == b'\\' { meaning(*rest.next()?)? } else { *byte });
    }
    Some(bytes)
}

/// The byte that an escape stands for.
pub(super) fn meaning(letter: u8) -> Option<u8> {
    Some(match letter {
        b'"' | b'\\' => letter,
        b'0' => 0,
        b'a' => 0x07,
        b'b' => 0x08,
        b't' => b'\t',
        b'n' => b'\n',
        b'v' => 0x0b,
        b'f' => 0x0c,
        b'r' => b'\r',
        b'e' => 0x1b,
        _ => return None,
    })
}

/// The bytes that pairs of hexadecimal digits of either case stand for.
pub(super) fn unhex(digits: &[u8]) -> Option<Vec<u8>> {
    let (pairs, odd) = digits.as_chunks::<2>();
    if !odd.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

/// What a hexadecimal digit stands for.
pub(super) fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

pub(super) fn trim_start(text: &[u8]) -> &[u8] {
    let at = text.iter().position(|byte| *byte != b' ').unwrap_or(text.len());
    text.get(at..).unwrap_or_default()
}

/// What stands before the byte at `at`, and what behind it.
fn split(text: &[u8], at: usize) -> (&[u8], &[u8]) {
    (text.get(..at).unwrap_or_default(), text.get(at + 1..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn bytes(text: &[u8]) -> Value<'static> {
        Value::Bytes(Cow::Owned(text.to_vec()))
    }

    /// The values of a list that holds nothing else.
    fn sound(list: &[u8], dialect: Dialect) -> Vec<Value<'_>> {
        all(list, dialect).into_iter().map(Option::unwrap).collect()
    }

    fn all(list: &[u8], dialect: Dialect) -> Vec<Option<Value<'_>>> {
        Values::new(list, dialect).collect()
    }

    #[test]
    fn every_kind_of_value_is_read() {
        let list = br#" -62, 5.1,"a, b",[00ff],******,[],"""#;
        let values = sound(list, Dialect::AnyCloud);
        let wanted = vec![
            Value::Int(-62),
            Value::Fraction("5.1"),
            bytes(b"a, b"),
            bytes(&[0, 255]),
            bytes(b"******"),
            bytes(b""),
            bytes(b""),
        ];
        assert_eq!(values, wanted);
        assert_eq!(sound(b"", Dialect::AnyCloud), []);
    }

    #[test]
    fn bare_quotes_and_backslashes_of_the_plain_form_stay_as_they_are() {
        assert_eq!(sound(br#""a"b",1"#, Dialect::AnyCloud), [bytes(br#"a"b"#), Value::Int(1)]);
        assert_eq!(sound(br#""C:\",1"#, Dialect::AnyCloud), [bytes(br"C:\"), Value::Int(1)]);
        assert_eq!(sound(br#""a\"b""#, Dialect::AnyCloud), [bytes(br#"a\"b"#)]);
        assert_eq!(sound(br#""a\nb\"""#, Dialect::AnyCloud), [bytes(b"a\nb\"")]);
        assert_eq!(sound(br#""a\"b""#, Dialect::Rnwf), [bytes(br#"a"b"#)]);
    }

    #[test]
    fn what_is_no_value_ends_the_list() {
        for list in
            [&b"1,,2"[..], b"[0", b"[0]", b"[zz]", b"\"a", b"\"a\"b", b"1.", b"x", b"1,", b"99999999999999999999"]
        {
            assert_eq!(all(list, Dialect::AnyCloud).last(), Some(&None), "{list:?}");
        }
    }

    #[test]
    fn an_escape_that_is_none_is_not_undone() {
        assert_eq!(unescape(br"\x"), None);
        assert_eq!(unescape(br"a\"), None);
        assert_eq!(unescape(br#"\0\a\b\t\n\v\f\r\e\"\\"#).unwrap(), b"\0\x07\x08\t\n\x0b\x0c\r\x1b\"\\");
    }
}

//! Where do topic and payload of an incoming message lie in its line, and how are they undone?
//!
//! An AnyCloud module tells lengths and prints strings by what is in them, quotes bare where everything is printable. The
//! lengths count decoded bytes, and now and then they are wrong: they decide inside the line, never over its end.

use super::{
    Dialect,
    value::{digit, meaning, trim_start, unescape, unhex},
};
use alloc::vec::Vec;
use core::ops::Range;

/// A message or its announcement, as places in the line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Shape {
    pub(super) topic: Text,
    pub(super) what: What,
    /// DUP, QoS and RETAIN, where the dialect tells them.
    pub(super) flags: Option<(bool, u8, bool)>,
    /// A length was not that of the text.
    pub(super) mismatch: bool,
}

/// What has come.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum What {
    Payload(Text),
    /// Too long for the module's threshold: to be fetched.
    Announced {
        id: u16,
        len: u16,
    },
}

/// A string in the line: where its content lies and how it is written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Text {
    at: Range<usize>,
    form: Form,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Form {
    Plain,
    Escaped,
    Hex,
}

impl Text {
    /// Where its bytes lie in `line`, to whose end they are appended if they have to be undone first.
    pub(super) fn settle(&self, line: &mut Vec<u8>) -> Range<usize> {
        let from = line.len();
        let mut at = self.at.clone();
        match self.form {
            Form::Plain => return at,
            Form::Escaped => {
                while let Some(byte) = at.next().and_then(|at| line.get(at).copied()) {
                    let undone =
                        if byte == b'\\' { at.next().and_then(|at| meaning(*line.get(at)?)) } else { Some(byte) };
                    line.extend(undone);
                }
            }
            Form::Hex => {
                while let (Some(high), Some(low)) = (at.next(), at.next()) {
                    let digit = |at: usize| line.get(at).copied().and_then(digit).unwrap_or_default();
                    let byte = digit(high) << 4 | digit(low);
                    line.push(byte);
                }
            }
        }
        from..line.len()
    }
}

/// Takes a line apart that tells of a message; `None` where it tells of something else, an error where it is broken.
pub(super) fn shape(line: &[u8], dialect: Dialect) -> Option<Result<Shape, ()>> {
    let cursor = |name: &[u8]| {
        let rest = line.strip_prefix(name)?;
        Some(Cursor { line, at: line.len() - rest.len() })
    };
    if dialect == Dialect::Rnwf {
        return cursor(b"+MQTTSUBRX:").map(|mut cursor| escaped(&mut cursor).ok_or(()));
    }
    cursor(b"+MQTTPUB:").map(|mut cursor| counted(&mut cursor).ok_or(()))
}

/// `<topic_len>,<topic>,<payload_len>,<payload>`.
fn counted(cursor: &mut Cursor<'_>) -> Option<Shape> {
    let (topic, one) = cursor.counted(false)?;
    cursor.comma()?;
    let (payload, other) = cursor.counted(true)?;
    Some(Shape { topic, what: What::Payload(payload), flags: None, mismatch: one || other })
}

/// `<dup>,<qos>,<retain>,<topic>,<payload>`, or with `<id>,<len>` in place of the payload.
fn escaped(cursor: &mut Cursor<'_>) -> Option<Shape> {
    let mut flag = || {
        let number = cursor.number()?;
        cursor.comma()?;
        Some(number)
    };
    let (dup, qos, retain) = (flag()?, u8::try_from(flag()?).ok()?, flag()?);
    let topic = cursor.escaped()?;
    cursor.comma()?;
    let what = if matches!(cursor.rest(), [b'"' | b'[', ..]) {
        What::Payload(cursor.escaped()?)
    } else {
        let id = u16::try_from(cursor.number()?).ok()?;
        cursor.comma()?;
        What::Announced { id, len: u16::try_from(cursor.number()?).ok()? }
    };
    cursor.rest().is_empty().then_some(Shape {
        topic,
        what,
        flags: Some((dup != 0, qos, retain != 0)),
        mismatch: false,
    })
}

/// The last string of a line, which is the payload that was asked for: its other fields differ between releases.
pub(super) fn fetched(line: &[u8]) -> Option<Text> {
    let mut cursor = Cursor { line, at: line.iter().position(|byte| *byte == b':')? + 1 };
    while !matches!(cursor.rest(), [b'"' | b'[', ..]) {
        cursor.number()?;
        cursor.comma()?;
    }
    let text = cursor.escaped()?;
    cursor.rest().is_empty().then_some(text)
}

struct Cursor<'a> {
    line: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a [u8] {
        self.line.get(self.at..).unwrap_or_default()
    }

    /// Goes on by `len` bytes.
    fn pass(&mut self, len: usize) {
        self.at += len;
    }

    /// Goes on behind the spaces that stand here.
    fn spaces(&mut self) {
        self.at = self.line.len() - trim_start(self.rest()).len();
    }

    fn comma(&mut self) -> Option<()> {
        self.rest().strip_prefix(b",")?;
        self.pass(1);
        self.spaces();
        Some(())
    }

    fn number(&mut self) -> Option<usize> {
        let len = self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
        let number = core::str::from_utf8(self.rest().get(..len)?).ok()?.parse().ok()?;
        self.pass(len);
        Some(number)
    }

    /// A place of `len` bytes behind the opening sign, which with the sign behind it is passed.
    fn text(&mut self, len: usize, form: Form) -> Text {
        let from = self.at + 1;
        self.at = (from + len + 1).min(self.line.len());
        Text { at: from..from + len, form }
    }

    fn hex(&mut self) -> Option<Text> {
        let len = self.rest().iter().position(|byte| *byte == b']')?.checked_sub(1)?;
        unhex(self.rest().get(1..=len)?)?;
        Some(self.text(len, Form::Hex))
    }

    /// A string whose quotes inside are escaped, always.
    fn escaped(&mut self) -> Option<Text> {
        if self.rest().starts_with(b"[") {
            return self.hex();
        }
        let inner = self.rest().strip_prefix(b"\"")?;
        let len = ends(inner, true).next()?;
        unescape(inner.get(..len)?)?;
        Some(self.text(len, Form::Escaped))
    }

    /// A length, and a string that should have it; whether it does not.
    fn counted(&mut self, last: bool) -> Option<(Text, bool)> {
        let wanted = self.number()?;
        self.comma()?;
        if self.rest().starts_with(b"[") {
            let text = self.hex()?;
            let mismatch = text.at.len() != wanted.saturating_mul(2);
            return Some((text, mismatch));
        }
        let inner = self.rest().strip_prefix(b"\"")?;
        // As it is: in the escaped form a quote with a comma or the end behind it is the closing one, and the text before
        // it is longer than what it stands for; so this cannot be mistaken.
        let behind = if last { None } else { Some(&b',') };
        if inner.get(wanted) == Some(&b'"') && inner.get(wanted + 1) == behind {
            return Some((self.text(wanted, Form::Plain), false));
        }
        let end = ends(inner, true).find(|end| behind == inner.get(end + 1));
        let undone = end.and_then(|end| unescape(inner.get(..end)?));
        if let (Some(end), Some(undone)) = (end, undone)
            && undone.len() == wanted
        {
            return Some((self.text(end, Form::Escaped), false));
        }
        // Neither: the length is wrong, and what the line holds is the best there is.
        let len = if !last {
            ends(inner, false).find(|end| followed_by_payload(inner.get(end + 1..).unwrap_or_default()))?
        } else if inner.len() == wanted && inner.last() != Some(&b'"') {
            wanted
        } else {
            inner.iter().rposition(|byte| *byte == b'"').unwrap_or(inner.len())
        };
        Some((self.text(len, Form::Plain), true))
    }
}

/// Where quotes stand that may be the closing one.
fn ends(inner: &[u8], escapes: bool) -> impl Iterator<Item = usize> {
    let mut behind_backslash = false;
    inner.iter().enumerate().filter_map(move |(at, byte)| {
        if behind_backslash {
            behind_backslash = false;
            return None;
        }
        behind_backslash = escapes && *byte == b'\\';
        (*byte == b'"').then_some(at)
    })
}

/// Whether a comma, digits, a comma and the beginning of a string stand here.
fn followed_by_payload(rest: &[u8]) -> bool {
    let Some(rest) = rest.strip_prefix(b",") else { return false };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    digits > 0 && matches!(rest.get(digits..), Some([b',', b'"' | b'[', ..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{
        format,
        string::{String, ToString as _},
        vec,
    };
    use proptest::prelude::*;

    /// Topic, payload and whether a length was wrong.
    type Read = (String, Vec<u8>, bool);

    fn read(line: &[u8], dialect: Dialect) -> Option<Result<Read, ()>> {
        Some(shape(line, dialect)?.map(|shape| {
            let mut line = line.to_vec();
            let topic = shape.topic.settle(&mut line);
            let What::Payload(payload) = shape.what else { panic!("an announcement") };
            let payload = payload.settle(&mut line);
            (String::from_utf8_lossy(&line[topic]).into_owned(), line[payload].to_vec(), shape.mismatch)
        }))
    }

    /// A string as an AnyCloud module prints it.
    fn print(bytes: &[u8]) -> Vec<u8> {
        let letters = b"\0\x07\x08\t\n\x0b\x0c\r\x1b";
        if bytes.is_empty() || bytes.iter().any(|byte| !(b' '..=b'~').contains(byte) && !letters.contains(byte)) {
            let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
            return format!("[{}]", digits.concat()).into_bytes();
        }
        let mut out = vec![b'"'];
        let raw = bytes.iter().all(|byte| *byte >= b' ');
        for byte in bytes {
            match letters.iter().position(|letter| letter == byte) {
                Some(at) => out.extend([b'\\', b"0abtnvfre"[at]]),
                None if !raw && matches!(byte, b'"' | b'\\') => out.extend([b'\\', *byte]),
                None => out.push(*byte),
            }
        }
        out.push(b'"');
        out
    }

    fn message(topic: &str, payload: &[u8]) -> Vec<u8> {
        let front = format!("+MQTTPUB:{},", topic.len()).into_bytes();
        let middle = format!(",{},", payload.len()).into_bytes();
        [front, print(topic.as_bytes()), middle, print(payload)].concat()
    }

    #[test]
    fn a_length_that_is_wrong_is_told_and_the_text_kept() {
        let line = br#"+MQTTPUB:1,"t",40,"{"x":{"y":1},z":2}""#;
        let wanted = ("t".to_string(), br#"{"x":{"y":1},z":2}"#.to_vec(), true);
        assert_eq!(read(line, Dialect::AnyCloud), Some(Ok(wanted)));
        let line = br#"+MQTTPUB:9,"a/b",3,"xyz""#;
        assert_eq!(read(line, Dialect::AnyCloud), Some(Ok(("a/b".to_string(), b"xyz".to_vec(), true))));
        let line = b"+MQTTPUB:1,\"t\",5,[00]";
        assert_eq!(read(line, Dialect::AnyCloud), Some(Ok(("t".to_string(), vec![0], true))));
    }

    #[test]
    fn a_broken_line_is_an_error_and_not_a_message() {
        for line in [
            "",
            "1",
            "1,",
            "1,t",
            "1,\"t\"",
            "1,\"t\",",
            "1,\"t\",2",
            "1,\"t\",2,",
            "1,\"t\",2,x",
            "x,\"t\",1,\"a\"",
            "1,\"t\",1,[0",
        ] {
            assert_eq!(read(format!("+MQTTPUB:{line}").as_bytes(), Dialect::AnyCloud), Some(Err(())), "{line}");
        }
        assert_eq!(read(b"+MQTTPUBACC", Dialect::AnyCloud), None);
        assert_eq!(read(br#"+MQTTSUBRX:0,1,0,"t","a"b""#, Dialect::Rnwf), Some(Err(())));
    }

    #[test]
    fn a_fetched_payload_is_the_last_string() {
        for line in [&br#"+MQTTSUBRD:11,3,"a\"b""#[..], br#"+MQTTSUBRD:11,"a\"b""#] {
            let mut line = line.to_vec();
            let at = fetched(&line).unwrap().settle(&mut line);
            assert_eq!(&line[at], b"a\"b");
        }
    }

    proptest! {
        #[test]
        fn any_message_comes_back_as_it_was(
            topic in "[a-c\",$#0-9/\\[]{1,20}",
            payload in prop_oneof![
                proptest::collection::vec(prop_oneof![Just(b'"'), Just(b','), Just(b'\\'), Just(b'['), b'0'..=b'9', Just(b'n')], 0..40),
                proptest::collection::vec(prop_oneof![Just(b'"'), Just(b','), Just(b'\\'), Just(b'\n'), Just(b'n'), Just(0)], 0..40),
                proptest::collection::vec(any::<u8>(), 0..40),
            ],
        ) {
            let line = message(&topic, &payload);
            let read = read(&line, Dialect::AnyCloud);
            prop_assert_eq!(read, Some(Ok((topic, payload, false))), "{}", String::from_utf8_lossy(&line));
        }

        #[test]
        fn r_1_no_line_panics(rest in proptest::collection::vec(prop_oneof![Just(b'"'), Just(b','), Just(b'\\'), Just(b'['), Just(b']'), b'0'..=b'9', any::<u8>()], 0..60)) {
            for (name, dialect) in [("+MQTTPUB:", Dialect::AnyCloud), ("+MQTTSUBRX:", Dialect::Rnwf)] {
                let line = [name.as_bytes(), &rest].concat();
                if shape(&line, dialect).is_some_and(|shape| shape.is_ok_and(|shape| matches!(shape.what, What::Payload(_)))) {
                    let _ = read(&line, dialect);
                }
                let _ = fetched(&line);
            }
        }
    }
}

//! What does a line of the modem say: a final result, a record, a message, an echo, or nothing that can be understood?

use super::{
    Dialect,
    line::{Cut, Lines},
    message::{self, What},
    value::Values,
};
use alloc::{string::String, vec::Vec};
use core::ops::Range;

/// What one line says.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Line<'a> {
    /// The final result `OK` (or `0`).
    Ok,
    /// The final result `ERROR` (or `1`), with what it tells.
    Error(Fault<'a>),
    /// A command, given back by a modem that echoes.
    Echo(&'a [u8]),
    /// An information line of the command that runs, or an event: only the state tells which.
    Record(Record<'a>),
    /// A message from the server.
    Message(Incoming<'a>),
    /// A message from the server that has to be fetched (RNWF, above its read threshold).
    Announced {
        /// Its topic.
        topic: &'a str,
        /// The id under which the modem keeps it.
        id: u16,
        /// Bytes of its payload.
        len: u16,
        /// DUP, QoS and RETAIN.
        flags: (bool, u8, bool),
    },
    /// `#`: the modem waits for raw bytes.
    Binary,
    /// Nothing that the grammar knows; the line.
    Malformed(&'a [u8]),
    /// A line longer than allowed; it was skipped.
    Overlong,
}

/// What an error tells, as far as its verbosity goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Fault<'a> {
    /// The code: `47`, on RNWF `8.0`.
    pub code: Option<&'a str>,
    /// The text.
    pub message: Option<&'a str>,
}

impl Fault<'_> {
    /// The code as one number: that of AnyCloud as it is, of RNWF the module times 256 plus the code in it; 0 where
    /// there is none.
    pub fn number(&self) -> u16 {
        let (module, code) = self.code.map_or(("", "0"), |code| code.split_once('.').unwrap_or(("", code)));
        let module: u8 = module.parse().unwrap_or(0);
        let code: u16 = code.parse().unwrap_or(0);
        u16::from(module) << 8 | code
    }
}

/// `+NAME:values`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Record<'a> {
    /// The name, without its plus sign.
    pub name: &'a str,
    /// What went wrong, of an event `+NAME:ERROR:…`; it has no values.
    pub error: Option<Fault<'a>>,
    values: &'a [u8],
    /// An equals sign stood before the values.
    assigned: bool,
    dialect: Dialect,
}

impl<'a> Record<'a> {
    /// The values, all of them sound.
    pub fn values(&self) -> impl Iterator<Item = super::Value<'a>> + use<'a> {
        Values::new(self.values, self.dialect).flatten()
    }

    /// Whether an equals sign stands before the values, not a colon: a slip of AnyCloud's firmware.
    pub(super) fn is_assigned(&self) -> bool {
        self.assigned
    }

    /// The whole numbers at the front.
    pub(super) fn numbers(&self) -> [Option<i64>; 2] {
        let mut values = self.values().map_while(|value| value.int());
        [values.next(), values.next()]
    }

    /// The first number; 0 where there is none.
    pub(super) fn number(&self) -> i64 {
        self.numbers()[0].unwrap_or_default()
    }
}

/// A message from the server, borrowed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Incoming<'a> {
    /// Topic name.
    pub topic: &'a str,
    /// Payload.
    pub payload: &'a [u8],
    /// DUP, QoS and RETAIN; `None` on AnyCloud, which does not tell them.
    pub flags: Option<(bool, u8, bool)>,
    /// The length that the modem told is not that of the text: the payload may be damaged.
    pub mismatch: bool,
}

/// Reads what a modem sends: lines out of bytes, meaning out of lines.
#[derive(Clone, Debug)]
pub struct Parser {
    lines: Lines,
    dialect: Dialect,
    /// The message whose payload was asked for: topic, and DUP, QoS and RETAIN.
    fetching: Option<(String, (bool, u8, bool))>,
}

impl Parser {
    /// A parser of this dialect, for lines of at most `longest` bytes; longer ones are skipped and told as
    /// [`Line::Overlong`]. Of [`Dialect::Auto`] it reads AnyCloud's.
    pub fn new(dialect: Dialect, longest: usize) -> Self {
        Self { lines: Lines::new(longest), dialect, fetching: None }
    }

    /// The dialect is known now.
    pub(super) fn speak(&mut self, dialect: Dialect) {
        self.dialect = dialect;
    }

    /// The payload of a message was asked for: its next answer is a [`Line::Message`].
    pub(super) fn fetch(&mut self, topic: &str, flags: (bool, u8, bool)) {
        self.fetching = Some((topic.into(), flags));
    }

    /// Forgets the line under way: the pipe is another.
    pub(super) fn restart(&mut self) {
        self.lines.restart();
        self.fetching = None;
    }

    /// Reads at most one line from the front of `bytes` and says how many bytes it used. `scratch` holds the line
    /// under way between calls and what is read from it: always the same vector, untouched.
    pub fn read<'b>(&mut self, bytes: &[u8], scratch: &'b mut Vec<u8>) -> (usize, Option<Line<'b>>) {
        let (used, cut) = self.lines.cut(bytes, scratch);
        let line = match cut {
            Cut::Nothing => None,
            Cut::Line if scratch.starts_with(b"+MQTTSUBRD:") => Some(fetched(scratch, self.fetching.take())),
            Cut::Line => Some(understand(scratch, self.dialect)),
            Cut::Binary => Some(Line::Binary),
            Cut::Overlong => Some(Line::Overlong),
        };
        (used, line)
    }
}

fn understand(line: &mut Vec<u8>, dialect: Dialect) -> Line<'_> {
    let len = line.len();
    match message::shape(line, dialect) {
        None => {}
        Some(Err(())) => return Line::Malformed(line),
        Some(Ok(shape)) => {
            let topic = shape.topic.settle(line);
            let read = match shape.what {
                What::Payload(payload) => {
                    let payload = payload.settle(line);
                    incoming(line, topic, payload, shape.flags, shape.mismatch).map(Line::Message)
                }
                What::Announced { id, len } => text(line, topic).map(|topic| Line::Announced {
                    topic,
                    id,
                    len,
                    flags: shape.flags.unwrap_or_default(),
                }),
            };
            return read.unwrap_or_else(|| Line::Malformed(line.get(..len).unwrap_or_default()));
        }
    }
    plain(line, dialect).unwrap_or(Line::Malformed(line))
}

/// The answer to what was asked for: the topic is put beside the payload.
fn fetched(line: &mut Vec<u8>, asked: Option<(String, (bool, u8, bool))>) -> Line<'_> {
    let len = line.len();
    let Some((payload, (name, flags))) = message::fetched(line).zip(asked) else { return Line::Malformed(line) };
    let payload = payload.settle(line);
    let topic = line.len()..line.len() + name.len();
    line.extend_from_slice(name.as_bytes());
    match incoming(line, topic, payload, Some(flags), false) {
        Some(message) => Line::Message(message),
        None => Line::Malformed(line.get(..len).unwrap_or_default()),
    }
}

fn incoming(
    line: &[u8],
    topic: Range<usize>,
    payload: Range<usize>,
    flags: Option<(bool, u8, bool)>,
    mismatch: bool,
) -> Option<Incoming<'_>> {
    Some(Incoming { topic: text(line, topic)?, payload: line.get(payload)?, flags, mismatch })
}

fn text(line: &[u8], at: Range<usize>) -> Option<&str> {
    core::str::from_utf8(line.get(at)?).ok()
}

/// A line that is no message.
fn plain(line: &[u8], dialect: Dialect) -> Option<Line<'_>> {
    if line.starts_with(b"AT") {
        return Some(Line::Echo(line));
    }
    match line {
        b"OK" | b"0" => return Some(Line::Ok),
        b"ERROR" | b"1" => return Some(Line::Error(Fault { code: None, message: None })),
        _ => {}
    }
    if let Some(error) = line.strip_prefix(b"ERROR:").or_else(|| line.strip_prefix(b"1:")) {
        return fault(error).map(Line::Error);
    }
    // One release prints the Wi-Fi configuration without the plus sign.
    let named = line.strip_prefix(b"+").or_else(|| line.starts_with(b"WSTAC:").then_some(line))?;
    let end = named.iter().position(|byte| !(byte.is_ascii_uppercase() || byte.is_ascii_digit()));
    let (name, rest) = named.split_at_checked(end.unwrap_or(named.len()))?;
    let name = core::str::from_utf8(name).ok()?;
    if !name.starts_with(|first: char| first.is_ascii_uppercase()) {
        return None;
    }
    let values = match rest {
        [] => rest,
        [b':' | b'=', values @ ..] => values,
        _ => return None,
    };
    let record =
        |values, error| Line::Record(Record { name, error, values, assigned: rest.starts_with(b"="), dialect });
    if values == b"ERROR" {
        return Some(record(&[], Some(Fault { code: None, message: None })));
    }
    if let Some(error) = values.strip_prefix(b"ERROR:") {
        return fault(error).map(|fault| record(&[], Some(fault)));
    }
    Values::new(values, dialect).all(|value| value.is_some()).then(|| record(values, None))
}

/// `<code>`, `<code>,"<text>"` or `"<text>"`.
fn fault(error: &[u8]) -> Option<Fault<'_>> {
    let error = core::str::from_utf8(error).ok()?.trim_ascii();
    let (code, message) = match error.split_once(',') {
        _ if error.starts_with('"') => (None, Some(error)),
        Some((code, message)) => (Some(code), Some(message)),
        None => (Some(error), None),
    };
    let number = |code: &str| !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if code.is_some_and(|code| !number(code)) {
        return None;
    }
    let Some(message) = message else { return Some(Fault { code, message: None }) };
    let message = message.trim_ascii().strip_prefix('"')?.strip_suffix('"')?;
    Some(Fault { code, message: Some(message) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::at::Value;
    use alloc::{format, string::ToString as _, vec};
    use proptest::prelude::*;

    fn lines(stream: &[u8], dialect: Dialect, piece: usize) -> Vec<String> {
        let (mut parser, mut scratch, mut found) = (Parser::new(dialect, 300), Vec::new(), Vec::new());
        for mut piece in stream.chunks(piece) {
            while !piece.is_empty() {
                let (used, line) = parser.read(piece, &mut scratch);
                piece = &piece[used..];
                found.extend(line.map(|line| format!("{line:?}")));
            }
        }
        found
    }

    fn one(line: &str) -> String {
        lines(format!("{line}\r\n").as_bytes(), Dialect::AnyCloud, 1000).concat()
    }

    #[test]
    fn results_of_every_verbosity_are_read() {
        for line in ["OK", "0"] {
            assert_eq!(one(line), "Ok");
        }
        for (line, code, message) in [
            ("ERROR", None, None),
            ("1", None, None),
            ("1:47", Some("47"), None),
            ("ERROR:47", Some("47"), None),
            ("ERROR:\"MQTT Error\"", None, Some("MQTT Error")),
            ("ERROR:8.0,\"MQTT, Error\"", Some("8.0"), Some("MQTT, Error")),
        ] {
            assert_eq!(one(line), format!("{:?}", Line::Error(Fault { code, message })), "{line}");
        }
    }

    #[test]
    fn codes_of_both_dialects_are_numbers() {
        let number = |code| Fault { code, message: None }.number();
        assert_eq!((number(Some("47")), number(Some("8.0")), number(Some("20.3")), number(None)), (47, 2048, 5123, 0));
    }

    #[test]
    fn slips_of_the_firmware_are_records() {
        let (mut parser, mut scratch) = (Parser::new(Dialect::AnyCloud, 99), Vec::new());
        let mut read = |line: &str| -> (String, Vec<Value<'static>>) {
            let (_, Some(Line::Record(record))) = parser.read(line.as_bytes(), &mut scratch) else { panic!("{line}") };
            (record.name.to_string(), record.values().filter_map(|value| value.int().map(Value::Int)).collect())
        };
        assert_eq!(read("WSTAC:4,255\n"), ("WSTAC".to_string(), [4, 255].map(Value::Int).to_vec()));
        assert_eq!(read("+GMM=\"PIC32MZW1\"\n"), ("GMM".to_string(), Vec::new()));
        assert_eq!(read("+READCERT:1, 4,[00]\n"), ("READCERT".to_string(), [1, 4].map(Value::Int).to_vec()));
    }

    #[test]
    fn what_the_grammar_does_not_know_is_malformed() {
        for line in ["+", "+x:1", "+X;1", "+X:1,", "x", "ERROR:x", "ERROR:47,x", "+9:1", "2"] {
            assert!(one(line).starts_with("Malformed"), "{line}: {}", one(line));
        }
        assert!(one("+MQTTPUB:1,[FF],1,\"x\"").starts_with("Malformed"), "a topic is UTF-8");
        assert_eq!(one(&"x".repeat(301)), "Overlong");
    }

    proptest! {
        #[test]
        fn r_2_pieces_do_not_matter(
            words in proptest::collection::vec(
                prop_oneof![
                    Just("+MQTTPUB:"), Just("+MQTTSUBRX:0,1,0,"), Just("3,"), Just("\"a\\n\""), Just("[00"), Just("]"), Just(","), Just("\r\n"), Just("OK"),
                    Just(">"), Just("ERROR:"), Just("\""), Just("AT"), Just("\u{e9}"),
                ],
                0..60,
            ),
            piece in 1_usize..20,
        ) {
            let stream = words.concat();
            for dialect in [Dialect::AnyCloud, Dialect::Rnwf] {
                prop_assert_eq!(lines(stream.as_bytes(), dialect, piece), lines(stream.as_bytes(), dialect, 100_000));
            }
        }
    }
}

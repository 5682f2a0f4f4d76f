//! How a command line is read: `AT`, basic commands, one extended command and its parameters.

use super::{config::Dialect, trouble::Trouble};

/// One parameter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Value {
    Number(i64),
    /// `5.1`: one of several values of a parameter (RNWF).
    Part(u32, u32),
    /// A string or a hex string: they say the same.
    Bytes(Vec<u8>),
}

/// What is done with an extended command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Form {
    /// Bare, or with `?`.
    Ask,
    /// `/?` or `=?`.
    Help,
    /// `=` and parameters.
    Set(Vec<Value>),
}

/// A whole command line.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Command {
    /// `E0`, `V3`, `&K3`: the letter, whether `&` stood before it, its number.
    pub(super) basics: Vec<(char, bool, u32)>,
    /// Name and form of the extended command.
    pub(super) extended: Option<(String, Form)>,
}

/// Longest name of a command.
const NAME: usize = 16;

/// Most parameters of one command.
const PARAMETERS: usize = 32;

/// Reads a line without its end.
///
/// # Errors
/// The trouble that the modem reports: a line that is no command, or parameters that cannot be read.
pub(super) fn parse(dialect: Dialect, line: &[u8]) -> Result<Command, Trouble> {
    let mut rest = line.strip_prefix(b"AT").ok_or(Trouble::InvalidCommand)?;
    let mut command = Command::default();
    while let Some((first, tail)) = rest.split_first() {
        if *first == b'+' {
            command.extended = Some(extended(dialect, tail)?);
            break;
        }
        let (ampersand, letter, tail) = match (*first, tail.split_first()) {
            (b'&', Some((letter, tail))) => (true, *letter, tail),
            _ => (false, *first, tail),
        };
        if !letter.is_ascii_uppercase() {
            return Err(Trouble::InvalidCommand);
        }
        let digits = tail.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, tail) = tail.split_at_checked(digits).unwrap_or_default();
        command.basics.push((char::from(letter), ampersand, wrapping(digits, 10)));
        rest = tail;
    }
    Ok(command)
}

fn extended(dialect: Dialect, text: &[u8]) -> Result<(String, Form), Trouble> {
    let len = text.iter().take_while(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()).count();
    let (name, rest) = text.split_at_checked(len).unwrap_or_default();
    if len == 0 || len > NAME {
        return Err(Trouble::InvalidCommand);
    }
    let name = String::from_utf8_lossy(name).into_owned();
    let form = match rest {
        b"" | b"?" => Form::Ask,
        b"/?" | b"=?" => Form::Help,
        [b'=', params @ ..] => Form::Set(parameters(dialect, params)?),
        _ => return Err(Trouble::InvalidCommand),
    };
    Ok((name, form))
}

/// Whatever is wrong with them, it is their number.
fn parameters(dialect: Dialect, text: &[u8]) -> Result<Vec<Value>, Trouble> {
    let mut values = Vec::new();
    let mut rest = text;
    loop {
        let (value, tail) = parameter(dialect, skip_spaces(rest)).ok_or(Trouble::ParameterCount)?;
        values.push(value);
        if values.len() > PARAMETERS {
            return Err(Trouble::ParameterCount);
        }
        match tail {
            [] => return Ok(values),
            [b',', tail @ ..] => rest = tail,
            _ => return Err(Trouble::ParameterCount),
        }
    }
}

/// The first parameter and what stands behind it.
fn parameter(dialect: Dialect, text: &[u8]) -> Option<(Value, &[u8])> {
    match text.first()? {
        b'"' => string(dialect, text.get(1..)?),
        b'[' => hex_string(text.get(1..)?),
        // No space may follow a number.
        b'-' | b'0'..=b'9' => number(dialect, text),
        _ => None,
    }
}

fn skip_spaces(text: &[u8]) -> &[u8] {
    let spaces = text.iter().take_while(|byte| **byte == b' ').count();
    text.get(spaces..).unwrap_or_default()
}

/// A closing quote that is missing at the end of the line is not missed.
fn string(dialect: Dialect, text: &[u8]) -> Option<(Value, &[u8])> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'"' => return Some((Value::Bytes(bytes), skip_spaces(rest))),
            b'\\' => {
                let (letter, tail) = rest.split_first()?;
                bytes.push(unescaped(dialect, *letter)?);
                rest = tail;
            }
            0x20..=0x7E => bytes.push(*byte),
            _ => return None,
        }
    }
    Some((Value::Bytes(bytes), rest))
}

fn unescaped(dialect: Dialect, letter: u8) -> Option<u8> {
    Some(match letter {
        b'"' | b'\\' => letter,
        b'a' => 7,
        b'b' => 8,
        b't' => 9,
        b'n' => 0x0A,
        b'v' => 0x0B,
        b'f' => 0x0C,
        b'r' => 0x0D,
        b'e' => 0x1B,
        b'0' if dialect == Dialect::Rnwf => 0,
        _ => return None,
    })
}

fn hex_string(text: &[u8]) -> Option<(Value, &[u8])> {
    let len = text.iter().position(|byte| *byte == b']')?;
    let (digits, rest) = text.split_at_checked(len)?;
    let bytes = base16ct::mixed::decode_vec(digits).ok()?;
    Some((Value::Bytes(bytes), skip_spaces(rest.get(1..)?)))
}

fn number(dialect: Dialect, text: &[u8]) -> Option<(Value, &[u8])> {
    if let Some(rest) = text.strip_prefix(b"-") {
        let (digits, rest) = digits(rest, 10)?;
        return Some((Value::Number(-i64::from(wrapping(digits, 10))), rest));
    }
    let base = match text {
        [b'0', b'x' | b'X', ..] => 16,
        [b'0', b'b' | b'B', ..] if dialect == Dialect::Rnwf => 2,
        [b'0', b'o' | b'O', ..] if dialect == Dialect::Rnwf => 8,
        _ => 10,
    };
    let (whole, rest) = digits(if base == 10 { text } else { text.get(2..)? }, base)?;
    let whole = wrapping(whole, base);
    if let (Dialect::Rnwf, 10, Some(part)) = (dialect, base, rest.strip_prefix(b".")) {
        let (part, rest) = digits(part, 10)?;
        return Some((Value::Part(whole, wrapping(part, 10)), rest));
    }
    Some((Value::Number(i64::from(whole)), rest))
}

/// At least one digit of this base.
fn digits(text: &[u8], base: u32) -> Option<(&[u8], &[u8])> {
    let len = text.iter().take_while(|byte| char::from(**byte).is_digit(base)).count();
    if len == 0 { None } else { text.split_at_checked(len) }
}

/// The number that the digits say, modulo 2³².
fn wrapping(digits: &[u8], base: u32) -> u32 {
    digits
        .iter()
        .filter_map(|digit| char::from(*digit).to_digit(base))
        .fold(0_u32, |number, digit| number.wrapping_mul(base).wrapping_add(digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(dialect: Dialect, text: &str) -> Result<Vec<Value>, Trouble> {
        parameters(dialect, text.as_bytes())
    }

    fn bytes(text: &[u8]) -> Value {
        Value::Bytes(text.to_vec())
    }

    #[test]
    fn parameters_are_numbers_strings_and_hex_strings() {
        let all = values(Dialect::AnyCloud, r#"1, -2,0x1F,"a\"\\\r\n\e" ,[00fF],[]"#).unwrap();
        let expected = [
            Value::Number(1),
            Value::Number(-2),
            Value::Number(31),
            bytes(b"a\"\\\r\n\x1b"),
            bytes(&[0, 0xFF]),
            bytes(b""),
        ];
        assert_eq!(all, expected);
    }

    #[test]
    fn a_closing_quote_may_be_missing_at_the_end_of_the_line() {
        assert_eq!(values(Dialect::AnyCloud, "1,\"global.net"), Ok(vec![Value::Number(1), bytes(b"global.net")]));
    }

    #[test]
    fn whatever_is_wrong_with_a_parameter_is_reported_as_their_number() {
        for text in
            ["", "1,", "1 ,2", "x", "\"a\\0\"", "\"a\\x41\"", "[0]", "[0g]", "[00", "\"\u{e9}\"", "1.2", "\"a\"b"]
        {
            assert_eq!(values(Dialect::AnyCloud, text), Err(Trouble::ParameterCount), "{text}");
        }
    }

    #[test]
    fn rnwf_takes_more_kinds_of_numbers_and_the_escape_of_nul() {
        let expected = vec![Value::Part(9, 1), Value::Number(5), Value::Number(8), bytes(b"\0")];
        assert_eq!(values(Dialect::Rnwf, "9.1,0b101,0o10,\"\\0\""), Ok(expected));
    }

    #[test]
    fn numbers_wrap_at_32_bits() {
        assert_eq!(values(Dialect::AnyCloud, "4294967297"), Ok(vec![Value::Number(1)]));
    }

    #[test]
    fn a_line_is_basics_and_one_extended_command() {
        let command = parse(Dialect::AnyCloud, b"ATE0V3+GMM").unwrap();
        assert_eq!(command.basics, [('E', false, 0), ('V', false, 3)]);
        assert_eq!(command.extended, Some(("GMM".to_owned(), Form::Ask)));
        assert_eq!(parse(Dialect::AnyCloud, b"AT"), Ok(Command::default()));
        assert_eq!(parse(Dialect::Rnwf, b"AT&K0").unwrap().basics, [('K', true, 0)]);
        for bad in ["", "at", "A", "AT+", "AT+abc", "AT ", "AT+GMM ", "XAT"] {
            assert_eq!(parse(Dialect::AnyCloud, bad.as_bytes()), Err(Trouble::InvalidCommand), "{bad}");
        }
    }
}

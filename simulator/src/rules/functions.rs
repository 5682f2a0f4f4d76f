//! Which functions the SQL of a rule may call, how each is written, and what it gives.

use super::NotMatched;
use super::eval::Scope;
use super::sql::{Expr, Literal, SqlFault};
use super::value::{Number, Value};
use md5::Digest as _;
use std::borrow::Cow;

/// The longest text that a function builds, in bytes: four times the platform's largest message.
const TEXT_BYTES: usize = 64 * 1024;

/// A function of the platform's table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Function {
    ProductId,
    DeviceName,
    Timestamp,
    Topic,
    PayloadLen,
    Upper,
    Lower,
    Concat,
    Replace,
    Substring,
    Crypto,
    RandInt,
    Random,
    Abs,
    RequestId,
    NewUuid,
    ToHex,
    BinToDec,
}

/// Name, function, fewest and most arguments, usage.
const TABLE: [(&str, Function, usize, usize, &str); 18] = [
    ("productId", Function::ProductId, 0, 0, "productId()"),
    ("deviceName", Function::DeviceName, 0, 0, "deviceName()"),
    ("timestamp", Function::Timestamp, 0, 0, "timestamp()"),
    ("topic", Function::Topic, 0, 1, "topic() or topic(level), counted from 1"),
    ("payloadLen", Function::PayloadLen, 0, 0, "payloadLen()"),
    ("upper", Function::Upper, 1, 1, "upper(field)"),
    ("lower", Function::Lower, 1, 1, "lower(field)"),
    ("concat", Function::Concat, 2, 2, "concat(a, b)"),
    ("replace", Function::Replace, 3, 3, "replace(text, from, to)"),
    ("substring", Function::Substring, 3, 3, "substring(text, start, end), counted from 0, end excluded"),
    ("crypto", Function::Crypto, 2, 2, "crypto(field, 'MD5')"),
    ("randint", Function::RandInt, 2, 2, "randint(least, most)"),
    ("random", Function::Random, 0, 0, "random()"),
    ("abs", Function::Abs, 1, 1, "abs(number)"),
    ("requestId", Function::RequestId, 0, 0, "requestId()"),
    ("newuuid", Function::NewUuid, 0, 0, "newuuid()"),
    ("to_hex", Function::ToHex, 0, 0, "to_hex()"),
    ("bin_to_dec", Function::BinToDec, 0, 0, "bin_to_dec()"),
];

impl Function {
    /// The function of this name, in any case.
    pub(super) fn named(name: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.0.eq_ignore_ascii_case(name)).map(|row| row.1)
    }

    /// Every name, as the platform writes it.
    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        TABLE.iter().map(|row| row.0)
    }

    /// Whether the arguments can be right.
    pub(super) fn check(self, arguments: &[Expr]) -> Result<(), SqlFault> {
        if let Some(&(_, _, least, most, usage)) = TABLE.iter().find(|row| row.1 == self)
            && !(least..=most).contains(&arguments.len())
        {
            return Err(SqlFault::WrongArguments { usage });
        }
        if let (Self::Crypto, [_, Expr::Literal(Literal::Text(name))]) = (self, arguments)
            && Hash::named(name).is_none()
        {
            return Err(SqlFault::UnknownDigest(name.clone()));
        }
        Ok(())
    }

    /// Whether the function reads the payload as bytes, so that it need not be JSON.
    pub(super) fn reads_bytes(self) -> bool {
        matches!(self, Self::ToHex | Self::BinToDec)
    }

    /// The result for arguments that are computed already.
    pub(super) fn call<'a>(self, scope: &mut Scope<'a, '_>, arguments: &[Value<'a>]) -> Result<Value<'a>, NotMatched> {
        let message = scope.message;
        Ok(match (self, arguments) {
            (Self::ProductId, _) => borrowed(message.product_id),
            (Self::DeviceName, _) => borrowed(message.device_name),
            (Self::Timestamp, _) => Value::count(message.now),
            (Self::Topic, [level]) => borrowed(topic_level(message.topic, level)?),
            (Self::Topic, _) => borrowed(message.topic),
            (Self::PayloadLen, _) => Value::count(count(message.payload.len())),
            (Self::Upper, [value]) => bounded(text(value)?.to_uppercase())?,
            (Self::Lower, [value]) => bounded(text(value)?.to_lowercase())?,
            (Self::Concat, [one, other]) => bounded(text(one)?.into_owned() + &text(other)?)?,
            (Self::Replace, [value, from, to]) => replace(&text(value)?, &text(from)?, &text(to)?)?,
            (Self::Substring, [value, start, end]) => substring(&text(value)?, int(start)?, int(end)?),
            (Self::Crypto, [value, name]) => {
                let hash = Hash::named(&text(name)?).ok_or(NotMatched::NoValue("crypto knows no such digest"))?;
                owned(hash.of(text(value)?.as_bytes()))
            }
            (Self::RandInt, [least, most]) => {
                let (least, most) = (int(least)?, int(most)?);
                let span = u64::try_from(i128::from(most) - i128::from(least));
                let span = span.map_err(|_| NotMatched::NoValue("randint needs the smaller number first"))?;
                Value::Number(Number::Int(least.wrapping_add_unsigned(scope.rng.up_to(span))), None)
            }
            (Self::Random, _) => {
                let number = Number::Float(f64::from(scope.rng.next_u32()) / 4_294_967_296.0);
                Value::computed(number).unwrap_or(Value::Null)
            }
            (Self::Abs, [value]) => {
                let number = value.as_number().ok_or(NotMatched::NoValue("abs needs a number"))?;
                Value::computed(number.absolute()).ok_or(NotMatched::NoValue("the number is too large"))?
            }
            (Self::RequestId, _) => borrowed(message.request_id),
            (Self::NewUuid, _) => {
                owned(uuid((u128::from(scope.rng.next_u64()) << 64) | u128::from(scope.rng.next_u64())))
            }
            (Self::ToHex, _) => owned(hex(message.payload)),
            (Self::BinToDec, _) => binary_number(message.payload)?,
            // `check` has refused every other number of arguments when the rule was made.
            (
                Self::Upper
                | Self::Lower
                | Self::Concat
                | Self::Replace
                | Self::Substring
                | Self::Crypto
                | Self::RandInt
                | Self::Abs,
                _,
            ) => return Err(NotMatched::NoValue("wrong number of arguments")),
        })
    }
}

/// A digest that `crypto` offers.
#[derive(Clone, Copy)]
enum Hash {
    Md5,
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "MD5" => Self::Md5,
            "SHA1" => Self::Sha1,
            "SHA256" => Self::Sha256,
            "SHA384" => Self::Sha384,
            "SHA512" => Self::Sha512,
            _ => return None,
        })
    }

    fn of(self, bytes: &[u8]) -> String {
        match self {
            Self::Md5 => hex(&md5::Md5::digest(bytes)),
            Self::Sha1 => hex(&sha1::Sha1::digest(bytes)),
            Self::Sha256 => hex(&sha2::Sha256::digest(bytes)),
            Self::Sha384 => hex(&sha2::Sha384::digest(bytes)),
            Self::Sha512 => hex(&sha2::Sha512::digest(bytes)),
        }
    }
}

fn borrowed(text: &str) -> Value<'_> {
    Value::Text(Cow::Borrowed(text))
}

fn owned<'a>(text: String) -> Value<'a> {
    Value::Text(Cow::Owned(text))
}

fn bounded<'a>(text: String) -> Result<Value<'a>, NotMatched> {
    if text.len() > TEXT_BYTES {
        return Err(NotMatched::NoValue("the text grows over 64 KiB"));
    }
    Ok(owned(text))
}

fn count(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

fn text<'a>(value: &Value<'a>) -> Result<Cow<'a, str>, NotMatched> {
    value.as_text().ok_or(NotMatched::NoValue("a function needs a text, and got null, an array or an object"))
}

fn int(value: &Value<'_>) -> Result<i64, NotMatched> {
    value.as_number().and_then(Number::as_int).ok_or(NotMatched::NoValue("a function needs a whole number"))
}

fn topic_level<'a>(topic: &'a str, level: &Value<'_>) -> Result<&'a str, NotMatched> {
    let skip = int(level)?.checked_sub(1).and_then(|skip| usize::try_from(skip).ok());
    skip.and_then(|skip| topic.split('/').nth(skip)).ok_or(NotMatched::NoValue("the topic has no such level"))
}

/// An empty `from` replaces nothing. The size is known before anything is built.
fn replace<'a>(text: &str, from: &str, to: &str) -> Result<Value<'a>, NotMatched> {
    if from.is_empty() {
        return bounded(text.to_owned());
    }
    let grows = to.len().saturating_sub(from.len()).saturating_mul(text.matches(from).count());
    if text.len().saturating_add(grows) > TEXT_BYTES {
        return Err(NotMatched::NoValue("the text grows over 64 KiB"));
    }
    bounded(text.replace(from, to))
}

/// Characters from `start` up to but not `end`; what lies outside the text is left out.
fn substring<'a>(text: &str, start: i64, end: i64) -> Value<'a> {
    let (start, end) = (usize::try_from(start).unwrap_or(0), usize::try_from(end).unwrap_or(0));
    owned(text.chars().skip(start).take(end.saturating_sub(start)).collect())
}

/// Lower-case hexadecimal.
fn hex(bytes: &[u8]) -> String {
    base16ct::lower::encode_string(bytes)
}

/// The payload as one number, most significant byte first; at most eight bytes.
fn binary_number<'a>(payload: &[u8]) -> Result<Value<'a>, NotMatched> {
    if payload.is_empty() || payload.len() > 8 {
        return Err(NotMatched::NoValue("bin_to_dec reads a payload of 1 to 8 bytes"));
    }
    let number = payload.iter().fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
    Ok(Value::count(number))
}

/// A random UUID (version 4) of these bits.
fn uuid(bits: u128) -> String {
    let bits = (bits & !(0xf << 76) | (0x4 << 76)) & !(0x3 << 62) | (0x2 << 62);
    let hex = hex(&bits.to_be_bytes());
    let part = |range: core::ops::Range<usize>| hex.get(range).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0..8), part(8..12), part(12..16), part(16..20), part(20..32))
}

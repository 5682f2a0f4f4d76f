//! Do the codec's small rules hold? The tables of a transcript file: lengths, strings, filters.

use crate::{Kinds, Verdict, bytes_of, guard};
use serde::Deserialize;
use skytether_core::mqtt::{
    codec::{Delivery, Outgoing, Packet, decode, frame_len},
    topic,
};

/// The tables; a file may leave any of them out.
#[derive(Deserialize, Default)]
pub(crate) struct Tables {
    #[serde(default)]
    varint: Vec<Varint>,
    #[serde(default)]
    varint_bad: Vec<VarintBad>,
    #[serde(default)]
    utf8: Vec<Utf8>,
    #[serde(default)]
    topic_match: Vec<TopicMatch>,
    #[serde(default)]
    filter_valid: Vec<FilterValid>,
}

/// A remaining length and its bytes.
#[derive(Deserialize, Clone)]
struct Varint {
    value: usize,
    hex: String,
}

/// Bytes that are no remaining length.
#[derive(Deserialize, Clone)]
struct VarintBad {
    hex: String,
}

/// Bytes, and whether they are an MQTT string.
#[derive(Deserialize, Clone)]
struct Utf8 {
    hex: String,
    valid: bool,
}

#[derive(Deserialize, Clone)]
struct TopicMatch {
    filter: String,
    topic: String,
    #[serde(rename = "match")]
    matches: bool,
}

#[derive(Deserialize, Clone)]
struct FilterValid {
    filter: String,
    valid: bool,
}

/// Runs the rows of the tables that are chosen.
pub(crate) fn run(tables: &Tables, kinds: &Kinds) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    rows("varint", &tables.varint, check_varint, kinds, &mut verdicts);
    rows("varint_bad", &tables.varint_bad, check_varint_bad, kinds, &mut verdicts);
    rows("utf8", &tables.utf8, check_utf8, kinds, &mut verdicts);
    rows("topic_match", &tables.topic_match, check_topic_match, kinds, &mut verdicts);
    rows("filter_valid", &tables.filter_valid, check_filter_valid, kinds, &mut verdicts);
    verdicts
}

fn rows<R: Clone + Send + 'static>(
    kind: &str,
    rows: &[R],
    check: fn(&R) -> Result<(), String>,
    kinds: &Kinds,
    verdicts: &mut Vec<Verdict>,
) {
    if !kinds.choose(kind) {
        return;
    }
    for (index, row) in rows.iter().enumerate() {
        let row = row.clone();
        let outcome = guard::run(move || check(&row));
        verdicts.push(Verdict::new(format!("{kind}-{}", index + 1), kind, outcome));
    }
}

/// The first byte of a QoS 0 PUBLISH, whose remaining length may be anything.
const PUBLISH: u8 = 0x30;

fn check_varint(row: &Varint) -> Result<(), String> {
    let length = bytes_of(&row.hex)?;
    let mut head = vec![PUBLISH];
    head.extend_from_slice(&length);
    let whole = head.len() + row.value;
    for cut in 1..head.len() {
        let seen = frame_len(head.get(..cut).unwrap_or_default(), usize::MAX);
        expect(&format!("length from {cut} of {} bytes", head.len()), &seen, &Ok(None))?;
    }
    expect("length read", &frame_len(&head, usize::MAX), &Ok(Some(whole)))?;
    // A PUBLISH to the topic `t` has three bytes before its payload.
    let Some(payload) = row.value.checked_sub(3) else { return Ok(()) };
    let payload = vec![0; payload];
    let publish =
        Outgoing { topic: &["t"], payload: &payload, delivery: Delivery::AtMostOnce, dup: false, retain: false };
    let measured = publish.measure().map_err(|error| format!("cannot be written: {error}"))?;
    expect("length measured", &measured.len, &whole)?;
    let mut written = Vec::new();
    publish.append(measured, &mut written);
    expect("bytes written", &written.len(), &whole)?;
    expect("length written", &written.get(..head.len()), &Some(&*head))
}

fn check_varint_bad(row: &VarintBad) -> Result<(), String> {
    let mut head = vec![PUBLISH];
    head.extend(bytes_of(&row.hex)?);
    for cut in 1..=head.len() {
        match frame_len(head.get(..cut).unwrap_or_default(), usize::MAX) {
            Ok(None) => {}
            Ok(Some(length)) => return Err(format!("read as a packet of {length} bytes")),
            Err(_) => return Ok(()),
        }
    }
    Err("the codec waits for more bytes".to_owned())
}

fn check_utf8(row: &Utf8) -> Result<(), String> {
    let text = bytes_of(&row.hex)?;
    // The string as the user name of a CONNECT: nothing else restricts it there.
    let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', 4, 0x82, 0, 0, 0, 1, b'c'];
    body.extend(u16::try_from(text.len()).map_err(|_| "the row is longer than an MQTT string")?.to_be_bytes());
    body.extend_from_slice(&text);
    let mut packet = vec![0x10];
    let mut length = body.len();
    while length > 0x7f {
        packet.push(u8::try_from(length & 0x7f).unwrap_or(0) | 0x80);
        length >>= 7;
    }
    packet.push(u8::try_from(length).unwrap_or(0));
    packet.extend(body);
    let seen = match decode(&packet, usize::MAX) {
        Ok(Some((Packet::Connect(connect), _))) => {
            expect("user name", &connect.user_name.map(str::as_bytes), &Some(&*text))?;
            true
        }
        Ok(_) => return Err("the CONNECT that carries it is not read as one".to_owned()),
        Err(_) => false,
    };
    expect("valid", &seen, &row.valid)
}

fn check_topic_match(row: &TopicMatch) -> Result<(), String> {
    expect(&format!("{} matches {}", row.filter, row.topic), &topic::matches(&row.filter, &row.topic), &row.matches)
}

fn check_filter_valid(row: &FilterValid) -> Result<(), String> {
    expect(&format!("filter {:?} is valid", row.filter), &topic::check_filter(&row.filter).is_ok(), &row.valid)
}

fn expect<T: PartialEq + std::fmt::Debug>(what: &str, seen: &T, wanted: &T) -> Result<(), String> {
    if seen == wanted { Ok(()) } else { Err(format!("{what}: {seen:?}, expected {wanted:?}")) }
}

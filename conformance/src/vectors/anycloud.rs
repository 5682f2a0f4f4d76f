//! Modems by AT commands: lines out of bytes, command lines, and exchanges step by step.

use super::{Vector, expect};
use crate::bytes_of;
use serde::Deserialize;
use serde_json::{Value, json};
use skytether_core::{
    at::{
        Client, Dialect, Event, Fault, Incoming, Line, Parser, Record, Timers, Tls,
        encode::{self, Param},
    },
    io::Instant,
    link::{Connect, Endpoint, QoS, TlsIdentity},
    secret::Secret,
};

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Speech {
    AnyCloud,
    Rnwf,
}

impl From<Speech> for Dialect {
    fn from(speech: Speech) -> Self {
        match speech {
            Speech::AnyCloud => Self::AnyCloud,
            Speech::Rnwf => Self::Rnwf,
        }
    }
}

/// Longest line that the vectors' modem sends.
const LONGEST: usize = 8192;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stream {
    dialect: Speech,
    rx_hex: String,
    /// The same as `rx_hex`, for people.
    #[serde(rename = "rx_text")]
    _rx_text: Option<String>,
    chunks: Option<Vec<usize>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Events {
    events: Vec<Value>,
}

/// The bytes whole, byte by byte, and in the pieces that the vector names.
pub(super) fn parse(vector: &Vector) -> Result<(), String> {
    let (input, wanted): (Stream, Events) = (vector.input()?, vector.output()?);
    let bytes = bytes_of(&input.rx_hex)?;
    let dialect = input.dialect.into();
    expect("events", &lines(dialect, &bytes, &[]), &wanted.events)?;
    expect("events byte by byte", &lines(dialect, &bytes, &vec![1; bytes.len()]), &wanted.events)?;
    expect("events in pieces", &lines(dialect, &bytes, &input.chunks.unwrap_or_default()), &wanted.events)
}

/// What a parser says of `bytes`, given in pieces of these lengths; what is left after them in one more.
fn lines(dialect: Dialect, bytes: &[u8], pieces: &[usize]) -> Vec<Value> {
    let (mut parser, mut scratch, mut said) = (Parser::new(dialect, LONGEST), Vec::new(), Vec::new());
    let mut rest = bytes;
    for piece in pieces.iter().copied().chain([usize::MAX]) {
        let (mut piece, later) = rest.split_at(piece.min(rest.len()));
        rest = later;
        while !piece.is_empty() {
            let (used, line) = parser.read(piece, &mut scratch);
            piece = piece.get(used..).unwrap_or_default();
            said.extend(line.as_ref().map(line_json));
        }
    }
    said
}

fn line_json(line: &Line<'_>) -> Value {
    match line {
        Line::Ok => json!({"t": "ok"}),
        Line::Error(fault) => json!({"t": "error", "code": fault.code, "msg": fault.message}),
        Line::Echo(line) => json!({"t": "echo", "line": latin(line)}),
        Line::Record(record) => record_json(record),
        Line::Message(message) => message_json(message),
        Line::Announced { topic, id, len, flags: (dup, qos, retain) } => json!({
            "t": "announce", "topic": topic, "msg_id": id, "len": len,
            "dup": u8::from(*dup), "qos": qos, "retain": u8::from(*retain),
        }),
        Line::Binary => json!({"t": "binary"}),
        Line::Malformed(line) => json!({"t": "malformed", "line": latin(line)}),
        other => json!({"t": format!("{other:?}")}),
    }
}

fn record_json(record: &Record<'_>) -> Value {
    let values: Vec<Value> = record.values().map(|value| value_json(&value)).collect();
    let mut said = json!({"t": "record", "name": format!("+{}", record.name), "values": values});
    if let (Some(Fault { code, message, .. }), Some(said)) = (record.error, said.as_object_mut()) {
        said.insert("error".to_owned(), json!({"code": code, "msg": message}));
    }
    said
}

fn value_json(value: &skytether_core::at::Value<'_>) -> Value {
    use skytether_core::at::Value as Seen;
    match value {
        Seen::Int(number) => json!(number),
        Seen::Fraction(text) => json!({"frac": text}),
        Seen::Bytes(bytes) => text_json(bytes),
        other => json!(format!("{other:?}")),
    }
}

fn message_json(message: &Incoming<'_>) -> Value {
    let mut said = json!({
        "t": "message", "topic": message.topic, "payload": text_json(message.payload), "mismatch": message.mismatch,
    });
    if let (Some((dup, qos, retain)), Some(said)) = (message.flags, said.as_object_mut()) {
        said.insert("dup".to_owned(), json!(u8::from(dup)));
        said.insert("qos".to_owned(), json!(qos));
        said.insert("retain".to_owned(), json!(u8::from(retain)));
    }
    said
}

/// A string where the bytes are UTF-8, else their digits.
fn text_json(bytes: &[u8]) -> Value {
    match str::from_utf8(bytes) {
        Ok(text) => json!(text),
        Err(_) => json!({"hex": base16ct::upper::encode_string(bytes)}),
    }
}

/// Each byte as the character with its number.
fn latin(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    name: String,
    params: Vec<Written>,
}

/// A parameter: a number, a text, or bytes as digits.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Int(i64),
    Text(String),
    Bytes { hex: String },
}

impl Order {
    /// The parameters, with bytes for `encode`.
    fn params(&self) -> Result<Vec<Result<i64, Vec<u8>>>, String> {
        let param = |written: &Written| {
            Ok(match written {
                Written::Int(number) => Ok(*number),
                Written::Text(text) => Err(text.clone().into_bytes()),
                Written::Bytes { hex } => Err(bytes_of(hex)?),
            })
        };
        self.params.iter().map(param).collect()
    }
}

fn param(param: &Result<i64, Vec<u8>>) -> Param<'_> {
    match param {
        Ok(number) => Param::Int(*number),
        Err(bytes) => Param::Bytes(bytes),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Encode {
    dialect: Speech,
    cmd: Order,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Encoded {
    Tx(String),
    Error(String),
}

pub(super) fn encode(vector: &Vector) -> Result<(), String> {
    let (input, wanted): (Encode, Encoded) = (vector.input()?, vector.output()?);
    let params = input.cmd.params()?;
    let params: Vec<Param<'_>> = params.iter().map(param).collect();
    let mut line = Vec::new();
    let written = encode::append(&mut line, &input.cmd.name, &params, Dialect::from(input.dialect).line());
    match (written, wanted) {
        (Ok(()), Encoded::Tx(wanted)) => expect("tx", &latin(&line), &wanted),
        (Err(_), Encoded::Error(wanted)) => expect("error", "too_long", wanted.as_str()),
        (Ok(()), Encoded::Error(wanted)) => Err(format!("no error, expected {wanted}")),
        (Err(error), Encoded::Tx(_)) => Err(error.to_string()),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Session {
    dialect: Speech,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Step {
    Req(Request),
    Tx(String),
    Rx(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Request {
    Start(bool),
    Connect(Whither),
    Subscribe(String, u8),
    Publish(String, u8, bool, String),
    Command(Order),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Whither {
    host: String,
    port: u16,
    client_id: String,
    username: String,
    password: Option<String>,
    tls: u8,
    clean: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Results {
    result: Vec<Value>,
}

/// Requests, what has to go out, what comes in; and what is told in the end.
pub(super) fn session(vector: &Vector) -> Result<(), String> {
    let (input, wanted): (Session, Results) = (vector.input()?, vector.output()?);
    let mut client = Client::new(input.dialect.into(), Timers::default(), LONGEST);
    let (mut scratch, mut told) = (Vec::new(), Vec::new());
    for (at, step) in input.steps.iter().enumerate() {
        let mut bytes: &[u8] = &[];
        match step {
            Step::Req(request) => ask(&mut client, request).map_err(|why| format!("step {at}: {why}"))?,
            Step::Tx(line) => {
                let out = client.transmit().to_vec();
                expect(&format!("step {at}: tx"), &latin(&out), line)?;
                client.sent(Instant::ZERO, out.len());
            }
            Step::Rx(text) => bytes = text.as_bytes(),
        }
        loop {
            let (used, event) = client.read(Instant::ZERO, bytes, &mut scratch);
            bytes = bytes.get(used..).unwrap_or_default();
            if bytes.is_empty() && used == 0 && event.is_none() {
                break;
            }
            told.extend(event.as_ref().and_then(event_json));
        }
    }
    expect("what is left to go out", latin(client.transmit()).as_str(), "")?;
    expect("result", &told, &wanted.result)
}

fn ask(client: &mut Client, request: &Request) -> Result<(), String> {
    let now = Instant::ZERO;
    match request {
        Request::Start(false) => return Err("\"start\": false says nothing".to_owned()),
        Request::Start(true) => {
            client.start(now);
            Ok(())
        }
        Request::Connect(to) => {
            let connect = Connect {
                client_id: to.client_id.clone(),
                user_name: Some(to.username.clone()),
                password: to.password.clone().map(Secret::new),
                clean_session: to.clean,
                ..Connect::default()
            };
            let tls = if to.tls == 0 { TlsIdentity::Plain } else { TlsIdentity::Client };
            let endpoint = Endpoint { tls, ..Endpoint::tcp(to.host.as_str(), to.port) };
            client.connect(now, &endpoint, &connect, &Tls { conf: to.tls, ..Tls::default() })
        }
        Request::Subscribe(filter, qos) => client.subscribe(now, filter, level(*qos)?),
        Request::Publish(topic, qos, retain, payload) => {
            client.publish(now, &[topic], level(*qos)?, *retain, payload.as_bytes())
        }
        Request::Command(order) => {
            let params = order.params()?;
            client.command(now, &order.name, &params.iter().map(param).collect::<Vec<_>>())
        }
    }
    .map_err(|rejected| rejected.to_string())
}

fn level(qos: u8) -> Result<QoS, String> {
    QoS::from_level(qos).ok_or_else(|| format!("QoS {qos}"))
}

/// An event in the vectors' words; those that they do not know are none.
fn event_json(event: &Event<'_>) -> Option<Value> {
    Some(match event {
        Event::Connected { .. } => json!({"connected": true}),
        Event::Refused(code) => json!({"refused": code}),
        Event::Disconnected => json!({"disconnected": true}),
        Event::Subscribed(granted) => json!({"subscribed": granted.is_some()}),
        Event::Published(done) => json!({"published": done}),
        Event::Link(up) => json!({"link": up}),
        Event::CommandError { command, code, message, .. } => json!({"command_error": [command, code, message]}),
        _ => return None,
    })
}

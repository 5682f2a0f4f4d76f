//! What does a transcript case say? Its configuration and steps, read strictly: an unknown word fails the case.

use crate::bytes_of;
use serde::Deserialize;
use serde_json::{Map, Value};
use skytether_core::{
    link::{Connect, QoS, Version, Will},
    mqtt::session::{OnSessionLost, Options},
    queue::QueuePolicy,
    secret::Secret,
};
use std::time::Duration;

/// One case.
#[derive(Deserialize)]
pub(super) struct Case {
    pub(super) config: Config,
    pub(super) steps: Vec<Step>,
    /// `may`: what the steps expect is one of several ways that are all right; only a panic is wrong.
    #[serde(default)]
    pub(super) strictness: String,
}

/// How the client is set up; what is absent has the default.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Config {
    client_id: String,
    clean_session: Option<bool>,
    keep_alive_s: Option<u16>,
    username: Option<String>,
    password_hex: Option<String>,
    will: Option<WillConfig>,
    connack_timeout_ms: Option<u64>,
    ping_timeout_ms: Option<u64>,
    max_inflight: Option<u16>,
    queue_limit: Option<usize>,
    queue_policy: Option<Policy>,
    on_session_lost: Option<Lost>,
    manual_ack: bool,
    max_packet_in: Option<usize>,
    next_packet_id: Option<u16>,
    drain_timeout_ms: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WillConfig {
    topic: String,
    #[serde(default)]
    payload_hex: String,
    #[serde(default)]
    qos: u8,
    #[serde(default)]
    retain: bool,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum Policy {
    RejectNew,
    DropOldest,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum Lost {
    Republish,
    Fail,
}

impl Config {
    /// The content of CONNECT.
    pub(super) fn connect(&self) -> Result<Connect, String> {
        let will = self.will.as_ref().map(WillConfig::will).transpose()?;
        let password = self.password_hex.as_deref().map(bytes_of).transpose()?;
        Ok(Connect {
            version: Version::V3_1_1,
            client_id: self.client_id.clone(),
            user_name: self.username.clone(),
            password: password.map(Secret::new),
            keep_alive: self.keep_alive_s.unwrap_or(60),
            clean_session: self.clean_session.unwrap_or(true),
            will,
            session: None,
        })
    }

    /// The session's options. What the vectors know no key for and what would end or slow a connection by itself is
    /// switched off.
    pub(super) fn options(&self, persist: bool) -> Options {
        let mut options = Options {
            ping_timeout: self.ping_timeout_ms.map(Duration::from_millis),
            request_timeout: Duration::MAX,
            ack_late: Duration::MAX,
            ack_timeout: None,
            queue: match self.queue_policy {
                Some(Policy::DropOldest) => QueuePolicy::DropOldest,
                Some(Policy::RejectNew) | None => QueuePolicy::RejectNew,
            },
            on_session_lost: match self.on_session_lost {
                Some(Lost::Fail) => OnSessionLost::Fail,
                Some(Lost::Republish) | None => OnSessionLost::Republish,
            },
            manual_ack: self.manual_ack,
            persist,
            next_packet_id: self.next_packet_id.unwrap_or(1),
            ..Options::default()
        };
        if let Some(wait) = self.connack_timeout_ms {
            options.connack_timeout = Duration::from_millis(wait);
        }
        let limits = &mut options.limits;
        limits.inflight = self.max_inflight.unwrap_or(limits.inflight);
        limits.queued = self.queue_limit.unwrap_or(limits.queued);
        limits.packet_in = self.max_packet_in.unwrap_or(limits.packet_in);
        // Large messages are published whole; the queue's own limit in bytes has no key.
        limits.packet_out = usize::MAX;
        limits.queued_bytes = usize::MAX;
        options
    }

    /// How long an orderly end waits for acknowledgements.
    pub(super) fn drain(&self) -> Duration {
        Duration::from_millis(self.drain_timeout_ms.unwrap_or(10_000))
    }
}

impl WillConfig {
    fn will(&self) -> Result<Will, String> {
        Ok(Will {
            topic: self.topic.clone(),
            payload: bytes_of(&self.payload_hex)?,
            qos: QoS::from_level(self.qos).ok_or_else(|| format!("will with QoS {}", self.qos))?,
            retain: self.retain,
        })
    }
}

/// One step as it stands in the file: which of the words are there decides what it is.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Step {
    open: Option<bool>,
    drop: Option<bool>,
    rx: Option<Vec<String>>,
    rx_bytes: Option<String>,
    rx_after_close: Option<Vec<String>>,
    expect_tx: Option<Vec<String>>,
    expect_tx_any: Option<Vec<Vec<String>>>,
    expect_tx_prefix: Option<String>,
    expect_tx_len: Option<usize>,
    allow_tx: Option<String>,
    allow_tx_disconnect: Option<bool>,
    collect_tx: Option<bool>,
    expect_collected_contains: Option<String>,
    take_tx_bytes: Option<usize>,
    expect_events: Option<Vec<Value>>,
    forbid_event: Option<String>,
    expect_close: Option<String>,
    expect_close_any: Option<Vec<String>>,
    expect_open: Option<bool>,
    either: Option<Vec<String>>,
    advance_ms: Option<u64>,
    jump_ms: Option<u64>,
    config_error: Option<String>,
    restart: Option<String>,
    distinct: Option<Vec<String>>,
    set_next_packet_id: Option<u16>,
    max_buffered_bytes: Option<usize>,
    api: Option<String>,
    topic: Option<String>,
    topic_repeat: Option<(String, usize)>,
    payload_hex: Option<String>,
    payload_repeat: Option<(String, usize)>,
    qos: Option<u8>,
    retain: Option<bool>,
    tag: Option<String>,
    filters: Option<Vec<Value>>,
    drain: Option<bool>,
    packet_id: Option<Value>,
    expect_err: Option<String>,
    ignore_err: Option<bool>,
    note: Option<String>,
    comment: Option<String>,
}

/// One step, understood.
#[derive(Clone, Debug)]
pub(super) enum Act {
    Open,
    Drop,
    Rx(Vec<String>),
    RxAfterClose(Vec<String>),
    ExpectTx(Vec<Vec<String>>),
    ExpectTxStart(String, usize),
    AllowTx(String),
    AllowDisconnect,
    CollectTx,
    ExpectCollected(String),
    TakeTx(usize),
    ExpectEvents(Vec<(String, Map<String, Value>)>),
    ForbidEvent(String),
    ExpectClose(Vec<String>),
    ExpectOpen,
    Either,
    Advance(u64),
    Jump(u64),
    ConfigError,
    Restart,
    Distinct(Vec<String>),
    NextPacketId(u16),
    MaxBuffered(usize),
    Api(Call, Wanted),
}

/// One call of the client's own functions.
#[derive(Clone, Debug)]
pub(super) enum Call {
    Publish { topic: String, payload: Vec<u8>, qos: u8, retain: bool, tag: Option<String> },
    Subscribe { filters: Vec<(String, u8)>, tag: Option<String> },
    Unsubscribe { filters: Vec<String>, tag: Option<String> },
    Disconnect { drain: bool },
    Ack { packet_id: Option<String> },
}

/// What a call must come to.
#[derive(Clone, Debug)]
pub(super) enum Wanted {
    Success,
    Error(String),
    Either,
}

impl Step {
    /// What the step is.
    pub(super) fn act(self) -> Result<Act, String> {
        if self.api.is_some() {
            return self.call();
        }
        let start = self.expect_tx_prefix.zip(self.expect_tx_len).map(|(prefix, len)| Act::ExpectTxStart(prefix, len));
        let events = self.expect_events.map(|events| events.into_iter().map(event).collect::<Result<_, _>>());
        let acts = [
            self.open.map(|_| Act::Open),
            self.drop.map(|_| Act::Drop),
            self.rx.map(Act::Rx),
            self.rx_bytes.map(|hex| Act::Rx(vec![hex])),
            self.rx_after_close.map(Act::RxAfterClose),
            self.expect_tx.map(|packets| Act::ExpectTx(vec![packets])),
            self.expect_tx_any.map(Act::ExpectTx),
            start,
            self.allow_tx.map(Act::AllowTx),
            self.allow_tx_disconnect.map(|_| Act::AllowDisconnect),
            self.collect_tx.map(|_| Act::CollectTx),
            self.expect_collected_contains.map(Act::ExpectCollected),
            self.take_tx_bytes.map(Act::TakeTx),
            events.transpose()?.map(Act::ExpectEvents),
            self.forbid_event.map(Act::ForbidEvent),
            self.expect_close.map(|reason| Act::ExpectClose(vec![reason])),
            self.expect_close_any.map(Act::ExpectClose),
            self.expect_open.map(|_| Act::ExpectOpen),
            self.either.map(|_| Act::Either),
            self.advance_ms.map(Act::Advance),
            self.jump_ms.map(Act::Jump),
            self.config_error.map(|_| Act::ConfigError),
            self.restart.map(|_| Act::Restart),
            self.distinct.map(Act::Distinct),
            self.set_next_packet_id.map(Act::NextPacketId),
            self.max_buffered_bytes.map(Act::MaxBuffered),
        ];
        let mut acts = acts.into_iter().flatten();
        match (acts.next(), acts.next()) {
            (Some(act), None) => Ok(act),
            (Some(one), Some(other)) => Err(format!("a step is two things: {one:?} and {other:?}")),
            (None, _) => Err("a step says nothing to do".to_owned()),
        }
    }

    fn call(self) -> Result<Act, String> {
        let wanted = match (self.expect_err, self.ignore_err) {
            (Some(class), _) => Wanted::Error(class),
            (None, Some(true)) => Wanted::Either,
            (None, _) => Wanted::Success,
        };
        let filters = self.filters.unwrap_or_default();
        let tag = self.tag;
        let call = match self.api.as_deref().unwrap_or_default() {
            "publish" => Call::Publish {
                topic: match self.topic_repeat {
                    Some((part, count)) => part.repeat(count),
                    None => self.topic.unwrap_or_default(),
                },
                payload: match self.payload_repeat {
                    Some((byte, count)) => bytes_of(&byte)?.repeat(count),
                    None => bytes_of(&self.payload_hex.unwrap_or_default())?,
                },
                qos: self.qos.unwrap_or(0),
                retain: self.retain.unwrap_or(false),
                tag,
            },
            "subscribe" => {
                let filters = filters.into_iter().map(serde_json::from_value).collect::<Result<_, _>>();
                Call::Subscribe { filters: filters.map_err(|error| format!("filters: {error}"))?, tag }
            }
            "unsubscribe" => {
                let filters = filters.into_iter().map(serde_json::from_value).collect::<Result<_, _>>();
                Call::Unsubscribe { filters: filters.map_err(|error| format!("filters: {error}"))?, tag }
            }
            "disconnect" => Call::Disconnect { drain: self.drain.unwrap_or(false) },
            "ack" => Call::Ack {
                packet_id: self.packet_id.map(|id| id.as_str().map_or_else(|| id.to_string(), str::to_owned)),
            },
            other => return Err(format!("api:{other} is not offered")),
        };
        Ok(Act::Api(call, wanted))
    }
}

/// An event is an object with one member, its kind, or the kind alone.
fn event(value: Value) -> Result<(String, Map<String, Value>), String> {
    if let Some(kind) = value.as_str() {
        return Ok((kind.to_owned(), Map::new()));
    }
    let Value::Object(members) = value else { return Err(format!("{value} is no event")) };
    let mut members = members.into_iter();
    match (members.next(), members.next()) {
        (Some((kind, Value::Object(fields))), None) => Ok((kind, fields)),
        (Some((kind, _)), None) => Ok((kind, Map::new())),
        _ => Err("an event has one kind".to_owned()),
    }
}

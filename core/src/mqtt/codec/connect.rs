//! What do CONNECT and its answer look like (MQTT 3.1.1, 3.1, 3.2; MQTT 3.1, 3.1)?

use super::{EncodeError, Error, field};
use crate::{
    io::Refusal,
    link::{self, QoS, Version},
    mqtt::topic,
};
use alloc::vec::Vec;
use core::fmt;

pub(super) const CONNACK_LENGTH: Error = Error::Malformed("CONNACK is not two bytes long (3.2.1)");
const BEYOND: Error = Error::Malformed("a CONNECT field reaches beyond the packet (3.1.3)");
const PASSWORD_ALONE: &str = "password without user name (3.1.2-22)";

/// Longest client id of MQTT 3.1, in characters.
const CLIENT_ID_3_1: usize = 23;

// The connect flags (3.1.2.3).
const USER_NAME: u8 = 0x80;
const PASSWORD: u8 = 0x40;
const WILL_RETAIN: u8 = 0x20;
const WILL_QOS: u8 = 0x18;
const WILL: u8 = 0x04;
const CLEAN_SESSION: u8 = 0x02;
const RESERVED: u8 = 0x01;

/// The first packet of a client. `Debug` shows the password as `***`.
#[derive(Clone, Copy, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "the fields of the packet, as the standard has them")]
pub struct Connect<'a> {
    /// Version of the protocol.
    pub version: Version,
    /// Client id; empty only with a clean session (3.1.3-8), never in MQTT 3.1. Over 23 characters there too: a server
    /// may take them, and clouds whose ids are longer do.
    pub client_id: &'a str,
    /// User name; may be empty.
    pub user_name: Option<&'a str>,
    /// Password, any bytes; only with a user name (3.1.2-22).
    pub password: Option<&'a [u8]>,
    /// Seconds between two packets of the client at most; 0: no limit.
    pub keep_alive: u16,
    /// Whether both sides forget what was before.
    pub clean_session: bool,
    /// Will.
    pub will: Option<WillRef<'a>>,
}

impl fmt::Debug for Connect<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect")
            .field("version", &self.version)
            .field("client_id", &self.client_id)
            .field("user_name", &self.user_name)
            .field("password", &self.password.map(|_| format_args!("***")))
            .field("keep_alive", &self.keep_alive)
            .field("clean_session", &self.clean_session)
            .field("will", &self.will)
            .finish()
    }
}

/// The message that the server publishes when the connection ends without DISCONNECT.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "the fields of the packet, as the standard has them")]
pub struct WillRef<'a> {
    /// Topic name, valid by 4.7.
    pub topic: &'a str,
    /// Payload; may be empty.
    pub payload: &'a [u8],
    /// Quality of service.
    pub qos: QoS,
    /// Whether the server keeps it.
    pub retain: bool,
}

/// The answer to CONNECT.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "the fields of the packet, as the standard has them")]
pub struct ConnAck {
    /// Whether the server still has the session; never with a refusal (3.2.2-4).
    pub session_present: bool,
    /// Why the client may not connect, if it may not.
    pub refusal: Option<Refusal>,
}

impl ConnAck {
    /// The packet, whole. A refusal is written without session present, whatever the field says (3.2.2-4).
    pub fn encode(self) -> [u8; 4] {
        let session_present = self.session_present && self.refusal.is_none();
        [0x20, 2, u8::from(session_present), self.refusal.map_or(0, Refusal::code)]
    }
}

/// Appends a CONNECT.
///
/// # Errors
/// [`EncodeError::TooLong`] for a field over 65,535 bytes, [`EncodeError::TopicInvalid`] for the will's topic,
/// [`EncodeError::Invalid`] for U+0000 in a string (1.5.3-2), a password without user name (3.1.2-22), an empty client
/// id without clean session (3.1.3-8), or one that is not 1 to 23 characters in MQTT 3.1. Nothing is appended then.
pub fn connect_append(out: &mut Vec<u8>, connect: &link::Connect) -> Result<(), EncodeError> {
    check_client_id(connect.version, &connect.client_id, connect.clean_session)
        .map_err(|(_, why)| EncodeError::Invalid(why))?;
    if connect.version == Version::V3_1 && connect.client_id.chars().nth(CLIENT_ID_3_1).is_some() {
        return Err(EncodeError::Invalid("client id is over 23 characters (MQTT 3.1, 3.1)"));
    }
    let name: &[u8] = match connect.version {
        Version::V3_1 => b"\0\x06MQIsdp\x03",
        Version::V3_1_1 => b"\0\x04MQTT\x04",
    };
    let mut flags = if connect.clean_session { CLEAN_SESSION } else { 0 };
    let mut remaining = name.len() + 3 + text_len(&connect.client_id, "client id is over 65535 bytes (1.5.3)")?;
    if let Some(will) = &connect.will {
        flags |= WILL | will.qos.level() << 3 | if will.retain { WILL_RETAIN } else { 0 };
        topic::check_name(&will.topic).map_err(EncodeError::TopicInvalid)?;
        remaining += field::len(will.topic.as_bytes(), topic::TOO_LONG)?;
        remaining += field::len(&will.payload, "will payload is over 65535 bytes (3.1.3.3)")?;
    }
    if let Some(user_name) = &connect.user_name {
        flags |= USER_NAME;
        remaining += text_len(user_name, "user name is over 65535 bytes (1.5.3)")?;
    }
    if let Some(password) = &connect.password {
        if connect.user_name.is_none() {
            return Err(EncodeError::Invalid(PASSWORD_ALONE));
        }
        flags |= PASSWORD;
        remaining += field::len(password.expose(), "password is over 65535 bytes (3.1.3.5)")?;
    }
    field::begin(out, 0x10, remaining)?;
    out.extend_from_slice(name);
    out.push(flags);
    out.extend_from_slice(&connect.keep_alive.to_be_bytes());
    field::put(out, connect.client_id.as_bytes());
    if let Some(will) = &connect.will {
        field::put(out, will.topic.as_bytes());
        field::put(out, &will.payload);
    }
    if let Some(user_name) = &connect.user_name {
        field::put(out, user_name.as_bytes());
    }
    if let Some(password) = &connect.password {
        field::put(out, password.expose());
    }
    Ok(())
}

fn text_len(text: &str, why: &'static str) -> Result<usize, EncodeError> {
    if text.as_bytes().contains(&0) {
        return Err(EncodeError::Invalid("string holds U+0000 (1.5.3-2)"));
    }
    field::len(text.as_bytes(), why)
}

fn check_client_id(version: Version, id: &str, clean_session: bool) -> Result<(), (Refusal, &'static str)> {
    let why = match version {
        Version::V3_1 if id.is_empty() => "empty client id (MQTT 3.1, 3.1)",
        Version::V3_1_1 if id.is_empty() && !clean_session => "empty client id without clean session (3.1.3-8)",
        Version::V3_1 | Version::V3_1_1 => return Ok(()),
    };
    Err((Refusal::IdentifierRejected, why))
}

pub(super) fn decode(body: &[u8]) -> Result<Connect<'_>, Error> {
    let Some((name, [level, flags, high, low, rest @ ..])) = field::split(body) else { return Err(BEYOND) };
    let version = match (name, level) {
        (b"MQTT", 4) => Version::V3_1_1,
        (b"MQIsdp", 3) => Version::V3_1,
        (b"MQTT" | b"MQIsdp", _) => {
            return Err(Error::Refused(Refusal::ProtocolVersion, "protocol level is not 4, or 3 of MQIsdp (3.1.2-2)"));
        }
        _ => return Err(Error::Protocol("protocol name is not MQTT (3.1.2-1)")),
    };
    check_flags(*flags)?;
    let has = |flag: u8| flags & flag != 0;
    let mut rest = rest;
    let mut take = || {
        let (field, left) = field::split(rest).ok_or(BEYOND)?;
        rest = left;
        Ok(field)
    };
    let client_id = field::text(take()?)?;
    let will = if has(WILL) {
        let qos = QoS::from_level((flags & WILL_QOS) >> 3).ok_or(Error::Malformed("will with QoS 3 (3.1.2-14)"))?;
        let topic = field::topic_name(take()?)?;
        Some(WillRef { topic, payload: take()?, qos, retain: has(WILL_RETAIN) })
    } else {
        None
    };
    let user_name = if has(USER_NAME) { Some(field::text(take()?)?) } else { None };
    let password = if has(PASSWORD) { Some(take()?) } else { None };
    if !rest.is_empty() {
        return Err(Error::Malformed("bytes behind the last field of CONNECT (3.1.3-1)"));
    }
    let (keep_alive, clean_session) = (u16::from_be_bytes([*high, *low]), has(CLEAN_SESSION));
    check_client_id(version, client_id, clean_session).map_err(|(refusal, why)| Error::Refused(refusal, why))?;
    Ok(Connect { version, client_id, user_name, password, keep_alive, clean_session, will })
}

fn check_flags(flags: u8) -> Result<(), Error> {
    if flags & RESERVED != 0 {
        return Err(Error::Malformed("reserved flag of CONNECT (3.1.2-3)"));
    }
    if flags & WILL == 0 && flags & (WILL_QOS | WILL_RETAIN) != 0 {
        return Err(Error::Malformed("will QoS or will retain without a will (3.1.2-13, 3.1.2-15)"));
    }
    if flags & USER_NAME == 0 && flags & PASSWORD != 0 {
        return Err(Error::Protocol(PASSWORD_ALONE));
    }
    Ok(())
}

pub(super) fn decode_connack(body: &[u8]) -> Result<ConnAck, Error> {
    let [flags, code] = body else { return Err(CONNACK_LENGTH) };
    if flags & 0xfe != 0 {
        return Err(Error::Malformed("reserved flags of CONNACK (3.2.2-1)"));
    }
    let session_present = *flags == 1;
    let refusal = Refusal::from_code(*code);
    if refusal.is_none() && *code != 0 {
        return Err(Error::Protocol("CONNACK return code is reserved (3.2.2-6)"));
    }
    if refusal.is_some() && session_present {
        return Err(Error::Protocol("CONNACK refuses and has a session (3.2.2-4)"));
    }
    Ok(ConnAck { session_present, refusal })
}

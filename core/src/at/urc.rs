//! What does an event of the modem mean?

use super::{Dialect, Record};
use crate::{
    io::{Refusal, UnixMillis},
    link::QoS,
};

/// An event, in the words of both dialects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Urc {
    /// The module has started.
    Boot,
    /// It has an address on the network.
    Address,
    /// It has left the network.
    LinkDown,
    /// It could not join the network.
    NotJoined,
    /// CONNACK: whether the session was kept, and the return code.
    ConnAck(bool, u8),
    /// The MQTT connection is there, or gone.
    Connection(bool),
    /// SUBACK.
    Subscribed(Ack),
    /// UNSUBACK: whether it is done.
    Unsubscribed(bool),
    /// A message was acknowledged or not, under this packet id where the dialect tells one.
    Published(bool, Option<u16>),
    /// The wall time as its server tells it.
    Time(UnixMillis),
    /// TLS could not be agreed on.
    TlsFailed,
    /// Nothing that concerns us.
    Other,
}

/// What a subscription was answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ack {
    /// Granted, as asked or lower.
    Granted,
    /// Granted at this level.
    At(QoS),
    /// Refused.
    Refused,
}

/// Seconds from 1900, where NTP begins, to 1970.
const NTP: u64 = 2_208_988_800;
/// Seconds of an NTP time before which it is of the era that begins in 2036 (RFC 4330, 3).
const ERA: u64 = 1 << 31;
/// A year, in seconds.
const YEAR: u64 = 365 * 86_400;
/// 2024-01-01: a module that tells an earlier time does not know it.
const FLOOR: u64 = 1_704_067_200;

impl Urc {
    /// What `record` means where it answers no query.
    pub(super) fn of(record: &Record<'_>, dialect: Dialect) -> Self {
        let number = record.number();
        let failed = record.error.is_some();
        match record.name {
            "BOOT" => Self::Boot,
            "WSTAAIP" => Self::Address,
            "WSTALD" => Self::LinkDown,
            "WSTAERR" => Self::NotJoined,
            "WSTA" if failed => Self::NotJoined,
            "MQTTCONNACK" => {
                let code = record.numbers()[1].unwrap_or(number);
                Self::ConnAck(number == 1, u8::try_from(code).unwrap_or(u8::MAX))
            }
            "MQTTCONN" => Self::Connection(number != 0 && !failed),
            "MQTTSUB" => Self::Subscribed(subscribed(number, failed, dialect)),
            "MQTTUNSUB" => Self::Unsubscribed(!failed && unsubscribed(number, dialect)),
            "MQTTPUBACC" | "MQTTPUBACK" | "MQTTPUBCOMP" => Self::Published(true, packet_id(record)),
            "MQTTPUBERR" => Self::Published(false, packet_id(record)),
            "TIME" => ntp_time(number).map_or(Self::Other, Self::Time),
            "TLSERR" => Self::TlsFailed,
            _ => Self::Other,
        }
    }
}

/// AnyCloud tells 0 for success; RNWF the QoS granted, or the failure from 128 on.
fn subscribed(number: i64, failed: bool, dialect: Dialect) -> Ack {
    let level = u8::try_from(number).ok().filter(|_| !failed);
    match (dialect, level) {
        (Dialect::Rnwf, Some(level)) => QoS::from_level(level).map_or(Ack::Refused, Ack::At),
        (Dialect::Auto | Dialect::AnyCloud, Some(0)) => Ack::Granted,
        (_, _) => Ack::Refused,
    }
}

/// AnyCloud's firmware tells 1 for success, its manual 2; RNWF 0, and 17 where there was no such subscription.
fn unsubscribed(number: i64, dialect: Dialect) -> bool {
    match dialect {
        Dialect::Rnwf => matches!(number, 0 | 17),
        Dialect::Auto | Dialect::AnyCloud => matches!(number, 1 | 2),
    }
}

fn packet_id(record: &Record<'_>) -> Option<u16> {
    record.numbers()[0].and_then(|id| u16::try_from(id).ok())
}

/// A time in seconds since 1970, if it is one that a module which knows the time would tell.
pub(super) fn unix_time(seconds: i64) -> Option<UnixMillis> {
    let seconds = u64::try_from(seconds).ok().filter(|seconds| *seconds >= FLOOR)?;
    Some(UnixMillis(seconds.checked_mul(1000)?))
}

/// The same in seconds since 1900, modulo 2³². A clock that has counted from zero for less than a year was never set.
fn ntp_time(seconds: i64) -> Option<UnixMillis> {
    let seconds = u64::from(u32::try_from(seconds).ok()?);
    if seconds < YEAR {
        return None;
    }
    let era = if seconds < ERA { 1 << 32 } else { 0 };
    unix_time(i64::try_from((seconds + era).checked_sub(NTP)?).ok()?)
}

/// Why the server refuses, as far as the module tells: MQTT 3.1.1's codes, or those of MQTT 5 that RNWF has. AnyCloud
/// says 1 whatever the reason, also where CONNACK never came.
pub(super) fn refusal(code: u8, dialect: Dialect) -> Refusal {
    if dialect != Dialect::Rnwf {
        return Refusal::Unspecified;
    }
    Refusal::from_code(code).unwrap_or(match code {
        132 => Refusal::ProtocolVersion,
        133 => Refusal::IdentifierRejected,
        134 => Refusal::BadCredentials,
        135 | 138 => Refusal::NotAuthorized,
        136 | 137 | 159 => Refusal::ServerUnavailable,
        _ => Refusal::Unspecified,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::at::{Line, Parser};
    use alloc::{format, vec::Vec};

    fn urc(text: &str, dialect: Dialect) -> Urc {
        let mut scratch = Vec::new();
        let line = format!("{text}\n");
        let (_, Some(Line::Record(record))) = Parser::new(dialect, 99).read(line.as_bytes(), &mut scratch) else {
            panic!("{text}");
        };
        Urc::of(&record, dialect)
    }

    #[test]
    fn the_dialects_mean_different_things_by_the_same_number() {
        let both = |text| (urc(text, Dialect::AnyCloud), urc(text, Dialect::Rnwf));
        assert_eq!(both("+MQTTSUB:0"), (Urc::Subscribed(Ack::Granted), Urc::Subscribed(Ack::At(QoS::AtMostOnce))));
        assert_eq!(both("+MQTTSUB:1"), (Urc::Subscribed(Ack::Refused), Urc::Subscribed(Ack::At(QoS::AtLeastOnce))));
        assert_eq!(both("+MQTTSUB:128"), (Urc::Subscribed(Ack::Refused), Urc::Subscribed(Ack::Refused)));
        assert_eq!(both("+MQTTUNSUB:1"), (Urc::Unsubscribed(true), Urc::Unsubscribed(false)));
        assert_eq!(both("+MQTTUNSUB:0"), (Urc::Unsubscribed(false), Urc::Unsubscribed(true)));
        assert_eq!(both("+MQTTUNSUB:2").0, Urc::Unsubscribed(true));
        assert_eq!(both("+MQTTUNSUB:17").1, Urc::Unsubscribed(true));
    }

    #[test]
    fn acknowledgements_have_a_name_in_each_dialect() {
        assert_eq!(urc("+MQTTPUBACC", Dialect::AnyCloud), Urc::Published(true, None));
        assert_eq!(urc("+MQTTPUBACK:17", Dialect::Rnwf), Urc::Published(true, Some(17)));
        assert_eq!(urc("+MQTTPUBCOMP", Dialect::AnyCloud), Urc::Published(true, None));
        assert_eq!(urc("+MQTTPUBERR:3", Dialect::Rnwf), Urc::Published(false, Some(3)));
    }

    #[test]
    fn an_association_id_changes_nothing() {
        for text in ["+WSTAAIP:\"10.0.0.1\"", "+WSTAAIP:1,\"10.0.0.1\""] {
            assert_eq!(urc(text, Dialect::Rnwf), Urc::Address);
        }
        assert_eq!(urc("+WSTALD:1", Dialect::Rnwf), Urc::LinkDown);
        assert_eq!(urc("+WSTA:ERROR:24,\"STA Connection Failed\"", Dialect::AnyCloud), Urc::NotJoined);
    }

    #[test]
    fn r_56_a_time_before_the_floor_is_none() {
        assert_eq!(urc("+TIME:3913056000", Dialect::Rnwf), Urc::Time(UnixMillis(1_704_067_200_000)));
        assert_eq!(urc("+TIME:3913055999", Dialect::Rnwf), Urc::Other);
        let next_era = Urc::Time(UnixMillis(2_117_514_496_000));
        assert_eq!(urc("+TIME:31536000", Dialect::Rnwf), next_era, "the era from 2036 on");
        assert_eq!(urc("+TIME:31535999", Dialect::Rnwf), Urc::Other, "a clock that was never set");
        assert_eq!(urc("+TIME:-1", Dialect::Rnwf), Urc::Other);
        assert_eq!((unix_time(1_704_067_199), unix_time(-5)), (None, None));
    }

    #[test]
    fn refusals_keep_their_reason_where_the_module_tells_it() {
        assert_eq!(refusal(5, Dialect::Rnwf), Refusal::NotAuthorized);
        assert_eq!(refusal(134, Dialect::Rnwf), Refusal::BadCredentials);
        assert_eq!(refusal(200, Dialect::Rnwf), Refusal::Unspecified);
        assert_eq!(refusal(1, Dialect::AnyCloud), Refusal::Unspecified);
    }
}

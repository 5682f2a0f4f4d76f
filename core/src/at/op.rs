//! What does it take to do one thing: which commands, in which order, and what ends it?

use super::{
    Dialect, Event, Record, Timers,
    encode::{self, Param, TooLong},
    mqtt::{Dial, DialStep},
    setting::Setting,
    urc::{Ack, Urc, unix_time},
    wifi::{Join, JoinStep},
};
use crate::{io::Cause, link::QoS};
use alloc::{boxed::Box, string::String, vec::Vec};
use core::time::Duration;

/// One thing to do. It is asked in turn for its next command ([`Op::write`]), and told what came of it.
#[derive(Debug)]
pub(super) enum Op {
    /// Makes the modem stop echoing; `tries` is how often it was told to.
    Start { tries: u8 },
    /// Learns how it reports errors and which family it is of; the steps done.
    Probe { step: u8 },
    /// Goes onto the network.
    Join(Join),
    /// Asks for the wall time, until the module knows it; how often it was asked.
    Clock { asked: Duration },
    /// Connects.
    Dial(Dial),
    /// Says farewell; whether the connection has ended.
    Leave { ended: bool },
    /// Asks whether there is a connection.
    Check,
    /// Asks for a subscription.
    Subscribe { filter: Box<str>, qos: QoS, early: Option<Ack> },
    /// Drops one.
    Unsubscribe { filter: Box<str>, early: Option<bool> },
    /// Publishes; the whole command line.
    Publish { line: Vec<u8>, qos: QoS, id: Option<u16>, early: Option<bool> },
    /// Fetches a message that was announced.
    Fetch { topic: String, id: u16, len: u16, flags: (bool, u8, bool) },
    /// Any other command; the whole line.
    Command { line: Vec<u8>, name: Box<str> },
}

/// What follows.
#[derive(Debug)]
pub(super) enum Turn {
    /// Nothing yet.
    Stay,
    /// The next command is due.
    Next,
    /// An event is awaited for so long.
    Await(Duration, &'static str),
    /// It is over.
    Over(Option<Event<'static>>),
    /// This setting was taken; the next command is due.
    Set(Setting),
    /// The final result came without the answer: it belongs to something else. The line is brought in order first.
    Unsure,
}

/// Whether a record is the answer to a command.
#[derive(Debug)]
pub(super) enum Info {
    /// It is not.
    Other,
    /// It is, and there is nothing to tell.
    Taken,
    /// It is, and says this.
    Told(Event<'static>),
}

impl Info {
    fn told(event: Option<Event<'static>>) -> Self {
        event.map_or(Self::Taken, Self::Told)
    }
}

/// How often the first command is tried: what was typed before it may have spoilt the line.
const STARTS: u8 = 3;
/// How long until a module that does not know the time is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(1);

impl Op {
    /// Appends its next command.
    pub(super) fn write(&self, out: &mut Vec<u8>, dialect: Dialect) -> Result<(), TooLong> {
        let max = dialect.line();
        let int = |number: i64| [Param::Int(number)];
        match self {
            Self::Start { .. } => encode::append(out, "E0", &[], max),
            Self::Probe { step: 0 } => encode::append(out, "V5", &[], max),
            Self::Probe { .. } => encode::append(out, "+GMM", &[], max),
            Self::Join(join) => match join.step {
                JoinStep::Query => encode::append(out, "+WSTA", &[], max),
                JoinStep::Stop => encode::append(out, "+WSTA", &int(0), max),
                JoinStep::Start => encode::append(out, "+WSTA", &int(1), max),
                JoinStep::Set => join.setting().map_or(Ok(()), |setting| setting.append(out, max)),
            },
            Self::Clock { .. } => encode::append(out, "+TIME", &int(1), max),
            Self::Dial(dial) => match dial.step {
                DialStep::Query => encode::append(out, "+MQTTCONN", &[], max),
                DialStep::Leave => encode::append(out, "+MQTTDISCONN", &[], max),
                DialStep::Set => dial.settings.last().map_or(Ok(()), |setting| setting.append(out, max)),
                DialStep::Connect => encode::append(out, "+MQTTCONN", &int(dial.clean.into()), max),
            },
            Self::Leave { .. } => encode::append(out, "+MQTTDISCONN", &[], max),
            Self::Check => encode::append(out, "+MQTTCONN", &[], max),
            Self::Subscribe { filter, qos, .. } => {
                let params = [Param::Bytes(filter.as_bytes()), Param::Int(qos.level().into())];
                encode::append(out, "+MQTTSUB", &params, max)
            }
            Self::Unsubscribe { filter, .. } => {
                encode::append(out, "+MQTTUNSUB", &[Param::Bytes(filter.as_bytes())], max)
            }
            Self::Fetch { topic, id, len, .. } => {
                let params = [Param::Bytes(topic.as_bytes()), Param::Int((*id).into()), Param::Int((*len).into())];
                encode::append(out, "+MQTTSUBRD", &params, max)
            }
            Self::Publish { line, .. } | Self::Command { line, .. } => {
                out.extend_from_slice(line);
                Ok(())
            }
        }
    }

    /// What its next command sets.
    pub(super) fn setting(&self) -> Option<&Setting> {
        match self {
            Self::Join(join) => join.setting(),
            Self::Dial(dial) if dial.step == DialStep::Set => dial.settings.last(),
            _ => None,
        }
    }

    /// Whether its next command holds a secret.
    pub(super) fn is_secret(&self) -> bool {
        self.setting().is_some_and(Setting::is_secret)
    }

    /// Takes a record in that is the answer to its command, and not an event.
    pub(super) fn info(&mut self, record: &Record<'_>) -> Info {
        match (self, record.name) {
            (Self::Probe { step: 1.. }, "GMM") => {
                let model = record.values().find_map(|value| value.bytes().map(<[u8]>::to_vec));
                Info::told(model.map(|model| Event::Model(family(&model))))
            }
            (Self::Join(join), "WSTA") if join.step == JoinStep::Query && record.error.is_none() => {
                join.address = Some(matches!(record.numbers(), [Some(1..), None | Some(1..)]));
                Info::Taken
            }
            (Self::Clock { asked }, "TIME") => {
                let time = unix_time(record.number());
                if time.is_some() {
                    *asked = Duration::MAX;
                }
                Info::told(time.map(Event::Time))
            }
            (Self::Dial(dial), "MQTTCONN") if dial.step == DialStep::Query => {
                dial.held = Some(record.number() != 0);
                Info::Taken
            }
            (Self::Check, "MQTTCONN") => Info::Told(Event::Checked(record.number() != 0)),
            (Self::Publish { id, .. }, "MQTTPUB") => {
                *id = record.numbers()[0].and_then(|id| u16::try_from(id).ok());
                Info::Taken
            }
            (_, _) => Info::Other,
        }
    }

    /// Its command ended well.
    pub(super) fn done(&mut self, timers: &Timers) -> Turn {
        match self {
            Self::Start { .. } => Turn::Over(Some(Event::Started)),
            Self::Probe { step: 0 } => {
                *self = Self::Probe { step: 1 };
                Turn::Next
            }
            Self::Probe { .. } => Turn::Over(Some(Event::Probed)),
            Self::Join(join) => join.done(timers),
            Self::Clock { asked } if *asked >= timers.time => Turn::Over(Some(Event::Clocked)),
            Self::Clock { asked } => {
                *asked += ASK_AGAIN;
                Turn::Await(ASK_AGAIN, "time")
            }
            Self::Dial(dial) => dial.done(timers),
            Self::Leave { ended: true } => Turn::Over(Some(Event::Left)),
            Self::Leave { .. } => Turn::Await(timers.disconnect, "farewell"),
            Self::Check | Self::Fetch { .. } => Turn::Over(None),
            Self::Subscribe { qos, early, .. } => match early {
                Some(ack) => Turn::Over(Some(subscribed(*ack, *qos))),
                None => Turn::Await(timers.subscribe, "SUBACK"),
            },
            Self::Unsubscribe { early, .. } => match early {
                Some(done) => Turn::Over(Some(Event::Unsubscribed(*done))),
                None => Turn::Await(timers.subscribe, "UNSUBACK"),
            },
            Self::Publish { qos: QoS::AtMostOnce, .. } => Turn::Over(Some(Event::Published(true))),
            Self::Publish { early: Some(done), .. } => Turn::Over(Some(Event::Published(*done))),
            Self::Publish { .. } => Turn::Await(timers.publish, "PUBACK"),
            Self::Command { .. } => Turn::Over(Some(Event::Answered)),
        }
    }

    /// Its command ended in an error of this number.
    pub(super) fn failed(&mut self, code: u16, timers: &Timers) -> Turn {
        match self {
            Self::Start { tries } if *tries + 1 < STARTS => {
                *tries += 1;
                Turn::Next
            }
            Self::Start { .. } => over(Cause::Modem("it does not know ATE0: is it a modem of this family?")),
            // What it does not know, it does without.
            Self::Probe { .. } => self.done(timers),
            Self::Clock { .. } => Turn::Over(Some(Event::Clocked)),
            Self::Join(join) => join.failed(code, timers),
            Self::Dial(dial) => dial.failed(),
            Self::Leave { .. } => Turn::Over(Some(Event::Left)),
            Self::Check => Turn::Over(Some(Event::Checked(false))),
            Self::Fetch { .. } => Turn::Over(Some(Event::Skipped("the modem no longer has a message it announced"))),
            Self::Subscribe { .. } | Self::Unsubscribe { .. } | Self::Publish { .. } | Self::Command { .. } => {
                Turn::Over(None)
            }
        }
    }

    /// Something happened that may concern it.
    pub(super) fn urc(&mut self, urc: Urc, asking: bool) -> Turn {
        let stay_if = |asking: bool, event| if asking { Turn::Stay } else { Turn::Over(Some(event)) };
        match (self, urc) {
            (Self::Join(join), urc) => join.urc(urc, asking),
            (Self::Dial(dial), urc) => dial.urc(urc, asking),
            (Self::Leave { ended }, Urc::Connection(false)) => {
                *ended = true;
                stay_if(asking, Event::Left)
            }
            (Self::Clock { asked }, Urc::Time(_)) => {
                *asked = Duration::MAX;
                stay_if(asking, Event::Clocked)
            }
            (Self::Subscribe { qos, early, .. }, Urc::Subscribed(ack)) => {
                *early = Some(ack);
                stay_if(asking, subscribed(ack, *qos))
            }
            (Self::Unsubscribe { early, .. }, Urc::Unsubscribed(done)) => {
                *early = Some(done);
                stay_if(asking, Event::Unsubscribed(done))
            }
            (Self::Publish { qos: QoS::AtLeastOnce | QoS::ExactlyOnce, id, early, .. }, Urc::Published(done, told))
                if told.is_none() || id.is_none() || told == *id =>
            {
                *early = Some(done);
                stay_if(asking, Event::Published(done))
            }
            (_, _) => Turn::Stay,
        }
    }

    /// What it waited for did not come in time.
    pub(super) fn late(&mut self) -> Turn {
        match self {
            Self::Clock { .. } => Turn::Next,
            Self::Leave { .. } => Turn::Over(Some(Event::Left)),
            Self::Join(_) => over(Cause::Modem("it could not join the Wi-Fi network: check its name and passphrase")),
            Self::Dial(dial) if dial.step == DialStep::Leave => dial.set(),
            Self::Dial(_) => over(Cause::ConnAckTimeout),
            _ => Turn::Over(Some(Event::TimedOut)),
        }
    }

    /// Whether its command is sent again when it was not answered. A message that nobody acknowledges is not: it could
    /// arrive twice.
    pub(super) fn is_repeated(&self) -> bool {
        !matches!(self, Self::Publish { qos: QoS::AtMostOnce, .. } | Self::Command { .. })
    }
}

pub(super) fn over(cause: Cause) -> Turn {
    Turn::Over(Some(Event::Failed(cause)))
}

fn subscribed(ack: Ack, asked: QoS) -> Event<'static> {
    Event::Subscribed(match ack {
        Ack::Granted => Some(asked),
        Ack::At(qos) => Some(qos),
        Ack::Refused => None,
    })
}

/// The family of a model that is told behind a colon; AnyCloud's where it is not known, which asks less of it. AnyCloud's
/// own firmware has an equals sign there, so that a PIC32MZW1 behind a colon is an RNWF11.
fn family(model: &[u8]) -> Dialect {
    let has = |name: &[u8]| model.windows(name.len()).any(|part| part == name);
    if [&b"RNWF"[..], b"PIC32MZW", b"WINCS"].into_iter().any(has) { Dialect::Rnwf } else { Dialect::AnyCloud }
}

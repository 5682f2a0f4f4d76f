//! How does the module get to a server?

use super::{
    Event, Timers,
    op::{Turn, over},
    setting::Setting,
    urc::Urc,
};
use crate::io::{Cause, TlsFault};
use alloc::vec::Vec;

/// To a server.
#[derive(Debug)]
pub(super) struct Dial {
    pub(super) step: DialStep,
    /// What has to be set, the next one last.
    pub(super) settings: Vec<Setting>,
    pub(super) clean: bool,
    /// Whether the modem holds a connection already, as far as it has told.
    pub(super) held: Option<bool>,
    pub(super) session_present: bool,
    /// What came before the final result.
    pub(super) early: Option<Event<'static>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum DialStep {
    Query,
    Leave,
    Set,
    Connect,
}

impl Dial {
    /// On with the settings, or with connecting once they are made.
    pub(super) fn set(&mut self) -> Turn {
        self.step = if self.settings.is_empty() { DialStep::Connect } else { DialStep::Set };
        Turn::Next
    }

    pub(super) fn done(&mut self, timers: &Timers) -> Turn {
        match self.step {
            DialStep::Query if self.held.is_none() => Turn::Unsure,
            DialStep::Query if self.held == Some(true) => {
                self.step = DialStep::Leave;
                Turn::Next
            }
            DialStep::Leave if self.held == Some(true) => Turn::Await(timers.disconnect, "farewell"),
            DialStep::Query | DialStep::Leave => self.set(),
            DialStep::Set => {
                let set = self.settings.pop();
                self.set();
                set.map_or(Turn::Next, Turn::Set)
            }
            DialStep::Connect => match self.early.take() {
                Some(event) => Turn::Over(Some(event)),
                None => Turn::Await(timers.connect, "CONNACK"),
            },
        }
    }

    pub(super) fn failed(&mut self) -> Turn {
        match self.step {
            DialStep::Query | DialStep::Leave => self.set(),
            DialStep::Set => over(self.settings.last().map_or(Cause::Lost, Setting::refused)),
            DialStep::Connect => over(Cause::Modem("it refuses to connect")),
        }
    }

    pub(super) fn urc(&mut self, urc: Urc, asking: bool) -> Turn {
        if self.step != DialStep::Connect {
            // A connection of earlier, come late or going: it ends before a new one begins.
            return match (self.step, urc) {
                (DialStep::Leave, Urc::Connection(false)) => {
                    self.held = Some(false);
                    if asking { Turn::Stay } else { self.set() }
                }
                (DialStep::Query | DialStep::Leave, Urc::Connection(true)) => {
                    self.held = Some(true);
                    Turn::Stay
                }
                (DialStep::Set, Urc::Connection(true)) => over(Cause::Modem("it connects by itself to another server")),
                (_, _) => Turn::Stay,
            };
        }
        let event = match urc {
            Urc::ConnAck(session, 0) => {
                self.session_present = session;
                return Turn::Stay;
            }
            Urc::ConnAck(_, code) => Event::Refused(code),
            Urc::Connection(true) => Event::Connected { session_present: self.session_present },
            Urc::Connection(false) => Event::Failed(Cause::Unreachable),
            Urc::TlsFailed => Event::Failed(Cause::Tls(TlsFault::Unusable("the modem and the server do not agree"))),
            Urc::LinkDown => Event::Failed(Cause::Lost),
            _ => return Turn::Stay,
        };
        if asking {
            self.early.get_or_insert(event);
            Turn::Stay
        } else {
            Turn::Over(Some(event))
        }
    }
}

//! How does the module get onto the Wi-Fi network?

use super::{
    Event, Timers,
    op::{Turn, over},
    setting::Setting,
    urc::Urc,
};
use crate::io::Cause;
use alloc::vec::Vec;

/// Onto the network.
#[derive(Debug)]
pub(super) struct Join {
    pub(super) step: JoinStep,
    /// What has to be set, the next one last; `None` where no network is configured.
    pub(super) settings: Option<Vec<Setting>>,
    /// The same once more, for when the station has to be stopped first.
    pub(super) again: Option<Vec<Setting>>,
    /// Whether it has an address, as far as it has told.
    pub(super) address: Option<bool>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum JoinStep {
    Query,
    Stop,
    Set,
    Start,
}

/// The code of a setting that cannot be changed while the station is up, in each dialect.
const BLOCKED: u16 = 6;

impl Join {
    pub(super) fn setting(&self) -> Option<&Setting> {
        (self.step == JoinStep::Set).then(|| self.settings.as_ref()?.last()).flatten()
    }

    /// On with the settings, or with joining once they are made.
    fn set(&mut self) -> Turn {
        let more = self.settings.as_ref().is_some_and(|settings| !settings.is_empty());
        self.step = if more { JoinStep::Set } else { JoinStep::Start };
        Turn::Next
    }

    pub(super) fn done(&mut self, timers: &Timers) -> Turn {
        match self.step {
            JoinStep::Query if self.address.is_none() => Turn::Unsure,
            JoinStep::Query | JoinStep::Start if self.address == Some(true) => Turn::Over(Some(Event::Joined)),
            JoinStep::Query if self.settings.is_none() => {
                over(Cause::Modem("it is on no Wi-Fi network, and none is configured"))
            }
            JoinStep::Query | JoinStep::Stop => self.set(),
            JoinStep::Set => {
                self.settings.as_mut().map(Vec::pop);
                self.set()
            }
            JoinStep::Start => Turn::Await(timers.join, "join"),
        }
    }

    pub(super) fn failed(&mut self, code: u16, timers: &Timers) -> Turn {
        match self.step {
            JoinStep::Query | JoinStep::Stop => {
                self.address.get_or_insert(false);
                self.done(timers)
            }
            // It is trying to join something already: it is stopped first, once.
            JoinStep::Set if code == BLOCKED && self.again.is_some() => {
                self.settings = self.again.take();
                self.step = JoinStep::Stop;
                Turn::Next
            }
            JoinStep::Set => over(self.setting().map_or(Cause::Lost, Setting::refused)),
            JoinStep::Start => over(Cause::Modem("it refuses to join the Wi-Fi network")),
        }
    }

    pub(super) fn urc(&mut self, urc: Urc, asking: bool) -> Turn {
        match (self.step, urc) {
            (JoinStep::Start, Urc::Address) => {
                self.address = Some(true);
                if asking { Turn::Stay } else { Turn::Over(Some(Event::Joined)) }
            }
            (JoinStep::Start, Urc::NotJoined) => {
                over(Cause::Modem("it could not join the Wi-Fi network: check its name and passphrase"))
            }
            (_, _) => Turn::Stay,
        }
    }
}

//! The modem in its Wi-Fi network: joining, the address, and losing both.

use super::config::{Config, Network};
use core::time::Duration;
use skytether_core::time::Instant;
use std::collections::VecDeque;

/// What the station is told to join.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) ssid: Vec<u8>,
    pub(super) security: u32,
    pub(super) credentials: Vec<u8>,
}

/// What has become of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Said {
    /// It is in this network.
    Linked(usize),
    /// It has an address there.
    Addressed(usize),
    /// It has lost the network, or left it.
    Unlinked,
    /// It did not get in.
    Failed,
    /// A network was found, as it is printed.
    Found(String),
    /// No more were.
    Scanned,
}

/// The station.
pub(super) struct Station {
    stage: Stage,
    /// No network is within reach before.
    away_until: Option<Instant>,
    said: VecDeque<Said>,
}

enum Stage {
    Off,
    Joining(Wanted, Instant),
    Linked(usize, Instant),
    Up(usize),
}

impl Station {
    pub(super) fn new() -> Self {
        Self { stage: Stage::Off, away_until: None, said: VecDeque::new() }
    }

    /// It has been in this network for long.
    pub(super) fn stands(&mut self, network: usize) {
        self.stage = Stage::Up(network);
    }

    /// The network that it is in with an address.
    pub(super) fn network(&self) -> Option<usize> {
        match self.stage {
            Stage::Up(network) => Some(network),
            Stage::Off | Stage::Joining(..) | Stage::Linked(..) => None,
        }
    }

    /// The network that it is in, with an address or without.
    pub(super) fn linked(&self) -> Option<usize> {
        match self.stage {
            Stage::Up(network) | Stage::Linked(network, _) => Some(network),
            Stage::Off | Stage::Joining(..) => None,
        }
    }

    /// Whether it was started.
    pub(super) fn is_started(&self) -> bool {
        !matches!(self.stage, Stage::Off)
    }

    pub(super) fn join(&mut self, now: Instant, config: &Config, wanted: Wanted) {
        self.stage = Stage::Joining(wanted, now.after(config.times.join));
    }

    pub(super) fn leave(&mut self) {
        if self.linked().is_some() {
            self.said.push_back(Said::Unlinked);
        }
        self.stage = Stage::Off;
    }

    /// A look around has found these.
    pub(super) fn scanned(&mut self, found: Vec<String>) {
        self.said.extend(found.into_iter().map(Said::Found));
        self.said.push_back(Said::Scanned);
    }

    /// Its access point is gone for so long.
    pub(super) fn lose(&mut self, now: Instant, time: Duration) {
        self.away_until = Some(now.after(time));
        if self.linked().is_some() {
            self.leave();
        }
    }

    /// Networks are within reach again.
    pub(super) fn behave(&mut self) {
        self.away_until = None;
    }

    /// It starts anew.
    pub(super) fn reset(&mut self) {
        self.stage = Stage::Off;
        self.said.clear();
    }

    pub(super) fn take_said(&mut self) -> Option<Said> {
        self.said.pop_front()
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Joining(_, at) | Stage::Linked(_, at) => Some(*at),
            Stage::Off | Stage::Up(_) => None,
        }
    }

    pub(super) fn tick(&mut self, now: Instant, config: &Config) {
        match &self.stage {
            Stage::Joining(wanted, at) if *at <= now => {
                let away = self.away_until.is_some_and(|until| now < until);
                let found = config.networks.iter().position(|network| lets_in(network, wanted)).filter(|_| !away);
                if let Some(network) = found {
                    self.said.push_back(Said::Linked(network));
                    self.stage = Stage::Linked(network, now.after(config.times.address));
                } else {
                    self.said.push_back(Said::Failed);
                    self.stage = Stage::Off;
                }
            }
            Stage::Linked(network, at) if *at <= now => {
                let network = *network;
                self.said.push_back(Said::Addressed(network));
                self.stage = Stage::Up(network);
            }
            Stage::Off | Stage::Joining(..) | Stage::Linked(..) | Stage::Up(_) => {}
        }
    }
}

impl core::fmt::Debug for Station {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Station").field("linked", &self.linked()).finish_non_exhaustive()
    }
}

fn lets_in(network: &Network, wanted: &Wanted) -> bool {
    let right = match &network.passphrase {
        None => wanted.security == 0,
        Some(passphrase) => (2..=5).contains(&wanted.security) && passphrase.expose() == wanted.credentials,
    };
    right && network.ssid.as_bytes() == wanted.ssid
}

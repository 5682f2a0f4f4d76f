//! Commands about the Wi-Fi network.

use super::{Outcome, Then, number, small};
use crate::modem::{
    Modem,
    config::{Dialect, StationForm},
    grammar::Value,
    print,
    station::Wanted,
    tables::wstac,
    trouble::Trouble,
};
use skytether_core::time::Instant;

/// Shortest passphrase of a protected network.
const PASSPHRASE: usize = 8;

impl Modem {
    pub(super) fn wstac(&mut self, now: Instant, params: &[Value]) -> Outcome {
        if params.len() == 2 && self.station.is_started() {
            return Err(Trouble::UpdateBlocked);
        }
        // The list of this firmware has lost its plus.
        let slips = params.is_empty() && self.config.dialect == Dialect::AnyCloud;
        let name = if slips { "WSTAC" } else { "+WSTAC" };
        self.table(now, name, |modem| &mut modem.tables.wstac, params)
    }

    pub(super) fn wsta(&mut self, now: Instant, params: &[Value]) -> Outcome {
        match params {
            [] => {
                let line = self.station_line();
                self.console.info(now, &line);
            }
            [start] => match small(start)? {
                0 if !self.station.is_started() => return Err(Trouble::LeaveNotPermitted),
                0 => self.station.leave(),
                1 if self.station.linked().is_some() => return Err(Trouble::JoinNotPermitted),
                1 => self.join(now)?,
                _ => return Err(Trouble::InvalidParameter),
            },
            _ => return Err(Trouble::ParameterCount),
        }
        Ok(Then::Ok)
    }

    fn station_line(&self) -> String {
        let Some(network) = self.station.linked().and_then(|at| self.config.networks.get(at)) else {
            return match (self.config.dialect, self.config.station) {
                (Dialect::Rnwf, _) | (Dialect::AnyCloud, StationForm::Manual) => "+WSTA:0,0".to_owned(),
                (Dialect::AnyCloud, StationForm::Firmware | StationForm::Short) => "+WSTA:0".to_owned(),
            };
        };
        let security = self.tables.wstac.number(wstac::SECURITY);
        let ssid = print::bytes(self.config.dialect, network.ssid.as_bytes());
        let details = format!("{ssid},{},{security}", network.rssi);
        match (self.config.dialect, self.config.station) {
            (Dialect::Rnwf, _) => "+WSTA:1,1".to_owned(),
            (Dialect::AnyCloud, StationForm::Manual) => format!("+WSTA:1,1,{details}"),
            (Dialect::AnyCloud, StationForm::Firmware) => format!("+WSTA:1,{details}"),
            (Dialect::AnyCloud, StationForm::Short) => "+WSTA:1".to_owned(),
        }
    }

    fn join(&mut self, now: Instant) -> Result<(), Trouble> {
        let table = &self.tables.wstac;
        let wanted = Wanted {
            ssid: table.bytes(wstac::SSID).to_vec(),
            security: table.number(wstac::SECURITY),
            credentials: table.bytes(wstac::CREDENTIALS).to_vec(),
        };
        if wanted.ssid.is_empty() {
            return Err(Trouble::WifiFailed);
        }
        match wanted.security {
            0 => {}
            2..=5 if wanted.credentials.len() >= PASSPHRASE => {}
            2..=5 => return Err(Trouble::SecurityParameters),
            // WEP, and the enterprise modes, which are not simulated.
            _ => return Err(Trouble::SecurityType),
        }
        self.station.join(now, &self.config, wanted);
        Ok(())
    }

    /// Who is within reach; the channel and the name that are asked for select.
    pub(super) fn scan(&mut self, params: &[Value]) -> Outcome {
        let (channel, name) = match params {
            [channel] => (number(channel)?, None),
            [channel, name] => (number(channel)?, Some(super::bytes(name)?)),
            _ => return Err(Trouble::ParameterCount),
        };
        let any = if self.config.dialect == Dialect::AnyCloud { 255 } else { 0 };
        let dialect = self.config.dialect;
        let found: Vec<String> = self
            .config
            .networks
            .iter()
            .filter(|network| channel == any || channel == u32::from(network.channel))
            .filter(|network| name.is_none_or(|name| network.ssid.as_bytes() == name))
            .map(|network| {
                let security = if network.passphrase.is_some() { 3 } else { 0 };
                let ssid = print::bytes(dialect, network.ssid.as_bytes());
                format!("+WSCNIND:{},{security},{},\"{}\",{ssid}", network.rssi, network.channel, network.bssid)
            })
            .collect();
        self.station.scanned(found);
        Ok(Then::Ok)
    }

    /// `AT+NETIFC=<interface>,<id>,<value>`: there is one interface.
    pub(super) fn netifc(&mut self, now: Instant, params: &[Value]) -> Outcome {
        match params.split_first() {
            None => Err(Trouble::ParameterCount),
            Some((interface, rest)) => match small(interface)? {
                0 => self.table(now, "+NETIFC", |modem| &mut modem.tables.netifc, rest),
                _ => Err(Trouble::InvalidParameter),
            },
        }
    }
}

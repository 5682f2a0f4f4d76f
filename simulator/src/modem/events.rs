//! What the modem tells its host unasked, in the words of its dialect.

use super::{
    Modem,
    client::{Incoming, Said},
    config::{Dialect, StationForm},
    print, sockets, station,
    tables::{mqttc, sntpc, wstac},
    trouble::Trouble,
};
use skytether_core::{io::Refusal, link::QoS, time::Instant};

/// Seconds from 1900, where NTP counts from, to 1970.
const NTP: u64 = 2_208_988_800;

/// `AnyCloud`'s printed forms go through a buffer of this many bytes.
const SCRATCH: usize = 1500;

/// RNWF's messages that are announced and wait to be fetched; an older one is forgotten.
const ANNOUNCED: usize = 8;

impl Modem {
    /// Tells all that has happened.
    pub(super) fn tell(&mut self, now: Instant) {
        while let Some(said) = self.station.take_said() {
            self.tell_station(now, said);
        }
        while let Some(said) = self.client.take_said() {
            self.tell_client(now, said);
        }
        while let Some(said) = self.sockets.take_said() {
            self.tell_socket(now, said);
        }
    }

    fn event(&mut self, now: Instant, event: impl Into<String>) {
        if self.booting.is_none() {
            self.console.event(now, event.into());
        }
    }

    /// What the events of the station begin with: an association id, or nothing.
    fn association(&self) -> &'static str {
        match (self.config.dialect, self.config.station) {
            (Dialect::Rnwf, _) | (Dialect::AnyCloud, StationForm::Manual) => "1,",
            (Dialect::AnyCloud, StationForm::Firmware | StationForm::Short) => "",
        }
    }

    fn tell_station(&mut self, now: Instant, said: station::Said) {
        let association = self.association();
        let network = |at: usize| self.config.networks.get(at);
        match said {
            station::Said::Linked(at) => {
                let Some(network) = network(at) else { return };
                let event = format!("+WSTALU:{association}\"{}\",{}", network.bssid, network.channel);
                self.event(now, event);
            }
            station::Said::Addressed(at) => {
                let Some(network) = network(at) else { return };
                let event = format!("+WSTAAIP:{association}\"{}\"", network.address);
                self.event(now, event);
                if self.has_time_server() {
                    self.clock.next = Some(now.after(self.config.times.sntp));
                }
            }
            station::Said::Unlinked => {
                self.event(now, if association.is_empty() { "+WSTALD" } else { "+WSTALD:1" });
                self.clock.next = None;
                self.client.lose(now, &mut self.net);
                self.sockets.lose(&mut self.net);
            }
            station::Said::Found(network) => self.event(now, network),
            station::Said::Scanned => self.event(now, "+WSCNDONE"),
            station::Said::Failed => {
                let event = match self.config.dialect {
                    Dialect::AnyCloud => self.failed("+WSTA", Trouble::JoinFailed),
                    Dialect::Rnwf => format!("+WSTAERR:{}", Trouble::JoinFailed.code(Dialect::Rnwf)),
                };
                self.event(now, event);
            }
        }
    }

    /// An event that says how something failed: `+WSTA:ERROR:24,"STA Connection Failed"`.
    fn failed(&self, name: &str, trouble: Trouble) -> String {
        format!("{name}:{}", trouble.result(self.config.dialect, self.console.verbosity))
    }

    /// Whether the host has said whom to ask for the time.
    fn has_time_server(&self) -> bool {
        let tables = &self.tables;
        let in_wstac =
            tables.wstac.number(wstac::TIME_STATIC) == 1 && !tables.wstac.bytes(wstac::TIME_SERVER).is_empty();
        let in_sntpc = tables.sntpc.number(sntpc::ENABLED) == 1
            && tables.sntpc.number(sntpc::STATIC) == 1
            && !tables.sntpc.bytes(sntpc::SERVER).is_empty();
        in_wstac || in_sntpc
    }

    pub(super) fn clock_ticks(&mut self, now: Instant) {
        if self.clock.next.is_none_or(|at| at > now) {
            return;
        }
        self.clock.known = true;
        self.clock.offset = 0;
        self.clock.next = None;
        if self.config.dialect == Dialect::Rnwf {
            self.clock.next = Some(now.after(self.config.times.time_again));
            let event = format!("+TIME:{}", self.ntp_seconds(now));
            self.event(now, event);
        }
    }

    pub(super) fn ntp_seconds(&self, now: Instant) -> u64 {
        self.wall(now).seconds().saturating_add(NTP)
    }

    fn tell_client(&mut self, now: Instant, said: Said) {
        let dialect = self.config.dialect;
        match (said, dialect) {
            (Said::Up { session_present, by_itself }, _) => {
                if !by_itself {
                    let flags = match dialect {
                        // The literal pair, whatever the broker said.
                        Dialect::AnyCloud => 0,
                        Dialect::Rnwf => u8::from(session_present),
                    };
                    self.event(now, format!("+MQTTCONNACK:{flags},0"));
                }
                self.event(now, "+MQTTCONN:1");
            }
            (Said::Refused(_), Dialect::AnyCloud) => self.event(now, "+MQTTCONNACK:1,1"),
            (Said::Refused(refusal), Dialect::Rnwf) => {
                if let Some(refusal) = refusal {
                    self.event(now, format!("+MQTTCONNACK:0,{}", reason(refusal)));
                }
            }
            (Said::Down { below }, _) => {
                self.announced.clear();
                if !(below && self.config.quirks.silent_failures) {
                    self.event(now, "+MQTTCONN:0");
                }
            }
            (Said::Granted(granted), Dialect::AnyCloud) => {
                self.event(now, format!("+MQTTSUB:{}", u8::from(granted.is_none())));
            }
            (Said::Granted(granted), Dialect::Rnwf) => {
                self.event(now, format!("+MQTTSUB:{}", granted.map_or(128, QoS::level)));
            }
            (Said::Unsubscribed(done), Dialect::AnyCloud) => self.event(now, format!("+MQTTUNSUB:{}", u8::from(done))),
            (Said::Unsubscribed(done), Dialect::Rnwf) => {
                self.event(now, format!("+MQTTUNSUB:{}", if done { 0 } else { 128 }));
            }
            (Said::Published(QoS::ExactlyOnce, _), Dialect::AnyCloud) => self.event(now, "+MQTTPUBCOMP"),
            (Said::Published(..), Dialect::AnyCloud) => self.event(now, "+MQTTPUBACC"),
            (Said::Published(QoS::ExactlyOnce, id), Dialect::Rnwf) => self.event(now, format!("+MQTTPUBCOMP:{id}")),
            (Said::Published(_, id), Dialect::Rnwf) => self.event(now, format!("+MQTTPUBACK:{id}")),
            (Said::Unpublished(_), Dialect::AnyCloud) => self.event(now, "+MQTTPUBERR"),
            (Said::Unpublished(id), Dialect::Rnwf) => self.event(now, format!("+MQTTPUBERR:{id}")),
            (Said::Message(message), Dialect::AnyCloud) => self.tell_message(now, &message),
            (Said::Message(message), Dialect::Rnwf) => self.tell_or_announce(now, message),
        }
    }

    fn tell_message(&mut self, now: Instant, message: &Incoming) {
        let Incoming { topic, payload, .. } = message;
        let mut announced = payload.len();
        if self.wrong_lengths > 0 {
            self.wrong_lengths -= 1;
            let off = usize::try_from(self.console.chance(9)).unwrap_or(0);
            announced += 1 + off;
        }
        let mut printed = print::bytes(Dialect::AnyCloud, payload);
        let raw = printed.len() == payload.len() + 2;
        if self.config.quirks.faithful && !raw && printed.len() > SCRATCH {
            printed.truncate(SCRATCH);
        }
        let topic_printed = print::bytes(Dialect::AnyCloud, topic.as_bytes());
        self.event(now, format!("+MQTTPUB:{},{topic_printed},{announced},{printed}", topic.len()));
    }

    fn tell_or_announce(&mut self, now: Instant, message: Incoming) {
        let Incoming { topic, payload, qos, retain, dup } = message;
        let printed = print::bytes(Dialect::Rnwf, topic.as_bytes());
        let head = format!("+MQTTSUBRX:{},{},{},{printed}", u8::from(dup), qos.level(), u8::from(retain));
        let threshold = usize::try_from(self.tables.mqttc.number(mqttc::READ_THRESHOLD)).unwrap_or(usize::MAX);
        if payload.len() < threshold {
            let payload = print::bytes(Dialect::Rnwf, &payload);
            return self.event(now, format!("{head},{payload}"));
        }
        self.announced_id = self.announced_id.checked_add(1).unwrap_or(1);
        let (id, len) = (self.announced_id, payload.len());
        if self.announced.len() >= ANNOUNCED {
            self.announced.pop_front();
        }
        self.announced.push_back((topic, id, payload));
        self.event(now, format!("{head},{id},{len}"));
    }

    fn tell_socket(&mut self, now: Instant, said: sockets::Said) {
        match said {
            sockets::Said::Open { id, host, port } => {
                let address = self.station.network().and_then(|at| self.config.networks.get(at));
                let local = address.map_or("0.0.0.0", |network| network.address.as_str());
                let event = format!("+SOCKIND:{id},\"{local}\",{},\"{host}\",{port}", 49_152 + id);
                self.event(now, event);
            }
            sockets::Said::Failed(id) => {
                let code = Trouble::SocketConnect.code(self.config.dialect);
                self.event(now, format!("+SOCKERR:{id},{code}"));
            }
            sockets::Said::Received(id, len) => self.event(now, format!("+SOCKRXT:{id},{len}")),
            sockets::Said::Closed(id) => self.event(now, format!("+SOCKCL:{id}")),
        }
    }
}

/// The reason of MQTT 5 that stands for a return code of MQTT 3.1.1.
fn reason(refusal: Refusal) -> u8 {
    match refusal {
        Refusal::ProtocolVersion => 132,
        Refusal::IdentifierRejected => 133,
        Refusal::BadCredentials => 134,
        Refusal::NotAuthorized => 135,
        // An unknown one says no more than that.
        Refusal::ServerUnavailable | _ => 136,
    }
}

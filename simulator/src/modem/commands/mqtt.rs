//! Commands about the broker.

use super::{Outcome, Then, bytes, none, number, small, text};
use crate::modem::{
    Modem,
    client::Hello,
    config::Dialect,
    grammar::Value,
    net::Tls,
    print,
    tables::{Tables, mqttc, tlsc},
    trouble::Trouble,
};
use skytether_core::{
    link::{Connect, QoS},
    secret::Secret,
    time::Instant,
};

/// Bytes of a topic of a publish; RNWF documents no limit.
const ANYCLOUD_TOPIC: usize = 128;

/// Seconds of keep alive that 0 stands for.
const KEEP_ALIVE: u16 = 60;

impl Modem {
    pub(super) fn mqttc(&mut self, now: Instant, params: &[Value]) -> Outcome {
        if self.config.dialect == Dialect::Rnwf && params == [Value::Number(0), Value::Number(0)] {
            self.tables.mqttc = Tables::new(Dialect::Rnwf, &self.config.device_id).mqttc;
            return Ok(Then::Ok);
        }
        self.table(now, "+MQTTC", |modem| &mut modem.tables.mqttc, params)
    }

    pub(super) fn mqttconn(&mut self, now: Instant, params: &[Value]) -> Outcome {
        let clean = match params {
            [] => {
                let state = u8::from(self.client.is_up());
                self.console.info(now, &format!("+MQTTCONN:{state}"));
                return Ok(Then::Ok);
            }
            [clean] => small(clean)?,
            _ => return Err(Trouble::ParameterCount),
        };
        if clean > 1 {
            return Err(Trouble::InvalidParameter);
        }
        if self.station.network().is_none() {
            return Err(match self.config.dialect {
                Dialect::AnyCloud => Trouble::Mqtt,
                Dialect::Rnwf => Trouble::NotJoined,
            });
        }
        if !self.client.is_idle() || self.tables.mqttc.bytes(mqttc::HOST).is_empty() {
            return Err(Trouble::Mqtt);
        }
        let hello = self.hello(clean == 1);
        if hello.tls.is_some() && !self.clock.known {
            // In 1970 no certificate is valid yet.
            self.client.fail();
        } else {
            self.client.connect(now, &mut self.net, hello);
        }
        Ok(Then::Ok)
    }

    /// Whom to connect to, and as whom.
    pub(in crate::modem) fn hello(&self, clean: bool) -> Hello {
        let table = &self.tables.mqttc;
        let host = table.text(mqttc::HOST);
        let user_name = Some(table.text(mqttc::USER_NAME)).filter(|name| !name.is_empty());
        let password = table.bytes(mqttc::PASSWORD);
        let keep_alive = u16::try_from(table.number(mqttc::KEEP_ALIVE)).unwrap_or(u16::MAX);
        let connect = match self.config.dialect {
            Dialect::AnyCloud => {
                // The flag is always there; a device with a certificate sends a password of no bytes.
                let passed = if self.config.quirks.faithful { &[][..] } else { password };
                Connect {
                    client_id: table.text(mqttc::CLIENT_ID),
                    password: user_name.is_some().then(|| Secret::new(passed)),
                    user_name,
                    keep_alive: if keep_alive == 0 { KEEP_ALIVE } else { keep_alive },
                    clean_session: true,
                    ..Connect::default()
                }
            }
            Dialect::Rnwf => Connect {
                client_id: table.text(mqttc::CLIENT_ID),
                password: (user_name.is_some() && !password.is_empty()).then(|| Secret::new(password)),
                user_name,
                keep_alive,
                clean_session: clean,
                ..Connect::default()
            },
        };
        let port = u16::try_from(table.number(mqttc::PORT)).unwrap_or(0);
        let tls = self.tls_of(table.number(mqttc::TLS), &host);
        Hello { host, port, tls, connect }
    }

    /// How the broker's connection is encrypted; 0: not at all. `AnyCloud` asks for the broker by its address, whatever
    /// its sets say.
    fn tls_of(&self, set: u32, host: &str) -> Option<Tls> {
        if set == 0 {
            return None;
        }
        match self.config.dialect {
            Dialect::AnyCloud => {
                Some(Tls { server_name: host.to_owned(), loaded: self.loaded.clone(), ..Tls::default() })
            }
            Dialect::Rnwf => self.tls_set(set, host),
        }
    }

    /// What a set of `AT+TLSC` says.
    pub(super) fn tls_set(&self, set: u32, host: &str) -> Option<Tls> {
        let set = self.tables.tlsc.get(&set)?;
        let named = [tlsc::SERVER_NAME, tlsc::DOMAIN].into_iter().map(|id| set.text(id)).find(|name| !name.is_empty());
        Some(Tls {
            server_name: named.unwrap_or_else(|| host.to_owned()),
            root: set.text(tlsc::ROOT),
            loaded: self.loaded.clone(),
            certificate: set.text(tlsc::CERTIFICATE),
        })
    }

    pub(super) fn mqttdisconn(&mut self, params: &[Value]) -> Outcome {
        let most = usize::from(self.config.dialect == Dialect::Rnwf);
        if params.len() > most {
            return Err(Trouble::ParameterCount);
        }
        self.client.hang_up(&mut self.net)?;
        Ok(Then::Ok)
    }

    pub(super) fn mqttsub(&mut self, now: Instant, params: &[Value]) -> Outcome {
        let [filter, qos] = params else { return Err(Trouble::ParameterCount) };
        let qos = QoS::from_level(small(qos)?).ok_or(Trouble::InvalidParameter)?;
        self.client.subscribe(now, &mut self.net, text(filter)?, qos)?;
        Ok(Then::Ok)
    }

    pub(super) fn mqttunsub(&mut self, now: Instant, params: &[Value]) -> Outcome {
        let [filter] = params else { return Err(Trouble::ParameterCount) };
        self.client.unsubscribe(now, &mut self.net, text(filter)?)?;
        Ok(Then::Ok)
    }

    pub(super) fn mqttpub(&mut self, now: Instant, params: &[Value]) -> Outcome {
        let [dup, qos, retain, topic, payload] = params else { return Err(Trouble::ParameterCount) };
        let (dup, retain) = (small(dup)?, small(retain)?);
        let qos = QoS::from_level(small(qos)?).ok_or(Trouble::InvalidParameter)?;
        let (topic, payload) = (text(topic)?, bytes(payload)?);
        let long = self.config.dialect == Dialect::AnyCloud && topic.len() > ANYCLOUD_TOPIC;
        if dup > 1 || retain > 1 || long {
            return Err(Trouble::InvalidParameter);
        }
        let id = self.client.publish(now, &mut self.net, &topic, payload, qos, retain == 1)?;
        if self.config.dialect == Dialect::Rnwf && !self.config.quirks.no_publish_line {
            let line = if id == 0 { "+MQTTPUB".to_owned() } else { format!("+MQTTPUB:{id}") };
            self.console.info(now, &line);
        }
        Ok(Then::Ok)
    }

    pub(super) fn mqttsublst(&mut self, now: Instant, params: &[Value]) -> Outcome {
        none(params)?;
        for (filter, qos) in self.client.filters() {
            let filter = print::bytes(Dialect::Rnwf, filter.as_bytes());
            self.console.info(now, &format!("+MQTTSUBLST:{filter},{}", qos.level()));
        }
        Ok(Then::Ok)
    }

    /// Fetches a message that was announced.
    pub(super) fn mqttsubrd(&mut self, now: Instant, params: &[Value]) -> Outcome {
        let [topic, id, len] = params else { return Err(Trouble::ParameterCount) };
        let (topic, id, len) = (text(topic)?, number(id)?, number(len)?);
        let is_it = |(held, held_id, _): &(String, u16, Vec<u8>)| *held == topic && u32::from(*held_id) == id;
        let at = self.announced.iter().position(is_it).ok_or(Trouble::Mqtt)?;
        let Some((_, _, mut payload)) = self.announced.remove(at) else { return Err(Trouble::Mqtt) };
        payload.truncate(usize::try_from(len).unwrap_or(usize::MAX));
        let printed = print::bytes(Dialect::Rnwf, &payload);
        self.console.info(now, &format!("+MQTTSUBRD:{id},{},{printed}", payload.len()));
        Ok(Then::Ok)
    }
}

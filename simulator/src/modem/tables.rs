//! Which numbered parameters each command of each dialect has, with their limits and defaults.

use super::{
    config::{Dialect, Network},
    grammar::Value,
    settings::{Kind, Settings},
};
use std::collections::BTreeMap;

/// All numbered parameters of a modem.
#[derive(Clone, Debug)]
pub(super) struct Tables {
    pub(super) wstac: Settings,
    pub(super) mqttc: Settings,
    /// By the number of the set.
    pub(super) tlsc: BTreeMap<u32, Settings>,
    /// RNWF has its time servers and network interface apart.
    pub(super) sntpc: Settings,
    pub(super) netifc: Settings,
    pub(super) cfg: Settings,
}

/// Parameters of `AT+MQTTC` that both dialects number alike.
pub(super) mod mqttc {
    pub(in crate::modem) const HOST: u32 = 1;
    pub(in crate::modem) const PORT: u32 = 2;
    pub(in crate::modem) const CLIENT_ID: u32 = 3;
    pub(in crate::modem) const USER_NAME: u32 = 4;
    pub(in crate::modem) const PASSWORD: u32 = 5;
    pub(in crate::modem) const KEEP_ALIVE: u32 = 6;
    pub(in crate::modem) const TLS: u32 = 7;
    /// RNWF.
    pub(in crate::modem) const READ_THRESHOLD: u32 = 9;
}

/// Parameters of `AT+WSTAC`.
pub(super) mod wstac {
    pub(in crate::modem) const SSID: u32 = 1;
    pub(in crate::modem) const SECURITY: u32 = 2;
    pub(in crate::modem) const CREDENTIALS: u32 = 3;
    pub(in crate::modem) const CHANNEL: u32 = 4;
    pub(in crate::modem) const TIME_SERVER: u32 = 12;
    pub(in crate::modem) const TIME_STATIC: u32 = 13;
}

/// Parameters of `AT+SNTPC`.
pub(super) mod sntpc {
    pub(in crate::modem) const ENABLED: u32 = 1;
    pub(in crate::modem) const STATIC: u32 = 2;
    pub(in crate::modem) const SERVER: u32 = 3;
}

/// Parameters of `AT+TLSC`.
pub(super) mod tlsc {
    pub(in crate::modem) const ROOT: u32 = 1;
    pub(in crate::modem) const CERTIFICATE: u32 = 2;
    pub(in crate::modem) const SERVER_NAME: u32 = 5;
    /// RNWF: the name that is checked.
    pub(in crate::modem) const DOMAIN: u32 = 6;
}

const ANY: (u32, u32) = (0, u32::MAX);
const FLAG: (u32, u32) = (0, 1);

impl Tables {
    pub(super) fn new(dialect: Dialect, device_id: &str) -> Self {
        let (mqttc, wstac, tls_sets) = match dialect {
            Dialect::AnyCloud => (anycloud_mqttc(device_id), anycloud_wstac(), 2),
            Dialect::Rnwf => (rnwf_mqttc(device_id), rnwf_wstac(), 4),
        };
        let tls = match dialect {
            Dialect::AnyCloud => anycloud_tlsc(),
            Dialect::Rnwf => rnwf_tlsc(),
        };
        Self {
            wstac,
            mqttc,
            tlsc: (1..=tls_sets).map(|set| (set, tls.clone())).collect(),
            sntpc: Settings::default().number_id(sntpc::ENABLED, FLAG, 0).number_id(sntpc::STATIC, FLAG, 0).text_id(
                sntpc::SERVER,
                Kind::Text(256),
                "",
            ),
            netifc: Settings::default().number_id(10, FLAG, 1),
            cfg: Settings::default().text_id(1, Kind::Text(17), "02:00:00:00:00:02").text_id(
                2,
                Kind::Text(32),
                device_id,
            ),
        }
    }

    /// As somebody left it who joined this network.
    pub(super) fn stands(&mut self, network: &Network) {
        let security = if network.passphrase.is_some() { 3 } else { 0 };
        let credentials = network.passphrase.as_ref().map_or(&[][..], |passphrase| passphrase.expose());
        // The ids are there; what does not fit is left as it is.
        let _ = self.wstac.set(wstac::SSID, &Value::Bytes(network.ssid.clone().into_bytes()));
        let _ = self.wstac.set(wstac::SECURITY, &Value::Number(security));
        let _ = self.wstac.set(wstac::CREDENTIALS, &Value::Bytes(credentials.to_vec()));
    }

    /// As somebody left it who connected to this broker.
    pub(super) fn broker(&mut self, host: &str, port: u16, tls: bool, client_id: &str, user_name: &str) {
        let text = |text: &str| Value::Bytes(text.as_bytes().to_vec());
        let values = [
            (mqttc::HOST, text(host)),
            (mqttc::PORT, Value::Number(port.into())),
            (mqttc::CLIENT_ID, text(client_id)),
            (mqttc::USER_NAME, text(user_name)),
            (mqttc::TLS, Value::Number(tls.into())),
        ];
        for (id, value) in values {
            // The ids are there; what does not fit is left as it is.
            let _ = self.mqttc.set(id, &value);
        }
    }
}

fn anycloud_mqttc(device_id: &str) -> Settings {
    Settings::default()
        .text_id(mqttc::HOST, Kind::Text(64), "")
        .number_id(mqttc::PORT, (0, 65_535), 8883)
        .text_id(mqttc::CLIENT_ID, Kind::Text(23), device_id)
        .text_id(mqttc::USER_NAME, Kind::Text(128), "")
        .text_id(mqttc::PASSWORD, Kind::Secret(256), "")
        .number_id(mqttc::KEEP_ALIVE, (0, 65_535), 0)
        .number_id(mqttc::TLS, (0, 2), 1)
}

fn rnwf_mqttc(device_id: &str) -> Settings {
    Settings::default()
        .number_id(0, (0, 0), 0)
        .text_id(mqttc::HOST, Kind::Text(256), "")
        .number_id(mqttc::PORT, (0, 65_535), 8883)
        .text_id(mqttc::CLIENT_ID, Kind::Text(64), device_id)
        .text_id(mqttc::USER_NAME, Kind::Text(128), "")
        .text_id(mqttc::PASSWORD, Kind::Secret(256), "")
        .number_id(mqttc::KEEP_ALIVE, (0, 0x7FFF), 60)
        .number_id(mqttc::TLS, (0, 4), 0)
        // MQTT 5 is not simulated.
        .number_id(8, (3, 3), 3)
        .number_id(mqttc::READ_THRESHOLD, (0, 65_535), 65_535)
}

fn anycloud_wstac() -> Settings {
    let reserved = (5..=11).fold(Settings::default(), |settings, id| settings.number_id(id, ANY, 0));
    reserved
        .text_id(wstac::SSID, Kind::Text(32), "")
        .number_id(wstac::SECURITY, (0, 5), 0)
        .text_id(wstac::CREDENTIALS, Kind::Text(128), "")
        .number_id(wstac::CHANNEL, (0, 255), 255)
        .text_id(wstac::TIME_SERVER, Kind::Text(128), "")
        .number_id(wstac::TIME_STATIC, FLAG, 0)
}

fn rnwf_wstac() -> Settings {
    Settings::default()
        .text_id(wstac::SSID, Kind::Text(32), "")
        .number_id(wstac::SECURITY, (0, 9), 0)
        .text_id(wstac::CREDENTIALS, Kind::Secret(128), "")
        .number_id(wstac::CHANNEL, (0, 13), 0)
        .text_id(5, Kind::Text(17), "")
        .number_id(7, ANY, 10_000)
        .number_id(8, (0, 1), 0)
        .number_id(9, (0, 2), 0)
        // Older releases keep the time server here, as AnyCloud does.
        .text_id(wstac::TIME_SERVER, Kind::Text(128), "")
        .number_id(wstac::TIME_STATIC, FLAG, 0)
        .number_id(50, (0, 2), 0)
        .number_id(51, FLAG, 0)
}

fn anycloud_tlsc() -> Settings {
    Settings::default()
        .text_id(tlsc::ROOT, Kind::Text(64), "")
        .text_id(tlsc::CERTIFICATE, Kind::Text(64), "")
        .text_id(3, Kind::Text(32), "")
        .text_id(4, Kind::Secret(32), "")
        .text_id(tlsc::SERVER_NAME, Kind::Text(32), "")
}

fn rnwf_tlsc() -> Settings {
    Settings::default()
        .number_id(0, (0, 0), 0)
        .text_id(tlsc::ROOT, Kind::Text(32), "")
        .text_id(tlsc::CERTIFICATE, Kind::Text(32), "")
        .text_id(3, Kind::Text(32), "")
        .text_id(4, Kind::Secret(64), "")
        .text_id(tlsc::SERVER_NAME, Kind::Text(256), "")
        .text_id(tlsc::DOMAIN, Kind::Text(256), "")
        .number_id(7, (1, 2), 1)
        .number_id(40, FLAG, 1)
        .number_id(41, FLAG, 1)
        .number_id(42, FLAG, 1)
        .number_id(43, FLAG, 0)
}

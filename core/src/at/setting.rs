//! Which values does the modem hold, and which have to be set for what is wanted?

use super::{
    Dialect,
    encode::{self, Param, TooLong},
    options::{Security, Tls, Wifi},
};
use crate::{
    io::Cause,
    link::{Connect, Endpoint, TlsIdentity},
    secret::Secret,
};
use alloc::{string::String, vec::Vec};

/// One value of one table: `AT+<table>=[<conf>,]<id>,<value>`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Setting {
    table: Table,
    id: i64,
    value: Held,
}

/// A table of values.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Table {
    Mqtt,
    Wifi,
    Sntp,
    /// TLS, with the number of the configuration.
    Tls(u8),
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Held {
    Int(i64),
    Text(String),
    Secret(Secret),
}

impl Setting {
    fn int(table: Table, id: i64, value: impl Into<i64>) -> Self {
        Self { table, id, value: Held::Int(value.into()) }
    }

    fn text(table: Table, id: i64, value: &str) -> Self {
        Self { table, id, value: Held::Text(value.into()) }
    }

    fn secret(table: Table, id: i64, value: &Secret) -> Self {
        Self { table, id, value: Held::Secret(value.clone()) }
    }

    /// Whether a modem of which nothing is known may be taken to hold it: no user name, no password, the keep alive that
    /// it begins with.
    fn is_default(&self) -> bool {
        match &self.value {
            Held::Int(number) => (self.table, self.id, *number) == (Table::Mqtt, 6, 0),
            Held::Text(text) => self.table == Table::Mqtt && text.is_empty(),
            Held::Secret(secret) => self.table == Table::Mqtt && secret.is_empty(),
        }
    }

    /// Appends the command that sets it.
    pub(super) fn append(&self, out: &mut Vec<u8>, max: usize) -> Result<(), TooLong> {
        let value = match &self.value {
            Held::Int(number) => Param::Int(*number),
            Held::Text(text) => Param::Bytes(text.as_bytes()),
            Held::Secret(secret) => Param::Bytes(secret.expose()),
        };
        let id = Param::Int(self.id);
        match self.table {
            Table::Mqtt => encode::append(out, "+MQTTC", &[id, value], max),
            Table::Wifi => encode::append(out, "+WSTAC", &[id, value], max),
            Table::Sntp => encode::append(out, "+SNTPC", &[id, value], max),
            Table::Tls(conf) => encode::append(out, "+TLSC", &[Param::Int(conf.into()), id, value], max),
        }
    }

    /// Whether its command must not be kept or shown.
    pub(super) fn is_secret(&self) -> bool {
        matches!(self.value, Held::Secret(_))
    }

    /// What it means that the modem does not take it.
    pub(super) fn refused(&self) -> Cause {
        Cause::Modem(match (self.table, self.id) {
            (Table::Mqtt, 1) => "it refuses the host name: is it too long?",
            (Table::Mqtt, 3) => "it refuses the client id: is it too long?",
            (Table::Mqtt, 4) => "it refuses the user name: is it too long?",
            (Table::Mqtt, 5) => "it refuses the password: is it too long?",
            (Table::Mqtt, _) => "it refuses an MQTT setting",
            (Table::Wifi, 1) => "it refuses the name of the Wi-Fi network",
            (Table::Wifi, 2) => "it does not offer this protection of Wi-Fi",
            (Table::Wifi, 3) => "it refuses the Wi-Fi passphrase",
            (Table::Wifi, _) => "it refuses a Wi-Fi setting",
            (Table::Sntp, _) => "it refuses the time server",
            (Table::Tls(_), 1..=3) => "it does not know the certificate or key that is named",
            (Table::Tls(_), _) => "it refuses a TLS setting",
        })
    }
}

/// What a modem is known to hold. Bounded by the settings that there are.
#[derive(Debug, Default)]
pub(super) struct Known(Vec<Setting>);

impl Known {
    /// It has restarted: nothing is known.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// It took this one.
    pub(super) fn set(&mut self, setting: Setting) {
        self.unset(&setting);
        self.0.push(setting);
    }

    /// It is going to hold this one or another.
    pub(super) fn unset(&mut self, setting: &Setting) {
        self.0.retain(|known| (known.table, known.id) != (setting.table, setting.id));
    }

    /// Whether it holds this value already.
    fn holds(&self, setting: &Setting) -> bool {
        let known = self.0.iter().find(|known| (known.table, known.id) == (setting.table, setting.id));
        known.map_or_else(|| setting.is_default(), |known| known == setting)
    }

    /// Those of `wanted` that have to be set, the first one to be set last.
    pub(super) fn missing(&self, mut wanted: Vec<Setting>) -> Vec<Setting> {
        wanted.retain(|setting| !self.holds(setting));
        wanted.reverse();
        wanted
    }
}

/// What has to be set to join this network, the first one to be set last.
pub(super) fn wifi(wifi: &Wifi, ntp: Option<&str>, dialect: Dialect) -> Vec<Setting> {
    let rnwf = dialect == Dialect::Rnwf;
    let mut settings = Vec::new();
    settings.push(Setting::text(Table::Wifi, 1, &wifi.ssid));
    settings.push(Setting::int(Table::Wifi, 2, wifi.security.code()));
    if wifi.security != Security::Open {
        settings.push(Setting::secret(Table::Wifi, 3, &wifi.passphrase));
    }
    settings.push(Setting::int(Table::Wifi, 4, if rnwf { 0 } else { 255 }));
    if let Some(server) = ntp {
        if rnwf {
            settings.push(Setting::text(Table::Sntp, 3, server));
            settings.push(Setting::int(Table::Sntp, 2, 1));
            settings.push(Setting::int(Table::Sntp, 1, 1));
        } else {
            settings.push(Setting::text(Table::Wifi, 12, server));
            settings.push(Setting::int(Table::Wifi, 13, 1));
        }
    }
    settings.reverse();
    settings
}

/// What has to hold to connect there like this.
pub(super) fn mqtt(to: &Endpoint, connect: &Connect, tls: &Tls, dialect: Dialect) -> Vec<Setting> {
    let rnwf = dialect == Dialect::Rnwf;
    let mut settings = Vec::new();
    let conf = if to.tls == TlsIdentity::Plain { 0 } else { tls.conf.max(1) };
    if rnwf && conf > 0 {
        certificates(&mut settings, to, tls, Table::Tls(conf));
    }
    settings.push(Setting::text(Table::Mqtt, 1, &to.host));
    settings.push(Setting::int(Table::Mqtt, 2, to.port));
    settings.push(Setting::text(Table::Mqtt, 3, &connect.client_id));
    settings.push(Setting::text(Table::Mqtt, 4, connect.user_name.as_deref().unwrap_or_default()));
    let password = connect.password.clone().unwrap_or_default();
    settings.push(Setting::secret(Table::Mqtt, 5, &password));
    settings.push(Setting::int(Table::Mqtt, 6, connect.keep_alive));
    settings.push(Setting::int(Table::Mqtt, 7, conf));
    if rnwf {
        settings.push(Setting::int(Table::Mqtt, 8, 3));
    }
    settings
}

fn certificates(settings: &mut Vec<Setting>, to: &Endpoint, tls: &Tls, table: Table) {
    let named = if let TlsIdentity::Named(name) = &to.tls { Some(name) } else { tls.certificate.as_ref() };
    let shown = named.filter(|_| to.tls != TlsIdentity::Ca);
    let key = tls.key.as_ref().or(shown).filter(|_| shown.is_some());
    for (id, name) in [(1, tls.ca.as_ref()), (2, shown), (3, key)] {
        settings.extend(name.map(|name| Setting::text(table, id, name)));
    }
    // The name to ask for and the name to check are the host's; the server is checked, always.
    settings.push(Setting::text(table, 5, &to.host));
    settings.push(Setting::text(table, 6, &to.host));
    settings.push(Setting::int(table, 40, 1));
    settings.push(Setting::int(table, 41, 1));
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{format, vec};

    fn written(settings: &[Setting]) -> Vec<String> {
        let line = |setting: &Setting| {
            let mut out = Vec::new();
            setting.append(&mut out, 510).unwrap();
            String::from_utf8(out).unwrap().trim_end().into()
        };
        settings.iter().rev().map(line).collect()
    }

    fn connect(user_name: &str) -> Connect {
        Connect { client_id: "dev".into(), user_name: Some(user_name.into()), ..Connect::default() }
    }

    #[test]
    fn only_what_differs_is_set() {
        let tls = Tls::default();
        let mut known = Known::default();
        let dps = Endpoint { tls: TlsIdentity::Client, ..Endpoint::tcp("dps", 8883) };
        let first = known.missing(mqtt(&dps, &connect("scope"), &tls, Dialect::AnyCloud));
        let all =
            ["AT+MQTTC=1,\"dps\"", "AT+MQTTC=2,8883", "AT+MQTTC=3,\"dev\"", "AT+MQTTC=4,\"scope\"", "AT+MQTTC=7,1"];
        assert_eq!(written(&first), all);
        for setting in first {
            known.set(setting);
        }
        let hub = Endpoint { host: "hub".into(), ..dps.clone() };
        let next = known.missing(mqtt(&hub, &connect("hub/dev"), &tls, Dialect::AnyCloud));
        assert_eq!(written(&next), ["AT+MQTTC=1,\"hub\"", "AT+MQTTC=4,\"hub/dev\""]);
        known.clear();
        assert_eq!(written(&known.missing(mqtt(&dps, &connect("scope"), &tls, Dialect::AnyCloud))), all);
    }

    #[test]
    fn plain_tcp_is_set_too_since_a_modem_begins_with_tls() {
        let lines =
            Known::default().missing(mqtt(&Endpoint::tcp("h", 1), &connect("u"), &Tls::default(), Dialect::AnyCloud));
        assert_eq!(written(&lines).last().unwrap(), "AT+MQTTC=7,0");
    }

    #[test]
    fn a_password_of_an_earlier_dial_is_taken_away() {
        let (tls, to) = (Tls::default(), Endpoint { tls: TlsIdentity::Ca, ..Endpoint::tcp("h", 1) });
        let mut known = Known::default();
        let with = Connect { password: Some(Secret::new(*b"pw")), ..connect("u") };
        let first = known.missing(mqtt(&to, &with, &tls, Dialect::AnyCloud));
        assert!(written(&first).contains(&"AT+MQTTC=5,\"pw\"".into()));
        assert!(!format!("{first:?}").contains("pw"));
        for setting in first {
            known.set(setting);
        }
        assert_eq!(written(&known.missing(mqtt(&to, &connect("u"), &tls, Dialect::AnyCloud))), ["AT+MQTTC=5,\"\""]);
    }

    #[test]
    fn an_rnwf_module_is_told_its_certificates_and_checks_the_server() {
        let tls = Tls { ca: Some("root".into()), ..Tls::default() };
        let to = Endpoint { tls: TlsIdentity::Named("device".into()), ..Endpoint::tcp("h", 8883) };
        let lines = written(&Known::default().missing(mqtt(&to, &connect("u"), &tls, Dialect::Rnwf)));
        let wanted = vec![
            "AT+TLSC=1,1,\"root\"",
            "AT+TLSC=1,2,\"device\"",
            "AT+TLSC=1,3,\"device\"",
            "AT+TLSC=1,5,\"h\"",
            "AT+TLSC=1,6,\"h\"",
            "AT+TLSC=1,40,1",
            "AT+TLSC=1,41,1",
        ];
        assert_eq!(lines[..7], wanted);
        assert_eq!(lines.last().unwrap(), "AT+MQTTC=8,3");
    }

    #[test]
    fn an_open_network_needs_no_passphrase() {
        let open = Wifi { ssid: "lab".into(), security: Security::Open, passphrase: Secret::new(*b"x") };
        let lines = written(&wifi(&open, None, Dialect::AnyCloud));
        assert_eq!(lines, ["AT+WSTAC=1,\"lab\"", "AT+WSTAC=2,0", "AT+WSTAC=4,255"]);
    }
}

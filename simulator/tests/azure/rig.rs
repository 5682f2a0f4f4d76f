//! A cloud with two hubs and a provisioning service, and how a test speaks with it.

use crate::support::{Bench, NOON, connect_packet, publish, subscribe};
use base64ct::{Base64, Encoding as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use skytether_core::{link::Connect, secret::Secret};
use skytether_simulator::{
    azure::{AzureCloud, Config, Identity},
    broker::{
        Config as BrokerConfig, ConnId,
        policy::{At, Outbox, Peer},
    },
};

pub(crate) const HUB: &str = "contoso.azure-devices.net";
pub(crate) const OTHER: &str = "fabrikam.azure-devices.net";
pub(crate) const SCOPE: &str = "0ne00ABCDEF";
/// The key of `dev-7`, its module, and the enrolment `pump-7`.
pub(crate) const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
/// The key of the group.
pub(crate) const GROUP: &str =
    "BQwTGiEoLzY9REtSWWBnbnV8g4qRmJ+mrbS7wsnQ197l7PP6AQgPFh0kKzI5QEdOVVxjanF4f4aNlJuiqbC3vg==";

pub(crate) const CONFIG: &str = r#"{
  "provisioning": {
    "id_scope": "0ne00ABCDEF",
    "enrollments": [
      {"registration_id": "pump-7", "proof": {"key": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}, "device_id": "Pump-Seven",
       "terms": {"hub": "fabrikam.azure-devices.net", "payload": {"hello": [1, null]}, "desired": {"telemetryInterval": 5}}},
      {"registration_id": "off-1", "proof": {"key": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}, "terms": {"disabled": true}}
    ],
    "groups": [{"name": "fleet", "proof": {"key": "BQwTGiEoLzY9REtSWWBnbnV8g4qRmJ+mrbS7wsnQ197l7PP6AQgPFh0kKzI5QEdOVVxjanF4f4aNlJuiqbC3vg=="}}]
  },
  "hubs": [
    {"name": "contoso.azure-devices.net", "devices": [
      {"id": "dev-7", "proof": {"key": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="},
       "modules": [["mod-1", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="]]}]},
    {"name": "fabrikam.azure-devices.net", "devices": [
      {"id": "dev-7", "proof": {"key": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}}]}
  ]
}"#;

pub(crate) fn cloud() -> Bench<AzureCloud> {
    let config: Config = serde_json::from_str(CONFIG).unwrap();
    Bench::new(AzureCloud::new(&config, [7; 32]).unwrap(), BrokerConfig::default())
}

pub(crate) fn dev() -> Identity {
    Identity::device(HUB, "dev-7")
}

/// A token as the platform's page on it says, for resources without characters that need an escape but `/`.
pub(crate) fn token(resource: &str, key: &str, expiry: u64) -> String {
    let resource = resource.replace('/', "%2F");
    let mut mac = Hmac::<Sha256>::new_from_slice(&Base64::decode_vec(key).unwrap()).unwrap();
    mac.update(format!("{resource}\n{expiry}").as_bytes());
    let signature = Base64::encode_string(&mac.finalize().into_bytes());
    let signature = signature.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    format!("SharedAccessSignature sr={resource}&sig={signature}&se={expiry}")
}

/// One hour after the wall time at which every test begins.
pub(crate) const LATER: u64 = NOON.0 / 1000 + 3600;

pub(crate) fn connect(client_id: &str, user_name: &str, password: Option<&str>) -> Connect {
    Connect {
        client_id: client_id.to_owned(),
        user_name: Some(user_name.to_owned()),
        password: password.map(Secret::new),
        clean_session: false,
        ..Connect::default()
    }
}

/// What the device `dev-7` of a hub says of itself.
pub(crate) fn device(hub: &str) -> Connect {
    let password = token(&format!("{hub}/devices/dev-7"), KEY, LATER);
    connect("dev-7", &format!("{hub}/dev-7/?api-version=2021-04-12"), Some(&password))
}

/// What a registration says of itself to the provisioning service.
pub(crate) fn registration(id: &str, key: &str) -> Connect {
    let password = token(&format!("{SCOPE}/registrations/{id}"), key, LATER);
    connect(id, &format!("{SCOPE}/registrations/{id}/api-version=2019-03-31"), Some(&password))
}

impl Bench<AzureCloud> {
    /// Connects, and is let in; whether a session was there.
    pub(crate) fn enter(&mut self, connect: &Connect) -> (ConnId, bool) {
        let conn = self.knock(connect);
        let bytes = self.broker.transmit(conn).get(..4).expect("a CONNACK").to_vec();
        self.broker.sent(self.now, conn, 4);
        assert_eq!((bytes[0], bytes[3]), (0x20, 0), "{:?}", self.ended(conn));
        (conn, bytes[2] == 1)
    }

    /// The device `dev-7`, connected and subscribed to these.
    pub(crate) fn dev_7(&mut self, filters: &[&str]) -> ConnId {
        let (conn, _) = self.enter(&device(HUB));
        for filter in filters {
            self.feed(conn, &subscribe(1, &[(filter, 1)]));
            assert_eq!(self.take(conn), ["SUBACK 1 [1]"], "{filter}");
        }
        conn
    }

    /// Sends a CONNECT; the return code of its CONNACK, `None` where the pipe is closed without one.
    pub(crate) fn code(&mut self, connect: &Connect, peer: Peer) -> Option<u8> {
        let conn = self.open_as(peer);
        self.feed(conn, &connect_packet(connect));
        let line = self.take(conn).first().cloned();
        let code = line.map(|line| line.rsplit(' ').next().unwrap().parse().unwrap());
        assert!(code == Some(0) || self.ended(conn).is_some(), "a refusal closes the pipe");
        code
    }

    pub(crate) fn say(&mut self, conn: ConnId, topic: &str, payload: &str) {
        self.feed(conn, &publish(topic, payload, 0, 0));
    }

    /// Says something and takes what comes back.
    pub(crate) fn ask(&mut self, conn: ConnId, topic: &str, payload: &str) -> Vec<String> {
        self.say(conn, topic, payload);
        self.take(conn)
    }

    /// Lets the cloud act of itself.
    pub(crate) fn act<R>(&mut self, act: impl FnOnce(&mut AzureCloud, At, &mut Outbox) -> R) -> R {
        self.broker.act(self.now, act)
    }
}

/// The lines of what goes out: `PUBLISH q0 d0 r0 {topic} {payload}` as topic and payload.
pub(crate) fn heard(line: &str) -> (&str, &str) {
    let rest = line.strip_prefix("PUBLISH ").unwrap_or_else(|| panic!("{line}"));
    let topic = rest.split(' ').find(|word| word.contains('/')).unwrap_or_else(|| panic!("{line}"));
    let behind = rest.split_once(topic).unwrap().1;
    (topic, behind.strip_prefix(' ').unwrap())
}

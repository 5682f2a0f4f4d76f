//! What a device has to be told before it can connect to the platform.

use super::{
    connection_string::{ConnectionString, Secrets},
    credentials::SasToken,
    endpoint::{self, HUB_DOMAINS, PROVISIONING},
    identity::{DeviceKey, HostName, IdScope, ModelId, RegistrationId, Whom},
    update::Updates,
};
use crate::{
    cloud::Fatal,
    http::{Rules, Url},
};
use alloc::{string::String, vec::Vec};
use core::{ops::RangeInclusive, time::Duration};
use serde_json::Value;

/// Longest keep-alive that the hub honours, in seconds.
const KEEP_ALIVE: u16 = 1177;
/// Shortest and longest key, in bytes.
const KEY: RangeInclusive<usize> = 16..=64;
/// Longest product info, in bytes.
const PRODUCT_INFO: usize = 256;
/// Longest common name of a certificate, in characters (X.520).
const COMMON_NAME: usize = 64;
/// How long a token may live: renewal comes 2 min before its end.
const TOKEN_LIFE: RangeInclusive<Duration> = Duration::from_mins(5)..=Duration::from_hours(365 * 24);
/// Shortest time in which a registration can succeed at all: one answer may take that long.
const REGISTRATION: Duration = Duration::from_secs(30);

/// Where a device gets its hub from.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "the platform's two ways")]
pub enum Route {
    /// It is told.
    Hub {
        /// The hub's own name, such as `contoso-hub.azure-devices.net`.
        host: HostName,
        /// The device or module.
        whom: Whom,
    },
    /// The provisioning service assigns it. The assignment is stored and used again until the hub refuses it.
    Provisioning(Provisioning),
}

/// How to ask the provisioning service for a hub.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "a user writes `Provisioning { payload: …, ..Provisioning::new(…) }`")]
pub struct Provisioning {
    /// The scope of the instance.
    pub scope: IdScope,
    /// The id under which the device registers.
    pub registration: RegistrationId,
    /// The service's host. Default [`PROVISIONING`].
    pub host: HostName,
    /// The `payload` of the registration, which decides in custom allocation. An object without `modelId` gets the
    /// model's id added. Default: the model's id alone, where there is one.
    pub payload: Option<Value>,
    /// Domains in which an assigned hub must lie, each with all below it. Default [`HUB_DOMAINS`]; the
    /// service's own host and the gateway are always allowed.
    pub domains: Vec<HostName>,
    /// How long one registration may take in all, waits included. Default 10 min.
    pub limit: Duration,
}

impl Provisioning {
    /// The defaults for one device.
    pub fn new(scope: IdScope, registration: RegistrationId) -> Self {
        Self {
            scope,
            registration,
            host: endpoint::host(PROVISIONING),
            payload: None,
            domains: HUB_DOMAINS.into_iter().map(endpoint::host).collect(),
            limit: Duration::from_mins(10),
        }
    }
}

/// What a device proves its identity with.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "the platform's ways over MQTT")]
pub enum Proof {
    /// Tokens signed with this key at each dial. For a device of a group: the key derived for it, see
    /// [`derive`](super::credentials::derive).
    Key(DeviceKey),
    /// This one token, signed elsewhere; only with [`Route::Hub`]. It cannot be renewed.
    Token(SasToken),
    /// The client certificate of the TLS connection, which the driver or the modem holds.
    Certificate,
}

/// How packets travel.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub enum Transport {
    /// MQTT on TLS, port 8883.
    #[default]
    Tls,
    /// MQTT in WebSocket on TLS, port 443.
    WebSocket,
    /// MQTT on TCP, port 1883. Nothing is encrypted; the platform does not offer it, a local simulator may.
    Tcp,
}

/// What an application wants to hear from its hub. Each costs a subscription; the platform allows five, a modem perhaps
/// fewer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, clippy::struct_excessive_bools, reason = "independent wishes, one filter each")]
pub struct Wanted {
    /// Direct methods: `$iothub/methods/POST/#`.
    pub methods: bool,
    /// Answers about the twin: `$iothub/twin/res/#`. Without them no twin is read or reported.
    pub twin: bool,
    /// Changes of desired properties: `$iothub/twin/PATCH/properties/desired/#`; needs `twin`.
    pub desired: bool,
    /// Messages from the cloud: `devices/{device}/messages/devicebound/#`, of a module its inputs.
    pub messages: bool,
}

impl Wanted {
    /// All of them.
    pub const ALL: Self = Self { methods: true, twin: true, desired: true, messages: true };

    /// How many subscriptions that makes.
    pub fn count(self) -> usize {
        [self.methods, self.twin, self.desired, self.messages].into_iter().map(usize::from).sum()
    }
}

/// The message that the hub takes as telemetry when the connection ends without a farewell; it is marked
/// `iothub-MessageType: Will`.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "all that a will has here")]
pub struct LastWill {
    /// Payload, at most 65,535 bytes.
    pub payload: Vec<u8>,
}

/// How files come and go, over HTTP.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[allow(clippy::exhaustive_structs, reason = "a user writes `Files { rules: …, ..Files::default() }`")]
pub struct Files {
    /// Which URLs are allowed, of the storage and of updates. Default: `https` at any host.
    pub rules: Rules,
    /// Scheme, host and port to ask in place of `https://{hub}`: those of a local simulator. Default: the hub's, or the
    /// gateway's.
    pub origin: Option<String>,
}

/// One device and how it connects. [`Config::new`] and `From<ConnectionString>` give the defaults.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Hub or provisioning.
    pub route: Route,
    /// Key, token or certificate.
    pub proof: Proof,
    /// The model that the device implements (Plug and Play).
    pub model: Option<ModelId>,
    /// What the platform's logs call the software: `acme-pump/1.2.0`, at most 256 bytes. Left out where the link's user
    /// names are too short for it.
    pub product_info: Option<String>,
    /// The host to connect to in the hub's place: a transparent gateway or a simulator. User names and tokens name the
    /// hub still.
    pub gateway: Option<HostName>,
    /// How packets travel. Default TLS.
    pub transport: Transport,
    /// TCP port, of provisioning too. Default: the transport's own.
    pub port: Option<u16>,
    /// Keep-alive in seconds, 1 to 1177. Default 60.
    pub keep_alive: u16,
    /// How long a token is valid; it is renewed by a new connection after 80 % of that, and 2 min before its end at the
    /// latest. 5 min to 365 days, default 1 h.
    pub token_life: Duration,
    /// What to hear. Default: all.
    pub wanted: Wanted,
    /// Last will. Default: none.
    pub last_will: Option<LastWill>,
    /// File uploads, and downloads of updates.
    pub files: Files,
    /// Device Update; needs `twin` and `desired` of [`Wanted`]. The component `deviceUpdate` is kept from the application
    /// then. Default: none.
    pub updates: Option<Updates>,
}

impl Config {
    /// The defaults for one device.
    pub fn new(route: Route, proof: Proof) -> Self {
        Self {
            route,
            proof,
            model: None,
            product_info: None,
            gateway: None,
            transport: Transport::default(),
            port: None,
            keep_alive: 60,
            token_life: Duration::from_hours(1),
            wanted: Wanted::ALL,
            last_will: None,
            files: Files::default(),
            updates: None,
        }
    }

    /// Checks what cannot work.
    pub(super) fn check(&self) -> Result<(), Fatal> {
        let wrong = |why| Err(Fatal::Invalid(why));
        if !(1..=KEEP_ALIVE).contains(&self.keep_alive) {
            return wrong("the platform takes a keep-alive of 1 to 1177 s");
        }
        if !TOKEN_LIFE.contains(&self.token_life) {
            return wrong("a token must be valid for 5 minutes to 365 days");
        }
        if self.port == Some(0) {
            return wrong("port 0 is no port; leave it out for the usual one");
        }
        if self.wanted.desired && !self.wanted.twin {
            return wrong("changes of desired properties need the twin's answers too: want both");
        }
        if self.product_info.as_ref().is_some_and(|info| info.is_empty() || info.len() > PRODUCT_INFO) {
            return wrong("product info has 1 to 256 bytes");
        }
        if self.last_will.as_ref().is_some_and(|will| will.payload.len() > usize::from(u16::MAX)) {
            return wrong("a last will has 65,535 bytes at most");
        }
        if let Some(updates) = &self.updates {
            updates.check()?;
            if !self.wanted.desired {
                return wrong("updates come as desired properties: want them");
            }
        }
        if self.files.origin.as_ref().is_some_and(|origin| origin.ends_with('/') || Url::parse(origin).is_err()) {
            return wrong("the origin of files is https://{host}[:{port}], without a slash at its end");
        }
        match &self.proof {
            Proof::Key(key) if !KEY.contains(&key.bytes().len()) => {
                wrong("the platform's keys have 16 to 64 bytes: is the key whole?")
            }
            Proof::Certificate if self.transport == Transport::Tcp => {
                wrong("a certificate can only be shown over TLS: choose another transport")
            }
            Proof::Key(_) | Proof::Token(_) | Proof::Certificate => self.check_route(),
        }
    }

    fn check_route(&self) -> Result<(), Fatal> {
        let wrong = |why| Err(Fatal::Invalid(why));
        match (&self.route, &self.proof) {
            (Route::Hub { host, whom }, Proof::Token(token)) if !token.covers(host, whom) => {
                wrong("the token is for another hub or device: compare its sr with both")
            }
            (Route::Hub { .. }, _) => Ok(()),
            (Route::Provisioning(_), Proof::Token(_)) => {
                wrong("a single token cannot serve provisioning and hub: give the key, or the hub itself")
            }
            (Route::Provisioning(provisioning), proof) => {
                if *proof == Proof::Certificate && provisioning.registration.as_str().len() > COMMON_NAME {
                    return wrong("with a certificate the registration id is its common name, at most 64 characters");
                }
                if provisioning.limit < REGISTRATION {
                    return wrong("a registration needs 30 s at least");
                }
                Ok(())
            }
        }
    }
}

impl From<ConnectionString> for Config {
    /// The defaults for the device of a connection string. The driver has to be given the certificate, if it is by one.
    fn from(text: ConnectionString) -> Self {
        let proof = match text.secrets {
            Secrets::Key(key) => Proof::Key(key),
            Secrets::Certificate => Proof::Certificate,
        };
        let mut config = Self::new(Route::Hub { host: text.host, whom: text.whom }, proof);
        config.gateway = text.gateway;
        config
    }
}

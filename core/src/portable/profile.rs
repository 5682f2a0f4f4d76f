//! What does a profile say? Which cloud, which device, which way there, as one small JSON file.
//!
//! ```
//! use skytether_core::portable::profile::{Profile, Source, Transport};
//!
//! let file = br#"{"cloud": "tencent", "device_info": "door_device_info.json", "transport": "wss",
//!                 "host": "127.0.0.1", "port": 8443, "ca": "ca.pem"}"#;
//! let Source::Profile(Profile::Tencent(profile)) = Source::parse(file)? else { panic!() };
//! assert_eq!(profile.transport, Transport::Wss);
//! assert_eq!(profile.server(Default::default()).port, Some(8443));
//! # Ok::<(), skytether_core::portable::profile::ProfileError>(())
//! ```
//!
//! Nothing here opens a file: names in a profile are meant against the directory that the profile is in, and
//! [`TencentProfile::resolve`] applies that. A platform's own `device_info.json` is taken in a profile's place.

use crate::{
    json::{self, JsonError},
    tencent::{
        device_info::{DeviceInfo, DeviceInfoError},
        endpoint::{self, Region, Server},
    },
};
use alloc::{
    boxed::Box,
    string::{String, ToString as _},
};
use core::{fmt, str::FromStr};
use serde_json::{Map, Value};

/// Largest file that is read, in bytes.
pub const MAX_FILE: usize = 64 * 1024;

/// What a file given as a profile turns out to be.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "a reader has to know what to do with each")]
pub enum Source {
    /// A profile.
    Profile(Profile),
    /// Tencent's own `device_info.json`: the device on the real cloud, over TLS.
    TencentDevice(Box<DeviceInfo>),
}

/// A device's cloud, and what it needs to get there.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Profile {
    /// `"cloud": "tencent"`
    Tencent(TencentProfile),
}

/// A device of Tencent Cloud IoT Hub.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "the simulator writes it field by field")]
pub struct TencentProfile {
    /// `device_info`: the file with the identity, in the platform's own form.
    pub device_info: String,
    /// `transport`. Default `tls`.
    pub transport: Transport,
    /// `host`, a bare name or address. Default: the platform's own, by product, region and transport.
    pub host: Option<String>,
    /// `port`, not 0. Default: the transport's usual one.
    pub port: Option<u16>,
    /// `ca`: the PEM file with the authority of the server's certificate; it replaces every other. Default: the one
    /// that the device's own file names, or the system's.
    pub ca: Option<String>,
}

impl TencentProfile {
    /// Passes each file name through `join`, which puts the directory of the profile before relative ones.
    #[must_use]
    pub fn resolve(&self, join: impl Fn(&str) -> String) -> Self {
        let (device_info, ca) = (join(&self.device_info), self.ca.as_deref().map(join));
        Self { device_info, ca, ..self.clone() }
    }

    /// Where to connect, for a device of this region.
    pub fn server(&self, region: Region) -> Server {
        Server { region, transport: self.transport.into(), domain: self.host.clone(), port: self.port }
    }
}

/// How packets travel.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[allow(clippy::exhaustive_enums, reason = "MQTT's ways over a network; a program matches them")]
pub enum Transport {
    /// `tcp`: nothing is encrypted.
    Tcp,
    /// `tls`
    #[default]
    Tls,
    /// `ws`: WebSocket; nothing is encrypted.
    Ws,
    /// `wss`: WebSocket on TLS.
    Wss,
}

impl Transport {
    /// All four.
    pub const ALL: [Self; 4] = [Self::Tcp, Self::Tls, Self::Ws, Self::Wss];

    /// Its name: `tcp`, `tls`, `ws` or `wss`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Ws => "ws",
            Self::Wss => "wss",
        }
    }

    /// Whether it is encrypted.
    pub fn is_secure(self) -> bool {
        match self {
            Self::Tls | Self::Wss => true,
            Self::Tcp | Self::Ws => false,
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that names no transport.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "it says one thing")]
pub struct UnknownTransport;

impl fmt::Display for UnknownTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("write tcp, tls, ws or wss")
    }
}

impl core::error::Error for UnknownTransport {}

impl FromStr for Transport {
    type Err = UnknownTransport;

    fn from_str(name: &str) -> Result<Self, UnknownTransport> {
        Self::ALL.into_iter().find(|transport| transport.name() == name).ok_or(UnknownTransport)
    }
}

impl From<Transport> for endpoint::Transport {
    fn from(transport: Transport) -> Self {
        match transport {
            Transport::Tcp => Self::Tcp,
            Transport::Tls => Self::Tls,
            Transport::Ws => Self::WebSocket,
            Transport::Wss => Self::SecureWebSocket,
        }
    }
}

/// A key of a profile.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Field {
    /// Its name in the file.
    pub name: &'static str,
    /// What it has to hold.
    pub fix: &'static str,
}

const CLOUD: Field = Field { name: "cloud", fix: "write \"tencent\"" };
const DEVICE_INFO: Field = Field { name: "device_info", fix: "name the device's file, such as \"device_info.json\"" };
const TRANSPORT: Field = Field { name: "transport", fix: "write \"tcp\", \"tls\", \"ws\" or \"wss\", or leave it out" };
const HOST: Field = Field { name: "host", fix: "write a bare host name or address, or leave it out" };
const PORT: Field = Field { name: "port", fix: "write a number from 1 to 65535, or leave it out" };
const CA: Field = Field { name: "ca", fix: "name the authority's PEM file, or leave it out" };
const FIELDS: [Field; 6] = [CLOUD, DEVICE_INFO, TRANSPORT, HOST, PORT, CA];

/// Why a file is no profile. `Display` names the key and what to do.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ProfileError {
    /// The file is larger than 64 KiB.
    TooLarge {
        /// Its bytes.
        len: usize,
    },
    /// It is no JSON that we take.
    Json(JsonError),
    /// It is JSON, but no object.
    NotAnObject,
    /// A key is absent that has to be there.
    Missing(Field),
    /// A key holds what it cannot.
    Invalid(Field),
    /// There is a key that a profile does not have: a misspelt one would be ignored otherwise.
    UnknownKey(String),
    /// It is a `device_info.json`, and wrong as such.
    Device(DeviceInfoError),
}

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { len } => write!(f, "the file has {len} bytes; {MAX_FILE} are the most"),
            Self::Json(error) => write!(f, "the file cannot be read: {error}"),
            Self::NotAnObject => f.write_str("the file is no JSON object: write {\"cloud\": …}"),
            Self::Missing(field) => write!(f, "`{}` is missing: {}", field.name, field.fix),
            Self::Invalid(field) => write!(f, "`{}` cannot be used: {}", field.name, field.fix),
            Self::UnknownKey(name) => {
                write!(f, "`{name}` is no key of a profile: use")?;
                FIELDS.iter().try_for_each(|field| write!(f, " {}", field.name))
            }
            Self::Device(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for ProfileError {}

impl Source {
    /// Reads a file's content: an object with `auth_mode` and without `cloud` is a `device_info.json`, everything else
    /// a profile. Unlike those, a profile has no key that is not known.
    ///
    /// # Errors
    /// [`ProfileError`] names the key and what to do.
    pub fn parse(file: &[u8]) -> Result<Self, ProfileError> {
        if file.len() > MAX_FILE {
            return Err(ProfileError::TooLarge { len: file.len() });
        }
        let Value::Object(keys) = json::parse(file).map_err(ProfileError::Json)? else {
            return Err(ProfileError::NotAnObject);
        };
        if keys.contains_key("auth_mode") && !keys.contains_key(CLOUD.name) {
            let device = DeviceInfo::parse(file).map_err(ProfileError::Device)?;
            return Ok(Self::TencentDevice(Box::new(device)));
        }
        Profile::read(&keys).map(Self::Profile)
    }
}

impl Profile {
    fn read(keys: &Map<String, Value>) -> Result<Self, ProfileError> {
        if let Some(unknown) = keys.keys().find(|key| FIELDS.iter().all(|field| field.name != key.as_str())) {
            return Err(ProfileError::UnknownKey(unknown.clone()));
        }
        if text(keys, CLOUD)?.ok_or(ProfileError::Missing(CLOUD))? != "tencent" {
            return Err(ProfileError::Invalid(CLOUD));
        }
        let device_info = text(keys, DEVICE_INFO)?.ok_or(ProfileError::Missing(DEVICE_INFO))?.to_string();
        let transport = match text(keys, TRANSPORT)? {
            Some(name) => name.parse().map_err(|_| ProfileError::Invalid(TRANSPORT))?,
            None => Transport::default(),
        };
        let port = match keys.get(PORT.name) {
            Some(value) => Some(port(value).ok_or(ProfileError::Invalid(PORT))?),
            None => None,
        };
        let host = text(keys, HOST)?.map(String::from);
        let ca = text(keys, CA)?.map(String::from);
        Ok(Self::Tencent(TencentProfile { device_info, transport, host, port, ca }))
    }

    /// The profile as JSON text, ended by a line feed; [`Source::parse`] takes it back.
    pub fn to_json(&self) -> String {
        let Self::Tencent(profile) = self;
        let mut keys = Map::new();
        keys.insert(CLOUD.name.into(), "tencent".into());
        keys.insert(DEVICE_INFO.name.into(), profile.device_info.as_str().into());
        keys.insert(TRANSPORT.name.into(), profile.transport.name().into());
        if let Some(host) = &profile.host {
            keys.insert(HOST.name.into(), host.as_str().into());
        }
        if let Some(port) = profile.port {
            keys.insert(PORT.name.into(), port.into());
        }
        if let Some(ca) = &profile.ca {
            keys.insert(CA.name.into(), ca.as_str().into());
        }
        let mut text = alloc::format!("{:#}", Value::Object(keys));
        text.push('\n');
        text
    }
}

/// The text of a key, if it is there; it must not be empty.
fn text(keys: &Map<String, Value>, field: Field) -> Result<Option<&str>, ProfileError> {
    match keys.get(field.name) {
        Some(Value::String(text)) if !text.is_empty() => Ok(Some(text)),
        Some(_) => Err(ProfileError::Invalid(field)),
        None => Ok(None),
    }
}

fn port(value: &Value) -> Option<u16> {
    u16::try_from(value.as_u64()?).ok().filter(|port| *port != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    fn tencent(file: &str) -> Result<TencentProfile, ProfileError> {
        match Source::parse(file.as_bytes())? {
            Source::Profile(Profile::Tencent(profile)) => Ok(profile),
            Source::TencentDevice(device) => panic!("{device:?}"),
        }
    }

    #[test]
    fn a_profile_has_defaults_for_all_but_cloud_and_device() {
        let profile = tencent(r#"{"cloud":"tencent","device_info":"d.json"}"#).unwrap();
        let expected = TencentProfile {
            device_info: "d.json".into(),
            transport: Transport::Tls,
            host: None,
            port: None,
            ca: None,
        };
        assert_eq!(profile, expected);
        assert_eq!(profile.server(Region::Europe), Server { region: Region::Europe, ..Server::default() });
    }

    #[test]
    fn what_is_written_reads_back_the_same() {
        for transport in Transport::ALL {
            let profile = TencentProfile {
                device_info: "a \"quoted\" name.json".into(),
                transport,
                host: Some("::1".into()),
                port: Some(65_535),
                ca: Some("ca.pem".into()),
            };
            let text = Profile::Tencent(profile.clone()).to_json();
            assert_eq!(tencent(&text), Ok(profile), "{text}");
        }
    }

    #[test]
    fn each_wrong_key_is_named_with_its_fix() {
        let cases = [
            (r#"{"device_info":"d"}"#, "`cloud` is missing: write \"tencent\""),
            (r#"{"cloud":"azure","device_info":"d"}"#, "`cloud` cannot be used: write \"tencent\""),
            (r#"{"cloud":"tencent"}"#, "`device_info` is missing: name the device's file"),
            (r#"{"cloud":"tencent","device_info":7}"#, "`device_info` cannot be used"),
            (r#"{"cloud":"tencent","device_info":"d","transport":"TCP"}"#, "`transport` cannot be used: write \"tcp\""),
            (r#"{"cloud":"tencent","device_info":"d","port":0}"#, "`port` cannot be used: write a number from 1"),
            (r#"{"cloud":"tencent","device_info":"d","port":65536}"#, "`port` cannot be used"),
            (r#"{"cloud":"tencent","device_info":"d","port":"1883"}"#, "`port` cannot be used"),
            (r#"{"cloud":"tencent","device_info":"d","host":""}"#, "`host` cannot be used"),
            (r#"{"cloud":"tencent","device_info":"d","ca":null}"#, "`ca` cannot be used"),
            (r#"{"cloud":"tencent","device_info":"d","CA":"x"}"#, "`CA` is no key of a profile: use cloud device_info"),
            ("[]", "the file is no JSON object"),
            ("{", "the file cannot be read: it is no JSON at line 1"),
        ];
        for (file, told) in cases {
            let error = Source::parse(file.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with(told), "{file}: {error}");
        }
        let large = format!("{{{}}}", " ".repeat(MAX_FILE));
        assert_eq!(Source::parse(large.as_bytes()), Err(ProfileError::TooLarge { len: MAX_FILE + 2 }));
    }

    #[test]
    fn a_device_info_is_taken_in_its_place_and_judged_as_one() {
        let file = br#"{"auth_mode":"KEY","productId":"DOORPRD9A1","deviceName":"door1","other":1,
                        "key_deviceinfo":{"deviceSecret":"JTTi3h3sJP7atMACZrVbqQ=="}}"#;
        assert!(matches!(Source::parse(file), Ok(Source::TencentDevice(_))));
        let error = Source::parse(br#"{"auth_mode":"KEY"}"#).unwrap_err();
        assert_eq!(error.to_string(), "`productId` is missing: copy the product id from the console");
    }

    #[test]
    fn relative_names_are_put_behind_a_directory_by_the_caller() {
        let profile = tencent(r#"{"cloud":"tencent","device_info":"d.json","ca":"ca.pem"}"#).unwrap();
        let resolved = profile.resolve(|name| format!("/etc/{name}"));
        assert_eq!((resolved.device_info.as_str(), resolved.ca.as_deref()), ("/etc/d.json", Some("/etc/ca.pem")));
    }
}

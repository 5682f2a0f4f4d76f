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

mod azure;
mod keys;
mod tencent;
mod transport;

pub use azure::{AzureProfile, AzureProof};
pub use keys::Field;
pub use tencent::TencentProfile;
pub use transport::{Transport, UnknownTransport};

use crate::{
    json::{self, JsonError},
    tencent::device_info::{DeviceInfo, DeviceInfoError},
};
use alloc::{boxed::Box, string::String};
use core::fmt;
use keys::{CLOUD, Keys};
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
    /// `"cloud": "azure"`
    Azure(Box<AzureProfile>),
}

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
    UnknownKey {
        /// Its name.
        name: String,
        /// Those that there are.
        known: &'static [Field],
    },
    /// There are two keys of which a profile has one.
    Both(Field, Field),
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
            Self::UnknownKey { name, known } => {
                write!(f, "`{name}` is no key of a profile: use")?;
                known.iter().try_for_each(|field| write!(f, " {}", field.name))
            }
            Self::Both(one, other) => {
                write!(f, "`{}` and `{}` exclude each other: leave one out", one.name, other.name)
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
        let keys = Keys(keys);
        match keys.need(CLOUD)? {
            "tencent" => TencentProfile::read(&keys).map(Self::Tencent),
            "azure" => AzureProfile::read(&keys).map(|profile| Self::Azure(Box::new(profile))),
            _ => Err(ProfileError::Invalid(CLOUD)),
        }
    }

    /// The file: the keys that are not at their default, one to a line. With a key in it, it is a secret.
    pub fn to_json(&self) -> String {
        let mut keys = Map::new();
        match self {
            Self::Tencent(profile) => profile.write(&mut keys),
            Self::Azure(profile) => profile.write(&mut keys),
        }
        let mut text = alloc::format!("{:#}", Value::Object(keys));
        text.push('\n');
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tencent::endpoint::{Region, Server};
    use alloc::{format, string::ToString as _};

    fn tencent(file: &str) -> Result<TencentProfile, ProfileError> {
        match Source::parse(file.as_bytes())? {
            Source::Profile(Profile::Tencent(profile)) => Ok(profile),
            other @ (Source::Profile(_) | Source::TencentDevice(_)) => panic!("{other:?}"),
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
            (r#"{"device_info":"d"}"#, "`cloud` is missing: write \"tencent\" or \"azure\""),
            (r#"{"cloud":"aws","device_info":"d"}"#, "`cloud` cannot be used: write \"tencent\" or \"azure\""),
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

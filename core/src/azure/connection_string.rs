//! What does the text say that the platform's portal gives for a device? `HostName=…;DeviceId=…;SharedAccessKey=…`

use super::identity::{DeviceId, DeviceKey, HostName, IdentityError, ModuleId, Whom};
use alloc::boxed::Box;
use core::{fmt, str::FromStr};

/// The connection string of one device or module. Its key prints as `***`.
///
/// ```
/// use skytether_core::azure::{Config, connection_string::ConnectionString};
///
/// let text = "HostName=contoso-hub.azure-devices.net;DeviceId=dev-7;SharedAccessKey=AAECAwQFBgcICQoLDA0ODw==";
/// let config = Config::from(text.parse::<ConnectionString>()?);
/// assert_eq!(config.keep_alive, 60);
/// # Ok::<(), skytether_core::azure::connection_string::ConnectionStringError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ConnectionString {
    /// `HostName`
    pub host: HostName,
    /// `DeviceId`, `ModuleId`
    pub whom: Whom,
    /// `SharedAccessKey`, or `x509=true`
    pub secrets: Secrets,
    /// `SharedAccessKeyName`: the policy whose key it is; devices have none.
    pub policy: Option<Box<str>>,
    /// `GatewayHostName`
    pub gateway: Option<HostName>,
}

/// What a connection string proves identity with.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "a connection string has these two")]
pub enum Secrets {
    /// `SharedAccessKey=…`
    Key(DeviceKey),
    /// `x509=true`
    Certificate,
}

/// Why a text is no connection string.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ConnectionStringError {
    /// A part between two `;` has no `=`.
    NoValue,
    /// A field is not known. Its name is not repeated: it may be a secret out of place.
    Unknown,
    /// The named field stands twice.
    Twice(&'static str),
    /// The named field is not there.
    Missing(&'static str),
    /// The named field has a value that cannot be.
    Value(&'static str, IdentityError),
    /// `x509` is not `true`.
    X509,
    /// There is a key and `x509=true`.
    KeyAndCertificate,
}

impl fmt::Display for ConnectionStringError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection string ")?;
        match self {
            Self::NoValue => f.write_str("has a part without `=`; parts are parted by `;`"),
            Self::Unknown => f.write_str("has a field that no device's connection string has"),
            Self::Twice(name) => write!(f, "has {name} twice"),
            Self::Missing(name) => write!(f, "has no {name}"),
            Self::Value(name, why) => write!(f, "has a wrong {name}: {why}"),
            Self::X509 => f.write_str("has an x509 that is not `true`; leave it out for a key"),
            Self::KeyAndCertificate => f.write_str("has both SharedAccessKey and x509; leave one out"),
        }
    }
}

impl core::error::Error for ConnectionStringError {}

const FIELDS: [&str; 7] =
    ["HostName", "DeviceId", "ModuleId", "SharedAccessKey", "SharedAccessKeyName", "GatewayHostName", "x509"];

impl FromStr for ConnectionString {
    type Err = ConnectionStringError;

    fn from_str(text: &str) -> Result<Self, ConnectionStringError> {
        let mut values = [None; FIELDS.len()];
        // The portal's own text ends without `;`, people's copies of it may not.
        for part in text.trim().trim_end_matches(';').split(';') {
            let (name, value) = part.split_once('=').ok_or(ConnectionStringError::NoValue)?;
            let at = FIELDS.iter().zip(&mut values).find(|(field, _)| **field == name);
            let (field, place) = at.ok_or(ConnectionStringError::Unknown)?;
            if place.replace(value).is_some() {
                return Err(ConnectionStringError::Twice(field));
            }
        }
        let [host, device, module, key, policy, gateway, x509] = values;
        let host = read("HostName", host, HostName::new)?.ok_or(ConnectionStringError::Missing("HostName"))?;
        let device = read("DeviceId", device, DeviceId::new)?.ok_or(ConnectionStringError::Missing("DeviceId"))?;
        let module = read("ModuleId", module, ModuleId::new)?;
        let secrets = match (key, x509) {
            (Some(_), Some("true")) => return Err(ConnectionStringError::KeyAndCertificate),
            (_, Some(text)) if text != "true" => return Err(ConnectionStringError::X509),
            (None, Some(_)) => Secrets::Certificate,
            (key, _) => Secrets::Key(
                read("SharedAccessKey", key, DeviceKey::from_base64)?
                    .ok_or(ConnectionStringError::Missing("SharedAccessKey"))?,
            ),
        };
        let gateway = read("GatewayHostName", gateway, HostName::new)?;
        Ok(Self { host, whom: Whom { device, module }, secrets, policy: policy.map(Into::into), gateway })
    }
}

fn read<T>(
    name: &'static str,
    value: Option<&str>,
    read: impl Fn(&str) -> Result<T, IdentityError>,
) -> Result<Option<T>, ConnectionStringError> {
    value.map(read).transpose().map_err(|why| ConnectionStringError::Value(name, why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{format, string::String};
    use proptest::prelude::*;

    #[test]
    fn every_field_is_read() {
        let text =
            "HostName=h.net;DeviceId=d;ModuleId=m;SharedAccessKey=QUJD;GatewayHostName=edge1;SharedAccessKeyName=p";
        let read: ConnectionString = text.parse().unwrap();
        assert_eq!((read.host.as_str(), &*format!("{}", read.whom)), ("h.net", "d/m"));
        assert_eq!(read.secrets, Secrets::Key(DeviceKey::from_bytes(*b"ABC")));
        assert_eq!((read.policy.as_deref(), read.gateway.as_ref().map(HostName::as_str)), (Some("p"), Some("edge1")));
        assert!(!format!("{read:?}").contains("QUJD"));
    }

    #[test]
    fn a_certificate_stands_in_a_keys_place() {
        let read: ConnectionString = "HostName=h.net;DeviceId=d;x509=true;".parse().unwrap();
        assert_eq!(read.secrets, Secrets::Certificate);
    }

    #[test]
    fn what_is_wrong_is_named() {
        use ConnectionStringError as E;
        let cases = [
            ("", E::NoValue),
            ("HostName=h;DeviceId=d", E::Missing("SharedAccessKey")),
            ("DeviceId=d;SharedAccessKey=QUJD", E::Missing("HostName")),
            ("HostName=h;SharedAccessKey=QUJD", E::Missing("DeviceId")),
            ("HostName=h;HostName=g;DeviceId=d;SharedAccessKey=QUJD", E::Twice("HostName")),
            ("HostName=h;DeviceId=d;SharedAccessKey=QUJD;Foo=1", E::Unknown),
            ("HostName=h;DeviceId=d;SharedAccessKey=QUJD;;x509=true", E::NoValue),
            ("HostName=h;DeviceId=d;x509=true;SharedAccessKey=QUJD", E::KeyAndCertificate),
            ("HostName=h;DeviceId=d;x509=false;SharedAccessKey=QUJD", E::X509),
            ("HostName=h;DeviceId=d;SharedAccessKey=???", E::Value("SharedAccessKey", IdentityError::Base64)),
            ("HostName=h;DeviceId=a/b;x509=true", E::Value("DeviceId", IdentityError::Character('/'))),
        ];
        for (text, error) in cases {
            assert_eq!(text.parse::<ConnectionString>(), Err(error), "{text}");
        }
    }

    proptest! {
        #[test]
        fn r_1_no_text_makes_the_reader_panic(text: String) {
            let _ = text.parse::<ConnectionString>();
        }
    }
}

//! Who a device is and whom it talks to: each name checked once and then trusted.

use crate::secret::Secret;
use alloc::{boxed::Box, format, string::String, vec::Vec};
use base64ct::{Base64, Encoding as _};
use core::fmt;

/// Why a text is no name, key or model id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum IdentityError {
    /// There is nothing in it.
    Empty,
    /// It is longer than may be.
    TooLong {
        /// Characters at most.
        max: usize,
    },
    /// It holds a character that cannot be there.
    Character(char),
    /// It ends in a character that may only stand further in front.
    Last(char),
    /// It is no standard base64 text with padding.
    Base64,
    /// It is no host name: labels of letters, digits and `-`, with single dots between them.
    Host,
    /// It is no model id: the rule broken is named.
    ModelId(&'static str),
}

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("it is empty"),
            Self::TooLong { max } => write!(f, "it is longer than {max} characters"),
            Self::Character(character) => write!(f, "it holds the character {character:?}"),
            Self::Last(character) => write!(f, "it ends in {character:?}; end it in a letter, a digit or `-`"),
            Self::Base64 => f.write_str("it is no base64 text (standard alphabet, with padding)"),
            Self::Host => f.write_str("it is no host name: write it without scheme, port and path"),
            Self::ModelId(rule) => write!(f, "it is no model id such as dtmi:acme:Pump;1: {rule}"),
        }
    }
}

impl core::error::Error for IdentityError {}

fn check(text: &str, max: usize, allowed: fn(char) -> bool) -> Result<(), IdentityError> {
    if text.is_empty() {
        return Err(IdentityError::Empty);
    }
    if text.chars().nth(max).is_some() {
        return Err(IdentityError::TooLong { max });
    }
    match text.chars().find(|character| !allowed(*character)) {
        Some(character) => Err(IdentityError::Character(character)),
        None => Ok(()),
    }
}

/// Characters of device and module ids, without those that topics and paths give a meaning to.
fn is_of_id(character: char) -> bool {
    character.is_ascii_alphanumeric() || "-._%*?!(),:=@$'".contains(character)
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $max:expr, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(Box<str>);

        impl $name {
            /// Characters at most.
            pub const MAX: usize = $max;

            /// Checks a text.
            ///
            /// # Errors
            /// [`IdentityError`] names the rule that it breaks.
            pub fn new(text: &str) -> Result<Self, IdentityError> {
                let check: fn(&str) -> Result<(), IdentityError> = $check;
                check(text)?;
                Ok(Self(text.into()))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// A host name or IPv4 address without scheme and port: `contoso-hub.azure-devices.net`. Its case is kept, since
    /// tokens and user names repeat it as it stands.
    HostName, 253, |text| {
        check(text, Self::MAX, |c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.'))?;
        let sound = |label: &str| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-');
        if text.split('.').all(sound) { Ok(()) } else { Err(IdentityError::Host) }
    }
}

name! {
    /// The id of a device in its hub, case-sensitive: ASCII letters, digits and ``- . _ % * ? ! ( ) , : = @ $ '``. The
    /// platform allows `#` and `+` too; no topic can carry them, so no MQTT device can use such an id.
    DeviceId, 128, |text| check(text, Self::MAX, is_of_id)
}

name! {
    /// The id of a module in its device; characters as in [`DeviceId`].
    ModuleId, 128, |text| check(text, Self::MAX, is_of_id)
}

name! {
    /// The scope of a provisioning instance: `0ne` and 8 hexadecimal digits at the platform; up to 64 letters and
    /// digits here, for simulators.
    IdScope, 64, |text| check(text, Self::MAX, |c| c.is_ascii_alphanumeric())
}

name! {
    /// The id under which a device registers: ASCII letters, digits and `- . _ :`, the last one a letter, a digit or
    /// `-`. The platform does not tell upper from lower case; group keys are derived from the text as it is sent, so
    /// write it in lower case. A certificate's common name must be the same text.
    RegistrationId, 128, |text| {
        check(text, Self::MAX, |c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | ':'))?;
        match text.chars().next_back() {
            Some(last @ ('.' | '_' | ':')) => Err(IdentityError::Last(last)),
            _ => Ok(()),
        }
    }
}

name! {
    /// The id of a device's model (DTMI): `dtmi:`, segments with `:` between them, `;` and a version of 1 to 999,999,999. A
    /// segment is a letter and then letters, digits and `_`, not ending in `_`.
    ModelId, 2048, |text| {
        check(text, Self::MAX, |c| c.is_ascii_alphanumeric() || matches!(c, ':' | ';' | '_'))?;
        let path = text.strip_prefix("dtmi:").ok_or(IdentityError::ModelId("it begins with dtmi:"))?;
        let (path, version) = path.split_once(';').ok_or(IdentityError::ModelId("it ends in ; and a version"))?;
        if !path.split(':').all(is_segment) {
            return Err(IdentityError::ModelId("a segment is a letter, then letters, digits and _, the last no _"));
        }
        let digits = (1..=9).contains(&version.len()) && version.bytes().all(|digit| digit.is_ascii_digit());
        if !digits || version.starts_with('0') {
            return Err(IdentityError::ModelId("the version is a number from 1 to 999999999"));
        }
        Ok(())
    }
}

fn is_segment(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && !text.ends_with('_')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// A symmetric key as the platform gives it: base64 text of 16 to 64 bytes. Prints as `***`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeviceKey(Secret);

impl DeviceKey {
    /// Characters of the base64 text at most.
    pub const MAX: usize = 512;

    /// Reads a key.
    ///
    /// # Errors
    /// [`IdentityError`] where the text is empty, too long or no base64.
    pub fn from_base64(text: &str) -> Result<Self, IdentityError> {
        if text.is_empty() {
            return Err(IdentityError::Empty);
        }
        if text.len() > Self::MAX {
            return Err(IdentityError::TooLong { max: Self::MAX });
        }
        let key = Base64::decode_vec(text).map_err(|_| IdentityError::Base64)?;
        Ok(Self(Secret::new(key)))
    }

    /// A key from its bytes.
    pub fn from_bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Secret::new(bytes))
    }

    /// The base64 text.
    pub fn to_base64(&self) -> Secret {
        Secret::new(Base64::encode_string(self.0.expose()))
    }

    /// The bytes that sign.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.expose()
    }
}

/// Whom a hub knows: a device, or a module in it.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "the two ids that the platform has")]
pub struct Whom {
    /// Device id.
    pub device: DeviceId,
    /// Module id; `None` for the device itself.
    pub module: Option<ModuleId>,
}

impl Whom {
    /// The device itself.
    pub fn device(device: DeviceId) -> Self {
        Self { device, module: None }
    }

    /// What a token for this identity is about: `{hub}/devices/{device}[/modules/{module}]`.
    pub fn scope(&self, hub: &HostName) -> String {
        match &self.module {
            None => format!("{hub}/devices/{}", self.device),
            Some(module) => format!("{hub}/devices/{}/modules/{module}", self.device),
        }
    }
}

impl fmt::Display for Whom {
    /// `{device}` or `{device}/{module}`, as client ids and user names have it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.module {
            None => write!(f, "{}", self.device),
            Some(module) => write!(f, "{}/{module}", self.device),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_name_has_neither_scheme_nor_port() {
        for text in ["contoso-hub.azure-devices.net", "127.0.0.1", "localhost", "a"] {
            assert_eq!(HostName::new(text).map(|host| host.as_str() == text), Ok(true), "{text}");
        }
        for text in ["", "tcp://hub", "hub:8883", "hub/x", "-hub", "hub-.net", "a..b", ".a", "a.", "h\u{fc}b", "a b"] {
            assert!(HostName::new(text).is_err(), "{text}");
        }
    }

    #[test]
    fn r_122_a_device_id_holds_nothing_that_a_topic_gives_a_meaning_to() {
        assert!(DeviceId::new("a.b%c_d*e?f!g(h)i,j:k=l@m$n'o-p").is_ok());
        for text in ["", "a/b", "a#", "+", "a b", "\u{e9}", "a\0"] {
            assert!(DeviceId::new(text).is_err(), "{text}");
        }
        let long = "x".repeat(129);
        assert_eq!(DeviceId::new(&long), Err(IdentityError::TooLong { max: 128 }));
        assert!(DeviceId::new(&long[1..]).is_ok());
    }

    #[test]
    fn a_registration_id_ends_in_a_letter_a_digit_or_a_dash() {
        for text in ["pump-7", "a:b.c_d", "x-"] {
            assert!(RegistrationId::new(text).is_ok(), "{text}");
        }
        assert_eq!(RegistrationId::new("pump."), Err(IdentityError::Last('.')));
        assert_eq!(RegistrationId::new("pump/7"), Err(IdentityError::Character('/')));
    }

    #[test]
    fn a_model_id_follows_its_grammar() {
        for text in ["dtmi:com:example:Thermostat;1", "dtmi:a;999999999", "dtmi:a_b:c1;12"] {
            assert!(ModelId::new(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "dtmi:",
            "dtmi:a",
            "dtmi:a;",
            "dtmi:a;0",
            "dtmi:a;01",
            "dtmi:a;1000000000",
            "dtmi:a_;1",
            "dtmi:_a;1",
            "dtmi:1a;1",
            "dtmi:a::b;1",
            "dtmi:a;1;2",
            "urn:a;1",
            "dtmi:a b;1",
        ] {
            assert!(ModelId::new(text).is_err(), "{text}");
        }
    }

    #[test]
    fn r_10_a_key_prints_as_stars_and_comes_back_as_text() {
        let key = DeviceKey::from_base64("QUJD").unwrap();
        assert_eq!(format!("{key:?}"), "DeviceKey(***)");
        assert_eq!(key.to_base64().expose(), b"QUJD");
        for text in ["", "QUJ", "QU-D", "QUJD\n"] {
            assert!(DeviceKey::from_base64(text).is_err(), "{text}");
        }
    }
}

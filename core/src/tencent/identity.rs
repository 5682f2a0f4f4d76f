//! Who a device is: its product, its name and its secret, each checked once and then trusted.

use crate::secret::Secret;
use alloc::{boxed::Box, string::String};
use base64ct::{Base64, Encoding as _};
use core::fmt;

/// Why a text is no product id, device name or secret.
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
    /// It is no standard base64 text with padding.
    Base64,
}

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("it is empty"),
            Self::TooLong { max } => write!(f, "it is longer than {max} characters"),
            Self::Character(character) => write!(f, "it holds the character {character:?}"),
            Self::Base64 => f.write_str("it is no base64 text (standard alphabet, with padding)"),
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

/// A product id, as the cloud gave it: 10 upper-case letters and digits there; up to 32 letters and digits here, for
/// private deployments. It is the first part of every client id, host and topic.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ProductId(Box<str>);

impl ProductId {
    /// Characters at most.
    pub const MAX: usize = 32;

    /// Checks a product id.
    ///
    /// # Errors
    /// [`IdentityError`] where it is empty, too long, or holds anything but ASCII letters and digits.
    pub fn new(text: &str) -> Result<Self, IdentityError> {
        check(text, Self::MAX, |c| c.is_ascii_alphanumeric())?;
        Ok(Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProductId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A device name. The console allows 1 to 48 of `[A-Za-z0-9:_-]`; accepted are up to 64 characters of all but
/// `/ + # ;`, white space and control characters, so that a name which the cloud took can always connect.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DeviceName(Box<str>);

impl DeviceName {
    /// Characters at most.
    pub const MAX: usize = 64;

    /// Checks a device name.
    ///
    /// # Errors
    /// [`IdentityError`] where it is empty, too long, or holds a character that topics or user names cannot carry.
    pub fn new(text: &str) -> Result<Self, IdentityError> {
        check(text, Self::MAX, |c| !matches!(c, '/' | '+' | '#' | ';') && !c.is_whitespace() && !c.is_control())?;
        Ok(Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A device secret (PSK): base64 text that decodes to the key which signs, usually 16 or 18 bytes. Prints as `***`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeviceSecret {
    text: Secret,
    key: Secret,
}

impl DeviceSecret {
    /// Characters of the base64 text at most.
    pub const MAX: usize = 512;

    /// Decodes a secret. Its text is kept too: HTTP requests are signed with the text.
    ///
    /// # Errors
    /// [`IdentityError`] where it is empty, too long, or no standard base64 with padding.
    pub fn from_base64(text: impl Into<String>) -> Result<Self, IdentityError> {
        let text = Secret::new(text.into());
        if text.is_empty() {
            return Err(IdentityError::Empty);
        }
        if text.expose().len() > Self::MAX {
            return Err(IdentityError::TooLong { max: Self::MAX });
        }
        let mut key = alloc::vec![0; text.expose().len()];
        let decoded = Base64::decode(text.expose(), &mut key).map(<[u8]>::len);
        let whole = Secret::new(key);
        let key = decoded.ok().and_then(|len| whole.expose().get(..len)).ok_or(IdentityError::Base64)?;
        let key = Secret::new(key);
        Ok(Self { text, key })
    }

    /// The decoded key: what HMAC signs with, and the key of TLS-PSK (whose identity is the client id).
    pub fn key(&self) -> &Secret {
        &self.key
    }

    /// The base64 text.
    pub fn text(&self) -> &Secret {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn a_product_id_is_letters_and_digits() {
        assert_eq!(ProductId::new("DOORPRD9A1").unwrap().as_str(), "DOORPRD9A1");
        assert_eq!(ProductId::new(""), Err(IdentityError::Empty));
        assert_eq!(ProductId::new("$sys"), Err(IdentityError::Character('$')));
        assert_eq!(ProductId::new("YOUR_PRODUCT_ID"), Err(IdentityError::Character('_')));
        assert_eq!(ProductId::new(&"A".repeat(33)), Err(IdentityError::TooLong { max: 32 }));
    }

    #[test]
    fn a_device_name_has_up_to_64_characters_and_no_separator() {
        for name in ["door1", "a_b-c:D.9", "温度计", &"x".repeat(64)] {
            assert_eq!(DeviceName::new(name).unwrap().as_str(), name);
        }
        assert_eq!(DeviceName::new(&"x".repeat(65)), Err(IdentityError::TooLong { max: 64 }));
        for (name, wrong) in [("a/b", '/'), ("a+", '+'), ("#", '#'), ("a;b", ';'), ("a b", ' '), ("a\0", '\0')] {
            assert_eq!(DeviceName::new(name), Err(IdentityError::Character(wrong)));
        }
    }

    #[test]
    fn a_secret_is_decoded_and_one_that_does_not_decode_is_refused() {
        assert_eq!(DeviceSecret::from_base64("AA==").unwrap().key().expose(), [0]);
        for text in ["JTTi3h3sJP7atMACZrVbqQ", "a", "====", "YOUR_DEVICE_SECRET", "AA==\n", "AA-_"] {
            assert_eq!(DeviceSecret::from_base64(text), Err(IdentityError::Base64), "{text}");
        }
        assert_eq!(DeviceSecret::from_base64(""), Err(IdentityError::Empty));
        assert_eq!(DeviceSecret::from_base64("A".repeat(513)), Err(IdentityError::TooLong { max: 512 }));
    }

    #[test]
    fn r_10_a_device_secret_prints_as_stars() {
        let secret = DeviceSecret::from_base64("JTTi3h3sJP7atMACZrVbqQ==").unwrap();
        assert_eq!(format!("{secret:?}"), "DeviceSecret { text: ***, key: *** }");
    }
}

//! How a device proves who it is without a certificate: shared access signatures, and keys derived from a group's.
//!
//! ```text
//! SharedAccessSignature sr={scope, encoded}&sig={signature, encoded}&se={expiry}[&skn={policy}]
//! signature = base64(HMAC-SHA-256(key, "{scope, encoded}\n{expiry}"))
//! ```

use super::{
    identity::{DeviceKey, HostName, IdScope, RegistrationId, Whom},
    percent::{Encoded, decode},
};
use crate::{auth::hmac, io::UnixMillis, secret::Secret};
use alloc::{
    boxed::Box,
    format,
    string::{String, ToString as _},
};
use base64ct::{Base64, Encoding as _};
use core::{fmt, time::Duration};
use zeroize::Zeroizing;

/// The first second of 2020: a clock that says less has never been set, and no token is signed by it.
pub const EARLIEST: u64 = 1_577_836_800;

/// The policy that tokens for provisioning name.
pub const REGISTRATION: &str = "registration";

/// The clock cannot be right: it shows a time before 2020.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "it says one thing")]
pub struct ClockUnset;

impl fmt::Display for ClockUnset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the clock shows a time before 2020; set it before signing")
    }
}

impl core::error::Error for ClockUnset {}

/// When a token expires that is made at `now`: seconds since 1970.
///
/// # Errors
/// [`ClockUnset`] before 2020.
pub fn expiry(now: UnixMillis, life: Duration) -> Result<u64, ClockUnset> {
    if now.seconds() < EARLIEST {
        return Err(ClockUnset);
    }
    Ok(now.seconds().saturating_add(life.as_secs()))
}

/// What a token for registering is about: `{id scope}/registrations/{registration id}`.
pub fn registration_scope(scope: &IdScope, id: &RegistrationId) -> String {
    format!("{scope}/registrations/{id}")
}

/// What is signed: the scope, encoded, a line feed, and the expiry in decimal.
pub fn string_to_sign(scope: &str, expiry: u64) -> String {
    format!("{}\n{expiry}", Encoded(scope))
}

/// Signs a token for `scope`, which is not encoded yet, that is valid until `expiry`, in seconds since 1970.
///
/// ```
/// use skytether_core::azure::{credentials::sign, identity::DeviceKey};
///
/// let key = DeviceKey::from_base64("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")?;
/// let token = sign(&key, "contoso-hub.azure-devices.net/devices/dev-7", 1_700_000_000, None);
/// assert_eq!(token.expose(), b"SharedAccessSignature sr=contoso-hub.azure-devices.net%2Fdevices%2Fdev-7\
///     &sig=2Axa4lm19GPmzCEe%2FP0bTrxyIq8Awxip1lwePYJMnKg%3D&se=1700000000");
/// # Ok::<(), skytether_core::azure::identity::IdentityError>(())
/// ```
pub fn sign(key: &DeviceKey, scope: &str, expiry: u64, policy: Option<&str>) -> Secret {
    let mac = Zeroizing::new(hmac::sha256(key.bytes(), string_to_sign(scope, expiry).as_bytes()));
    let signature = Zeroizing::new(Base64::encode_string(&*mac));
    let mut token = format!("{PREFIX}sr={}&sig={}&se={expiry}", Encoded(scope), Encoded(&signature));
    if let Some(policy) = policy {
        token.push_str("&skn=");
        token.push_str(&Encoded(policy).to_string());
    }
    Secret::new(token)
}

/// The key of one device of an enrolment group: HMAC-SHA-256 of its registration id, as it is sent, under the group's
/// key. It signs for provisioning and then for the hub. A device in the field never holds the group's key.
pub fn derive(group: &DeviceKey, id: &RegistrationId) -> DeviceKey {
    DeviceKey::from_bytes(hmac::sha256(group.bytes(), id.as_str().as_bytes()))
}

/// A token that somebody else has signed. Prints without its signature.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SasToken {
    text: Secret,
    scope: Box<str>,
    expiry: u64,
}

impl SasToken {
    /// Reads a token: the prefix, `sr`, `sig` and `se` once each in any order, and at most `skn` besides.
    ///
    /// # Errors
    /// [`TokenError`] names what is wrong.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let fields = text.strip_prefix(PREFIX).ok_or(TokenError::Prefix)?;
        let (mut scope, mut signature, mut expiry, mut policy) = (None, None, None, None);
        for field in fields.split('&') {
            let (name, value) = field.split_once('=').ok_or(TokenError::Field)?;
            let place = match name {
                "sr" => &mut scope,
                "sig" => &mut signature,
                "se" => &mut expiry,
                "skn" => &mut policy,
                _ => return Err(TokenError::Field),
            };
            if place.replace(value).is_some() {
                return Err(TokenError::Twice);
            }
        }
        let scope = decode(scope.ok_or(TokenError::Missing("sr"))?).ok_or(TokenError::Field)?;
        let signature = signature.ok_or(TokenError::Missing("sig"))?;
        let expiry = expiry.ok_or(TokenError::Missing("se"))?;
        if signature.is_empty() || !text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
            return Err(TokenError::Field);
        }
        if expiry.is_empty() || !expiry.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(TokenError::Expiry);
        }
        let expiry = expiry.parse().map_err(|_| TokenError::Expiry)?;
        Ok(Self { text: Secret::new(text), scope: scope.into(), expiry })
    }

    /// The token as it goes into CONNECT.
    pub fn text(&self) -> &Secret {
        &self.text
    }

    /// What it is about, decoded.
    pub fn scope(&self) -> &str {
        &self.scope
    }

    /// Seconds since 1970 after which it is worth nothing.
    pub fn expiry(&self) -> u64 {
        self.expiry
    }

    /// Whether it covers this identity at this hub: its scope is the identity's, or one that holds it.
    pub fn covers(&self, hub: &HostName, whom: &Whom) -> bool {
        let full = whom.scope(hub);
        let Some((front, rest)) = full.split_at_checked(self.scope.len()) else { return false };
        front.eq_ignore_ascii_case(&self.scope) && (rest.is_empty() || rest.starts_with('/'))
    }
}

/// Why a text is no token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum TokenError {
    /// It does not begin with `SharedAccessSignature` and one space.
    Prefix,
    /// A field is unknown, or cannot be read.
    Field,
    /// A field stands twice.
    Twice,
    /// The named field is not there.
    Missing(&'static str),
    /// The expiry is no number of seconds.
    Expiry,
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prefix => f.write_str("the token does not begin with `SharedAccessSignature `"),
            Self::Field => f.write_str("the token has a field other than sr, sig, se and skn, or one not encoded"),
            Self::Twice => f.write_str("the token names a field twice"),
            Self::Missing(name) => write!(f, "the token has no field {name}"),
            Self::Expiry => f.write_str("the token's se is no number of seconds since 1970"),
        }
    }
}

impl core::error::Error for TokenError {}

const PREFIX: &str = "SharedAccessSignature ";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::azure::identity::DeviceId;
    use proptest::prelude::*;

    #[test]
    fn no_token_is_signed_by_a_clock_before_2020() {
        let hour = Duration::from_hours(1);
        assert_eq!(expiry(UnixMillis(EARLIEST * 1000 - 1), hour), Err(ClockUnset));
        assert_eq!(expiry(UnixMillis(EARLIEST * 1000), hour), Ok(EARLIEST + 3600));
        assert_eq!(expiry(UnixMillis(u64::MAX), Duration::MAX), Ok(u64::MAX));
    }

    #[test]
    fn a_group_key_gives_each_device_its_own() {
        let group = DeviceKey::from_base64("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap();
        let key = derive(&group, &RegistrationId::new("pump-0042").unwrap());
        assert_eq!(key.to_base64().expose(), b"QRtqB3fTld+0sBI3FFjauuhkpYo+g0WtB8LmmMyXXvA=");
    }

    #[test]
    fn a_token_is_read_whatever_the_order_of_its_fields() {
        let text = "SharedAccessSignature sig=a%3D&se=1700000000&sr=h.net%2Fdevices%2Fd&skn=device";
        let token = SasToken::parse(text).unwrap();
        assert_eq!((token.scope(), token.expiry()), ("h.net/devices/d", 1_700_000_000));
        assert_eq!(token.text().expose(), text.as_bytes());
        assert!(!format!("{token:?}").contains("sig"), "{token:?}");
    }

    #[test]
    fn what_is_no_token_is_refused_by_name() {
        let cases = [
            ("sr=a&sig=b&se=1", TokenError::Prefix),
            ("SharedAccessSignature  sr=a&sig=b&se=1", TokenError::Field),
            ("SharedAccessSignature sr=a&sig=b", TokenError::Missing("se")),
            ("SharedAccessSignature sr=a&se=1", TokenError::Missing("sig")),
            ("SharedAccessSignature sig=a&se=1", TokenError::Missing("sr")),
            ("SharedAccessSignature sr=a&sig=b&se=1&se=2", TokenError::Twice),
            ("SharedAccessSignature sr=a&sig=b&se=-1", TokenError::Expiry),
            ("SharedAccessSignature sr=a&sig=b&se=99999999999999999999", TokenError::Expiry),
            ("SharedAccessSignature sr=a&sig=b&se=", TokenError::Expiry),
            ("SharedAccessSignature sr=%zz&sig=b&se=1", TokenError::Field),
            ("SharedAccessSignature sr=a&sig=&se=1", TokenError::Field),
            ("SharedAccessSignature sr=a&sig=b&se=1&x=2", TokenError::Field),
            ("SharedAccessSignature sr=a&sig=b\n&se=1", TokenError::Field),
        ];
        for (text, error) in cases {
            assert_eq!(SasToken::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn a_token_covers_its_own_identity_and_what_lies_below_its_scope() {
        let (hub, whom) = (HostName::new("h.net").unwrap(), Whom::device(DeviceId::new("dev").unwrap()));
        let covers = |scope: &str| {
            let text = format!("SharedAccessSignature sr={}&sig=x&se=1", Encoded(scope));
            SasToken::parse(&text).unwrap().covers(&hub, &whom)
        };
        assert!(["h.net/devices/dev", "H.NET/devices/dev", "h.net/devices", "h.net"].into_iter().all(covers));
        assert!(!["h.net/devices/de", "h.net/devices/dev/modules/m", "other/devices/dev", "h"].into_iter().any(covers));
    }

    proptest! {
        #[test]
        fn what_is_signed_can_be_read(scope in "[ -~]{1,80}", expiry: u64, policy in proptest::option::of("[a-z]{1,9}")) {
            let token = sign(&DeviceKey::from_bytes([7; 32]), &scope, expiry, policy.as_deref());
            let read = SasToken::parse(core::str::from_utf8(token.expose()).unwrap()).unwrap();
            prop_assert_eq!((read.scope(), read.expiry()), (scope.as_str(), expiry));
        }

        #[test]
        fn r_1_no_text_makes_the_reader_panic(text: String) {
            let _ = SasToken::parse(&format!("{PREFIX}{text}"));
        }
    }
}

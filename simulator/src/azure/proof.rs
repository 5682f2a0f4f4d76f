//! By what does a device prove that it is itself, and does it? Keys with their tokens, certificates with who signed them.
//!
//! Everything is derived anew here, from Microsoft's pages alone: a slip in the device's own signing must show, not be
//! repeated.

use super::text;
use crate::broker::policy::{Certificate, Denial, Peer};
use base64ct::{Base64, Encoding as _};
use core::fmt;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Deserializer, de::Error as _};
use sha1::{Digest as _, Sha1};
use sha2::Sha256;
use skytether_core::{io::Refusal, secret::Secret, time::UnixMillis};
use x509_parser::{certificate::X509Certificate, prelude::FromDer as _};

/// Bytes of the shortest and of the longest key.
const KEY_BYTES: core::ops::RangeInclusive<usize> = 16..=64;

/// A symmetric key of 16 to 64 bytes; base64 text in files, `***` when printed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SharedKey(Secret);

impl SharedKey {
    /// A key from its bytes; `None` unless there are 16 to 64.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        KEY_BYTES.contains(&bytes.len()).then(|| Self(Secret::new(bytes.to_vec())))
    }

    /// A key from its base64 text.
    pub fn parse(text: &str) -> Option<Self> {
        Self::new(&Base64::decode_vec(text).ok()?)
    }

    /// The base64 text, for the one place that writes a device's own file.
    pub fn text(&self) -> String {
        Base64::encode_string(self.0.expose())
    }

    /// The key of one registration of a group: the HMAC-SHA256 of its id by the group's key.
    #[must_use]
    pub fn derive(&self, registration_id: &str) -> Self {
        Self(Secret::new(self.mac(registration_id).finalize().into_bytes().to_vec()))
    }

    fn mac(&self, text: &str) -> Hmac<Sha256> {
        #[allow(clippy::expect_used, reason = "it cannot fail")]
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.expose()).expect("HMAC takes a key of any length");
        mac.update(text.as_bytes());
        mac
    }
}

impl<'de> Deserialize<'de> for SharedKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom("a key is base64 text of 16 to 64 bytes"))
    }
}

/// The thumbprint of a certificate: SHA-1 or SHA-256 of its DER, in hexadecimal digits of either case.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Thumbprint(Box<str>);

impl Thumbprint {
    /// From 40 or 64 hexadecimal digits; `:` between them is left out.
    pub fn parse(text: &str) -> Option<Self> {
        let digits: String = text.chars().filter(|c| *c != ':').map(|c| c.to_ascii_lowercase()).collect();
        let right = matches!(digits.len(), 40 | 64) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        right.then(|| Self(digits.into()))
    }

    /// The SHA-256 thumbprint of a certificate.
    pub fn of(der: &[u8]) -> Self {
        Self(base16ct::lower::encode_string(&Sha256::digest(der)).into())
    }

    fn is_of(&self, der: &[u8]) -> bool {
        *self == Self::of(der) || *self.0 == *base16ct::lower::encode_string(&Sha1::digest(der))
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Thumbprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom("a thumbprint has 40 or 64 hexadecimal digits"))
    }
}

/// A certificate authority that devices' certificates are to come from; PEM text in files.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Issuer(Box<[u8]>);

impl Issuer {
    /// From the DER of its certificate.
    pub fn new(der: impl Into<Box<[u8]>>) -> Self {
        Self(der.into())
    }

    /// From PEM text.
    pub fn parse(pem: &str) -> Option<Self> {
        match pem_rfc7468::decode_vec(pem.trim().as_bytes()) {
            Ok(("CERTIFICATE", der)) => Some(Self(der.into())),
            Ok(_) | Err(_) => None,
        }
    }

    /// The DER of its certificate.
    pub fn der(&self) -> &[u8] {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Issuer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| D::Error::custom("an authority is PEM text that begins with -----BEGIN CERTIFICATE-----"))
    }
}

/// By what a device proves that it is itself. In files an object with one member: `{"key": "…"}`,
/// `{"thumbprint": "…"}` or `{"authority": "-----BEGIN CERTIFICATE-----…"}`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(clippy::exhaustive_enums, reason = "owners of a cloud write it")]
pub enum Proof {
    /// Tokens signed by this key.
    Key(SharedKey),
    /// The certificate of this thumbprint, shown in the TLS handshake; nobody needs to have signed it.
    Thumbprint(Thumbprint),
    /// A certificate of this authority, whose common name is the device's id.
    Authority(Issuer),
}

/// What a client shows of itself, with the moment.
#[derive(Clone, Copy)]
pub(super) struct Shown<'c> {
    pub(super) wall: UnixMillis,
    pub(super) password: Option<&'c [u8]>,
    pub(super) peer: &'c Peer,
}

/// What has to be proved.
#[derive(Clone, Copy)]
pub(super) struct Claim<'c> {
    /// The resource that a token is for, not encoded.
    pub(super) resource: &'c str,
    /// The common name that a certificate has to have.
    pub(super) common_name: &'c str,
    /// The policy that a token may name.
    pub(super) policy: Option<&'static str>,
}

impl Proof {
    /// When the proof ends, in seconds since 1970; `None` for a certificate.
    ///
    /// # Errors
    /// Code 4: there is no token, or none of its shape. Code 5: it is expired, for something else, or by another key;
    /// the certificate is not this device's.
    pub(super) fn check(&self, claim: Claim<'_>, shown: Shown<'_>) -> Result<Option<u64>, Denial> {
        match self {
            Self::Key(key) => Token::read(shown.password)?.check(key, claim, shown.wall).map(Some),
            Self::Thumbprint(thumbprint) => {
                no_password(shown.password)?;
                let der = certificate(shown.peer)?;
                if thumbprint.is_of(der) { Ok(None) } else { Err(forbidden("the certificate has another thumbprint")) }
            }
            Self::Authority(issuer) => {
                no_password(shown.password)?;
                let der = certificate(shown.peer)?;
                if shown.peer.authority.as_deref() != Some(issuer.der()) {
                    return Err(forbidden("the certificate is not signed by the authority of this device"));
                }
                let named = common_name(der).is_some_and(|name| name.eq_ignore_ascii_case(claim.common_name));
                if named {
                    Ok(None)
                } else {
                    Err(forbidden("the common name of the certificate is not the device's id"))
                }
            }
        }
    }
}

/// Nothing, or of no length: the modem of one vendor cannot send none.
fn no_password(password: Option<&[u8]>) -> Result<(), Denial> {
    match password {
        None | Some([]) => Ok(()),
        Some(_) => Err(forbidden("a certificate device sends no password")),
    }
}

fn certificate(peer: &Peer) -> Result<&[u8], Denial> {
    match &peer.certificate {
        Some(Certificate::X509(der)) => Ok(der),
        Some(Certificate::Psk(_)) | None => Err(forbidden("the device shows no certificate in the TLS handshake")),
    }
}

/// The common name of the subject.
pub(super) fn common_name(der: &[u8]) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let name = certificate.subject().iter_common_name().last()?.as_str().ok()?;
    Some(name.to_owned())
}

/// `SharedAccessSignature sr=…&sig=…&se=…[&skn=…]`, in any order.
struct Token {
    resource: String,
    /// As it was sent: that is what is signed.
    raw_resource: String,
    signature: Vec<u8>,
    expiry: u64,
    raw_expiry: String,
    policy: Option<String>,
}

impl Token {
    fn read(password: Option<&[u8]>) -> Result<Self, Denial> {
        let password = password.ok_or_else(|| malformed("a key device needs a password: its token"))?;
        let text = core::str::from_utf8(password).map_err(|_| malformed("the password is no text"))?;
        Self::parse(text).ok_or_else(|| malformed("the password is no SharedAccessSignature of sr, sig, se and skn"))
    }

    fn parse(text: &str) -> Option<Self> {
        let fields = text.strip_prefix("SharedAccessSignature ")?;
        let [mut resource, mut signature, mut expiry, mut policy] = [const { None }; 4];
        for field in fields.split('&') {
            let (name, value) = field.split_once('=')?;
            let slot = match name {
                "sr" => &mut resource,
                "sig" => &mut signature,
                "se" => &mut expiry,
                "skn" => &mut policy,
                _ => return None,
            };
            if slot.replace(value).is_some() {
                return None;
            }
        }
        let (raw_resource, raw_expiry) = (resource?, expiry?);
        if raw_expiry.is_empty() || !raw_expiry.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        Some(Self {
            resource: text::decode(raw_resource)?,
            raw_resource: raw_resource.to_owned(),
            signature: Base64::decode_vec(&text::decode(signature?)?).ok()?,
            // Digits beyond 64 bits are a time that never comes.
            expiry: raw_expiry.parse().unwrap_or(u64::MAX),
            raw_expiry: raw_expiry.to_owned(),
            policy: match policy {
                None | Some("") => None,
                Some(policy) => Some(text::decode(policy)?),
            },
        })
    }

    fn check(&self, key: &SharedKey, claim: Claim<'_>, wall: UnixMillis) -> Result<u64, Denial> {
        if self.resource != claim.resource {
            return Err(forbidden("the token is for another resource"));
        }
        if self.policy.is_some() && self.policy.as_deref() != claim.policy {
            return Err(forbidden("the token names a policy that devices do not have"));
        }
        let signed = format!("{}\n{}", self.raw_resource, self.raw_expiry);
        if key.mac(&signed).verify_slice(&self.signature).is_err() {
            return Err(forbidden("the signature is wrong: is the key the right one?"));
        }
        if self.expiry <= wall.seconds() {
            return Err(forbidden("the token has expired: is the device's clock right?"));
        }
        Ok(self.expiry)
    }
}

pub(super) fn malformed(why: &'static str) -> Denial {
    Denial::Code(Refusal::BadCredentials, why)
}

pub(super) fn forbidden(why: &'static str) -> Denial {
    Denial::Code(Refusal::NotAuthorized, why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn vectors(kind: &str) -> Vec<Value> {
        let file: Value = serde_json::from_str(include_str!("../../../conformance/vectors/azure.json")).unwrap();
        let all = file["vectors"].as_array().unwrap().clone();
        let of_kind: Vec<_> = all.into_iter().filter(|vector| vector["kind"] == kind).collect();
        assert!(!of_kind.is_empty());
        of_kind
    }

    fn text<'v>(value: &'v Value, name: &str) -> &'v str {
        value[name].as_str().unwrap()
    }

    #[test]
    fn the_tokens_of_the_vectors_are_right_until_their_second_and_wrong_from_then_on() {
        for vector in vectors("sas") {
            let (given, token) = (&vector["in"], text(&vector["out"], "token"));
            let key = SharedKey::parse(text(given, "key_b64")).unwrap();
            let claim = Claim { resource: text(given, "scope"), common_name: "", policy: Some("registration") };
            let expiry = given["expiry"].as_u64().unwrap();
            let check = |token: &str, at: u64, claim: Claim<'_>| {
                let (peer, wall) = (Peer::default(), UnixMillis(at * 1000));
                Proof::Key(key.clone()).check(claim, Shown { wall, password: Some(token.as_bytes()), peer: &peer })
            };
            assert_eq!(check(token, expiry - 1, claim), Ok(Some(expiry)), "{token}");
            let why = "the token has expired: is the device's clock right?";
            assert_eq!(check(token, expiry, claim), Err(forbidden(why)), "{token}");
            let lower = token.replace("%2F", "%2f");
            assert!(check(&lower, expiry - 1, claim).is_err(), "what is signed is the text as it was sent: {lower}");
            let elsewhere = Claim { resource: "elsewhere", ..claim };
            assert_eq!(check(token, 0, elsewhere), Err(forbidden("the token is for another resource")));
        }
    }

    #[test]
    fn the_keys_of_groups_derive_as_the_vectors_say() {
        for vector in vectors("derive") {
            let group = SharedKey::parse(text(&vector["in"], "group_key_b64")).unwrap();
            let derived = group.derive(text(&vector["in"], "registration_id"));
            assert_eq!(derived.text(), text(&vector["out"], "device_key_b64"));
        }
    }

    #[test]
    fn what_is_no_token_of_these_four_fields_is_malformed() {
        let right = "SharedAccessSignature sr=a&sig=AAAA&se=1";
        assert!(Token::parse(right).is_some());
        for wrong in [
            "",
            "sr=a&sig=AAAA&se=1",
            "sharedaccesssignature sr=a&sig=AAAA&se=1",
            "SharedAccessSignature sr=a&sig=AAAA",
            "SharedAccessSignature sr=a&se=1",
            "SharedAccessSignature sig=AAAA&se=1",
            "SharedAccessSignature sr=a&sig=AAAA&se=1&sr=a",
            "SharedAccessSignature sr=a&sig=AAAA&se=1&x=1",
            "SharedAccessSignature sr=a&sig=AAAA&se=soon",
            "SharedAccessSignature sr=a&sig=AAAA&se=",
            "SharedAccessSignature sr=a&sig=AAA&se=1",
            "SharedAccessSignature sr=%&sig=AAAA&se=1",
            "SharedAccessSignature sr=a&sig=AAAA&se=-1",
        ] {
            assert!(Token::parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn keys_and_thumbprints_have_their_lengths() {
        for (len, right) in [(15, false), (16, true), (64, true), (65, false)] {
            assert_eq!(SharedKey::new(&vec![1; len]).is_some(), right, "{len}");
        }
        assert!(Thumbprint::parse(&"aB:".repeat(20)).is_some());
        assert!(Thumbprint::parse(&"ab".repeat(31)).is_none());
        assert!(Thumbprint::parse(&"zz".repeat(20)).is_none());
        assert!(!format!("{:?}", SharedKey::new(&[0x41; 16]).unwrap()).contains("41"));
    }
}

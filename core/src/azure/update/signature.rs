//! Who signed a manifest? The chain from a root key over a signing key to the manifest's digest, taken apart.
//!
//! ```text
//! updateManifestSignature = {"alg":"RS256","sjwk":"<JWS of the signing key>"} . {"sha256":"<base64>"} . signature
//! JWS of the signing key  = {"alg":"RS256","kid":"ADU.200702.R"} . {"kty":"RSA","n","e","alg":"RS256","kid"} . signature
//! ```
//!
//! Everything but the two RSA signatures is checked here, the manifest's digest too. The signatures are the
//! application's to check, which has the root keys: RSASSA-PKCS1-v1_5 with SHA-256, by the library or the secure element
//! of its choice. The platform's roots change over time, so none is built in.

use crate::json;
use alloc::{string::String, vec::Vec};
use base64ct::{Base64, Base64UrlUnpadded, Encoding as _};
use core::fmt;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// Longest signature text that is read, in bytes.
const MAX: usize = 16 * 1024;
/// Shortest modulus that is taken, in bytes: 2048 bits.
const MODULUS_MIN: usize = 256;
/// Longest modulus that is taken, in bytes: 8192 bits.
const MODULUS_MAX: usize = 1024;

/// What is left to check of a manifest's signature: that `key_signature` is the root key's over `key_signed`, and
/// `signature` the signing key's over `signed`.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Signature {
    /// Names the root key: `ADU.200702.R`.
    pub root: String,
    /// What the root key signed, as bytes.
    pub key_signed: Vec<u8>,
    /// The root key's signature.
    pub key_signature: Vec<u8>,
    /// The signing key's modulus, big endian, without leading zeros; 2048 to 8192 bits.
    pub modulus: Vec<u8>,
    /// The signing key's exponent, big endian.
    pub exponent: Vec<u8>,
    /// What the signing key signed, as bytes.
    pub signed: Vec<u8>,
    /// The signing key's signature.
    pub signature: Vec<u8>,
}

/// Why a signature cannot be used: the rule that it breaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SignatureError {
    /// The form.
    Rule(&'static str),
    /// It is about another manifest.
    OtherManifest,
}

impl fmt::Display for SignatureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(rule) => write!(f, "the manifest's signature cannot be used: {rule}"),
            Self::OtherManifest => f.write_str("the signature is about another manifest"),
        }
    }
}

impl core::error::Error for SignatureError {}

impl Signature {
    /// Takes a signature apart, and holds its digest against the manifest: the unescaped text, byte for byte.
    ///
    /// # Errors
    /// [`SignatureError`] says what is wrong.
    pub fn parse(text: &str, manifest: &str) -> Result<Self, SignatureError> {
        let rule = |rule| move || SignatureError::Rule(rule);
        if text.len() > MAX {
            return Err(SignatureError::Rule("it has at most 16 KiB"));
        }
        let outer = Jws::parse(text).ok_or_else(rule("it is a JWS in three parts of base64url"))?;
        outer.is_rs256().ok_or_else(rule("its algorithm is RS256"))?;
        let inner = outer.header.get("sjwk").and_then(Value::as_str).and_then(Jws::parse);
        let inner = inner.ok_or_else(rule("its header has the signing key as a JWS, in sjwk"))?;
        inner.is_rs256().ok_or_else(rule("the algorithm of the signing key's JWS is RS256"))?;
        let root = inner.header.get("kid").and_then(Value::as_str).filter(|root| (1..=128).contains(&root.len()));
        let root = root.ok_or_else(rule("the signing key's JWS names its root key, in kid"))?;
        let key = &inner.payload;
        let is = |name: &str, value: &str| key.get(name).is_some_and(|member| member == value);
        if !is("kty", "RSA") || !is("alg", "RS256") {
            return Err(SignatureError::Rule("the signing key is an RSA key for RS256"));
        }
        let number = |name: &str| key.get(name).and_then(Value::as_str).and_then(bytes).map(stripped);
        let modulus = number("n").filter(|modulus| (MODULUS_MIN..=MODULUS_MAX).contains(&modulus.len()));
        let modulus = modulus.ok_or_else(rule("the signing key's modulus has 2048 to 8192 bits"))?;
        let exponent = number("e").filter(|exponent| (1..=8).contains(&exponent.len()));
        let exponent = exponent.ok_or_else(rule("the signing key's exponent has 1 to 8 bytes"))?;
        let digest = outer.payload.get("sha256").and_then(Value::as_str);
        let digest = digest.and_then(|digest| Base64::decode_vec(digest).ok());
        let digest = digest.ok_or_else(rule("its payload has a sha256 in base64"))?;
        if digest[..] != Sha256::digest(manifest.as_bytes())[..] {
            return Err(SignatureError::OtherManifest);
        }
        Ok(Self {
            root: root.into(),
            key_signed: inner.signed,
            key_signature: inner.signature,
            modulus,
            exponent,
            signed: outer.signed,
            signature: outer.signature,
        })
    }
}

/// A JSON Web Signature in its compact form (RFC 7515, 7.1).
struct Jws {
    header: Value,
    payload: Value,
    signed: Vec<u8>,
    signature: Vec<u8>,
}

impl Jws {
    fn parse(text: &str) -> Option<Self> {
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        Some(Self {
            header: json::parse(&bytes(header)?).ok()?,
            payload: json::parse(&bytes(payload)?).ok()?,
            signed: signed.as_bytes().to_vec(),
            signature: bytes(signature).filter(|signature| !signature.is_empty())?,
        })
    }

    fn is_rs256(&self) -> Option<()> {
        self.header.get("alg").is_some_and(|alg| alg == "RS256").then_some(())
    }
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    Base64UrlUnpadded::decode_vec(text.trim_end_matches('=')).ok()
}

fn stripped(number: Vec<u8>) -> Vec<u8> {
    number.into_iter().skip_while(|byte| *byte == 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{format, string::ToString as _, vec};
    use proptest::prelude::*;
    use serde_json::json;

    const MANIFEST: &str = r#"{"manifestVersion":"5"}"#;

    fn part(value: &Value) -> String {
        Base64UrlUnpadded::encode_string(value.to_string().as_bytes())
    }

    fn key() -> Value {
        let modulus = Base64UrlUnpadded::encode_string(&[&[0][..], &[0xAB; 256]].concat());
        json!({"kty": "RSA", "n": modulus, "e": "AQAB", "alg": "RS256", "kid": "ADU.210609.R.S"})
    }

    fn signed_key(header: &Value, key: &Value) -> String {
        format!("{}.{}.{}", part(header), part(key), Base64UrlUnpadded::encode_string(&[1; 4]))
    }

    fn whole(header: &Value, payload: &Value) -> String {
        format!("{}.{}.{}", part(header), part(payload), Base64UrlUnpadded::encode_string(&[2; 4]))
    }

    fn digest() -> Value {
        json!({"sha256": Base64::encode_string(&Sha256::digest(MANIFEST.as_bytes()))})
    }

    fn good() -> String {
        let key = signed_key(&json!({"alg": "RS256", "kid": "ADU.200702.R"}), &key());
        whole(&json!({"alg": "RS256", "sjwk": key}), &digest())
    }

    #[test]
    fn a_signature_is_taken_apart_down_to_what_is_left_to_check() {
        let text = good();
        let signature = Signature::parse(&text, MANIFEST).unwrap();
        assert_eq!(signature.root, "ADU.200702.R");
        assert_eq!((signature.modulus, signature.exponent), (vec![0xAB; 256], vec![1, 0, 1]));
        assert_eq!(signature.signed, text.rsplit_once('.').unwrap().0.as_bytes());
        assert_eq!((signature.key_signature, signature.signature), (vec![1; 4], vec![2; 4]));
        assert!(signature.key_signed.starts_with(b"eyJ"));
    }

    #[test]
    fn a_signature_of_another_manifest_is_refused_down_to_a_blank() {
        for other in ["", r#"{"manifestVersion":"5"} "#, r#"{"manifestVersion": "5"}"#] {
            assert_eq!(Signature::parse(&good(), other), Err(SignatureError::OtherManifest));
        }
    }

    #[test]
    fn r_121_each_link_of_the_chain_is_checked() {
        let sound = json!({"alg": "RS256", "kid": "ADU.200702.R"});
        let with = |name: &str, value: Value| {
            let mut key = key();
            key[name] = value;
            signed_key(&sound, &key)
        };
        let modulus = |len: usize| json!(Base64UrlUnpadded::encode_string(&vec![1; len]));
        let none = json!({"alg": "none", "kid": "ADU.200702.R"});
        let keys = [
            (signed_key(&none, &key()), "algorithm of the signing"),
            (signed_key(&json!({"alg": "HS256", "kid": "r"}), &key()), "algorithm of the signing"),
            (signed_key(&json!({"alg": "RS256"}), &key()), "root key"),
            (with("kty", json!("EC")), "RSA key"),
            (with("alg", json!("none")), "RSA key"),
            (with("n", modulus(255)), "modulus"),
            (with("n", modulus(1025)), "modulus"),
            (with("n", json!("?")), "modulus"),
            (with("e", json!("")), "exponent"),
            (with("e", json!(3)), "exponent"),
            ("a.b".into(), "sjwk"),
            (String::new(), "sjwk"),
        ];
        for (key, word) in keys {
            let text = whole(&json!({"alg": "RS256", "sjwk": key}), &digest());
            let error = Signature::parse(&text, MANIFEST).unwrap_err().to_string();
            assert!(error.contains(word), "{word}: {error}");
        }
        let sjwk = signed_key(&sound, &key());
        for (header, payload, word) in [
            (json!({"alg": "none", "sjwk": sjwk}), digest(), "its algorithm"),
            (json!({"sjwk": sjwk}), digest(), "its algorithm"),
            (json!({"alg": "RS256"}), digest(), "sjwk"),
            (json!({"alg": "RS256", "sjwk": sjwk}), json!({}), "sha256"),
            (json!({"alg": "RS256", "sjwk": sjwk}), json!({"sha256": "?"}), "sha256"),
            (json!([]), digest(), "its algorithm"),
        ] {
            let error = Signature::parse(&whole(&header, &payload), MANIFEST).unwrap_err().to_string();
            assert!(error.contains(word), "{word}: {error}");
        }
        for text in ["", ".", "..", "a.b.c", "e30.e30.", &"x".repeat(20_000)] {
            assert!(matches!(Signature::parse(text, MANIFEST), Err(SignatureError::Rule(_))), "{text}");
        }
    }

    proptest! {
        #[test]
        fn r_1_no_text_makes_the_reader_panic(text in "[ -~]{0,60}", at: usize, byte in b' '..b'~') {
            let _ = Signature::parse(&text, MANIFEST);
            let mut spoilt = good().into_bytes();
            let at = at % spoilt.len();
            spoilt[at] = byte;
            let _ = Signature::parse(core::str::from_utf8(&spoilt).unwrap(), MANIFEST);
        }
    }
}

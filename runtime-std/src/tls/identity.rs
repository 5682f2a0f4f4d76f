//! What certificates and keys were given, from files or bytes, and what is wrong with them.
#![allow(clippy::wildcard_enum_match_arm, reason = "the enums of rustls and tungstenite are theirs to extend")]

use super::provider;
use core::{
    fmt,
    sync::atomic::{AtomicUsize, Ordering},
};
use rustls::{
    RootCertStore, SignatureScheme,
    client::ResolvesClientCert,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject as _},
    },
    sign::CertifiedKey,
};
use skytether_core::io::TlsFault;
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};
use zeroize::Zeroizing;

/// Whom to trust.
#[derive(Clone, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "the system's, or one's own: there is no third")]
pub enum Roots {
    /// The CAs that the operating system trusts; `SSL_CERT_FILE` and `SSL_CERT_DIR` point elsewhere.
    System,
    /// These CAs and no others: they replace the system's.
    Given(Vec<CertificateDer<'static>>),
}

impl Roots {
    /// CA certificates of a file: PEM, one or more, or one in DER.
    ///
    /// # Errors
    /// Where the file cannot be read, holds no certificate, or one that cannot be a CA's.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, Unusable> {
        let path = path.as_ref();
        read(path).and_then(|bytes| Self::from_bytes(&bytes)).map_err(|unusable| unusable.of(path))
    }

    /// CA certificates as they stand in a file.
    ///
    /// # Errors
    /// Where there is no certificate, or one that cannot be a CA's.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Unusable> {
        let certificates = certificates(bytes)?;
        let mut store = RootCertStore::empty();
        for certificate in &certificates {
            store.add(certificate.clone()).map_err(Unusable::rustls)?;
        }
        Ok(Self::Given(certificates))
    }

    pub(super) fn store(&self) -> Result<RootCertStore, Unusable> {
        let mut store = RootCertStore::empty();
        match self {
            Self::Given(certificates) => {
                for certificate in certificates {
                    store.add(certificate.clone()).map_err(Unusable::rustls)?;
                }
                if store.is_empty() {
                    return Err(Unusable::new(Wrong::NoCertificate));
                }
            }
            Self::System => {
                let found = rustls_native_certs::load_native_certs();
                for error in found.errors {
                    tracing::warn!(step = "tls", %error, "some of the system's CA certificates cannot be read");
                }
                // A certificate that webpki cannot parse is no reason to trust none.
                store.add_parsable_certificates(found.certs);
                if store.is_empty() {
                    return Err(Unusable::new(Wrong::NoSystemRoots));
                }
            }
        }
        Ok(store)
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System => f.write_str("System"),
            Self::Given(certificates) => write!(f, "Given({} certificates)", certificates.len()),
        }
    }
}

/// The certificate that a device shows, with its private key.
#[derive(Clone)]
pub struct ClientIdentity {
    certified: Arc<CertifiedKey>,
}

impl ClientIdentity {
    /// From a file with the certificate, followed by those between it and the CA (PEM), or the certificate alone in
    /// DER; and a file with its private key (PEM or DER: PKCS#8, PKCS#1 or SEC1, not encrypted). One PEM file may serve
    /// as both.
    ///
    /// # Errors
    /// Where a file cannot be read or holds something else, or the key does not belong to the certificate.
    pub fn from_files(chain: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Self, Unusable> {
        let (chain, key) = (chain.as_ref(), key.as_ref());
        let certificates = read(chain).and_then(|bytes| certificates(&bytes)).map_err(|unusable| unusable.of(chain))?;
        let private = read(key).and_then(|bytes| private_key(&bytes)).map_err(|unusable| unusable.of(key))?;
        // What is wrong from here on is wrong with the key, or between the two.
        Self::new(certificates, private).map_err(|unusable| unusable.of(key))
    }

    /// From the same contents as those of [`ClientIdentity::from_files`].
    ///
    /// # Errors
    /// As there.
    pub fn from_bytes(chain: &[u8], key: &[u8]) -> Result<Self, Unusable> {
        Self::new(certificates(chain)?, private_key(key)?)
    }

    fn new(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<Self, Unusable> {
        CertifiedKey::from_der(chain, key, &provider())
            .map(|certified| Self { certified: Arc::new(certified) })
            .map_err(Unusable::rustls_key)
    }

    pub(super) fn certified(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.certified)
    }
}

impl fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientIdentity({} certificates, key ***)", self.certified.cert.len())
    }
}

/// Answers a server that asks for a client certificate, and counts that it did.
#[derive(Debug)]
pub(super) struct Shown {
    certified: Option<Arc<CertifiedKey>>,
    asked: Arc<AtomicUsize>,
}

impl Shown {
    pub(super) fn new(certified: Option<Arc<CertifiedKey>>, asked: Arc<AtomicUsize>) -> Self {
        Self { certified, asked }
    }
}

impl ResolvesClientCert for Shown {
    fn resolve(&self, _root_hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.certified.clone()
    }

    fn has_certs(&self) -> bool {
        self.certified.is_some()
    }
}

/// A file or setting of TLS that cannot be used: which, why, and what would help.
#[derive(Debug)]
pub struct Unusable {
    file: Option<PathBuf>,
    wrong: Wrong,
}

/// What is wrong with a file or setting of TLS.
#[derive(Debug)]
#[non_exhaustive]
pub enum Wrong {
    /// The file cannot be read.
    Unreadable(io::Error),
    /// There is no certificate in it.
    NoCertificate,
    /// There is a certificate that cannot be used.
    BadCertificate(rustls::Error),
    /// There is no private key in it.
    NoKey,
    /// The private key is encrypted.
    EncryptedKey,
    /// The private key cannot be used.
    BadKey(rustls::Error),
    /// The private key is not that of the certificate.
    KeyMismatch,
    /// The operating system names no CA.
    NoSystemRoots,
    /// The endpoint wants a client certificate, and none was given.
    NoClient,
}

impl Unusable {
    pub(super) fn new(wrong: Wrong) -> Self {
        Self { file: None, wrong }
    }

    pub(super) fn rustls(error: rustls::Error) -> Self {
        Self::new(Wrong::BadCertificate(error))
    }

    fn rustls_key(error: rustls::Error) -> Self {
        Self::new(match error {
            rustls::Error::InconsistentKeys(_) => Wrong::KeyMismatch,
            rustls::Error::InvalidCertificate(_) => Wrong::BadCertificate(error),
            _ => Wrong::BadKey(error),
        })
    }

    fn of(self, file: &Path) -> Self {
        Self { file: Some(file.to_owned()), ..self }
    }

    /// The file, where it came from one.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// What is wrong.
    pub fn wrong(&self) -> &Wrong {
        &self.wrong
    }

    /// The same in the core's words, which name no file.
    pub fn fault(&self) -> TlsFault {
        TlsFault::Unusable(match &self.wrong {
            Wrong::Unreadable(_) => "a file with certificates or a key cannot be read",
            Wrong::NoCertificate => "no certificate was given where one is needed",
            Wrong::BadCertificate(_) => "a certificate that was given cannot be used",
            Wrong::NoKey => "no private key was given with the client certificate",
            Wrong::EncryptedKey => "the private key that was given is encrypted",
            Wrong::BadKey(_) => "the private key that was given cannot be used",
            Wrong::KeyMismatch => "the private key that was given is not that of the client certificate",
            Wrong::NoSystemRoots => "this system names no CA to trust: give one",
            Wrong::NoClient => "the endpoint wants a client certificate, and none was given",
        })
    }
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}: ", file.display())?;
        }
        match &self.wrong {
            Wrong::Unreadable(error) => write!(f, "cannot be read: {error}"),
            Wrong::NoCertificate => {
                f.write_str("holds no certificate; give one in PEM (\"-----BEGIN CERTIFICATE-----\") or DER")
            }
            Wrong::BadCertificate(error) => {
                write!(f, "the certificate cannot be used ({error}); X.509 version 3 is needed")
            }
            Wrong::NoKey => {
                f.write_str("holds no private key; give one in PEM (\"-----BEGIN PRIVATE KEY-----\") or DER")
            }
            Wrong::EncryptedKey => {
                f.write_str("the private key is encrypted; decrypt it first (openssl pkey -in FILE -out PLAIN)")
            }
            Wrong::BadKey(error) => {
                write!(
                    f,
                    "the private key cannot be used ({error}); give RSA (2048 bits up), ECDSA P-256/P-384 or Ed25519"
                )
            }
            Wrong::KeyMismatch => f.write_str("the private key is not that of the certificate; give the pair"),
            Wrong::NoSystemRoots => f.write_str(
                "this system names no CA to trust; install ca-certificates, set SSL_CERT_FILE, or give a CA file",
            ),
            Wrong::NoClient => {
                f.write_str("the endpoint wants a client certificate; give one with its key, or choose TlsIdentity::Ca")
            }
        }
    }
}

impl core::error::Error for Unusable {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match &self.wrong {
            Wrong::Unreadable(error) => Some(error),
            Wrong::BadCertificate(error) | Wrong::BadKey(error) => Some(error),
            Wrong::NoCertificate
            | Wrong::NoKey
            | Wrong::EncryptedKey
            | Wrong::KeyMismatch
            | Wrong::NoSystemRoots
            | Wrong::NoClient => None,
        }
    }
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Unusable> {
    fs::read(path).map(Zeroizing::new).map_err(|error| Unusable::new(Wrong::Unreadable(error)))
}

/// Whether bytes begin like DER: both certificates and keys are sequences longer than 127 bytes... or short keys.
fn is_der(bytes: &[u8]) -> bool {
    bytes.first() == Some(&0x30)
}

fn certificates(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, Unusable> {
    if is_der(bytes) {
        return Ok(vec![CertificateDer::from(bytes.to_vec())]);
    }
    let found: Vec<_> = CertificateDer::pem_slice_iter(bytes)
        .collect::<Result<_, pem::Error>>()
        .map_err(|_| Unusable::new(Wrong::BadCertificate(rustls::CertificateError::BadEncoding.into())))?;
    if found.is_empty() { Err(Unusable::new(Wrong::NoCertificate)) } else { Ok(found) }
}

fn private_key(bytes: &[u8]) -> Result<PrivateKeyDer<'static>, Unusable> {
    if is_der(bytes) {
        return PrivateKeyDer::try_from(bytes.to_vec()).map_err(|_| Unusable::new(Wrong::NoKey));
    }
    let encrypted = |text: &[u8]| text.windows(9).any(|window| window == b"ENCRYPTED");
    PrivateKeyDer::from_pem_slice(bytes).map_err(|error| {
        Unusable::new(match error {
            _ if encrypted(bytes) => Wrong::EncryptedKey,
            pem::Error::NoItemsFound => Wrong::NoKey,
            error => Wrong::BadKey(rustls::Error::General(error.to_string())),
        })
    })
}

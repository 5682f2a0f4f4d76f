//! Whom a device trusts and which certificate it shows: the settings of TLS, and what they come to for one connection.

mod identity;
mod verifier;

pub use identity::{ClientIdentity, Roots, Unusable, Wrong};
pub(crate) use verifier::SelfSigned;

use crate::fault;
use core::{
    fmt,
    sync::atomic::{AtomicUsize, Ordering},
};
use identity::Shown;
use rustls::{
    ClientConfig,
    crypto::{CryptoProvider, ring},
    pki_types::ServerName,
};
use skytether_core::{
    io::{Cause, TlsFault},
    link::{Endpoint, TlsIdentity},
};
use std::{
    io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};
use verifier::Verifier;

/// The settings of TLS: TLS 1.2 and 1.3 by ring, SNI, no early data. The server's chain and name are always verified.
///
/// Clones share the sessions that servers let them resume. What the settings come to is worked out at the first
/// connection and kept.
///
/// ```
/// use skytether_std::tls::{Roots, Tls};
///
/// let public = Tls::new(Roots::System);
/// let ours = Tls::new(Roots::from_file("no-such-ca.crt").unwrap_or(Roots::System));
/// # let _ = (public, ours);
/// ```
#[derive(Clone)]
pub struct Tls {
    roots: Roots,
    client: Option<ClientIdentity>,
    check_name: bool,
    built: Arc<Built>,
}

/// What settings have come to so far; a failure is not kept, since its reason may go away.
#[derive(Default)]
struct Built {
    without_client: Mutex<Option<Arc<ClientConfig>>>,
    with_client: Mutex<Option<Arc<ClientConfig>>>,
    /// How often servers have asked for a client certificate.
    asked: Arc<AtomicUsize>,
}

impl Tls {
    /// Trusts `roots` and no one else; shows no certificate.
    pub fn new(roots: Roots) -> Self {
        Self { roots, client: None, check_name: true, built: Arc::default() }
    }

    /// Trusts the CA certificates in a file (PEM, one or more, or one in DER) and no one else.
    ///
    /// # Errors
    /// As [`Roots::from_file`].
    pub fn from_ca_file(path: impl AsRef<Path>) -> Result<Self, Unusable> {
        Roots::from_file(path).map(Self::new)
    }

    /// Shows `client` to servers where the endpoint's identity is [`TlsIdentity::Client`].
    #[must_use]
    pub fn with_client(self, client: ClientIdentity) -> Self {
        Self { client: Some(client), built: Arc::default(), ..self }
    }

    /// Whether there is a certificate to show.
    pub fn has_client(&self) -> bool {
        self.client.is_some()
    }

    /// The settings that weaken what TLS is for.
    pub fn dangerous(self) -> Dangerous {
        Dangerous(self)
    }

    /// What TLS needs to know for a connection to `endpoint`. Reads the system's certificates where they are wanted and
    /// not yet read: a few milliseconds of blocking work, once. An endpoint that is [`TlsIdentity::Plain`] is taken as
    /// [`TlsIdentity::Ca`].
    ///
    /// # Errors
    /// `Cause::Tls` with `Unusable` where the settings or the host name do not serve, `Cause::Unsupported` for a
    /// certificate that a modem holds.
    pub fn handshake(&self, endpoint: &Endpoint) -> Result<Handshake, Cause> {
        let with_client = match endpoint.tls {
            TlsIdentity::Plain | TlsIdentity::Ca => false,
            TlsIdentity::Client => true,
            TlsIdentity::Named(_) => return Err(Cause::Unsupported("a certificate by name, which only modems hold")),
        };
        let config = self.config(with_client).map_err(|unusable| {
            tracing::warn!(%endpoint, step = "tls", error = %unusable, "the settings of TLS cannot be used");
            Cause::Tls(unusable.fault())
        })?;
        let host = endpoint.host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(&endpoint.host);
        let name = ServerName::try_from(host.to_owned()).map_err(|_| {
            Cause::Tls(TlsFault::Unusable(
                "the host is no name that a certificate could be for (DNS name or IP address)",
            ))
        })?;
        let asked = Arc::clone(&self.built.asked);
        let asked_before = asked.load(Ordering::Relaxed);
        Ok(Handshake { config, name, with_client, asked, asked_before })
    }

    /// The configuration for rustls, with or without the client certificate; the same one each time.
    ///
    /// # Errors
    /// [`Unusable`] where no root certificate is left, or no client certificate was given.
    pub fn config(&self, with_client: bool) -> Result<Arc<ClientConfig>, Unusable> {
        let place = if with_client { &self.built.with_client } else { &self.built.without_client };
        let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = &*place {
            return Ok(Arc::clone(config));
        }
        let config = Arc::new(self.build(with_client)?);
        *place = Some(Arc::clone(&config));
        Ok(config)
    }

    fn build(&self, with_client: bool) -> Result<ClientConfig, Unusable> {
        let key = match (&self.client, with_client) {
            (_, false) => None,
            (Some(client), true) => Some(client.certified()),
            (None, true) => return Err(Unusable::new(Wrong::NoClient)),
        };
        let provider = provider();
        let verifier = Verifier::new(self.roots.store()?, &provider, self.check_name)?;
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(Unusable::rustls)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_cert_resolver(Arc::new(Shown::new(key, Arc::clone(&self.built.asked))));
        Ok(config)
    }
}

impl Default for Tls {
    /// Trusts whom the system trusts.
    fn default() -> Self {
        Self::new(Roots::System)
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("roots", &self.roots)
            .field("client", &self.client)
            .field("check_name", &self.check_name)
            .finish_non_exhaustive()
    }
}

/// Settings that weaken what TLS is for; see [`Tls::dangerous`].
#[derive(Debug)]
pub struct Dangerous(Tls);

impl Dangerous {
    /// Takes a certificate for any host, as long as one of the given CAs signed it and it is valid for servers now.
    ///
    /// Only for a private CA whose servers' names do not match their certificates, and only with that CA given: with
    /// public CAs, anyone who owns any domain could step in between.
    #[must_use]
    pub fn accept_any_host_name(self) -> Tls {
        Tls { check_name: false, built: Arc::default(), ..self.0 }
    }
}

/// TLS for one connection: what rustls needs, and the words for what may go wrong.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Handshake {
    /// The configuration, shared by the connections of one [`Tls`].
    pub config: Arc<ClientConfig>,
    /// Whom the server's certificate must be for.
    pub name: ServerName<'static>,
    with_client: bool,
    asked: Arc<AtomicUsize>,
    asked_before: usize,
}

impl Handshake {
    /// What an error during the handshake means. Later ones are [`fault::of_io`]'s.
    ///
    /// TLS 1.2 servers say `handshake_failure` both where they want a certificate and where nothing is in common; which
    /// of them is meant follows from whether the server asked for one.
    pub fn cause(&self, error: &io::Error) -> Cause {
        let cause = fault::of_io(error);
        if cause == Cause::Truncated {
            // An end within the handshake cuts off nothing that was under way.
            return Cause::Lost;
        }
        if fault::is_handshake_failure(error) && self.asked.load(Ordering::Relaxed) != self.asked_before {
            return Cause::Tls(if self.with_client {
                TlsFault::ClientCertificateRefused
            } else {
                TlsFault::ClientCertificateRequired
            });
        }
        cause
    }
}

/// The cryptography, named, so that no other crate's choice of a process-wide default matters.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

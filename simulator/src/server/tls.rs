//! Which certificates does the server have, who signed them, and what does a client show of itself in the handshake?
//!
//! Everything is made at start and lives as long as the process: an [`Authority`] for the server and one for devices.
//! Their keys are written nowhere. The cryptography is ring's, named explicitly, so that no other crate's choice of a
//! provider for the whole process matters.

use super::pipe::AnyStream;
use crate::broker::policy::{Certificate, Peer};
use core::fmt;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use rustls::{
    DigitallySignedStruct, DistinguishedName as Subject, RootCertStore, ServerConfig, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime},
    server::{
        VerifierBuilderError, WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use skytether_core::secret::Secret;
use std::{io, sync::Arc, time::SystemTime};
use time::{Duration, OffsetDateTime};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// How long certificates are valid, from the start.
const VALIDITY: Duration = Duration::days(397);

/// How long before the start they are valid already: clocks differ.
const SLACK: Duration = Duration::days(1);

/// Why certificates could not be made or used.
#[derive(Debug)]
#[non_exhaustive]
pub enum TlsError {
    /// A certificate could not be made: a name that no certificate can hold, mostly.
    Making(rcgen::Error),
    /// The server's certificate or key is not accepted.
    Server(rustls::Error),
    /// The devices' authority is not accepted.
    Devices(VerifierBuilderError),
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Making(error) => write!(f, "a certificate cannot be made: {error}"),
            Self::Server(error) => write!(f, "the server's certificate cannot be used: {error}"),
            Self::Devices(error) => write!(f, "the devices' authority cannot be used: {error}"),
        }
    }
}

impl core::error::Error for TlsError {}

impl From<TlsError> for io::Error {
    fn from(error: TlsError) -> Self {
        Self::new(io::ErrorKind::InvalidInput, error)
    }
}

impl From<rcgen::Error> for TlsError {
    fn from(error: rcgen::Error) -> Self {
        Self::Making(error)
    }
}

/// A certificate authority with its key, made here (ECDSA P-256), valid for 397 days.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

impl Authority {
    /// A new one of this common name.
    ///
    /// # Errors
    /// [`TlsError::Making`].
    pub fn new(common_name: &str) -> Result<Self, TlsError> {
        let mut params = params(common_name, Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Ok(Self { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate()?)? })
    }

    /// Its certificate as PEM text: what its clients trust.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A certificate for a server of these DNS names and IP addresses.
    ///
    /// # Errors
    /// [`TlsError::Making`] for a name that is neither.
    pub fn server(&self, names: &[&str]) -> Result<Issued, TlsError> {
        let common_name = names.first().copied().unwrap_or("skytether");
        let params = params(common_name, names.iter().map(|name| (*name).to_owned()).collect())?;
        self.issue(params, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// A client certificate for a device; its common name is the device's client id.
    ///
    /// # Errors
    /// [`TlsError::Making`].
    pub fn device(&self, client_id: &str) -> Result<Issued, TlsError> {
        self.issue(params(client_id, Vec::new())?, ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn issue(&self, mut params: CertificateParams, usage: ExtendedKeyUsagePurpose) -> Result<Issued, TlsError> {
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Issued {
            certificate: certificate.pem(),
            der: certificate.der().clone(),
            key_pem: Secret::new(key.serialize_pem().into_bytes()),
            key: Secret::new(key.serialized_der()),
        })
    }
}

/// What every certificate here has in common.
fn params(common_name: &str, names: Vec<String>) -> Result<CertificateParams, TlsError> {
    let mut params = CertificateParams::new(names)?;
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, "skytether simulator");
    name.push(DnType::CommonName, common_name);
    params.distinguished_name = name;
    let now = wall();
    params.not_before = now.saturating_sub(SLACK);
    params.not_after = now.saturating_add(VALIDITY);
    Ok(params)
}

#[allow(clippy::disallowed_methods, reason = "the server is where the real wall time comes in")]
fn wall() -> OffsetDateTime {
    SystemTime::now().into()
}

/// A certificate with its private key.
#[derive(Clone, Debug)]
pub struct Issued {
    certificate: String,
    der: CertificateDer<'static>,
    key_pem: Secret,
    key: Secret,
}

impl Issued {
    /// The certificate, PEM text.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// The private key, PEM text (PKCS #8), for the one place that writes it to a file.
    pub fn private_key(&self) -> &[u8] {
        self.key_pem.expose()
    }
}

/// The server's side of every handshake.
#[derive(Clone)]
pub struct Acceptor {
    inner: TlsAcceptor,
    /// Certificates of authorities, each with what verifies by it.
    authorities: Vec<(Vec<u8>, Arc<dyn ClientCertVerifier>)>,
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptor").finish_non_exhaustive()
    }
}

impl Acceptor {
    /// TLS 1.2 and 1.3 with this certificate. With an authority for devices, a client may show a certificate, which
    /// must then be of that authority; without one, none is asked for.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn new(server: &Issued, devices: Option<&Authority>) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Server)?;
        let builder = match devices {
            Some(devices) => builder.with_client_cert_verifier(verifier(devices, provider)?),
            None => builder.with_no_client_auth(),
        };
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(server.key.expose().to_vec()));
        let config = builder.with_single_cert(vec![server.der.clone()], key).map_err(TlsError::Server)?;
        Ok(Self { inner: TlsAcceptor::from(Arc::new(config)), authorities: Vec::new() })
    }

    /// The same for a cloud that decides by itself on certificates: a client may show any, whoever has signed it, as
    /// long as it proves that it holds the key. Which of these authorities has signed it is found out and told in
    /// [`Peer::authority`].
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn deciding_later(server: &Issued, authorities: &[&Authority]) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let anyone = Anyone(provider.signature_verification_algorithms);
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Server)?
            .with_client_cert_verifier(Arc::new(anyone));
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(server.key.expose().to_vec()));
        let config = builder.with_single_cert(vec![server.der.clone()], key).map_err(TlsError::Server)?;
        let known =
            |authority: &&Authority| Ok((authority.issuer.der().to_vec(), verifier(authority, Arc::clone(&provider))?));
        let authorities = authorities.iter().map(known).collect::<Result<_, TlsError>>()?;
        Ok(Self { inner: TlsAcceptor::from(Arc::new(config)), authorities })
    }

    /// One handshake: the stream, and in `peer` what the client proved of itself and the host name that it asked for.
    pub(super) async fn accept(&self, stream: AnyStream, peer: &mut Peer) -> io::Result<AnyStream> {
        let stream = self.inner.accept(stream).await?;
        let (_, session) = stream.get_ref();
        if let Some((leaf, chain)) = session.peer_certificates().and_then(|chain| chain.split_first()) {
            peer.certificate = Some(Certificate::X509(leaf.as_ref().to_vec()));
            let now = UnixTime::now();
            let signed =
                |(_, by): &&(Vec<u8>, Arc<dyn ClientCertVerifier>)| by.verify_client_cert(leaf, chain, now).is_ok();
            peer.authority = self.authorities.iter().find(signed).map(|(der, _)| der.clone());
        }
        peer.server_name = session.server_name().map(str::to_owned);
        let stream: TlsStream<AnyStream> = stream;
        Ok(Box::new(stream))
    }
}

fn verifier(devices: &Authority, provider: Arc<CryptoProvider>) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let mut roots = RootCertStore::empty();
    roots.add(devices.issuer.der().clone()).map_err(TlsError::Server)?;
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .allow_unauthenticated()
        .build()
        .map_err(TlsError::Devices)
}

/// Takes every certificate whose key the client holds.
#[derive(Debug)]
struct Anyone(WebPkiSupportedAlgorithms);

impl ClientCertVerifier for Anyone {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[Subject] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

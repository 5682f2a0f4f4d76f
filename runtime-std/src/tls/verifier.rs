//! Is this the server that was meant? webpki's answer, and in one case more words for it.
#![allow(clippy::wildcard_enum_match_arm, reason = "the enums of rustls and tungstenite are theirs to extend")]

use super::{Unusable, identity::Wrong};
use core::fmt;
use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor,
    },
    crypto::{CryptoProvider, WebPkiSupportedAlgorithms},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};
use std::sync::Arc;

/// rustls' own verifier; with the name check switched off, its parts without that one.
#[derive(Debug)]
pub(super) struct Verifier {
    whole: Arc<WebPkiServerVerifier>,
    roots: Arc<RootCertStore>,
    algorithms: WebPkiSupportedAlgorithms,
    check_name: bool,
}

impl Verifier {
    pub(super) fn new(
        roots: RootCertStore,
        provider: &Arc<CryptoProvider>,
        check_name: bool,
    ) -> Result<Self, Unusable> {
        let roots = Arc::new(roots);
        let whole = WebPkiServerVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(provider))
            .build()
            .map_err(|_| Unusable::new(Wrong::NoSystemRoots))?;
        Ok(Self { whole, roots, algorithms: provider.signature_verification_algorithms, check_name })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verdict = if self.check_name {
            self.whole.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
        } else {
            let certificate = ParsedCertificate::try_from(end_entity)?;
            verify_server_cert_signed_by_trust_anchor(
                &certificate,
                &self.roots,
                intermediates,
                now,
                self.algorithms.all,
            )
            .map(|()| ServerCertVerified::assertion())
        };
        verdict.map_err(|error| in_more_words(error, end_entity))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.whole.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.whole.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.whole.supported_verify_schemes()
    }
}

/// The server's certificate names itself as the one who signed it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SelfSigned;

impl fmt::Display for SelfSigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the certificate is signed by itself, not by a CA")
    }
}

impl core::error::Error for SelfSigned {}

/// A refusal stays a refusal; one for want of a known issuer may have a plainer reason.
fn in_more_words(error: Error, end_entity: &CertificateDer<'_>) -> Error {
    let for_its_issuer = match &error {
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => true,
        Error::InvalidCertificate(CertificateError::Other(OtherError(other))) => {
            other.downcast_ref() == Some(&webpki::Error::CaUsedAsEndEntity)
        }
        _ => false,
    };
    let by_itself = || {
        webpki::EndEntityCert::try_from(end_entity)
            .is_ok_and(|certificate| certificate.issuer() == certificate.subject())
    };
    if for_its_issuer && by_itself() {
        Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(SelfSigned))))
    } else {
        error
    }
}

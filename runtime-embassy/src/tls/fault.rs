//! What errors of rustls mean in the core's words.
#![allow(clippy::wildcard_enum_match_arm, reason = "the enums of rustls are its own to extend")]

use rustls::{AlertDescription, CertificateError, Error, PeerIncompatible};
use skytether_core::io::{Cause, TlsFault};

/// What is wrong with TLS.
pub(super) fn of_tls(error: &Error) -> Cause {
    Cause::Tls(match error {
        Error::InvalidCertificate(error) => of_certificate(error),
        Error::AlertReceived(alert) => of_alert(*alert),
        Error::PeerIncompatible(PeerIncompatible::NoCertificateRequestSignatureSchemesInCommon) => {
            TlsFault::ClientCertificateRefused
        }
        Error::PeerIncompatible(_) | Error::NoApplicationProtocol => TlsFault::NothingInCommon,
        Error::NoCertificatesPresented => TlsFault::BadCertificate("the server sent none"),
        Error::FailedToGetCurrentTime => TlsFault::Unusable("the wall time is not known yet: tell it before dialling"),
        Error::FailedToGetRandomBytes => TlsFault::Unusable("the system offers no randomness"),
        _ => TlsFault::NotTls,
    })
}

/// Whether a server gave up with `handshake_failure`, which has more than one meaning.
pub(super) fn is_handshake_failure(error: &Error) -> bool {
    *error == Error::AlertReceived(AlertDescription::HandshakeFailure)
}

fn of_certificate(error: &CertificateError) -> TlsFault {
    TlsFault::BadCertificate(match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => return TlsFault::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => return TlsFault::NotYetValid,
        CertificateError::NotValidForNameContext { presented, .. } if presented.is_empty() => {
            "it names no host (subjectAltName); a common name does not count"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            return TlsFault::WrongHost;
        }
        CertificateError::UnknownIssuer => return TlsFault::UnknownIssuer,
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            return TlsFault::WrongUsage;
        }
        CertificateError::Revoked => return TlsFault::Revoked,
        CertificateError::BadEncoding => "it is malformed",
        CertificateError::BadSignature => "a signature on it or in the handshake is wrong",
        CertificateError::UnhandledCriticalExtension => "it has a critical extension that is not known here",
        _ => "it or its chain could not be verified",
    })
}

/// An alert about a certificate can only be about ours: the server's own it does not judge.
fn of_alert(alert: AlertDescription) -> TlsFault {
    match alert {
        AlertDescription::CertificateRequired | AlertDescription::NoCertificate => TlsFault::ClientCertificateRequired,
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnknownCA
        | AlertDescription::AccessDenied => TlsFault::ClientCertificateRefused,
        AlertDescription::HandshakeFailure
        | AlertDescription::ProtocolVersion
        | AlertDescription::InsufficientSecurity => TlsFault::NothingInCommon,
        other => TlsFault::Alert(other.into()),
    }
}

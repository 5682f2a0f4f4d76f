//! What errors of sockets, rustls and tungstenite mean in the core's words.
#![allow(clippy::wildcard_enum_match_arm, reason = "the enums of rustls and tungstenite are theirs to extend")]

use crate::tls::SelfSigned;
use core::fmt;
use rustls::{AlertDescription, CertificateError, Error, OtherError, PeerIncompatible};
use skytether_core::io::{Cause, TlsFault};
use std::io;
use tungstenite::error::{CapacityError, ProtocolError};

/// A cause that has to travel inside an [`io::Error`], as a stream's adapter must; [`of_io`] takes it out again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Carried(pub(crate) Cause);

impl fmt::Display for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl core::error::Error for Carried {}

/// Packs a cause into an error of the kind that streams have.
pub fn into_io(cause: Cause) -> io::Error {
    io::Error::other(Carried(cause))
}

/// Why an open pipe ended, by the error that reading or writing gave.
///
/// With TLS 1.3 a server judges our certificate after the handshake has succeeded for us, so its refusal comes here.
pub fn of_io(error: &io::Error) -> Cause {
    if let Some(inner) = error.get_ref() {
        if let Some(Carried(cause)) = inner.downcast_ref() {
            return *cause;
        }
        if let Some(error) = inner.downcast_ref::<Error>() {
            return of_tls(error);
        }
    }
    match error.kind() {
        // A socket says "0 bytes"; only TLS calls an end unexpected.
        io::ErrorKind::UnexpectedEof => Cause::Truncated,
        _ => Cause::Lost,
    }
}

/// Why a slot could not be written.
pub fn of_slot(error: &io::Error) -> Cause {
    Cause::Storage(match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            "there is no room left for the slot; free some, or keep slots elsewhere"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "the folder of the slots may not be written; change its owner, or keep slots elsewhere"
        }
        io::ErrorKind::UnexpectedEof => "the slot holds less than what the download goes on from; begin anew",
        _ => "the slot could not be written; the log has the system's reason",
    })
}

/// What is wrong with TLS.
pub fn of_tls(error: &Error) -> Cause {
    Cause::Tls(match error {
        Error::InvalidCertificate(error) => of_certificate(error),
        Error::AlertReceived(alert) => of_alert(*alert),
        Error::PeerIncompatible(PeerIncompatible::NoCertificateRequestSignatureSchemesInCommon) => {
            TlsFault::ClientCertificateRefused
        }
        Error::PeerIncompatible(_) | Error::NoApplicationProtocol => TlsFault::NothingInCommon,
        Error::NoCertificatesPresented => TlsFault::BadCertificate("the server sent none"),
        Error::FailedToGetCurrentTime => TlsFault::Unusable("the clock here does not work"),
        Error::FailedToGetRandomBytes => TlsFault::Unusable("the system offers no randomness"),
        _ => TlsFault::NotTls,
    })
}

/// Whether a server gave up with `handshake_failure`, which has more than one meaning.
pub(crate) fn is_handshake_failure(error: &io::Error) -> bool {
    error.get_ref().and_then(|inner| inner.downcast_ref())
        == Some(&Error::AlertReceived(AlertDescription::HandshakeFailure))
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
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "its signature is of a kind that is not accepted (SHA-1, or RSA below 2048 bits)"
        }
        CertificateError::Other(OtherError(other)) => {
            if other.is::<SelfSigned>() {
                "it is signed by itself, not by a CA"
            } else {
                match other.downcast_ref() {
                    Some(webpki::Error::CaUsedAsEndEntity) => "it is the certificate of a CA, not of a server",
                    Some(webpki::Error::UnsupportedCertVersion) => "it is not of X.509 version 3",
                    Some(webpki::Error::NameConstraintViolation) => "its CA may not sign for this host",
                    _ => "it or its chain breaks a rule of X.509",
                }
            }
        }
        _ => "it could not be verified",
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

/// What is wrong with a WebSocket. `Lost` where the server only ended it.
pub fn of_websocket(error: &tungstenite::Error) -> Cause {
    use tungstenite::Error as E;
    match error {
        E::Io(error) => of_io(error),
        E::Http(response) => Cause::Upgrade(response.status().as_u16()),
        E::Protocol(error) => of_protocol(error),
        E::Capacity(CapacityError::MessageTooLong { size, max_size }) => Cause::TooLarge { len: *size, max: *max_size },
        E::Capacity(CapacityError::TooManyHeaders) | E::AttackAttempt => {
            Cause::WebSocket("its answer to the upgrade is too long")
        }
        E::Utf8(_) => Cause::WebSocket("a text frame where only binary ones may be"),
        E::HttpFormat(_) => Cause::WebSocket("its answer to the upgrade is no HTTP"),
        E::ConnectionClosed | E::AlreadyClosed | E::Tls(_) | E::WriteBufferFull(_) | E::Url(_) => Cause::Lost,
    }
}

fn of_protocol(error: &ProtocolError) -> Cause {
    Cause::WebSocket(match error {
        ProtocolError::ResetWithoutClosingHandshake
        | ProtocolError::HandshakeIncomplete
        | ProtocolError::SendAfterClosing => return Cause::Lost,
        ProtocolError::MissingConnectionUpgradeHeader
        | ProtocolError::MissingUpgradeWebSocketHeader
        | ProtocolError::SecWebSocketAcceptKeyMismatch
        | ProtocolError::SecWebSocketSubProtocolError(_) => return Cause::Upgrade(101),
        ProtocolError::WrongHttpVersion | ProtocolError::InvalidHeader(_) | ProtocolError::HttparseError(_) => {
            "its answer to the upgrade is no HTTP"
        }
        ProtocolError::NonZeroReservedBits => "reserved bits are set",
        ProtocolError::MaskedFrameFromServer => "a masked frame",
        ProtocolError::FragmentedControlFrame => "a control frame in pieces",
        ProtocolError::ControlFrameTooBig => "a control frame over 125 bytes",
        ProtocolError::UnknownControlFrameType(_)
        | ProtocolError::UnknownDataFrameType(_)
        | ProtocolError::InvalidOpcode(_) => "a frame of an unknown kind",
        ProtocolError::UnexpectedContinueFrame => "a continuation of nothing",
        ProtocolError::ExpectedFragment(_) => "a new message within another",
        ProtocolError::ReceivedAfterClosing => "a frame after its farewell",
        ProtocolError::InvalidCloseSequence => "a malformed farewell",
        _ => "a broken rule",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(error: Error) -> Cause {
        of_io(&io::Error::new(io::ErrorKind::InvalidData, error))
    }

    #[test]
    fn an_alert_about_a_certificate_is_about_ours() {
        let alert = |number: u8| of(Error::AlertReceived(AlertDescription::from(number)));
        assert_eq!(alert(116), Cause::Tls(TlsFault::ClientCertificateRequired));
        for refused in [42, 43, 44, 45, 46, 48, 49] {
            assert_eq!(alert(refused), Cause::Tls(TlsFault::ClientCertificateRefused), "{refused}");
        }
        for nothing in [40, 70, 71] {
            assert_eq!(alert(nothing), Cause::Tls(TlsFault::NothingInCommon), "{nothing}");
        }
        for other in [10, 20, 50, 51, 80, 90, 112, 200] {
            assert_eq!(alert(other), Cause::Tls(TlsFault::Alert(other)));
        }
    }

    #[test]
    fn each_fault_of_a_certificate_has_its_own_words() {
        let certificate = |error: CertificateError| of(error.into());
        let other = |error| certificate(CertificateError::Other(OtherError(std::sync::Arc::new(error))));
        let causes = [
            certificate(CertificateError::Expired),
            certificate(CertificateError::NotValidYet),
            certificate(CertificateError::NotValidForName),
            certificate(CertificateError::UnknownIssuer),
            certificate(CertificateError::InvalidPurpose),
            certificate(CertificateError::Revoked),
            certificate(CertificateError::BadEncoding),
            certificate(CertificateError::BadSignature),
            certificate(CertificateError::UnhandledCriticalExtension),
            other(webpki::Error::CaUsedAsEndEntity),
            other(webpki::Error::UnsupportedCertVersion),
            other(webpki::Error::NameConstraintViolation),
            other(webpki::Error::PathLenConstraintViolated),
            of(CertificateError::Other(OtherError(std::sync::Arc::new(SelfSigned))).into()),
        ];
        let words: std::collections::BTreeSet<_> = causes.iter().map(Cause::to_string).collect();
        assert_eq!(words.len(), causes.len(), "{words:#?}");
    }

    #[test]
    fn what_is_no_tls_and_what_is_cut_off_are_told_apart() {
        assert_eq!(of(Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType)), Cause::Tls(TlsFault::NotTls));
        assert_eq!(of_io(&io::ErrorKind::UnexpectedEof.into()), Cause::Truncated);
        assert_eq!(of_io(&io::ErrorKind::ConnectionReset.into()), Cause::Lost);
        assert_eq!(of_io(&into_io(Cause::Upgrade(400))), Cause::Upgrade(400));
    }
}

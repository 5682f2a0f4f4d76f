//! What does a refused connection mean at this platform? What to look at, for each reason, peer and proof.

use super::config::Proof;
use crate::io::Refusal;

/// What to look at when a connection was refused; `None` where waiting is all there is to do. `hub`: the hub refused it, else
/// the provisioning service.
pub(super) fn check(refusal: Refusal, hub: bool, proof: &Proof) -> Option<&'static str> {
    Some(match (refusal, hub) {
        (Refusal::ProtocolVersion, _) => "the host and port: the server there speaks no MQTT 3.1.1",
        (Refusal::IdentifierRejected, true) => "the device id: it must be the one that the hub knows, case included",
        (Refusal::IdentifierRejected, false) => "the registration id: with a certificate it is its common name",
        (Refusal::BadCredentials | Refusal::NotAuthorized, true) => match proof {
            Proof::Key(_) => "key, device id and clock, and whether the device is enabled in its hub",
            Proof::Token(_) => "whether the token has expired, and is for this hub and device",
            Proof::Certificate => {
                "the certificate's thumbprint or authority in the hub, and whether the device is enabled"
            }
        },
        (Refusal::BadCredentials | Refusal::NotAuthorized, false) => match proof {
            Proof::Key(_) => "id scope, registration id, key and clock; for a group, that the key was derived",
            Proof::Token(_) | Proof::Certificate => "id scope, and the enrolment of the certificate or its authority",
        },
        (Refusal::Unspecified, _) => "host, credentials and certificate: the modem does not say which",
        (Refusal::ServerUnavailable, _) => return None,
    })
}

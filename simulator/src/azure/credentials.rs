//! Who knocks, and is it let in? What a CONNECT has to say to the provisioning service and to a hub.

use super::{
    identity::Identity,
    proof::{Claim, Proof, Shown, common_name, forbidden, malformed},
    text,
};
use crate::broker::policy::{Certificate, Denial, Peer};
use skytether_core::{
    io::Refusal,
    link::{Connect, Version},
    secret::Secret,
    time::UnixMillis,
};

/// Versions of the provisioning service's API.
const PROVISIONING_VERSIONS: [&str; 4] = ["2019-03-31", "2021-06-01", "2021-10-01", "2025-07-01-preview"];

/// Versions of a hub's API.
const HUB_VERSIONS: [&str; 12] = [
    "2018-06-30",
    "2019-03-30",
    "2019-07-01-preview",
    "2019-10-01",
    "2020-03-13",
    "2020-05-31-preview",
    "2020-09-30",
    "2021-04-12",
    "2022-07-01-preview",
    "2023-06-30",
    "2025-03-31-preview",
    "2025-08-01-preview",
];

/// A user name, taken apart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum UserName {
    /// `{id scope}/registrations/{registration id}/api-version=…[&ClientVersion=…]`
    Provisioning { id_scope: String, registration_id: String },
    /// `{hub}/{device}[/{module}]/?api-version=…[&DeviceClientType=…][&model-id=…]`
    Hub { identity: Identity, model_id: Option<String> },
}

impl UserName {
    /// # Errors
    /// Code 4: it has neither form, or names no version of the API that there is.
    pub(super) fn parse(text: Option<&str>) -> Result<Self, Denial> {
        let text = text.ok_or_else(|| malformed("there is no user name"))?;
        let parts: Vec<&str> = text.splitn(4, '/').collect();
        if let [id_scope, "registrations", registration_id, query] = parts[..] {
            let query = text::pairs(query).ok_or_else(|| malformed("an escape in the user name is wrong"))?;
            version(&query, &PROVISIONING_VERSIONS)?;
            let (id_scope, registration_id) = (id_scope.to_owned(), registration_id.to_owned());
            return Ok(Self::Provisioning { id_scope, registration_id });
        }
        let shape = "the user name is not {hub}/{device}/?api-version=…, nor {scope}/registrations/{id}/api-version=…";
        let (path, query) = text.split_once("/?").ok_or_else(|| malformed(shape))?;
        let identity = match path.split('/').collect::<Vec<_>>()[..] {
            [hub, device] if !hub.is_empty() && !device.is_empty() => Identity::device(hub, device),
            [hub, device, module] if ![hub, device, module].contains(&"") => Identity::module(hub, device, module),
            _ => return Err(malformed(shape)),
        };
        let query = text::pairs(query).ok_or_else(|| malformed("an escape in the user name is wrong"))?;
        version(&query, &HUB_VERSIONS)?;
        let model_id = text::value(&query, "model-id").map(str::to_owned);
        if model_id.as_deref().is_some_and(|model| !model.starts_with("dtmi:")) {
            return Err(malformed("the model id does not begin with dtmi:"));
        }
        Ok(Self::Hub { identity, model_id })
    }
}

fn version(query: &text::Pairs, known: &[&str]) -> Result<(), Denial> {
    match text::value(query, "api-version") {
        Some(version) if known.contains(&version) => Ok(()),
        Some(_) => Err(malformed("the user name asks for a version of the API that there is not")),
        None => Err(malformed("the user name has no api-version")),
    }
}

/// What every CONNECT has to keep to, whichever server it is for.
///
/// # Errors
/// Code 1: MQTT 3.1. Code 2: the client id is not `client_id`.
pub(super) fn form(connect: &Connect, client_id: &str) -> Result<(), Denial> {
    if connect.version != Version::V3_1_1 {
        return Err(Denial::Code(Refusal::ProtocolVersion, "the services speak MQTT 3.1.1"));
    }
    if connect.client_id != client_id {
        return Err(Denial::Code(Refusal::IdentifierRejected, "the client id is not the one that the user name names"));
    }
    Ok(())
}

/// Whether a device or module of a hub proves itself.
///
/// # Errors
/// As [`Proof::check`].
pub(super) fn hub(
    proof: &Proof,
    identity: &Identity,
    wall: UnixMillis,
    connect: &Connect,
    peer: &Peer,
) -> Result<Option<u64>, Denial> {
    http(proof, identity, wall, connect.password.as_ref().map(Secret::expose), peer)
}

/// Whether a registration proves itself to the provisioning service.
///
/// # Errors
/// As [`Proof::check`]; code 5 also for a certificate whose common name is not the registration id.
pub(super) fn registration(
    proof: &Proof,
    (id_scope, registration_id): (&str, &str),
    wall: UnixMillis,
    connect: &Connect,
    peer: &Peer,
) -> Result<(), Denial> {
    let resource = format!("{id_scope}/registrations/{registration_id}");
    let claim = Claim { resource: &resource, common_name: registration_id, policy: Some("registration") };
    proof.check(claim, Shown { wall, password: connect.password.as_ref().map(Secret::expose), peer })?;
    if let (Proof::Thumbprint(_), Some(Certificate::X509(der))) = (proof, &peer.certificate)
        && !common_name(der).is_some_and(|name| name.eq_ignore_ascii_case(registration_id))
    {
        return Err(forbidden("the common name of the certificate is not the registration id"));
    }
    Ok(())
}

/// Whether a device proves itself in an HTTP request: by the same token in `Authorization`, or its certificate.
///
/// # Errors
/// As [`Proof::check`].
pub(super) fn http(
    proof: &Proof,
    identity: &Identity,
    wall: UnixMillis,
    password: Option<&[u8]>,
    peer: &Peer,
) -> Result<Option<u64>, Denial> {
    let resource = identity.resource();
    let claim = Claim { resource: &resource, common_name: identity.device_id(), policy: None };
    proof.check(claim, Shown { wall, password, peer })
}

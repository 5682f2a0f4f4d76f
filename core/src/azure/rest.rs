//! How a device speaks to its hub over HTTPS: the host, the path, and what proves who it is.

use super::{
    config::{Config, Proof},
    credentials,
    endpoint::HUB_API,
    identity::{HostName, Whom},
    percent::Encoded,
};
use crate::io::UnixMillis;
use alloc::{
    format,
    string::{String, ToString as _},
};
use core::time::Duration;

/// How long a token for a single request is valid.
const TOKEN_LIFE: Duration = Duration::from_mins(10);

/// Who asks which hub.
#[derive(Clone, Copy, Debug)]
pub(super) struct Credentials<'a> {
    pub(super) hub: &'a HostName,
    pub(super) whom: &'a Whom,
}

/// `https://{hub}/devices/{device}/{tail}?api-version=2021-04-12`, ids encoded; at the origin that the configuration
/// names in the hub's place, or at its gateway.
pub(super) fn url(config: &Config, who: &Credentials<'_>, tail: &str) -> String {
    let host = config.gateway.as_ref().unwrap_or(who.hub);
    let origin = config.files.origin.clone().unwrap_or_else(|| format!("https://{host}"));
    let device = Encoded(who.whom.device.as_str());
    format!("{origin}/devices/{device}/{tail}?api-version={HUB_API}")
}

/// The header that proves who asks: none where the certificate does. The outer `None`: the time is not known.
#[allow(clippy::option_option, reason = "no header yet, and no header at all, are two things")]
pub(super) fn authorization(
    wall: Option<UnixMillis>,
    config: &Config,
    who: &Credentials<'_>,
) -> Option<Option<(String, String)>> {
    let token = match &config.proof {
        Proof::Certificate => return Some(None),
        Proof::Token(token) => token.text().clone(),
        Proof::Key(key) => {
            let expiry = credentials::expiry(wall?, TOKEN_LIFE).ok()?;
            credentials::sign(key, &who.whom.scope(who.hub), expiry, None)
        }
    };
    let value = String::from_utf8_lossy(token.expose()).to_string();
    Some(Some(("Authorization".into(), value)))
}

/// Whether the server is shown the device's certificate.
pub(super) fn shows_certificate(config: &Config) -> bool {
    match config.proof {
        Proof::Certificate => true,
        Proof::Key(_) | Proof::Token(_) => false,
    }
}

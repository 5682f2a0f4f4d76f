//! A device of Azure's: what its profile and the options say.

use super::{Way, beside, broken, tls};
use crate::exit::Failure;
use core::fmt::Display;
use skytether_core::{
    azure::{self, Route, identity::HostName},
    portable::profile::{AzureProfile, AzureProof, Transport},
};
use skytether_tokio::Tls;
use std::path::{Path, PathBuf};

/// A device of Azure's, and whom it trusts.
#[derive(Clone, Debug)]
#[allow(clippy::exhaustive_structs, reason = "demos and tests write it field by field")]
pub struct AzureDevice {
    /// Who it is and where it connects.
    pub config: azure::Config,
    /// Whom it trusts and what it shows.
    pub tls: Tls,
}

impl AzureDevice {
    /// The device of the profile that was read from `path`, by the way that the options say.
    pub(super) fn new(path: &Path, profile: &AzureProfile, way: &Way) -> Result<Self, Failure> {
        let mut profile = profile.resolve(|name| beside(path, name));
        let wrong =
            |option: &str, why: &dyn Display| Failure::Configuration { who: option.to_owned(), why: why.to_string() };
        if let Some(transport) = way.transport {
            if transport == Transport::Ws {
                return Err(wrong("--transport", &"this cloud speaks tls and wss, a simulator tcp too"));
            }
            if transport != profile.transport && way.port.is_none() {
                // The port that the profile names is another transport's.
                profile.port = None;
            }
            profile.transport = transport;
        }
        if let Some(host) = &way.host {
            profile.host = Some(HostName::new(host).map_err(|error| wrong("--host", &error))?);
        }
        profile.port = way.port.or(profile.port);
        if let (Some(certificate), Some(key)) = (&way.cert, &way.key) {
            let text = |path: &PathBuf| path.to_string_lossy().into_owned();
            profile.proof = AzureProof::Certificate { certificate: text(certificate), private_key: text(key) };
        }
        let ca = way.ca.clone().or_else(|| profile.ca.as_ref().map(PathBuf::from));
        let shown = match &profile.proof {
            AzureProof::Key(_) => None,
            AzureProof::Certificate { certificate, private_key } => Some((certificate.into(), private_key.into())),
        };
        let tls = if profile.transport.is_secure() { tls(ca.as_deref(), shown.as_ref())? } else { Tls::default() };
        let config = profile.config();
        // What is wrong with it is to be told with the file's name.
        azure::Azure::new(config.clone()).map_err(|fatal| broken(path, &fatal))?;
        Ok(Self { config, tls })
    }

    /// The name to speak of it by.
    pub(super) fn who(&self) -> String {
        match &self.config.route {
            Route::Hub { whom, .. } => whom.to_string(),
            Route::Provisioning(provisioning) => provisioning.registration.to_string(),
        }
    }
}

//! What the modem trusts and shows, and its side of a TLS handshake.

use crate::modem::net::Tls;
use core::fmt;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
};
use skytether_core::secret::Secret;
use std::{io, sync::Arc};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

/// The certificates that the modem holds, all as PEM text. Whatever name a host gives them, they are these.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[allow(clippy::exhaustive_structs, reason = "a user writes it down")]
pub struct Keys {
    /// The roots that it trusts: one or more certificates.
    pub roots: String,
    /// The device's certificate, and those between it and its root.
    pub certificate: Option<String>,
    /// The key of the device's certificate.
    pub key: Secret,
}

/// Makes connections secure.
pub(super) struct Connector {
    roots: Vec<CertificateDer<'static>>,
    own: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").finish_non_exhaustive()
    }
}

impl Connector {
    /// Reads the keys.
    ///
    /// # Errors
    /// What cannot be read, in words.
    pub(super) fn new(keys: &Keys) -> Result<Self, String> {
        let roots = certificates(&keys.roots).map_err(|why| format!("the roots: {why}"))?;
        let own = match &keys.certificate {
            None => None,
            Some(pem) => {
                let chain = certificates(pem).map_err(|why| format!("the device's certificate: {why}"))?;
                let key = PrivateKeyDer::from_pem_slice(keys.key.expose())
                    .map_err(|why| format!("the device's private key: {why}"))?;
                Some((chain, key))
            }
        };
        let connector = Self { roots, own };
        connector.config(None).map_err(|why| why.to_string())?;
        Ok(connector)
    }

    fn config(&self, more: Option<&[u8]>) -> Result<ClientConfig, rustls::Error> {
        let mut roots = RootCertStore::empty();
        for root in &self.roots {
            roots.add(root.clone())?;
        }
        if let Some(der) = more {
            roots.add(CertificateDer::from(der.to_vec()))?;
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        match &self.own {
            Some((chain, key)) => builder.with_client_auth_cert(chain.clone(), key.clone_key()),
            None => Ok(builder.with_no_client_auth()),
        }
    }

    /// One handshake.
    ///
    /// # Errors
    /// The server cannot be trusted, or does not trust the modem.
    pub(super) async fn connect(&self, stream: TcpStream, tls: &Tls) -> io::Result<TlsStream<TcpStream>> {
        let config = self.config(tls.loaded.as_deref()).map_err(io::Error::other)?;
        let name = ServerName::try_from(tls.server_name.clone()).map_err(io::Error::other)?;
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    all.map_err(|why| why.to_string())
}

//! Certificates for a test, good and bad, made anew each time in a folder of its own.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::{fs, path::PathBuf};
use tempfile::TempDir;

/// A CA, what it signed, and what it should not have signed.
#[derive(Debug)]
pub struct Pki {
    folder: TempDir,
    /// For `localhost` and 127.0.0.1, without a fault.
    pub server: Pair,
    /// For the client `dev-001`.
    pub client: Pair,
    /// For a client, of a CA that no one trusts.
    pub strange_client: Pair,
    /// Of a server, expired in 2002.
    pub expired: Pair,
    /// Of a server, valid from the year 2200.
    pub not_yet_valid: Pair,
    /// Of `broker.invalid`.
    pub wrong_host: Pair,
    /// Of a server, of a CA that no one trusts.
    pub unknown_ca: Pair,
    /// Of a server, for use by clients only.
    pub wrong_usage: Pair,
    /// Of a server, `localhost` being its common name only.
    pub no_san: Pair,
    /// Of a server, signed by itself.
    pub self_signed: Pair,
    /// Of a server, signed by itself and claiming to be a CA, as `openssl req -x509` makes them.
    pub self_signed_ca: Pair,
}

/// A certificate and its key, as files and as values.
#[derive(Debug)]
pub struct Pair {
    /// The certificate in PEM.
    pub certificate: PathBuf,
    /// Its key in PEM.
    pub key: PathBuf,
    chain: Vec<CertificateDer<'static>>,
    private: PrivateKeyDer<'static>,
}

impl Pair {
    /// As rustls wants it.
    pub fn parts(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        (self.chain.clone(), self.private.clone_key())
    }
}

type Ca = CertifiedIssuer<'static, KeyPair>;

impl Pki {
    /// Makes one.
    #[allow(clippy::new_without_default, reason = "it makes files")]
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = ca("Test Root");
        let other = ca("Another Root");
        fs::write(folder.path().join("ca.crt"), root.pem()).unwrap();
        fs::write(folder.path().join("other-ca.crt"), other.pem()).unwrap();
        let make = |name: &str, params: CertificateParams, issuer: Option<&Ca>| pair(&folder, name, &params, issuer);
        let mut expired = for_server(LOCAL);
        expired.not_before = date_time_ymd(2001, 1, 1);
        expired.not_after = date_time_ymd(2002, 1, 1);
        let mut not_yet_valid = for_server(LOCAL);
        not_yet_valid.not_before = date_time_ymd(2200, 1, 1);
        not_yet_valid.not_after = date_time_ymd(2300, 1, 1);
        let mut wrong_usage = for_server(LOCAL);
        wrong_usage.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let mut no_san = for_server(&[]);
        no_san.distinguished_name.push(DnType::CommonName, "localhost");
        let mut self_signed_ca = for_server(LOCAL);
        self_signed_ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self {
            server: make("server", for_server(LOCAL), Some(&root)),
            client: make("client", for_client(), Some(&root)),
            strange_client: make("strange-client", for_client(), Some(&other)),
            expired: make("expired", expired, Some(&root)),
            not_yet_valid: make("not-yet-valid", not_yet_valid, Some(&root)),
            wrong_host: make("wrong-host", for_server(&["broker.invalid"]), Some(&root)),
            unknown_ca: make("unknown-ca", for_server(LOCAL), Some(&other)),
            wrong_usage: make("wrong-usage", wrong_usage, Some(&root)),
            no_san: make("no-san", no_san, Some(&root)),
            self_signed: make("self-signed", for_server(LOCAL), None),
            self_signed_ca: make("self-signed-ca", self_signed_ca, None),
            folder,
        }
    }

    /// The certificate of the CA to trust, in PEM.
    pub fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.crt")
    }

    /// The certificate of the CA not to trust.
    pub fn other_ca(&self) -> PathBuf {
        self.folder.path().join("other-ca.crt")
    }

    /// A file of the folder, for tests that make more.
    pub fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// Settings of mosquitto's listener: TLS with the good certificate; `mutual` wants one of the client, and takes its
    /// common name for the user name.
    pub fn mosquitto(&self, mutual: bool) -> String {
        let (ca, certificate, key) = (self.ca(), &self.server.certificate, &self.server.key);
        let client = if mutual { "require_certificate true\nuse_identity_as_username true\n" } else { "" };
        format!(
            "cafile {}\ncertfile {}\nkeyfile {}\n{client}set_tcp_nodelay true\n",
            ca.display(),
            certificate.display(),
            key.display()
        )
    }
}

const LOCAL: &[&str] = &["localhost", "127.0.0.1"];

fn ca(name: &str) -> Ca {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn for_server(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(DnType::CommonName, "server");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

fn for_client() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "dev-001");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

fn pair(folder: &TempDir, name: &str, params: &CertificateParams, issuer: Option<&Ca>) -> Pair {
    let key = KeyPair::generate().unwrap();
    let signed = match issuer {
        Some(issuer) => params.signed_by(&key, issuer),
        None => params.self_signed(&key),
    }
    .unwrap();
    let certificate = folder.path().join(format!("{name}.crt"));
    let file = folder.path().join(format!("{name}.key"));
    fs::write(&certificate, signed.pem()).unwrap();
    fs::write(&file, key.serialize_pem()).unwrap();
    let private = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    Pair { certificate, key: file, chain: vec![signed.der().clone()], private }
}

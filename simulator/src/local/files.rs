//! What does a user find in the folder? The authority, each device's file in the vendor's own form, and profiles.
//!
//! What holds a secret is readable by its owner alone; a file that was there before is replaced, never written through.

use super::{
    LocalError, TRANSPORTS,
    account::{Complete, Member, Proof},
    name_of,
};
use crate::{broker::policy::Transport, server::tls::Authority};
use core::{fmt, net::SocketAddr};
use serde_json::json;
use skytether_core::portable::profile::{self, Profile, TencentProfile};
use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

/// The authority of the server's certificate.
const CA: &str = "ca.pem";

/// What was written.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Files {
    /// The folder.
    pub directory: PathBuf,
    /// `ca.pem`: the authority that signed the server's certificate.
    pub ca: PathBuf,
    /// One entry a device, in the account's order.
    pub devices: Vec<DeviceFiles>,
}

/// One device's files.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct DeviceFiles {
    /// How its file names begin.
    pub label: String,
    /// The product id.
    pub product: String,
    /// The device name.
    pub name: String,
    /// `{label}_device_info.json`, as the vendor's SDKs take it. Holds the secret.
    pub device_info: PathBuf,
    /// `{label}_cert.crt`: the certificate of a certificate device.
    pub certificate: Option<PathBuf>,
    /// `{label}_private.key`: its private key.
    pub private_key: Option<PathBuf>,
    /// `{label}_{tcp|tls|ws|wss}.json`: a profile for each transport that the device can use.
    pub profiles: Vec<(Transport, PathBuf)>,
}

impl DeviceFiles {
    /// The profile for a transport; a certificate device has none for those without TLS.
    pub fn profile(&self, transport: Transport) -> Option<&Path> {
        self.profiles.iter().find(|(of, _)| *of == transport).map(|(_, path)| path.as_path())
    }
}

impl Files {
    /// The files of the device `{product id}/{device name}`.
    pub fn device(&self, product: &str, name: &str) -> Option<&DeviceFiles> {
        self.devices.iter().find(|device| device.product == product && device.name == name)
    }
}

impl fmt::Display for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "files in {}:", self.directory.display())?;
        writeln!(f, "  {}  the server's CA", name_of(&self.ca))?;
        for device in &self.devices {
            write!(f, "  {}  {}/{}, profiles", name_of(&device.device_info), device.product, device.name)?;
            device.profiles.iter().try_for_each(|(_, path)| write!(f, " {}", name_of(path)))?;
            writeln!(f)?;
        }
        Ok(())
    }
}

/// Writes everything.
pub(super) fn write(
    directory: PathBuf,
    ca: &Authority,
    account: &Complete,
    addr_of: impl Fn(Transport) -> Option<SocketAddr>,
) -> Result<Files, LocalError> {
    let folder = Folder { directory };
    folder.make()?;
    let ca = folder.put(CA, ca.pem().as_bytes(), Readers::All)?;
    let mut devices = Vec::new();
    for member in &account.devices {
        devices.push(folder.put_device(member, &addr_of)?);
    }
    Ok(Files { directory: folder.directory, ca, devices })
}

/// Who may read a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Readers {
    All,
    Owner,
}

pub(super) struct Folder {
    pub(super) directory: PathBuf,
}

impl Folder {
    pub(super) fn make(&self) -> Result<(), LocalError> {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&self.directory).map_err(|error| LocalError::Write(self.directory.clone(), error))
    }

    pub(super) fn put(&self, name: &str, content: &[u8], readers: Readers) -> Result<PathBuf, LocalError> {
        let path = self.directory.join(name);
        match replace(&path, content, readers) {
            Ok(()) => Ok(path),
            Err(error) => Err(LocalError::Write(path, error)),
        }
    }

    fn put_device(
        &self,
        member: &Member,
        addr_of: &impl Fn(Transport) -> Option<SocketAddr>,
    ) -> Result<DeviceFiles, LocalError> {
        let Member { label, product, name, proof } = member;
        let (cert_name, key_name) = (format!("{label}_cert.crt"), format!("{label}_private.key"));
        let (certificate, private_key) = match proof {
            Proof::Key(_) => (None, None),
            Proof::Certificate(issued) => (
                Some(self.put(&cert_name, issued.certificate().as_bytes(), Readers::All)?),
                Some(self.put(&key_name, issued.private_key(), Readers::Owner)?),
            ),
        };
        let info_name = format!("{label}_device_info.json");
        let info = device_info(member, &cert_name, &key_name);
        let device_info = self.put(&info_name, info.as_bytes(), Readers::Owner)?;
        let mut profiles = Vec::new();
        for transport in TRANSPORTS {
            let Some(addr) = addr_of(transport) else { continue };
            let way = profile_transport(transport);
            if certificate.is_some() && !way.is_secure() {
                continue;
            }
            let profile = Profile::Tencent(TencentProfile {
                device_info: info_name.clone(),
                transport: way,
                host: Some(host(addr)),
                port: Some(addr.port()),
                ca: way.is_secure().then(|| CA.to_owned()),
            });
            let name = format!("{label}_{way}.json");
            profiles.push((transport, self.put(&name, profile.to_json().as_bytes(), Readers::All)?));
        }
        let (label, product, name) = (label.clone(), product.clone(), name.clone());
        Ok(DeviceFiles { label, product, name, device_info, certificate, private_key, profiles })
    }
}

/// Every key that one of the vendor's SDKs insists on, used or not.
fn device_info(member: &Member, cert_name: &str, key_name: &str) -> String {
    let (mode, secret, cert, key, ca) = match &member.proof {
        Proof::Key(secret) => ("KEY", secret.expose(), "", "", ""),
        Proof::Certificate(_) => ("CERT", "", cert_name, key_name, CA),
    };
    let info = json!({
        "auth_mode": mode,
        "productId": member.product,
        "productSecret": "",
        "deviceName": member.name,
        "key_deviceinfo": { "deviceSecret": secret },
        "cert_deviceinfo": { "devCertFile": cert, "devPrivateKeyFile": key, "devCaFile": ca },
        "subDev": { "subdev_num": 0, "subdev_list": [] },
        "region": "china",
    });
    format!("{info:#}\n")
}

fn profile_transport(transport: Transport) -> profile::Transport {
    match transport {
        Transport::Tcp => profile::Transport::Tcp,
        Transport::Tls => profile::Transport::Tls,
        Transport::WebSocket => profile::Transport::Ws,
        Transport::SecureWebSocket => profile::Transport::Wss,
    }
}

/// Where a program on this machine finds an address that is listened on.
pub(super) fn host(addr: SocketAddr) -> String {
    match addr {
        SocketAddr::V4(addr) if addr.ip().is_unspecified() => "127.0.0.1".to_owned(),
        SocketAddr::V6(addr) if addr.ip().is_unspecified() => "::1".to_owned(),
        SocketAddr::V4(_) | SocketAddr::V6(_) => addr.ip().to_string(),
    }
}

/// Writes a new file in the place of whatever has its name.
fn replace(path: &Path, content: &[u8], readers: Readers) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(
        &mut options,
        match readers {
            Readers::All => 0o644,
            Readers::Owner => 0o600,
        },
    );
    #[cfg(not(unix))]
    let _ = readers;
    options.open(path)?.write_all(content)
}

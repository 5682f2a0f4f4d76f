//! A whole cloud on this machine: every transport, an account, and a folder with all that a device needs to connect.
//! This is Tencent's; Azure's is in [`azure`].
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! use skytether_simulator::{broker::policy::Transport, local::{LocalCloud, Options}};
//!
//! let folder = std::env::temp_dir().join(format!("skytether-example-{}", std::process::id()));
//! let cloud = LocalCloud::start(Options::new(&folder)).await?;
//! println!("{cloud}");
//! let door = &cloud.files().devices[0];
//! assert_eq!(door.device_info, folder.join("door_device_info.json"));
//! assert!(door.profile(Transport::Tls).unwrap().is_file());
//! cloud.stop().await;
//! # std::fs::remove_dir_all(&folder).unwrap();
//! # Ok::<(), skytether_simulator::local::LocalError>(()) }).unwrap();
//! ```

mod account;
pub mod azure;
mod files;

pub use account::{Account, AccountError};
pub use files::{DeviceFiles, Files};

use crate::{
    broker::policy::{Policy, Transport},
    server::{
        self, Handle, Handshakes, Listeners, Server,
        tls::{Acceptor, Authority, TlsError},
    },
    tencent::{ConfigError, TencentCloud},
};
use core::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};
use std::{
    io,
    path::{Path, PathBuf},
};

/// Where the cloud listens, whom it knows, and where it writes.
#[derive(Clone, Debug)]
#[allow(clippy::exhaustive_structs, reason = "a user writes `Options { ports, ..Options::new(folder) }`")]
pub struct Options {
    /// The folder to write into; made if it is not there, for its owner alone. Files of the same names are replaced.
    pub directory: PathBuf,
    /// Products, devices, rules. Default [`Account::home`].
    pub account: Account,
    /// The address to listen on. Default 127.0.0.1.
    pub ip: IpAddr,
    /// Names and addresses that the server's certificate is good for, beyond `ip` and the loopback's: what
    /// devices elsewhere in the network call this machine. Default: none.
    pub names: Vec<String>,
    /// The ports. Default: free ones.
    pub ports: Ports,
    /// The bounds of broker and trace; its address is not used.
    pub server: server::Config,
    /// The bounds of handshakes.
    pub handshakes: Handshakes,
}

impl Options {
    /// The defaults, with this folder.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            account: Account::home(),
            ip: Ipv4Addr::LOCALHOST.into(),
            names: Vec::new(),
            ports: Ports::default(),
            server: server::Config::default(),
            handshakes: Handshakes::default(),
        }
    }
}

/// One port a transport; 0 takes a free one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[allow(clippy::exhaustive_structs, reason = "a user writes `Ports { tcp: 1883, ..Ports::default() }`")]
pub struct Ports {
    /// MQTT on TCP; 1883 on the platform.
    pub tcp: u16,
    /// MQTT on TLS; 8883 on the platform.
    pub tls: u16,
    /// WebSocket; 80 on the platform.
    pub websocket: u16,
    /// WebSocket on TLS; 443 on the platform.
    pub secure_websocket: u16,
}

/// Why there is no local cloud.
#[derive(Debug)]
#[non_exhaustive]
pub enum LocalError {
    /// The operating system gives no random bytes.
    Random(getrandom::Error),
    /// The account is wrong.
    Account(ConfigError),
    /// What the cloud of Azure is to be is wrong.
    Azure(crate::azure::ConfigError),
    /// A device has a certificate of its own, which no authority of this cloud has signed: leave it out.
    ForeignCertificate {
        /// `{product id}/{device name}`
        device: Box<str>,
    },
    /// The certificates could not be made.
    Tls(TlsError),
    /// A port cannot be listened on.
    Listen(io::Error),
    /// A file or the folder cannot be written.
    Write(PathBuf, io::Error),
}

impl fmt::Display for LocalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Random(error) => write!(f, "the operating system gives no random bytes: {error}"),
            Self::Account(error) => error.fmt(f),
            Self::Azure(error) => error.fmt(f),
            Self::ForeignCertificate { device } => write!(
                f,
                "device {device}: leave out `certificate`: a device without it and without `secret` gets one that \
                 this cloud has signed"
            ),
            Self::Tls(error) => error.fmt(f),
            Self::Listen(error) => error.fmt(f),
            Self::Write(path, error) => write!(f, "{} cannot be written: {error}", path.display()),
        }
    }
}

impl core::error::Error for LocalError {}

impl From<TlsError> for LocalError {
    fn from(error: TlsError) -> Self {
        Self::Tls(error)
    }
}

/// Tencent Cloud IoT Hub on this machine, listening. Dropped without [`LocalCloud::stop`], it stops at once; the files
/// stay either way.
#[derive(Debug)]
pub struct LocalCloud<P: Policy = TencentCloud> {
    server: Server<P>,
    files: Files,
}

impl LocalCloud {
    /// Makes certificates and secrets, writes the files, and listens.
    ///
    /// # Errors
    /// [`LocalError`] says what to mend.
    pub async fn start(options: Options) -> Result<Self, LocalError> {
        Self::wrapped(options, |cloud| cloud).await
    }
}

impl<P> LocalCloud<P>
where
    P: Policy + Send + 'static,
    P::Identity: Send,
{
    /// As [`LocalCloud::start`], with a policy of one's own around the cloud's, such as one that watches.
    ///
    /// # Errors
    /// As there.
    pub async fn wrapped(options: Options, wrap: impl FnOnce(TencentCloud) -> P) -> Result<Self, LocalError> {
        let (ca, device_ca) = (Authority::new("skytether local CA")?, Authority::new("skytether local device CA")?);
        let account = options.account.complete(&device_ca)?;
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(LocalError::Random)?;
        let cloud = TencentCloud::new(&account.config, seed).map_err(LocalError::Account)?;
        let ip = options.ip.to_string();
        let mut names = vec!["localhost", "127.0.0.1", "::1", &ip];
        names.extend(options.names.iter().map(String::as_str));
        let certificate = ca.server(&names)?;
        let at = |port| Some(SocketAddr::new(options.ip, port));
        let listeners = Listeners {
            tcp: at(options.ports.tcp),
            tls: at(options.ports.tls),
            websocket: at(options.ports.websocket),
            secure_websocket: at(options.ports.secure_websocket),
            acceptor: Some(Acceptor::new(&certificate, Some(&device_ca))?),
            path: None,
            handshakes: options.handshakes,
        };
        let server = Server::listen(wrap(cloud), options.server, listeners).await.map_err(LocalError::Listen)?;
        let files = files::write(options.directory, &ca, &account, |transport| server.addr_of(transport))?;
        Ok(Self { server, files })
    }

    /// The broker, from any task: the trace, messages from the cloud's side, misbehaviour on demand.
    pub fn handle(&self) -> &Handle<P> {
        self.server.handle()
    }

    /// Where it listens for this transport.
    pub fn addr(&self, transport: Transport) -> Option<SocketAddr> {
        self.server.addr_of(transport)
    }

    /// What it wrote, and where.
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// Listens no more, writes what waits, closes every connection; takes at most about two seconds.
    pub async fn stop(self) {
        self.server.stop().await;
    }
}

/// All transports, in the order in which they are told.
pub(crate) const TRANSPORTS: [Transport; 4] =
    [Transport::Tcp, Transport::Tls, Transport::WebSocket, Transport::SecureWebSocket];

impl<P> fmt::Display for LocalCloud<P>
where
    P: Policy + Send + 'static,
    P::Identity: Send,
{
    /// The endpoints, one a line, then the folder and in it each device with its profiles.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Tencent Cloud IoT Hub, local:")?;
        for transport in TRANSPORTS {
            let Some(addr) = self.server.addr_of(transport) else { continue };
            let path = match transport {
                Transport::WebSocket | Transport::SecureWebSocket => "/mqtt",
                Transport::Tcp | Transport::Tls => "",
            };
            writeln!(f, "  {transport}://{addr}{path}")?;
        }
        self.files.fmt(f)
    }
}

/// The last part of a path, for a line that names the folder elsewhere.
fn name_of(path: &Path) -> impl fmt::Display {
    path.file_name().unwrap_or_default().display()
}

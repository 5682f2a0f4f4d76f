//! Azure IoT whole, on this machine: provisioning, hubs, their storage, files to download, and profiles for devices.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! use skytether_simulator::{broker::policy::Transport, local::azure::{LocalAzure, Options}};
//!
//! let folder = std::env::temp_dir().join(format!("skytether-azure-example-{}", std::process::id()));
//! let cloud = LocalAzure::start(Options::new(&folder)).await?;
//! println!("{cloud}");
//! let board = &cloud.files().devices[0];
//! assert_eq!(board.registration_id, "sn0123fe0cf960432d01");
//! assert!(board.profile(Transport::Tls).unwrap().is_file());
//! cloud.stop().await;
//! # std::fs::remove_dir_all(&folder).unwrap();
//! # Ok::<(), skytether_simulator::local::LocalError>(()) }).unwrap();
//! ```
//!
//! A device reaches it by its profile, which names this machine as the gateway: user names, tokens and TLS speak of the
//! hub by its own name all the same. A client that knows no gateways is given a hub whose name is an address of this
//! machine: [`HubConfig::name`](crate::azure::HubConfig::name) may be `127.0.0.9`.

use super::{
    LocalError,
    account::file_name,
    files::{Folder, Readers, host},
    name_of,
};
use crate::{
    azure::{
        AzureCloud, Config, GroupConfig, Hosts, HubConfig, Issuer, PROVISIONING_HOST, Proof, SharedKey, Template, Terms,
    },
    broker::policy::Transport,
    server::{
        self, Handle, Handshakes, Listeners, Server,
        http::HttpServer,
        tls::{Acceptor, Authority, TlsError},
    },
};
use core::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};
use serde_json::json;
use std::path::{Path, PathBuf};

/// The authority of the server's certificate.
const CA: &str = "azure_ca.pem";

/// The path of its WebSocket.
pub const WEBSOCKET: &str = "/$iothub/websocket";

/// The name of the hub where nothing else is said.
pub const HUB: &str = "skytether-local.azure-devices.net";

/// Where the cloud listens, whom it knows, and where it writes.
#[derive(Clone, Debug)]
#[allow(clippy::exhaustive_structs, reason = "a user writes `Options { ports, ..Options::new(folder) }`")]
pub struct Options {
    /// The folder to write into; made if it is not there, for its owner alone. Files of the same names are replaced.
    pub directory: PathBuf,
    /// Provisioning, hubs, models. Default: one hub, [`HUB`], and the model of the WBZ451 Curiosity board.
    pub config: Config,
    /// Registration ids of devices that are given a certificate. Default `sn0123fe0cf960432d01`.
    pub by_certificate: Vec<String>,
    /// Registration ids of devices that are given a key, derived from a group's. Default `curiosity-key`.
    pub by_key: Vec<String>,
    /// What both get.
    pub terms: Terms,
    /// The model in the profiles. Default: that of the first template.
    pub model_id: Option<String>,
    /// The address to listen on. Default 127.0.0.1.
    pub ip: IpAddr,
    /// Names that the server's certificate is good for, beyond the loopback's, the hubs' and the provisioning service's.
    pub names: Vec<String>,
    /// The ports. Default: free ones.
    pub ports: Ports,
    /// The bounds of broker and trace; its address is not used.
    pub server: server::Config,
    /// The bounds of handshakes.
    pub handshakes: Handshakes,
}

/// One port a transport; 0 takes a free one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[allow(clippy::exhaustive_structs, reason = "a user writes `Ports { tls: 8883, ..Ports::default() }`")]
pub struct Ports {
    /// MQTT on TCP, which the platform does not have.
    pub tcp: u16,
    /// MQTT on TLS; 8883 on the platform.
    pub tls: u16,
    /// WebSocket on TLS; 443 on the platform.
    pub secure_websocket: u16,
    /// HTTP: files to download.
    pub http: u16,
    /// HTTP on TLS: files, uploads and storage; 443 on the platform.
    pub https: u16,
}

impl Options {
    /// The defaults, with this folder.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        let hub = HubConfig { name: HUB.to_owned(), ..HubConfig::default() };
        let config = Config { hubs: vec![hub], templates: vec![Template::wbz451_curiosity()], ..Config::default() };
        let model_id = config.templates.first().map(|template| template.model_id.clone());
        Self {
            directory: directory.into(),
            config,
            by_certificate: vec!["sn0123fe0cf960432d01".to_owned()],
            by_key: vec!["curiosity-key".to_owned()],
            terms: Terms::default(),
            model_id,
            ip: Ipv4Addr::LOCALHOST.into(),
            names: Vec::new(),
            ports: Ports::default(),
            server: server::Config::default(),
            handshakes: Handshakes::default(),
        }
    }
}

/// What was written.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Files {
    /// The folder.
    pub directory: PathBuf,
    /// `azure_ca.pem`: the authority that signed the server's certificate.
    pub ca: PathBuf,
    /// One entry a device: those with certificates, then those with keys.
    pub devices: Vec<DeviceFiles>,
}

/// One device's files.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct DeviceFiles {
    /// Its registration id, which is its device id too.
    pub registration_id: String,
    /// `azure_{id}_cert.pem`: the certificate of a certificate device.
    pub certificate: Option<PathBuf>,
    /// `azure_{id}_key.pem`: its private key.
    pub private_key: Option<PathBuf>,
    /// `azure_{id}_{tcp|tls|wss}.json`: a profile for each transport that the device can use. Holds a key device's key.
    pub profiles: Vec<(Transport, PathBuf)>,
}

impl DeviceFiles {
    /// The profile for a transport; a certificate device has none for TCP.
    pub fn profile(&self, transport: Transport) -> Option<&Path> {
        self.profiles.iter().find(|(of, _)| *of == transport).map(|(_, path)| path.as_path())
    }
}

/// The transports that Azure has here.
const TRANSPORTS: [Transport; 3] = [Transport::Tcp, Transport::Tls, Transport::SecureWebSocket];

/// Azure IoT on this machine, listening. Dropped without [`LocalAzure::stop`], it stops at once; the files stay either
/// way.
#[derive(Debug)]
pub struct LocalAzure<P: Hosts = AzureCloud> {
    server: Server<P>,
    http: HttpServer,
    https: HttpServer,
    files: Files,
    device_ca: Authority,
}

impl LocalAzure {
    /// Makes certificates and keys, writes the files, and listens.
    ///
    /// # Errors
    /// [`LocalError`] says what to mend.
    pub async fn start(options: Options) -> Result<Self, LocalError> {
        Self::wrapped(options, |cloud| cloud).await
    }
}

impl<P> LocalAzure<P>
where
    P: Hosts + Send + 'static,
    P::Identity: Send,
{
    /// As [`LocalAzure::start`], with a policy of one's own around the cloud's, such as one that watches.
    ///
    /// # Errors
    /// As there.
    pub async fn wrapped(options: Options, wrap: impl FnOnce(AzureCloud) -> P) -> Result<Self, LocalError> {
        let (ca, device_ca) = (Authority::new("skytether local CA")?, Authority::new("skytether local device CA")?);
        let group_key = SharedKey::new(&random::<64>()?).ok_or(LocalError::Random(getrandom::Error::UNEXPECTED))?;
        let mut config = options.config.clone();
        let group = |name: &str, proof| GroupConfig { name: name.to_owned(), proof, terms: options.terms.clone() };
        if let Some(issuer) = Issuer::parse(&device_ca.pem()) {
            config.provisioning.groups.push(group("local-certificates", Proof::Authority(issuer)));
        }
        config.provisioning.groups.push(group("local-keys", Proof::Key(group_key.clone())));
        let cloud = AzureCloud::new(&config, random()?).map_err(LocalError::Azure)?;
        let certificate = ca.server(&names(&options).iter().map(String::as_str).collect::<Vec<_>>())?;
        let acceptor = Acceptor::deciding_later(&certificate, &[&device_ca])?;
        let at = |port| SocketAddr::new(options.ip, port);
        let listeners = Listeners {
            tcp: Some(at(options.ports.tcp)),
            tls: Some(at(options.ports.tls)),
            secure_websocket: Some(at(options.ports.secure_websocket)),
            acceptor: Some(acceptor.clone()),
            path: Some(WEBSOCKET),
            handshakes: options.handshakes,
            ..Listeners::default()
        };
        let server = Server::listen(wrap(cloud), options.server, listeners).await.map_err(LocalError::Listen)?;
        let serve = |port, acceptor| {
            HttpServer::start(at(port), acceptor, server.handle().clone(), |policy: &mut P, at, request| {
                policy.azure().http(at, request)
            })
        };
        let http = serve(options.ports.http, None).await.map_err(LocalError::Listen)?;
        let https = serve(options.ports.https, Some(acceptor)).await.map_err(LocalError::Listen)?;
        let storage = SocketAddr::new(options.ip, https.addr().port());
        let storage = format!("{}:{}", host(storage), storage.port());
        // The server has just begun: it answers.
        let _ = server.handle().with_broker(move |broker, _| broker.policy_mut().azure().set_storage(storage)).await;
        let writer = Writer { options: &options, device_ca: &device_ca, group_key: &group_key, server: &server };
        let files = writer.write(&ca)?;
        Ok(Self { server, http, https, files, device_ca })
    }

    /// The broker, from any task: the trace, the cloud's own doings, misbehaviour on demand.
    pub fn handle(&self) -> &Handle<P> {
        self.server.handle()
    }

    /// Where it listens for this transport.
    pub fn addr(&self, transport: Transport) -> Option<SocketAddr> {
        self.server.addr_of(transport)
    }

    /// Where it gives files out by HTTP.
    pub fn http(&self) -> SocketAddr {
        self.http.addr()
    }

    /// Where it takes uploads and gives files out by HTTP on TLS.
    pub fn https(&self) -> SocketAddr {
        self.https.addr()
    }

    /// What it wrote, and where.
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// The authority of the devices' certificates, for one more.
    pub fn device_authority(&self) -> &Authority {
        &self.device_ca
    }

    /// Listens no more, writes what waits, closes every connection; takes at most about two seconds.
    pub async fn stop(self) {
        drop((self.http, self.https));
        self.server.stop().await;
    }
}

impl<P> fmt::Display for LocalAzure<P>
where
    P: Hosts + Send + 'static,
    P::Identity: Send,
{
    /// The endpoints, one a line, then the folder and in it each device with its profiles.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Azure IoT, local:")?;
        for transport in TRANSPORTS {
            let Some(addr) = self.addr(transport) else { continue };
            let path = if transport == Transport::SecureWebSocket { WEBSOCKET } else { "" };
            writeln!(f, "  {transport}://{addr}{path}")?;
        }
        writeln!(f, "  http://{}\n  https://{}", self.http(), self.https())?;
        writeln!(f, "files in {}:", self.files.directory.display())?;
        writeln!(f, "  {}  the server's CA", name_of(&self.files.ca))?;
        for device in &self.files.devices {
            write!(f, "  {}, profiles", device.registration_id)?;
            device.profiles.iter().try_for_each(|(_, path)| write!(f, " {}", name_of(path)))?;
            writeln!(f)?;
        }
        Ok(())
    }
}

/// What the server's certificate is good for.
fn names(options: &Options) -> Vec<String> {
    let own = ["localhost", "127.0.0.1", "::1", PROVISIONING_HOST].map(str::to_owned);
    let hubs = options.config.hubs.iter().map(|hub| hub.name.clone());
    let mut names: Vec<String> = own.into_iter().chain([options.ip.to_string()]).chain(hubs).collect();
    names.extend(options.names.iter().cloned());
    names
}

fn random<const N: usize>() -> Result<[u8; N], LocalError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(LocalError::Random)?;
    Ok(bytes)
}

struct Writer<'a, P: Hosts> {
    options: &'a Options,
    device_ca: &'a Authority,
    group_key: &'a SharedKey,
    server: &'a Server<P>,
}

impl<P> Writer<'_, P>
where
    P: Hosts + Send + 'static,
    P::Identity: Send,
{
    fn write(&self, ca: &Authority) -> Result<Files, LocalError> {
        let folder = Folder { directory: self.options.directory.clone() };
        folder.make()?;
        let ca = folder.put(CA, ca.pem().as_bytes(), Readers::All)?;
        let mut devices = Vec::new();
        for id in &self.options.by_certificate {
            devices.push(self.certified(&folder, id)?);
        }
        for id in &self.options.by_key {
            let proof = json!({ "key": self.group_key.derive(id).text() });
            let profiles = self.profiles(&folder, id, &proof)?;
            let registration_id = id.clone();
            devices.push(DeviceFiles { registration_id, certificate: None, private_key: None, profiles });
        }
        Ok(Files { directory: folder.directory, ca, devices })
    }

    fn certified(&self, folder: &Folder, id: &str) -> Result<DeviceFiles, LocalError> {
        let issued = self.device_ca.device(id).map_err(|error: TlsError| LocalError::Tls(error))?;
        let (certificate, private_key) =
            (format!("azure_{}_cert.pem", file_name(id)), format!("azure_{}_key.pem", file_name(id)));
        let proof = json!({ "certificate": certificate, "private_key": private_key });
        let certificate = folder.put(&certificate, issued.certificate().as_bytes(), Readers::All)?;
        let private_key = folder.put(&private_key, issued.private_key(), Readers::Owner)?;
        let profiles = self.profiles(folder, id, &proof)?;
        let (registration_id, certificate, private_key) = (id.to_owned(), Some(certificate), Some(private_key));
        Ok(DeviceFiles { registration_id, certificate, private_key, profiles })
    }

    fn profiles(
        &self,
        folder: &Folder,
        id: &str,
        proof: &serde_json::Value,
    ) -> Result<Vec<(Transport, PathBuf)>, LocalError> {
        let mut profiles = Vec::new();
        for transport in TRANSPORTS {
            let Some(addr) = self.server.addr_of(transport) else { continue };
            let secure = transport != Transport::Tcp;
            if !secure && proof.get("key").is_none() {
                continue;
            }
            let hubs: Vec<_> = self.options.config.hubs.iter().map(|hub| hub.name.as_str()).collect();
            let mut profile = json!({
                "cloud": "azure",
                "id_scope": self.options.config.provisioning.id_scope,
                "registration_id": id,
                "provisioning_host": host(addr),
                "hub_domains": hubs,
                "transport": transport.scheme(),
                "host": host(addr),
                "port": addr.port(),
            });
            if let (Some(profile), Some(proof)) = (profile.as_object_mut(), proof.as_object()) {
                profile.extend(proof.clone());
                profile.extend(self.options.model_id.clone().map(|model| ("model_id".to_owned(), model.into())));
                profile.extend(secure.then(|| ("ca".to_owned(), CA.into())));
            }
            let name = format!("azure_{}_{transport}.json", file_name(id));
            let path = folder.put(&name, format!("{profile:#}\n").as_bytes(), Readers::Owner)?;
            profiles.push((transport, path));
        }
        Ok(profiles)
    }
}

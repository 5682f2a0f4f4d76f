//! Which device, on which cloud, by which way? What files and options say, joined to what a driver needs.

mod azure;

pub use azure::AzureDevice;

use crate::{
    args::target::{Broker, Way, Whom},
    cloud::{AnyCloud, Dialect},
    exit::Failure,
};
use core::fmt::Display;
use skytether_core::{
    azure::Azure,
    io::UnixMillis,
    link::{Connect, Endpoint, TlsIdentity},
    plain::{self, Plain},
    portable::profile::{MAX_FILE, Profile, Source, TencentProfile, Transport},
    rng::Rng,
    secret::Secret,
    tencent::{
        self, Proof, Tencent,
        credentials::{ConnId, Credentials, NEVER, UserName},
        device_info::{Auth, DeviceInfo},
        endpoint::{Server, Transport as Route},
    },
};
use skytether_tokio::{ClientIdentity, Roots, Tls};
use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// A device of Tencent's, and whom it trusts.
#[derive(Clone, Debug)]
#[allow(clippy::exhaustive_structs, reason = "demos and tests write it field by field")]
pub struct TencentDevice {
    /// Who it is and where it connects.
    pub config: tencent::Config,
    /// Whom it trusts and what it shows, where it connects by TLS.
    pub tls: Tls,
}

/// A client of an ordinary broker, and whom it trusts.
#[derive(Clone, Debug)]
#[allow(clippy::exhaustive_structs, reason = "tests write it field by field")]
pub struct Client {
    /// Who it is and where it connects.
    pub config: plain::Config,
    /// Whom it trusts and what it shows, where it connects by TLS.
    pub tls: Tls,
}

/// A device or client of any kind.
#[derive(Clone, Debug)]
#[allow(clippy::exhaustive_enums, reason = "one for each cloud that the tool knows")]
pub enum Target {
    /// Of Azure's.
    Azure(Box<AzureDevice>),
    /// Of Tencent's.
    Tencent(Box<TencentDevice>),
    /// Of an ordinary broker.
    Plain(Box<Client>),
}

impl TencentDevice {
    /// The device of a profile or of a vendor's file, by the way that the options say.
    ///
    /// # Errors
    /// [`Failure::Configuration`] names the file and what is wrong with it.
    pub fn read(path: &Path, way: &Way) -> Result<Self, Failure> {
        Self::of(path, source(path)?, way)
    }

    fn of(path: &Path, source: Source, way: &Way) -> Result<Self, Failure> {
        let (profile, info_path, info) = match source {
            Source::TencentDevice(info) => (None, path.to_owned(), *info),
            Source::Profile(Profile::Tencent(profile)) => {
                let profile = profile.resolve(|name| beside(path, name));
                let info_path = PathBuf::from(&profile.device_info);
                let info = DeviceInfo::parse(&content(&info_path)?).map_err(|error| broken(&info_path, &error))?;
                (Some(profile), info_path, info)
            }
            Source::Profile(_) => {
                return Err(broken(path, &"this story is told with a device of Tencent's: name its profile"));
            }
        };
        let mut config = tencent::Config::from(&info);
        config.server = server(profile.as_ref(), config.server, way);
        let files = if let Auth::Certificate(files) = &info.auth {
            Some(files.resolve(|name| beside(&info_path, name)))
        } else {
            None
        };
        let own_ca = files.as_ref().and_then(|files| files.ca.clone()).map(PathBuf::from);
        let ca = way.ca.clone().or_else(|| profile.and_then(|profile| profile.ca).map(PathBuf::from)).or(own_ca);
        let shown = match (&way.cert, &way.key, files) {
            (Some(cert), Some(key), _) => Some((cert.clone(), key.clone())),
            (_, _, files) => files.map(|files| (files.certificate.into(), files.private_key.into())),
        };
        let tls =
            if config.server.transport.is_secure() { tls(ca.as_deref(), shown.as_ref())? } else { Tls::default() };
        Ok(Self { config, tls })
    }
}

/// The profile's words, where there are some, replaced by the options'.
fn server(profile: Option<&TencentProfile>, own: Server, way: &Way) -> Server {
    let mut server = match profile {
        Some(profile) => profile.server(own.region),
        None => own,
    };
    if let Some(transport) = way.transport {
        let transport = Route::from(transport);
        if transport != server.transport && way.port.is_none() {
            // The port that the profile names is another transport's.
            server.port = None;
        }
        server.transport = transport;
    }
    server.domain = way.host.clone().or(server.domain);
    server.port = way.port.or(server.port);
    server
}

impl Target {
    /// What the options say.
    ///
    /// # Errors
    /// [`Failure::Configuration`] names the file or option and what is wrong with it.
    pub fn new(whom: &Whom) -> Result<Self, Failure> {
        match &whom.profile {
            Some(path) => match source(path)? {
                Source::Profile(Profile::Azure(profile)) => {
                    Ok(Self::Azure(Box::new(AzureDevice::new(path, &profile, &whom.way)?)))
                }
                source @ (Source::Profile(_) | Source::TencentDevice(_)) => {
                    Ok(Self::Tencent(Box::new(TencentDevice::of(path, source, &whom.way)?)))
                }
            },
            None => Ok(Self::Plain(Box::new(Client::new(&whom.way, &whom.broker)?))),
        }
    }

    /// The name to speak of it by.
    pub fn who(&self) -> String {
        match self {
            Self::Azure(device) => device.who(),
            Self::Tencent(device) => device.config.device.to_string(),
            Self::Plain(client) => client.config.connect.client_id.clone(),
        }
    }

    /// Where it connects.
    ///
    /// # Errors
    /// [`Failure::Configuration`] where host and port cannot be used.
    pub fn endpoint(&self) -> Result<Endpoint, Failure> {
        match self {
            Self::Azure(device) => Ok(device.config.first_endpoint()),
            Self::Tencent(device) => device.endpoint(),
            Self::Plain(client) => Ok(client.config.endpoint.clone()),
        }
    }

    /// Whom it trusts.
    pub fn tls(&self) -> &Tls {
        match self {
            Self::Azure(device) => &device.tls,
            Self::Tencent(device) => &device.tls,
            Self::Plain(client) => &client.tls,
        }
    }

    /// How commands are said on its cloud.
    pub fn dialect(&self) -> Dialect {
        match self {
            Self::Azure(_) => Dialect::Azure,
            Self::Tencent(device) => Dialect::Tencent(device.config.product.clone(), device.config.device.clone()),
            Self::Plain(_) => Dialect::Plain,
        }
    }

    /// What CONNECT says at one attempt; `wall` is the time of that attempt.
    pub fn introduction(&self, rng: &mut Rng, wall: UnixMillis) -> Connect {
        match self {
            Self::Azure(device) => device.config.first_connect(wall),
            Self::Tencent(device) => device.introduction(rng, wall),
            Self::Plain(client) => client.config.connect.clone(),
        }
    }

    /// Its cloud.
    ///
    /// # Errors
    /// [`Failure::Configuration`].
    pub fn cloud(self) -> Result<AnyCloud, Failure> {
        Ok(match self {
            Self::Azure(device) => {
                let who = device.who();
                let cloud = Azure::new(device.config);
                let cloud = cloud.map_err(|fatal| Failure::Configuration { who, why: fatal.to_string() })?;
                AnyCloud::Azure(Box::new(cloud))
            }
            Self::Tencent(device) => {
                let who = device.config.device.to_string();
                let cloud = Tencent::new(device.config);
                let cloud = cloud.map_err(|fatal| Failure::Configuration { who, why: fatal.to_string() })?;
                AnyCloud::Tencent(Box::new(cloud))
            }
            Self::Plain(client) => AnyCloud::Plain(Box::new(Plain::new(client.config))),
        })
    }
}

impl TencentDevice {
    /// Where it connects.
    ///
    /// # Errors
    /// [`Failure::Configuration`] where host and port cannot be used.
    pub fn endpoint(&self) -> Result<Endpoint, Failure> {
        let certificate = self.config.proof == Proof::Certificate;
        self.config
            .server
            .endpoint(&self.config.product, certificate)
            .map_err(|error| Failure::Configuration { who: self.config.device.to_string(), why: error.to_string() })
    }

    fn introduction(&self, rng: &mut Rng, wall: UnixMillis) -> Connect {
        let config = &self.config;
        let user_name = UserName {
            product: &config.product,
            device: &config.device,
            sdk_app_id: config.sdk_app_id,
            conn_id: ConnId::random(rng),
            expiry: config.lifetime.map_or(NEVER, |lifetime| wall.after(lifetime).seconds()),
        };
        let credentials = match &config.proof {
            Proof::Key(secret) => Credentials::new(&user_name, secret, config.sign_method),
            Proof::Certificate => Credentials::certificate(&user_name),
        };
        Connect {
            client_id: credentials.client_id,
            user_name: Some(credentials.user_name),
            password: credentials.password,
            keep_alive: config.keep_alive,
            clean_session: config.clean_session,
            ..Connect::default()
        }
    }
}

impl Client {
    fn new(way: &Way, broker: &Broker) -> Result<Self, Failure> {
        let secret_asked = way.ca.is_some() || way.cert.is_some();
        let transport = way.transport.unwrap_or(if secret_asked { Transport::Tls } else { Transport::Tcp });
        let endpoint = Endpoint {
            host: way.host.clone().unwrap_or_else(|| "localhost".to_owned()),
            port: way.port.unwrap_or_else(|| Route::from(transport).port()),
            tls: match (transport.is_secure(), &way.cert) {
                (false, _) => TlsIdentity::Plain,
                (true, None) => TlsIdentity::Ca,
                (true, Some(_)) => TlsIdentity::Client,
            },
            path: match transport {
                Transport::Tcp | Transport::Tls => None,
                Transport::Ws | Transport::Wss => Some(broker.path.clone().unwrap_or_else(|| "/mqtt".to_owned())),
            },
        };
        let connect = Connect {
            client_id: match &broker.id {
                Some(id) => id.clone(),
                None => made_up()?,
            },
            user_name: broker.username.clone(),
            password: match (&broker.password, &broker.password_file) {
                (Some(password), _) => Some(password.clone()),
                (None, Some(file)) => Some(first_line(file)?),
                (None, None) => None,
            },
            keep_alive: broker.keepalive.unwrap_or(60),
            clean_session: !broker.keep_session,
            ..Connect::default()
        };
        let shown = way.cert.clone().zip(way.key.clone());
        let tls = if transport.is_secure() { tls(way.ca.as_deref(), shown.as_ref())? } else { Tls::default() };
        Ok(Self { config: plain::Config { endpoint, connect }, tls })
    }
}

/// A client id that no other run has.
fn made_up() -> Result<String, Failure> {
    let [id] = [rng()?.alphanumeric::<12>()];
    Ok(format!("skytether-{}", String::from_utf8_lossy(&id)))
}

/// A generator of this run.
///
/// # Errors
/// [`Failure::Start`] where the operating system has no randomness.
pub fn rng() -> Result<Rng, Failure> {
    seed().map(Rng::new)
}

/// A seed of this run.
///
/// # Errors
/// As [`rng`].
pub fn seed() -> Result<[u8; 32], Failure> {
    skytether_tokio::seed()
        .map_err(|error| Failure::Start(format!("the operating system gives no random bytes: {error}")))
}

fn tls(ca: Option<&Path>, shown: Option<&(PathBuf, PathBuf)>) -> Result<Tls, Failure> {
    let unusable = |why: &dyn Display| Failure::Configuration { who: "TLS".to_owned(), why: why.to_string() };
    let roots = match ca {
        Some(file) => Roots::from_file(file).map_err(|error| unusable(&error))?,
        None => Roots::System,
    };
    let tls = Tls::new(roots);
    Ok(match shown {
        Some((cert, key)) => tls.with_client(ClientIdentity::from_files(cert, key).map_err(|error| unusable(&error))?),
        None => tls,
    })
}

fn source(path: &Path) -> Result<Source, Failure> {
    Source::parse(&content(path)?).map_err(|error| broken(path, &error))
}

fn broken(path: &Path, why: &dyn Display) -> Failure {
    Failure::Configuration { who: path.display().to_string(), why: why.to_string() }
}

/// A name in a file, meant against the directory that the file is in.
fn beside(file: &Path, name: &str) -> String {
    file.parent().map_or_else(|| name.to_owned(), |directory| directory.join(name).to_string_lossy().into_owned())
}

/// A small file that may hold secrets.
fn content(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let unreadable = |error: io::Error| broken(path, &format_args!("the file cannot be read: {error}"));
    // As large as it may become, so that no copy stays behind when it grows.
    let mut content = Zeroizing::new(Vec::with_capacity(MAX_FILE.saturating_add(2)));
    let limit = u64::try_from(MAX_FILE).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path).map_err(unreadable)?.take(limit).read_to_end(&mut content).map_err(unreadable)?;
    Ok(content)
}

fn first_line(path: &Path) -> Result<Secret, Failure> {
    let content = content(path)?;
    let line = content.split(|byte| *byte == b'\n').next().unwrap_or_default();
    Ok(Secret::new(line.strip_suffix(b"\r").unwrap_or(line)))
}

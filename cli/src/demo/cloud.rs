//! Which cloud is a demo told on? Three products, a device in each with a secret of this run, and the rule between two.

use super::observer::{News, Watched};
use crate::{
    exit::Failure,
    log::{Log, Verbosity},
    target::{TencentDevice, seed},
};
use base64ct::{Base64, Encoding as _};
use core::{
    fmt::Display,
    net::{Ipv4Addr, SocketAddr},
};
use skytether_core::{
    portable::profile::Transport,
    tencent::{
        Config, Proof,
        endpoint::Server as Place,
        identity::{DeviceName, DeviceSecret, IdentityError, ProductId},
    },
};
use skytether_simulator::{
    rules::Definition,
    server::{
        self, Listeners, Server,
        tls::{Acceptor, Authority},
    },
    tencent::{self as simulated, DeviceConfig, ProductConfig, SecretText, TencentCloud},
};
use skytether_tokio::{Roots, Tls};
use tokio::{sync::mpsc, task::JoinHandle};
use zeroize::Zeroizing;

/// Product and name of the door.
pub const DOOR: (&str, &str) = ("DOORPRD9A1", "door1");
/// Product and name of the air conditioner.
pub const AIR_CONDITIONER: (&str, &str) = ("AIRCPRD7B2", "AirConditioner1");
/// Product and name of the device that asks for the time: those of the document.
pub const CLOCK: (&str, &str) = ("UJDZES2SR2", "test1");
/// The packet id of the first message that the cloud sends to the air conditioner: that of the document.
const FIRST_PACKET_ID: u16 = 24;
/// Pieces of news that may wait for whoever hears them.
const NEWS: usize = 1024;
/// Bytes of a device secret.
const SECRET: usize = 16;

/// Where a cloud listens on 127.0.0.1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "the demos and their tests write it")]
pub struct Listen {
    /// How packets travel.
    pub transport: Transport,
    /// The port; 0 takes a free one.
    pub port: u16,
}

/// The simulated cloud, listening.
#[derive(Debug)]
pub struct Cloud {
    server: Server<Watched>,
    endpoint: String,
    door: TencentDevice,
    air_conditioner: TencentDevice,
    clock: TencentDevice,
    rule: Definition,
    narrator: Option<JoinHandle<()>>,
}

impl Cloud {
    /// Starts it. `python_wire` chooses the rule that passes bytes on unchanged.
    ///
    /// # Errors
    /// [`Failure::Start`].
    pub async fn start(listen: Listen, python_wire: bool, log: &Log) -> Result<Self, Failure> {
        Ok(Self::with_news(listen, python_wire, log).await?.0)
    }

    /// Starts it, and tells of its messages.
    pub(super) async fn with_news(
        listen: Listen,
        python_wire: bool,
        log: &Log,
    ) -> Result<(Self, mpsc::Receiver<News>), Failure> {
        let broken = |why: &dyn Display| Failure::Start(format!("the simulated cloud cannot start: {why}"));
        let [door, air, clock] = [secret()?, secret()?, secret()?];
        let rule = rule(python_wire);
        let config = simulated::Config {
            products: vec![
                product(DOOR, &door, 1),
                product(AIR_CONDITIONER, &air, FIRST_PACKET_ID),
                product(CLOCK, &clock, 1),
            ],
            rules: vec![rule.clone()],
            ..simulated::Config::default()
        };
        let cloud = TencentCloud::new(&config, seed()?).map_err(|error| broken(&error))?;
        let (tell, news) = mpsc::channel(NEWS);
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, listen.port));
        let (listeners, tls) = listeners(addr, listen.transport).map_err(|error| broken(&error))?;
        let server = Server::listen(Watched::new(cloud, tell), server::Config::default(), listeners);
        let server = server.await.map_err(|error| broken(&error))?;
        let place = Place {
            transport: listen.transport.into(),
            domain: Some(addr.ip().to_string()),
            port: Some(server.addr().port()),
            ..Place::default()
        };
        let device = |who, secret: &str| {
            let config = device(who, secret, place.clone()).map_err(|error| broken(&error))?;
            Ok(TencentDevice { config, tls: tls.clone() })
        };
        let (door, air_conditioner, clock) =
            (device(DOOR, &door)?, device(AIR_CONDITIONER, &air)?, device(CLOCK, &clock)?);
        let endpoint = clock.endpoint()?.to_string();
        let narrator = log.shows(Verbosity::Cloud).then(|| tokio::spawn(narrate(server.handle().trace(), log.clone())));
        Ok((Self { server, endpoint, door, air_conditioner, clock, rule, narrator }, news))
    }

    /// Where it listens, as a URL.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The door as the account has it, and where it connects.
    pub fn door(&self) -> &TencentDevice {
        &self.door
    }

    /// The air conditioner, likewise.
    pub fn air_conditioner(&self) -> &TencentDevice {
        &self.air_conditioner
    }

    /// The device that asks for the time, likewise.
    pub fn clock(&self) -> &TencentDevice {
        &self.clock
    }

    /// The rule between door and air conditioner.
    pub fn rule(&self) -> &Definition {
        &self.rule
    }

    /// Closes every connection and ends; takes about two seconds at most.
    pub async fn stop(self) {
        self.server.stop().await;
        if let Some(narrator) = self.narrator {
            // It ends with the server's trace.
            let _ = narrator.await;
        }
    }
}

/// What to listen on for a transport, and whom a device has to trust then: an authority of this run, if any.
fn listeners(addr: SocketAddr, transport: Transport) -> Result<(Listeners, Tls), Box<dyn core::error::Error>> {
    let (mut listeners, mut tls) = (Listeners::default(), Tls::default());
    if transport.is_secure() {
        let authority = Authority::new("skytether demo CA")?;
        let certificate = authority.server(&["127.0.0.1", "localhost"])?;
        listeners.acceptor = Some(Acceptor::new(&certificate, None)?);
        tls = Tls::new(Roots::from_bytes(authority.pem().as_bytes())?);
    }
    let place = match transport {
        Transport::Tcp => &mut listeners.tcp,
        Transport::Tls => &mut listeners.tls,
        Transport::Ws => &mut listeners.websocket,
        Transport::Wss => &mut listeners.secure_websocket,
    };
    *place = Some(addr);
    Ok((listeners, tls))
}

/// The rule of the demo: one that chooses by the target, or one that passes on whatever the door says.
fn rule(python_wire: bool) -> Definition {
    let ((door, name), (air, target)) = (DOOR, AIR_CONDITIONER);
    if python_wire {
        let sql = format!("SELECT * FROM '{door}/{name}/event'");
        return Definition::republish("home", &sql, &format!("{air}/{target}/control"));
    }
    let sql = format!("SELECT action, targetDevice FROM '{door}/+/event' WHERE targetDevice = '{target}'");
    Definition::republish("home", &sql, &format!("{air}/${{targetDevice}}/control"))
}

/// A secret that no other run has, as base64 text.
fn secret() -> Result<Zeroizing<String>, Failure> {
    let seed = Zeroizing::new(seed()?);
    Ok(Zeroizing::new(Base64::encode_string(seed.get(..SECRET).unwrap_or(&seed[..]))))
}

fn product((product, name): (&str, &str), secret: &str, first_packet_id: u16) -> ProductConfig {
    let secret = Some(SecretText::new(secret));
    let device = DeviceConfig { name: name.to_owned(), secret, first_packet_id, ..DeviceConfig::default() };
    ProductConfig { id: product.to_owned(), classes: Vec::new(), devices: vec![device] }
}

fn device((product, name): (&str, &str), secret: &str, server: Place) -> Result<Config, IdentityError> {
    let proof = Proof::Key(DeviceSecret::from_base64(secret)?);
    let mut config = Config::new(ProductId::new(product)?, DeviceName::new(name)?, proof);
    config.server = server;
    Ok(config)
}

/// Tells what the cloud sees, until it stops.
pub(crate) async fn narrate(mut traces: server::Traces, log: Log) {
    while let Some(trace) = traces.next().await {
        log.line("cloud", trace);
    }
}

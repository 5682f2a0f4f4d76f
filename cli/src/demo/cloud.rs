//! Which cloud is the demo told on? Two products, a device in each with a secret of this run, and the rule between them.

use super::observer::{News, Watched};
use crate::{
    exit::Failure,
    log::{Log, Verbosity},
};
use base64ct::{Base64, Encoding as _};
use core::net::{Ipv4Addr, SocketAddr};
use skytether_core::tencent::{
    Config, Proof,
    endpoint::{self, Transport},
    identity::{DeviceName, DeviceSecret, IdentityError, ProductId},
};
use skytether_simulator::{
    rules::Definition,
    server::{self, Server},
    tencent::{self as simulated, DeviceConfig, ProductConfig, SecretText, TencentCloud},
};
use tokio::{sync::mpsc, task::JoinHandle};
use zeroize::Zeroizing;

/// Product and name of the door.
pub const DOOR: (&str, &str) = ("DOORPRD9A1", "door1");
/// Product and name of the air conditioner.
pub const AIR_CONDITIONER: (&str, &str) = ("AIRCPRD7B2", "AirConditioner1");
/// The packet id of the first message that the cloud sends to the air conditioner: that of the document.
const FIRST_PACKET_ID: u16 = 24;
/// Pieces of news that may wait for whoever hears them.
const NEWS: usize = 1024;
/// Bytes of a device secret.
const SECRET: usize = 16;

/// The simulated cloud, listening.
#[derive(Debug)]
pub struct Cloud {
    server: Server<Watched>,
    door: Config,
    air_conditioner: Config,
    rule: Definition,
    narrator: Option<JoinHandle<()>>,
}

impl Cloud {
    /// Starts it on 127.0.0.1; port 0 takes a free one. `python_wire` chooses the rule that passes bytes on unchanged.
    ///
    /// # Errors
    /// [`Failure::Start`].
    pub async fn start(port: u16, python_wire: bool, log: &Log) -> Result<Self, Failure> {
        Ok(Self::with_news(port, python_wire, log).await?.0)
    }

    /// Starts it, and tells of its messages.
    pub(super) async fn with_news(
        port: u16,
        python_wire: bool,
        log: &Log,
    ) -> Result<(Self, mpsc::Receiver<News>), Failure> {
        let broken = |why: &dyn core::fmt::Display| Failure::Start(format!("the simulated cloud cannot start: {why}"));
        let seed = skytether_tokio::seed().map_err(|error| broken(&error))?;
        let (door_secret, air_secret) = (secret()?, secret()?);
        let rule = rule(python_wire);
        let config = simulated::Config {
            products: vec![product(DOOR, &door_secret, 1), product(AIR_CONDITIONER, &air_secret, FIRST_PACKET_ID)],
            rules: vec![rule.clone()],
            ..simulated::Config::default()
        };
        let cloud = TencentCloud::new(&config, seed).map_err(|error| broken(&error))?;
        let (tell, news) = mpsc::channel(NEWS);
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let server = Server::start(Watched::new(cloud, tell), server::Config { addr, ..server::Config::default() });
        let server = server.await.map_err(|error| broken(&format_args!("{addr} cannot be listened on: {error}")))?;
        let port = server.addr().port();
        let door = device(DOOR, &door_secret, port).map_err(|error| broken(&error))?;
        let air_conditioner = device(AIR_CONDITIONER, &air_secret, port).map_err(|error| broken(&error))?;
        let narrator = log.shows(Verbosity::Cloud).then(|| tokio::spawn(narrate(server.handle().trace(), log.clone())));
        Ok((Self { server, door, air_conditioner, rule, narrator }, news))
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.server.addr()
    }

    /// The door as the account has it, and where it connects.
    pub fn door(&self) -> &Config {
        &self.door
    }

    /// The air conditioner, likewise.
    pub fn air_conditioner(&self) -> &Config {
        &self.air_conditioner
    }

    /// The rule between the two.
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
    let seed = skytether_tokio::seed()
        .map_err(|error| Failure::Start(format!("the operating system gives no random bytes: {error}")))?;
    let seed = Zeroizing::new(seed);
    Ok(Zeroizing::new(Base64::encode_string(seed.get(..SECRET).unwrap_or(&seed[..]))))
}

fn product((product, name): (&str, &str), secret: &str, first_packet_id: u16) -> ProductConfig {
    let secret = Some(SecretText::new(secret));
    let device = DeviceConfig { name: name.to_owned(), secret, first_packet_id, ..DeviceConfig::default() };
    ProductConfig { id: product.to_owned(), classes: Vec::new(), devices: vec![device] }
}

fn device((product, name): (&str, &str), secret: &str, port: u16) -> Result<Config, IdentityError> {
    let proof = Proof::Key(DeviceSecret::from_base64(secret)?);
    let mut config = Config::new(ProductId::new(product)?, DeviceName::new(name)?, proof);
    let domain = Some(Ipv4Addr::LOCALHOST.to_string());
    config.server = endpoint::Server { transport: Transport::Tcp, domain, port: Some(port), ..config.server };
    Ok(config)
}

/// Tells what the cloud sees, until it stops.
async fn narrate(mut traces: server::Traces, log: Log) {
    while let Some(trace) = traces.next().await {
        log.line("cloud", trace);
    }
}

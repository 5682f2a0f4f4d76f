//! A board on Azure IoT Central: it is provisioned, tells temperatures, obeys the portal, and restarts; over our own MQTT or
//! over a modem.

mod cloud;
mod device;
mod lines;
mod modem;

use super::pace::{Speed, Stage};
use crate::{exit::Failure, interrupt::Interrupt, log::Log, target::rng};
use cloud::{Central, DEVICE, SCOPE};
use core::fmt::Display;
use device::{Curiosity, Way};
use modem::Bench;
use skytether_board::MODEL;
use skytether_core::azure::{
    Config, Proof, Provisioning, Route,
    identity::{HostName, IdScope, IdentityError, ModelId, RegistrationId},
};
use skytether_tokio::{ClientIdentity, Roots, Store, Tls};
use std::{fs, io, path::PathBuf};
use tokio::select;

pub use modem::Standing;

/// How the story is to be told.
#[derive(Clone, Copy, PartialEq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "the command line and tests write it field by field")]
pub struct Told {
    /// How the board reaches its cloud.
    pub link: Link,
    /// How fast.
    pub speed: Speed,
    /// The cloud's port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
}

/// How the board reaches its cloud.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "the links that there are")]
pub enum Link {
    /// By our own MQTT over TLS.
    Mqtt,
    /// By an `AnyCloud` modem, which is simulated and begins so.
    At(Standing),
    /// By such a modem too; the board is another program, which finds the modem at a TCP port.
    Elsewhere(Standing),
}

/// Tells the story, until it is over or `interrupt` is ready. Whatever was started has ended when this returns.
///
/// # Errors
/// [`Failure`] names the step that failed; [`Failure::Interrupted`].
pub async fn tell(told: &Told, log: &Log, interrupt: &Interrupt) -> Result<(), Failure> {
    let stage = Stage::new(log.clone(), told.speed);
    introduce(told, log);
    let central = Central::start(&stage, told.port).await?;
    log.say(format_args!(
        "A simulated Azure listens on {}: provisioning {SCOPE}, one hub, and IoT Central with the model {MODEL}.",
        central.addr()
    ));
    let memory = Memory::new()?;
    let bench = match told.link {
        Link::Mqtt => None,
        Link::At(standing) => Some(Bench::start(&central, standing, modem::here(), log).await?),
        Link::Elsewhere(standing) => Some(Bench::start(&central, standing, modem::port(), log).await?),
    };
    let ended = if let Link::Elsewhere(_) = told.link {
        watch(&stage, &central, interrupt).await
    } else {
        perform(&stage, &central, bench.as_ref(), &memory, interrupt).await
    };
    if ended == Err(Failure::Interrupted) {
        log.say("Ctrl-C: the board says good-bye.");
    }
    stage.clear().await;
    if let Some(bench) = bench {
        bench.stop().await;
    }
    central.stop().await;
    if ended.is_ok() {
        log.say("The story is told: the board was provisioned, obeyed, restarted, and came back by itself.");
    }
    ended
}

fn introduce(told: &Told, log: &Log) {
    let link = match told.link {
        Link::Mqtt => "its own MQTT over TLS",
        Link::At(_) => "an AnyCloud modem on a serial line (-v shows each AT line)",
        Link::Elsewhere(_) => "an AnyCloud modem; the board is another program",
    };
    log.say(format_args!("A board with a thermometer and LEDs goes to Azure IoT Central by {link}."));
    if told.speed != Speed::REAL {
        let speed = told.speed;
        log.say(format_args!(
            "Told {speed} times faster than it happens (--speed 1 is real time); the network is not."
        ));
    }
}

async fn perform(
    stage: &Stage,
    central: &Central,
    bench: Option<&Bench>,
    memory: &Memory,
    interrupt: &Interrupt,
) -> Result<(), Failure> {
    let broken = |why: &dyn Display| Failure::Configuration { who: DEVICE.to_owned(), why: why.to_string() };
    let mut config = config().map_err(|error| broken(&error))?;
    let way = if let Some(bench) = bench {
        bench.way()
    } else {
        // The cloud's names lead to this machine; a modem is told by its own map.
        let here = HostName::new("127.0.0.1").map_err(|error| broken(&error))?;
        if let Route::Provisioning(provisioning) = &mut config.route {
            provisioning.host = here.clone();
        }
        config.gateway = Some(here);
        config.port = Some(central.addr().port());
        Way::Mqtt(tls(central).map_err(|error| broken(&error))?)
    };
    let store = Store::directory(&memory.0).map_err(|error| broken(&error))?;
    let board = Curiosity { stage, who: DEVICE.to_owned(), config, way, store };
    select! {
        lived = board.live() => lived,
        attended = central.attend(stage) => attended,
        () = interrupt.first() => Err(Failure::Interrupted),
    }
}

/// The story with a board that someone else runs.
async fn watch(stage: &Stage, central: &Central, interrupt: &Interrupt) -> Result<(), Failure> {
    select! {
        attended = central.attend(stage) => attended,
        () = interrupt.first() => Err(Failure::Interrupted),
    }
}

/// Who the board is: a device with a certificate, whose model the service is told.
fn config() -> Result<Config, IdentityError> {
    let provisioning = Provisioning::new(IdScope::new(SCOPE)?, RegistrationId::new(DEVICE)?);
    let mut config = Config::new(Route::Provisioning(provisioning), Proof::Certificate);
    config.model = Some(ModelId::new(MODEL)?);
    Ok(config)
}

fn tls(central: &Central) -> Result<Tls, Box<dyn core::error::Error>> {
    let roots = Roots::from_bytes(central.authority().as_bytes())?;
    let device = central.device();
    Ok(Tls::new(roots).with_client(ClientIdentity::from_bytes(device.certificate().as_bytes(), device.private_key())?))
}

/// What the board remembers over restarts: a folder of this run, gone at its end.
struct Memory(PathBuf);

impl Memory {
    fn new() -> Result<Self, Failure> {
        let [name] = [rng()?.alphanumeric::<12>()];
        let folder = std::env::temp_dir().join(format!("skytether-{}", String::from_utf8_lossy(&name)));
        let made = |error: io::Error| Failure::Start(format!("{}: {error}", folder.display()));
        fs::create_dir(&folder).map_err(made)?;
        Ok(Self(folder))
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // What cannot be removed is an empty folder, or one assignment that means nothing to anyone.
        let _ = fs::remove_dir_all(&self.0);
    }
}

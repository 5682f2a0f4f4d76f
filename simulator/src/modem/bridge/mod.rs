//! How a modem gets a serial port and a network: a TCP port or a pseudo-terminal for its host, real connections for it.
//!
//! One task owns the modem; the serial line and each connection have tasks that read and write. A map of hosts leads the
//! names that a device asks for to a server on this machine.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! use skytether_simulator::modem::bridge::{Bridge, Config, Port};
//!
//! let bridge = Bridge::start(Config::default()).await?;
//! let Port::Tcp(address) = bridge.port() else { panic!() };
//! println!("AT commands on {address}");
//! bridge.stop().await;
//! # Ok::<(), skytether_simulator::modem::bridge::BridgeError>(()) }).unwrap();
//! ```

mod link;
#[cfg(unix)]
mod pty;
mod serial;
mod tls;

pub use serial::Port;
pub use tls::Keys;

use super::{Fault, Modem, Order, Pipe, Side};
use core::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};
use link::Link;
use serial::{Line, Serial};
use skytether_core::time::{Instant, UnixMillis};
use std::{
    collections::{BTreeMap, VecDeque},
    io,
    sync::Arc,
    time::SystemTime,
};
use tls::Connector;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::{Instant as Clock, sleep_until},
};

/// What the bridge is made with.
#[derive(Clone, Debug)]
#[allow(clippy::exhaustive_structs, reason = "a user writes `Config { modem, ..Config::default() }`")]
pub struct Config {
    /// The modem.
    pub modem: super::Config,
    /// Where its host finds it. Default a free TCP port of 127.0.0.1.
    pub serial: Wanted,
    /// Where host names lead: a name, or `*` and the end of names (`*.azure-devices.net`). What is not here is looked up
    /// and connected to as it is.
    pub hosts: Vec<(String, SocketAddr)>,
    /// What it trusts and shows; `None`: it cannot do TLS.
    pub keys: Option<Keys>,
    /// Whether the modem speaks no faster than its serial line (10 bits a byte). Default false.
    pub paced: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            modem: super::Config::default(),
            serial: Wanted::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
            hosts: Vec::new(),
            keys: None,
            paced: false,
        }
    }
}

/// Which kind of serial port.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "a user chooses one")]
pub enum Wanted {
    /// A TCP port: whoever connects holds the line, the newest alone.
    Tcp(SocketAddr),
    /// A pseudo-terminal, whose path [`Bridge::port`] tells. Only on Unix.
    Pty,
}

/// Why the bridge does not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum BridgeError {
    /// The serial port could not be made.
    Serial(io::Error),
    /// What the modem trusts or shows cannot be used.
    Keys(String),
}

impl fmt::Display for BridgeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Serial(error) => write!(f, "the modem's serial port cannot be made: {error}"),
            Self::Keys(why) => write!(f, "the modem's certificates cannot be used: {why}"),
        }
    }
}

impl core::error::Error for BridgeError {}

/// What reaches the task that owns the modem.
enum Happening {
    /// A host has taken the serial line.
    Host(Line),
    /// The host of this number says something; the permit lets it go on.
    Heard(u64, Vec<u8>),
    /// The host of this number is gone.
    HostGone(u64),
    /// There may be room for more bytes to the host or to a connection.
    Flushed,
    Opened(Pipe),
    Received(Pipe, Vec<u8>),
    Closed(Pipe),
}

type Act = Box<dyn FnOnce(&mut Modem, Instant) + Send>;

/// Happenings that wait for the modem; then the tasks of lines and connections do.
const HAPPENINGS: usize = 64;

/// A modem that runs. Dropped without [`Bridge::stop`], it stops all the same.
#[derive(Debug)]
pub struct Bridge {
    port: Port,
    acts: mpsc::Sender<Act>,
    task: JoinHandle<()>,
}

impl Bridge {
    /// Switches a modem on, in a task of its own on the runtime that this is called on.
    ///
    /// # Errors
    /// [`BridgeError`].
    pub async fn start(config: Config) -> Result<Self, BridgeError> {
        let connector = config.keys.as_ref().map(Connector::new).transpose().map_err(BridgeError::Keys)?;
        let (happenings, happened) = mpsc::channel(HAPPENINGS);
        let serial = Serial::open(&config.serial, happenings.clone()).await.map_err(BridgeError::Serial)?;
        let (acts, to_do) = mpsc::channel(8);
        let port = serial.port().clone();
        let modem = Modem::new(config.modem, Instant::ZERO, wall());
        let owner = Owner {
            modem,
            started: Clock::now(),
            hosts: config.hosts,
            connector: connector.map(Arc::new),
            paced: config.paced,
            _serial: serial,
            line: None,
            links: BTreeMap::new(),
            waiting: VecDeque::new(),
            happenings,
        };
        Ok(Self { port, acts, task: tokio::spawn(owner.run(happened, to_do)) })
    }

    /// Where the modem's host finds it.
    pub fn port(&self) -> &Port {
        &self.port
    }

    /// Calls `act` with the modem and its time, between two inputs; `None` where it has stopped.
    pub async fn with_modem<R: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Modem, Instant) -> R + Send + 'static,
    ) -> Option<R> {
        let (answer, result) = oneshot::channel();
        let act: Act = Box::new(move |modem, now| {
            // Whoever asked may have lost interest.
            let _ = answer.send(act(modem, now));
        });
        self.acts.send(act).await.ok()?;
        result.await.ok()
    }

    /// Tells the modem to misbehave.
    pub async fn misbehave(&self, fault: Fault) {
        // A modem that has stopped misbehaves no more.
        let _ = self.with_modem(move |modem, now| modem.misbehave(now, fault)).await;
    }

    /// Switches it off: its connections end, and so does its serial port.
    pub async fn stop(mut self) {
        self.task.abort();
        // That it was aborted is what it ends with.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Owner {
    modem: Modem,
    started: Clock,
    hosts: Vec<(String, SocketAddr)>,
    connector: Option<Arc<Connector>>,
    paced: bool,
    /// Accepts hosts as long as it lives.
    _serial: Serial,
    line: Option<Line>,
    links: BTreeMap<Pipe, Link>,
    /// What connections brought and the modem does not want yet.
    waiting: VecDeque<(Pipe, Vec<u8>)>,
    happenings: mpsc::Sender<Happening>,
}

impl Owner {
    async fn run(mut self, mut happened: mpsc::Receiver<Happening>, mut to_do: mpsc::Receiver<Act>) {
        loop {
            self.serve();
            let deadline = self.modem.deadline().map(|deadline| self.started + Duration::from_millis(deadline.at.0));
            tokio::select! {
                happening = happened.recv() => match happening {
                    Some(happening) => self.take(happening),
                    None => return,
                },
                act = to_do.recv() => match act {
                    Some(act) => {
                        let now = self.now();
                        act(&mut self.modem, now);
                    }
                    None => return,
                },
                () = sleep_until(deadline.unwrap_or(self.started)), if deadline.is_some() => {
                    let now = self.now();
                    self.modem.tick(now);
                }
            }
        }
    }

    fn now(&self) -> Instant {
        Instant(u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    fn take(&mut self, happening: Happening) {
        let now = self.now();
        match happening {
            Happening::Host(line) => self.line = Some(line),
            Happening::Heard(host, bytes) => {
                if self.line.as_ref().is_some_and(|line| line.number() == host) {
                    self.modem.receive(now, Side::Serial, &bytes);
                }
            }
            Happening::HostGone(host) => self.line = self.line.take().filter(|line| line.number() != host),
            Happening::Flushed => {}
            Happening::Opened(pipe) => self.modem.opened(now, pipe),
            Happening::Received(pipe, bytes) => self.waiting.push_back((pipe, bytes)),
            Happening::Closed(pipe) => {
                if self.links.remove(&pipe).is_some() {
                    self.bring();
                    self.waiting.retain(|(of, _)| *of != pipe);
                    self.modem.closed(now, pipe);
                }
            }
        }
    }

    /// Gives the modem what connections brought, as far as it wants it.
    fn bring(&mut self) {
        let now = self.now();
        for _ in 0..self.waiting.len() {
            let Some((pipe, bytes)) = self.waiting.pop_front() else { return };
            if self.modem.wants_bytes(Side::Net(pipe)) {
                self.modem.receive(now, Side::Net(pipe), &bytes);
                if let Some(link) = self.links.get(&pipe) {
                    link.go_on();
                }
            } else {
                self.waiting.push_back((pipe, bytes));
            }
        }
    }

    /// Does what the modem wants.
    fn serve(&mut self) {
        let now = self.now();
        loop {
            self.bring();
            self.speak(now);
            for (pipe, link) in &self.links {
                while let Some(len) = link.offer(self.modem.transmit(Side::Net(*pipe))) {
                    self.modem.sent(now, Side::Net(*pipe), len);
                }
            }
            let Some(order) = self.modem.next_order() else { return };
            match order {
                Order::Open { pipe, host, port, tls } => {
                    let way = tls.map(|tls| (self.connector.clone(), tls));
                    let link = Link::open(pipe, self.address(&host), host, port, way, self.happenings.clone());
                    self.links.insert(pipe, link);
                }
                Order::Close(pipe) => {
                    // Its tasks write what they were given, and end.
                    self.links.remove(&pipe);
                    self.waiting.retain(|(of, _)| *of != pipe);
                    self.modem.closed(now, pipe);
                }
                // The pace follows the modem's own figure.
                Order::Baud(_) => {}
            }
        }
    }

    /// Lets the modem speak to its host; without one, its words are lost.
    fn speak(&mut self, now: Instant) {
        let pace = self.paced.then(|| self.modem.baud());
        loop {
            let waiting = self.modem.transmit(Side::Serial);
            if waiting.is_empty() {
                return;
            }
            let taken = match &self.line {
                Some(line) => line.offer(waiting, pace),
                None => Some(waiting.len()),
            };
            let Some(len) = taken else { return };
            self.modem.sent(now, Side::Serial, len);
        }
    }

    /// Where a name leads, if the map says.
    fn address(&self, host: &str) -> Option<SocketAddr> {
        let fits = |name: &str| match name.strip_prefix('*') {
            Some(end) => host.len() > end.len() && host.ends_with(end),
            None => host == name,
        };
        self.hosts.iter().find(|(name, _)| fits(name)).map(|(_, address)| *address)
    }
}

#[allow(clippy::disallowed_methods, reason = "the bridge is where the real wall time comes in")]
fn wall() -> UnixMillis {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

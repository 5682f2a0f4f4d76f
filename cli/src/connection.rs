//! How does a command of the tool hold its one device or client: started, connected, closed in order?

use crate::{
    cloud::{Answer, AnyCloud, Command, Dialect, Event},
    exit::Failure,
    log::{Log, Verbosity},
    meaning::explain,
    packets::PacketLog,
    target::{Target, seed},
};
use core::time::Duration;
use skytether_core::{
    device::{self, Device},
    io::Cause,
    limits::Limits,
    link::Endpoint,
    mqtt::session::{self, Session},
    queue::Rate,
    tencent::limits::MESSAGES_UP_PER_SECOND,
    time::Instant,
};
use skytether_tokio::{Events, Handle, Options, Store, spawn};
use tokio::task::JoinHandle;

/// How long the network may take: to open a connection, to answer CONNECT.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// How long messages in flight may wait for their acknowledgement when the tool ends.
pub const DRAIN: Duration = Duration::from_secs(3);
/// Largest packet at an ordinary broker, both ways.
const PACKET: usize = 1024 * 1024;

/// Largest message to Azure, with its topic: 256 KiB and the properties once more, percent-encoded.
const AZURE_MESSAGE: usize = 512 * 1024;

/// A device or client that runs.
#[derive(Debug)]
pub struct Connection {
    who: String,
    endpoint: Endpoint,
    dialect: Dialect,
    handle: Handle<Command, Answer>,
    events: Events<device::Event<Event>>,
    task: JoinHandle<()>,
}

impl Connection {
    /// Starts it; it dials at once, and again whenever the connection ends. Its packets go to `log`, at that level.
    ///
    /// # Errors
    /// [`Failure::Configuration`] and [`Failure::Start`].
    pub fn start(target: Target, log: &Log) -> Result<Self, Failure> {
        Self::remembering(target, None, log)
    }

    /// As [`Connection::start`]; what the device must not forget over restarts is kept in `store`.
    ///
    /// # Errors
    /// As [`Connection::start`].
    pub fn remembering(target: Target, store: Option<Store>, log: &Log) -> Result<Self, Failure> {
        let (who, endpoint, dialect) = (target.who(), target.endpoint()?, target.dialect());
        let tls = target.tls().clone();
        let session = Session::new(session_options(&dialect));
        let config = device::Config { open_timeout: PATIENCE, drain: Some(DRAIN), ..device::Config::default() };
        let device: Device<Session, AnyCloud> = Device::new(session, target.cloud()?, config, seed()?, Instant::ZERO);
        let tap = log.shows(Verbosity::Packets).then(|| PacketLog::new(who.clone(), log.clone()).tap());
        let options = Options { tap, tls: Some(tls), websocket_message: 2 * PACKET, store, ..Options::default() };
        let (handle, events, task) = spawn(device, options);
        // A fleet spreads its first connections over a second or two; here there is one device, and someone waits.
        handle.reconnect_now();
        Ok(Self { who, endpoint, dialect, handle, events, task })
    }

    /// The name to speak of it by.
    pub fn who(&self) -> &str {
        &self.who
    }

    /// How commands are said on its cloud.
    pub fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    /// Its commands.
    pub fn handle(&self) -> &Handle<Command, Answer> {
        &self.handle
    }

    /// The next thing that it tells; `None` when it has ended. Safe to drop before it is ready.
    pub async fn next(&mut self) -> Option<device::Event<Event>> {
        self.events.next().await
    }

    /// Waits until it is connected. Events before that are taken.
    ///
    /// # Errors
    /// [`Failure`] says at which step the first attempt failed.
    pub async fn connected(&mut self) -> Result<(), Failure> {
        while let Some(event) = self.next().await {
            match event {
                device::Event::Ready => return Ok(()),
                device::Event::Down { cause, .. } => return Err(self.no_connection(cause)),
                device::Event::GaveUp(fatal) => {
                    return Err(Failure::Configuration { who: self.who.clone(), why: fatal.to_string() });
                }
                device::Event::Dialling(_)
                | device::Event::Up { .. }
                | device::Event::Note(_)
                | device::Event::Cloud(_) => {}
            }
        }
        Err(self.no_connection(Cause::Asked))
    }

    /// What a connection that did not come about means for the tool.
    pub fn no_connection(&self, cause: Cause) -> Failure {
        let who = self.who.clone();
        let Cause::Refused(refusal) = cause else {
            return Failure::Unreachable { who, endpoint: self.endpoint.to_string(), cause: Some(cause) };
        };
        let (meaning, check) = explain(self.dialect.platform(), refusal);
        Failure::Refused { who, code: refusal.code(), meaning, check }
    }

    /// Says good-bye, and waits until it is said; seconds at most. Events on the way are dropped.
    pub async fn close(mut self) {
        self.handle.close();
        while self.events.next().await.is_some() {}
        // A task that panicked has said so itself.
        let _ = self.task.await;
    }
}

fn session_options(dialect: &Dialect) -> session::Options {
    let options =
        session::Options { connack_timeout: PATIENCE, request_timeout: PATIENCE, ..session::Options::default() };
    match dialect {
        Dialect::Azure => {
            let limits = Limits { packet_out: AZURE_MESSAGE, queued_bytes: 4 * AZURE_MESSAGE, ..Limits::default() };
            session::Options { limits, ..options }
        }
        Dialect::Tencent(..) => session::Options {
            rate: Some(Rate { per_second: MESSAGES_UP_PER_SECOND, burst: MESSAGES_UP_PER_SECOND }),
            ..options
        },
        Dialect::Plain => {
            let limits =
                Limits { packet_in: PACKET, packet_out: PACKET, queued_bytes: 4 * PACKET, ..Limits::default() };
            session::Options { limits, ..options }
        }
    }
}

//! Devices over real sockets: tokio carries the bytes and polls, embassy's clock follows the real one.
#![allow(dead_code, reason = "each test file uses its own part")]

use crate::wires::leak;
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_time::MockDriver;
use embedded_io_adapters::tokio_1::FromTokio;
use skytether_core::{
    device::{self, Device, Event},
    io::{Cause, Pipe},
    link::{Connect, Endpoint, QoS, TlsIdentity},
    message::Received,
    mqtt::session::{self, Session},
    plain::{self, Answer, Command, Plain},
    time::{Instant, UnixMillis},
};
use skytether_embassy::{Buffers, Channels, Connector, Conversation, Events, Handle, Pending, Runner, SendError, Wall};
use std::{
    future::Future,
    sync::Once,
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    runtime::Builder,
    task::{JoinHandle, LocalSet, spawn_local},
    time::timeout,
};

/// Longest wait for anything in these tests.
pub const PATIENCE: Duration = Duration::from_secs(20);

const COMMANDS: usize = 32;
const EVENTS: usize = 64;

pub type Machine = Device<Session, Plain>;
pub type Shared = Channels<CriticalSectionRawMutex, Machine, COMMANDS, EVENTS>;
pub type DeviceHandle = Handle<'static, CriticalSectionRawMutex, Machine, COMMANDS, EVENTS>;
pub type DeviceEvents = Events<'static, CriticalSectionRawMutex, Machine, COMMANDS, EVENTS>;
pub type DevicePending = Pending<'static, CriticalSectionRawMutex, Machine, COMMANDS, EVENTS>;

/// Has embassy's clock follow the real one from now on.
pub fn let_time_pass() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        thread::spawn(|| {
            let mut last = std::time::Instant::now();
            loop {
                thread::sleep(Duration::from_millis(1));
                let passed = u64::try_from(last.elapsed().as_micros()).unwrap();
                last += Duration::from_micros(passed);
                MockDriver::get().advance(embassy_time::Duration::from_micros(passed));
            }
        });
    });
}

/// Runs a test whose devices live on its own thread.
pub fn real<T>(test: impl Future<Output = T>) -> T {
    let_time_pass();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, test)
}

/// TCP by tokio's sockets.
#[derive(Clone, Copy)]
pub struct Tcp;

impl Connector for Tcp {
    async fn open<T: Conversation>(&mut self, pipe: &Pipe, talk: T) -> Cause {
        let Pipe::Net(Endpoint { host, port, tls: TlsIdentity::Plain, .. }) = pipe else {
            return Cause::Unsupported("anything but TCP");
        };
        let Ok(mut stream) = TcpStream::connect((host.as_str(), *port)).await else {
            return Cause::Unreachable;
        };
        stream.set_nodelay(true).unwrap();
        let (reader, writer) = stream.split();
        let cause = talk.hold(FromTokio::new(reader), FromTokio::new(writer)).await;
        if cause == Cause::Asked && stream.shutdown().await.is_ok() {
            let mut rest = [0; 1024];
            while stream.read(&mut rest).await.is_ok_and(|len| len > 0) {}
        }
        cause
    }
}

/// The real wall time.
pub fn wall() -> &'static Wall {
    let wall: &'static Wall = Box::leak(Box::default());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    wall.tell(UnixMillis(u64::try_from(now).unwrap()));
    wall
}

/// The content of CONNECT for a session that lasts.
pub fn lasting(id: &str) -> Connect {
    Connect { client_id: id.to_owned(), keep_alive: 30, ..Connect::default() }
}

/// The same for one that does not.
pub fn fleeting(id: &str) -> Connect {
    Connect { clean_session: true, ..lasting(id) }
}

pub fn device(endpoint: Endpoint, connect: Connect, config: device::Config) -> Machine {
    let cloud = Plain::new(plain::Config { endpoint, connect });
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&rand_number().to_le_bytes());
    Device::new(Session::new(session::Options::default()), cloud, config, seed, Instant::ZERO)
}

fn rand_number() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::from(now.subsec_nanos()) ^ (u64::from(std::process::id()) << 32)
}

pub fn shared() -> &'static Shared {
    Box::leak(Box::default())
}

pub struct Client {
    pub handle: DeviceHandle,
    pub events: DeviceEvents,
    pub task: JoinHandle<()>,
}

impl Client {
    pub fn new(port: u16, connect: Connect) -> Self {
        let config = device::Config { drain: Some(Duration::from_secs(2)), ..device::Config::default() };
        Self::over(device(Endpoint::tcp("127.0.0.1", port), connect, config), Tcp, wall())
    }

    pub fn over(machine: Machine, connector: impl Connector + 'static, wall: &'static Wall) -> Self {
        let shared = shared();
        let buffers = Buffers { read: leak(512), write: leak(512) };
        let task = spawn_local(async move { Runner::new(machine, connector, shared, wall, buffers).run().await });
        Self { handle: shared.handle(), events: shared.events(), task }
    }

    /// The next event, within the time that a test may take.
    pub async fn next(&mut self) -> Event<plain::Event> {
        timeout(PATIENCE, self.events.next()).await.expect("an event in time").expect("the device is not closed")
    }

    pub async fn ready(&mut self) {
        while self.next().await != Event::Ready {}
    }

    /// Why the connection ended.
    pub async fn down(&mut self) -> Cause {
        loop {
            if let Event::Down { cause, .. } = self.next().await {
                return cause;
            }
        }
    }

    pub async fn message(&mut self) -> Received {
        loop {
            if let Event::Cloud(plain::Event::Message(message)) = self.next().await {
                return message;
            }
        }
    }

    pub async fn subscribe(&self, filter: &str, qos: QoS) {
        let answer = timeout(PATIENCE, self.handle.send(Command::Subscribe { filter: filter.to_owned(), qos })).await;
        assert_eq!(answer.expect("in time"), Ok(Answer::Subscribed(qos)));
    }

    pub async fn publish(&self, topic: &str, payload: impl Into<Vec<u8>>, qos: QoS) {
        let sent = self.handle.send(publish(topic, payload, qos));
        assert_eq!(timeout(PATIENCE, sent).await.expect("in time"), Ok(Answer::Published));
    }

    pub async fn submit(&self, topic: &str, payload: String, qos: QoS) -> Result<DevicePending, SendError> {
        self.handle.submit(publish(topic, payload, qos)).await
    }

    pub async fn close(self) {
        self.handle.close();
        timeout(PATIENCE, self.task).await.expect("it closes in time").unwrap();
    }
}

pub fn publish(topic: &str, payload: impl Into<Vec<u8>>, qos: QoS) -> Command {
    Command::Publish { topic: topic.to_owned(), payload: payload.into().into(), qos, retain: false, ttl: None }
}

//! A device of ours on plain threads, and the helpers on tokio beside it.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]

use skytether_blocking::{Events, Handle, Options, Pending, SendError, seed, spawn};
use skytether_core::{
    device::{self, Device, Event},
    io::Cause,
    link::{Connect, Endpoint, QoS},
    message::Received,
    mqtt::session::{self, Session},
    plain::{self, Answer, Command, Plain},
    time::Instant,
};
use std::{
    thread::{JoinHandle, sleep},
    time::Duration,
};
use tokio::runtime::{Builder, Runtime};

/// Longest wait for anything in these tests.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub type News = Event<plain::Event>;

pub struct Client {
    pub handle: Handle<Command, Answer>,
    pub events: Events<News>,
    pub thread: JoinHandle<()>,
}

/// Where brokers and faulty lines of the tests live.
pub fn outside() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// The content of CONNECT for a session that lasts.
pub fn lasting(id: &str) -> Connect {
    Connect { client_id: id.to_owned(), keep_alive: 30, ..Connect::default() }
}

/// The same for one that does not.
pub fn fleeting(id: &str) -> Connect {
    Connect { clean_session: true, ..lasting(id) }
}

impl Client {
    pub fn new(port: u16, connect: Connect) -> Self {
        Self::at(Endpoint::tcp("127.0.0.1", port), connect, Options::default())
    }

    pub fn at(endpoint: Endpoint, connect: Connect, options: Options) -> Self {
        let config = device::Config { drain: Some(Duration::from_secs(2)), ..device::Config::default() };
        Self::of(endpoint, connect, config, options)
    }

    pub fn of(endpoint: Endpoint, connect: Connect, config: device::Config, options: Options) -> Self {
        let cloud = Plain::new(plain::Config { endpoint, connect });
        let session = Session::new(session::Options::default());
        let device = Device::new(session, cloud, config, seed().unwrap(), Instant::ZERO);
        let (handle, events, thread) = spawn(device, options).unwrap();
        Self { handle, events, thread }
    }

    /// The next event, within the time that a test may take.
    pub fn next(&mut self) -> News {
        self.events.next_timeout(PATIENCE).expect("an event in time").expect("the device is not closed")
    }

    pub fn ready(&mut self) {
        while self.next() != Event::Ready {}
    }

    /// Why the connection ended, and when it is tried again.
    pub fn down(&mut self) -> (Cause, Option<Duration>) {
        loop {
            if let Event::Down { cause, retry } = self.next() {
                return (cause, retry);
            }
        }
    }

    pub fn message(&mut self) -> Received {
        loop {
            if let Event::Cloud(plain::Event::Message(message)) = self.next() {
                return message;
            }
        }
    }

    pub fn subscribe(&self, filter: &str, qos: QoS) {
        let command = Command::Subscribe { filter: filter.to_owned(), qos };
        assert_eq!(self.handle.send_timeout(command, PATIENCE), Ok(Answer::Subscribed(qos)));
    }

    pub fn publish(&self, topic: &str, payload: impl Into<Vec<u8>>, qos: QoS) {
        assert_eq!(self.handle.send_timeout(publish(topic, payload, qos), PATIENCE), Ok(Answer::Published));
    }

    pub fn submit(&self, topic: &str, payload: impl Into<Vec<u8>>, qos: QoS) -> Result<Pending<Answer>, SendError> {
        self.handle.submit(publish(topic, payload, qos))
    }

    pub fn close(self) {
        self.handle.close();
        join(self.thread);
    }
}

pub fn publish(topic: &str, payload: impl Into<Vec<u8>>, qos: QoS) -> Command {
    Command::Publish { topic: topic.to_owned(), payload: payload.into().into(), qos, retain: false, ttl: None }
}

/// Waits for a thread, but not for ever.
pub fn join<T>(thread: JoinHandle<T>) -> T {
    until("the thread does not end", || thread.is_finished());
    thread.join().unwrap()
}

/// Waits until something is so.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let mut left = PATIENCE.as_millis();
    while !is_so() {
        assert!(left > 0, "{what}");
        left -= 1;
        sleep(Duration::from_millis(1));
    }
}

//! A device of ours on an ordinary broker.

use super::runtime::{Runtime, Task};
use skytether_async::{
    events::Events,
    handle::{Handle, Pending, SendError},
};
use skytether_core::{
    device::{self, Device, Event},
    io::Cause,
    link::{Connect, Endpoint, QoS},
    message::Received,
    mqtt::session::{self, Session},
    plain::{self, Answer, Command, Plain},
    time::Instant,
};
use skytether_std::{clock::seed, options::Options};
use std::time::Duration;
use tokio::time::timeout;

/// Longest wait for anything in these tests.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub type News = Event<plain::Event>;

pub struct Client {
    pub handle: Handle<Command, Answer>,
    pub events: Events<News>,
    pub task: Task,
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
    pub fn new(runtime: Runtime, port: u16, connect: Connect) -> Self {
        Self::with(runtime, port, connect, Options::default())
    }

    pub fn with(runtime: Runtime, port: u16, connect: Connect, options: Options) -> Self {
        Self::at(runtime, Endpoint::tcp("127.0.0.1", port), connect, options)
    }

    pub fn at(runtime: Runtime, endpoint: Endpoint, connect: Connect, options: Options) -> Self {
        let config = device::Config { drain: Some(Duration::from_secs(2)), ..device::Config::default() };
        Self::of(runtime, endpoint, connect, config, options)
    }

    pub fn of(
        runtime: Runtime,
        endpoint: Endpoint,
        connect: Connect,
        config: device::Config,
        options: Options,
    ) -> Self {
        let cloud = Plain::new(plain::Config { endpoint, connect });
        let session = Session::new(session::Options::default());
        let device = Device::new(session, cloud, config, seed().unwrap(), Instant::ZERO);
        let (handle, events, task) = runtime.spawn(device, options);
        Self { handle, events, task }
    }

    /// The next event, within the time that a test may take.
    pub async fn next(&mut self) -> News {
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

    pub async fn submit(&self, topic: &str, payload: String, qos: QoS) -> Result<Pending<Answer>, SendError> {
        self.handle.submit(publish(topic, payload, qos)).await
    }

    pub async fn close(self) {
        self.handle.close();
        timeout(PATIENCE, self.task).await.expect("it closes in time");
    }
}

pub fn publish(topic: &str, payload: impl Into<Vec<u8>>, qos: QoS) -> Command {
    Command::Publish { topic: topic.to_owned(), payload: payload.into().into(), qos, retain: false, ttl: None }
}

//! How does one message, or one a line, get to a cloud and the tool know that it has arrived?

use crate::{
    cloud::{Answer, Command, Outgoing},
    connection::Connection,
    exit::Failure,
    interrupt::Interrupt,
    lines::{LONGEST, Line, Lines},
    log::Log,
    target::Target,
};
use core::{future::Future, time::Duration};
use skytether_core::{device, io, link::QoS};
use skytether_tokio::{Pending, SendError};
use std::collections::VecDeque;
use tokio::{
    select,
    time::{sleep, timeout},
};

/// Messages that may be without acknowledgement at once.
const UNACKNOWLEDGED: usize = 20;

/// What to publish, and how.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "the command line and tests write it field by field")]
pub struct Publish {
    /// Topic; `./` at its beginning stands for the device's own.
    pub topic: String,
    /// Quality of service.
    pub qos: QoS,
    /// Whether the broker keeps it.
    pub retain: bool,
    /// How often each message is sent.
    pub repeat: u32,
    /// The pause between two of these.
    pub pause: Duration,
    /// How long a message may take to arrive.
    pub patience: Duration,
}

/// Where payloads come from.
#[derive(Debug)]
#[allow(clippy::exhaustive_enums, reason = "the command line builds it")]
pub enum Payloads {
    /// One.
    One(Vec<u8>),
    /// One a line.
    Lines(Lines),
}

/// Connects, publishes, waits until every message has arrived, and says good-bye.
///
/// # Errors
/// [`Failure`] names the step; [`Failure::Interrupted`].
pub async fn publish(
    target: Target,
    publish: &Publish,
    payloads: Payloads,
    log: &Log,
    interrupt: &Interrupt,
) -> Result<(), Failure> {
    let mut connection = Connection::start(target, log)?;
    let published = select! {
        published = all(&mut connection, publish, payloads, log) => published,
        () = interrupt.first() => Err(Failure::Interrupted),
    };
    connection.close().await;
    published
}

async fn all(connection: &mut Connection, publish: &Publish, payloads: Payloads, log: &Log) -> Result<(), Failure> {
    connection.connected().await?;
    let mut batch = Batch { connection, publish, log, waiting: VecDeque::new() };
    match payloads {
        Payloads::One(payload) => batch.send(&payload).await?,
        Payloads::Lines(mut lines) => loop {
            match batch.beside(lines.next()).await {
                Some(Line::Bytes(payload)) => batch.send(&payload).await?,
                Some(Line::TooLong) => {
                    return Err(Failure::Start(format!("a line of stdin has more than {LONGEST} bytes")));
                }
                Some(Line::Broken(why)) => return Err(Failure::Start(format!("stdin cannot be read: {why}"))),
                None => break,
            }
        },
    }
    while !batch.waiting.is_empty() {
        batch.settle().await?;
    }
    Ok(())
}

struct Batch<'a> {
    connection: &'a mut Connection,
    publish: &'a Publish,
    log: &'a Log,
    /// What has no outcome yet, oldest first.
    waiting: VecDeque<Pending<Answer>>,
}

impl Batch<'_> {
    /// Hands a message in, as often as it is to be sent.
    async fn send(&mut self, payload: &[u8]) -> Result<(), Failure> {
        for round in 0..self.publish.repeat {
            if round > 0 && !self.publish.pause.is_zero() {
                let pause = sleep(self.publish.pause);
                self.beside(pause).await;
            }
            let command = self.command(payload)?;
            let handle = self.connection.handle().clone();
            let patience = self.publish.patience;
            let taken = self.beside(timeout(patience, handle.submit(command))).await;
            let taken = taken.unwrap_or(Err(SendError::Failed(io::Failure::TimedOut)));
            self.waiting.push_back(taken.map_err(|error| self.failure(error))?);
            if self.waiting.len() >= UNACKNOWLEDGED {
                self.settle().await?;
            }
        }
        Ok(())
    }

    fn command(&self, payload: &[u8]) -> Result<Command, Failure> {
        let message = Outgoing {
            topic: self.publish.topic.clone(),
            payload: payload.to_vec(),
            qos: self.publish.qos,
            retain: self.publish.retain,
            ttl: None,
        };
        self.connection.dialect().publish(message).map_err(|unsayable| Failure::Configuration {
            who: self.connection.who().to_owned(),
            why: format!("{}: {}", unsayable.what, unsayable.fix),
        })
    }

    /// Waits for the outcome of the oldest.
    async fn settle(&mut self) -> Result<(), Failure> {
        let Some(oldest) = self.waiting.pop_front() else { return Ok(()) };
        let patience = self.publish.patience;
        let outcome = self.beside(timeout(patience, oldest)).await;
        let outcome = outcome.unwrap_or(Err(SendError::Failed(io::Failure::TimedOut)));
        outcome.map(drop).map_err(|error| self.failure(error))
    }

    fn failure(&self, error: SendError) -> Failure {
        let topic = self.connection.dialect().topic(&self.publish.topic);
        Failure::Publish { who: self.connection.who().to_owned(), topic, error }
    }

    /// Waits for `done`, and takes what the device tells meanwhile: else it would stop reading.
    async fn beside<T>(&mut self, done: impl Future<Output = T>) -> T {
        let mut done = core::pin::pin!(done);
        loop {
            select! {
                done = &mut done => return done,
                Some(event) = self.connection.next() => {
                    if let device::Event::Down { cause, retry: Some(_) } = event {
                        self.log.line(self.connection.who(), format_args!("{cause}; trying again"));
                    }
                }
            }
        }
    }
}

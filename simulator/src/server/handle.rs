//! What one may ask of a running server: messages from the cloud's side, faults on purpose, the trace.

use super::{front::Command, pipe::Stream};
use crate::broker::{
    Broker,
    fault::Fault,
    policy::{Denial, Outgoing, Peer, Policy, Target},
    trace::{Happening, Trace},
};
use core::fmt;
use skytether_core::{io::Rejected, link::QoS, time::Instant};
use std::io;
use tokio::sync::{broadcast, mpsc, oneshot};

/// The server has stopped, so that nothing can be asked of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "it says one thing")]
pub struct Stopped;

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server has stopped")
    }
}

impl core::error::Error for Stopped {}

impl From<Stopped> for io::Error {
    fn from(stopped: Stopped) -> Self {
        Self::new(io::ErrorKind::NotConnected, stopped)
    }
}

/// A running broker, from any task. Clones speak to the same one.
pub struct Handle<P: Policy> {
    commands: mpsc::Sender<Command<P>>,
    traces: broadcast::WeakSender<Trace>,
}

impl<P: Policy> Clone for Handle<P> {
    fn clone(&self) -> Self {
        Self { commands: self.commands.clone(), traces: self.traces.clone() }
    }
}

impl<P: Policy> fmt::Debug for Handle<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").finish_non_exhaustive()
    }
}

impl<P: Policy> Handle<P> {
    pub(super) fn new(commands: mpsc::Sender<Command<P>>, traces: broadcast::WeakSender<Trace>) -> Self {
        Self { commands, traces }
    }

    /// Everything that happens from now on.
    pub fn trace(&self) -> Traces {
        Traces { from: self.traces.upgrade().map(|sender| sender.subscribe()) }
    }

    /// Calls `act` with the broker and the broker's time, between two inputs.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn with_broker<R, F>(&self, act: F) -> Result<R, Stopped>
    where
        R: Send + 'static,
        F: FnOnce(&mut Broker<P>, Instant) -> R + Send + 'static,
    {
        let (answer, result) = oneshot::channel();
        let act = Box::new(move |broker: &mut Broker<P>, now| {
            // Whoever asked may have lost interest.
            let _ = answer.send(act(broker, now));
        });
        self.commands.send(Command::Act(act)).await.map_err(|_| Stopped)?;
        result.await.map_err(|_| Stopped)
    }

    /// Publishes from the cloud's side to everyone who has subscribed.
    ///
    /// # Errors
    /// [`Stopped`]; the inner [`Rejected::Invalid`] for a topic that is no topic name.
    pub async fn publish(&self, topic: &str, payload: &[u8], qos: QoS) -> Result<Result<(), Rejected>, Stopped> {
        let message = Outgoing { topic: topic.to_owned(), payload: payload.to_vec(), qos, retain: false };
        self.send(Target::Subscribers, message).await
    }

    /// Sends from the cloud's side.
    ///
    /// # Errors
    /// As [`Handle::publish`].
    pub async fn send(&self, target: Target, message: Outgoing) -> Result<Result<(), Rejected>, Stopped> {
        self.with_broker(move |broker, now| broker.send(now, &target, &message)).await
    }

    /// Drops the connection of the client with this client id, without a word. False: it is not connected.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn kick(&self, client_id: &str, why: &'static str) -> Result<bool, Stopped> {
        let client_id = client_id.to_owned();
        self.with_broker(move |broker, now| broker.kick(now, &client_id, why)).await
    }

    /// Refuses the next CONNECT, whoever sends it.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn deny_next(&self, denial: Denial) -> Result<(), Stopped> {
        self.with_broker(move |broker, _| broker.deny_next(denial)).await
    }

    /// Reads no more from this client, as if the line were dead in one direction, or reads again. It holds for the
    /// connection that the client has now. False: it is not connected.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn stop_reading(&self, client_id: &str, stop: bool) -> Result<bool, Stopped> {
        let (answer, result) = oneshot::channel();
        let command = Command::Freeze { client_id: client_id.to_owned(), stop, answer };
        self.commands.send(command).await.map_err(|_| Stopped)?;
        result.await.map_err(|_| Stopped)
    }

    /// Tells the server to misbehave, or to behave again; the trace says so. False: the client that is named is not
    /// connected, and nothing has happened to it.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn misbehave(&self, fault: Fault) -> Result<bool, Stopped> {
        let (answer, result) = oneshot::channel();
        self.commands.send(Command::Misbehave(fault, answer)).await.map_err(|_| Stopped)?;
        result.await.map_err(|_| Stopped)
    }

    /// Serves a connection that came by another way than the server's own listener.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn attach(&self, stream: impl Stream, peer: Peer) -> Result<(), Stopped> {
        self.commands.send(Command::Attach(Box::new(stream), peer)).await.map_err(|_| Stopped)
    }

    pub(super) async fn stop(&self) {
        // An error says that it has stopped already.
        let _ = self.commands.send(Command::Stop).await;
    }
}

/// The broker's trace as it comes.
#[derive(Debug)]
pub struct Traces {
    from: Option<broadcast::Receiver<Trace>>,
}

impl Traces {
    /// The next entry; `None` when the server has stopped. Safe to drop before it is ready.
    pub async fn next(&mut self) -> Option<Trace> {
        match self.from.as_mut()?.recv().await {
            Ok(trace) => Some(trace),
            Err(broadcast::error::RecvError::Lagged(count)) => {
                Some(Trace { at: Instant::ZERO, conn: None, client: None, what: Happening::Missed(count) })
            }
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

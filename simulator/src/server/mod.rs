//! How a broker gets sockets: one task owns it, each connection has a task that reads and one that writes.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! use skytether_simulator::{broker::policy::Open, server::{Config, Server}};
//!
//! let server = Server::start(Open::anonymous(), Config::default()).await?;
//! println!("listening on {}", server.addr());
//! server.stop().await;
//! # std::io::Result::Ok(()) }).unwrap();
//! ```

mod front;
mod handle;
pub mod http;
mod lag;
mod listener;
mod pipe;
pub mod tls;
mod websocket;

pub use handle::{Handle, Stopped, Traces};
pub use listener::{Handshakes, Listeners};
pub use pipe::Stream;

use crate::broker::{
    self,
    policy::{Policy, Transport},
};
use core::net::{Ipv4Addr, SocketAddr};
use front::Front;
use std::io;
use tokio::task::JoinHandle;

/// Where to listen, and the bounds of the broker behind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "a user writes `Config { addr, ..Config::default() }`")]
pub struct Config {
    /// Address and port of [`Server::start`]; port 0 takes a free one. Default 127.0.0.1, port 0.
    pub addr: SocketAddr,
    /// The broker's bounds.
    pub broker: broker::Config,
    /// Trace entries kept for each reader of the trace that is slow. Default 4,096.
    pub traces: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { addr: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), broker: broker::Config::default(), traces: 4096 }
    }
}

/// A broker that listens. Dropped without [`Server::stop`], it stops at once and says goodbye to no one.
#[derive(Debug)]
pub struct Server<P: Policy> {
    /// Where it listens, in the order of [`Listeners`]; never empty.
    addrs: Vec<(Transport, SocketAddr)>,
    handle: Handle<P>,
    task: JoinHandle<()>,
}

impl<P> Server<P>
where
    P: Policy + Send + 'static,
    P::Identity: Send,
{
    /// Listens for MQTT on TCP, and serves in a task of its own on the runtime that this is called on.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn start(policy: P, config: Config) -> io::Result<Self> {
        Self::listen(policy, config, Listeners::tcp(config.addr)).await
    }

    /// Listens for several transports (instead of on `config.addr`), and serves as [`Server::start`].
    ///
    /// # Errors
    /// An address cannot be listened on; there is none; a secure transport has no certificate.
    pub async fn listen(policy: P, config: Config, listeners: Listeners) -> io::Result<Self> {
        let bound = listeners.bind().await?;
        let addrs = bound.iter().map(|port| (port.transport, port.addr)).collect();
        let (front, handle) = Front::new(policy, config, bound);
        Ok(Self { addrs, handle, task: tokio::spawn(front.run()) })
    }

    /// Where it listens; of several, the first in the order TCP, TLS, WebSocket, WebSocket on TLS.
    pub fn addr(&self) -> SocketAddr {
        self.addrs.first().map_or_else(|| SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)), |(_, addr)| *addr)
    }

    /// Where it listens for this transport.
    pub fn addr_of(&self, transport: Transport) -> Option<SocketAddr> {
        self.addrs.iter().find(|(served, _)| *served == transport).map(|(_, addr)| *addr)
    }

    /// The broker, from any task.
    pub fn handle(&self) -> &Handle<P> {
        &self.handle
    }

    /// Listens no more, writes what waits, closes every connection; takes at most about two seconds.
    pub async fn stop(mut self) {
        self.handle.stop().await;
        // The task can end in no other way than by stopping; that it was aborted is an end too.
        let _ = (&mut self.task).await;
    }
}

impl<P: Policy> Drop for Server<P> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

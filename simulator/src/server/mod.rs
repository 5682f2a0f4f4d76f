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
mod pipe;

pub use handle::{Handle, Stopped, Traces};
pub use pipe::Stream;

use crate::broker::{self, policy::Policy};
use core::net::{Ipv4Addr, SocketAddr};
use front::Front;
use std::io;
use tokio::{net::TcpListener, task::JoinHandle};

/// Where to listen, and the bounds of the broker behind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "a user writes `Config { addr, ..Config::default() }`")]
pub struct Config {
    /// Address and port; port 0 takes a free one. Default 127.0.0.1, port 0.
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
    addr: SocketAddr,
    handle: Handle<P>,
    task: JoinHandle<()>,
}

impl<P> Server<P>
where
    P: Policy + Send + 'static,
    P::Identity: Send,
{
    /// Listens, and serves in a task of its own on the runtime that this is called on.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn start(policy: P, config: Config) -> io::Result<Self> {
        let listener = TcpListener::bind(config.addr).await?;
        let addr = listener.local_addr()?;
        let (front, handle) = Front::new(policy, config, listener);
        Ok(Self { addr, handle, task: tokio::spawn(front.run()) })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
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

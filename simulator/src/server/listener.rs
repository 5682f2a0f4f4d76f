//! Where do connections come from? One task a port: it accepts, shakes hands, and hands the server bytes of MQTT.
//!
//! Handshakes are bounded in number and in time. When there are too many, the oldest gives way, so that clients that
//! never finish theirs cannot keep out one that does.

use super::{pipe::AnyStream, tls::Acceptor, websocket};
use crate::broker::policy::{Peer, Transport};
use core::{net::SocketAddr, time::Duration};
use std::{collections::VecDeque, io, sync::Arc};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::{AbortHandle, JoinSet},
    time::{sleep, timeout},
};

/// The pause after a connection that could not be accepted.
const REST: Duration = Duration::from_millis(100);

/// Which transports are served, and where. Port 0 takes a free one.
#[derive(Clone, Debug, Default)]
#[allow(clippy::exhaustive_structs, reason = "a user writes `Listeners { tls: …, ..Listeners::default() }`")]
pub struct Listeners {
    /// MQTT on TCP.
    pub tcp: Option<SocketAddr>,
    /// MQTT on TLS.
    pub tls: Option<SocketAddr>,
    /// MQTT on WebSocket, sub-protocol `mqtt`.
    pub websocket: Option<SocketAddr>,
    /// MQTT on WebSocket on TLS.
    pub secure_websocket: Option<SocketAddr>,
    /// The server's side of TLS; needed where one of the two secure transports is served.
    pub acceptor: Option<Acceptor>,
    /// The path of MQTT on WebSocket. Default `/mqtt`.
    pub path: Option<&'static str>,
    /// The bounds of handshakes.
    pub handshakes: Handshakes,
}

impl Listeners {
    /// Only MQTT on TCP.
    pub fn tcp(addr: SocketAddr) -> Self {
        Self { tcp: Some(addr), ..Self::default() }
    }

    /// Listens everywhere.
    pub(super) async fn bind(self) -> io::Result<Vec<Bound>> {
        let wanted = [
            (Transport::Tcp, self.tcp),
            (Transport::Tls, self.tls),
            (Transport::WebSocket, self.websocket),
            (Transport::SecureWebSocket, self.secure_websocket),
        ];
        let mut bound = Vec::new();
        for (transport, addr) in wanted {
            let Some(addr) = addr else { continue };
            let acceptor = match (transport, &self.acceptor) {
                (Transport::Tcp | Transport::WebSocket, _) => None,
                (Transport::Tls | Transport::SecureWebSocket, Some(acceptor)) => Some(acceptor.clone()),
                (Transport::Tls | Transport::SecureWebSocket, None) => {
                    return Err(io::Error::new(io::ErrorKind::InvalidInput, "TLS needs a certificate: set `acceptor`"));
                }
            };
            let socket = TcpListener::bind(addr).await.map_err(|error| {
                io::Error::new(error.kind(), format!("cannot listen on {addr} for {transport}: {error}"))
            })?;
            let addr = socket.local_addr()?;
            let path = self.path.unwrap_or(websocket::PATH);
            bound.push(Bound { transport, addr, socket, acceptor, path, handshakes: self.handshakes });
        }
        if bound.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "there is nothing to listen on: name an address"));
        }
        Ok(bound)
    }
}

/// How many handshakes, TLS and WebSocket together, may be under way at one port, and how long one may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "a user writes `Handshakes { …, ..Handshakes::default() }`")]
pub struct Handshakes {
    /// At once; one more ends the oldest. Default 128, at least 1.
    pub at_once: usize,
    /// The time for one. Default 10 s.
    pub within: Duration,
}

impl Default for Handshakes {
    fn default() -> Self {
        Self { at_once: 128, within: Duration::from_secs(10) }
    }
}

/// Someone at the door.
pub(super) enum Arrival {
    /// A pipe for MQTT.
    Pipe(AnyStream, Peer),
    /// A connection that came no further than the handshake.
    TurnedAway { address: Option<String>, transport: Transport, why: String },
}

/// A port that is listened on.
pub(super) struct Bound {
    pub(super) transport: Transport,
    pub(super) addr: SocketAddr,
    socket: TcpListener,
    acceptor: Option<Acceptor>,
    path: &'static str,
    handshakes: Handshakes,
}

impl Bound {
    /// Serves the port until it is aborted or nobody takes what arrives.
    pub(super) async fn run(self, arrivals: mpsc::Sender<Arrival>) {
        let mut tasks = JoinSet::new();
        let mut under_way: VecDeque<(AbortHandle, String)> = VecDeque::new();
        let acceptor = self.acceptor.map(Arc::new);
        while !arrivals.is_closed() {
            let Ok((stream, address)) = self.socket.accept().await else {
                // Out of file handles, mostly: the connections that are there go on, and may free some.
                sleep(REST).await;
                continue;
            };
            let address = address.to_string();
            // Without it packets are later, not wrong.
            let _ = stream.set_nodelay(true);
            let guest = Guest { transport: self.transport, address, path: self.path, acceptor: acceptor.clone() };
            if self.transport == Transport::Tcp {
                let peer = Peer { address: Some(guest.address), ..Peer::default() };
                if arrivals.send(Arrival::Pipe(Box::new(stream), peer)).await.is_err() {
                    return;
                }
                continue;
            }
            while tasks.try_join_next().is_some() {}
            under_way.retain(|(task, _)| !task.is_finished());
            while under_way.len() >= self.handshakes.at_once.max(1) {
                let Some((task, address)) = under_way.pop_front() else { break };
                task.abort();
                let why = "too many handshakes at once: the oldest gives way".to_owned();
                let away = Arrival::TurnedAway { address: Some(address), transport: self.transport, why };
                if arrivals.send(away).await.is_err() {
                    return;
                }
            }
            let address = guest.address.clone();
            let task = tasks.spawn(guest.enter(stream, self.handshakes.within, arrivals.clone()));
            under_way.push_back((task, address));
        }
    }
}

/// A connection before its handshake.
struct Guest {
    transport: Transport,
    address: String,
    path: &'static str,
    acceptor: Option<Arc<Acceptor>>,
}

impl Guest {
    async fn enter(self, stream: TcpStream, within: Duration, arrivals: mpsc::Sender<Arrival>) {
        let arrival = match timeout(within, self.shake_hands(Box::new(stream))).await {
            Ok(Ok((stream, peer))) => Arrival::Pipe(stream, peer),
            Ok(Err(why)) => self.turn_away(why),
            Err(_) => self.turn_away(format!("no handshake within {} s", within.as_secs_f32())),
        };
        // An error says that the server has stopped.
        let _ = arrivals.send(arrival).await;
    }

    fn turn_away(self, why: String) -> Arrival {
        Arrival::TurnedAway { address: Some(self.address), transport: self.transport, why }
    }

    async fn shake_hands(&self, mut stream: AnyStream) -> Result<(AnyStream, Peer), String> {
        let address = Some(self.address.clone());
        let mut peer = Peer { transport: self.transport, address, ..Peer::default() };
        if let Some(acceptor) = &self.acceptor {
            stream = acceptor.accept(stream, &mut peer).await.map_err(|error| format!("no TLS: {error}"))?;
        }
        if matches!(self.transport, Transport::WebSocket | Transport::SecureWebSocket) {
            let (inner, host) = websocket::accept(stream, self.path).await.map_err(|refused| refused.to_string())?;
            stream = inner;
            peer.server_name = peer.server_name.or(host);
        }
        Ok((stream, peer))
    }
}

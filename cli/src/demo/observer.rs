//! How can another program look on? The cloud tells of each message it takes or sends, and a broker of its own that
//! needs no credentials hands on the copies.

use crate::exit::Failure;
use core::{net::Ipv4Addr, net::SocketAddr, time::Duration};
use skytether_core::{
    io::Deadline,
    link::{Connect, Message, QoS},
};
use skytether_simulator::{
    broker::{
        policy::{At, Denial, Direct, Limits, Open, Outbox, Outgoing, Peer, Policy, Target, Verdict},
        trace::{Happening, Summary, Way},
    },
    server::{self, Server, Traces},
    tencent::{DeviceId, RuleEntry, TencentCloud},
};
use tokio::{sync::mpsc, time::timeout};

/// How long `wait` holds the story.
const PATIENCE: Duration = Duration::from_mins(1);

/// Whether and how others may look on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[allow(clippy::exhaustive_structs, reason = "the command line and tests write it field by field")]
pub struct Observe {
    /// The port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// Whether the story waits for the first observer.
    pub wait: bool,
}

/// What the cloud tells of itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum News {
    /// It took or sent this message.
    Message(Outgoing),
    /// What a rule made of one.
    Rule(RuleEntry),
}

/// The cloud, with someone who hears of each message.
///
/// It decides nothing: every question goes to the cloud, every answer comes from it.
#[derive(Debug)]
pub(crate) struct Watched {
    cloud: TencentCloud,
    news: mpsc::Sender<News>,
}

impl Watched {
    pub(crate) fn new(cloud: TencentCloud, news: mpsc::Sender<News>) -> Self {
        Self { cloud, news }
    }

    /// Lets the cloud act, and tells what it sends.
    fn overhear<R>(&mut self, out: &mut Outbox, act: impl FnOnce(&mut TencentCloud, &mut Outbox) -> R) -> R {
        let mut own = Outbox::new();
        let result = act(&mut self.cloud, &mut own);
        while let Some(item) = own.pop() {
            if let Direct::Send(_, message) = &item {
                self.tell(News::Message(message.clone()));
            }
            out.push(item);
        }
        while let Some(entry) = self.cloud.take_rule_entry() {
            self.tell(News::Rule(entry));
        }
        result
    }

    fn tell(&self, news: News) {
        // Who hears too slowly misses some; the cloud waits for no onlooker.
        let _ = self.news.try_send(news);
    }
}

impl Policy for Watched {
    type Identity = DeviceId;

    fn limits(&self) -> Limits {
        self.cloud.limits()
    }

    fn authenticate(&mut self, at: At, connect: &Connect, peer: &Peer) -> Result<DeviceId, Denial> {
        self.cloud.authenticate(at, connect, peer)
    }

    fn first_packet_id(&self, identity: &DeviceId) -> u16 {
        self.cloud.first_packet_id(identity)
    }

    fn may_subscribe(&mut self, at: At, identity: &DeviceId, filter: &str, qos: QoS) -> Option<QoS> {
        self.cloud.may_subscribe(at, identity, filter, qos)
    }

    fn unsubscribes(&self, identity: &DeviceId, filter: &str, held: &str) -> bool {
        self.cloud.unsubscribes(identity, filter, held)
    }

    fn may_publish(&mut self, at: At, identity: &DeviceId, message: &Message<'_>) -> Verdict {
        self.cloud.may_publish(at, identity, message)
    }

    fn on_publish(&mut self, at: At, identity: &DeviceId, message: &Message<'_>, out: &mut Outbox) {
        self.tell(News::Message(Outgoing {
            topic: message.topic.to_owned(),
            payload: message.payload.to_vec(),
            qos: message.qos,
            retain: false,
        }));
        self.overhear(out, |cloud, out| cloud.on_publish(at, identity, message, out));
    }

    fn on_connected(&mut self, at: At, identity: &DeviceId, connect: &Connect, out: &mut Outbox) {
        self.overhear(out, |cloud, out| cloud.on_connected(at, identity, connect, out));
    }

    fn on_subscribed(&mut self, at: At, identity: &DeviceId, filter: &str, granted: QoS, out: &mut Outbox) {
        self.overhear(out, |cloud, out| cloud.on_subscribed(at, identity, filter, granted, out));
    }

    fn on_disconnected(&mut self, at: At, identity: &DeviceId, orderly: bool, out: &mut Outbox) {
        self.overhear(out, |cloud, out| cloud.on_disconnected(at, identity, orderly, out));
    }

    fn deadline(&self) -> Option<Deadline> {
        self.cloud.deadline()
    }

    fn on_time(&mut self, at: At, out: &mut Outbox) {
        self.overhear(out, |cloud, out| cloud.on_time(at, out));
    }
}

/// The broker that hands on the copies.
#[derive(Debug)]
pub(super) struct Observer {
    server: Server<Open>,
    traces: Traces,
}

impl Observer {
    /// Listens.
    ///
    /// # Errors
    /// [`Failure::Start`].
    pub(super) async fn start(port: u16) -> Result<Self, Failure> {
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let server = Server::start(Open::anonymous(), server::Config { addr, ..server::Config::default() }).await;
        let server = server
            .map_err(|error| Failure::Start(format!("the observers' port {addr} cannot be listened on: {error}")))?;
        let traces = server.handle().trace();
        Ok(Self { server, traces })
    }

    /// Where it listens.
    pub(super) fn addr(&self) -> SocketAddr {
        self.server.addr()
    }

    /// Waits until someone has subscribed.
    ///
    /// # Errors
    /// [`Failure::NoObserver`] after a minute.
    pub(super) async fn subscribed(&mut self) -> Result<(), Failure> {
        let subscribed = async {
            while let Some(trace) = self.traces.next().await {
                if matches!(trace.what, Happening::Packet(Way::Out, Summary::SubAck { .. })) {
                    return true;
                }
            }
            false
        };
        match timeout(PATIENCE, subscribed).await {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(Failure::NoObserver),
        }
    }

    /// Where copies are handed in.
    pub(super) fn copies(&self) -> Copies {
        Copies(self.server.handle().clone())
    }

    /// Writes what waits and ends.
    pub(super) async fn stop(self) {
        self.server.stop().await;
    }
}

/// Hands copies on to whoever looks on.
#[derive(Debug)]
pub(super) struct Copies(server::Handle<Open>);

impl Copies {
    pub(super) async fn hand_on(&self, message: Outgoing) {
        // A server that has stopped has no observers any more.
        let _ = self.0.send(Target::Subscribers, message).await;
    }
}

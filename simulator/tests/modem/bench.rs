//! A modem on a bench: a host that types, a network with one broker, and virtual time.

use core::time::Duration;
use skytether_core::time::{Instant, UnixMillis};
use skytether_simulator::{
    broker::{
        self, Broker, ConnId,
        policy::{Open, Outgoing, Peer, Policy, Target},
    },
    modem::{Config, Modem, Network, Order, Pipe, Side, Times, Tls},
};
use std::collections::BTreeMap;

pub(crate) const WALL: UnixMillis = UnixMillis(1_767_225_600_000);

/// From one end of the network to the other, and from an order to its connection.
const NETWORK: u64 = 20;

pub(crate) struct Bench<P: Policy = Open> {
    pub(crate) modem: Modem,
    pub(crate) broker: Broker<P>,
    pub(crate) now: Instant,
    pipes: BTreeMap<Pipe, ConnId>,
    agenda: BTreeMap<(u64, u64), Due>,
    next: u64,
    /// Whom it was told to connect to, and how.
    pub(crate) opened: Vec<(String, u16, Option<Tls>)>,
    /// Connections do not open.
    pub(crate) unreachable: bool,
    /// The broker's answers do not arrive.
    pub(crate) mute: bool,
}

enum Due {
    Open(Pipe),
    Up(ConnId, Vec<u8>),
    Down(Pipe, Vec<u8>),
    ModemCloses(ConnId),
    BrokerCloses(Pipe),
}

/// A modem that starts at once, by a network with a passphrase and an open one.
pub(crate) fn config() -> Config {
    Config {
        networks: vec![Network::protected("lab", *b"pass word"), Network { channel: 6, ..Network::open("open") }],
        times: Times { boot: Duration::ZERO, ..Times::default() },
        ..Config::default()
    }
}

impl Bench {
    pub(crate) fn new(config: Config) -> Self {
        Self::with(Open::anonymous(), config)
    }

    /// Joined, connected to the broker without TLS, and without echo.
    pub(crate) fn connected(config: Config) -> Self {
        let mut bench = Self::joined(config);
        bench.say(&["AT+MQTTC=1,\"broker.invalid\"", "AT+MQTTC=2,1883", "AT+MQTTC=7,0", "AT+MQTTCONN=1"]);
        bench.run(200);
        assert!(bench.modem.is_connected());
        bench.said();
        bench
    }

    /// Joined, and without echo.
    pub(crate) fn joined(config: Config) -> Self {
        let mut bench = Self::new(config);
        bench.join();
        bench
    }
}

impl<P: Policy> Bench<P> {
    pub(crate) fn with(policy: P, config: Config) -> Self {
        let modem = Modem::new(config, Instant::ZERO, WALL);
        let broker = Broker::new(policy, broker::Config::default(), Instant::ZERO, WALL);
        let mut bench = Self {
            modem,
            broker,
            now: Instant::ZERO,
            pipes: BTreeMap::new(),
            agenda: BTreeMap::new(),
            next: 0,
            opened: Vec::new(),
            unreachable: false,
            mute: false,
        };
        bench.run(1);
        bench
    }

    pub(crate) fn join(&mut self) {
        self.say(&["ATE0", "AT+WSTAC=1,\"lab\"", "AT+WSTAC=2,3", "AT+WSTAC=3,\"pass word\""]);
        self.say(&["AT+WSTAC=12,\"pool.ntp.org\"", "AT+WSTAC=13,1", "AT+WSTA=1"]);
        self.run(3000);
        assert!(self.modem.is_joined());
        self.said();
    }

    /// The host sends these bytes.
    pub(crate) fn host(&mut self, bytes: &[u8]) {
        self.modem.receive(self.now, Side::Serial, bytes);
        self.serve();
    }

    /// The host sends these lines.
    pub(crate) fn say(&mut self, lines: &[&str]) {
        for line in lines {
            self.host(format!("{line}\r\n").as_bytes());
        }
    }

    /// The host sends a line, and this is what the modem has said by then and after it.
    pub(crate) fn ask(&mut self, line: &str) -> String {
        self.say(&[line]);
        self.said()
    }

    /// All that the modem has said since it was last asked.
    pub(crate) fn said(&mut self) -> String {
        let said: String = self.modem.transmit(Side::Serial).iter().map(|byte| char::from(*byte)).collect();
        self.modem.sent(self.now, Side::Serial, said.chars().count());
        self.serve();
        said
    }

    /// The cloud publishes.
    pub(crate) fn publish(&mut self, topic: &str, payload: &[u8], qos: skytether_core::link::QoS) {
        let message = Outgoing { topic: topic.to_owned(), payload: payload.to_vec(), qos, retain: false };
        self.broker.send(self.now, &Target::Subscribers, &message).unwrap();
        self.serve();
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, millis: u64) {
        let until = Instant(self.now.0 + millis);
        self.serve();
        loop {
            let wakes = [
                self.agenda.first_key_value().map(|((at, _), _)| *at),
                self.modem.deadline().map(|deadline| deadline.at.0.max(self.now.0)),
                self.broker.deadline().map(|deadline| deadline.at.0.max(self.now.0 + 1)),
            ];
            let Some(at) = wakes.into_iter().flatten().min().filter(|at| *at <= until.0) else { break };
            self.now = Instant(at);
            while let Some(entry) = self.agenda.first_entry().filter(|entry| entry.key().0 <= at) {
                let due = entry.remove();
                self.happen(due);
            }
            self.modem.tick(self.now);
            self.broker.tick(self.now);
            self.serve();
        }
        self.now = until;
    }

    fn happen(&mut self, due: Due) {
        match due {
            Due::Open(pipe) if self.unreachable => self.modem.closed(self.now, pipe),
            Due::Open(pipe) => {
                let conn = ConnId(u64::from(pipe.0));
                self.pipes.insert(pipe, conn);
                self.broker.connect(self.now, conn, Peer::default());
                self.modem.opened(self.now, pipe);
            }
            Due::Up(conn, bytes) => self.broker.receive(self.now, conn, &bytes),
            Due::Down(pipe, bytes) => self.modem.receive(self.now, Side::Net(pipe), &bytes),
            Due::ModemCloses(conn) => self.broker.closed(self.now, conn),
            Due::BrokerCloses(pipe) => {
                if self.pipes.remove(&pipe).is_some() {
                    self.modem.closed(self.now, pipe);
                }
            }
        }
        self.serve();
    }

    fn later(&mut self, due: Due) {
        self.next += 1;
        self.agenda.insert((self.now.0 + NETWORK, self.next), due);
    }

    fn serve(&mut self) {
        for pipe in self.modem.pipes() {
            let bytes = self.modem.transmit(Side::Net(pipe)).to_vec();
            if let Some(conn) = self.pipes.get(&pipe).copied().filter(|_| !bytes.is_empty()) {
                self.modem.sent(self.now, Side::Net(pipe), bytes.len());
                self.later(Due::Up(conn, bytes));
            }
        }
        while let Some(order) = self.modem.next_order() {
            match order {
                Order::Open { pipe, host, port, tls } => {
                    self.opened.push((host, port, tls));
                    self.later(Due::Open(pipe));
                }
                Order::Close(pipe) => {
                    if let Some(conn) = self.pipes.remove(&pipe) {
                        self.later(Due::ModemCloses(conn));
                    }
                    self.modem.closed(self.now, pipe);
                }
                Order::Baud(_) => {}
            }
        }
        while let Some(conn) = self.broker.next_ready() {
            let bytes = self.broker.transmit(conn).to_vec();
            self.broker.sent(self.now, conn, bytes.len());
            let Some(pipe) = self.pipes.iter().find(|(_, own)| **own == conn).map(|(pipe, _)| *pipe) else { continue };
            if !self.mute && !bytes.is_empty() {
                self.later(Due::Down(pipe, bytes));
            }
            if self.broker.wants_close(conn).is_some() {
                self.broker.closed(self.now, conn);
                self.later(Due::BrokerCloses(pipe));
            }
        }
    }
}

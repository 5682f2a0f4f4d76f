//! How devices, pipes and a broker share one virtual time: whose turn it is, and what a test may do to them.

mod broker_side;
mod device_side;
mod harm;
mod modem_side;

use crate::{
    breach::Breach,
    diary::{Diary, Keep},
    fault::Fault,
    node::{Module, Node, Story},
    pipe::{Direction, Pipe, Shape},
    resident::Resident,
    store::Store,
    watched::{Heard, Watched},
    wire::Finding,
};
use core::{fmt, time::Duration};
use skytether_core::{
    io::{Cause, ExchangeId, Instant, Key, Rejected, Slot, Tag, UnixMillis},
    link::QoS,
    rng::Rng,
};
use skytether_simulator::{
    broker::{
        Broker, Config, ConnId,
        policy::{Outgoing, Peer, Policy, Target},
    },
    modem::{self, Modem},
};
use std::collections::{BTreeMap, BTreeSet};

pub use crate::node::Birth;

/// What happens at a moment.
#[derive(Debug)]
enum Due {
    Arrival(ConnId, Direction),
    Opened(usize, ConnId),
    OpenFailed(usize, ConnId, Cause),
    /// The device's own `Close` is carried out.
    Closed(usize, u32),
    /// An end of a pipe that was cut notices it.
    DeviceNotices(ConnId),
    BrokerNotices(ConnId),
    Loaded(usize, u32, Key),
    Stored {
        device: usize,
        life: u32,
        key: Key,
        value: Option<Vec<u8>>,
        number: u64,
        done: bool,
    },
    Wall(usize, u32),
    /// A pipe of the device's modem is open, or not.
    RadioOpened(usize, ConnId, modem::Pipe),
    RadioFailed(usize, ConnId, modem::Pipe),
    Denied(usize, u32, Denied),
    Born(usize),
    StrangerLeaves(ConnId),
    Harm(Fault),
}

/// What a world has no means for, as a bare driver.
#[derive(Clone, Copy, Debug)]
enum Denied {
    Exchange(ExchangeId),
    Write(Slot, u64),
}

/// Devices and a broker in one thread and in virtual time.
///
/// `M` is what lives here, `P` the cloud's side. Nothing happens but in [`World::run_until`] and its kin.
pub struct World<M: Resident, P: Policy> {
    now: Instant,
    rng: Rng,
    found: Box<dyn FnMut() -> P>,
    config: Config,
    broker: Broker<Watched<P>>,
    /// The broker takes no connections before.
    broker_back: Instant,
    nodes: Vec<Node<M>>,
    pipes: BTreeMap<ConnId, Pipe>,
    next_conn: u64,
    agenda: BTreeMap<(Instant, u64), Due>,
    next_due: u64,
    wakes: BTreeSet<(Instant, usize)>,
    /// Those of modems, by the device.
    module_wakes: BTreeSet<(Instant, usize)>,
    heard: Vec<Heard>,
    dials: Vec<(Instant, String)>,
    diary: Diary,
    breach: Option<Breach>,
    /// Turns since time last moved.
    standstill: u32,
}

/// Turns that one moment may have.
const STANDSTILL: u32 = 200_000;

/// Wall time at the beginning of every world: 2026-01-01T00:00:00Z.
const WALL: u64 = 1_767_225_600_000;

/// The broker's own bounds in a world: its trace goes to the diary after each call.
fn broker_config(keep: Keep) -> Config {
    Config { trace: if keep == Keep::Nothing { 0 } else { 4096 }, ..Config::default() }
}

impl<M: Resident, P: Policy> World<M, P> {
    /// A world without devices. `found` makes the cloud's side, now and whenever the broker has lost everything.
    pub fn new(seed: u64, keep: Keep, mut found: impl FnMut() -> P + 'static) -> Self {
        let config = broker_config(keep);
        let broker = Broker::new(Watched::new(found()), config, Instant::ZERO, UnixMillis(WALL));
        Self {
            now: Instant::ZERO,
            rng: Rng::new(seed_bytes(seed)),
            found: Box::new(found),
            config,
            broker,
            broker_back: Instant::ZERO,
            nodes: Vec::new(),
            pipes: BTreeMap::new(),
            next_conn: 0,
            agenda: BTreeMap::new(),
            next_due: 0,
            wakes: BTreeSet::new(),
            module_wakes: BTreeSet::new(),
            heard: Vec::new(),
            dials: Vec::new(),
            diary: Diary::new(keep),
            breach: None,
            standstill: 0,
        }
    }

    /// Adds a device that may hold `bound` bytes of traffic. It is born when the world next runs, and `birth` is called
    /// again after each loss of power.
    pub fn add(&mut self, bound: usize, birth: impl FnMut(Birth) -> M + 'static) -> usize {
        let device = self.nodes.len();
        self.nodes.push(Node::new(Box::new(birth), bound, Shape::default()));
        self.due(self.now, Due::Born(device));
        device
    }

    /// Puts a modem between a device and the broker, switched on now: it is at the other end of the device's serial
    /// line, and stays on while the device has no power.
    pub fn attach(&mut self, device: usize, config: modem::Config) {
        let certificate = config.certificates.device.clone();
        let modem = Modem::new(config, self.now, self.wall());
        if let Some(node) = self.nodes.get_mut(device) {
            node.module = Some(Box::new(Module::new(modem, certificate)));
        }
        self.serve_module(device);
    }

    /// Says what the broker gets to know of a device's pipes from now on: TLS and the certificate that it shows, though the
    /// bytes are plain here. A device with a modem shows the modem's.
    pub fn secure(&mut self, device: usize, peer: Peer) {
        if let Some(node) = self.nodes.get_mut(device) {
            node.peer = peer;
        }
    }

    /// A device's modem, to look at.
    pub fn modem(&self, device: usize) -> Option<&Modem> {
        self.nodes.get(device)?.module.as_ref().map(|module| &module.modem)
    }

    /// Now.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// The wall time.
    pub fn wall(&self) -> UnixMillis {
        UnixMillis(WALL + self.now.0)
    }

    /// The world's own chance, for tests that want more of it.
    pub fn rng(&mut self) -> &mut Rng {
        &mut self.rng
    }

    /// Devices.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether nobody lives here.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Lets time pass up to `until`, or up to the first breach.
    pub fn run_until(&mut self, until: Instant) {
        while self.breach.is_none() && self.turn(until) {}
        self.now = self.now.max(until);
    }

    /// Lets so much time pass.
    pub fn run(&mut self, time: Duration) {
        self.run_until(self.now.after(time));
    }

    /// Lets time pass until `reached`, or for `most`; whether it was reached.
    pub fn run_to(&mut self, most: Duration, mut reached: impl FnMut(&Self) -> bool) -> bool {
        let until = self.now.after(most);
        loop {
            if reached(self) {
                return true;
            }
            if self.breach.is_some() || !self.turn(until) {
                self.now = self.now.max(until);
                return false;
            }
        }
    }

    /// Hands a command to a device.
    ///
    /// # Errors
    /// The device's own; a device without power is [`Rejected::Offline`].
    pub fn command(&mut self, device: usize, command: &M::Command) -> Result<Tag, Rejected> {
        let now = self.now;
        let Some(node) = self.nodes.get_mut(device) else { return Err(Rejected::Offline) };
        let Some(machine) = &mut node.machine else { return Err(Rejected::Offline) };
        let outcome = machine.command(now, command);
        if let Ok(tag) = outcome
            && !node.tags.insert(tag)
        {
            self.breach(device, ("R-5", format!("{tag:?} is in use")));
        }
        self.note(|| format!("{device} command: {outcome:?}"));
        self.settle(device);
        outcome
    }

    /// Begins the orderly end of a device.
    pub fn close(&mut self, device: usize) {
        let now = self.now;
        self.with(device, |machine| machine.close(now));
        self.settle(device);
    }

    /// Tells a device to dial now.
    pub fn reconnect_now(&mut self, device: usize) {
        let now = self.now;
        self.with(device, |machine| machine.reconnect_now(now));
        self.settle(device);
    }

    /// A machine, to look at; `None` while it has no power.
    pub fn machine(&self, device: usize) -> Option<&M> {
        self.nodes.get(device)?.machine.as_ref()
    }

    /// A device's store.
    pub fn store(&self, device: usize) -> Option<&Store> {
        self.nodes.get(device).map(|node| &node.store)
    }

    /// What a device's application was told since it was last asked, in order.
    pub fn take_told(&mut self, device: usize) -> Story<M> {
        self.nodes.get_mut(device).map(|node| core::mem::take(&mut node.told)).unwrap_or_default()
    }

    /// Commands of a device that have not ended.
    pub fn under_way(&self, device: usize) -> usize {
        self.nodes.get(device).map_or(0, |node| node.tags.len())
    }

    /// When the device asked for pipes.
    pub fn dials(&self, device: usize) -> &[Instant] {
        self.nodes.get(device).map_or(&[], |node| &node.dials)
    }

    /// The most bytes of traffic that a device has held.
    pub fn high_water(&self, device: usize) -> usize {
        self.nodes.get(device).map_or(0, |node| node.high)
    }

    /// The client id that the device last named; empty before its first CONNECT.
    pub fn client_id(&self, device: usize) -> &str {
        self.nodes.get(device).map_or("", |node| node.wire.client_id())
    }

    /// Bytes that were delivered on the device's pipe, up and down; of a modem's pipe to the broker, where the device
    /// has a modem. `None` where it has none.
    pub fn delivered(&self, device: usize) -> Option<(u64, u64)> {
        let conn = self.pipe_of(device)?;
        self.pipes.get(&conn).map(|pipe| (pipe.up.delivered(), pipe.down.delivered()))
    }

    /// The messages that the broker accepted since it was last asked.
    pub fn take_heard(&mut self) -> Vec<Heard> {
        core::mem::take(&mut self.heard)
    }

    /// The CONNECTs that the broker judged since it was last asked: when, and from which client id.
    pub fn take_connects(&mut self) -> Vec<(Instant, String)> {
        core::mem::take(&mut self.dials)
    }

    /// Whether the broker holds this subscription of the device.
    pub fn is_subscribed(&self, device: usize, filter: &str) -> bool {
        self.broker.policy().is_subscribed(self.client_id(device), filter)
    }

    /// Publishes from the cloud's side.
    pub fn publish(&mut self, topic: &str, payload: &[u8], qos: QoS) {
        let message = Outgoing { topic: topic.to_owned(), payload: payload.to_vec(), qos, retain: false };
        let sent = self.broker.send(self.now, &Target::Subscribers, &message);
        self.note(|| format!("cloud publishes on {topic:?}: {sent:?}"));
        self.serve();
    }

    /// The broker, to look at.
    pub fn broker(&self) -> &Broker<Watched<P>> {
        &self.broker
    }

    /// Lets a test work on the broker; what it says then is delivered.
    pub fn with_broker<R>(&mut self, work: impl FnOnce(&mut Broker<Watched<P>>, Instant) -> R) -> R {
        let result = work(&mut self.broker, self.now);
        self.serve();
        result
    }

    /// Something goes wrong now.
    pub fn harm(&mut self, fault: Fault) {
        self.do_harm(fault);
    }

    /// Something goes wrong then.
    pub fn harm_at(&mut self, when: Instant, fault: Fault) {
        self.due(when, Due::Harm(fault));
    }

    /// Nothing goes wrong any more: faults to come are taken back, pipes and stores work as they should. What has been
    /// broken stays broken.
    pub fn heal(&mut self) {
        self.agenda.retain(|_, due| !matches!(due, Due::Harm(_)));
        for node in &mut self.nodes {
            node.shape = Shape::default();
            node.refused.0 = Instant::ZERO;
            node.cut = None;
            node.store.heal();
            if let Some(module) = &mut node.module {
                module.line = Shape::LINE;
                module.modem.misbehave(self.now, modem::Fault::Behave);
            }
        }
    }

    /// What was found to be broken; the world stands still then.
    pub fn breach_found(&self) -> Option<&Breach> {
        self.breach.as_ref()
    }

    /// What was written down.
    pub fn diary(&self) -> &Diary {
        &self.diary
    }

    /// The next thing that happens, if it does by `until`.
    fn turn(&mut self, until: Instant) -> bool {
        let due = self.agenda.first_key_value().map(|(key, _)| key.0);
        let wake = self.wakes.first().map(|(at, _)| *at);
        // A broker's deadline may come to nothing and stay: it is served once a moment.
        let broker = self.broker.deadline().map(|deadline| deadline.at.max(self.now.after(Duration::from_millis(1))));
        let module = self.module_wakes.first().map(|(at, _)| *at);
        let Some(at) = [due, wake, broker, module].into_iter().flatten().min() else { return false };
        if at > until {
            return false;
        }
        self.standstill = if at > self.now { 0 } else { self.standstill + 1 };
        if self.standstill > STANDSTILL {
            let what = format!("time stands still: {STANDSTILL} turns in one moment");
            self.breach.get_or_insert(Breach { at, device: None, rule: "R-1", what });
        }
        self.now = self.now.max(at);
        if due == Some(at) {
            if let Some((_, due)) = self.agenda.pop_first() {
                self.happen(due);
            }
        } else if wake == Some(at) {
            if let Some((_, device)) = self.wakes.pop_first() {
                self.wake(device);
            }
        } else if module == Some(at) {
            if let Some((_, device)) = self.module_wakes.pop_first() {
                self.wake_module(device);
            }
        } else {
            self.broker.tick(self.now);
            self.serve();
        }
        true
    }

    fn happen(&mut self, due: Due) {
        match due {
            Due::Arrival(conn, direction) => self.arrival(conn, direction),
            Due::Opened(device, conn) => self.opened(device, conn),
            Due::OpenFailed(device, conn, cause) => self.open_failed(device, conn, cause),
            Due::Closed(device, life) => self.closed(device, life),
            Due::DeviceNotices(conn) => self.device_end(conn),
            Due::BrokerNotices(conn) | Due::StrangerLeaves(conn) => self.broker_end(conn),
            Due::Loaded(device, life, key) => self.loaded(device, life, &key),
            Due::Stored { device, life, key, value, number, done } => {
                self.stored(device, life, key, value, number, done);
            }
            Due::Wall(device, life) => self.tell_wall(device, life),
            Due::RadioOpened(device, conn, pipe) => self.radio_opened(device, conn, pipe),
            Due::RadioFailed(device, conn, pipe) => self.radio_failed(device, conn, pipe),
            Due::Denied(device, life, what) => self.denied(device, life, what),
            Due::Born(device) => self.bear(device),
            Due::Harm(fault) => self.do_harm(fault),
        }
    }

    fn due(&mut self, at: Instant, due: Due) {
        self.agenda.insert((at, self.next_due), due);
        self.next_due += 1;
    }

    fn later(&mut self, wait: Duration, due: Due) {
        self.due(self.now.after(wait), due);
    }

    fn with(&mut self, device: usize, work: impl FnOnce(&mut M)) {
        if let Some(machine) = self.nodes.get_mut(device).and_then(|node| node.machine.as_mut()) {
            work(machine);
        }
    }

    fn take_conn(&mut self) -> ConnId {
        self.next_conn += 1;
        ConnId(self.next_conn)
    }

    fn note(&mut self, line: impl FnOnce() -> String) {
        self.diary.note(self.now, line);
    }

    fn breach(&mut self, device: usize, (rule, what): Finding) {
        self.breach.get_or_insert(Breach { at: self.now, device: Some(device), rule, what });
    }
}

impl<M: Resident, P: Policy> fmt::Debug for World<M, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World")
            .field("now", &self.now)
            .field("devices", &self.nodes.len())
            .field("pipes", &self.pipes.len())
            .field("breach", &self.breach)
            .finish_non_exhaustive()
    }
}

/// The 32 bytes that stand for a seed of a test.
pub fn seed_bytes(seed: u64) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (slot, byte) in bytes.iter_mut().zip(seed.to_le_bytes()) {
        *slot = byte;
    }
    bytes
}

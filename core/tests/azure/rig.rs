//! The platform as a test plays it: it takes packets apart, answers by hand, and keeps what the device told.

use serde_json::{Value, json};
use skytether_core::{
    azure::{
        Answer, Azure, Command, Config, Event, Proof, Provisioning, Route,
        identity::{DeviceId, DeviceKey, HostName, IdScope, RegistrationId, Whom},
    },
    device::{self, Device},
    io::{
        Action, Cause, Failure, Input, Instant, Key, Machine as _, Pipe, Refusal, Rejected, Step, StoreFailed, Tag,
        UnixMillis,
    },
    link::Endpoint,
    mqtt::{
        codec::{AckKind, ConnAck, Delivery, Measured, Outgoing, Packet, PacketId, ack, decode, suback_append},
        session::{Options, Session},
    },
};

/// The wall time at which tests begin: 2023-11-14T22:13:20Z.
pub(crate) const WALL: u64 = 1_700_000_000_000;

pub(crate) const HUB: &str = "hub-1.azure-devices.net";
pub(crate) const OPERATION: &str = "4.0123456789abcdef.11112222-3333-4444-5555-666677778888";

/// What a device gave out.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Said {
    Act(Action),
    Event(device::Event<Event>),
    Done(Tag, Result<Answer, Failure>),
}

/// What a device asked of its platform, as it went over the wire.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Wire {
    Connect { client_id: String, user_name: String, password: Option<String>, clean: bool, will: Option<String> },
    Publish { topic: String, payload: Vec<u8>, id: Option<u16>, dup: bool },
    Subscribe { id: u16, filter: String, qos: u8 },
    PubAck(u16),
    Disconnect,
    Other,
}

/// A device, its platform and its store, and the moment they live in.
pub(crate) struct Rig {
    pub(crate) device: Device<Session, Azure>,
    pub(crate) now: Instant,
    /// What was told and not looked at yet.
    pub(crate) said: Vec<Said>,
    /// What went over the wire and was not looked at yet.
    pub(crate) wire: Vec<Wire>,
    /// What is stored about the hub.
    pub(crate) stored: Option<Vec<u8>>,
    /// What is stored of the session.
    pub(crate) session: Option<Vec<u8>>,
    /// How the store answers.
    pub(crate) store: Store,
    /// Where the latest pipe leads.
    pub(crate) endpoint: Option<Endpoint>,
    /// How far the wall clock is ahead of the driver's; `None`: it is not known.
    pub(crate) wall: Option<u64>,
    open: bool,
}

/// What the store does with requests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Store {
    Works,
    FailsToRead,
    FailsToWrite,
    /// The answer never comes.
    Hangs,
}

pub(crate) fn key() -> DeviceKey {
    DeviceKey::from_bytes([7; 32])
}

pub(crate) fn provisioning() -> Config {
    let scope = IdScope::new("0ne00000001").unwrap();
    Config::new(
        Route::Provisioning(Provisioning::new(scope, RegistrationId::new("pump-7").unwrap())),
        Proof::Key(key()),
    )
}

pub(crate) fn at_hub() -> Config {
    let (host, device) = (HostName::new(HUB).unwrap(), DeviceId::new("pump-7").unwrap());
    Config::new(Route::Hub { host, whom: Whom::device(device) }, Proof::Key(key()))
}

impl Rig {
    pub(crate) fn new(config: Config) -> Self {
        Self::with_options(config, Options::default())
    }

    pub(crate) fn with_options(config: Config, options: Options) -> Self {
        let cloud = Azure::new(config).unwrap();
        let device = Device::new(Session::new(options), cloud, device::Config::default(), [7; 32], Instant::ZERO);
        Self {
            device,
            now: Instant::ZERO,
            said: Vec::new(),
            wire: Vec::new(),
            stored: None,
            session: None,
            store: Store::Works,
            endpoint: None,
            wall: Some(WALL),
            open: false,
        }
    }

    /// A device at its hub, with nothing left to look at.
    pub(crate) fn ready(config: Config) -> Self {
        let mut rig = Self::new(config);
        rig.connect();
        rig.grant_all();
        rig.answer_twin();
        rig.clear();
        rig
    }

    /// A provisioned device that is connected to the service and has registered.
    pub(crate) fn registering(config: Config) -> Self {
        let mut rig = Self::new(config);
        rig.connect();
        rig.grant_all();
        rig
    }

    pub(crate) fn clear(&mut self) {
        self.said.clear();
        self.wire.clear();
    }

    /// Lets time pass until the device opens a pipe, and accepts it there; the CONNECT is the first thing on the wire.
    pub(crate) fn connect(&mut self) {
        self.open_pipe();
        self.accept(false);
    }

    /// Lets time pass until the device opens a pipe.
    pub(crate) fn open_pipe(&mut self) {
        self.give(Input::Tick);
        for _ in 0..1000 {
            if self.open {
                self.open = false;
                self.wire.clear();
                return self.give(Input::Opened);
            }
            self.now = self.device.deadline().expect("it waits for something").at.max(self.now);
            self.give(Input::Tick);
        }
        panic!("it never dialled: {:?}", self.said);
    }

    /// Whether it has asked for a pipe that is not open yet.
    pub(crate) fn dials(&self) -> bool {
        self.open
    }

    pub(crate) fn accept(&mut self, session_present: bool) {
        self.give(Input::Bytes(&ConnAck { session_present, refusal: None }.encode()));
    }

    pub(crate) fn refuse(&mut self, code: u8) {
        let refusal = Refusal::from_code(code);
        self.give(Input::Bytes(&ConnAck { session_present: false, refusal }.encode()));
    }

    /// The pipe breaks.
    pub(crate) fn cut(&mut self) {
        self.give(Input::Closed(Cause::Lost));
    }

    pub(crate) fn give(&mut self, input: Input<'_>) {
        self.step(input);
        while let Some(answer) = self.drive() {
            match answer {
                Driven::Wall => {
                    if let Some(ahead) = self.wall {
                        self.step(Input::Wall(UnixMillis(ahead + self.now.0)));
                    }
                }
                Driven::Load if self.store == Store::FailsToRead => {
                    self.step(Input::Loaded(Key::Hub, Err(StoreFailed)));
                }
                Driven::Load => {
                    let stored = self.stored.clone();
                    self.step(Input::Loaded(Key::Hub, Ok(stored.as_deref())));
                }
                Driven::Store(_) if self.store == Store::FailsToWrite => {
                    self.step(Input::Stored(Key::Hub, Err(StoreFailed)));
                }
                Driven::Store(_) if self.store == Store::Hangs => {}
                Driven::Store(record) => {
                    self.stored = Some(record);
                    self.step(Input::Stored(Key::Hub, Ok(())));
                }
                Driven::LoadSession => {
                    let session = self.session.clone();
                    self.step(Input::Loaded(Key::Session, Ok(session.as_deref())));
                }
                Driven::StoreSession(record) => {
                    self.session = Some(record);
                    self.step(Input::Stored(Key::Session, Ok(())));
                }
                Driven::Closed => self.step(Input::Closed(Cause::Lost)),
                Driven::Sent(len) => self.step(Input::Sent(len)),
            }
        }
    }

    /// What a driver does next of what the device wants.
    fn drive(&mut self) -> Option<Driven> {
        let bytes = self.device.transmit().to_vec();
        if !bytes.is_empty() {
            let mut rest = &bytes[..];
            while let Some((packet, used)) = decode(rest, 1 << 20).expect("packets of ours are sound") {
                self.wire.push(Wire::from(&packet));
                rest = &rest[used..];
            }
            assert!(rest.is_empty(), "half a packet");
            return Some(Driven::Sent(bytes.len()));
        }
        let at = self.said.iter().position(|said| {
            matches!(
                said,
                Said::Act(
                    Action::AskWall | Action::Load(_) | Action::Store(..) | Action::Close | Action::Open(Pipe::Net(_))
                )
            )
        })?;
        match self.said.remove(at) {
            Said::Act(Action::AskWall) => Some(Driven::Wall),
            Said::Act(Action::Load(Key::Session)) => Some(Driven::LoadSession),
            Said::Act(Action::Store(Key::Session, record)) => Some(Driven::StoreSession(record)),
            Said::Act(Action::Load(_)) => Some(Driven::Load),
            Said::Act(Action::Store(_, record)) => Some(Driven::Store(record)),
            Said::Act(Action::Close) => {
                self.open = false;
                Some(Driven::Closed)
            }
            Said::Act(Action::Open(Pipe::Net(endpoint))) => {
                (self.endpoint, self.open) = (Some(endpoint), true);
                self.drive()
            }
            other => panic!("{other:?}"),
        }
    }

    fn step(&mut self, mut input: Input<'_>) {
        for _ in 0..10_000 {
            match self.device.step(self.now, &mut input) {
                Step::Idle => return,
                Step::Again => {}
                Step::Act(action) => self.said.push(Said::Act(action)),
                Step::Event(event) => self.said.push(Said::Event(event)),
                Step::Done(tag, result) => self.said.push(Said::Done(tag, result)),
            }
        }
        panic!("it never rests");
    }

    pub(crate) fn tick_after(&mut self, millis: u64) {
        self.now = Instant(self.now.0 + millis);
        self.give(Input::Tick);
    }

    /// Lets time pass from deadline to deadline, answering pings, until `until`.
    pub(crate) fn live_until(&mut self, until: u64) {
        for _ in 0..100_000 {
            let Some(deadline) = self.device.deadline().filter(|deadline| deadline.at.0 <= until) else { break };
            self.now = deadline.at.max(self.now);
            self.give(Input::Tick);
            if self.wire.contains(&Wire::Other) {
                self.wire.retain(|wire| *wire != Wire::Other);
                self.give(Input::Bytes(&[0xd0, 0]));
            }
        }
        self.now = Instant(until);
        self.give(Input::Tick);
    }

    pub(crate) fn command(&mut self, command: &Command) -> Result<Tag, Rejected> {
        let tag = self.device.command(self.now, command)?;
        self.give(Input::Tick);
        Ok(tag)
    }

    /// Grants every subscription until none comes any more; the filters, in order.
    pub(crate) fn grant_all(&mut self) -> Vec<String> {
        let mut filters = Vec::new();
        while let Some(at) = self.wire.iter().position(|wire| matches!(wire, Wire::Subscribe { .. })) {
            let Wire::Subscribe { id, filter, .. } = self.wire.remove(at) else { panic!() };
            filters.push(filter);
            self.suback(id, 1);
        }
        filters
    }

    /// Answers a SUBSCRIBE; 0x80 refuses it.
    pub(crate) fn suback(&mut self, id: u16, code: u8) {
        let mut packet = Vec::new();
        suback_append(&mut packet, PacketId::new(id).unwrap(), &[skytether_core::link::QoS::from_level(code)]).unwrap();
        self.give(Input::Bytes(&packet));
    }

    /// The latest publication on a topic that begins so, acknowledged where it asks for that.
    pub(crate) fn published(&mut self, front: &str) -> Option<(String, Vec<u8>)> {
        let at = self
            .wire
            .iter()
            .rposition(|wire| matches!(wire, Wire::Publish { topic, .. } if topic.starts_with(front)))?;
        let Wire::Publish { topic, payload, id, .. } = self.wire.remove(at) else { panic!() };
        if let Some(id) = id {
            self.give(Input::Bytes(&ack(AckKind::PubAck, PacketId::new(id).unwrap())));
        }
        Some((topic, payload))
    }

    /// Answers the request for the whole twin with an empty one.
    pub(crate) fn answer_twin(&mut self) {
        let Some((topic, _)) = self.published("$iothub/twin/GET/") else { return };
        let rid = topic.split_once("$rid=").unwrap().1.to_owned();
        let twin = json!({"desired": {"$version": 1}, "reported": {"$version": 1}});
        self.message(&format!("$iothub/twin/res/200/?$rid={rid}"), twin.to_string().as_bytes());
    }

    /// Answers the open request to the provisioning service; `query` follows the request's id.
    pub(crate) fn service_says(&mut self, status: u16, query: &str, body: &Value) {
        let (topic, _) = self.published("$dps/registrations/").unwrap_or_else(|| panic!("no request: {:?}", self.wire));
        let rid = topic.split_once("$rid=").unwrap().1.split('&').next().unwrap().to_owned();
        self.message(&format!("$dps/registrations/res/{status}/?$rid={rid}{query}"), body.to_string().as_bytes());
    }

    /// The service assigns the hub of this name.
    pub(crate) fn assign(&mut self, hub: &str) {
        self.service_says(200, "", &assigned(hub, "pump-7"));
    }

    /// The platform publishes at QoS 0.
    pub(crate) fn message(&mut self, topic: &str, payload: &[u8]) {
        let message = Outgoing { topic: &[topic], payload, delivery: Delivery::AtMostOnce, dup: false, retain: false };
        let measured: Measured = message.measure().unwrap();
        let mut packet = Vec::new();
        message.append(measured, &mut packet);
        self.give(Input::Bytes(&packet));
    }

    /// The CONNECT on the wire.
    pub(crate) fn hello(&self) -> (&str, &str, Option<&str>, bool) {
        match &self.wire[..] {
            [Wire::Connect { client_id, user_name, password, clean, .. }, ..] => {
                (client_id, user_name, password.as_deref(), *clean)
            }
            other => panic!("a CONNECT was expected: {other:?}"),
        }
    }

    /// The host that the latest pipe leads to.
    pub(crate) fn host(&self) -> &str {
        &self.endpoint.as_ref().expect("it has dialled").host
    }

    /// The cloud's events.
    pub(crate) fn events(&mut self) -> Vec<Event> {
        self.take(|said| match said {
            Said::Event(device::Event::Cloud(event)) => Some(event),
            _ => None,
        })
    }

    /// The lifecycle's events.
    pub(crate) fn news(&mut self) -> Vec<device::Event<Event>> {
        self.take(|said| match said {
            Said::Event(event) if !matches!(event, device::Event::Cloud(_)) => Some(event),
            _ => None,
        })
    }

    pub(crate) fn done(&mut self) -> Vec<(Tag, Result<Answer, Failure>)> {
        self.take(|said| match said {
            Said::Done(tag, result) => Some((tag, result)),
            _ => None,
        })
    }

    fn take<T>(&mut self, which: impl Fn(Said) -> Option<T>) -> Vec<T> {
        let taken = self.said.iter().cloned().filter_map(&which).collect();
        self.said.retain(|said| which(said.clone()).is_none());
        taken
    }
}

enum Driven {
    Wall,
    Load,
    Store(Vec<u8>),
    LoadSession,
    StoreSession(Vec<u8>),
    Closed,
    Sent(usize),
}

/// The body that assigns a hub.
pub(crate) fn assigned(hub: &str, device: &str) -> Value {
    json!({
        "operationId": OPERATION,
        "status": "assigned",
        "registrationState": {"assignedHub": hub, "deviceId": device, "substatus": "initialAssignment"},
    })
}

/// The body that asks for patience.
pub(crate) fn assigning() -> Value {
    json!({"operationId": OPERATION, "status": "assigning"})
}

impl From<&Packet<'_>> for Wire {
    fn from(packet: &Packet<'_>) -> Self {
        match packet {
            Packet::Connect(connect) => Self::Connect {
                client_id: connect.client_id.into(),
                user_name: connect.user_name.unwrap().into(),
                password: connect.password.map(|password| String::from_utf8(password.to_vec()).unwrap()),
                clean: connect.clean_session,
                will: connect.will.as_ref().map(|will| will.topic.into()),
            },
            Packet::Publish(publish) => Self::Publish {
                topic: publish.topic.into(),
                payload: publish.payload.to_vec(),
                id: publish.delivery.id().map(PacketId::get),
                dup: publish.dup,
            },
            Packet::Subscribe(subscribe) => {
                let filters: Vec<_> = subscribe.filters().collect();
                assert_eq!(filters.len(), 1, "one filter after the other");
                Self::Subscribe { id: subscribe.id.get(), filter: filters[0].0.into(), qos: filters[0].1.level() }
            }
            Packet::PubAck(id) => Self::PubAck(id.get()),
            Packet::Disconnect => Self::Disconnect,
            _ => Self::Other,
        }
    }
}

//! The platform as a test plays it: it takes packets apart, answers by hand, and keeps what the device told.

use skytether_core::{
    device::{self, Device},
    io::{Action, Cause, Failure, Input, Instant, Machine, Refusal, Rejected, Step, Tag, UnixMillis},
    link::QoS,
    mqtt::{
        codec::{AckKind, ConnAck, Delivery, Measured, Outgoing, Packet, PacketId, ack, decode, suback_append},
        session::{Options, Session},
    },
    tencent::{
        Answer, Command, Config, Event, Proof, Tencent, UserTopic,
        identity::{DeviceName, DeviceSecret, ProductId},
    },
};

/// What a device gave out.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Said {
    Act(Action),
    Event(device::Event<Event>),
    Done(Tag, Result<Answer, Failure>),
}

/// A device and the moment it lives in.
pub(crate) struct Sky {
    pub(crate) device: Device<Session, Tencent>,
    pub(crate) now: Instant,
    pub(crate) said: Vec<Said>,
}

pub(crate) fn door() -> Config {
    Config::new(
        ProductId::new("DOORPRD9A1").unwrap(),
        DeviceName::new("door1").unwrap(),
        Proof::Key(DeviceSecret::from_base64("JTTi3h3sJP7atMACZrVbqQ==").unwrap()),
    )
}

pub(crate) fn publish(topic: UserTopic, payload: &'static [u8], qos: QoS) -> Command {
    Command::Publish { topic, payload: payload.into(), qos, ttl: None }
}

impl Sky {
    pub(crate) fn new(config: Config) -> Self {
        let cloud = Tencent::new(config).unwrap();
        let device =
            Device::new(Session::new(Options::default()), cloud, device::Config::default(), [7; 32], Instant::ZERO);
        let mut sky = Self { device, now: Instant::ZERO, said: Vec::new() };
        sky.give(Input::Tick);
        sky
    }

    /// A device that is connected, with nothing left to read of how it got there.
    pub(crate) fn up() -> Self {
        let mut sky = Self::new(door());
        sky.wait_for_open();
        sky.accept(false);
        sky.said.clear();
        sky
    }

    /// Lets time pass until the device wants a pipe, and opens it.
    pub(crate) fn wait_for_open(&mut self) -> Vec<Wire> {
        for _ in 0..1000 {
            if self.said.iter().any(|said| matches!(said, Said::Act(Action::Open(_)))) {
                self.said.clear();
                self.give(Input::Opened);
                return self.sent();
            }
            self.now = self.device.deadline().expect("it waits for something").at.max(self.now);
            self.give(Input::Tick);
        }
        panic!("it never dialled: {:?}", self.said);
    }

    pub(crate) fn accept(&mut self, session_present: bool) {
        let packet = ConnAck { session_present, refusal: None }.encode();
        self.give(Input::Bytes(&packet));
    }

    pub(crate) fn refuse(&mut self, refusal: Refusal) {
        let packet = ConnAck { session_present: false, refusal: Some(refusal) }.encode();
        self.give(Input::Bytes(&packet));
        self.give(Input::Closed(Cause::Lost));
    }

    pub(crate) fn give(&mut self, mut input: Input<'_>) {
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

    pub(crate) fn tick_at(&mut self, now: u64) {
        self.now = Instant(now);
        self.give(Input::Tick);
    }

    pub(crate) fn tell_wall(&mut self, wall: u64) {
        self.give(Input::Wall(UnixMillis(wall)));
    }

    pub(crate) fn command(&mut self, command: &Command) -> Result<Tag, Rejected> {
        let tag = self.device.command(self.now, command)?;
        self.give(Input::Tick);
        Ok(tag)
    }

    /// Takes what waits for the pipe, packet by packet.
    pub(crate) fn sent(&mut self) -> Vec<Wire> {
        let mut packets = Vec::new();
        loop {
            let bytes = self.device.transmit().to_vec();
            if bytes.is_empty() {
                return packets;
            }
            let mut rest = &bytes[..];
            while let Some((packet, used)) = decode(rest, 1 << 20).expect("packets of ours are sound") {
                packets.push(Wire::from(&packet));
                rest = &rest[used..];
            }
            assert!(rest.is_empty(), "half a packet");
            self.give(Input::Sent(bytes.len()));
        }
    }

    pub(crate) fn suback(&mut self, id: u16, code: Option<QoS>) {
        let mut packet = Vec::new();
        suback_append(&mut packet, PacketId::new(id).unwrap(), &[code]).unwrap();
        self.give(Input::Bytes(&packet));
    }

    pub(crate) fn ack(&mut self, kind: AckKind, id: u16) {
        self.give(Input::Bytes(&ack(kind, PacketId::new(id).unwrap())));
    }

    /// The platform publishes at QoS 0.
    pub(crate) fn message(&mut self, topic: &str, payload: &[u8]) {
        let delivery = Delivery::AtMostOnce;
        let message = Outgoing { topic: &[topic], payload, delivery, dup: false, retain: false };
        let measured: Measured = message.measure().unwrap();
        let mut packet = Vec::new();
        message.append(measured, &mut packet);
        self.give(Input::Bytes(&packet));
    }

    pub(crate) fn events(&mut self) -> Vec<Event> {
        self.take(|said| match said {
            Said::Event(device::Event::Cloud(event)) => Some(event),
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

/// A packet as it went over the wire, owned.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Wire {
    Connect { client_id: String, user_name: String, password: Option<String>, keep_alive: u16, clean: bool, will: bool },
    Publish { topic: String, payload: Vec<u8>, qos: u8, id: Option<u16>, retain: bool },
    Subscribe { id: u16, filter: String, qos: u8 },
    Unsubscribe { id: u16, filter: String },
    Other,
}

impl From<&Packet<'_>> for Wire {
    fn from(packet: &Packet<'_>) -> Self {
        match packet {
            Packet::Connect(connect) => Self::Connect {
                client_id: connect.client_id.into(),
                user_name: connect.user_name.unwrap().into(),
                password: connect.password.map(|password| String::from_utf8(password.to_vec()).unwrap()),
                keep_alive: connect.keep_alive,
                clean: connect.clean_session,
                will: connect.will.is_some(),
            },
            Packet::Publish(publish) => Self::Publish {
                topic: publish.topic.into(),
                payload: publish.payload.to_vec(),
                qos: publish.delivery.qos().level(),
                id: publish.delivery.id().map(PacketId::get),
                retain: publish.retain,
            },
            Packet::Subscribe(subscribe) => {
                let filters: Vec<_> = subscribe.filters().collect();
                assert_eq!(filters.len(), 1, "the platform takes one filter a packet");
                Self::Subscribe { id: subscribe.id.get(), filter: filters[0].0.into(), qos: filters[0].1.level() }
            }
            Packet::Unsubscribe(unsubscribe) => {
                let filter = unsubscribe.filters().next().unwrap().into();
                Self::Unsubscribe { id: unsubscribe.id.get(), filter }
            }
            _ => Self::Other,
        }
    }
}

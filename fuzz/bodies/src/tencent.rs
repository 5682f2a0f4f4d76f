//! Does a device of Tencent's hold on any topic and any JSON, and are its readers sound?
//!
//! Bytes: a list of things, each a byte and what it needs: messages on any topic, on the service topics and on its own;
//! acknowledgements of what it asked; commands; time. Besides, each payload goes through the readers that stand alone.

use crate::{script::Script, wire};
use skytether_core::{
    device::{self, Device, Event},
    io::{Action, Cause, Input, Instant, Machine, Step, Tag, UnixMillis},
    link::QoS,
    mqtt::{
        codec::{AckKind, ConnAck, Packet, ack, decode, suback_append},
        session::{Options, Session},
        topic::check_name,
    },
    tencent::{
        Command, Config, Proof, Tencent, UserTopic,
        device_info::DeviceInfo,
        identity::{DeviceName, DeviceSecret, ProductId},
        time::ServerTimes,
        topic::Topic,
    },
};
use std::collections::BTreeSet;

const SECRET: &str = "JTTi3h3sJP7atMACZrVbqQ==";
const SERVICES: [&str; 8] = [
    "$sys/operation/result/DOORPRD9A1/door1",
    "$shadow/operation/result/DOORPRD9A1/door1",
    "$ota/update/DOORPRD9A1/door1",
    "$rrpc/rxd/DOORPRD9A1/door1/1",
    "$gateway/operation/result/DOORPRD9A1/door1",
    "DOORPRD9A1/door1/control",
    "AIRCPRD7B2/ac1/control",
    "$thing/down/property/DOORPRD9A1/door1",
];

pub(crate) fn run(data: &[u8]) {
    let mut script = Script::new(data);
    let mut door = Door::new();
    for _ in 0..200 {
        if script.is_empty() {
            break;
        }
        match script.byte() % 8 {
            0 => {
                let (topic, payload) = (script.piece(), script.piece());
                if let Ok(topic) = str::from_utf8(topic) {
                    readers(topic, payload);
                    door.message(topic, payload);
                }
            }
            1 => {
                let (topic, payload) = (script.pick(&SERVICES), script.piece());
                readers(topic, payload);
                door.message(topic, payload);
            }
            2 => door.command(&Command::SyncTime),
            3 => door.command(&Command::Publish {
                topic: UserTopic::own(String::from_utf8_lossy(script.piece())),
                payload: script.piece().to_vec().into(),
                qos: script.pick(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce]),
                ttl: None,
            }),
            4 => door.command(&Command::Subscribe {
                filter: UserTopic::full(String::from_utf8_lossy(script.piece())),
                qos: QoS::AtLeastOnce,
            }),
            5 => door.wait(script.pick(&[1, 1_000, 6_000, 40_000, 600_000])),
            6 => door.give(Input::Wall(UnixMillis(1_700_000_000_000 + u64::from(script.word()) * 1_000_000))),
            _ => door.give(Input::Closed(Cause::Lost)),
        }
        door.serve();
    }
    door.close();
}

/// What stands alone: inverse of its writer, and an error instead of a panic.
fn readers(topic: &str, payload: &[u8]) {
    if let Some(parsed) = Topic::parse(topic) {
        let written = parsed.to_string();
        assert_eq!(written, topic, "{parsed:?}");
    }
    if let Ok(Some(times)) = ServerTimes::parse(payload) {
        let judged = times.judge(Instant(5), Instant(50), Some(UnixMillis(1_700_000_000_000)));
        assert!(!format!("{judged:?}").is_empty());
    }
    if let Err(error) = DeviceInfo::parse(payload) {
        assert!(!format!("{error} {error:?}").contains(SECRET), "a secret in an error (R-10)");
    }
}

/// A device, its platform answering whatever has an id.
struct Door {
    device: Device<Session, Tencent>,
    now: Instant,
    open: bool,
    due: Vec<u8>,
    under_way: BTreeSet<Tag>,
}

impl Door {
    fn new() -> Self {
        let config = Config::new(
            ProductId::new("DOORPRD9A1").expect("valid"),
            DeviceName::new("door1").expect("valid"),
            Proof::Key(DeviceSecret::from_base64(SECRET).expect("valid")),
        );
        let cloud = Tencent::new(config).expect("valid");
        let link = Session::new(Options::default());
        let device = Device::new(link, cloud, device::Config::default(), [7; 32], Instant::ZERO);
        let (open, due, under_way) = (false, Vec::new(), BTreeSet::new());
        let mut door = Self { device, now: Instant::ZERO, open, due, under_way };
        door.give(Input::Wall(UnixMillis(1_700_000_000_000)));
        door.wait(1_000);
        door.serve();
        door
    }

    fn give(&mut self, mut input: Input<'_>) {
        if matches!(input, Input::Closed(_)) {
            self.open = false;
            self.due.clear();
        }
        for _ in 0..10_000 {
            match self.device.step(self.now, &mut input) {
                Step::Idle => {
                    let deadline = self.device.deadline();
                    assert!(deadline.is_none_or(|deadline| deadline.at > self.now), "{deadline:?} (R-9)");
                    return;
                }
                Step::Again | Step::Event(Event::Note(_) | Event::Cloud(_)) => {}
                Step::Event(event) => assert!(!format!("{event:?}").contains(SECRET), "a secret in an event (R-10)"),
                Step::Done(tag, _) => assert!(self.under_way.remove(&tag), "{tag:?} ended, and was not open (R-5)"),
                Step::Act(action) => self.act(&action),
            }
        }
        panic!("it never rests (R-1)");
    }

    fn act(&mut self, action: &Action) {
        match action {
            Action::Open(_) => self.open = true,
            Action::Close => self.open = false,
            _ => {}
        }
    }

    /// The pipe and the platform at the other end of it.
    fn serve(&mut self) {
        for _ in 0..50 {
            if self.open {
                self.give(Input::Opened);
            } else {
                self.give(Input::Closed(Cause::Asked));
            }
            let sent = self.device.transmit().to_vec();
            if !sent.is_empty() {
                self.give(Input::Sent(sent.len()));
                self.answer(&sent);
            }
            let due = core::mem::take(&mut self.due);
            if sent.is_empty() && due.is_empty() {
                return;
            }
            if self.open {
                self.give(Input::Bytes(&due));
            }
        }
    }

    fn answer(&mut self, sent: &[u8]) {
        let mut rest = sent;
        while !rest.is_empty() {
            let (packet, used) = decode(rest, 1 << 20).expect("well-formed (R-8)").expect("and whole");
            match packet {
                Packet::Connect(_) => {
                    self.due.extend(ConnAck { session_present: false, refusal: None }.encode());
                }
                Packet::Publish(publish) => {
                    self.due.extend(publish.delivery.id().iter().flat_map(|id| ack(AckKind::PubAck, *id)));
                }
                Packet::Subscribe(subscribe) => {
                    let codes: Vec<_> = subscribe.filters().map(|(_, qos)| Some(qos)).collect();
                    suback_append(&mut self.due, subscribe.id, &codes).expect("codes");
                }
                Packet::Unsubscribe(unsubscribe) => self.due.extend(ack(AckKind::UnsubAck, unsubscribe.id)),
                Packet::PingReq => self.due.extend([0xd0, 0]),
                _ => {}
            }
            rest = &rest[used..];
        }
    }

    fn message(&mut self, topic: &str, payload: &[u8]) {
        if check_name(topic).is_ok() && self.open {
            let packet = wire::publish(topic, payload, QoS::AtMostOnce, 1, false);
            self.give(Input::Bytes(&packet));
        }
    }

    fn command(&mut self, command: &Command) {
        if let Ok(tag) = self.device.command(self.now, command) {
            assert!(self.under_way.insert(tag), "{tag:?} is in use");
        }
        self.give(Input::Tick);
    }

    /// Time goes on, and each deadline on the way is served.
    fn wait(&mut self, ms: u64) {
        let end = Instant(self.now.0 + ms);
        for _ in 0..100 {
            let Some(deadline) = self.device.deadline().filter(|deadline| deadline.at <= end) else { break };
            self.now = self.now.max(deadline.at);
            self.give(Input::Tick);
            self.serve();
        }
        self.now = end;
        self.give(Input::Tick);
    }

    /// The end: all that was accepted has ended.
    fn close(&mut self) {
        self.device.close(self.now);
        self.give(Input::Tick);
        self.serve();
        self.wait(600_000);
        self.open = false;
        self.give(Input::Closed(Cause::Lost));
        assert!(self.under_way.is_empty(), "never ended (R-5): {:?}", self.under_way);
    }
}

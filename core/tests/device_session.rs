//! What a device keeps its word about over the real MQTT session: a connection cut at any byte, and the end.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc,
    reason = "tests fail by panicking, and run on std"
)]

use skytether_core::{
    device::{Config, Device, Event},
    io::{Action, Cause, Failure, Input, Instant, Machine, Refusal, Step, Tag},
    link::{Connect, Endpoint, QoS},
    mqtt::{
        codec::{self, AckKind, ConnAck, Delivery, Outgoing, Packet, PacketId},
        session::{Options, Session},
    },
    plain::{self, Answer, Command, Plain},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

type Outcome = Result<Answer, Failure>;

/// Where the first connection breaks: after so many bytes in one direction.
#[derive(Clone, Copy, Debug)]
enum Cut {
    Never,
    Up(usize),
    Down(usize),
}

/// The device, a broker with one session, and the wire between them.
struct World {
    device: Device<Session, Plain>,
    broker: Broker,
    now: Instant,
    cut: Cut,
    up: usize,
    down: usize,
    to_device: Vec<u8>,
    done: BTreeMap<Tag, Outcome>,
    heard: Vec<String>,
    said: Vec<Event<plain::Event>>,
    open: bool,
}

impl World {
    fn new(cut: Cut, keeps: bool) -> Self {
        let connect = Connect { client_id: "d".into(), keep_alive: 60, ..Connect::default() };
        let cloud = Plain::new(plain::Config { endpoint: Endpoint::tcp("broker", 1883), connect });
        let session = Session::new(Options::default());
        Self {
            device: Device::new(session, cloud, Config::default(), [1; 32], Instant::ZERO),
            broker: Broker { keeps, ..Broker::default() },
            now: Instant::ZERO,
            cut,
            up: 0,
            down: 0,
            to_device: Vec::new(),
            done: BTreeMap::new(),
            heard: Vec::new(),
            said: Vec::new(),
            open: false,
        }
    }

    fn command(&mut self, command: &Command) -> Tag {
        self.device.command(self.now, command).unwrap()
    }

    fn publish(&mut self, payload: &'static str, qos: QoS) -> Tag {
        let payload = payload.as_bytes().into();
        self.command(&Command::Publish { topic: "t".into(), payload, qos, retain: false, ttl: None })
    }

    fn give(&mut self, mut input: Input<'_>) {
        loop {
            match self.device.step(self.now, &mut input) {
                Step::Idle => return,
                Step::Again => {}
                Step::Act(Action::Open(_)) => {
                    self.open = true;
                    self.to_device.clear();
                    self.broker.accept();
                    input = Input::Opened;
                }
                Step::Act(Action::Close) => {
                    self.open = false;
                    input = Input::Closed(Cause::Lost);
                }
                Step::Act(action) => panic!("{action:?}"),
                Step::Event(Event::Cloud(plain::Event::Message(message))) => {
                    self.heard.push(String::from_utf8(message.payload().to_vec()).unwrap());
                }
                Step::Event(event) => self.said.push(event),
                Step::Done(tag, outcome) => assert_eq!(self.done.insert(tag, outcome), None, "R-5: {tag:?} ends once"),
            }
        }
    }

    fn lose(&mut self) {
        self.open = false;
        self.cut = Cut::Never;
        self.give(Input::Closed(Cause::Lost));
    }

    /// Lets bytes flow both ways until neither side has any.
    fn flow(&mut self) {
        self.give(Input::Tick);
        while self.open {
            let bytes = self.device.transmit().to_vec();
            if bytes.is_empty() && self.to_device.is_empty() {
                return;
            }
            let room = if let Cut::Up(at) = self.cut { at - self.up } else { usize::MAX };
            let passed = &bytes[..bytes.len().min(room)];
            self.up += passed.len();
            self.broker.read(passed, &mut self.to_device);
            self.give(Input::Sent(passed.len()));
            if passed.len() == room {
                // What was on its way back is gone.
                return self.lose();
            }
            let bytes = std::mem::take(&mut self.to_device);
            let room = if let Cut::Down(at) = self.cut { at - self.down } else { usize::MAX };
            let passed = &bytes[..bytes.len().min(room)];
            self.down += passed.len();
            if self.open {
                self.give(Input::Bytes(passed));
            }
            if passed.len() == room {
                return self.lose();
            }
        }
    }

    fn run(&mut self, long: Duration) {
        let end = self.now.after(long);
        self.flow();
        while let Some(deadline) = self.device.deadline().filter(|deadline| deadline.at <= end) {
            assert!(deadline.at > self.now, "R-9: {deadline:?}");
            self.now = deadline.at;
            self.flow();
        }
        self.now = end;
    }
}

/// A broker that talks to one client at a time, and remembers it if it `keeps`.
#[derive(Default)]
#[allow(clippy::struct_excessive_bools, reason = "independent facts")]
struct Broker {
    keeps: bool,
    refuses: Option<Refusal>,
    known: bool,
    subscribed: bool,
    unread: Vec<u8>,
    /// Ids of QoS 2 messages received and not released.
    held: BTreeSet<u16>,
    /// Messages to the client: id, and whether PUBREC has come.
    owed: BTreeMap<u16, bool>,
    got: Vec<String>,
    farewell: bool,
}

impl Broker {
    fn accept(&mut self) {
        self.unread.clear();
        self.farewell = false;
    }

    fn read(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.unread.extend_from_slice(bytes);
        let unread = std::mem::take(&mut self.unread);
        let mut rest = &unread[..];
        while let Some((packet, len)) = codec::decode(rest, 10_000).unwrap() {
            self.packet(&packet, out);
            rest = &rest[len..];
        }
        self.unread = rest.to_vec();
    }

    fn packet(&mut self, packet: &Packet<'_>, out: &mut Vec<u8>) {
        match packet {
            Packet::Connect(_) => self.greet(out),
            Packet::Publish(publish) => {
                let new = match publish.delivery {
                    Delivery::AtMostOnce => true,
                    Delivery::AtLeastOnce(id) => {
                        out.extend(codec::ack(AckKind::PubAck, id));
                        true
                    }
                    Delivery::ExactlyOnce(id) => {
                        out.extend(codec::ack(AckKind::PubRec, id));
                        self.held.insert(id.get())
                    }
                };
                if new {
                    self.got.push(String::from_utf8(publish.payload.to_vec()).unwrap());
                }
            }
            Packet::PubRel(id) => {
                self.held.remove(&id.get());
                out.extend(codec::ack(AckKind::PubComp, *id));
            }
            Packet::PubAck(id) | Packet::PubComp(id) => drop(self.owed.remove(&id.get())),
            Packet::PubRec(id) => {
                if let Some(received) = self.owed.get_mut(&id.get()) {
                    *received = true;
                }
                out.extend(codec::ack(AckKind::PubRel, *id));
            }
            Packet::Subscribe(subscribe) => {
                codec::suback_append(out, subscribe.id, &[Some(QoS::ExactlyOnce)]).unwrap();
                if !std::mem::replace(&mut self.subscribed, true) {
                    self.owed.extend([(1, false), (2, false)]);
                    self.owe(false, out);
                }
            }
            Packet::PingReq => out.extend(codec::PINGRESP),
            Packet::Disconnect => self.farewell = true,
            Packet::ConnAck(_)
            | Packet::SubAck(_)
            | Packet::Unsubscribe(_)
            | Packet::UnsubAck(_)
            | Packet::PingResp => panic!("this client does not send {packet:?}"),
        }
    }

    fn greet(&mut self, out: &mut Vec<u8>) {
        if self.refuses.is_some() {
            out.extend(ConnAck { session_present: false, refusal: self.refuses }.encode());
            return;
        }
        let session_present = self.keeps && std::mem::replace(&mut self.known, true);
        if !session_present {
            self.held.clear();
            self.owed.clear();
            self.subscribed = false;
        }
        out.extend(ConnAck { session_present, refusal: None }.encode());
        self.owe(true, out);
    }

    /// Sends what is owed, message 1 at QoS 1 and message 2 at QoS 2, as far as they have not come.
    fn owe(&self, dup: bool, out: &mut Vec<u8>) {
        for (id, received) in &self.owed {
            let id = PacketId::new(*id).unwrap();
            if *received {
                out.extend(codec::ack(AckKind::PubRel, id));
                continue;
            }
            let delivery = Delivery::new(QoS::from_level(u8::try_from(id.get()).unwrap()).unwrap(), id);
            let payload = if id.get() == 1 { b"x" } else { b"y" };
            let message = Outgoing { topic: &["in"], payload, delivery, dup, retain: false };
            message.append(message.measure().unwrap(), out);
        }
    }
}

const OUT: [(&str, QoS); 6] = [
    ("a", QoS::AtMostOnce),
    ("b", QoS::AtLeastOnce),
    ("d", QoS::ExactlyOnce),
    ("c", QoS::AtLeastOnce),
    ("e", QoS::ExactlyOnce),
    ("f", QoS::ExactlyOnce),
];

/// A conversation with all there is, cut once.
fn conversation(cut: Cut, keeps: bool) -> (World, Tag, Vec<Tag>) {
    let mut world = World::new(cut, keeps);
    let subscription = world.command(&Command::Subscribe { filter: "in".into(), qos: QoS::ExactlyOnce });
    let tags = OUT.iter().map(|(payload, qos)| world.publish(payload, *qos)).collect();
    world.run(Duration::from_mins(5));
    (world, subscription, tags)
}

fn times<T: PartialEq<str>>(heard: &[T], what: &str) -> usize {
    heard.iter().filter(|heard| **heard == *what).count()
}

#[test]
fn r_20_a_conversation_cut_at_any_byte_ends_well_where_the_broker_keeps_the_session() {
    let (whole, ..) = conversation(Cut::Never, true);
    assert!(whole.up > 80 && whole.down > 50, "{} {}", whole.up, whole.down);
    let cuts = (1..=whole.up).map(Cut::Up).chain((1..=whole.down).map(Cut::Down));
    for cut in cuts.chain([Cut::Never]) {
        let (world, subscription, tags) = conversation(cut, true);
        let got = &world.broker.got;
        for ((payload, qos), tag) in OUT.iter().zip(&tags) {
            let outcome = world.done.get(tag).copied();
            match qos {
                // Handed to a pipe that broke, it may be lost, but it is not doubled.
                QoS::AtMostOnce => assert!(outcome.is_some() && times(got, payload) <= 1, "{cut:?}: {outcome:?}"),
                QoS::AtLeastOnce => {
                    assert_eq!(outcome, Some(Ok(Answer::Published)), "{cut:?}: {payload}");
                    assert!(times(got, payload) >= 1, "{cut:?}: {payload} in {got:?}");
                }
                QoS::ExactlyOnce => {
                    assert_eq!(outcome, Some(Ok(Answer::Published)), "{cut:?}: {payload}");
                    assert_eq!(times(got, payload), 1, "{cut:?}: {payload} in {got:?}");
                }
            }
        }
        let first = |what: &str| got.iter().position(|got| got == what);
        assert!(first("b") < first("c") && first("d") < first("e"), "R-81, {cut:?}: {got:?}");
        assert!(world.done.contains_key(&subscription), "{cut:?}");
        assert!(times(&world.heard, "x") >= 1, "{cut:?}: {:?}", world.heard);
        assert_eq!(times(&world.heard, "y"), 1, "R-6, {cut:?}: {:?}", world.heard);
        let downs = world.said.iter().filter(|event| matches!(event, Event::Down { .. })).count();
        assert_eq!(downs, usize::from(!matches!(cut, Cut::Never)), "{cut:?}");
    }
}

#[test]
fn r_20_a_conversation_cut_at_any_byte_ends_well_where_the_broker_forgets_the_session() {
    let (whole, ..) = conversation(Cut::Never, false);
    for cut in (1..=whole.up).map(Cut::Up).chain((1..=whole.down).map(Cut::Down)) {
        let (world, subscription, tags) = conversation(cut, false);
        let got = &world.broker.got;
        for ((payload, qos), tag) in OUT.iter().zip(&tags).filter(|((_, qos), _)| *qos != QoS::AtMostOnce) {
            let outcome = world.done.get(tag).copied();
            let told = match qos {
                // PUBREC had come: sending it again might double it.
                QoS::ExactlyOnce => matches!(outcome, Some(Ok(Answer::Published) | Err(Failure::Lost))),
                QoS::AtMostOnce | QoS::AtLeastOnce => outcome == Some(Ok(Answer::Published)),
            };
            assert!(told, "{cut:?}: {payload} {outcome:?}");
            assert!(times(got, payload) >= 1, "{cut:?}: {payload} in {got:?}");
        }
        assert!(world.done.contains_key(&subscription), "{cut:?}");
        assert!(world.broker.subscribed, "{cut:?}: it subscribes again");
        assert!(times(&world.heard, "y") >= 1, "{cut:?}: {:?}", world.heard);
    }
}

#[test]
fn r_31_closing_says_disconnect_and_ends_every_command_once() {
    for drain in [None, Some(Duration::from_secs(1))] {
        let mut world = World::new(Cut::Never, true);
        let config = Config { drain, ..Config::default() };
        let connect = Connect { client_id: "d".into(), ..Connect::default() };
        let cloud = Plain::new(plain::Config { endpoint: Endpoint::tcp("broker", 1883), connect });
        world.device = Device::new(Session::new(Options::default()), cloud, config, [1; 32], Instant::ZERO);
        world.run(Duration::from_secs(1));
        let tags: Vec<_> = OUT.iter().map(|(payload, qos)| world.publish(payload, *qos)).collect();
        world.device.close(world.now);
        world.run(Duration::from_secs(5));
        assert!(world.device.is_closed() && world.broker.farewell, "{drain:?}");
        assert!(tags.iter().all(|tag| world.done.contains_key(tag)), "{drain:?}: {:?}", world.done);
        if drain.is_some() {
            assert!(world.done.values().all(Result::is_ok), "there was time: {:?}", world.done);
        }
        assert_eq!(world.said.last(), Some(&Event::Down { cause: Cause::Asked, retry: None }), "{drain:?}");
    }
}

#[test]
fn r_145_closing_ends_though_the_broker_is_dead() {
    let mut world = World::new(Cut::Never, true);
    world.run(Duration::from_secs(1));
    let tag = world.publish("b", QoS::AtLeastOnce);
    world.give(Input::Tick);
    world.device.close(world.now);
    world.give(Input::Tick);
    world.now = world.now.after(Duration::from_secs(5));
    world.give(Input::Tick);
    assert!(world.device.is_closed());
    assert_eq!(world.done, BTreeMap::from([(tag, Err(Failure::Closed))]));
}

#[test]
fn r_24_wrong_credentials_are_told_each_time_and_never_hammered() {
    let mut world = World::new(Cut::Never, true);
    world.broker.refuses = Some(Refusal::BadCredentials);
    let tag = world.publish("b", QoS::AtLeastOnce);
    world.run(Duration::from_hours(2));
    let downs: Vec<_> = world.said.iter().filter(|event| matches!(event, Event::Down { .. })).collect();
    assert!((4..12).contains(&downs.len()), "{} dials in two hours", downs.len());
    for down in downs {
        let Event::Down { cause: Cause::Refused(Refusal::BadCredentials), retry: Some(wait) } = down else {
            panic!("{down:?}")
        };
        assert!(*wait >= Duration::from_mins(1), "{wait:?}");
    }
    assert_eq!(world.done.get(&tag), None, "what was queued waits");
    world.broker.refuses = None;
    world.device.reconnect_now(world.now);
    world.run(Duration::from_secs(1));
    assert_eq!(world.done.get(&tag), Some(&Ok(Answer::Published)));
}

#[test]
fn r_30_a_server_that_speaks_something_else_is_a_counted_failure() {
    for banner in [&b"HTTP/1.1 400 Bad Request\r\n"[..], &[0x15, 3, 3, 0, 2, 2, 70], b"SSH-2.0-OpenSSH_9.2\r\n"] {
        let mut world = World::new(Cut::Never, true);
        world.give(Input::Tick);
        world.give(Input::Bytes(banner));
        let [.., Event::Down { cause, retry: Some(wait) }] = &world.said[..] else { panic!("{:?}", world.said) };
        assert!(matches!(cause, Cause::Protocol(_) | Cause::Malformed(_) | Cause::TooLarge { .. }), "{cause:?}");
        assert!(*wait >= Duration::from_millis(250) && *wait <= Duration::from_secs(1), "{wait:?}");
    }
}

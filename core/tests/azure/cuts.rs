//! the whole way from the provisioning service to the hub, cut after each byte of either direction.

use crate::rig::{HUB, assigned, assigning, provisioning};
use serde_json::json;
use skytether_core::{
    azure::{Answer, Azure, Command, Telemetry},
    device::{self, Device, Event},
    io::{Action, Cause, Failure, Input, Instant, Key, Machine as _, Step, Tag, UnixMillis},
    link::QoS,
    mqtt::{
        codec::{AckKind, ConnAck, Delivery, Outgoing, Packet, ack, decode, suback_append},
        session::{Options, Session},
    },
};

/// A device, and a platform that answers by itself over a pipe that breaks once, after so many bytes.
struct Life {
    device: Device<Session, Azure>,
    now: Instant,
    /// Bytes until the cut, of what the device sends and of what it hears.
    left: [Option<usize>; 2],
    /// Bytes that went each way in all.
    passed: [usize; 2],
    /// What the platform has received and not taken apart.
    inbox: Vec<u8>,
    queries: u32,
    stored: Option<Vec<u8>>,
    ready: u32,
    heard: Vec<Vec<u8>>,
    command: Option<Tag>,
    done: Vec<(Tag, Result<Answer, Failure>)>,
}

impl Life {
    fn new(left: [Option<usize>; 2]) -> Self {
        let cloud = Azure::new(provisioning()).unwrap();
        let device =
            Device::new(Session::new(Options::default()), cloud, device::Config::default(), [7; 32], Instant::ZERO);
        Self {
            device,
            now: Instant::ZERO,
            left,
            passed: [0; 2],
            inbox: Vec::new(),
            queries: 0,
            stored: None,
            ready: 0,
            heard: Vec::new(),
            command: None,
            done: Vec::new(),
        }
    }

    /// Lives until the message is acknowledged, for an hour at most.
    fn run(&mut self) {
        self.give(Input::Tick);
        while self.done.is_empty() && self.now.0 < 3_600_000 {
            if self.device.transmit().is_empty() {
                self.now = self.device.deadline().expect("it waits for something").at.max(self.now);
                self.give(Input::Tick);
            } else {
                self.send();
            }
            if self.command.is_none() && self.stored.is_some() {
                let message = Command::Telemetry(Telemetry::bytes(&b"precious"[..]));
                self.command = Some(self.device.command(self.now, &message).unwrap());
                self.give(Input::Tick);
            }
        }
    }

    /// Hands on what the device sends, as far as the pipe goes, and lets the platform answer.
    fn send(&mut self) {
        let bytes = self.device.transmit().to_vec();
        let len = self.left[0].unwrap_or(usize::MAX).min(bytes.len());
        self.inbox.extend_from_slice(&bytes[..len]);
        self.passed[0] += len;
        if let Some(left) = &mut self.left[0] {
            *left -= len;
        }
        if len > 0 {
            self.give(Input::Sent(len));
        }
        if self.left[0] == Some(0) {
            return self.cut(0);
        }
        while let Some((packet, used)) = decode(&self.inbox, 1 << 20).unwrap() {
            let answers = answers(&packet, &mut self.queries, &mut self.heard);
            self.inbox.drain(..used);
            for answer in answers {
                if !self.hear(&answer) {
                    return;
                }
            }
        }
    }

    fn hear(&mut self, bytes: &[u8]) -> bool {
        let len = self.left[1].unwrap_or(usize::MAX).min(bytes.len());
        self.passed[1] += len;
        if let Some(left) = &mut self.left[1] {
            *left -= len;
        }
        self.give(Input::Bytes(&bytes[..len]));
        if self.left[1] == Some(0) {
            self.cut(1);
            return false;
        }
        true
    }

    fn cut(&mut self, way: usize) {
        self.left[way] = None;
        self.inbox.clear();
        self.give(Input::Closed(Cause::Lost));
    }

    fn give(&mut self, mut input: Input<'_>) {
        let mut todo = Vec::new();
        for _ in 0..1000 {
            match self.device.step(self.now, &mut input) {
                Step::Idle => break,
                Step::Again => {}
                Step::Act(action) => todo.push(action),
                Step::Event(event) => self.ready += u32::from(event == Event::Ready),
                Step::Done(tag, outcome) => self.done.push((tag, outcome)),
            }
        }
        for action in todo {
            match action {
                Action::AskWall => self.give(Input::Wall(UnixMillis(1_700_000_000_000 + self.now.0))),
                Action::Load(key) => self.give(Input::Loaded(key, Ok(None))),
                Action::Store(Key::Hub, record) => {
                    self.stored = Some(record);
                    self.give(Input::Stored(Key::Hub, Ok(())));
                }
                Action::Open(_) => {
                    self.inbox.clear();
                    self.give(Input::Opened);
                }
                Action::Close => self.give(Input::Closed(Cause::Lost)),
                other => panic!("{other:?}"),
            }
        }
    }
}

/// What the platform says to a packet.
fn answers(packet: &Packet<'_>, queries: &mut u32, heard: &mut Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    match packet {
        Packet::Connect(_) => vec![ConnAck { session_present: false, refusal: None }.encode().to_vec()],
        Packet::Subscribe(subscribe) => {
            let mut packet = Vec::new();
            suback_append(&mut packet, subscribe.id, &[Some(QoS::AtLeastOnce)]).unwrap();
            vec![packet]
        }
        Packet::PingReq => vec![vec![0xd0, 0]],
        Packet::Publish(publish) => {
            let rid = publish.topic.split_once("$rid=").map_or("", |(_, rest)| rest.split('&').next().unwrap());
            let mut answers: Vec<_> =
                publish.delivery.id().map(|id| ack(AckKind::PubAck, id).to_vec()).into_iter().collect();
            if publish.topic.contains("iotdps-register") {
                let topic = format!("$dps/registrations/res/202/?$rid={rid}&retry-after=1");
                answers.push(message(&topic, &assigning().to_string()));
            } else if publish.topic.contains("operationId") {
                *queries += 1;
                answers.push(message(
                    &format!("$dps/registrations/res/200/?$rid={rid}"),
                    &assigned(HUB, "pump-7").to_string(),
                ));
            } else if publish.topic.starts_with("$iothub/twin/GET") {
                let twin = json!({"desired": {"$version": 1}, "reported": {"$version": 1}});
                answers.push(message(&format!("$iothub/twin/res/200/?$rid={rid}"), &twin.to_string()));
            } else {
                heard.push(publish.payload.to_vec());
            }
            answers
        }
        _ => Vec::new(),
    }
}

fn message(topic: &str, payload: &str) -> Vec<u8> {
    let (topic, payload) = ([topic], payload.as_bytes());
    let message = Outgoing { topic: &topic, payload, delivery: Delivery::AtMostOnce, dup: false, retain: false };
    let mut packet = Vec::new();
    message.append(message.measure().unwrap(), &mut packet);
    packet
}

#[test]
fn r_20_a_cut_at_any_byte_costs_time_and_nothing_else() {
    let mut whole = Life::new([None; 2]);
    whole.run();
    assert_eq!((whole.ready, whole.heard.len(), whole.queries), (1, 1, 1));
    let [sent, heard] = whole.passed;
    let cuts = (1..=sent).map(|at| [Some(at), None]).chain((1..=heard).map(|at| [None, Some(at)]));
    for left in cuts {
        let mut life = Life::new(left);
        life.run();
        let tag = life.command.unwrap_or_else(|| panic!("{left:?}: never assigned"));
        assert_eq!(life.done, [(tag, Ok(Answer::Sent))], "{left:?}");
        assert!((1..=2).contains(&life.heard.len()), "{left:?}: {:?}", life.heard);
        assert!(life.heard.iter().all(|payload| payload == b"precious"), "{left:?}");
        assert!(life.now.0 < 120_000, "{left:?}: {:?}", life.now);
    }
}

//! A device at a hub, the hub being this file: it accepts, grants and acknowledges, and says only what it is told to.

use serde_json::Value;
use skytether_core::{
    azure::{
        Answer, Azure, Command, Config, Event, Proof, Route,
        identity::{DeviceId, HostName, ModuleId, Whom},
    },
    device::{self, Device},
    io::{Action, Cause, Failure, Input, Instant, Machine as _, Rejected, Step, Tag},
    mqtt::{
        codec::{AckKind, ConnAck, Delivery, Outgoing, Packet, ack, decode, suback_append},
        session::{Options, Session},
    },
};

pub(crate) type Done = (Tag, Result<Answer, Failure>);

/// A device and the moment it lives in.
pub(crate) struct Bench {
    pub(crate) device: Device<Session, Azure>,
    pub(crate) now: Instant,
    /// Whether the next connection is accepted at once.
    pub(crate) reachable: bool,
    open: bool,
    wanted: bool,
    due: Vec<u8>,
    /// What the hub was told, and not asked for yet.
    heard: Vec<(String, Vec<u8>, u8)>,
    filters: Vec<String>,
    events: Vec<Event>,
    downs: Vec<Cause>,
    done: Vec<Done>,
    /// What it asked of the driver besides connections.
    pub(crate) acts: Vec<Action>,
}

pub(crate) fn device_config() -> Config {
    let host = HostName::new("contoso-hub.azure-devices.net").unwrap();
    Config::new(Route::Hub { host, whom: Whom::device(DeviceId::new("dev-7").unwrap()) }, Proof::Certificate)
}

pub(crate) fn module_config() -> Config {
    let mut config = device_config();
    let Route::Hub { whom, .. } = &mut config.route else { unreachable!() };
    whom.module = Some(ModuleId::new("mod_1").unwrap());
    config
}

impl Bench {
    /// A device that is connected and has asked for its twin, which was not answered.
    pub(crate) fn new(config: Config) -> Self {
        let link = Session::new(Options::default());
        let cloud = Azure::new(config).unwrap();
        let device = Device::new(link, cloud, device::Config::default(), [7; 32], Instant::ZERO);
        let mut bench = Self {
            device,
            now: Instant::ZERO,
            reachable: true,
            open: false,
            wanted: false,
            due: Vec::new(),
            heard: Vec::new(),
            filters: Vec::new(),
            events: Vec::new(),
            downs: Vec::new(),
            done: Vec::new(),
            acts: Vec::new(),
        };
        bench.give(Input::Tick);
        bench.serve();
        bench
    }

    /// A device that is connected and knows its twin, which is empty and of version 1.
    pub(crate) fn in_step() -> Self {
        let mut bench = Self::new(device_config());
        let rid = bench.rid_of_get();
        bench.twin(&rid, r#"{"desired":{"$version":1},"reported":{"$version":1}}"#);
        bench.events.clear();
        bench
    }

    pub(crate) fn give(&mut self, mut input: Input<'_>) {
        for _ in 0..10_000 {
            match self.device.step(self.now, &mut input) {
                Step::Idle => {
                    let deadline = self.device.deadline();
                    assert!(deadline.is_none_or(|deadline| deadline.at > self.now), "{deadline:?} (R-9)");
                    return;
                }
                Step::Act(Action::Open(_)) => self.wanted = true,
                Step::Act(Action::Close) => {
                    self.open = false;
                    self.give(Input::Closed(Cause::Asked));
                }
                Step::Act(action) => self.acts.push(action),
                Step::Event(device::Event::Cloud(event)) => self.events.push(event),
                Step::Event(device::Event::Down { cause, .. }) => self.downs.push(cause),
                Step::Event(_) | Step::Again => {}
                Step::Done(tag, result) => self.done.push((tag, result)),
            }
        }
        panic!("it never rests");
    }

    /// The pipe and the hub at its other end, until both rest.
    pub(crate) fn serve(&mut self) {
        for _ in 0..100 {
            if self.wanted && self.reachable {
                (self.wanted, self.open) = (false, true);
                self.give(Input::Opened);
            }
            let sent = self.device.transmit().to_vec();
            if !sent.is_empty() {
                self.give(Input::Sent(sent.len()));
                self.read(&sent);
            }
            let due = core::mem::take(&mut self.due);
            if sent.is_empty() && due.is_empty() {
                return;
            }
            if self.open {
                self.give(Input::Bytes(&due));
            }
        }
        panic!("device and hub never rest");
    }

    fn read(&mut self, sent: &[u8]) {
        let mut rest = sent;
        while !rest.is_empty() {
            let (packet, used) = decode(rest, 1 << 20).expect("sound").expect("whole");
            match packet {
                Packet::Connect(_) => {
                    self.filters.clear();
                    self.due.extend(ConnAck { session_present: false, refusal: None }.encode());
                }
                Packet::Publish(publish) => {
                    let (topic, payload) = (publish.topic.to_owned(), publish.payload.to_vec());
                    self.heard.push((topic, payload, publish.delivery.qos().level()));
                    self.due.extend(publish.delivery.id().iter().flat_map(|id| ack(AckKind::PubAck, *id)));
                }
                Packet::Subscribe(subscribe) => {
                    let codes: Vec<_> = subscribe.filters().map(|(_, qos)| Some(qos)).collect();
                    self.filters.extend(subscribe.filters().map(|(filter, _)| filter.to_owned()));
                    suback_append(&mut self.due, subscribe.id, &codes).unwrap();
                }
                Packet::PingReq => self.due.extend([0xd0, 0]),
                _ => {}
            }
            rest = &rest[used..];
        }
    }

    /// The hub publishes at QoS 0.
    pub(crate) fn say(&mut self, topic: &str, payload: impl AsRef<[u8]>) {
        let message = Outgoing {
            topic: &[topic],
            payload: payload.as_ref(),
            delivery: Delivery::AtMostOnce,
            dup: false,
            retain: false,
        };
        let mut packet = Vec::new();
        message.append(message.measure().unwrap(), &mut packet);
        self.give(Input::Bytes(&packet));
        self.serve();
    }

    /// The hub answers a request for the twin.
    pub(crate) fn twin(&mut self, rid: &str, body: &str) {
        self.say(&format!("$iothub/twin/res/200/?$rid={rid}"), body);
    }

    /// The hub answers a request about the twin with a status and nothing else.
    pub(crate) fn status(&mut self, status: u16, rid: &str) {
        self.say(&format!("$iothub/twin/res/{status}/?$rid={rid}"), "");
    }

    /// Time goes on, and each deadline on the way is served.
    pub(crate) fn wait(&mut self, ms: u64) {
        let end = Instant(self.now.0 + ms);
        for _ in 0..10_000 {
            let Some(deadline) = self.device.deadline().filter(|deadline| deadline.at <= end) else { break };
            self.now = self.now.max(deadline.at);
            self.give(Input::Tick);
            self.serve();
        }
        self.now = end;
        self.give(Input::Tick);
        self.serve();
    }

    /// The connection breaks.
    pub(crate) fn lose(&mut self) {
        self.open = false;
        self.due.clear();
        self.give(Input::Closed(Cause::Lost));
    }

    /// The connection breaks, and the device comes back.
    pub(crate) fn reconnect(&mut self) {
        self.lose();
        self.come_back();
    }

    /// Time goes on until the device is connected again.
    pub(crate) fn come_back(&mut self) {
        for _ in 0..1000 {
            if self.open {
                return;
            }
            self.now = self.device.deadline().expect("it dials again").at.max(self.now);
            self.give(Input::Tick);
            self.serve();
        }
        panic!("it has not come back");
    }

    pub(crate) fn command(&mut self, command: &Command) -> Result<Tag, Rejected> {
        let tag = self.device.command(self.now, command)?;
        self.give(Input::Tick);
        self.serve();
        Ok(tag)
    }

    /// What the hub was told since it was last asked: topics and payloads.
    pub(crate) fn heard(&mut self) -> Vec<(String, String)> {
        let heard = core::mem::take(&mut self.heard);
        heard.into_iter().map(|(topic, payload, _)| (topic, String::from_utf8_lossy(&payload).into_owned())).collect()
    }

    /// The same with the quality of service.
    pub(crate) fn heard_with_qos(&mut self) -> Vec<(String, u8)> {
        core::mem::take(&mut self.heard).into_iter().map(|(topic, _, qos)| (topic, qos)).collect()
    }

    /// The request ids of the twins asked for since the hub was last asked; nothing else was heard.
    pub(crate) fn rids_of_gets(&mut self) -> Vec<String> {
        let heard = self.heard();
        heard.iter().map(|(topic, _)| topic.strip_prefix("$iothub/twin/GET/?$rid=").expect(topic).to_owned()).collect()
    }

    /// The request id of the one twin asked for.
    pub(crate) fn rid_of_get(&mut self) -> String {
        let rids = self.rids_of_gets();
        let [rid] = &rids[..] else { panic!("{rids:?}") };
        rid.clone()
    }

    /// The one patch that was reported: its request id and content.
    pub(crate) fn patch(&mut self) -> (String, Value) {
        let heard = self.heard();
        let [(topic, payload)] = &heard[..] else { panic!("{heard:?}") };
        let rid = topic.strip_prefix("$iothub/twin/PATCH/properties/reported/?$rid=").expect(topic);
        (rid.to_owned(), serde_json::from_str(payload).unwrap())
    }

    /// When the report that waits to be read was made, if there is one.
    pub(crate) fn peek_patch(&self) -> Option<Instant> {
        let reported = |topic: &str| topic.starts_with("$iothub/twin/PATCH/properties/reported/");
        self.heard.iter().any(|(topic, ..)| reported(topic)).then_some(self.now)
    }

    /// The filters of this connection, in the order in which they were asked for.
    pub(crate) fn filters(&self) -> &[String] {
        &self.filters
    }

    pub(crate) fn events(&mut self) -> Vec<Event> {
        core::mem::take(&mut self.events)
    }

    /// How the connections ended.
    pub(crate) fn downs(&mut self) -> Vec<Cause> {
        core::mem::take(&mut self.downs)
    }

    pub(crate) fn done(&mut self) -> Vec<Done> {
        core::mem::take(&mut self.done)
    }
}

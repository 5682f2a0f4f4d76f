//! Does a device of Azure's hold on any topic and any JSON, at provisioning and at its hub, and are its readers sound?
//!
//! Bytes: one that chooses how the device begins (told its hub, a module, or provisioned), then a list of things, each a
//! byte and what it needs: messages, answers to what it asked, refusals, commands, time. Besides, each topic and payload
//! goes through the readers that stand alone.

use crate::{script::Script, wire};
use serde_json::{Value, json};
use skytether_core::{
    azure::{
        Azure, Command, Config, Event, MethodCall, Proof, Provisioning, Route, Telemetry,
        connection_string::ConnectionString,
        duration::{Calendar, IsoDuration},
        identity::{DeviceId, DeviceKey, HostName, IdScope, ModuleId, RegistrationId, Whom},
        limits, pnp,
        properties::Properties,
        topic::Topic,
        twin::Twin,
    },
    device::{self, Device},
    io::{Action, Cause, Input, Instant, Key, Machine, Refusal, Step, Tag, UnixMillis},
    link::QoS,
    mqtt::{
        codec::{AckKind, ConnAck, Packet, ack, decode, suback_append},
        session::{Options, Session},
        topic::check_name,
    },
};
use std::collections::BTreeSet;

/// The device's key.
const SECRET: &str = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVowMTIzNDU=";
/// The key that the seeds' connection strings hold.
const THEIRS: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
/// What is put before a piece, so that few bytes lead far.
const FRONTS: [&str; 8] = [
    "$iothub/twin/res/200/?$rid=",
    "$iothub/twin/PATCH/properties/desired/?$version=",
    "$iothub/methods/POST/",
    "devices/dev-7/messages/devicebound/",
    "devices/dev-7/modules/mod_1/inputs/",
    "$dps/registrations/res/202/?$rid=",
    "$dps/registrations/res/200/?$rid=",
    "$iothub/credentials/res/",
];

pub(crate) fn run(data: &[u8]) {
    let mut script = Script::new(data);
    let mut world = World::new(script.byte());
    for _ in 0..200 {
        if script.is_empty() {
            break;
        }
        world.act(&mut script);
        world.serve();
    }
    world.close();
}

/// What stands alone: inverse of its writer, and an error instead of a panic.
fn readers(topic: &str, payload: &[u8]) {
    if let Some(parsed) = Topic::parse(topic) {
        let written = parsed.to_string();
        // What is written may be longer than what was read, and then over the bound.
        if written.len() <= limits::TOPIC {
            assert_eq!(Topic::parse(&written), Some(parsed), "{topic} {written}");
        }
    }
    if let Some(bag) = Properties::parse(topic) {
        assert_eq!(Properties::parse(&bag.to_string()), Some(bag), "{topic}");
    }
    if let Ok(twin) = Twin::parse(payload) {
        assert!(twin.unanswered(&["t"]).len() <= pnp::properties(&twin.desired, &["t"]).len());
    }
    let Ok(text) = str::from_utf8(payload) else { return };
    if let Ok(duration) = text.parse::<IsoDuration>() {
        assert_eq!(duration.to_string().parse(), Ok(duration), "{text}");
        let _ = duration.length_by(Calendar::COMMON);
    }
    if let Err(error) = text.parse::<ConnectionString>() {
        assert!(!format!("{error} {error:?}").contains(THEIRS), "a secret in an error (R-10)");
    }
}

/// A device and its platform, which grants and acknowledges whatever it is asked, or refuses the next connection.
struct World {
    device: Device<Session, Azure>,
    now: Instant,
    open: bool,
    refuse: Option<Refusal>,
    stored: Option<Vec<u8>>,
    due: Vec<u8>,
    under_way: BTreeSet<Tag>,
    calls: Vec<MethodCall>,
    /// Methods that came in, and answers that went out.
    asked: usize,
    answered: usize,
    /// Request ids that wait for an answer: of the twin, of provisioning.
    rids: Vec<String>,
    version: Option<u64>,
}

impl World {
    fn new(kind: u8) -> Self {
        let key = || Proof::Key(DeviceKey::from_base64(SECRET).expect("valid"));
        let host = HostName::new("contoso-hub.azure-devices.net").expect("valid");
        let mut whom = Whom::device(DeviceId::new("dev-7").expect("valid"));
        let config = match kind % 3 {
            0 => Config::new(Route::Hub { host, whom }, key()),
            1 => {
                whom.module = Some(ModuleId::new("mod_1").expect("valid"));
                Config::new(Route::Hub { host, whom }, Proof::Certificate)
            }
            _ => {
                let scope = IdScope::new("0ne00000001").expect("valid");
                let registration = RegistrationId::new("dev-7").expect("valid");
                Config::new(Route::Provisioning(Provisioning::new(scope, registration)), key())
            }
        };
        let cloud = Azure::new(config).expect("valid");
        let device =
            Device::new(Session::new(Options::default()), cloud, device::Config::default(), [7; 32], Instant::ZERO);
        let mut world = Self {
            device,
            now: Instant::ZERO,
            open: false,
            refuse: None,
            stored: None,
            due: Vec::new(),
            under_way: BTreeSet::new(),
            calls: Vec::new(),
            asked: 0,
            answered: 0,
            rids: Vec::new(),
            version: None,
        };
        world.give(Input::Wall(UnixMillis(1_700_000_000_000)));
        world.wait(1_000);
        world.serve();
        world
    }

    fn act(&mut self, script: &mut Script<'_>) {
        match script.byte() % 14 {
            0 => {
                let (topic, payload) = (script.piece(), script.piece());
                if let Ok(topic) = str::from_utf8(topic) {
                    self.hear(topic, payload);
                }
            }
            1 => {
                let (front, topic, payload) = (script.pick(&FRONTS), script.piece(), script.piece());
                if let Ok(topic) = str::from_utf8(topic) {
                    self.hear(&format!("{front}{topic}"), payload);
                }
            }
            2 => self.command(&Command::GetTwin),
            3 => {
                let payload = script.piece();
                self.command(&Command::Report(serde_json::from_slice(payload).unwrap_or(Value::Null)));
            }
            4 => {
                let text = |piece| String::from_utf8_lossy(piece).into_owned();
                let message = Telemetry::bytes(script.piece().to_vec());
                let message = message.property(text(script.piece()), text(script.piece()));
                self.command(&Command::Telemetry(message.component(text(script.piece()))));
            }
            5 => {
                if !self.calls.is_empty() {
                    let call = self.calls.remove(script.choice(self.calls.len()));
                    let again = call.clone();
                    self.command(&call.answer(i32::from(script.word()), json!("done")));
                    self.command(&again.unknown());
                }
            }
            6 => self.answer_twin(script),
            7 => {
                let version = script.byte();
                let body = format!("{{\"a\":{},\"$version\":{version}}}", script.byte());
                self.hear(&format!("$iothub/twin/PATCH/properties/desired/?$version={version}"), body.as_bytes());
            }
            8 => self.wait(script.pick(&[1, 1_000, 6_000, 30_000, 90_000, 4_000_000])),
            9 => self.give(Input::Wall(UnixMillis(1_500_000_000_000 + u64::from(script.word()) * 10_000_000))),
            10 => self.give(Input::Closed(Cause::Lost)),
            11 => {
                self.refuse = Refusal::from_code(script.byte() % 6);
                self.give(Input::Closed(Cause::Lost));
            }
            12 => self.answer_service(script),
            _ => self.command(&Command::Reprovision),
        }
    }

    /// The hub answers the oldest request about the twin.
    fn answer_twin(&mut self, script: &mut Script<'_>) {
        let (status, piece) = (script.pick(&[200, 204, 429, 400, 500, 202, 0]), script.piece());
        if self.rids.is_empty() {
            return;
        }
        let rid = self.rids.remove(0);
        let version = script.byte();
        let body = match piece {
            [] => format!("{{\"desired\":{{\"$version\":{version}}},\"reported\":{{\"$version\":1}}}}").into_bytes(),
            piece => piece.to_vec(),
        };
        self.hear(&format!("$iothub/twin/res/{status}/?$rid={rid}"), &body);
    }

    /// The provisioning service answers the request that is open, if one is.
    fn answer_service(&mut self, script: &mut Script<'_>) {
        let status = script.pick(&[200, 202, 429, 400, 401, 404, 500]);
        let word = script.pick(&["assigned", "assigning", "failed", "disabled", "unassigned", "blacklisted", "odd"]);
        let hub = script.pick(&["hub-1.azure-devices.net", "evil.example", "", "a b"]);
        let body = json!({
            "operationId": "4.op",
            "status": word,
            "registrationState": {"assignedHub": hub, "deviceId": "dev-7", "status": word, "errorCode": 400_208},
        });
        let after = script.byte();
        self.hear(&format!("$dps/registrations/res/{status}/?$rid=&retry-after={after}"), body.to_string().as_bytes());
    }

    fn hear(&mut self, topic: &str, payload: &[u8]) {
        readers(topic, payload);
        if check_name(topic).is_ok() && self.open {
            self.asked += usize::from(topic.starts_with("$iothub/methods/POST/"));
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

    fn give(&mut self, mut input: Input<'_>) {
        if matches!(input, Input::Closed(_)) {
            self.open = false;
            self.due.clear();
            self.rids.clear();
        }
        for _ in 0..10_000 {
            match self.device.step(self.now, &mut input) {
                Step::Idle => {
                    let deadline = self.device.deadline();
                    assert!(deadline.is_none_or(|deadline| deadline.at > self.now), "{deadline:?} (R-9)");
                    return;
                }
                Step::Again => {}
                Step::Event(event) => self.told(event),
                Step::Done(tag, _) => assert!(self.under_way.remove(&tag), "{tag:?} ended, and was not open (R-5)"),
                Step::Act(action) => self.carry_out(action),
            }
        }
        panic!("it never rests (R-1)");
    }

    fn told(&mut self, event: device::Event<Event>) {
        assert!(!format!("{event:?}").contains(SECRET), "a secret in an event (R-10)");
        match event {
            device::Event::Cloud(Event::Method(call)) => {
                self.calls.push(call);
                if self.calls.len() > 40 {
                    self.calls.remove(0);
                }
            }
            device::Event::Cloud(Event::Desired(desired)) => {
                let next = self.version.and_then(|version| version.checked_add(1));
                assert!(desired.full || Some(desired.version) == next, "a version is missing: {desired:?}");
                assert_ne!(Some(desired.version), self.version, "a version is told twice");
                self.version = Some(desired.version);
            }
            _ => {}
        }
    }

    fn carry_out(&mut self, action: Action) {
        match action {
            Action::Open(_) => self.open = true,
            Action::Close => self.open = false,
            Action::Store(Key::Hub, record) => {
                self.stored = Some(record);
                self.give(Input::Stored(Key::Hub, Ok(())));
            }
            Action::Load(Key::Hub) => {
                let stored = self.stored.clone();
                self.give(Input::Loaded(Key::Hub, Ok(stored.as_deref())));
            }
            Action::Delete(Key::Hub) => {
                self.stored = None;
                self.give(Input::Stored(Key::Hub, Ok(())));
            }
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
    }

    fn read(&mut self, sent: &[u8]) {
        let mut rest = sent;
        while !rest.is_empty() {
            let (packet, used) = decode(rest, 1 << 20).expect("well-formed (R-8)").expect("and whole");
            match packet {
                Packet::Connect(_) => {
                    let refusal = self.refuse.take();
                    self.due.extend(ConnAck { session_present: false, refusal }.encode());
                }
                Packet::Publish(publish) => {
                    self.published(publish.topic, publish.payload);
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

    /// What a device publishes is a topic of the platform's, and what it asks has an id.
    fn published(&mut self, topic: &str, payload: &[u8]) {
        match Topic::parse(topic) {
            Some(Topic::TwinGet { rid }) => self.rids.push(rid.to_string()),
            Some(Topic::TwinReported { rid }) => {
                let patch: Value = serde_json::from_slice(payload).expect("JSON");
                assert!(patch.is_object() && payload.len() <= limits::TWIN, "{patch}");
                self.rids.push(rid.to_string());
            }
            Some(Topic::MethodAnswer { .. }) => {
                self.answered += 1;
                assert!(self.answered <= self.asked, "an answer too many");
            }
            Some(Topic::DpsRegister { .. } | Topic::DpsQuery { .. }) => {}
            // A bag may be longer than the topics that are read.
            _ => assert!(topic.contains("/messages/events/"), "{topic}"),
        }
        assert!(self.rids.len() <= limits::TWIN_REQUESTS * usize::from(limits::TWIN_TRIES) * 100, "no end of requests");
    }

    /// Time goes on, and each deadline on the way is served.
    fn wait(&mut self, ms: u64) {
        let end = Instant(self.now.0 + ms);
        for _ in 0..300 {
            let Some(deadline) = self.device.deadline().filter(|deadline| deadline.at <= end) else { break };
            self.now = self.now.max(deadline.at);
            self.give(Input::Tick);
            self.serve();
        }
        self.now = self.now.max(end);
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

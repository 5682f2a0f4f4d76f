//! A device that takes updates, its store and slots, its hub and the files that the hub names.

use crate::bench::{Bench, device_config};
use alloc::collections::{BTreeMap, VecDeque};
use base64ct::{Base64, Base64UrlUnpadded, Encoding as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use skytether_core::{
    azure::{
        Answer, Command, Config, Event,
        update::{Install, Offer, UpdateEvent, UpdateId, Updates},
    },
    io::{Action, ExchangeId, Head, Input, Key, Reply, Sink, Slot},
};

pub(super) const IMAGE: &[u8] = b"the image of the pump, version 1.1";
pub(super) const SCRIPT: &[u8] = b"#!";

/// One thing that the driver has still to do.
enum Op {
    Load,
    Store(Option<Vec<u8>>),
    Head(ExchangeId, u16, Option<u64>, u64),
    Chunk(ExchangeId, Slot, u64, Vec<u8>),
    End(ExchangeId),
}

/// A device, its store and slots, its hub and the files that the hub names.
pub(super) struct Sky {
    pub(super) bench: Bench,
    ops: VecDeque<Op>,
    pub(super) record: Option<Vec<u8>>,
    pub(super) slots: BTreeMap<Slot, Vec<u8>>,
    pub(super) files: BTreeMap<String, Vec<u8>>,
    pub(super) desired: Value,
    /// Patches of `deviceUpdate` that the hub was told: of `service`, and of `agent`.
    pub(super) acks: Vec<Value>,
    pub(super) reports: Vec<Value>,
    /// What the hub answers to patches.
    pub(super) status: u16,
    events: Vec<UpdateEvent>,
    pub(super) others: Vec<Event>,
    pub(super) asked: Vec<(String, Option<u64>)>,
    /// Operations of the driver so far.
    pub(super) done: usize,
}

pub(super) fn id(version: &str) -> UpdateId {
    UpdateId { provider: "acme".into(), name: "pump".into(), version: version.into() }
}

/// A device on which this version runs, with two slots.
pub(super) fn running(version: &str) -> Config {
    let mut updates = Updates::new("acme", "pump", id(version), Slot(1));
    updates.slots = vec![(Slot(1), Some(100)), (Slot(2), None)];
    updates.download.checkpoint = 1;
    let mut config = device_config();
    config.updates = Some(updates);
    config
}

pub(super) fn manifest(version: &str) -> Value {
    let hash = |content: &[u8]| Base64::encode_string(&Sha256::digest(content));
    json!({
        "manifestVersion": "5",
        "updateId": {"provider": "acme", "name": "pump", "version": version},
        "compatibility": [{"manufacturer": "acme", "model": "pump"}],
        "instructions": {"steps": [
            {"handler": "microsoft/swupdate:1", "files": ["f1"], "handlerProperties": {"installedCriteria": version}},
            {"handler": "microsoft/script:1", "files": ["f2"]},
        ]},
        "files": {
            "f1": {"fileName": "image", "sizeInBytes": IMAGE.len(), "hashes": {"sha256": hash(IMAGE)}},
            "f2": {"fileName": "script", "sizeInBytes": SCRIPT.len(), "hashes": {"sha256": hash(SCRIPT)}},
        },
    })
}

/// A signature of the right form.
pub(super) fn signed(manifest: &str) -> String {
    let part = |value: Value| Base64UrlUnpadded::encode_string(value.to_string().as_bytes());
    let modulus = Base64UrlUnpadded::encode_string(&[0xAB; 256]);
    let key = json!({"kty": "RSA", "n": modulus, "e": "AQAB", "alg": "RS256", "kid": "ADU.210609.R.S"});
    let key = format!("{}.{}.AQ", part(json!({"alg": "RS256", "kid": "ADU.200702.R"})), part(key));
    let digest = Base64::encode_string(&Sha256::digest(manifest.as_bytes()));
    format!("{}.{}.Ag", part(json!({"alg": "RS256", "sjwk": key})), part(json!({ "sha256": digest })))
}

/// The property that deploys a manifest.
pub(super) fn deploys(id: &str, manifest: &Value) -> Value {
    let text = manifest.to_string();
    json!({
        "workflow": {"action": 3, "id": id},
        "updateManifestSignature": signed(&text),
        "updateManifest": text,
        "fileUrls": {"f1": "https://files.example/f1", "f2": "https://files.example/f2"},
    })
}

impl Sky {
    pub(super) fn new(config: Config) -> Self {
        let files = [("https://files.example/f1", IMAGE), ("https://files.example/f2", SCRIPT)];
        let mut sky = Self {
            bench: Bench::new(config),
            ops: VecDeque::new(),
            record: None,
            slots: BTreeMap::new(),
            files: files.into_iter().map(|(url, content)| (url.to_owned(), content.to_vec())).collect(),
            desired: json!({"$version": 1}),
            acks: Vec::new(),
            reports: Vec::new(),
            status: 204,
            events: Vec::new(),
            others: Vec::new(),
            asked: Vec::new(),
            done: 0,
        };
        sky.run();
        sky
    }

    /// The power goes and comes back, with this software.
    pub(super) fn restart(&mut self, config: Config) {
        if let Some(Op::Chunk(_, slot, at, chunk)) = self.ops.front() {
            // Half of it was written.
            let (slot, at, dirt) = (*slot, *at, vec![0xEE; chunk.len()]);
            self.write(slot, at, &dirt);
        }
        self.ops.clear();
        self.bench = Bench::new(config);
    }

    /// A device to which a deployment was offered.
    pub(super) fn offered() -> (Self, Box<Offer>) {
        let mut sky = Self::new(running("1.0"));
        sky.desire(&deploys("d-1", &manifest("1.1")));
        let offer = sky.offer();
        (sky, offer)
    }

    /// A device that has fetched everything and is to install it.
    pub(super) fn installing() -> (Self, Box<Install>) {
        let (mut sky, offer) = Self::offered();
        sky.say(&offer.accept());
        let install = sky.install();
        (sky, install)
    }

    /// The hub changes the property.
    pub(super) fn desire(&mut self, service: &Value) {
        let version = self.desired["$version"].as_u64().unwrap() + 1;
        let patch = json!({"deviceUpdate": {"__t": "c", "service": service}, "$version": version});
        self.desired =
            json!({"deviceUpdate": {"__t": "c", "service": patch["deviceUpdate"]["service"]}, "$version": version});
        self.bench.say(&format!("$iothub/twin/PATCH/properties/desired/?$version={version}"), patch.to_string());
        self.run();
    }

    pub(super) fn say(&mut self, command: &Command) {
        let tag = self.bench.command(command).unwrap();
        assert!(self.bench.done().contains(&(tag, Ok(Answer::Sent))));
        self.run();
    }

    #[track_caller]
    pub(super) fn offer(&mut self) -> Box<Offer> {
        let events = self.take();
        let [.., UpdateEvent::Offered(offer)] = &events[..] else { panic!("{events:?}") };
        offer.clone()
    }

    #[track_caller]
    pub(super) fn install(&mut self) -> Box<Install> {
        let events = self.take();
        let [.., UpdateEvent::Install(install)] = &events[..] else { panic!("{events:?}") };
        self.holds();
        install.clone()
    }

    /// What was told, progress left out.
    pub(super) fn take(&mut self) -> Vec<UpdateEvent> {
        let mut events = core::mem::take(&mut self.events);
        events.retain(|event| !matches!(event, UpdateEvent::Progress { .. }));
        events
    }

    #[track_caller]
    pub(super) fn holds(&self) {
        assert!(self.slots[&Slot(1)].starts_with(IMAGE) && self.slots[&Slot(2)].starts_with(SCRIPT));
    }

    #[track_caller]
    pub(super) fn last_report(&self) -> &Value {
        self.reports.last().expect("a report")
    }

    /// Until nothing is left to do at this moment.
    pub(super) fn run(&mut self) {
        while self.turn() {}
    }

    /// One thing of the driver's or the hub's.
    pub(super) fn turn(&mut self) -> bool {
        let told = self.hub();
        self.drive();
        for event in self.bench.events() {
            match event {
                Event::Update(event) => self.events.push(event),
                other => self.others.push(other),
            }
        }
        let Some(op) = self.ops.pop_front() else { return told || !self.bench.acts.is_empty() };
        self.done += 1;
        match op {
            Op::Load => {
                let record = self.record.clone();
                self.bench.give(Input::Loaded(Key::Ota, Ok(record.as_deref())));
            }
            Op::Store(value) => {
                self.record = value;
                self.bench.give(Input::Stored(Key::Ota, Ok(())));
            }
            Op::Head(id, status, first, len) => {
                let total = first.map(|first| first + len);
                let head = Head { status, length: Some(len), first, total, etag: Some("\"e\""), ..Head::default() };
                self.bench.give(Input::Reply(id, Reply::Head(head)));
            }
            Op::Chunk(id, slot, at, chunk) => {
                self.write(slot, at, &chunk);
                self.bench.give(Input::Reply(id, Reply::Chunk(&chunk)));
            }
            Op::End(id) => self.bench.give(Input::Reply(id, Reply::End)),
        }
        self.bench.serve();
        true
    }

    /// Answers what the hub was asked; whether it was asked anything.
    fn hub(&mut self) -> bool {
        let heard = self.bench.heard();
        let told = !heard.is_empty();
        for (topic, payload) in heard {
            let rid = topic.split_once("$rid=").map(|(_, rid)| rid.to_owned());
            if topic.starts_with("$iothub/twin/GET/") {
                let twin = json!({"desired": self.desired, "reported": {"$version": 1}}).to_string();
                self.bench.twin(&rid.unwrap(), &twin);
            } else if topic.starts_with("$iothub/twin/PATCH/") {
                let patch: Value = serde_json::from_str(&payload).unwrap();
                assert_eq!(patch["deviceUpdate"]["__t"], "c");
                if self.status == 204 {
                    self.acks.extend(patch["deviceUpdate"].get("service").cloned());
                    self.reports.extend(patch["deviceUpdate"].get("agent").cloned());
                }
                self.bench.status(self.status, &rid.unwrap());
            }
        }
        told
    }

    pub(super) fn drive(&mut self) {
        for act in core::mem::take(&mut self.bench.acts) {
            match act {
                Action::Load(Key::Ota) => self.ops.push_back(Op::Load),
                Action::Store(Key::Ota, value) => self.ops.push_back(Op::Store(Some(value))),
                Action::Delete(Key::Ota) => self.ops.push_back(Op::Store(None)),
                Action::Cancel(id) => self.ops.retain(
                    |op| !matches!(op, Op::Head(other, ..) | Op::Chunk(other, ..) | Op::End(other) if *other == id),
                ),
                Action::Exchange(id, exchange) => {
                    let Sink::Slot(slot) = exchange.sink else { panic!() };
                    self.asked.push((exchange.url.clone(), exchange.range));
                    let Some(content) = self.files.get(&exchange.url) else {
                        self.ops.push_back(Op::Head(id, 404, None, 0));
                        continue;
                    };
                    let from = exchange.range.unwrap_or(0);
                    let rest = &content[usize::try_from(from).unwrap()..];
                    let status = if exchange.range.is_some() { 206 } else { 200 };
                    self.ops.push_back(Op::Head(id, status, exchange.range, rest.len() as u64));
                    for (n, chunk) in rest.chunks(9).enumerate() {
                        self.ops.push_back(Op::Chunk(id, slot, from + 9 * n as u64, chunk.to_vec()));
                    }
                    self.ops.push_back(Op::End(id));
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn write(&mut self, slot: Slot, at: u64, bytes: &[u8]) {
        let slot = self.slots.entry(slot).or_default();
        let at = usize::try_from(at).unwrap();
        slot.resize(slot.len().max(at + bytes.len()), 0);
        slot[at..at + bytes.len()].copy_from_slice(bytes);
    }
}

//! How a device takes updates from the platform, whatever platform, files, application and power do.

use crate::bench::{Bench, device_config};
use base64ct::{Base64, Base64UrlUnpadded, Encoding as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use skytether_core::{
    azure::{
        Answer, Command, Config, Event,
        update::{Install, Offer, Refused, UpdateEvent, UpdateFault, UpdateId, Updates},
    },
    download::Fault,
    http::UrlFault,
    io::{Action, ExchangeId, Head, Input, Instant, Key, Machine as _, Rejected, Reply, Sink, Slot},
};
use std::collections::{BTreeMap, VecDeque};

const IMAGE: &[u8] = b"the image of the pump, version 1.1";
const SCRIPT: &[u8] = b"#!";

/// One thing that the driver has still to do.
enum Op {
    Load,
    Store(Option<Vec<u8>>),
    Head(ExchangeId, u16, Option<u64>, u64),
    Chunk(ExchangeId, Slot, u64, Vec<u8>),
    End(ExchangeId),
}

/// A device, its store and slots, its hub and the files that the hub names.
struct Sky {
    bench: Bench,
    ops: VecDeque<Op>,
    record: Option<Vec<u8>>,
    slots: BTreeMap<Slot, Vec<u8>>,
    files: BTreeMap<String, Vec<u8>>,
    desired: Value,
    /// Patches of `deviceUpdate` that the hub was told: of `service`, and of `agent`.
    acks: Vec<Value>,
    reports: Vec<Value>,
    /// What the hub answers to patches.
    status: u16,
    events: Vec<UpdateEvent>,
    others: Vec<Event>,
    asked: Vec<(String, Option<u64>)>,
    /// Operations of the driver so far.
    done: usize,
}

fn id(version: &str) -> UpdateId {
    UpdateId { provider: "acme".into(), name: "pump".into(), version: version.into() }
}

/// A device on which this version runs, with two slots.
fn running(version: &str) -> Config {
    let mut updates = Updates::new("acme", "pump", id(version), Slot(1));
    updates.slots = vec![(Slot(1), Some(100)), (Slot(2), None)];
    updates.download.checkpoint = 1;
    let mut config = device_config();
    config.updates = Some(updates);
    config
}

fn manifest(version: &str) -> Value {
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
fn signed(manifest: &str) -> String {
    let part = |value: Value| Base64UrlUnpadded::encode_string(value.to_string().as_bytes());
    let modulus = Base64UrlUnpadded::encode_string(&[0xAB; 256]);
    let key = json!({"kty": "RSA", "n": modulus, "e": "AQAB", "alg": "RS256", "kid": "ADU.210609.R.S"});
    let key = format!("{}.{}.AQ", part(json!({"alg": "RS256", "kid": "ADU.200702.R"})), part(key));
    let digest = Base64::encode_string(&Sha256::digest(manifest.as_bytes()));
    format!("{}.{}.Ag", part(json!({"alg": "RS256", "sjwk": key})), part(json!({ "sha256": digest })))
}

/// The property that deploys a manifest.
fn deploys(id: &str, manifest: &Value) -> Value {
    let text = manifest.to_string();
    json!({
        "workflow": {"action": 3, "id": id},
        "updateManifestSignature": signed(&text),
        "updateManifest": text,
        "fileUrls": {"f1": "https://files.example/f1", "f2": "https://files.example/f2"},
    })
}

impl Sky {
    fn new(config: Config) -> Self {
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
    fn restart(&mut self, config: Config) {
        if let Some(Op::Chunk(_, slot, at, chunk)) = self.ops.front() {
            // Half of it was written.
            let (slot, at, dirt) = (*slot, *at, vec![0xEE; chunk.len()]);
            self.write(slot, at, &dirt);
        }
        self.ops.clear();
        self.bench = Bench::new(config);
    }

    /// A device to which a deployment was offered.
    fn offered() -> (Self, Box<Offer>) {
        let mut sky = Self::new(running("1.0"));
        sky.desire(deploys("d-1", &manifest("1.1")));
        let offer = sky.offer();
        (sky, offer)
    }

    /// A device that has fetched everything and is to install it.
    fn installing() -> (Self, Box<Install>) {
        let (mut sky, offer) = Self::offered();
        sky.say(&offer.accept());
        let install = sky.install();
        (sky, install)
    }

    /// The hub changes the property.
    fn desire(&mut self, service: Value) {
        let version = self.desired["$version"].as_u64().unwrap() + 1;
        let patch = json!({"deviceUpdate": {"__t": "c", "service": service}, "$version": version});
        self.desired =
            json!({"deviceUpdate": {"__t": "c", "service": patch["deviceUpdate"]["service"]}, "$version": version});
        self.bench.say(&format!("$iothub/twin/PATCH/properties/desired/?$version={version}"), patch.to_string());
        self.run();
    }

    fn say(&mut self, command: &Command) {
        let tag = self.bench.command(command).unwrap();
        assert!(self.bench.done().contains(&(tag, Ok(Answer::Sent))));
        self.run();
    }

    #[track_caller]
    fn offer(&mut self) -> Box<Offer> {
        let events = self.take();
        let [.., UpdateEvent::Offered(offer)] = &events[..] else { panic!("{events:?}") };
        offer.clone()
    }

    #[track_caller]
    fn install(&mut self) -> Box<Install> {
        let events = self.take();
        let [.., UpdateEvent::Install(install)] = &events[..] else { panic!("{events:?}") };
        self.holds();
        install.clone()
    }

    /// What was told, progress left out.
    fn take(&mut self) -> Vec<UpdateEvent> {
        let mut events = core::mem::take(&mut self.events);
        events.retain(|event| !matches!(event, UpdateEvent::Progress { .. }));
        events
    }

    #[track_caller]
    fn holds(&self) {
        assert!(self.slots[&Slot(1)].starts_with(IMAGE) && self.slots[&Slot(2)].starts_with(SCRIPT));
    }

    #[track_caller]
    fn last_report(&self) -> &Value {
        self.reports.last().expect("a report")
    }

    /// Until nothing is left to do at this moment.
    fn run(&mut self) {
        while self.turn() {}
    }

    /// One thing of the driver's or the hub's.
    fn turn(&mut self) -> bool {
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

    fn drive(&mut self) {
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

#[test]
fn a_device_first_says_what_it_is_and_what_runs() {
    let sky = Sky::new(running("1.0"));
    assert_eq!(
        sky.reports,
        [json!({
            "deviceProperties": {
                "manufacturer": "acme", "model": "pump",
                "contractModelId": "dtmi:azure:iot:deviceUpdateContractModel;2", "aduVer": "DU;agent/1.0.0",
            },
            "compatPropertyNames": "manufacturer,model",
            "state": 0,
            "installedUpdateId": "{\"provider\":\"acme\",\"name\":\"pump\",\"version\":\"1.0\"}",
        })]
    );
    assert_eq!(sky.acks, [] as [Value; 0]);
}

#[test]
fn a_deployment_goes_from_offer_to_confirmation() {
    let (mut sky, offer) = Sky::offered();
    assert_eq!((offer.workflow.as_str(), offer.manifest.update.to_string()), ("d-1", "acme/pump 1.1".into()));
    let signature = offer.signature.as_ref().unwrap();
    assert_eq!(
        (signature.root.as_str(), &signature.key_signature[..], &signature.signature[..]),
        ("ADU.200702.R", &[1][..], &[2][..])
    );
    assert_eq!((sky.acks.len(), sky.asked.len()), (0, 0), "nothing happens before the application's word (R-124)");

    sky.say(&offer.accept());
    assert_eq!(sky.acks, [json!({"ac": 200, "av": 2, "value": {}})]);
    assert_eq!(
        (&sky.last_report()["state"], &sky.last_report()["workflow"]),
        (&json!(6), &json!({"action": 3, "id": "d-1"}))
    );
    assert_eq!(sky.asked, [("https://files.example/f1".into(), None), ("https://files.example/f2".into(), None)]);
    let install = sky.install();
    assert_eq!(install.slots, [Slot(1), Slot(2)]);

    sky.say(&install.installed(true));
    assert_eq!(sky.take(), [UpdateEvent::Reboot]);
    let reports = sky.reports.len();
    sky.restart(running("1.1"));
    sky.run();
    assert_eq!(sky.take(), [UpdateEvent::Confirmed(id("1.1"))]);
    assert_eq!(
        sky.reports[reports..].last().unwrap(),
        &json!({
            "deviceProperties": {
                "manufacturer": "acme", "model": "pump",
                "contractModelId": "dtmi:azure:iot:deviceUpdateContractModel;2", "aduVer": "DU;agent/1.0.0",
            },
            "compatPropertyNames": "manufacturer,model",
            "lastInstallResult": {
                "resultCode": 700, "extendedResultCode": 0,
                "stepResults": {
                    "step_0": {"resultCode": 700, "extendedResultCode": 0},
                    "step_1": {"resultCode": 700, "extendedResultCode": 0},
                },
            },
            "state": 0,
            "workflow": {"action": 3, "id": "d-1"},
            "installedUpdateId": "{\"provider\":\"acme\",\"name\":\"pump\",\"version\":\"1.1\"}",
        })
    );
    // The application sees nothing of it in the desired properties.
    assert!(sky.others.iter().all(|event| matches!(event, Event::Desired(desired) if desired.desired.is_empty())));
}

#[test]
fn an_update_without_a_restart_is_done_at_once() {
    let (mut sky, install) = Sky::installing();
    sky.say(&install.installed(false));
    assert_eq!(
        (&sky.last_report()["state"], &sky.last_report()["lastInstallResult"]["resultCode"]),
        (&json!(0), &json!(700))
    );
    assert!(sky.last_report()["installedUpdateId"].as_str().unwrap().contains("1.1"));
    assert_eq!(sky.take(), [], "nothing is left to confirm");
    // It stays so over a restart, and is not offered again.
    sky.restart(running("1.0"));
    sky.run();
    assert!(sky.last_report()["installedUpdateId"].as_str().unwrap().contains("1.1"));
    assert_eq!(sky.take(), []);
}

#[test]
fn r_107_software_that_does_not_come_up_is_told_as_a_failure_with_the_old_version() {
    let (mut sky, install) = Sky::installing();
    sky.say(&install.installed(true));
    sky.take();
    sky.restart(running("1.0"));
    sky.run();
    assert_eq!(sky.take(), [UpdateEvent::Failed(UpdateFault::NotRunning)]);
    let report = sky.last_report();
    assert_eq!((&report["state"], &report["lastInstallResult"]["resultCode"]), (&json!(255), &json!(0)));
    assert_eq!(report["lastInstallResult"]["extendedResultCode"], 0x3000_0003);
    assert!(report["installedUpdateId"].as_str().unwrap().contains("1.0"));
}

#[test]
fn r_107_nothing_is_confirmed_before_the_platform_has_taken_the_report() {
    let (mut sky, install) = Sky::installing();
    sky.say(&install.installed(true));
    sky.take();
    sky.status = 400;
    sky.restart(running("1.1"));
    sky.run();
    assert_eq!(sky.take(), []);
    // The next life has to tell it too: the boot loader has heard nothing yet.
    sky.status = 204;
    sky.restart(running("1.1"));
    sky.run();
    assert_eq!(sky.take(), [UpdateEvent::Confirmed(id("1.1"))]);
}

#[test]
fn a_report_that_the_hub_refuses_is_sent_again_after_a_minute() {
    let mut sky = Sky::new(running("1.0"));
    sky.status = 400;
    sky.desire(deploys("d-1", &manifest("1.1")));
    let offer = sky.offer();
    sky.say(&offer.accept());
    assert_eq!((sky.acks.len(), sky.reports.len()), (0, 1));
    sky.status = 204;
    for _ in 0..3 {
        sky.bench.wait(60_000);
        sky.run();
    }
    assert_eq!((sky.acks.len(), &sky.last_report()["state"]), (1, &json!(6)));
}

/// A device with two files to fetch, cut off after `cut` operations of the driver; `false`: it was done before.
fn cut_after(cut: usize, during_install: bool) -> bool {
    let (mut sky, offer) = Sky::offered();
    let begin = sky.done;
    sky.bench.command(&offer.accept()).unwrap();
    let mut turns = 0;
    while sky.done - begin < cut {
        turns += 1;
        if turns > cut + 10 {
            return false;
        }
        sky.turn();
    }
    sky.restart(running("1.0"));
    sky.run();
    let mut events = sky.take();
    if let [UpdateEvent::Offered(offer)] = &events[..] {
        // Nothing was stored yet: it is offered as if it were new.
        assert!(sky.record.is_none());
        sky.say(&offer.accept());
        events = sky.take();
    }
    let [UpdateEvent::Install(install)] = &events[..] else { panic!("{cut}: {events:?}") };
    sky.holds();
    if during_install {
        sky.restart(running("1.0"));
        sky.run();
        let again = sky.install();
        assert_eq!((&again.workflow, &again.slots), (&install.workflow, &install.slots));
        sky.say(&again.installed(true));
    } else {
        sky.say(&install.installed(true));
    }
    assert_eq!(sky.take(), [UpdateEvent::Reboot]);
    sky.restart(running("1.1"));
    sky.run();
    assert_eq!(sky.take(), [UpdateEvent::Confirmed(id("1.1"))]);
    assert_eq!(sky.last_report()["lastInstallResult"]["resultCode"], 700);
    true
}

#[test]
fn r_100_a_power_cut_at_any_point_goes_on_where_it_was() {
    for during_install in [false, true] {
        let cuts = (0..1000).take_while(|cut| cut_after(*cut, during_install)).count();
        assert!(cuts >= 20, "{cuts}");
    }
}

#[test]
fn r_100_an_application_that_was_told_to_restart_is_not_asked_to_install_again() {
    let (mut sky, install) = Sky::installing();
    let tag = sky.bench.command(&install.installed(true)).unwrap();
    assert_eq!(sky.bench.done(), [(tag, Ok(Answer::Sent))]);
    // Cut before the store has it: it is installed again. Cut after that: it is compared.
    sky.bench.acts.clear();
    sky.restart(running("1.0"));
    sky.run();
    let install = sky.install();
    sky.say(&install.installed(true));
    sky.take();
    sky.restart(running("1.1"));
    sky.run();
    assert_eq!(sky.take(), [UpdateEvent::Confirmed(id("1.1"))]);
}

#[test]
fn the_application_may_refuse() {
    let (mut sky, offer) = Sky::offered();
    sky.say(&offer.refuse());
    assert_eq!(sky.acks, [json!({"ac": 406, "av": 2, "value": {}})]);
    assert_eq!((sky.reports.len(), sky.asked.len()), (1, 0));
    assert!(matches!(sky.bench.command(&offer.accept()), Err(Rejected::Invalid(_))));
    sky.bench.reconnect();
    sky.run();
    assert_eq!(sky.take(), [], "it is not offered again");
    sky.desire(deploys("d-2", &manifest("1.2")));
    sky.offer();
}

#[test]
fn r_104_r_121_a_deployment_that_cannot_be_right_is_rejected_by_name() {
    let with = |change: &dyn Fn(&mut Value)| {
        let mut service = deploys("d-1", &manifest("1.1"));
        change(&mut service);
        service
    };
    let mut older = manifest("0.9");
    older["instructions"]["steps"][1]["files"] = json!(["f1"]);
    let mut three = manifest("1.1");
    three["files"]["f3"] = three["files"]["f2"].clone();
    three["instructions"]["steps"][1]["files"] = json!(["f2", "f3"]);
    type Is = fn(&Refused) -> bool;
    let cases: [(Value, Is); 9] = [
        (with(&|service| service["workflow"]["action"] = json!(0)), |why| *why == Refused::Action(0)),
        (with(&|service| service["workflow"]["action"] = json!(7)), |why| *why == Refused::Action(7)),
        (with(&|service| service["updateManifest"] = json!(null)), |why| *why == Refused::NoManifest),
        (with(&|service| service["updateManifest"] = json!("{")), |why| matches!(why, Refused::Manifest(_))),
        (with(&|service| service["updateManifestSignature"] = json!(null)), |why| *why == Refused::Unsigned),
        (with(&|service| service["updateManifestSignature"] = json!("a.b.c")), |why| {
            matches!(why, Refused::Signature(_))
        }),
        (with(&|service| service["updateManifestSignature"] = json!(signed("other"))), |why| {
            why.to_string() == "the signature is about another manifest"
        }),
        (deploys("d-1", &older), |why| *why == Refused::Downgrade),
        (deploys("d-1", &three), |why| *why == Refused::Slots),
    ];
    for (service, is) in cases {
        let mut sky = Sky::new(running("1.0"));
        sky.desire(service.clone());
        let events = sky.take();
        let [UpdateEvent::Refused(why)] = &events[..] else { panic!("{events:?} {service}") };
        assert!(is(why), "{why}");
        assert_eq!(sky.acks, [json!({"ac": 406, "av": 2, "value": {}})]);
        assert_eq!((sky.reports.len(), sky.asked.len(), &sky.record), (1, 0, &None));
    }
    let mut config = running("1.0");
    let updates = config.updates.as_mut().unwrap();
    (updates.allow_downgrade, updates.allow_unsigned) = (true, true);
    let mut sky = Sky::new(config);
    let mut service = deploys("d-1", &older);
    service["updateManifestSignature"] = json!(null);
    sky.desire(service);
    assert_eq!(sky.offer().signature, None);
}

#[test]
fn what_runs_already_is_reported_and_not_installed() {
    let mut sky = Sky::new(running("1.1"));
    sky.desire(deploys("d-1", &manifest("1.1")));
    assert_eq!((sky.take(), sky.asked.len()), (vec![], 0));
    assert_eq!(sky.acks, [json!({"ac": 200, "av": 2, "value": {}})]);
    let report = sky.last_report();
    assert_eq!((&report["state"], &report["lastInstallResult"]["resultCode"]), (&json!(0), &json!(700)));
    assert_eq!(report["workflow"]["id"], "d-1");
}

#[test]
fn the_same_deployment_again_is_reported_again_and_a_new_retry_is_tried_again() {
    let (mut sky, install) = Sky::installing();
    sky.say(&install.failed(-77));
    assert_eq!(sky.take(), [UpdateEvent::Failed(UpdateFault::Install(-77))]);
    let report = sky.last_report().clone();
    assert_eq!((&report["state"], &report["lastInstallResult"]["extendedResultCode"]), (&json!(255), &json!(-77)));
    let (acks, reports) = (sky.acks.len(), sky.reports.len());
    sky.restart(running("1.0"));
    sky.run();
    assert_eq!(sky.take(), []);
    assert_eq!((sky.acks.len(), sky.reports.len()), (acks + 1, reports + 1));
    assert_eq!(*sky.last_report(), report);
    let mut retry = deploys("d-1", &manifest("1.1"));
    retry["workflow"]["retryTimestamp"] = json!("2030-01-02T03:04:05Z");
    sky.desire(retry);
    let offer = sky.offer();
    sky.say(&offer.accept());
    let install = sky.install();
    sky.say(&install.installed(false));
    assert_eq!(sky.last_report()["workflow"]["retryTimestamp"], "2030-01-02T03:04:05Z");
    assert_eq!(sky.last_report()["state"], 0);
}

#[test]
fn files_that_cannot_be_had_fail_the_deployment() {
    type Spoil = fn(&mut Sky, &mut Value);
    let cases: [(Spoil, UpdateFault); 5] = [
        (|sky, _| drop(sky.files.remove("https://files.example/f2")), UpdateFault::Download(Fault::Status(404))),
        (|sky, _| sky.files.get_mut("https://files.example/f1").unwrap()[3] ^= 1, UpdateFault::Download(Fault::Digest)),
        (|_, service| service["fileUrls"] = json!({"f1": "https://files.example/f1"}), UpdateFault::NoUrl),
        (
            |_, service| service["fileUrls"]["f1"] = json!("http://files.example/f1"),
            UpdateFault::Download(Fault::Url(UrlFault::PlainHttp)),
        ),
        (
            |_, service| {
                let mut large = manifest("1.1");
                large["files"]["f1"]["sizeInBytes"] = json!(101);
                *service = deploys("d-1", &large);
            },
            UpdateFault::Download(Fault::NoRoom { size: 101, room: 100 }),
        ),
    ];
    for (spoil, fault) in cases {
        let mut sky = Sky::new(running("1.0"));
        let mut service = deploys("d-1", &manifest("1.1"));
        spoil(&mut sky, &mut service);
        sky.desire(service);
        let offer = sky.offer();
        sky.say(&offer.accept());
        for _ in 0..20 {
            sky.bench.wait(5_000);
            sky.run();
        }
        assert_eq!(sky.take(), [UpdateEvent::Failed(fault)]);
        let report = sky.last_report();
        assert_eq!((&report["state"], &report["lastInstallResult"]["resultCode"]), (&json!(255), &json!(0)));
        assert_eq!(report["lastInstallResult"]["extendedResultCode"], fault.code());
    }
}

#[test]
fn r_103_plain_http_is_fetched_where_the_rules_allow_it() {
    let mut config = running("1.0");
    config.files.rules.plain_http = true;
    let mut sky = Sky::new(config);
    let mut service = deploys("d-1", &manifest("1.1"));
    for file in ["f1", "f2"] {
        service["fileUrls"][file] = json!(format!("http://files.example/{file}"));
        let content = sky.files[&format!("https://files.example/{file}")].clone();
        sky.files.insert(format!("http://files.example/{file}"), content);
    }
    sky.desire(service);
    let offer = sky.offer();
    sky.say(&offer.accept());
    sky.install();
}

fn cancels(sky: &mut Sky) {
    sky.desire(json!({"workflow": {"action": 255, "id": "d-1"}}));
}

#[track_caller]
fn is_cancelled(sky: &Sky) {
    let report = sky.last_report();
    assert_eq!((&report["state"], &report["workflow"]), (&json!(0), &json!({"action": 255, "id": "d-1"})));
    assert!(report["installedUpdateId"].as_str().unwrap().contains("1.0"));
    assert_eq!(sky.acks.last().unwrap()["ac"], 200);
}

#[test]
fn a_deployment_is_cancelled_wherever_it_is() {
    let (mut sky, offer) = Sky::offered();
    cancels(&mut sky);
    is_cancelled(&sky);
    assert_eq!(sky.take(), [UpdateEvent::Cancelled]);
    assert!(matches!(sky.bench.command(&offer.accept()), Err(Rejected::Invalid(_))));

    let (mut sky, install) = Sky::installing();
    cancels(&mut sky);
    is_cancelled(&sky);
    assert_eq!(sky.last_report()["lastInstallResult"]["resultCode"], -1);
    assert_eq!(sky.take(), [UpdateEvent::Cancelled]);
    assert!(matches!(sky.bench.command(&install.installed(true)), Err(Rejected::Invalid(_))));

    for turns in 1..30 {
        let (mut sky, offer) = Sky::offered();
        sky.bench.command(&offer.accept()).unwrap();
        for _ in 0..turns {
            sky.turn();
        }
        sky.take();
        sky.drive();
        let asked = sky.asked.len();
        cancels(&mut sky);
        is_cancelled(&sky);
        assert_eq!(sky.take().last(), Some(&UpdateEvent::Cancelled), "{turns}");
        assert_eq!(sky.asked.len(), asked, "nothing more is fetched");
        let before = sky.reports.len();
        sky.restart(running("1.0"));
        sky.run();
        is_cancelled(&sky);
        assert_eq!((sky.take(), sky.reports.len()), (vec![], before + 1));
        sky.desire(deploys("d-1", &manifest("1.1")));
        sky.offer();
    }
}

#[test]
fn a_cancellation_of_nothing_is_acknowledged() {
    let mut sky = Sky::new(running("1.0"));
    cancels(&mut sky);
    is_cancelled(&sky);
    assert_eq!(sky.take(), []);
    sky.desire(deploys("d-2", &manifest("1.1")));
    let offer = sky.offer();
    sky.say(&offer.accept());
    assert_eq!(sky.last_report()["workflow"]["id"], "d-2");
}

#[test]
fn r_105_another_deployment_takes_the_place_of_files_that_come_and_waits_for_an_installation() {
    let (mut sky, offer) = Sky::offered();
    sky.bench.command(&offer.accept()).unwrap();
    while sky.asked.is_empty() {
        sky.turn();
    }
    sky.desire(deploys("d-2", &manifest("1.2")));
    let second = sky.offer();
    assert_eq!(second.workflow, "d-2");
    assert!(matches!(sky.bench.command(&offer.accept()), Err(Rejected::Invalid(_))));
    sky.say(&second.accept());
    let install = sky.install();
    sky.desire(deploys("d-3", &manifest("1.3")));
    assert_eq!(sky.take(), []);
    sky.say(&install.failed(1));
    let events = sky.take();
    let [UpdateEvent::Failed(_), UpdateEvent::Offered(third)] = &events[..] else { panic!("{events:?}") };
    assert_eq!(third.workflow, "d-3");
}

#[test]
fn a_new_url_for_a_file_that_comes_is_used_from_the_next_request_on() {
    let (mut sky, offer) = Sky::offered();
    sky.files.remove("https://files.example/f2");
    sky.bench.command(&offer.accept()).unwrap();
    while sky.asked.is_empty() {
        sky.turn();
    }
    sky.files.insert("https://cdn.example/f2".into(), SCRIPT.to_vec());
    let mut service = deploys("d-1", &manifest("1.1"));
    service["fileUrls"]["f2"] = json!("https://cdn.example/f2");
    sky.desire(service);
    sky.install();
    assert_eq!(sky.asked.last().unwrap().0, "https://cdn.example/f2");
}

#[test]
fn another_manifest_under_the_same_id_is_offered_anew_after_a_restart() {
    let (mut sky, offer) = Sky::offered();
    sky.bench.command(&offer.accept()).unwrap();
    while sky.asked.is_empty() {
        sky.turn();
    }
    sky.bench.acts.clear();
    sky.restart(running("1.0"));
    let service = deploys("d-1", &manifest("1.2"));
    sky.desired = json!({"deviceUpdate": {"service": service}, "$version": 9});
    sky.run();
    assert_eq!(sky.offer().manifest.update, id("1.2"));
}

#[test]
fn r_93_r_95_a_stored_state_that_cannot_be_used_stops_updates_until_it_is_discarded() {
    let (mut sky, offer) = Sky::offered();
    sky.bench.command(&offer.accept()).unwrap();
    while sky.record.is_none() {
        sky.turn();
    }
    let mut damaged = sky.record.clone().unwrap();
    *damaged.last_mut().unwrap() ^= 1;
    sky.record = Some(damaged.clone());
    sky.restart(running("1.0"));
    sky.run();
    assert_eq!(sky.take(), [UpdateEvent::StoreUnusable("the record of the download is damaged")]);
    assert_eq!(sky.record, Some(damaged));
    sky.say(&Command::DiscardUpdates);
    let offer = sky.offer();
    sky.say(&offer.accept());
    sky.install();
}

#[test]
fn a_configuration_that_cannot_work_is_refused_and_without_one_there_are_no_updates() {
    let wrong: [fn(&mut Config); 5] = [
        |config| config.wanted.desired = false,
        |config| config.updates.as_mut().unwrap().manufacturer.clear(),
        |config| config.updates.as_mut().unwrap().slots.clear(),
        |config| config.updates.as_mut().unwrap().properties.push(("a.b".into(), "x".into())),
        |config| config.updates.as_mut().unwrap().installed.version = "x".repeat(65),
    ];
    for wrong in wrong {
        let mut config = running("1.0");
        wrong(&mut config);
        assert!(skytether_core::azure::Azure::new(config).is_err());
    }
    let mut bench = Bench::in_step();
    assert!(matches!(bench.command(&Command::DiscardUpdates), Err(Rejected::Unsupported(_))));
    assert!(bench.acts.is_empty() && bench.device.deadline().is_some_and(|deadline| deadline.at > Instant(0)));
}

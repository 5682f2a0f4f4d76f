//! Deployments that are refused, fail, come again or come to the wrong device.

use super::sky::{Sky, deploys, manifest, running, signed};
use serde_json::{Value, json};
use skytether_core::{
    azure::update::{Refused, UpdateEvent, UpdateFault},
    download::Fault,
    http::UrlFault,
    io::Rejected,
};

/// Whether it is refused for this.
type Is = fn(&Refused) -> bool;
/// What goes wrong with a deployment.
type Spoil = fn(&mut Sky, &mut Value);

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
    sky.desire(&deploys("d-2", &manifest("1.2")));
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
        sky.desire(&service.clone());
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
    sky.desire(&service);
    assert_eq!(sky.offer().signature, None);
}

#[test]
fn what_runs_already_is_reported_and_not_installed() {
    let mut sky = Sky::new(running("1.1"));
    sky.desire(&deploys("d-1", &manifest("1.1")));
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
    sky.desire(&retry);
    let offer = sky.offer();
    sky.say(&offer.accept());
    let install = sky.install();
    sky.say(&install.installed(false));
    assert_eq!(sky.last_report()["workflow"]["retryTimestamp"], "2030-01-02T03:04:05Z");
    assert_eq!(sky.last_report()["state"], 0);
}

#[test]
fn files_that_cannot_be_had_fail_the_deployment() {
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
        sky.desire(&service);
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
    sky.desire(&service);
    let offer = sky.offer();
    sky.say(&offer.accept());
    sky.install();
}

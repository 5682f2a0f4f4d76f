//! Deployments that are cancelled or replaced, and stored state that cannot be used.

use super::sky::{SCRIPT, Sky, deploys, id, manifest, running};
use crate::bench::Bench;
use serde_json::json;
use skytether_core::{
    azure::{Azure, Command, Config, update::UpdateEvent},
    io::{Instant, Machine as _, Rejected},
};

fn cancels(sky: &mut Sky) {
    sky.desire(&json!({"workflow": {"action": 255, "id": "d-1"}}));
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
        let (asked, slots) = (sky.asked.len(), sky.slots.clone());
        cancels(&mut sky);
        is_cancelled(&sky);
        assert_eq!(sky.take().last(), Some(&UpdateEvent::Cancelled), "{turns}");
        assert_eq!((sky.asked.len(), &sky.slots), (asked, &slots), "nothing more is fetched");
        let before = sky.reports.len();
        sky.restart(running("1.0"));
        sky.run();
        is_cancelled(&sky);
        assert_eq!((sky.take(), sky.reports.len()), (vec![], before + 1));
        sky.desire(&deploys("d-1", &manifest("1.1")));
        sky.offer();
    }
}

#[test]
fn a_cancellation_of_nothing_is_acknowledged() {
    let mut sky = Sky::new(running("1.0"));
    cancels(&mut sky);
    is_cancelled(&sky);
    assert_eq!(sky.take(), []);
    sky.desire(&deploys("d-2", &manifest("1.1")));
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
    sky.desire(&deploys("d-2", &manifest("1.2")));
    let second = sky.offer();
    assert_eq!(second.workflow, "d-2");
    assert!(matches!(sky.bench.command(&offer.accept()), Err(Rejected::Invalid(_))));
    sky.say(&second.accept());
    let install = sky.install();
    sky.desire(&deploys("d-3", &manifest("1.3")));
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
    sky.desire(&service);
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
        assert!(Azure::new(config).is_err());
    }
    let mut bench = Bench::in_step();
    assert!(matches!(bench.command(&Command::DiscardUpdates), Err(Rejected::Unsupported(_))));
    assert!(bench.acts.is_empty() && bench.device.deadline().is_some_and(|deadline| deadline.at > Instant(0)));
}

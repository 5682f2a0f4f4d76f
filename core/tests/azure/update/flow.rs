//! From offer to confirmation, and the power going on the way.

use super::sky::{Sky, deploys, id, manifest, running};
use serde_json::{Value, json};
use skytether_core::{
    azure::{
        Answer, Event,
        update::{UpdateEvent, UpdateFault},
    },
    io::Slot,
};

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
    sky.desire(&deploys("d-1", &manifest("1.1")));
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

//! What outlives a restart: the assigned hub, when it is used again, and what a failing store costs.

use crate::rig::{HUB, Rig, Store, at_hub, provisioning};
use skytether_core::{
    azure::{Command, Config, Event, Route, Telemetry, identity::RegistrationId},
    io::{Action, Input, Key, Machine as _},
    mqtt::session::Options,
};

const SERVICE: &str = "global.azure-devices-provisioning.net";

/// What is stored after one provisioning.
fn record() -> Vec<u8> {
    let mut rig = Rig::registering(provisioning());
    rig.assign(HUB);
    rig.stored.expect("stored")
}

fn restarted(config: Config, stored: Option<Vec<u8>>) -> Rig {
    let mut rig = Rig::new(config);
    rig.stored = stored;
    rig
}

fn was_assigned(rig: &mut Rig) -> Option<bool> {
    rig.events().into_iter().find_map(|event| match event {
        Event::Assigned(assigned) => Some(assigned.stored),
        _ => None,
    })
}

#[test]
fn the_stored_hub_is_used_at_the_next_start_without_asking_the_service() {
    let mut rig = restarted(provisioning(), Some(record()));
    rig.connect();
    assert_eq!(rig.host(), HUB);
    assert_eq!(rig.hello().0, "pump-7");
}

#[test]
fn the_hub_is_used_only_once_it_is_stored() {
    let mut rig = Rig::registering(provisioning());
    rig.store = Store::Hangs;
    rig.assign(HUB);
    rig.live_until(rig.now.0 + 100_000);
    assert!(!rig.dials() && was_assigned(&mut rig).is_none());
    rig.store = Store::Works;
    rig.give(Input::Stored(Key::Hub, Ok(())));
    assert_eq!(was_assigned(&mut rig), Some(true));
    rig.connect();
    assert_eq!(rig.host(), HUB);
}

#[test]
fn r_92_a_power_cut_between_assignment_and_store_leads_to_a_new_registration() {
    let mut rig = Rig::registering(provisioning());
    rig.store = Store::Hangs;
    rig.assign(HUB);
    let mut rig = restarted(provisioning(), rig.stored);
    rig.connect();
    assert_eq!(rig.host(), SERVICE);
    rig.grant_all();
    rig.assign(HUB);
    assert_eq!(was_assigned(&mut rig), Some(true));
}

#[test]
fn r_90_an_assignment_that_cannot_be_stored_is_used_and_said_to_be_unsafe() {
    let mut rig = Rig::registering(provisioning());
    rig.store = Store::FailsToWrite;
    rig.assign(HUB);
    assert_eq!(was_assigned(&mut rig), Some(false));
    rig.connect();
    assert_eq!(rig.host(), HUB);
}

#[test]
fn r_90_a_store_that_cannot_be_read_is_told_and_costs_a_registration() {
    let mut rig = restarted(provisioning(), Some(record()));
    rig.store = Store::FailsToRead;
    rig.connect();
    assert!(matches!(rig.events()[..], [Event::StoredHubUnusable(_)]));
    assert_eq!(rig.host(), SERVICE);
}

#[test]
fn r_91_r_95_a_torn_or_changed_record_is_told_and_replaced() {
    let whole = record();
    let mut spoilt = whole.clone();
    *spoilt.last_mut().unwrap() ^= 1;
    for bad in [spoilt, whole[..whole.len() - 3].to_vec(), Vec::new(), b"garbage".to_vec()] {
        let mut rig = restarted(provisioning(), Some(bad));
        rig.connect();
        assert!(matches!(rig.events()[..], [Event::StoredHubUnusable(_)]));
        assert_eq!(rig.host(), SERVICE);
        rig.grant_all();
        rig.assign(HUB);
        assert_eq!(was_assigned(&mut rig), Some(true));
        assert_eq!(rig.stored.as_ref(), Some(&whole));
    }
}

#[test]
fn r_93_r_94_a_record_of_another_version_or_device_is_told_and_left_untouched() {
    let mut newer = record();
    newer[4] = 9;
    let mut other = provisioning();
    let Route::Provisioning(provisioned) = &mut other.route else { panic!() };
    provisioned.registration = RegistrationId::new("pump-8").unwrap();
    for (config, stored) in [(provisioning(), newer), (other, record())] {
        let mut rig = restarted(config, Some(stored.clone()));
        rig.connect();
        assert!(matches!(rig.events()[..], [Event::StoredHubUnusable(_)]));
        rig.grant_all();
        rig.assign(HUB);
        assert_eq!(was_assigned(&mut rig), Some(false));
        assert_eq!(rig.stored, Some(stored));
        rig.connect();
        assert_eq!(rig.host(), HUB);
    }
}

#[test]
fn r_32_a_stored_hub_outside_the_domains_allowed_today_is_not_gone_to() {
    let mut config = provisioning();
    let Route::Provisioning(provisioned) = &mut config.route else { panic!() };
    provisioned.domains.clear();
    let mut rig = restarted(config, Some(record()));
    rig.connect();
    assert!(matches!(rig.events()[..], [Event::StoredHubUnusable(_)]));
    assert_eq!(rig.host(), SERVICE);
}

#[test]
fn r_66_a_hub_that_refuses_us_is_questioned_at_most_once_in_10_minutes() {
    for code in [2, 4, 5] {
        let mut rig = restarted(provisioning(), Some(record()));
        rig.open_pipe();
        rig.refuse(code);
        assert!(matches!(rig.events()[..], [Event::Refused { .. }]));
        let asked = rig.now;
        rig.connect();
        assert_eq!((rig.host(), rig.now), (SERVICE, asked), "at once");
        rig.grant_all();
        rig.assign("hub-2.azure-devices.net");
        let mut questioned = 0;
        while rig.now.0 < asked.0 + 1_500_000 {
            rig.open_pipe();
            if rig.host() == SERVICE {
                questioned += 1;
                rig.accept(false);
                rig.grant_all();
                rig.assign("hub-2.azure-devices.net");
            } else {
                rig.refuse(code);
            }
        }
        assert!((1..=2).contains(&questioned), "{questioned} times in 25 minutes after the first");
    }
}

#[test]
fn the_new_hub_replaces_the_old_one_in_the_store() {
    let mut rig = restarted(provisioning(), Some(record()));
    rig.open_pipe();
    rig.refuse(5);
    rig.connect();
    assert_eq!(rig.stored, Some(record()), "the old one is kept until there is a new one");
    rig.grant_all();
    rig.assign("hub-2.azure-devices.net");
    rig.connect();
    assert_eq!(rig.host(), "hub-2.azure-devices.net");
    let mut rig = restarted(provisioning(), rig.stored);
    rig.connect();
    assert_eq!(rig.host(), "hub-2.azure-devices.net");
}

#[test]
fn the_same_hub_again_is_not_written_again() {
    let mut rig = restarted(provisioning(), Some(record()));
    rig.open_pipe();
    rig.refuse(5);
    rig.connect();
    rig.store = Store::FailsToWrite;
    rig.grant_all();
    rig.assign(HUB);
    assert_eq!(was_assigned(&mut rig), Some(true));
}

#[test]
fn after_10_dials_that_failed_the_service_is_asked_and_without_it_the_hub_again() {
    let mut rig = restarted(provisioning(), Some(record()));
    for attempt in 1..=10 {
        rig.open_pipe();
        assert_eq!(rig.host(), HUB, "{attempt}");
        rig.cut();
    }
    rig.open_pipe();
    assert_eq!(rig.host(), SERVICE);
    rig.cut();
    rig.open_pipe();
    assert_eq!(rig.host(), HUB, "whoever has a hub goes on trying it");
}

#[test]
fn a_service_that_says_no_leaves_a_device_with_a_hub_its_hub() {
    let mut rig = restarted(provisioning(), Some(record()));
    rig.open_pipe();
    rig.refuse(5);
    rig.connect();
    rig.grant_all();
    rig.service_says(403, "", &serde_json::json!({}));
    assert!(rig.events().iter().any(|event| matches!(event, Event::NotAssigned(_))));
    rig.open_pipe();
    assert_eq!(rig.host(), HUB);
}

#[test]
fn the_application_may_ask_for_a_new_assignment_at_any_time() {
    let mut rig = restarted(provisioning(), Some(record()));
    rig.connect();
    rig.grant_all();
    for _ in 0..3 {
        let tag = rig.command(&Command::Reprovision).unwrap();
        assert_eq!(rig.done()[0].0, tag);
        rig.connect();
        assert_eq!(rig.host(), SERVICE);
        rig.grant_all();
        rig.assign(HUB);
        rig.connect();
        assert_eq!(rig.host(), HUB);
        rig.grant_all();
    }
}

#[test]
fn an_idle_device_asks_anew_when_told_so() {
    let mut rig = Rig::registering(provisioning());
    rig.service_says(403, "", &serde_json::json!({}));
    assert_eq!(rig.device.deadline(), None);
    rig.command(&Command::Reprovision).unwrap();
    rig.connect();
    assert_eq!(rig.host(), SERVICE);
}

#[test]
fn a_device_that_is_told_its_hub_stores_nothing() {
    let mut rig = Rig::ready(at_hub());
    rig.live_until(rig.now.0 + 10_000);
    assert_eq!(rig.stored, None);
    assert!(!rig.said.iter().any(|said| matches!(said, crate::rig::Said::Act(Action::Load(_)))));
}

#[test]
fn a_message_kept_over_a_restart_is_the_devices_whatever_it_is_called_at_its_hub() {
    let options = Options { persist: true, ..Options::default() };
    let mut rig = Rig::with_options(provisioning(), options);
    rig.connect();
    rig.grant_all();
    rig.service_says(200, "", &crate::rig::assigned(HUB, "PUMP-7"));
    rig.connect();
    assert_eq!(rig.hello().0, "PUMP-7");
    rig.command(&Command::Telemetry(Telemetry::bytes(&b"kept"[..]))).unwrap();
    let (hub, session) = (rig.stored.take(), rig.session.take());
    assert!(session.is_some());
    let mut rig = Rig::with_options(provisioning(), options);
    // Neither with its hub nor, where that is forgotten, at the service is it a stranger to its own messages.
    (rig.stored, rig.session) = (hub, session.clone());
    rig.connect();
    rig.grant_all();
    assert_eq!(rig.published("devices/PUMP-7/").unwrap().1, b"kept");
    let mut rig = Rig::with_options(provisioning(), options);
    rig.session = session;
    rig.connect();
    assert_eq!((rig.host(), rig.hello().0), (SERVICE, "pump-7"));
}

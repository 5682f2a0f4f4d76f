//! The whole story of one device: provisioned, at its hub, read, told, called, and heard.

use crate::plant::{HUBS, NAME, PUMP, Plant, account, at, device, pump};
use core::time::Duration;
use rcgen::{CertificateParams, DnType, KeyPair};
use serde_json::json;
use skytether_core::{
    azure::{self, Answer, Command, Event, Progress},
    io::{Cause, Key},
};
use skytether_simulator::{
    azure::{C2d, EnrollmentConfig, Identity, Member, Outcome, Proof, PropertyState, Strays, Terms, Thumbprint},
    broker::policy::{Certificate, Peer, Transport},
};
use skytether_world::diary::Keep;

const SECOND: Duration = Duration::from_secs(1);

/// A device without an assignment gets to its hub, and does there all that there is to do.
fn tell(plant: &mut Plant, whose: &Identity) {
    plant.run_to_ready();
    assert_eq!(plant.ends(), [Cause::Asked], "the service is left in order");
    assert!(plant.said().any(|event| matches!(event, Event::Provisioning(Progress::Registering))));
    let Some(Event::Assigned(assigned)) = plant.said().find(|event| matches!(event, Event::Assigned(_))).cloned()
    else {
        panic!("{:?}", plant.told);
    };
    assert_eq!((assigned.hub.as_str(), assigned.device.as_str()), (HUBS[0], whose.device_id()));
    assert!(assigned.stored && plant.world.store(PUMP).unwrap().value(&Key::Hub).is_some());
    assert_eq!(plant.world.dials(PUMP).len(), 2, "the service, then the hub");
    plant.run(SECOND);
    assert!(plant.cloud(|cloud, _, _| cloud.is_connected(whose)));
    assert_eq!(plant.cloud(|cloud, _, _| cloud.registration(whose.device_id()).unwrap().hasty), 0);
    assert_eq!(plant.desired(), [(1, true, json!({}))]);

    // What it has to say.
    let tag = plant.say("21.5");
    assert_eq!(plant.end_of(tag), None);
    plant.run(SECOND);
    assert_eq!(plant.end_of(tag), Some(&Ok(Answer::Sent)));
    assert_eq!(plant.heard, [(whose.clone(), "21.5".to_owned())]);

    // What is wanted of it.
    let interval = Member::from("telemetryInterval");
    assert_eq!(plant.cloud(|cloud, _, _| cloud.property(whose, &interval)), None);
    let version = plant.cloud(|cloud, _, out| cloud.write_property(whose, &interval, json!(5), out)).unwrap();
    assert_eq!(plant.cloud(|cloud, _, _| cloud.property(whose, &interval)), Some(PropertyState::Pending));
    plant.run(2 * SECOND);
    assert_eq!(plant.desired().last(), Some(&(version, false, json!({"telemetryInterval": 5}))));
    let accepted = plant.cloud(|cloud, _, _| cloud.property(whose, &interval));
    assert!(matches!(&accepted, Some(PropertyState::Accepted { value, .. }) if *value == json!(5)), "{accepted:?}");

    // What it is called to do, known and unknown.
    for (name, status) in [("reboot", 200), ("selfDestruct", 404)] {
        let call =
            plant.cloud(|cloud, at, out| cloud.invoke(at, whose, (name, b"\"PT5S\""), 10 * SECOND, out)).unwrap();
        assert_eq!(plant.cloud(|cloud, _, _| cloud.outcome(call).cloned()), None);
        plant.run(2 * SECOND);
        let outcome = plant.cloud(|cloud, _, _| cloud.outcome(call).cloned());
        assert!(matches!(outcome, Some(Outcome::Answered { status: told, .. }) if told == status), "{outcome:?}");
    }
    assert_eq!(plant.cloud(|cloud, _, _| cloud.strays()), Strays::default(), "each is answered once");

    // What it is sent.
    let message = C2d { body: b"open the valve".to_vec(), ack: true, ..C2d::default() };
    let id = plant.cloud(|cloud, at, out| cloud.send(at, whose, message, out)).unwrap();
    plant.run(SECOND);
    let messages: Vec<_> =
        plant.said().filter_map(|event| if let Event::Message(c2d) = event { Some(c2d) } else { None }).collect();
    let [message] = messages.as_slice() else { panic!("{messages:?}") };
    assert_eq!((&*message.payload, message.message_id()), (&b"open the valve"[..], Some(id.as_str())));
    assert_eq!(plant.cloud(|cloud, _, _| cloud.waiting(whose)), 0);

    // What it asks for.
    let tag = plant.command(&Command::GetTwin);
    plant.run(SECOND);
    let Some(Ok(Answer::Twin(twin))) = plant.end_of(tag) else { panic!("{:?}", plant.end_of(tag)) };
    assert_eq!((twin.desired_version, &twin.desired["telemetryInterval"]), (version, &json!(5)));
    assert_eq!(twin.reported["telemetryInterval"]["av"], json!(version));

    assert_eq!(plant.ends(), [Cause::Asked], "one connection for all of it");
    plant.world.close(PUMP);
    plant.run(5 * SECOND);
    assert!(!plant.cloud(|cloud, _, _| cloud.is_connected(whose)));
}

#[test]
fn a_device_of_a_group_is_provisioned_by_its_derived_key_and_lives_at_its_hub() {
    let mut plant = Plant::new(1, Keep::Tail, account(), pump());
    tell(&mut plant, &at(0));
    let registered = plant.cloud(|cloud, _, _| cloud.registration(NAME).unwrap().clone());
    assert_eq!(registered.payload, Some(json!({"modelId": "dtmi:com:Microchip:WBZ451_Curiosity;1"})));
    assert!(plant.said().any(|event| matches!(
        event,
        Event::Assigned(assigned) if assigned.payload == Some(json!({"site": "north"}))
    )));
}

#[test]
fn a_device_with_a_certificate_is_provisioned_and_lives_at_its_hub_without_any_password() {
    const GAUGE: &str = "gauge-1";
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, GAUGE);
    let der = params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec();
    let mut account = account();
    account.provisioning.enrollments.push(EnrollmentConfig {
        registration_id: GAUGE.to_owned(),
        device_id: None,
        proof: Proof::Thumbprint(Thumbprint::of(&der)),
        terms: Terms::default(),
    });
    let mut plant = Plant::new(2, Keep::Tail, account, device(GAUGE, azure::Proof::Certificate));
    let certificate = Some(Certificate::X509(der));
    plant.world.secure(PUMP, Peer { transport: Transport::Tls, certificate, ..Peer::default() });
    tell(&mut plant, &Identity::device(HUBS[0], GAUGE));
}

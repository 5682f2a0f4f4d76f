//! From the first dial to the hub: registration, what is stored of it, and when it is made anew.

use crate::rig::{HUB, OPERATION, Rig, Wire, assigned, assigning, provisioning};
use serde_json::json;
use skytether_core::{
    azure::{Event, Progress},
    device,
};
use std::time::Duration;

#[test]
fn a_device_registers_waits_as_told_and_goes_to_its_hub() {
    let mut rig = Rig::new(provisioning());
    rig.connect();
    assert_eq!(rig.host(), "global.azure-devices-provisioning.net");
    let (client_id, user_name, password, clean) = rig.hello();
    assert_eq!((client_id, clean), ("pump-7", true));
    assert_eq!(user_name, "0ne00000001/registrations/pump-7/api-version=2019-03-31");
    assert!(password.unwrap().starts_with("SharedAccessSignature sr=0ne00000001%2Fregistrations%2Fpump-7&sig="));
    assert!(password.unwrap().ends_with("&se=1700003600&skn=registration"), "{password:?}");
    assert_eq!(rig.grant_all(), ["$dps/registrations/res/#"]);

    let (topic, payload) = rig.published("$dps").unwrap();
    assert_eq!(topic, "$dps/registrations/PUT/iotdps-register/?$rid=1");
    assert_eq!(payload, br#"{"registrationId":"pump-7"}"#);
    rig.message("$dps/registrations/res/202/?$rid=&retry-after=3", assigning().to_string().as_bytes());
    rig.tick_after(2999);
    assert_eq!(rig.published("$dps"), None);
    rig.tick_after(1);
    let (topic, payload) = rig.published("$dps").unwrap();
    let expected = format!("$dps/registrations/GET/iotdps-get-operationstatus/?$rid=2&operationId={OPERATION}");
    assert_eq!((topic, payload), (expected, Vec::new()));
    let mut body = assigned(HUB, "Pump-7");
    body["registrationState"]["payload"] = json!({"site": "x"});
    rig.message("$dps/registrations/res/200/?$rid=2", body.to_string().as_bytes());

    assert!(rig.wire.contains(&Wire::Disconnect));
    let events = rig.events();
    let wait = Duration::from_secs(3);
    let [
        Event::Provisioning(Progress::Registering),
        Event::Provisioning(Progress::Assigning { wait: told }),
        Event::Assigned(home),
    ] = &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!(*told, wait);
    assert_eq!((home.hub.as_str(), home.device.as_str(), home.stored), (HUB, "Pump-7", true));
    assert_eq!(home.payload, Some(json!({"site": "x"})));

    rig.connect();
    assert_eq!(rig.host(), HUB);
    let (client_id, user_name, _, clean) = rig.hello();
    assert_eq!((client_id, clean), ("Pump-7", false));
    assert_eq!(user_name, format!("{HUB}/Pump-7/?api-version=2021-04-12"));
    let filters = rig.grant_all();
    assert_eq!(
        filters,
        [
            "$iothub/methods/POST/#",
            "$iothub/twin/res/#",
            "$iothub/twin/PATCH/properties/desired/#",
            "devices/Pump-7/messages/devicebound/#",
        ]
    );
    assert!(rig.news().contains(&device::Event::Ready));
    assert_eq!(rig.published("$iothub/twin/GET/").unwrap().0, "$iothub/twin/GET/?$rid=3");
}

//! On a link with short names: what is left out, and what is refused before anything is dialled.

use crate::rig::{HUB, at_hub, provisioning};
use skytether_core::{
    at::{Modem, Options},
    azure::{
        Azure, Config, LastWill, Proof, Route,
        identity::{DeviceId, HostName, RegistrationId, Whom},
    },
    cloud::Fatal,
    device::{self, Device},
    io::{Action, Input, Instant, Key, Machine as _, Step, UnixMillis},
    limits::Limits,
};

/// What becomes of the first dial on an `AnyCloud` modem.
fn first_dial(config: Config) -> Result<(), Fatal> {
    let modem = Modem::new(Options::default(), Limits::default());
    let mut device = Device::new(modem, Azure::new(config).unwrap(), device::Config::default(), [7; 32], Instant::ZERO);
    let mut input = Input::Tick;
    for _ in 0..100 {
        match device.step(Instant::ZERO, &mut input) {
            Step::Act(Action::Open(_)) => return Ok(()),
            Step::Act(Action::AskWall) => input = Input::Wall(UnixMillis(1_700_000_000_000)),
            Step::Act(Action::Load(Key::Hub)) => input = Input::Loaded(Key::Hub, Ok(None)),
            Step::Event(device::Event::GaveUp(fatal)) => return Err(fatal),
            Step::Idle => break,
            _ => {}
        }
    }
    panic!("neither dialled nor refused");
}

fn certificate(hub: &str, device: &str) -> Config {
    let (host, whom) = (HostName::new(hub).unwrap(), Whom::device(DeviceId::new(device).unwrap()));
    Config::new(Route::Hub { host, whom }, Proof::Certificate)
}

#[track_caller]
fn refused(config: Config, word: &str) {
    let Err(Fatal::Unsupported(what)) = first_dial(config) else { panic!("{word}: it dialled") };
    assert!(what.contains(word), "{what}");
}

#[test]
fn a_device_that_fits_a_modem_is_dialled_by_it() {
    let hub = "iotc-00000000-1111-2222-3333-444444444444.azure-devices.net";
    assert_eq!(first_dial(certificate(hub, "sn0123FE0CF960432D01")), Ok(()));
    let mut config = certificate(HUB, "pump-7");
    config.product_info = Some("acme/1.2.3".repeat(20));
    assert_eq!(first_dial(config), Ok(()), "the product info is left out");
    assert_eq!(first_dial(provisioning()), Ok(()));
}

#[test]
fn what_does_not_fit_a_modem_is_refused_by_name_before_it_is_dialled() {
    refused(certificate(HUB, &"d".repeat(24)), "client ids");
    let long = format!("{}.azure-devices.net", "h".repeat(60));
    refused(certificate(&format!("{}.{long}", "g".repeat(20)), "pump-7"), "user names");
    let mut config = provisioning();
    let Route::Provisioning(provisioned) = &mut config.route else { panic!() };
    provisioned.registration = RegistrationId::new(&"r".repeat(24)).unwrap();
    refused(config, "client ids");
    let mut config = at_hub();
    config.last_will = Some(LastWill { payload: b"gone".into() });
    refused(config, "will");
}

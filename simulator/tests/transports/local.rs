//! What the local cloud writes, for whom to read, and which accounts it does not take.

use crate::rig::{Client, Stage};
use skytether_core::{
    portable::profile::{self, Profile, Source},
    tencent::device_info::{Auth, DeviceInfo},
};
use skytether_simulator::{
    broker::policy::Transport,
    local::{Account, LocalCloud, LocalError, Options},
};
use std::fs;

#[tokio::test]
async fn every_profile_leads_to_a_port_that_listens_and_an_identity_that_is_let_in() {
    let stage = Stage::set().await;
    let files = stage.cloud.files();
    assert_eq!(files.devices.iter().map(|device| device.profiles.len()).collect::<Vec<_>>(), [4, 2, 4]);
    for device in &files.devices {
        for (transport, path) in &device.profiles {
            assert_eq!(path.parent(), Some(files.directory.as_path()));
            let Source::Profile(Profile::Tencent(profile)) = Source::parse(&fs::read(path).unwrap()).unwrap() else {
                panic!()
            };
            let profile = profile.resolve(|name| files.directory.join(name).to_str().unwrap().to_owned());
            assert_eq!(profile.transport.name(), transport.scheme());
            assert_eq!(profile.port, stage.cloud.addr(*transport).map(|addr| addr.port()));
            assert_eq!(profile.host.as_deref(), Some("127.0.0.1"));
            assert_eq!(profile.ca.is_some(), profile.transport.is_secure());
            let info = DeviceInfo::parse(&fs::read(&profile.device_info).unwrap()).unwrap();
            assert_eq!((info.product.as_str(), info.device.as_str()), (&*device.product, &*device.name));
            match (info.auth, &device.certificate) {
                (Auth::Key(_), None) => {}
                (Auth::Certificate(named), Some(certificate)) => {
                    assert_eq!(files.directory.join(named.certificate), *certificate);
                    assert_eq!(Some(files.directory.join(named.private_key)), device.private_key);
                    assert_eq!(files.directory.join(named.ca.unwrap()), files.ca);
                    assert!(profile.transport.is_secure());
                }
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(
        files.device("DOORPRD9A1", "door1").unwrap().profile(Transport::Tcp).unwrap().file_name().unwrap(),
        "door_tcp.json"
    );
    assert_eq!(files.device("DOORPRD9A1", "door2").unwrap().profile(Transport::Tcp), None);
    assert_eq!(profile::Transport::ALL.len(), 4);
    stage.stop().await;
}

#[cfg(unix)]
#[tokio::test]
async fn secrets_are_for_their_owner_alone_and_a_link_in_their_place_is_not_followed() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("a/cloud");
    let first = LocalCloud::start(Options::new(&directory)).await.unwrap();
    assert_eq!(mode(&directory), 0o700);
    first.stop().await;
    let (info, elsewhere) = (directory.join("door_device_info.json"), folder.path().join("elsewhere"));
    let old = fs::read(&info).unwrap();
    fs::write(&elsewhere, "mine").unwrap();
    fs::remove_file(&info).unwrap();
    symlink(&elsewhere, &info).unwrap();
    fs::set_permissions(directory.join("aircond_device_info.json"), fs::Permissions::from_mode(0o666)).unwrap();
    let second = LocalCloud::start(Options::new(&directory)).await.unwrap();
    for device in &second.files().devices {
        assert_eq!(mode(&device.device_info), 0o600, "{}", device.label);
        assert!(device.private_key.as_deref().is_none_or(|key| mode(key) == 0o600));
    }
    assert_eq!(mode(&second.files().ca), 0o644);
    assert_eq!(fs::read(&elsewhere).unwrap(), b"mine");
    assert_ne!(fs::read(&info).unwrap(), old, "each start makes secrets of its own");
    second.stop().await;
}

#[tokio::test]
async fn a_users_account_is_served_with_its_own_secrets_and_made_certificates() {
    let account = br#"{
        "products": [
            {"id": "AAAAAAAAAA", "devices": [{"name": "a:b", "secret": "JTTi3h3sJP7atMACZrVbqQ=="}, {"name": "c"}]},
            {"id": "BBBBBBBBBB", "devices": [{"name": "c", "secret": "JTTi3h3sJP7atMACZrVbqQ=="}]}
        ]
    }"#;
    let stage = Stage::with(|options| options.account = Account::parse(account).unwrap()).await;
    let labels: Vec<_> = stage.cloud.files().devices.iter().map(|device| device.label.as_str()).collect();
    assert_eq!(labels, ["a_b", "c", "BBBBBBBBBB_c"]);
    let mut key = Client::new(stage.tcp(Transport::Tcp).await);
    assert_eq!(key.hello(&stage.device("a_b").signed()).await, "CONNACK 0 code 0");
    let mut certificate = Client::new(stage.tls(Transport::Tls, Some("c")).await.unwrap());
    assert_eq!(certificate.hello(&stage.device("c").bare()).await, "CONNACK 0 code 0");
    let told = stage.cloud.to_string();
    for part in
        ["  tcp://127.0.0.1:", "  wss://127.0.0.1:", "/mqtt", "BBBBBBBBBB_c_device_info.json  BBBBBBBBBB/c, profiles"]
    {
        assert!(told.contains(part), "{told}");
    }
    assert!(!told.contains("JTTi3h3s"));
    stage.stop().await;
}

#[tokio::test]
async fn what_cannot_be_served_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let start = |account: &str| {
        let account = Account::parse(account.as_bytes()).unwrap();
        LocalCloud::start(Options { account, ..Options::new(folder.path()) })
    };
    let pem = skytether_simulator::server::tls::Authority::new("x").unwrap().pem();
    let foreign =
        serde_json::json!({"products": [{"id": "AAAAAAAAAA", "devices": [{"name": "a", "certificate": pem}]}]});
    let error = start(&foreign.to_string()).await.unwrap_err();
    assert!(error.to_string().starts_with("device AAAAAAAAAA/a: leave out `certificate`"), "{error}");
    let error = start(r#"{"products": [{"id": "short"}]}"#).await.unwrap_err();
    assert_eq!(error.to_string(), "product id \"short\": write 10 upper-case letters and digits");
    let error = Account::parse(br#"{"product": []}"#).unwrap_err().to_string();
    assert!(error.starts_with("the account cannot be read: unknown field `product`"), "{error}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut options = Options::new(folder.path());
    options.ports.tls = taken.local_addr().unwrap().port();
    let error = LocalCloud::start(options).await.unwrap_err().to_string();
    assert!(error.starts_with("cannot listen on 127.0.0.1:") && error.contains(" for tls: "), "{error}");
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(matches!(LocalCloud::start(Options::new(&file)).await, Err(LocalError::Write(path, _)) if path == file));
}

//! Files to and from the local Azure over real sockets: an upload whole and one in blocks, an update with a broken
//! download on its way.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc,
    reason = "tests fail by panicking"
)]

use serde_json::{Value, json};
use skytether_core::{
    azure::{
        Answer, Azure, Command, Event,
        update::{UpdateEvent, UpdateId, Updates},
        upload::{Content, Upload},
    },
    device::{self, Device},
    io::{Instant, Slot},
    mqtt::session::{self, Session},
    portable::profile::{Profile, Source},
};
use skytether_simulator::{
    azure::{FileFault, Identity},
    broker::policy::Transport,
    local::azure::{HUB, LocalAzure, Options},
};
use skytether_tokio::{Events, Handle, Store, Tls, seed, spawn};
use std::{fs, future::Future, path::Path, time::Duration};
use tokio::{task::JoinHandle, time::timeout};

const DEVICE: &str = "curiosity-key";
/// SHA-256 of [`image`], in base64.
const DIGEST: &str = "4kvGI4HxIk+7t0aIZj+Pl0O5aAsZPt1maDXpewbnMOs=";

fn image() -> Vec<u8> {
    (0..=250).cycle().take(200_000).collect()
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(30), what).await.expect("in time")
}

struct Board {
    handle: Handle<Command, Answer>,
    events: Events<device::Event<Event>>,
    task: JoinHandle<()>,
}

impl Board {
    fn start(cloud: &LocalAzure, store: &Path) -> Self {
        let files = cloud.files();
        let board = files.devices.iter().find(|device| device.registration_id == DEVICE).unwrap();
        let profile = fs::read(board.profile(Transport::Tls).unwrap()).unwrap();
        let Source::Profile(Profile::Azure(profile)) = Source::parse(&profile).unwrap() else { panic!() };
        let mut config = profile.config();
        config.files.origin = Some(format!("https://127.0.0.1:{}", cloud.https().port()));
        let installed = UpdateId { provider: "acme".into(), name: "board".into(), version: "1.0".into() };
        let mut updates = Updates::new("acme", "board", installed, Slot(1));
        updates.allow_unsigned = true;
        config.updates = Some(updates);
        let session = Session::new(session::Options::default());
        let device = Device::new(
            session,
            Azure::new(config).unwrap(),
            device::Config::default(),
            seed().unwrap(),
            Instant::ZERO,
        );
        let options = skytether_tokio::Options {
            tls: Some(Tls::from_ca_file(&files.ca).unwrap()),
            store: Some(Store::directory(store).unwrap()),
            ..skytether_tokio::Options::default()
        };
        let (handle, events, task) = spawn(device, options);
        Self { handle, events, task }
    }

    /// The next event that is looked for.
    async fn until<T>(&mut self, mut what: impl FnMut(Event) -> Option<T>) -> T {
        loop {
            if let device::Event::Cloud(event) = soon(self.events.next()).await.expect("it runs on")
                && let Some(found) = what(event)
            {
                return found;
            }
        }
    }

    async fn ready(&mut self) {
        while soon(self.events.next()).await.expect("it runs on") != device::Event::Ready {}
    }

    async fn end(mut self) {
        self.handle.close();
        while soon(self.events.next()).await.is_some() {}
        soon(self.task).await.unwrap();
    }
}

#[tokio::test]
async fn files_reach_the_hubs_storage_whole_and_in_blocks() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = soon(LocalAzure::start(Options::new(folder.path().join("cloud")))).await.unwrap();
    let mut board = Board::start(&cloud, &folder.path().join("store"));
    board.ready().await;
    let small = Upload { blob: "logs/a b.txt".into(), content: Content::Whole(b"hello".into()) };
    let Ok(Answer::Uploaded(small)) = soon(board.handle.send(Command::Upload(small))).await else { panic!() };
    assert_eq!((small.fault, small.notified), (None, true), "{small:?}");
    let large = Upload { blob: "dump.bin".into(), content: Content::Blocks(image().len() as u64) };
    let pending = soon(board.handle.submit(Command::Upload(large))).await.unwrap();
    for _ in 0..2 {
        let call = board.until(|event| if let Event::UploadBlock(call) = event { Some(call) } else { None }).await;
        let at = usize::try_from(call.offset).unwrap();
        let bytes = image()[at..at + call.length].to_vec();
        soon(board.handle.send(call.answer(bytes))).await.unwrap();
    }
    let Ok(Answer::Uploaded(large)) = soon(pending).await else { panic!() };
    assert_eq!((large.fault, large.notified), (None, true), "{large:?}");
    for (blob, content) in [("curiosity-key/logs/a b.txt", b"hello".to_vec()), ("curiosity-key/dump.bin", image())] {
        let taken = cloud.handle().with_broker(|broker, _| broker.policy_mut().take_upload()).await.unwrap().unwrap();
        assert_eq!((taken.blob.as_str(), taken.success, taken.status), (blob, true, 200));
        assert!(taken.content == Some(content), "{blob}");
    }
    board.end().await;
    soon(cloud.stop()).await;
}

/// The component as the device reports it.
async fn reported(cloud: &LocalAzure) -> Value {
    let read = |broker: &mut skytether_simulator::broker::Broker<skytether_simulator::azure::AzureCloud>, _| {
        let twin = broker.policy().twin_of(&Identity::device(HUB, DEVICE)).cloned();
        twin.and_then(|twin| twin.reported().get("deviceUpdate").cloned()).unwrap_or_default()
    };
    cloud.handle().with_broker(read).await.unwrap()
}

#[tokio::test]
async fn r_100_an_update_is_fetched_over_a_break_and_reported() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = soon(LocalAzure::start(Options::new(folder.path().join("cloud")))).await.unwrap();
    let store = folder.path().join("store");
    let mut board = Board::start(&cloud, &store);
    board.ready().await;
    let manifest = json!({
        "manifestVersion": "5",
        "updateId": {"provider": "acme", "name": "board", "version": "1.1"},
        "instructions": {"steps": [{"handler": "microsoft/swupdate:1", "files": ["f1"]}]},
        "files": {"f1": {"fileName": "image.swu", "sizeInBytes": image().len(), "hashes": {"sha256": DIGEST}}},
    });
    let url = format!("https://127.0.0.1:{}/du/image.swu", cloud.https().port());
    let desired = json!({"deviceUpdate": {"__t": "c", "service": {
        "workflow": {"action": 3, "id": "d-1"}, "updateManifest": manifest.to_string(), "fileUrls": {"f1": url},
    }}});
    let Value::Object(desired) = desired else { panic!() };
    cloud
        .handle()
        .with_broker(move |broker, now| {
            broker.policy_mut().add_file("du/image.swu", image());
            broker.policy_mut().spoil_files(FileFault::Cut(70_000));
            broker.act(now, |cloud, _, out| cloud.write_desired(&Identity::device(HUB, DEVICE), &desired, out))
        })
        .await
        .unwrap()
        .unwrap();
    let update = |event| if let Event::Update(update) = event { Some(update) } else { None };
    let offered = board.until(update).await;
    let UpdateEvent::Offered(offer) = offered else { panic!("{offered:?}") };
    soon(board.handle.send(offer.accept())).await.unwrap();
    let install = loop {
        match board.until(update).await {
            UpdateEvent::Install(install) => break install,
            UpdateEvent::Progress { .. } => {}
            other => panic!("{other:?}"),
        }
    };
    assert!(fs::read(store.join("slot.1")).unwrap() == image(), "what is to be installed is whole");
    assert_eq!(reported(&cloud).await["agent"]["state"], 6);
    soon(board.handle.send(install.installed(false))).await.unwrap();
    let mut component = reported(&cloud).await;
    for _ in 0..100 {
        if component["agent"]["state"] == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        component = reported(&cloud).await;
    }
    assert_eq!(component["service"]["ac"], 200, "{component}");
    assert_eq!(component["agent"]["lastInstallResult"]["resultCode"], 700, "{component}");
    assert!(component["agent"]["installedUpdateId"].as_str().unwrap().contains("1.1"), "{component}");
    board.end().await;
    soon(cloud.stop()).await;
}

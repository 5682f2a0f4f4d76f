//! How does a test run Microsoft's SDK? A cloud on an address of its own, and a script that is told and heard.

use core::{
    future::Future,
    net::Ipv4Addr,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};
use serde_json::{Value, json};
use skytether_simulator::{
    azure::{
        AzureCloud, Config, EnrollmentConfig, GroupConfig, HubConfig, Proof as AzureProof, ProvisioningConfig,
        SharedKey, Template, Terms,
    },
    broker::policy::{At, Outbox},
    local::azure::{LocalAzure, Options, Ports},
};
use std::{
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    task::JoinHandle,
    time::{sleep, timeout},
};

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const GROUP: &str = "BQwTGiEoLzY9REtSWWBnbnV8g4qRmJ+mrbS7wsnQ197l7PP6AQgPFh0kKzI5QEdOVVxjanF4f4aNlJuiqbC3vg==";

/// By what the device proves itself.
#[derive(Clone, Copy)]
pub(crate) enum Proof {
    Key,
    GroupKey,
    Certificate,
}

/// What is served at port 443.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of443 {
    WebSocket,
    Https,
}

/// The cloud on an address of its own.
pub(crate) struct Cloud {
    pub(crate) local: LocalAzure,
    /// The hub's name: the address.
    pub(crate) hub: String,
    folder: TempDir,
}

impl Cloud {
    pub(crate) async fn start() -> Self {
        for _ in 0..100 {
            if let Some(cloud) = Self::on(next_loopback(), Ports { tls: 8883, ..Ports::default() }).await {
                return cloud;
            }
        }
        panic!("no address 127.x.y.z has a free port 8883, which is the only one that the SDK can use");
    }

    /// The same with port 443; `None`, and a word about it, where this program may not listen there.
    pub(crate) async fn with_443(what: Of443) -> Option<Self> {
        let ports = match what {
            Of443::WebSocket => Ports { tls: 8883, secure_websocket: 443, ..Ports::default() },
            Of443::Https => Ports { tls: 8883, https: 443, ..Ports::default() },
        };
        for _ in 0..3 {
            if let Some(cloud) = Self::on(next_loopback(), ports).await {
                return Some(cloud);
            }
        }
        eprintln!("skipped: port 443 cannot be listened on");
        None
    }

    async fn on(address: Ipv4Addr, ports: Ports) -> Option<Self> {
        let (hub, folder) = (address.to_string(), TempDir::new().unwrap());
        let terms = Terms {
            payload: Some(json!({"greeting": "hello"})),
            desired: json!({"telemetryInterval": 10}).as_object().unwrap().clone(),
            ..Terms::default()
        };
        let key = |text: &str| AzureProof::Key(SharedKey::parse(text).unwrap());
        let provisioning = ProvisioningConfig {
            id_scope: "0ne00ABCDEF".to_owned(),
            retry_after: Some(1),
            enrollments: vec![EnrollmentConfig {
                registration_id: "pump-7".to_owned(),
                device_id: None,
                proof: key(KEY),
                terms: terms.clone(),
            }],
            groups: vec![GroupConfig { name: "fleet".to_owned(), proof: key(GROUP), terms: terms.clone() }],
            ..ProvisioningConfig::default()
        };
        let config = Config {
            provisioning,
            hubs: vec![HubConfig { name: hub.clone(), devices: Vec::new() }],
            templates: vec![Template::wbz451_curiosity()],
        };
        let options = Options { config, terms, ip: address.into(), ports, ..Options::new(folder.path().join("cloud")) };
        let local = LocalAzure::start(options).await.ok()?;
        Some(Self { local, hub, folder })
    }

    /// What a device with this proof needs to know.
    pub(crate) fn options(&self, proof: Proof) -> Value {
        let ca = std::fs::read_to_string(&self.local.files().ca).unwrap();
        let mut options = json!({"host": self.hub, "id_scope": "0ne00ABCDEF", "ca": ca});
        match proof {
            Proof::Key => {
                options["registration_id"] = json!("pump-7");
                options["key"] = json!(KEY);
            }
            Proof::GroupKey => {
                options["registration_id"] = json!("fleet-9");
                options["key"] = json!(SharedKey::parse(GROUP).unwrap().derive("fleet-9").text());
            }
            Proof::Certificate => {
                let device = &self.local.files().devices[0];
                options["registration_id"] = json!(device.registration_id);
                options["certificate"] = json!(device.certificate.as_ref().unwrap().to_str());
                options["private_key"] = json!(device.private_key.as_ref().unwrap().to_str());
            }
        }
        options
    }

    /// The same device for the hub.
    pub(crate) fn hub_options(&self, options: &Value) -> Value {
        let mut options = options.clone();
        options["hub"] = json!(self.hub);
        options["device_id"] = options["registration_id"].clone();
        options
    }

    /// Lets the cloud act of itself.
    pub(crate) async fn ask<R: Send + 'static>(
        &self,
        act: impl FnOnce(&mut AzureCloud, At, &mut Outbox) -> R + Send + 'static,
    ) -> R {
        self.local.handle().with_broker(move |broker, now| broker.act(now, act)).await.unwrap()
    }

    /// Asks until there is an answer.
    pub(crate) async fn until<R: Send + 'static>(&self, ask: fn(&mut AzureCloud) -> Option<R>) -> R {
        let asking = async {
            loop {
                if let Some(answer) = self.ask(move |cloud, _, _| ask(cloud)).await {
                    return answer;
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        soon(asking).await
    }

    pub(crate) fn program(&self) -> Program {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../interop/azure-sdk/device.py");
        let mut command = Command::new(python());
        command.arg("-B").arg(script).current_dir(self.folder.path()).kill_on_drop(true);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("python");
        let mut stderr = child.stderr.take().unwrap();
        let log = tokio::spawn(async move {
            let mut text = Vec::new();
            stderr.read_to_end(&mut text).await.unwrap();
            String::from_utf8_lossy(&text).into_owned()
        });
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Program { input: child.stdin.take(), child, lines, heard: Vec::new(), log }
    }

    pub(crate) async fn stop(self) {
        self.local.stop().await;
    }
}

/// A script that runs. Dropped, it is killed.
pub(crate) struct Program {
    child: Child,
    input: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
    /// What it has said and nobody has asked for yet.
    heard: Vec<(String, Value)>,
    log: JoinHandle<String>,
}

impl Program {
    pub(crate) async fn order(&mut self, command: &Value) {
        self.input.as_mut().unwrap().write_all(format!("{command}\n").as_bytes()).await.unwrap();
    }

    /// Waits until it says this word; what it says of it.
    pub(crate) async fn until(&mut self, word: &str) -> Value {
        let [value] = self.until_all([word]).await;
        value
    }

    /// Waits until it has said each of these words, in whatever order: the SDK speaks from several threads.
    pub(crate) async fn until_all<const N: usize>(&mut self, words: [&str; N]) -> [Value; N] {
        let mut values = words.map(|_| None);
        for (word, value) in words.iter().zip(&mut values) {
            if let Some(at) = self.heard.iter().position(|(said, _)| said == word) {
                *value = Some(self.heard.remove(at).1);
            }
        }
        while values.iter().any(Option::is_none) {
            let Ok(Ok(Some(line))) = timeout(PATIENCE, self.lines.next_line()).await else {
                self.child.start_kill().unwrap();
                panic!("no {words:?}, but {:?}\n{}", self.heard, (&mut self.log).await.unwrap());
            };
            let (said, value) = line.split_once(' ').unwrap();
            let value: Value = serde_json::from_str(value).unwrap();
            match words.iter().position(|word| *word == said) {
                Some(index) if values[index].is_none() => values[index] = Some(value),
                _ => self.heard.push((said.to_owned(), value)),
            }
        }
        values.map(Option::unwrap)
    }

    /// Ends its stdin and waits for its own end; its status and the log of the SDK.
    pub(crate) async fn end(mut self) -> (ExitStatus, String) {
        drop(self.input.take());
        while soon(self.lines.next_line()).await.unwrap().is_some() {}
        let status = soon(self.child.wait()).await.unwrap();
        (status, soon(&mut self.log).await.unwrap())
    }
}

/// The next of this program's loopback addresses; another program's are others, as long as their ids differ in the lower
/// 16 bits.
fn next_loopback() -> Ipv4Addr {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let next = u8::try_from(NEXT.fetch_add(1, Ordering::Relaxed)).unwrap();
    Ipv4Addr::new(127, high, low, next)
}

/// The Python that has the SDK.
fn python() -> PathBuf {
    let of_xtask = || Path::new(env!("CARGO_TARGET_TMPDIR")).join("../azure-sdk/bin/python");
    let python = std::env::var_os("SKYTETHER_AZURE_PYTHON").map_or_else(of_xtask, PathBuf::from);
    assert!(python.exists(), "{} is not there: cargo xtask test --only azure-sdk", python.display());
    python
}

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(40);

async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(PATIENCE, what).await.expect("in time")
}

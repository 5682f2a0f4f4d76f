//! How does a test run the vendor's SDK? A cloud on an address of its own, and scripts that are told and heard.

use core::{
    future::Future,
    net::{Ipv4Addr, SocketAddr},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};
use serde_json::{Value, json};
use skytether_simulator::{
    broker::trace::{Happening, Summary, Trace, Way},
    rules::Definition,
    server::{Config, Server, Traces},
    tencent::{self, DeviceConfig, ProductConfig, SecretText, TencentCloud},
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
    time::timeout,
};

/// A device of the account.
#[derive(Clone, Copy)]
pub(crate) struct Identity {
    pub(crate) product: &'static str,
    pub(crate) name: &'static str,
    pub(crate) secret: &'static str,
}

pub(crate) const DOOR: Identity = Identity { product: "0000000177", name: "door1", secret: "JTTi3h3sJP7atMACZrVbqQ==" };
pub(crate) const AIR: Identity =
    Identity { product: "0X0000007F", name: "AirConditioner1", secret: "c2t5dGV0aGVyLWFpci0wMQ==" };

impl Identity {
    pub(crate) fn client_id(self) -> String {
        format!("{}{}", self.product, self.name)
    }

    fn config(self, first_packet_id: u16) -> ProductConfig {
        let secret = Some(SecretText::new(self.secret));
        let device = DeviceConfig { name: self.name.to_owned(), secret, first_packet_id, ..DeviceConfig::default() };
        ProductConfig { id: self.product.to_owned(), classes: Vec::new(), devices: vec![device] }
    }

    /// The file as the SDK reads it: it insists on every key, needed or not.
    fn file(self) -> String {
        json!({
            "auth_mode": "KEY",
            "productId": self.product,
            "productSecret": "none",
            "deviceName": self.name,
            "key_deviceinfo": { "deviceSecret": self.secret },
            "cert_deviceinfo": { "devCaFile": "none", "devCertFile": "none", "devPrivateKeyFile": "none" },
            "region": "china",
        })
        .to_string()
    }
}

/// The cloud on an address of its own, and what it tells.
pub(crate) struct Cloud {
    pub(crate) server: Server<TencentCloud>,
    /// What follows the product id in the address.
    pub(crate) domain: String,
    traces: Traces,
    seen: Vec<Trace>,
    files: TempDir,
}

impl Cloud {
    pub(crate) async fn start(first_packet_id: u16) -> Self {
        let rule = Definition::republish(
            "home",
            &format!("SELECT * FROM '{}/{}/event'", DOOR.product, DOOR.name),
            &format!("{}/{}/control", AIR.product, AIR.name),
        );
        let config = tencent::Config {
            products: vec![DOOR.config(1), AIR.config(first_packet_id)],
            rules: vec![rule],
            ..tencent::Config::default()
        };
        for _ in 0..100 {
            let address = next_loopback();
            let cloud = TencentCloud::new(&config, [7; 32]).unwrap();
            let addr = SocketAddr::from((address, 1883));
            let Ok(server) = Server::start(cloud, Config { addr, ..Config::default() }).await else { continue };
            let [_, b, c, d] = address.octets();
            let traces = server.handle().trace();
            let files = TempDir::new().unwrap();
            return Self { server, domain: format!(".{b}.{c}.{d}"), traces, seen: Vec::new(), files };
        }
        panic!("no address 127.x.y.z has a free port 1883, which is the only one that the SDK can use");
    }

    pub(crate) fn program(&self, script: &str, device: Identity, arguments: &[&str]) -> Program {
        let file = self.files.path().join(device.name);
        std::fs::write(&file, device.file()).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../interop/vendor-sdk").join(script);
        let mut command = Command::new(python());
        command.arg("-B").arg(script).arg(file).arg(&self.domain).args(arguments);
        command.current_dir(self.files.path()).kill_on_drop(true);
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

    pub(crate) async fn steered(&self, device: Identity) -> Program {
        let mut program = self.program("steered.py", device, &[]);
        program.until("ready").await;
        program
    }

    /// Reads the trace until so many connections of this device have ended.
    pub(crate) async fn until_closed(&mut self, device: Identity, count: usize) {
        let ended = |lines: &Vec<String>| lines.last().is_some_and(|line| line.starts_with("closed"));
        loop {
            let connections = self.connections(device);
            if connections.len() >= count && connections.iter().all(ended) {
                return;
            }
            let trace = soon(self.traces.next()).await.expect("the server runs");
            assert!(!matches!(trace.what, Happening::Missed(_)));
            self.seen.push(trace);
        }
    }

    /// What went over each connection of a device, and how it ended.
    pub(crate) fn connections(&self, device: Identity) -> Vec<Vec<String>> {
        let is_hers = |trace: &&Trace| {
            let Happening::Packet(Way::In, Summary::Connect(connect)) = &trace.what else { return false };
            connect.client_id == device.client_id()
        };
        let connections = self.seen.iter().filter(is_hers).map(|trace| trace.conn);
        connections
            .map(|conn| {
                let of_it = self.seen.iter().filter(|trace| trace.conn == conn);
                let told = of_it.filter(|trace| !matches!(trace.what, Happening::Opened(_)));
                told.map(|trace| Trace { conn: None, client: None, ..trace.clone() }.to_string()).collect()
            })
            .collect()
    }

    /// As [`Cloud::connections`] where there was one.
    pub(crate) fn packets(&self, device: Identity) -> Vec<String> {
        let mut connections = self.connections(device);
        assert_eq!(connections.len(), 1);
        connections.remove(0)
    }

    pub(crate) async fn stop(self) {
        self.server.stop().await;
    }
}

/// A script that runs. Dropped, it is killed.
pub(crate) struct Program {
    child: Child,
    input: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
    /// Everything it has said.
    pub(crate) heard: Vec<(String, Value)>,
    log: JoinHandle<String>,
}

impl Program {
    pub(crate) async fn order(&mut self, command: &Value) {
        self.input.as_mut().unwrap().write_all(format!("{command}\n").as_bytes()).await.unwrap();
    }

    /// Waits until it says this word; what it says of it. What it says before is only kept in `heard`.
    pub(crate) async fn until(&mut self, word: &str) -> Value {
        let [value] = self.until_all([word]).await;
        value
    }

    /// Waits until it has said each of these words, in whatever order: the SDK speaks from several threads.
    pub(crate) async fn until_all<const N: usize>(&mut self, words: [&str; N]) -> [Value; N] {
        let mut values = words.map(|_| None);
        while values.iter().any(Option::is_none) {
            let Ok(Ok(Some(line))) = timeout(PATIENCE, self.lines.next_line()).await else {
                self.child.start_kill().unwrap();
                panic!("no {words:?} after {:?}\n{}", self.heard, (&mut self.log).await.unwrap());
            };
            let (said, value) = line.split_once(' ').unwrap();
            let value: Value = serde_json::from_str(value).unwrap();
            self.heard.push((said.to_owned(), value.clone()));
            if let Some(index) = words.iter().position(|word| *word == said) {
                values[index].get_or_insert(value);
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

/// The next of this program's loopback addresses; another program's are others, as long as their ids differ in the lower 16 bits.
fn next_loopback() -> Ipv4Addr {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let next = u8::try_from(NEXT.fetch_add(1, Ordering::Relaxed)).unwrap();
    Ipv4Addr::new(127, high, low, next)
}

/// The Python that has the SDK.
fn python() -> PathBuf {
    let of_xtask = || Path::new(env!("CARGO_TARGET_TMPDIR")).join("../vendor-sdk/bin/python");
    let python = std::env::var_os("SKYTETHER_VENDOR_PYTHON").map_or_else(of_xtask, PathBuf::from);
    assert!(python.exists(), "{} is not there: cargo xtask test --only vendor-sdk", python.display());
    python
}

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(20);

async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(PATIENCE, what).await.expect("in time")
}

//! Debian's mosquitto as a child of the test: started on a free port, killed or stopped by its own id.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tempfile::TempDir;
use tokio::{
    net::{TcpListener, TcpStream},
    process::{Child, Command},
    time::{sleep, timeout},
};

/// A mosquitto that keeps everything in files, but saves only when it is told to (SIGUSR1) or ends in order.
pub const PERSISTENT: &str = "persistence true\nautosave_interval 0\nmax_queued_messages 0\n";

/// A WebSocket listener beside the first one; settings that follow are its own. (On its own mosquitto 2.0 does not start
/// it, and without the domain it would listen on every address.)
pub const WEBSOCKET: &str = "listener {websocket} 127.0.0.1\nprotocol websockets\nsocket_domain ipv4\n";

/// A mosquitto that listens on 127.0.0.1; killed when it is dropped.
pub struct Broker {
    program: PathBuf,
    folder: TempDir,
    settings: String,
    child: Option<Child>,
    /// Where it listens; another one after each restart.
    pub port: u16,
    /// Where its WebSocket listens; where its settings have no [`WEBSOCKET`], the same as `port`.
    pub websocket: u16,
}

impl Broker {
    /// Starts one; `None` where it is not installed, which is said, and which fails under `CI=true`.
    pub async fn start(settings: &str) -> Option<Self> {
        let program = find("mosquitto")?;
        find("mosquitto_sub")?;
        find("mosquitto_pub")?;
        // It synchronises each save; where there is a file system in memory, that costs nothing.
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let mut broker = Self { program, folder, settings: settings.to_owned(), child: None, port: 0, websocket: 0 };
        broker.restart().await;
        Some(broker)
    }

    /// Starts it anew on another port, with what it kept.
    pub async fn restart(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        for _ in 0..5 {
            self.port = free().await;
            self.websocket = if self.settings.contains("{websocket}") { free().await } else { self.port };
            let place = self.folder.path().display();
            let config = format!(
                "listener {} 127.0.0.1\nallow_anonymous true\npersistence_location {place}/\nuser root\n{}",
                self.port,
                self.settings.replace("{websocket}", &self.websocket.to_string())
            );
            let file = self.folder.path().join("mosquitto.conf");
            fs::write(&file, config).unwrap();
            let log = fs::OpenOptions::new().append(true).create(true).open(self.log()).unwrap();
            let mut command = Command::new(&self.program);
            command.arg("-v").arg("-c").arg(file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
            let mut child = command.kill_on_drop(true).spawn().unwrap();
            for _ in 0..500 {
                if listens(self.port).await && listens(self.websocket).await {
                    self.child = Some(child);
                    return;
                }
                if child.try_wait().unwrap().is_some() {
                    break;
                }
                sleep(Duration::from_millis(10)).await;
            }
        }
        panic!("mosquitto does not start: {}", fs::read_to_string(self.log()).unwrap_or_default());
    }

    /// kill -9: nothing is saved, nobody is told.
    pub async fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().await.unwrap();
    }

    /// SIGTERM: it saves and ends.
    pub async fn stop(&mut self) {
        let mut child = self.child.take().expect("it runs");
        signal(child.id(), rustix::process::Signal::TERM);
        timeout(Duration::from_secs(10), child.wait()).await.expect("mosquitto ends").unwrap();
    }

    /// Its process id.
    pub fn process(&self) -> u32 {
        self.child.as_ref().and_then(Child::id).expect("it runs")
    }

    /// The file it saves to.
    pub fn database(&self) -> PathBuf {
        self.folder.path().join("mosquitto.db")
    }

    /// The file with its log, which shows each packet.
    pub fn log(&self) -> PathBuf {
        self.folder.path().join("mosquitto.log")
    }

    /// One of its own clients, connected to it.
    pub fn tool(&self, name: &str) -> Command {
        let mut command = Command::new(find(name).expect("looked for before"));
        command.args(["-h", "127.0.0.1", "-p"]).arg(self.port.to_string());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).kill_on_drop(true);
        command
    }
}

/// Tells a child of ours something; one that is gone does not mind.
pub fn signal(process: Option<u32>, signal: rustix::process::Signal) {
    if let Some(pid) = process.and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process(pid, signal);
    }
}

async fn free() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

async fn listens(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).await.is_ok()
}

fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin"), PathBuf::from("/usr/bin")]);
    let found = places.map(|place| place.join(name)).find(|file: &PathBuf| Path::is_file(file));
    if found.is_none() {
        let reason = format!("SKIPPED: {name} is not installed (apt-get install mosquitto mosquitto-clients)");
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{reason}");
        eprintln!("{reason}");
    }
    found
}

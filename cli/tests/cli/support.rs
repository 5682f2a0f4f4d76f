//! What do the tests of the command share? Running it, bounded in time, talking to it, and reading its log.

use std::{
    path::PathBuf,
    process::Stdio,
    sync::{Arc, Mutex},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncWriteExt as _, BufReader},
    process::{Child, ChildStdin, Command},
    sync::watch,
    time::{Duration, sleep, timeout},
};

/// No run of the command may take longer.
pub(crate) const BOUND: Duration = Duration::from_mins(1);

/// What a run of the command left behind.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_skytether"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// Starts the command; it is killed when it is dropped.
pub(crate) fn start(arguments: &[&str]) -> Child {
    command(arguments).spawn().unwrap()
}

/// Waits for its end.
pub(crate) async fn finish(child: Child) -> Run {
    let output = timeout(BOUND, child.wait_with_output()).await.expect("the command ends in time").unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// Runs the command to its end.
pub(crate) async fn run(arguments: &[&str]) -> Run {
    finish(start(arguments)).await
}

/// Runs the command with this on its stdin.
pub(crate) async fn run_with(arguments: &[&str], input: &[u8]) -> Run {
    let mut child = command(arguments).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input).await.unwrap();
    drop(stdin);
    finish(child).await
}

/// A command that runs, with what it has said so far.
pub(crate) struct Talk {
    child: Child,
    stdin: Option<ChildStdin>,
    out: Page,
    err: Page,
}

impl Talk {
    /// Starts it, with an open stdin.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut child = command(arguments).stdin(Stdio::piped()).spawn().unwrap();
        let (stdin, out, err) = (child.stdin.take(), child.stdout.take().unwrap(), child.stderr.take().unwrap());
        Self { child, stdin, out: Page::of(out), err: Page::of(err) }
    }

    /// Its process id.
    pub(crate) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits until it catches Ctrl-C.
    pub(crate) async fn catches_signals(&self) {
        let status = format!("/proc/{}/status", self.id().expect("it runs"));
        let caught = async {
            loop {
                // Where there is no such file, half a second has to do.
                let Ok(status) = std::fs::read_to_string(&status) else {
                    return sleep(Duration::from_millis(500)).await;
                };
                let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).expect("a mask");
                if u64::from_str_radix(mask.trim(), 16).unwrap() & 0b10 != 0 {
                    return;
                }
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(BOUND, caught).await.expect("it catches signals in time");
    }

    /// Types a line.
    pub(crate) async fn type_line(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("its stdin is open");
        stdin.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    /// Ends its stdin.
    pub(crate) fn end_input(&mut self) {
        self.stdin = None;
    }

    /// Waits until its stdout holds this.
    pub(crate) async fn says(&mut self, text: &str) {
        self.out.holds(text, 1).await;
    }

    /// Waits until its stdout holds this so often.
    pub(crate) async fn says_times(&mut self, text: &str, times: usize) {
        self.out.holds(text, times).await;
    }

    /// What it has said so far.
    pub(crate) fn said(&self) -> String {
        self.out.text()
    }

    /// Sends a signal to it, and to no other.
    #[cfg(unix)]
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        skytether_testing::broker::signal(self.id(), signal);
    }

    /// Waits for its end.
    pub(crate) async fn end(mut self) -> Run {
        let status = timeout(BOUND, self.child.wait()).await.expect("the command ends in time").unwrap();
        self.out.whole().await;
        self.err.whole().await;
        Run { code: status.code(), out: self.out.text(), err: self.err.text() }
    }
}

/// What a stream has brought so far.
struct Page {
    text: Arc<Mutex<Vec<u8>>>,
    grown: watch::Receiver<()>,
}

impl Page {
    fn of(stream: impl AsyncRead + Send + Unpin + 'static) -> Self {
        let text = Arc::new(Mutex::new(Vec::new()));
        let (tell, grown) = watch::channel(());
        let page = Arc::clone(&text);
        tokio::spawn(async move {
            let mut stream = BufReader::new(stream);
            loop {
                let mut line = Vec::new();
                if stream.read_until(b'\n', &mut line).await.unwrap_or(0) == 0 {
                    return;
                }
                page.lock().unwrap().extend(line);
                tell.send_replace(());
            }
        });
        Self { text, grown }
    }

    fn text(&self) -> String {
        String::from_utf8(self.text.lock().unwrap().clone()).unwrap()
    }

    async fn holds(&mut self, text: &str, times: usize) {
        let seen = async {
            while self.text().matches(text).count() < times {
                if self.grown.changed().await.is_err() {
                    assert!(self.text().matches(text).count() >= times, "it ended without {text:?}: {}", self.text());
                }
            }
        };
        let seen = timeout(BOUND, seen).await;
        assert!(seen.is_ok(), "no {text:?} in time: {}", self.text());
    }

    async fn whole(&mut self) {
        while self.grown.changed().await.is_ok() {}
    }
}

/// A local cloud in a folder of its own.
pub(crate) struct Sim {
    pub(crate) talk: Talk,
    folder: TempDir,
}

impl Sim {
    /// Starts one with each packet in its log, and waits until it is ready.
    pub(crate) async fn start(more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("cloud");
        let mut talk = Talk::start(&[&["sim", "-v", "--dir", directory.to_str().unwrap()], more].concat());
        talk.says("Ready.").await;
        Self { talk, folder }
    }

    /// A file of its folder, such as `door_tls.json`.
    pub(crate) fn file(&self, name: &str) -> String {
        let file = self.path().join(name);
        assert!(file.is_file(), "{} is there", file.display());
        file.to_str().unwrap().to_owned()
    }

    /// Its folder.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("cloud")
    }

    /// The port of a transport, as it told.
    pub(crate) fn port(&self, transport: &str) -> String {
        let said = self.talk.said();
        let url = said.lines().find_map(|line| line.trim().strip_prefix(&format!("{transport}://127.0.0.1:"))).unwrap();
        url.trim_end_matches("/mqtt").to_owned()
    }

    /// Ends it by Ctrl-C.
    #[cfg(unix)]
    pub(crate) async fn stop(self) -> Run {
        self.talk.signal(rustix::process::Signal::INT);
        self.talk.end().await
    }
}

/// What one device says, line by line: the text behind the time stamp and the name.
pub(crate) fn lines_of<'o>(out: &'o str, who: &str) -> Vec<&'o str> {
    out.lines()
        .filter_map(|line| {
            let mut words = line.splitn(4, ' ');
            let (_date, _time, name) = (words.next()?, words.next()?, words.next()?);
            (name == who).then(|| words.next().unwrap_or_default().trim_start())
        })
        .collect()
}

/// Those of the lines that are packets.
pub(crate) fn packets<'o>(lines: &[&'o str]) -> Vec<&'o str> {
    lines.iter().filter(|line| line.starts_with("Sending ") || line.starts_with("Received ")).copied().collect()
}

/// The JSON objects of an output, each on its line.
pub(crate) fn json_lines(out: &str) -> Vec<serde_json::Value> {
    out.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

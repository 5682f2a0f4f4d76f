//! Where a story is played: the local cloud on one side, the emulated board on the other, both as children whose lines
//! are heard in one place.

use super::{
    story::{Cloud, Story},
    text,
};
use crate::run::Project;
use anyhow::{Context as _, Result, bail};
use std::{
    io::{BufRead as _, BufReader, Read, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread,
    time::{Duration, Instant},
};

/// Longest life of a story.
const LIMIT: Duration = Duration::from_mins(1);
/// The board that is emulated: a Cortex-M4F with a network chip and UARTs.
const BOARD: &str = "mps2-an386";
/// What the host's 127.0.0.1 is called inside.
const HOST: &str = "10.0.2.2";

/// How many times faster than it happens the demo is told.
const SPEED: &str = "5";
/// The demo's own network, service and device.
const CENTRAL: [(&str, &str); 6] = [
    ("ssid", "your_SSID"),
    ("passphrase", "your_PASSPHRASE"),
    ("ntp", "pool.ntp.org"),
    ("scope", "0ne00ABCDEF"),
    ("device", "sn0123FE0CF960432D01"),
    ("speed", SPEED),
];

/// Who said a line.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Who {
    Cloud,
    Board,
}

/// A line, or the end of what a child says.
type News = (Who, Option<String>);

/// A child that does not outlive us.
struct Actor(Child);

impl Drop for Actor {
    fn drop(&mut self) {
        // One that has ended needs no end.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Plays a story; an error says where it broke off.
pub(super) fn play(project: &Project, story: &Story, image: &Path) -> Result<()> {
    let folder = project.target_dir().join("firmware/cloud");
    let (tell, news) = channel();
    let mut cloud = start_cloud(project, story.cloud, &folder, &tell)?;
    let mut orders = cloud.0.stdin.take().context("the cloud takes orders")?;
    let mut said = Vec::new();
    let port = port(&news, story.cloud, &mut said)?;
    let mut board = start_board(image, story.cloud, &port, &parameters(story.cloud, &folder, &port)?, &tell)?;
    let ends = if story.cloud == Cloud::Central { Who::Cloud } else { Who::Board };
    let until = now() + LIMIT;
    let mut turns = story.turns.iter();
    let mut turn = turns.next();
    loop {
        match news.recv_timeout(until.saturating_duration_since(now())) {
            Ok((Who::Board, Some(line))) => {
                println!("  {line}");
                if let Some((_, order)) = turn.filter(|(begin, _)| line.starts_with(begin)) {
                    writeln!(orders, "{order}").context("the cloud takes no orders any more")?;
                    turn = turns.next();
                }
            }
            Ok((who, None)) if who == ends => break,
            Ok((Who::Board, None)) => bail!("the emulator has ended too early; the cloud said:\n{}", said.join("\n")),
            Ok((Who::Cloud, line)) => said.extend(line),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                bail!(
                    "the board has not come to its end in {} s; the cloud said:\n{}",
                    LIMIT.as_secs(),
                    said.join("\n")
                );
            }
        }
    }
    let status = if ends == Who::Board { board.0.wait()? } else { cloud.0.wait()? };
    // What the cloud heard last is on its way.
    while let Ok((_, line)) = news.recv_timeout(Duration::from_millis(300)) {
        said.extend(line);
    }
    if !status.success() {
        bail!("it ended with {status}; the cloud said:\n{}", said.join("\n"));
    }
    if let Some((begin, _)) = turn {
        bail!("the board never said `{begin}`");
    }
    for (piece, least) in story.heard {
        let times = said.iter().filter(|line| line.contains(piece)).count();
        if times < *least {
            bail!("the cloud told {times} times of `{piece}`, not {least}:\n{}", said.join("\n"));
        }
    }
    Ok(())
}

fn start_cloud(project: &Project, cloud: Cloud, folder: &Path, tell: &Sender<News>) -> Result<Actor> {
    let program = project.target_dir().join("debug/skytether");
    let mut command = project.program(&program);
    match cloud {
        Cloud::Home(_) => command.args(["sim", "-v", "--dir"]).arg(folder),
        Cloud::Central => command.args(["demo", "central", "--link", "at", "--elsewhere", "--speed", SPEED]),
    };
    command.stdin(Stdio::piped());
    start(command, Who::Cloud, tell).with_context(|| program.display().to_string())
}

fn start_board(
    image: &Path,
    cloud: Cloud,
    port: &str,
    parameters: &[(String, String)],
    tell: &Sender<News>,
) -> Result<Actor> {
    // A comma in a value is doubled there.
    let arguments: Vec<_> =
        parameters.iter().map(|(key, value)| format!(",arg={key}={}", value.replace(',', ",,"))).collect();
    let mut command = Command::new("qemu-system-arm");
    command.args(["-M", BOARD, "-display", "none", "-monitor", "none", "-serial"]);
    match cloud {
        Cloud::Home(_) => command.args(["none", "-nic", "user,model=lan9118"]),
        // The network chip is there, and leads nowhere.
        Cloud::Central => {
            command.arg(format!("tcp:127.0.0.1:{port},nodelay=on")).args(["-nic", "user,model=lan9118,restrict=on"])
        }
    };
    command.arg("-semihosting-config");
    command.arg(format!("enable=on,target=native,arg=firmware{}", arguments.concat())).arg("-kernel").arg(image);
    command.stdin(Stdio::null());
    start(command, Who::Board, tell).context("qemu-system-arm")
}

/// Starts a child, and hears it.
fn start(mut command: Command, who: Who, tell: &Sender<News>) -> Result<Actor> {
    let mut child = Actor(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?);
    let (stdout, stderr) = (child.0.stdout.take(), child.0.stderr.take());
    let errors = tell.clone();
    thread::spawn(move || hear(stdout, who, &errors, false));
    let lines = tell.clone();
    thread::spawn(move || hear(stderr, who, &lines, true));
    Ok(child)
}

fn hear(from: Option<impl Read>, who: Who, tell: &Sender<News>, is_error: bool) {
    for line in from.map(BufReader::new).into_iter().flat_map(|from| from.split(b'\n')) {
        let Ok(line) = line else { break };
        // Who does not listen any more does not want it.
        let _ = tell.send((who, Some(String::from_utf8_lossy(&line).into_owned())));
    }
    if !is_error {
        let _ = tell.send((who, None));
    }
}

/// Waits for the cloud to be ready; the port that the board is to find it at.
fn port(news: &Receiver<News>, cloud: Cloud, said: &mut Vec<String>) -> Result<String> {
    let (begin, last) = match cloud {
        Cloud::Home(scheme) => (format!("{scheme}://127.0.0.1:"), "Ready."),
        Cloud::Central => ("tcp://127.0.0.1:".to_owned(), "A simulated AnyCloud modem"),
    };
    let mut port = None;
    while let Ok((_, Some(line))) = news.recv_timeout(Duration::from_secs(20)) {
        let digits = |rest: &str| rest.chars().take_while(char::is_ascii_digit).collect::<String>();
        port = port.or_else(|| line.split_once(&begin).map(|(_, rest)| digits(rest)));
        let ready = line.starts_with(last);
        said.push(line);
        if ready {
            return port.with_context(|| format!("the cloud names no {begin}…:\n{}", said.join("\n")));
        }
    }
    bail!("the cloud does not start:\n{}", said.join("\n"));
}

/// What the firmware is told: where the cloud is, and who it is there.
fn parameters(cloud: Cloud, folder: &Path, port: &str) -> Result<Vec<(String, String)>> {
    if cloud == Cloud::Central {
        return Ok(CENTRAL.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec());
    }
    let device = text(&folder.join("aircond_device_info.json"))?;
    let field = |name: &str| {
        let rest = device.split_once(&format!("\"{name}\""))?.1;
        rest.split('"').nth(1).map(str::to_owned).filter(|value| !value.is_empty())
    };
    let ca = text(&folder.join("ca.pem"))?;
    let ca = ca.lines().filter(|line| !line.starts_with("-----")).collect::<String>();
    let mut parameters = vec![
        ("host".to_owned(), "localhost".to_owned()),
        ("at".to_owned(), HOST.to_owned()),
        ("port".to_owned(), port.to_owned()),
        ("ca".to_owned(), ca),
    ];
    for (parameter, name) in [("product", "productId"), ("device", "deviceName"), ("secret", "deviceSecret")] {
        let value = field(name).with_context(|| format!("no {name} in the device's file"))?;
        parameters.push((parameter.to_owned(), value));
    }
    Ok(parameters)
}

#[allow(clippy::disallowed_methods, reason = "a real emulator runs in real time")]
fn now() -> Instant {
    Instant::now()
}

//! What does a whole client cost, over loopback, against the null broker and against mosquitto?

use crate::{Ratio, beside, median, output};
use std::{
    fs, io,
    io::{BufRead as _, BufReader},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

const TOPIC: &str = "site/plant-07/line-3/cell-12/temperature";
/// Ours comes first; the others are what it is compared with.
const PEERS: [&str; 5] = ["skytether-tokio", "skytether-blocking", "rumqttc", "raw", "paho (Python)"];
const JOBS: [(&str, &str); 4] = [
    ("publish QoS 0", "publish0"),
    ("publish QoS 1", "publish1"),
    ("receive QoS 0", "receive0"),
    ("receive QoS 1", "receive1"),
];

/// One run of one client.
#[derive(Clone, Copy)]
struct Run {
    messages: f64,
    wall: f64,
    cpu: f64,
    peak: f64,
}

/// A broker that ends with this.
struct Broker(Child);

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn report(quick: bool) -> io::Result<Vec<Ratio>> {
    let (rounds, count) = if quick { (3, 50_000) } else { (9, 200_000) };
    println!("\n## Whole clients over loopback\n");
    println!(
        "256 B a message, {count} messages a run, medians of {rounds} rounds in which the clients take turns; the share"
    );
    println!(
        "is that of CPU time, skytether-tokio ÷ it. `raw` is no client: prepared bytes, so it measures the broker."
    );
    let mut ratios = Vec::new();
    let (broker, port) = null_broker()?;
    for (title, job) in JOBS {
        ratios.extend(table(&format!("null broker, {title}"), job, port, rounds, count, true));
    }
    drop(broker);
    if let Some((broker, port)) = mosquitto()? {
        for (title, job) in &JOBS[..2] {
            ratios.extend(table(&format!("mosquitto, {title}"), job, port, rounds, count, false));
        }
        drop(broker);
    } else {
        println!("\n(mosquitto is not there)");
    }
    Ok(ratios)
}

fn table(group: &str, job: &str, port: u16, rounds: usize, count: u64, null: bool) -> Vec<Ratio> {
    let mut runs: Vec<Vec<Run>> = vec![Vec::new(); PEERS.len()];
    for _ in 0..rounds {
        for (peer, runs) in PEERS.iter().zip(&mut runs) {
            // Some are two orders slower: a tenth says as much. The raw client asks a real broker for too much at once.
            let slow = peer.starts_with("paho") || peer.ends_with("blocking");
            let count = if slow { count / 10 } else { count };
            if null || *peer != "raw" {
                runs.extend(run(peer, job, count, port));
            }
        }
    }
    println!("\n| {group} | messages/s | CPU s a million | ours ÷ it | peak KiB |\n|---|---:|---:|---:|---:|");
    let mut ratios = Vec::new();
    for (peer, theirs) in PEERS.iter().zip(&runs).filter(|(_, runs)| !runs.is_empty()) {
        let of = |value: fn(&Run) -> f64| median(theirs.iter().map(value).collect());
        let cost = |run: &Run| run.cpu / run.messages;
        let share = median(runs[0].iter().zip(theirs).map(|(ours, theirs)| cost(ours) / cost(theirs)).collect());
        println!(
            "| {peer} | {:.0} | {:.3} | {share:.2} | {:.0} |",
            of(|run| run.messages / run.wall),
            of(|run| run.cpu / run.messages * 1e6),
            of(|run| run.peak)
        );
        ratios.push(Ratio { group: group.to_owned(), peer: (*peer).to_owned(), share });
    }
    ratios
}

fn run(peer: &str, job: &str, count: u64, port: u16) -> Option<Run> {
    let topic = match job {
        "receive0" => format!("flood/0/{count}"),
        "receive1" => format!("flood/1/{count}"),
        _ => TOPIC.to_owned(),
    };
    let (count_text, port) = (count.to_string(), port.to_string());
    let arguments = [job, &count_text, &port, &topic];
    let said = if peer.starts_with("paho") {
        let python = std::env::var("BENCH_PYTHON").unwrap_or_else(|_| "python3".to_owned());
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/paho_client.py");
        let there = Command::new(&python).args(["-c", "import paho.mqtt.client"]).stderr(Stdio::null()).status();
        if !there.is_ok_and(|status| status.success()) {
            return None;
        }
        output(Command::new(python).arg(script).args(arguments))?
    } else {
        output(Command::new(beside("client")).arg(peer).args(arguments))?
    };
    let figures: Vec<f64> = said.split_whitespace().map(|figure| figure.parse().unwrap()).collect();
    let [wall, cpu, peak] = figures[..] else { return None };
    #[allow(clippy::cast_precision_loss, reason = "small counts")]
    Some(Run { messages: count as f64, wall, cpu, peak })
}

fn null_broker() -> io::Result<(Broker, u16)> {
    let mut child = Command::new(beside("null_broker")).stdout(Stdio::piped()).spawn()?;
    let stdout = child.stdout.take();
    let broker = Broker(child);
    let mut line = String::new();
    BufReader::new(stdout.unwrap()).read_line(&mut line)?;
    Ok((broker, line.trim().parse().unwrap()))
}

/// mosquitto with its queues open, where it is installed.
fn mosquitto() -> io::Result<Option<(Broker, u16)>> {
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let config = std::env::temp_dir().join(format!("skytether-bench-{port}.conf"));
    fs::write(&config, format!("listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n"))?;
    let found = ["mosquitto", "/usr/sbin/mosquitto"].into_iter().find_map(|program| {
        let mut command = Command::new(program);
        command.arg("-c").arg(&config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().ok()
    });
    let Some(broker) = found.map(Broker) else { return Ok(None) };
    let patience = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if Instant::now() > patience {
            return Err(io::Error::other("mosquitto does not listen"));
        }
        sleep(Duration::from_millis(50));
    }
    fs::remove_file(config)?;
    Ok(Some((broker, port)))
}

//! Clients that are not ours: mosquitto's command-line tools against the server.
#![cfg(feature = "server")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use core::{future::Future, time::Duration};
use skytether_core::{link::QoS, secret::Secret};
use skytether_simulator::{
    broker::{
        policy::Open,
        trace::{CloseReason, Happening, Summary, Trace, Way},
    },
    server::{Config, Server, Traces},
};
use std::process::Stdio;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), what).await.expect("in time")
}

/// A server, if the tools are here. Without them a test says so and is over; where CI runs, it fails.
struct Stage {
    server: Server<Open>,
    traces: Traces,
}

impl Stage {
    async fn set(policy: Open) -> Option<Self> {
        let here = Command::new("mosquitto_sub").arg("--help").stdout(Stdio::null()).status().await.is_ok();
        if !here {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "mosquitto_sub and mosquitto_pub are not installed");
            eprintln!("skipped: mosquitto_sub and mosquitto_pub are not installed (Debian: mosquitto-clients)");
            return None;
        }
        let server = Server::start(policy, Config::default()).await.unwrap();
        let traces = server.handle().trace();
        Some(Self { server, traces })
    }

    fn command(&self, tool: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(tool);
        let addr = self.server.addr();
        command.args(["-h", &addr.ip().to_string(), "-p", &addr.port().to_string()]).args(arguments);
        command.kill_on_drop(true);
        command
    }

    /// Publishes, and waits for `mosquitto_pub` to be content.
    async fn publish(&self, arguments: &[&str]) {
        let status = soon(self.command("mosquitto_pub", arguments).status()).await.unwrap();
        assert!(status.success(), "{arguments:?}: {status}");
    }

    /// A subscriber that has its SUBACK. Its lines are `topic qos retain payload`.
    async fn subscribe(&mut self, client_id: &str, arguments: &[&str]) -> Subscriber {
        let mut command = self.command("mosquitto_sub", &["-i", client_id, "-F", "%t %q %r %p"]);
        let mut child = command.args(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        self.until(client_id, |what| matches!(what, Happening::Packet(Way::Out, Summary::SubAck { .. }))).await;
        Subscriber { child, lines }
    }

    /// Waits for something that happens to a client.
    async fn until(&mut self, client_id: &str, is_it: impl Fn(&Happening) -> bool) -> Trace {
        loop {
            let trace = soon(self.traces.next()).await.expect("the server runs");
            if trace.client.as_deref() == Some(client_id) && is_it(&trace.what) {
                return trace;
            }
        }
    }
}

struct Subscriber {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Subscriber {
    async fn line(&mut self) -> String {
        soon(self.lines.next_line()).await.unwrap().expect("the subscriber runs")
    }
}

#[tokio::test]
async fn each_qos_goes_through_from_tool_to_tool() {
    let Some(mut stage) = Stage::set(Open::anonymous()).await else { return };
    for version in ["mqttv311", "mqttv31"] {
        let mut subscriber = stage.subscribe("sub", &["-V", version, "-t", "a/b", "-q", "2"]).await;
        for qos in ["0", "1", "2"] {
            stage.publish(&["-V", version, "-t", "a/b", "-m", &format!("at {qos}"), "-q", qos]).await;
            assert_eq!(subscriber.line().await, format!("a/b {qos} 0 at {qos}"), "{version}");
        }
    }
    stage.server.stop().await;
}

#[tokio::test]
async fn delivery_is_at_the_granted_qos() {
    let Some(mut stage) = Stage::set(Open::anonymous()).await else { return };
    let mut subscriber = stage.subscribe("sub", &["-t", "a", "-q", "0"]).await;
    stage.publish(&["-t", "a", "-m", "x", "-q", "2"]).await;
    assert_eq!(subscriber.line().await, "a 0 0 x");
    stage.server.stop().await;
}

#[tokio::test]
async fn many_qos_2_messages_arrive_once_and_in_order() {
    let Some(mut stage) = Stage::set(Open::anonymous()).await else { return };
    let mut subscriber = stage.subscribe("sub", &["-t", "n", "-q", "2"]).await;
    let mut publisher = stage.command("mosquitto_pub", &["-t", "n", "-q", "2", "-l"]);
    let mut child = publisher.stdin(Stdio::piped()).spawn().unwrap();
    let text = (0..200).map(|n| n.to_string()).collect::<Vec<_>>().join("\n") + "\n";
    let mut input = child.stdin.take().unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut input, text.as_bytes()).await.unwrap();
    drop(input);
    for n in 0..200 {
        assert_eq!(subscriber.line().await, format!("n 2 0 {n}"));
    }
    assert!(soon(child.wait()).await.unwrap().success());
    stage.server.stop().await;
}

#[tokio::test]
async fn wildcards_select() {
    let Some(mut stage) = Stage::set(Open::anonymous()).await else { return };
    let mut subscriber = stage.subscribe("sub", &["-t", "a/+/c", "-t", "x/#", "-q", "1"]).await;
    for topic in ["a/b/c", "a/b/d", "x", "x/y/z", "$x/y", "a/c", "a//c"] {
        stage.publish(&["-t", topic, "-m", "m", "-q", "1"]).await;
    }
    for expected in ["a/b/c", "x", "x/y/z", "a//c"] {
        assert_eq!(subscriber.line().await, format!("{expected} 1 0 m"));
    }
    stage.server.stop().await;
}

#[tokio::test]
async fn retained_messages_are_there_for_those_who_come_later_until_they_are_deleted() {
    let Some(mut stage) = Stage::set(Open::anonymous()).await else { return };
    stage.publish(&["-t", "r/1", "-m", "old", "-r"]).await;
    stage.publish(&["-t", "r/1", "-m", "kept", "-q", "1", "-r"]).await;
    stage.publish(&["-t", "r/2", "-m", "gone", "-r"]).await;
    stage.publish(&["-t", "r/2", "-n", "-r"]).await;
    let mut subscriber = stage.subscribe("sub", &["-t", "r/#", "-q", "1"]).await;
    assert_eq!(subscriber.line().await, "r/1 1 1 kept");
    stage.publish(&["-t", "r/2", "-m", "live", "-r"]).await;
    assert_eq!(subscriber.line().await, "r/2 0 0 live");
    stage.server.stop().await;
}

#[tokio::test]
async fn a_killed_client_leaves_its_will_and_one_that_says_goodbye_does_not() {
    let Some(mut stage) = Stage::set(Open::anonymous()).await else { return };
    let mut watcher = stage.subscribe("watcher", &["-t", "will/#", "-q", "1"]).await;
    let will = |topic: &'static str| ["--will-topic", topic, "--will-payload", "gone", "--will-qos", "1", "-t", "x"];
    let polite = stage.subscribe("polite", &[&will("will/polite")[..], &["-C", "1"]].concat()).await;
    let mut killed = stage.subscribe("killed", &will("will/killed")).await;
    stage.server.handle().publish("x", b"the last one", QoS::AtMostOnce).await.unwrap().unwrap();
    let trace = stage.until("polite", |what| matches!(what, Happening::Closed(_))).await;
    assert_eq!(trace.what, Happening::Closed(CloseReason::Disconnected));
    killed.child.start_kill().unwrap();
    assert_eq!(watcher.line().await, "will/killed 1 0 gone");
    soon(killed.child.wait()).await.unwrap();
    drop(polite);
    stage.server.stop().await;
}

#[tokio::test]
async fn a_session_without_clean_waits_for_its_client() {
    let Some(mut stage) = Stage::set(Open::anonymous()).await else { return };
    let arguments = ["-t", "s", "-q", "1", "-c"];
    let mut first = stage.subscribe("sub", &arguments).await;
    first.child.start_kill().unwrap();
    soon(first.child.wait()).await.unwrap();
    stage.until("sub", |what| matches!(what, Happening::Closed(_))).await;
    for text in ["one", "two"] {
        stage.publish(&["-t", "s", "-m", text, "-q", "1"]).await;
    }
    let mut second = stage.subscribe("sub", &arguments).await;
    assert_eq!((second.line().await, second.line().await), ("s 1 0 one".into(), "s 1 0 two".into()));
    stage.server.stop().await;
}

#[tokio::test]
async fn the_newer_of_two_with_one_client_id_wins() {
    let Some(mut stage) = Stage::set(Open::anonymous()).await else { return };
    let older = stage.subscribe("same", &["-t", "a"]).await;
    // Its own reconnect would throw the newer one out again.
    let pause = format!("kill -STOP {}", older.child.id().unwrap());
    let stopped = Command::new("sh").args(["-c", &pause]).status().await.unwrap();
    assert!(stopped.success());
    let mut newer = stage.subscribe("same", &["-t", "b"]).await;
    stage.publish(&["-t", "a", "-m", "for the older"]).await;
    stage.publish(&["-t", "b", "-m", "for the newer"]).await;
    assert_eq!(newer.line().await, "b 0 0 for the newer");
    stage.server.stop().await;
}

#[tokio::test]
async fn a_wrong_password_is_told_by_its_code() {
    let Some(stage) = Stage::set(Open::anonymous().with_user("u", Secret::new("p"))).await else { return };
    stage.publish(&["-u", "u", "-P", "p", "-t", "a", "-m", "x", "-q", "1"]).await;
    let output =
        soon(stage.command("mosquitto_pub", &["-u", "u", "-P", "no", "-t", "a", "-m", "x"]).output()).await.unwrap();
    assert!(!output.status.success());
    let told = String::from_utf8_lossy(&output.stderr).to_lowercase();
    assert!(told.contains("bad user name or password") || told.contains("not auth"), "{told}");
    stage.server.stop().await;
}

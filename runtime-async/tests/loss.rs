//! Is anything lost or doubled when connections are cut and brokers die in mid-traffic?
//!
//! Counted in two places that know nothing of the device that sends: at mosquitto's own subscriber, and at a second
//! device of ours.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::std_instead_of_alloc,
    clippy::std_instead_of_core,
    clippy::wildcard_enum_match_arm,
    reason = "tests fail by panicking"
)]

#[macro_use]
mod support;

use skytether_core::{
    device::Event,
    link::QoS,
    plain::{self, Answer},
};
use skytether_testing::{
    broker::{Broker, PERSISTENT},
    dice::Dice,
    proxy::{End, Fault, Plan, Proxy},
};
use std::{
    collections::BTreeMap,
    fmt::Display,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};
use support::{
    device::{Client, PATIENCE, lasting},
    runtime::{Runtime, Task},
};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    sync::Semaphore,
    task::{JoinHandle, JoinSet},
    time::{sleep, timeout},
};

/// How often each payload was seen.
type Count = BTreeMap<String, u32>;

/// Payloads begin with the quality they were sent with.
fn payload(qos: QoS, name: impl Display) -> String {
    format!("{}:{name}", qos.level())
}

/// Every message of QoS 1 at least once, every message of QoS 2 exactly once, and nothing else.
fn assert_count(place: &str, seen: &Count, sent: &[String]) {
    let lost: Vec<_> = sent.iter().filter(|payload| !seen.contains_key(*payload)).collect();
    let doubled: Vec<_> = seen.iter().filter(|(payload, times)| payload.starts_with("2:") && **times > 1).collect();
    let strange: Vec<_> = seen.keys().filter(|payload| !sent.contains(payload)).collect();
    assert!(
        lost.is_empty() && doubled.is_empty() && strange.is_empty(),
        "{place}: lost {lost:?}, doubled {doubled:?}, strange {strange:?}"
    );
}

/// Follows a device's events: counts what it hears, and dials again soon where the back-off would take its time.
fn follow(client: Client, redial: Duration) -> (skytether_async::handle::Handle<plain::Command, Answer>, Listener) {
    let Client { handle, mut events, task } = client;
    let hurry = handle.clone();
    let seen = Arc::new(std::sync::Mutex::new(Count::new()));
    let counted = Arc::clone(&seen);
    let connections = Arc::new(AtomicU32::new(0));
    let ups = Arc::clone(&connections);
    let following = tokio::spawn(async move {
        while let Some(event) = events.next().await {
            match event {
                Event::Cloud(plain::Event::Message(message)) => {
                    let text = String::from_utf8(message.payload().to_vec()).unwrap();
                    *counted.lock().unwrap().entry(text).or_default() += 1;
                }
                Event::Up { session_present } => {
                    let before = ups.fetch_add(1, Ordering::Relaxed);
                    assert!(session_present || before == 0, "the broker has lost our session");
                }
                Event::Down { retry: Some(_), .. } => {
                    let hurry = hurry.clone();
                    tokio::spawn(async move {
                        sleep(redial).await;
                        hurry.reconnect_now();
                    });
                }
                Event::Down { retry: None, .. } | Event::Dialling(_) | Event::Ready | Event::Note(_) => {}
                Event::GaveUp(fatal) => panic!("{fatal:?}"),
            }
        }
    });
    (handle, Listener { seen, connections, following, task })
}

struct Listener {
    seen: Arc<std::sync::Mutex<Count>>,
    connections: Arc<AtomicU32>,
    following: JoinHandle<()>,
    task: Task,
}

impl Listener {
    /// Waits until everything was heard, and a little for what should not come.
    async fn hear(&self, sent: &[String]) {
        let all = async {
            while sent.iter().any(|payload| !self.seen.lock().unwrap().contains_key(payload)) {
                sleep(Duration::from_millis(20)).await;
            }
            sleep(Duration::from_millis(200)).await;
        };
        // Where something is lost, the count says what.
        let _ = timeout(PATIENCE, all).await;
    }

    async fn end(self) -> Count {
        timeout(PATIENCE, self.task).await.expect("it closes in time");
        self.following.await.unwrap();
        Arc::try_unwrap(self.seen).unwrap().into_inner().unwrap()
    }
}

/// mosquitto's own client as a session that lasts; `-E` makes it subscribe and leave.
async fn leave_a_session_behind(broker: &Broker, filter: &str) {
    let mut subscriber = broker.tool("mosquitto_sub");
    subscriber.args(["-c", "-i", "counter", "-q", "2", "-t", filter, "-E"]);
    assert!(timeout(PATIENCE, subscriber.status()).await.unwrap().unwrap().success());
}

/// Everything that waits for that session, up to a last message that is published here to `topic`.
async fn collect(broker: &Broker, filter: &str, topic: &str) -> Count {
    let mut publisher = broker.tool("mosquitto_pub");
    publisher.args(["-q", "2", "-t", topic, "-m", "the end"]);
    assert!(timeout(PATIENCE, publisher.status()).await.unwrap().unwrap().success());
    let mut subscriber = broker.tool("mosquitto_sub");
    subscriber.args(["-c", "-i", "counter", "-q", "2", "-t", filter]).stdout(Stdio::piped());
    let mut subscriber = subscriber.spawn().unwrap();
    let mut lines = BufReader::new(subscriber.stdout.take().unwrap()).lines();
    let mut seen = Count::new();
    while let Some(line) = timeout(PATIENCE, lines.next_line()).await.expect("the end comes").unwrap() {
        if line == "the end" {
            break;
        }
        *seen.entry(line).or_default() += 1;
    }
    while let Ok(Ok(Some(line))) = timeout(Duration::from_millis(300), lines.next_line()).await {
        *seen.entry(line).or_default() += 1;
    }
    subscriber.kill().await.unwrap();
    seen
}

async fn r_26_a_broker_that_dies_in_mid_traffic_costs_no_message_and_doubles_no_qos_2(runtime: Runtime) {
    const ROUNDS: u32 = 20;
    let Some(mut broker) = Broker::start(PERSISTENT).await else { return };
    let mut dice = Dice::new();
    leave_a_session_behind(&broker, "count").await;
    let durable = |_| Plan { durable: true, ..Plan::default() };
    let proxy = Proxy::new(&broker, durable).await;
    let redial = Duration::from_millis(20);
    let (ear, heard) = follow(Client::new(runtime, proxy.port, lasting("ear")), redial);
    let subscribe = plain::Command::Subscribe { filter: "count".into(), qos: QoS::ExactlyOnce };
    assert_eq!(timeout(PATIENCE, ear.send(subscribe)).await.unwrap(), Ok(Answer::Subscribed(QoS::ExactlyOnce)));
    let (mouth, spoken) = follow(Client::new(runtime, proxy.port, lasting("mouth")), redial);

    let enough = Arc::new(AtomicBool::new(false));
    let next = Arc::new(AtomicU32::new(0));
    let mut speakers = JoinSet::new();
    for speaker in 0..24_u64 {
        let (mouth, enough, next) = (mouth.clone(), Arc::clone(&enough), Arc::clone(&next));
        speakers.spawn(async move {
            let mut sent = Vec::new();
            while !enough.load(Ordering::Relaxed) {
                let qos = if sent.len() % 2 == 0 { QoS::ExactlyOnce } else { QoS::AtLeastOnce };
                let payload = payload(qos, next.fetch_add(1, Ordering::Relaxed));
                let outcome = mouth.send(support::device::publish("count", payload.clone(), qos)).await;
                assert_eq!(outcome, Ok(Answer::Published), "{payload}");
                sent.push(payload);
                sleep(Duration::from_millis(speaker % 8)).await;
            }
            sent
        });
    }
    let mut kills = 0;
    for _ in 0..ROUNDS {
        // In mid-traffic, and at any point of what a message goes through.
        let goal = next.load(Ordering::Relaxed) + 10 + u32::try_from(dice.below(80)).unwrap();
        let busy = async {
            while next.load(Ordering::Relaxed) < goal {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(PATIENCE, busy).await.expect("traffic flows");
        sleep(Duration::from_micros(dice.below(20_000))).await;
        if dice.below(3) > 0 {
            // At a random moment and without a warning, neither to it nor to us.
            broker.kill().await;
            proxy.broker_dies();
            kills += 1;
        } else {
            proxy.broker_dies();
            broker.stop().await;
        }
        sleep(dice.millis(0, 100)).await;
        broker.restart().await;
        proxy.broker_is_back(&broker);
    }
    enough.store(true, Ordering::Relaxed);
    let sent: Vec<String> = timeout(PATIENCE, speakers.join_all()).await.expect("all ends").concat();
    heard.hear(&sent).await;
    mouth.close();
    ear.close();
    let ups = spoken.connections.load(Ordering::Relaxed);
    assert_eq!(spoken.end().await, Count::new());
    let heard = heard.end().await;
    let counted = collect(&broker, "count", "count").await;
    let (ones, twos) = (
        sent.iter().filter(|text| text.starts_with("1:")).count(),
        sent.iter().filter(|text| text.starts_with("2:")).count(),
    );
    eprintln!("{kills} kills of {ROUNDS} restarts, {ups} connections, {ones} messages of QoS 1, {twos} of QoS 2");
    assert_count("mosquitto_sub", &counted, &sent);
    assert_count("our subscriber", &heard, &sent);
    assert!(kills > 0 && ups > ROUNDS / 2 && ones > 50 && twos > 50, "the test must have had something to lose");
}

/// One device's life over a line that is cut once: it hears its own messages, and so does the counter.
async fn life(runtime: Runtime, port: u16, name: &str) -> Vec<String> {
    let (handle, heard) = follow(Client::new(runtime, port, lasting(name)), Duration::from_millis(5));
    let filter = format!("sweep/{name}");
    let subscribe = plain::Command::Subscribe { filter: filter.clone(), qos: QoS::ExactlyOnce };
    let mut granted = timeout(PATIENCE, handle.send(subscribe.clone())).await.expect("an answer in time");
    while granted.is_err() {
        // A request that was cut off is asked anew.
        granted = timeout(PATIENCE, handle.send(subscribe.clone())).await.expect("an answer in time");
    }
    let mut sent = Vec::new();
    for (number, qos) in (0..).zip([QoS::ExactlyOnce, QoS::AtLeastOnce, QoS::ExactlyOnce]) {
        let payload = payload(qos, format_args!("{name}.{number}"));
        let outcome = timeout(PATIENCE, handle.send(support::device::publish(&filter, payload.clone(), qos))).await;
        assert_eq!(outcome.expect("an outcome in time"), Ok(Answer::Published), "{name}");
        sent.push(payload);
    }
    heard.hear(&sent).await;
    handle.close();
    assert_count(name, &heard.end().await, &sent);
    sent
}

async fn r_20_a_line_cut_at_any_byte_costs_no_message_and_doubles_no_qos_2(runtime: Runtime) {
    let Some(broker) = Broker::start("max_queued_messages 0\n").await else { return };
    let broker = Arc::new(broker);
    leave_a_session_behind(&broker, "sweep/#").await;
    // How long the conversation is, to cut it everywhere.
    let whole = Proxy::new(&broker, |_| Plan::default()).await;
    let mut sent = life(runtime, whole.port, "uncut").await;
    let lengths = whole.bytes.each_ref().map(|bytes| bytes.load(Ordering::Relaxed));
    let cuts = (0..2_usize).flat_map(|way| (0..=lengths[way]).map(move |at| (way, at)));
    let at_once = Arc::new(Semaphore::new(32));
    let mut lives = JoinSet::new();
    for (way, at) in cuts {
        let (broker, at_once) = (Arc::clone(&broker), Arc::clone(&at_once));
        lives.spawn(async move {
            let _turn = at_once.acquire().await.unwrap();
            let end = if at % 2 == 0 { End::Fin } else { End::Rst };
            let cut = Fault { cut: Some((at, end)), ..Fault::default() };
            let plan = move |number| match (number, way) {
                (0, 0) => Plan { up: cut, ..Plan::default() },
                (0, _) => Plan { down: cut, ..Plan::default() },
                _ => Plan::default(),
            };
            let proxy = Proxy::new(&broker, plan).await;
            let name = format!("{}{at}", if way == 0 { "up" } else { "down" });
            life(runtime, proxy.port, &name).await
        });
    }
    let lives: Vec<Vec<String>> = timeout(3 * PATIENCE, lives.join_all()).await.expect("all lives end");
    let count = lives.len();
    sent.extend(lives.concat());
    let seen = collect(&broker, "sweep/#", "sweep/end").await;
    eprintln!("{count} cuts, {} bytes up, {} bytes down", lengths[0], lengths[1]);
    assert_count("mosquitto_sub", &seen, &sent);
}

on_each_runtime! {
    r_26_a_broker_that_dies_in_mid_traffic_costs_no_message_and_doubles_no_qos_2,
    r_20_a_line_cut_at_any_byte_costs_no_message_and_doubles_no_qos_2,
}

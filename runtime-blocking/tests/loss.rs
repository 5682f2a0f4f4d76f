//! Is anything lost or doubled when brokers die in mid-traffic? Counted at a second device of ours and at mosquitto's own client.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::std_instead_of_alloc,
    clippy::std_instead_of_core,
    clippy::wildcard_enum_match_arm,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and wait for the real world"
)]

mod support;

use skytether_blocking::{Handle, Options, Store};
use skytether_core::{
    device::{self, Event},
    link::{Endpoint, QoS},
    plain::{self, Answer, Command},
};
use skytether_testing::{
    broker::{Broker, PERSISTENT},
    dice::Dice,
    proxy::{Plan, Proxy},
    server::{Server, accept_mqtt, read_packet, wait_for_end},
};
use std::{
    collections::BTreeMap,
    process::Output,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread::{self, JoinHandle, sleep},
    time::Duration,
};
use support::{Client, PATIENCE, join, lasting, outside, publish, until};
use tokio::{runtime::Runtime, time::timeout};

/// How often each payload was seen.
type Count = BTreeMap<String, u32>;

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

/// A device whose events are followed: it counts what it hears, and dials again soon.
struct Followed {
    handle: Handle<Command, Answer>,
    seen: Arc<Mutex<Count>>,
    connections: Arc<AtomicU32>,
    following: JoinHandle<()>,
    thread: JoinHandle<()>,
}

impl Followed {
    fn new(port: u16, name: &str, options: Options) -> Self {
        let config = device::Config { drain: Some(Duration::from_secs(2)), ..device::Config::default() };
        let Client { handle, events, thread } =
            Client::of(Endpoint::tcp("127.0.0.1", port), lasting(name), config, options);
        let (seen, connections) = (Arc::new(Mutex::new(Count::new())), Arc::new(AtomicU32::new(0)));
        let (hurry, counted, ups) = (handle.clone(), Arc::clone(&seen), Arc::clone(&connections));
        let following = thread::spawn(move || {
            for event in events {
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
                        sleep(Duration::from_millis(20));
                        hurry.reconnect_now();
                    }
                    Event::Down { retry: None, .. } | Event::Dialling(_) | Event::Ready | Event::Note(_) => {}
                    Event::GaveUp(fatal) => panic!("{fatal:?}"),
                }
            }
        });
        Self { handle, seen, connections, following, thread }
    }

    fn has(&self, sent: &[String]) -> bool {
        let seen = self.seen.lock().unwrap();
        sent.iter().all(|payload| seen.contains_key(payload))
    }

    fn end(self) -> Count {
        self.handle.close();
        join(self.thread);
        join(self.following);
        self.seen.lock().unwrap().clone()
    }
}

fn tool(outside: &Runtime, broker: &Broker, name: &str, args: &[&str]) -> Output {
    outside.block_on(async {
        let mut tool = broker.tool(name);
        timeout(PATIENCE, tool.args(args).output()).await.expect("in time").unwrap()
    })
}

#[test]
fn r_26_a_broker_that_dies_in_mid_traffic_costs_no_message_and_doubles_no_qos_2() {
    const ROUNDS: u32 = 6;
    let outside = outside();
    let Some(mut broker) = outside.block_on(Broker::start(PERSISTENT)) else { return };
    let mut dice = Dice::new();
    let counter = ["-c", "-i", "counter", "-q", "2", "-t", "count"];
    assert!(tool(&outside, &broker, "mosquitto_sub", &[&counter[..], &["-E"]].concat()).status.success());
    let proxy = outside.block_on(Proxy::new(&broker, |_| Plan { durable: true, ..Plan::default() }));
    let ear = Followed::new(proxy.port, "ear", Options::default());
    let subscribe = Command::Subscribe { filter: "count".into(), qos: QoS::ExactlyOnce };
    assert_eq!(ear.handle.send_timeout(subscribe, PATIENCE), Ok(Answer::Subscribed(QoS::ExactlyOnce)));
    let mouth = Followed::new(proxy.port, "mouth", Options::default());

    let enough = Arc::new(AtomicBool::new(false));
    let next = Arc::new(AtomicU32::new(0));
    let speakers: Vec<_> = (0..20_u64)
        .map(|speaker| {
            let (handle, enough, next) = (mouth.handle.clone(), Arc::clone(&enough), Arc::clone(&next));
            thread::spawn(move || {
                let mut sent = Vec::new();
                while !enough.load(Ordering::Relaxed) {
                    let qos = if sent.len() % 2 == 0 { QoS::ExactlyOnce } else { QoS::AtLeastOnce };
                    let payload = format!("{}:{}", qos.level(), next.fetch_add(1, Ordering::Relaxed));
                    let outcome = handle.send(publish("count", payload.clone(), qos));
                    assert_eq!(outcome, Ok(Answer::Published), "{payload}");
                    sent.push(payload);
                    sleep(Duration::from_millis(speaker % 8));
                }
                sent
            })
        })
        .collect();
    for round in 0..ROUNDS {
        let goal = next.load(Ordering::Relaxed) + 10 + u32::try_from(dice.below(60)).unwrap();
        until("traffic does not flow", || next.load(Ordering::Relaxed) >= goal);
        sleep(Duration::from_micros(dice.below(20_000)));
        if round == 0 || dice.below(3) > 0 {
            outside.block_on(broker.kill());
            proxy.broker_dies();
        } else {
            proxy.broker_dies();
            outside.block_on(broker.stop());
        }
        sleep(dice.millis(0, 100));
        outside.block_on(broker.restart());
        proxy.broker_is_back(&broker);
    }
    enough.store(true, Ordering::Relaxed);
    let sent: Vec<String> = speakers.into_iter().flat_map(join).collect();
    until("not everything is heard", || ear.has(&sent));
    let ups = mouth.connections.load(Ordering::Relaxed);
    assert_eq!(mouth.end(), Count::new());
    let heard = ear.end();
    let ended = ["-q", "2", "-t", "count", "-m", "the end"];
    assert!(tool(&outside, &broker, "mosquitto_pub", &ended).status.success());
    let many = (sent.len() + 1).to_string();
    let output = tool(&outside, &broker, "mosquitto_sub", &[&counter[..], &["-W", "3", "-C", &many]].concat());
    let mut seen = Count::new();
    for line in String::from_utf8(output.stdout).unwrap().lines().filter(|line| *line != "the end") {
        *seen.entry(line.to_owned()).or_default() += 1;
    }
    eprintln!("{ROUNDS} restarts, {ups} connections, {} messages", sent.len());
    assert_count("our subscriber", &heard, &sent);
    let twos: Vec<String> = sent.iter().filter(|text| text.starts_with("2:")).cloned().collect();
    seen.retain(|text, _| text.starts_with("2:"));
    assert!(seen.values().all(|times| *times == 1), "mosquitto_sub has some twice: {seen:?}");
    assert!(ups > ROUNDS / 2 && twos.len() > 30, "the test must have had something to lose");
}

#[test]
fn r_26_a_device_that_starts_anew_sends_what_it_had_not_finished() {
    let outside = outside();
    let Some(broker) = outside.block_on(Broker::start("max_queued_messages 0\n")) else { return };
    let ear = Followed::new(broker.port, "ear", Options::default());
    let subscribe = Command::Subscribe { filter: "again".into(), qos: QoS::ExactlyOnce };
    assert_eq!(ear.handle.send_timeout(subscribe, PATIENCE), Ok(Answer::Subscribed(QoS::ExactlyOnce)));
    let folder = tempfile::tempdir().unwrap();
    let stored = |place: &str| {
        let store = Store::directory(folder.path().join(place)).unwrap();
        Options { store: Some(store), ..Options::default() }
    };
    // A broker that takes the message and never says so.
    let (tell, told) = std::sync::mpsc::channel();
    let deaf = Server::start(move |mut stream| {
        accept_mqtt(&mut stream)?;
        let packet = read_packet(&mut stream)?;
        let _ = tell.send(packet[0]);
        wait_for_end(&mut stream)
    });
    let begin = |port: u16, options| {
        use skytether_core::{device::Device, mqtt::session, plain::Plain, time::Instant};
        let connect = lasting("mouth");
        let cloud = Plain::new(plain::Config { endpoint: Endpoint::tcp("127.0.0.1", port), connect });
        let session = session::Session::new(session::Options { persist: true, ..session::Options::default() });
        let device = Device::new(session, cloud, device::Config::default(), [3; 32], Instant::ZERO);
        skytether_blocking::spawn(device, options).unwrap()
    };
    let (handle, mut events, thread) = begin(deaf.port, stored("before"));
    assert!(events.any(|event| event == Event::Ready));
    let pending = handle.submit(publish("again", "2:once", QoS::ExactlyOnce)).unwrap();
    assert_eq!(told.recv_timeout(PATIENCE), Ok(0x34), "PUBLISH, QoS 2");
    // As if the process were killed now: only what is in the store is left.
    std::fs::create_dir(folder.path().join("after")).unwrap();
    std::fs::copy(folder.path().join("before/session"), folder.path().join("after/session")).unwrap();
    handle.close();
    assert!(pending.wait().is_err(), "no one has acknowledged it");
    join(thread);
    let (handle, mut events, thread) = begin(broker.port, stored("after"));
    assert!(events.any(|event| event == Event::Ready));
    until("it does not come", || ear.has(&["2:once".to_owned()]));
    handle.close();
    join(thread);
    assert_count("our subscriber", &ear.end(), &["2:once".to_owned()]);
}

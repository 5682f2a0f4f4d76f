//! One client, one job, in a process of its own: what does it cost?
//!
//! `client PEER JOB COUNT PORT TOPIC` prints, tab-separated: seconds, CPU seconds, peak memory in KiB. Time and CPU are
//! counted from the moment the client is connected. `raw` is no client but the least that moves the same bytes: it
//! measures the broker.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark whose work fails must stop")]
#![allow(clippy::disallowed_methods, reason = "clocks are what this is about")]

use nix::sys::{
    resource::{UsageWho, getrusage},
    time::TimeValLike as _,
};
use skytether_benches::machine;
use skytether_core::{
    device::Event,
    link::{Endpoint, QoS},
    plain::{self, Command},
};
use std::{
    collections::VecDeque,
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

const PAYLOAD: [u8; 256] = [7; 256];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Job {
    Publish(u8),
    Receive(u8),
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [peer, job, count, port, topic] = &arguments[..] else { panic!("client PEER JOB COUNT PORT TOPIC") };
    let job = match job.as_str() {
        "publish0" => Job::Publish(0),
        "publish1" => Job::Publish(1),
        "receive0" => Job::Receive(0),
        "receive1" => Job::Receive(1),
        other => panic!("no job {other}"),
    };
    let (count, port) = (count.parse().unwrap(), port.parse().unwrap());
    let stopwatch = match peer.as_str() {
        "raw" => raw(job, count, port, topic),
        "skytether-tokio" => runtime().block_on(tokio_driver(job, count, port, topic)),
        "skytether-blocking" => blocking_driver(job, count, port, topic),
        "rumqttc" => runtime().block_on(rumqttc(job, count, port, topic)),
        other => panic!("no peer {other}"),
    };
    stopwatch.print();
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

struct Stopwatch {
    start: Instant,
    cpu: Duration,
    stop: Option<(Duration, Duration)>,
}

fn cpu() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Duration::from_micros(micros.try_into().unwrap())
}

impl Stopwatch {
    fn start() -> Self {
        Self { start: Instant::now(), cpu: cpu(), stop: None }
    }

    fn stop(mut self) -> Self {
        self.stop = Some((self.start.elapsed(), cpu().checked_sub(self.cpu).unwrap()));
        self
    }

    fn print(&self) {
        let (wall, cpu) = self.stop.unwrap();
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0");
        let peak = peak.trim().trim_end_matches("kB").trim();
        let mut out = std::io::stdout();
        writeln!(out, "{:.6}\t{:.6}\t{peak}", wall.as_secs_f64(), cpu.as_secs_f64()).unwrap();
    }
}

async fn tokio_driver(job: Job, count: u64, port: u16, topic: &str) -> Stopwatch {
    let device = machine::device(Endpoint::tcp("127.0.0.1", port));
    let (handle, mut events, task) = skytether_tokio::spawn(device, skytether_tokio::Options::default());
    while events.next().await.unwrap() != Event::Ready {}
    let stopwatch = Stopwatch::start();
    match job {
        Job::Publish(qos) => {
            let mut batch = handle.batch();
            let qos = if qos == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce };
            let topic = topic.to_owned();
            // A task, as in rumqttc's case: the runtime treats the future of `block_on` apart.
            let outcomes = tokio::spawn(async move {
                for _ in 0..count {
                    let (topic, payload) = (topic.clone(), PAYLOAD.to_vec().into());
                    batch.send(Command::Publish { topic, payload, qos, retain: false, ttl: None }).await.unwrap();
                }
                batch.settled().await
            });
            assert_eq!(outcomes.await.unwrap().succeeded, count);
        }
        Job::Receive(qos) => {
            let qos = if qos == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce };
            handle.send(Command::Subscribe { filter: topic.to_owned(), qos }).await.unwrap();
            for _ in 0..count {
                let event = events.next().await.unwrap();
                let Event::Cloud(plain::Event::Message(message)) = event else { panic!("{event:?}") };
                assert_eq!(message.payload().len(), PAYLOAD.len());
            }
        }
    }
    let stopwatch = stopwatch.stop();
    handle.close();
    task.await.unwrap();
    stopwatch
}

fn blocking_driver(job: Job, count: u64, port: u16, topic: &str) -> Stopwatch {
    let device = machine::device(Endpoint::tcp("127.0.0.1", port));
    let (handle, mut events, thread) =
        skytether_blocking::spawn(device, skytether_blocking::Options::default()).unwrap();
    events.find(|event| *event == Event::Ready);
    let stopwatch = Stopwatch::start();
    match job {
        Job::Publish(qos) => {
            let qos = if qos == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce };
            let mut open = VecDeque::new();
            for _ in 0..count {
                let (topic, payload) = (topic.to_owned(), PAYLOAD.to_vec().into());
                let command = Command::Publish { topic, payload, qos, retain: false, ttl: None };
                open.push_back(handle.submit(command).unwrap());
                if open.len() > 200 {
                    open.pop_front().unwrap().wait().unwrap();
                }
            }
            for pending in open {
                pending.wait().unwrap();
            }
        }
        Job::Receive(qos) => {
            let qos = if qos == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce };
            handle.send(Command::Subscribe { filter: topic.to_owned(), qos }).unwrap();
            for _ in 0..count {
                let event = events.next().unwrap();
                let Event::Cloud(plain::Event::Message(message)) = event else { panic!("{event:?}") };
                assert_eq!(message.payload().len(), PAYLOAD.len());
            }
        }
    }
    let stopwatch = stopwatch.stop();
    handle.close();
    thread.join().unwrap();
    stopwatch
}

async fn rumqttc(job: Job, count: u64, port: u16, topic: &str) -> Stopwatch {
    use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
    let mut options = MqttOptions::new("bench", "127.0.0.1", port);
    options.set_keep_alive(Duration::from_mins(1));
    let (client, mut events) = AsyncClient::new(options, 128);
    while !matches!(events.poll().await.unwrap(), Event::Incoming(Packet::ConnAck(_))) {}
    let stopwatch = Stopwatch::start();
    match job {
        Job::Publish(level) => {
            let qos = if level == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce };
            let topic = topic.to_owned();
            tokio::spawn(async move {
                for _ in 0..count {
                    client.publish(topic.as_str(), qos, false, PAYLOAD.to_vec()).await.unwrap();
                }
                // The event loop ends with its last client.
                std::future::pending::<()>().await;
            });
            let mut ended = 0;
            while ended < count {
                ended += u64::from(match events.poll().await.unwrap() {
                    Event::Outgoing(rumqttc::Outgoing::Publish(_)) => level == 0,
                    Event::Incoming(Packet::PubAck(_)) => level == 1,
                    _ => false,
                });
            }
        }
        Job::Receive(level) => {
            let qos = if level == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce };
            client.subscribe(topic, qos).await.unwrap();
            let mut received = 0;
            while received < count {
                if let Event::Incoming(Packet::Publish(message)) = events.poll().await.unwrap() {
                    assert_eq!(message.payload.len(), PAYLOAD.len());
                    received += 1;
                }
            }
        }
    }
    stopwatch.stop()
}

/// Prepared bytes out, acknowledgements counted by their number; messages in, acknowledged in blocks.
fn raw(job: Job, count: u64, port: u16, topic: &str) -> Stopwatch {
    use skytether_benches::wire::{self, Kind};
    const BLOCK: u64 = 100;
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.write_all(&wire::connect("raw")).unwrap();
    stream.read_exact(&mut [0; 4]).unwrap();
    let stopwatch = Stopwatch::start();
    match job {
        Job::Publish(qos) => {
            let mut block = Vec::new();
            for id in 1..=BLOCK {
                wire::publish(&mut block, topic, (qos > 0).then_some(id.try_into().unwrap()), PAYLOAD.len());
            }
            let mut acks = vec![0; 4 * 100];
            for _ in 0..count / BLOCK {
                stream.write_all(&block).unwrap();
                if qos > 0 {
                    stream.read_exact(&mut acks).unwrap();
                }
            }
        }
        Job::Receive(qos) => {
            stream.write_all(&wire::subscribe(topic, qos)).unwrap();
            let mut reader = wire::Reader::new();
            let mut answers = Vec::new();
            let mut received = 0;
            while received < count {
                reader.read(&mut stream).unwrap();
                answers.clear();
                while let Some((first, body)) = reader.next() {
                    if Kind::of(first) == Kind::Publish {
                        received += 1;
                        if first & 6 != 0 {
                            let id = 2 + usize::from(u16::from_be_bytes([body[0], body[1]]));
                            answers.extend([0x40, 2, body[id], body[id + 1]]);
                        }
                    }
                }
                stream.write_all(&answers).unwrap();
            }
        }
    }
    let stopwatch = stopwatch.stop();
    stream.write_all(&[0xe0, 0]).unwrap();
    stopwatch
}

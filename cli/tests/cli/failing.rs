//! What does a demo say, and with which code does it end, when a step fails or somebody ends it?

use crate::support::{finish, run, start};
use core::{future::ready, net::Ipv4Addr, time::Duration};
use skytether::{
    demo::{
        aircond::AirConditioner,
        cloud::{Cloud, Listen},
        door::Door,
        pace::{Speed, Stage},
    },
    exit::Failure,
    log::{Log, Verbosity},
    target::TencentDevice,
};
use skytether_core::{
    portable::profile::Transport,
    tencent::{
        Config, Proof, endpoint,
        identity::{DeviceName, DeviceSecret, ProductId},
    },
};
use skytether_simulator::{
    home::Action,
    server::{self, Server},
    tencent::{self, Access, ClassConfig, DeviceConfig, ProductConfig, SecretText, TencentCloud},
};
use skytether_tokio::Tls;
use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader},
    net::{TcpListener, TcpSocket},
    sync::watch,
    time::timeout,
};

/// A free port, without encryption.
const TCP: Listen = Listen { transport: Transport::Tcp, port: 0 };
const SECRET: &str = "JTTi3h3sJP7atMACZrVbqQ==";

/// A log that can be read.
#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Page {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// A stage whose network is given up soon, and its log.
fn stage() -> (Stage, Page) {
    let page = Page::default();
    let log = Log::new(page.clone(), Verbosity::Packets);
    (Stage::new(log, Speed::new(100.0).unwrap()).with_patience(Duration::from_millis(500)), page)
}

fn device(config: Config) -> TencentDevice {
    TencentDevice { config, tls: Tls::default() }
}

fn door(config: Config) -> Door {
    Door { device: device(config), target: "AirConditioner1".to_owned(), python_wire: false }
}

/// What comes of one run of a door.
async fn run_door(config: Config) -> (Failure, String) {
    let (stage, page) = stage();
    let door = door(config);
    let run = door.run(&stage, Action::ComeHome, ready(()));
    let failure = timeout(Duration::from_secs(20), run).await.expect("it ends in time").unwrap_err();
    timeout(Duration::from_secs(20), stage.clear()).await.expect("its device ends in time");
    (failure, page.text())
}

/// A device `DOORPRD9A1/door1` at this port.
fn config(port: u16) -> Config {
    let proof = Proof::Key(DeviceSecret::from_base64(SECRET).unwrap());
    let mut config = Config::new(ProductId::new("DOORPRD9A1").unwrap(), DeviceName::new("door1").unwrap(), proof);
    let domain = Some(Ipv4Addr::LOCALHOST.to_string());
    config.server = endpoint::Server { transport: endpoint::Transport::Tcp, domain, port: Some(port), ..config.server };
    config
}

/// A cloud without rules, in which `DOORPRD9A1/door1` may do this with one class of topics.
async fn cloud_with(class: &str, access: Access) -> Server<TencentCloud> {
    let device =
        DeviceConfig { name: "door1".to_owned(), secret: Some(SecretText::new(SECRET)), ..DeviceConfig::default() };
    let classes = vec![ClassConfig { name: class.to_owned(), access }];
    let products = vec![ProductConfig { id: "DOORPRD9A1".to_owned(), classes, devices: vec![device] }];
    let cloud = TencentCloud::new(&tencent::Config { products, ..tencent::Config::default() }, [7; 32]).unwrap();
    Server::start(cloud, server::Config::default()).await.unwrap()
}

#[tokio::test]
async fn a_wrong_secret_is_refused_with_connack_4_and_what_to_check() {
    let cloud = Cloud::start(TCP, false, &Log::new(io::sink(), Verbosity::Story)).await.unwrap();
    let mut config = cloud.door().config.clone();
    config.proof = Proof::Key(DeviceSecret::from_base64("bm90IHRoZSBzZWNyZXQhIQ==").unwrap());
    let (failure, page) = run_door(config).await;
    assert_eq!(failure.code(), 5);
    let text = failure.to_string();
    for word in ["door1", "CONNACK 4", "user name or password", "check deviceSecret"] {
        assert!(text.contains(word), "{text}");
    }
    assert!(page.contains("door1           Received CONNACK (0, 4)\n"), "{page}");
    assert!(page.contains("mqtt connect fail..."), "{page}");
    assert_eq!(page.matches("Sending CONNECT").count(), 1, "one attempt, no storm: {page}");

    let (stage, _) = stage();
    door(cloud.door().config.clone()).run(&stage, Action::ComeHome, ready(())).await.expect("the true secret is taken");
    cloud.stop().await;
}

#[tokio::test]
async fn a_device_that_the_cloud_does_not_know_is_refused_with_connack_2() {
    let cloud = Cloud::start(TCP, false, &Log::new(io::sink(), Verbosity::Story)).await.unwrap();
    let mut config = cloud.door().config.clone();
    config.device = DeviceName::new("window1").unwrap();
    let (failure, _) = run_door(config).await;
    let text = failure.to_string();
    assert!(text.contains("CONNACK 2") && text.contains("check productId and deviceName"), "{text}");
    assert_eq!(failure.code(), 5);
    cloud.stop().await;
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_said_with_host_and_port() {
    // Bound, so that nobody else gets the port, and not listening.
    let deaf = TcpSocket::new_v4().unwrap();
    deaf.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let port = deaf.local_addr().unwrap().port();
    let (failure, page) = run_door(config(port)).await;
    assert_eq!(failure.code(), 4);
    let text = failure.to_string();
    assert!(text.contains(&format!("tcp://127.0.0.1:{port}")) && text.contains("could not be reached"), "{text}");
    assert!(page.contains(&format!("connect_async (127.0.0.1:{port})")), "{page}");
    assert!(page.contains("mqtt connect fail..."), "{page}");
}

#[tokio::test]
async fn a_server_that_never_answers_connect_is_given_up_after_three_seconds() {
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let held = tokio::spawn(async move {
        let mut heard = Vec::new();
        let _ = silent.accept().await.unwrap().0.read_to_end(&mut heard).await;
    });
    let began = tokio::time::Instant::now();
    let (failure, _) = run_door(config(port)).await;
    assert!(began.elapsed() >= Duration::from_secs(3), "the network gets its time at every speed");
    assert_eq!(failure.code(), 4);
    assert!(failure.to_string().contains("no answer (CONNACK)"), "{failure}");
    held.await.unwrap();
}

#[tokio::test]
async fn a_forbidden_subscription_is_said_with_its_topic() {
    let server = cloud_with("control", Access::Publish).await;
    let (stage, _) = stage();
    let air = AirConditioner { device: device(config(server.addr().port())), ticks: Some(3), cues: Vec::new() };
    let failure = air.run(&stage, &watch::channel(0).0).await.unwrap_err();
    assert_eq!(failure.code(), 6);
    let text = failure.to_string();
    assert!(text.contains("DOORPRD9A1/door1/control") && text.contains("refused with code 128"), "{text}");
    server.stop().await;
}

#[tokio::test]
async fn a_message_without_acknowledgement_is_said_with_its_topic() {
    let server = cloud_with("event", Access::Subscribe).await;
    let (failure, page) = run_door(config(server.addr().port())).await;
    assert_eq!(failure.code(), 7);
    let text = failure.to_string();
    assert!(text.contains("publishing to DOORPRD9A1/door1/event"), "{text}");
    assert!(page.contains("wait reply..."), "{page}");
    server.stop().await;
}

#[tokio::test]
async fn a_message_that_no_rule_forwards_is_missed_by_its_receiver() {
    let server = cloud_with("control", Access::Subscribe).await;
    let (stage, page) = stage();
    let air = AirConditioner { device: device(config(server.addr().port())), ticks: Some(3), cues: vec![1] };
    let failure = air.run(&stage, &watch::channel(0).0).await.unwrap_err();
    assert_eq!(failure.code(), 1);
    assert!(failure.to_string().contains("did not arrive on DOORPRD9A1/door1/control"), "{failure}");
    assert_eq!(page.text().matches("[air is ").count(), 1, "it waits for the command");
    server.stop().await;
}

#[tokio::test]
async fn a_port_that_is_taken_is_named_and_the_code_is_3() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for option in ["--port", "--observe-port"] {
        let run = run(&["demo", "home", "--speed", "1000", option, &port]).await;
        assert_eq!(run.code, Some(3), "{}", run.err);
        assert!(run.err.contains(&format!("127.0.0.1:{port}")) && run.err.contains("listen"), "{}", run.err);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn ctrl_c_ends_politely_with_code_130() {
    use rustix::process::{Pid, Signal, kill_process};

    let mut child = start(&["demo", "home", "--speed", "1", "-v"]);
    let pid = Pid::from_raw(child.id().unwrap().try_into().unwrap()).unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let until_subscribed = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.contains("Received SUBACK") {
                return;
            }
        }
        panic!("it ended before it was up");
    };
    timeout(Duration::from_secs(30), until_subscribed).await.expect("it is up in time");
    kill_process(pid, Signal::INT).unwrap();
    let (mut rest, mut stdout) = (String::new(), lines.into_inner());
    let reading = stdout.read_to_string(&mut rest);
    timeout(Duration::from_secs(30), reading).await.expect("it ends in time").unwrap();
    let run = finish(child).await;
    assert_eq!(run.code, Some(130), "{}", run.err);
    assert!(rest.contains("AirConditioner1 Sending DISCONNECT"), "{rest}");
}

//! The modem over real sockets: a host on a TCP port or a pseudo-terminal, a broker behind TCP or TLS.
#![cfg(feature = "server")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use core::{future::Future, net::SocketAddr, time::Duration};
use skytether_core::{
    link::{Connect, Message, QoS},
    secret::Secret,
};
use skytether_simulator::{
    broker::{
        policy::{At, Certificate, Denial, Open, Peer, Policy, Transport, Verdict},
        trace::{CloseReason, Happening},
    },
    modem::{
        self, Fault, Standing, Times,
        bridge::{Bridge, Config, Keys, Port, Wanted},
    },
    server::{
        self, Listeners, Server,
        tls::{Acceptor, Authority},
    },
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), what).await.expect("in time")
}

/// A host that types, and waits for what is to come.
struct Host<S> {
    stream: S,
    heard: String,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Host<S> {
    fn new(stream: S) -> Self {
        Self { stream, heard: String::new() }
    }

    async fn say(&mut self, line: &str) {
        soon(self.stream.write_all(format!("{line}\r\n").as_bytes())).await.unwrap();
    }

    /// Waits until `text` has come, and takes all up to it.
    async fn hear(&mut self, text: &str) -> String {
        loop {
            if let Some(at) = self.heard.find(text) {
                return self.heard.drain(..at + text.len()).collect();
            }
            let mut piece = [0; 1024];
            let len = soon(self.stream.read(&mut piece)).await.unwrap();
            assert!(len > 0, "the line ended before {text:?}: {:?}", self.heard);
            self.heard.push_str(&String::from_utf8_lossy(&piece[..len]));
        }
    }

    async fn ask(&mut self, lines: &[&str]) {
        for line in lines {
            self.say(line).await;
            let said = self.hear("OK\r\n").await;
            assert!(!said.contains("ERROR"), "{line}: {said}");
        }
    }
}

fn joined() -> modem::Config {
    let times = Times { boot: Duration::from_millis(1), ..Times::default() };
    modem::Config { standing: Standing::Joined, times, ..modem::Config::default() }
}

fn mapped(to: SocketAddr) -> Config {
    Config { modem: joined(), hosts: vec![("*.cloud.invalid".to_owned(), to)], ..Config::default() }
}

async fn host_of(bridge: &Bridge) -> Host<TcpStream> {
    let Port::Tcp(address) = bridge.port() else { panic!("{}", bridge.port()) };
    Host::new(soon(TcpStream::connect(address)).await.unwrap())
}

#[tokio::test]
async fn a_conversation_reaches_the_broker_that_the_map_names() {
    let server = Server::start(Open::anonymous(), server::Config::default()).await.unwrap();
    let bridge = Bridge::start(mapped(server.addr())).await.unwrap();
    let mut host = host_of(&bridge).await;
    host.ask(&["ATE0", "AT+MQTTC=1,\"hub.cloud.invalid\"", "AT+MQTTC=7,0", "AT+MQTTCONN=1"]).await;
    host.hear("+MQTTCONNACK:0,0\r\n\r+MQTTCONN:1\r\n").await;
    host.ask(&["AT+MQTTSUB=\"t\",1"]).await;
    host.hear("+MQTTSUB:0\r\n").await;
    server.handle().publish("t", b"{\"a\":1}", QoS::AtLeastOnce).await.unwrap().unwrap();
    host.hear("\r+MQTTPUB:1,\"t\",7,\"{\"a\":1}\"\r\n").await;
    let mut traces = server.handle().trace();
    host.ask(&["AT+MQTTPUB=0,1,0,\"up\",\"x\"", "AT+MQTTDISCONN"]).await;
    host.hear("+MQTTCONN:0\r\n").await;
    let closed = loop {
        if let Happening::Closed(why) = soon(traces.next()).await.unwrap().what {
            break why;
        }
    };
    assert_eq!(closed, CloseReason::Disconnected, "the farewell was written before the end");
    bridge.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn a_newer_host_takes_the_line_and_finds_the_modem_as_it_was() {
    let server = Server::start(Open::anonymous(), server::Config::default()).await.unwrap();
    let bridge = Bridge::start(mapped(server.addr())).await.unwrap();
    let mut first = host_of(&bridge).await;
    first.ask(&["ATE0", "AT+MQTTC=1,\"hub.cloud.invalid\"", "AT+MQTTC=7,0", "AT+MQTTCONN=1"]).await;
    first.hear("+MQTTCONN:1\r\n").await;
    let mut second = host_of(&bridge).await;
    second.say("AT+MQTTCONN").await;
    second.hear("+MQTTCONN:1\r\nOK\r\n").await;
    let mut end = [0; 64];
    assert_eq!(soon(first.stream.read(&mut end)).await.unwrap_or(0), 0, "the older has lost it");
    assert_eq!(bridge.with_modem(|modem, _| modem.is_connected()).await, Some(true));
    bridge.misbehave(Fault::Reset).await;
    second.hear("\r\nOK\r\n>").await;
    bridge.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn a_host_that_is_not_there_is_told_as_a_connection_that_is_none() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let bridge = Bridge::start(mapped(gone)).await.unwrap();
    let mut host = host_of(&bridge).await;
    host.ask(&["ATE0", "AT+MQTTC=1,\"hub.cloud.invalid\"", "AT+MQTTC=7,0", "AT+MQTTCONN=1"]).await;
    host.hear("+MQTTCONN:0\r\n").await;
    host.ask(&["AT+MQTTC=7,1", "AT+MQTTCONN=1"]).await;
    host.hear("+MQTTCONN:0\r\n").await;
    bridge.stop().await;
}

/// Lets in who has shown a certificate and asked for the right name.
struct Certified;

impl Policy for Certified {
    type Identity = ();

    fn authenticate(&mut self, _: At, _: &Connect, peer: &Peer) -> Result<(), Denial> {
        let named = peer.server_name.as_deref() == Some("hub.cloud.invalid");
        if named && matches!(peer.certificate, Some(Certificate::X509(_))) {
            Ok(())
        } else {
            Err(Denial::Silent("no certificate"))
        }
    }

    fn may_subscribe(&mut self, _: At, (): &(), _: &str, qos: QoS) -> Option<QoS> {
        Some(qos)
    }

    fn may_publish(&mut self, _: At, (): &(), _: &Message<'_>) -> Verdict {
        Verdict::Accept
    }
}

#[tokio::test]
async fn tls_asks_for_the_brokers_name_and_shows_the_devices_certificate() {
    let (servers, devices) = (Authority::new("servers").unwrap(), Authority::new("devices").unwrap());
    let acceptor = Acceptor::new(&servers.server(&["hub.cloud.invalid"]).unwrap(), Some(&devices)).unwrap();
    let listeners = Listeners {
        tls: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
        acceptor: Some(acceptor),
        ..Listeners::default()
    };
    let server = Server::listen(Certified, server::Config::default(), listeners).await.unwrap();
    let own = devices.device("dev-7").unwrap();
    let keys = Keys {
        roots: servers.pem(),
        certificate: Some(own.certificate().to_owned()),
        key: Secret::new(own.private_key()),
    };
    let address = server.addr_of(Transport::Tls).unwrap();
    let bridge = Bridge::start(Config { keys: Some(keys), ..mapped(address) }).await.unwrap();
    let mut host = host_of(&bridge).await;
    host.ask(&["ATE0", "AT+MQTTC=1,\"hub.cloud.invalid\"", "AT+MQTTC=3,\"dev-7\"", "AT+MQTTCONN=1"]).await;
    host.hear("+MQTTCONN:1\r\n").await;
    host.ask(&["AT+MQTTDISCONN"]).await;
    host.hear("+MQTTCONN:0\r\n").await;
    host.ask(&["AT+MQTTC=1,\"other.cloud.invalid\"", "AT+MQTTCONN=1"]).await;
    host.hear("+MQTTCONN:0\r\n").await;
    bridge.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn keys_that_cannot_be_read_are_named() {
    let keys =
        Keys { roots: "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----".to_owned(), ..Keys::default() };
    let error = Bridge::start(Config { keys: Some(keys), ..Config::default() }).await.unwrap_err().to_string();
    assert!(error.starts_with("the modem's certificates cannot be used: the roots: "), "{error}");
}

#[tokio::test]
async fn a_paced_modem_speaks_no_faster_than_its_line() {
    let bridge = Bridge::start(Config { modem: joined(), paced: true, ..Config::default() }).await.unwrap();
    let mut host = host_of(&bridge).await;
    host.ask(&["ATE0", "AT+IPR=9600"]).await;
    host.say("AT+MQTTC").await;
    let begun = tokio::time::Instant::now();
    let said = host.hear("OK\r\n").await;
    let least = Duration::from_millis(u64::try_from(said.len()).unwrap() * 10_000 / 9600);
    // The last piece is there before its own time has passed.
    assert!(begun.elapsed() + Duration::from_millis(270) >= least, "{} bytes", said.len());
    host.say("AT").await;
    host.hear("OK\r\n").await;
    assert!(begun.elapsed() >= least, "{:?} for {least:?}", begun.elapsed());
    bridge.stop().await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_pseudo_terminal_is_a_serial_port_for_one_host_after_the_other() {
    let bridge = Bridge::start(Config { modem: joined(), serial: Wanted::Pty, ..Config::default() }).await.unwrap();
    let Port::Pty(path) = bridge.port().clone() else { panic!("{}", bridge.port()) };
    for echo in ["AT\r\n", ""] {
        let path = path.clone();
        let said = tokio::task::spawn_blocking(move || {
            use std::io::{Read as _, Write as _};
            let mut port = std::fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
            port.write_all(b"AT\r\n").unwrap();
            let mut said = Vec::new();
            while !said.ends_with(b"OK\r\n") && !said.ends_with(b"OK\r\n>") {
                let mut piece = [0; 64];
                let len = port.read(&mut piece).unwrap();
                said.extend_from_slice(&piece[..len]);
            }
            port.write_all(b"ATE0\r\n").unwrap();
            // Its answer is for nobody: the next host finds it in the terminal's buffer, or not.
            String::from_utf8(said).unwrap()
        });
        let said = soon(said).await.unwrap();
        assert!(said.contains(&format!("{echo}OK\r\n")) || said.contains("OK\r\n"), "{said:?}");
    }
    bridge.stop().await;
}

/// Another broker than ours.
#[tokio::test]
async fn it_speaks_to_mosquitto() {
    let folder = std::env::temp_dir().join(format!("skytether-bridge-{}", std::process::id()));
    let probe = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = probe.local_addr().unwrap();
    drop(probe);
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("mosquitto.conf");
    std::fs::write(&file, format!("listener {} 127.0.0.1\nallow_anonymous true\n", address.port())).unwrap();
    let spawned = ["mosquitto", "/usr/sbin/mosquitto"].iter().find_map(|program| {
        let mut command = tokio::process::Command::new(program);
        command.arg("-c").arg(&file).kill_on_drop(true).stderr(std::process::Stdio::null()).spawn().ok()
    });
    let Some(mut mosquitto) = spawned else {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "mosquitto is not installed");
        return eprintln!("skipped: mosquitto is not installed");
    };
    soon(async {
        while TcpStream::connect(address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    let bridge = Bridge::start(mapped(address)).await.unwrap();
    let mut host = host_of(&bridge).await;
    host.ask(&["ATE0", "AT+MQTTC=1,\"hub.cloud.invalid\"", "AT+MQTTC=7,0", "AT+MQTTCONN=1"]).await;
    host.hear("+MQTTCONN:1\r\n").await;
    host.ask(&["AT+MQTTSUB=\"t/#\",2"]).await;
    host.hear("+MQTTSUB:0\r\n").await;
    for (qos, done) in [(1, "+MQTTPUBACC\r\n"), (2, "+MQTTPUBCOMP\r\n")] {
        host.say(&format!("AT+MQTTPUB=0,{qos},0,\"t/{qos}\",\"{{\\\"a\\\":1}}\"")).await;
        let said = host.hear(done).await + &host.heard;
        if !said.contains("+MQTTPUB:3") {
            host.hear(&format!("+MQTTPUB:3,\"t/{qos}\",7,\"{{\"a\":1}}\"\r\n")).await;
        }
        host.heard.clear();
    }
    bridge.stop().await;
    soon(mosquitto.kill()).await.unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
}

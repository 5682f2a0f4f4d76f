//! Sends one message by TLS: `cargo run -p skytether-blocking --example tls_threads -- HOST PORT CA.crt [CLIENT.crt CLIENT.key]`.
//! With a path behind the port (`443/mqtt`) it goes by WebSocket.
#![allow(clippy::print_stdout, reason = "an example shows what happens")]

use core::time::Duration;
use skytether_blocking::{ClientIdentity, Options, Tls, seed, spawn};
use skytether_core::{
    device::{self, Device, Event},
    link::{Connect, Endpoint, QoS, TlsIdentity},
    mqtt::session::{self, Session},
    plain::{Command, Config, Plain},
    time::Instant,
};
use std::env::args;

fn main() -> Result<(), Box<dyn core::error::Error>> {
    let arguments: Vec<String> = args().skip(1).collect();
    let (host, port, ca, client) = match arguments.as_slice() {
        [host, port, ca] => (host, port, ca, None),
        [host, port, ca, certificate, key] => (host, port, ca, Some(ClientIdentity::from_files(certificate, key)?)),
        _ => return Err("give HOST PORT CA.crt, then CLIENT.crt CLIENT.key if the broker wants them".into()),
    };
    let (port, path) =
        port.split_once('/').map_or((port.as_str(), None), |(port, path)| (port, Some(format!("/{path}"))));
    let identity = if client.is_some() { TlsIdentity::Client } else { TlsIdentity::Ca };
    // The CA given is trusted, and no one else.
    let tls = Tls::from_ca_file(ca)?;
    let tls = client.into_iter().fold(tls, Tls::with_client);

    let seed = seed()?;
    let cloud = Plain::new(Config {
        endpoint: Endpoint { host: host.clone(), port: port.parse()?, tls: identity, path },
        connect: Connect {
            client_id: "skytether-tls".into(),
            clean_session: true,
            keep_alive: 30,
            ..Connect::default()
        },
    });
    let session = Session::new(session::Options::default());
    let device = Device::new(session, cloud, device::Config::default(), seed, Instant::ZERO);
    let (handle, mut events, thread) = spawn(device, Options { tls: Some(tls), ..Options::default() })?;

    loop {
        match events.next_timeout(Duration::from_secs(30))? {
            // What is wrong with which certificate stands here.
            Some(Event::Down { cause, .. }) => return Err(cause.to_string().into()),
            Some(Event::Ready) => break,
            _ => {}
        }
    }
    let (topic, payload) = ("skytether/example/hello".into(), b"hello"[..].into());
    let hello = Command::Publish { topic, payload, qos: QoS::AtLeastOnce, retain: false, ttl: None };
    println!("{:?}", handle.send_timeout(hello, Duration::from_secs(10))?);
    handle.close();
    thread.join().map_err(|_| "the device's thread has panicked".into())
}

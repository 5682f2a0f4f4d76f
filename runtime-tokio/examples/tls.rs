//! Says hello to a broker by TLS, or by WebSocket over TLS where a path is given:
//! `cargo run -p skytether-tokio --example tls -- HOST PORT PATH|- CA_FILE [CERTIFICATE_FILE KEY_FILE]`
#![allow(clippy::print_stdout, reason = "an example shows what happens")]

use skytether_core::{
    device::{self, Device, Event},
    link::{Connect, Endpoint, QoS, TlsIdentity},
    mqtt::session::{self, Session},
    plain::{Command, Config, Plain},
    time::Instant,
};
use skytether_tokio::{ClientIdentity, Options, Tls, seed, spawn};

#[tokio::main]
async fn main() -> Result<(), Box<dyn core::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [host, port, path, ca, client @ ..] = args.as_slice() else {
        return Err("usage: HOST PORT PATH|- CA_FILE [CERTIFICATE_FILE KEY_FILE]".into());
    };
    // The given CA replaces those of the system; `Tls::default()` trusts whom the system trusts.
    let mut tls = Tls::from_ca_file(ca)?;
    let mut identity = TlsIdentity::Ca;
    if let [certificate, key] = client {
        tls = tls.with_client(ClientIdentity::from_files(certificate, key)?);
        identity = TlsIdentity::Client;
    }
    let path = (path != "-").then(|| path.clone());
    let endpoint = Endpoint { host: host.clone(), port: port.parse()?, tls: identity, path };
    let connect =
        Connect { client_id: "skytether-tls".into(), clean_session: true, keep_alive: 30, ..Connect::default() };
    let cloud = Plain::new(Config { endpoint, connect });
    let session = Session::new(session::Options::default());
    let device = Device::new(session, cloud, device::Config::default(), seed()?, Instant::ZERO);
    let (handle, mut events, task) = spawn(device, Options { tls: Some(tls), ..Options::default() });

    while let Some(event) = events.next().await {
        println!("{event:?}");
        if event == Event::Ready {
            let (topic, payload) = ("skytether/example/tls".into(), b"hello"[..].into());
            let hello = Command::Publish { topic, payload, qos: QoS::AtLeastOnce, retain: false, ttl: None };
            println!("{:?}", handle.send(hello).await);
            handle.close();
        } else if let Event::Down { cause, .. } = event {
            // A device would dial again; an example says what was wrong, and ends.
            println!("{cause}");
            handle.close();
        }
    }
    Ok(task.await?)
}

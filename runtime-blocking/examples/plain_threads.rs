//! Talks to an ordinary MQTT broker: `cargo run -p skytether-blocking --example plain_threads -- [HOST] [PORT]`, Enter ends it.
#![allow(clippy::print_stdout, reason = "an example shows what happens")]

use skytether_blocking::{Options, seed, spawn};
use skytether_core::{
    device::{self, Device, Event},
    link::{Connect, Endpoint, QoS},
    mqtt::session::{self, Session},
    plain::{Command, Config, Event::Message, Plain},
    time::Instant,
};
use std::{env::args, io::stdin, thread};

fn main() -> Result<(), Box<dyn core::error::Error>> {
    let host = args().nth(1).unwrap_or_else(|| "localhost".into());
    let port = args().nth(2).map_or(Ok(1883), |port| port.parse())?;
    let seed = seed()?;
    let cloud = Plain::new(Config {
        endpoint: Endpoint::tcp(host, port),
        connect: Connect {
            client_id: format!("skytether-example-{:02x}{:02x}", seed[0], seed[1]),
            clean_session: true,
            keep_alive: 30,
            ..Connect::default()
        },
    });
    let session = Session::new(session::Options::default());
    let device = Device::new(session, cloud, device::Config::default(), seed, Instant::ZERO);
    let (handle, events, thread) = spawn(device, Options::default())?;

    let orders = handle.clone();
    thread::spawn(move || {
        let filter = "skytether/example/#".into();
        println!("{:?}", orders.send(Command::Subscribe { filter, qos: QoS::AtLeastOnce }));
        let topic = "skytether/example/hello".into();
        let payload = b"hello"[..].into();
        println!(
            "{:?}",
            orders.send(Command::Publish { topic, payload, qos: QoS::ExactlyOnce, retain: false, ttl: None })
        );
    });
    thread::spawn(move || {
        let _ = stdin().read_line(&mut String::new());
        handle.close();
    });

    for event in events {
        if let Event::Cloud(Message(message)) = &event {
            println!("{}: {}", message.topic(), String::from_utf8_lossy(message.payload()));
        } else {
            println!("{event:?}");
        }
    }
    thread.join().map_err(|_| "the device's thread has panicked".into())
}

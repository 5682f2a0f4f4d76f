//! Talks to an ordinary MQTT broker: `cargo run -p skytether-tokio --example plain -- [HOST] [PORT]`, Ctrl-C ends it.
#![allow(clippy::print_stdout, reason = "an example shows what happens")]

use skytether_core::{
    device::{self, Device, Event},
    link::{Connect, Endpoint, QoS},
    mqtt::session::{self, Session},
    plain::{Command, Config, Event::Message, Plain},
    time::Instant,
};
use skytether_tokio::{Options, seed, spawn};
use std::env::args;

#[tokio::main]
async fn main() -> Result<(), Box<dyn core::error::Error>> {
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
    let (handle, mut events, task) = spawn(device, Options::default());

    let orders = handle.clone();
    let hello = tokio::spawn(async move {
        let filter = "skytether/example/#".into();
        println!("{:?}", orders.send(Command::Subscribe { filter, qos: QoS::AtLeastOnce }).await);
        let topic = "skytether/example/hello".into();
        let payload = b"hello"[..].into();
        let publish = Command::Publish { topic, payload, qos: QoS::ExactlyOnce, retain: false, ttl: None };
        println!("{:?}", orders.send(publish).await);
    });

    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(Event::Cloud(Message(message))) => {
                    println!("{}: {}", message.topic(), String::from_utf8_lossy(message.payload()));
                }
                Some(event) => println!("{event:?}"),
                None => break,
            },
            _ = tokio::signal::ctrl_c() => handle.close(),
        }
    }
    task.await?;
    hello.await?;
    Ok(())
}

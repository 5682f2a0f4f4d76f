//! What does a whole device suffer when its application is slow?
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

mod scripted;

use scripted::Wires;
use skytether_core::{
    device::{self, Device, Event},
    link::{Connect, Endpoint},
    mqtt::session::{self, Session},
    plain::{self, Plain},
};
use skytether_tokio::{Options, spawn_with};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream},
    time::{Instant, sleep, timeout},
};

/// A broker that answers what has to be answered and sends a message a second.
async fn chatter(mut pipe: DuplexStream, filling: u8) {
    pipe.write_all(&[0x20, 2, 0, 0]).await.unwrap();
    let mut number = 0_u8;
    let mut next = Instant::now();
    loop {
        let mut first = [0; 2];
        match tokio::time::timeout_at(next, pipe.read_exact(&mut first)).await {
            Ok(Ok(_)) => {
                pipe.read_exact(&mut vec![0; usize::from(first[1])]).await.unwrap();
                if first[0] == 0xc0 {
                    pipe.write_all(&[0xd0, 0]).await.unwrap();
                }
            }
            Ok(Err(_)) => return,
            Err(_) => {
                let message = [&[0x30, 4 + filling, 0, 1, b't', number][..], &vec![0; filling.into()]].concat();
                pipe.write_all(&message).await.unwrap();
                number += 1;
                next += Duration::from_secs(1);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn r_71_a_slow_application_does_not_cost_the_connection() {
    // With a buffer that holds all that comes between two pings, and with one of which a message fills several.
    live(Options::default().read_buffer, 0).await;
    live(16, 110).await;
}

async fn live(read_buffer: usize, filling: u8) {
    let cloud = Plain::new(plain::Config {
        endpoint: Endpoint::tcp("scripted", 1),
        connect: Connect { client_id: "slow".into(), clean_session: true, keep_alive: 10, ..Connect::default() },
    });
    let session = Session::new(session::Options::default());
    let device = Device::new(session, cloud, device::Config::default(), [7; 32], skytether_core::time::Instant::ZERO);
    let wires = Wires::default();
    let broker = tokio::spawn(chatter(wires.lay(32 * 1024), filling));
    let (_handle, mut events, _task) =
        spawn_with(device, wires, Options { events: 5, read_buffer, ..Options::default() });
    sleep(Duration::from_secs(200)).await;
    assert!(!broker.is_finished());
    let mut next = 0;
    while next < 200 {
        match timeout(Duration::from_hours(1), events.next()).await.unwrap().unwrap() {
            Event::Cloud(plain::Event::Message(message)) => {
                assert_eq!(message.payload()[0], next);
                next += 1;
            }
            Event::Dialling(_) | Event::Up { .. } | Event::Ready => assert_eq!(next, 0),
            event => panic!("{event:?} after {next} messages"),
        }
    }
}

//! Does a whole device with little memory keep its bounds, and keep its connection though its application is slow?
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::std_instead_of_alloc,
    clippy::std_instead_of_core,
    clippy::wildcard_enum_match_arm,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "tests fail by panicking, and wait for the real world"
)]

#[path = "support/sim.rs"]
mod sim;
#[path = "support/wires.rs"]
mod wires;

use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_time::{Duration, Instant, with_deadline};
use sim::{Task, sim, sleep, soon, spawn};
use skytether_core::{
    device::{self, Device, Event},
    io::{Cause, Rejected},
    limits::Limits,
    link::{Connect, Endpoint, QoS},
    mqtt::session::{self, Session},
    plain::{self, Command, Plain},
};
use skytether_embassy::{Buffers, Channels, Events, Handle, Runner, SendError, Wall};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use wires::{Wires, leak};

type Machine = Device<Session, Plain>;

struct Small {
    handle: Handle<'static, NoopRawMutex, Machine, 4, 5>,
    events: Events<'static, NoopRawMutex, Machine, 4, 5>,
    _task: Task<()>,
}

fn small(wires: Wires, read: usize, limits: Limits) -> Small {
    let cloud = Plain::new(plain::Config {
        endpoint: Endpoint::tcp("scripted", 1),
        connect: Connect { client_id: "small".into(), clean_session: true, keep_alive: 10, ..Connect::default() },
    });
    let session = Session::new(session::Options { limits, ..session::Options::default() });
    let device = Device::new(session, cloud, device::Config::default(), [7; 32], skytether_core::time::Instant::ZERO);
    let channels: &'static Channels<NoopRawMutex, Machine, 4, 5> = Box::leak(Box::default());
    let wall: &'static Wall = Box::leak(Box::default());
    let buffers = Buffers { read: leak(read), write: leak(64) };
    let task = spawn(async move { Runner::new(device, wires, channels, wall, buffers).run().await });
    Small { handle: channels.handle(), events: channels.events(), _task: task }
}

/// A broker that answers what has to be answered and sends a message a second.
async fn chatter(mut pipe: DuplexStream, filling: u8) {
    pipe.write_all(&[0x20, 2, 0, 0]).await.unwrap();
    let mut number = 0_u8;
    let mut next = Instant::now();
    loop {
        let mut first = [0; 2];
        match with_deadline(next, pipe.read_exact(&mut first)).await {
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

#[test]
fn r_71_a_slow_application_does_not_cost_the_connection() {
    // With a buffer that holds all that comes between two pings, and with one of which a message fills several.
    for (read, filling) in [(4096, 0), (16, 110)] {
        sim(async move {
            let wires = Wires::default();
            let broker = spawn(chatter(wires.lay(32 * 1024), filling));
            let mut small = small(wires, read, Limits::default());
            sleep(200_000).await;
            assert!(!broker.is_finished());
            let mut next = 0;
            while next < 200 {
                match soon(small.events.next()).await.unwrap() {
                    Event::Cloud(plain::Event::Message(message)) => {
                        assert_eq!(message.payload()[0], next);
                        next += 1;
                    }
                    Event::Dialling(_) | Event::Up { .. } | Event::Ready => assert_eq!(next, 0),
                    event => panic!("{event:?} after {next} messages"),
                }
            }
        });
    }
}

#[test]
fn limits_of_a_small_device_end_in_typed_outcomes() {
    sim(async {
        let limits = Limits {
            packet_in: 64,
            packet_out: 64,
            control: 64,
            inflight: 1,
            queued: 1,
            queued_bytes: 128,
            reserve: 1,
            reserve_bytes: 64,
            requests: 1,
            subscriptions: 1,
            received: 1,
        };
        let wires = Wires::default();
        let mut peer = wires.lay(1024);
        let mut small = small(wires, 16, limits);
        peer.write_all(&[0x20, 2, 0, 0]).await.unwrap();
        while soon(small.events.next()).await != Some(Event::Ready) {}
        let publish = |len: usize| Command::Publish {
            topic: "t".into(),
            payload: vec![1; len].into(),
            qos: QoS::AtLeastOnce,
            retain: false,
            ttl: None,
        };
        let too_long = small.handle.send(publish(100)).await;
        assert!(matches!(too_long, Err(SendError::Rejected(Rejected::Invalid(_)))), "{too_long:?}");
        // One in flight and one that waits; the third finds no room, and waits outside.
        let first = soon(small.handle.submit(publish(10))).await.unwrap();
        let second = soon(small.handle.submit(publish(10))).await.unwrap();
        let handle = small.handle;
        let third = spawn(async move { handle.send(publish(10)).await });
        sleep(100).await;
        assert!(!third.is_finished());
        // Its acknowledgement makes room. CONNECT comes first, then PUBLISH with its id.
        let mut connect = [0; 2];
        peer.read_exact(&mut connect).await.unwrap();
        peer.read_exact(&mut vec![0; usize::from(connect[1])]).await.unwrap();
        for _ in 0..3 {
            let mut publish = [0; 2 + 3 + 2 + 10];
            soon(peer.read_exact(&mut publish)).await.unwrap();
            assert_eq!(publish[0] & 0xf0, 0x30);
            peer.write_all(&[0x40, 2, publish[5], publish[6]]).await.unwrap();
        }
        assert!(soon(first).await.is_ok() && soon(second).await.is_ok() && soon(third.join()).await.is_ok());
        // A packet over the limit ends the connection, by name.
        peer.write_all(&[0x30, 65, 0]).await.unwrap();
        loop {
            if let Event::Down { cause, .. } = soon(small.events.next()).await.unwrap() {
                assert!(matches!(cause, Cause::TooLarge { max: 64, .. }), "{cause:?}");
                break;
            }
        }
    });
}

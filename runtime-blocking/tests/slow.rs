//! What does a whole device suffer when its application is slow?
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

use skytether_blocking::Options;
use skytether_core::{
    device::{self, Event},
    link::Endpoint,
    plain,
};
use skytether_testing::server::{Server, accept_mqtt, read_packet};
use std::{
    io::{ErrorKind, Write as _},
    net::TcpStream,
    thread::sleep,
    time::{Duration, Instant},
};
use support::{Client, fleeting};

/// A broker that answers pings and sends a message ten times a second.
fn chatter(mut stream: TcpStream) -> std::io::Result<()> {
    accept_mqtt(&mut stream)?;
    let mut next = Instant::now();
    for number in 0_u8.. {
        next += Duration::from_millis(100);
        loop {
            let left = next.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
            stream.set_read_timeout(Some(left))?;
            // Its packets come whole: each is a single small write.
            match read_packet(&mut stream) {
                Ok(packet) if packet[0] == 0xc0 => stream.write_all(&[0xd0, 0])?,
                Ok(_) => return Ok(()),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
                Err(error) => return Err(error),
            }
        }
        stream.write_all(&[0x30, 4, 0, 1, b't', number])?;
    }
    Ok(())
}

#[test]
fn r_71_a_slow_application_does_not_cost_the_connection() {
    let server = Server::start(chatter);
    let mut connect = fleeting("slow");
    connect.keep_alive = 1;
    let endpoint = Endpoint::tcp("127.0.0.1", server.port);
    let options = Options { events: 5, read_buffer: 16, ..Options::default() };
    let mut client = Client::of(endpoint, connect, device::Config::default(), options);
    // Many times as long as a broken connection would take to be found.
    sleep(Duration::from_secs(8));
    let mut next = 0;
    while next < 60 {
        match client.next() {
            Event::Cloud(plain::Event::Message(message)) => {
                assert_eq!(message.payload(), [next]);
                next += 1;
            }
            Event::Dialling(_) | Event::Up { .. } | Event::Ready => assert_eq!(next, 0),
            event => panic!("{event:?}"),
        }
    }
    assert_eq!(server.connections(), 1);
    client.close();
}

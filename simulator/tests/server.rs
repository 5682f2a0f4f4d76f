//! The broker behind real sockets: bytes through, faults on purpose, an end that is clean.
#![cfg(feature = "server")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod support;

use core::{future::Future, time::Duration};
use skytether_core::{
    io::{Refusal, Rejected},
    link::{Connect, QoS},
    mqtt::codec,
};
use skytether_simulator::{
    broker::{
        self,
        policy::{Denial, Limits, Open, Outgoing, Peer, Target, Transport},
        trace::{CloseReason, Happening},
    },
    server::{Config, Handle, Server, Stopped},
};
use support::*;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// Nothing here takes longer.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), what).await.expect("in time")
}

async fn start() -> Server<Open> {
    Server::start(Open::anonymous(), Config::default()).await.unwrap()
}

/// A client as thin as can be.
struct Client<S = TcpStream> {
    stream: S,
    bytes: Vec<u8>,
}

impl Client {
    async fn open(server: &Server<Open>) -> Self {
        Self { stream: TcpStream::connect(server.addr()).await.unwrap(), bytes: Vec::new() }
    }

    async fn hello(server: &Server<Open>, client_id: &str) -> Self {
        let mut client = Self::open(server).await;
        client.send(&connect_packet(&hello(client_id, true))).await;
        assert_eq!(client.next().await.as_deref(), Some("CONNACK 0 code 0"));
        client
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    async fn send(&mut self, bytes: &[u8]) {
        soon(self.stream.write_all(bytes)).await.unwrap();
    }

    /// The next packet; `None` at the end.
    async fn next(&mut self) -> Option<String> {
        loop {
            if let Some(len) = codec::frame_len(&self.bytes, usize::MAX).unwrap().filter(|len| *len <= self.bytes.len())
            {
                let packet: Vec<_> = self.bytes.drain(..len).collect();
                return words(&packet).pop();
            }
            if soon(self.stream.read_buf(&mut self.bytes)).await.unwrap_or(0) == 0 {
                return None;
            }
        }
    }
}

async fn closed(handle: &Handle<Open>, mut traces: skytether_simulator::server::Traces, client: &str) -> CloseReason {
    assert!(handle.with_broker(|_, _| ()).await.is_ok());
    loop {
        let trace = soon(traces.next()).await.expect("the server runs");
        if let Happening::Closed(reason) = trace.what
            && trace.client.as_deref() == Some(client)
        {
            return reason;
        }
    }
}

#[tokio::test]
async fn messages_go_from_socket_to_socket() {
    let server = start().await;
    let mut listener = Client::hello(&server, "l").await;
    listener.send(&subscribe(1, &[("t/#", 2)])).await;
    assert_eq!(listener.next().await.unwrap(), "SUBACK 1 [2]");
    let mut talker = Client::hello(&server, "a").await;
    talker.send(&publish("t/1", "x", 2, 7)).await;
    assert_eq!(talker.next().await.unwrap(), "PUBREC 7");
    assert_eq!(listener.next().await.unwrap(), "PUBLISH q2 d0 r0 #1 t/1 x");
    server.stop().await;
    assert_eq!(listener.next().await, None);
}

#[tokio::test]
async fn a_large_message_and_many_small_ones_arrive_whole_and_in_order() {
    let server = start().await;
    let mut listener = Client::hello(&server, "l").await;
    listener.send(&subscribe(1, &[("t", 1)])).await;
    listener.next().await;
    let mut talker = Client::hello(&server, "a").await;
    let large = "y".repeat(200_000);
    let sender = async move {
        talker.send(&publish("t", &large, 1, 1)).await;
        assert_eq!(talker.next().await.unwrap(), "PUBACK 1");
        for n in 0..500 {
            talker.send(&publish("t", &n.to_string(), 1, 2)).await;
            assert_eq!(talker.next().await.unwrap(), "PUBACK 2");
        }
        talker
    };
    let receiver = async {
        for n in 0..=500_u32 {
            let line = listener.next().await.unwrap();
            let (head, text) = line.rsplit_once(' ').unwrap();
            let id = head.split('#').nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
            if n == 0 {
                assert_eq!(text.len(), 200_000);
            } else {
                assert_eq!(text, (n - 1).to_string());
            }
            listener.send(&puback(id)).await;
        }
    };
    tokio::join!(sender, receiver);
    server.stop().await;
}

#[tokio::test]
async fn a_refused_client_reads_its_code_before_the_end_whatever_it_sends_meanwhile() {
    let server = start().await;
    for _ in 0..20 {
        server.handle().deny_next(Denial::Code(Refusal::NotAuthorized, "test")).await.unwrap();
        let mut client = Client::open(&server).await;
        let mut bytes = connect_packet(&hello("a", true));
        for id in 1..100 {
            bytes.extend(publish("t", &"x".repeat(500), 1, id));
        }
        client.send(&bytes).await;
        assert_eq!(client.next().await.unwrap(), "CONNACK 0 code 5");
        assert_eq!(client.next().await, None);
    }
    server.stop().await;
}

#[tokio::test]
async fn the_cloud_publishes_and_kicks() {
    let server = start().await;
    let handle = server.handle().clone();
    let mut client = Client::hello(&server, "a").await;
    client.send(&subscribe(1, &[("t", 1)])).await;
    client.next().await;
    handle.publish("t", b"from above", QoS::AtLeastOnce).await.unwrap().unwrap();
    assert_eq!(client.next().await.unwrap(), "PUBLISH q1 d0 r0 #1 t from above");
    assert!(matches!(handle.publish("#", b"", QoS::AtMostOnce).await, Ok(Err(Rejected::Invalid(_)))));
    assert_eq!(handle.kick("a", "test").await, Ok(true));
    assert_eq!(client.next().await, None);
    assert_eq!(handle.kick("a", "test").await, Ok(false));
    server.stop().await;
    assert_eq!(handle.kick("a", "test").await, Err(Stopped));
}

#[tokio::test]
async fn a_client_that_is_not_read_any_more_gets_no_answer_until_it_is_read_again() {
    let server = start().await;
    let mut client = Client::hello(&server, "a").await;
    assert_eq!(server.handle().stop_reading("a", true).await, Ok(true));
    for _ in 0..10 {
        client.send(&codec::PINGREQ).await;
    }
    assert!(timeout(Duration::from_millis(300), client.next()).await.is_err());
    server.handle().kick("b", "another command goes through all the same").await.unwrap();
    assert_eq!(server.handle().stop_reading("a", false).await, Ok(true));
    for _ in 0..10 {
        assert_eq!(client.next().await.unwrap(), "PINGRESP");
    }
    client.send(&codec::PINGREQ).await;
    assert_eq!(client.next().await.unwrap(), "PINGRESP");
    assert_eq!(server.handle().stop_reading("nobody", true).await, Ok(false));
    server.stop().await;
}

#[tokio::test]
async fn silence_is_noticed_by_the_clock() {
    let server = start().await;
    let traces = server.handle().trace();
    let mut client = Client::open(&server).await;
    client.send(&connect_packet(&Connect { keep_alive: 1, ..hello("a", true) })).await;
    client.next().await;
    assert_eq!(client.next().await, None);
    assert_eq!(closed(server.handle(), traces, "a").await, CloseReason::KeepAlive);
    server.stop().await;
}

#[tokio::test]
async fn who_does_not_read_neither_holds_others_up_nor_grows_memory() {
    let limits = Limits { queued: 100, ..Limits::default() };
    let config = Config { broker: broker::Config { transmit: 10_000, ..Default::default() }, ..Config::default() };
    let server = Server::start(Open::anonymous().with_limits(limits), config).await.unwrap();
    let mut slow = Client::hello(&server, "slow").await;
    slow.send(&subscribe(1, &[("t", 0)])).await;
    slow.next().await;
    let mut quick = Client::hello(&server, "quick").await;
    quick.send(&subscribe(1, &[("t", 0)])).await;
    quick.next().await;
    let mut talker = Client::hello(&server, "a").await;
    let text = "x".repeat(10_000);
    for _ in 0..2000 {
        talker.send(&publish("t", &text, 1, 1)).await;
        assert_eq!(talker.next().await.unwrap(), "PUBACK 1");
        assert!(quick.next().await.unwrap().starts_with("PUBLISH"));
    }
    let conn = server.handle().with_broker(|broker, _| broker.connection_of("slow").unwrap()).await.unwrap();
    let waiting = server.handle().with_broker(move |broker, _| broker.transmit(conn).len()).await.unwrap();
    assert!(waiting < 30_000, "{waiting}");
    server.stop().await;
}

#[tokio::test]
async fn garbage_on_one_socket_ends_that_socket_only() {
    let server = start().await;
    let mut good = Client::hello(&server, "good").await;
    for garbage in
        [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\x16\x03\x01\x02\0", &[0; 5000], &[0xff; 5000], b"\x10\xff\xff\xff\xff"]
    {
        let mut bad = Client::open(&server).await;
        bad.send(garbage).await;
        assert_eq!(bad.next().await, None);
        let mut bad = Client::hello(&server, "bad").await;
        bad.send(garbage).await;
        bad.send(b"more").await;
        assert_eq!(bad.next().await, None);
        good.send(&codec::PINGREQ).await;
        assert_eq!(good.next().await.unwrap(), "PINGRESP");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_stream_of_any_kind_is_served() {
    let server = start().await;
    let (ours, theirs) = tokio::io::duplex(64);
    let peer = Peer { transport: Transport::WebSocket, ..Peer::default() };
    server.handle().attach(theirs, peer).await.unwrap();
    let mut client = Client { stream: ours, bytes: Vec::new() };
    client.send(&connect_packet(&hello("a", true))).await;
    assert_eq!(client.next().await.unwrap(), "CONNACK 0 code 0");
    drop(client);
    server.stop().await;
}

#[tokio::test]
async fn who_is_thrown_out_and_does_not_read_is_let_go_of_all_the_same() {
    let server = start().await;
    let (ours, theirs) = tokio::io::duplex(64);
    server.handle().attach(theirs, Peer::default()).await.unwrap();
    let mut client = Client { stream: ours, bytes: Vec::new() };
    client.send(&connect_packet(&hello("a", true))).await;
    assert_eq!(client.next().await.unwrap(), "CONNACK 0 code 0");
    let message = Outgoing { topic: "t".into(), payload: vec![0; 10_000], qos: QoS::AtMostOnce, retain: false };
    server.handle().send(Target::Client("a".into()), message).await.unwrap().unwrap();
    assert_eq!(server.handle().kick("a", "test").await, Ok(true));
    while soon(client.stream.write_all(&[0; 16])).await.is_ok() {}
    server.stop().await;
}

#[tokio::test]
async fn many_come_and_go_and_leave_nothing_behind() {
    let server = start().await;
    for round in 0..10 {
        let mut clients = Vec::new();
        for n in 0..30 {
            clients.push(Client::hello(&server, &format!("c{n}")).await);
        }
        let count = server.handle().with_broker(|broker, _| broker.clients().count()).await.unwrap();
        assert_eq!(count, 30, "round {round}");
    }
    let gone = async {
        while server.handle().with_broker(|broker, _| broker.clients().count()).await != Ok(0) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    soon(gone).await;
    server.stop().await;
}

#[tokio::test]
async fn a_port_is_free_again_after_the_stop() {
    let server = start().await;
    let addr = server.addr();
    let _client = Client::hello(&server, "a").await;
    soon(server.stop()).await;
    let again = Server::start(Open::anonymous(), Config { addr, ..Config::default() }).await.unwrap();
    assert_eq!(again.addr(), addr);
    assert!(Server::start(Open::anonymous(), Config { addr, ..Config::default() }).await.is_err(), "it is taken");
    again.stop().await;
}

//! A network of two stacks in memory: do connections come and go as they should on embassy-net?
#![cfg(feature = "net")]
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

use embassy_futures::{join::join, select::select};
use embassy_net::{
    Config, Ipv4Address, Ipv4Cidr, Stack, StackResources, StaticConfigV4,
    tcp::TcpSocket,
    udp::{PacketMetadata, UdpSocket},
};
use embassy_net_driver_channel::{self as channel, driver::HardwareAddress, driver::LinkState};
use sim::{settle, sim, sleep, soon, spawn};
use skytether_core::{
    io::{Cause, Pipe},
    link::{Endpoint, TlsIdentity},
};
use skytether_embassy::{Connector, Conversation, Net, SendError};
use skytether_testing::script::{Script, Told};
use std::{cell::RefCell, rc::Rc};
use wires::{Sizes, Wires, World, leak, start_over};

const MTU: usize = 1514;
type Device = channel::Device<'static, MTU>;
type Ends = (channel::RxRunner<'static, MTU>, channel::TxRunner<'static, MTU>, channel::StateRunner<'static>);

fn card(address: u8) -> (Device, Ends) {
    let state: &'static mut channel::State<MTU, 4, 4> = Box::leak(Box::new(channel::State::new()));
    let (runner, device) = channel::new(state, HardwareAddress::Ethernet([2, 0, 0, 0, 0, address]));
    let (state, receive, transmit) = runner.split();
    (device, (receive, transmit, state))
}

/// Whether frames pass.
type Cable = Rc<RefCell<bool>>;

async fn carry(cable: Cable, from: &mut channel::TxRunner<'static, MTU>, to: &mut channel::RxRunner<'static, MTU>) {
    loop {
        let frame = from.tx_buf().await.to_vec();
        from.tx_done();
        if *cable.borrow() {
            to.rx_buf().await[..frame.len()].copy_from_slice(&frame);
            to.rx_done(frame.len());
        }
    }
}

fn stack(device: Device, address: u8) -> Stack<'static> {
    let config = StaticConfigV4 {
        address: Ipv4Cidr::new(Ipv4Address::new(10, 0, 0, address), 24),
        gateway: None,
        dns_servers: [Ipv4Address::new(10, 0, 0, 2)].into_iter().collect(),
    };
    let resources: &'static mut StackResources<6> = Box::leak(Box::new(StackResources::new()));
    let (stack, mut runner) = embassy_net::new(device, Config::ipv4_static(config), resources, u64::from(address));
    spawn(async move { runner.run().await });
    stack
}

/// Two machines on one cable: ours, and a server's at 10.0.0.2, which is `broker.test` to those who ask it.
fn network() -> (Stack<'static>, Stack<'static>, Cable) {
    let (ours, (mut our_receive, mut our_transmit, our_state)) = card(1);
    let (theirs, (mut their_receive, mut their_transmit, their_state)) = card(2);
    our_state.set_link_state(LinkState::Up);
    their_state.set_link_state(LinkState::Up);
    let cable = Rc::new(RefCell::new(true));
    let (up, down) = (Rc::clone(&cable), Rc::clone(&cable));
    spawn(async move {
        join(carry(up, &mut our_transmit, &mut their_receive), carry(down, &mut their_transmit, &mut our_receive)).await
    });
    let server = stack(theirs, 2);
    spawn(names(server));
    (stack(ours, 1), server, cable)
}

/// Answers every question for `broker.test` with 10.0.0.9, where nobody is, and 10.0.0.2; any other name with none.
async fn names(stack: Stack<'static>) {
    let mut buffers = ([PacketMetadata::EMPTY; 4], [0; 1024], [PacketMetadata::EMPTY; 4], [0; 1024]);
    let mut socket = UdpSocket::new(stack, &mut buffers.0, &mut buffers.1, &mut buffers.2, &mut buffers.3);
    socket.bind(53).unwrap();
    loop {
        let mut question = [0; 512];
        let Ok((len, from)) = socket.recv_from(&mut question).await else { continue };
        let known = question[..len].windows(13).any(|part| part == b"\x06broker\x04test\0");
        let mut answer = question[..len].to_vec();
        answer[2] = 0x81;
        answer[3] = if known { 0x80 } else { 0x83 };
        answer[7] = if known { 2 } else { 0 };
        if known {
            for last in [9, 2] {
                answer.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 0, 0, last]);
            }
        }
        socket.send_to(&answer, from).await.unwrap();
    }
}

/// A server that takes one connection and tells lines; returns what it heard once the other side has ended.
async fn serve(stack: Stack<'static>, say: &'static [u8], then_leave: bool) -> Vec<u8> {
    let mut socket = TcpSocket::new(stack, leak(4096), leak(4096));
    socket.accept(1883).await.unwrap();
    socket.write(say).await.unwrap();
    let mut heard = Vec::new();
    if then_leave {
        socket.close();
        let _ = socket.flush().await;
        return heard;
    }
    let mut bytes = [0; 256];
    while let Ok(len @ 1..) = socket.read(&mut bytes).await {
        heard.extend_from_slice(&bytes[..len]);
    }
    socket.close();
    let _ = socket.flush().await;
    heard
}

/// Goes to one place, wherever the scripted machine wants to go.
struct To(Pipe, Net<'static>);

impl Connector for To {
    async fn open<T: Conversation>(&mut self, _: &Pipe, talk: T) -> Cause {
        self.1.open(&self.0, talk).await
    }
}

fn device(host: &str, stack: Stack<'static>) -> World<4, 8> {
    let machine = Script { redial: Some(std::time::Duration::from_millis(100)), ..Script::new() };
    let net = To(Pipe::Net(Endpoint::tcp(host, 1883)), Net::new(stack, leak(4096), leak(4096)));
    start_over(machine, net, &Wires::default(), Sizes::default())
}

#[test]
fn r_144_a_name_is_looked_up_and_its_addresses_are_tried_in_turn() {
    sim(async {
        let (ours, server, _cable) = network();
        let heard = spawn(serve(server, b"hello\n", false));
        let mut world = device("broker.test", ours);
        // The first address is tried for five seconds.
        assert_eq!(soon(world.events.next()).await, Some(Told::Up));
        assert_eq!(soon(world.events.next()).await, Some(Told::Line("hello".into())));
        assert_eq!(soon(world.handle.send("!a message".into())).await, Ok("sent".into()));
        world.handle.close();
        soon(world.task.join()).await;
        assert_eq!(soon(heard.join()).await, b"0 !a message\nbye\n", "everything went out before the end");
    });
}

#[test]
fn a_server_that_leaves_is_dialled_again() {
    sim(async {
        let (ours, server, _cable) = network();
        let first = spawn(serve(server, b"first\n", true));
        let mut world = device("10.0.0.2", ours);
        assert_eq!(soon(world.events.next()).await, Some(Told::Up));
        assert_eq!(soon(world.events.next()).await, Some(Told::Line("first".into())));
        soon(first.join()).await;
        let second = spawn(serve(server, b"second\n", false));
        assert_eq!(soon(world.events.next()).await, Some(Told::Down(Cause::Lost)));
        loop {
            match soon(world.events.next()).await.unwrap() {
                Told::Line(line) => break assert_eq!(line, "second"),
                Told::Up | Told::Down(Cause::Unreachable) => {}
                other => panic!("{other:?}"),
            }
        }
        world.handle.close();
        soon(world.task.join()).await;
        assert_eq!(soon(second.join()).await, b"bye\n");
    });
}

#[test]
fn what_cannot_be_reached_and_what_has_no_address_are_told_apart() {
    sim(async {
        let (ours, _server, _cable) = network();
        let mut refused = device("10.0.0.2", ours);
        assert_eq!(soon(refused.events.next()).await, Some(Told::Down(Cause::Unreachable)));
        let mut nameless = device("elsewhere.test", ours);
        assert_eq!(soon(nameless.events.next()).await, Some(Told::Down(Cause::Resolve)));
    });
}

#[test]
fn r_145_a_pulled_cable_holds_no_close_up() {
    sim(async {
        let (ours, server, cable) = network();
        let heard = spawn(serve(server, b"", false));
        let mut world = device("10.0.0.2", ours);
        assert_eq!(soon(world.events.next()).await, Some(Told::Up));
        *cable.borrow_mut() = false;
        let stuck = world.handle.submit("never heard".into()).await.unwrap();
        settle().await;
        let begin = sim::now();
        world.handle.close();
        assert!(matches!(stuck.await, Err(SendError::Failed(_))));
        soon(world.task.join()).await;
        assert!(begin.elapsed() < embassy_time::Duration::from_secs(3), "{:?}", begin.elapsed());
        assert!(!heard.is_finished());
    });
}

#[test]
fn what_is_not_offered_is_said_by_name_before_anything_is_dialled() {
    sim(async {
        let (ours, _server, _cable) = network();
        let mut endpoint = Endpoint::tcp("10.0.0.2", 1883);
        endpoint.tls = TlsIdentity::Ca;
        let mut net = Net::new(ours, leak(512), leak(512));
        for (pipe, what) in [
            (Pipe::Serial, "serial line"),
            (Pipe::Net(endpoint.clone()), "TLS"),
            (Pipe::Net(Endpoint { tls: TlsIdentity::Plain, path: Some("/mqtt".into()), ..endpoint }), "WebSocket"),
        ] {
            let Cause::Unsupported(why) = net.open(&pipe, Nothing).await else { panic!("{pipe:?} is not offered") };
            assert!(why.contains(what), "{why}");
        }
    });
}

/// A conversation that never begins.
struct Nothing;

impl Conversation for Nothing {
    async fn hold<R: embedded_io_async::Read, W: embedded_io_async::Write>(self, _: R, _: W) -> Cause {
        panic!("there is no connection")
    }
}

#[test]
fn opening_waits_for_the_network_to_have_an_address() {
    sim(async {
        let (device, _ends) = card(1);
        let resources: &'static mut StackResources<4> = Box::leak(Box::new(StackResources::new()));
        let (stack, mut runner) = embassy_net::new(device, Config::default(), resources, 1);
        spawn(async move { runner.run().await });
        let mut net = Net::new(stack, leak(512), leak(512));
        let pipe = Pipe::Net(Endpoint::tcp("10.0.0.2", 1));
        // It ends by the machine's own limit, not by itself.
        let waited = select(net.open(&pipe, Nothing), sleep(30_000)).await;
        assert!(matches!(waited, embassy_futures::select::Either::Second(())));
    });
}

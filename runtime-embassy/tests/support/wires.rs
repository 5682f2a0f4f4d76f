//! Pipes made of memory, and a scripted machine driven over them.
#![allow(dead_code, reason = "each test file uses its own part")]

use crate::sim::{Task, spawn};
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embedded_io_adapters::tokio_1::FromTokio;
use skytether_core::io::{Cause, Pipe};
use skytether_embassy::{Buffers, Channels, Connector, Conversation, Events, Handle, Runner, Wall};
use skytether_testing::script::{Log, Script, Told};
use std::{
    collections::VecDeque,
    future::pending,
    sync::{Arc, Mutex},
};
use tokio::io::{DuplexStream, duplex};

/// What the next attempt to open a pipe meets.
pub enum Plug {
    Stream(DuplexStream),
    Fails(Cause),
    /// Never opens; the value is dropped with the attempt.
    Never(Arc<()>),
}

/// Opens the pipes that a test has laid out; after the last, attempts never end.
#[derive(Clone, Default)]
pub struct Wires(Arc<Mutex<VecDeque<Plug>>>);

impl Wires {
    pub fn push(&self, plug: Plug) {
        self.0.lock().unwrap().push_back(plug);
    }

    /// Lays a pipe that holds `size` bytes each way; returns the peer's end.
    pub fn lay(&self, size: usize) -> DuplexStream {
        let (ours, peer) = duplex(size);
        self.push(Plug::Stream(ours));
        peer
    }
}

impl Connector for Wires {
    async fn open<T: Conversation>(&mut self, _: &Pipe, talk: T) -> Cause {
        let plug = self.0.lock().unwrap().pop_front();
        match plug {
            Some(Plug::Stream(stream)) => {
                let (reader, writer) = tokio::io::split(stream);
                talk.hold(FromTokio::new(reader), FromTokio::new(writer)).await
            }
            Some(Plug::Fails(cause)) => cause,
            Some(Plug::Never(held)) => {
                pending::<()>().await;
                drop(held);
                Cause::Lost
            }
            None => pending().await,
        }
    }
}

/// Buffers and room of one driver.
#[derive(Clone, Copy)]
pub struct Sizes {
    pub read: usize,
    pub write: usize,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { read: 64, write: 64 }
    }
}

pub struct World<const C: usize, const E: usize> {
    pub handle: Handle<'static, NoopRawMutex, Script, C, E>,
    pub events: Events<'static, NoopRawMutex, Script, C, E>,
    pub wall: &'static Wall,
    pub task: Task<()>,
    pub log: Arc<Mutex<Log>>,
    pub wires: Wires,
}

pub fn leak(len: usize) -> &'static mut [u8] {
    Box::leak(vec![0; len].into_boxed_slice())
}

/// Drives a machine over wires.
pub fn start<const C: usize, const E: usize>(machine: Script, wires: &Wires, sizes: Sizes) -> World<C, E> {
    start_over(machine, wires.clone(), wires, sizes)
}

/// Drives a machine over any connector.
pub fn start_over<K: Connector + 'static, const C: usize, const E: usize>(
    machine: Script,
    connector: K,
    wires: &Wires,
    sizes: Sizes,
) -> World<C, E> {
    let log = Arc::clone(&machine.log);
    let channels: &'static Channels<NoopRawMutex, Script, C, E> = Box::leak(Box::default());
    let wall: &'static Wall = Box::leak(Box::default());
    let buffers = Buffers { read: leak(sizes.read), write: leak(sizes.write) };
    let mut runner = Runner::new(machine, connector, channels, wall, buffers);
    let task = spawn(async move { runner.run().await });
    World { handle: channels.handle(), events: channels.events(), wall, task, log, wires: wires.clone() }
}

/// A device on a pipe, up.
pub async fn up<const C: usize, const E: usize>(
    machine: Script,
    sizes: Sizes,
    pipe: usize,
) -> (World<C, E>, DuplexStream) {
    let wires = Wires::default();
    let peer = wires.lay(pipe);
    let mut world = start(machine, &wires, sizes);
    assert_eq!(world.events.next().await, Some(Told::Up));
    (world, peer)
}

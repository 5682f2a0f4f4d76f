//! The scripted machine, on pipes made of memory.
#![allow(dead_code, unused_imports, reason = "each test file uses its own part")]

use skytether_blocking::{Attempt, Connector, Events, Handle, Options, Stream, spawn_with};
use skytether_core::io::{Cause, Pipe};
pub(crate) use skytether_testing::script::{CLOSE_LIMIT, Log, Script, Told, exchange, secret};
use std::{
    collections::VecDeque,
    io::{self, BufRead as _, BufReader, Read, Write},
    sync::{Arc, Condvar, Mutex},
    thread::{JoinHandle, sleep},
    time::{Duration, Instant},
};

/// One direction of a pipe: holds so many bytes, until it is closed.
struct Lane {
    state: Mutex<(VecDeque<u8>, bool)>,
    changed: Condvar,
    size: usize,
}

impl Lane {
    fn new(size: usize) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), changed: Condvar::new(), size })
    }

    fn read(&self, into: &mut [u8]) -> usize {
        let mut state = self
            .changed
            .wait_while(self.state.lock().unwrap(), |(bytes, closed)| bytes.is_empty() && !*closed)
            .unwrap();
        let len = state.0.len().min(into.len());
        for (place, byte) in into.iter_mut().zip(state.0.drain(..len)) {
            *place = byte;
        }
        self.changed.notify_all();
        len
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self
            .changed
            .wait_while(self.state.lock().unwrap(), |(held, closed)| held.len() >= self.size && !*closed)
            .unwrap();
        if state.1 {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let len = bytes.len().min(self.size - state.0.len());
        state.0.extend(&bytes[..len]);
        self.changed.notify_all();
        Ok(len)
    }

    fn close(&self) {
        self.state.lock().unwrap().1 = true;
        self.changed.notify_all();
    }
}

/// The driver's end of a pipe.
pub(crate) struct Ours {
    down: Arc<Lane>,
    up: Arc<Lane>,
}

impl Stream for Ours {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(self.down.read(buffer))
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.up.write(bytes)
    }

    fn finish(&self) {
        self.up.close();
    }

    fn cut(&self) {
        self.up.close();
        self.down.close();
    }
}

/// The peer's end; dropping a half of it closes that direction.
pub(crate) struct Peer {
    pub(crate) reader: Reader,
    pub(crate) writer: Writer,
}

pub(crate) struct Reader(Arc<Lane>);
pub(crate) struct Writer(Arc<Lane>);

impl Read for Reader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        Ok(self.0.read(into))
    }
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// What the next attempt to open a pipe meets.
pub(crate) enum Plug {
    Stream(Ours),
    Fails(Cause),
    /// Never opens; the value is dropped with the attempt.
    Never(Arc<()>),
    Panics,
}

/// Opens the pipes that a test has laid out; after the last, attempts never end.
#[derive(Clone, Default)]
pub(crate) struct Wires(Arc<Mutex<VecDeque<Plug>>>);

impl Wires {
    pub(crate) fn push(&self, plug: Plug) {
        self.0.lock().unwrap().push_back(plug);
    }

    /// Lays a pipe that holds `size` bytes each way; returns the peer's end.
    pub(crate) fn lay(&self, size: usize) -> Peer {
        let (down, up) = (Lane::new(size), Lane::new(size));
        self.push(Plug::Stream(Ours { down: Arc::clone(&down), up: Arc::clone(&up) }));
        Peer { reader: Reader(up), writer: Writer(down) }
    }
}

impl Connector for Wires {
    type Stream = Ours;

    fn open(&self, _: &Pipe, attempt: &Attempt) -> Result<Ours, Cause> {
        let plug = self.0.lock().unwrap().pop_front();
        match plug {
            Some(Plug::Stream(stream)) => Ok(stream),
            Some(Plug::Fails(cause)) => Err(cause),
            Some(Plug::Panics) => panic!("the connector panics"),
            Some(Plug::Never(held)) => {
                while attempt.wait(Duration::from_hours(1)) {}
                drop(held);
                Err(Cause::Lost)
            }
            None => {
                while attempt.wait(Duration::from_hours(1)) {}
                Err(Cause::Lost)
            }
        }
    }
}

/// Longest wait for anything in these tests.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
pub(crate) const SOON: Duration = Duration::from_millis(50);

pub(crate) struct World {
    pub(crate) handle: Handle<String, String>,
    pub(crate) events: Events<Told>,
    pub(crate) thread: JoinHandle<()>,
    pub(crate) log: Arc<Mutex<Log>>,
    pub(crate) wires: Wires,
}

pub(crate) fn start(machine: Script, wires: Wires, options: Options) -> World {
    let log = Arc::clone(&machine.log);
    let (handle, events, thread) = spawn_with(machine, wires.clone(), options).unwrap();
    World { handle, events, thread, log, wires }
}

/// A device on a pipe, up.
pub(crate) fn up(machine: Script, options: Options, size: usize) -> (World, Peer) {
    let wires = Wires::default();
    let peer = wires.lay(size);
    let mut world = start(machine, wires, options);
    assert_eq!(world.next(), Told::Up);
    (world, peer)
}

impl World {
    pub(crate) fn next(&mut self) -> Told {
        self.events.next_timeout(PATIENCE).expect("an event in time").expect("the device is not closed")
    }

    /// Closes it and waits for the end of all its threads.
    pub(crate) fn close(self) {
        self.handle.close();
        join(self.thread);
    }
}

/// Waits for a thread, but not for ever.
pub(crate) fn join<T>(thread: JoinHandle<T>) -> T {
    let begin = Instant::now();
    while !thread.is_finished() {
        assert!(begin.elapsed() < PATIENCE, "the thread does not end");
        sleep(Duration::from_millis(1));
    }
    thread.join().unwrap()
}

/// Waits until something is so.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < PATIENCE, "{what}");
        sleep(Duration::from_millis(1));
    }
}

/// A peer that acknowledges each command; returns what it read.
pub(crate) fn acknowledge(peer: Peer) -> Vec<String> {
    let Peer { reader, mut writer } = peer;
    let mut seen = Vec::new();
    for line in BufReader::new(reader).lines() {
        let line = line.unwrap();
        if let Some((tag, _)) = line.split_once(' ') {
            writer.write_all(format!("ok {tag}\n").as_bytes()).unwrap();
        }
        seen.push(line);
    }
    seen
}

pub(crate) fn texts(lines: &[String]) -> Vec<String> {
    lines.iter().filter_map(|line| line.split_once(' ')).map(|(_, text)| text.to_owned()).collect()
}

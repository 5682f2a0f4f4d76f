//! One device in its world: the machine, its store, its end of the pipe, and what was seen of it.

use crate::{
    pipe::{Direction, Seen, Shape},
    resident::{Resident, Turn},
    store::Store,
    told::Told,
    wire::{Finding, Wire},
};
use core::time::Duration;
use skytether_core::{
    io::{Cause, Machine, Tag},
    time::Instant,
};
use skytether_simulator::{
    broker::{ConnId, policy::Peer},
    modem::{self, Modem},
};
use std::collections::{BTreeMap, BTreeSet};

/// What a device is made with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "tests read it")]
pub struct Birth {
    /// Which device.
    pub device: usize,
    /// Which of its lives, from 0.
    pub life: u32,
    /// The seed of all its chance: another one in each life.
    pub seed: [u8; 32],
    /// Now.
    pub now: Instant,
}

/// A cut that waits for the next pipe.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PendingCut {
    pub(crate) direction: Direction,
    pub(crate) after: u64,
    pub(crate) seen: Seen,
}

/// A modem, and its pipes to the broker.
#[derive(Debug)]
pub(crate) struct Module {
    pub(crate) modem: Modem,
    /// How the serial line carries bytes.
    pub(crate) line: Shape,
    pub(crate) pipes: BTreeMap<modem::Pipe, ConnId>,
    /// How the last of them is encrypted, for the broker's side: the bytes are plain here.
    pub(crate) secured: Option<modem::Tls>,
    /// The device's certificate (DER), which it shows then.
    pub(crate) certificate: Vec<u8>,
    /// When it is to be called.
    pub(crate) wake: Option<Instant>,
}

impl Module {
    pub(crate) fn new(modem: Modem, certificate: Vec<u8>) -> Self {
        let pipes = BTreeMap::new();
        Self { modem, line: Shape::LINE, pipes, secured: None, certificate, wake: None }
    }
}

/// What an application has seen, and when.
pub(crate) type Story<M> = Vec<(Instant, Told<<M as Machine>::Event, <M as Machine>::Answer>)>;

pub(crate) struct Node<M: Resident> {
    pub(crate) machine: Option<M>,
    pub(crate) birth: Box<dyn FnMut(Birth) -> M>,
    pub(crate) life: u32,
    pub(crate) conn: Option<ConnId>,
    /// What the broker gets to know of its pipes.
    pub(crate) peer: Peer,
    /// What is at the other end of its serial line.
    pub(crate) module: Option<Box<Module>>,
    /// Its pipe is the serial line.
    pub(crate) on_line: bool,
    /// The pipe is open, as the device was told.
    pub(crate) open: bool,
    pub(crate) shape: Shape,
    pub(crate) refused: (Instant, Cause),
    pub(crate) cut: Option<PendingCut>,
    pub(crate) store: Store,
    /// How long a device that crashes in a write stays dark.
    pub(crate) dark: Duration,
    pub(crate) wire: Wire,
    pub(crate) tags: BTreeSet<Tag>,
    pub(crate) told: Story<M>,
    /// When it is to be called.
    pub(crate) wake: Option<Instant>,
    /// When pipes were asked for.
    pub(crate) dials: Vec<Instant>,
    /// The most bytes that it held, and may hold.
    pub(crate) high: usize,
    pub(crate) bound: usize,
    turn: Option<Turn>,
    /// Wake-ups in a row for nothing, and the last of them.
    idle: (u32, Instant),
}

/// Wake-ups in a row, each within a moment of the one before, that may come to nothing.
const IDLE: u32 = 100;
const MOMENT: Duration = Duration::from_millis(5);

impl<M: Resident> Node<M> {
    pub(crate) fn new(birth: Box<dyn FnMut(Birth) -> M>, bound: usize, shape: Shape) -> Self {
        Self {
            machine: None,
            birth,
            life: 0,
            conn: None,
            peer: Peer::default(),
            module: None,
            on_line: false,
            open: false,
            shape,
            refused: (Instant::ZERO, Cause::Unreachable),
            cut: None,
            store: Store::default(),
            dark: Duration::ZERO,
            wire: Wire::default(),
            tags: BTreeSet::new(),
            told: Vec::new(),
            wake: None,
            dials: Vec::new(),
            high: 0,
            bound,
            turn: None,
            idle: (0, Instant::ZERO),
        }
    }

    /// The device lost its power.
    pub(crate) fn died(&mut self) {
        self.machine = None;
        self.turn = None;
        self.tags.clear();
        (self.conn, self.open) = (None, false);
        self.wake = None;
        self.life += 1;
    }

    /// An event came out: it must fit the one before.
    pub(crate) fn turns(&mut self, turn: Turn) -> Result<(), Finding> {
        let fits = matches!(
            (self.turn, turn),
            (None | Some(Turn::Down { retry: true }), Turn::Dialling)
                | (Some(Turn::Dialling), Turn::Up)
                | (Some(Turn::Up), Turn::Ready)
                | (Some(Turn::Dialling | Turn::Up | Turn::Ready), Turn::Down { .. })
        );
        let before = self.turn.replace(turn);
        if fits { Ok(()) } else { Err(("R-8", format!("{turn:?} came after {before:?}"))) }
    }

    /// The device answered `Idle`: what must hold whenever nothing waits.
    pub(crate) fn rests(&mut self, now: Instant) -> Result<(), Finding> {
        let Some(machine) = &self.machine else { return Ok(()) };
        if let Some(deadline) = machine.deadline().filter(|deadline| deadline.at <= now) {
            return Err(("R-9", format!("the deadline {deadline:?} is not ahead")));
        }
        let waiting = machine.transmit().len();
        if waiting > 0 && !self.open {
            return Err(("R-8", format!("{waiting} bytes wait though no pipe is open")));
        }
        if machine.is_closed() && !self.tags.is_empty() {
            return Err(("R-5", format!("closed, and {:?} never ended", self.tags)));
        }
        let held = machine.buffered().max(waiting);
        self.high = self.high.max(held);
        if held > self.bound {
            return Err(("R-4", format!("{held} bytes are held, {} may be", self.bound)));
        }
        Ok(())
    }

    /// A wake-up at the device's own deadline, and whether anything came of it.
    pub(crate) fn woke(&mut self, now: Instant, busy: bool) -> Result<(), Finding> {
        let (count, last) = self.idle;
        let again = !busy && now.since(last) <= MOMENT;
        self.idle = (if again { count + 1 } else { 0 }, now);
        if self.idle.0 < IDLE {
            return Ok(());
        }
        let deadline = self.machine.as_ref().and_then(Machine::deadline);
        Err(("R-9", format!("{IDLE} wake-ups in a row came to nothing; the next is {deadline:?}")))
    }
}

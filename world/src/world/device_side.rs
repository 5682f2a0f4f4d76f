//! How the world drives a device: the rule for drivers, and a look at everything that comes out.

use super::{Denied, Due, World};
use crate::{
    diary::hex,
    node::Birth,
    pipe::{Direction, Ends, Pipe},
    resident::Resident,
    store::{Crash, Write},
    told::Told,
};
use core::time::Duration;
use skytether_core::io::{self, Action, Cause, Input, Instant, Key, Machine, Reply, Step, StoreFailed};
use skytether_simulator::broker::{ConnId, policy::Policy};

/// Steps that one input may take to `Idle`.
const STEPS: u32 = 20_000;

/// What became of a device by an action.
#[derive(PartialEq, Eq)]
enum Fate {
    Lives,
    Crashes,
}

impl<M: Resident, P: Policy> World<M, P> {
    /// Gives a device one input, takes what comes of it, and hands on what it wants to send.
    pub(super) fn drive(&mut self, device: usize, input: Input<'_>) -> bool {
        let mut busy = self.give(device, input);
        busy |= self.hand_over(device);
        self.resume_reading(device);
        self.judge(device);
        busy
    }

    /// After a call from outside: the device's outputs, as a driver looks for them.
    pub(super) fn settle(&mut self, device: usize) {
        self.drive(device, Input::Tick);
    }

    /// The device's own deadline has come.
    pub(super) fn wake(&mut self, device: usize) {
        if let Some(node) = self.nodes.get_mut(device) {
            node.wake = None;
        }
        let busy = self.drive(device, Input::Tick);
        let now = self.now;
        let found = self.nodes.get_mut(device).map(|node| node.woke(now, busy));
        if let Some(Err(finding)) = found {
            self.breach(device, finding);
        }
    }

    /// Gives one input and steps until `Idle`; whether anything came out.
    fn give(&mut self, device: usize, mut input: Input<'_>) -> bool {
        let Some(mut machine) = self.nodes.get_mut(device).and_then(|node| node.machine.take()) else { return false };
        let mut busy = false;
        for _ in 0..STEPS {
            match machine.step(self.now, &mut input) {
                Step::Idle => {
                    if let Some(node) = self.nodes.get_mut(device) {
                        node.machine = Some(machine);
                    }
                    return busy;
                }
                Step::Again => {}
                Step::Act(action) => {
                    if self.act(device, action) == Fate::Crashes {
                        self.die(device, false);
                        return true;
                    }
                }
                Step::Event(event) => {
                    self.note(|| format!("{device} event: {event:?}"));
                    let found =
                        self.nodes.get_mut(device).and_then(|node| M::turn(&event).map(|turn| node.turns(turn)));
                    if let Some(Err(finding)) = found {
                        self.breach(device, finding);
                    }
                    self.tell(device, Told::Event(event));
                }
                Step::Done(tag, outcome) => {
                    self.note(|| format!("{device} done: {tag:?} {outcome:?}"));
                    if self.nodes.get_mut(device).is_some_and(|node| !node.tags.remove(&tag)) {
                        self.breach(device, ("R-5", format!("{tag:?} ended, which is not under way")));
                    }
                    self.tell(device, Told::Done(tag, outcome));
                }
            }
            busy = true;
        }
        self.breach(device, ("R-9", format!("no Idle in {STEPS} steps; {input:?} is left")));
        true
    }

    pub(super) fn tell(&mut self, device: usize, told: Told<M::Event, M::Answer>) {
        let now = self.now;
        if let Some(node) = self.nodes.get_mut(device) {
            node.told.push((now, told));
        }
    }

    fn act(&mut self, device: usize, action: Action) -> Fate {
        self.note(|| {
            if let Action::Store(key, value) = &action {
                return format!("{device} store {key}: {} bytes", value.len());
            }
            format!("{device} act: {action:?}")
        });
        match action {
            Action::Open(pipe) => self.open(device, &pipe),
            Action::Close => self.let_go(device),
            Action::Load(key) => {
                let Some(node) = self.nodes.get(device) else { return Fate::Lives };
                self.later(node.store.delay(), Due::Loaded(device, node.life, key));
            }
            Action::Store(key, value) => return self.write(device, key, Some(value)),
            Action::Delete(key) => return self.write(device, key, None),
            Action::AskWall => {
                let life = self.nodes.get(device).map_or(0, |node| node.life);
                self.later(Duration::from_millis(5), Due::Wall(device, life));
            }
            // Neither files nor HTTP are part of this world: a driver without them says so.
            Action::Exchange(id, _) => self.deny(device, Denied::Exchange(id)),
            Action::Write(slot, at, _) => self.deny(device, Denied::Write(slot, at)),
            Action::Cancel(_) => {}
        }
        Fate::Lives
    }

    fn deny(&mut self, device: usize, what: Denied) {
        let life = self.nodes.get(device).map_or(0, |node| node.life);
        self.due(self.now, Due::Denied(device, life, what));
    }

    pub(super) fn denied(&mut self, device: usize, life: u32, what: Denied) {
        if !self.is_alive(device, life) {
            return;
        }
        let input = match what {
            Denied::Exchange(id) => Input::Reply(id, Reply::Failed(Cause::Unsupported("HTTP exchanges"))),
            Denied::Write(slot, at) => Input::Written(slot, at, Err(StoreFailed)),
        };
        self.drive(device, input);
    }

    fn write(&mut self, device: usize, key: Key, value: Option<Vec<u8>>) -> Fate {
        let Some(node) = self.nodes.get_mut(device) else { return Fate::Lives };
        let (number, fate) = node.store.begin();
        let (life, delay) = (node.life, node.store.delay());
        self.tell(device, Told::Saving(number));
        match fate {
            Write::Crash(crash) => {
                if crash == Crash::After {
                    if let Some(node) = self.nodes.get_mut(device) {
                        node.store.put(key, value);
                    }
                    self.tell(device, Told::Saved(number));
                }
                self.note(|| format!("{device} loses its power in write {number}, {crash:?}"));
                return Fate::Crashes;
            }
            Write::Done | Write::Fails => {
                let done = fate == Write::Done;
                self.later(delay, Due::Stored { device, life, key, value, number, done });
            }
        }
        Fate::Lives
    }

    pub(super) fn stored(
        &mut self,
        device: usize,
        life: u32,
        key: Key,
        value: Option<Vec<u8>>,
        number: u64,
        done: bool,
    ) {
        if !self.is_alive(device, life) {
            return;
        }
        self.note(|| format!("{device} stored {key} in write {number}: {done}"));
        if let Some(node) = self.nodes.get_mut(device).filter(|_| done) {
            node.store.put(key.clone(), value);
        }
        self.tell(device, if done { Told::Saved(number) } else { Told::NotSaved(number) });
        self.drive(device, Input::Stored(key, if done { Ok(()) } else { Err(StoreFailed) }));
    }

    pub(super) fn loaded(&mut self, device: usize, life: u32, key: &Key) {
        if !self.is_alive(device, life) {
            return;
        }
        let value = self.nodes.get(device).and_then(|node| node.store.value(key).map(<[u8]>::to_vec));
        self.note(|| format!("{device} loaded {key}: {:?} bytes", value.as_ref().map(Vec::len)));
        self.drive(device, Input::Loaded(key.clone(), Ok(value.as_deref())));
    }

    pub(super) fn tell_wall(&mut self, device: usize, life: u32) {
        if self.is_alive(device, life) {
            let wall = self.wall();
            self.drive(device, Input::Wall(wall));
        }
    }

    pub(super) fn bear(&mut self, device: usize) {
        let mut seed = [0; 32];
        for chunk in seed.chunks_exact_mut(8) {
            chunk.copy_from_slice(&self.rng.next_u64().to_le_bytes());
        }
        let now = self.now;
        let Some(node) = self.nodes.get_mut(device) else { return };
        if node.machine.is_some() {
            return;
        }
        if node.store.value(&Key::Session).is_none() {
            node.wire.forget();
        }
        let life = node.life;
        node.machine = Some((node.birth)(Birth { device, life, seed, now }));
        self.note(|| format!("{device} is born, life {life}"));
        self.tell(device, Told::Born);
        self.settle(device);
    }

    /// The device loses its power; `told`: the transport ends in order.
    pub(super) fn die(&mut self, device: usize, told: bool) {
        let Some(node) = self.nodes.get_mut(device) else { return };
        let (conn, dark) = (node.conn, node.dark);
        if let Some(wake) = node.wake {
            self.wakes.remove(&(wake, device));
        }
        node.died();
        let kept = node.store.value(&Key::Session).map(<[u8]>::to_vec);
        self.note(|| format!("{device} dies"));
        self.tell(device, Told::Died(kept));
        if let Some(conn) = conn {
            self.abandon(conn, told);
        }
        self.later(dark, Due::Born(device));
    }

    fn is_alive(&self, device: usize, life: u32) -> bool {
        self.nodes.get(device).is_some_and(|node| node.life == life && node.machine.is_some())
    }

    /// Opens a pipe, or fails to.
    fn open(&mut self, device: usize, wanted: &io::Pipe) {
        let conn = self.take_conn();
        let (now, back) = (self.now, self.broker_back);
        let Some(node) = self.nodes.get_mut(device) else { return };
        let old = node.conn.replace(conn);
        (node.open, node.on_line) = (false, *wanted == io::Pipe::Serial);
        node.dials.push(now);
        let (refused, cause) = node.refused;
        let (opening, ready) = (node.shape.opening, now.after(node.shape.opening));
        if let Some(old) = old {
            self.abandon(old, true);
        }
        let due = if *wanted == io::Pipe::Serial {
            return self.open_line(device, conn);
        } else if now < refused {
            Due::OpenFailed(device, conn, cause)
        } else if ready < back {
            Due::OpenFailed(device, conn, Cause::Unreachable)
        } else {
            Due::Opened(device, conn)
        };
        self.later(opening, due);
    }

    pub(super) fn opened(&mut self, device: usize, conn: ConnId) {
        let now = self.now;
        let Some(node) = self.nodes.get_mut(device).filter(|node| node.conn == Some(conn)) else { return };
        if node.on_line {
            node.open = true;
            return self.line_opened(device, conn);
        }
        if now < self.broker_back {
            return self.open_failed(device, conn, Cause::Unreachable);
        }
        node.open = true;
        node.wire.opened();
        let peer = node.peer.clone();
        let mut pipe = Pipe::new(Ends::Direct, Some(device));
        if let Some(cut) = node.cut.take() {
            pipe.seen = cut.seen;
            pipe.lane(cut.direction).cut_after(cut.after);
        }
        self.pipes.insert(conn, pipe);
        self.broker.connect(now, conn, peer);
        self.note(|| format!("{device} pipe {conn} opens"));
        self.break_if_due(conn);
        self.drive(device, Input::Opened);
        self.serve();
    }

    pub(super) fn open_failed(&mut self, device: usize, conn: ConnId, cause: Cause) {
        let Some(node) = self.nodes.get_mut(device).filter(|node| node.conn == Some(conn)) else { return };
        node.conn = None;
        self.note(|| format!("{device} pipe {conn} does not open: {cause}"));
        self.drive(device, Input::Closed(cause));
    }

    /// The device asked for `Close`.
    fn let_go(&mut self, device: usize) {
        let Some(node) = self.nodes.get_mut(device) else { return };
        node.open = false;
        let (conn, life) = (node.conn.take(), node.life);
        if let Some(conn) = conn {
            self.abandon(conn, true);
            // While a pipe that is to be opened next is not asked for, `Closed` has to come.
            self.due(self.now, Due::Closed(device, life));
        }
    }

    pub(super) fn closed(&mut self, device: usize, life: u32) {
        let waits = self.nodes.get(device).is_some_and(|node| node.life == life && node.conn.is_none());
        if waits {
            self.drive(device, Input::Closed(Cause::Lost));
        }
    }

    /// Hands the device's bytes to its pipe, as much as that takes.
    fn hand_over(&mut self, device: usize) -> bool {
        let mut busy = false;
        while let Some((conn, len)) = self.hand_over_piece(device) {
            busy = true;
            self.expect(conn, Direction::Up);
            self.give(device, Input::Sent(len));
        }
        busy
    }

    fn hand_over_piece(&mut self, device: usize) -> Option<(ConnId, usize)> {
        let now = self.now;
        let node = self.nodes.get_mut(device)?;
        let conn = node.conn.filter(|_| node.open)?;
        let pipe = self.pipes.get_mut(&conn)?;
        let serial = node.module.as_ref().map(|module| module.line).filter(|_| matches!(pipe.ends, Ends::Serial(_)));
        let (carried, lane) = (serial.unwrap_or(node.shape), &mut pipe.up);
        let waiting = node.machine.as_ref()?.transmit();
        let piece = waiting.get(..lane.room(&carried).min(waiting.len()))?;
        if piece.is_empty() {
            return None;
        }
        let len = piece.len();
        let found = if serial.is_none() { node.wire.said(now, piece) } else { Ok(()) };
        lane.push(now, &carried, piece);
        self.diary.note(now, || format!("{device} > {}", hex(piece)));
        if let Err(finding) = found {
            self.breach(device, finding);
            return None;
        }
        Some((conn, len))
    }

    /// Bytes that had to wait because the device had no room go on.
    fn resume_reading(&mut self, device: usize) {
        let conn = self.nodes.get(device).and_then(|node| node.conn.filter(|_| node.open));
        if let Some(conn) = conn
            && self.machine(device).is_some_and(Machine::wants_bytes)
        {
            self.expect(conn, Direction::Down);
        }
    }

    /// Looks at what must hold, and sets the device's alarm.
    fn judge(&mut self, device: usize) {
        let now = self.now;
        let Some(node) = self.nodes.get_mut(device) else { return };
        let found = node.rests(now);
        let wake: Option<Instant> = node.machine.as_ref().and_then(Machine::deadline).map(|due| due.at);
        if wake != node.wake {
            if let Some(old) = node.wake.take() {
                self.wakes.remove(&(old, device));
            }
            node.wake = wake;
            self.wakes.extend(wake.map(|at| (at, device)));
        }
        if let Err(finding) = found {
            self.breach(device, finding);
        }
    }
}

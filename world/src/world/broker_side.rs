//! How bytes reach their other end, and how the broker's words reach the pipes.

use super::{Due, World};
use crate::{
    diary::hex,
    pipe::{Arrival, Direction, Ends},
    resident::Resident,
};
use skytether_core::io::{Cause, Input, Machine};
use skytether_simulator::{
    broker::{ConnId, policy::Policy},
    modem::Side,
};

impl<M: Resident, P: Policy> World<M, P> {
    /// Puts the next arrival of a lane on the agenda, unless it is there.
    pub(super) fn expect(&mut self, conn: ConnId, direction: Direction) {
        let now = self.now;
        let Some(pipe) = self.pipes.get_mut(&conn) else { return };
        let lane = pipe.lane(direction);
        if lane.expected {
            return;
        }
        if let Some(at) = lane.next_arrival() {
            lane.expected = true;
            self.due(at.max(now), Due::Arrival(conn, direction));
        }
    }

    pub(super) fn arrival(&mut self, conn: ConnId, direction: Direction) {
        let now = self.now;
        let Some(pipe) = self.pipes.get_mut(&conn) else { return };
        pipe.lane(direction).expected = false;
        let (ends, device, far) = (pipe.ends, pipe.device, pipe.far);
        let reads = match direction {
            // Who has let go of the pipe throws away what comes.
            Direction::Up if matches!(ends, Ends::Serial(_)) => true,
            Direction::Up => !far || self.broker.wants_bytes(conn) || self.broker.wants_close(conn).is_some(),
            Direction::Down => match (device, ends) {
                (None, _) => true,
                (Some(device), Ends::Radio(pipe)) => {
                    self.modem(device).is_none_or(|modem| modem.wants_bytes(Side::Net(pipe)))
                }
                (Some(device), Ends::Direct | Ends::Serial(_)) => self.machine(device).is_none_or(Machine::wants_bytes),
            },
        };
        if !reads {
            return;
        }
        let Some(pipe) = self.pipes.get_mut(&conn) else { return };
        match pipe.lane(direction).arrive(now) {
            Arrival::Nothing => return,
            Arrival::Later(at) => {
                if at.0 < u64::MAX {
                    pipe.lane(direction).expected = true;
                    self.due(at, Due::Arrival(conn, direction));
                }
                return;
            }
            Arrival::Bytes(bytes) => match direction {
                Direction::Up if far => self.goes_up(conn, ends, device, &bytes),
                Direction::Down => {
                    // The cut comes with the byte: whoever sees it at once sees it right after.
                    self.break_if_due(conn);
                    if let Some(device) = device {
                        self.comes_down(device, ends, &bytes);
                    }
                    match ends {
                        Ends::Direct | Ends::Radio(_) => self.pour(conn),
                        Ends::Serial(_) => self.serve_module_of(device),
                    }
                }
                // Nobody is there to get them; they count all the same.
                Direction::Up => self.break_if_due(conn),
            },
            Arrival::End => match direction {
                Direction::Up => self.broker_end(conn),
                Direction::Down => self.device_end(conn),
            },
        }
        self.expect(conn, direction);
        self.serve();
    }

    /// Bytes come to the broker, or to a modem.
    fn goes_up(&mut self, conn: ConnId, ends: Ends, device: Option<usize>, bytes: &[u8]) {
        let now = self.now;
        match ends {
            Ends::Direct | Ends::Radio(_) => self.broker.receive(now, conn, bytes),
            // Whether the device still holds its line or not.
            Ends::Serial(device) => self.module_hears(device, bytes),
        }
        self.break_if_due(conn);
        match ends {
            Ends::Direct | Ends::Serial(_) => self.freed(device),
            Ends::Radio(_) => self.serve_module_of(device),
        }
    }

    /// Bytes come to a device, or to its modem.
    fn comes_down(&mut self, device: usize, ends: Ends, bytes: &[u8]) {
        match ends {
            Ends::Direct | Ends::Serial(_) => {
                self.note(|| format!("{device} < {}", hex(bytes)));
                if let Some(node) = self.nodes.get_mut(device).filter(|_| ends == Ends::Direct) {
                    node.wire.hears(bytes);
                }
                self.drive(device, Input::Bytes(bytes));
            }
            Ends::Radio(pipe) => self.module_receives(device, pipe, bytes),
        }
    }

    /// There may be room in the pipe for more of the device's bytes.
    fn freed(&mut self, device: Option<usize>) {
        let waits = |machine: &M| !machine.transmit().is_empty();
        if let Some(device) = device
            && self.machine(device).is_some_and(waits)
        {
            self.settle(device);
        }
    }

    /// Does what the broker wants done: bytes into pipes, ends of pipes; and takes down what it heard.
    pub(super) fn serve(&mut self) {
        while let Some(conn) = self.broker.next_ready() {
            self.pour(conn);
            self.expect(conn, Direction::Up);
        }
        let heard = self.broker.policy_mut().take_heard();
        self.heard.extend(heard);
        let dials = self.broker.policy_mut().take_dials();
        self.dials.extend(dials);
        while let Some(trace) = self.broker.next_trace() {
            self.note(|| format!("broker {trace}"));
        }
    }

    /// Moves the broker's bytes into the pipe, as much as that takes.
    fn pour(&mut self, conn: ConnId) {
        let now = self.now;
        let Some(pipe) = self.pipes.get_mut(&conn).filter(|pipe| pipe.far) else { return };
        let shape = pipe.device.and_then(|device| self.nodes.get(device)).map(|node| node.shape);
        loop {
            let waiting = self.broker.transmit(conn);
            if waiting.is_empty() {
                break;
            }
            let Some(shape) = &shape else {
                let len = waiting.len();
                self.broker.sent(now, conn, len);
                continue;
            };
            let Some(piece) = waiting.get(..pipe.down.room(shape).min(waiting.len())).filter(|p| !p.is_empty()) else {
                break;
            };
            let len = piece.len();
            pipe.down.push(now, shape, piece);
            self.broker.sent(now, conn, len);
        }
        // A server waits a little for a client that does not read, then closes all the same.
        let ending = self.broker.wants_close(conn).is_some();
        self.expect(conn, Direction::Down);
        if ending {
            self.broker_end(conn);
        }
    }

    /// The broker's end is gone, or goes: it is told, and the device hears of it behind the last byte.
    pub(super) fn broker_end(&mut self, conn: ConnId) {
        let now = self.now;
        let Some(pipe) = self.pipes.get_mut(&conn) else { return };
        if core::mem::replace(&mut pipe.far, false) {
            pipe.down.ended = true;
            self.broker.closed(now, conn);
            self.note(|| format!("the far end lets go of pipe {conn}"));
        }
        self.forget_if_over(conn);
        self.expect(conn, Direction::Down);
        self.serve();
    }

    /// The device's end is gone by no doing of its own.
    pub(super) fn device_end(&mut self, conn: ConnId) {
        let Some(pipe) = self.pipes.get_mut(&conn) else { return };
        let Some(device) = pipe.device.take() else { return };
        let ends = pipe.ends;
        pipe.up.ended = true;
        self.forget_if_over(conn);
        if let Ends::Radio(pipe) = ends {
            self.radio_ends(device, pipe);
        } else if let Some(node) = self.nodes.get_mut(device).filter(|node| node.conn == Some(conn)) {
            (node.conn, node.open) = (None, false);
            self.drive(device, Input::Closed(Cause::Lost));
        }
        self.expect(conn, Direction::Up);
    }

    /// The device lets go of its pipe; `told`: the broker hears of it behind the last byte.
    pub(super) fn abandon(&mut self, conn: ConnId, told: bool) {
        let now = self.now;
        let Some(pipe) = self.pipes.get_mut(&conn) else { return };
        pipe.device = None;
        if told {
            pipe.up.ended = true;
            pipe.up.touch(now);
        }
        self.forget_if_over(conn);
        self.expect(conn, Direction::Up);
    }

    /// Breaks a pipe whose count is full.
    pub(super) fn break_if_due(&mut self, conn: ConnId) {
        let Some(pipe) = self.pipes.get_mut(&conn) else { return };
        if pipe.cut || !(pipe.up.is_due_to_break() || pipe.down.is_due_to_break()) {
            return;
        }
        pipe.cut = true;
        pipe.up.lose();
        pipe.down.lose();
        let seen = pipe.seen;
        self.note(|| format!("pipe {conn} is cut: {seen:?}"));
        if let Some(wait) = seen.device {
            self.later(wait, Due::DeviceNotices(conn));
        }
        if let Some(wait) = seen.broker {
            self.later(wait, Due::BrokerNotices(conn));
        }
    }

    fn forget_if_over(&mut self, conn: ConnId) {
        if self.pipes.get(&conn).is_some_and(crate::pipe::Pipe::is_over) {
            self.pipes.remove(&conn);
        }
    }
}

//! How a modem lives between its device and the broker: the serial line on one side, pipes of its own on the other.

use super::{Due, World};
use crate::{
    diary::hex,
    pipe::{Direction, Ends, Pipe, Shape},
    resident::Resident,
};
use skytether_core::io::{Cause, Input, Instant};
use skytether_simulator::{
    broker::{
        ConnId,
        policy::{Certificate, Peer, Policy, Transport},
    },
    modem::{self, Modem, Order, Side, Tls},
};

impl<M: Resident, P: Policy> World<M, P> {
    /// The device asked for its serial line.
    pub(super) fn open_line(&mut self, device: usize, conn: ConnId) {
        let there = self.nodes.get(device).is_some_and(|node| node.module.is_some());
        let due = if there {
            Due::Opened(device, conn)
        } else {
            Due::OpenFailed(device, conn, Cause::Unsupported("a serial line: no modem is attached"))
        };
        self.later(Shape::LINE.opening, due);
    }

    /// The device has it; what the modem said before went nowhere.
    pub(super) fn line_opened(&mut self, device: usize, conn: ConnId) {
        self.pipes.insert(conn, Pipe::new(Ends::Serial(device), Some(device)));
        self.note(|| format!("{device} serial line {conn} opens"));
        self.drive(device, Input::Opened);
        self.serve_module(device);
    }

    /// Calls the modem, and does what it wants then.
    fn with_module(&mut self, device: usize, call: impl FnOnce(&mut Modem, Instant)) {
        let now = self.now;
        if let Some(module) = self.nodes.get_mut(device).and_then(|node| node.module.as_mut()) {
            call(&mut module.modem, now);
            self.serve_module(device);
        }
    }

    pub(super) fn module_hears(&mut self, device: usize, bytes: &[u8]) {
        self.with_module(device, |modem, now| modem.receive(now, Side::Serial, bytes));
    }

    pub(super) fn module_receives(&mut self, device: usize, pipe: modem::Pipe, bytes: &[u8]) {
        self.note(|| format!("{device}'s modem < {}", hex(bytes)));
        if let Some(node) = self.nodes.get_mut(device) {
            node.wire.hears(bytes);
        }
        self.with_module(device, |modem, now| modem.receive(now, Side::Net(pipe), bytes));
    }

    pub(super) fn wake_module(&mut self, device: usize) {
        if let Some(module) = self.nodes.get_mut(device).and_then(|node| node.module.as_mut()) {
            module.wake = None;
        }
        self.with_module(device, Modem::tick);
    }

    pub(super) fn misbehave(&mut self, device: usize, fault: modem::Fault) {
        self.with_module(device, |modem, now| modem.misbehave(now, fault));
    }

    pub(super) fn serve_module_of(&mut self, device: Option<usize>) {
        if let Some(device) = device {
            self.serve_module(device);
        }
    }

    /// Does what the modem wants: its words to the device, its bytes and orders to the network.
    pub(super) fn serve_module(&mut self, device: usize) {
        self.speak(device);
        self.radiate(device);
        while let Some(order) =
            self.nodes.get_mut(device).and_then(|node| node.module.as_mut()).and_then(|m| m.modem.next_order())
        {
            match order {
                Order::Open { pipe, tls, .. } => self.radio_open(device, pipe, tls.as_ref()),
                Order::Close(pipe) => self.radio_close(device, pipe),
                // The line's speed is in its shape.
                Order::Baud(_) => {}
            }
        }
        self.arm_module(device);
    }

    /// Moves the modem's words onto the serial line. They are lost while nobody holds it.
    fn speak(&mut self, device: usize) {
        let now = self.now;
        let Some(node) = self.nodes.get_mut(device) else { return };
        let Some(module) = node.module.as_mut() else { return };
        let line = node.conn.filter(|_| node.open);
        let pipe = line.and_then(|conn| self.pipes.get_mut(&conn)).filter(|pipe| matches!(pipe.ends, Ends::Serial(_)));
        let Some(pipe) = pipe else {
            let len = module.modem.transmit(Side::Serial).len();
            return module.modem.sent(now, Side::Serial, len);
        };
        loop {
            let waiting = module.modem.transmit(Side::Serial);
            let room = pipe.down.room(&module.line).min(waiting.len());
            let Some(piece) = waiting.get(..room).filter(|piece| !piece.is_empty()) else { break };
            let len = piece.len();
            pipe.down.push(now, &module.line, piece);
            module.modem.sent(now, Side::Serial, len);
        }
        if let Some(conn) = line {
            self.expect(conn, Direction::Down);
        }
    }

    /// Moves the modem's bytes into its pipes, as much as they take, and goes on reading them.
    fn radiate(&mut self, device: usize) {
        let now = self.now;
        let pipes: Vec<(modem::Pipe, ConnId)> = self
            .nodes
            .get(device)
            .and_then(|node| node.module.as_ref())
            .map(|module| module.pipes.iter().map(|(pipe, conn)| (*pipe, *conn)).collect())
            .unwrap_or_default();
        for (name, conn) in pipes {
            loop {
                let Some(node) = self.nodes.get_mut(device) else { return };
                let Some(module) = node.module.as_mut() else { return };
                let Some(pipe) = self.pipes.get_mut(&conn) else { break };
                let waiting = module.modem.transmit(Side::Net(name));
                let room = pipe.up.room(&node.shape).min(waiting.len());
                let Some(piece) = waiting.get(..room).filter(|piece| !piece.is_empty()) else { break };
                let (len, found) = (piece.len(), node.wire.said(now, piece));
                pipe.up.push(now, &node.shape, piece);
                self.diary.note(now, || format!("{device}'s modem > {}", hex(piece)));
                module.modem.sent(now, Side::Net(name), len);
                if let Err(finding) = found {
                    return self.breach(device, finding);
                }
            }
            self.expect(conn, Direction::Up);
            self.expect(conn, Direction::Down);
        }
    }

    fn arm_module(&mut self, device: usize) {
        let Some(module) = self.nodes.get_mut(device).and_then(|node| node.module.as_mut()) else { return };
        let wake = module.modem.deadline().map(|deadline| deadline.at);
        if wake == module.wake {
            return;
        }
        if let Some(old) = module.wake.take() {
            self.module_wakes.remove(&(old, device));
        }
        module.wake = wake;
        self.module_wakes.extend(wake.map(|at| (at, device)));
    }

    fn radio_open(&mut self, device: usize, pipe: modem::Pipe, tls: Option<&Tls>) {
        let conn = self.take_conn();
        let (now, back) = (self.now, self.broker_back);
        let Some(node) = self.nodes.get_mut(device) else { return };
        let ready = now.after(node.shape.opening);
        let (refused, opening) = (node.refused.0, node.shape.opening);
        if let Some(module) = node.module.as_mut() {
            module.pipes.insert(pipe, conn);
            module.secured = tls.cloned();
        }
        self.note(|| format!("{device}'s modem opens pipe {conn}"));
        let fails = now < refused || ready < back;
        self.later(
            opening,
            if fails { Due::RadioFailed(device, conn, pipe) } else { Due::RadioOpened(device, conn, pipe) },
        );
    }

    /// Whether the modem still wants this pipe.
    fn is_wanted(&self, device: usize, conn: ConnId, pipe: modem::Pipe) -> bool {
        let module = self.nodes.get(device).and_then(|node| node.module.as_ref());
        module.is_some_and(|module| module.pipes.get(&pipe) == Some(&conn))
    }

    pub(super) fn radio_opened(&mut self, device: usize, conn: ConnId, name: modem::Pipe) {
        let now = self.now;
        if !self.is_wanted(device, conn, name) {
            return;
        }
        if now < self.broker_back {
            return self.radio_failed(device, conn, name);
        }
        let Some(node) = self.nodes.get_mut(device) else { return };
        node.wire.opened();
        let mut pipe = Pipe::new(Ends::Radio(name), Some(device));
        if let Some(cut) = node.cut.take() {
            pipe.seen = cut.seen;
            pipe.lane(cut.direction).cut_after(cut.after);
        }
        let peer = node.module.as_ref().map(|module| module.peer()).unwrap_or_default();
        self.pipes.insert(conn, pipe);
        self.broker.connect(now, conn, peer);
        self.break_if_due(conn);
        self.with_module(device, |modem, now| modem.opened(now, name));
        self.serve();
    }

    pub(super) fn radio_failed(&mut self, device: usize, conn: ConnId, pipe: modem::Pipe) {
        if self.is_wanted(device, conn, pipe) {
            self.note(|| format!("{device}'s modem has no pipe {conn}"));
            self.radio_ends(device, pipe);
        }
    }

    /// The modem's end of a pipe is gone by no doing of its own.
    pub(super) fn radio_ends(&mut self, device: usize, pipe: modem::Pipe) {
        if let Some(module) = self.nodes.get_mut(device).and_then(|node| node.module.as_mut()) {
            module.pipes.remove(&pipe);
        }
        self.with_module(device, |modem, now| modem.closed(now, pipe));
    }

    /// The modem lets go of a pipe; the broker hears of it behind the last byte.
    fn radio_close(&mut self, device: usize, pipe: modem::Pipe) {
        let Some(module) = self.nodes.get_mut(device).and_then(|node| node.module.as_mut()) else { return };
        let conn = module.pipes.remove(&pipe);
        module.modem.closed(self.now, pipe);
        if let Some(conn) = conn {
            self.abandon(conn, true);
        }
    }
}

impl crate::node::Module {
    /// What the broker knows of it: with TLS, its certificate.
    fn peer(&self) -> Peer {
        let Some(tls) = &self.secured else { return Peer::default() };
        let certificate = Some(self.certificate.clone()).filter(|der| !der.is_empty()).map(Certificate::X509);
        Peer { transport: Transport::Tls, server_name: Some(tls.server_name.clone()), certificate, ..Peer::default() }
    }
}

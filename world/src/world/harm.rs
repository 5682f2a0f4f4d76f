//! What each fault does to the world.

use super::{Due, World};
use crate::{
    fault::Fault,
    node::PendingCut,
    pipe::{Direction, Ends, Pipe, Seen, Shape},
    resident::Resident,
    told::Told,
    watched::Watched,
};
use core::time::Duration;
use skytether_simulator::broker::{
    Broker, ConnId,
    policy::{Peer, Policy},
};

impl<M: Resident, P: Policy> World<M, P> {
    pub(super) fn do_harm(&mut self, fault: Fault) {
        self.note(|| format!("fault: {fault:?}"));
        match fault {
            Fault::Cut { device, direction, after, seen } => self.cut(device, direction, after, seen),
            Fault::Stall { device, direction, time } => {
                let until = self.now.after(time);
                if let Some(pipe) = self.pipe_of(device).and_then(|conn| self.pipes.get_mut(&conn)) {
                    pipe.lane(direction).hold(until);
                }
            }
            Fault::Reshape { device, shape } => {
                let shape = Shape { piece: shape.piece.max(1), room: shape.room.max(1), ..shape };
                if let Some(node) = self.nodes.get_mut(device) {
                    node.shape = shape;
                }
            }
            Fault::Refuse { device, cause, time } => {
                let until = self.now.after(time);
                if let Some(node) = self.nodes.get_mut(device) {
                    node.refused = (until, cause);
                }
            }
            Fault::Modem { device, fault } => self.misbehave(device, fault),
            Fault::Noise { device, direction, bytes, noise } => {
                if let Some(pipe) = self.line_of(device).and_then(|conn| self.pipes.get_mut(&conn)) {
                    pipe.lane(direction).spoil(bytes, noise);
                }
            }
            Fault::Wipe { device } => self.wipe(device),
            Fault::Restart { down, keep, seen } => self.restart(down, keep, seen),
            Fault::Takeover { device, stay } => self.take_over(device, stay),
            Fault::PowerCut { device, down, told } => {
                if let Some(node) = self.nodes.get_mut(device).filter(|node| node.machine.is_some()) {
                    node.dark = down;
                    self.die(device, told);
                }
            }
            Fault::CrashInWrite { device, nth, crash, down } => {
                if let Some(node) = self.nodes.get_mut(device).filter(|node| !node.store.is_armed()) {
                    node.dark = down;
                    node.store.crash_at(nth, crash);
                }
            }
            Fault::StoreFails { device, writes } => {
                if let Some(node) = self.nodes.get_mut(device) {
                    node.store.fail_next(writes);
                }
            }
            Fault::StoreSlow { device, delay } => {
                if let Some(node) = self.nodes.get_mut(device) {
                    node.store.set_delay(delay);
                }
            }
        }
    }

    fn cut(&mut self, device: usize, direction: Direction, after: u64, seen: Seen) {
        let conn = self.pipe_of(device);
        match conn.and_then(|conn| self.pipes.get_mut(&conn)) {
            Some(pipe) => {
                if !pipe.cut {
                    pipe.seen = seen;
                    pipe.lane(direction).cut_after(after);
                }
            }
            None => {
                if let Some(node) = self.nodes.get_mut(device) {
                    node.cut = Some(PendingCut { direction, after, seen });
                }
            }
        }
        if let Some(conn) = conn {
            self.break_if_due(conn);
        }
    }

    /// The pipe to the broker that the device holds, or the youngest of its modem's.
    pub(super) fn pipe_of(&self, device: usize) -> Option<ConnId> {
        let node = self.nodes.get(device)?;
        let conn = match &node.module {
            Some(module) => module.pipes.last_key_value().map(|(_, conn)| *conn),
            None => node.conn,
        };
        conn.filter(|conn| self.pipes.contains_key(conn))
    }

    /// The serial line that the device holds.
    fn line_of(&self, device: usize) -> Option<ConnId> {
        let conn = self.nodes.get(device)?.conn?;
        self.pipes.get(&conn).filter(|pipe| matches!(pipe.ends, Ends::Serial(_))).map(|_| conn)
    }

    fn wipe(&mut self, device: usize) {
        let client = self.client_id(device).to_owned();
        self.broker.forget_client(self.now, &client);
        self.broker.policy_mut().forget(&client);
        self.tell_all_of(&client, |world, device| world.tell(device, Told::Wiped));
        self.serve();
    }

    /// Every device with this client id: the session is all of theirs.
    fn tell_all_of(&mut self, client: &str, mut tell: impl FnMut(&mut Self, usize)) {
        for device in 0..self.nodes.len() {
            if self.client_id(device) == client {
                tell(self, device);
            }
        }
    }

    fn restart(&mut self, down: Duration, keep: bool, seen: Option<Duration>) {
        self.serve();
        let now = self.now;
        let conns: Vec<ConnId> = self
            .pipes
            .iter()
            .filter(|(_, pipe)| pipe.far && !matches!(pipe.ends, Ends::Serial(_)))
            .map(|(conn, _)| *conn)
            .collect();
        for conn in conns {
            let Some(pipe) = self.pipes.get_mut(&conn) else { continue };
            pipe.far = false;
            pipe.cut = true;
            pipe.up.lose();
            pipe.down.lose();
            let held = pipe.device.is_some();
            self.broker.closed(now, conn);
            match seen {
                Some(wait) if held => self.later(wait, Due::DeviceNotices(conn)),
                _ => {}
            }
            if !held {
                self.pipes.remove(&conn);
            }
        }
        self.serve();
        self.broker_back = now.after(down);
        if !keep {
            let wall = self.wall();
            self.broker = Broker::new(Watched::new((self.found)()), self.config, now, wall);
            for device in 0..self.nodes.len() {
                self.tell(device, Told::Wiped);
            }
        }
    }

    /// A stranger sends what the device sent as its CONNECT, reads nothing it is told, and goes.
    fn take_over(&mut self, device: usize, stay: Duration) {
        let now = self.now;
        if now < self.broker_back {
            return;
        }
        let Some(hello) = self.nodes.get(device).and_then(|node| node.wire.hello().map(<[u8]>::to_vec)) else { return };
        let conn = self.take_conn();
        self.pipes.insert(conn, Pipe::new(Ends::Direct, None));
        self.broker.connect(now, conn, Peer::default());
        self.broker.receive(now, conn, &hello);
        self.later(stay, Due::StrangerLeaves(conn));
        self.serve();
    }
}

//! Where the bytes of outgoing messages lie: when the room of finished ones is used again, and how much it may grow.

use super::{Outbox, State, packet::offset};

impl Outbox {
    /// Makes space for one more packet: reuses what is free before it grows.
    pub(super) fn make_space(&mut self, len: usize) {
        let full = self.bytes.len() + len > self.bytes.capacity() && self.live_bytes * 2 <= self.bytes.len();
        let crowded = self.packets.len() == self.packets.capacity() && self.live() * 2 <= self.packets.len();
        if full || crowded {
            self.compact();
        }
        let need = self.bytes.len() + len;
        if need > self.bytes.capacity() {
            // Twice what lives and no more: doubling what is there would let dead bytes double with it.
            let goal = need.max((self.live_bytes + len) * 2);
            self.bytes.reserve_exact(goal - self.bytes.len());
        }
    }

    /// Moves the bytes that are needed to the front and drops the packets that are gone.
    fn compact(&mut self) {
        let mut end = 0;
        let mut kept = 0;
        let (mut next, mut limit, mut tell_from) = (0, 0, 0);
        for at in 0..self.packets.len() {
            let Some(packet) = self.packets.get_mut(at) else { break };
            let gone = packet.state == State::Gone && !packet.due;
            if !gone {
                if packet.keeps_bytes() {
                    self.bytes.copy_within(packet.at()..packet.at() + packet.len(), end);
                    packet.at = offset(end);
                    end += packet.len();
                } else {
                    packet.at = offset(end);
                }
                self.packets.swap(kept, at);
                kept += 1;
                next += usize::from(at < self.next);
                limit += usize::from(at < self.limit);
                tell_from += usize::from(at < self.tell_from);
            }
        }
        self.packets.truncate(kept);
        self.bytes.truncate(end);
        (self.next, self.limit, self.tell_from) = (next, limit, tell_from);
        self.find_run();
        self.run.0 += self.taken;
    }
}

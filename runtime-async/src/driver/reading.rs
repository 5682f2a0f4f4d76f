//! How bytes reach the machine: as many as it and the application have room for, and at a deadline a few more.

use super::Driver;
use crate::{connector::Connector, platform::Platform};
use core::task::{Context, Poll};
use skytether_core::io::{Input, Machine};

/// Reads in one turn, as long as each fills the buffer: what they lead to is written at once.
const READS: usize = 4;
/// Buffers of which the machine is shown something at its deadline, at most: enough for the longest packet.
const AT_DEADLINE: usize = 32;

impl<M: Machine, K: Connector, P: Platform> Driver<M, K, P> {
    /// Reads, and gives the machine what came; true if anything happened.
    pub(super) fn read(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.machine.wants_bytes() {
            return false;
        }
        if !self.line.unread().is_empty() {
            return self.feed_bytes();
        }
        // One buffer is read even while the application is behind: then it is known whether the peer is alive.
        for reads in 0..READS {
            match self.line.poll_read(cx) {
                Poll::Pending => return reads > 0,
                Poll::Ready(Ok(())) => {
                    let more = self.line.is_full();
                    self.feed_bytes();
                    if !more || !self.line.unread().is_empty() || !self.machine.wants_bytes() {
                        break;
                    }
                }
                Poll::Ready(Err(cause)) => {
                    self.end(cause);
                    break;
                }
            }
        }
        true
    }

    /// Shows the machine some of the bytes that wait, where the application is behind: a machine that has never seen them
    /// would take the peer for dead. It takes at most one event's worth of them; if that was all, some of those behind.
    pub(super) fn show_unseen(&mut self, cx: &mut Context<'_>) {
        for _ in 0..AT_DEADLINE {
            if !self.line.is_unseen() || !self.machine.wants_bytes() {
                return;
            }
            self.step_bytes();
            if !self.line.unread().is_empty() {
                return;
            }
            match self.line.poll_read(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(cause)) => return self.end(cause),
                Poll::Pending => return,
            }
        }
    }

    /// Gives the machine the bytes that were read, for as long as it and the application have room for what they make.
    fn feed_bytes(&mut self) -> bool {
        let mut moved = false;
        while !self.line.unread().is_empty() && self.machine.wants_bytes() && self.outlet.has_room() {
            if self.steps >= self.steps_per_turn {
                moved = true;
                break;
            }
            let before = self.line.unread().len();
            let idle = self.step_bytes();
            moved |= !idle || self.line.unread().len() != before;
            if idle {
                return self.answer() | moved;
            }
        }
        if moved {
            // The machine may have more to say of what it has taken.
            self.drain(Input::Tick);
        }
        self.answer() | moved
    }

    /// Gives the machine one step with the bytes that were read; true if it was idle.
    fn step_bytes(&mut self) -> bool {
        let mut input = Input::Bytes(self.line.unread());
        let step = self.machine.step(self.now, &mut input);
        let left = if let Input::Bytes(rest) = input { rest.len() } else { 0 };
        self.line.keep(left);
        !self.carry(step, &mut Input::Tick)
    }
}

//! How bytes travel between a device and the broker: late, in pieces, and not always.

use core::time::Duration;
use skytether_core::time::Instant;
use skytether_simulator::modem;
use std::collections::VecDeque;

/// Which way bytes go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "there are two ways")]
pub enum Direction {
    /// From the device to the broker.
    Up,
    /// From the broker to the device.
    Down,
}

/// How a pipe carries bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "tests write it down")]
pub struct Shape {
    /// From one end to the other; at least 1 ms is taken.
    pub latency: Duration,
    /// Bytes at most that one end hands over, and the other gets, at once.
    pub piece: usize,
    /// Bytes at most that are on their way in one direction; then the sender has to wait.
    pub room: usize,
    /// From asking for the pipe to having it.
    pub opening: Duration,
}

impl Shape {
    /// A serial line: 1 ms, pieces as a UART's buffer gives them, there at once.
    pub const LINE: Self =
        Self { latency: Duration::from_millis(1), piece: 120, room: 4096, opening: Duration::from_millis(1) };
}

impl Default for Shape {
    /// 20 ms, no pieces, 64 KiB, opened in 30 ms.
    fn default() -> Self {
        Self {
            latency: Duration::from_millis(20),
            piece: usize::MAX,
            room: 64 * 1024,
            opening: Duration::from_millis(30),
        }
    }
}

/// When each end notices that a pipe has been cut; `None`: never by itself, the connection is half open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "tests write it down")]
pub struct Seen {
    /// By the device.
    pub device: Option<Duration>,
    /// By the broker.
    pub broker: Option<Duration>,
}

impl Seen {
    /// Both ends see it at once.
    pub const AT_ONCE: Self = Self { device: Some(Duration::ZERO), broker: Some(Duration::ZERO) };
    /// Neither sees it by itself.
    pub const NEVER: Self = Self { device: None, broker: None };
}

/// What a bad line does to bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[allow(clippy::exhaustive_enums, reason = "tests write it down")]
pub enum Noise {
    /// They do not arrive.
    #[default]
    Lost,
    /// They arrive as others.
    Garbled,
}

/// Turns letters and line ends into each other.
const GARBLE: u8 = 0x47;

/// The bytes of one direction.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    queue: VecDeque<(Instant, Vec<u8>)>,
    waiting: usize,
    delivered: u64,
    last: Instant,
    held_until: Instant,
    /// So many bytes are spoilt, and how.
    spoil: (u16, Noise),
    /// The pipe breaks when so many bytes are delivered.
    cut_at: Option<u64>,
    /// The sender has ended; the receiver hears of it behind the last byte.
    pub(crate) ended: bool,
    /// An arrival is on the agenda.
    pub(crate) expected: bool,
}

/// What arrives.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    Bytes(Vec<u8>),
    /// Behind the last byte: the sender has ended.
    End,
    /// Not before this moment.
    Later(Instant),
    Nothing,
}

impl Lane {
    /// Bytes that may be handed over now.
    pub(crate) fn room(&self, shape: &Shape) -> usize {
        shape.room.saturating_sub(self.waiting).min(shape.piece)
    }

    pub(crate) fn push(&mut self, now: Instant, shape: &Shape, bytes: &[u8]) {
        let at = now.after(shape.latency.max(Duration::from_millis(1))).max(self.last);
        self.last = at;
        let bytes = self.spoilt(bytes);
        self.waiting += bytes.len();
        self.queue.push_back((at, bytes));
    }

    /// What is left of bytes that are sent.
    fn spoilt(&mut self, bytes: &[u8]) -> Vec<u8> {
        let (left, noise) = &mut self.spoil;
        let (bad, good) = bytes.split_at(bytes.len().min(usize::from(*left)));
        *left -= u16::try_from(bad.len()).unwrap_or(*left);
        match noise {
            Noise::Lost => good.to_vec(),
            Noise::Garbled => bad.iter().map(|byte| byte ^ GARBLE).chain(good.iter().copied()).collect(),
        }
    }

    /// So many of the bytes sent from now on are spoilt.
    pub(crate) fn spoil(&mut self, bytes: u16, noise: Noise) {
        self.spoil = (bytes, noise);
    }

    /// When there is something to look at; `None`: nothing is on its way, or it will never arrive.
    pub(crate) fn next_arrival(&self) -> Option<Instant> {
        let first = self.queue.front().map(|(at, _)| *at);
        let at = first.or_else(|| self.ended.then_some(self.last))?.max(self.held_until);
        (at < Instant(u64::MAX)).then_some(at)
    }

    /// The sender has ended now: the word of it is not earlier than that.
    pub(crate) fn touch(&mut self, now: Instant) {
        self.last = self.last.max(now);
    }

    /// What has arrived by now.
    pub(crate) fn arrive(&mut self, now: Instant) -> Arrival {
        let at = match self.queue.front() {
            Some((at, _)) => (*at).max(self.held_until),
            None if self.ended => self.last.max(self.held_until),
            None => return Arrival::Nothing,
        };
        if at > now {
            return Arrival::Later(at);
        }
        let Some((at, mut bytes)) = self.queue.pop_front() else {
            // The end is told once.
            self.ended = false;
            return Arrival::End;
        };
        let left = self
            .cut_at
            .map_or(usize::MAX, |cut| usize::try_from(cut.saturating_sub(self.delivered)).unwrap_or(usize::MAX));
        if bytes.len() > left {
            let rest = bytes.split_off(left);
            self.queue.push_front((at, rest));
        }
        self.waiting -= bytes.len();
        self.delivered += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Arrival::Bytes(bytes)
    }

    /// Whether the bytes that were to be delivered are.
    pub(crate) fn is_due_to_break(&self) -> bool {
        self.cut_at.is_some_and(|cut| cut <= self.delivered)
    }

    pub(crate) fn cut_after(&mut self, bytes: u64) {
        self.cut_at = Some(self.delivered.saturating_add(bytes));
    }

    pub(crate) fn hold(&mut self, until: Instant) {
        self.held_until = self.held_until.max(until);
    }

    /// What was on its way is lost, and so is all that follows.
    pub(crate) fn lose(&mut self) {
        self.queue.clear();
        self.hold(Instant(u64::MAX));
    }

    pub(crate) fn delivered(&self) -> u64 {
        self.delivered
    }
}

/// What is at the ends of a pipe.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ends {
    /// A device and the broker.
    Direct,
    /// This device and its modem.
    Serial(usize),
    /// A device's modem, which calls the pipe so, and the broker.
    Radio(modem::Pipe),
}

/// One pipe, from its opening until both ends have let go of it.
#[derive(Debug)]
pub(crate) struct Pipe {
    pub(crate) ends: Ends,
    /// The device that holds the one end, or whose modem does; `None`: it has let go, or a stranger opened it.
    pub(crate) device: Option<usize>,
    /// Whether the other is held: by the broker, or by the modem.
    pub(crate) far: bool,
    pub(crate) cut: bool,
    /// When the cut is noticed.
    pub(crate) seen: Seen,
    pub(crate) up: Lane,
    pub(crate) down: Lane,
}

impl Pipe {
    pub(crate) fn new(ends: Ends, device: Option<usize>) -> Self {
        Self { ends, device, far: true, cut: false, seen: Seen::AT_ONCE, up: Lane::default(), down: Lane::default() }
    }

    pub(crate) fn lane(&mut self, direction: Direction) -> &mut Lane {
        match direction {
            Direction::Up => &mut self.up,
            Direction::Down => &mut self.down,
        }
    }

    /// Whether nobody holds it any more.
    pub(crate) fn is_over(&self) -> bool {
        let up_done = !self.far;
        let down_done = self.device.is_none();
        up_done && down_done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_delivers_in_order_and_breaks_after_exactly_so_many_bytes() {
        let shape = Shape::default();
        let mut lane = Lane::default();
        lane.cut_after(5);
        lane.push(Instant(0), &shape, b"abc");
        lane.push(Instant(1), &shape, b"def");
        assert_eq!(lane.arrive(Instant(19)), Arrival::Later(Instant(20)));
        assert_eq!(lane.arrive(Instant(30)), Arrival::Bytes(b"abc".to_vec()));
        assert!(!lane.is_due_to_break());
        assert_eq!(lane.arrive(Instant(30)), Arrival::Bytes(b"de".to_vec()));
        assert!(lane.is_due_to_break());
        lane.lose();
        assert_eq!(lane.arrive(Instant(1_000_000)), Arrival::Nothing);
    }

    #[test]
    fn a_lane_that_is_held_back_says_when_it_goes_on_and_the_end_comes_last() {
        let shape = Shape { room: 4, ..Shape::default() };
        let mut lane = Lane::default();
        lane.push(Instant(0), &shape, b"abc");
        assert_eq!(lane.room(&shape), 1);
        lane.ended = true;
        lane.hold(Instant(500));
        assert_eq!(lane.arrive(Instant(100)), Arrival::Later(Instant(500)));
        assert_eq!(lane.arrive(Instant(500)), Arrival::Bytes(b"abc".to_vec()));
        assert_eq!(lane.arrive(Instant(500)), Arrival::End);
        assert_eq!(lane.room(&shape), 4);
    }
}

//! Raw bytes that follow a command: so many of them, or until `+++` and a pause.

use core::time::Duration;
use skytether_core::time::Instant;

/// What the bytes are for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Purpose {
    /// A certificate.
    Certificate,
    /// Data of this socket.
    Socket(u32),
}

/// What came.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Ended {
    pub(super) purpose: Purpose,
    pub(super) bytes: Vec<u8>,
}

/// Raw bytes on their way in.
#[derive(Debug)]
pub(super) struct Raw {
    purpose: Purpose,
    /// 0: until `+++`.
    wanted: usize,
    bytes: Vec<u8>,
    /// How many `+` came one right after the other, and when the last.
    pluses: (u8, Instant),
}

/// The most that is taken; the rest up to the end is dropped.
const MOST: usize = 1500;

/// From one `+` to the next at most.
const APART: Duration = Duration::from_millis(250);

/// The silence behind `+++`.
const PAUSE: Duration = Duration::from_secs(1);

impl Raw {
    pub(super) fn new(purpose: Purpose, wanted: usize) -> Self {
        Self { purpose, wanted, bytes: Vec::new(), pluses: (0, Instant::ZERO) }
    }

    /// Takes one byte; `Some` when it was the last.
    pub(super) fn take(&mut self, now: Instant, byte: u8) -> Option<Ended> {
        let (count, last) = self.pluses;
        let count = match (byte, count) {
            (b'+', 0) => 1,
            (b'+', 1 | 2) if now.since(last) <= APART => count + 1,
            _ => u8::from(byte == b'+'),
        };
        self.pluses = (count, now);
        if self.bytes.len() < MOST {
            self.bytes.push(byte);
        }
        (self.wanted > 0 && self.bytes.len() >= self.wanted).then(|| self.end())
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let (count, last) = self.pluses;
        (count == 3).then(|| last.after(PAUSE))
    }

    /// Time has passed; `Some` when the silence behind `+++` was long enough.
    pub(super) fn tick(&mut self, now: Instant) -> Option<Ended> {
        self.deadline().filter(|at| *at <= now)?;
        self.bytes.truncate(self.bytes.len().saturating_sub(3));
        Some(self.end())
    }

    fn end(&mut self) -> Ended {
        Ended { purpose: self.purpose.clone(), bytes: core::mem::take(&mut self.bytes) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(raw: &mut Raw, now: u64, bytes: &[u8]) -> Option<Ended> {
        bytes.iter().fold(None, |ended, byte| {
            let now = raw.take(Instant(now), *byte);
            ended.or(now)
        })
    }

    #[test]
    fn so_many_bytes_end_it_whatever_they_are() {
        let mut raw = Raw::new(Purpose::Certificate, 4);
        assert_eq!(feed(&mut raw, 0, b"\r\n\0"), None);
        assert_eq!(feed(&mut raw, 1, b">"), Some(Ended { purpose: Purpose::Certificate, bytes: b"\r\n\0>".to_vec() }));
    }

    #[test]
    fn three_pluses_and_a_silence_end_it_and_are_not_part_of_it() {
        let mut raw = Raw::new(Purpose::Certificate, 0);
        assert_eq!(feed(&mut raw, 0, b"ab++"), None);
        assert_eq!(raw.deadline(), None);
        feed(&mut raw, 251, b"+");
        assert_eq!(raw.deadline(), None, "too late: it begins anew");
        feed(&mut raw, 300, b"++");
        assert_eq!(raw.deadline(), Some(Instant(1300)));
        assert_eq!(raw.tick(Instant(1299)), None);
        assert_eq!(raw.tick(Instant(1300)).map(|ended| ended.bytes), Some(b"ab++".to_vec()));
    }

    #[test]
    fn what_follows_three_pluses_at_once_makes_them_data() {
        let mut raw = Raw::new(Purpose::Certificate, 0);
        feed(&mut raw, 0, b"+++x");
        assert_eq!(raw.deadline(), None);
    }
}

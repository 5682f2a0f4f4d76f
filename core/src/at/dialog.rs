//! One command at a time: when may the next one go, whose is a final result, and what is done about silence?
//!
//! ```text
//! Free ──ask──▶ Asked ──final result──▶ Free
//!                 │ three times no answer
//!                 ▼
//!   ┌──────────▶ Quiet ──silence──▶ Probing ──OK──▶ Free
//!   └──no answer, three times──────────┘ │ no answer, three times
//!                                        ▼
//!                                    Resetting ──▶ Free, and the modem knows nothing any more
//! ```

use super::Timers;
use crate::io::{Deadline, Instant};
use alloc::vec::Vec;
use zeroize::Zeroize as _;

/// What is said to the modem, and what is awaited of it.
pub(super) struct Dialog {
    timers: Timers,
    state: State,
    /// The command line on its way to the pipe, and how much of it is there.
    out: Vec<u8>,
    taken: usize,
    /// The line holds a secret: it is wiped once it has left.
    secret: bool,
    /// Commands in a row that were not answered.
    silent: u8,
    /// The modem was reset, and has not answered since.
    was_reset: bool,
    /// No command before this moment.
    next: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// No command is out.
    Free,
    /// One is; its final result is due.
    Asked { until: Instant },
    /// An empty line went out; the modem should fall silent, and is not waited for beyond `by`.
    Quiet { until: Instant, by: Instant, tries: u8 },
    /// `AT` went out.
    Probing { until: Instant, tries: u8 },
    /// `AT+RST` went out.
    Resetting { until: Instant },
}

/// Whose a final result is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Whose {
    /// The command's that is out.
    Command,
    /// The dialog's own: nothing to do.
    Ours,
    /// Nobody's.
    Nobody,
    /// The sign of life of a modem that was reset.
    Reset,
}

/// What time brought.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Due {
    /// The command that was out has not been answered.
    Silent,
    /// The dialog's own doing: nothing to do.
    Ours,
    /// The modem does not answer, whatever is tried.
    Dead,
}

/// Tries before something stronger is tried.
const TRIES: u8 = 3;

impl Dialog {
    pub(super) fn new(timers: Timers) -> Self {
        Self {
            timers,
            state: State::Free,
            out: Vec::new(),
            taken: 0,
            secret: false,
            silent: 0,
            was_reset: false,
            next: Instant::ZERO,
        }
    }

    /// Forgets what is under way: the pipe is another. Whether the modem was reset in vain is remembered.
    pub(super) fn restart(&mut self) {
        self.state = State::Free;
        self.silent = 0;
        self.wipe();
    }

    /// Whether a command may go out now.
    pub(super) fn is_free(&self, now: Instant) -> bool {
        self.state == State::Free && now >= self.next
    }

    /// Sends a command, which `write` appends; nothing is sent where it fails.
    pub(super) fn ask<E>(
        &mut self,
        now: Instant,
        secret: bool,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.wipe();
        write(&mut self.out)?;
        self.secret = secret;
        self.state = State::Asked { until: now.after(self.timers.answer) };
        Ok(())
    }

    /// Bytes that wait for the pipe.
    pub(super) fn transmit(&self) -> &[u8] {
        self.out.get(self.taken..).unwrap_or_default()
    }

    /// So many of them were handed over. The answer is due from the last one on.
    pub(super) fn sent(&mut self, now: Instant, len: usize) {
        self.taken = self.taken.saturating_add(len).min(self.out.len());
        if self.taken < self.out.len() {
            return;
        }
        self.wipe();
        let answer = now.after(self.timers.answer);
        match &mut self.state {
            State::Asked { until } | State::Probing { until, .. } => *until = answer,
            State::Quiet { until, by, .. } => {
                (*until, *by) = (now.after(self.timers.quiet), answer);
            }
            State::Free | State::Resetting { .. } => {}
        }
    }

    /// Bytes came in.
    pub(super) fn heard(&mut self, now: Instant) {
        if let State::Quiet { until, by, .. } = &mut self.state {
            *until = now.after(self.timers.quiet).min(*by);
        }
    }

    /// A final result came.
    pub(super) fn result(&mut self, now: Instant, ok: bool) -> Whose {
        // What is answered before it has left whole is something else.
        let left = self.out.is_empty();
        match self.state {
            State::Asked { .. } if left => {
                self.free(now);
                Whose::Command
            }
            State::Probing { .. } if left && ok => {
                self.free(now);
                Whose::Ours
            }
            State::Resetting { .. } if left && ok => Whose::Reset,
            State::Asked { .. } | State::Free => Whose::Nobody,
            State::Quiet { .. } | State::Probing { .. } | State::Resetting { .. } => Whose::Ours,
        }
    }

    /// The modem has restarted: nothing is under way any more.
    pub(super) fn restarted(&mut self, now: Instant) {
        self.wipe();
        self.free(now);
    }

    /// Goes on where a time is over.
    pub(super) fn due(&mut self, now: Instant) -> Option<Due> {
        match self.state {
            State::Asked { until } if until <= now => {
                self.silent = self.silent.saturating_add(1);
                self.wipe();
                self.state = State::Free;
                if self.silent >= TRIES {
                    self.quieten(now, 0);
                }
                Some(Due::Silent)
            }
            State::Quiet { until, by, tries } if until.min(by) <= now => {
                self.say(b"AT\r\n");
                self.state = State::Probing { until: now.after(self.timers.answer), tries };
                Some(Due::Ours)
            }
            State::Probing { until, tries } if until <= now => {
                if tries + 1 < TRIES {
                    self.quieten(now, tries + 1);
                } else if self.was_reset {
                    self.restart();
                    return Some(Due::Dead);
                } else {
                    self.was_reset = true;
                    self.say(b"AT+RST\r\n");
                    self.state = State::Resetting { until: now.after(self.timers.boot) };
                }
                Some(Due::Ours)
            }
            State::Resetting { until } if until <= now => {
                self.restart();
                Some(Due::Dead)
            }
            State::Free
            | State::Asked { .. }
            | State::Quiet { .. }
            | State::Probing { .. }
            | State::Resetting { .. } => None,
        }
    }

    /// When [`Dialog::due`] or the next command is due; the latter only where one waits.
    pub(super) fn deadline(&self, waits: bool) -> Option<Deadline> {
        let (at, why) = match self.state {
            State::Free => (waits.then_some(self.next)?, "pacing"),
            State::Asked { until } => (until, "answer"),
            State::Quiet { until, by, .. } => (until.min(by), "silence"),
            State::Probing { until, .. } => (until, "AT"),
            State::Resetting { until } => (until, "boot"),
        };
        Some(Deadline { at, why })
    }

    /// Begins to bring the line in order; the next command goes out once that is done.
    pub(super) fn quieten(&mut self, now: Instant, tries: u8) {
        self.say(b"\r\n");
        let by = now.after(self.timers.answer);
        self.state = State::Quiet { until: now.after(self.timers.quiet), by, tries };
    }

    fn say(&mut self, line: &[u8]) {
        self.wipe();
        self.out.extend_from_slice(line);
    }

    fn free(&mut self, now: Instant) {
        self.state = State::Free;
        self.silent = 0;
        self.was_reset = false;
        self.next = now.after(self.timers.pacing);
    }

    fn wipe(&mut self) {
        if self.secret {
            self.out.zeroize();
        }
        self.out.clear();
        self.taken = 0;
        self.secret = false;
    }
}

impl Drop for Dialog {
    fn drop(&mut self) {
        self.wipe();
    }
}

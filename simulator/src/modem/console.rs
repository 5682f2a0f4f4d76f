//! What the modem says on its serial line, and how its faults change it on the way.

use super::{
    config::Dialect,
    outlet::Outlet,
    trouble::{self, Trouble},
};
use core::time::Duration;
use skytether_core::{rng::Rng, time::Instant};
use std::collections::VecDeque;

/// The voice of the modem.
#[derive(Debug)]
pub(super) struct Console {
    dialect: Dialect,
    out: Outlet,
    rng: Rng,
    pub(super) echo: bool,
    pub(super) verbosity: u8,
    /// A command runs: events are said without their CR and prompt, or wait.
    running: bool,
    /// Events that wait for a command, or for its end; and until when the first of them waits for one to begin.
    waiting: VecDeque<String>,
    wait_until: Option<Instant>,
    pub(super) silent_until: Option<Instant>,
    pub(super) garble: u16,
    pub(super) lose: u16,
    pub(super) twice: u16,
    pub(super) interleave: u16,
}

/// Bytes that may wait for the host; more is lost, as on a line without flow control.
const ROOM: usize = 64 * 1024;

/// Above this the modem reads no more from the network.
const FULL: usize = 16 * 1024;

/// How long an event that is to be interleaved waits for a command.
const PATIENCE: Duration = Duration::from_millis(500);

impl Console {
    pub(super) fn new(dialect: Dialect, seed: u64) -> Self {
        let mut bytes = [0; 32];
        for (slot, byte) in bytes.iter_mut().zip(seed.to_le_bytes()) {
            *slot = byte;
        }
        Self {
            dialect,
            out: Outlet::default(),
            rng: Rng::new(bytes),
            echo: true,
            verbosity: 5,
            running: false,
            waiting: VecDeque::new(),
            wait_until: None,
            silent_until: None,
            garble: 0,
            lose: 0,
            twice: 0,
            interleave: 0,
        }
    }

    pub(super) fn transmit(&self) -> &[u8] {
        self.out.pending()
    }

    pub(super) fn sent(&mut self, len: usize) {
        self.out.advance(len);
    }

    /// Whether so much waits for the host that no more should come from the network.
    pub(super) fn is_full(&self) -> bool {
        self.out.len() >= FULL
    }

    /// The modem starts anew: what belongs to its settings is as at power-on; faults go on.
    pub(super) fn reset(&mut self) {
        (self.echo, self.verbosity, self.running) = (true, 5, false);
        self.waiting.clear();
        self.wait_until = None;
    }

    /// Its faults end.
    pub(super) fn behave(&mut self) {
        self.silent_until = None;
        (self.garble, self.lose, self.twice, self.interleave) = (0, 0, 0, 0);
    }

    /// Whether it is silent, and deaf, now.
    pub(super) fn is_silent(&self, now: Instant) -> bool {
        self.silent_until.is_some_and(|until| now < until)
    }

    /// Bytes as they are, if echo is on.
    pub(super) fn echo(&mut self, now: Instant, bytes: &[u8]) {
        if self.echo {
            self.put(now, bytes);
        }
    }

    /// `>`, if echo is on.
    pub(super) fn prompt(&mut self, now: Instant) {
        self.echo(now, b">");
    }

    /// `#`: raw bytes are wanted.
    pub(super) fn binary_prompt(&mut self, now: Instant) {
        self.put(now, b"#");
    }

    /// A command begins.
    pub(super) fn begins(&mut self) {
        self.running = true;
    }

    /// An information line of the command that runs.
    pub(super) fn info(&mut self, now: Instant, line: &str) {
        self.record(now, "", line, "");
    }

    /// The final result of the command that runs; `after_binary`: raw bytes stand before it. What waited for its end
    /// follows.
    pub(super) fn ends(&mut self, now: Instant, result: Result<(), Trouble>, after_binary: bool) {
        if self.dialect == Dialect::AnyCloud && self.wait_until.take().is_some() {
            // Events that are to be interleaved: here is a command.
            while let Some(event) = self.waiting.pop_front() {
                self.record(now, "", &event, "");
            }
        }
        let line = match result {
            Ok(()) => trouble::ok(self.verbosity).to_owned(),
            Err(trouble) => trouble.result(self.dialect, self.verbosity),
        };
        let prompt = if self.echo { ">" } else { "" };
        self.record(now, if after_binary { "\r\n" } else { "" }, &line, prompt);
        self.running = false;
        self.say_waiting(now);
    }

    /// The command that runs ends without a word.
    pub(super) fn ends_silently(&mut self) {
        self.running = false;
    }

    /// An event.
    pub(super) fn event(&mut self, now: Instant, event: String) {
        match (self.running, self.dialect) {
            // Its task does not look at what the command's does.
            (true, Dialect::AnyCloud) => self.record(now, "", &event, ""),
            (true, Dialect::Rnwf) => self.waiting.push_back(event),
            (false, Dialect::AnyCloud) if self.interleave > 0 => {
                self.interleave -= 1;
                self.waiting.push_back(event);
                self.wait_until.get_or_insert_with(|| now.after(PATIENCE));
            }
            (false, _) => {
                // Those that came before go before.
                self.say_waiting(now);
                self.say(now, &event);
            }
        }
    }

    fn say(&mut self, now: Instant, event: &str) {
        let prompt = if self.echo { ">" } else { "" };
        self.record(now, "\r", event, prompt);
    }

    fn say_waiting(&mut self, now: Instant) {
        self.wait_until = None;
        while let Some(event) = self.waiting.pop_front() {
            self.say(now, &event);
        }
    }

    /// When an event has waited long enough for a command.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.wait_until
    }

    pub(super) fn tick(&mut self, now: Instant) {
        if self.wait_until.is_some_and(|until| until <= now) {
            self.say_waiting(now);
        }
    }

    /// What is no record: the banner after a start, a redrawn line.
    pub(super) fn raw(&mut self, now: Instant, text: &str) {
        self.put(now, text.as_bytes());
    }

    /// An information line, and raw bytes behind it.
    pub(super) fn binary(&mut self, now: Instant, line: &str, bytes: &[u8]) {
        self.record(now, "", line, "");
        self.put(now, b"#");
        self.put(now, bytes);
        self.put(now, b"\r\n");
    }

    /// Bytes of chance: half of them printable, some of them line ends.
    pub(super) fn garbage(&mut self, now: Instant, count: u16) {
        let bytes: Vec<u8> = (0..count)
            .map(|_| match self.rng.up_to(9) {
                0 => b'\n',
                1 => b'\r',
                2..=5 => u8::try_from(0x20 + self.rng.up_to(0x5E)).unwrap_or(b'?'),
                _ => u8::try_from(self.rng.up_to(255)).unwrap_or(b'?'),
            })
            .collect();
        self.put(now, &bytes);
    }

    /// A number of chance.
    pub(super) fn chance(&mut self, most: u64) -> u64 {
        self.rng.up_to(most)
    }

    fn record(&mut self, now: Instant, lead: &str, line: &str, prompt: &str) {
        let whole = format!("{lead}{line}\r\n{prompt}");
        self.put(now, whole.as_bytes());
        if self.twice > 0 {
            self.twice -= 1;
            self.put(now, whole.as_bytes());
        }
    }

    fn put(&mut self, now: Instant, bytes: &[u8]) {
        if self.is_silent(now) || self.out.len() + bytes.len() > ROOM {
            return;
        }
        for byte in bytes {
            if self.lose > 0 {
                self.lose -= 1;
                continue;
            }
            let mut byte = *byte;
            if self.garble > 0 {
                self.garble -= 1;
                byte ^= u8::try_from(1 + self.rng.up_to(254)).unwrap_or(1);
            }
            self.out.push(byte);
        }
    }
}

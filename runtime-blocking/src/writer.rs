//! How do bytes go out, when a peer that does not read must not hold the driver? By a thread that blocks in `write`,
//! fed by a bounded buffer.
//!
//! What is in that buffer counts as handed to the pipe, like what is in the operating system's own: a machine wants to
//! hear of [`Input::Sent`](skytether_core::io::Input::Sent) before any other input, so that no driver may wait for the peer
//! in between. While the buffer is full, nothing more is taken from the machine, whose timers go on and find the peer
//! dead. At an orderly end the buffer is emptied first, within the time limit of the farewell.

use crate::{bell::Bell, pipe::Stream, reader::is_passing};
use core::time::Duration;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// The bytes that wait for a writer.
pub(crate) struct Outbox {
    state: Mutex<State>,
    changed: Condvar,
    capacity: usize,
    bell: Bell,
}

struct State {
    waiting: Vec<u8>,
    /// The driver has found no room and waits for some.
    wanted: bool,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq)]
enum Stage {
    Open,
    /// Nothing more will come.
    Finishing,
    /// Everything was written, and the writer has ended.
    Finished,
    /// The stream takes nothing more, and the writer has ended.
    Broken,
}

impl Outbox {
    pub(crate) fn new(capacity: usize, bell: Bell) -> Self {
        let state = State { waiting: Vec::new(), wanted: false, stage: Stage::Open };
        Self { state: Mutex::new(state), changed: Condvar::new(), capacity: capacity.max(1), bell }
    }

    /// What the writer's thread does until it is told to finish or the stream breaks.
    pub(crate) fn run(&self, stream: &impl Stream) {
        let _end = End(self);
        let mut bytes = Vec::new();
        while self.next(&mut bytes) {
            if !write(stream, &bytes) {
                self.lock().stage = Stage::Broken;
                // The reader's end is what the driver hears of, once it has everything that came before.
                stream.cut();
                return;
            }
        }
    }

    /// Adds as much as there is room for; gives how much that was.
    pub(crate) fn push(&self, bytes: &[u8]) -> usize {
        let mut state = self.lock();
        let room = self.capacity.saturating_sub(state.waiting.len());
        let len = if state.stage == Stage::Broken { 0 } else { room.min(bytes.len()) };
        state.wanted = len < bytes.len();
        if len == 0 {
            return 0;
        }
        state.waiting.extend_from_slice(bytes.get(..len).unwrap_or_default());
        drop(state);
        self.changed.notify_all();
        len
    }

    /// Whether the stream takes nothing more.
    pub(crate) fn is_broken(&self) -> bool {
        self.lock().stage == Stage::Broken
    }

    /// Lets the writer end once everything is written, and these last bytes, for which there is always room.
    pub(crate) fn finish(&self, last: &[u8]) {
        let mut state = self.lock();
        state.waiting.extend_from_slice(last);
        if state.stage == Stage::Open {
            state.stage = Stage::Finishing;
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Waits for the writer's end, `longest` at most; true if all was written.
    pub(crate) fn wait_ended(&self, longest: Duration) -> bool {
        let running = |state: &mut State| matches!(state.stage, Stage::Open | Stage::Finishing);
        let waited = self.changed.wait_timeout_while(self.lock(), longest, running);
        waited.unwrap_or_else(PoisonError::into_inner).0.stage == Stage::Finished
    }

    /// Waits for bytes and takes them all; false when nothing more will come.
    fn next(&self, bytes: &mut Vec<u8>) -> bool {
        // The password of CONNECT may be among them.
        bytes.fill(0);
        bytes.clear();
        let mut state = self
            .changed
            .wait_while(self.lock(), |state| state.waiting.is_empty() && state.stage == Stage::Open)
            .unwrap_or_else(PoisonError::into_inner);
        core::mem::swap(bytes, &mut state.waiting);
        if core::mem::take(&mut state.wanted) {
            self.bell.ring();
        }
        !bytes.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct End<'a>(&'a Outbox);

impl Drop for End<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        if state.stage != Stage::Broken {
            state.stage = if std::thread::panicking() { Stage::Broken } else { Stage::Finished };
        }
        drop(state);
        self.0.changed.notify_all();
        self.0.bell.ring();
    }
}

/// Writes it all; false when the stream breaks first.
fn write(stream: &impl Stream, mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        match stream.write(bytes) {
            Ok(0) => return false,
            Ok(len) => bytes = bytes.get(len..).unwrap_or_default(),
            Err(error) if is_passing(&error) => {}
            Err(error) => {
                tracing::debug!(step = "write", %error, "the connection broke");
                return false;
            }
        }
    }
    true
}

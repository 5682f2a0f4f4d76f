//! How do bytes come in? By a thread that blocks in `read`, at most two buffers ahead of the driver.

use crate::{bell::Bell, pipe::Stream};
use core::time::Duration;
use std::{
    io,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

/// A buffer, and how much of it is filled.
pub(crate) struct Chunk {
    buffer: Box<[u8]>,
    len: usize,
}

impl Chunk {
    pub(crate) fn new(size: usize) -> Self {
        Self { buffer: vec![0; size.max(1)].into_boxed_slice(), len: 0 }
    }

    /// Moves all bytes of `other` behind its own; false where they do not fit, and nothing is moved.
    fn append(&mut self, other: &mut Self) -> bool {
        let end = self.len.saturating_add(other.len);
        let Some(room) = self.buffer.get_mut(self.len..end) else {
            return false;
        };
        room.copy_from_slice(other.bytes());
        self.len = end;
        other.len = 0;
        true
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.buffer.get(..self.len).unwrap_or_default()
    }
}

/// The place where a reader leaves what it read for the driver.
pub(crate) struct Intake {
    state: Mutex<State>,
    changed: Condvar,
    bell: Bell,
}

struct State {
    chunk: Chunk,
    /// How the stream has ended; the reader's thread does nothing more.
    ended: Option<Ended>,
    /// No one wants the bytes any more.
    discarding: bool,
}

impl Intake {
    pub(crate) fn new(size: usize, bell: Bell) -> Self {
        let state = State { chunk: Chunk::new(size), ended: None, discarding: false };
        Self { state: Mutex::new(state), changed: Condvar::new(), bell }
    }

    /// What the reader's thread does until the stream ends.
    pub(crate) fn run(&self, stream: &impl Stream, size: usize) {
        // However this ends, whoever waits for its end hears of it.
        let mut end = End(self, Ended::Broken);
        let mut chunk = Chunk::new(size);
        loop {
            match stream.read(&mut chunk.buffer) {
                Ok(0) => {
                    tracing::debug!(step = "read", "the peer has closed the connection");
                    end.1 = Ended::InOrder;
                    return;
                }
                Ok(len) => {
                    chunk.len = len;
                    chunk = self.put(chunk);
                }
                Err(error) if is_passing(&error) => {}
                Err(error) => return tracing::debug!(step = "read", %error, "the connection broke"),
            }
        }
    }

    /// Takes what was read in exchange for a buffer that may be filled again. `Err` when the stream has ended and
    /// everything was taken.
    pub(crate) fn take(&self, chunk: &mut Chunk) -> Result<bool, Ended> {
        let mut state = self.lock();
        if state.chunk.len > 0 {
            chunk.len = 0;
            core::mem::swap(chunk, &mut state.chunk);
            self.changed.notify_all();
            if state.ended.is_some() {
                // The end has rung already, perhaps together with these bytes; who took them must look again.
                self.bell.ring();
            }
            return Ok(true);
        }
        state.ended.map_or(Ok(false), Err)
    }

    /// Throws away whatever still comes.
    pub(crate) fn discard(&self) {
        self.lock().discarding = true;
        self.changed.notify_all();
    }

    /// Waits for the end of the stream.
    pub(crate) fn wait_ended(&self, longest: Duration) {
        let waited = self.changed.wait_timeout_while(self.lock(), longest, |state| state.ended.is_none());
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// Leaves bytes for the driver, behind those that it has not taken yet if they fit there: a driver that looks once
    /// then sees how much there is.
    fn put(&self, mut chunk: Chunk) -> Chunk {
        let mut state = self.lock();
        loop {
            if state.discarding {
                chunk.len = 0;
                return chunk;
            }
            if state.chunk.len == 0 {
                core::mem::swap(&mut chunk, &mut state.chunk);
                break;
            }
            if state.chunk.append(&mut chunk) {
                break;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        drop(state);
        self.bell.ring();
        chunk
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a stream has ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The peer has closed its side.
    InOrder,
    /// It broke.
    Broken,
}

struct End<'a>(&'a Intake, Ended);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.lock().ended = Some(self.1);
        self.0.changed.notify_all();
        self.0.bell.ring();
    }
}

/// Whether to try again at once: the call was interrupted, or the stream has a time limit of its own.
pub(crate) fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_takes_the_last_bytes_is_rung_for_the_end_behind_them() {
        let bell = Bell::default();
        let intake = Intake::new(4, bell.clone());
        intake.put(Chunk { buffer: vec![7; 4].into_boxed_slice(), len: 4 });
        drop(End(&intake, Ended::InOrder));
        // Both rings are heard as one.
        bell.wait(None);
        let mut chunk = Chunk::new(4);
        assert!(matches!(intake.take(&mut chunk), Ok(true)));
        assert_eq!(chunk.bytes(), [7; 4]);
        // Would wait for ever.
        bell.wait(None);
        assert!(matches!(intake.take(&mut chunk), Err(Ended::InOrder)));
    }
}

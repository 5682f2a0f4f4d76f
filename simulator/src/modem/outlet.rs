//! Bytes that wait to be taken by someone outside.

/// A queue of bytes, one after the other in memory.
#[derive(Debug, Default)]
pub(super) struct Outlet {
    bytes: Vec<u8>,
    sent: usize,
}

impl Outlet {
    /// What waits.
    pub(super) fn pending(&self) -> &[u8] {
        self.bytes.get(self.sent..).unwrap_or_default()
    }

    /// Bytes that wait.
    pub(super) fn len(&self) -> usize {
        self.bytes.len().saturating_sub(self.sent)
    }

    /// One more byte waits.
    pub(super) fn push(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    /// Lets `write` append.
    pub(super) fn write<R>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        write(&mut self.bytes)
    }

    /// So many were taken.
    pub(super) fn advance(&mut self, len: usize) {
        self.sent = self.sent.saturating_add(len).min(self.bytes.len());
        if self.sent == self.bytes.len() {
            self.bytes.clear();
            self.sent = 0;
        } else if self.sent > self.bytes.len() / 2 {
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
    }
}

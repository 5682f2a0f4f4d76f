//! The one pipe of a driver: being opened, open or down, with the bytes that were read and not yet taken.

use crate::{
    bell::Bell,
    duplex::{Duplex, Sizes},
    opener::Opener,
    pipe::{Connector, Stream},
    reader::Chunk,
};
use core::ops::Range;
use skytether_core::io::{Cause, Pipe};
use skytether_std::options::{Tap, Tapped, show};
use std::thread::JoinHandle;

/// At most one pipe at a time; what belongs to an old one is gone before a new one is opened.
pub(crate) struct Line<K: Connector> {
    opener: Opener<K>,
    stage: Stage<K::Stream>,
    /// What the reader brought, and the part of it that neither the filter nor the machine has taken yet.
    chunk: Chunk,
    left: Range<usize>,
    /// What the filter made of it; empty where there is none, and the machine takes from `chunk`.
    plain: Box<[u8]>,
    /// The part of the one or the other that the machine has not taken yet.
    unread: Range<usize>,
    sizes: Sizes,
    /// Old pipes that are saying good-bye.
    farewells: Vec<JoinHandle<()>>,
    tap: Option<Tap>,
    bell: Bell,
}

enum Stage<S: Stream> {
    Down,
    Opening,
    /// There is a stream, and its filter is agreeing with the peer.
    Agreeing(Duplex<S>),
    Open(Duplex<S>),
}

impl<K: Connector> Line<K> {
    pub(crate) fn new(connector: K, sizes: Sizes, tap: Option<Tap>, bell: &Bell) -> Self {
        Self {
            opener: Opener::new(connector, bell.clone()),
            stage: Stage::Down,
            chunk: Chunk::new(sizes.read),
            left: 0..0,
            plain: Box::default(),
            unread: 0..0,
            sizes,
            farewells: Vec::new(),
            tap,
            bell: bell.clone(),
        }
    }

    /// Begins to open a pipe.
    pub(crate) fn open(&mut self, pipe: &Pipe) {
        self.hang_up();
        if let Pipe::Net(endpoint) = pipe {
            self.show(Tapped::Opening(endpoint));
        }
        self.opener.open(pipe);
        self.stage = Stage::Opening;
    }

    /// Lets go of the pipe, whatever its state, and of everything that came by it.
    pub(crate) fn end(&mut self, cause: Cause) {
        self.hang_up();
        self.show(Tapped::Closed(cause));
    }

    /// The bytes that were read and not taken.
    pub(crate) fn unread(&self) -> &[u8] {
        let bytes = if self.plain.is_empty() { self.chunk.bytes() } else { &self.plain };
        bytes.get(self.unread.clone()).unwrap_or_default()
    }

    /// Whether bytes were read of which none was taken.
    pub(crate) fn is_unseen(&self) -> bool {
        self.unread.start == 0 && self.unread.end > 0
    }

    /// Keeps the last `left` bytes of [`Line::unread`].
    pub(crate) fn keep(&mut self, left: usize) {
        self.unread.start = self.unread.end.saturating_sub(left).max(self.unread.start);
    }

    /// Says so when the pipe that is being opened is open, or cannot be opened.
    pub(crate) fn opened(&mut self) -> Option<Result<(), Cause>> {
        if matches!(self.stage, Stage::Opening) {
            let begun = self.opener.take()?.and_then(|(stream, filter)| {
                self.plain = vec![0; filter.as_ref().map_or(0, |_| self.sizes.read.max(1))].into_boxed_slice();
                Duplex::begin(stream, filter, self.sizes, &self.bell)
            });
            match begun {
                Ok(duplex) => self.stage = Stage::Agreeing(duplex),
                Err(cause) => return Some(Err(cause)),
            }
        }
        let Stage::Agreeing(duplex) = &mut self.stage else {
            return None;
        };
        if let Err(cause) = duplex.agree(&mut self.chunk, &mut self.left)? {
            return Some(Err(cause));
        }
        if let Stage::Agreeing(duplex) = core::mem::replace(&mut self.stage, Stage::Down) {
            self.stage = Stage::Open(duplex);
        }
        self.show(Tapped::Opened);
        Some(Ok(()))
    }

    /// Takes what was read, once the bytes before are used up. An error at the end of the stream.
    pub(crate) fn read(&mut self) -> Option<Result<(), Cause>> {
        let Stage::Open(duplex) = &mut self.stage else {
            return None;
        };
        let len = match duplex.read(&mut self.chunk, &mut self.left, &mut self.plain) {
            Ok(0) => return None,
            Ok(len) => len,
            Err(cause) => return Some(Err(cause)),
        };
        self.unread = 0..len;
        let bytes = if self.plain.is_empty() { self.chunk.bytes() } else { &self.plain };
        show(&mut self.tap, Tapped::In(bytes.get(..len).unwrap_or_default()));
        Some(Ok(()))
    }

    /// Hands bytes to the pipe; gives how many those were, which is never 0.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Option<usize> {
        let Stage::Open(duplex) = &mut self.stage else {
            return None;
        };
        let len = duplex.write(bytes);
        if len == 0 {
            return None;
        }
        self.show(Tapped::Out(bytes.get(..len).unwrap_or_default()));
        Some(len)
    }

    /// Whether the pipe takes nothing more. Its end is told by [`Line::read`], after the bytes that came before.
    pub(crate) fn is_broken(&self) -> bool {
        matches!(&self.stage, Stage::Open(duplex) if duplex.is_broken())
    }

    /// Breaks the pipe off where it is open: its end, which follows, waits for no peer.
    pub(crate) fn abort(&self) {
        if let Stage::Agreeing(duplex) | Stage::Open(duplex) = &self.stage {
            duplex.abort();
        }
    }

    fn hang_up(&mut self) {
        self.unread = 0..0;
        self.left = 0..0;
        self.farewells.retain(|farewell| !farewell.is_finished());
        match core::mem::replace(&mut self.stage, Stage::Down) {
            Stage::Down => {}
            Stage::Opening => self.opener.abandon(),
            Stage::Agreeing(duplex) | Stage::Open(duplex) => self.farewells.extend(duplex.hang_up()),
        }
    }

    fn show(&mut self, tapped: Tapped<'_>) {
        show(&mut self.tap, tapped);
    }
}

impl<K: Connector> Drop for Line<K> {
    /// Waits until every good-bye is said.
    fn drop(&mut self) {
        self.hang_up();
        for farewell in self.farewells.drain(..) {
            let _ = farewell.join();
        }
    }
}

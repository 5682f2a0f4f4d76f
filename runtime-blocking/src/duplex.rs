//! An open stream: its reader, its writer, the filter between them and the machine, and how it ends in order.

use crate::{
    bell::Bell,
    clock,
    pipe::Stream,
    reader::{Chunk, Ended, Intake},
    writer::Outbox,
};
use core::{ops::Range, time::Duration};
use skytether_core::io::Cause;
use skytether_std::filter::Filter;
use skytether_std::options::Options;
use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    thread::{Builder, JoinHandle},
};

/// How long a peer has to take our last bytes and to close its side.
const FAREWELL: Duration = Duration::from_millis(500);

/// How much may wait in memory, each way.
#[derive(Clone, Copy)]
pub(crate) struct Sizes {
    pub(crate) read: usize,
    pub(crate) write: usize,
}

impl Sizes {
    pub(crate) fn of(options: &Options) -> Self {
        Self { read: options.read_buffer, write: options.write_buffer }
    }
}

/// An open stream with its two threads.
pub(crate) struct Duplex<S: Stream> {
    stream: Arc<S>,
    filter: Option<Filter>,
    intake: Arc<Intake>,
    outbox: Arc<Outbox>,
    reader: JoinHandle<()>,
    writer: JoinHandle<()>,
}

/// What became of an attempt to bring the filter bytes.
#[derive(PartialEq)]
enum Brought {
    Nothing,
    Some,
    End,
}

impl<S: Stream> Duplex<S> {
    pub(crate) fn begin(stream: S, filter: Option<Filter>, sizes: Sizes, bell: &Bell) -> Result<Self, Cause> {
        let stream = Arc::new(stream);
        let outbox = Arc::new(Outbox::new(sizes.write, bell.clone()));
        let intake = Arc::new(Intake::new(sizes.read, bell.clone()));
        let writer = {
            let (stream, outbox) = (Arc::clone(&stream), Arc::clone(&outbox));
            thread("skytether-write", move || outbox.run(&*stream))?
        };
        let begun = {
            let (stream, intake) = (Arc::clone(&stream), Arc::clone(&intake));
            thread("skytether-read", move || intake.run(&*stream, sizes.read))
        };
        match begun {
            Ok(reader) => Ok(Self { stream, filter, intake, outbox, reader, writer }),
            Err(cause) => {
                outbox.finish(&[]);
                let _ = writer.join();
                Err(cause)
            }
        }
    }

    /// Lets the filter agree with the peer; says so when it has, or why it cannot.
    pub(crate) fn agree(&mut self, chunk: &mut Chunk, left: &mut Range<usize>) -> Option<Result<(), Cause>> {
        let mut fresh = false;
        loop {
            self.flush();
            let Some(filter) = &mut self.filter else {
                return Some(Ok(()));
            };
            if filter.is_open() {
                return Some(Ok(()));
            }
            if let Some(cause) = filter.failure() {
                return Some(Err(cause));
            }
            match self.bring(chunk, left, &mut fresh) {
                Brought::Nothing => return None,
                Brought::Some => {}
                Brought::End => {
                    let cause = self.filter.as_ref().and_then(Filter::failure);
                    return Some(Err(cause.unwrap_or(Cause::Lost)));
                }
            }
        }
    }

    /// The next bytes for the machine: in `plain` where there is a filter, else in `chunk`. At most one new chunk is
    /// looked at: the bell has rung for the next.
    pub(crate) fn read(
        &mut self,
        chunk: &mut Chunk,
        left: &mut Range<usize>,
        plain: &mut [u8],
    ) -> Result<usize, Cause> {
        if self.filter.is_none() {
            return match self.intake.take(chunk) {
                Ok(true) => Ok(chunk.bytes().len()),
                Ok(false) => Ok(0),
                Err(_) => Err(Cause::Lost),
            };
        }
        let mut fresh = false;
        let mut brought = Brought::Some;
        loop {
            self.flush();
            let len = self.filter.as_mut().map_or(Ok(0), |filter| filter.read(plain))?;
            self.flush();
            if len > 0 || brought == Brought::Nothing {
                return Ok(len);
            }
            if brought == Brought::End {
                return Err(Cause::Lost);
            }
            brought = self.bring(chunk, left, &mut fresh);
        }
    }

    /// Takes bytes on their way; how many.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> usize {
        self.flush();
        let Some(filter) = &mut self.filter else {
            return if bytes.is_empty() { 0 } else { self.outbox.push(bytes) };
        };
        let len = if bytes.is_empty() { 0 } else { filter.send(bytes) };
        self.flush();
        len
    }

    /// Breaks the stream off: nothing waits for the peer any more.
    pub(crate) fn abort(&self) {
        self.stream.abort();
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.outbox.is_broken()
    }

    /// Ends the stream in order, in a thread of its own that ends both others. Where there is none to be had, ends it
    /// at once.
    pub(crate) fn hang_up(self) -> Option<JoinHandle<()>> {
        let Self { stream, filter, intake, outbox, reader, writer } = self;
        // What the reader still brings is not wanted, and must not keep it.
        intake.discard();
        match filter {
            None => outbox.finish(&[]),
            Some(mut filter) => {
                filter.close();
                outbox.finish(filter.transmit());
            }
        }
        let last = Arc::clone(&stream);
        let threads = Arc::new(Mutex::new(Some((reader, writer))));
        let theirs = Arc::clone(&threads);
        let begun = thread("skytether-bye", move || {
            farewell(&*stream, &intake, &outbox);
            join(&theirs);
        });
        if begun.is_err() {
            last.cut();
            join(&threads);
        }
        begun.ok()
    }

    /// Hands to the writer what the filter has to say, as far as there is room.
    fn flush(&mut self) {
        let Some(filter) = &mut self.filter else {
            return;
        };
        loop {
            let len = self.outbox.push(filter.transmit());
            if len == 0 {
                return;
            }
            filter.sent(len);
        }
    }

    /// Gives the filter what has come by the pipe.
    fn bring(&mut self, chunk: &mut Chunk, left: &mut Range<usize>, fresh: &mut bool) -> Brought {
        let Some(filter) = &mut self.filter else {
            return Brought::Nothing;
        };
        if left.start >= left.end {
            if core::mem::replace(fresh, true) {
                return Brought::Nothing;
            }
            match self.intake.take(chunk) {
                Ok(true) => *left = 0..chunk.bytes().len(),
                Ok(false) => return Brought::Nothing,
                Err(ended) => {
                    // When the writer has broken it off, the reader sees an end that is none of the peer's.
                    filter.end(ended == Ended::InOrder && !self.outbox.is_broken());
                    return Brought::End;
                }
            }
        }
        let bytes = chunk.bytes().get(left.clone()).unwrap_or_default();
        let rest = filter.receive(bytes).len();
        if rest == bytes.len() {
            return Brought::Nothing;
        }
        left.start = left.end.saturating_sub(rest);
        Brought::Some
    }
}

fn thread(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Cause> {
    Builder::new().name(name.to_owned()).spawn(run).map_err(|error: io::Error| {
        tracing::error!(name, %error, "the system gives no thread");
        Cause::Unsupported("as many threads as a connection takes")
    })
}

/// Ends our side, and waits a little for the peer to end its own: a socket dropped while bytes wait unread may take
/// back what was sent last, and with it the DISCONNECT that keeps the will from being published.
fn farewell(stream: &impl Stream, intake: &Intake, outbox: &Outbox) {
    let begin = clock::real();
    if outbox.wait_ended(FAREWELL) {
        stream.finish();
        intake.wait_ended(FAREWELL.saturating_sub(begin.elapsed()));
    } else {
        tracing::trace!("the peer did not take the farewell");
    }
    stream.cut();
}

type Threads = Mutex<Option<(JoinHandle<()>, JoinHandle<()>)>>;

fn join(threads: &Threads) {
    let threads = threads.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some((reader, writer)) = threads {
        // One that has panicked has told so by its end.
        let _ = reader.join();
        let _ = writer.join();
    }
}

//! The one pipe of a driver: being opened, open or down, with the bytes that were read and not yet taken.

use crate::{
    bell::Bell,
    opener::Opener,
    options::{Options, Tap, Tapped},
    pipe::{Connector, Stream},
    reader::{Chunk, Intake},
    writer::Outbox,
};
use core::{ops::Range, panic::AssertUnwindSafe, time::Duration};
use skytether_core::io::{Cause, Pipe};
use std::{
    io,
    panic::catch_unwind,
    sync::{Arc, Mutex, PoisonError},
    thread::{Builder, JoinHandle},
};

/// How long a peer has to take our last bytes and to close its side.
const FAREWELL: Duration = Duration::from_millis(500);

/// At most one pipe at a time; what belongs to an old one is gone before a new one is opened.
pub(crate) struct Line<K: Connector> {
    opener: Opener<K>,
    open: Option<Duplex<K::Stream>>,
    /// The part of `chunk` that the machine has not taken yet.
    unread: Range<usize>,
    chunk: Chunk,
    sizes: Sizes,
    /// Old pipes that are saying good-bye.
    farewells: Vec<JoinHandle<()>>,
    tap: Option<Tap>,
    bell: Bell,
}

#[derive(Clone, Copy)]
struct Sizes {
    read: usize,
    write: usize,
}

impl<K: Connector> Line<K> {
    pub(crate) fn new(connector: K, options: &mut Options, bell: &Bell) -> Self {
        Self {
            opener: Opener::new(connector, bell.clone()),
            open: None,
            unread: 0..0,
            chunk: Chunk::new(options.read_buffer),
            sizes: Sizes { read: options.read_buffer, write: options.write_buffer },
            farewells: Vec::new(),
            tap: options.tap.take(),
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
    }

    /// Lets go of the pipe, whatever its state, and of everything that came by it.
    pub(crate) fn end(&mut self, cause: Cause) {
        self.hang_up();
        self.show(Tapped::Closed(cause));
    }

    /// The bytes that were read and not taken.
    pub(crate) fn unread(&self) -> &[u8] {
        self.chunk.bytes().get(self.unread.clone()).unwrap_or_default()
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
        let stream = match self.opener.take()? {
            Ok(stream) => stream,
            Err(cause) => return Some(Err(cause)),
        };
        match Duplex::begin(stream, self.sizes, &self.bell) {
            Ok(duplex) => self.open = Some(duplex),
            Err(error) => {
                tracing::error!(%error, "no threads for the connection");
                return Some(Err(Cause::Unsupported("threads for a connection")));
            }
        }
        self.show(Tapped::Opened);
        Some(Ok(()))
    }

    /// Takes what was read, once the bytes before are used up. `Lost` at the end of the stream.
    pub(crate) fn read(&mut self) -> Option<Result<(), Cause>> {
        let open = self.open.as_ref()?;
        match open.intake.take(&mut self.chunk) {
            Ok(false) => None,
            Ok(true) => {
                self.unread = 0..self.chunk.bytes().len();
                show(&mut self.tap, Tapped::In(self.chunk.bytes()));
                Some(Ok(()))
            }
            Err(_) => Some(Err(Cause::Lost)),
        }
    }

    /// Hands bytes to the pipe; gives how many those were, which is never 0.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Option<usize> {
        let open = self.open.as_ref()?;
        if bytes.is_empty() {
            return None;
        }
        let len = open.outbox.push(bytes);
        if len == 0 {
            return None;
        }
        self.show(Tapped::Out(bytes.get(..len).unwrap_or_default()));
        Some(len)
    }

    /// Whether the pipe takes nothing more. Its end is told by [`Line::read`], after the bytes that came before.
    pub(crate) fn is_broken(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.outbox.is_broken())
    }

    fn hang_up(&mut self) {
        self.unread = 0..0;
        self.opener.abandon();
        self.farewells.retain(|farewell| !farewell.is_finished());
        if let Some(open) = self.open.take() {
            self.farewells.extend(open.hang_up());
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

fn show(tap: &mut Option<Tap>, tapped: Tapped<'_>) {
    if let Some(shown) = tap
        && catch_unwind(AssertUnwindSafe(|| shown(tapped))).is_err()
    {
        tracing::error!("the tap has panicked and is taken off");
        *tap = None;
    }
}

/// An open stream with its two threads.
struct Duplex<S: Stream> {
    stream: Arc<S>,
    intake: Arc<Intake>,
    outbox: Arc<Outbox>,
    reader: JoinHandle<()>,
    writer: JoinHandle<()>,
}

impl<S: Stream> Duplex<S> {
    fn begin(stream: S, sizes: Sizes, bell: &Bell) -> io::Result<Self> {
        let stream = Arc::new(stream);
        let outbox = Arc::new(Outbox::new(sizes.write, bell.clone()));
        let writer = {
            let (stream, outbox) = (Arc::clone(&stream), Arc::clone(&outbox));
            Builder::new().name("skytether-write".into()).spawn(move || outbox.run(&*stream))?
        };
        let intake = Arc::new(Intake::new(sizes.read, bell.clone()));
        let begun = {
            let (stream, intake) = (Arc::clone(&stream), Arc::clone(&intake));
            Builder::new().name("skytether-read".into()).spawn(move || intake.run(&*stream, sizes.read))
        };
        match begun {
            Ok(reader) => Ok(Self { stream, intake, outbox, reader, writer }),
            Err(error) => {
                outbox.finish();
                let _ = writer.join();
                Err(error)
            }
        }
    }

    /// Ends the stream in order, in a thread of its own that ends both others. Where there is none to be had, ends it
    /// at once.
    fn hang_up(self) -> Option<JoinHandle<()>> {
        let Self { stream, intake, outbox, reader, writer } = self;
        // What the reader still brings is not wanted, and must not keep it.
        intake.discard();
        outbox.finish();
        let last = Arc::clone(&stream);
        let threads = Arc::new(Mutex::new(Some((reader, writer))));
        let theirs = Arc::clone(&threads);
        let begun = Builder::new().name("skytether-bye".into()).spawn(move || {
            farewell(&*stream, &intake, &outbox);
            join(&theirs);
        });
        match begun {
            Ok(farewell) => Some(farewell),
            Err(error) => {
                tracing::error!(%error, "no thread to end the connection in order");
                last.cut();
                join(&threads);
                None
            }
        }
    }
}

/// Ends our side, and waits a little for the peer to end its own: a socket dropped while bytes wait unread may take
/// back what was sent last, and with it the DISCONNECT that keeps the will from being published.
fn farewell(stream: &impl Stream, intake: &Intake, outbox: &Outbox) {
    let begin = crate::clock::real();
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

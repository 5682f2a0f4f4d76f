//! The one pipe of a driver: being opened, open or down, with the bytes that were read and not yet taken.

use crate::platform::{Timer, timeout};
use core::{
    future::Future,
    marker::PhantomData,
    ops::Range,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use futures_io::{AsyncRead, AsyncWrite};
use futures_util::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    stream::{FuturesUnordered, StreamExt as _},
};
use skytether_core::io::{Cause, Pipe};
use skytether_std::{
    fault,
    options::{Tap, Tapped, show},
};
use std::io;

/// How long a peer has to take our last bytes and to close its side.
const FAREWELL: Duration = Duration::from_millis(500);

enum State<S> {
    Down,
    Opening(Pin<Box<dyn Future<Output = Result<S, Cause>> + Send>>),
    Open(S),
}

/// At most one pipe at a time; what belongs to an old one is gone before a new one is opened.
pub(crate) struct Line<S, T> {
    state: State<S>,
    /// The pipe's name in logs.
    place: String,
    /// Whether the pipe has an end that can be waited for. A serial line has none, and is closed before it is opened again:
    /// two readers would each get a part of what it says.
    ends: bool,
    buffer: Box<[u8]>,
    /// The part of `buffer` that the machine has not taken yet.
    unread: Range<usize>,
    /// Whether written bytes may still wait inside the stream.
    unflushed: bool,
    /// Old pipes that are saying good-bye.
    farewells: FuturesUnordered<Pin<Box<dyn Future<Output = ()> + Send>>>,
    tap: Option<Tap>,
    timer: PhantomData<fn() -> T>,
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static, T: Timer> Line<S, T> {
    pub(crate) fn new(read_buffer: usize, tap: Option<Tap>) -> Self {
        Self {
            state: State::Down,
            place: String::new(),
            ends: true,
            buffer: vec![0; read_buffer.max(1)].into_boxed_slice(),
            unread: 0..0,
            unflushed: false,
            farewells: FuturesUnordered::new(),
            tap,
            timer: PhantomData,
        }
    }

    /// Begins to open a pipe.
    pub(crate) fn open(&mut self, pipe: &Pipe, opening: impl Future<Output = Result<S, Cause>> + Send + 'static) {
        self.hang_up();
        self.ends = matches!(pipe, Pipe::Net(_));
        match pipe {
            Pipe::Net(endpoint) => {
                self.place = endpoint.to_string();
                self.show(Tapped::Opening(endpoint));
            }
            Pipe::Serial => self.place = String::from("the serial line"),
        }
        self.state = State::Opening(Box::pin(opening));
    }

    /// Lets go of the pipe, whatever its state, and of everything that came by it.
    pub(crate) fn end(&mut self, cause: Cause) {
        self.hang_up();
        self.show(Tapped::Closed(cause));
    }

    pub(crate) fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// The bytes that were read and not taken.
    pub(crate) fn unread(&self) -> &[u8] {
        self.buffer.get(self.unread.clone()).unwrap_or_default()
    }

    /// Whether the last read filled the buffer: more may wait.
    pub(crate) fn is_full(&self) -> bool {
        self.unread.end == self.buffer.len()
    }

    /// Whether bytes were read of which none was taken.
    pub(crate) fn is_unseen(&self) -> bool {
        self.unread.start == 0 && self.unread.end > 0
    }

    /// Keeps the last `left` bytes of [`Line::unread`].
    pub(crate) fn keep(&mut self, left: usize) {
        self.unread.start = self.unread.end.saturating_sub(left).max(self.unread.start);
    }

    /// Ready when the pipe that is being opened is open, or cannot be opened.
    pub(crate) fn poll_opened(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Cause>> {
        let State::Opening(opening) = &mut self.state else {
            return Poll::Pending;
        };
        let stream = ready!(opening.as_mut().poll(cx))?;
        self.state = State::Open(stream);
        self.show(Tapped::Opened);
        Poll::Ready(Ok(()))
    }

    /// Reads once into the empty buffer. Ready with `Lost` at the end of the stream.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Cause>> {
        let State::Open(stream) = &mut self.state else {
            return Poll::Pending;
        };
        match ready!(Pin::new(stream).poll_read(cx, &mut self.buffer)) {
            Ok(0) => {
                tracing::debug!(place = self.place, step = "read", "the peer has closed the connection");
                Poll::Ready(Err(Cause::Lost))
            }
            Ok(len) => {
                self.unread = 0..len;
                show(&mut self.tap, Tapped::In(self.buffer.get(..len).unwrap_or_default()));
                Poll::Ready(Ok(()))
            }
            Err(error) => self.broke(cx, "read", &error),
        }
    }

    /// Writes once, or, with nothing to write, flushes. Ready with the length that was handed over, which is never 0.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, Cause>> {
        let State::Open(stream) = &mut self.state else {
            return Poll::Pending;
        };
        let outcome = if !bytes.is_empty() {
            ready!(Pin::new(stream).poll_write(cx, bytes))
        } else if self.unflushed {
            ready!(Pin::new(stream).poll_flush(cx)).map(|()| 0)
        } else {
            return Poll::Pending;
        };
        match outcome {
            Ok(0) if bytes.is_empty() => {
                self.unflushed = false;
                Poll::Pending
            }
            Ok(0) => self.broke(cx, "write", &io::ErrorKind::WriteZero.into()),
            Ok(len) => {
                self.unflushed = true;
                self.show(Tapped::Out(bytes.get(..len).unwrap_or_default()));
                Poll::Ready(Ok(len))
            }
            Err(error) => self.broke(cx, "write", &error),
        }
    }

    /// Lets old pipes go on with their good-bye.
    pub(crate) fn poll_farewells(&mut self, cx: &mut Context<'_>) {
        while let Poll::Ready(Some(())) = self.farewells.poll_next_unpin(cx) {}
    }

    /// Waits until every good-bye is said.
    pub(crate) async fn farewells(&mut self) {
        while self.farewells.next().await.is_some() {}
    }

    fn hang_up(&mut self) {
        self.unread = 0..0;
        self.unflushed = false;
        if let State::Open(stream) = core::mem::replace(&mut self.state, State::Down)
            && self.ends
        {
            self.farewells.push(Box::pin(farewell::<S, T>(stream)));
        }
    }

    fn broke<R>(&self, cx: &Context<'_>, step: &str, error: &io::Error) -> Poll<Result<R, Cause>> {
        if error.kind() == io::ErrorKind::Interrupted {
            // No one else will wake us for it.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        tracing::debug!(place = self.place, step, %error, "the connection broke");
        Poll::Ready(Err(fault::of_io(error)))
    }

    fn show(&mut self, tapped: Tapped<'_>) {
        show(&mut self.tap, tapped);
    }
}

/// Ends our side, and waits a little for the peer to end its own: a socket dropped while bytes wait unread may take
/// back what was sent last, and with it the DISCONNECT that keeps the will from being published.
async fn farewell<S: AsyncRead + AsyncWrite + Unpin, T: Timer>(mut stream: S) {
    let good_bye = async {
        stream.close().await?;
        let mut rest = [0; 1024];
        while stream.read(&mut rest).await? > 0 {}
        io::Result::Ok(())
    };
    if let Some(Err(error)) = timeout::<T, _>(FAREWELL, good_bye).await {
        tracing::trace!(%error, "the peer was gone before the farewell");
    }
}

//! What reads one connection and what writes it: two tasks that know nothing of MQTT.

use super::{front::Report, lag::Lag};
use crate::broker::ConnId;
use core::time::Duration;
use std::{io, sync::Arc};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf},
    sync::{Semaphore, mpsc, watch},
    time::{sleep, timeout},
};

/// Anything that carries bytes both ways: TCP, TLS, a WebSocket's payloads, memory.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for T {}

/// A stream of any kind.
pub(super) type AnyStream = Box<dyn Stream>;

/// Bytes read at once. A client cannot ask for more bytes of answers than it sends, so this times the credit stays below
/// half of what the broker lets acknowledgements pile up.
const CHUNK: usize = 16 * 1024;

/// Chunks that a reader may be ahead of the broker.
const CREDIT: usize = 2;

/// How long a closed connection is still read, so that what the client sends meanwhile does not make the system throw
/// away what it has not read yet.
const LINGER: Duration = Duration::from_secs(1);

/// The owner's end of one connection's tasks.
#[derive(Debug)]
pub(super) struct Pipe {
    /// Goes to the writer; dropped, it makes the writer finish and close.
    pub(super) out: mpsc::Sender<Vec<u8>>,
    /// Bytes with the writer, not yet reported as written.
    pub(super) writing: usize,
    credit: Arc<Semaphore>,
    /// Chunks taken for which the reader got no new credit yet.
    owed: usize,
    /// Dropped, it makes the reader throw away what still comes, and end; and the writer, if it cannot go on.
    _reading: watch::Sender<()>,
    /// Whether the connection is not read, by order.
    pub(super) frozen: bool,
    /// Chunks that were on their way when the order came; as many as there is credit.
    pub(super) held: Vec<Vec<u8>>,
    /// Whether the end is under way and bounded in time.
    pub(super) closing: bool,
    /// What is sent late, by order.
    pub(super) lag: Lag,
    /// Whether the line is dead, by order.
    pub(super) line: Line,
}

/// Whether a line is alive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Line {
    Live,
    /// Nothing is written; what comes is thrown away, but nothing has come.
    Dead,
    /// The same, and something has come.
    Missed,
}

impl Pipe {
    /// Splits a stream into two tasks, which `spawn` starts.
    pub(super) fn new<F>(conn: ConnId, stream: AnyStream, reports: &mpsc::Sender<Report>, spawn: F) -> Self
    where
        F: FnOnce(Reader, Writer),
    {
        let (input, output) = tokio::io::split(stream);
        let (out, chunks) = mpsc::channel(1);
        let (reading, ended) = watch::channel(());
        let credit = Arc::new(Semaphore::new(CREDIT));
        let reader =
            Reader { conn, input, reports: reports.clone(), credit: Arc::clone(&credit), ended: ended.clone() };
        let writer = Writer { conn, output, reports: reports.clone(), chunks, ended };
        spawn(reader, writer);
        Self {
            out,
            writing: 0,
            credit,
            owed: 0,
            _reading: reading,
            frozen: false,
            held: Vec::new(),
            closing: false,
            lag: Lag::default(),
            line: Line::Live,
        }
    }

    /// A chunk of this connection was taken.
    pub(super) fn took(&mut self) {
        self.owed = self.owed.saturating_add(1);
    }

    /// Lets the reader go on.
    pub(super) fn pay(&mut self) {
        if !self.frozen {
            self.credit.add_permits(core::mem::take(&mut self.owed));
        }
    }
}

/// Reads a connection.
pub(super) struct Reader {
    conn: ConnId,
    input: ReadHalf<AnyStream>,
    reports: mpsc::Sender<Report>,
    credit: Arc<Semaphore>,
    ended: watch::Receiver<()>,
}

impl Reader {
    pub(super) async fn run(mut self) {
        let mut buffer = vec![0; CHUNK];
        loop {
            tokio::select! {
                // An error means that the owner has let go of the connection.
                _ = self.ended.changed() => break,
                going = Self::read(&self.credit, &mut self.input, &mut buffer) => {
                    let report = match going {
                        Ok(chunk) => Report::Bytes(self.conn, chunk),
                        Err(error) => Report::Gone(self.conn, error),
                    };
                    let gone = matches!(report, Report::Gone(..));
                    if self.reports.send(report).await.is_err() || gone {
                        return;
                    }
                }
            }
        }
        let _ = timeout(LINGER, async { while self.input.read(&mut buffer).await.is_ok_and(|len| len > 0) {} }).await;
    }

    /// The next chunk, when the owner has given credit for it. Loses nothing when it is dropped.
    ///
    /// # Errors
    /// The end; with what broke the stream, if it did not end in order.
    async fn read(
        credit: &Semaphore,
        input: &mut ReadHalf<AnyStream>,
        buffer: &mut [u8],
    ) -> Result<Vec<u8>, Option<io::Error>> {
        let permit = credit.acquire().await.map_err(|_| None)?;
        let len = input.read(buffer).await.map_err(Some)?;
        if len == 0 {
            return Err(None);
        }
        permit.forget();
        Ok(buffer.get(..len).unwrap_or_default().to_vec())
    }
}

/// Writes a connection.
pub(super) struct Writer {
    conn: ConnId,
    output: WriteHalf<AnyStream>,
    reports: mpsc::Sender<Report>,
    chunks: mpsc::Receiver<Vec<u8>>,
    ended: watch::Receiver<()>,
}

impl Writer {
    pub(super) async fn run(mut self) {
        while let Some(chunk) = self.chunks.recv().await {
            let write = async {
                self.output.write_all(&chunk).await?;
                self.output.flush().await
            };
            let too_late = async {
                // An error means that the owner has let go of the connection.
                let _ = self.ended.changed().await;
                sleep(LINGER).await;
            };
            let written = tokio::select! {
                written = write => written,
                () = too_late => return,
            };
            let report = match written {
                Ok(()) => Report::Wrote(self.conn),
                Err(error) => Report::Gone(self.conn, Some(error)),
            };
            let gone = matches!(report, Report::Gone(..));
            if self.reports.send(report).await.is_err() || gone {
                return;
            }
        }
        // The peer may be gone already: then there is nothing to tell it.
        let _ = timeout(LINGER, self.output.shutdown()).await;
    }
}

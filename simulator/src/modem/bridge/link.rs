//! One connection of the modem: a task that opens and reads it, and one that writes.

use super::{Happening, tls::Connector};
use crate::modem::{Pipe, net::Tls};
use core::net::SocketAddr;
use std::{io, sync::Arc};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf, split},
    net::TcpStream,
    sync::{Semaphore, mpsc},
    task::AbortHandle,
};

/// How a connection is encrypted, and by what; without a connector it cannot be.
pub(super) type Way = Option<(Option<Arc<Connector>>, Tls)>;

/// A stream of either kind.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for S {}

/// Bytes that are read or written at once.
const PIECE: usize = 4096;

/// Pieces that wait to be written.
const PIECES: usize = 8;

/// The end of one connection that the modem holds. Dropped, it is closed once all was written that it took.
#[derive(Debug)]
pub(super) struct Link {
    out: mpsc::Sender<Vec<u8>>,
    /// One permit for each piece that may be read: the modem reads no more than it wants.
    pieces: Arc<Semaphore>,
    reader: AbortHandle,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Link {
    /// Begins to open one: where the map of hosts leads, or else to the host itself.
    pub(super) fn open(
        pipe: Pipe,
        mapped: Option<SocketAddr>,
        host: String,
        port: u16,
        way: Way,
        happenings: mpsc::Sender<Happening>,
    ) -> Self {
        let (out, to_write) = mpsc::channel(PIECES);
        let pieces = Arc::new(Semaphore::new(1));
        let task = run(pipe, mapped, host, port, way, to_write, Arc::clone(&pieces), happenings);
        Self { out, pieces, reader: tokio::spawn(task).abort_handle() }
    }

    /// Offers bytes to be written; how many were taken, `None` where there is no room or nothing to take.
    pub(super) fn offer(&self, bytes: &[u8]) -> Option<usize> {
        let piece = bytes.get(..bytes.len().min(PIECE)).filter(|piece| !piece.is_empty())?;
        self.out.try_send(piece.to_vec()).ok()?;
        Some(piece.len())
    }

    /// The modem has taken a piece: the next may be read.
    pub(super) fn go_on(&self) {
        self.pieces.add_permits(1);
    }
}

#[allow(clippy::too_many_arguments, reason = "a task is given all it has at its start")]
async fn run(
    pipe: Pipe,
    mapped: Option<SocketAddr>,
    host: String,
    port: u16,
    way: Way,
    to_write: mpsc::Receiver<Vec<u8>>,
    pieces: Arc<Semaphore>,
    happenings: mpsc::Sender<Happening>,
) {
    // Why it could not be opened or ended is nothing that such a modem tells.
    if let Ok(stream) = connect(mapped, &host, port, way).await {
        let (reader, writer) = split(stream);
        // Who is told may be gone: then this is over anyway.
        let _ = happenings.send(Happening::Opened(pipe)).await;
        tokio::spawn(write(writer, to_write, happenings.clone()));
        read(pipe, reader, &pieces, &happenings).await;
    }
    let _ = happenings.send(Happening::Closed(pipe)).await;
}

async fn connect(mapped: Option<SocketAddr>, host: &str, port: u16, way: Way) -> io::Result<Box<dyn Stream>> {
    let stream = match mapped {
        Some(address) => TcpStream::connect(address).await?,
        None => TcpStream::connect((host, port)).await?,
    };
    // Without it packets are later, not wrong.
    let _ = stream.set_nodelay(true);
    match way {
        None => Ok(Box::new(stream)),
        Some((None, _)) => Err(io::Error::new(io::ErrorKind::Unsupported, "the modem holds no certificates")),
        Some((Some(connector), tls)) => Ok(Box::new(connector.connect(stream, &tls).await?)),
    }
}

async fn read(
    pipe: Pipe,
    mut reader: ReadHalf<Box<dyn Stream>>,
    pieces: &Semaphore,
    happenings: &mpsc::Sender<Happening>,
) {
    let mut piece = vec![0; PIECE];
    loop {
        let Ok(permit) = pieces.acquire().await else { return };
        permit.forget();
        match reader.read(&mut piece).await {
            Ok(0) | Err(_) => return,
            Ok(len) => {
                let bytes = piece.get(..len).unwrap_or_default().to_vec();
                if happenings.send(Happening::Received(pipe, bytes)).await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn write(
    mut writer: WriteHalf<Box<dyn Stream>>,
    mut to_write: mpsc::Receiver<Vec<u8>>,
    happenings: mpsc::Sender<Happening>,
) {
    while let Some(bytes) = to_write.recv().await {
        // An error ends the reader too, which tells it.
        if writer.write_all(&bytes).await.is_err() || writer.flush().await.is_err() {
            return;
        }
        // Who is told may be gone: what was given is written all the same.
        let _ = happenings.try_send(Happening::Flushed);
    }
    let _ = writer.shutdown().await;
}

//! The serial port that the modem's host opens: a TCP port, or a pseudo-terminal.

use super::{Happening, Wanted};
use core::{fmt, net::SocketAddr, time::Duration};
use std::{io, path::PathBuf};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
    sync::mpsc,
    task::AbortHandle,
    time::sleep,
};

/// Where the modem's host finds it.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "a user opens one or the other")]
pub enum Port {
    /// A TCP port.
    Tcp(SocketAddr),
    /// The path of a terminal.
    Pty(PathBuf),
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "tcp://{address}"),
            Self::Pty(path) => write!(f, "{}", path.display()),
        }
    }
}

/// The port, as long as it is held.
#[derive(Debug)]
pub(super) struct Serial {
    port: Port,
    task: AbortHandle,
    #[cfg(unix)]
    _held: Option<super::pty::Held>,
}

impl Drop for Serial {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Serial {
    /// Makes the port; whoever opens it comes as a [`Happening::Host`].
    ///
    /// # Errors
    /// The address cannot be listened on; there are no pseudo-terminals.
    pub(super) async fn open(wanted: &Wanted, happenings: mpsc::Sender<Happening>) -> io::Result<Self> {
        match wanted {
            Wanted::Tcp(address) => {
                let listener = TcpListener::bind(address).await?;
                let port = Port::Tcp(listener.local_addr()?);
                Ok(Self {
                    port,
                    task: tokio::spawn(accept(listener, happenings)).abort_handle(),
                    #[cfg(unix)]
                    _held: None,
                })
            }
            #[cfg(unix)]
            Wanted::Pty => {
                let (terminal, held, path) = super::pty::open()?;
                let line = Line::new(0, terminal, happenings.clone());
                let task = tokio::spawn(async move {
                    // The one host that there ever is; who is told may be gone.
                    let _ = happenings.send(Happening::Host(line)).await;
                });
                Ok(Self { port: Port::Pty(path), task: task.abort_handle(), _held: Some(held) })
            }
            #[cfg(not(unix))]
            Wanted::Pty => Err(io::Error::new(io::ErrorKind::Unsupported, "pseudo-terminals are a thing of Unix")),
        }
    }

    pub(super) fn port(&self) -> &Port {
        &self.port
    }
}

/// The pause after a connection that could not be accepted.
const REST: Duration = Duration::from_millis(100);

async fn accept(listener: TcpListener, happenings: mpsc::Sender<Happening>) {
    let mut number = 0;
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            sleep(REST).await;
            continue;
        };
        // Without it bytes are later, not wrong.
        let _ = stream.set_nodelay(true);
        number += 1;
        let line = Line::new(number, stream, happenings.clone());
        if happenings.send(Happening::Host(line)).await.is_err() {
            return;
        }
    }
}

/// The end of a serial line that the modem holds. Dropped, it is closed.
#[derive(Debug)]
pub(super) struct Line {
    number: u64,
    out: mpsc::Sender<(Vec<u8>, Duration)>,
    tasks: [AbortHandle; 2],
}

impl Drop for Line {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Bytes that go at once, and how many such pieces wait.
const PIECE: usize = 256;
const PIECES: usize = 4;

/// Bits on the line for one byte: start, eight, stop.
const BITS: u64 = 10;

impl Line {
    fn new(
        number: u64,
        stream: impl AsyncRead + AsyncWrite + Send + 'static,
        happenings: mpsc::Sender<Happening>,
    ) -> Self {
        let (mut reader, mut writer) = tokio::io::split(stream);
        let (out, mut to_write) = mpsc::channel::<(Vec<u8>, Duration)>(PIECES);
        let told = happenings.clone();
        let hearing = tokio::spawn(async move {
            let mut piece = vec![0; 1024];
            while let Ok(len @ 1..) = reader.read(&mut piece).await {
                let bytes = piece.get(..len).unwrap_or_default().to_vec();
                if told.send(Happening::Heard(number, bytes)).await.is_err() {
                    return;
                }
            }
            let _ = told.send(Happening::HostGone(number)).await;
        });
        let speaking = tokio::spawn(async move {
            while let Some((bytes, time)) = to_write.recv().await {
                if writer.write_all(&bytes).await.is_err() || writer.flush().await.is_err() {
                    return;
                }
                if !time.is_zero() {
                    sleep(time).await;
                }
                if happenings.send(Happening::Flushed).await.is_err() {
                    return;
                }
            }
        });
        Self { number, out, tasks: [hearing.abort_handle(), speaking.abort_handle()] }
    }

    /// Which host it is.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Offers bytes, at this speed in bits a second if one is named; how many were taken, `None` where there is no room.
    /// Where the line is broken they are taken and lost.
    pub(super) fn offer(&self, bytes: &[u8], pace: Option<u32>) -> Option<usize> {
        let piece = bytes.get(..bytes.len().min(PIECE)).unwrap_or_default();
        let bits = u64::try_from(piece.len()).unwrap_or(0) * BITS;
        let time = pace.map_or(Duration::ZERO, |baud| Duration::from_micros(bits * 1_000_000 / u64::from(baud.max(1))));
        match self.out.try_send((piece.to_vec(), time)) {
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Some(piece.len()),
            Err(mpsc::error::TrySendError::Full(_)) => None,
        }
    }
}

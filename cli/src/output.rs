//! How does data reach stdout without holding up the device? By a thread of its own, bounded, that notices when nobody
//! reads any more.

use core::time::Duration;
use std::{
    io::{self, Write},
    thread,
};
use tokio::{
    select,
    sync::{mpsc, oneshot, watch},
    time::timeout,
};

/// Lines that may wait for a slow reader.
const WAITING: usize = 64;
/// How long the last lines may take.
const LAST: Duration = Duration::from_secs(2);

/// Nobody reads what is written any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "it says one thing")]
pub struct Unread;

/// Where data goes, whole piece by whole piece.
#[derive(Debug)]
pub struct Output {
    pieces: mpsc::Sender<Vec<u8>>,
    done: oneshot::Receiver<()>,
    /// Turns true when the reader is seen to go.
    reader_gone: watch::Receiver<bool>,
}

impl Output {
    /// Writes to stdout, and sees when its reader goes even where nothing is written.
    pub fn stdout() -> Self {
        let (tell, reader_gone) = watch::channel(false);
        thread::spawn(move || {
            if wait_for_reader_to_go() {
                tell.send_replace(true);
            }
        });
        Self { reader_gone, ..Self::new(io::stdout()) }
    }

    /// Writes to `out`; each piece is flushed.
    pub fn new(mut out: impl Write + Send + 'static) -> Self {
        let (pieces, mut waiting) = mpsc::channel::<Vec<u8>>(WAITING);
        let (finish, done) = oneshot::channel();
        thread::spawn(move || {
            while let Some(piece) = waiting.blocking_recv() {
                if out.write_all(&piece).and_then(|()| out.flush()).is_err() {
                    break;
                }
            }
            drop(waiting);
            // Nobody waits for the end where the tool ends at once.
            let _ = finish.send(());
        });
        Self { pieces, done, reader_gone: watch::channel(false).1 }
    }

    /// Hands a piece on; waits while the reader is slow. Safe to drop: the piece is then not written.
    ///
    /// # Errors
    /// [`Unread`].
    pub async fn write(&self, piece: Vec<u8>) -> Result<(), Unread> {
        self.pieces.send(piece).await.map_err(|_| Unread)
    }

    /// Ready when nobody reads any more.
    pub async fn unread(&self) {
        let mut reader_gone = self.reader_gone.clone();
        select! {
            () = self.pieces.closed() => {}
            // An error says that this cannot be seen.
            Ok(_) = reader_gone.wait_for(|gone| *gone) => {}
        }
    }

    /// Waits until all is written, two seconds at most.
    pub async fn finish(self) {
        drop(self.pieces);
        // A reader that does not read in this time loses what is left.
        let _ = timeout(LAST, self.done).await;
    }
}

/// Waits until the reader of stdout has gone; false where that cannot be seen, as with a file.
#[cfg(unix)]
fn wait_for_reader_to_go() -> bool {
    use rustix::event::{PollFd, PollFlags, poll};
    let stdout = io::stdout();
    loop {
        // Asked for nothing, it tells of what is over.
        let mut watched = [PollFd::new(&stdout, PollFlags::empty())];
        match poll(&mut watched, None) {
            Ok(_) => return watched.iter().any(|fd| fd.revents().intersects(PollFlags::ERR | PollFlags::HUP)),
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return false,
        }
    }
}

#[cfg(not(unix))]
fn wait_for_reader_to_go() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    struct Page(Arc<Mutex<Vec<u8>>>, usize);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.1 == 0 {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            self.1 -= 1;
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn pieces_are_written_in_order_and_all_before_the_end() {
        let page = Arc::default();
        let out = Output::new(Page(Arc::clone(&page), usize::MAX));
        for n in 0..100_u8 {
            out.write(vec![n]).await.unwrap();
        }
        out.finish().await;
        assert_eq!(*page.lock().unwrap(), (0..100).collect::<Vec<u8>>());
    }

    #[tokio::test]
    async fn a_reader_that_has_gone_away_is_noticed() {
        let out = Output::new(Page(Arc::default(), 1));
        out.write(b"one".to_vec()).await.unwrap();
        out.write(b"two".to_vec()).await.unwrap();
        timeout(Duration::from_secs(10), out.unread()).await.expect("it is noticed");
        assert_eq!(out.write(b"three".to_vec()).await, Err(Unread));
    }
}

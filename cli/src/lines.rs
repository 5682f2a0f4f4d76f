//! How do lines come from stdin without holding up the device, and without a bound that someone else sets?

use core::future::pending;
use std::{
    io::{self, BufRead, BufReader, Read},
    thread,
};
use tokio::sync::{mpsc, oneshot};

/// Longest line that is taken, in bytes.
pub const LONGEST: usize = 1024 * 1024;
/// Lines that may wait.
const WAITING: usize = 16;

/// One line, or what stands for it.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "whoever reads lines has to say what becomes of each")]
pub enum Line {
    /// Its bytes, without the line feed, and without a carriage return before it.
    Bytes(Vec<u8>),
    /// It was longer than [`LONGEST`] and is left out.
    TooLong,
    /// Reading failed; nothing follows.
    Broken(String),
}

/// The lines of an input, read by a thread of its own. The thread ends with the input, or with the process.
#[derive(Debug)]
pub struct Lines(Option<mpsc::Receiver<Line>>);

impl Lines {
    /// Reads `input`.
    pub fn new(input: impl Read + Send + 'static) -> Self {
        let (tell, lines) = mpsc::channel(WAITING);
        thread::spawn(move || {
            let mut input = BufReader::new(input);
            while let Some(line) = next(&mut input) {
                let last = matches!(line, Line::Broken(_));
                if tell.blocking_send(line).is_err() || last {
                    return;
                }
            }
        });
        Self(Some(lines))
    }

    /// No lines, and no end either.
    pub fn endless() -> Self {
        Self(None)
    }

    /// The next line; `None` at the end. Safe to drop before it is ready.
    pub async fn next(&mut self) -> Option<Line> {
        match &mut self.0 {
            Some(lines) => lines.recv().await,
            None => pending().await,
        }
    }
}

/// All of an input, read by a thread of its own. Safe to drop before it is ready; the thread then reads on until the
/// input or the process ends.
///
/// # Errors
/// Where it cannot be read, or is longer than `limit` bytes.
pub async fn whole(input: impl Read + Send + 'static, limit: usize) -> io::Result<Vec<u8>> {
    let (tell, read) = oneshot::channel();
    thread::spawn(move || {
        let mut content = Vec::new();
        let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
        let read = input.take(most).read_to_end(&mut content).and_then(|_| {
            if content.len() > limit {
                return Err(io::Error::new(io::ErrorKind::InvalidData, format!("it has more than {limit} bytes")));
            }
            Ok(content)
        });
        // An error says that nobody waits any more.
        let _ = tell.send(read);
    });
    read.await.unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into()))
}

fn next(input: &mut impl BufRead) -> Option<Line> {
    let mut line = Vec::new();
    let limit = u64::try_from(LONGEST).unwrap_or(u64::MAX).saturating_add(1);
    match input.by_ref().take(limit).read_until(b'\n', &mut line) {
        Ok(0) => return None,
        Ok(_) => {}
        Err(error) => return Some(Line::Broken(error.to_string())),
    }
    if line.last() == Some(&b'\n') {
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
    } else if line.len() > LONGEST {
        return Some(match input.skip_until(b'\n') {
            Ok(_) => Line::TooLong,
            Err(error) => Line::Broken(error.to_string()),
        });
    }
    Some(Line::Bytes(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(mut input: &[u8]) -> Vec<Line> {
        core::iter::from_fn(|| next(&mut input)).collect()
    }

    #[test]
    fn lines_end_at_line_feeds_and_the_last_one_needs_none() {
        let line = |text: &str| Line::Bytes(text.as_bytes().to_vec());
        assert_eq!(all(b"one\r\n\ntwo"), [line("one"), line(""), line("two")]);
        assert_eq!(all(b""), []);
    }

    #[tokio::test]
    async fn an_input_is_read_whole_up_to_its_limit() {
        assert_eq!(whole(&b"four"[..], 4).await.unwrap(), b"four");
        assert!(whole(&b"five!"[..], 4).await.unwrap_err().to_string().contains("more than 4 bytes"));
    }

    #[test]
    fn a_line_that_is_too_long_is_left_out_and_the_next_one_is_taken() {
        let mut input = vec![b'x'; LONGEST + 2];
        input.extend(b"\nnext\n");
        assert_eq!(all(&input), [Line::TooLong, Line::Bytes(b"next".to_vec())]);
        let mut longest = vec![b'x'; LONGEST];
        longest.push(b'\n');
        assert_eq!(all(&longest), [Line::Bytes(vec![b'x'; LONGEST])]);
    }
}

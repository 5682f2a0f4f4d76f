//! A serial line as a connector: what a modem is reached by.

use crate::connector::{Connector, Conversation};
use embedded_io_async::{Read, Write};
use skytether_core::io::{Cause, Pipe};

/// Opens `Pipe::Serial` over two halves that are there for good, such as those of a UART; no network of its own.
///
/// An error of the line (an overrun, a framing error) ends the pipe with [`Cause::Lost`]: what came after it can not be
/// told from garbage. The machine opens it again, and its modem is asked anew.
#[derive(Debug)]
pub struct Serial<R, W> {
    reader: R,
    writer: W,
}

impl<R: Read, W: Write> Serial<R, W> {
    /// The halves of a line.
    pub fn new(reader: R, writer: W) -> Self {
        Self { reader, writer }
    }
}

impl<R: Read, W: Write> Connector for Serial<R, W> {
    async fn open<T: Conversation>(&mut self, pipe: &Pipe, talk: T) -> Cause {
        match pipe {
            Pipe::Serial => talk.hold(&mut self.reader, &mut self.writer).await,
            Pipe::Net(_) => Cause::Unsupported("a network connection, only a serial line"),
        }
    }
}

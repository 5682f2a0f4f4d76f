//! How is a serial line read by one thread and written by another, and let go of while both wait?

use core::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};
use serial2::SerialPort;
use skytether_std::serial::Serial;
use std::{io, path::Path, sync::Arc};

/// How long a call waits before it looks whether the line is still wanted: nothing else could end it.
const LOOK: Duration = Duration::from_millis(100);

/// An open serial line.
pub(crate) struct Tty {
    port: SerialPort,
    cut: AtomicBool,
}

impl Tty {
    pub(crate) fn open(path: &Path, serial: &Serial) -> io::Result<Self> {
        let mut port = SerialPort::open(path, |settings| serial.set(settings))?;
        port.set_read_timeout(LOOK)?;
        port.set_write_timeout(LOOK)?;
        Ok(Self { port, cut: AtomicBool::new(false) })
    }

    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.cut.load(Ordering::Relaxed) {
            return Ok(0);
        }
        self.port.read(buffer).map_err(passing)
    }

    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        if self.cut.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.port.write(bytes).map_err(passing)
    }

    pub(crate) fn cut(&self) {
        self.cut.store(true, Ordering::Relaxed);
    }
}

/// A limit of our own is no error.
fn passing(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::TimedOut { io::ErrorKind::WouldBlock.into() } else { error }
}

/// Whether the one serial line is in use: two readers would each get a part of what it says.
#[derive(Clone, Default, Debug)]
pub(crate) struct Held(Arc<AtomicBool>);

impl Held {
    /// Takes the line, if no one has it.
    pub(crate) fn take(&self) -> Option<Holder> {
        (!self.0.swap(true, Ordering::SeqCst)).then(|| Holder(self.clone()))
    }
}

/// Has the line until it is dropped.
pub(crate) struct Holder(Held);

impl Drop for Holder {
    fn drop(&mut self) {
        self.0.0.store(false, Ordering::SeqCst);
    }
}

//! How do single keys come from a terminal without Enter, and how does it get back to what it was?

use super::orders::{Said, Switches, of_text};
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use std::{
    io::{self, IsTerminal as _, Read as _, Write as _},
    sync::{Mutex, PoisonError},
    thread,
};
use tokio::sync::mpsc;

/// What the terminal was before.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// Keys of the terminal that is stdin. Dropped, the terminal is what it was.
#[derive(Debug)]
pub struct Keys {
    bytes: mpsc::Receiver<u8>,
    switches: Switches,
    /// The line that `:` has begun.
    line: Option<Vec<u8>>,
}

impl Keys {
    /// Reads keys from stdin; `None` where it is no terminal.
    pub fn new() -> Option<Self> {
        let stdin = io::stdin();
        if !stdin.is_terminal() {
            return None;
        }
        let before = tcgetattr(&stdin).ok()?;
        let mut modes = before.clone();
        // Ctrl-C stays a signal.
        modes.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
        modes.special_codes[SpecialCodeIndex::VMIN] = 1;
        modes.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(&stdin, OptionalActions::Now, &modes).ok()?;
        *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some(before);
        let (tell, bytes) = mpsc::channel(16);
        thread::spawn(move || {
            let mut byte = [0];
            while io::stdin().read_exact(&mut byte).is_ok() && tell.blocking_send(byte[0]).is_ok() {}
        });
        Some(Self { bytes, switches: Switches::default(), line: None })
    }

    /// The next order; `None` at the end of the input. Safe to drop before it is ready.
    pub(super) async fn next(&mut self) -> Option<Said> {
        loop {
            let byte = self.bytes.recv().await?;
            let said = match (&mut self.line, byte) {
                (None, b':') => {
                    self.line = Some(Vec::new());
                    echo(b":");
                    None
                }
                (None, key) => self.switches.press(key),
                (Some(line), b'\r' | b'\n') => {
                    let text = String::from_utf8_lossy(line).into_owned();
                    self.line = None;
                    echo(b"\n");
                    of_text(text.trim())
                }
                (Some(line), 0x7f | 0x08) => {
                    if line.pop().is_some() {
                        echo(b"\x08 \x08");
                    }
                    None
                }
                (Some(line), byte) => {
                    if line.len() < 1024 && !byte.is_ascii_control() {
                        line.push(byte);
                        echo(&[byte]);
                    }
                    None
                }
            };
            if said.is_some() {
                return said;
            }
        }
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        restore();
    }
}

/// Makes the terminal what it was; for an end that runs no destructors too.
pub fn restore() {
    let before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(before) = before {
        // A terminal that is gone needs no modes.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &before);
    }
}

/// Shows what is typed, as the terminal would.
fn echo(bytes: &[u8]) {
    let mut out = io::stderr();
    let _ = out.write_all(bytes).and_then(|()| out.flush());
}

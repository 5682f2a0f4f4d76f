//! The board's first UART, a CMSDK one, as the two halves of a serial line: interrupts fill and empty two queues.

use super::{read, unmask, write};
use core::{cell::RefCell, convert::Infallible, future::poll_fn, task::Poll};
use critical_section::Mutex;
use embassy_sync::waitqueue::WakerRegistration;
use embedded_io_async::{ErrorType, Read, Write};

const BASE: usize = 0x4000_4000;
const DATA: usize = BASE;
const STATE: usize = BASE + 0x4;
const CTRL: usize = BASE + 0x8;
const INTCLEAR: usize = BASE + 0xc;
const BAUDDIV: usize = BASE + 0x10;

const RECEIVED: u16 = 0;
const SENT: u16 = 1;
/// The transmitter holds a byte that has not left.
const FULL: u32 = 1 << 0;
/// The receiver holds a byte.
const WAITING: u32 = 1 << 1;
/// Transmitter, receiver, and the interrupts of both.
const ALL: u32 = 0b1111;

/// Bytes that wait in either queue.
const QUEUE: usize = 2048;

struct Line {
    incoming: heapless::Deque<u8, QUEUE>,
    outgoing: heapless::Deque<u8, QUEUE>,
    reader: WakerRegistration,
    writer: WakerRegistration,
}

static LINE: Mutex<RefCell<Line>> = Mutex::new(RefCell::new(Line {
    incoming: heapless::Deque::new(),
    outgoing: heapless::Deque::new(),
    reader: WakerRegistration::new(),
    writer: WakerRegistration::new(),
}));

/// Starts it, and gives its halves.
pub fn start() -> (Receiver, Transmitter) {
    write(BAUDDIV, 16);
    write(CTRL, ALL);
    unmask(RECEIVED);
    unmask(SENT);
    (Receiver(()), Transmitter(()))
}

pub(super) fn interrupt() {
    write(INTCLEAR, 0b11);
    critical_section::with(|cs| {
        let mut line = LINE.borrow_ref_mut(cs);
        line.fill();
        line.empty();
    });
}

impl Line {
    /// Takes what has come. The emulator holds back what finds no room; a real line would lose it.
    fn fill(&mut self) {
        while read(STATE) & WAITING != 0 && !self.incoming.is_full() {
            let _ = self.incoming.push_back((read(DATA) & 0xff) as u8);
            self.reader.wake();
        }
    }

    /// Sends what waits.
    fn empty(&mut self) {
        while read(STATE) & FULL == 0 {
            let Some(byte) = self.outgoing.pop_front() else { break };
            write(DATA, u32::from(byte));
            self.writer.wake();
        }
    }
}

/// The half that hears.
#[derive(Debug)]
pub struct Receiver(());

impl ErrorType for Receiver {
    type Error = Infallible;
}

impl Read for Receiver {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Infallible> {
        poll_fn(|cx| {
            critical_section::with(|cs| {
                let mut line = LINE.borrow_ref_mut(cs);
                let mut len = 0;
                for place in buffer.iter_mut() {
                    let Some(byte) = line.incoming.pop_front() else { break };
                    *place = byte;
                    len += 1;
                }
                line.fill();
                if len > 0 || buffer.is_empty() {
                    return Poll::Ready(Ok(len));
                }
                line.reader.register(cx.waker());
                Poll::Pending
            })
        })
        .await
    }
}

/// The half that speaks.
#[derive(Debug)]
pub struct Transmitter(());

impl ErrorType for Transmitter {
    type Error = Infallible;
}

impl Write for Transmitter {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        poll_fn(|cx| {
            critical_section::with(|cs| {
                let mut line = LINE.borrow_ref_mut(cs);
                let len = bytes.iter().take_while(|byte| line.outgoing.push_back(**byte).is_ok()).count();
                line.empty();
                if len > 0 || bytes.is_empty() {
                    return Poll::Ready(Ok(len));
                }
                line.writer.register(cx.waker());
                Poll::Pending
            })
        })
        .await
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        poll_fn(|cx| {
            critical_section::with(|cs| {
                let mut line = LINE.borrow_ref_mut(cs);
                if line.outgoing.is_empty() {
                    return Poll::Ready(Ok(()));
                }
                line.writer.register(cx.waker());
                Poll::Pending
            })
        })
        .await
    }
}

//! The board's network chip, a LAN9118, as a driver of embassy-net.

use super::{read, unmask, write};
use core::{cell::RefCell, task::Context};
use critical_section::Mutex;
use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};
use embassy_sync::waitqueue::WakerRegistration;

const BASE: usize = 0x4020_0000;
const INTERRUPT: u16 = 13;

const RX_DATA: usize = BASE;
const TX_DATA: usize = BASE + 0x20;
const RX_STATUS: usize = BASE + 0x40;
const IRQ_CFG: usize = BASE + 0x54;
const INT_STS: usize = BASE + 0x58;
const INT_EN: usize = BASE + 0x5c;
const BYTE_TEST: usize = BASE + 0x64;
const FIFO_INT: usize = BASE + 0x68;
const TX_CFG: usize = BASE + 0x70;
const HW_CFG: usize = BASE + 0x74;
const RX_FIFO_INF: usize = BASE + 0x7c;
const TX_FIFO_INF: usize = BASE + 0x80;
const MAC_CSR_CMD: usize = BASE + 0xa4;
const MAC_CSR_DATA: usize = BASE + 0xa8;

/// Interrupt when the level of received frames is over its mark.
const RX_LEVEL: u32 = 1 << 3;
/// Longest frame, with its header.
const MTU: usize = 1514;
/// Memory for one frame, in whole words.
const FRAME: usize = 1536;
const ADDRESS: [u8; 6] = [0x02, 0, 0, 0, 0, 0x01];

static WAKER: Mutex<RefCell<WakerRegistration>> = Mutex::new(RefCell::new(WakerRegistration::new()));

/// The chip; there is one.
#[derive(Debug)]
pub struct Ethernet(());

impl Ethernet {
    /// Resets and starts it; `None` where it does not answer.
    pub fn start() -> Option<Self> {
        if read(BYTE_TEST) != 0x8765_4321 {
            return None;
        }
        write(HW_CFG, 1);
        while read(HW_CFG) & 1 != 0 {}
        write(HW_CFG, 1 << 20 | 5 << 16);
        mac(2, u32::from(ADDRESS[4]) | u32::from(ADDRESS[5]) << 8);
        mac(3, u32::from_le_bytes([ADDRESS[0], ADDRESS[1], ADDRESS[2], ADDRESS[3]]));
        // Full duplex, transmitter, receiver.
        mac(1, 1 << 20 | 1 << 3 | 1 << 2);
        write(TX_CFG, 1 << 1);
        write(FIFO_INT, 0);
        write(IRQ_CFG, 1 << 8 | 1 << 4 | 1);
        write(INT_STS, u32::MAX);
        write(INT_EN, RX_LEVEL);
        unmask(INTERRUPT);
        Some(Self(()))
    }
}

/// Writes a register of the part that knows Ethernet.
fn mac(register: u32, value: u32) {
    const BUSY: u32 = 1 << 31;
    while read(MAC_CSR_CMD) & BUSY != 0 {}
    write(MAC_CSR_DATA, value);
    write(MAC_CSR_CMD, BUSY | register);
    while read(MAC_CSR_CMD) & BUSY != 0 {}
}

pub(super) fn interrupt() {
    // Masked until the driver has emptied the queue.
    write(INT_EN, 0);
    write(INT_STS, u32::MAX);
    critical_section::with(|cs| WAKER.borrow_ref_mut(cs).wake());
}

impl Driver for Ethernet {
    type RxToken<'a> = Received;
    type TxToken<'a> = Room;

    fn receive(&mut self, cx: &mut Context<'_>) -> Option<(Received, Room)> {
        critical_section::with(|cs| WAKER.borrow_ref_mut(cs).register(cx.waker()));
        while read(RX_FIFO_INF) >> 16 & 0xff > 0 {
            let status = read(RX_STATUS);
            let len = (status >> 16 & 0x3fff) as usize;
            let mut frame = [0; FRAME];
            for (index, word) in (0..len.div_ceil(4)).map(|index| (index * 4, read(RX_DATA))) {
                if let Some(place) = frame.get_mut(index..index + 4) {
                    place.copy_from_slice(&word.to_le_bytes());
                }
            }
            let broken = status & 1 << 15 != 0;
            // The last four bytes are the checksum.
            if !broken && (4..=FRAME).contains(&len) {
                return Some((Received { frame, len: len - 4 }, Room));
            }
        }
        write(INT_EN, RX_LEVEL);
        // One that came in between has its status set already, and interrupts at once.
        None
    }

    fn transmit(&mut self, cx: &mut Context<'_>) -> Option<Room> {
        if (read(TX_FIFO_INF) & 0xffff) as usize >= FRAME + 8 {
            return Some(Room);
        }
        cx.waker().wake_by_ref();
        None
    }

    fn link_state(&mut self, _: &mut Context<'_>) -> LinkState {
        LinkState::Up
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = MTU;
        capabilities.max_burst_size = Some(1);
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ethernet(ADDRESS)
    }
}

/// A frame that came in.
#[derive(Debug)]
pub struct Received {
    frame: [u8; FRAME],
    len: usize,
}

impl RxToken for Received {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(mut self, work: F) -> R {
        work(&mut self.frame[..self.len])
    }
}

/// Room for a frame to send.
#[derive(Debug)]
pub struct Room;

impl TxToken for Room {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, work: F) -> R {
        let mut frame = [0; FRAME];
        let result = work(&mut frame[..len]);
        let size = u32::try_from(len).unwrap_or_default();
        // First and last piece of its frame.
        write(TX_DATA, 1 << 13 | 1 << 12 | size);
        write(TX_DATA, size);
        for word in frame[..len.next_multiple_of(4)].chunks_exact(4) {
            write(TX_DATA, u32::from_le_bytes([word[0], word[1], word[2], word[3]]));
        }
        result
    }
}

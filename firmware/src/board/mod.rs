//! The board `mps2-an386` as QEMU emulates it: a Cortex-M4F at 25 MHz, its UART and its network chip.
//!
//! The only module with unsafe code: registers, interrupts, and the allocator's memory.
#![allow(unsafe_code, reason = "registers are memory, and interrupts come at any moment")]

mod clock;
pub mod ethernet;
pub mod semihosting;
pub mod uart;

use core::{mem::MaybeUninit, panic::PanicInfo, ptr::addr_of_mut};
use cortex_m::{
    interrupt::InterruptNumber,
    peripheral::{NVIC, Peripherals},
};
use cortex_m_rt::exception;
use cortex_m_semihosting::{debug, hprintln};
use embedded_alloc::LlffHeap;

/// Bytes of heap.
#[cfg(feature = "tls")]
const HEAP: usize = 96 * 1024;
/// Bytes of heap.
#[cfg(not(feature = "tls"))]
const HEAP: usize = 48 * 1024;

#[global_allocator]
static ALLOCATOR: LlffHeap = LlffHeap::empty();

/// Starts heap and clock; once, before anything else.
pub fn start() {
    static mut MEMORY: [MaybeUninit<u8>; HEAP] = [MaybeUninit::uninit(); HEAP];
    // Safety: called once, and nothing else names the memory.
    unsafe { ALLOCATOR.init(addr_of_mut!(MEMORY) as usize, HEAP) };
    let mut peripherals = Peripherals::take().expect("the first call");
    clock::start(&mut peripherals.SYST);
}

/// Bytes of heap in use.
pub fn heap_used() -> usize {
    ALLOCATOR.used()
}

/// Ends the emulator; its exit code is 0 or 1.
pub fn exit(success: bool) -> ! {
    debug::exit(if success { debug::EXIT_SUCCESS } else { debug::EXIT_FAILURE });
    loop {
        cortex_m::asm::wfe();
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    hprintln!("PANIC {}", info);
    exit(false)
}

/// A line of the board's interrupt controller.
#[derive(Clone, Copy)]
struct Line(u16);

// Safety: the numbers are those of the board's manual.
unsafe impl InterruptNumber for Line {
    fn number(self) -> u16 {
        self.0
    }
}

fn unmask(line: u16) {
    // Safety: no code relies on the line being masked.
    unsafe { NVIC::unmask(Line(line)) };
}

#[exception]
unsafe fn DefaultHandler(line: i16) {
    match line {
        0 | 1 => uart::interrupt(),
        13 => ethernet::interrupt(),
        _ => panic!("an interrupt that nobody expects: {line}"),
    }
}

/// Reads a register.
fn read(address: usize) -> u32 {
    // Safety: only called with addresses of registers of this board.
    unsafe { (address as *const u32).read_volatile() }
}

/// Writes a register.
fn write(address: usize, value: u32) {
    // Safety: as above.
    unsafe { (address as *mut u32).write_volatile(value) }
}

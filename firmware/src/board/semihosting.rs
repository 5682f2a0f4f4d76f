//! What the emulator's host answers: the command line, the time of day, randomness.

use alloc::{string::String, vec};
use cortex_m_semihosting::{nr, syscall, syscall1};

/// The words that the emulator was started with.
pub fn command_line() -> String {
    let mut text = vec![0_u8; 8192];
    let block = [text.as_mut_ptr() as usize, text.len()];
    // Safety: the block holds the address and length of memory that lives on.
    let failed = unsafe { syscall(nr::GET_CMDLINE, &block) };
    if failed != 0 {
        return String::new();
    }
    // The host ends it with a zero.
    let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
    text.truncate(end);
    String::from_utf8(text).unwrap_or_default()
}

/// Seconds since 1970.
pub fn unix_seconds() -> u64 {
    // Safety: takes no memory.
    let seconds = unsafe { syscall1(nr::TIME, 0) };
    u64::try_from(seconds).unwrap_or_default()
}

/// Fills memory with randomness of the host's. For tests: a real board has a generator of its own.
pub fn randomness(bytes: &mut [u8]) -> bool {
    const NAME: &[u8] = b"/dev/urandom\0";
    const READ_BINARY: usize = 1;
    let open = [NAME.as_ptr() as usize, READ_BINARY, NAME.len() - 1];
    // Safety: each block holds addresses and lengths of memory that lives on.
    unsafe {
        let file = syscall(nr::OPEN, &open);
        if file == usize::MAX {
            return false;
        }
        let read = [file, bytes.as_mut_ptr() as usize, bytes.len()];
        let left = syscall(nr::READ, &read);
        syscall(nr::CLOSE, &[file]);
        left == 0
    }
}

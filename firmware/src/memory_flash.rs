//! NOR flash made of RAM: it outlives the device, as flash does, though not the board.

use core::convert::Infallible;
use embedded_storage_async::nor_flash::{ErrorType, NorFlash, ReadNorFlash};

/// Bytes of an erase page.
const PAGE: usize = 4096;
/// Bytes in all.
pub const SIZE: usize = 2 * PAGE;

/// Two pages.
#[derive(Debug)]
pub struct MemoryFlash([u8; SIZE]);

impl MemoryFlash {
    /// Erased.
    pub const fn new() -> Self {
        Self([0xff; SIZE])
    }
}

impl Default for MemoryFlash {
    fn default() -> Self {
        Self::new()
    }
}

impl ErrorType for MemoryFlash {
    type Error = Infallible;
}

impl ReadNorFlash for MemoryFlash {
    const READ_SIZE: usize = 1;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Infallible> {
        let at = offset as usize;
        bytes.copy_from_slice(&self.0[at..at + bytes.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        SIZE
    }
}

impl NorFlash for MemoryFlash {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = PAGE;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), Infallible> {
        self.0[from as usize..to as usize].fill(0xff);
        Ok(())
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Infallible> {
        let at = offset as usize;
        for (place, byte) in self.0[at..at + bytes.len()].iter_mut().zip(bytes) {
            *place &= byte;
        }
        Ok(())
    }
}

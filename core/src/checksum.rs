//! How is a record's damage found? The CRC-32 of Ethernet and zip files.

use crc::{CRC_32_ISO_HDLC, Crc, Table};

/// One table of 1 KiB: larger ones are faster, and cost a microcontroller 15 KiB of its flash.
static CRC32: Crc<u32, Table<1>> = Crc::<u32, Table<1>>::new(&CRC_32_ISO_HDLC);

/// The checksum of `bytes`.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    CRC32.checksum(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "tests fail by panicking")]

    use super::crc32;

    #[test]
    fn it_is_the_one_that_stored_records_have() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        let bytes: [u8; 256] = core::array::from_fn(|index| u8::try_from(index).unwrap_or_default());
        for len in [0, 1, 3, 15, 16, 17, 255, 256] {
            assert_eq!(crc32(&bytes[..len]), crc32fast::hash(&bytes[..len]), "{len}");
        }
    }
}

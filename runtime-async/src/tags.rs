//! How are commands under way found by their tags at next to no cost?

use core::hash::{BuildHasherDefault, Hasher};

/// Hashes tags. They are small numbers of our own, handed out in order, and no peer can choose them: one multiplication
/// spreads them.
pub(crate) type Tags = BuildHasherDefault<TagHasher>;

/// See [`Tags`].
#[derive(Clone, Copy, Default)]
pub(crate) struct TagHasher(u64);

impl Hasher for TagHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32((*byte).into());
        }
    }

    fn write_u32(&mut self, number: u32) {
        self.0 = (self.0 ^ u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
    }
}

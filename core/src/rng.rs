//! Where ids and jitter come from: a generator seeded once by the driver, so that equal seeds give equal runs.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};

/// A deterministic generator (`ChaCha8`). It never reads the platform's randomness; the seed is all there is.
#[derive(Clone)]
pub struct Rng(ChaCha8Rng);

impl Rng {
    /// Starts the sequence that `seed` names.
    pub fn new(seed: [u8; 32]) -> Self {
        Self(ChaCha8Rng::from_seed(seed))
    }

    /// The next 32 bits.
    pub fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number from 0 up to and including `max`.
    pub fn up_to(&mut self, max: u64) -> u64 {
        let wide = u128::from(self.next_u64()) * (u128::from(max) + 1);
        u64::try_from(wide >> 64).unwrap_or(max)
    }

    /// `N` characters of `[A-Za-z0-9]`.
    pub fn alphanumeric<const N: usize>(&mut self) -> [u8; N] {
        const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        core::array::from_fn(|_| {
            let at = usize::try_from(self.up_to(61)).unwrap_or(0);
            ALPHABET.get(at).copied().unwrap_or(b'A')
        })
    }
}

impl core::fmt::Debug for Rng {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Rng(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r_3_equal_seeds_give_equal_sequences() {
        let (mut a, mut b) = (Rng::new([7; 32]), Rng::new([7; 32]));
        for _ in 0..100 {
            assert_eq!(a.next_u64(), b.next_u64());
        }
        assert_ne!(Rng::new([8; 32]).next_u64(), Rng::new([7; 32]).next_u64());
    }

    #[test]
    fn up_to_stays_within_its_bound_and_reaches_both_ends() {
        let mut rng = Rng::new([1; 32]);
        let mut seen = [false; 4];
        for _ in 0..200 {
            let n = usize::try_from(rng.up_to(3)).expect("small");
            seen[n] = true;
        }
        assert_eq!(seen, [true; 4]);
        assert_eq!(rng.up_to(0), 0);
    }
}

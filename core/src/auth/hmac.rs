//! How a key signs a message: HMAC (RFC 2104) over SHA-1 or SHA-256.

use hmac::{Hmac, KeyInit as _, Mac as _};
#[cfg(feature = "tencent")]
use sha1::Sha1;
use sha2::Sha256;

#[cfg(feature = "tencent")]
/// HMAC-SHA-1 of `message`. A key longer than a block is hashed first, as RFC 2104 has it.
#[allow(clippy::expect_used, reason = "HMAC takes keys of every length; `new_from_slice` cannot fail")]
pub(crate) fn sha1(key: &[u8], message: &[u8]) -> [u8; 20] {
    let mut mac = Hmac::<Sha1>::new_from_slice(key).expect("HMAC takes keys of every length");
    mac.update(message);
    mac.finalize().into_bytes().into()
}

/// HMAC-SHA-256 of `message`. A key longer than a block is hashed first, as RFC 2104 has it.
#[allow(clippy::expect_used, reason = "HMAC takes keys of every length; `new_from_slice` cannot fail")]
pub(crate) fn sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of every length");
    mac.update(message);
    mac.finalize().into_bytes().into()
}

#[cfg(all(test, feature = "tencent"))]
mod tests {
    use super::*;
    use crate::auth::hex;

    #[test]
    fn the_second_case_of_rfc_2202_and_rfc_4231_comes_out() {
        let (key, message) = (b"Jefe", b"what do ya want for nothing?");
        assert_eq!(hex::lower(&sha1(key, message)), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
        assert_eq!(
            hex::lower(&sha256(key, message)),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn a_key_longer_than_a_block_is_hashed_first() {
        let message = b"Test Using Larger Than Block-Size Key - Hash Key First";
        assert_eq!(hex::lower(&sha1(&[0xaa; 80], message)), "aa4ae5e15272d00e95705637ce8a3b55ed402112");
        assert_eq!(
            hex::lower(&sha256(&[0xaa; 131], message)),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }
}

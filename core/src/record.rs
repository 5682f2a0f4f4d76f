//! What do the records have in common that a machine keeps over a restart? Their head, and so the check of their bytes.
//!
//! ```text
//! magic:4 ("SKY" and one more) version:u8 length:u32 crc32:u32 | length bytes        (numbers big endian)
//! ```
//!
//! Each owner of a record reads its own: this is for stores, which are to tell damage from what is only not theirs.

/// The version whose head is the one above.
const VERSION: u8 = 1;

/// Whether a record has lost bytes or holds wrong ones, or was never one of ours. A record of another version is not
/// judged: what its head looks like is not known here, and its owner refuses it by name.
pub fn is_damaged(record: &[u8]) -> bool {
    let Some((head, body)) = record.split_first_chunk::<13>() else { return true };
    let [b'S', b'K', b'Y', _, version, l0, l1, l2, l3, c0, c1, c2, c3] = *head else { return true };
    let (len, crc) = (u32::from_be_bytes([l0, l1, l2, l3]), u32::from_be_bytes([c0, c1, c2, c3]));
    version == VERSION && (usize::try_from(len) != Ok(body.len()) || crate::checksum::crc32(body) != crc)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn record(version: u8, body: &[u8]) -> Vec<u8> {
        let mut record = b"SKYT".to_vec();
        record.push(version);
        record.extend_from_slice(&u32::try_from(body.len()).unwrap().to_be_bytes());
        record.extend_from_slice(&crate::checksum::crc32(body).to_be_bytes());
        record.extend_from_slice(body);
        record
    }

    #[test]
    fn r_95_a_record_that_is_cut_off_or_changed_anywhere_is_damaged() {
        let good = record(1, b"hello");
        assert!(!is_damaged(&good));
        for len in 0..good.len() {
            assert!(is_damaged(&good[..len]), "{len}");
        }
        // The last letter of the magic names the owner, and the version is not judged.
        for place in (0..good.len()).filter(|place| ![3, 4].contains(place)) {
            let mut bad = good.clone();
            bad[place] ^= 0x10;
            assert!(is_damaged(&bad), "{place}");
        }
        assert!(is_damaged(&[good, b"more".to_vec()].concat()));
    }

    #[test]
    fn r_93_a_record_of_another_version_is_not_damaged() {
        let mut newer = record(2, b"hello");
        newer.truncate(15);
        assert!(!is_damaged(&newer));
    }
}

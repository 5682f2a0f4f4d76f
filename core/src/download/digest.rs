//! How content is checked while it streams by, and how the work so far is kept over a restart.

use alloc::vec::Vec;
use md5::Md5;
use sha1::Sha1;
use sha2::{
    Digest as _, Sha256,
    digest::common::hazmat::{SerializableState, SerializedState},
};

/// What the content must amount to. SHA-1 and MD5 prove that nothing broke on the way, not that nobody forged it: where
/// a cloud offers nothing better, have the application check a signature.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "a cloud names the one that it was told")]
pub enum Digest {
    /// SHA-256.
    Sha256([u8; 32]),
    /// SHA-1.
    Sha1([u8; 20]),
    /// MD5.
    Md5([u8; 16]),
}

impl Digest {
    /// The bytes of the digest.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Sha256(bytes) => bytes,
            Self::Sha1(bytes) => bytes,
            Self::Md5(bytes) => bytes,
        }
    }

    /// How its kind is written in a record.
    pub(super) fn code(expected: Option<&Self>) -> u8 {
        match expected {
            None => 0,
            Some(Self::Sha256(_)) => 1,
            Some(Self::Sha1(_)) => 2,
            Some(Self::Md5(_)) => 3,
        }
    }
}

/// A digest under way.
#[derive(Clone, Default)]
pub(super) enum Hasher {
    #[default]
    Nothing,
    Sha256(Sha256),
    Sha1(Sha1),
    Md5(Md5),
}

impl Hasher {
    pub(super) fn new(expected: Option<&Digest>) -> Self {
        match expected {
            None => Self::Nothing,
            Some(Digest::Sha256(_)) => Self::Sha256(Sha256::new()),
            Some(Digest::Sha1(_)) => Self::Sha1(Sha1::new()),
            Some(Digest::Md5(_)) => Self::Md5(Md5::new()),
        }
    }

    pub(super) fn update(&mut self, chunk: &[u8]) {
        match self {
            Self::Nothing => {}
            Self::Sha256(hasher) => hasher.update(chunk),
            Self::Sha1(hasher) => hasher.update(chunk),
            Self::Md5(hasher) => hasher.update(chunk),
        }
    }

    /// Whether what streamed by is what was expected.
    pub(super) fn matches(&self, expected: Option<&Digest>) -> bool {
        match (self.clone(), expected) {
            (Self::Nothing, None) => true,
            (Self::Sha256(hasher), Some(Digest::Sha256(digest))) => hasher.finalize()[..] == digest[..],
            (Self::Sha1(hasher), Some(Digest::Sha1(digest))) => hasher.finalize()[..] == digest[..],
            (Self::Md5(hasher), Some(Digest::Md5(digest))) => hasher.finalize()[..] == digest[..],
            _ => false,
        }
    }

    /// The work so far, in the form of the digest crates: chaining value, count and the unfinished block.
    pub(super) fn save(&self) -> Vec<u8> {
        match self {
            Self::Nothing => Vec::new(),
            Self::Sha256(hasher) => hasher.serialize().to_vec(),
            Self::Sha1(hasher) => hasher.serialize().to_vec(),
            Self::Md5(hasher) => hasher.serialize().to_vec(),
        }
    }

    /// Goes on from saved work; `None` where it is not of this kind or form: then the download starts anew.
    pub(super) fn restore(expected: Option<&Digest>, saved: &[u8]) -> Option<Self> {
        match expected {
            None => saved.is_empty().then_some(Self::Nothing),
            Some(Digest::Sha256(_)) => state(saved).map(Self::Sha256),
            Some(Digest::Sha1(_)) => state(saved).map(Self::Sha1),
            Some(Digest::Md5(_)) => state(saved).map(Self::Md5),
        }
    }
}

impl core::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Hasher")
    }
}

fn state<H: SerializableState>(saved: &[u8]) -> Option<H> {
    let saved = SerializedState::<H>::try_from(saved).ok()?;
    H::deserialize(&saved).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Of "abc": FIPS 180-4 and RFC 1321.
    fn all() -> [Option<Digest>; 4] {
        let hex = |text: &str| -> Vec<u8> {
            let pairs = text.as_bytes().chunks(2).map(|pair| core::str::from_utf8(pair).unwrap());
            pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
        };
        let sha256 = hex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        let sha1 = hex("a9993e364706816aba3e25717850c26c9cd0d89d");
        let md5 = hex("900150983cd24fb0d6963f7d28e17f72");
        [
            None,
            Some(Digest::Sha256(sha256.try_into().unwrap())),
            Some(Digest::Sha1(sha1.try_into().unwrap())),
            Some(Digest::Md5(md5.try_into().unwrap())),
        ]
    }

    #[test]
    fn each_kind_knows_its_content_and_no_other() {
        for expected in all() {
            let mut hasher = Hasher::new(expected.as_ref());
            hasher.update(b"ab");
            assert_eq!(hasher.matches(expected.as_ref()), expected.is_none());
            hasher.update(b"c");
            assert!(hasher.matches(expected.as_ref()));
            for other in all().iter().filter(|other| **other != expected) {
                assert!(!hasher.matches(other.as_ref()));
            }
        }
    }

    #[test]
    fn work_of_another_kind_or_form_is_not_taken_up() {
        let [none, sha256, sha1, _] = all();
        let saved = Hasher::new(sha256.as_ref()).save();
        assert!(Hasher::restore(none.as_ref(), &saved).is_none());
        assert!(Hasher::restore(sha1.as_ref(), &saved).is_none());
        assert!(Hasher::restore(sha256.as_ref(), &saved[1..]).is_none());
        assert!(Hasher::restore(sha256.as_ref(), &[]).is_none());
    }

    proptest! {
        #[test]
        fn work_goes_on_wherever_it_was_saved(content in proptest::collection::vec(any::<u8>(), 0..300), cut: usize) {
            let (head, tail) = content.split_at(cut % (content.len() + 1));
            for kind in all() {
                let mut whole = Hasher::new(kind.as_ref());
                whole.update(&content);
                let mut first = Hasher::new(kind.as_ref());
                first.update(head);
                let mut second = Hasher::restore(kind.as_ref(), &first.save()).unwrap();
                second.update(tail);
                prop_assert_eq!(second.save(), whole.save());
            }
        }

        #[test]
        fn r_1_no_saved_work_makes_the_reader_panic(saved in proptest::collection::vec(any::<u8>(), 0..120)) {
            for kind in all() {
                if let Some(mut hasher) = Hasher::restore(kind.as_ref(), &saved) {
                    hasher.update(&[0; 200]);
                    let _ = hasher.matches(kind.as_ref());
                }
            }
        }
    }
}

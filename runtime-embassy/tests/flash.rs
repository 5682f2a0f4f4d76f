//! Flash that fails, and power that goes between any two words: is a value ever lost, or half there?
#![cfg(feature = "flash")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::std_instead_of_alloc,
    clippy::std_instead_of_core,
    clippy::wildcard_enum_match_arm,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "tests fail by panicking, and wait for the real world"
)]

use embassy_futures::block_on;
use embedded_storage_async::nor_flash::{ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash};
use skytether_core::io::{Key, Slot, StoreFailed};
use skytether_embassy::{Flash, FlashUnusable, Slots, Store};
use std::collections::BTreeMap;

const PAGE: usize = 512;
const PAGES: usize = 4;

/// NOR flash in memory: bits only go from 1 to 0 until their page is erased; the power goes after so many words.
struct Nor {
    bytes: Vec<u8>,
    /// Words and pages that may still be changed; then every call fails until the power is back.
    left: Option<usize>,
    /// Words written since.
    words: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct NoPower;

impl NorFlashError for NoPower {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::Other
    }
}

impl Nor {
    fn new() -> Self {
        Self { bytes: vec![0xff; PAGE * PAGES], left: None, words: 0 }
    }

    fn spend(&mut self) -> Result<(), NoPower> {
        self.words += 1;
        match &mut self.left {
            Some(0) => Err(NoPower),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl ErrorType for Nor {
    type Error = NoPower;
}

impl ReadNorFlash for Nor {
    const READ_SIZE: usize = 1;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NoPower> {
        if self.left == Some(0) {
            return Err(NoPower);
        }
        let at = usize::try_from(offset).unwrap();
        bytes.copy_from_slice(&self.bytes[at..at + bytes.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.bytes.len()
    }
}

impl NorFlash for Nor {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = PAGE;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), NoPower> {
        for page in (from..to).step_by(PAGE) {
            let page = usize::try_from(page).unwrap();
            if let Err(gone) = self.spend() {
                // Half of it is erased already.
                self.bytes[page..page + PAGE / 2].fill(0xff);
                return Err(gone);
            }
            self.bytes[page..page + PAGE].fill(0xff);
        }
        Ok(())
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NoPower> {
        let at = usize::try_from(offset).unwrap();
        assert!(at.is_multiple_of(4) && bytes.len().is_multiple_of(4), "words are written whole");
        for (word, part) in bytes.chunks(4).enumerate() {
            self.spend()?;
            for (index, byte) in part.iter().enumerate() {
                let place = &mut self.bytes[at + word * 4 + index];
                assert_eq!(*place, 0xff, "a word is written twice");
                *place &= byte;
            }
        }
        Ok(())
    }
}

fn flash(nor: Nor, buffer: &mut [u8]) -> Flash<'_, Nor> {
    Flash::new(nor, 0..u32::try_from(PAGE * PAGES).unwrap(), buffer).unwrap()
}

/// The keys and what each is given in turn.
fn story() -> Vec<(Key, Option<Vec<u8>>)> {
    let mut story = Vec::new();
    for round in 0..14_u8 {
        story.push((Key::Session, Some(vec![round; 20 + usize::from(round) * 7])));
        story.push((Key::Secret("gateway/child".into()), Some(vec![0x80 | round; 9])));
        if round % 3 == 2 {
            story.push((Key::Session, None));
        }
        story.push((Key::Hub, (round % 4 != 1).then(|| vec![0x40 | round; 33])));
    }
    story
}

async fn tell<F: Store>(flash: &mut F, key: &Key, value: Option<&Vec<u8>>) -> Result<(), StoreFailed> {
    match value {
        Some(value) => flash.store(key, value).await,
        None => flash.delete(key).await,
    }
}

#[test]
fn values_are_kept_and_forgotten_over_restarts() {
    block_on(async {
        let mut buffer = [0; 256];
        let mut nor = Nor::new();
        let mut expected: BTreeMap<Key, Option<Vec<u8>>> = BTreeMap::new();
        for (key, value) in story() {
            let mut flash = flash(nor, &mut buffer);
            tell(&mut flash, &key, value.as_ref()).await.unwrap();
            expected.insert(key, value);
            for (key, value) in &expected {
                let found = flash.load(key).await.unwrap();
                assert_eq!(found.as_ref().map(|found| found.as_slice()), value.as_deref(), "{key}");
            }
            assert_eq!(flash.load(&Key::Ota).await.unwrap(), None);
            nor = flash.into_flash();
        }
        assert!(nor.words > PAGE * PAGES / 4, "pages were used again: {} words", nor.words);
        assert_eq!(buffer, [0; 256], "nothing of a value stays in the buffer");
    });
}

#[test]
fn r_91_r_92_power_that_goes_at_any_word_leaves_the_old_value_or_the_new_one() {
    block_on(async {
        let story = story();
        let mut buffer = [0; 256];
        let whole = {
            let mut flash = flash(Nor::new(), &mut buffer);
            for (key, value) in &story {
                tell(&mut flash, key, value.as_ref()).await.unwrap();
            }
            flash.into_flash().words
        };
        for cut in 0..=whole {
            let mut nor = Nor::new();
            nor.left = Some(cut);
            let mut safe: BTreeMap<&Key, Option<&Vec<u8>>> = BTreeMap::new();
            let mut under_way = None;
            let mut before = flash(nor, &mut buffer);
            for (key, value) in &story {
                if tell(&mut before, key, value.as_ref()).await.is_err() {
                    under_way = Some((key, value.as_ref()));
                    break;
                }
                safe.insert(key, value.as_ref());
            }
            assert_eq!(under_way.is_none(), cut == whole, "after {cut} words");
            let mut nor = before.into_flash();
            nor.left = None;
            let mut after = flash(nor, &mut buffer);
            for key in [Key::Session, Key::Hub, Key::Secret("gateway/child".into()), Key::Ota] {
                let found = after.load(&key).await.unwrap_or_else(|_| panic!("{key} is unreadable after {cut} words"));
                let found = found.as_ref().map(|found| found.to_vec());
                let old = safe.get(&key).copied().flatten().cloned();
                let new = under_way.filter(|(its, _)| **its == key).map(|(_, value)| value.cloned());
                assert!(found == old || Some(&found) == new.as_ref(), "{key} after {cut} words: {found:?}");
            }
            // And it goes on from there.
            for (key, value) in &story {
                tell(&mut after, key, value.as_ref()).await.unwrap();
                let found = after.load(key).await.unwrap();
                assert_eq!(found.as_ref().map(|found| found.to_vec()), *value, "{key} after {cut} words");
            }
        }
        eprintln!("the power went at each of {whole} words");
    });
}

#[test]
fn r_95_bits_that_fell_over_are_never_read_as_a_value() {
    block_on(async {
        let mut buffer = [0; 256];
        let mut first = flash(Nor::new(), &mut buffer);
        first.store(&Key::Hub, b"the old value, long enough").await.unwrap();
        first.store(&Key::Hub, b"the new value, long enough").await.unwrap();
        let nor = first.into_flash();
        let used = nor.bytes.iter().rposition(|byte| *byte != 0xff).unwrap();
        for bit in 0..=used * 8 {
            let mut bytes = nor.bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let mut second = flash(Nor { bytes, left: None, words: 0 }, &mut buffer);
            if let Ok(Some(found)) = second.load(&Key::Hub).await {
                let whole = [&b"the old value, long enough"[..], b"the new value, long enough"];
                assert!(whole.contains(&found.as_slice()), "bit {bit}: {found:?}");
            }
        }
    });
}

#[test]
fn r_90_what_does_not_fit_or_cannot_be_written_fails_and_the_old_value_stays() {
    block_on(async {
        let mut buffer = [0; 256];
        let mut flash = flash(Nor::new(), &mut buffer);
        flash.store(&Key::Hub, b"old").await.unwrap();
        assert_eq!(flash.store(&Key::Hub, &[1; 300]).await, Err(StoreFailed), "longer than the buffer");
        assert_eq!(flash.store(&Key::Secret("x".repeat(200).into()), b"").await, Err(StoreFailed), "a long name");
        assert_eq!(flash.write(Slot(0), 0, b"image").await, Err(StoreFailed), "no place for files was given");
        assert_eq!(flash.load(&Key::Hub).await.unwrap().unwrap().as_slice(), b"old");
        let mut nor = flash.into_flash();
        nor.left = Some(0);
        let mut flash = self::flash(nor, &mut buffer);
        assert_eq!(flash.store(&Key::Hub, b"new").await, Err(StoreFailed));
        assert_eq!(flash.load(&Key::Hub).await, Err(StoreFailed));
    });
}

#[test]
fn r_96_a_value_costs_its_own_words_and_pages_are_erased_only_when_all_are_used() {
    block_on(async {
        let mut buffer = [0; 256];
        let mut flash = flash(Nor::new(), &mut buffer);
        for _ in 0..100 {
            flash.store(&Key::Session, &[5; 40]).await.unwrap();
        }
        let words = flash.into_flash().words;
        // 40 bytes, the name, a header: 18 words at most; a little for the pages' own marks.
        assert!(words <= 100 * 18 + 60, "{words} words for 100 values");
    });
}

#[test]
fn pages_that_cannot_be_used_are_refused() {
    let range = |range| Flash::new(Nor::new(), range, &mut [0; 64]).map(|_| ()).unwrap_err();
    assert_eq!(range(0..1000), FlashUnusable::NotAtPages);
    assert_eq!(range(10..1024), FlashUnusable::NotAtPages);
    assert_eq!(range(0..512), FlashUnusable::TooFewPages);
}

/// Writes down what it is given.
#[derive(Default)]
struct File(Vec<u8>);

impl Slots for &mut File {
    async fn write(&mut self, slot: Slot, at: u64, bytes: &[u8]) -> Result<(), StoreFailed> {
        let at = usize::try_from(at).unwrap();
        if slot != Slot(1) || at > self.0.len() {
            return Err(StoreFailed);
        }
        self.0.truncate(at);
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

#[test]
fn files_go_to_the_place_that_was_given() {
    block_on(async {
        let mut file = File::default();
        let mut buffer = [0; 64];
        let mut flash = flash(Nor::new(), &mut buffer).with_slots(&mut file);
        flash.write(Slot(1), 0, b"abc").await.unwrap();
        flash.write(Slot(1), 3, b"def").await.unwrap();
        assert_eq!(flash.write(Slot(2), 0, b"x").await, Err(StoreFailed));
        drop(flash);
        assert_eq!(file.0, b"abcdef");
    });
}

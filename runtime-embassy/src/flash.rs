//! Values in NOR flash by sequential-storage, behind embedded-storage's traits.

use crate::store::Store;
use alloc::{string::ToString as _, vec::Vec};
use core::{fmt, ops::Range};
use embedded_storage_async::nor_flash::NorFlash;
use sequential_storage::{
    cache::{Cache, Uncached},
    map::{self, MapConfig, MapStorage, SerializationError},
};
use skytether_core::io::{Key, Slot, StoreFailed};
use zeroize::{Zeroize as _, Zeroizing};

/// Keeps values in a range of flash pages, wear levelled: each write appends, and a page is erased only when all are
/// used. Every record carries checksums; a record that a power cut left half-written is passed over, and the value before
/// it counts. Nothing that was stored is lost by a cut, nothing half-written is ever read back.
///
/// A value, its name and 16 bytes must fit in one erase page, and in the buffer. At least two pages are needed; the more,
/// the less wear. Slots for files are another place of the caller's: [`Flash::with_slots`].
pub struct Flash<'b, F: NorFlash, P = NoSlots> {
    map: MapStorage<Name, F, Cache<Uncached, Uncached, Uncached, Name>>,
    buffer: &'b mut [u8],
    slots: P,
}

/// The pages that were given for values cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum FlashUnusable {
    /// The range does not begin and end at the borders of erase pages.
    NotAtPages,
    /// The range holds fewer than two erase pages.
    TooFewPages,
    /// An erase page is too small, or a write word too large, for any record.
    PagesTooSmall,
}

impl fmt::Display for FlashUnusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAtPages => "the range must begin and end at the borders of erase pages",
            Self::TooFewPages => "the range must hold two erase pages or more",
            Self::PagesTooSmall => "the erase pages are too small, or the write words too large, for any value",
        })
    }
}

impl core::error::Error for FlashUnusable {}

impl<'b, F: NorFlash> Flash<'b, F> {
    /// Keeps values in `range` of `flash`, in bytes from its start. `buffer` holds one value with its name while it is
    /// read or written; some flash wants it aligned to its words.
    ///
    /// # Errors
    /// Where the range or the flash cannot be used.
    pub fn new(flash: F, range: Range<u32>, buffer: &'b mut [u8]) -> Result<Self, FlashUnusable> {
        use map::MapConfigError as E;
        let config = MapConfig::try_new(range).map_err(|error| match error {
            E::StartRangeNotAtPageBoundary | E::EndRangeNotAtPageBoundary => FlashUnusable::NotAtPages,
            E::RangeTooSmall => FlashUnusable::TooFewPages,
            E::PagesTooSmall | E::WordSizeTooLarge => FlashUnusable::PagesTooSmall,
        })?;
        Ok(Self { map: MapStorage::new(flash, config, Cache::new_uncached()), buffer, slots: NoSlots })
    }

    /// Writes files by `slots`.
    pub fn with_slots<P: Slots>(self, slots: P) -> Flash<'b, F, P> {
        Flash { map: self.map, buffer: self.buffer, slots }
    }

    /// Gives the flash back.
    pub fn into_flash(self) -> F {
        self.map.destroy().0
    }
}

impl<F: NorFlash, P: Slots> Flash<'_, F, P> {
    /// Writes a record, and wipes what it left in the buffer.
    async fn put(&mut self, key: &Key, entry: &Entry<'_>) -> Result<(), StoreFailed> {
        let name = Name::new(key)?;
        let done = self.map.store_item(self.buffer, &name, entry).await;
        self.buffer.zeroize();
        done.map_err(|_| StoreFailed)
    }
}

impl<F: NorFlash, P: Slots> Store for Flash<'_, F, P> {
    async fn load(&mut self, key: &Key) -> Result<Option<Zeroizing<Vec<u8>>>, StoreFailed> {
        let name = Name::new(key)?;
        let found = match self.map.fetch_item::<Entry<'_>>(self.buffer, &name).await {
            Ok(Some(Entry::Kept(value))) => Ok(Some(Zeroizing::new(value.to_vec()))),
            Ok(Some(Entry::Deleted) | None) => Ok(None),
            Err(_) => Err(StoreFailed),
        };
        self.buffer.zeroize();
        found
    }

    async fn store(&mut self, key: &Key, value: &[u8]) -> Result<(), StoreFailed> {
        self.put(key, &Entry::Kept(value)).await
    }

    async fn delete(&mut self, key: &Key) -> Result<(), StoreFailed> {
        self.put(key, &Entry::Deleted).await
    }

    async fn write(&mut self, slot: Slot, at: u64, bytes: &[u8]) -> Result<(), StoreFailed> {
        self.slots.write(slot, at, bytes).await
    }
}

impl<F: NorFlash, P> fmt::Debug for Flash<'_, F, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flash").field("buffer", &self.buffer.len()).finish_non_exhaustive()
    }
}

/// Takes files, such as firmware images, in ranges: the caller's partition for them.
#[allow(async_fn_in_trait, reason = "an executor of a microcontroller runs all of it in one place: nothing needs Send")]
pub trait Slots {
    /// Writes a range, and forgets what the slot held behind it; one at 0 begins a new file. A range joins up with what
    /// is there, or fails.
    ///
    /// # Errors
    /// Where the range is not safe against a power cut.
    async fn write(&mut self, slot: Slot, at: u64, bytes: &[u8]) -> Result<(), StoreFailed>;
}

/// No place for files: every write fails.
#[derive(Clone, Copy, Debug, Default)]
#[allow(clippy::exhaustive_structs, reason = "there is nothing in it, and there never will be")]
pub struct NoSlots;

impl Slots for NoSlots {
    async fn write(&mut self, _: Slot, _: u64, _: &[u8]) -> Result<(), StoreFailed> {
        Err(StoreFailed)
    }
}

/// Longest name of a key, in bytes.
const NAME: usize = 128;

/// The name of a key: its length in one byte, then its text.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Name(heapless::String<NAME>);

impl Name {
    fn new(key: &Key) -> Result<Self, StoreFailed> {
        heapless::String::try_from(key.to_string().as_str()).map(Self).map_err(|_| StoreFailed)
    }
}

impl map::Key for Name {
    fn serialize_into(&self, buffer: &mut [u8]) -> Result<usize, SerializationError> {
        let len = u8::try_from(self.0.len()).map_err(|_| SerializationError::InvalidData)?;
        fill(buffer, &[&[len], self.0.as_bytes()])
    }

    fn deserialize_from(buffer: &[u8]) -> Result<(Self, usize), SerializationError> {
        let (len, rest) = buffer.split_first().ok_or(SerializationError::InvalidFormat)?;
        let text = rest.get(..usize::from(*len)).ok_or(SerializationError::InvalidFormat)?;
        let text = core::str::from_utf8(text).map_err(|_| SerializationError::InvalidData)?;
        let name = heapless::String::try_from(text).map_err(|_| SerializationError::InvalidData)?;
        Ok((Self(name), text.len().saturating_add(1)))
    }
}

/// A record: one byte that says whether there is a value, then the value. Plain NOR flash cannot take a record back.
enum Entry<'a> {
    Deleted,
    Kept(&'a [u8]),
}

const DELETED: u8 = 0;
const KEPT: u8 = 1;

impl<'a> map::Value<'a> for Entry<'a> {
    fn serialize_into(&self, buffer: &mut [u8]) -> Result<usize, SerializationError> {
        match self {
            Self::Deleted => fill(buffer, &[&[DELETED]]),
            Self::Kept(value) => fill(buffer, &[&[KEPT], value]),
        }
    }

    fn deserialize_from(buffer: &'a [u8]) -> Result<(Self, usize), SerializationError> {
        let entry = match buffer.split_first() {
            Some((&DELETED, [])) => Self::Deleted,
            Some((&KEPT, value)) => Self::Kept(value),
            _ => return Err(SerializationError::InvalidData),
        };
        Ok((entry, buffer.len()))
    }
}

/// Puts parts one after the other; how long they are together.
fn fill(buffer: &mut [u8], parts: &[&[u8]]) -> Result<usize, SerializationError> {
    let len = parts.iter().map(|part| part.len()).sum();
    let places = buffer.get_mut(..len).ok_or(SerializationError::BufferTooSmall)?;
    for (place, byte) in places.iter_mut().zip(parts.iter().copied().flatten()) {
        *place = *byte;
    }
    Ok(len)
}

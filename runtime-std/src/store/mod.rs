//! Where values outlive a restart: files in a directory, each replaced whole or not at all.

mod disk;

use core::fmt::{self, Write as _};
use disk::{Disk, How, Os};
use skytether_core::{
    io::{Key, Slot},
    record,
};
use std::{
    io,
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// Longest piece of a file name; file systems allow 255 bytes.
const PIECE: usize = 200;

/// Keeps each value in a file of its own below one directory, and each slot in another.
///
/// A value is written to a new file, synchronised, renamed over the old one, and the directory synchronised: after a
/// power cut the old or the new value is there, whole. Files are readable by their owner only. One directory belongs to
/// one device of one process: there is no lock.
#[derive(Clone, PartialEq, Eq)]
pub struct Store {
    directory: PathBuf,
    /// Where slots are, if elsewhere.
    slots: Option<PathBuf>,
    start_empty_on_corrupt: bool,
}

impl Store {
    /// A store in `directory`, which is made if it is missing.
    ///
    /// # Errors
    /// What the operating system says about making it.
    pub fn directory(directory: impl Into<PathBuf>) -> io::Result<Self> {
        let directory = directory.into();
        Os.make_folders(&directory)?;
        Ok(Self { directory, slots: None, start_empty_on_corrupt: false })
    }

    /// Keeps slots in `folder`, made if it is missing, in place of the directory of the values: images may be larger than
    /// what the partition with the settings holds. The file of slot N is `slot.N`.
    ///
    /// # Errors
    /// What the operating system says about making it.
    pub fn with_slots_in(self, folder: impl Into<PathBuf>) -> io::Result<Self> {
        let folder = folder.into();
        Os.make_folders(&folder)?;
        Ok(Self { slots: Some(folder), ..self })
    }

    /// Begins without a value where its file is damaged, instead of refusing to work until someone looks. The
    /// damaged file is kept beside, as `NAME.corrupt`, and the log says so. What it held is lost to the device: messages
    /// that waited, the assigned hub, how far a download had come.
    ///
    /// A value of another version or another device is not damaged: it is still refused, and left where it is.
    #[must_use]
    pub fn start_empty_on_corrupt(self) -> Self {
        Self { start_empty_on_corrupt: true, ..self }
    }

    /// The value of `key`; `None` where there is none.
    ///
    /// # Errors
    /// What the operating system says about reading it.
    pub fn load(&self, key: &Key) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
        self.load_from(&Os, key)
    }

    /// Keeps `value` under `key`, in place of an older one. When this returns, it outlives a power cut.
    ///
    /// # Errors
    /// What the operating system says about writing it; the older value is still there.
    pub fn store(&self, key: &Key, value: &[u8]) -> io::Result<()> {
        self.store_to(&Os, key, value)
    }

    /// Forgets the value of `key`, if there is one.
    ///
    /// # Errors
    /// What the operating system says about deleting it.
    pub fn delete(&self, key: &Key) -> io::Result<()> {
        self.delete_from(&Os, key)
    }

    /// Writes `bytes` into the file of `slot`, `at` bytes from its start. When this returns, they outlive a power cut.
    ///
    /// # Errors
    /// What the operating system says about writing it.
    pub fn write(&self, slot: Slot, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.keep_on(&Os, slot, at, bytes, false)
    }

    /// As [`Store::write`], for a body that comes in order. Where `first`, the file is cut off at `at` before: what was
    /// behind is of an older body; and it must be that long already, or the body would have a hole.
    ///
    /// # Errors
    /// What the operating system says about writing it; `UnexpectedEof` for the hole.
    pub fn keep(&self, slot: Slot, at: u64, bytes: &[u8], first: bool) -> io::Result<()> {
        self.keep_on(&Os, slot, at, bytes, first)
    }

    /// The file of `slot`: what a boot loader or installer is given.
    pub fn slot_path(&self, slot: Slot) -> PathBuf {
        self.slots.as_ref().unwrap_or(&self.directory).join(format!("slot.{}", slot.0))
    }

    fn load_from(&self, disk: &impl Disk, key: &Key) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
        let path = self.path(&key.to_string());
        let value = match disk.read(&path) {
            Ok(value) => value,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        // A secret is kept as it came; the others are records with a checksum.
        let is_record = !matches!(key, Key::Secret(_));
        if self.start_empty_on_corrupt && is_record && record::is_damaged(&value) {
            let aside = path.with_added_extension("corrupt");
            disk.rename(&path, &aside)?;
            self.sync_up_from(disk, path.parent().unwrap_or(&self.directory))?;
            tracing::error!(%key, aside = %aside.display(), "a stored value was damaged: it is set aside, and what it held is lost");
            return Ok(None);
        }
        Ok(Some(value))
    }

    fn store_to(&self, disk: &impl Disk, key: &Key, value: &[u8]) -> io::Result<()> {
        let path = self.path(&key.to_string());
        // A dot inside a name is escaped but for the first, so that no key's own file can have this name.
        let new = path.with_added_extension("new");
        let folder = path.parent().unwrap_or(&self.directory);
        disk.make_folders(folder)?;
        let mut file = disk.open(&new, How::Empty)?;
        disk.write(&mut file, 0, value)?;
        disk.sync(&file)?;
        drop(file);
        disk.rename(&new, &path)?;
        self.sync_up_from(disk, folder)
    }

    fn delete_from(&self, disk: &impl Disk, key: &Key) -> io::Result<()> {
        let path = self.path(&key.to_string());
        match disk.remove(&path) {
            Ok(()) => self.sync_up_from(disk, path.parent().unwrap_or(&self.directory)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn keep_on(&self, disk: &impl Disk, slot: Slot, at: u64, bytes: &[u8], first: bool) -> io::Result<()> {
        let path = self.slot_path(slot);
        let mut file = match disk.open(&path, How::Existing) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let file = disk.open(&path, How::New)?;
                // Without this the file's name would not outlive a power cut, and so neither what is in it.
                disk.sync_folder(path.parent().unwrap_or(&self.directory))?;
                file
            }
            opened => opened?,
        };
        let mut changed = !bytes.is_empty();
        if first {
            let len = disk.len(&file)?;
            if len < at {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if len > at {
                disk.cut(&file, at)?;
                changed = true;
            }
        }
        if !bytes.is_empty() {
            disk.write(&mut file, at, bytes)?;
        }
        if changed { disk.sync(&file) } else { Ok(()) }
    }

    /// The file of a value: kind, dot, and the owner's name with everything but small letters, digits, `-` and `_`
    /// escaped (some file systems take `A` for `a`). What is too long for one name becomes folders ending in `~`.
    fn path(&self, name: &str) -> PathBuf {
        let mut escaped = String::new();
        let mut kind = true;
        for byte in name.bytes() {
            if kind && byte == b'.' {
                kind = false;
                escaped.push('.');
            } else if byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_' {
                escaped.push(char::from(byte));
            } else {
                // Writing to a string cannot fail.
                let _ = write!(escaped, "%{byte:02X}");
            }
        }
        let mut path = self.directory.clone();
        let mut rest = escaped.as_str();
        while let Some((piece, more)) = rest.split_at_checked(PIECE).filter(|(_, more)| !more.is_empty()) {
            path.push(format!("{piece}~"));
            rest = more;
        }
        path.push(rest);
        path
    }

    /// Makes renames in `folder` last, and the making of the folders above it.
    fn sync_up_from(&self, disk: &impl Disk, folder: &Path) -> io::Result<()> {
        for folder in folder.ancestors().take_while(|folder| folder.starts_with(&self.directory)) {
            disk.sync_folder(folder)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Store {
    /// The place only: values are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("directory", &self.directory).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod power;
#[cfg(test)]
mod tests;

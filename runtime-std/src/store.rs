//! Where values outlive a restart: files in a directory, each replaced whole or not at all.

use core::fmt::{self, Write as _};
use skytether_core::io::{Key, Slot};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// Longest piece of a file name; file systems allow 255 bytes.
const PIECE: usize = 200;

/// Keeps each value in a file of its own below one directory.
///
/// A value is written to a new file, synchronised, renamed over the old one, and the directory synchronised: after a
/// power cut the old or the new value is there, whole. Files are readable by their owner only. One directory belongs to
/// one device of one process: there is no lock.
#[derive(Clone, PartialEq, Eq)]
pub struct Store {
    directory: PathBuf,
    /// Where slots are, if elsewhere.
    slots: Option<PathBuf>,
}

impl Store {
    /// A store in `directory`, which is made if it is missing.
    ///
    /// # Errors
    /// What the operating system says about making it.
    pub fn directory(directory: impl Into<PathBuf>) -> io::Result<Self> {
        let directory = directory.into();
        fs::create_dir_all(&directory)?;
        Ok(Self { directory, slots: None })
    }

    /// Keeps slots in `folder`, made if it is missing, in place of the directory of the values: images may be larger than
    /// what the partition with the settings holds. The file of slot N is `slot.N`.
    ///
    /// # Errors
    /// What the operating system says about making it.
    pub fn with_slots_in(self, folder: impl Into<PathBuf>) -> io::Result<Self> {
        let folder = folder.into();
        fs::create_dir_all(&folder)?;
        Ok(Self { slots: Some(folder), ..self })
    }

    /// The file of `slot`: what a boot loader or installer is given.
    pub fn slot_path(&self, slot: Slot) -> PathBuf {
        self.slots.as_ref().unwrap_or(&self.directory).join(format!("slot.{}", slot.0))
    }

    /// The value of `key`; `None` where there is none.
    ///
    /// # Errors
    /// What the operating system says about reading it.
    pub fn load(&self, key: &Key) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
        match fs::read(self.path(&key.to_string())) {
            Ok(value) => Ok(Some(Zeroizing::new(value))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Keeps `value` under `key`, in place of an older one. When this returns, it outlives a power cut.
    ///
    /// # Errors
    /// What the operating system says about writing it; the older value is still there.
    pub fn store(&self, key: &Key, value: &[u8]) -> io::Result<()> {
        let path = self.path(&key.to_string());
        // A dot inside a name is escaped but for the first, so that no key's own file can have this name.
        let new = path.with_added_extension("new");
        let folder = path.parent().unwrap_or(&self.directory);
        fs::create_dir_all(folder)?;
        let mut file = private().write(true).create(true).truncate(true).open(&new)?;
        file.write_all(value)?;
        file.sync_all()?;
        drop(file);
        fs::rename(&new, &path)?;
        self.sync_up_from(folder)
    }

    /// Forgets the value of `key`, if there is one.
    ///
    /// # Errors
    /// What the operating system says about deleting it.
    pub fn delete(&self, key: &Key) -> io::Result<()> {
        let path = self.path(&key.to_string());
        match fs::remove_file(&path) {
            Ok(()) => self.sync_up_from(path.parent().unwrap_or(&self.directory)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Writes `bytes` into the file of `slot`, `at` bytes from its start. When this returns, they outlive a power cut.
    ///
    /// # Errors
    /// What the operating system says about writing it.
    pub fn write(&self, slot: Slot, at: u64, bytes: &[u8]) -> io::Result<()> {
        let (mut file, _) = self.slot(slot)?;
        file.seek(SeekFrom::Start(at))?;
        file.write_all(bytes)?;
        file.sync_data()
    }

    /// As [`Store::write`], for a body that comes in order. Where `first`, the file is cut off at `at` before: what was
    /// behind is of an older body; and it must be that long already, or the body would have a hole.
    ///
    /// # Errors
    /// What the operating system says about writing it; `UnexpectedEof` for the hole.
    pub fn keep(&self, slot: Slot, at: u64, bytes: &[u8], first: bool) -> io::Result<()> {
        let (mut file, len) = self.slot(slot)?;
        if first && len < at {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let cut = first && len > at;
        if cut {
            file.set_len(at)?;
        }
        if !bytes.is_empty() {
            file.seek(SeekFrom::Start(at))?;
            file.write_all(bytes)?;
        }
        if cut || !bytes.is_empty() { file.sync_data() } else { Ok(()) }
    }

    /// The file of a slot, made if it is missing, and its length.
    fn slot(&self, slot: Slot) -> io::Result<(File, u64)> {
        let path = self.slot_path(slot);
        match private().write(true).open(&path) {
            Ok(file) => {
                let len = file.metadata()?.len();
                Ok((file, len))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let file = private().write(true).create_new(true).open(&path)?;
                // Without this the file's name would not outlive a power cut, and so neither what is in it.
                if cfg!(unix)
                    && let Some(folder) = path.parent()
                {
                    File::open(folder)?.sync_all()?;
                }
                Ok((file, 0))
            }
            Err(error) => Err(error),
        }
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
    fn sync_up_from(&self, folder: &Path) -> io::Result<()> {
        if cfg!(unix) {
            for folder in folder.ancestors().take_while(|folder| folder.starts_with(&self.directory)) {
                File::open(folder)?.sync_all()?;
            }
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

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::directory(folder.path().join("made/on/demand")).unwrap();
        (folder, store)
    }

    #[test]
    fn a_value_comes_back_until_it_is_deleted() {
        let (_folder, store) = store();
        assert!(store.load(&Key::Hub).unwrap().is_none());
        store.store(&Key::Hub, b"one").unwrap();
        store.store(&Key::Hub, b"2").unwrap();
        assert_eq!(store.load(&Key::Hub).unwrap().unwrap().as_slice(), b"2");
        store.delete(&Key::Hub).unwrap();
        store.delete(&Key::Hub).unwrap();
        assert!(store.load(&Key::Hub).unwrap().is_none());
    }

    #[test]
    fn names_of_any_kind_get_files_of_their_own_inside_the_directory() {
        let (_folder, store) = store();
        let long = "x".repeat(PIECE * 3);
        let capitals = "X".repeat(128);
        let names = ["a", "A", "a.new", "..", "../../etc/passwd", "", "%41", "a\0b", "ä/ö\\ü", "CON", &long, &capitals];
        for name in names {
            store.store(&Key::Secret(name.into()), name.as_bytes()).unwrap();
        }
        for name in names {
            let key = Key::Secret(name.into());
            assert_eq!(store.load(&key).unwrap().unwrap().as_slice(), name.as_bytes(), "{name:?}");
            assert!(store.path(&key.to_string()).starts_with(&store.directory));
        }
        assert_eq!(store.path("secret.a.new").file_name().unwrap(), "secret.a%2Enew");
    }

    #[test]
    fn a_torn_write_leaves_the_old_value() {
        let (_folder, store) = store();
        store.store(&Key::Session, b"old").unwrap();
        // What a power cut between writing and renaming leaves behind.
        fs::write(store.directory.join("session.new"), b"ne").unwrap();
        assert_eq!(store.load(&Key::Session).unwrap().unwrap().as_slice(), b"old");
        store.store(&Key::Session, b"newer").unwrap();
        assert_eq!(store.load(&Key::Session).unwrap().unwrap().as_slice(), b"newer");
        assert!(!store.directory.join("session.new").exists());
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_may_read_a_value() {
        use std::os::unix::fs::PermissionsExt as _;
        let (_folder, store) = store();
        store.store(&Key::Secret("dev".into()), b"hunter2").unwrap();
        let mode = fs::metadata(store.path("secret.dev")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(!format!("{store:?}").contains("hunter2"));
    }

    #[test]
    fn a_slot_is_written_in_ranges() {
        let (_folder, store) = store();
        store.write(Slot(1), 4, b"5678").unwrap();
        store.write(Slot(1), 0, b"1234").unwrap();
        assert_eq!(fs::read(store.slot_path(Slot(1))).unwrap(), b"12345678");
    }
}

//! Where values outlive a restart: files in a directory, each replaced whole or not at all.

use core::{
    fmt::{self, Write as _},
    future::Future as _,
    pin::Pin,
    task::{Context, Poll},
};
use skytether_core::io::{Key, Slot, StoreFailed};
use std::{
    collections::VecDeque,
    fs::{self, File, OpenOptions},
    io::{self, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};
use tokio::task::{JoinHandle, spawn_blocking};
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
}

impl Store {
    /// A store in `directory`, which is made if it is missing.
    ///
    /// # Errors
    /// What the operating system says about making it.
    pub fn directory(directory: impl Into<PathBuf>) -> io::Result<Self> {
        let directory = directory.into();
        fs::create_dir_all(&directory)?;
        Ok(Self { directory })
    }

    fn load(&self, key: &Key) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
        match fs::read(self.path(&key.to_string())) {
            Ok(value) => Ok(Some(Zeroizing::new(value))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn store(&self, key: &Key, value: &[u8]) -> io::Result<()> {
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

    fn delete(&self, key: &Key) -> io::Result<()> {
        let path = self.path(&key.to_string());
        match fs::remove_file(&path) {
            Ok(()) => self.sync_up_from(path.parent().unwrap_or(&self.directory)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn write(&self, slot: Slot, at: u64, bytes: &[u8]) -> io::Result<()> {
        let mut file =
            private().write(true).create(true).truncate(false).open(self.path(&format!("slot.{}", slot.0)))?;
        file.seek(SeekFrom::Start(at))?;
        file.write_all(bytes)?;
        file.sync_data()
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

/// A request to the store.
pub(crate) enum Job {
    Load(Key),
    Store(Key, Zeroizing<Vec<u8>>),
    Delete(Key),
    Write(Slot, u64, Vec<u8>),
}

/// How a request ended.
pub(crate) enum Finished {
    Loaded(Key, Result<Option<Zeroizing<Vec<u8>>>, StoreFailed>),
    Stored(Key, Result<(), StoreFailed>),
    Written(Slot, u64, Result<(), StoreFailed>),
}

/// Does requests one after the other, off the driver's thread: two values of one key never overtake each other.
pub(crate) struct Jobs {
    store: Option<Store>,
    waiting: VecDeque<Job>,
    running: Option<(JoinHandle<Finished>, Finished)>,
}

impl Jobs {
    pub(crate) fn new(store: Option<Store>) -> Self {
        Self { store, waiting: VecDeque::new(), running: None }
    }

    pub(crate) fn push(&mut self, job: Job) {
        self.waiting.push_back(job);
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.running.is_none()
    }

    pub(crate) fn poll_finished(&mut self, cx: &mut Context<'_>) -> Poll<Finished> {
        if self.running.is_none()
            && let Some(job) = self.waiting.pop_front()
        {
            let failed = job.failed();
            let Some(store) = self.store.clone() else {
                return Poll::Ready(failed);
            };
            self.running = Some((spawn_blocking(move || job.run(&store)), failed));
        }
        let Some((running, _)) = &mut self.running else {
            return Poll::Pending;
        };
        let Poll::Ready(outcome) = Pin::new(running).poll(cx) else {
            return Poll::Pending;
        };
        match (outcome, self.running.take()) {
            (Ok(finished), _) | (Err(_), Some((_, finished))) => Poll::Ready(finished),
            (Err(_), None) => Poll::Pending,
        }
    }
}

impl Job {
    fn failed(&self) -> Finished {
        match self {
            Self::Load(key) => Finished::Loaded(key.clone(), Err(StoreFailed)),
            Self::Store(key, _) | Self::Delete(key) => Finished::Stored(key.clone(), Err(StoreFailed)),
            Self::Write(slot, at, _) => Finished::Written(*slot, *at, Err(StoreFailed)),
        }
    }

    fn run(self, store: &Store) -> Finished {
        match self {
            Self::Load(key) => {
                let value = told("load", &key, store.load(&key));
                Finished::Loaded(key, value)
            }
            Self::Store(key, value) => {
                let done = told("store", &key, store.store(&key, &value));
                Finished::Stored(key, done)
            }
            Self::Delete(key) => {
                let done = told("delete", &key, store.delete(&key));
                Finished::Stored(key, done)
            }
            Self::Write(slot, at, bytes) => {
                let done = told("write", &slot.0, store.write(slot, at, &bytes));
                Finished::Written(slot, at, done)
            }
        }
    }
}

/// The machine hears only that it failed; the log hears why.
fn told<T>(step: &str, what: &dyn fmt::Display, result: io::Result<T>) -> Result<T, StoreFailed> {
    result.map_err(|error| {
        tracing::warn!(step, %what, %error, "the store failed");
        StoreFailed
    })
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
        assert_eq!(fs::read(store.path("slot.1")).unwrap(), b"12345678");
    }

    #[tokio::test]
    async fn without_a_store_every_request_fails() {
        let mut jobs = Jobs::new(None);
        jobs.push(Job::Load(Key::Hub));
        jobs.push(Job::Store(Key::Ota, Zeroizing::new(vec![1])));
        jobs.push(Job::Write(Slot(0), 7, vec![1]));
        let mut next = async || core::future::poll_fn(|cx| jobs.poll_finished(cx)).await;
        assert!(matches!(next().await, Finished::Loaded(Key::Hub, Err(StoreFailed))));
        assert!(matches!(next().await, Finished::Stored(Key::Ota, Err(StoreFailed))));
        assert!(matches!(next().await, Finished::Written(Slot(0), 7, Err(StoreFailed))));
        assert!(jobs.is_idle());
    }

    #[tokio::test]
    async fn requests_are_done_in_order_and_a_failure_is_told() {
        let (folder, store) = store();
        let mut jobs = Jobs::new(Some(store));
        jobs.push(Job::Store(Key::Hub, Zeroizing::new(b"a".to_vec())));
        jobs.push(Job::Load(Key::Hub));
        let mut next = async || core::future::poll_fn(|cx| jobs.poll_finished(cx)).await;
        assert!(matches!(next().await, Finished::Stored(Key::Hub, Ok(()))));
        assert!(matches!(next().await, Finished::Loaded(Key::Hub, Ok(Some(value))) if value.as_slice() == b"a"));
        // A file where the directory was.
        let place = folder.path().join("made/on/demand");
        fs::remove_dir_all(&place).unwrap();
        fs::write(&place, b"").unwrap();
        jobs.push(Job::Store(Key::Hub, Zeroizing::new(b"b".to_vec())));
        let mut next = async || core::future::poll_fn(|cx| jobs.poll_finished(cx)).await;
        assert!(matches!(next().await, Finished::Stored(Key::Hub, Err(StoreFailed))));
    }
}

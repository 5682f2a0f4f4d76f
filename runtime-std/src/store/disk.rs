//! What the store asks of a disk, step by step: so that a test can cut the power between any two of them.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Seek as _, SeekFrom, Write as _},
    path::Path,
};
use zeroize::Zeroizing;

/// A disk. Nothing outlives a power cut but what was synchronised: bytes and lengths by [`Disk::sync`], names by
/// [`Disk::sync_folder`].
pub(super) trait Disk {
    type File;

    fn make_folders(&self, path: &Path) -> io::Result<()>;
    fn read(&self, path: &Path) -> io::Result<Zeroizing<Vec<u8>>>;
    fn open(&self, path: &Path, how: How) -> io::Result<Self::File>;
    fn len(&self, file: &Self::File) -> io::Result<u64>;
    /// Cuts the file off at `len`.
    fn cut(&self, file: &Self::File, len: u64) -> io::Result<()>;
    fn write(&self, file: &mut Self::File, at: u64, bytes: &[u8]) -> io::Result<()>;
    fn sync(&self, file: &Self::File) -> io::Result<()>;
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn remove(&self, path: &Path) -> io::Result<()>;
    fn sync_folder(&self, path: &Path) -> io::Result<()>;
}

/// Which file is opened for writing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// An empty one, in place of one that is there.
    Empty,
    /// One that is there, as it is.
    Existing,
    /// One that is not there.
    New,
}

/// The operating system's. Files are readable by their owner only.
pub(super) struct Os;

impl Disk for Os {
    type File = File;

    fn make_folders(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn read(&self, path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
        fs::read(path).map(Zeroizing::new)
    }

    fn open(&self, path: &Path, how: How) -> io::Result<File> {
        let mut options = OpenOptions::new();
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        match how {
            How::Empty => options.create(true).truncate(true),
            How::Existing => &mut options,
            How::New => options.create_new(true),
        };
        options.write(true).open(path)
    }

    fn len(&self, file: &File) -> io::Result<u64> {
        file.metadata().map(|metadata| metadata.len())
    }

    fn cut(&self, file: &File, len: u64) -> io::Result<()> {
        file.set_len(len)
    }

    fn write(&self, file: &mut File, at: u64, bytes: &[u8]) -> io::Result<()> {
        file.seek(SeekFrom::Start(at))?;
        file.write_all(bytes)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        // Elsewhere a folder is no file, and names are the file system's own care.
        if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
    }
}

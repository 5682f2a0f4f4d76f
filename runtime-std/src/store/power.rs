//! The power is cut at every step that the store asks of its disk, and nothing but what was synchronised is left: what
//! was kept must still be there, and what was being kept is there whole or not at all.

use super::*;
use core::cell::{Cell, RefCell};
use std::collections::BTreeMap;

/// Names, each of the number of a file.
type Names = BTreeMap<PathBuf, usize>;

/// A disk that forgets: each name and each file has a part that is safe, and what only the memory holds.
#[derive(Default)]
struct Volatile {
    names: RefCell<(Names, Names)>,
    files: RefCell<Vec<(Vec<u8>, Vec<u8>)>>,
    /// Steps until the power is cut.
    left: Cell<usize>,
    /// Whether half of what was last written to a file has reached the disk by itself.
    torn: bool,
}

impl Volatile {
    fn new(torn: bool) -> Self {
        let disk = Self { torn, ..Self::default() };
        disk.left.set(usize::MAX);
        disk
    }

    fn step(&self) -> io::Result<()> {
        let left = self.left.get().checked_sub(1).ok_or_else(|| io::Error::other("the power is off"))?;
        self.left.set(left);
        Ok(())
    }

    /// What is there after a power cut; false where the power has not been cut.
    fn restart(&self) -> bool {
        let was_cut = self.left.replace(usize::MAX) == 0;
        let (safe, memory) = &mut *self.names.borrow_mut();
        // A new name may have reached the disk by itself, and the old one is then gone from there: both are tried.
        if !self.torn {
            memory.clone_from(safe);
        }
        safe.clone_from(memory);
        for (safe, memory) in self.files.borrow_mut().iter_mut() {
            if self.torn && memory.len() > safe.len() {
                let half = safe.len().midpoint(memory.len());
                safe.extend_from_slice(&memory[safe.len()..half]);
            }
            memory.clone_from(safe);
        }
        was_cut
    }

    fn content(&self, path: &Path) -> Option<Vec<u8>> {
        let number = *self.names.borrow().1.get(path)?;
        Some(self.files.borrow()[number].1.clone())
    }
}

impl Disk for Volatile {
    type File = usize;

    fn make_folders(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn read(&self, path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
        self.content(path).map(Zeroizing::new).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn open(&self, path: &Path, how: How) -> io::Result<usize> {
        self.step()?;
        let names = &mut self.names.borrow_mut().1;
        let mut files = self.files.borrow_mut();
        match (names.get(path), how) {
            (None, How::Existing) => Err(io::ErrorKind::NotFound.into()),
            (Some(_), How::New) => Err(io::ErrorKind::AlreadyExists.into()),
            (Some(number), _) => {
                if how == How::Empty {
                    files[*number].1.clear();
                }
                Ok(*number)
            }
            (None, _) => {
                files.push(Default::default());
                names.insert(path.to_owned(), files.len() - 1);
                Ok(files.len() - 1)
            }
        }
    }

    fn len(&self, file: &usize) -> io::Result<u64> {
        Ok(self.files.borrow()[*file].1.len() as u64)
    }

    fn cut(&self, file: &usize, len: u64) -> io::Result<()> {
        self.step()?;
        self.files.borrow_mut()[*file].1.truncate(usize::try_from(len).unwrap());
        Ok(())
    }

    fn write(&self, file: &mut usize, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.step()?;
        let content = &mut self.files.borrow_mut()[*file].1;
        let at = usize::try_from(at).unwrap();
        let end = content.len().max(at + bytes.len());
        content.resize(end, 0);
        content[at..at + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn sync(&self, file: &usize) -> io::Result<()> {
        self.step()?;
        let (safe, memory) = &mut self.files.borrow_mut()[*file];
        safe.clone_from(memory);
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
        let names = &mut self.names.borrow_mut().1;
        let number = names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        names.insert(to.to_owned(), number);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        self.names.borrow_mut().1.remove(path).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        let (safe, memory) = &mut *self.names.borrow_mut();
        safe.retain(|name, _| name.parent() != Some(path));
        safe.extend(
            memory.iter().filter(|(name, _)| name.parent() == Some(path)).map(|(name, at)| (name.clone(), *at)),
        );
        Ok(())
    }
}

fn store() -> Store {
    Store { directory: "values".into(), slots: Some("images".into()), start_empty_on_corrupt: true }
}

/// Cuts the power at each step of `work` in turn, on disks that `prepare` has filled; `judge` is told whether the work was
/// done.
fn at_every_step(
    prepare: impl Fn(&Volatile),
    work: impl Fn(&Volatile) -> io::Result<()>,
    judge: impl Fn(&Volatile, bool),
) {
    for torn in [false, true] {
        for steps in 0.. {
            let disk = Volatile::new(torn);
            prepare(&disk);
            assert!(!disk.restart());
            disk.left.set(steps);
            let done = work(&disk).is_ok();
            disk.restart();
            judge(&disk, done);
            if done {
                assert!(steps > 2, "nothing was done");
                break;
            }
        }
    }
}

#[test]
fn r_91_a_power_cut_at_any_step_leaves_the_old_value_or_the_new_one_whole() {
    for key in [Key::Hub, Key::Secret("x".repeat(500).into())] {
        for old in [None, Some(b"old value".as_slice())] {
            at_every_step(
                |disk| old.iter().for_each(|old| store().store_to(disk, &key, old).unwrap()),
                |disk| store().store_to(disk, &key, b"the new value"),
                |disk, done| {
                    let plain = Store { start_empty_on_corrupt: false, ..store() };
                    let found = plain.load_from(disk, &key).unwrap();
                    let found = found.as_ref().map(|found| found.as_slice());
                    assert!(found == Some(b"the new value") || (!done && found == old), "{found:?} done {done}");
                },
            );
        }
    }
}

#[test]
fn r_91_a_value_that_was_deleted_stays_so() {
    let deleted = Cell::new(false);
    at_every_step(
        |disk| {
            store().store_to(disk, &Key::Secret("other".into()), b"other").unwrap();
            store().store_to(disk, &Key::Secret("dev".into()), b"secret").unwrap();
        },
        |disk| {
            deleted.set(false);
            store().delete_from(disk, &Key::Secret("dev".into()))?;
            deleted.set(true);
            store().store_to(disk, &Key::Secret("next".into()), b"next")
        },
        |disk, done| {
            let has = |name: &str| store().load_from(disk, &Key::Secret(name.into())).unwrap().is_some();
            assert!(has("other") && (!deleted.get() || !has("dev")) && (!done || has("next")));
        },
    );
}

#[test]
fn r_100_what_a_slot_was_said_to_hold_it_holds_after_a_power_cut() {
    let slot = Slot(1);
    let kept = Cell::new(0_u64);
    for older in [b"".as_slice(), b"an older and longer image"] {
        at_every_step(
            |disk| {
                if !older.is_empty() {
                    store().keep_on(disk, slot, 0, older, true).unwrap();
                }
            },
            |disk| {
                kept.set(0);
                store().keep_on(disk, slot, 0, b"", true)?;
                for chunk in [b"first ", b"second", b" third"] {
                    store().keep_on(disk, slot, kept.get(), chunk, false)?;
                    kept.set(kept.get() + chunk.len() as u64);
                }
                Ok(())
            },
            |disk, done| {
                let held = disk.content(Path::new("images/slot.1")).unwrap_or_default();
                let said = usize::try_from(kept.get()).unwrap();
                assert_eq!(held.get(..said), b"first second third".get(..said), "{}", String::from_utf8_lossy(&held));
                assert!(!done || said == 18);
                // And it goes on from there.
                store().keep_on(disk, slot, kept.get(), b"", true).unwrap();
                store().keep_on(disk, slot, kept.get(), b"!", false).unwrap();
                assert_eq!(disk.content(Path::new("images/slot.1")).unwrap().len(), said + 1);
            },
        );
    }
}

#[test]
fn r_95_a_damaged_value_is_set_aside_whole_or_still_there_after_a_power_cut() {
    at_every_step(
        |disk| store().store_to(disk, &Key::Session, b"SKYT damaged").unwrap(),
        |disk| {
            assert!(store().load_from(disk, &Key::Session)?.is_none());
            store().store_to(disk, &Key::Session, b"fresh")
        },
        |disk, _| {
            let plain = Store { start_empty_on_corrupt: false, ..store() };
            let there = plain.load_from(disk, &Key::Session).unwrap();
            let aside = disk.content(Path::new("values/session.corrupt"));
            assert!(
                there.is_some_and(|there| there.as_slice() == b"SKYT damaged")
                    || aside.as_deref() == Some(b"SKYT damaged")
            );
        },
    );
}

//! What is kept, and where.

use super::*;
use std::fs;

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

#[test]
fn r_95_a_damaged_record_is_set_aside_only_if_asked_and_a_secret_never() {
    let (_folder, store) = store();
    let keys = [Key::Session, Key::Hub, Key::Ota];
    for key in &keys {
        store.store(key, b"SKYT damaged").unwrap();
        assert_eq!(store.load(key).unwrap().unwrap().as_slice(), b"SKYT damaged");
    }
    let secret = Key::Secret("dev".into());
    store.store(&secret, b"SKYT damaged").unwrap();
    let store = store.start_empty_on_corrupt();
    for key in &keys {
        assert!(store.load(key).unwrap().is_none());
        assert_eq!(fs::read(store.path(&key.to_string()).with_added_extension("corrupt")).unwrap(), b"SKYT damaged");
        store.store(key, b"SKYT\x02 of a later version").unwrap();
        assert!(store.load(key).unwrap().is_some());
    }
    assert_eq!(store.load(&secret).unwrap().unwrap().as_slice(), b"SKYT damaged");
}

#[test]
fn r_90_a_disk_that_is_full_leaves_the_old_value() {
    if !Path::new("/dev/full").exists() {
        return;
    }
    let (_folder, store) = store();
    store.store(&Key::Hub, b"old").unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("/dev/full", store.directory.join("hub.new")).unwrap();
    assert_eq!(store.store(&Key::Hub, b"new").unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert_eq!(store.load(&Key::Hub).unwrap().unwrap().as_slice(), b"old");
}

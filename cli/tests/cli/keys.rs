//! Do single keys work on a terminal, and is the terminal afterwards what it was? The terminal is a pseudo one.

use crate::support::BOUND;
use rustix::{
    fs::OFlags,
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{LocalModes, tcgetattr},
};
use std::{
    fs::{File, OpenOptions},
    io::{Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::Instant,
};

/// Reads what the command says until it holds `text`.
fn until(said: &mut String, pieces: &mpsc::Receiver<String>, text: &str) {
    let begun = Instant::now();
    while !said.contains(text) {
        let left = BOUND.saturating_sub(begun.elapsed());
        let piece = pieces.recv_timeout(left).unwrap_or_else(|_| panic!("no {text:?} in time: {said}"));
        said.push_str(&piece);
    }
}

#[test]
fn single_keys_are_obeyed_at_once_and_the_terminal_is_what_it_was() {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    let slave = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(i32::try_from(OFlags::NOCTTY.bits()).unwrap())
        .open(name)
        .unwrap();
    let before = tcgetattr(&slave).unwrap().local_modes;
    assert!(before.contains(LocalModes::ICANON | LocalModes::ECHO), "a terminal begins so");

    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_skytether"))
        .args(["sim", "--dir", folder.path().join("cloud").to_str().unwrap()])
        .stdin(Stdio::from(slave.try_clone().unwrap()))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut out = child.stdout.take().unwrap();
    let (tell, pieces) = mpsc::channel();
    let reader = thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(len) = out.read(&mut bytes) {
            if len == 0 || tell.send(String::from_utf8_lossy(&bytes[..len]).into_owned()).is_err() {
                return;
            }
        }
    });
    let mut said = String::new();
    let mut keys = File::from(master);
    until(&mut said, &pieces, "Ready.");
    assert!(!tcgetattr(&slave).unwrap().local_modes.intersects(LocalModes::ICANON | LocalModes::ECHO));
    for (typed, told) in [
        (&b"r"[..], "told to misbehave: refuse=5\n"),
        (b"r", "told to misbehave: refuse=off\n"),
        (b"c", "nobody is connected\n"),
        (b":delay=2x\x7fs\n", "told to misbehave: delay=2s\n"),
        (b"?", "take over every client"),
        (b"q", "The clouds close their connections and end.\n"),
    ] {
        keys.write_all(typed).unwrap();
        until(&mut said, &pieces, told);
    }
    assert!(child.wait().unwrap().success());
    reader.join().unwrap();
    assert_eq!(tcgetattr(&slave).unwrap().local_modes, before);
}

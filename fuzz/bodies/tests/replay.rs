//! Do the bodies hold on every committed seed, on bytes changed at random, and on seeds put together?
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use core::{fmt::Write as _, panic::AssertUnwindSafe};
use skytether_core::rng::Rng;
use skytether_fuzz_bodies::{TARGETS, Target};
use std::{fs, panic::catch_unwind, path::PathBuf};

/// Changed inputs of each body: few enough for a second or two in all.
const CHANGED: usize = 400;

/// The committed seeds of a target, with their names.
fn corpus(target: &Target) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../corpus").join(target.name);
    let mut files: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|file| (file.clone(), fs::read(file).unwrap())).collect()
}

/// Runs a body; where it panics, says on what.
fn run(target: &Target, data: &[u8], what: &str) {
    if catch_unwind(AssertUnwindSafe(|| (target.run)(data))).is_err() {
        let bytes = data.iter().take(400).fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        });
        panic!("target {} fails on {what}, {} bytes: {bytes}", target.name, data.len());
    }
}

#[test]
fn every_target_has_its_binary_and_its_seeds() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fuzz_targets");
    let mut binaries: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    binaries.sort();
    let mut names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    names.sort_unstable();
    assert_eq!(binaries, names);
    for target in TARGETS {
        assert!(corpus(&target).len() >= 12, "{} has too few seeds to begin from", target.name);
    }
}

#[test]
fn every_committed_seed_passes_its_body() {
    for target in TARGETS {
        for (file, data) in corpus(&target) {
            run(&target, &data, &file.display().to_string());
        }
    }
}

#[test]
fn every_body_holds_on_seeds_changed_at_random() {
    for target in TARGETS {
        let seeds = corpus(&target);
        let mut rng = Rng::new([42; 32]);
        for round in 0..CHANGED {
            let mut data = seeds[below(&mut rng, seeds.len())].1.clone();
            for _ in 0..=below(&mut rng, 4) {
                change(&mut rng, &mut data, &seeds);
            }
            run(&target, &data, &format!("changed seed {round}"));
        }
    }
}

fn below(rng: &mut Rng, bound: usize) -> usize {
    usize::try_from(rng.up_to(bound.max(1) as u64 - 1)).unwrap()
}

/// One of the changes that libFuzzer makes too.
fn change(rng: &mut Rng, data: &mut Vec<u8>, seeds: &[(PathBuf, Vec<u8>)]) {
    let at = below(rng, data.len() + 1);
    match below(rng, 6) {
        0 => data.truncate(at),
        1 => data.insert(at, u8::try_from(below(rng, 256)).unwrap()),
        2 if at < data.len() => drop(data.remove(at)),
        3 => {
            let other = &seeds[below(rng, seeds.len())].1;
            data.truncate(at);
            data.extend_from_slice(&other[below(rng, other.len() + 1)..]);
        }
        4 => {
            let end = at + below(rng, data.len() - at + 1);
            let part = data[at..end].to_vec();
            data.splice(at..at, part);
        }
        _ if at < data.len() => data[at] ^= 1 << below(rng, 8),
        _ => {}
    }
    data.truncate(4096);
}

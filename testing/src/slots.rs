//! What every driver must do with slots: one list, run against each of them.
#![allow(missing_docs, reason = "a scenario's name says what must hold")]
#![allow(clippy::wildcard_enum_match_arm, reason = "what a scenario does not expect fails it")]

use crate::{
    drive::{PATIENCE, Running, Runtime, until},
    fetcher::{Fetcher, Heard, begin, get},
    files::{Files, answer, good, image},
};
use skytether_core::io::{Action, Cause, Exchange, ExchangeId, Sink, Slot, StoreFailed};
use skytether_std::{options::Options, store::Store};
use std::{
    fs,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};
use tempfile::TempDir;

/// Makes a test of each scenario of [`slots`](crate::slots) for one runtime.
#[macro_export]
macro_rules! slot_tests {
    ($runtime:ty) => {
        $crate::tests_of!(
            slots, $runtime;
            a_slot_holds_each_chunk_before_the_machine_sees_it,
            r_100_a_download_goes_on_where_it_was_cut_off,
            what_an_older_image_left_behind_is_cut_off,
            a_page_that_is_no_image_never_reaches_the_slot,
            r_106_a_disk_that_is_full_fails_the_exchange_and_not_the_device,
            without_a_store_nothing_is_fetched,
            what_was_cancelled_is_not_told_when_it_is_written,
            ranges_of_a_slot_are_written_where_the_options_say,
        );
    };
}

const SLOT: Slot = Slot(1);
const ONE: ExchangeId = ExchangeId(1);

/// A device with a store of its own.
struct Bench {
    folder: TempDir,
    device: Box<dyn Running<Fetcher>>,
}

impl Bench {
    fn new<R: Runtime>(machine: Fetcher) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Some(Store::directory(folder.path().join("values")).unwrap());
        Self { device: R::start(machine, Options { store, ..Options::default() }), folder }
    }

    fn slot(&self) -> PathBuf {
        self.folder.path().join("values/slot.1")
    }

    fn next(&mut self) -> Heard {
        self.device.next(PATIENCE).expect("an answer in time")
    }

    /// The body that is told of one exchange, and its end.
    fn fetch(&mut self, exchange: Exchange) -> (Vec<u8>, Result<(), Cause>) {
        self.device.send(begin(1, exchange));
        let mut body = Vec::new();
        loop {
            match self.next() {
                Heard::Head(..) => {}
                Heard::Chunk(_, bytes) => body.extend(bytes),
                Heard::End(_) => return (body, Ok(())),
                Heard::Failed(_, cause) => return (body, Err(cause)),
                other @ Heard::Written(..) => panic!("{other:?}"),
            }
        }
    }
}

pub fn a_slot_holds_each_chunk_before_the_machine_sees_it<R: Runtime>() {
    let file = image(500_000);
    let files = Files::saying(good(&file, "\"v1\""));
    // Looked at in the very moment in which the machine hears of it.
    let (place, held) = (Arc::new(Mutex::new(PathBuf::new())), Arc::new(Mutex::new(Vec::new())));
    let (there, seen, mut told) = (Arc::clone(&place), Arc::clone(&held), 0);
    let react = move |heard: &Heard| {
        if let Heard::Chunk(_, bytes) = heard {
            let held = fs::read(&*there.lock().unwrap()).unwrap();
            let ours = held.get(told..told + bytes.len()) == Some(bytes.as_slice());
            told += bytes.len();
            seen.lock().unwrap().push(ours);
        }
        Vec::new()
    };
    let mut bench = Bench::new::<R>(Fetcher::reacting(Box::new(react)));
    *place.lock().unwrap() = bench.slot();
    let (body, end) = bench.fetch(get(files.url(), Sink::Slot(SLOT)));
    assert_eq!(end, Ok(()));
    assert!(body == file && fs::read(bench.slot()).unwrap() == file);
    let held = held.lock().unwrap();
    assert!(held.len() > 1 && held.iter().all(|held| *held), "{held:?}");
    bench.device.close();
}

pub fn r_100_a_download_goes_on_where_it_was_cut_off<R: Runtime>() {
    let file = image(400_000);
    let serve = good(&file, "\"v1\"");
    // The first answer is cut off in the middle.
    let files = Files::hanging_up(move |request| {
        let mut said = serve(request);
        if request.first().is_none() {
            said.truncate(150_000);
        }
        said
    });
    let mut bench = Bench::new::<R>(Fetcher::new());
    let (begun, end) = bench.fetch(get(files.url(), Sink::Slot(SLOT)));
    assert_eq!(end, Err(Cause::Lost));
    assert!(fs::read(bench.slot()).unwrap() == begun, "the part that came is not kept");
    let (rest, end) = bench.fetch(Exchange { range: Some(begun.len() as u64), ..get(files.url(), Sink::Slot(SLOT)) });
    assert_eq!(end, Ok(()));
    assert!([begun, rest].concat() == file && fs::read(bench.slot()).unwrap() == file);
    // A slot that has lost what was there cannot be gone on with.
    fs::remove_file(bench.slot()).unwrap();
    let (_, end) = bench.fetch(Exchange { range: Some(1000), ..get(files.url(), Sink::Slot(SLOT)) });
    assert!(matches!(end, Err(Cause::Storage(why)) if why.contains("begin anew")), "{end:?}");
    bench.device.close();
}

pub fn what_an_older_image_left_behind_is_cut_off<R: Runtime>() {
    let file = image(1000);
    let files = Files::saying(good(&file, "\"v1\""));
    let mut bench = Bench::new::<R>(Fetcher::new());
    let older = [&file[..600], &[0xee; 5000]].concat();
    for range in [None, Some(600)] {
        fs::write(bench.slot(), &older).unwrap();
        let (_, end) = bench.fetch(Exchange { range, ..get(files.url(), Sink::Slot(SLOT)) });
        assert_eq!(end, Ok(()));
        assert!(fs::read(bench.slot()).unwrap() == file, "{range:?}");
    }
    // The whole came in place of a part, another version perhaps: the machine decides what becomes of what is there.
    let whole = Files::saying(|_| answer("200 OK", "", b"new"));
    fs::write(bench.slot(), &older).unwrap();
    let (body, end) = bench.fetch(Exchange { range: Some(600), ..get(whole.url(), Sink::Slot(SLOT)) });
    let cause = Cause::Http("it sent the whole instead of the range that was asked for");
    assert_eq!((body.as_slice(), end), (b"".as_slice(), Err(cause)));
    assert!(fs::read(bench.slot()).unwrap() == older);
    bench.device.close();
}

pub fn a_page_that_is_no_image_never_reaches_the_slot<R: Runtime>() {
    let mut bench = Bench::new::<R>(Fetcher::new());
    fs::write(bench.slot(), b"partial").unwrap();
    for status in ["404 Not Found", "302 Found", "503 Busy", "416 Range Not Satisfiable"] {
        let files = Files::saying(move |_| answer(status, "", b"<html>"));
        let (body, end) = bench.fetch(Exchange { range: Some(7), ..get(files.url(), Sink::Slot(SLOT)) });
        assert_eq!((body.as_slice(), end), (b"".as_slice(), Ok(())), "{status}");
    }
    let elsewhere = Files::saying(|_| answer("206 Partial", "Content-Range: bytes 3-8/9\r\n", b"<html>"));
    let (_, end) = bench.fetch(Exchange { range: Some(7), ..get(elsewhere.url(), Sink::Slot(SLOT)) });
    assert_eq!(end, Err(Cause::Http("it sent another range than was asked for")));
    assert_eq!(fs::read(bench.slot()).unwrap(), b"partial");
    bench.device.close();
}

pub fn r_106_a_disk_that_is_full_fails_the_exchange_and_not_the_device<R: Runtime>() {
    if !PathBuf::from("/dev/full").exists() {
        eprintln!("no /dev/full here");
        return;
    }
    let file = image(100_000);
    let files = Files::saying(good(&file, "\"v1\""));
    let mut bench = Bench::new::<R>(Fetcher::new());
    #[cfg(unix)]
    std::os::unix::fs::symlink("/dev/full", bench.slot()).unwrap();
    let (_, end) = bench.fetch(get(files.url(), Sink::Slot(SLOT)));
    assert!(matches!(end, Err(Cause::Storage(why)) if why.contains("no room")), "{end:?}");
    bench.device.send(Action::Write(SLOT, 0, b"x".to_vec()));
    assert_eq!(bench.next(), Heard::Written(SLOT, 0, Err(StoreFailed)));
    until("the transfer goes on", || files.ended() == 1);
    fs::remove_file(bench.slot()).unwrap();
    assert_eq!(bench.fetch(get(files.url(), Sink::Slot(SLOT))).1, Ok(()));
    bench.device.close();
}

pub fn without_a_store_nothing_is_fetched<R: Runtime>() {
    let files = Files::saying(good(&image(1000), "\"v1\""));
    let mut device = R::start(Fetcher::new(), Options::default());
    device.send(begin(1, get(files.url(), Sink::Slot(SLOT))));
    assert!(matches!(device.next(PATIENCE), Some(Heard::Head(..))));
    let failed = device.next(PATIENCE);
    assert!(matches!(failed, Some(Heard::Failed(ONE, Cause::Storage(_)))), "{failed:?}");
    device.send(Action::Write(SLOT, 0, b"x".to_vec()));
    assert_eq!(device.next(PATIENCE), Some(Heard::Written(SLOT, 0, Err(StoreFailed))));
    device.close();
}

pub fn what_was_cancelled_is_not_told_when_it_is_written<R: Runtime>() {
    let files = Files::start(|_, pipe| {
        pipe.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")?;
        loop {
            pipe.write_all(&[b'x'; 10_000])?;
        }
    });
    let mut bench = Bench::new::<R>(Fetcher::new());
    for id in 1..20 {
        bench.device.send(begin(id, get(files.url(), Sink::Slot(SLOT))));
        loop {
            match bench.next() {
                Heard::Head(head, _) if head == ExchangeId(id) => {}
                Heard::Chunk(chunk, _) if chunk == ExchangeId(id) => break,
                other => panic!("{other:?} while {id} is under way"),
            }
        }
        // At this moment, as a rule, the next chunk is being written.
        bench.device.send(Action::Cancel(ExchangeId(id)));
        while let Some(heard) = bench.device.next(Duration::ZERO) {
            assert!(matches!(heard, Heard::Chunk(chunk, _) if chunk == ExchangeId(id)), "{heard:?}");
        }
    }
    assert_eq!(bench.device.next(Duration::from_millis(50)), None);
    until("a transfer goes on", || files.ended() == 19);
    bench.device.close();
}

pub fn ranges_of_a_slot_are_written_where_the_options_say<R: Runtime>() {
    let folder = tempfile::tempdir().unwrap();
    let images = folder.path().join("big/images");
    let store = Store::directory(folder.path().join("values")).unwrap().with_slots_in(&images).unwrap();
    let mut device = R::start(Fetcher::new(), Options { store: Some(store), ..Options::default() });
    for (at, bytes) in [(4, b"5678"), (0, b"1234")] {
        device.send(Action::Write(SLOT, at, bytes.to_vec()));
        assert_eq!(device.next(PATIENCE), Some(Heard::Written(SLOT, at, Ok(()))));
    }
    assert_eq!(fs::read(images.join("slot.1")).unwrap(), b"12345678");
    let files = Files::saying(|_| answer("200 OK", "", b"image"));
    device.send(begin(1, get(files.url(), Sink::Slot(Slot(2)))));
    while !matches!(device.next(PATIENCE), Some(Heard::End(ONE))) {}
    assert_eq!(fs::read(images.join("slot.2")).unwrap(), b"image");
    assert_eq!(fs::read_dir(folder.path().join("values")).unwrap().count(), 0);
    device.close();
}

//! What every driver must do with a serial line: one list, run against each of them, over pseudo-terminals and
//! TCP.
#![allow(missing_docs, reason = "a scenario's name says what must hold")]

use crate::{
    drive::{PATIENCE, Running, Runtime},
    script::{Script, Told},
};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use skytether_core::io::{Cause, Pipe};
use skytether_std::{options::Options, serial::Serial};
use std::{
    fs::File,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpListener,
    path::Path,
    time::{Duration, Instant},
};

/// Makes a test of each scenario of [`lines`](crate::lines) for one runtime.
#[macro_export]
macro_rules! line_tests {
    ($runtime:ty) => {
        $crate::tests_of!(
            lines, $runtime;
            a_line_is_read_and_written_at_the_same_time,
            every_byte_passes_as_it_is,
            a_line_over_tcp_is_one_too,
            an_unplugged_modem_is_lost_and_found_again,
            a_line_is_let_go_of_before_it_is_opened_again,
            a_line_that_cannot_be_opened_says_what_would_help,
            without_a_line_a_machine_that_wants_one_is_told_so,
            a_modem_that_reads_nothing_holds_no_one_up,
        );
    };
}

/// A pseudo-terminal: the modem's end, and the path of ours.
fn pty() -> (File, String) {
    let modem = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&modem).unwrap();
    unlockpt(&modem).unwrap();
    let path = ptsname(&modem, Vec::new()).unwrap().into_string().unwrap();
    (modem.into(), path)
}

fn machine() -> Script {
    Script { pipe: Pipe::Serial, ..Script::new() }
}

fn options(place: &str) -> Options {
    Options { serial: Some(Serial::at(place)), ..Options::default() }
}

type Device = Box<dyn Running<Script>>;

fn next(device: &mut Device) -> Told {
    device.next(PATIENCE).expect("something in time")
}

/// A modem that acknowledges each command; ends with the line.
fn acknowledge(reader: impl std::io::Read, mut writer: impl std::io::Write) -> Vec<String> {
    let mut seen = Vec::new();
    for line in BufReader::new(reader).lines() {
        // A pseudo-terminal whose other end is closed is an error.
        let Ok(line) = line else { break };
        if let Some((tag, _)) = line.split_once(' ') {
            writer.write_all(format!("ok {tag}\n").as_bytes()).unwrap();
        }
        let bye = line == "bye";
        seen.push(line);
        if bye {
            break;
        }
    }
    seen
}

pub fn a_line_is_read_and_written_at_the_same_time<R: Runtime>() {
    let (modem, path) = pty();
    let mut device: Device = R::start(machine(), options(&path));
    assert_eq!(next(&mut device), Told::Up);
    let long = "x".repeat(3000);
    let lines = 60;
    let talking = {
        let (mut modem, said) = (modem.try_clone().unwrap(), long.clone());
        std::thread::spawn(move || {
            for _ in 0..lines {
                modem.write_all(format!("{said}\n").as_bytes()).unwrap();
            }
        })
    };
    let listening = {
        let modem = modem.try_clone().unwrap();
        std::thread::spawn(move || {
            let mut reader = BufReader::new(modem);
            (0..lines)
                .map(|_| {
                    let mut line = String::new();
                    reader.read_line(&mut line).unwrap();
                    line.len()
                })
                .collect::<Vec<_>>()
        })
    };
    // Ended as soon as they are sent.
    for _ in 0..lines {
        device.send(format!("!{long}"));
    }
    let heard = (0..lines).map(|_| next(&mut device)).filter(|told| *told == Told::Line(long.clone())).count();
    assert_eq!(heard, lines);
    talking.join().unwrap();
    // Tag, blank, mark and end of line.
    assert!(listening.join().unwrap().iter().all(|len| (3004..=3005).contains(len)));
    device.close();
}

pub fn every_byte_passes_as_it_is<R: Runtime>() {
    let (mut modem, path) = pty();
    let mut device: Device = R::start(machine(), options(&path));
    assert_eq!(next(&mut device), Told::Up);
    // Also what a terminal would take for an interrupt, an end, or a command to hold on.
    let every: String = (1..128_u8).filter(|byte| *byte != b'\n' && *byte != b'?').map(char::from).collect();
    modem.write_all(format!("{every}\n").as_bytes()).unwrap();
    assert_eq!(next(&mut device), Told::Line(every.clone()));
    // What it is asked it says again.
    modem.write_all(format!("?{every}\n").as_bytes()).unwrap();
    let mut said = vec![0; every.len() + 2];
    modem.read_exact(&mut said).unwrap();
    assert_eq!(String::from_utf8(said).unwrap(), format!("?{every}\n"));
    device.close();
}

pub fn a_line_over_tcp_is_one_too<R: Runtime>() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = format!("tcp://{}", listener.local_addr().unwrap());
    let modem = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let first = acknowledge(&stream, &stream);
        drop(stream);
        let (stream, _) = listener.accept().unwrap();
        stream.shutdown(std::net::Shutdown::Both).unwrap();
        let (stream, _) = listener.accept().unwrap();
        (first, acknowledge(&stream, &stream))
    });
    let mut device: Device = R::start(machine(), options(&place));
    assert_eq!(next(&mut device), Told::Up);
    device.send("a".into());
    device.close();
    let mut device: Device = R::start(machine(), options(&place));
    assert_eq!([next(&mut device), next(&mut device)], [Told::Up, Told::Down(Cause::Lost)]);
    assert_eq!(next(&mut device), Told::Up);
    device.send("b".into());
    device.close();
    let (first, second) = modem.join().unwrap();
    assert_eq!((first, second), (vec!["0 a".into(), "bye".into()], vec!["0 b".into(), "bye".into()]));
}

pub fn an_unplugged_modem_is_lost_and_found_again<R: Runtime>() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("modem");
    let (modem, first) = pty();
    std::os::unix::fs::symlink(first, &path).unwrap();
    let mut device: Device = R::start(machine(), options(path.to_str().unwrap()));
    assert_eq!(next(&mut device), Told::Up);
    drop(modem);
    assert_eq!(next(&mut device), Told::Down(Cause::Lost));
    // The machine tries again and again.
    let Told::Down(Cause::Serial(why)) = next(&mut device) else { panic!("no reason") };
    assert!(why.contains("there is no such device") || why.contains("could not open it"), "{why}");
    let (modem, second) = pty();
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink(second, &path).unwrap();
    while next(&mut device) != Told::Up {}
    let modem = std::thread::spawn(move || acknowledge(modem.try_clone().unwrap(), modem));
    device.send("again".into());
    device.close();
    assert_eq!(modem.join().unwrap(), ["0 again", "bye"]);
}

pub fn a_line_is_let_go_of_before_it_is_opened_again<R: Runtime>() {
    let (mut modem, path) = pty();
    // It closes the line and opens it again, many times, while the modem goes on talking.
    let mut device: Device = R::start(Script { redial: Some(Duration::ZERO), ..machine() }, options(&path));
    let begin = Instant::now();
    for round in 0..20 {
        assert_eq!(next(&mut device), Told::Up);
        modem.write_all(format!("round {round}\n").as_bytes()).unwrap();
        // Two readers would each get a part of it.
        assert_eq!(next(&mut device), Told::Line(format!("round {round}")));
        device.send("!hang up".into());
        assert_eq!(next(&mut device), Told::Down(Cause::Asked));
    }
    // There is no end of it that anyone could wait for.
    assert!(begin.elapsed() < Duration::from_secs(6), "{:?}", begin.elapsed());
    device.close();
}

pub fn a_line_that_cannot_be_opened_says_what_would_help<R: Runtime>() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, b"x").unwrap();
    let missing = folder.path().join("missing");
    for (path, fix) in [(&missing, "plug the modem in"), (&file, "it is no serial line")] {
        let mut device: Device = R::start(machine(), options(path.to_str().unwrap()));
        let told = next(&mut device);
        assert!(matches!(told, Told::Down(Cause::Serial(why)) if why.contains(fix)), "{told:?}");
        device.close();
    }
    denied::<R>(folder.path());
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut device: Device = R::start(machine(), options(&format!("tcp://{closed}")));
    assert_eq!(next(&mut device), Told::Down(Cause::Unreachable));
    device.close();
}

/// Only where the tests are not root, who may open everything.
fn denied<R: Runtime>(folder: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let path = folder.join("denied");
    std::fs::write(&path, b"").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).unwrap();
    if File::open(&path).is_ok() {
        eprintln!("as root, nothing is denied");
        return;
    }
    let mut device: Device = R::start(machine(), options(path.to_str().unwrap()));
    let told = next(&mut device);
    assert!(matches!(told, Told::Down(Cause::Serial(why)) if why.contains("group dialout")), "{told:?}");
    device.close();
}

pub fn without_a_line_a_machine_that_wants_one_is_told_so<R: Runtime>() {
    let mut device: Device = R::start(machine(), Options::default());
    let told = next(&mut device);
    assert!(matches!(told, Told::Down(Cause::Unsupported(why)) if why.contains("serial line")), "{told:?}");
    device.close();
}

pub fn a_modem_that_reads_nothing_holds_no_one_up<R: Runtime>() {
    let (mut modem, path) = pty();
    let mut device: Device = R::start(Script { beat: Some(Duration::from_millis(5)), ..machine() }, options(&path));
    assert_eq!(next(&mut device), Told::Up);
    // Its buffer and the driver's are full after a few of these; each is answered by as much.
    rustix::io::ioctl_fionbio(&modem, true).unwrap();
    for _ in 0..100 {
        let _ = modem.write_all(format!("?{}\n", "x".repeat(2000)).as_bytes());
        std::thread::sleep(Duration::from_millis(1));
    }
    for _ in 0..50 {
        assert_eq!(next(&mut device), Told::Beat);
    }
    let begin = Instant::now();
    device.close();
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    drop(modem);
}

//! Does the modem link hold whatever a module says, in whatever pieces, and whatever its owner does meanwhile?
//!
//! Bytes: a byte of options (dialect, piece length), then a list of things, each a byte and what it needs: lines and
//! noise of the module, a module that does as it is told, what goes out, time, messages, requests, farewells, losses.

use crate::script::Script;
use core::time::Duration;
use skytether_core::{
    at::{
        Dialect, Line, Modem, Options, Parser, Wifi,
        encode::{self, Param},
    },
    io::{Action, Cause, Instant, Tag},
    limits::Limits,
    link::{Connect, Endpoint, Lane, Link, Notice, Publish, QoS, TlsIdentity},
    secret::Secret,
};
use std::collections::BTreeSet;

const PASSPHRASE: &str = "correct horse";
const PASSWORD: &str = "battery staple";

/// What a module says.
const WORDS: [&str; 30] = [
    "OK\r\n",
    "ERROR:47,\"MQTT Error\"\r\n",
    "ERROR:8.0,\"MQTT Error\"\r\n",
    "ERROR:6\r\n",
    "\r+MQTTCONN:1\r\n>",
    "\r+MQTTCONN:0\r\n>",
    "\r+MQTTCONNACK:0,0\r\n>",
    "\r+MQTTCONNACK:1,1\r\n>",
    "\r+MQTTSUB:0\r\n>",
    "\r+MQTTSUB:1\r\n>",
    "\r+MQTTUNSUB:1\r\n>",
    "\r+MQTTPUBACC\r\n>",
    "\r+MQTTPUBACK:7\r\n>",
    "\r+MQTTPUBCOMP\r\n>",
    "\r+MQTTPUBERR\r\n>",
    "+MQTTPUB:7\r\n",
    "+WSTA:1\r\n",
    "+WSTA:0\r\n",
    "\r+WSTAAIP:1,\"10.0.0.1\"\r\n>",
    "\r+WSTALD\r\n>",
    "\r+WSTAERR:1\r\n>",
    "\r+BOOT:\"x\"\r\n>",
    "+GMM:\"RNWF02\"\r\n",
    "+GMM=\"PIC32MZW1\"\r\n",
    "+TIME:1800000000\r\n",
    "\r+MQTTPUB:1,\"t\",7,\"{\"a\":1}\"\r\n>",
    "\r+MQTTSUBRX:0,1,0,\"t\",\"x\\\"\"\r\n>",
    "\r+MQTTSUBRX:0,1,0,\"t\",3,9\r\n>",
    "+MQTTSUBRD:3,\"x\"\r\n",
    "ATE0\r\n",
];

pub(crate) fn run(data: &[u8]) {
    let mut script = Script::new(data);
    let options = script.byte();
    let dialect = [Dialect::Auto, Dialect::AnyCloud, Dialect::Rnwf][usize::from(options % 3)];
    let piece = usize::from(options / 3 % 8) + 1;
    strings(script);
    let (mut whole, mut cut) = (Desk::new(dialect, usize::MAX), Desk::new(dialect, piece));
    for _ in 0..200 {
        if script.is_empty() {
            break;
        }
        let before = script;
        whole.act(&mut script);
        cut.act(&mut before.clone());
        assert_eq!(whole.told, cut.told, "the same in any pieces (R-2)");
        assert_eq!(whole.modem.transmit(), cut.modem.transmit(), "the same in any pieces (R-2)");
        assert_eq!(whole.modem.deadline(), cut.modem.deadline(), "the same in any pieces (R-2)");
        whole.told.clear();
        cut.told.clear();
    }
    whole.finish();
}

/// What is written as a parameter is read as it was.
fn strings(script: Script<'_>) {
    let bytes = script.rest();
    let mut line = Vec::new();
    encode::append(&mut line, "+X", &[Param::Bytes(bytes)], usize::MAX).expect("no limit");
    let answer = [b"+X:", line.strip_prefix(b"AT+X=").expect("the name")].concat();
    let mut scratch = Vec::new();
    let (used, read) = Parser::new(Dialect::Rnwf, answer.len()).read(&answer, &mut scratch);
    let Some(Line::Record(record)) = read else { panic!("{read:?}") };
    assert_eq!(used, answer.len() - 1, "up to CR");
    assert!(record.values().eq([skytether_core::at::Value::Bytes(bytes.into())]), "{bytes:?}");
}

/// The owner of a modem, and the module.
struct Desk {
    modem: Modem,
    now: Instant,
    piece: usize,
    scratch: Vec<u8>,
    told: Vec<String>,
    open: BTreeSet<u32>,
    last: u32,
    /// What the module has been told to do, line by line.
    up: bool,
}

impl Desk {
    fn new(dialect: Dialect, piece: usize) -> Self {
        let wifi = Wifi { ssid: "lab".into(), passphrase: Secret::new(PASSPHRASE), ..Wifi::default() };
        let options = Options { dialect, wifi: Some(wifi), ..Options::default() };
        let limits = Limits { packet_in: 256, queued: 8, queued_bytes: 1024, ..Limits::default() };
        let mut desk = Self {
            modem: Modem::new(options, limits),
            now: Instant(1000),
            piece,
            scratch: Vec::new(),
            told: Vec::new(),
            open: BTreeSet::new(),
            last: 0,
            up: false,
        };
        desk.dial();
        desk
    }

    fn act(&mut self, script: &mut Script<'_>) {
        match script.byte() % 12 {
            0 => self.say(script.piece()),
            1 | 2 => self.say(script.pick(&WORDS).as_bytes()),
            3 | 4 => self.serve(),
            5 => {
                let len = script.choice(64);
                self.take(len + 1);
            }
            6 => self.take(usize::MAX),
            7 => {
                if let Some(deadline) = self.modem.deadline() {
                    self.now = self.now.max(deadline.at);
                }
            }
            8 => {
                let (lane, qos) = (script.pick(&[Lane::Setup, Lane::Reply, Lane::App]), script.choice(3));
                let ttl = (script.choice(4) == 0).then_some(Duration::from_secs(3));
                let qos = QoS::from_level(u8::try_from(qos).expect("small")).expect("a level");
                self.last += 1;
                let (tag, payload) = (Tag(self.last), script.piece());
                let publish = Publish { tag, lane, topic: &["t/", "x"], payload, qos, retain: false, ttl };
                if self.modem.publish(self.now, publish).is_ok() {
                    self.open.insert(self.last);
                }
            }
            9 => {
                self.last += 1;
                let (tag, lane) = (Tag(self.last), script.pick(&[Lane::Setup, Lane::App]));
                let filter = script.pick(&["a", "b/#", "+", "\"", "\u{e9}"]);
                let asked = if script.choice(3) == 0 {
                    self.modem.unsubscribe(self.now, tag, &[filter])
                } else {
                    self.modem.subscribe(self.now, tag, lane, &[filter], QoS::AtLeastOnce)
                };
                if asked.is_ok() {
                    self.open.insert(self.last);
                }
            }
            10 => {
                let drain = (script.choice(2) == 0).then_some(Duration::from_secs(2));
                self.modem.hang_up(self.now, drain);
            }
            _ => {
                self.modem.closed(self.now, Cause::Lost);
                self.settle();
                self.dial();
            }
        }
        self.settle();
        let shown = format!("{:?}", self.modem);
        assert!(!shown.contains(PASSPHRASE) && !shown.contains(PASSWORD), "a secret in debug output (R-10)");
        assert!(self.scratch.capacity() <= 4096, "{} bytes for one line (R-4)", self.scratch.capacity());
    }

    fn dial(&mut self) {
        let to = Endpoint { tls: TlsIdentity::Client, ..Endpoint::tcp("h.example", 8883) };
        let connect = Connect {
            client_id: "dev".into(),
            user_name: Some("user".into()),
            password: Some(Secret::new(PASSWORD)),
            ..Connect::default()
        };
        self.modem.dial(self.now, &to, connect).expect("it fits");
        self.modem.opened(self.now);
        self.settle();
    }

    fn say(&mut self, bytes: &[u8]) {
        for mut piece in bytes.chunks(self.piece) {
            while !piece.is_empty() {
                let (used, notice) = self.modem.read(self.now, piece, &mut self.scratch);
                assert!(used > 0 || notice.is_some(), "it neither reads nor speaks");
                piece = &piece[used..];
                let said = notice.as_ref().map(|notice| hear(&mut self.open, notice));
                self.take_in(said);
            }
            self.settle();
        }
    }

    fn take_in(&mut self, said: Option<String>) {
        if said.as_ref().is_some_and(|said| said.starts_with("Up")) {
            self.modem.ready();
        }
        self.told.extend(said);
    }

    /// What time and the store bring, until nothing comes.
    fn settle(&mut self) {
        for _ in 0..10_000 {
            let notice = self.modem.read(self.now, &[], &mut self.scratch).1;
            let said = notice.as_ref().map(|notice| hear(&mut self.open, notice));
            let quiet = said.is_none();
            self.take_in(said);
            let want = self.modem.want();
            assert!(matches!(want, None | Some(Action::Close)), "{want:?}");
            if quiet && want.is_none() {
                let late = self.modem.deadline().filter(|deadline| deadline.at <= self.now);
                assert!(late.is_none(), "a deadline in the past: {late:?} (R-9)");
                return;
            }
        }
        panic!("no rest (R-9)");
    }

    /// Takes what goes out; a line is sound, and fits.
    fn take(&mut self, len: usize) {
        let out = self.modem.transmit();
        // Of a line under way, only its end may be left.
        assert!(out.is_empty() || out.ends_with(b"\r\n") || out == b"\n", "{out:?}");
        assert!(out.len() <= self.modem.dialect().line() + 2, "{} bytes", out.len());
        let inside = &out[..out.len().saturating_sub(2)];
        assert!(inside.iter().all(|byte| matches!(byte, b' '..=b'~')), "{out:?}");
        let len = len.min(out.len());
        if len > 0 {
            self.modem.sent(self.now, len);
            self.settle();
        }
    }

    /// The module does what it is told.
    fn serve(&mut self) {
        for _ in 0..1000 {
            let line = String::from_utf8_lossy(self.modem.transmit()).into_owned();
            if line.is_empty() {
                return;
            }
            self.take(usize::MAX);
            let said = self.obey(line.trim_end());
            self.say(said.as_bytes());
        }
        panic!("the modem never rests");
    }

    fn obey(&mut self, line: &str) -> String {
        let up = u8::from(self.up);
        match line.split('=').next().unwrap_or_default() {
            "AT+GMM" => "+GMM=\"PIC32MZW1\"\r\nOK\r\n".into(),
            "AT+WSTA" => "+WSTA:1\r\nOK\r\n".into(),
            "AT+MQTTCONN" if !line.contains('=') => format!("+MQTTCONN:{up}\r\nOK\r\n"),
            "AT+MQTTCONN" => {
                self.up = true;
                "OK\r\n\r+MQTTCONNACK:0,0\r\n>\r+MQTTCONN:1\r\n>".into()
            }
            "AT+MQTTDISCONN" => {
                self.up = false;
                "OK\r\n\r+MQTTCONN:0\r\n>".into()
            }
            "AT+MQTTSUB" => "OK\r\n\r+MQTTSUB:0\r\n>".into(),
            "AT+MQTTUNSUB" => "OK\r\n\r+MQTTUNSUB:1\r\n>".into(),
            "AT+MQTTPUB" if line.contains("=0,1") => "OK\r\n\r+MQTTPUBACC\r\n>".into(),
            "AT+MQTTPUB" if line.contains("=0,2") => "OK\r\n\r+MQTTPUBCOMP\r\n>".into(),
            _ => "OK\r\n".into(),
        }
    }

    /// No dial follows: what is open ends.
    fn finish(&mut self) {
        self.modem.finish();
        self.settle();
        assert!(self.open.is_empty(), "{:?} never ended (R-5)", self.open);
    }
}

fn hear(open: &mut BTreeSet<u32>, notice: &Notice<'_>) -> String {
    let ended = match notice {
        Notice::Granted(tag, _) | Notice::Unsubscribed(tag) | Notice::Delivered(tag) | Notice::Failed(tag, _) => {
            Some(tag)
        }
        Notice::Up { .. } | Notice::Message(_) | Notice::Wall(_) | Notice::Note(_) | Notice::Down(_) => None,
    };
    if let Some(Tag(tag)) = ended {
        assert!(open.remove(tag), "{tag} ends twice (R-5)");
    }
    format!("{notice:?}")
}

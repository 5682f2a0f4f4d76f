//! A modem link with a scripted module at its other end: what goes out and what comes of it, in words to compare.

use core::time::Duration;
use skytether_core::{
    at::{Dialect, Modem, Options, Security, Wifi},
    io::{Action, Cause, Failure, Instant, Rejected, Tag, UnixMillis},
    limits::Limits,
    link::{Connect, Endpoint, Lane, Link, Note, Notice, Publish, QoS, TlsIdentity},
    secret::Secret,
};

/// A notice without lifetimes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Got {
    Up(bool),
    Granted(u32, Option<QoS>),
    Unsubscribed(u32),
    Delivered(u32),
    Failed(u32, Failure),
    Message(String, Vec<u8>, QoS),
    Wall(UnixMillis),
    Note(Note),
    Down(Cause),
}

impl From<Notice<'_>> for Got {
    fn from(notice: Notice<'_>) -> Self {
        match notice {
            Notice::Up { session_present } => Self::Up(session_present),
            Notice::Granted(Tag(tag), qos) => Self::Granted(tag, qos),
            Notice::Unsubscribed(Tag(tag)) => Self::Unsubscribed(tag),
            Notice::Delivered(Tag(tag)) => Self::Delivered(tag),
            Notice::Failed(Tag(tag), why) => Self::Failed(tag, why),
            Notice::Message(m) => Self::Message(m.topic.into(), m.payload.into(), m.qos),
            Notice::Wall(wall) => Self::Wall(wall),
            Notice::Note(note) => Self::Note(note),
            Notice::Down(cause) => Self::Down(cause),
        }
    }
}

/// A module that answers every command at once.
#[allow(clippy::struct_excessive_bools, reason = "independent facts, each switched by some test")]
pub(crate) struct Module {
    pub(crate) joined: bool,
    pub(crate) connected: bool,
    pub(crate) echo: bool,
    pub(crate) rnwf: bool,
    /// Whether acknowledgements and other events come by themselves.
    pub(crate) events: bool,
    /// Whether anything comes at all.
    pub(crate) silent: bool,
    /// All commands that it was given.
    pub(crate) heard: Vec<String>,
}

impl Module {
    pub(crate) fn new() -> Self {
        Self {
            joined: false,
            connected: false,
            echo: true,
            rnwf: false,
            events: true,
            silent: false,
            heard: Vec::new(),
        }
    }

    /// What it says to a command.
    pub(crate) fn answer(&mut self, line: &str) -> String {
        let line = line.trim_end();
        self.heard.push(line.to_owned());
        let echo = if self.echo { format!("{line}\r\n") } else { String::new() };
        let (info, after) = self.obey(line);
        let prompt = if self.echo { ">" } else { "" };
        let after = if self.events { after } else { String::new() };
        if self.silent { String::new() } else { format!("{echo}{info}\r\n{prompt}{after}") }
    }

    fn obey(&mut self, line: &str) -> (String, String) {
        let ok = |after: &str| ("OK".to_owned(), after.to_owned());
        let up = u8::from(self.connected);
        let (name, rest) = line.split_once('=').unwrap_or((line, ""));
        match name {
            "ATE0" => self.echo = false,
            "AT+GMM" if self.rnwf => return ("+GMM:\"RNWF02\"\r\nOK".into(), String::new()),
            "AT+GMM" => return ("+GMM=\"PIC32MZW1\"\r\nOK".into(), String::new()),
            "AT+WSTA" if rest.is_empty() => return (format!("+WSTA:{}\r\nOK", u8::from(self.joined)), String::new()),
            "AT+WSTA" if rest == "1" => {
                self.joined |= self.events;
                return ok("\r+WSTALU:\"02:00:00:00:00:01\",6\r\n\r+WSTAAIP:\"192.0.2.7\"\r\n");
            }
            "AT+WSTAC" if self.joined => return ("ERROR:6,\"Configuration Update Blocked\"".into(), String::new()),
            "AT+TIME" => return ("+TIME:1800000000\r\nOK".into(), String::new()),
            "AT+MQTTCONN" if rest.is_empty() => return (format!("+MQTTCONN:{up}\r\nOK"), String::new()),
            "AT+MQTTCONN" => {
                self.connected |= self.events;
                return ok("\r+MQTTCONNACK:0,0\r\n\r+MQTTCONN:1\r\n");
            }
            "AT+MQTTDISCONN" if !self.connected => return ("ERROR:47,\"MQTT Error\"".into(), String::new()),
            "AT+MQTTDISCONN" => {
                self.connected = false;
                return ok("\r+MQTTCONN:0\r\n");
            }
            "AT+MQTTSUB" if self.rnwf => return ok("\r+MQTTSUB:1\r\n"),
            "AT+MQTTSUB" => return ok("\r+MQTTSUB:0\r\n"),
            "AT+MQTTUNSUB" if self.rnwf => return ok("\r+MQTTUNSUB:0\r\n"),
            "AT+MQTTUNSUB" => return ok("\r+MQTTUNSUB:1\r\n"),
            "AT+MQTTPUB" if rest.starts_with("0,1") => return ok("\r+MQTTPUBACC\r\n"),
            "AT+MQTTPUB" if rest.starts_with("0,2") => return ok("\r+MQTTPUBCOMP\r\n"),
            _ => {}
        }
        ok("")
    }
}

pub(crate) struct Rig {
    pub(crate) modem: Modem,
    pub(crate) module: Module,
    pub(crate) now: Instant,
    pub(crate) got: Vec<Got>,
    pub(crate) closing: bool,
    /// Whether `ready` is called on `Up`, as an ordinary broker's cloud does.
    pub(crate) readies: bool,
    pub(crate) to: Endpoint,
    pub(crate) connect: Connect,
    scratch: Vec<u8>,
}

pub(crate) fn options() -> Options {
    let wifi = Wifi { ssid: "lab".into(), security: Security::Wpa2, passphrase: Secret::new(*b"pass word") };
    Options { dialect: Dialect::AnyCloud, wifi: Some(wifi), ..Options::default() }
}

impl Rig {
    pub(crate) fn new(options: Options) -> Self {
        Self::with(options, Limits::default())
    }

    pub(crate) fn with(options: Options, limits: Limits) -> Self {
        let connect = Connect {
            client_id: "dev".into(),
            user_name: Some("user".into()),
            clean_session: true,
            ..Connect::default()
        };
        Self {
            modem: Modem::new(options, limits),
            module: Module::new(),
            now: Instant(1000),
            got: Vec::new(),
            closing: false,
            readies: true,
            to: Endpoint { tls: TlsIdentity::Client, ..Endpoint::tcp("h.example", 8883) },
            connect,
            scratch: Vec::new(),
        }
    }

    /// A modem that is connected and ready, and has nothing to do.
    pub(crate) fn up() -> Self {
        let mut rig = Self::new(options());
        rig.connect();
        rig
    }

    /// Opens the pipe and lets the module do what it is told, until it is connected.
    pub(crate) fn connect(&mut self) {
        self.open();
        self.serve();
        assert!(matches!(self.got.last(), Some(Got::Up(_))), "{:?} after {:?}", self.got, self.module.heard);
        self.got.clear();
        self.module.heard.clear();
    }

    pub(crate) fn open(&mut self) {
        self.closing = false;
        self.modem.dial(self.now, &self.to, self.connect.clone()).unwrap();
        self.modem.opened(self.now);
        self.settle();
    }

    pub(crate) fn lose(&mut self) {
        self.modem.closed(self.now, Cause::Lost);
        self.settle();
    }

    /// Lets the module answer until nothing goes out any more.
    pub(crate) fn serve(&mut self) {
        for _ in 0..1000 {
            let out = self.tx();
            if out.is_empty() {
                return;
            }
            let said = self.module.answer(&out);
            self.rx(said.as_bytes());
        }
        panic!("the modem never rests: {:?}", self.module.heard);
    }

    /// Takes the line that waits for the pipe.
    pub(crate) fn tx(&mut self) -> String {
        let out = String::from_utf8(self.modem.transmit().to_vec()).unwrap();
        if !out.is_empty() {
            self.modem.sent(self.now, out.len());
            self.settle();
        }
        out
    }

    /// Takes at most so many bytes of it.
    pub(crate) fn tx_some(&mut self, len: usize) -> String {
        let waits = self.modem.transmit();
        let out = String::from_utf8_lossy(&waits[..len.min(waits.len())]).into_owned();
        if !out.is_empty() {
            self.modem.sent(self.now, out.len());
            self.settle();
        }
        out
    }

    /// Bytes that the lent vector has room for.
    pub(crate) fn scratch_capacity(&self) -> usize {
        self.scratch.capacity()
    }

    /// Bytes come in.
    pub(crate) fn rx(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (used, notice) = self.modem.read(self.now, bytes, &mut self.scratch);
            let got = notice.map(Got::from);
            assert!(used > 0 || got.is_some(), "it neither reads nor speaks");
            bytes = &bytes[used..];
            self.take(got);
        }
        self.settle();
    }

    fn take(&mut self, got: Option<Got>) {
        if self.readies && matches!(got, Some(Got::Up(_))) {
            self.modem.ready();
        }
        self.got.extend(got);
    }

    /// What time brings, until nothing comes.
    pub(crate) fn settle(&mut self) {
        for _ in 0..10_000 {
            let notice = self.modem.read(self.now, &[], &mut self.scratch).1.map(Got::from);
            let want = self.modem.want();
            assert!(want.is_none() || want == Some(Action::Close), "{want:?}");
            self.closing |= want.is_some();
            if notice.is_none() && want.is_none() {
                if let Some(deadline) = self.modem.deadline() {
                    assert!(deadline.at > self.now, "R-9: {deadline:?} at {:?}", self.now);
                }
                return;
            }
            self.take(notice);
        }
        panic!("no rest (R-9)");
    }

    /// Time goes on, every deadline on the way is served at its own time, and the module answers.
    pub(crate) fn advance(&mut self, by: Duration) {
        let end = self.now.after(by);
        for _ in 0..100_000 {
            self.serve();
            let Some(deadline) = self.modem.deadline().filter(|deadline| deadline.at <= end) else {
                self.now = end;
                self.settle();
                self.serve();
                return;
            };
            self.now = self.now.max(deadline.at);
            self.settle();
        }
        panic!("too many deadlines (R-9)");
    }

    pub(crate) fn seconds(&mut self, seconds: u64) {
        self.advance(Duration::from_secs(seconds));
    }

    pub(crate) fn publish(&mut self, tag: u32, qos: QoS, payload: &[u8]) -> Result<(), Rejected> {
        self.publish_on(Lane::App, tag, qos, payload, None)
    }

    pub(crate) fn publish_on(
        &mut self,
        lane: Lane,
        tag: u32,
        qos: QoS,
        payload: &[u8],
        ttl: Option<Duration>,
    ) -> Result<(), Rejected> {
        let publish = Publish { tag: Tag(tag), lane, topic: &["t/", "x"], payload, qos, retain: false, ttl };
        let done = self.modem.publish(self.now, publish);
        self.settle();
        done
    }

    pub(crate) fn subscribe(&mut self, tag: u32, lane: Lane, filter: &str) -> Result<(), Rejected> {
        let done = self.modem.subscribe(self.now, Tag(tag), lane, &[filter], QoS::AtLeastOnce);
        self.settle();
        done
    }

    pub(crate) fn got(&mut self) -> Vec<Got> {
        core::mem::take(&mut self.got)
    }

    /// The commands that the module was given since it was asked last.
    pub(crate) fn heard(&mut self) -> Vec<String> {
        core::mem::take(&mut self.module.heard)
    }
}
